//! `mima run` is as env(1): the command replaces it, and everything is the command's own but
//! the group's variables. (threats: F2, F7–F9; the rest of row F is in `run_process.rs` and
//! `run_environment.rs`)

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::common::command::{Cmd, Output};
use crate::common::pty::Pty;
use crate::common::require;
use crate::common::world::{World, write_executable};

/// A world with the fixture vault, where group `g` has two secrets and `h` a third one.
pub(crate) fn linked_world() -> World {
    let world = World::with_vault();
    world.write(
        ".mima.yaml",
        "groups:\n  g:\n    TOKEN: K00\n    OTHER: K01\n  h:\n    THIRD: K02\n",
    );
    world
}

/// `mima run g -- command…`
pub(crate) fn run_g(world: &World, command: &[&str]) -> Cmd {
    world.mima(&["run", "g", "--"]).args(command)
}

/// It failed on its own account: with 125, a message, and nothing on standard output.
#[track_caller]
fn refused(output: &Output) {
    output.fails(125).stdout_is("");
    assert!(!output.stderr.is_empty(), "said nothing: {output}");
}

#[test]
fn a_group_reaches_the_command_after_one_question() {
    let world = linked_world();
    let script = "echo $TOKEN $OTHER $THIRD";
    run_g(&world, &["sh", "-c", script])
        .run()
        .ok()
        .quiet()
        .stdout_is("value-of-K00 value-of-K01\n");
    let both = world.mima(&["run", "g,h", "--", "sh", "-c", script]);
    both.run().ok().quiet().stdout_is("value-of-K00 value-of-K01 value-of-K02\n");
    assert_eq!(world.asked(), 2, "{}", world.questions());
}

#[test]
fn t_f2_the_status_is_the_commands_own() {
    let world = linked_world();
    for status in [0, 1, 2, 7, 125, 126, 127, 255] {
        run_g(&world, &["sh", "-c", &format!("exit {status}")]).run().fails(status).quiet();
    }
    run_g(&world, &["sh", "-c", "kill -9 $$"]).run().killed_by(9);
    run_g(&world, &["sh", "-c", "kill -TERM $$"]).run().killed_by(15);
    let in_a_shell = run_g(&world, &["sh", "-c", "kill -9 $$"]).within("\"$@\"; echo $?");
    in_a_shell.run().ok().stdout_is("137\n");
}

#[test]
fn t_f2_what_cannot_be_run_is_told_apart_as_by_env() {
    let world = linked_world();
    world.write("plain", "no program");
    std::fs::create_dir(world.home().join("dir")).unwrap();
    for (command, status) in [
        ("/etc/passwd", 126),
        ("./plain", 126),
        ("./dir", 126),
        ("no-such-command", 127),
        ("./no-such-command", 127),
        ("/no/such/command", 127),
        ("-x", 127),
        ("", 127),
    ] {
        let output = run_g(&world, &[command]).run();
        output.fails(status).stdout_is("").stderr_has("mima: ").stderr_has(command);
    }
    refused(world.mima(&["run", "nosuch", "--", "true"]).run().stderr_has("nosuch"));
}

#[test]
fn t_f2_the_command_takes_the_place_of_mima() {
    let world = linked_world();
    let script = "echo $$; exec \"$@\"";
    let output = run_g(&world, &["sh", "-c", "echo $$"]).within(script).run();
    let pids: Vec<_> = output.ok().out().lines().map(str::to_owned).collect();
    assert!(pids.len() == 2 && pids[0] == pids[1], "{output}");
}

#[test]
fn t_f2_arguments_arrive_as_typed() {
    let world = linked_world();
    if cfg!(target_os = "linux") {
        let cmdline = "/proc/self/cmdline";
        run_g(&world, &["cat", cmdline]).run().ok().stdout_is("cat\0/proc/self/cmdline\0");
    }
    let odd = OsStr::from_bytes(b"\xff\n'\"$x");
    let output = run_g(&world, &["printf", "%s|", "--", "--scrub", "", "-x", "a b"]).arg(odd).run();
    output.ok().quiet().stdout_is(b"--|--scrub||-x|a b|\xff\n'\"$x|");
    let without_dashes = world.mima(&["run", "g", "printf", "%s|", "--scrub", "--", "-x"]);
    without_dashes.run().ok().stdout_is("--scrub|--|-x|");
}

#[test]
fn t_f2_a_script_without_a_first_line_is_run_by_sh() {
    let world = linked_world();
    write_executable(&world.bin().join("bare"), "printf '%s|' \"$TOKEN\" \"$@\"\n");
    run_g(&world, &["bare", "a b", ""]).run().ok().stdout_is("value-of-K00|a b||");
}

#[test]
fn t_f2_standard_input_is_the_commands() {
    let world = linked_world();
    run_g(&world, &["cat"]).stdin("line\n\0more").run().ok().stdout_is("line\n\0more");
}

#[test]
fn t_f2_job_control_works_as_without_mima() {
    let Some(bash) = require("bash") else { return };
    let world = linked_world();
    let bash = world.command(bash).args(["--norc", "--noprofile", "-i"]).env("PS1", "> ");
    let mut pty = Pty::spawn(&mut bash.std());
    pty.expect("> ");
    pty.send_line("mima run g -- sh -c 'echo up; exec cat'");
    pty.expect("up\r\n");
    pty.send("\x1a");
    pty.expect("Stopped");
    pty.send_line("fg; echo status-$?");
    pty.wait_until("cat is back", |pty| pty.foreground() != pty.pid());
    pty.send_line("meow");
    pty.expect("meow\r\nmeow\r\n");
    pty.send("\x04");
    pty.expect("status-0");
    pty.send_line("mima run g -- sh -c 'echo up; exec sleep 600'");
    pty.expect("up\r\n");
    pty.send("\x03");
    pty.expect("> ");
    pty.send_line("echo status-$?");
    pty.expect("status-130");
    pty.send_line("exit");
    assert!(pty.wait().success());
    assert!(pty.echo_is_on());
}

#[test]
fn t_f7_no_command_is_taken_from_the_working_directory() {
    let world = linked_world();
    for dir in [".", "sub"] {
        let planted = world.write(&format!("{dir}/planted"), "");
        write_executable(&planted, "#!/bin/sh\necho planted\n");
    }
    let rest = "/usr/bin:/bin";
    for path in [format!(":{rest}"), format!(".:{rest}"), format!("{rest}:"), format!("sub:{rest}")]
    {
        run_g(&world, &["planted"]).env("PATH", path).run().fails(127).stdout_is("");
    }
    run_g(&world, &["./planted"]).run().ok().stdout_is("planted\n");
    run_g(&world, &["sub/planted"]).env("PATH", rest).run().ok().stdout_is("planted\n");
}

#[test]
fn t_f7_the_first_that_can_be_executed_is_run() {
    let world = linked_world();
    world.write("one/tool", "not executable");
    for dir in ["two", "three"] {
        let tool = world.write(&format!("{dir}/tool"), "");
        write_executable(&tool, &format!("#!/bin/sh\necho {dir} \"$0\"\n"));
    }
    let path = |dirs: &[&str]| {
        let dirs = dirs.iter().map(|dir| world.home().join(dir));
        std::env::join_paths(dirs.chain(["/usr/bin".into(), "/bin".into()])).unwrap()
    };
    let all = path(&["none", "one", "two", "three"]);
    let tool = format!("two {}\n", world.home().join("two/tool").display());
    run_g(&world, &["tool"]).env("PATH", &all).run().ok().stdout_is(tool);
    run_g(&world, &["tool"]).env("PATH", path(&["one"])).run().fails(126);
    let printed = [all.as_bytes(), b"\n"].concat();
    run_g(&world, &["printenv", "PATH"]).env("PATH", &all).run().ok().stdout_is(printed);
    run_g(&world, &["true"]).env_remove("PATH").run().ok();
}

#[test]
fn t_f7_a_script_without_its_interpreter_is_passed_over() {
    let world = linked_world();
    for (dir, first) in [("one", "#!/no/such/interpreter"), ("two", "#!/bin/sh")] {
        let tool = world.write(&format!("{dir}/tool"), "");
        write_executable(&tool, &format!("{first}\necho {dir}\n"));
    }
    let dirs = [world.home().join("one"), world.home().join("two")];
    let path = std::env::join_paths(&dirs).unwrap();
    run_g(&world, &["tool"]).env("PATH", path).run().ok().stdout_is("two\n");
    run_g(&world, &["tool"]).env("PATH", &dirs[0]).run().fails(127);
}

#[test]
fn t_f8_nonsense_is_refused_before_anything_is_decrypted() {
    let world = linked_world();
    for args in [&[][..], &["--scrub"], &["--no-prompt"], &["--keep", "X"], &["--scrub", "--keep"]]
    {
        refused(&world.mima(&["run"]).args(args).run());
    }
    for args in [
        &["--bogus", "g", "--"][..],
        &["--keep", "X", "g", "--"],
        &["", "--"],
        &[",", "--"],
        &["g,", "--"],
        &[",g", "--"],
        &["g,,h", "--"],
        &["g,nosuch", "--"],
        &["../g", "--"],
        &["g h", "--"],
        &["g\n", "--"],
        &["--scrub", "--keep", "MIMA_ASKPASS", "g", "--"],
        // Most likely a misspelt option, and never a program's name.
        &["g", "-x"],
        &["g", "--scrap"],
    ] {
        refused(&world.mima(&["run"]).args(args).args(["touch", "started"]).run());
    }
    assert!(!world.home().join("started").exists());
    assert_eq!(world.asked(), 0, "{}", world.questions());
}

#[test]
fn t_f8_without_a_command_the_variables_are_listed_and_nothing_is_decrypted() {
    let world = linked_world();
    for args in [&["run", "g"][..], &["run", "g", "--"]] {
        let output = world.mima(args).run();
        output.ok().stdout_has("TOKEN").stdout_has("OTHER").stdout_lacks("THIRD");
        output.stdout_lacks("value-of");
    }
    assert_eq!(world.asked(), 0, "{}", world.questions());
}

#[test]
fn t_f9_a_group_with_something_missing_starts_nothing() {
    let world = linked_world();
    let groups = world.read(".mima.yaml");
    world.write(
        ".mima.yaml",
        format!("{groups}  gone:\n    GONE: no-such-secret\n  clash:\n    TOKEN: K02\n"),
    );
    for groups in ["gone", "g,gone", "g,h,gone", "gone,g", "g,clash"] {
        refused(&world.mima(&["run", groups, "--", "touch", "started"]).run());
    }
    let damaged = world.data().join("vault/secrets/K02.age");
    let file = std::fs::OpenOptions::new().write(true).open(&damaged).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
    refused(world.mima(&["run", "g,h", "--", "touch", "started"]).run().stderr_has("K02"));
    assert!(!world.home().join("started").exists());
}

#[test]
fn t_f9_a_vault_that_stays_locked_starts_nothing() {
    let mut world = linked_world();
    refused(&world.mima(&["run", "--no-prompt", "g", "--", "touch", "started"]).run());
    assert_eq!(world.asked(), 0, "{}", world.questions());
    // No askpass and no terminal: an error at once.
    let nobody = run_g(&world, &["touch", "started"]).env_remove("MIMA_ASKPASS");
    refused(&nobody.timeout(std::time::Duration::from_secs(5)).run());
    world.askpass("wrong");
    refused(&run_g(&world, &["touch", "started"]).run());
    assert!(!world.home().join("started").exists());
}
