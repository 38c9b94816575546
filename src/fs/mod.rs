//! Files: bounded reads, atomic writes, private directories, and the one lock.
//!
//! Every write that changes something goes through [`write_atomic`] or [`remove`], under the
//! [`Lock`]. After a crash at any point a file is the old one or the new one. (threats: E1–E5)

mod lock;
mod owner;

pub use lock::Lock;
pub use owner::{Forgery, check_not_forged, check_owned, check_private, is_own, work_for};

use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::error::{Context, Failure, Result};
use crate::term;

/// The mode of every file of its own that mima writes.
const FILE_MODE: u32 = 0o600;
/// The mode of a file that is for others to read.
const PUBLIC_MODE: u32 = 0o644;
/// The mode of every directory mima makes.
const DIR_MODE: u32 = 0o700;
/// What to do when a disk is full or may not be written to.
const UNCHANGED: &str =
    "nothing was changed; make room there, or set MIMA_HOME to a directory that can be written to";

/// Reads a regular file of at most `max` bytes. `Ok(None)` if there is no such file.
///
/// Never blocks on a FIFO or device, and reads nothing of a file that is too large. The
/// buffer is allocated once, so no copies of a secret stay behind.
pub fn read_capped(path: &Path, max: u64) -> Result<Option<Vec<u8>>> {
    Ok(Opened::at(path)?.map(|opened| opened.read(max)).transpose()?.map(|(_, bytes)| bytes))
}

/// A regular file that was opened, once: who owns it, where it is and what it says are told
/// by the one descriptor, whatever happens to its path meanwhile. (threats: A1, A11)
pub struct Opened {
    file: File,
    path: PathBuf,
    /// What fstat(2) says.
    pub meta: Metadata,
}

impl Opened {
    /// Opens a file to read it. `Ok(None)` if there is none.
    pub fn at(path: &Path) -> Result<Option<Self>> {
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
        Ok(Some(Self { file, path: path.to_owned(), meta }))
    }

    /// Returns the path that the file really has, with every link followed.
    pub fn real_path(&self) -> Result<PathBuf> {
        let what = || format!("could not find out where {} really is", term::path(&self.path));
        #[cfg(target_os = "macos")]
        let path = rustix::fs::getpath(&self.file).context(what())?;
        #[cfg(not(target_os = "macos"))]
        let path = {
            use std::os::fd::AsRawFd;
            let link = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            rustix::fs::readlink(link, Vec::new()).context(what())?
        };
        Ok(PathBuf::from(OsString::from_vec(path.into_bytes())))
    }

    /// Reads all of it, if it has at most `max` bytes.
    pub fn read(self, max: u64) -> Result<(Metadata, Vec<u8>)> {
        let bytes = read_bounded(self.file, self.meta.len(), max)
            .context(format!("could not read {}", term::path(&self.path)))?;
        Ok((self.meta, bytes))
    }
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

/// Returns what tells the file or directory that a path leads to from any other.
pub fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).ok()
}

/// Returns a text that is another one after every change to the file at `path`: which file it
/// is, how large, and when its content and its state were changed last. No program can set the
/// last of these.
pub fn stamp(path: &Path) -> Result<String> {
    let meta =
        std::fs::metadata(path).context(format!("could not look at {}", term::path(path)))?;
    let (mtime, ctime) = ((meta.mtime(), meta.mtime_nsec()), (meta.ctime(), meta.ctime_nsec()));
    Ok(format!("{} {} {} {mtime:?} {ctime:?}", meta.dev(), meta.ino(), meta.len()))
}

/// Tells whether an error means that there is nothing at that path.
pub fn is_absent(error: &io::Error) -> bool {
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

/// As [`write_atomic`], for a file that other programs read: its mode is 0644.
pub fn write_atomic_public(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with_mode(path, bytes, PUBLIC_MODE)
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

/// Makes a file that is not mima's own: new, and for others to read if the umask lets them.
pub fn write_new_public(path: &Path, bytes: &[u8]) -> Result<()> {
    let what = || format!("could not write {}", term::path(path));
    let mut file = OpenOptions::new();
    let mut file = file.write(true).create_new(true).mode(PUBLIC_MODE).open(path).context(what())?;
    file.write_all(bytes).and_then(|()| file.sync_all()).context(what())
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
    owner::take_in_hand(&file, mode)?;
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
    let mut temporary = OsString::from(".tmp-mima");
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
                owner::give(dir).context(what())?;
                sync_parent(dir).context(what())?;
            }
        }
    }
    check_owned(path)
}
