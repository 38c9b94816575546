//! Signals that are polled for.

use std::io::{BufRead, BufReader};
use std::process::{ChildStdout, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::common::spawn;
use crate::common::world::{World, example};

struct Probe {
    child: std::process::Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Probe {
    /// Started with all of these signals ignored, as after `nohup`.
    fn start() -> Self {
        let world = World::new();
        let command = world.command(example("sys-probe", "probe")).arg("signals");
        let command = command.within("trap '' HUP TERM; exec \"$@\"");
        let mut child = spawn(command.std().stdin(Stdio::null()).stdout(Stdio::piped()));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "second: AlreadyExists");
        assert_eq!(lines.next().unwrap().unwrap(), "first: None");
        Self { child, lines }
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn next(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().unwrap();
    }
}

#[test]
fn every_signal_that_ends_a_process_is_said_and_ends_nothing_by_itself() {
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT] {
        let mut probe = Probe::start();
        probe.send(signal);
        assert_eq!(probe.next(), "End", "{signal:?}");
        assert!(probe.child.wait().unwrap().success(), "{signal:?}");
    }
}

#[test]
fn a_hangup_is_said_each_time() {
    let mut probe = Probe::start();
    for _ in 0..20 {
        probe.send(Signal::HUP);
        assert_eq!(probe.next(), "Hangup");
    }
    probe.send(Signal::TERM);
    assert_eq!(probe.next(), "End");
}

#[test]
fn others_do_nothing() {
    let mut probe = Probe::start();
    for signal in [Signal::USR1, Signal::USR2, Signal::PIPE] {
        probe.send(signal);
    }
    std::thread::sleep(Duration::from_millis(50));
    probe.send(Signal::HUP);
    assert_eq!(probe.next(), "Hangup");
    assert!(probe.child.try_wait().unwrap().is_none());
}

/// However many arrive at once, the end is not lost among them.
#[test]
fn a_flood_does_not_hide_the_end() {
    let mut probe = Probe::start();
    probe.send(Signal::STOP);
    for _ in 0..1000 {
        probe.send(Signal::HUP);
    }
    probe.send(Signal::TERM);
    probe.send(Signal::CONT);
    assert_eq!(probe.next(), "End");
    assert!(probe.child.wait().unwrap().success());
}
