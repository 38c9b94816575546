//! Where mima itself is.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::{Context, Result};

/// Returns the path by which a shell is to start mima again. Where `PATH` leads to this very
/// program that is the one: the kernel's own name for it has links followed, and a package
/// manager's versioned directory is gone after the next upgrade.
pub fn own_binary() -> Result<PathBuf> {
    let exact = std::env::current_exe().context("could not find out where mima is")?;
    let inode = |path: &Path| std::fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).ok();
    let own = inode(&exact);
    let is_own = |path: &PathBuf| path.is_absolute() && own.is_some() && inode(path) == own;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join("mima")).find(is_own);
    // Replaced while it runs, as by an upgrade: the name it was started by still leads there.
    let started = std::env::args_os().next().map(PathBuf::from);
    let started = started.filter(|path| path.is_absolute() && own.is_none());
    Ok(found.or(started).unwrap_or(exact))
}
