//! Where the agent is found, and making sure that it is the user's own.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::{Errno, FdFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};

use crate::error::{Context, Failure, Result};
use crate::paths::Paths;
use crate::{fs, sys, term};

/// How long the agent may take, in all.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// How long to wait where more clients wait already than the kernel keeps in line.
const QUEUED: Duration = Duration::from_millis(2);

/// The directory of the agent's socket and of its lock.
#[derive(Clone, Debug)]
pub struct Place {
    dir: PathBuf,
}

impl Place {
    /// Finds it among `paths`. Nothing is created.
    pub fn of(paths: &Paths) -> Self {
        Self { dir: paths.runtime() }
    }

    /// Finds all places where an agent may be, that one first.
    pub fn all(paths: &Paths) -> Vec<Self> {
        paths.runtimes().into_iter().map(|dir| Self { dir }).collect()
    }

    /// Returns the one that a socket was made in.
    pub(super) fn of_listener(listener: &UnixListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let dir = address.as_pathname().and_then(Path::parent);
        let dir = dir.ok_or_else(|| io::Error::other("the socket has no place"))?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// The socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.join("agent.sock")
    }

    /// The lock that whoever is the agent holds, or becomes it.
    pub fn lock(&self) -> PathBuf {
        self.dir.join("agent.lock")
    }

    /// The directory itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Connects to the agent. `None` if there is none. Not a byte is sent before it is sure that
    /// nobody else can have put a socket there. (threats: G1, G3)
    pub fn connect(&self) -> Result<Option<UnixStream>> {
        if !self.is_private()? {
            return Ok(None);
        }
        let what = || format!("could not connect to the agent at {}", term::path(&self.socket()));
        let Some(stream) = self.dial()? else { return Ok(None) };
        stream.set_nonblocking(false).context(what())?;
        let user = sys::peer::peer_user(&stream).context(what())?;
        if user != rustix::process::geteuid().as_raw() {
            return Err(Failure::failed(format!(
                "{}: another user (uid {user}) listens there",
                what()
            )));
        }
        Ok(Some(stream))
    }

    fn dial(&self) -> Result<Option<UnixStream>> {
        let what = || format!("could not connect to the agent at {}", term::path(&self.socket()));
        let address = SocketAddrUnix::new(self.socket()).context(what())?;
        let socket = match new_socket() {
            Err(Errno::PERM | Errno::ACCESS) => return Err(sandboxed()),
            socket => socket.context(what())?,
        };
        let start = Instant::now();
        loop {
            match connect(&socket, &address) {
                Ok(()) => return Ok(Some(socket.into())),
                Err(Errno::NOENT | Errno::NOTDIR | Errno::CONNREFUSED) => return Ok(None),
                // The line is full. (threat G9)
                Err(Errno::AGAIN | Errno::INTR) if start.elapsed() < PATIENCE => {
                    std::thread::sleep(QUEUED);
                }
                Err(error) => return Err(error).context(what()),
            }
        }
    }

    /// Tells whether the directory is there; it must be the user's own, and nobody else's.
    fn is_private(&self) -> Result<bool> {
        let what = || format!("could not look at {}", term::path(&self.dir));
        let meta = match std::fs::symlink_metadata(&self.dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            meta => meta.context(what())?,
        };
        if !meta.is_dir() {
            return Err(Failure::failed(format!(
                "{} is no directory, so there is no session agent",
                term::path(&self.dir)
            ))
            .hint(format!("rm {}", term::word(&self.dir))));
        }
        fs::check_private(&self.dir).map(|()| true)
    }
}

/// What it means that no local socket can be made at all.
pub(super) fn sandboxed() -> Failure {
    Failure::failed("a sandbox keeps this process from the session agent")
        .hint("start what runs in the sandbox with the group: mima run GROUP -- CMD")
}

/// Makes a socket that waits for nothing, and that no child inherits.
fn new_socket() -> rustix::io::Result<OwnedFd> {
    // macOS has no flags for these.
    let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    Ok(socket)
}
