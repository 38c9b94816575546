//! How the session agent comes into being, what it is then, and how it ends: rows G4, G5, G13,
//! G15 and G16.

#![cfg(target_os = "linux")]

use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Duration;

use mima::session::wire::{HEADER, MAJOR, Reply, Request};
use rustix::process::{Pid, Signal, kill_process};

use crate::common::agents::{ask, holders, reply};
use crate::common::hooked::{Hooked, Start};
use crate::common::serve::{Serve, field, get, is_closed_within, put, put_request, wanted, within};
use crate::common::user::{USER, User, mode};
use crate::common::world::{World, copy_tree};

/// How long the agent may take to do what it does at once.
const SOON: Duration = Duration::from_secs(5);

/// A world with the group `dev`, whose one value is `value-of-K07`.
fn world() -> World {
    let world = World::with_vault();
    world.write(".mima.yaml", "groups:\n  dev: {V: K07}\n");
    world
}

fn bash(world: &World) -> Hooked {
    Start::new(world, "bash").without_hook().start()
}

#[track_caller]
fn run_dev(bash: &mut Hooked) {
    assert_eq!(bash.run("mima run dev -- printenv V"), "value-of-K07\n");
}

/// The processes that were started as agents by a world's clients.
fn agents(world: &World) -> Vec<Pid> {
    let is_agent = |pid: &Pid| {
        let line = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero()));
        line.unwrap_or_default().starts_with(b"mima\0session\0serve\0")
    };
    holders(world.root()).into_iter().filter(is_agent).collect()
}

#[track_caller]
fn the_agent(world: &World) -> Pid {
    let agents = agents(world);
    assert_eq!(agents.len(), 1, "{agents:?}");
    assert_eq!(holders(world.root()), agents);
    agents[0]
}

fn kill(pid: Pid) {
    kill_process(pid, Signal::KILL).unwrap();
    within(SOON, "it is gone", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
        stat.map_or(true, |stat| stat.contains(") Z ")).then_some(())
    });
}

#[test]
fn t_g4_after_an_agent_was_killed_the_next_call_starts_another() {
    let world = world();
    let mut bash = bash(&world);
    run_dev(&mut bash);
    run_dev(&mut bash);
    assert_eq!(world.asked(), 1);
    let lock = world.socket().with_file_name("agent.lock");
    let leftovers: [fn(&World); 4] = [
        |_| (),
        |world| std::fs::remove_file(world.socket()).unwrap(),
        |world| std::fs::remove_file(world.socket().with_file_name("agent.lock")).unwrap(),
        |world| {
            std::fs::rename(world.socket(), world.socket().with_file_name("agent.new")).unwrap();
        },
    ];
    for (leave, times) in leftovers.into_iter().zip(2..) {
        let old = the_agent(&world);
        kill(old);
        assert!(world.socket().exists() && lock.exists(), "a stale socket is left");
        leave(&world);
        run_dev(&mut bash);
        assert_eq!(world.asked(), times, "what it knew is gone");
        assert_ne!(the_agent(&world), old);
        run_dev(&mut bash);
        assert_eq!(world.asked(), times);
    }
}

/// While there is an agent, nobody takes its place, whatever lies around.
#[test]
fn t_g4_an_agent_that_runs_is_the_only_one() {
    let world = world();
    let mut bash = bash(&world);
    run_dev(&mut bash);
    let own = the_agent(&world);
    let serve = world.mima(&["session", "serve"]).run();
    serve.fails(1).stderr_has("there is an agent already").stderr_has("hint: mima session status");
    run_dev(&mut bash);
    assert_eq!((world.asked(), the_agent(&world)), (1, own));
    // Its socket is taken away: it sees that, and ends; until then nobody else begins.
    std::fs::remove_file(world.socket()).unwrap();
    run_dev(&mut bash);
    assert_ne!(the_agent(&world), own);
    run_dev(&mut bash);
    assert_eq!(world.asked(), 2);
}

/// It knows its place from nothing but what it was handed: neither HOME nor the user database
/// need to lead there.
#[test]
fn t_g4_an_agent_takes_its_socket_with_it_wherever_that_is() {
    let mut world = world();
    let home = world.root().join("elsewhere");
    copy_tree(&world.data(), &home);
    mode(&home, 0o700);
    std::fs::rename(world.home().join(".mima.yaml"), home.join("mima.yaml")).unwrap();
    world.set_env("MIMA_HOME", &home);
    let mut bash = bash(&world);
    run_dev(&mut bash);
    let socket = home.join("run/agent.sock");
    assert!(socket.exists() && !world.socket().exists());
    bash.run("mima session stop");
    within(SOON, "it is gone", || agents(&world).is_empty().then_some(()));
    assert!(!socket.exists());
}

#[test]
fn t_g4_a_user_whom_the_user_database_does_not_know_has_an_agent_too() {
    let Some(mut user) = User::new() else { return };
    user.world.add_vault();
    user.world.write(".mima.yaml", "groups:\n  dev: {V: K07}\n");
    user.give_all();
    let wrapper = user.wrapper();
    let wrapper: Vec<_> = wrapper.iter().map(String::as_str).collect();
    let mut bash = Start::new(&user.world, "bash").without_hook().under(&wrapper).start();
    for _ in 0..2 {
        run_dev(&mut bash);
        assert_eq!(user.world.asked(), 1);
    }
    let agent = the_agent(&user.world).as_raw_nonzero().get();
    assert_eq!(field(agent, "Uid:"), u64::from(USER));
}

/// Two hundred clients find no agent, and each would start one. `MIMA_TEST_ROUNDS` asks for more
/// rounds than two.
#[test]
fn t_g5_however_many_clients_start_an_agent_there_is_one() {
    const CLIENTS: usize = 200;
    let rounds = std::env::var("MIMA_TEST_ROUNDS").map_or(2, |rounds| rounds.parse().unwrap());
    let world = world();
    let mut bash = bash(&world);
    bash.run(&format!(
        "all() {{ (for ((i = 0; i < {CLIENTS}; i++)); do \
         mima run dev -- sh -c 'echo \"$V\" >>../out' 2>>../err & done; wait); }}"
    ));
    for round in 0..rounds {
        let (out, err) = (world.root().join("out"), world.root().join("err"));
        for file in [&out, &err] {
            std::fs::write(file, "").unwrap();
        }
        world.take_asked();
        assert_eq!(bash.run("all"), "");
        assert_eq!(std::fs::read_to_string(err).unwrap(), "", "round {round}");
        let got = std::fs::read_to_string(out).unwrap();
        assert_eq!(got, "value-of-K07\n".repeat(CLIENTS), "round {round}");
        let agent = the_agent(&world);
        let asked = world.asked();
        assert!((1..=CLIENTS).contains(&asked), "{asked}");
        // And it has kept what it was given.
        run_dev(&mut bash);
        assert_eq!(world.asked(), asked, "round {round}");
        kill(agent);
    }
}

#[test]
fn t_g15_an_agent_holds_on_to_nothing_of_who_started_it() {
    let world = world();
    let mut bash = bash(&world);
    // Its caller has a file open and waits for the end of a pipe.
    let line = "mkdir d; cd d; umask 0; export CANARY=$RANDOM; exec 9>../file 7</";
    bash.run(line);
    assert_eq!(bash.run("x=$(mima run dev -- printenv V | cat); echo $x"), "value-of-K07\n");
    let agent = the_agent(&world).as_raw_nonzero().get();
    let of = |file: &str| PathBuf::from(format!("/proc/{agent}/{file}"));
    assert_eq!(std::fs::read(of("environ")).unwrap(), b"");
    assert_eq!(std::fs::read_link(of("cwd")).unwrap(), PathBuf::from("/"));
    assert_eq!(field(agent, "Umask:"), 77);
    assert_eq!(field(agent, "SigBlk:"), 0);
    assert_eq!(field(agent, "Threads:"), 1);
    let stat = std::fs::read_to_string(of("stat")).unwrap();
    let stat: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let (session, terminal) = (stat[3], stat[4]);
    assert_eq!(terminal, "0", "it has no terminal");
    assert_ne!(session, agent.to_string(), "and can get none");
    assert_ne!(session, bash.pty.pid().as_raw_nonzero().to_string());

    let files = std::fs::read_dir(of("fd")).unwrap().flatten();
    let mut files: Vec<_> = files
        .map(|file| {
            let to = std::fs::read_link(file.path()).unwrap().into_os_string();
            (file.file_name().into_string().unwrap(), to.into_string().unwrap())
        })
        .collect();
    files.sort();
    for standard in ["0", "1", "2"] {
        let (_, to) = files.iter().find(|(fd, _)| fd == standard).unwrap();
        assert_eq!(to, "/dev/null");
    }
    let lock = world.socket().with_file_name("agent.lock");
    for (fd, to) in &files {
        let kinds = ["/dev/null", "socket:[", "pipe:[", "anon_inode:[pidfd]", "pidfd:["];
        let is_known =
            kinds.iter().any(|kind| to.starts_with(kind)) || *to == lock.to_str().unwrap();
        assert!(is_known, "{fd} is {to} among {files:?}");
    }
    // The directory can go, and the caller's lock is the caller's.
    assert_eq!(bash.run("cd ..; rmdir d; exec 9>&-; ls -A | grep -c '^d$'"), "0\n");
}

#[test]
fn t_g16_signals_end_it_or_lock_or_do_nothing() {
    let dev = wanted("dev", 1);
    for (signal, forgets, ends) in [
        (Signal::TERM, true, true),
        (Signal::INT, true, true),
        (Signal::QUIT, true, true),
        (Signal::HUP, true, false),
        (Signal::USR1, false, false),
        (Signal::USR2, false, false),
        (Signal::PIPE, false, false),
    ] {
        let world = World::new();
        let mut agent = Serve::start(&world);
        put(&agent.socket, &dev, b"value");
        let mut idle = agent.connect();
        for _ in 0..3 {
            agent.signal(signal);
        }
        if ends {
            assert_eq!(agent.wait().code(), Some(0), "{signal:?}");
            assert!(!agent.socket.exists(), "{signal:?}");
            assert!(is_closed_within(&mut idle, Duration::from_secs(1)));
            // The place is free.
            let _next = Serve::start(&world);
            continue;
        }
        let kept = if forgets {
            // It may just be about to give it.
            let is_gone = || matches!(get(&agent.socket, &dev), Ok(None)).then_some(None);
            within(SOON, "it forgets", is_gone)
        } else {
            get(&agent.socket, &dev).unwrap()
        };
        assert_eq!(kept.as_deref(), (!forgets).then_some(&b"value"[..]), "{signal:?}");
        // It goes on.
        put(&agent.socket, &dev, b"again");
        assert_eq!(get(&agent.socket, &dev).unwrap().as_deref(), Some(&b"again"[..]));
        assert!(agent.is_alive());
    }
}

/// A way to lock, and its name.
type Lock = (&'static str, fn(&Serve));

/// A client was told to send values, and somebody locks before all of them are there.
#[test]
fn t_h12_what_was_on_its_way_when_it_was_locked_is_not_kept() {
    let locks: [Lock; 3] = [
        ("lock", |agent| drop(ask(&agent.socket, &Request::Lock { all: false }))),
        ("lock --all", |agent| drop(ask(&agent.socket, &Request::Lock { all: true }))),
        ("a signal", |agent| {
            agent.signal(Signal::HUP);
            // It has seen that before it answers.
            agent.status();
        }),
    ];
    let dev = wanted("dev", 1);
    for (what, lock) in locks {
        for sent in [0, 3] {
            let world = World::new();
            let agent = Serve::start(&world);
            let mut stream = agent.connect();
            let request = Request::Put(put_request(&dev, &[5]));
            stream.write_all(&request.encode().unwrap()).unwrap();
            assert_eq!(reply(&mut stream), Some(Reply::Send));
            stream.write_all(&b"value"[..sent]).unwrap();
            lock(&agent);
            let _gone = stream.write_all(&b"value"[sent..]);
            assert!(is_closed_within(&mut stream, SOON), "{what} {sent}");
            assert_eq!(get(&agent.socket, &dev).unwrap(), None, "{what} {sent}");
            // It is no ban.
            put(&agent.socket, &dev, b"value");
            assert!(get(&agent.socket, &dev).unwrap().is_some());
        }
    }
}

#[test]
fn t_g16_it_removes_no_socket_but_its_own() {
    for signal in [Some(Signal::TERM), Some(Signal::INT), None] {
        let world = World::new();
        let mut agent = Serve::start(&world);
        // Somebody has put another socket there. Without a signal it sees that by itself.
        let other = agent.socket.with_file_name("other");
        let listener = UnixListener::bind(&other).unwrap();
        std::fs::rename(&other, &agent.socket).unwrap();
        if let Some(signal) = signal {
            agent.signal(signal);
        }
        assert_eq!(agent.wait().code(), Some(0));
        assert!(agent.socket.exists());
        drop(listener);
    }
}

#[test]
fn t_g13_an_agent_that_is_asked_in_another_version_forgets_and_ends() {
    for major in [0, MAJOR + 1, u8::MAX] {
        let world = World::new();
        let mut agent = Serve::start(&world);
        put(&agent.socket, &wanted("dev", 1), b"value");
        let mut stream = agent.connect();
        let mut frame = b"mima".to_vec();
        frame.extend([major, 1, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(frame.len(), HEADER);
        stream.write_all(&frame).unwrap();
        assert_eq!(agent.wait().code(), Some(0), "{major}");
        assert!(!agent.socket.exists());
        let next = Serve::start(&world);
        assert_eq!(get(&next.socket, &wanted("dev", 1)).unwrap(), None);
    }
}
