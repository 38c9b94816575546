//! What is kept of flakes that were evaluated: `flakes/PLACE/KEY` in the data directory.
//!
//! A place is a project and its reference to a flake; a key stands for the files of the flake as
//! they were approved. Below a key are the exported variables, `env.json`, and nix's profile, a
//! link that keeps from garbage collection what the variables lead to. `last` in a place names
//! the key that was loaded last.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::config::flake::Reference;
use crate::env::flake::DevShell;
use crate::error::{Context, Result};
use crate::fs::{self, Lock};
use crate::paths::Paths;
use crate::term;

/// The version of what is kept: another one is evaluated anew.
const FORMAT: &str = "mima-flake-1";
/// What nix may print, and so what is kept, in bytes.
pub(super) const MOST_PRINTED: u64 = 4 << 20;
/// How long a name or the path of a project may be.
const MOST_TEXT: u64 = 16 << 10;

/// What is kept for one place.
pub(super) struct Cache<'a> {
    paths: &'a Paths,
    dir: PathBuf,
    project: &'a Path,
}

impl<'a> Cache<'a> {
    /// Finds the place of a reference in the project in `project`, which has no links in it.
    /// Nothing is read or made.
    pub(super) fn new(paths: &'a Paths, project: &'a Path, reference: &Reference) -> Self {
        let name = digest(&[project.as_os_str().as_bytes(), reference.to_string().as_bytes()]);
        Self { paths, dir: paths.flakes().join(name), project }
    }

    /// Returns what is kept under a key, unless it is no longer there as a whole.
    pub(super) fn get(&self, key: &str) -> Result<Option<DevShell>> {
        let dir = self.dir.join(key);
        // Without it, the garbage collector may have taken what the variables lead to.
        if !profile(&dir).exists() {
            return Ok(None);
        }
        fs::check_owned(&self.paths.flakes())?;
        fs::check_owned(&dir)?;
        let text = fs::read_capped(&dir.join("env.json"), MOST_PRINTED)?;
        // One that cannot be read is not the work of mima, and is made anew.
        Ok(text.and_then(|text| DevShell::parse(&text).ok()))
    }

    /// Returns what was loaded last.
    pub(super) fn last(&self) -> Result<Option<DevShell>> {
        self.last_key()?.map_or(Ok(None), |key| self.get(&key))
    }

    /// Makes room for a key, and returns where nix is to put its profile.
    pub(super) fn prepare(&self, key: &str) -> Result<PathBuf> {
        fs::private_dir(self.paths.data())?;
        fs::private_dir(&self.paths.flakes())?;
        fs::private_dir(&self.dir)?;
        let dir = self.dir.join(key);
        fs::private_dir(&dir)?;
        Ok(profile(&dir))
    }

    /// Keeps what nix has found. The profile is there already; a key counts once it has both.
    pub(super) fn put(&self, key: &str, shell: &DevShell) -> Result<()> {
        let _lock = Lock::acquire(&self.paths.lock())?;
        fs::write_atomic(&self.dir.join(key).join("env.json"), &shell.encode())?;
        fs::write_atomic(&self.dir.join("project"), self.project.as_os_str().as_bytes())
    }

    /// Notes that a key was loaded: what every shell gets while there is nothing better.
    pub(super) fn note(&self, key: &str) -> Result<()> {
        if self.last_key()?.is_some_and(|last| last == key) {
            return Ok(());
        }
        let _lock = Lock::acquire(&self.paths.lock())?;
        fs::write_atomic(&self.dir.join("last"), key.as_bytes())
    }

    fn last_key(&self) -> Result<Option<String>> {
        last_key(&self.dir)
    }
}

/// Names the files of a flake, whose digests these are.
pub(super) fn key(files: &[[u8; 32]]) -> String {
    digest(&files.iter().map(<[u8; 32]>::as_slice).collect::<Vec<_>>())
}

/// Forgets what is kept of projects that are gone, and all but what each of the others has
/// loaded last. Returns how many environments these were.
pub fn prune(paths: &Paths) -> Result<usize> {
    let dir = paths.flakes();
    let mut forgotten = 0;
    if !dir.try_exists().context(format!("could not look at {}", term::path(&dir)))? {
        return Ok(forgotten);
    }
    let _lock = Lock::acquire(&paths.lock())?;
    for place in entries(&dir)? {
        let project = fs::read_capped(&place.join("project"), MOST_TEXT)?;
        let project = project.map(|bytes| PathBuf::from(OsString::from_vec(bytes)));
        // What cannot be looked at may well be there.
        let is_gone = |path: &PathBuf| path.try_exists().is_ok_and(|exists| !exists);
        let keep = last_key(&place)?.filter(|_| project.is_some_and(|path| !is_gone(&path)));
        for path in entries(&place)? {
            let is_kept = keep.as_ref().is_some_and(|keep| path.ends_with(keep));
            if path.is_dir() && is_kept {
                forget_generations(&path)?;
            } else if path.is_dir() {
                remove(&path)?;
                forgotten += 1;
            }
        }
        if keep.is_none() {
            remove(&place)?;
        }
    }
    Ok(forgotten)
}

/// Takes away the older profiles of a key that was evaluated more than once.
fn forget_generations(dir: &Path) -> Result<()> {
    let newest = std::fs::read_link(profile(dir)).unwrap_or_default();
    for path in entries(dir)? {
        let is_link = path.symlink_metadata().is_ok_and(|meta| meta.is_symlink());
        if is_link && path != profile(dir) && path.file_name() != newest.file_name() {
            fs::remove(&path)?;
        }
    }
    Ok(())
}

fn profile(dir: &Path) -> PathBuf {
    dir.join("profile")
}

fn last_key(place: &Path) -> Result<Option<String>> {
    let text = fs::read_capped(&place.join("last"), MOST_TEXT)?;
    let is_key = |text: &String| text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    Ok(text.and_then(|text| String::from_utf8(text).ok()).filter(is_key))
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let list = || std::fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>();
    list().context(format!("could not list {}", term::path(dir)))
}

fn remove(dir: &Path) -> Result<()> {
    std::fs::remove_dir_all(dir).context(format!("could not remove {}", term::path(dir)))
}

/// A name for a list of texts, each with its length, so that no two lists share one.
fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    hash.update(FORMAT);
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize().get(..16).unwrap_or_default())
}
