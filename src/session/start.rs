//! Starting the agent, exactly one, however many clients want it at once.
//!
//! Whoever holds the lock is the agent, or about to start it. The lock belongs to an open file,
//! which the client hands over to the agent together with the socket: so it is held without a
//! gap, and the kernel lets go of it when the agent ends in whatever way. (threats: G4, G5)

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;

use super::socket::{Place, sandboxed};
use crate::error::{Context, Result};
use crate::{fs, sys, term};

/// The arguments of the agent that a client starts, which nobody types: its socket is standard
/// input, and the lock standard output.
pub const INHERITED: [&str; 3] = ["session", "serve", "--inherited"];

/// What whoever becomes the agent holds.
pub(super) struct Held {
    /// Where clients arrive.
    pub(super) listener: UnixListener,
    /// What nobody else can lock meanwhile.
    pub(super) lock: File,
}

/// Takes the place of the agent. `None` if somebody else has it, or is just taking it.
pub(super) fn take(place: &Place) -> Result<Option<Held>> {
    fs::private_dir(place.dir())?;
    fs::check_private(place.dir())?;
    let Some(lock) = lock(&place.lock())? else { return Ok(None) };
    let what = || format!("could not make the agent's socket in {}", term::path(place.dir()));
    // Under another name first: where a socket is found, somebody listens.
    let fresh = place.dir().join("agent.new");
    for stale in [&fresh, &place.socket()] {
        match std::fs::remove_file(stale) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).context(what()),
            _ => {}
        }
    }
    let listener = match UnixListener::bind(&fresh) {
        // Not of the directory, which is the user's own and was just written to.
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => return Err(sandboxed()),
        listener => listener.context(what())?,
    };
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600)).context(what())?;
    std::fs::rename(&fresh, place.socket()).context(what())?;
    Ok(Some(Held { listener, lock }))
}

/// Starts mima as the agent, unless there is one.
pub(super) fn start(place: &Place) -> Result<()> {
    let Some(Held { listener, lock }) = take(place)? else { return Ok(()) };
    let what = "could not start mima as the session agent";
    let program = sys::process::own_program().context(what)?;
    let args = ["mima"].iter().chain(&INHERITED).map(std::ffi::OsStr::new).collect::<Vec<_>>();
    sys::detach::spawn(&program, &args, listener.into(), lock.into()).context(what)
}

/// Locks the file at `path`, which may be new. `None` if somebody has it locked.
fn lock(path: &Path) -> Result<Option<File>> {
    let what = || format!("could not lock {}", term::path(path));
    loop {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path).context(what())?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error).context(what()),
        }
        // Somebody may have taken the file away in between, and another one made a new one.
        let held = file.metadata().context(what())?;
        if fs::identity(path) == Some((held.dev(), held.ino())) {
            return Ok(Some(file));
        }
    }
}
