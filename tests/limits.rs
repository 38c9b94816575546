//! What fits and what does not: rows B5, B7, B9, B10 of the threat table.

use crate::common::world::World;

fn world_with(value: &[u8]) -> World {
    let world = World::with_vault();
    world.mima(&["secret", "add", "--raw", "big"]).stdin(value).run().ok();
    world.write(".mima.yaml", "groups:\n  g:\n    K: big\n");
    world
}

#[test]
fn t_b5_every_name_is_in_the_environment_once() {
    let world = World::with_vault();
    world.write(".mima.yaml", "groups:\n  g:\n    A: K00\n");
    let run = world.mima(&["run", "g", "--", "env", "-0"]).env("A", "inherited");
    let printed = run.run().ok().out();
    let mut names: Vec<_> =
        printed.split('\0').filter_map(|e| Some(e.split_once('=')?.0)).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "{printed:?}");
    assert!(printed.contains("A=value-of-K00"));
}

#[test]
fn t_b7_values_arrive_byte_for_byte() {
    for value in [
        &b"'\"`$(id)\\!%"[..],
        b"ends with newlines\n\n",
        b"\r\n",
        b"\xff\xfe invalid",
        "\u{fdd0}".as_bytes(),
        b"",
        b"-n",
        b"=ls",
        b"\x1b]0;title\x07",
    ] {
        let world = world_with(value);
        let run = world.mima(&["run", "g", "--", "sh", "-c", "printf '%s' \"$K\"; printf '%s' ."]);
        run.run().ok().stdout_is([value, b"."].concat());
        world.mima(&["secret", "get", "big"]).run().ok().stdout_is(value);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn t_b9_a_value_that_no_environment_can_hold_is_refused_before_exec() {
    // `K=` and the value: 131,071 bytes are the most that Linux takes.
    let world = world_with(&vec![b'a'; 131_069]);
    world.mima(&["run", "g", "--", "sh", "-c", "echo ${#K}"]).run().ok().stdout_is("131069\n");
    let world = world_with(&vec![b'a'; 131_070]);
    world
        .mima(&["run", "g", "--", "true"])
        .run()
        .fails(125)
        .stderr_has("K is too large")
        .stderr_has("131072 bytes, the limit is 131071")
        .stderr_has("hint: ");
    let got = world.mima(&["secret", "get", "big"]).run();
    assert_eq!(got.ok().stdout.len(), 131_070);
}

#[test]
fn t_b9_a_mebibyte_is_stored_and_not_a_byte_more() {
    let world = world_with(&vec![b'a'; 1 << 20]);
    assert_eq!(world.mima(&["secret", "get", "big"]).run().ok().stdout.len(), 1 << 20);
    let more = vec![b'a'; (1 << 20) + 1];
    world.mima(&["secret", "add", "x"]).stdin(more).run().fails(1).stderr_has("1048576");
}

#[test]
#[cfg(target_os = "linux")]
fn t_b10_the_whole_environment_has_a_limit() {
    let world = World::with_vault();
    let mut file = "groups:\n  g:\n".to_owned();
    for i in 0..21 {
        let name = format!("big{i}");
        world.mima(&["secret", "add", &name]).stdin(vec![b'a'; 100_000]).run().ok();
        file = format!("{file}    BIG{i}: {name}\n");
    }
    world.write(".mima.yaml", file);
    let run = world.mima(&["run", "g", "--", "true"]);
    let refused = run.clone().within("ulimit -s 8192; exec \"$@\"").run();
    refused.fails(125).stderr_has("the limit is 2097152").stderr_has("BIG").stderr_has("ulimit -s");
    run.within("ulimit -s 16384; exec \"$@\"").run().ok();
}

#[test]
#[cfg(target_os = "linux")]
fn the_limit_is_the_kernels_to_the_byte() {
    let world = World::with_vault();
    world.write(".mima.yaml", "groups:\n  g:\n    A: a\n");
    // A quarter of this stack is 128 KiB for everything.
    let run = |size: usize| {
        let value = vec![b'a'; size];
        world.mima(&["secret", "add", "--force", "a"]).stdin(value).run().ok();
        let run = world.mima(&["run", "--scrub", "g", "--", "/bin/true"]);
        run.within("ulimit -s 512; exec \"$@\"").run()
    };
    let (mut fits, mut refused) = (100_000, 131_000);
    while refused - fits > 1 {
        let middle = usize::midpoint(fits, refused);
        let output = run(middle);
        if output.status.success() {
            fits = middle;
        } else {
            output.fails(125).stderr_has("the limit is 131072");
            refused = middle;
        }
    }
    run(refused).fails(125).stderr_has("131073 bytes, the limit is 131072");
}
