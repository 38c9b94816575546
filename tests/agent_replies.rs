//! Agents that break off, stall, drip or talk nonsense: mima asks instead, soon, and never goes
//! on with half an environment. Rows G6 and G13.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mima::names::{GroupName, VarName};
use mima::session::wire::{
    HEADER, Header, LARGEST, LARGEST_GROUP, MAJOR, READY, Refusal, Reply, Request, Status,
};

use crate::common::hooked::Start;
use crate::common::require;
use crate::common::user::mode;
use crate::common::world::World;

/// What the agents here know; the vault has it otherwise.
const VALUES: [(&str, &str); 3] = [("A", "agent-1"), ("B", "agent-22"), ("C", "agent-333")];
/// What is printed if all values come of the agent, and if all come of the vault.
const FROM_AGENT: &str = "agent-1,agent-22,agent-333\n";
const FROM_VAULT: &str = "value-of-K01,value-of-K02,value-of-K03\n";
/// The longest time that mima may take when an agent is silent for ever. It waits two seconds.
const LONGEST: Duration = Duration::from_secs(8);

/// An agent of the test's: each connection is given to a function.
struct Fake {
    connections: Arc<AtomicUsize>,
    socket: PathBuf,
}

impl Drop for Fake {
    fn drop(&mut self) {
        // Nobody is to wait for it any more.
        std::fs::remove_file(&self.socket).unwrap();
    }
}

impl Fake {
    fn new(world: &World, serve: impl Fn(UnixStream) + Send + 'static) -> Self {
        let connections = Arc::new(AtomicUsize::new(0));
        let (listener, count) = (listen(world), connections.clone());
        // It ends with the tests.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                serve(stream.unwrap());
            }
        });
        Self { connections, socket: world.socket() }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn listen(world: &World) -> UnixListener {
    let socket = world.socket();
    let dir = socket.parent().unwrap();
    std::fs::create_dir_all(dir).unwrap();
    mode(dir, 0o700);
    let _old = std::fs::remove_file(&socket);
    UnixListener::bind(&socket).unwrap()
}

fn world() -> World {
    let world = World::with_vault();
    world.write(".mima.yaml", "groups:\n  dev: {A: K01, B: K02, C: K03}\n");
    world
}

const SHOW: [&str; 6] = ["run", "dev", "--", "sh", "-c", "echo \"$A,$B,$C\""];

/// Reads the request, if one comes.
fn request(stream: &mut UnixStream) -> Option<Request> {
    let mut header = [0; HEADER];
    stream.read_exact(&mut header).ok()?;
    let header = Header::decode(&header).unwrap();
    let mut payload = vec![0; header.len];
    stream.read_exact(&mut payload).ok()?;
    Some(Request::decode(header, &payload).unwrap())
}

fn group(name: &str) -> GroupName {
    GroupName::parse(name).unwrap()
}

/// The reply that has values of such lengths.
fn found(vars: &[(&str, usize)]) -> Reply {
    let var =
        |(name, len): &(&str, usize)| (VarName::parse(name).unwrap(), u32::try_from(*len).unwrap());
    Reply::Found(vec![(group("dev"), vars.iter().map(var).collect())])
}

/// All that an honest agent sends: what comes before the client is ready, and after.
fn recorded() -> (Vec<u8>, Vec<u8>) {
    let lengths: Vec<_> = VALUES.iter().map(|(name, value)| (*name, value.len())).collect();
    let values: Vec<_> = VALUES.iter().flat_map(|(_, value)| value.bytes()).collect();
    (found(&lengths).encode().unwrap(), values)
}

/// Sends the first `end` bytes of what an honest agent sends, and lets `then` go on.
fn send_until(stream: &mut UnixStream, end: usize) {
    let (reply, values) = recorded();
    let _gone = stream.write_all(&reply[..end.min(reply.len())]);
    if let Some(rest) = end.checked_sub(reply.len()) {
        let mut ready = [0];
        if stream.read_exact(&mut ready).is_ok() {
            assert_eq!(ready, [READY]);
            let _gone = stream.write_all(&values[..rest]);
        }
    }
}

#[test]
fn t_g6_a_reply_that_breaks_off_at_any_byte_counts_for_nothing() {
    let world = world();
    let (reply, values) = recorded();
    let all = reply.len() + values.len();
    let end = Arc::new(AtomicUsize::new(0));
    let until = end.clone();
    let fake = Fake::new(&world, move |mut stream| {
        assert!(matches!(request(&mut stream), Some(Request::Get { is_use: true, .. })));
        send_until(&mut stream, until.load(Ordering::SeqCst));
    });
    for at in 0..=all {
        end.store(at, Ordering::SeqCst);
        let output = world.mima(&SHOW).run();
        let is_whole = at == all;
        output.ok().stdout_is(if is_whole { FROM_AGENT } else { FROM_VAULT });
        assert_eq!(world.take_asked(), usize::from(!is_whole), "{at}");
        // One that ends before it says anything has just ended.
        if is_whole || at < HEADER {
            output.quiet();
        } else {
            output.stderr_has("mima: the session agent gave no answer: ");
            assert_eq!(output.err().lines().count(), 1, "{at}: {output}");
        }
    }
    assert_eq!(fake.connections(), all + 1);
}

/// A connection that is cut between the reply and the client's word.
#[test]
fn t_g6_an_agent_that_is_gone_before_the_values_counts_for_nothing() {
    let world = world();
    let _fake = Fake::new(&world, |mut stream| {
        request(&mut stream);
        stream.write_all(&recorded().0).unwrap();
        stream.shutdown(std::net::Shutdown::Both).unwrap();
    });
    world.mima(&SHOW).run().ok().stdout_is(FROM_VAULT);
    assert_eq!(world.asked(), 1);
}

#[test]
fn t_g6_an_agent_that_stalls_or_drips_is_not_waited_for() {
    let (reply, values) = recorded();
    let all = reply.len() + values.len();
    let ends = [0, HEADER - 1, HEADER, reply.len() - 1, reply.len(), all - 1];
    std::thread::scope(|scope| {
        for end in ends {
            scope.spawn(move || {
                stalled("stall", end, move |mut stream| {
                    request(&mut stream);
                    send_until(&mut stream, end);
                    std::thread::sleep(LONGEST * 2);
                });
            });
        }
        // Every single byte comes in time.
        scope.spawn(|| {
            stalled("drip", 0, |mut stream| {
                request(&mut stream);
                let (reply, values) = recorded();
                for byte in [reply, values].concat() {
                    if stream.write_all(&[byte]).is_err() {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(300));
                }
            });
        });
        // Nobody reads the request, or even accepts.
        scope.spawn(|| stalled("deaf", 0, |_| std::thread::sleep(LONGEST * 2)));
    });
}

#[track_caller]
fn stalled(what: &str, end: usize, serve: impl Fn(UnixStream) + Send + 'static) {
    let world = world();
    let _fake = Fake::new(&world, serve);
    let start = Instant::now();
    let output = world.mima(&SHOW).run();
    let took = start.elapsed();
    output.ok().stdout_is(FROM_VAULT);
    assert_eq!(world.asked(), 1, "{what} {end}");
    assert!(took < LONGEST, "{what} {end}: {took:?}");
    let want = "mima: the session agent gave no answer: timed out, so you are asked\n";
    assert_eq!(output.err(), want, "{what} {end}");
}

/// An agent that lets nobody in, and has more of them in line than the kernel keeps.
#[test]
fn t_g6_a_line_that_does_not_move_is_not_waited_in() {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, connect, listen, socket};
    let world = world();
    std::fs::create_dir_all(world.socket().parent().unwrap()).unwrap();
    mode(world.socket().parent().unwrap(), 0o700);
    let listener = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    let address = SocketAddrUnix::new(world.socket()).unwrap();
    bind(&listener, &address).unwrap();
    listen(&listener, 0).unwrap();
    let mut line = Vec::new();
    loop {
        let client = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        rustix::io::ioctl_fionbio(&client, true).unwrap();
        if connect(&client, &address).is_err() {
            break;
        }
        line.push(client);
        assert!(line.len() < 1000);
    }
    let start = Instant::now();
    let output = world.mima(&SHOW).run();
    output.ok().stdout_is(FROM_VAULT).stderr_has("could not connect to the agent at ");
    assert_eq!((world.asked(), output.err().lines().count()), (1, 1), "{output}");
    assert!(start.elapsed() < LONGEST, "{:?}", start.elapsed());
}

#[test]
fn t_g6_nonsense_counts_for_nothing() {
    let frame = |reply: Reply| reply.encode().unwrap();
    let header = |kind: u8, len: u32| {
        let mut header = vec![b'm', b'i', b'm', b'a', MAJOR, kind];
        header.extend(len.to_be_bytes());
        header
    };
    let huge = u32::try_from(LARGEST + 1).unwrap();
    let too_large = found(&[("A", LARGEST_GROUP + 1), ("B", 1), ("C", 1)]);
    let short = |vars: &[(&str, usize)]| {
        let values: usize = vars.iter().map(|(_, len)| len).sum();
        [frame(found(vars)), vec![b'x'; values]].concat()
    };
    for (what, bytes) in [
        ("no frame", b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
        ("zeros", vec![0; 1000]),
        ("too long", [header(65, huge), vec![0; 100]].concat()),
        ("as long as can be", header(65, u32::MAX)),
        ("an unknown kind", header(99, 0)),
        ("a request", Request::Status.encode().unwrap()),
        ("another reply", frame(Reply::Done(1))),
        ("a word for somebody else", frame(Reply::Send)),
        ("a refusal", frame(Reply::Refused(Refusal::NoMemory))),
        ("a reply with something behind", [header(66, 1), vec![0]].concat()),
        ("a huge value", frame(too_large)),
        ("no group", frame(Reply::Found(Vec::new()))),
        ("no variables", frame(found(&[]))),
        ("one variable less", short(&[("A", 1), ("B", 1)])),
        ("one variable twice", short(&[("A", 1), ("B", 1), ("B", 1)])),
        ("another variable", short(&[("A", 1), ("B", 1), ("D", 1)])),
    ] {
        let world = world();
        let _fake = Fake::new(&world, move |mut stream| {
            request(&mut stream);
            let _gone = stream.write_all(&bytes);
        });
        let output = world.mima(&SHOW).run();
        output.ok().stdout_is(FROM_VAULT);
        assert_eq!(world.asked(), 1, "{what}");
        assert!(output.err().lines().count() <= 1, "{what}: {output}");
    }
}

/// What the agent knows too much is left out.
#[test]
fn t_g6_nothing_comes_in_that_was_not_asked_for() {
    let world = world();
    let _fake = Fake::new(&world, |mut stream| {
        request(&mut stream);
        let vars = [("A", 1), ("LD_PRELOAD", 2), ("B", 1), ("PATH", 1), ("C", 1)];
        stream.write_all(&found(&vars).encode().unwrap()).unwrap();
        stream.read_exact(&mut [0]).unwrap();
        stream.write_all(b"a/xb.c").unwrap();
    });
    let script = "echo \"$A,$B,$C,${LD_PRELOAD-none}\"; command -v true >/dev/null && echo path";
    let output = world.mima(&["run", "dev", "--", "sh", "-c", script]).run();
    output.ok().quiet().stdout_is("a,b,c,none\npath\n");
    assert_eq!(world.asked(), 0);
}

/// An agent that takes what it is told and breaks off at each byte of it, or of its answer.
#[test]
fn t_g6_an_unlock_that_breaks_off_fails_and_says_so() {
    if require("bash").is_none() {
        return;
    }
    let world = world();
    let until = Arc::new(AtomicUsize::new(0));
    let end = until.clone();
    let _fake = Fake::new(&world, move |mut stream| match request(&mut stream) {
        Some(Request::Status) => stream.write_all(&nothing_unlocked()).unwrap(),
        Some(Request::Put(put)) => {
            assert_eq!(put.vars.len(), 3);
            let end = end.load(Ordering::SeqCst);
            let [send, done] = [Reply::Send, Reply::Done(1)].map(|reply| reply.encode().unwrap());
            stream.write_all(&send).unwrap();
            let mut values = vec![0; 36.min(end)];
            stream.read_exact(&mut values).unwrap();
            let _gone = stream.write_all(&done[..end.saturating_sub(36)]);
        }
        None => {}
        other => panic!("{other:?}"),
    });
    let mut bash = Start::new(&world, "bash").without_hook().start();
    let all = 36 + Reply::Done(1).encode().unwrap().len();
    for at in [0, 1, 12, 35, 36, 37, 36 + HEADER, all - 1, all] {
        until.store(at, Ordering::SeqCst);
        let said = bash.run("mima unlock dev; echo $?");
        if at == all {
            let want = "mima: unlocked for this shell: dev";
            assert!(said.starts_with(want) && said.ends_with("\n0\n"), "{said}");
        } else {
            let want = "mima: the session agent gave no answer: ";
            assert!(said.starts_with(want) && said.ends_with("\n1\n"), "{at}: {said}");
        }
    }
}

/// What an agent says of itself that has nothing.
fn nothing_unlocked() -> Vec<u8> {
    let memory = "a test".to_owned();
    let status = Status { pid: 1, memory, unlocked: Vec::new(), elsewhere: 0, is_granted: false };
    Reply::Status(status).encode().unwrap()
}

/// The frame with which another version answers, whatever it was asked.
fn of_another_version() -> Vec<u8> {
    vec![b'm', b'i', b'm', b'a', MAJOR + 1, 7, 0, 0, 0, 2, b'?', b'!']
}

/// One that ends by being asked, as mima's own does.
#[test]
fn t_g13_an_agent_of_another_version_is_followed_by_one_of_this() {
    if require("bash").is_none() {
        return;
    }
    let world = world();
    let listener = listen(&world);
    let lock = File::create(world.socket().with_file_name("agent.lock")).unwrap();
    lock.try_lock().unwrap();
    let socket = world.socket();
    let other = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        assert!(matches!(request(&mut stream), Some(Request::Get { .. })));
        stream.write_all(&of_another_version()).unwrap();
        // It takes its time.
        std::thread::sleep(Duration::from_millis(300));
        std::fs::remove_file(socket).unwrap();
        drop((listener, lock));
    });
    let mut bash = Start::new(&world, "bash").without_hook().start();
    for _ in 0..2 {
        assert_eq!(bash.run("mima run dev -- sh -c 'echo \"$A,$B,$C\"'"), FROM_VAULT);
        assert_eq!(world.asked(), 1);
    }
    other.join().unwrap();
}

/// One that stays.
#[test]
fn t_g13_nothing_depends_on_an_agent_of_another_version() {
    let world = world();
    let _fake = Fake::new(&world, |mut stream| {
        request(&mut stream);
        let _gone = stream.write_all(&of_another_version());
    });
    world.mima(&SHOW).run().ok().quiet().stdout_is(FROM_VAULT);
    assert_eq!(world.asked(), 1);
    // It has not been told to forget.
    for args in [&["lock"][..], &["lock", "--all"], &["session", "stop"]] {
        let output = world.mima(args).run();
        output.fails(1).stderr_has("mima: the session agent refuses to answer");
    }
}

#[test]
fn a_socket_that_is_none_is_said_in_one_line() {
    for plant in [
        |path: &Path| std::fs::write(path, "").unwrap(),
        |path: &Path| std::fs::create_dir(path).unwrap(),
        |path: &Path| std::os::unix::fs::symlink("nowhere", path).unwrap(),
        |path: &Path| drop(UnixListener::bind(path).unwrap()),
    ] {
        let world = world();
        drop(listen(&world));
        std::fs::remove_file(world.socket()).unwrap();
        plant(&world.socket());
        let output = world.mima(&SHOW).run();
        output.ok().stdout_is(FROM_VAULT);
        assert_eq!((world.asked(), output.err().lines().count() <= 1), (1, true), "{output}");
    }
}
