//! What an unlock is bound to, and what undoes it: rows H4, H5, H11 and H12 of the threat table.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use mima::session::wire::{READY, Reply, Request, Whose};
use rustix::process::Signal;

use crate::common::agents::{self, reply};
use crate::common::hooked::{Hooked, Start, each};
use crate::common::pty::Pty;
use crate::common::serve::{Serve, connect, get, put, put_request, wanted};
use crate::common::tab::{Came, Probe, tab, world};
use crate::common::world::{PASSPHRASE, World};
use crate::common::{is_root, require, strace};

/// Sends a request that another process has sent before, and takes the values if there are any.
const REPLAY: &str = r#"
use IO::Socket::UNIX;
my ($path, $frame) = @ARGV;
my $agent = IO::Socket::UNIX->new(Peer => $path) or die "no agent: $!";
syswrite $agent, pack("H*", $frame);
sysread $agent, my $answer, 4096;
my $kind = unpack "x5C", $answer;
syswrite $agent, "!" if $kind == 65;
sysread $agent, my $values, 4096;
print "kind $kind values <$values>\n";
"#;

/// What a plain `mima run` asks the agent, as its bytes in hex.
fn captured(world: &World, hooked: &mut Hooked) -> Option<String> {
    let strace = strace::usable(world)?;
    let log = world.root().join("strace.log");
    let options = format!("-xx -s 4096 -e trace=sendto,sendmsg,writev -o {}", log.display());
    hooked.run(&format!("{} {options} mima run --no-prompt g -- true", strace.display()));
    let log = std::fs::read_to_string(log).unwrap();
    let magic = r#""\x6d\x69\x6d\x61\x"#;
    let line = log.lines().find(|line| line.contains(magic)).unwrap_or_else(|| panic!("{log}"));
    Some(line.split('"').nth(1).unwrap().replace(r"\x", ""))
}

#[test]
#[cfg(target_os = "linux")]
fn t_h4_a_request_is_worth_nothing_in_other_hands() {
    let Some(perl) = require("perl") else { return };
    let world = world("");
    std::fs::write(world.root().join("replay.pl"), REPLAY).unwrap();
    let (mut hooked, mut other) = (tab(&world, "bash"), tab(&world, "bash"));
    hooked.unlock();
    let Some(frame) = captured(&world, &mut hooked) else { return };
    let (script, socket) = (world.root().join("replay.pl"), world.socket());
    let replay = format!("perl {} {} {frame}", script.display(), socket.display());
    let found = "kind 65 values <value-of-K00>\n";
    let miss = "kind 66 values <>\n";
    // What is typed there must be mima itself, and no program that speaks as it does.
    assert_eq!(hooked.run(&replay), miss);
    assert_eq!(other.run(&replay), miss);
    assert_eq!(hooked.run(&format!("sh -c '{replay}; true'")), miss);
    let apart = world.command(perl).arg(script).arg(socket).arg(&frame).run();
    apart.ok().stdout_is(miss);
    assert!(hooked.passes());
    // The request is right: what was granted the group is answered, whatever program it is.
    assert_eq!(hooked.run(&format!("mima run --grant g g -- {replay}")), found);
}

/// All that a shell says of itself.
#[test]
fn t_h4_what_a_process_says_of_itself_counts_for_nothing() {
    each(|shell| {
        let world = world("");
        let (mut hooked, mut other) = (tab(&world, shell), tab(&world, shell));
        hooked.unlock();
        let (pid, tty) = (hooked.pty.pid(), hooked.run("tty"));
        let pid = pid.as_raw_nonzero();
        for forged in [
            format!("MIMA_SESSION={pid} MIMA_SHELL={pid} MIMA_SCOPE=terminal MIMA_AGENT=1"),
            format!("PPID={pid} BASHPID={pid} SHLVL=1 TTY={0} GPG_TTY={0}", tty.trim()),
            format!("XDG_SESSION_ID={pid} SESSION={pid} WINDOWID=1 TERM_SESSION_ID={pid}"),
        ] {
            let line = format!("env {forged} {{m}}");
            assert_eq!(other.probe(&world, &line), Came::Asked, "{shell}: {forged}");
        }
        // Nor does a terminal that was merely opened.
        let line = format!("{{m}} <{0} >{0}", tty.trim());
        assert_eq!(other.probe(&world, &line), Came::Asked, "{shell}");
        assert!(hooked.passes(), "{shell}");
    });
}

#[test]
#[cfg(target_os = "linux")]
fn t_h5_the_next_shell_on_the_same_terminal_is_another_one() {
    for scope in ["", "session: { scope: terminal }\n"] {
        for is_stopped in [false, true] {
            let world = world(scope);
            let mut hooked = tab(&world, "bash");
            let tty = hooked.run("tty");
            hooked.unlock();
            let agent = agents::pid(&world);
            if is_stopped {
                // It cannot see the shell end.
                agents::signal(agent, Signal::STOP);
            }
            hooked.pty.send_line("exit");
            let mut hooked = Start::new(&world, "bash").start_again_on(hooked);
            assert_eq!(hooked.run("tty"), tty);
            let probe = Probe::new(&world, "after");
            hooked.pty.send_line(&probe.command());
            if is_stopped {
                std::thread::sleep(Duration::from_millis(300));
                agents::signal(agent, Signal::CONT);
            }
            assert_eq!(probe.wait(), Came::Asked, "{scope:?} {is_stopped}");
        }
    }
}

/// In a world of processes of its own, where a number can be given out again.
#[test]
#[cfg(target_os = "linux")]
fn t_h5_a_process_that_has_got_the_same_number_is_another_one() {
    let (Some(_), Some(_)) = (require("unshare"), require("bash")) else { return };
    if !is_root("can choose the number of a process") {
        return;
    }
    let world = world("");
    let root = world.root().display();
    let (first, again) = (Probe::new(&world, "first"), Probe::new(&world, "again"));
    let script = format!(
        "bash -c 'mima unlock g; {first}; echo $$ >{root}/first; kill -STOP $(mima session status \
             --json | tr -dc \"a-z0-9:\" | sed \"s/.*pid:\\([0-9]*\\).*/\\1/\" | tee {root}/agent); true'\n\
         n=0\n\
         while [ $n -lt 20 ] && ! cmp -s {root}/first {root}/again; do\n\
             n=$((n + 1))\n\
             echo $(($(cat {root}/first) - 1)) >/proc/sys/kernel/ns_last_pid\n\
             bash -c 'echo $$ >{root}/again; cmp -s {root}/first {root}/again || exit\n\
                 (sleep 0.3; kill -CONT $(cat {root}/agent)) & {again}; wait'\n\
         done\n",
        first = first.command(),
        again = again.command()
    );
    std::fs::write(world.root().join("script"), script).unwrap();
    let mut command = world.command("unshare").args(["-p", "-f", "--mount-proc", "sh"]);
    command = command.arg(world.root().join("script"));
    let mut pty = Pty::spawn(&mut command.std());
    pty.wait();
    let said = pty.transcript();
    if said.contains("unshare failed") || said.contains("ns_last_pid") {
        return eprintln!("SKIPPED: not here: {said}");
    }
    assert_eq!(first.came(), Came::Passed, "{said}");
    assert_eq!(again.came(), Came::Asked, "{said}");
    let read = |name: &str| std::fs::read_to_string(world.root().join(name)).unwrap();
    assert_eq!(read("first"), read("again"), "{said}");
}

#[test]
fn t_h5_a_shell_that_becomes_another_program_is_another_one() {
    each(|shell| {
        let world = world("");
        let mut hooked = tab(&world, shell);
        hooked.unlock();
        let words = Start::new(&world, shell).words().join(" ");
        hooked.nest(&format!("exec {words}"));
        assert!(!hooked.passes(), "{shell}");
        assert_eq!(agents::unlocked(&world), 0, "{shell}");
        assert_eq!(hooked.run("mima run g -- printenv TOKEN"), "value-of-K00\n");
        assert_eq!(world.asked(), 2, "{shell}");
        assert!(hooked.passes(), "{shell}");
    });
}

/// What changes elsewhere, each time for an unlocked shell: what `mima run` gives afterwards.
#[test]
fn t_h11_what_has_changed_is_asked_for_anew() {
    let world = world("");
    let file = world.read(".mima.yaml");
    let mut hooked = tab(&world, "bash");
    let mima = |args: &[&str], stdin: &str| {
        world.mima(args).stdin(stdin).run().ok();
    };
    let held = world.data().join("vault/secrets/K00.age");
    let swap = || {
        // The same length and time; but for its content it is the same file.
        let (meta, other) = (std::fs::metadata(&held).unwrap(), held.with_file_name("K01.age"));
        let time = meta.modified().unwrap();
        let mut bytes = std::fs::read(&held).unwrap();
        bytes.truncate(usize::try_from(meta.len()).unwrap());
        std::fs::write(&held, &bytes).unwrap();
        std::fs::File::options().append(true).open(&held).unwrap().set_modified(time).unwrap();
        assert!(other.exists());
    };
    let changes: &[(&str, &dyn Fn(), &str)] = &[
        ("another value", &|| mima(&["secret", "add", "--force", "K00"], "new"), "new"),
        ("the same value", &|| mima(&["secret", "add", "--force", "K00"], "new"), "new"),
        ("written over in place", &swap, "new"),
        (
            "removed and added",
            &|| {
                mima(&["secret", "rm", "K00"], "");
                mima(&["secret", "add", "K00"], "back");
            },
            "back",
        ),
        ("another secret", &|| mima(&["group", "link", "g", "TOKEN", "K05"], ""), "value-of-K05"),
        ("another variable", &|| mima(&["group", "link", "g", "MORE", "K06"], ""), "value-of-K05"),
        (
            "renamed",
            &|| {
                mima(&["secret", "rename", "K05", "moved"], "");
                mima(&["group", "link", "g", "TOKEN", "moved"], "");
            },
            "value-of-K05",
        ),
        ("the vault's passphrase", &|| mima(&["vault", "passwd"], ""), "value-of-K05"),
    ];
    for (what, change, value) in changes {
        hooked.run("mima run g -- true");
        assert!(hooked.run("mima run --no-prompt g -- echo passed").contains("passed"), "{what}");
        world.take_asked();
        change();
        world.take_asked();
        let said = hooked.run("mima run --no-prompt g -- printenv TOKEN");
        assert!(said.contains("the secrets are locked"), "{what}: {said}");
        let said = hooked.run("mima run g -- printenv TOKEN");
        assert_eq!(said, format!("{value}\n"), "{what}");
        assert_eq!(world.take_asked(), 1, "{what}");
    }
    world.mima(&["secret", "rm", "moved"]).run().ok();
    let said = hooked.run("mima run g -- printenv TOKEN");
    assert!(said.contains("there is no such secret") && !said.contains("value-of"), "{said}");
    assert_eq!(world.take_asked(), 0);
    world.write(".mima.yaml", file);
    assert!(!world.read(".mima.yaml").contains(PASSPHRASE));
}

#[test]
fn t_h11_a_group_of_a_project_is_none_of_that_name_elsewhere() {
    let world = world("");
    world.write("p/.mima.yaml", "groups: { g: { TOKEN: K07 } }\n");
    let project = world.home().join("p");
    world.mima(&["allow", "--yes"]).cwd(&project).run().ok();
    let mut hooked = tab(&world, "bash");
    hooked.unlock();
    hooked.run("cd p");
    let said = hooked.run("mima run --no-prompt g -- printenv TOKEN");
    assert!(said.contains("the secrets are locked"), "{said}");
    assert_eq!(hooked.run("mima run g -- printenv TOKEN"), "value-of-K07\n");
    // Each is unlocked by itself, and stays so beside the other.
    assert_eq!(hooked.run("mima run --no-prompt g -- printenv TOKEN"), "value-of-K07\n");
    hooked.run("cd ~");
    assert!(hooked.passes());
    assert_eq!(world.asked(), 2);
}

/// The moments of a request at which a lock may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Connected,
    Asked,
    Answered,
    Half,
}

/// Asks for a value, lets somebody lock at the given moment, and returns what came of it after
/// the lock was done, as far as that can be less than all.
#[cfg(target_os = "linux")]
fn race(agent: &Serve, len: usize, moment: Moment, lock: impl FnOnce()) -> Option<usize> {
    let group = wanted("dev", 1);
    let mut lock = Some(lock);
    let mut at = |now| {
        if now == moment {
            lock.take().unwrap()();
        }
    };
    let mut stream = connect(&agent.socket);
    at(Moment::Connected);
    let request = Request::Get { wanted: vec![group], within: Whose::Shell, is_use: true };
    stream.write_all(&request.encode().unwrap()).unwrap();
    at(Moment::Asked);
    let answer = reply(&mut stream);
    if answer != Some(Reply::Miss) {
        assert!(matches!(answer, Some(Reply::Found(_))), "{moment:?}: {answer:?}");
    }
    at(Moment::Answered);
    // Whoever is refused may find the connection closed.
    let _closed = stream.write_all(&[READY]);
    let mut got = vec![0; len / 64];
    if moment == Moment::Half {
        stream.read_exact(&mut got).unwrap();
        at(Moment::Half);
    }
    let mut rest = Vec::new();
    let _reset = stream.read_to_end(&mut rest);
    (!rest.is_empty()).then_some(rest.len() + if moment == Moment::Half { got.len() } else { 0 })
}

/// No value goes out after `mima lock` has returned, wherever a request was at that time. Who
/// asks is the test itself, as the root of a tree that was granted the group.
#[test]
#[cfg(target_os = "linux")]
fn t_h12_once_a_lock_has_returned_nothing_is_given_out_at_any_moment_of_a_request() {
    let world = World::new();
    let agent = Serve::start(&world);
    let group = wanted("dev", 1);
    // More than a socket takes at once.
    let (short, long) = (vec![b'x'; 100], vec![b'x'; 4 << 20]);
    for round in 0..1200 {
        for moment in [Moment::Connected, Moment::Asked, Moment::Answered] {
            put(&agent.socket, &group, &short);
            let all = round % 2 == 0;
            let lock = || {
                let done = agents::ask(&agent.socket, &Request::Lock { all });
                assert_eq!(done, Some(Reply::Done(1)));
            };
            assert_eq!(race(&agent, short.len(), moment, lock), None, "{moment:?}");
            assert_eq!(get(&agent.socket, &group).unwrap(), None, "{moment:?}");
        }
        if round % 100 == 0 {
            put(&agent.socket, &group, &long);
            let lock = || drop(agents::ask(&agent.socket, &Request::Lock { all: false }));
            let came = race(&agent, long.len(), Moment::Half, lock).unwrap();
            assert!(came < long.len(), "{came} bytes came");
        }
    }
}

/// The same with many at once, each at some moment.
#[test]
#[cfg(target_os = "linux")]
fn t_h12_of_many_at_once_nobody_who_asks_after_a_lock_gets_anything() {
    let world = World::new();
    let agent = Serve::start(&world);
    let (group, value) = (wanted("dev", 1), vec![b'x'; 5000]);
    let mut before = 0;
    for round in 0..80 {
        put(&agent.socket, &group, &value);
        let get_often = || {
            let mut got = Vec::new();
            for _ in 0..20 {
                let asks = Instant::now();
                if let Ok(Some(values)) = get(&agent.socket, &group) {
                    assert_eq!(values, value);
                    got.push(asks);
                }
            }
            got
        };
        let (got, locked) = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..4).map(|_| scope.spawn(get_often)).collect();
            std::thread::sleep(Duration::from_micros(round * 37 % 3000));
            assert_eq!(
                agents::ask(&agent.socket, &Request::Lock { all: true }),
                Some(Reply::Done(1))
            );
            let locked = Instant::now();
            let got = clients.into_iter().flat_map(|client| client.join().unwrap());
            (got.collect::<Vec<_>>(), locked)
        });
        assert!(got.iter().all(|asks| *asks < locked), "round {round}");
        before += got.len();
    }
    assert!(before > 0, "no request was early enough to race with the lock");
}

/// Nor does anything come in that somebody was still sending.
#[test]
#[cfg(target_os = "linux")]
fn t_h12_what_was_on_its_way_to_the_agent_is_not_kept_after_a_lock() {
    let world = World::new();
    let agent = Serve::start(&world);
    let group = wanted("dev", 1);
    for all in [true, false] {
        let mut stream = connect(&agent.socket);
        let request = Request::Put(put_request(&group, &[100]));
        stream.write_all(&request.encode().unwrap()).unwrap();
        assert_eq!(reply(&mut stream), Some(Reply::Send));
        stream.write_all(&[b'x'; 50]).unwrap();
        agents::ask(&agent.socket, &Request::Lock { all }).unwrap();
        let _closed = stream.write_all(&[b'x'; 50]);
        assert!(!matches!(reply(&mut stream), Some(Reply::Done(_))), "{all}");
        assert_eq!(get(&agent.socket, &group).unwrap(), None, "{all}");
    }
}
