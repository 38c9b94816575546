//! Whose a file is, and who else could have written it.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::OnceLock;

use crate::error::{Context, Failure, Result};
use crate::term;

/// Whose files root works with, under `--as-root`: they pass for its own, and what it makes
/// becomes theirs. Unset, everybody works with their own files only. (threat D7)
static OWNER: OnceLock<u32> = OnceLock::new();

/// Lets root work with the files of `uid`.
pub fn work_for(uid: u32) {
    // Called once, by whoever reads the command line.
    OWNER.set(uid).ok();
}

/// Tells whether files of `uid` are the user's own.
pub fn is_own(uid: u32) -> bool {
    uid == rustix::process::geteuid().as_raw() || OWNER.get() == Some(&uid)
}

/// Makes `file`, which was just created, private, and its owner's.
pub(super) fn take_in_hand(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    if let Some(owner) = OWNER.get() {
        std::os::unix::fs::fchown(file, Some(*owner), None)?;
    }
    Ok(())
}

/// Makes a directory, which was just created, its owner's.
pub(super) fn give(dir: &Path) -> io::Result<()> {
    match OWNER.get() {
        Some(owner) => std::os::unix::fs::chown(dir, Some(*owner), None),
        None => Ok(()),
    }
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
            .hint(format!("chmod go-w {}", term::word(path))));
    }
    Ok(())
}

/// Refuses a directory that is not the user's alone: one that came with a repository is open to
/// others, and what it says would count. (threat A9)
pub fn check_private(dir: &Path) -> Result<()> {
    check_owned(dir)?;
    let meta = std::fs::metadata(dir).context(format!("could not look at {}", term::path(dir)))?;
    if meta.mode() & 0o077 != 0 {
        return Err(Failure::failed(format!("{} is open to others", term::path(dir)))
            .hint(format!("if it is yours: chmod 700 {}", term::word(dir))));
    }
    Ok(())
}

/// Why a file or directory may not be the word of the user who has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgery {
    /// It belongs to this user: neither the one who asks, nor root.
    Foreign(u32),
    /// Others may write to it.
    Writable,
}

impl Forgery {
    /// Judges what has this metadata. The user's own group may write. In a directory with
    /// the sticky bit nobody else can replace what is the user's. (threats: A5, A6)
    pub fn of(meta: &Metadata) -> Option<Self> {
        if !is_own(meta.uid()) && meta.uid() != 0 {
            return Some(Self::Foreign(meta.uid()));
        }
        // A group of the user's own has their number. On macOS everybody's group is `staff`.
        let private_group = meta.gid() == meta.uid() && !cfg!(target_os = "macos");
        let writers = if private_group { 0o002 } else { 0o022 };
        (meta.mode() & writers != 0).then_some(Self::Writable)
    }

    /// Says it of the file or directory at `path`, and what to do.
    pub fn describe(self, path: &Path) -> Failure {
        let (path, word) = (term::path(path), term::word(path));
        match self {
            Self::Foreign(uid) => Failure::failed(format!(
                "refusing to use {path}: it belongs to another user (uid {uid})"
            ))
            .hint(format!("look at what it says, then: chown \"$USER\" {word}")),
            Self::Writable => {
                Failure::failed(format!("refusing to use {path}: others can write to it"))
                    .hint(format!("chmod go-w {word}"))
            }
        }
    }
}

/// Refuses a file of the user's that somebody else could have written. (threat A6)
pub fn check_not_forged(path: &Path) -> Result<()> {
    let meta =
        std::fs::metadata(path).context(format!("could not look at {}", term::path(path)))?;
    Forgery::of(&meta).map_or(Ok(()), |forgery| Err(forgery.describe(path)))
}
