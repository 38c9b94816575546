//! Kills, full disks and races: rows E1 to E5 of the threat table.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::common::command::Cmd;
use crate::common::strace::{Attempt, FILE_CALLS, Line, errno_points, kill_points, trace};
use crate::common::world::World;
use crate::common::{leaks::files_below, require, spawn};

/// A verb that changes something, and the states it may leave when it is cut short.
struct Change {
    args: &'static [&'static str],
    stdin: &'static str,
    /// What has happened after its first step, if it has two: the same by other verbs.
    halfway: &'static [&'static str],
}

const CHANGES: &[Change] = &[
    Change { args: &["secret", "add", "new"], stdin: "n", halfway: &[] },
    Change { args: &["secret", "add", "K00", "--force"], stdin: "n", halfway: &[] },
    Change { args: &["secret", "rm", "K00"], stdin: "", halfway: &[] },
    Change {
        args: &["secret", "rename", "K00", "new"],
        stdin: "value-of-K00",
        halfway: &["secret", "add", "new"],
    },
    Change { args: &["group", "link", "dev", "B", "K01"], stdin: "", halfway: &[] },
    Change { args: &["group", "unlink", "dev", "A"], stdin: "", halfway: &[] },
    Change { args: &["group", "rm", "dev"], stdin: "", halfway: &[] },
    Change { args: &["set", "dev", "B"], stdin: "n", halfway: &["secret", "add", "dev.B"] },
    Change { args: &["vault", "recipients", "--accept"], stdin: "", halfway: &[] },
];

fn world() -> World {
    let world = World::with_vault();
    world.write(".mima.yaml", "# kept\ngroups:\n  dev:\n    A: K00\n  x:\n    A: K01\n");
    world
}

fn command(world: &World, args: &[&str], stdin: &str) -> Cmd {
    world.mima(args).stdin(stdin)
}

/// All that a user can see of the state: names, links, the value that is changed.
fn state(world: &World) -> String {
    let names = world.mima(&["secret", "list"]).run();
    let mut state = names.ok().out();
    state.push_str(&world.read(".mima.yaml"));
    for name in ["K00", "new", "dev.B"] {
        let got = world.mima(&["secret", "get", name]).run();
        let value = if got.status.success() { got.out() } else { "none".to_owned() };
        assert!(got.status.success() || got.err().contains("no secret"), "{got}");
        state = format!("{state}{name} {value}\n");
    }
    state
}

/// The states that a change may leave: before, halfway, after.
fn allowed(world: &World, change: &Change) -> Vec<String> {
    let mut states = vec![state(world)];
    let copy = world.copy();
    if !change.halfway.is_empty() {
        command(&copy, change.halfway, change.stdin).run().ok();
        states.push(state(&copy));
    }
    let copy = world.copy();
    command(&copy, change.args, change.stdin).run().ok();
    states.push(state(&copy));
    states
}

#[test]
fn t_e1_killed_at_any_call_a_change_is_made_or_not() {
    for change in CHANGES {
        let world = world();
        let states = allowed(&world, change);
        let check = |world: &World, attempt: &Attempt| {
            let now = state(world);
            assert!(states.contains(&now), "{:?} {attempt}\n{now}", change.args);
            if attempt.output.status.success() {
                assert_eq!(Some(&now), states.last(), "{:?} {attempt}", change.args);
            }
            // The next change sweeps up what this one left.
            world.mima(&["set", "sweep", "UP"]).stdin("x").run().ok();
            if change.args[0] != "vault" {
                world.assert_no_temporary();
            }
        };
        let run = |world: &World| command(world, change.args, change.stdin);
        let Some(points) = kill_points(&world, FILE_CALLS, run, check) else { return };
        assert!(points > 8, "{:?}: only {points} points", change.args);
    }
}

#[test]
fn t_e1_killed_at_any_call_the_making_of_a_vault_leaves_none_or_a_sound_one() {
    let mut world = World::new();
    world.askpass("a passphrase");
    let check = |world: &World, attempt: &Attempt| {
        let listed = world.mima(&["secret", "list"]).run();
        listed.ok();
        if attempt.output.status.success() {
            return;
        }
        // Whatever is left, the same command makes a whole of it.
        if attempt.point.as_ref().is_some_and(|(_, count)| count % 4 == 1) {
            world.mima(&["secret", "add", "--force", "x"]).stdin("n").run().ok();
            world.assert_no_temporary();
            let left = files_below(&world.data());
            assert!(!left.iter().any(|path| path.ends_with("vault.new")), "{left:?}");
        }
    };
    let calls = "fsync,rename,mkdir,fchmod,chmod,unlink";
    let run = |world: &World| command(world, &["secret", "add", "x"], "v");
    if let Some(points) = kill_points(&world, calls, run, check) {
        assert!(points > 15, "only {points} points");
    }
}

#[test]
fn t_e1_killed_at_any_call_a_new_passphrase_is_taken_or_the_old_one_stays() {
    let world = World::with_vault();
    // The old passphrase when asked for it, else the new one.
    world.script(
        "askpass",
        "case $1 in *New*) echo changed;; *) echo mima-test-passphrase;; esac\n",
    );
    let opens = |world: &World, passphrase: &str| {
        let askpass = world.script("other", &format!("echo '{passphrase}'\n"));
        let get = world.mima(&["secret", "get", "K00"]).env("MIMA_ASKPASS", askpass).run();
        get.status.success()
    };
    let check = |world: &World, attempt: &Attempt| {
        let (old, new) = (opens(world, "mima-test-passphrase"), opens(world, "changed"));
        assert!(old != new, "{attempt}");
        if attempt.output.status.success() {
            assert!(new, "{attempt}");
        }
    };
    let calls = "fsync,rename,unlink,fchmod";
    let run = |world: &World| world.mima(&["vault", "passwd"]);
    if let Some(points) = kill_points(&world, calls, run, check) {
        assert!(points >= 4, "only {points} points");
    }
}

#[test]
fn t_e2_whatever_call_fails_the_old_state_stays_and_the_cause_is_named() {
    const WRITES: &str = "write,pwrite64,fsync,rename,mkdir,fchmod,ftruncate";
    for (errno, words) in [
        ("ENOSPC", "no space left on device"),
        ("EIO", "input/output error"),
        ("EDQUOT", "quota exceeded"),
    ] {
        for change in CHANGES {
            let world = world();
            let states = allowed(&world, change);
            let check = |world: &World, attempt: &Attempt| {
                let now = state(world);
                assert!(states.contains(&now), "{:?} {errno} {attempt}\n{now}", change.args);
                world.assert_no_temporary();
                if attempt.output.status.success() {
                    assert_eq!(Some(&now), states.last(), "{:?} {attempt}", change.args);
                } else if !attempt.call.contains("write(2")
                    && !attempt.output.err().contains("gave no passphrase")
                {
                    attempt.output.stderr_has("mima: could not").stderr_has(words);
                }
            };
            let run = |world: &World| command(world, change.args, change.stdin);
            if errno_points(&world, WRITES, errno, run, check).is_none() {
                return;
            }
        }
    }
}

#[test]
fn t_e2_an_interrupted_call_is_made_again() {
    for change in CHANGES {
        let world = world();
        let states = allowed(&world, change);
        let check = |world: &World, attempt: &Attempt| {
            let now = state(world);
            assert!(states.contains(&now), "{:?} {attempt}\n{now}", change.args);
            world.assert_no_temporary();
        };
        let run = |world: &World| command(world, change.args, change.stdin);
        let calls = "write,pwrite64,fsync,rename,unlink";
        if errno_points(&world, calls, "EINTR", run, check).is_none() {
            return;
        }
    }
}

#[test]
fn t_e3_the_file_is_synced_before_the_rename_and_the_directory_after() {
    let world = world();
    for (change, target, dir) in [
        (&CHANGES[0], "/vault/secrets/new.age", "secrets"),
        (&CHANGES[4], "/.mima.yaml", "home"),
        (&CHANGES[8], "/vault.pins", "mima"),
    ] {
        let cmd = command(&world, change.args, change.stdin);
        let only = ["-y", "-e", "trace=fsync,fdatasync,rename,renameat,renameat2"];
        let Some((output, lines)) = trace(&world, cmd, &only) else { return };
        output.ok();
        let renamed = lines.iter().position(|line| {
            line.call.starts_with("rename") && line.text.contains(&format!("{target}\""))
        });
        let renamed = renamed.unwrap_or_else(|| panic!("{target} was not renamed: {lines:#?}"));
        // `-y` shows what a descriptor is: fsync(3</tmp/…/.tmp-mima>).
        let synced = |lines: &[Line], what: &str| {
            lines.iter().any(|line| line.call == "fsync" && line.text.contains(what))
        };
        assert!(synced(&lines[..renamed], "/.tmp-mima"), "{lines:#?}");
        assert!(synced(&lines[renamed..], &format!("/{dir}>)")), "{lines:#?}");
    }
}

#[test]
fn t_e4_nothing_is_lost_among_many_writers() {
    let world = world();
    // A reader all the while: it never sees half a file.
    let done = AtomicBool::new(false);
    let all = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                world.mima(&["run", "x", "--", "true"]).run().ok();
                world.mima(&["group", "list"]).run().ok();
            }
        });
        let script =
            "seq 3200 | xargs -P64 -I{} sh -c 'printf v | mima secret add N{} || echo lost'
            seq 320 | xargs -P64 -I{} sh -c 'mima group link many V{} N{} || echo lost'";
        let all = world.command("sh").args(["-c", script]).timeout(Duration::from_secs(500)).run();
        done.store(true, Ordering::Relaxed);
        all
    });
    all.ok().stdout_is("");
    let names = world.mima(&["secret", "list"]).run().ok().out();
    assert_eq!(names.lines().filter(|name| name.starts_with('N')).count(), 3200);
    let links = world.mima(&["group", "list", "many"]).run();
    assert_eq!(links.ok().out().lines().count(), 321, "a header and the links");
    links.stdout_lacks("no such secret");
    world.assert_no_temporary();
}

#[test]
fn t_e5_a_writer_that_hangs_is_named_after_five_seconds() {
    let Some(strace) = require("strace") else { return };
    let world = world();
    // Stopped in the middle of its change, with the lock held.
    let log = world.root().join("strace.log");
    let wrapper = [strace.to_str().unwrap(), "-q", "-o", log.to_str().unwrap()];
    let inject = ["--trace=fsync", "--inject=fsync:signal=STOP:when=1", "--"];
    let holder = command(&world, &["secret", "add", "--raw", "held"], "x")
        .under(&[&wrapper[..], &inject].concat());
    let mut command_of_holder = holder.std();
    let mut child = spawn(command_of_holder.stdin(Stdio::null()).stderr(Stdio::null()));
    let lock = world.data().join("lock");
    let start = Instant::now();
    let pid = loop {
        let text = std::fs::read_to_string(&lock).unwrap_or_default().trim().to_owned();
        let stopped = std::fs::read_to_string(format!("/proc/{text}/stat")).unwrap_or_default();
        if !text.is_empty() && (stopped.contains(" T ") || stopped.contains(" t ")) {
            break text;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "it never stopped: {text} {stopped}");
        std::thread::sleep(Duration::from_millis(20));
    };
    let start = Instant::now();
    let waited = world.mima(&["secret", "add", "x"]).stdin("x").run();
    let elapsed = start.elapsed();
    waited.fails(1).stderr_has(&format!("another mima (process {pid})")).stderr_has("hint: ");
    assert!(elapsed > Duration::from_secs(4) && elapsed < Duration::from_secs(7), "{elapsed:?}");
    // Reading needs no lock.
    world.mima(&["secret", "get", "K00"]).run().ok();
    let holder = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
    rustix::process::kill_process(holder, rustix::process::Signal::KILL).unwrap();
    child.wait().unwrap();
    world.mima(&["secret", "add", "x"]).stdin("x").run().ok();
}
