//! Session agents, from outside: which ones a world has, what they answer, and their end.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mima::session::wire::{HEADER, Header, Reply, Request};
use rustix::process::{Pid, Signal};

use super::leaks::files_below;
use super::world::World;

/// How long an agent may take for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The sockets of agents below a directory.
pub(crate) fn sockets(root: &Path) -> Vec<PathBuf> {
    files_below(root).into_iter().filter(|path| path.ends_with("agent.sock")).collect()
}

/// The processes that hold the lock of an agent below a directory, as far as Linux shows it to
/// whoever runs the tests. The tests themselves may hold one, and are none.
pub(crate) fn holders(root: &Path) -> Vec<Pid> {
    let holds = |pid: i32| {
        let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        fds.filter_map(|fd| std::fs::read_link(fd.path()).ok())
            .any(|file| file.starts_with(root) && file.ends_with("agent.lock"))
    };
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != std::process::id().cast_signed() && holds(*pid))
        .filter_map(Pid::from_raw)
        .collect()
}

/// Asks the agent that listens at a socket. `None` if it does not answer.
pub(crate) fn ask(socket: &Path, request: &Request) -> Option<Reply> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(&request.encode()?).ok()?;
    reply(&mut stream)
}

/// Reads one answer. `None` if none comes.
pub(crate) fn reply(stream: &mut UnixStream) -> Option<Reply> {
    let mut header = [0; HEADER];
    stream.read_exact(&mut header).ok()?;
    let header = Header::decode(&header).ok()?;
    let mut payload = vec![0; header.len];
    stream.read_exact(&mut payload).ok()?;
    Reply::decode(header, &payload).ok()
}

/// Ends all agents below a directory, whatever they are doing.
pub(crate) fn end(root: &Path) {
    let sockets = sockets(root);
    if sockets.is_empty() {
        return;
    }
    // One that is stopped would not answer.
    for pid in holders(root) {
        let _gone = rustix::process::kill_process(pid, Signal::KILL);
    }
    for socket in sockets {
        ask(&socket, &Request::Stop);
    }
}

/// What the agent of a world says of itself to somebody who may use nothing.
#[track_caller]
fn status(world: &World) -> serde_json::Value {
    let said = world.mima(&["session", "status", "--json"]).run().ok().quiet().stdout.clone();
    serde_json::from_slice(&said).unwrap()
}

/// The process that is the agent of a world.
#[track_caller]
pub(crate) fn pid(world: &World) -> i32 {
    let status = status(world);
    let pid = status["pid"].as_i64().unwrap_or_else(|| panic!("no agent: {status}"));
    i32::try_from(pid).unwrap()
}

/// How many groups are unlocked in a world, for anybody.
#[track_caller]
pub(crate) fn unlocked(world: &World) -> u64 {
    let status = status(world);
    assert_eq!(status["unlocked"].as_array().map_or(0, Vec::len), 0, "{status}");
    status["elsewhere"].as_u64().unwrap_or_default()
}

/// Stops the agent of a world, or lets it go on.
#[track_caller]
pub(crate) fn signal(pid: i32, signal: Signal) {
    rustix::process::kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}
