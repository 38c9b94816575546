//! What is in a command's environment under `mima run`, and what is never in mima's own.
//! (threats: F5, F6, B5, I6)

#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::common::leaks::contains;
use crate::common::strace::trace;
use crate::common::world::{VALUE, World, mima};
use crate::common::{require, spawn};
use crate::run::{linked_world, run_g};

type Environ = BTreeMap<Vec<u8>, Vec<u8>>;

/// Takes `env -0` apart; no variable may be there twice.
#[track_caller]
fn parse(printed: &[u8]) -> Environ {
    let mut environ = Environ::new();
    for entry in printed.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
        let equals = entry.iter().position(|byte| *byte == b'=');
        let (name, value) = entry.split_at(equals.expect("an entry without `=`"));
        let twice = environ.insert(name.to_vec(), value[1..].to_vec());
        assert!(twice.is_none(), "twice: {}", String::from_utf8_lossy(name));
    }
    environ
}

fn names(environ: &Environ) -> Vec<String> {
    environ.keys().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

/// Adds 200 variables and the odd ones.
fn crowded(world: &World, cmd: crate::common::command::Cmd) -> crate::common::command::Cmd {
    (0..200)
        .fold(cmd, |cmd, n| cmd.env(format!("CROWD_{n}"), world.canary()))
        .env("BASH_FUNC_x%%", "() { :; }")
        .env("FUNCTION", "() { :; }")
        .env(OsStr::from_bytes(b"BYTES_\xff"), "x")
        .env("VALUE", OsStr::from_bytes(b"\xff\n"))
        .env("EMPTY", "")
        .env("a.b", "dotted")
        .env("LD_NOTHING", "x")
}

#[test]
fn t_f6_without_scrub_everything_is_kept_but_the_passphrase_helper() {
    let world = linked_world();
    let cmd = crowded(&world, run_g(&world, &["env", "-0"])).env("__MIMA_STATE", "x");
    let got = parse(&cmd.env("MIMA_ANYTHING", "x").env("TOKEN", "older").run().ok().stdout);
    let direct = crowded(&world, world.command("env").arg("-0")).env_remove("MIMA_ASKPASS");
    // A shell under mima needs the hook's state, and a mima under mima its MIMA_HOME.
    let direct = direct.env("__MIMA_STATE", "x").env("MIMA_ANYTHING", "x");
    let mut want = parse(&direct.run().ok().stdout);
    want.insert(b"TOKEN".to_vec(), b"value-of-K00".to_vec());
    want.insert(b"OTHER".to_vec(), b"value-of-K01".to_vec());
    let differs = |name: &&Vec<u8>| got.get(*name) != want.get(*name);
    let different: Vec<_> = got.keys().chain(want.keys()).filter(differs).collect();
    let different: Vec<_> =
        different.into_iter().map(|name| String::from_utf8_lossy(name)).collect();
    assert!(different.is_empty(), "not as it was: {different:?}");
}

#[test]
fn t_f6_scrub_leaves_five_variables_and_the_group() {
    let world = linked_world();
    let cmd = world.mima(&["run", "--scrub", "g", "--", "env", "-0"]);
    let got = parse(&crowded(&world, cmd).env("__MIMA_STATE", "x").run().ok().stdout);
    assert_eq!(names(&got), ["HOME", "OTHER", "PATH", "SHELL", "TERM", "TOKEN", "USER"]);
    let want = parse(&world.command("env").arg("-0").run().ok().stdout);
    for name in ["HOME", "PATH", "SHELL", "TERM", "USER"] {
        assert_eq!(got[name.as_bytes()], want[name.as_bytes()], "{name}");
    }
    assert_eq!(got[&b"TOKEN"[..]], b"value-of-K00");
}

#[test]
fn t_f6_scrub_is_honoured_after_the_group_too() {
    let world = linked_world();
    let cmd = world.mima(&["run", "g", "--scrub", "--", "env", "-0"]).env("LEFT_OVER", "x");
    assert!(!parse(&cmd.run().ok().stdout).contains_key(&b"LEFT_OVER"[..]));
}

#[test]
fn t_f6_scrub_makes_nothing_up() {
    let world = linked_world();
    let cmd = world.mima(&["run", "--scrub", "g", "--", "env", "-0"]).env("USER", "");
    let got = parse(&cmd.env_remove("TERM").env_remove("SHELL").run().ok().stdout);
    assert_eq!(names(&got), ["HOME", "OTHER", "PATH", "TOKEN", "USER"]);
    assert_eq!(got[&b"USER"[..]], b"");
}

#[test]
fn t_f6_keep_keeps_what_is_named_if_it_is_harmless() {
    let world = linked_world();
    let keep = ["VALUE", "EMPTY", "NOT_SET", "FUNCTION", "TOKEN"];
    let keep = keep.iter().flat_map(|name| ["--keep", name]);
    let cmd = world.mima(&["run", "--scrub"]).args(keep).args(["g", "--", "env", "-0"]);
    let got = parse(&crowded(&world, cmd).env("TOKEN", "older").run().ok().stdout);
    let want = ["EMPTY", "HOME", "OTHER", "PATH", "SHELL", "TERM", "TOKEN", "USER", "VALUE"];
    assert_eq!(names(&got), want);
    assert_eq!(got[&b"VALUE"[..]], b"\xff\n");
    assert_eq!(got[&b"TOKEN"[..]], b"value-of-K00");
}

/// Pointers into strings that outlive the process they are used in.
struct Pointers(Vec<*const c_char>);
// SAFETY: nobody writes to what they point at.
unsafe impl Send for Pointers {}
// SAFETY: as above.
unsafe impl Sync for Pointers {}

impl Pointers {
    fn to(strings: &[CString]) -> Self {
        Self(strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect())
    }
}

/// Runs mima with exactly these entries as its environment, which no shell could set.
fn with_entries(world: &World, words: &[&str], entries: &[&[u8]]) -> std::process::Output {
    let c_string = |bytes: &[u8]| CString::new(bytes).unwrap();
    let program = c_string(mima().as_os_str().as_bytes());
    let words: Vec<_> = words.iter().map(|word| c_string(word.as_bytes())).collect();
    let entries: Vec<_> = entries.iter().map(|entry| c_string(entry)).collect();
    let pointers = (Pointers::to(&words), Pointers::to(&entries));
    let exec = move || {
        let (words, entries) = &pointers;
        // SAFETY: both lists end with a null, and the strings live until after the exec.
        unsafe { libc::execve(program.as_ptr(), words.0.as_ptr(), entries.0.as_ptr()) };
        Err(std::io::Error::last_os_error())
    };
    let mut command = world.command("/bin/true").std();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // SAFETY: execve is async-signal-safe, and nothing is allocated.
    unsafe { command.pre_exec(exec) };
    let output = spawn(&mut command).wait_with_output().unwrap();
    drop((words, entries));
    output
}

#[test]
fn t_f6_entries_that_are_no_variables_or_twice_there_are_dropped_by_scrub() {
    let world = linked_world();
    let home = [b"HOME=", world.home().as_os_str().as_bytes()].concat();
    let askpass = [b"MIMA_ASKPASS=", world.bin().join("askpass").as_os_str().as_bytes()].concat();
    let entries: [&[u8]; 9] = [
        &home,
        &askpass,
        b"PATH=/usr/bin:/bin",
        b"no equals sign",
        b"=no name",
        b"HOMELESS",
        b"1X=x",
        b"TERM=one",
        b"TERM=two",
    ];
    let args = ["mima", "run", "--scrub", "--keep", "HOMELESS", "g", "--", "env", "-0"];
    let output = with_entries(&world, &args, &entries);
    assert!(output.status.success(), "{output:?}");
    let got = parse(&output.stdout);
    assert_eq!(names(&got), ["HOME", "OTHER", "PATH", "TERM", "TOKEN"]);
}

/// The environment that `/proc` shows is the one mima started with; this sees the rest: no
/// file, pipe or other process gets a value.
#[test]
fn t_i6_a_value_leaves_mima_by_the_exec_and_nothing_else() {
    let world = linked_world();
    let Some((output, lines)) = trace(&world, run_g(&world, &["true"]), &[]) else { return };
    output.ok().quiet().stdout_is("");
    let values: Vec<_> = lines.iter().filter(|line| line.text.contains(VALUE)).collect();
    assert!(
        values.len() == 1 && values[0].call == "execve" && values[0].text.contains("[\"true\"]"),
        "{values:#?}"
    );
    let network = ["socket", "connect", "sendto", "sendmsg", "bind"];
    let network: Vec<_> = lines.iter().filter(|l| network.contains(&l.call.as_str())).collect();
    assert!(network.is_empty(), "{network:#?}");
}

#[test]
fn t_f5_the_values_are_never_in_mimas_own_environment() {
    let Some(strace) = require("strace") else { return };
    let world = linked_world();
    // A pause before the command is started. strace leaves alone the execve that starts mima.
    let log = world.root().join("strace.log");
    let mut wrapper = vec![strace.as_os_str(), "-q".as_ref(), "-o".as_ref(), log.as_os_str()];
    let inject = ["--trace=execve", "--inject=execve:delay_enter=2000000", "--"];
    wrapper.extend(inject.map(OsStr::new));
    let mut child = run_g(&world, &["printenv", "TOKEN"]).under(&wrapper).spawn();
    let start = Instant::now();
    let (mut looked, mut last) = (0, Duration::ZERO);
    while child.try_wait().unwrap().is_none() {
        for pid in children_of(child.id()) {
            // Where mima is not dumpable nobody may read it, which is as good.
            let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let cmdline = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            // Read after the environment: what is mima still, was mima before.
            if !contains(&cmdline, b"run\0g\0--\0") {
                continue;
            }
            assert!(!contains(&environ, VALUE.as_bytes()), "a value is in mima's environment");
            (looked, last) = (looked + 1, start.elapsed());
        }
        std::thread::sleep(Duration::from_millis(10));
        assert!(start.elapsed() < Duration::from_secs(30), "it hangs");
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"value-of-K00\n", "{output:?}");
    assert!(looked > 20 && last > Duration::from_secs(1), "looked {looked} times until {last:?}");
}

fn children_of(pid: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    children.unwrap_or_default().split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}
