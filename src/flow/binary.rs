//! Where mima itself is.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::{Context, Result};

/// Returns the path by which a shell is to start mima again: the one it was started by, if that
/// is absolute, as the hook's is; else where `PATH` leads to this very program. The kernel's own
/// name for it has links followed, and a package manager's versioned directory is gone after the
/// next upgrade.
pub fn own_binary() -> Result<PathBuf> {
    let exact = std::env::current_exe().context("could not find out where mima is")?;
    let inode = |path: &Path| std::fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).ok();
    let own = inode(&exact);
    let started = std::env::args_os().next().map(PathBuf::from);
    // Where it was replaced while it runs, that name leads to what took its place.
    let is_started = |path: &PathBuf| path.is_absolute() && (own.is_none() || inode(path) == own);
    if let Some(started) = started.filter(is_started) {
        return Ok(started);
    }
    let is_own = |path: &PathBuf| path.is_absolute() && own.is_some() && inode(path) == own;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join("mima")).find(is_own);
    Ok(found.unwrap_or(exact))
}
