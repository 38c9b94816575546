//! The terminal of the frame is tested here, with `sh`, `stty` and `bash`.

use rustix::process::Signal;

use crate::common::pty::Pty;
use crate::common::require;
use crate::common::world::World;

fn sh(world: &World, script: &str) -> Pty {
    Pty::spawn(&mut world.command("sh").args(["-c", script]).std())
}

#[test]
fn what_is_typed_arrives_and_is_echoed() {
    let world = World::new();
    let mut pty = sh(&world, "read x; echo got-$x; exit 3");
    pty.send_line("abc");
    pty.expect("abc\r\n");
    pty.expect("got-abc\r\n");
    assert_eq!(pty.wait().code(), Some(3));
}

#[test]
fn it_is_the_controlling_terminal() {
    let world = World::new();
    let mut pty = sh(&world, "echo asked >/dev/tty; read x </dev/tty; echo got-$x; stty size");
    pty.expect("asked");
    pty.send_line("y");
    pty.expect("got-y");
    pty.expect("40 200");
    assert!(pty.wait().success());
}

#[test]
fn its_modes_can_be_seen() {
    let world = World::new();
    let mut pty = sh(&world, "stty -echo; echo off; read x; stty echo -icanon; echo on; read x");
    pty.expect("off");
    assert!(!pty.echo_is_on() && pty.is_canonical());
    pty.send_line("hidden");
    pty.expect("on");
    assert!(pty.echo_is_on() && !pty.is_canonical());
    pty.send_line("");
    pty.wait();
    assert!(!pty.transcript().contains("hidden"), "{}", pty.transcript());
}

#[test]
fn signals_reach_the_foreground() {
    let world = World::new();
    let mut pty =
        sh(&world, "trap 'echo caught; exit 4' TERM; echo ready; while :; do sleep 0.01; done");
    pty.expect("ready");
    assert_eq!(pty.foreground(), pty.pid());
    pty.signal(Signal::TERM);
    pty.expect("caught");
    assert_eq!(pty.wait().code(), Some(4));

    let mut pty = sh(&world, "echo ready; exec sleep 600");
    pty.expect("ready");
    pty.send("\x03");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&pty.wait()), Some(2));
}

#[test]
#[should_panic(expected = "`never` was not printed before the end:\nsaid\r\n")]
fn what_does_not_come_fails_with_the_transcript() {
    let world = World::new();
    sh(&world, "echo said").expect("never");
}

#[test]
fn all_output_is_read_to_the_end() {
    let world = World::new();
    let mut pty = sh(&world, "i=0; while [ $i -lt 5000 ]; do i=$((i+1)); echo line-$i; done");
    assert!(pty.wait().success());
    assert!(pty.transcript().ends_with("line-5000\r\n"), "{}", pty.transcript());
}

#[test]
fn a_shell_has_job_control() {
    if require("bash").is_none() {
        return;
    }
    let world = World::new();
    let mut bash =
        world.command("bash").args(["--norc", "--noprofile", "-i"]).env("PS1", "> ").std();
    let mut pty = Pty::spawn(&mut bash);
    pty.expect("> ");
    // It is in the foreground before bash lets it be stopped: so it says when it is there.
    pty.send_line("sh -c 'echo up; exec cat'");
    pty.expect("up\r\n");
    pty.send("\x1a");
    pty.expect("Stopped");
    pty.send_line("fg; echo status-$?");
    pty.wait_until("cat is back", |pty| pty.foreground() != pty.pid());
    pty.send_line("meow");
    pty.expect("meow\r\nmeow\r\n");
    pty.send("\x04");
    pty.expect("status-0");
    pty.send_line("exit 5");
    assert_eq!(pty.wait().code(), Some(5));
}
