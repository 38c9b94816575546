//! Values that 1Password has, read through its own program.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::error::{Context, Failure, Kind, Result};
use crate::flow::find_on_path;
use crate::fs;
use crate::secret::Secret;
use crate::store::LARGEST_VALUE;
use crate::sys::signals::Children;

/// How the values start that stand for others.
pub(super) const SCHEME: &str = "op://";

/// The `op` that is on PATH. What PATH names by the working directory does not count.
pub fn program() -> Option<PathBuf> {
    find_on_path("op")
}

/// Reads what a reference stands for. `op` asks by itself. A reference is no option of it: it
/// begins with the scheme.
pub(super) fn read(reference: &str) -> Result<Secret> {
    let what = || "could not run op";
    let program = program().ok_or_else(|| {
        Failure::new(Kind::NoCommand, "there is no op on PATH").hint("install 1Password's op")
    })?;
    let _children = Children::keep();
    let mut child = Command::new(program)
        .args(["read", reference])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context(what())?;
    // One that prints too much gets a closed pipe.
    let read = match child.stdout.take() {
        Some(out) => fs::read_bounded(out, LARGEST_VALUE, LARGEST_VALUE),
        None => Ok(Vec::new()),
    };
    let status = child.wait().context(what())?;
    let mut value = read.context("could not read what op prints")?;
    if !status.success() {
        drop(Secret::new(value));
        return Err(
            Failure::new(Kind::Refused, format!("op has failed ({status})")).hint("op signin")
        );
    }
    if value.last() == Some(&b'\n') {
        value.pop();
    }
    if value.is_empty() || value.contains(&0) {
        drop(Secret::new(value));
        return Err(Failure::failed("what op printed is no value of a variable"));
    }
    Ok(Secret::new(value))
}
