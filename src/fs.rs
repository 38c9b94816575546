//! Files: bounded reads, atomic writes, private directories, and the one lock.
//!
//! Every write that changes something goes through [`write_atomic`] or [`remove`], under the
//! [`Lock`]. After a crash at any point a file is the old one or the new one. (threats: E1–E5)

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use rustix::fs::OFlags;

use crate::error::{Context, Failure, Result};
use crate::term;

/// The mode of every file mima writes.
const FILE_MODE: u32 = 0o600;
/// The mode of every directory mima makes.
const DIR_MODE: u32 = 0o700;
/// What to do when a disk is full or may not be written to.
const UNCHANGED: &str =
    "nothing was changed; make room there, or set MIMA_HOME to a directory that can be written to";
/// How long to wait for another mima before giving up.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// Whose files root works with, under `--as-root`: they pass for its own, and what it makes
/// becomes theirs. Unset, everybody works with their own files only. (threat D7)
static OWNER: OnceLock<u32> = OnceLock::new();

/// Lets root work with the files of `uid`.
pub fn work_for(uid: u32) {
    // Called once, by whoever reads the command line.
    OWNER.set(uid).ok();
}

/// Tells whether files of `uid` are the user's own.
fn is_own(uid: u32) -> bool {
    uid == rustix::process::geteuid().as_raw() || OWNER.get() == Some(&uid)
}

/// Makes `file`, which was just created, private, and its owner's.
fn take_in_hand(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    if let Some(owner) = OWNER.get() {
        std::os::unix::fs::fchown(file, Some(*owner), None)?;
    }
    Ok(())
}

/// Reads a regular file of at most `max` bytes. `Ok(None)` if there is no such file.
///
/// Never blocks on a FIFO or device, and reads nothing of a file that is too large. The
/// buffer is allocated once, so no copies of a secret stay behind.
pub fn read_capped(path: &Path, max: u64) -> Result<Option<Vec<u8>>> {
    let what = || format!("could not read {}", term::path(path));
    let file = match open_for_reading(path) {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(error).context(what()),
    };
    let meta = file.metadata().context(what())?;
    if !meta.is_file() {
        return Err(Failure::failed(format!("{}: it is no regular file", what())));
    }
    read_bounded(file, meta.len(), max).context(what()).map(Some)
}

/// Reads a stream to its end, at most `max` bytes; `expected` is how many there probably are.
pub fn read_bounded(source: impl Read, expected: u64, max: u64) -> io::Result<Vec<u8>> {
    let too_large = || io::Error::other(format!("it is larger than {max} bytes"));
    if expected > max {
        return Err(too_large());
    }
    let capacity = usize::try_from(expected.saturating_add(1)).map_err(io::Error::other)?;
    let mut bytes = Vec::with_capacity(capacity);
    source.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > max) {
        return Err(too_large());
    }
    Ok(bytes)
}

fn open_for_reading(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

/// Tells whether an error means that there is nothing at that path.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Writes `bytes` to `path` so that a crash leaves the old file or the new one: a temporary
/// file in the same directory, fsync, rename, fsync of the directory. The mode is 0600.
///
/// The caller holds the [`Lock`]: the temporary name is fixed, so that what a crash left
/// behind is swept up by the next write.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with_mode(path, bytes, FILE_MODE)
}

/// As [`write_atomic`], for a file that is not mima's own: its mode stays as it is.
pub fn write_atomic_keeping_mode(path: &Path, bytes: &[u8]) -> Result<()> {
    let meta =
        std::fs::metadata(path).context(format!("could not look at {}", term::path(path)))?;
    write_with_mode(path, bytes, meta.mode() & 0o777)
}

fn write_with_mode(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let what = || format!("could not write {}", term::path(path));
    let temporary = temporary_for(path).context(what())?;
    let written =
        write_new(&temporary, bytes, mode).and_then(|()| std::fs::rename(&temporary, path));
    if let Err(error) = written {
        // The first error is the one to report; the next write sweeps up again.
        drop(std::fs::remove_file(&temporary));
        return Err(error).context(what()).map_err(|failure| failure.hint(UNCHANGED));
    }
    sync_parent(path).context(what())
}

/// Removes the file at `path` for good: unlink, fsync of the directory.
pub fn remove(path: &Path) -> Result<()> {
    std::fs::remove_file(path)
        .and_then(|()| sync_parent(path))
        .context(format!("could not remove {}", term::path(path)))
}

/// Writes a new file at exactly `path`, mode 0600 whatever the umask, and syncs it.
pub fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_new(path, bytes, FILE_MODE)
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?;
    take_in_hand(&file, mode)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes the last rename, creation or removal in `path`'s directory durable.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    File::open(parent(path)?)?.sync_all()
}

fn parent(path: &Path) -> io::Result<&Path> {
    path.parent().ok_or_else(|| io::Error::other("it has no parent directory"))
}

fn temporary_for(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::other("it has no file name"))?;
    // One name per directory of mima's own; beside the user file, one that tells its owner.
    let mut temporary = std::ffi::OsString::from(".tmp-mima");
    if Path::new(name).extension().is_some_and(|extension| extension == "yaml") {
        temporary.push(name);
    }
    Ok(parent(path)?.join(temporary))
}

/// Makes `path` a directory of mima's own, mode 0700, with its parents; or checks that the
/// one that is there belongs to the user and that nobody else can write to it. (threat D6)
pub fn private_dir(path: &Path) -> Result<()> {
    let what = || format!("could not make {}", term::path(path));
    let mut missing = Vec::new();
    let mut next = Some(path);
    while let Some(dir) = next {
        match std::fs::metadata(dir) {
            Ok(meta) if meta.is_dir() => break,
            Ok(_) => {
                return Err(Failure::failed(format!(
                    "{}: {} is no directory",
                    what(),
                    term::path(dir)
                )));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(dir),
            Err(error) => return Err(error).context(what()),
        }
        next = dir.parent();
    }
    for dir in missing.into_iter().rev() {
        match std::fs::DirBuilder::new().mode(DIR_MODE).create(dir) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => {
                made.context(what()).map_err(|failure| failure.hint(UNCHANGED))?;
                // mkdir is subject to the umask; 0777 would lock mima out.
                std::fs::set_permissions(dir, std::fs::Permissions::from_mode(DIR_MODE))
                    .context(what())?;
                if let Some(owner) = OWNER.get() {
                    std::os::unix::fs::chown(dir, Some(*owner), None).context(what())?;
                }
                sync_parent(dir).context(what())?;
            }
        }
    }
    check_owned(path)
}

/// Refuses a file or directory that another user owns or could write to.
pub fn check_owned(path: &Path) -> Result<()> {
    let meta =
        std::fs::metadata(path).context(format!("could not look at {}", term::path(path)))?;
    if !is_own(meta.uid()) {
        return Err(Failure::failed(format!(
            "{} belongs to another user (uid {})",
            term::path(path),
            meta.uid()
        ))
        .hint("set MIMA_HOME to a directory of your own"));
    }
    if meta.mode() & 0o022 != 0 {
        return Err(Failure::failed(format!("others can write to {}", term::path(path)))
            .hint(format!("chmod go-w {}", term::path(path))));
    }
    Ok(())
}

/// Refuses a file of the user's that somebody else could have written: one that belongs to
/// neither the user nor root, or that others may write to. The user's own group may. (threat A6)
pub fn check_not_forged(path: &Path) -> Result<()> {
    let meta =
        std::fs::metadata(path).context(format!("could not look at {}", term::path(path)))?;
    if !is_own(meta.uid()) && meta.uid() != 0 {
        return Err(Failure::failed(format!(
            "refusing to use {}: it belongs to another user (uid {})",
            term::path(path),
            meta.uid()
        ))
        .hint(format!("look at what it says, then: chown \"$USER\" {}", term::path(path))));
    }
    // A group of the user's own has their number. On macOS everybody's group is `staff`.
    let private_group = meta.gid() == meta.uid() && !cfg!(target_os = "macos");
    let writers = if private_group { 0o002 } else { 0o022 };
    if meta.mode() & writers != 0 {
        return Err(Failure::failed(format!(
            "refusing to use {}: others can write to it",
            term::path(path)
        ))
        .hint(format!("chmod go-w {}", term::path(path))));
    }
    Ok(())
}

/// The one lock: whoever changes anything under the data directory, or the user file, holds
/// it meanwhile. Never held across a prompt. The kernel releases it when mima ends.
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, waiting at most five seconds for another mima. (threat E5)
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
        take_in_hand(&file, FILE_MODE).context(what())?;
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
    if let Ok(locked) = waiting.recv_timeout(LOCK_WAIT) {
        return locked.context(format!("could not lock {}", term::path(path)));
    }
    let mut pid = [0; 10];
    let read = holder.read_at(&mut pid, 0).unwrap_or(0);
    let pid = String::from_utf8_lossy(pid.get(..read).unwrap_or_default()).trim().to_owned();
    Err(Failure::failed(format!(
        "another mima (process {pid}) has held {} for 5 seconds",
        term::path(path)
    ))
    .hint(format!("if it hangs: kill {pid}")))
}
