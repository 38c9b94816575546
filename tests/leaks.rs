//! Nothing but what was asked for holds a value: rows I4, I6 and I8 of the threat table.

use std::time::{Duration, Instant};

use crate::common::command::Cmd;
use crate::common::leaks::contains;
use crate::common::memory::memory_of;
use crate::common::strace::{Line, trace};
use crate::common::world::{PASSPHRASE, World};
use crate::common::{is_root, require};

/// The verbs, what each is given on standard input, and the call that its value may leave
/// mima by, if any.
fn verbs(canary: &str) -> Vec<(&'static [&'static str], String, Option<&'static str>)> {
    let none = String::new;
    vec![
        (&["set", "dev", "NEW"], canary.to_owned(), None),
        (&["secret", "add", "new"], canary.to_owned(), None),
        (&["secret", "add", "--force", "held"], canary.to_owned(), None),
        (&["secret", "list", "--json"], none(), None),
        (&["secret", "get", "held"], none(), Some("write(1, ")),
        (&["secret", "get", "held", "--export"], none(), Some("write(1, ")),
        (&["secret", "rename", "held", "moved"], none(), None),
        (&["secret", "rm", "held"], none(), None),
        (&["group", "link", "dev", "B", "held"], none(), None),
        (&["group", "unlink", "dev", "A"], none(), None),
        (&["group", "rm", "dev"], none(), None),
        (&["group", "list"], none(), None),
        (&["run", "dev"], none(), None),
        (&["run", "dev", "--", "/bin/true"], none(), Some("execve(\"/bin/true\"")),
        (&["run", "--scrub", "dev", "--", "/bin/true"], none(), Some("execve(\"/bin/true\"")),
        (&["run", "dev", "--", "no-such-command"], none(), None),
        (&["env", "dev"], none(), Some("write(1, ")),
        (&["env", "dev", "--shell", "json"], none(), Some("write(1, ")),
        (&["vault", "passwd"], none(), None),
        (&["vault", "recipients", "--accept"], none(), None),
        (&["vault", "init"], none(), None),
        (&["man"], none(), None),
        (&["completions", "bash"], none(), None),
    ]
}

fn world() -> World {
    let world = World::with_vault();
    world.mima(&["secret", "add", "held"]).stdin(world.canary()).run().ok();
    world.write(".mima.yaml", "groups:\n  dev:\n    A: held\n");
    world
}

/// The session agent's socket. Without a terminal nothing is left with it but a mark.
fn is_agent(line: &Line) -> bool {
    let text = &line.text;
    match line.call.as_str() {
        "socket" => text.contains("AF_UNIX"),
        "connect" | "bind" => text.contains("/run/mima/agent."),
        "sendto" => text.contains("\"mima\\1"),
        _ => false,
    }
}

#[test]
fn t_i6_over_all_verbs_no_argument_file_or_socket_gets_a_value() {
    for (args, stdin, exit) in verbs(world().canary()) {
        let world = world();
        let stdin = if stdin.is_empty() { stdin } else { world.canary().to_owned() };
        let cmd = world.mima(args).stdin(&stdin);
        let Some((output, lines)) = trace(&world, cmd, &[]) else { return };
        let mima = lines.first().map(|line| line.pid).unwrap();
        let passed = |line: &&Line| {
            let reads = line.pid == mima && ["read", "pread64"].contains(&line.call.as_str());
            let exits = exit.is_some_and(|exit| line.pid == mima && line.text.starts_with(exit));
            // The helper prints the passphrase, and mima reads it.
            let helper = line.pid != mima && !line.text.contains(world.canary());
            !(reads || exits || helper)
        };
        let holds =
            |line: &&Line| line.text.contains(world.canary()) || line.text.contains(PASSPHRASE);
        let leaks: Vec<_> = lines.iter().filter(holds).filter(passed).collect();
        assert!(leaks.is_empty(), "{args:?}: {leaks:#?}\n{output}");
        let sockets = ["socket", "connect", "bind", "sendto", "sendmsg", "socketpair"];
        let sockets: Vec<_> = lines
            .iter()
            // The first half of a call that was interrupted tells what it was asked.
            .filter(|line| !line.text.starts_with("<..."))
            .filter(|line| line.pid == mima && sockets.contains(&line.call.as_str()))
            // Rust's standard library starts some children over a pair of its own.
            .filter(|line| line.call != "socketpair" || !line.text.contains("AF_UNIX"))
            .filter(|line| !is_agent(line))
            .collect();
        assert!(sockets.is_empty(), "{args:?}: {sockets:#?}");
        if let Some(exit) = exit {
            let left = lines.iter().any(|line| line.text.starts_with(exit) && holds(&line));
            assert!(left, "{args:?} should hand the value over: {output}");
        }
    }
}

#[test]
fn t_i8_no_error_holds_a_value_or_passphrase() {
    // The world fails the test if standard error does.
    let world = world();
    let canary = world.canary();
    let with = |cmd: Cmd| {
        cmd.env("RUST_BACKTRACE", "full").env("RUST_LIB_BACKTRACE", "1").env("RUST_LOG", "trace")
    };
    let long = format!("{canary}{}", "x".repeat(1 << 20));
    let nul = format!("{canary}\0");
    for (args, stdin) in [
        (&["secret", "add", "x"][..], nul.as_str()),
        (&["secret", "add", "x"], &long),
        (&["secret", "add", "held"], canary),
        (&["secret", "add", "x y"], canary),
        (&["set", "dev", "PATH"], canary),
        (&["env", "dev", "--shell", "nonsense"], ""),
        (&["run", "dev", "--", "nowhere"], ""),
        (&["secret", "add", "x", canary, "more"], ""),
        (&["secret", "add", "x", &canary[..9], "--raw", "--nonsense"], ""),
    ] {
        let output = with(world.mima(args).stdin(stdin)).run();
        assert!(!output.status.success(), "{output}");
        assert!(!output.err().contains("stack backtrace"), "{output}");
    }
    let file = world.data().join("vault/secrets/held.age");
    let sealed = std::fs::read(&file).unwrap();
    std::fs::write(&file, &sealed[..sealed.len() - 1]).unwrap();
    with(world.mima(&["run", "dev", "--", "true"])).run().fails(125);
    std::fs::write(world.home().join(".mima.yaml"), format!("groups: {{{canary}\n")).unwrap();
    world.allow_leak(world.home().join(".mima.yaml"));
    with(world.mima(&["run", "dev", "--", "true"])).run().fails(125);
    let place = std::panic::Location::caller();
    let said = mima::error::of_panic(Some(place));
    assert!(said.contains("tests/leaks.rs"), "{said}");
}

/// Stops mima right before the exec, and looks at all of its memory.
#[test]
fn t_i4_before_the_exec_a_value_is_in_memory_once_and_the_passphrase_nowhere() {
    let Some(strace) = require("strace") else { return };
    if !is_root("can read the memory of a process that is not dumpable") {
        return;
    }
    let world = world();
    let log = world.root().join("strace.log");
    let mut wrapper = vec![strace.to_str().unwrap(), "-q", "-o", log.to_str().unwrap()];
    wrapper.extend(["--trace=execve", "--inject=execve:delay_enter=3000000", "--"]);
    let child = world.mima(&["run", "dev", "--", "/bin/true"]).under(&wrapper).spawn();
    let start = Instant::now();
    let memory = loop {
        assert!(start.elapsed() < Duration::from_secs(20), "it never came to the exec");
        std::thread::sleep(Duration::from_millis(100));
        let children = format!("/proc/{0}/task/{0}/children", child.id());
        let children = std::fs::read_to_string(children).unwrap_or_default();
        let Some(pid) = children.split_whitespace().next().map(str::to_owned) else { continue };
        let program = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        // In execve, 59 on x86-64 and 221 on ARM, where strace holds it.
        let at = std::fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
        let in_exec = at.starts_with("59 ") || at.starts_with("221 ");
        if in_exec && program.ends_with("mima") {
            break memory_of(pid.parse().unwrap());
        }
    };
    child.wait_with_output().unwrap();
    let canary = world.canary().as_bytes();
    let count = memory.windows(canary.len()).filter(|window| *window == canary).count();
    assert_eq!(count, 1, "copies of the value in mima's memory");
    assert!(!contains(&memory, PASSPHRASE.as_bytes()), "the passphrase stays in mima's memory");
    assert!(!contains(&memory, b"AGE-SECRET-KEY-1"), "the vault's key stays in mima's memory");
}
