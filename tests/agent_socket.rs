//! Who may talk to the session agent, and where it is found: rows G1 to G3 and G12.

#![cfg(target_os = "linux")]

use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mima::session::wire::Request;
use rustix::process::Signal;

use crate::common::agents::ask;
use crate::common::command::Output;
use crate::common::hooked::Start;
use crate::common::leaks::files_below;
use crate::common::serve::{Serve, connect, get, is_closed_within, put, wanted, within};
use crate::common::user::{USER, User, mode};
use crate::common::world::{World, copy_tree};
use crate::common::{is_root, require};

/// Does something as another user, which only root can: the kernel lets each thread have its own.
fn as_user<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    let become_user = || {
        // SAFETY: the call takes numbers. It is libc's wrapper that would change all threads.
        unsafe { libc::syscall(libc::SYS_setresuid, -1, USER, -1) == 0 }
    };
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            assert!(become_user());
            run()
        });
        thread.join().unwrap()
    })
}

/// A world with the group `dev`, whose one value is `value-of-K07`.
fn world() -> World {
    let world = World::with_vault();
    world.write(".mima.yaml", "groups:\n  dev: {V: K07}\n");
    world
}

/// Runs a command that gets the value, and says so.
fn run_dev(world: &World) -> Output {
    let output = world.mima(&["run", "dev", "--", "printenv", "V"]).run();
    output.ok().stdout_is("value-of-K07\n");
    output
}

/// Accepts all that have connected, and returns how many bytes came of each.
fn received(listener: &UnixListener) -> Vec<usize> {
    listener.set_nonblocking(true).unwrap();
    let mut counts = Vec::new();
    while let Ok((mut stream, _)) = listener.accept() {
        stream.set_nonblocking(false).unwrap();
        let mut bytes = Vec::new();
        let _reset = stream.read_to_end(&mut bytes);
        counts.push(bytes.len());
    }
    counts
}

/// Where clients look for the agent, and what somebody else has put there.
type Plant = (&'static str, fn(&Path, &Path));

#[test]
fn t_g1_a_socket_of_another_user_gets_not_a_byte() {
    if !is_root("can listen as another user") {
        return;
    }
    let plants: [Plant; 5] = [
        ("their directory", |dir, _| {
            std::fs::create_dir(dir).unwrap();
            mode(dir, 0o700);
            chown(dir, Some(USER), Some(USER)).unwrap();
        }),
        ("a directory that is open to them", |dir, _| {
            std::fs::create_dir(dir).unwrap();
            mode(dir, 0o777);
        }),
        ("a link to their directory", |dir, theirs| symlink(theirs, dir).unwrap()),
        ("a link to their socket", |dir, theirs| {
            std::fs::create_dir(dir).unwrap();
            mode(dir, 0o700);
            symlink(theirs.join("agent.sock"), dir.join("agent.sock")).unwrap();
        }),
        ("their socket, moved", |dir, theirs| {
            std::fs::create_dir(dir).unwrap();
            mode(dir, 0o700);
            std::fs::rename(theirs.join("agent.sock"), dir.join("agent.sock")).unwrap();
        }),
    ];
    for (what, plant) in plants {
        let world = world();
        mode(world.root(), 0o755);
        mode(&world.runtime(), 0o700);
        let theirs = world.root().join("theirs");
        std::fs::create_dir(&theirs).unwrap();
        chown(&theirs, Some(USER), Some(USER)).unwrap();
        let socket = theirs.join("agent.sock");
        let listener = as_user(|| UnixListener::bind(&socket).unwrap());
        let dir = world.runtime().join("mima");
        plant(&dir, &theirs);
        let planted = dir.join("agent.sock");
        let listener = if planted.exists() {
            listener
        } else {
            // They can reach it there, by whatever way.
            let listener = as_user(|| UnixListener::bind(theirs.join("other.sock")).unwrap());
            std::fs::rename(theirs.join("other.sock"), &planted).unwrap();
            listener
        };
        assert!(UnixStream::connect(&planted).is_ok(), "{what}");
        assert_eq!(received(&listener), [0], "{what}: nothing is sent by connecting");

        let output = run_dev(&world);
        assert_eq!(world.take_asked(), 1, "{what}");
        assert!(output.err().ends_with("so you are asked\n"), "{what}: {output}");
        assert_eq!(output.err().lines().count(), 1, "{what}: {output}");
        for args in [&["lock", "--all"][..], &["session", "status"], &["session", "stop"]] {
            world.mima(args).run().fails(1).stderr_has("mima: ");
        }
        let bytes = received(&listener);
        assert!(bytes.iter().all(|count| *count == 0), "{what}: {bytes:?}");
        std::fs::remove_file(planted).unwrap();
    }
}

#[test]
fn t_g2_another_user_is_turned_away_before_a_byte_is_read() {
    if !is_root("can be several users") {
        return;
    }
    let world = World::new();
    let mut agent = Serve::start(&world);
    // Nobody could get there otherwise.
    for dir in [world.root(), &world.runtime(), agent.socket.parent().unwrap()] {
        mode(dir, 0o755);
    }
    mode(&agent.socket, 0o666);
    let request = Request::Status.encode().unwrap();
    turned_away(&agent, || as_user(|| connect(&agent.socket)), &request);
    // Root may go everywhere, and is somebody else too.
    assert!(agent.is_alive());
    let Some(user) = User::new() else { return };
    let socket = user.world.socket();
    let serve = user.mima(&["session", "serve"], &user.world.home());
    let agent = Serve::of_other(&serve, &socket);
    turned_away(&agent, || connect(&socket), &request);
    let status = user.mima(&["session", "status"], &user.world.home()).run();
    status.ok().quiet().stdout_has(&format!("the session agent is process {}\n", agent.pid()));
}

/// Connects and sends while the agent stands still, and looks at what it does then: the kernel
/// says so if it has closed what it has not read.
#[track_caller]
fn turned_away(agent: &Serve, connect: impl Fn() -> UnixStream, request: &[u8]) {
    agent.signal(Signal::STOP);
    let mut clients: Vec<_> = (0..3).map(|_| connect()).collect();
    for client in &mut clients {
        client.write_all(request).unwrap();
    }
    agent.signal(Signal::CONT);
    for mut client in clients {
        let read = client.read(&mut [0; 16]);
        assert_eq!(read.map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset));
    }
    // And one that says nothing.
    assert!(is_closed_within(&mut connect(), Duration::from_secs(2)));
}

#[test]
fn t_g3_the_runtime_directory_is_used_only_if_it_is_the_users_alone() {
    let world = World::new();
    let dir = |name: &str, bits: u32| {
        let dir = world.root().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        mode(&dir, bits);
        dir
    };
    let file = world.root().join("file");
    std::fs::write(&file, "").unwrap();
    let link = world.root().join("link");
    symlink(dir("target", 0o700), &link).unwrap();
    let long = dir(&format!("{0}/{0}", "l".repeat(60)), 0o700);
    let mut bad: Vec<(&str, PathBuf)> = vec![
        ("relative", PathBuf::from("run")),
        ("empty", PathBuf::new()),
        ("missing", world.root().join("missing")),
        ("no directory", file),
        ("open to read", dir("open", 0o755)),
        ("open to write", dir("writable", 0o1777)),
        ("a link", link),
        ("too long for a socket", long),
    ];
    if is_root("can have a directory of another user") {
        let theirs = dir("theirs", 0o700);
        chown(&theirs, Some(USER), Some(USER)).unwrap();
        bad.push(("another user's", theirs));
    }
    let own = world.home().join(".local/state/mima/run/agent.sock");
    for (what, runtime) in bad {
        let serve = world.mima(&["session", "serve"]).env("XDG_RUNTIME_DIR", &runtime);
        let agent = Serve::of(&serve, &own);
        for at in [own.parent().unwrap().parent().unwrap(), own.parent().unwrap()] {
            assert_eq!(at.metadata().unwrap().mode() & 0o777, 0o700, "{what}");
        }
        let lost = files_below(&runtime);
        assert!(lost.iter().all(|path| !path.ends_with("agent.sock")), "{what}: {lost:?}");
        // Clients look there too.
        let status = world.mima(&["session", "status"]).env("XDG_RUNTIME_DIR", runtime).run();
        status.ok().quiet().stdout_has(&format!("process {}\n", agent.pid()));
        drop(agent);
    }
    // An agent has one socket, and that was where it belongs; the directory for temporary files
    // is no place for one.
    assert_eq!(files_below(&world.tmp()), Vec::<PathBuf>::new());

    // As it is mostly.
    let good = dir("good", 0o700);
    let serve = world.mima(&["session", "serve"]).env("XDG_RUNTIME_DIR", &good);
    let agent = Serve::of(&serve, &good.join("mima/agent.sock"));
    assert_eq!(agent.socket.metadata().unwrap().mode() & 0o777, 0o600);
    assert_eq!(good.join("mima").metadata().unwrap().mode() & 0o777, 0o700);
}

/// A home directory that is too long for a socket is no reason to fail.
#[test]
fn t_g3_where_no_socket_fits_there_is_no_agent() {
    let mut world = world();
    let home = world.root().join("h".repeat(100));
    copy_tree(&world.data(), &home);
    mode(&home, 0o700);
    std::fs::rename(world.home().join(".mima.yaml"), home.join("mima.yaml")).unwrap();
    world.set_env("MIMA_HOME", &home);
    for times in 1..=2 {
        run_dev(&world);
        assert_eq!(world.asked(), times);
    }
    let serve = world.mima(&["session", "serve"]).run();
    serve.fails(1).stderr_has("could not make the agent's socket in ");
    // Where values could be left with it, it is missed, in one line.
    let mut bash = Start::new(&world, "bash").without_hook().start();
    for times in 3..=4 {
        let said = bash.run("mima run dev -- printenv V");
        let (complaint, value) = said.split_once('\n').unwrap();
        assert!(complaint.starts_with("mima: could not connect to the agent at "), "{said}");
        assert!(complaint.ends_with(": file name too long, so you are asked"), "{said}");
        assert_eq!(value, "value-of-K07\n");
        assert_eq!(world.asked(), times);
    }
}

/// Ids of another namespace say nothing here.
#[test]
fn t_g12_a_client_that_the_agent_cannot_see_is_turned_away() {
    let Some(unshare) = require("unshare") else { return };
    if !is_root("can make a namespace") {
        return;
    }
    let world = World::new();
    // The agent is in the namespace, and nobody who asks is.
    let unshare = [unshare.to_str().unwrap(), "--pid", "--fork", "--kill-child"];
    let serve = world.mima(&["session", "serve"]).under(&unshare);
    let agent = Serve::of_other(&serve, &world.socket());
    assert_eq!(ask(&agent.socket, &Request::Status), None);
    assert!(is_closed_within(&mut agent.connect(), Duration::from_secs(2)));
    let status = world.mima(&["session", "status"]).run();
    status.fails(1).stderr_has("the session agent refuses to answer");
    // mima says that it has forgotten nothing.
    world.mima(&["lock", "--all"]).run().fails(1).stderr_has("the session agent refuses to answer");
}

/// The other way round the agent sees a process, but not one of what was typed.
#[test]
fn t_g12_a_client_in_a_namespace_is_what_the_agent_sees() {
    let Some(unshare) = require("unshare") else { return };
    if !is_root("can make a namespace") {
        return;
    }
    let world = World::new();
    let agent = Serve::start(&world);
    put(&agent.socket, &wanted("dev", 1), b"value");
    let unshare = [unshare.to_str().unwrap(), "--pid", "--fork", "--mount-proc", "--kill-child"];
    let inside = world.mima(&["session", "status", "--json"]).under(&unshare).run();
    // It descends from this process, which the group was granted to.
    inside.ok().quiet().stdout_has("\"group\": \"dev\"");
    assert_eq!(get(&agent.socket, &wanted("dev", 1)).unwrap().as_deref(), Some(&b"value"[..]));
    within(Duration::from_secs(5), "nothing else is served", || {
        (agent.status()?.unlocked.len() == 1).then_some(())
    });
}
