//! Prompts on a real terminal: rows J1–J4 and I9 of the threat table.

use rustix::process::Signal;

use crate::common::pty::Pty;
use crate::common::world::{PASSPHRASE, World};
use crate::common::{is_root, require};

/// A world with the fixture vault, whose passphrase is asked for on the terminal.
fn world() -> World {
    let world = World::with_vault();
    world.write(".mima.yaml", "groups:\n  dev:\n    TOKEN: K00\n");
    world
}

fn spawn(world: &World, args: &[&str]) -> Pty {
    Pty::spawn(&mut world.mima(args).env_remove("MIMA_ASKPASS").std())
}

fn shell(world: &World) -> Pty {
    let mut command = world.command("/bin/bash").args(["--norc", "--noprofile", "-i"]);
    command = command.env_remove("MIMA_ASKPASS").env("PS1", "ready> ").env("HISTFILE", "");
    let mut pty = Pty::spawn(&mut command.std());
    pty.expect("ready> ");
    pty
}

#[test]
fn a_prompt_says_who_asks_and_what_for_and_shows_nothing() {
    let world = world();
    let mut pty = shell(&world);
    pty.send_line("sh -c 'mima run dev -- printenv TOKEN; true'");
    pty.expect("bash › sh › mima run dev: TOKEN for printenv TOKEN\r\n");
    pty.expect("Passphrase of the vault: ");
    assert!(!pty.echo_is_on());
    pty.send_line(PASSPHRASE);
    pty.expect("value-of-K00\r\n");
    pty.expect("ready> ");
    assert!(!pty.transcript().contains(PASSPHRASE));
}

#[test]
fn a_wrong_passphrase_may_be_mended_three_times() {
    let world = world();
    let mut pty = spawn(&world, &["secret", "get", "K00"]);
    pty.expect("Passphrase of the vault: ");
    pty.send_line("wrong");
    pty.expect("wrong passphrase, try again (2 left)");
    pty.expect("Passphrase of the vault: ");
    pty.send_line(PASSPHRASE);
    pty.expect("value-of-K00");
    assert!(pty.wait().success());

    let mut pty = spawn(&world, &["run", "dev", "--", "true"]);
    for answer in ["one", "two", "three"] {
        pty.expect("Passphrase of the vault: ");
        pty.send_line(answer);
    }
    assert_eq!(pty.wait().code(), Some(125));
    assert!(pty.transcript().contains("hint: "), "{}", pty.transcript());
}

#[test]
fn a_value_is_asked_for_twice_and_must_agree() {
    let world = world();
    let mut pty = spawn(&world, &["secret", "add", "typed"]);
    pty.expect("mima secret add typed\r\n");
    pty.expect("Value of typed: ");
    assert!(!pty.echo_is_on() && !pty.is_canonical());
    pty.send_line("one");
    pty.expect("Value of typed, again: ");
    pty.send_line("two");
    pty.expect("the two differ, try again");
    pty.expect("Value of typed: ");
    // Erasing works, by the character.
    pty.send_line("wrong\x15sécreX\x7ft");
    pty.expect("again: ");
    pty.send_line("sécret");
    pty.expect("stored typed");
    assert!(pty.wait().success());
    assert!(!pty.transcript().contains("écre"), "{}", pty.transcript());
    world.mima(&["secret", "get", "typed"]).run().ok().stdout_is("sécret");
}

#[test]
fn a_long_value_can_be_pasted() {
    let world = world();
    let long = "x".repeat(20_000);
    let mut pty = spawn(&world, &["secret", "add", "long"]);
    pty.expect("Value of long: ");
    pty.send_line(&long);
    pty.expect("again: ");
    pty.send_line(&long);
    pty.expect("stored long");
    assert!(pty.wait().success());
    world.mima(&["secret", "get", "long"]).run().ok().stdout_is(&long);
}

#[test]
fn replacing_asks_on_a_terminal() {
    let world = world();
    let mut pty = spawn(&world, &["secret", "add", "K00"]);
    pty.expect("There is a secret K00 already. Replace it? [y/N] ");
    pty.send_line("n");
    assert_eq!(pty.wait().code(), Some(1));
    let mut pty = spawn(&world, &["secret", "add", "K00"]);
    pty.expect("[y/N] ");
    pty.send_line("y");
    pty.expect("Value of K00: ");
    pty.send_line("new");
    pty.expect("again: ");
    pty.send_line("new");
    assert!(pty.wait().success());
    world.mima(&["secret", "get", "K00"]).run().ok().stdout_is("new");
}

#[test]
fn a_fresh_home_chooses_a_passphrase_in_the_same_breath() {
    let mut world = World::new();
    world.guard("correct horse");
    let mut pty = spawn(&world, &["set", "dev", "TOKEN"]);
    for answer in ["a value", "a value", "", "correct horse", "correct horse"] {
        pty.expect(": ");
        pty.wait_until("echo off", |pty| !pty.echo_is_on());
        pty.send_line(answer);
    }
    pty.expect("stored dev.TOKEN");
    assert!(pty.wait().success());
    let said = pty.transcript();
    assert!(said.contains("choose its passphrase"), "{said}");
    assert!(said.contains("it must not be empty, try again"), "{said}");
}

#[test]
fn t_j1_the_terminal_is_restored_whatever_signal_comes() {
    let world = world();
    for (signal, name) in [
        (Signal::INT, "INT"),
        (Signal::TERM, "TERM"),
        (Signal::HUP, "HUP"),
        (Signal::QUIT, "QUIT"),
        (Signal::ALARM, "ALRM"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
    ] {
        let mut pty = shell(&world);
        pty.send_line("mima secret get K00");
        pty.expect("Passphrase of the vault: ");
        pty.send("half an ans");
        pty.wait_until("mima reads", |pty| !pty.echo_is_on());
        let mima = pty.foreground();
        rustix::process::kill_process(mima, signal).unwrap();
        pty.expect("ready> ");
        // The status tells that the signal did what it does without mima.
        pty.send_line("echo status=$?; stty -a | tr ' ;' '\\n\\n' | grep -x -e -echo -e echo");
        pty.expect(&format!("status={}\r\n", 128 + signal.as_raw()));
        pty.expect("echo\r\n");
        pty.expect("ready> ");
        let said = pty.transcript();
        assert!(!said.contains("-echo\r\n"), "{name}: {said}");
        assert!(!said.contains("half an ans"), "{name}: {said}");
    }
}

#[test]
fn t_j1_ctrl_c_and_ctrl_d_end_a_prompt() {
    let world = world();
    let mut pty = shell(&world);
    pty.send_line("mima secret get K00; echo status=$?");
    pty.expect("Passphrase of the vault: ");
    pty.send("\x03");
    pty.expect("ready> ");
    pty.send_line("mima secret get K00; echo status=$?");
    pty.expect("Passphrase of the vault: ");
    pty.send("\x04");
    pty.expect("no answer was given");
    pty.expect("status=1");
}

#[test]
fn t_j1_a_stopped_prompt_shows_what_is_typed_and_asks_again_after_fg() {
    let world = world();
    let mut pty = shell(&world);
    pty.send_line("mima secret get K00");
    pty.expect("Passphrase of the vault: ");
    pty.send("half");
    pty.send("\x1a");
    pty.expect("Stopped");
    pty.expect("ready> ");
    pty.send_line("echo vis''ible");
    pty.expect("visible\r\n");
    pty.send_line("fg");
    pty.expect("Passphrase of the vault: ");
    pty.wait_until("echo off", |pty| !pty.echo_is_on());
    pty.send_line(PASSPHRASE);
    pty.expect("value-of-K00");
    pty.expect("ready> ");
}

#[test]
fn t_j2_what_was_typed_too_early_is_no_answer() {
    let world = world();
    let mut pty = shell(&world);
    pty.send_line("sleep 1; mima secret get K00");
    pty.send_line("typed too early");
    pty.expect("Passphrase of the vault: ");
    pty.send_line(PASSPHRASE);
    pty.expect("value-of-K00");
    assert!(!pty.transcript().contains("wrong passphrase"));
}

#[test]
fn t_j3_data_on_standard_input_is_never_taken_for_an_answer() {
    let world = World::new();
    let add = world.mima(&["secret", "add", "K"]).stdin("v");
    add.run().fails(1).stderr_has("no terminal to ask on");
    let world = self::world();
    let run = world.mima(&["run", "dev", "--", "true"]).env_remove("MIMA_ASKPASS");
    let refused = run.stdin(format!("{PASSPHRASE}\n")).run();
    refused.fails(125).stderr_has("no terminal to ask on").stderr_has("hint: ");
    // With a terminal, the prompt is there, and the pipe stays the command's.
    let mut pty = shell(&world);
    pty.send_line("echo piped | mima run dev -- sh -c 'read x; echo got $x $TOKEN'");
    pty.expect("Passphrase of the vault: ");
    pty.send_line(PASSPHRASE);
    pty.expect("got piped value-of-K00");
}

#[test]
fn t_j4_a_prompt_in_the_background_stops_and_no_prompt_fails() {
    let world = world();
    let mut pty = shell(&world);
    pty.send_line("mima secret get K00 &");
    pty.expect("ready> ");
    pty.send_line("sleep 1; jobs; echo");
    pty.expect("Stopped");
    pty.expect("ready> ");
    assert!(!pty.transcript().contains("Passphrase"));
    pty.send_line("fg");
    pty.expect("Passphrase of the vault: ");
    pty.wait_until("echo off", |pty| !pty.echo_is_on());
    pty.send_line(PASSPHRASE);
    pty.expect("value-of-K00");
    pty.send_line("mima run --no-prompt dev -- true; echo status=$?");
    pty.expect("--no-prompt forbids asking");
    pty.expect("status=125");
}

/// As under `docker exec` and `nsenter`, where the session and the group have no number inside.
#[test]
fn a_prompt_works_where_the_session_is_led_from_outside_the_namespace() {
    let Some(unshare) = require("unshare") else { return };
    if !is_root("makes a PID namespace") {
        return;
    }
    let world = world();
    let command = world.mima(&["secret", "get", "K00"]).env_remove("MIMA_ASKPASS");
    let wrapper =
        [unshare.as_os_str(), "--pid".as_ref(), "--fork".as_ref(), "--mount-proc".as_ref()];
    let mut pty = Pty::spawn(&mut command.under(&wrapper).std());
    pty.expect("mima secret get K00");
    pty.expect("Passphrase of the vault: ");
    pty.send_line(PASSPHRASE);
    pty.expect("value-of-K00");
}

#[test]
fn t_j4_the_command_of_a_prompt_that_began_in_the_background_has_a_sane_terminal() {
    let world = world();
    for start in ["mima run dev -- stty -a &\n", "mima run dev -- stty -a\n"] {
        let mut pty = shell(&world);
        pty.send(start);
        if !start.contains('&') {
            pty.expect("Passphrase of the vault: ");
            pty.send("\x1a");
            pty.expect("Stopped");
            pty.expect("ready> ");
            pty.send_line("bg");
        }
        pty.expect("ready> ");
        pty.send_line("sleep 0.5; jobs; echo");
        pty.expect("Stopped");
        pty.expect("ready> ");
        pty.send_line("fg");
        pty.expect("Passphrase of the vault: ");
        pty.wait_until("echo off", |pty| !pty.echo_is_on());
        pty.send_line(PASSPHRASE);
        pty.expect(" icanon ");
        pty.expect(" echo ");
        pty.expect("ready> ");
        assert!(!pty.transcript().contains("-icanon"), "{}", pty.transcript());
    }
}

#[test]
fn t_j2_what_is_typed_while_a_passphrase_is_judged_is_not_shown() {
    let mut world = World::new();
    // At full strength, judging takes a second.
    world.askpass("right");
    world.mima(&["secret", "add", "x"]).stdin("v").run().ok();
    let mut pty = spawn(&world, &["secret", "get", "x"]);
    pty.expect("Passphrase of the vault: ");
    pty.send_line("wrong");
    pty.expect("\r\n");
    pty.send_line("right");
    pty.expect("wrong passphrase, try again (2 left)");
    pty.expect("in the clear");
    assert!(pty.wait().success());
    assert!(!pty.transcript().contains("right"), "{}", pty.transcript());
}

#[test]
fn t_i9_no_value_is_in_the_shells_history() {
    let mut world = World::new();
    world.guard("typed value");
    let history = world.home().join("history");
    let mut command = world.command("/bin/bash").args(["--norc", "--noprofile", "-i"]);
    command = command.env("PS1", "ready> ").env("HISTFILE", &history);
    let mut pty = Pty::spawn(&mut command.std());
    pty.expect("ready> ");
    pty.send_line("mima secret add x");
    for answer in ["typed value", "typed value", "a passphrase", "a passphrase"] {
        pty.expect(": ");
        pty.wait_until("echo off", |pty| !pty.echo_is_on());
        pty.send_line(answer);
    }
    pty.expect("stored x");
    pty.send_line("exit");
    pty.wait();
    assert!(std::fs::read_to_string(history).unwrap().contains("mima secret add x"));
}

#[test]
fn a_raw_terminal_can_be_asked_on() {
    // fish's prompt handlers run with the terminal in this mode.
    let world = world();
    let mut pty = shell(&world);
    pty.send_line("stty -icanon -echo -icrnl -isig; mima secret get K00; stty sane");
    pty.expect("Passphrase of the vault: ");
    pty.send(PASSPHRASE);
    pty.send("\r");
    pty.expect("value-of-K00");
}

#[test]
fn askpass_comes_before_the_terminal_and_answers_passphrases_only() {
    let mut world = world();
    let mut pty = Pty::spawn(&mut world.mima(&["secret", "get", "K00"]).std());
    pty.expect("value-of-K00");
    assert!(pty.wait().success());
    assert!(world.questions().contains("Passphrase of the vault: "), "{}", world.questions());
    // A value is typed: an askpass program would store the passphrase in its place.
    let mut pty = Pty::spawn(&mut world.mima(&["secret", "add", "x"]).std());
    pty.expect("Value of x: ");
    pty.send("\x03");
    pty.wait();
    world.script("askpass", "exit 3\n");
    world.mima(&["secret", "get", "K00"]).run().fails(1).stderr_has("gave no passphrase");
    world.askpass("wrong");
    let refused = world.mima(&["secret", "get", "K00"]).run();
    refused.fails(1).stderr_has("wrong passphrase").stderr_has("hint: ");
    let relative = world.mima(&["secret", "get", "K00"]).env("MIMA_ASKPASS", "askpass");
    relative.run().fails(1).stderr_has("no absolute path");
}
