//! Which variables may be set, and which of those are shown to the person first.

use super::{VarName, Words};
use crate::error::{Failure, Kind, Result};

/// How the names of mima's own variables start.
pub const OWN_PREFIXES: [&str; 3] = ["MIMA_", "__MIMA_", "__mima_"];

/// Variables that steer the shell or mima. Nothing may set them: a project could otherwise run
/// code at the next prompt, move what mima trusts, or break the hook. (threats: B2, B4)
///
/// What a shell only tells about itself (`HOST`, `OSTYPE`, `TTY`) is not here.
static STEERING: Words = Words::new(&[
    // Where a shell or mima finds its files, the person, and the programs.
    "CDPATH cdpath EGID EUID FPATH fpath GID GROUPS HOME MODULE_PATH module_path OLDPWD PATH
     path PPID PWD SHELL SHLVL UID USERNAME XDG_DATA_HOME ZDOTDIR",
    // What a shell runs or expands when it starts, at a prompt, or while it waits.
    "*_functions _comp* BASH_* comppostfuncs compprefuncs ENV INPUTRC MAILCHECK MAILPATH mailpath
     NULLCMD PERIOD PROMPT prompt PROMPT2 PROMPT3 PROMPT4 PROMPT_COMMAND PROMPT_DIRTRIM
     PROMPT_EOL_MARK PS0 PS1 PS2 PS3 PS4 READNULLCMD RPROMPT RPROMPT2 RPS1 RPS2 SPROMPT STTY
     TMOUT",
    // How a shell reads and runs what is typed: its options, splitting, patterns, history, editor.
    "ARGV0 auto_resume BASHOPTS COMP_* COMPREPLY CORRECT_IGNORE CORRECT_IGNORE_FILE DIRSTACKSIZE
     EXECIGNORE FIGNORE fignore FUNCNEST GLOBIGNORE HISTCHARS histchars HISTCMD HISTCONTROL
     HISTFILE HISTFILESIZE HISTIGNORE HISTSIZE HISTTIMEFORMAT HOSTFILE IFS IGNOREEOF ignoreeof
     KEYBOARD_HACK KEYTIMEOUT LISTMAX LOGCHECK POSIXLY_CORRECT POSTEDIT READLINE_* REPORTMEMORY
     REPORTTIME SAVEHIST SHELLOPTS TIMEFMT TIMEFORMAT TMPPREFIX TMPSUFFIX WATCH watch WATCHFMT
     WORDCHARS ZBEEP ZLE_* zle_*",
    // What a shell computes: read-only, a number, or an array. bash runs commands in the
    // subscripts of what it assigns to a number, `a[$(id)]`, and one failing assignment would drop
    // all that come after it. (threat B4)
    "_ ARGC argv BASH BASHPID BAUD COLUMNS COPROC DIRSTACK dirstack EPOCHREALTIME EPOCHSECONDS
     epochtime ERRNO errnos FUNCNAME LINENO LINES manpath MAPFILE OPTARG OPTERR OPTIND PIPESTATUS
     pipestatus PSVAR psvar RANDOM SECONDS signals SRANDOM status TRY_BLOCK_* TTYIDLE",
    // zsh's modules keep the shell's own tables in these; `aliases` and `functions` hold code.
    "aliases builtins commands dis_* funcfiletrace funcsourcetrace funcstack functions
     functions_source functrace galiases history historywords jobdirs jobstates jobtexts keymaps
     langinfo mapfile modules nameddirs options parameters patchars reswords saliases sysparams
     termcap terminfo userdirs usergroups widgets ZCURSES_* zcurses_* ZFTP_* zgdbm_tied ZSH ZSH_*
     zsh_*",
    // fish's own. Setting `umask` changes the umask.
    "__fish_* CMD_DURATION fish_* FISH_VERSION hostname status_generation umask version",
    // The state of other hooks beside ours, which would carry out what stands in it.
    "__MISE_* __shadowenv* DIRENV_*",
]);

/// Variables that make another program run or load code, or that redirect it. (threat B3)
///
/// In capitals, and compared without case: programs read `npm_config_…` and `http_proxy` in any.
/// A name too many costs one line at `mima allow`, so whole families are listed.
static RUNNING_CODE: Words = Words::new(&[
    // The dynamic loader, the C library, and libraries that load plugins.
    "*SAN_OPTIONS DYLD_* GCONV_PATH GDK_PIXBUF_MODULE_FILE GI_TYPELIB_PATH GIO_EXTRA_MODULES
     GIO_MODULE_DIR GLIBC_TUNABLES GST_PLUGIN_* GTK3_MODULES GTK_EXE_PREFIX GTK_MODULES GTK_PATH
     LD_* LIBGL_DRIVERS_PATH LIBPATH LOCPATH MAGICK_CODER_MODULE_PATH MAGICK_CONFIGURE_PATH
     MALLOC_* NLSPATH OPENSSL_CONF OPENSSL_ENGINES OPENSSL_MODULES P11_KIT_* QML*_IMPORT_PATH
     QT_PLUGIN_PATH QT_QPA_PLATFORM_PLUGIN_PATH SASL_PATH SHLIB_PATH VK_ICD_FILENAMES
     VK_LAYER_PATH",
    // Programs that other programs start.
    "*_DIFF *_LAUNCHER *_RSH *_SSH *_WRAPPER *ASKPASS *BROWSER *EDITOR *PAGER *VISUAL _ZO_*
     EMACSLOADPATH EXINIT FCEDIT FZF_* GREP_OPTIONS GVIMINIT HISTEDIT LESS* LYNX_* MAILCAPS
     MAILRC MANOPT MANROFFOPT MORE MYVIMRC NVIM_* PINENTRY_* POWERLEVEL9K_* PSQLRC SCREENRC
     STARSHIP_* TAR_OPTIONS VIM VIMINIT VIMRUNTIME XZ_OPT ZIPOPT",
    // Version control.
    "GH_CONFIG_DIR GIT_ALLOW_PROTOCOL GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_COMMON_DIR GIT_CONFIG*
     GIT_DIR GIT_EXEC_PATH GIT_HTTP_* GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_PROTOCOL_FROM_USER
     GIT_PROXY_COMMAND GIT_SSH* GIT_SSL_* GIT_TEMPLATE_DIR GIT_TRACE* GIT_WORK_TREE HG HGMERGE
     HGRCPATH JJ_CONFIG",
    // Interpreters and their package managers.
    "_CE_CONDA _CE_M BUN_* BUNDLE_* COMPOSER_HOME CONDA_* COREPACK_* COVERAGE_PROCESS_START
     DENO_* ELECTRON_RUN_AS_NODE ELIXIR_ERL_OPTIONS ERL_*FLAGS ERL_LIBS GEM_HOME GEM_PATH
     GUILE_*PATH IPYTHONDIR IRBRC JULIA_BINDIR JULIA_DEPOT_PATH JULIA_LOAD_PATH JULIA_PROJECT
     JUPYTER_* LUA_CPATH* LUA_INIT* LUA_PATH* NODE_EXTRA_CA_CERTS NODE_OPTIONS NODE_PATH
     NODE_REPL_EXTERNAL_MODULE NODE_TLS_REJECT_UNAUTHORIZED NODE_V8_COVERAGE NPM_CONFIG_* NVM_DIR
     PERL* PHP_INI_SCAN_DIR PHPRC PIP_* PIPENV_* PIPX_* PNPM_* POETRY_* PYENV_HOOK_PATH
     PYENV_ROOT PYTEST_ADDOPTS PYTEST_PLUGINS PYTHONBREAKPOINT PYTHONEXECUTABLE PYTHONHOME
     PYTHONINSPECT PYTHONPATH PYTHONPLATLIBDIR PYTHONPYCACHEPREFIX PYTHONSTARTUP PYTHONUSERBASE
     PYTHONWARNINGS R_ENVIRON* R_HOME R_LIBS* R_PROFILE* RBENV_HOOK_PATH RBENV_ROOT RUBYLIB
     RUBYOPT RUBYSHELL TCLLIBPATH UV_* VIRTUALENV_* YARN_*",
    // Runtimes and build tools of the JVM and of .NET.
    "*_OPTS _JAVA_OPTIONS ANT_ARGS ANT_HOME CLASSPATH COMPLUS_* COR_* CORECLR_*
     DOTNET_ADDITIONAL_DEPS DOTNET_GC* DOTNET_ROOT* DOTNET_SHARED_STORE DOTNET_STARTUP_HOOKS
     GRADLE_HOME GRADLE_USER_HOME JAVA_HOME JAVA_TOOL_OPTIONS JAVACMD JDK_HOME JDK_JAVA_OPTIONS
     JDK_JAVAC_OPTIONS LEIN_* M2_HOME MAVEN_ARGS MAVEN_HOME MSBUILD* NUGET_*",
    // Compilers and build tools.
    "ACLOCAL_PATH AR AS C_INCLUDE_PATH CAML_LD_LIBRARY_PATH CARGO CARGO_ALIAS_* CARGO_BUILD_*
     CARGO_ENCODED_* CARGO_HOME CARGO_HTTP_* CARGO_NET_* CARGO_REGISTRIES_* CARGO_REGISTRY_*
     CARGO_SOURCE_* CARGO_TARGET_*_LINKER CARGO_TARGET_*_RUNNER CARGO_TARGET_*_RUSTFLAGS
     CARGO_UNSTABLE_* CC CCACHE_* CFLAGS CGO_* CMAKE_* COMPILER_PATH CONFIG_SHELL CONFIG_SITE
     CPATH CPLUS_INCLUDE_PATH CPP CPPFLAGS CXX CXXFLAGS DEVELOPER_DIR FC GCC_EXEC_PREFIX GHCRTS
     GNUMAKEFLAGS GOAUTH GOBIN GOENV GOFLAGS GOINSECURE GONOPROXY GONOSUMDB GOPATH GOPRIVATE
     GOPROXY GOROOT GOSUMDB GOTOOLCHAIN GOTOOLDIR GOVCS GOWORK LD LDFLAGS LDSHARED LEX
     LIBRARY_PATH LIBTOOL M4 MAKE MAKEFILES MAKEFLAGS MFLAGS NM OBJC_INCLUDE_PATH OBJCOPY
     OCAMLPATH PKG_CONFIG PKG_CONFIG_* RANLIB RUSTC RUSTC_* RUSTDOC RUSTDOCFLAGS RUSTFLAGS
     RUSTFMT RUSTUP_* SCCACHE_* SDKROOT STRIP TOOLCHAINS YACC",
    // Whom a program talks to, and whom it believes.
    "*_CA_BUNDLE *_CA_CERTS *_CA_FILE *_CAINFO *_CERT_DIR *_CERT_FILE *_PROXY AWS_CONFIG_FILE
     AWS_ENDPOINT_URL* AWS_SHARED_CREDENTIALS_FILE BUILDKIT_HOST CONTAINER_HOST CURL_HOME DBUS_*
     DISPLAY DOCKER_CERT_PATH DOCKER_CONFIG DOCKER_CONTEXT DOCKER_HOST DOCKER_TLS_VERIFY
     GNUPGHOME GPG_AGENT_INFO HOSTALIASES KRB5_* KUBECONFIG LOCALDOMAIN MYSQL_HOME
     PASSWORD_STORE_* PGSERVICEFILE PGSYSCONFDIR RES_OPTIONS RESOLV_HOST_CONF SSH_AGENT_PID
     SSH_ASKPASS_REQUIRE SSH_AUTH_SOCK SSH_SK_PROVIDER SSLKEYLOGFILE SYSTEMD_* WAYLAND_DISPLAY
     WGETRC XAUTHORITY",
    // Where programs look for their configuration, plugins and temporary files.
    "ANSIBLE_* ASDF_* AZURE_CONFIG_DIR AZURE_EXTENSION_DIR BAT_CONFIG_PATH CLOUDSDK_CONFIG
     CLOUDSDK_PYTHON* GS_LIB HELM_PLUGINS HELM_REPOSITORY_* HOMEBREW_* MAGIC MISE_* NIX_*
     PULUMI_HOME SDKMAN_DIR TEMP TERMCAP TERMINFO TERMINFO_DIRS TERMPATH TEXINPUTS TEXMF*
     TF_CLI_* TF_PLUGIN_CACHE_DIR TMP TMPDIR TMUX TMUX_TMPDIR TZDIR VAGRANT_* XDG_CACHE_HOME
     XDG_CONFIG_DIRS XDG_CONFIG_HOME XDG_DATA_DIRS XDG_RUNTIME_DIR XDG_STATE_HOME",
]);

impl VarName {
    /// Checks `text` as a variable that a group or file may set: a well-formed name that
    /// steers neither the shell nor mima.
    pub fn parse_settable(text: &str) -> Result<Self> {
        let name = Self::parse(text)?;
        if name.is_steering() {
            return Err(Failure::new(
                Kind::Usage,
                format!("`{name}` steers the shell or mima, so no group may set it"),
            )
            .hint("choose another variable"));
        }
        Ok(name)
    }

    /// Tells whether the variable is one of mima's own.
    pub fn is_own(&self) -> bool {
        OWN_PREFIXES.iter().any(|prefix| self.as_str().starts_with(prefix))
    }

    /// Tells whether the variable steers the shell or mima itself, so that nothing may set it.
    pub fn is_steering(&self) -> bool {
        self.is_own() || STEERING.have(self.as_str())
    }

    /// Tells whether the variable makes another program run or load code, or redirects it, so
    /// that only a person may let it through.
    pub fn runs_code(&self) -> bool {
        RUNNING_CODE.have(&self.as_str().to_ascii_uppercase())
    }
}

#[cfg(test)]
mod tests {
    use super::super::assert_sorted;
    use super::*;

    /// Row B3 of the threat table, in whatever case programs read them.
    const ROW_B3: &str = "LD_PRELOAD DYLD_INSERT_LIBRARIES GLIBC_TUNABLES GCONV_PATH NODE_OPTIONS
        PYTHONPATH PYTHONSTARTUP PERL5OPT RUBYOPT JAVA_TOOL_OPTIONS _JAVA_OPTIONS GIT_SSH_COMMAND
        GIT_CONFIG_COUNT GIT_PAGER EDITOR VISUAL PAGER LESSOPEN SSH_ASKPASS BROWSER RUSTC_WRAPPER
        npm_config_registry NPM_CONFIG_SCRIPT_SHELL PIP_INDEX_URL http_proxy HTTPS_PROXY All_Proxy
        SSL_CERT_FILE NODE_EXTRA_CA_CERTS TERMINFO XDG_RUNTIME_DIR DOCKER_HOST SSH_AUTH_SOCK
        CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER GIT_EXTERNAL_DIFF AWS_CA_BUNDLE";

    /// What projects set every day.
    const PLAIN: &str = "API_ROOT AWS_PROFILE AWS_REGION CARGO_TARGET_DIR DATABASE_URL DEBUG DIFF
        GIT_AUTHOR_NAME HOST HOSTNAME LANG LC_ALL LOGNAME MANPATH NODE_ENV PGHOST PORT
        PROMPT_TEMPLATE PYTHONUNBUFFERED RUST_BACKTRACE RUST_LOG TERM TZ USER VERSION VIRTUAL_ENV
        Status Path";

    fn names(text: &str) -> impl Iterator<Item = VarName> {
        text.split_ascii_whitespace().map(|name| VarName::parse(name).unwrap())
    }

    #[test]
    fn the_lists_are_sorted_and_in_capitals_where_case_does_not_count() {
        assert_sorted(&STEERING);
        assert_sorted(&RUNNING_CODE);
        for word in RUNNING_CODE.iter() {
            assert_eq!(word, word.to_ascii_uppercase());
        }
    }

    #[test]
    fn t_b3_variables_that_run_code_are_told_apart_and_may_be_set() {
        for name in names(ROW_B3) {
            assert!(name.runs_code() && !name.is_steering(), "{name}");
        }
    }

    #[test]
    fn what_projects_set_every_day_needs_no_second_look() {
        for name in names(PLAIN) {
            assert!(!name.runs_code() && !name.is_steering(), "{name}");
        }
    }

    #[test]
    fn t_b2_what_would_move_the_trust_or_the_state_of_mima_is_steering() {
        for name in names("HOME XDG_DATA_HOME MIMA_HOME __MIMA_STATE __mima_at DIRENV_DIFF") {
            assert!(name.is_steering(), "{name}");
            assert!(VarName::parse_settable(name.as_str()).is_err(), "{name}");
        }
    }
}
