//! Compat mode: a project that exports secrets to the shell, after having asked once.

use crate::common::hooked::{Hooked, Start, each, said_in};
use crate::common::world::{PASSPHRASE, World};

const QUESTION: &str = "Passphrase of the vault: ";
/// The secret that is exported as `TOKEN`.
const SECRET: &str = "value-of-K00";

/// A project that exports `TOKEN`, whose passphrase is asked for on the terminal.
fn world() -> World {
    let world = World::with_vault();
    let text = "auto_export: true\ngroups: {dev: {TOKEN: K00}}\nenv: {A: public}\n";
    world.write("p/.mima.yaml", text);
    world.write("p/sub/file", "");
    // These tests count the questions that the hook asks by itself.
    world.write(".mima.yaml", "session: {scope: off}\n");
    world.mima(&["allow", "--yes"]).cwd(world.home().join("p")).run().ok();
    world
}

fn start<'a>(world: &'a World, shell: &'static str) -> Start<'a> {
    Start::new(world, shell).env("MIMA_ASKPASS", "")
}

/// Types a line that makes mima ask, and the answers; returns what was printed by the next prompt.
#[track_caller]
fn answer(hooked: &mut Hooked, line: &str, answers: &[&str]) -> String {
    hooked.pty.send_line(line);
    for answer in answers {
        hooked.pty.expect(QUESTION);
        hooked.pty.wait_until("echo off", |pty| !pty.echo_is_on());
        hooked.pty.send(answer);
    }
    hooked.next_prompt()
}

#[track_caller]
fn assert_exports(hooked: &mut Hooked, token: Option<&str>, public: Option<&str>) {
    assert_eq!(hooked.exported("TOKEN").as_deref(), token);
    assert_eq!(hooked.exported("A").as_deref(), public);
}

fn enter(text: &str) -> String {
    format!("{text}\r")
}

#[test]
fn a_typed_cd_asks_once_and_leaving_takes_back() {
    each(|shell| {
        let world = world();
        let mut hooked = start(&world, shell).start();
        answer(&mut hooked, "cd p", &[&enter(PASSPHRASE)]);
        assert_exports(&mut hooked, Some(SECRET), Some("public"));
        for line in ["true", "cd sub", "cd ..", "touch .mima.yaml", "true"] {
            hooked.run(line);
            assert_exports(&mut hooked, Some(SECRET), Some("public"));
        }
        hooked.run("cd ~");
        assert_exports(&mut hooked, None, None);
        answer(&mut hooked, "cd p/sub", &[&enter("wrong"), &enter(PASSPHRASE)]);
        assert_exports(&mut hooked, Some(SECRET), Some("public"));
        assert!(!hooked.pty.transcript().contains(PASSPHRASE), "{shell}");
    });
}

#[test]
fn who_does_not_answer_has_the_public_part_and_is_not_asked_again() {
    let wrong = enter("wrong");
    for answers in [&["\x03"][..], &["half\x03"], &["\x04"], &[&wrong, &wrong, &wrong]] {
        each(|shell| {
            let world = world();
            let mut hooked = start(&world, shell).start();
            let said = answer(&mut hooked, "cd p", answers);
            let why = if answers.len() > 1 { "wrong passphrase" } else { "no answer was given" };
            let lines =
                format!("mima: the secrets of dev are not exported: {why}\nhint: mima reload");
            assert!(said.contains(&lines), "{shell}: {answers:?}: {said}");
            assert_eq!(said.matches("hint: ").count(), 1, "{shell}: {answers:?}: {said}");
            assert_eq!(hooked.run("echo alive"), "alive\n", "{shell}: {answers:?}");
            assert_exports(&mut hooked, None, Some("public"));
            for line in ["true", "cd sub", "true", "cd .."] {
                assert_eq!(hooked.run(line), "", "{shell}: {answers:?}: {line}");
            }
            // Nor when a file changes, whatever the shell then does.
            let said = hooked.run("touch .mima.yaml; cd sub");
            assert!(!said.contains("mima reload"), "{shell}: {answers:?}: {said}");
            assert_exports(&mut hooked, None, Some("public"));
            let said = answer(&mut hooked, "mima reload", &[&enter(PASSPHRASE)]);
            assert!(!said.contains(PASSPHRASE), "{shell}: {said}");
            assert_exports(&mut hooked, Some(SECRET), Some("public"));
            hooked.run("cd ~");
            assert_exports(&mut hooked, None, None);
        });
    }
}

#[test]
fn a_shell_that_opens_in_the_project_is_not_asked() {
    each(|shell| {
        let world = world();
        let mut hooked = start(&world, shell).cwd(world.home().join("p")).start();
        assert!(hooked.greeting.contains("mima reload"), "{shell}: {}", hooked.greeting);
        assert!(!hooked.greeting.contains(QUESTION), "{shell}: {}", hooked.greeting);
        assert_exports(&mut hooked, None, Some("public"));
        hooked.run("cd sub");
        assert_exports(&mut hooked, None, Some("public"));
        answer(&mut hooked, "mima reload", &[&enter(PASSPHRASE)]);
        assert_exports(&mut hooked, Some(SECRET), Some("public"));
    });
}

#[test]
fn a_nested_shell_inherits_and_takes_back() {
    each(|shell| {
        let world = world();
        let mut hooked = start(&world, shell).start();
        answer(&mut hooked, "cd p", &[&enter(PASSPHRASE)]);
        let words = Start::new(&world, shell).words().join(" ");
        assert_eq!(hooked.nest(&words), "", "{shell}");
        assert_exports(&mut hooked, Some(SECRET), Some("public"));
        assert_eq!(hooked.run("cd sub"), "", "{shell}");
        hooked.run("cd ~");
        assert_exports(&mut hooked, None, None);
        hooked.leave();
        assert_exports(&mut hooked, Some(SECRET), Some("public"));
    });
}

/// What the shell itself knows: the variable, and nowhere else the value.
#[test]
fn the_value_is_in_the_variable_and_nowhere_else() {
    each(|shell| {
        let world = world();
        let mut hooked = start(&world, shell).start();
        answer(&mut hooked, "cd p", &[&enter(PASSPHRASE)]);
        let functions = said_in(shell, ["declare -f", "functions", "functions -a"]);
        for line in ["env", "set", functions, "true"] {
            let said = hooked.run(line);
            let with: Vec<_> = said.lines().filter(|line| line.contains("value-of")).collect();
            let is_token = |line: &&&str| line.starts_with("TOKEN");
            assert!(with.iter().all(|line| is_token(&line)), "{shell}: {line}: {with:?}");
            assert_eq!(
                with.len(),
                usize::from(["env", "set"].contains(&line)),
                "{shell}: {with:?}"
            );
        }
        let reload = answer(&mut hooked, "mima reload", &[&enter(PASSPHRASE)]);
        assert!(!reload.contains("value-of"), "{shell}: {reload}");
        hooked.run("cd ~");
        let set = hooked.run("set");
        assert!(!set.contains("value-of"), "{shell}: {set}");
    });
}

/// Previous values wait in variables that are not exported, and come back.
#[test]
fn what_a_variable_was_before_comes_back() {
    each(|shell| {
        let world = world();
        let mut hooked = start(&world, shell).env("TOKEN", "mine").start();
        hooked.run(said_in(shell, ["A=own", "A=own", "set -g A own"]));
        answer(&mut hooked, "cd p", &[&enter(PASSPHRASE)]);
        assert_exports(&mut hooked, Some(SECRET), Some("public"));
        assert!(!hooked.run("env").contains("mine"), "{shell}");
        hooked.run("cd ~");
        assert_exports(&mut hooked, Some("mine"), None);
        assert_eq!(hooked.run("echo $A"), "own\n", "{shell}");
        let names = hooked.run(said_in(shell, ["compgen -v", "typeset +", "set --names"]));
        assert!(names.contains("__mima_at"), "{shell}: {names}");
        let is_saved = names.contains("__mima_was_") || names.contains("__mima_var_");
        assert!(!is_saved, "{shell}: {names}");
    });
}

#[test]
fn another_secret_for_the_same_variable_is_asked_for_anew() {
    each(|shell| {
        let world = world();
        let mut hooked = start(&world, shell).start();
        answer(&mut hooked, "cd p", &[&enter(PASSPHRASE)]);
        world.write("p/.mima.yaml", "auto_export: true\ngroups: {dev: {TOKEN: K01}}\n");
        world.mima(&["allow", "--yes"]).cwd(world.home().join("p")).run().ok();
        let said = hooked.run("true");
        assert!(said.contains("mima reload"), "{shell}: {said}");
        assert_exports(&mut hooked, None, None);
        answer(&mut hooked, "mima reload", &[&enter(PASSPHRASE)]);
        assert_exports(&mut hooked, Some("value-of-K01"), None);
    });
}

#[test]
fn tracing_does_not_print_the_value() {
    each(|shell| {
        let world = world();
        let mut hooked = start(&world, shell).start();
        hooked.run(said_in(shell, ["set -x", "set -x", "set -g fish_trace 1"]));
        let mut said = answer(&mut hooked, "cd p", &[&enter(PASSPHRASE)]);
        for line in ["true", "cd sub", "touch ../.mima.yaml", "cd ~"] {
            said.push_str(&hooked.run(line));
        }
        assert!(!said.contains("value-of"), "{shell}: {said}");
    });
}
