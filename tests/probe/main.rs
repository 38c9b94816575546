//! `sys-probe`: a process for the tests of `mima::sys`, for what concerns a whole process: its
//! signals, its limits, its children, what it was started with. It says what it finds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a part of the tests"
)]

use std::ffi::OsStr;
use std::io::{BufRead, Read, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use mima::sys::memory::Locked;
use mima::sys::signal_pipe::SignalPipe;
use mima::sys::{activation, detach, memory, peer, process};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["spawn", program, ref args @ ..] => spawn([0, 1], program, args),
        ["spawn-crossed", program, ref args @ ..] => spawn([1, 0], program, args),
        ["stdio"] => stdio(),
        ["signals"] => signals(),
        ["listener"] => listener(),
        ["limits"] => limits(),
        ["deny"] => deny(),
        ["lock", bytes] => lock(bytes.parse().unwrap()),
        ["connect", path] => connect(path),
        ["accept", path] => accept(path),
        _ => panic!("{args:?}?"),
    }
}

/// Hands its own standard input and output over, as these, and says what has become of its
/// children.
fn spawn(standard: [i32; 2], program: &str, args: &[&str]) {
    let args: Vec<&OsStr> = std::iter::once(&program).chain(args).map(OsStr::new).collect();
    // SAFETY: nothing here uses standard input or output after this.
    let [stdin, stdout] = standard.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    match detach::spawn(Path::new(program), &args, stdin, stdout) {
        Ok(()) => eprintln!("spawned"),
        Err(error) => eprintln!("error: {:?}", error.kind()),
    }
    match rustix::process::wait(rustix::process::WaitOptions::NOHANG) {
        Err(rustix::io::Errno::CHILD) => eprintln!("no children"),
        other => eprintln!("children: {other:?}"),
    }
}

/// Takes its standard input and output, and copies a line between them.
fn stdio() {
    let (stdin, stdout) = detach::take_stdio().unwrap();
    let mut line = String::new();
    assert_eq!(std::io::stdin().read_line(&mut line).unwrap(), 0, "what is left is empty");
    println!("not to be seen");
    std::io::BufReader::new(std::fs::File::from(stdin)).read_line(&mut line).unwrap();
    std::fs::File::from(stdout).write_all(line.as_bytes()).unwrap();
}

/// Says what arrives, until it is to end.
fn signals() {
    let pipe = SignalPipe::new().unwrap();
    println!("second: {:?}", SignalPipe::new().map_err(|error| error.kind()).unwrap_err());
    println!("first: {:?}", pipe.take());
    loop {
        let mut fds = [PollFd::new(&pipe, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => panic!("{error}"),
        }
        while let Some(caught) = pipe.take() {
            println!("{caught:?}");
            if caught == mima::sys::signal_pipe::Caught::End {
                return;
            }
        }
    }
}

/// Serves whoever connects to the listener that it was started with, once.
fn listener() {
    match activation::inherited_listener() {
        Ok(Some(listener)) => {
            let flags = rustix::io::fcntl_getfd(&listener).unwrap();
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
            assert!(activation::inherited_listener().unwrap().is_none(), "handed out twice");
            let mut fds = [PollFd::new(&listener, PollFlags::IN)];
            let patience = Timespec { tv_sec: 20, tv_nsec: 0 };
            assert_eq!(poll(&mut fds, Some(&patience)).unwrap(), 1, "nobody connects");
            listener.accept().unwrap().0.write_all(b"served").unwrap();
            println!("served");
        }
        Ok(None) => println!("none"),
        Err(error) => println!("error: {error}"),
    }
}

fn limits() {
    println!("{}", process::raise_file_limit());
    println!("{}", process::raise_file_limit());
}

/// Denies tracing, which it first does and undoes in part, and waits for the end of its input.
fn deny() {
    for on in [false, true] {
        process::set_dumpable(on);
        #[cfg(target_os = "linux")]
        println!("{:?}", rustix::process::dumpable_behavior().unwrap());
    }
    process::deny_tracing().unwrap();
    println!("denied");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// Locks memory, and says how much is locked before, meanwhile and after.
fn lock(bytes: usize) {
    let status = |name: &str| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim_matches([':', ' ', '\t', 'k', 'B']).to_owned()
    };
    let maps = || std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    println!("{:?}", memory::protection().map_err(|error| error.kind()));
    let [before, locked_before] = [maps(), status("VmLck")];
    match Locked::new(bytes) {
        Ok(mut locked) => {
            locked.bytes_mut().fill(1);
            println!("mapped: {}", maps() != before);
            println!("{locked_before} {}", status("VmLck"));
        }
        Err(error) => println!("error: {:?}", error.kind()),
    }
    println!("{}", status("VmLck"));
    println!("gone: {}", maps() == before);
}

/// Connects, and holds on until the end of its input.
fn connect(path: &str) {
    let _stream = UnixStream::connect(path).unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// Says who connects.
fn accept(path: &str) {
    let listener = UnixListener::bind(path).unwrap();
    println!("listening");
    let (stream, _) = listener.accept().unwrap();
    assert!(stream.as_fd().try_clone_to_owned().is_ok());
    match peer::peer(&stream) {
        Ok(peer) => println!("{} {}", peer.pid, peer.user),
        Err(error) => println!("error: {error}"),
    }
}
