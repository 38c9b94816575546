//! Which groups get a wrapper: a shell function of the group's name.
//!
//! A function hides the builtin or command of its name, and scripts of the person's own set-up
//! call those. What is a tool for one service (`aws`, `kubectl`, `psql`) may be hidden: a group
//! is likely to be named so, and `mima allow` shows it.

use super::{GroupName, Words};

/// Names that no wrapper may have, in a shell where it would break something. (threat B6)
static TAKEN: Words = Words::new(&[
    // Builtins and keywords of bash.
    "alias bg bind break builtin caller case cd command compgen complete compopt continue coproc
     declare dirs disown do done echo elif else enable esac eval exec exit export false fc fg fi
     for function getopts hash help history if in jobs kill let local logout mapfile popd printf
     pushd pwd read readarray readonly return select set shift shopt source suspend test then
     time times trap true type typeset ulimit umask unalias unset until wait while",
    // What zsh has beyond those, its common modules included.
    "autoload bindkey bye cap chdir clone compadd comparguments compcall compctl compdescribe
     compfiles compgroups compquote compset comptags comptry compvalues disable echotc echoti
     emulate end float foreach functions getcap getln integer limit log nocorrect noglob pcre_*
     print private pushln r rehash repeat sched setcap setopt stat strftime syserror sysopen
     sysread sysseek syswrite ttyctl unfunction unhash unlimit unsetopt vared whence where which
     zcompile zcurses zdelattr zf_* zformat zftp zgdbmpath zgetattr zle zlistattr zmodload
     zparseopts zprof zpty zregexparse zselect zsetattr zsocket zstat zstyle zsystem ztcp ztie
     zuntie",
    // What fish has beyond those. Some of its builtins are functions that it loads when called.
    "abbr and argparse begin block breakpoint cdh commandline contains contains_seq count dirh
     down-or-search edit_command_buffer emit funced funcsave isatty la ll ls man math N_ nextd not
     open or path prevd prompt_* psub random set_color setenv status string switch up-or-search",
    // Functions that a shell calls by itself, at each prompt or when a command is not found.
    "chpwd command_not_found_handle* fish_* periodic precmd preexec run-help TRAP* which-command
     zsh_* zshaddhistory zshexit",
    // mima, shells, multiplexers, and what starts other commands.
    "age age-keygen ash bash busybox csh dash direnv elvish env fish ksh mima mise mksh nice nix
     nix-* nohup nu parallel pwsh rbash screen sh stdbuf strace tcsh timeout tmux xargs xonsh
     zellij zsh",
    // Privileges, secrets and other machines.
    "bw chroot curl doas gpg gpg2 mosh nc newgrp nsenter op pass passwd pkexec rsh rsync run0
     runuser scp security setpriv sftp sg ssh ssh-* su sudo sudoedit telnet unshare visudo wget",
    // Files and text.
    "arch awk b2sum base32 base64 basename bat bzip2 cal cat chcon chgrp chmod chown cksum clear
     cmp comm cp csplit cut date dd df diff diff3 dir dircolors dirname du ed egrep expand expr
     factor fd fgrep file find fmt fold fzf gawk grep groups gunzip gzip head hexdump host hostid
     hostname id install join jq less link ln locate logname lsblk lsof mawk md5sum mkdir mkfifo
     mknod mktemp more mount mv nl nproc numfmt od paste patch pathchk pinky pr printenv ptx
     readlink realpath rename reset rev rg rm rmdir runcon script sed seq sha1sum sha224sum
     sha256sum sha384sum sha512sum shred shuf sleep sort split stty sum sync tac tail tar tee
     touch tput tr tree truncate tset tsort tty umount uname unexpand uniq unlink unzip users
     vdir w watch wc who whoami xxd xz yes yq zcat zip zstd",
    // Processes and the system.
    "at batch crontab dig dmesg fdisk free fuser halt htop ifconfig init ip journalctl killall
     launchctl login lscpu mkfs netstat nslookup pgrep ping pkill pmap poweroff ps reboot renice
     service shutdown ss sysctl systemctl systemd-* taskset top uptime vmstat",
    // Editors and readers.
    "apropos code emacs emacsclient gvim helix hx info kak mg micro most nano neovim nvim pico
     subl vi view vim vimdiff whatis",
    // Version control.
    "bzr cvs darcs fossil git git-* gitk hg jj svn tig",
    // Package managers, interpreters, compilers and build tools.
    "apk apt apt-* brew bun bundle bundler cargo cc clang cmake composer conda cpan deno
     dnf docker docker-compose dpkg flatpak gcc gem go gradle java javac just ld lua luajit
     make meson mvn nerdctl ninja node npm npx pacman perl perl5 php pip pip3 pipx pkg pnpm
     podman poetry port python python2 python3 rpm ruby rustc rustup snap uv uvx yarn yum zypper",
]);

impl GroupName {
    /// Tells whether a shell function may have the group's name. What the person's own shell
    /// has defined under it, only the hook can tell.
    pub fn may_wrap(&self) -> bool {
        !TAKEN.have(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::super::assert_sorted;
    use super::*;

    #[test]
    fn the_list_is_sorted() {
        assert_sorted(&TAKEN);
    }

    #[test]
    fn t_b6_only_names_that_nobody_relies_on_get_a_wrapper() {
        for taken in ["cd", "eval", "exec", "sudo", "su", "ssh", "git", "mima", "if", "test", "r"]
            .into_iter()
            .chain(["precmd", "fish_prompt", "TRAPINT", "vim", "npm", "git-lfs"])
        {
            assert!(!GroupName::parse(taken).unwrap().may_wrap(), "{taken}");
        }
        for free in ["dev", "prod", "stage", "ci", "aws", "kubectl", "agent-claude", "a.b", "7"] {
            assert!(GroupName::parse(free).unwrap().may_wrap(), "{free}");
        }
    }
}
