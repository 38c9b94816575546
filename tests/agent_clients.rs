//! Who a client is: the process that connected, as long as it is that. Row G11.

#![cfg(target_os = "linux")]

use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mima::session::wire::{READY, Reply, Request, Whose};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use rustix::process::Signal;

use crate::common::agents::{ask, reply};
use crate::common::hooked::Start;
use crate::common::serve::{Serve, get, is_closed_within, put, wanted};
use crate::common::user::User;
use crate::common::world::World;
use crate::common::{require, spawn};

/// How long the agent gets to look at a client before that changes.
const LOOK: Duration = Duration::from_millis(300);
/// How long it may take to close.
const SOON: Duration = Duration::from_secs(5);

/// A connection that is not made yet.
fn unconnected(agent: &Serve) -> (OwnedFd, SocketAddrUnix) {
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    (socket, SocketAddrUnix::new(&agent.socket).unwrap())
}

/// A process that connects, sends `first`, reads `read` bytes, waits, and then becomes a shell:
/// one that runs `script`, with the connection as its input.
fn becomes(agent: &Serve, first: &[u8], read: usize, wait: Duration, script: &str) -> Child {
    let (socket, address) = unconnected(agent);
    let first = first.to_vec();
    let mut into = vec![0; read];
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(Stdio::null());
    // SAFETY: all of these are async-signal-safe, and nothing is allocated.
    unsafe {
        command.pre_exec(move || {
            rustix::net::connect(&socket, &address)?;
            let mut rest = &first[..];
            while !rest.is_empty() {
                rest = &rest[rustix::io::write(&socket, rest)?..];
            }
            let mut rest = &mut into[..];
            while !rest.is_empty() {
                let count = rustix::io::read(&socket, &mut *rest)?;
                rest = &mut rest[count..];
            }
            std::thread::sleep(wait);
            rustix::stdio::dup2_stdin(&socket)?;
            Ok(())
        })
    };
    spawn(&mut command)
}

fn printed(child: Child) -> Vec<u8> {
    child.wait_with_output().unwrap().stdout
}

/// A file with the bytes of a request, for `cat`.
fn file(world: &World, request: &Request) -> String {
    let path = world.root().join("request");
    std::fs::write(&path, request.encode().unwrap()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn t_g11_a_client_that_has_become_another_program_is_turned_away() {
    let world = World::new();
    let agent = Serve::start(&world);
    let request = file(&world, &Request::Status);
    let script = format!("cat {request} >&0; cat");
    let connected = printed(becomes(&agent, &[], 0, LOOK, &script));
    assert_eq!(connected, b"", "it was another program when it connected");

    // A client is what the agent sees of it first: here the shell.
    agent.signal(Signal::STOP);
    let child = becomes(&agent, &[], 0, Duration::ZERO, &script);
    std::thread::sleep(LOOK);
    agent.signal(Signal::CONT);
    assert!(printed(child).starts_with(b"mima"));
}

/// The agent looks again before it gives values away.
#[test]
fn t_g11_values_go_to_no_other_program() {
    let world = World::new();
    let agent = Serve::start(&world);
    let dev = wanted("dev", 1);
    put(&agent.socket, &dev, b"value-of-dev");
    let get_dev = Request::Get { wanted: vec![dev.clone()], within: Whose::Shell, is_use: true }
        .encode()
        .unwrap();
    // What this process was given, a child may use. How long the reply is can be seen here.
    let mut stream = agent.connect();
    stream.write_all(&get_dev).unwrap();
    let found = reply(&mut stream).unwrap();
    assert!(matches!(found, Reply::Found(_)));
    let len = found.encode().unwrap().len();
    let script = format!("printf '{}' >&0; cat", char::from(READY));
    assert_eq!(printed(becomes(&agent, &get_dev, len, LOOK, &script)), b"");

    // The one that has stayed what it was gets them.
    stream.write_all(&[READY]).unwrap();
    let mut values = Vec::new();
    stream.read_to_end(&mut values).unwrap();
    assert_eq!(values, b"value-of-dev");
}

/// Whoever hands its connection on answers for what is asked over it, and only while it is
/// there.
#[test]
fn t_g11_a_connection_is_worth_nothing_once_its_maker_has_ended() {
    let world = World::new();
    let agent = Serve::start(&world);
    put(&agent.socket, &wanted("dev", 1), b"value-of-dev");
    let get_dev =
        Request::Get { wanted: vec![wanted("dev", 1)], within: Whose::Shell, is_use: true };
    let request = file(&world, &get_dev);
    for (maker_stays, what) in [(true, "a maker that is there"), (false, "one that has ended")] {
        let (socket, address) = unconnected(&agent);
        // The maker of the connection does nothing but that, and then the same until it ends.
        let maker_waits = if maker_stays { LOOK * 3 } else { LOOK };
        let mut maker = Command::new("true");
        let kept = socket.try_clone().unwrap();
        // SAFETY: all of these are async-signal-safe, and nothing is allocated.
        unsafe {
            maker.pre_exec(move || {
                rustix::net::connect(&socket, &address)?;
                std::thread::sleep(maker_waits);
                Ok(())
            })
        };
        let maker = std::thread::spawn(move || spawn(&mut maker).wait().unwrap());
        std::thread::sleep(LOOK * 2);
        // Another program writes to what the maker has connected.
        let mut other = Command::new("sh");
        other.args(["-c", &format!("cat {request} >&0; head -c 4")]);
        other.stdin(Stdio::from(kept)).stdout(Stdio::piped()).stderr(Stdio::null());
        let got = printed(spawn(&mut other));
        assert_eq!(got, if maker_stays { &b"mima"[..] } else { b"" }, "{what}");
        assert!(maker.join().unwrap().success());
    }
}

#[test]
fn t_g11_one_connection_carries_one_request() {
    let world = World::new();
    let agent = Serve::start(&world);
    let request = Request::Status.encode().unwrap();
    // Two at once.
    let mut stream = agent.connect();
    stream.write_all(&[&*request, &request].concat()).unwrap();
    assert!(is_closed_within(&mut stream, SOON));
    // One after the other.
    let mut stream = agent.connect();
    stream.write_all(&request).unwrap();
    assert!(matches!(reply(&mut stream), Some(Reply::Status(_))));
    let _gone = stream.write_all(&request);
    assert!(is_closed_within(&mut stream, SOON));
    // A byte at a time is slow, and one request.
    let mut stream = agent.connect();
    for byte in &request {
        stream.write_all(&[*byte]).unwrap();
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(matches!(reply(&mut stream), Some(Reply::Status(_))));
    // Another word than the one that is waited for.
    let dev = wanted("dev", 1);
    put(&agent.socket, &dev, b"value-of-dev");
    for word in [b"?", b"\0"] {
        let mut stream = agent.connect();
        let get_dev =
            Request::Get { wanted: vec![dev.clone()], within: Whose::Shell, is_use: true };
        stream.write_all(&get_dev.encode().unwrap()).unwrap();
        assert!(matches!(reply(&mut stream), Some(Reply::Found(_))));
        stream.write_all(word).unwrap();
        assert!(is_closed_within(&mut stream, SOON));
    }
    assert_eq!(get(&agent.socket, &dev).unwrap().as_deref(), Some(&b"value-of-dev"[..]));
    assert!(ask(&agent.socket, &Request::Status).is_some());
}

/// mima hides itself from others of its user, but for the moment in which the agent looks: the
/// agent may look as soon as it has connected, and must see the same then and later.
#[test]
fn t_g11_an_honest_client_that_is_slow_is_served() {
    let Some(strace) = require("strace") else { return };
    let Some(mut user) = User::new() else { return };
    user.world.add_vault();
    user.world.write(".mima.yaml", "groups:\n  dev: {V: K07}\n");
    user.give_all();
    let wrapper = user.wrapper();
    let wrapper: Vec<_> = wrapper.iter().map(String::as_str).collect();
    let mut bash = Start::new(&user.world, "bash").without_hook().under(&wrapper).start();
    assert_eq!(bash.run("mima run dev -- printenv V"), "value-of-K07\n");
    for slow in ["connect", "getsockopt", "sendto", "prctl"] {
        // As the tracer it is no parent of mima's: that would be no shell.
        let line = format!(
            "{} -D -qq -o /dev/null -e inject={slow}:delay_exit=100000 mima run dev -- printenv V",
            strace.display()
        );
        assert_eq!(bash.run(&line), "value-of-K07\n", "{slow}");
        assert_eq!(user.world.asked(), 1, "{slow}");
    }
}

/// Unused descriptors of a caller do not reach the agent, nor its own the command.
#[test]
fn t_g11_the_connection_does_not_reach_the_command() {
    let world = World::with_vault();
    world.write(".mima.yaml", "groups:\n  dev: {V: K07}\n");
    let agent = Serve::start(&world);
    let output = world.mima(&["run", "--scrub", "dev", "--", "ls", "-l", "/proc/self/fd"]).run();
    output.ok().quiet().stdout_lacks("socket:[");
    assert!(agent.status().is_some_and(|status| status.unlocked.is_empty()));
    assert!(agent.connect().as_raw_fd() > 2);
}
