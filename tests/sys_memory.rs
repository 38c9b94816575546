//! Memory for secrets, and what a process that holds them does to itself.

#![cfg(target_os = "linux")]

use std::path::Path;

use crate::common::command::Cmd;
use crate::common::user::USER;
use crate::common::world::{World, copy_executable, example};
use crate::common::{is_root, require};

fn probe(world: &World, args: &[&str]) -> Cmd {
    world.command(example("sys-probe", "probe")).args(args)
}

/// Without the right to lock as much as it likes, which root has.
fn limited(command: Cmd, memlock: &str) -> Option<Cmd> {
    let [prlimit, setpriv] = [require("prlimit")?, require("setpriv")?];
    let limit = format!("--memlock={memlock}:{memlock}");
    let mut wrapper = vec![prlimit.to_str().unwrap(), &limit, "--"];
    let drop =
        [setpriv.to_str().unwrap(), "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock", "--"];
    if is_root("has to give up a right first") {
        wrapper.extend(drop);
    }
    Some(command.under(&wrapper))
}

#[test]
fn locked_memory_counts_and_is_given_back() {
    let world = World::new();
    let output = probe(&world, &["lock", "20000"]).run();
    output.ok().quiet();
    let out = output.out();
    let lines: Vec<_> = out.lines().collect();
    assert!(lines[0].starts_with("Ok("), "{output}");
    let page = rustix::param::page_size() / 1024;
    let want = 20_000_usize.div_ceil(1024 * page) * page;
    assert_eq!(lines[1..], ["mapped: true", &format!("0 {want}"), "0", "gone: true"], "{output}");
}

/// Rather none than one that may be swapped.
#[test]
fn t_i3_without_the_right_to_lock_there_is_no_memory() {
    let world = World::new();
    let Some(command) = limited(probe(&world, &["lock", "1"]), "0") else { return };
    let output = command.run();
    output.ok().quiet();
    let out = output.out();
    let lines: Vec<_> = out.lines().collect();
    assert!(lines[0].starts_with("Err("), "{output}");
    assert!(lines[1].starts_with("error: "), "{output}");
    assert_eq!(lines[2..], ["0", "gone: true"], "nothing is left behind: {output}");
}

#[test]
fn the_limit_is_for_all_of_it() {
    let world = World::new();
    for (bytes, fits) in [("65536", true), ("65537", false)] {
        let Some(command) = limited(probe(&world, &["lock", bytes]), "65536") else { return };
        let output = command.run();
        assert!(output.ok().out().starts_with("Ok("), "{output}");
        assert_eq!(output.out().contains("mapped: true"), fits, "{output}");
    }
}

/// A kernel without secret memory, or with it switched off: locked memory is what remains.
#[test]
fn t_i3_without_secret_memory_it_is_locked() {
    let world = World::new();
    let Some(strace) = crate::common::strace::usable(&world) else { return };
    let inject = ["-f", "-o", "/dev/null", "-e", "inject=memfd_secret:error=ENOSYS", "--"];
    let wrapper: Vec<_> = [strace.to_str().unwrap()].into_iter().chain(inject).collect();
    let output = probe(&world, &["lock", "4096"]).under(&wrapper).run();
    let out = output.ok().out();
    let lines: Vec<_> = out.lines().collect();
    assert!(["Ok(Locked)", "Ok(LockedMayHibernate)"].contains(&lines[0]), "{output}");
    assert_eq!(lines[1], "mapped: true", "{output}");
    assert_eq!(lines[3..], ["0", "gone: true"], "{output}");
}

/// Any step that fails is an error, and takes back the steps before it.
#[test]
fn t_i3_every_step_counts() {
    let world = World::new();
    let Some(strace) = crate::common::strace::usable(&world) else { return };
    for call in ["mlock:error=EAGAIN", "madvise:error=EINVAL:when=1", "madvise:error=EINVAL:when=3"]
    {
        let call = format!("inject={call}");
        let inject =
            ["-o", "/dev/null", "-e", "inject=memfd_secret:error=ENOSYS", "-e", &call, "--"];
        let wrapper: Vec<_> = [strace.to_str().unwrap()].into_iter().chain(inject).collect();
        let output = probe(&world, &["lock", "4096"]).under(&wrapper).run();
        assert!(output.ok().out().starts_with("Err("), "{call}: {output}");
        output.stdout_has("gone: true");
    }
}

#[test]
fn a_process_that_denies_tracing_is_closed_to_its_own_user() {
    if !is_root("can become another user") {
        return;
    }
    let Some(setpriv) = require("setpriv") else { return };
    let world = World::new();
    let own = world.root().join("probe");
    copy_executable(&example("sys-probe", "probe"), &own);
    crate::common::user::mode(world.root(), 0o755);
    let (uid, gid) = (format!("--reuid={USER}"), format!("--regid={USER}"));
    let user = [setpriv.to_str().unwrap(), &uid, &gid, "--clear-groups"];
    // It waits for its input, and meanwhile its user looks.
    let inspect = r#"
        mkfifo in out
        "$@" <in >out & pid=$!
        exec 4>in 5<out
        for line in 1 2 3; do read said <&5; echo "$said"; done
        for file in mem maps environ auxv; do
          cat /proc/$pid/$file >/dev/null 2>&1 && echo "read $file"
        done
        ls /proc/$pid/fd >/dev/null 2>&1 && echo listed fd
        grep 'Max core' /proc/$pid/limits
        exec 4>&-
        wait $pid && echo ended"#;
    let dir = world.root().join("own");
    std::fs::create_dir(&dir).unwrap();
    crate::common::user::give(&dir, USER);
    let command = world.command(&own).args(["deny"]).cwd(&dir).within(inspect).under(&user);
    let output = command.run();
    let out = output.ok().out();
    let said: Vec<_> = out.split_whitespace().collect();
    let limit = ["Max", "core", "file", "size", "0", "0", "bytes"];
    let want: Vec<_> = ["NotDumpable", "Dumpable", "denied"].into_iter().chain(limit).collect();
    assert_eq!(said, [&want[..], &["ended"]].concat(), "{output}");
}

/// `LIMIT:HARD`, and what comes of it.
#[test]
fn the_limit_of_files_is_raised_and_never_lowered() {
    let world = World::new();
    let Some(prlimit) = require("prlimit") else { return };
    for (limit, want) in
        [("100:200", 200), ("64:8192", 8192), ("64:9000", 8192), ("8500:9000", 8500)]
    {
        let limit = format!("--nofile={limit}");
        let wrapper = [Path::new(&prlimit).to_str().unwrap(), &limit, "--"];
        let output = probe(&world, &["limits"]).under(&wrapper).run();
        output.ok().quiet().stdout_is(format!("{want}\n{want}\n"));
    }
}
