//! The one lock.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use super::{FILE_MODE, owner};
use crate::error::{Context, Failure, Result};
use crate::term;

/// How long to wait for another mima before giving up.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// The one lock: whoever changes anything under the data directory, or the user file, holds
/// it meanwhile. Never held across a prompt. The kernel releases it when mima ends.
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, waiting at most five seconds for any one other mima. (threat E5)
    pub fn acquire(path: &Path) -> Result<Self> {
        let what = || format!("could not lock {}", term::path(path));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(path)
            .context(what())?;
        // Under a umask of 0777 nobody could open it again.
        owner::take_in_hand(&file, FILE_MODE).context(what())?;
        let file = match file.try_lock() {
            Ok(()) => file,
            Err(std::fs::TryLockError::WouldBlock) => wait_for(file, path)?,
            Err(std::fs::TryLockError::Error(error)) => return Err(error).context(what()),
        };
        // Only for the message to whoever waits in vain. A full disk must not matter here.
        drop(file.write_all_at(format!("{:<10}\n", std::process::id()).as_bytes(), 0));
        Ok(Self { _file: file })
    }
}

/// Waits in a thread, because the kernel hands a lock on in order and polling does not.
fn wait_for(file: File, path: &Path) -> Result<File> {
    let holder = file.try_clone().context("could not wait for the lock")?;
    let (done, waiting) = mpsc::channel();
    std::thread::spawn(move || {
        let locked = file.lock().map(|()| file);
        // Nobody listens any more once the five seconds are over.
        drop(done.send(locked));
    });
    // Whoever takes it writes to it, another thread of the same process too.
    let taken = || holder.metadata().and_then(|meta| meta.modified()).ok();
    let mut last = taken();
    loop {
        if let Ok(locked) = waiting.recv_timeout(LOCK_WAIT) {
            return locked.context(format!("could not lock {}", term::path(path)));
        }
        // Where it goes from hand to hand, nobody hangs: there are only many.
        let now = taken();
        if now == last {
            break;
        }
        last = now;
    }
    let pid = holder_pid(&holder);
    Err(Failure::failed(format!(
        "another mima (process {pid}) has held {} for 5 seconds",
        term::path(path)
    ))
    .hint(format!("if it hangs: kill {pid}")))
}

/// Reads who holds the lock, as the last one to take it has written.
fn holder_pid(lock: &File) -> String {
    let mut pid = [0; 10];
    let read = lock.read_at(&mut pid, 0).unwrap_or(0);
    String::from_utf8_lossy(pid.get(..read).unwrap_or_default()).trim().to_owned()
}
