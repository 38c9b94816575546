//! What the kernel says about processes: which they are, when they end, who is at a socket.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mima::sys::clock;
use mima::sys::exit::Exit;
use mima::sys::peer::{check_same_program, peer, peer_user};
use mima::sys::processes::{Process, effective_user, executable, look_up};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, geteuid, getppid, kill_process};

use crate::common::pty::Pty;
use crate::common::user::USER;
use crate::common::world::{World, example};
use crate::common::{is_root, require, spawn};

/// A child with both ends of its standard streams here, killed when dropped.
struct Started(Child);

impl Started {
    fn new(command: &mut Command) -> Self {
        Self(spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped())))
    }

    fn shell(script: &str) -> Self {
        Self::new(Command::new("/bin/sh").args(["-c", script]))
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap()
    }

    fn say(&mut self, line: &str) {
        writeln!(self.0.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let mut byte = [0];
        let stdout = self.0.stdout.as_mut().unwrap();
        while stdout.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
            line.push(byte[0].into());
        }
        line
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended.
        self.0.kill().ok();
        self.0.wait().unwrap();
    }
}

#[track_caller]
fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until poll(2) says that it can be read.
#[track_caller]
fn wait_for(exit: &Exit) {
    let mut fds = [PollFd::from_borrowed_fd(exit.as_fd(), PollFlags::IN)];
    let patience = Timespec { tv_sec: 20, tv_nsec: 0 };
    assert_eq!(poll(&mut fds, Some(&patience)).unwrap(), 1, "did not see the end");
}

fn own_pid() -> i32 {
    i32::try_from(std::process::id()).unwrap()
}

/// The session of this process, by another way. It is 0 where the leader is outside the PID
/// namespace, at which rustix panics.
fn own_session() -> i32 {
    if cfg!(target_os = "linux") {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("NSsid:")).unwrap();
        return line.split_whitespace().last().unwrap().parse().unwrap();
    }
    rustix::process::getsid(None).unwrap().as_raw_nonzero().get()
}

#[test]
fn this_process_is_what_it_is() {
    let own = look_up(own_pid()).unwrap();
    assert_eq!(own.pid, own_pid());
    assert_eq!(own.parent, getppid().unwrap().as_raw_nonzero().get());
    assert_eq!(own.session, own_session());
    assert!(own.has_execed && !own.name.is_empty(), "{own:?}");
    assert_ne!(own.start, 0);
    assert_ne!(own.image, [0; 3]);
    assert_eq!(look_up(own_pid()), Some(own));
    assert_eq!(effective_user(own_pid()), Some(geteuid().as_raw()));
    let metadata = std::env::current_exe().unwrap().metadata().unwrap();
    let file = std::os::unix::fs::MetadataExt::dev(&metadata);
    let ino = std::os::unix::fs::MetadataExt::ino(&metadata);
    assert_eq!(executable(own_pid()), Some((file, ino)));
}

#[test]
fn so_is_the_one_that_started_it() {
    let mut child = Started::shell("echo; read end");
    child.line();
    let seen = look_up(child.pid()).unwrap();
    assert_eq!(seen.parent, own_pid());
    assert_eq!(seen.session, look_up(own_pid()).unwrap().session);
    assert!(seen.start >= look_up(own_pid()).unwrap().start);
    let parent = look_up(look_up(own_pid()).unwrap().parent);
    assert!(parent.is_some_and(|parent| parent.start <= look_up(own_pid()).unwrap().start));
}

#[test]
fn there_is_no_such_process() {
    for pid in [0, -1, i32::MIN, i32::MAX] {
        assert_eq!(look_up(pid), None, "{pid}");
        assert_eq!(effective_user(pid), None, "{pid}");
        assert_eq!(executable(pid), None, "{pid}");
        assert!(Exit::of(pid).is_err(), "{pid}");
    }
}

/// A name is what a program says: parentheses, spaces, a newline, no UTF-8.
#[cfg(target_os = "linux")]
#[test]
fn a_program_that_chooses_its_name_stays_the_same_process() {
    use std::os::unix::ffi::OsStrExt;
    let world = World::new();
    for name in [&b"a) S 1 1 (b"[..], b"tmux: server", b"new\nline", b"\xff\xfe)"] {
        let link = world.tmp().join(std::ffi::OsStr::from_bytes(name));
        std::os::unix::fs::symlink("/bin/sh", &link).unwrap();
        let mut child = Started::new(Command::new(&link).args(["-c", "echo; read end"]));
        child.line();
        let seen = look_up(child.pid()).unwrap();
        assert_eq!((seen.pid, seen.parent), (child.pid(), own_pid()));
        assert_eq!(seen.name, String::from_utf8_lossy(name));
        assert_eq!(effective_user(child.pid()), Some(geteuid().as_raw()));
    }
}

#[test]
fn a_fork_is_told_from_a_program() {
    let mut shell = Started::shell("exec 3<&0; (read go <&3; exec sleep 600) & echo $!; wait");
    let fork: i32 = shell.line().parse().unwrap();
    let before = look_up(fork).unwrap();
    assert_eq!(before.parent, shell.pid());
    assert!(!before.has_execed, "{before:?}");
    assert!(look_up(shell.pid()).unwrap().has_execed);
    shell.say("go");
    wait_until("it is a program", || look_up(fork).is_some_and(|now| now.has_execed));
    wait_until("it is sleep", || executable(fork) != executable(shell.pid()));
    let after = look_up(fork).unwrap();
    assert_eq!((after.pid, after.parent, after.start), (fork, shell.pid(), before.start));
    assert_ne!(after.image, before.image);
    kill_process(Pid::from_raw(fork).unwrap(), Signal::KILL).unwrap();
}

#[test]
fn an_exec_shows_even_of_the_same_program() {
    let mut shell = Started::shell(
        "echo; read go; exec /bin/sh -c 'echo; read go; exec /bin/sh -c \"read end\"'",
    );
    let mut images = Vec::new();
    let mut first: Option<Process> = None;
    for _ in 0..2 {
        shell.line();
        let now = look_up(shell.pid()).unwrap();
        let first = first.get_or_insert_with(|| now.clone());
        assert_eq!((now.start, now.parent), (first.start, first.parent));
        images.push((now.image, executable(shell.pid()).unwrap()));
        shell.say("go");
    }
    assert_ne!(images[0].0, images[1].0);
    assert_eq!(images[0].1, images[1].1, "the same program");
    wait_until("it has changed again", || {
        look_up(shell.pid()).is_some_and(|now| images.iter().all(|(old, _)| now.image != *old))
    });
}

#[test]
fn a_terminal_shows_and_who_leads_its_session() {
    let world = World::new();
    let sh = world.command("/bin/sh");
    let mut pty = Pty::spawn(&mut sh.args(["-c", "sleep 600 & echo pid=$!.; wait"]).std());
    pty.expect("pid=");
    let pid: i32 = pty.expect_after(".").parse().unwrap();
    let leader = look_up(pty.pid().as_raw_nonzero().get()).unwrap();
    assert_eq!(leader.session, leader.pid);
    assert_ne!(leader.terminal, 0);
    let child = look_up(pid).unwrap();
    assert_eq!((child.session, child.terminal), (leader.session, leader.terminal));
    let other = Pty::spawn(&mut world.command("/bin/sh").std());
    let other = look_up(other.pid().as_raw_nonzero().get()).unwrap();
    assert_ne!(other.terminal, leader.terminal);
    // No terminal, by `setsid`.
    let ended = world.command("/bin/sh").args(["-c", "echo $$; read end || sleep 600"]).spawn();
    let mut ended = Started(ended);
    let without: i32 = ended.line().parse().unwrap();
    let without = look_up(without).unwrap();
    assert_eq!((without.terminal, without.session), (0, without.pid));
}

#[test]
fn the_effective_user_is_the_one_that_counts() {
    if !is_root("can become another user") {
        return;
    }
    let mut child =
        Started::new(Command::new("/bin/sh").args(["-c", "echo; read end"]).uid(USER).gid(USER));
    child.line();
    assert_eq!(effective_user(child.pid()), Some(USER));
}

#[test]
fn the_end_of_a_process_can_be_waited_for() {
    let mut child = Started::shell("read end");
    let exit = Exit::of(child.pid()).unwrap();
    assert!(!exit.has_ended());
    let mut fds = [PollFd::from_borrowed_fd(exit.as_fd(), PollFlags::IN)];
    assert_eq!(poll(&mut fds, Some(&Timespec::default())).unwrap(), 0);
    child.kill();
    wait_for(&exit);
    assert!(exit.has_ended());
    // Asking takes nothing away, and it does not depend on the parent.
    child.0.wait().unwrap();
    assert!(exit.has_ended());
    wait_for(&exit);
}

#[test]
fn an_exec_is_no_end() {
    let mut child = Started::shell("read go; exec /bin/sh -c 'echo; read end'");
    let exit = Exit::of(child.pid()).unwrap();
    child.say("go");
    child.line();
    assert!(!exit.has_ended());
}

#[test]
fn one_that_has_ended_already_is_gone() {
    let mut child = Started::shell("exit 0");
    let early = Exit::of(child.pid());
    // Not yet asked for by its parent: a zombie.
    if let Ok(exit) = &early {
        wait_for(exit);
    } else {
        wait_until("it is gone", || look_up(child.pid()).is_none_or(|p| p.image == [0; 3]));
    }
    assert!(Exit::of(child.pid()).is_ok_and(|exit| exit.has_ended()) || cfg!(target_os = "macos"));
    if cfg!(target_os = "linux") {
        let zombie = look_up(child.pid()).unwrap();
        assert_eq!((zombie.parent, zombie.image), (own_pid(), [0; 3]));
        assert_eq!(executable(child.pid()), None);
    }
    child.0.wait().unwrap();
    assert!(Exit::of(child.pid()).is_err());
    assert!(early.is_err() || early.is_ok_and(|exit| exit.has_ended()));
}

#[test]
fn both_ends_of_a_pair_are_this_process() {
    let (one, other) = UnixStream::pair().unwrap();
    for end in [&one, &other] {
        assert_eq!(peer_user(end).unwrap(), geteuid().as_raw());
        let peer = peer(end).unwrap();
        assert_eq!((peer.user, peer.pid), (geteuid().as_raw(), own_pid()));
        assert!(!peer.exit.has_ended());
    }
    if cfg!(target_os = "linux") {
        check_same_program(&one).unwrap();
    }
}

fn probe(verb: &str, path: &Path) -> Command {
    let mut command = Command::new(example("sys-probe", "probe"));
    command.arg(verb).arg(path);
    command
}

#[test]
fn who_connects_is_seen_by_who_listens() {
    let world = World::new();
    let path = world.tmp().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let mut child = Started::new(&mut probe("connect", &path));
    let (stream, _) = listener.accept().unwrap();
    let seen = peer(&stream).unwrap();
    assert_eq!((seen.user, seen.pid), (geteuid().as_raw(), child.pid()));
    assert!(!seen.exit.has_ended());
    child.kill();
    wait_for(&seen.exit);
    assert!(seen.exit.has_ended());
    // And who connects sees who listens.
    let client = UnixStream::connect(&path).unwrap();
    assert_eq!(peer_user(&client).unwrap(), geteuid().as_raw());
}

#[test]
fn another_user_who_connects_is_that_user() {
    if !is_root("can become another user") {
        return;
    }
    let Some(setpriv) = require("setpriv") else { return };
    let world = World::new();
    let path = world.tmp().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    // That user may not enter the directories on the way; the right to do so goes along.
    let reuid = format!("--reuid={USER}");
    let mut command = Command::new(setpriv);
    command.args([&reuid, "--clear-groups", "--inh-caps=+dac_override"]);
    command.args(["--ambient-caps=+dac_override", "--"]);
    command.arg(example("sys-probe", "probe")).arg("connect").arg(&path);
    let child = Started::new(&mut command);
    let (stream, _) = listener.accept().unwrap();
    let seen = peer(&stream).unwrap();
    assert_eq!((seen.user, seen.pid), (USER, child.pid()));
}

/// A peer that has gone before it was looked at is refused, or known to be gone.
#[test]
fn who_has_connected_and_gone_is_gone() {
    let world = World::new();
    let path = world.tmp().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let mut child = Started::new(&mut probe("connect", &path));
    let (stream, _) = listener.accept().unwrap();
    child.kill();
    child.0.wait().unwrap();
    let seen = peer(&stream);
    assert!(seen.as_ref().map_or(true, |seen| seen.exit.has_ended()), "{seen:?}");
}

#[test]
fn who_cannot_be_seen_is_nobody() {
    if !is_root("can make a PID namespace") {
        return;
    }
    let Some(unshare) = require("unshare") else { return };
    let world = World::new();
    let path = world.tmp().join("socket");
    let mut command = Command::new(unshare);
    command.args(["--pid", "--fork", "--kill-child", "--"]);
    command.arg(example("sys-probe", "probe")).arg("accept").arg(&path);
    let mut inside = Started::new(&mut command);
    assert_eq!(inside.line(), "listening");
    let _stream = UnixStream::connect(&path).unwrap();
    assert_eq!(inside.line(), "error: the other process cannot be seen from here");
}

#[test]
fn the_clocks_go_on() {
    let before = [clock::with_sleep(), clock::without_sleep()];
    std::thread::sleep(Duration::from_millis(20));
    let after = [clock::with_sleep(), clock::without_sleep()];
    for (before, after) in before.into_iter().zip(after) {
        let passed = after.checked_sub(before).unwrap();
        assert!((20..60_000).contains(&passed.as_millis()), "{passed:?}");
    }
    assert!(after[0] + Duration::from_millis(1) >= after[1], "sleep was taken off: {after:?}");
}

#[test]
fn a_screen_that_nobody_has_is_not_locked() {
    // Where there is one, whoever runs the tests has unlocked it.
    assert!(!mima::sys::screen::is_locked());
}
