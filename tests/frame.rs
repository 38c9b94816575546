//! The frame itself is tested here, with programs that every machine has.

use std::time::Duration;

use crate::common::world::World;

#[test]
fn a_command_sees_only_the_environment_of_its_world() {
    let world = World::new();
    let output = world.command("env").run();
    let mut names: Vec<_> =
        output.ok().out().lines().filter_map(|l| Some(l.split_once('=')?.0.to_owned())).collect();
    names.sort();
    let want = ["HOME", "LANG", "PATH", "SHELL", "TERM", "TMPDIR", "USER", "XDG_RUNTIME_DIR"];
    assert_eq!(names, want);
    let home = format!("{}\n", world.home().canonicalize().unwrap().display());
    world.command("pwd").arg("-P").run().ok().quiet().stdout_is(home);
}

#[test]
fn a_command_has_no_terminal_and_no_input() {
    let world = World::new();
    world.command("cat").run().ok().stdout_is("");
    world.command("sh").args(["-c", ": </dev/tty"]).run().stderr_has("/dev/tty");
    world.command("cat").stdin("in\0put").run().ok().stdout_is("in\0put");
    world.command("true").stdin(vec![b'x'; 1 << 20]).run().ok();
}

#[test]
fn mima_is_on_the_path() {
    let world = World::new();
    world.command("sh").args(["-c", "command -v mima"]).run().ok();
    world.mima(&[]).within("exec \"$@\"").run();
}

#[test]
#[should_panic(expected = "took longer than")]
fn a_command_that_hangs_is_killed_with_all_it_started() {
    let world = World::new();
    let hangs = world.command("sh").args(["-c", "sleep 600 & sleep 600"]);
    hangs.timeout(Duration::from_millis(300)).run();
}

#[test]
#[should_panic(expected = "said the secret CANARY-")]
fn a_command_that_says_the_canary_fails() {
    let world = World::new();
    world.command("sh").args(["-c", "printf %s \"$0\" >&2", world.canary()]).run();
}

#[test]
#[should_panic(expected = "leaked: ")]
fn a_world_that_keeps_the_canary_fails() {
    let world = World::new();
    world.write("deep/down/file", format!("x{}", world.canary()));
}

#[test]
fn a_leak_can_be_allowed() {
    let world = World::new();
    world.allow_leak(world.write("input", world.canary()));
}

#[test]
#[should_panic(expected = "left behind: ")]
fn a_temporary_file_is_found() {
    let world = World::new();
    world.assert_no_temporary();
    world.write(".tmp-mima.mima.yaml", "");
    world.assert_no_temporary();
}

#[test]
fn askpass_answers_and_counts() {
    let mut world = World::new();
    world.askpass("it's a \"secret\" $x");
    let run = |world: &World| world.command("sh").args(["-c", "$MIMA_ASKPASS 'who?'"]).run();
    run(&world).ok().stdout_is("it's a \"secret\" $x\n");
    let copy = world.copy();
    run(&world);
    assert_eq!((world.asked(), copy.asked()), (2, 1));
    run(&copy);
    assert_eq!((world.asked(), copy.asked()), (2, 2));
    assert_eq!(copy.questions(), "who?\nwho?\n");
}

#[test]
fn a_copy_is_another_world_with_the_same_files() {
    let world = World::new();
    world.write("a/b", "one");
    let copy = world.copy();
    copy.write("a/b", "two");
    assert_eq!((world.read("a/b"), copy.read("a/b")), ("one".to_owned(), "two".to_owned()));
    assert_eq!(world.canary(), copy.canary());
    copy.command("sh").args(["-c", "cat ~/a/b"]).run().ok().stdout_is("two");
}
