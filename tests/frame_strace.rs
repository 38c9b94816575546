//! The failing kernel of the frame is tested here, with `sh`, `mv` and `cat`.

use crate::common::strace::{FILE_CALLS, errno_points, kill_points, trace};
use crate::common::world::World;

/// Replaces a file the right way, but for the syncs.
const REPLACE: &str = "echo new >new && mv new file";

#[test]
fn a_command_is_killed_at_every_call() {
    let world = World::new();
    world.write("file", "old\n");
    let (mut old, mut new) = (0, 0);
    let points = kill_points(
        &world,
        "write,rename,renameat,renameat2",
        |copy| copy.command("sh").args(["-c", REPLACE]),
        |copy, attempt| match copy.read("file").as_str() {
            "old\n" => old += usize::from(attempt.point.is_some()),
            "new\n" => new += usize::from(attempt.output.status.success()),
            torn => panic!("{torn}: {attempt}"),
        },
    );
    // Killed at the shell's write and at mv's one or two renames; undisturbed in the first run.
    let Some(points) = points else { return };
    assert!(points >= 2 && (old, new) == (points, 1), "{points} {old} {new}");
}

#[test]
fn a_torn_file_is_noticed() {
    let world = World::new();
    world.write("file", "old\n");
    let mut torn = Vec::new();
    let points = kill_points(
        &world,
        FILE_CALLS,
        |copy| copy.command("sh").args(["-c", "echo new >file"]),
        |copy, attempt| torn.extend(copy.read("file").is_empty().then(|| attempt.point.clone())),
    );
    assert!(points.is_none() || torn == [Some(("write".to_owned(), 1))], "{points:?} {torn:?}");
}

#[test]
fn a_call_fails_on_demand() {
    let world = World::new();
    world.write("file", "content");
    let points = errno_points(
        &world,
        "write",
        "ENOSPC",
        |copy| copy.command("cat").arg("file"),
        |_, attempt| {
            if attempt.point.is_none() {
                attempt.output.ok().stdout_is("content");
            } else if attempt.call.contains("write(1") {
                attempt.output.fails(1).stderr_has("No space left on device");
            }
        },
    );
    // cat's write, and none else.
    assert!(points.is_none_or(|points| points == 1), "{points:?}");
}

#[test]
fn a_trace_holds_whole_strings() {
    let world = World::new();
    let long = "x".repeat(100_000);
    let command = world.command("sh").args(["-c", "printf %s \"$0\" | cat", &long]);
    let Some((output, lines)) = trace(&world, command, &[]) else { return };
    output.ok().stdout_is(&long);
    let holding =
        |call: &str| lines.iter().filter(|l| l.call == call && l.text.contains(&long)).count();
    assert_eq!(holding("execve"), 1);
    assert!(holding("write") >= 1);
    assert!(lines.iter().map(|line| line.pid).collect::<std::collections::HashSet<_>>().len() >= 2);
}
