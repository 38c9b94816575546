//! The session agent under clients that stall, lie and come in crowds: rows G7 to G10 and G14.

#![cfg(target_os = "linux")]

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mima::names::VarName;
use mima::session::wire::{
    Fault, HEADER, Header, LARGEST, MAJOR, READY, Refusal, Reply, Request, Whose,
};

use crate::common::agents::{ask, reply};
use crate::common::leaks::contains;
use crate::common::random::Random;
use crate::common::serve::{
    Serve, field, get, get_over, is_closed_within, put, put_request, wanted, within,
};
use crate::common::world::World;

/// How much memory the agent may have, whatever is done to it.
const MOST_MEMORY: u64 = 40_000_000;
/// How long an honest client may have to wait on a busy machine.
const SOON: Duration = Duration::from_secs(2);
/// When a stalled client must be gone: two seconds, and some for a busy machine.
const STALLED: Duration = Duration::from_secs(6);

/// Lets this process have as many connections as a test makes.
fn raise_file_limit() {
    mima::sys::process::raise_file_limit();
}

/// Asks again and again, in order, until it is told to stop. Returns how often, and the longest
/// time that one answer took.
fn honest(agent: &Serve, stop: &AtomicBool) -> (u32, Duration) {
    let (mut times, mut longest) = (0, Duration::ZERO);
    while !stop.load(Ordering::SeqCst) {
        let start = Instant::now();
        let values = get(&agent.socket, &wanted("dev", 1)).unwrap();
        assert_eq!(values.as_deref(), Some(&b"value"[..]));
        longest = longest.max(start.elapsed());
        times += 1;
    }
    (times, longest)
}

/// Lets `abuse` have its way with an agent that an honest client talks to, and looks at its
/// memory until all that `abuse` returns is closed.
#[track_caller]
fn withstands(what: &str, abuse: impl Fn(&Serve) -> Vec<UnixStream>) {
    raise_file_limit();
    let world = World::new();
    let mut agent = Serve::start(&world);
    put(&agent.socket, &wanted("dev", 1), b"value");
    let before = agent.memory();
    let stop = AtomicBool::new(false);
    let (peak, took) = std::thread::scope(|scope| {
        let client = scope.spawn(|| honest(&agent, &stop));
        let mut stalled = abuse(&agent);
        let start = Instant::now();
        let mut peak = agent.memory();
        stalled.retain_mut(|stream| {
            peak = peak.max(agent.memory());
            stream.set_nonblocking(true).unwrap();
            // What it was told before its end does not count.
            let mut closed = || loop {
                match stream.read(&mut [0; 64]) {
                    Ok(0) => return Some(()),
                    Ok(_) => {}
                    Err(error) => {
                        return (error.kind() != std::io::ErrorKind::WouldBlock).then_some(());
                    }
                }
            };
            within(
                STALLED.saturating_sub(start.elapsed()),
                "a stalled client is closed",
                &mut closed,
            );
            false
        });
        let took = start.elapsed();
        stop.store(true, Ordering::SeqCst);
        let (times, longest) = client.join().unwrap();
        assert!(longest < SOON, "{what}: an honest client waited for {longest:?}");
        assert!(times > 0);
        eprintln!(
            "{what}: {times} honest answers, the longest after {longest:?}; all closed after {took:?}; memory {before} to {peak}"
        );
        (peak, took)
    });
    assert!(peak < MOST_MEMORY, "{what}: {peak} bytes");
    assert!(took < STALLED, "{what}: {took:?}");
    assert!(agent.is_alive());
    within(SOON, "the descriptors are closed", || (agent.files() < 20).then_some(()));
}

const CLIENTS: usize = 1000;

#[test]
fn t_g7_half_requests_are_closed_and_take_little_memory() {
    withstands("half requests", |agent| {
        let request = |_| {
            let mut stream = agent.connect();
            let mut frame = vec![b'm', b'i', b'm', b'a', MAJOR, 2];
            frame.extend(u32::try_from(LARGEST).unwrap().to_be_bytes());
            frame.resize(HEADER + LARGEST - 1, 0);
            // It may be closed meanwhile, in favour of those that want less.
            let _closed = stream.write_all(&frame);
            stream
        };
        (0..CLIENTS).map(request).collect()
    });
}

#[test]
fn t_g7_half_values_are_closed_and_take_little_memory() {
    const ANNOUNCED: usize = 250 << 10;
    withstands("half values", |agent| {
        let mut kept = 0;
        let mut stalled = Vec::new();
        for _ in 0..CLIENTS {
            let mut stream = agent.connect();
            let put = Request::Put(put_request(&wanted("big", 1), &[ANNOUNCED]));
            stream.write_all(&put.encode().unwrap()).unwrap();
            match reply(&mut stream) {
                Some(Reply::Send) => kept += 1,
                Some(Reply::Refused(Refusal::NoMemory)) => {}
                other => panic!("{other:?}"),
            }
            let _closed = stream.write_all(&vec![1; ANNOUNCED / 2]);
            stalled.push(stream);
        }
        assert!((1..CLIENTS).contains(&kept), "{kept} were let in");
        stalled
    });
}

#[test]
fn t_g7_clients_that_say_nothing_or_do_not_read_are_closed() {
    withstands("idle", |agent| (0..CLIENTS).map(|_| agent.connect()).collect());
    withstands("not ready", |agent| {
        put(&agent.socket, &wanted("large", 1), &vec![7; 1 << 20]);
        let client = |at: usize| {
            let mut stream = agent.connect();
            let wanted = vec![wanted("large", 1)];
            let get =
                Request::Get { wanted, within: Whose::Shell, is_use: false }.encode().unwrap();
            stream.write_all(&get).unwrap();
            assert!(matches!(reply(&mut stream), Some(Reply::Found(_))));
            if at.is_multiple_of(2) {
                // It wants a megabyte, and takes a few hundred kilobytes.
                stream.write_all(&[READY]).unwrap();
            }
            stream
        };
        let mut clients: Vec<_> = (0..CLIENTS / 4).map(client).collect();
        // What lies in the socket is read only when it is closed, so look at the other end.
        std::thread::sleep(STALLED / 2);
        for stream in &mut clients {
            stream.set_read_timeout(Some(SOON)).unwrap();
            let mut rest = Vec::new();
            let _reset = stream.read_to_end(&mut rest);
            assert!(rest.len() < 1 << 20, "{}", rest.len());
        }
        clients
    });
}

#[test]
fn t_g9_a_thousand_clients_at_once_are_all_served() {
    const THREADS: usize = 8;
    raise_file_limit();
    let world = World::new();
    let agent = Serve::start(&world);
    let value = vec![b'v'; 3000];
    put(&agent.socket, &wanted("dev", 1), &value);
    let barrier = std::sync::Barrier::new(THREADS);
    for round in 0..3 {
        let start = Instant::now();
        std::thread::scope(|scope| {
            let crowd = || {
                let streams: Vec<_> = (0..CLIENTS / THREADS).map(|_| agent.connect()).collect();
                barrier.wait();
                for stream in streams {
                    let got = get_over(stream, &wanted("dev", 1)).unwrap();
                    assert!(got.as_ref() == Some(&value));
                }
            };
            let crowds: Vec<_> = (0..THREADS).map(|_| scope.spawn(crowd)).collect();
            for crowd in crowds {
                crowd.join().unwrap();
            }
        });
        eprintln!("round {round}: {CLIENTS} clients in {:?}", start.elapsed());
    }
    // A new connection each time, from many sides, and more than there is room for.
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let got = get(&agent.socket, &wanted("dev", 1)).unwrap();
                    assert!(got.as_ref() == Some(&value));
                }
            });
        }
    });
    assert!(agent.memory() < MOST_MEMORY);
}

#[test]
fn t_g10_an_agent_with_few_descriptors_serves_on() {
    let world = World::new();
    let serve = world.mima(&["session", "serve"]).within("ulimit -n 32; exec \"$@\"");
    let mut agent = Serve::of(&serve, &world.socket());
    let dev = wanted("dev", 1);
    put(&agent.socket, &dev, b"value");
    for round in 0..3 {
        // One that is being served when the others come.
        let mut served = agent.connect();
        let get_dev =
            Request::Get { wanted: vec![dev.clone()], within: Whose::Shell, is_use: true };
        served.write_all(&get_dev.encode().unwrap()).unwrap();
        assert!(matches!(reply(&mut served), Some(Reply::Found(_))));
        let idle: Vec<_> = (0..200).map(|_| agent.connect()).collect();
        served.write_all(&[READY]).unwrap();
        let mut value = Vec::new();
        served.read_to_end(&mut value).unwrap();
        assert_eq!(value, b"value", "{round}");
        // Those who say nothing make room for those who do.
        for _ in 0..20 {
            assert_eq!(get(&agent.socket, &dev).unwrap().as_deref(), Some(&b"value"[..]));
        }
        assert!(agent.files() <= 32);
        drop(idle);
    }
    // As many groups as there is room for, and then no more.
    let mut kept = 0;
    loop {
        let mut stream = agent.connect();
        let request = put_request(&wanted(&format!("g{kept}"), 1), &[1]);
        stream.write_all(&Request::Put(request).encode().unwrap()).unwrap();
        match reply(&mut stream) {
            Some(Reply::Send) => stream.write_all(b"x").unwrap(),
            Some(Reply::Refused(Refusal::NoMemory)) => break,
            other => panic!("{other:?}"),
        }
        assert_eq!(reply(&mut stream), Some(Reply::Done(1)));
        kept += 1;
        assert!(kept < 32);
    }
    assert_eq!(get(&agent.socket, &dev).unwrap().as_deref(), Some(&b"value"[..]));
    assert!(kept > 0 && agent.is_alive());
}

/// Frames that are right, nearly right, and nothing; `MIMA_TEST_FRAMES` asks for more than
/// 100,000. No answer to any of them says anything of a group that is somebody else's.
#[test]
fn t_g8_no_frame_does_harm_and_t_g14_none_gets_what_is_not_its_own() {
    let count = std::env::var("MIMA_TEST_FRAMES").map_or(100_000, |count| count.parse().unwrap());
    let mut world = World::with_vault();
    world.mima(&["secret", "add", "canary"]).stdin(world.canary()).run().ok();
    world.write(".mima.yaml", "groups:\n  secret-group: {CANARY_VAR: canary}\n  dev: {V: K07}\n");
    let mut agent = Serve::start(&world);
    // Somebody else has been granted a group: a process that this one does not descend from.
    let other = world.mima(&["run", "--grant", "secret-group", "dev", "--", "sleep", "1000"]);
    let mut other = other.spawn();
    within(SOON * 5, "it is granted", || (agent.status()?.elsewhere == 1).then_some(()));
    let own = wanted("dev", 1);
    world.guard("value-of-my-own");

    let mut random = Random(8);
    let corpus = corpus();
    let (mut answers, mut early) = (0, 0);
    for number in 0..count {
        if number % 500 == 0 {
            // Who asks for it in another state says that this one is over, and some of the frames
            // leave other groups there.
            assert!(matches!(
                ask(&agent.socket, &Request::Lock { all: false }),
                Some(Reply::Done(_))
            ));
            put(&agent.socket, &own, b"value-of-my-own");
        }
        let frame = frame(&mut random, &corpus, number);
        if is_harmful(&frame) {
            continue;
        }
        let mut stream = agent.connect();
        let cut = if random.once_in(8) { random.below(frame.len() + 1) } else { frame.len() };
        let _closed = stream.write_all(&frame[..cut]);
        // Some do not wait for an answer.
        if random.once_in(8) {
            continue;
        }
        let mut bytes = Vec::new();
        if cut == frame.len() && is_get(&frame) {
            bytes.resize(HEADER, 0);
            stream.read_exact(&mut bytes).unwrap();
            let _closed = stream.write_all(&[READY]);
        } else {
            let _closed = stream.shutdown(Shutdown::Write);
        }
        let _reset = stream.read_to_end(&mut bytes);
        for not_ours in [world.canary().as_bytes(), b"secret-group", b"CANARY_VAR", b"value-of-K"] {
            assert!(!contains(&bytes, not_ours), "{frame:?}: {bytes:?}");
        }
        answers += usize::from(is_answer(&bytes));
        if number == count / 10 {
            early = agent.memory();
        }
    }
    assert!(answers > 100, "{answers} answers");
    let (late, files) = (agent.memory(), agent.files());
    eprintln!("{count} frames, {answers} answers; memory {early} and {late}; {files} descriptors");
    assert!(late < early + (2 << 20), "memory {early} and {late}");
    within(STALLED, "all are closed", || (agent.files() < 20).then_some(()));
    assert!(agent.is_alive());
    assert_eq!(agent.status().unwrap().elsewhere, 1, "nothing of it has locked anything");
    put(&agent.socket, &own, b"value-of-my-own");
    assert_eq!(get(&agent.socket, &own).unwrap().as_deref(), Some(&b"value-of-my-own"[..]));
    other.kill().unwrap();
    other.wait().unwrap();
}

/// Frames that mean something, and one for a group that this process has.
fn corpus() -> Vec<Vec<u8>> {
    let recorded = include_str!("fixtures/frames-1.txt").lines();
    let mut corpus: Vec<_> =
        recorded.map(|line| hex::decode(line.split_once(' ').unwrap().1).unwrap()).collect();
    let get = |names: &[&str]| {
        let wanted = names.iter().map(|name| wanted(name, 1)).collect();
        Request::Get { wanted, within: Whose::Shell, is_use: false }.encode().unwrap()
    };
    corpus.extend([
        get(&["dev"]),
        get(&["dev", "dev"]),
        get(&["secret-group"]),
        get(&["dev", "x"]),
    ]);
    corpus.push(Request::Status.encode().unwrap());
    corpus
}

/// A frame as it is, with bytes changed, cut, put together of two, or of no sense at all.
fn frame(random: &mut Random, corpus: &[Vec<u8>], number: usize) -> Vec<u8> {
    let mut frame = corpus[random.below(corpus.len())].clone();
    match number % 6 {
        0 => {}
        1 | 2 => {
            for _ in 0..=random.below(4) {
                let at = random.below(frame.len());
                frame[at] = u8::try_from(random.below(256)).unwrap();
            }
        }
        3 => {
            let at = random.below(frame.len());
            frame.truncate(at);
            frame.extend(&corpus[random.below(corpus.len())]);
        }
        4 => {
            // A length that is not so.
            let len = random.of(&[0, 1, 3, 0xffff, 0x10000, 0x10001, 0x7fff_ffff, u32::MAX]);
            frame[6..HEADER].copy_from_slice(&len.to_be_bytes());
        }
        _ => {
            let len = random.below(200);
            frame = (0..len).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
            if random.once_in(2) {
                frame.splice(0..0, [b'm', b'i', b'm', b'a', MAJOR, random.of(&[1, 2, 3, 4, 5])]);
            }
        }
    }
    frame
}

/// Tells whether a frame asks for the end of the agent, or to lock; then a test that sends it
/// shows nothing more. What is not mima and brings values for a shell ends it, too.
fn is_harmful(frame: &[u8]) -> bool {
    let header = frame.first_chunk::<HEADER>().map(Header::decode);
    matches!(header, Some(Err(Fault::Version(_))))
        || matches!(request(frame), Some(Request::Stop | Request::Lock { .. }))
        || matches!(request(frame), Some(Request::Put(put)) if put.whose != Whose::Tree)
}

/// Tells whether bytes are a request for groups, and nothing more.
fn is_get(frame: &[u8]) -> bool {
    let request = request(frame);
    let is_all = request.as_ref().is_some_and(|request| request.encode().unwrap() == frame);
    is_all && matches!(request, Some(Request::Get { .. }))
}

/// The request at the beginning of some bytes.
fn request(frame: &[u8]) -> Option<Request> {
    let (header, payload) = frame.split_first_chunk::<HEADER>()?;
    let header = Header::decode(header).ok()?;
    Request::decode(header, payload.get(..header.len)?).ok()
}

fn is_answer(bytes: &[u8]) -> bool {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else {
        assert!(bytes.is_empty(), "half an answer: {bytes:?}");
        return false;
    };
    let header = Header::decode(header).unwrap();
    Reply::decode(header, &rest[..header.len]).unwrap();
    true
}

/// Two hundred bytes at a time come to sixty-four thousand in the end, and to nothing.
#[test]
fn t_g8_a_request_that_never_ends_is_closed_in_time() {
    let world = World::new();
    let agent = Serve::start(&world);
    let mut stream = agent.connect();
    stream.write_all(&[b'm', b'i', b'm', b'a', MAJOR, 2, 0, 0, 0xff, 0xff]).unwrap();
    let start = Instant::now();
    while stream.write_all(&[0; 200]).is_ok() {
        std::thread::sleep(Duration::from_millis(50));
        assert!(start.elapsed() < STALLED, "it is still listened to");
    }
    assert!(is_closed_within(&mut stream, SOON));
    assert!(agent.status().is_some_and(|status| status.unlocked.is_empty()));
}

/// A frame is small; what it asks for must be, too.
#[test]
fn t_g7_no_request_takes_more_memory_than_it_brings() {
    let world = World::new();
    let agent = Serve::start(&world);
    let named = |names: &mut dyn Iterator<Item = String>, group: &str| {
        let mut put = put_request(&wanted(group, 1), &[]);
        put.vars = names.map(|name| (VarName::parse(&name).unwrap(), 0)).collect();
        ask(&agent.socket, &Request::Put(put))
    };
    // One variable, over and over.
    let same = named(&mut std::iter::repeat_n("A".to_owned(), 9000), "g");
    assert_eq!(same, Some(Reply::Refused(Refusal::Malformed)));
    // As many as go into a frame, in as many groups as there is room for.
    let mut kept = 0;
    loop {
        let mut many = (0..6000).map(|at| format!("V{at}"));
        match named(&mut many, &format!("g{kept}")) {
            Some(Reply::Send) => kept += 1,
            Some(Reply::Refused(Refusal::NoMemory)) => break,
            other => panic!("{other:?}"),
        }
        assert!(kept < 256);
    }
    assert!(kept > 10, "{kept}");
    // All of that at once, and one of them many times.
    let all = (0..kept).map(|at| wanted(&format!("g{at}"), 1)).collect();
    let often = vec![wanted("g0", 1); 1000];
    for wanted in [all, often] {
        let get = Request::Get { wanted, within: Whose::Shell, is_use: true };
        // Too long for a frame, or no request of mima's.
        assert!(matches!(ask(&agent.socket, &get), None | Some(Reply::Miss)));
    }
    let peak = field(agent.pid(), "VmHWM:") * 1024;
    assert!(peak < MOST_MEMORY, "{peak}");
}

/// Who only comes and goes keeps nobody from an answer.
#[test]
fn t_g7_clients_that_only_come_and_go_keep_nobody_waiting() {
    withstands("come and go", |agent| {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(1) {
            drop(UnixStream::connect(&agent.socket));
        }
        Vec::new()
    });
}

/// Nor who has asked to bring values, and does not.
#[test]
fn t_g7_clients_that_bring_nothing_make_room() {
    withstands("values that do not come", |agent| {
        let put = |at| Request::Put(put_request(&wanted(&format!("g{at}"), 1), &[8]));
        let stalled = (0..1100).map(|at| {
            let mut stream = agent.connect();
            let _full = stream.write_all(&put(at).encode().unwrap());
            stream
        });
        stalled.collect()
    });
}
