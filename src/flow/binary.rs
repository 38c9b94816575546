//! Where mima itself is.

use std::path::PathBuf;

use crate::error::{Context, Result};
use crate::fs::identity;

/// Returns the path by which a shell is to start mima from now on: where `PATH` leads to this
/// very program. The kernel's own name for it has links followed, and a package manager's
/// versioned directory is gone after the next upgrade.
pub fn own_binary() -> Result<PathBuf> {
    let exact = std::env::current_exe().context("could not find out where mima is")?;
    let own = identity(&exact);
    let is_own = |path: &PathBuf| path.is_absolute() && own.is_some() && identity(path) == own;
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::split_paths(&path).map(|dir| dir.join("mima")).find(is_own).unwrap_or(exact))
}

/// Returns the path by which a shell has started mima, if that is absolute, as in the hook. A
/// project can put a directory on `PATH`; what it leads to later must not become the program
/// that is asked for secrets.
pub fn started_binary() -> Result<PathBuf> {
    let own = std::env::current_exe().ok().as_deref().and_then(identity);
    let started = std::env::args_os().next().map(PathBuf::from);
    // Where it was replaced while it runs, that name leads to what took its place.
    let is_own = |path: &PathBuf| path.is_absolute() && (own.is_none() || identity(path) == own);
    started.filter(is_own).map_or_else(own_binary, Ok)
}
