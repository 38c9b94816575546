//! A session agent that a test has started by hand, and clients that speak to it byte by byte.
//!
//! The agent does not care whether a client is mima: what it goes by is the process, here that
//! of the tests. So a test can be an honest client, a slow one or none at all.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use mima::names::{GroupName, VarName};
use mima::session::wire::{Digest, Put, READY, Reply, Request, Status, Wanted, Whose};

use super::agents::{ask, reply};
use super::command::Cmd;
use super::world::World;

/// How long to wait for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// An agent that runs until this is dropped.
pub(crate) struct Serve {
    child: Child,
    /// Where it listens.
    pub(crate) socket: PathBuf,
}

impl Serve {
    /// Starts `mima session serve` in a world, and waits until it answers.
    #[track_caller]
    pub(crate) fn start(world: &World) -> Self {
        Self::of(&world.mima(&["session", "serve"]), &world.socket())
    }

    /// Starts an agent in another way; it is to listen at `socket`.
    #[track_caller]
    pub(crate) fn of(command: &Cmd, socket: &Path) -> Self {
        let this = Self { child: command.spawn(), socket: socket.to_owned() };
        within(PATIENCE, "the agent answers", || this.status());
        this
    }

    /// The same where it does not answer to whoever runs the tests.
    #[track_caller]
    pub(crate) fn of_other(command: &Cmd, socket: &Path) -> Self {
        let this = Self { child: command.spawn(), socket: socket.to_owned() };
        within(PATIENCE, "the agent listens", || UnixStream::connect(socket).ok());
        this
    }

    /// Its process.
    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Its state, as it tells a stranger.
    pub(crate) fn status(&self) -> Option<Status> {
        match ask(&self.socket, &Request::Status)? {
            Reply::Status(status) => Some(status),
            other => panic!("no status: {other:?}"),
        }
    }

    /// How many bytes of memory it has.
    pub(crate) fn memory(&self) -> u64 {
        field(self.pid(), "VmRSS:") * 1024
    }

    /// How many descriptors it has.
    pub(crate) fn files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// Connects, with a time-out that no honest answer takes.
    #[track_caller]
    pub(crate) fn connect(&self) -> UnixStream {
        connect(&self.socket)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.pid()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end, and returns its status.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> std::process::ExitStatus {
        within(PATIENCE, "the agent ends", || self.child.try_wait().unwrap())
    }

    /// Tells whether it runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// Reads a number of `/proc/PID/status`.
pub(crate) fn field(pid: i32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Connects to a socket; waits where too many others wait already.
#[track_caller]
pub(crate) fn connect(socket: &Path) -> UnixStream {
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Waits until there is something.
#[track_caller]
pub(crate) fn within<T>(time: Duration, what: &str, mut get: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(got) = get() {
            return got;
        }
        assert!(start.elapsed() < time, "not within {time:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A group as a client knows it.
pub(crate) fn wanted(group: &str, source: u8) -> Wanted {
    let state: Digest = [1; 16];
    Wanted { group: GroupName::parse(group).unwrap(), source: [source; 16], state }
}

/// The request to keep values of such lengths for this process and what it starts.
pub(crate) fn put_request(wanted: &Wanted, lengths: &[usize]) -> Put {
    let var = |(at, len): (usize, &usize)| {
        (VarName::parse(&format!("V{at}")).unwrap(), u32::try_from(*len).unwrap())
    };
    Put {
        whose: Whose::Tree,
        idle: Duration::from_secs(600),
        max: Duration::from_secs(600),
        wanted: wanted.clone(),
        vars: lengths.iter().enumerate().map(var).collect(),
    }
}

/// Leaves one value with an agent, for this process.
#[track_caller]
pub(crate) fn put(socket: &Path, wanted: &Wanted, value: &[u8]) {
    let mut stream = connect(socket);
    let request = Request::Put(put_request(wanted, &[value.len()]));
    stream.write_all(&request.encode().unwrap()).unwrap();
    assert_eq!(reply(&mut stream), Some(Reply::Send));
    stream.write_all(value).unwrap();
    assert_eq!(reply(&mut stream), Some(Reply::Done(1)));
}

/// Asks for one group, and returns all bytes of its values; `None` if they are not to be had.
/// An agent that breaks off is an error.
pub(crate) fn get(socket: &Path, wanted: &Wanted) -> std::io::Result<Option<Vec<u8>>> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    get_over(stream, wanted)
}

/// The same over a connection that is there already.
pub(crate) fn get_over(
    mut stream: UnixStream,
    wanted: &Wanted,
) -> std::io::Result<Option<Vec<u8>>> {
    let request = Request::Get { wanted: vec![wanted.clone()], within: Whose::Shell, is_use: true };
    stream.write_all(&request.encode().unwrap())?;
    match reply(&mut stream) {
        Some(Reply::Found(groups)) => {
            stream.write_all(&[READY])?;
            let lengths = groups.iter().flat_map(|(_, vars)| vars).map(|(_, len)| *len);
            let mut values = vec![0; usize::try_from(lengths.sum::<u32>()).unwrap()];
            stream.read_exact(&mut values)?;
            Ok(Some(values))
        }
        Some(Reply::Miss) => Ok(None),
        other => Err(std::io::Error::other(format!("{other:?}"))),
    }
}

/// Tells whether the other end has closed, or does within `time`, without a byte.
pub(crate) fn is_closed_within(stream: &mut UnixStream, time: Duration) -> bool {
    stream.set_read_timeout(Some(time)).unwrap();
    match stream.read(&mut [0; 16]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}
