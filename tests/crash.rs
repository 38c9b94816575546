//! What is left when mima is killed, when the disk is full, and when many write at once.
//! (threats: E1–E5)

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::common::command::Cmd;
use crate::common::strace::{Attempt, FILE_CALLS, errno_points, kill_points, trace};
use crate::common::world::World;
use crate::run::linked_world;

/// A verb that changes one file, and what it reads from standard input.
type Change = (&'static [&'static str], &'static str);

const CHANGES: [Change; 6] = [
    (&["secret", "add", "NEW"], "fresh"),
    (&["secret", "add", "--force", "K00"], "replaced"),
    (&["secret", "rm", "K03"], ""),
    (&["group", "link", "g", "LINKED", "K04"], ""),
    (&["group", "unlink", "g", "OTHER"], ""),
    (&["group", "rm", "h"], ""),
];

fn command(world: &World, (args, input): Change) -> Cmd {
    world.mima(args).stdin(input)
}

/// All that a person can see of the state: names, groups and a value.
fn state(world: &World, why: &dyn std::fmt::Display) -> String {
    let verbs: [&[&str]; 3] =
        [&["secret", "list"], &["group", "list"], &["run", "g", "--", "printenv", "TOKEN"]];
    let see = |args: &&[&str]| {
        let output = world.mima(args).run();
        assert!(output.status.success(), "afterwards {output}\n{why}");
        output.out()
    };
    verbs.iter().map(see).collect()
}

/// Judges every point of a sweep: the state is the old one or the new one, after success the
/// new one.
struct Judge {
    old: String,
    new: Option<String>,
}

impl Judge {
    fn new(world: &World) -> Self {
        Self { old: state(world, &"before"), new: None }
    }

    #[track_caller]
    fn look(&mut self, copy: &World, attempt: &Attempt) {
        let state = state(copy, attempt);
        let Some(new) = &self.new else {
            attempt.output.ok();
            assert_ne!(state, self.old, "nothing was changed: {attempt}");
            self.new = Some(state);
            return;
        };
        let done = attempt.output.status.success();
        assert!(state == *new || (state == self.old && !done), "lost or torn: {attempt}\n{state}");
    }
}

/// The next change works, and sweeps up what a kill left.
fn goes_on(copy: &World, attempt: &Attempt) {
    for change in [CHANGES[1], CHANGES[3]] {
        let next = command(copy, change).run();
        assert!(next.status.success(), "next {next}\n{attempt}");
    }
    copy.assert_no_temporary();
}

#[test]
fn t_e1_a_kill_at_any_call_leaves_the_old_or_the_new() {
    let world = linked_world();
    std::thread::scope(|scope| {
        for change in CHANGES {
            let world = &world;
            scope.spawn(move || {
                let mut judge = Judge::new(world);
                let change = |copy: &World| command(copy, change);
                let look = |copy: &World, attempt: &Attempt| {
                    judge.look(copy, attempt);
                    goes_on(copy, attempt);
                };
                let points = kill_points(world, FILE_CALLS, change, look);
                assert!(points.is_none_or(|points| points > 10), "{points:?}");
            });
        }
    });
}

#[test]
fn t_e2_an_error_at_any_call_leaves_the_old_and_no_temporary_file() {
    const CALLS: &str = "openat,write,pwrite64,fsync,rename,renameat,renameat2,unlink,unlinkat";
    let world = linked_world();
    std::thread::scope(|scope| {
        for change in CHANGES {
            let world = &world;
            scope.spawn(move || {
                for errno in ["ENOSPC", "EIO"] {
                    let mut judge = Judge::new(world);
                    let look = |copy: &World, attempt: &Attempt| {
                        // 127 is the loader's, which may find no other way.
                        let code = attempt.output.status.code();
                        assert!(matches!(code, Some(0 | 1 | 127)), "{attempt}");
                        judge.look(copy, attempt);
                        if attempt.call.contains("unlink") {
                            goes_on(copy, attempt);
                        } else {
                            copy.assert_no_temporary();
                        }
                    };
                    errno_points(world, CALLS, errno, |copy| command(copy, change), look);
                }
            });
        }
    });
}

#[test]
fn t_e3_what_is_renamed_has_been_synced_and_the_directory_is_synced_after() {
    let world = linked_world();
    for (change, file) in [(CHANGES[0], "NEW.age"), (CHANGES[3], ".mima.yaml")] {
        let filter = ["-y", "-e", "trace=write,fsync,fdatasync,rename,renameat,renameat2"];
        let Some((output, lines)) = trace(&world, command(&world, change), &filter) else { return };
        output.ok();
        let texts: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
        let is_sync = |text: &str| text.starts_with("fsync(") || text.starts_with("fdatasync(");
        let renamed =
            texts.iter().position(|text| text.starts_with("rename") && text.contains(file));
        let renamed = renamed.unwrap_or_else(|| panic!("{file} is not renamed: {texts:#?}"));
        let (before, after) = texts.split_at(renamed);
        let written = before
            .iter()
            .rposition(|text| text.starts_with("write(") && text.contains(".tmp-mima"));
        let written = written.unwrap_or_else(|| panic!("nothing is written: {texts:#?}"));
        let synced =
            before[written..].iter().any(|text| is_sync(text) && text.contains(".tmp-mima"));
        assert!(synced, "not synced before the rename: {texts:#?}");
        assert!(after.iter().any(|text| is_sync(text)), "not synced after the rename: {texts:#?}");
    }
}

#[test]
fn t_e4_of_many_writers_at_once_none_is_lost() {
    const WRITERS: usize = 16;
    const EACH: usize = 6;
    let world = linked_world();
    let names = |prefix: char| (0..WRITERS * EACH).map(move |n| format!("{prefix}{n}"));
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let world = &world;
            scope.spawn(move || {
                for n in (0..EACH).map(|n| writer * EACH + n) {
                    world.mima(&["secret", "add", &format!("S{n}")]).stdin("v").run().ok();
                    let link = ["group", "link", "many", &format!("V{n}"), &format!("S{n}")];
                    world.mima(&link).run().ok();
                    world.mima(&["secret", "list"]).run().ok();
                }
            });
        }
    });
    let output = world.mima(&["secret", "list"]).run().ok().out();
    let stored: BTreeSet<_> = output.split_whitespace().map(str::to_owned).collect();
    let lost: Vec<_> = names('S').filter(|name| !stored.contains(name)).collect();
    assert!(lost.is_empty(), "{lost:?}");
    let file = world.read(".mima.yaml");
    let lost: Vec<_> = names('V').filter(|name| !file.contains(&format!("{name}:"))).collect();
    assert!(lost.is_empty(), "{lost:?}\n{file}");
    world.assert_no_temporary();
}

#[test]
fn t_e5_a_holder_of_the_lock_is_waited_for_five_seconds_and_named() {
    let world = linked_world();
    std::fs::write(world.data().join("lock"), "4242424   \n").unwrap();
    let lock = std::fs::File::open(world.data().join("lock")).unwrap();
    lock.lock().unwrap();
    let start = Instant::now();
    std::thread::scope(|scope| {
        for change in CHANGES {
            let world = &world;
            scope
                .spawn(move || command(world, change).run().fails(1).stderr_has("4242424").clone());
        }
    });
    let took = start.elapsed();
    assert!(took > Duration::from_secs(4) && took < Duration::from_secs(8), "{took:?}");
    drop(lock);
    command(&world, CHANGES[0]).run().ok();
}
