//! What a user has is as it was: the hook changes what it loads, and nothing else.

use crate::common::hooked::{Hooked, Start, age, each, said_in};
use crate::common::require;
use crate::common::world::World;

/// A value that must not be printed by accident.
const VALUE: &str = "value-in-the-project";

fn world() -> World {
    let world = World::new();
    let text = format!("env: {{A: {VALUE}}}\nwatch_file: [w]\nPATH_add: [bin]\n");
    age(&world.write("p/.mima.yaml", text));
    world.write("p/sub/file", "");
    world.mima(&["allow", "--yes"]).cwd(world.home().join("p")).run().ok();
    age(&world.data().join("trust"));
    world
}

/// Types the lines into a shell with the hook and into one without, in a project and while it
/// changes, and sees that they print the same.
#[track_caller]
fn assert_same(shell: &'static str, lines: &[&str]) {
    let world = world();
    let start = || Start::new(&world, shell).env("MIMA_QUIET", "1");
    let (mut with, mut without) = (start().start(), start().without_hook().start());
    assert_eq!(with.greeting, without.greeting, "{shell}");
    for line in ["cd p"].iter().chain(lines) {
        let (with, without) = (with.run(line), without.run(line));
        assert_eq!(with, without, "{shell}: {line}");
    }
    assert_eq!(with.exported("A").as_deref(), Some(VALUE), "{shell}");
}

#[test]
fn the_status_of_the_last_command_is_kept() {
    each(|shell| {
        let status = said_in(shell, ["echo $?", "echo $?", "echo $status"]);
        let mut lines = Vec::new();
        // The second of the pair finds something to load.
        for between in ["", "touch w; "] {
            for command in ["true", "false", "sh -c 'exit 7'", "nosuchcommand 2>/dev/null"] {
                lines.extend([format!("{between}{command}"), status.to_owned()]);
            }
        }
        lines.extend(["cd ..; false", status, "cd p; false", status].map(str::to_owned));
        assert_same(shell, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    });
}

#[test]
fn the_statuses_of_a_pipe_and_the_last_argument_are_kept() {
    each(|shell| {
        let statuses =
            said_in(shell, ["echo ${PIPESTATUS[*]}", "echo $pipestatus", "echo $pipestatus"]);
        let pipe = "true | false | sh -c 'exit 3'";
        let loading = format!("touch w; {pipe}");
        assert_same(shell, &[pipe, statuses, &loading, statuses]);
        if shell != "fish" {
            let last = "echo \"last=$_\"";
            assert_same(shell, &["echo one two", last, "touch w; echo three four", last]);
        }
    });
}

#[test]
fn the_users_traps_stay_and_are_not_called() {
    let int = "trap 'echo got-int' INT";
    let changes = ["true", "false", "touch w", "true", "cd sub", "cd ~", "cd p", "false"];
    let run = |shell, traps: &[&str], end: &[&str]| {
        assert_same(shell, &[traps, &changes, end].concat());
    };
    each(|shell| match shell {
        "bash" => {
            let traps = [int, "trap 'echo got-exit' EXIT", "trap 'echo got-err' ERR"];
            run(shell, &traps, &["trap -p", "kill -INT $$"]);
            run(shell, &["set -E", "trap 'echo got-err' ERR"], &["trap -p"]);
        }
        "zsh" => {
            let traps = [int, "trap 'echo got-exit' EXIT", "trap 'echo got-zerr' ZERR"];
            run(shell, &traps, &["trap", "kill -INT $$"]);
            run(
                shell,
                &["TRAPZERR() { echo zerr }", "TRAPEXIT() { echo exit }"],
                &["functions TRAPZERR"],
            );
        }
        _ => {
            let traps = ["function on_int --on-signal INT; echo got-int; end"];
            run(shell, &traps, &["trap", "kill -INT $fish_pid"]);
        }
    });
}

/// bash calls a DEBUG trap for each entry of `PROMPT_COMMAND`, zsh for what comes before it is
/// laid aside; nothing of what the hook then does is seen by it.
#[test]
fn a_debug_trap_hardly_sees_the_hook() {
    for (shell, set, most) in [
        ("bash", "trap 'echo got-debug' DEBUG", 1),
        ("zsh", "trap 'echo got-debug' DEBUG", 2),
        ("zsh", "TRAPDEBUG() { echo got-debug }", 2),
    ] {
        let world = world();
        let mut hooked = Start::new(&world, shell).env("MIMA_QUIET", "1").start();
        hooked.run(set);
        for line in ["true", "cd p", "touch w", "cd sub", "cd ~"] {
            // A cd calls zsh's hook twice.
            let most = if line.starts_with("cd") { 2 * most } else { most };
            let count = hooked.run(line).matches("got-debug").count();
            assert!(count <= 1 + most, "{shell}: {line}: {count}");
        }
    }
}

#[test]
fn options_are_as_they_were() {
    each(|shell| {
        let changes = ["touch w", "cd ~", "cd p", "true"];
        let (show, sets) = match shell {
            "bash" => (vec!["set -o", "shopt", "echo $-"], vec!["true", "set -eu", "set -aET"]),
            "zsh" => {
                let sets = vec!["true", "setopt err_return no_unset all_export ksh_arrays"];
                (vec!["setopt", "unsetopt", "echo $-"], sets)
            }
            _ => (vec!["status is-interactive; echo $status", "status job-control"], vec!["true"]),
        };
        for set in sets {
            assert_same(shell, &[&[set], &changes[..], &show].concat());
        }
    });
}

#[test]
fn history_holds_what_was_typed() {
    each(|shell| {
        let show = said_in(shell, ["history", "fc -l 1", "history"]);
        let reload = ["touch w", "echo one", "cd ~", "cd p", "mima status >/dev/null"];
        let setup = said_in(shell, ["HISTCONTROL=", "HISTSIZE=100", "true"]);
        assert_same(shell, &[&[setup], &reload[..], &[show]].concat());
    });
}

/// Loads and unloads a project after the lines of a setup were typed, in a shell of its own.
#[track_caller]
fn assert_works_after(shell: &'static str, setup: &str) {
    let world = world();
    let mut hooked = Start::new(&world, shell).env("MIMA_QUIET", "1").start();
    let file = world.root().join("setup");
    std::fs::write(&file, setup).unwrap();
    assert_eq!(hooked.run(&format!("source {}", file.display())), "", "{shell}: {setup}");
    let show = "/usr/bin/env | /bin/grep -q '^A=value-in' && /bin/echo loaded || /bin/echo none";
    let bad = |hooked: &Hooked| format!("{shell}: {setup}\n{}", hooked.pty.transcript());
    for (line, want) in [
        (r"\cd p", ""),
        (show, "loaded\n"),
        (r"\cd sub", ""),
        ("/bin/touch ../w", ""),
        (show, "loaded\n"),
        (r"\cd ~", ""),
        (show, "none\n"),
        (r"\cd p", ""),
        ("mima off", ""),
        (show, "none\n"),
        ("mima on", ""),
        (show, "loaded\n"),
    ] {
        // fish's own cd is a function, which calls others.
        let line = if shell == "fish" { &line.replace('\\', "builtin ") } else { line };
        assert_eq!(hooked.run(line), want, "{line}\n{}", bad(&hooked));
    }
}

#[test]
fn the_hook_works_whatever_options_are_set() {
    for setup in [
        "set -eu",
        "set -o nounset -o noclobber -o pipefail -o noglob",
        "set -aET",
        "set -o posix",
        "shopt -s nocasematch nullglob dotglob extglob; shopt -u sourcepath interactive_comments",
        "IFS=/.miao",
        "IFS=",
        "unset IFS",
        "readonly TMOUT; LC_ALL=C; CDPATH=/usr; GLOBIGNORE=x",
    ] {
        assert_works_after("bash", setup);
    }
    for setup in [
        "set -eu",
        "setopt no_unset no_clobber no_glob pipe_fail",
        "setopt ksh_arrays sh_word_split glob_subst",
        "setopt err_return err_exit all_export",
        "setopt warn_create_global warn_nested_var typeset_silent",
        "setopt auto_cd auto_pushd chase_links cdable_vars ksh_glob no_multi_func_def",
        "setopt no_function_argzero no_equals rc_quotes csh_null_glob extended_glob",
        "setopt ignore_braces no_short_loops no_bare_glob_qual local_options",
        "emulate sh",
        "emulate ksh",
        "IFS=/.miao",
        "IFS=",
        "LC_ALL=C; CDPATH=/usr; NULLCMD=false",
    ] {
        assert_works_after("zsh", setup);
    }
    for setup in ["set -g IFS /.miao", "set -g CDPATH /usr .; set -gx LC_ALL C", "umask 077"] {
        assert_works_after("fish", setup);
    }
}

#[test]
fn the_hook_works_whatever_is_an_alias_or_a_function() {
    let names = "test [ export command local eval printf return unset set declare typeset \
                 echo print read shift exec trap alias complete source exit";
    let aliases = |names: &str| {
        let aliases: Vec<_> = names.split(' ').map(|name| format!("{name}=false")).collect();
        format!("alias {}", aliases.join(" "))
    };
    let names: Vec<_> = names.split_whitespace().collect();
    let usual: Vec<_> =
        names.iter().copied().filter(|name| !["[", "alias"].contains(name)).collect();
    assert_works_after("bash", &aliases(&format!("cd builtin {}", usual.join(" "))));
    assert_works_after("zsh", &aliases(&format!("cd builtin if {}", usual.join(" "))));
    let function = |name: &str| format!("function {name} {{ echo hijacked; false; }};");
    let functions: String =
        names.iter().filter(|name| **name != "[").map(|n| function(n)).collect();
    assert_works_after("bash", &functions);
    assert_works_after("zsh", &functions);
    let names = "cd export printf echo contains count functions complete source math path type ls";
    let functions: Vec<_> = names
        .split_whitespace()
        .map(|name| format!("function {name}; builtin echo hijacked; false; end"))
        .collect();
    assert_works_after("fish", &functions.join("; "));
}

#[test]
fn tracing_shows_no_value_and_hardly_the_hook() {
    each(|shell| {
        let world = world();
        let mut hooked = Start::new(&world, shell).env("MIMA_QUIET", "1").start();
        hooked.run(said_in(shell, ["set -x", "set -x", "set -g fish_trace 1"]));
        for line in ["cd p", "true", "touch w", "true", "cd sub", "cd ~", "true"] {
            let said = hooked.run(line);
            assert!(!said.contains(VALUE), "{shell}: {line}: {said}");
            // fish has no way to trace a part.
            let lines = said.lines().count();
            assert!(shell == "fish" || lines <= 8, "{shell}: {line}: {lines}: {said}");
        }
    });
}

#[test]
fn t_b4_what_the_shell_keeps_to_itself_stays_and_the_rest_is_loaded() {
    for (shell, keep, show, kept) in [
        ("bash", "readonly B=mine", "echo $B", "mine"),
        ("bash", "declare -a B=(1 2)", "echo ${B[*]}", "1 2"),
        ("bash", "declare -n B=OTHER; OTHER=mine", "echo $OTHER", "mine"),
        ("zsh", "readonly B=mine", "echo $B", "mine"),
        ("zsh", "typeset -a B; B=(1 2)", "echo $B", "1 2"),
        ("zsh", "typeset -i B=7", "echo $B", "7"),
    ] {
        if require(shell).is_none() {
            continue;
        }
        let world = World::new();
        world.write("p/.mima.yaml", "env: {A: one, B: 'x[$(touch ~/ran)]', C: three}\n");
        world.mima(&["allow", "--yes"]).cwd(world.home().join("p")).run().ok();
        let mut hooked = Hooked::new(&world, shell);
        hooked.run(keep);
        let said = hooked.run("cd p");
        let line = "mima: this shell keeps B to itself: not set here";
        assert!(said.contains(line), "{shell}: {keep}: {said}");
        for _ in 0..2 {
            assert_eq!(hooked.exported("A").as_deref(), Some("one"), "{shell}: {keep}");
            assert_eq!(hooked.exported("C").as_deref(), Some("three"), "{shell}: {keep}");
            assert_eq!(hooked.run(show).trim_end(), kept, "{shell}: {keep}");
        }
        hooked.run("cd ~");
        assert_eq!(hooked.exported("C"), None, "{shell}: {keep}");
        assert_eq!(hooked.run(show).trim_end(), kept, "{shell}: {keep}");
        assert!(!world.home().join("ran").exists(), "{shell}: {keep}");
    }
}

#[test]
fn verbose_bash_prints_no_value() {
    if require("bash").is_none() {
        return;
    }
    let world = world();
    let mut hooked = Start::new(&world, "bash").env("MIMA_QUIET", "1").start();
    hooked.run("set -v");
    for line in ["cd p", "touch w", "cd ~", "eval \"$(cd p; mima export bash)\"", "cd p"] {
        let said = hooked.run(line);
        assert!(!said.contains(VALUE), "{line}: {said}");
    }
}

#[test]
fn lists_without_duplicates_are_no_reason_to_complain() {
    if require("zsh").is_none() {
        return;
    }
    let world = world();
    let mut hooked = Start::new(&world, "zsh").env("MIMA_QUIET", "1").start();
    hooked.run("typeset -U path PATH; path=(~/p/bin $path)");
    assert_eq!(hooked.run("cd p"), "");
    assert_eq!(hooked.run("echo ${#${(M)path:#*/p/bin}}"), "1\n");
}

#[test]
fn a_value_does_not_make_a_path_of_its_variable() {
    if require("fish").is_none() {
        return;
    }
    let world = world();
    let mut hooked = Start::new(&world, "fish").env("MIMA_QUIET", "1").start();
    hooked.run("set -gx A 'a path variable' two");
    hooked.run("cd p");
    hooked.run("cd ~");
    assert_eq!(hooked.exported("A").as_deref(), Some("a path variable two"));
}

#[test]
fn off_and_on_answer_where_nothing_changes() {
    const OFF: &str = "mima: off in this shell; to load again: mima on\n";
    each(|shell| {
        let world = world();
        let mut hooked = Start::new(&world, shell).start();
        for (line, want) in [
            ("mima off", OFF),
            ("mima off", OFF),
            ("mima on", "mima: on\n"),
            ("mima on", "mima: on\n"),
        ] {
            assert_eq!(hooked.run(line), want, "{shell}: {line}");
        }
        hooked.run(said_in(shell, ["export MIMA_QUIET=1"; 3]));
        for line in ["mima off", "mima off", "mima on", "mima on"] {
            assert_eq!(hooked.run(line), "", "{shell}: {line}");
        }
    });
}

#[test]
fn what_could_not_be_unloaded_is_not_off() {
    each(|shell| {
        let world = world();
        let mut hooked = Start::new(&world, shell).env("MIMA_QUIET", "1").start();
        hooked.run("cd p");
        let binary = world.bin().join("mima");
        let aside = world.root().join("aside");
        std::fs::rename(&binary, &aside).unwrap();
        let said = hooked.run("mima off");
        assert!(said.contains("not there (open a new shell once it is)"), "{shell}: {said}");
        std::fs::rename(&aside, &binary).unwrap();
        assert_eq!(hooked.exported("A").as_deref(), Some(VALUE), "{shell}");
        hooked.run("cd ~");
        assert_eq!(hooked.exported("A"), None, "{shell}");
    });
}

#[test]
fn previous_values_are_not_taken_from_the_environment() {
    each(|shell| {
        let world = world();
        let start = Start::new(&world, shell).env("MIMA_QUIET", "1");
        let start = start.env("__mima_was_A", "theirs").env("__mima_var_A", "theirs");
        let mut hooked = start.start();
        assert_eq!(hooked.exported("__mima_was_A"), None, "{shell}");
        hooked.run(said_in(shell, ["export A=mine", "export A=mine", "set -gx A mine"]));
        hooked.run("cd p");
        hooked.run(said_in(
            shell,
            ["eval \"$(mima hook bash)\"", "eval \"$(mima hook zsh)\"", "mima hook fish | source"],
        ));
        hooked.run("cd ~");
        assert_eq!(hooked.exported("A").as_deref(), Some("mine"), "{shell}");
    });
}
