//! A kernel that kills or fails on demand, and that tells all it was asked for.
//!
//! strace's `when=k` counts the calls *of one name* in one process or thread. So
//! `inject=all:when=k` never reaches the first `write` of a program whose first `openat` comes
//! earlier, and a sweep must go over the names one by one. (measured: strace 6.1)

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::command::{Cmd, Output};
use super::world::World;
use super::{require, skip};

/// The calls by which a command changes or reads files: where a kill or an error matters.
pub(crate) const FILE_CALLS: &str = "openat,write,pwrite64,fsync,fdatasync,rename,renameat,\
    renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,ftruncate,fchmod,chmod,fchmodat,flock";

/// No sweep over one name is as long as this: one that gets here never ends.
const TOO_MANY: usize = 2000;

/// One run of a sweep: the command was killed at a call, or the call failed, or neither.
pub(crate) struct Attempt {
    /// Which call was hit: the third `write` is `("write", 3)`. `None` for the first run, that
    /// nothing happened to.
    pub(crate) point: Option<(String, usize)>,
    /// What the command did.
    pub(crate) output: Output,
    /// The line of strace that the kill or error came at.
    pub(crate) call: String,
}

impl std::fmt::Display for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "at {:?}: {}\n{}", self.point, self.call, self.output)
    }
}

/// Runs a command undisturbed, then kills it at each of its `calls`, once per call and each
/// time in a fresh copy of `world`; lets `check` look at every copy. Returns how many points
/// there were, `None` if strace cannot be used here.
pub(crate) fn kill_points(
    world: &World,
    calls: &str,
    command: impl Fn(&World) -> Cmd,
    check: impl FnMut(&World, &Attempt),
) -> Option<usize> {
    sweep(world, calls, "signal=KILL", command, check)
}

/// Lets each of the command's `calls` fail with `errno`, one per run. Otherwise as
/// [`kill_points`]. The loader's calls are among them; it finds another way.
pub(crate) fn errno_points(
    world: &World,
    calls: &str,
    errno: &str,
    command: impl Fn(&World) -> Cmd,
    check: impl FnMut(&World, &Attempt),
) -> Option<usize> {
    sweep(world, calls, &format!("error={errno}"), command, check)
}

fn sweep(
    world: &World,
    calls: &str,
    fault: &str,
    command: impl Fn(&World) -> Cmd,
    mut check: impl FnMut(&World, &Attempt),
) -> Option<usize> {
    let strace = usable(world)?;
    // Not every machine has every call: `?` says that this is no error.
    let all: Vec<_> = calls.split(',').map(|name| format!("?{}", name.trim())).collect();
    let copy = world.copy();
    let (output, log) = traced(&strace, &copy, command(&copy), &all.join(","), None);
    check(&copy, &Attempt { point: None, output, call: String::new() });
    let names: BTreeSet<_> = log.lines().filter_map(parse).map(|line| line.call).collect();
    let mut points = 0;
    for name in names.iter().filter(|name| !name.is_empty()) {
        for count in 1.. {
            assert!(count < TOO_MANY, "the sweep over {name} did not end");
            let copy = world.copy();
            let inject = format!("--inject={name}:{fault}:when={count}");
            let (output, log) = traced(&strace, &copy, command(&copy), name, Some(&inject));
            let hit =
                |line: &&str| line.contains("(INJECTED)") || line.contains("killed by SIGKILL");
            if !log.lines().any(|line| hit(&line)) {
                break;
            }
            let call = last_call(&log, hit).to_owned();
            check(&copy, &Attempt { point: Some((name.clone(), count)), output, call });
            points += 1;
        }
    }
    Some(points)
}

/// Runs a command under strace and returns what it did, and the log.
fn traced(
    strace: &Path,
    world: &World,
    command: Cmd,
    calls: &str,
    inject: Option<&str>,
) -> (Output, String) {
    let log = world.root().join("strace.log");
    let filter = format!("--trace={calls}");
    let mut wrapper: Vec<&OsStr> = vec![strace.as_ref(), "-f".as_ref(), "-q".as_ref()];
    wrapper.extend(["-o".as_ref(), log.as_os_str(), filter.as_ref()]);
    wrapper.extend(inject.map(OsStr::new));
    wrapper.push("--".as_ref());
    let output = command.under(&wrapper).run();
    (output, read_log(&log))
}

/// Returns the line that the fault shows at; for a kill, the call before it.
fn last_call<'a>(log: &'a str, hit: impl Fn(&&'a str) -> bool) -> &'a str {
    let lines: Vec<_> = log.lines().collect();
    match lines.iter().position(hit) {
        Some(at) if lines[at].contains("killed by") && at > 0 => lines[at - 1],
        Some(at) => lines[at],
        None => "",
    }
}

/// One line of a full trace.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// The process or thread.
    pub(crate) pid: u32,
    /// The name of the call; empty for signals and exits.
    pub(crate) call: String,
    /// All of the line after the process: `write(1, "x", 1) = 1`.
    pub(crate) text: String,
}

/// Runs a command and returns what it did and every system call of it and its children, with
/// whole strings. Returns `None` if strace cannot be used here. `extra` are more options:
/// `-e trace=network`, say.
pub(crate) fn trace(world: &World, command: Cmd, extra: &[&str]) -> Option<(Output, Vec<Line>)> {
    let strace = usable(world)?;
    let log = world.root().join("strace.log");
    let mut wrapper: Vec<&OsStr> = vec![strace.as_ref()];
    wrapper.extend(["-f", "-v", "-s", "300000", "-q", "-o"].map(OsStr::new));
    wrapper.push(log.as_ref());
    wrapper.extend(extra.iter().map(OsStr::new));
    wrapper.push("--".as_ref());
    let output = command.under(&wrapper).run();
    let lines = read_log(&log).lines().filter_map(parse).collect();
    std::fs::remove_file(log).unwrap();
    Some((output, lines))
}

/// Splits `1234  write(1, "x", 1) = 1` and `1234  <... write resumed>) = 1`.
fn parse(line: &str) -> Option<Line> {
    let (pid, text) = line.split_once(' ')?;
    let text = text.trim_start();
    let resumed = text.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed"));
    let call = match resumed {
        Some((call, _)) => call,
        None => text.split_once('(').map_or("", |(call, _)| call),
    };
    let call = if call.contains(' ') { "" } else { call };
    Some(Line { pid: pid.parse().ok()?, call: call.to_owned(), text: text.to_owned() })
}

fn read_log(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// Finds strace, if it may trace here: containers forbid it at times.
pub(crate) fn usable(world: &World) -> Option<PathBuf> {
    let strace = require("strace")?;
    let probe = world.command(&strace).args(["-o", "/dev/null", "true"]);
    if probe.timeout(Duration::from_secs(10)).run().status.success() {
        return Some(strace);
    }
    skip("strace may not trace here");
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_trace_are_taken_apart() {
        let parts = |line: &str| parse(line).map(|line| (line.pid, line.call, line.text));
        let want = |pid, call: &str, text: &str| Some((pid, call.to_owned(), text.to_owned()));
        assert_eq!(parts("12 write(1, \"x\", 1) = 1"), want(12, "write", "write(1, \"x\", 1) = 1"));
        assert_eq!(
            parts("7   <... read resumed>) = 0"),
            want(7, "read", "<... read resumed>) = 0")
        );
        assert_eq!(parts("7 +++ exited with 0 +++"), want(7, "", "+++ exited with 0 +++"));
        let signal = "--- SIGCHLD {si_signo=SIGCHLD, si_code=f(x)} ---";
        assert_eq!(parts(&format!("7 {signal}")), want(7, "", signal));
        assert_eq!(parts("nonsense"), None);
    }
}
