//! Approvals and a machine that fails: rows E1 and E2 for the verbs of project files.

use crate::common::command::Cmd;
use crate::common::project::{Project, names_in};
use crate::common::strace::{Attempt, FILE_CALLS, errno_points, kill_points};
use crate::common::world::World;

const TEXT: &str = "groups:\n  dev:\n    A: x\n";
const LINKED: &str = "groups:\n  dev:\n    A: x\n    B: key\n";

/// A verb, with what is allowed before it; and which verdicts may be found if it fails.
struct Change {
    verb: &'static [&'static str],
    allowed: bool,
    verdicts: &'static [&'static str],
    /// What it is when all went well.
    then: &'static str,
}

const CHANGES: [Change; 4] = [
    Change {
        verb: &["allow", "--yes"],
        allowed: false,
        verdicts: &["unknown", "allowed"],
        then: "allowed",
    },
    Change { verb: &["deny"], allowed: true, verdicts: &["allowed", "denied"], then: "denied" },
    // Between the file and the record it is one that has changed, which asks for `allow`.
    Change {
        verb: &["group", "link", "--project", "dev", "B", "key"],
        allowed: true,
        verdicts: &["allowed", "changed"],
        then: "allowed",
    },
    Change {
        verb: &["init"],
        allowed: false,
        verdicts: &["none", "unknown", "allowed"],
        then: "allowed",
    },
];

/// Prepares a world for a change, where its copy stands, and returns the command.
fn command(world: &World, change: &Change) -> Cmd {
    let project = Project::new(world, "p", TEXT);
    if change.verb == ["init"] {
        std::fs::remove_file(project.file()).unwrap();
    }
    if change.allowed {
        project.allow();
    }
    project.mima(change.verb)
}

/// The project as it is after an attempt.
fn project(world: &World) -> Project<'_> {
    Project { world, dir: world.home().join("p") }
}

fn check(world: &World, change: &Change, attempt: &Attempt) {
    let project = project(world);
    let verdict = project.verdict();
    let allowed =
        if attempt.output.status.success() { &[change.then][..] } else { change.verdicts };
    assert!(allowed.contains(&verdict.as_str()), "{verdict} {attempt}");
    let text = std::fs::read_to_string(project.file()).unwrap_or_default();
    if change.verb != ["init"] {
        assert!([TEXT, LINKED].contains(&text.as_str()), "{text} {attempt}");
    }
    // The next that is written sweeps up.
    if verdict != "none" {
        project.mima(&["deny"]).run().ok();
        project.allow();
        assert_eq!(project.verdict(), "allowed", "{attempt}");
    }
    let records = names_in(&world.data().join("trust"));
    assert!(records.len() <= 1 || verdict == "none", "{records:?} {attempt}");
}

#[test]
fn t_e1_killed_at_any_call_an_approval_is_there_or_not() {
    for change in &CHANGES {
        let world = World::new();
        // The directory is there even if nothing was ever written.
        world.mima(&["allow", "--yes"]).cwd(Project::new(&world, "other", TEXT).dir).run().ok();
        std::fs::remove_dir_all(world.data().join("trust")).unwrap();
        std::fs::create_dir(world.data().join("trust")).unwrap();
        let points = kill_points(
            &world,
            FILE_CALLS,
            |world| command(world, change),
            |world, attempt| check(world, change, attempt),
        );
        assert!(points.is_none_or(|points| points > 10), "{points:?}");
    }
}

#[test]
fn t_e2_a_full_or_failing_disk_leaves_the_old_answer_and_no_temporary_file() {
    for change in &CHANGES {
        let world = World::new();
        world.mima(&["allow", "--yes"]).cwd(Project::new(&world, "other", TEXT).dir).run().ok();
        std::fs::remove_dir_all(world.data().join("trust")).unwrap();
        std::fs::create_dir(world.data().join("trust")).unwrap();
        for (calls, errno) in [("write,fsync,rename", "ENOSPC"), ("openat,mkdir,fchmod", "EIO")] {
            errno_points(
                &world,
                calls,
                errno,
                |world| command(world, change),
                |world, attempt| {
                    if !attempt.output.status.success() && attempt.point.is_some() {
                        assert!(
                            !attempt.output.stderr.is_empty() || attempt.call.contains("write(2"),
                            "{attempt}"
                        );
                    }
                    world.assert_no_temporary();
                    check(world, change, attempt);
                },
            );
        }
    }
}
