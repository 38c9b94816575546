//! A process that belongs to nobody, and one that the system has started.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::PoisonError;

use mima::sys::detach;
use mima::sys::exit::Exit;
use mima::sys::processes::look_up;

use crate::common::command::Cmd;
use crate::common::world::{World, example};
use crate::common::{SPAWNING, require};

fn spawn(program: &Path, args: &[&str], stdin: OwnedFd, stdout: OwnedFd) -> io::Result<()> {
    let args: Vec<_> =
        [program.as_os_str()].into_iter().chain(args.iter().map(OsStr::new)).collect();
    let _spawning = SPAWNING.read().unwrap_or_else(PoisonError::into_inner);
    detach::spawn(program, &args, stdin, stdout)
}

/// Runs the probe's `spawn`.
fn probe(world: &World, program: &str, args: &[&str]) -> Cmd {
    world.command(example("sys-probe", "probe")).args(["spawn", program]).args(args)
}

#[test]
fn t_g15_it_is_nobodys_child_in_a_session_of_its_own() {
    let (ours, mut input) = io::pipe().unwrap();
    let (output, theirs) = io::pipe().unwrap();
    let script = "echo $$; pwd -P; umask; read line; echo \"got $line\"; echo lost >&2";
    spawn(Path::new("/bin/sh"), &["-c", script], ours.into(), theirs.into()).unwrap();
    let mut lines = BufReader::new(output).lines().map(Result::unwrap);
    let pid: i32 = lines.next().unwrap().parse().unwrap();
    let (own, it) =
        (look_up(std::process::id().try_into().unwrap()).unwrap(), look_up(pid).unwrap());
    assert_ne!(it.parent, own.pid);
    assert_ne!(it.session, own.session);
    assert_ne!(it.session, it.pid, "it could get a terminal");
    assert_eq!(it.terminal, 0);
    assert!(it.has_execed);
    // Whoever takes orphans is older.
    assert!(look_up(it.parent).is_some_and(|parent| parent.start <= it.start));
    assert_eq!(lines.next().unwrap(), "/");
    assert_eq!(lines.next().unwrap().trim_start_matches('0'), "77");
    if cfg!(target_os = "linux") {
        let mut open: Vec<_> = std::fs::read_dir(format!("/proc/{pid}/fd"))
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name(), std::fs::read_link(entry.path()).unwrap()))
            .collect();
        open.sort();
        let names: Vec<_> = open.iter().map(|(name, _)| name.to_str().unwrap()).collect();
        assert_eq!(names, ["0", "1", "2"], "{open:?}");
        assert_eq!(open[2].1, Path::new("/dev/null"));
        assert_eq!(std::fs::read(format!("/proc/{pid}/environ")).unwrap(), b"");
    }
    let exit = Exit::of(pid).unwrap();
    input.write_all(b"a line\n").unwrap();
    assert_eq!(lines.next().unwrap(), "got a line");
    assert_eq!(lines.next(), None, "nobody else has its output");
    let mut fds = [rustix::event::PollFd::new(&exit, rustix::event::PollFlags::IN)];
    rustix::event::poll(&mut fds, Some(&rustix::event::Timespec { tv_sec: 20, tv_nsec: 0 }))
        .unwrap();
    assert!(exit.has_ended());
}

/// Which it gets even though the caller's own standard streams are what it hands over.
#[test]
fn the_caller_has_no_child_left() {
    let world = World::new();
    let output = probe(&world, "/bin/sh", &["-c", "read line; echo got $line"]).stdin("it").run();
    output.ok().stdout_is("got it\n").stderr_has("spawned\nno children\n");
}

/// What it is given may have any numbers, also each other's.
#[test]
fn descriptors_arrive_in_their_places() {
    let world = World::new();
    world.write("input", "it\n");
    let output = world.home().join("output");
    let probe = world.command(example("sys-probe", "probe"));
    let crossed = probe.args(["spawn-crossed", "/bin/sh", "-c", "read line; echo \"got $line\""]);
    crossed.within("exec \"$@\" 1<input 0>output").run().ok().stderr_has("spawned");
    let start = std::time::Instant::now();
    while std::fs::read(&output).unwrap() != b"got it\n" {
        assert!(start.elapsed().as_secs() < 20, "waited in vain");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn nor_where_it_ignores_its_children() {
    let world = World::new();
    let command = probe(&world, "/bin/echo", &["here"]).within("trap '' CHLD; exec \"$@\"");
    command.run().ok().stdout_is("here\n").stderr_has("spawned\nno children\n");
}

#[test]
fn what_cannot_be_executed_is_an_error() {
    let world = World::new();
    let plain = world.write("plain", "#!/bin/sh\n");
    let plain = plain.to_str().unwrap();
    for (program, kind) in [
        ("/nowhere/to/be/found", "NotFound"),
        ("", "NotFound"),
        (plain, "PermissionDenied"),
        ("/", "PermissionDenied"),
        ("/etc/passwd/x", "NotADirectory"),
    ] {
        let output = probe(&world, program, &[]).run();
        output.ok().stdout_is("").stderr_has(&format!("error: {kind}\nno children\n"));
    }
    // A relative name is one from the root directory; nothing is looked up by PATH.
    probe(&world, "sh", &[]).run().ok().stderr_has("error: NotFound");
}

#[test]
fn a_nul_is_an_error_before_anything_is_started() {
    let null = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let error = spawn(Path::new("/bin/sh"), &["a\0b"], null(), null()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

/// What the caller ignores, holds back and has open does not reach it.
#[test]
fn t_g15_it_starts_with_a_clean_slate() {
    /// Signals 32 and 33 are glibc's own, and nobody else's to change.
    const GLIBC: u64 = 0b11 << 31;
    if !cfg!(target_os = "linux") {
        return;
    }
    let world = World::new();
    let Some(env) = require("env") else { return };
    let said = |command: Cmd| {
        let output = command.run();
        output.ok().stderr_has("spawned");
        output.out()
    };
    // `sh` opens descriptor 9 without closing it at exec, as scripts do for flock(1).
    let ignoring = "trap '' HUP INT USR1; exec 9</etc/passwd 5>&1; exec \"$@\"";
    let env = [env.to_str().unwrap(), "--block-signal=USR2", "--block-signal=TERM"];
    let status = probe(&world, "/bin/cat", &["/proc/self/status"]);
    let status = said(status.within(ignoring).under(&env));
    for field in ["SigBlk:\t", "SigIgn:\t", "SigCgt:\t"] {
        let set = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        assert_eq!(u64::from_str_radix(set, 16).unwrap() & !GLIBC, 0, "{status}");
    }
    let list = probe(&world, "/bin/ls", &["/proc/self/fd"]);
    // The last one is the directory that is listed.
    assert_eq!(said(list.within(ignoring)), "0\n1\n2\n3\n");
}

/// A kernel before 5.11.
#[test]
fn t_g15_without_close_range_everything_is_closed_one_by_one() {
    let world = World::new();
    let Some(strace) = crate::common::strace::usable(&world) else { return };
    let inject = ["-f", "-o", "/dev/null", "-e", "inject=close_range:error=ENOSYS", "--"];
    let wrapper: Vec<_> = [strace.to_str().unwrap()].into_iter().chain(inject).collect();
    let list = probe(&world, "/bin/ls", &["/proc/self/fd"]);
    let output = list.under(&wrapper).within("exec 9</etc/passwd 8>&1; exec \"$@\"").run();
    output.ok().stdout_is("0\n1\n2\n3\n").stderr_has("spawned");
}

/// The other end: what it does first.
#[test]
fn it_takes_what_it_was_given_and_leaves_nothing_there() {
    let world = World::new();
    let stdio = world.command(example("sys-probe", "probe")).arg("stdio");
    stdio.stdin("a line\n").run().ok().quiet().stdout_is("a line\n");
}

#[test]
fn what_is_closed_cannot_be_taken() {
    let world = World::new();
    for closed in ["<&-", ">&-"] {
        let stdio = world.command(example("sys-probe", "probe")).arg("stdio");
        let output = stdio.within(&format!("exec \"$@\" {closed}")).run();
        output.fails(101).stderr_has("Bad file descriptor");
    }
}

/// Starts the probe with `file` as descriptor 3, and the variables of systemd's protocol.
fn activated(world: &World, file: impl Into<Stdio>, variables: &str) -> std::process::Child {
    let script = format!("exec 3<&0 </dev/null; {variables} exec \"$@\"");
    let command = world.command(example("sys-probe", "probe")).arg("listener").within(&script);
    crate::common::spawn(command.std().stdin(file).stdout(Stdio::piped()))
}

fn said(child: std::process::Child) -> String {
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn the_listener_of_the_system_is_taken() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let world = World::new();
    let path = world.tmp().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let child = activated(&world, OwnedFd::from(listener), "LISTEN_PID=$$ LISTEN_FDS=1");
    let mut served = String::new();
    UnixStream::connect(&path).unwrap().read_to_string(&mut served).unwrap();
    assert_eq!(served, "served");
    assert_eq!(said(child), "served\n");
}

/// The variables are inherited by whatever such a process starts.
#[test]
fn what_was_meant_for_another_process_is_left_alone() {
    let world = World::new();
    for variables in [
        "",
        "LISTEN_FDS=1",
        "LISTEN_PID=1 LISTEN_FDS=1",
        "LISTEN_PID=x LISTEN_FDS=1",
        "LISTEN_PID=",
    ] {
        let listener = UnixListener::bind(world.tmp().join("socket")).unwrap();
        let child = activated(&world, OwnedFd::from(listener), variables);
        assert_eq!(said(child), "none\n", "{variables}");
        std::fs::remove_file(world.tmp().join("socket")).unwrap();
    }
}

#[test]
fn what_is_no_listener_is_an_error() {
    const ONE: &str = "LISTEN_PID=$$ LISTEN_FDS=1";
    if !cfg!(target_os = "linux") {
        return;
    }
    let world = World::new();
    let listener = || UnixListener::bind(world.tmp().join("socket")).unwrap();
    let not_one = "error: not started with exactly one listening socket\n";
    for count in ["LISTEN_FDS=0", "LISTEN_FDS=2", "LISTEN_FDS=", "LISTEN_FDS=-1"] {
        let child = activated(&world, OwnedFd::from(listener()), &format!("LISTEN_PID=$$ {count}"));
        assert_eq!(said(child), not_one, "{count}");
        std::fs::remove_file(world.tmp().join("socket")).unwrap();
    }
    let (connected, _other) = UnixStream::pair().unwrap();
    assert_eq!(said(activated(&world, OwnedFd::from(connected), ONE)), not_one);
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(said(activated(&world, OwnedFd::from(tcp), ONE)), not_one);
    let file = std::fs::File::open("/dev/null").unwrap();
    assert!(said(activated(&world, file, ONE)).contains("Socket operation on non-socket"));
    let closed = activated(&world, Stdio::null(), "exec 3<&-; LISTEN_PID=$$ LISTEN_FDS=1");
    assert!(said(closed).contains("Bad file descriptor"));
}
