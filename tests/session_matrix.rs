//! What an unlock in a shell is good for: what is typed there, in all the forms that a shell
//! has, and nothing that a program starts. Row H3 of the threat table, and H1 and H2.

use crate::common::find;
use crate::common::hooked::{SHELLS, Start, each, said_in};
use crate::common::require;
use crate::common::tab::{Came, Probe, tab, world};
use crate::common::world::World;

/// What is to become of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    /// It was typed: nobody is asked.
    Passes,
    /// A program has started it: somebody is asked.
    Asked,
    /// A program has become it, in the very process that the shell has started. So nobody is
    /// asked, for nothing tells it from what was typed.
    BecomesIt,
}

use Want::{Asked, BecomesIt, Passes};

/// A way to start a command.
struct Form {
    want: Want,
    name: &'static str,
    /// What is typed into bash, zsh and fish; empty where a shell has no such form. `{m}` is the
    /// command, `{b}` the same without a redirection, `{f}` a file that it makes, `{r}` the
    /// directory of what [`prepare`] has written.
    typed: [&'static str; 3],
    /// The programs that it takes, besides the shell's own.
    needs: &'static [&'static str],
}

/// A form that is typed alike in all shells.
const fn same(want: Want, name: &'static str, typed: &'static str) -> Form {
    Form { want, name, typed: [typed; 3], needs: &[] }
}

/// A form that is typed alike in bash and zsh.
const fn form(want: Want, name: &'static str, sh: &'static str, fish: &'static str) -> Form {
    Form { want, name, typed: [sh, sh, fish], needs: &[] }
}

/// A form that each shell has in its own way.
const fn own(want: Want, name: &'static str, typed: [&'static str; 3]) -> Form {
    Form { want, name, typed, needs: &[] }
}

/// A program that starts a command.
const fn by(want: Want, needs: &'static [&'static str], typed: &'static str) -> Form {
    Form { want, name: typed, typed: [typed; 3], needs }
}

const FORMS: &[Form] = &[
    same(Passes, "plain", "{m}"),
    same(Passes, "the first of a pipe", "{m} | cat"),
    same(Passes, "the last of a pipe", "echo x | {m}"),
    same(Passes, "amid a pipe", "echo x | {m} | cat"),
    form(Passes, "substituted", "x=$({m})", "set x ({m})"),
    form(Passes, "substituted within", "x=$(y=$({m}); true)", "set x (set y ({m}); true)"),
    form(Passes, "backquotes", "x=`{m}`", ""),
    form(Passes, "substituted as a file", "cat <({m})", "cat ({m} | psub)"),
    form(Passes, "reading what is written to a file", "echo x > >({m})", ""),
    form(Passes, "a group", "{ {m}; }", "begin; {m}; end"),
    form(Passes, "a subshell", "({m}; true)", ""),
    form(Passes, "subshells", "(true; ({m}; true); true)", ""),
    form(Passes, "exec in a subshell", "(exec {m})", ""),
    form(Passes, "a function", "f() { {m}; }; f", "function f; {m}; end; f"),
    same(Passes, "in the background", "{m} & wait"),
    form(Passes, "a subshell in the background", "({m}; true) & wait", ""),
    form(Passes, "a coprocess", "coproc {m}; wait", ""),
    same(Passes, "timed", "time {m}"),
    form(Passes, "negated", "! {m}", "not {m}"),
    same(Passes, "after another", "true && {m}"),
    same(Passes, "instead of another", "false || {m}"),
    form(Passes, "a here-document", "{m} <<E\nx\nE", ""),
    form(Passes, "a here-string", "{m} <<<x", ""),
    form(Passes, "a condition", "if {m}; then :; fi", "if {m}; end"),
    form(Passes, "a loop", "for i in 1; do {m}; done", "for i in 1; {m}; end"),
    form(
        Passes,
        "a loop in a pipe",
        "echo x | while read -r i; do {m}; done",
        "echo x | while read i; {m}; end",
    ),
    same(Passes, "evaluated", "eval '{m}'"),
    same(Passes, "in a file that is sourced", "source {r}/sourced"),
    same(Passes, "with a variable", "A=1 {m}"),
    same(Passes, "past functions", "command {m}"),
    same(Passes, "an alias", "alias mm='{m}'; eval mm"),
    form(
        Passes,
        "a trap",
        "trap '{m}' USR1; kill -USR1 $$; trap - USR1",
        "function t --on-signal USR1; {m}; end; kill -USR1 $fish_pid",
    ),
    own(
        Passes,
        "before the prompt",
        [
            "old=$PROMPT_COMMAND; PROMPT_COMMAND='PROMPT_COMMAND=$old; {m}; eval \"$old\"'",
            "p() { {m}; precmd_functions=(${precmd_functions:#p}) }; precmd_functions+=(p)",
            "function p --on-event fish_prompt; functions -e p; {m}; end",
        ],
    ),
    own(
        Passes,
        "on a change of directory",
        [
            "cd() { unset -f cd; builtin cd \"$@\"; {m}; }; cd .",
            "c() { {m}; chpwd_functions=(${chpwd_functions:#c}) }; chpwd_functions+=(c); cd .",
            "function c --on-variable PWD; functions -e c; {m}; end; cd /; cd -",
        ],
    ),
    same(Passes, "the wrapper of the hook", "g touch {f}"),
    same(Passes, "the wrapper in a pipe", "echo x | g touch {f} | cat"),
    form(Passes, "the wrapper, substituted", "x=$(g touch {f})", "set x (g touch {f})"),
    same(Passes, "the wrapper in the background", "g touch {f} & wait"),
    by(Asked, &["npm"], "npm --prefix {r} run --silent x"),
    by(Asked, &["npm"], "npm --prefix {r} install --silent --offline --no-audit --no-fund"),
    by(Asked, &["make"], "make --no-print-directory -f {r}/makefile"),
    by(Asked, &["xargs"], "echo x | xargs -I@ {m}"),
    by(Asked, &["find"], r"find . -maxdepth 0 -exec {m} \;"),
    by(Asked, &["git"], "git -c alias.x='!{m}' x"),
    by(Asked, &["ex"], "ex -u NONE -s -c '!{m}' -c q </dev/null"),
    by(Asked, &["timeout"], "timeout 20 {m}"),
    by(Asked, &["awk"], "awk 'BEGIN { system(\"{m}\") }'"),
    by(Asked, &["perl"], "perl -e 'system(q({m}))'"),
    by(Asked, &["node"], "node -e 'child_process.execSync(\"{m}\")'"),
    by(Asked, &["sh"], "sh -c '{m}; true'"),
    by(Asked, &["sh"], "sh -c 'true; (sh -c \"{m}\"); true'"),
    by(Asked, &["sh"], "sh {r}/script"),
    by(Asked, &["bash"], "bash -c '{m}; true'"),
    by(Asked, &["zsh"], "zsh -fc '{m}; true'"),
    by(Asked, &["fish"], "fish --no-config -c '{m}'"),
    by(Asked, &["flock"], "flock {r}/lock {m}"),
    by(Asked, &["setsid"], "setsid -w {m}"),
    by(Asked, &["setsid"], "setsid {m}"),
    Form {
        want: Asked,
        name: "a session of its own, substituted",
        typed: ["x=$(setsid {m})", "x=$(setsid {m})", "set x (setsid {m})"],
        needs: &["setsid"],
    },
    by(Asked, &["setsid"], "sh -c 'setsid -w sh -c \"{m}; true\"; true'"),
    // `setsid` tells its `script` from the one of macOS.
    by(Asked, &["script", "setsid"], "script -qec '{m}' /dev/null"),
    by(Asked, &["script", "setsid"], "script -qec '{m}; true' /dev/null"),
    form(Asked, "without the subshell that started it", "( (sleep 0.2; {m}) & )", ""),
    by(BecomesIt, &["env"], "env A=1 {m}"),
    by(BecomesIt, &["nice"], "nice {m}"),
    by(BecomesIt, &["nohup"], "nohup {m} >/dev/null"),
    by(BecomesIt, &["stdbuf"], "stdbuf -oL {m}"),
    by(BecomesIt, &["sh"], "sh {r}/becomes"),
    // bash and perl stay around if there is something to redirect.
    by(BecomesIt, &["bash"], "bash -c '{b}'"),
    by(BecomesIt, &["zsh"], "zsh -fc '{m}'"),
    by(BecomesIt, &["perl"], "perl -e 'exec q({b})'"),
];

/// Writes the files that a form takes, with its command in them.
fn prepare(world: &World, command: &str) -> String {
    let dir = world.root().join("files");
    std::fs::create_dir_all(&dir).unwrap();
    let scripts = format!("{{\"scripts\":{{\"x\":\"{command}\",\"postinstall\":\"{command}\"}}}}");
    for (name, text) in [
        ("sourced", format!("{command}\n")),
        ("script", format!("true\n{command}\n")),
        ("becomes", format!("true\nexec {command}\n")),
        ("makefile", format!("x:\n\t@{command} || true\n")),
        ("package.json", scripts),
    ] {
        std::fs::write(dir.join(name), text).unwrap();
    }
    dir.to_str().unwrap().to_owned()
}

/// Types all forms into a shell in which the group has been unlocked once.
fn matrix(shell: &'static str) {
    if require(shell).is_none() {
        return;
    }
    let mut world = world("");
    world.set_env("npm_config_update_notifier", "false");
    world.write("p/.mima.yaml", "wrap: [g]\n");
    let project = world.home().join("p");
    world.mima(&["allow", "--yes"]).cwd(&project).run().ok();
    let mut hooked = Start::new(&world, shell).cwd(&project).start();
    assert_eq!(hooked.probe(&world, "{m} # before"), Came::Asked, "{shell}");
    hooked.unlock();
    assert_eq!(world.take_asked(), 1);
    let at = SHELLS.iter().position(|name| *name == shell).unwrap();
    let mut wrong = Vec::new();
    for form in FORMS.iter().filter(|form| !form.typed[at].is_empty()) {
        if let Some(missing) = form.needs.iter().find(|program| find(program).is_none()) {
            // Not of everything that starts programs can a test demand that it be here.
            eprintln!("SKIPPED {}: no {missing} here", form.name);
            continue;
        }
        let probe = Probe::new(&world, form.name);
        let files = prepare(&world, &probe.command());
        let line = form.typed[at].replace("{m}", &probe.command());
        let line = line.replace("{b}", &probe.bare()).replace("{f}", &probe.file());
        let line = line.replace("{r}", &files);
        let said = hooked.run(&line.replace('\n', "\r"));
        let want = if form.want == Asked { Came::Asked } else { Came::Passed };
        let (came, asked) = (probe.wait(), world.take_asked());
        if came != want || asked > 0 {
            let name = form.name;
            wrong.push(format!("{name}: {came:?}, not {want:?}; {asked} prompts\n{line}\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{shell}:\n{}", wrong.join("\n"));
    let bound = Probe::new(&world, "bound to a key");
    let bind = said_in(
        shell,
        ["bind -x '\"\\C-o\": {m}'", "k() { {m} }; zle -N k; bindkey '^O' k", "bind \\co '{m}'"],
    );
    hooked.run(&bind.replace("{m}", &bound.command()));
    hooked.pty.send("\x0f");
    assert_eq!(bound.wait(), Came::Passed, "{shell}");
    hooked.pty.send("\x15");
    // Nothing of all that has taken it away, or given it to anybody else.
    assert!(hooked.passes(), "{shell}");
    assert!(!tab(&world, shell).passes(), "{shell}: in another tab");
    let cron = world.mima(&["run", "--no-prompt", "g", "--", "true"]);
    cron.run().fails(125).stderr_has("the secrets are locked");
    assert!(hooked.passes(), "{shell}");
    assert_eq!(world.take_asked(), 0, "{shell}");
}

#[test]
fn t_h3_what_is_typed_passes_and_what_a_program_starts_is_asked_in_bash() {
    matrix("bash");
}

#[test]
fn t_h3_what_is_typed_passes_and_what_a_program_starts_is_asked_in_zsh() {
    matrix("zsh");
}

#[test]
fn t_h3_what_is_typed_passes_and_what_a_program_starts_is_asked_in_fish() {
    matrix("fish");
}

#[test]
fn t_h3_a_shell_within_a_shell_is_another_one() {
    each(|shell| {
        let world = world("");
        let mut hooked = tab(&world, shell);
        let words = Start::new(&world, shell).words().join(" ");
        hooked.unlock();
        hooked.nest(&words);
        assert!(!hooked.passes(), "{shell}");
        // Some program may have started it. So what was asked for in there is not kept either.
        for asked in 2..4 {
            assert_eq!(hooked.run("mima run g -- printenv TOKEN"), "value-of-K00\n", "{shell}");
            assert_eq!(world.asked(), asked, "{shell}");
        }
        hooked.unlock();
        assert!(hooked.passes(), "{shell}");
        assert!(hooked.run("mima lock").contains("locked "), "{shell}");
        assert!(!hooked.passes(), "{shell}");
        hooked.leave();
        // It was unlocked in the same session.
        assert!(!hooked.passes(), "{shell}");
        hooked.nest(&words);
        hooked.unlock();
        hooked.leave();
        assert!(!hooked.passes(), "{shell}");
    });
}

#[test]
fn t_h3_who_was_asked_at_the_shell_of_a_terminal_is_not_asked_again() {
    each(|shell| {
        let world = world("");
        let mut hooked = tab(&world, shell);
        for _ in 0..2 {
            assert_eq!(hooked.run("mima run g -- printenv TOKEN"), "value-of-K00\n", "{shell}");
        }
        assert_eq!(world.asked(), 1, "{shell}");
        assert!(hooked.passes(), "{shell}");
        assert!(hooked.run("mima lock").contains("locked 1 group"), "{shell}");
        assert!(!hooked.passes(), "{shell}");
    });
}
