//! Shells as people have them: with other hooks, within each other, interrupted, half installed.

use std::path::PathBuf;

use crate::common::hooked::{Start, age, each, said_in};
use crate::common::require;
use crate::common::world::World;

fn world() -> World {
    let world = World::new();
    let text = "env: {A: loaded}\nPATH_add: [bin]\nwatch_file: [w]\ngroups: {dev: {TOKEN: K00}}\n";
    age(&world.write("p/.mima.yaml", text));
    world.write("p/sub/file", "");
    world.write("plain/file", "");
    world.mima(&["allow", "--yes"]).cwd(world.home().join("p")).run().ok();
    age(&world.data().join("trust"));
    world
}

/// A program in the place of mima, that notes each call before it does `rest`.
fn stand_in(world: &World, rest: &str) -> PathBuf {
    let log = world.root().join("calls");
    std::fs::write(&log, "").unwrap();
    world.script("stand-in", &format!("echo \"$1\" >>{}\n{rest}", log.display()))
}

fn calls(world: &World) -> usize {
    std::fs::read_to_string(world.root().join("calls")).unwrap().lines().count()
}

/// Shows both statuses in the prompt, read first of all, as starship does.
fn starship(shell: &str) -> &'static str {
    said_in(
        shell,
        [
            "starship_precmd() {
                local last=$? all=\"${PIPESTATUS[*]}\"
                PS1=\"[$last/$all]<\\$prompt_level.\\$((++prompt_number))> \"
            }
            PROMPT_COMMAND=\"starship_precmd${PROMPT_COMMAND:+;$PROMPT_COMMAND}\"",
            "starship_precmd() { last=$? all=\"$pipestatus\" }
            precmd_functions+=(starship_precmd)
            PS1='[$last/$all]<$prompt_level.$((++prompt_number))> '",
            "function fish_prompt
                set -l all $pipestatus
                set -l last $status
                echo -n \"[$last/$all]<$prompt_level.$prompt_number> \"
            end",
        ],
    )
}

#[test]
fn the_hook_works_beside_direnv_zoxide_and_starship() {
    let (Some(_), Some(_)) = (require("direnv"), require("zoxide")) else { return };
    each(|shell| {
        let load = |program: &str| match shell {
            "fish" => format!("{program} {shell} | source"),
            _ => format!("eval \"$({program} {shell})\""),
        };
        let others = [load("direnv hook"), load("zoxide init"), starship(shell).to_owned()];
        let (before, after) = (others.join("\n"), others.join("\n"));
        for (before, after) in [(before.as_str(), ""), ("", after.as_str())] {
            let world = world();
            world.write("p/.envrc", "export D=direnv\n");
            world.command("direnv").arg("allow").cwd(world.home().join("p")).run().ok();
            let start = Start::new(&world, shell).before(before).after(after);
            let mut hooked = start.env("MIMA_QUIET", "1").env("DIRENV_LOG_FORMAT", "").start();
            let bad = |line: &str| format!("{shell}: {line}, {before:?}");
            let path = hooked.exported("PATH");
            hooked.run("cd p");
            for between in ["", "touch w; "] {
                let line = format!("{between}true | false | sh -c 'exit 3'");
                assert_eq!(hooked.run(&line), "[3/0 1 3]", "{}", bad(&line));
            }
            let show = "printenv A; printenv D";
            assert!(hooked.run(show).starts_with("loaded\ndirenv\n"), "{}", bad(show));
            hooked.run("cd ~");
            assert!(hooked.run(show).starts_with("[1/1]"), "{}", bad("cd ~"));
            hooked.run("z p");
            assert!(hooked.run(show).starts_with("loaded\ndirenv\n"), "{}", bad("z p"));
            hooked.run("cd ~/plain");
            assert_eq!(hooked.exported("PATH"), path, "{}", bad("PATH"));
        }
    });
}

#[test]
fn nothing_is_loaded_in_a_subshell_or_for_a_completion() {
    each(|shell| {
        let world = world();
        let binary = stand_in(&world, "exec mima \"$@\"\n");
        let start = Start::new(&world, shell).cwd(world.home().join("plain")).with_binary(&binary);
        let setup = said_in(shell, ["", "autoload -U compinit; compinit -u -D", ""]);
        let mut hooked = start.after(setup).start();
        let lines: &[&str] = match shell {
            "fish" => &["sh -c 'cd ../p'", "fish --no-config -c 'cd ../p'"],
            _ => &["x=$(cd ../p; printenv A); echo ${x:-none}", "(cd ../p; printenv A); true"],
        };
        for line in lines {
            assert!(!hooked.run(line).contains("loaded"), "{shell}: {line}");
        }
        for typed in ["cd ../p/s\t", "ls ../p/s\t"] {
            hooked.pty.send(typed);
            hooked.pty.expect("ub");
            hooked.pty.send("\x15");
            hooked.run("true");
        }
        assert_eq!(calls(&world), 0, "{shell}");
        if shell == "fish" {
            // fish has no subshells: this moves the shell itself, which the next prompt sees.
            assert_eq!(hooked.run("echo (cd ../p; printenv A)").lines().next(), Some(""));
        }
        hooked.run("cd ../p");
        assert_eq!(calls(&world), 1, "{shell}");
    });
}

#[test]
fn a_hook_that_is_loaded_again_changes_nothing() {
    each(|shell| {
        let world = world();
        let binary = stand_in(&world, "exec mima \"$@\"\n");
        let hook = format!("source {}", world.root().join(format!("hook.{shell}")).display());
        let mut hooked = Start::new(&world, shell).with_binary(&binary).after(&hook).start();
        hooked.run("cd p");
        assert_eq!(calls(&world), 1, "{shell}");
        assert_eq!(hooked.exported("A").as_deref(), Some("loaded"), "{shell}");
        assert_eq!(hooked.run(&hook), "", "{shell}");
        assert_eq!(calls(&world), 1, "{shell}");
        hooked.run("cd ~");
        assert_eq!(hooked.exported("A"), None, "{shell}");
        assert_eq!(calls(&world), 2, "{shell}");
    });
}

#[test]
fn bash_runs_what_else_is_in_prompt_command() {
    if require("bash").is_none() {
        return;
    }
    for (before, after, want) in [
        ("PROMPT_COMMAND='echo one'", "", "one\n"),
        ("PROMPT_COMMAND='echo one;'", "PROMPT_COMMAND+='; echo two'", "two\none\n"),
        ("", "PROMPT_COMMAND=\"echo two; $PROMPT_COMMAND\"", "two\n"),
        ("", "PROMPT_COMMAND=\"${PROMPT_COMMAND};echo two\"", "two\n"),
        ("PROMPT_COMMAND=('echo one' 'echo two')", "PROMPT_COMMAND+=('echo 3')", "one\ntwo\n3\n"),
    ] {
        let world = world();
        let start = Start::new(&world, "bash").before(before).after(after);
        let mut bash = start.env("MIMA_QUIET", "1").start();
        assert_eq!(bash.greeting, want, "{before} {after}");
        assert_eq!(bash.run("cd p"), want, "{before} {after}");
        assert_eq!(bash.run("printenv A"), format!("loaded\n{want}"), "{before} {after}");
        assert_eq!(bash.run("false"), want, "{before} {after}");
        assert_eq!(bash.run("echo $?"), format!("1\n{want}"), "{before} {after}");
    }
}

#[test]
fn a_shell_within_or_instead_of_another_takes_back_what_it_inherits() {
    each(|outer| {
        each(|inner| {
            for how in ["", "exec "] {
                let world = world();
                let mut hooked = Start::new(&world, outer).env("MIMA_QUIET", "1").start();
                let bad = format!("{how}{inner} in {outer}");
                let words = Start::new(&world, inner).words().join(" ");
                let path = hooked.exported("PATH");
                hooked.run("cd p");
                assert_eq!(hooked.nest(&format!("{how}{words}")), "", "{bad}");
                assert_eq!(hooked.exported("A").as_deref(), Some("loaded"), "{bad}");
                assert_ne!(hooked.exported("PATH"), path, "{bad}");
                hooked.run("cd ~");
                for name in ["A", "MIMA_DIR", "MIMA_GROUPS", "__MIMA_STATE"] {
                    assert_eq!(hooked.exported(name), None, "{bad}: {name}");
                }
                assert_eq!(hooked.exported("PATH"), path, "{bad}");
                if how.is_empty() {
                    hooked.leave();
                    assert_eq!(hooked.exported("A").as_deref(), Some("loaded"), "{bad}");
                    hooked.run("cd ~");
                    assert_eq!(hooked.exported("A"), None, "{bad}");
                }
            }
        });
    });
}

#[test]
fn a_shell_that_starts_in_a_project_loads_it_and_lets_it_go() {
    each(|shell| {
        let world = world();
        let mut hooked = Start::new(&world, shell).cwd(world.home().join("p")).start();
        assert!(hooked.greeting.contains("mima: ~/p"), "{shell}: {}", hooked.greeting);
        assert_eq!(hooked.exported("A").as_deref(), Some("loaded"), "{shell}");
        hooked.run("cd ~");
        assert_eq!(hooked.exported("A"), None, "{shell}");
        assert_eq!(hooked.exported("__MIMA_STATE"), None, "{shell}");
        let path = hooked.exported("PATH").unwrap();
        assert!(!path.contains("/p/bin"), "{shell}: {path}");
    });
}

#[test]
fn ctrl_c_at_a_slow_load_leaves_a_shell_that_does_not_try_again() {
    each(|shell| {
        for setup in ["true", "trap 'echo got-int' INT", "set -uE"] {
            if shell == "fish" && setup != "true" {
                continue;
            }
            let world = world();
            let binary = stand_in(&world, "exec sleep 60\n");
            let mut hooked = Start::new(&world, shell).with_binary(&binary).start();
            hooked.run(setup);
            let options = said_in(shell, ["set -o; shopt; trap; echo $-", "setopt; trap", "true"]);
            let before = hooked.run(options);
            hooked.pty.send_line("cd p");
            hooked.pty.wait_until("it is slow", |_| calls(&world) == 1);
            hooked.pty.send("\x03");
            hooked.next_prompt();
            for _ in 0..3 {
                assert_eq!(hooked.run("echo alive"), "alive\n", "{shell}: {setup}");
            }
            assert_eq!(hooked.run(options), before, "{shell}: {setup}");
            hooked.run("cd sub");
            assert_eq!(calls(&world), 1, "{shell}: {setup}");
        }
    });
}

#[test]
fn a_binary_that_is_gone_is_one_line() {
    each(|shell| {
        let world = world();
        let gone = world.root().join("gone/mima");
        let mut hooked = Start::new(&world, shell).with_binary(&gone).start();
        assert_eq!(hooked.greeting, "", "{shell}");
        let said = hooked.run("cd p");
        let is_it = said.starts_with("mima: could not run ") && said.lines().count() == 1;
        assert!(is_it, "{shell}: {said}");
        for line in ["true", "cd sub", "true"] {
            assert_eq!(hooked.run(line), "", "{shell}: {line}");
        }
    });
}

#[test]
fn commands_of_mima_and_of_a_group_are_completed() {
    each(|shell| {
        let world = world();
        let load = said_in(
            shell,
            [
                "eval \"$(mima completions bash)\"",
                "autoload -U compinit; compinit -u -D; eval \"$(mima completions zsh)\"",
                "mima completions fish | source",
            ],
        );
        let mut hooked = Start::new(&world, shell).after(load).start();
        hooked.run("cd p");
        for (typed, rest) in [("mima statu\t", "s"), ("dev printen\t", "v"), ("dev ls ./su\t", "b")]
        {
            hooked.pty.send(typed);
            hooked.pty.expect(typed.trim_end());
            hooked.pty.expect(rest);
            hooked.pty.send("\x15");
            hooked.run("true");
        }
    });
}

/// What such a function makes of `builtin local` cannot be mended; but the shell goes on.
#[test]
fn a_function_named_builtin_stops_the_hook_and_not_the_shell() {
    each(|shell| {
        if shell == "fish" {
            return;
        }
        let world = world();
        let mut hooked = Start::new(&world, shell).after("builtin() { true; }").start();
        for line in ["cd p", "cd sub", "touch ../w", "cd ~"] {
            hooked.run(line);
            assert!(hooked.run("echo alive").starts_with("alive\n"), "{shell}: {line}");
        }
    });
}
