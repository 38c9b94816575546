//! Where a value that is to be stored comes from.

use std::ffi::OsStr;
use std::io::{self, IsTerminal};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Context, Failure, Kind, Result};
use crate::prompt::{Prompter, Reason};
use crate::secret::Secret;
use crate::store::LARGEST_VALUE;
use crate::{fs, sys, term};

/// Where the value comes from.
pub enum Source<'a> {
    /// The command line.
    Inline(&'a OsStr),
    /// A file.
    File(&'a Path),
    /// The terminal if standard input is one, else standard input.
    Input,
}

/// Reads a value. From a file or pipe it is the bytes less one trailing newline, or all of
/// them if `raw`. A NUL is refused: no environment can hold one. (threats: B8, J5)
pub fn read_value(
    source: &Source<'_>,
    raw: bool,
    prompter: &Prompter,
    reason: &Reason,
    label: &str,
) -> Result<Secret> {
    let mut bytes = match source {
        Source::Inline(value) => return checked(value.as_bytes().to_vec()),
        Source::File(path) => fs::read_capped(path, LARGEST_VALUE)?.ok_or_else(|| {
            Failure::new(Kind::NotFound, format!("there is no file {}", term::path(path)))
        })?,
        Source::Input if sys::startup::was_closed(0) => {
            return Err(Failure::failed("standard input is closed, so there is no value to read"));
        }
        Source::Input if io::stdin().is_terminal() => {
            let secret = prompter.value(reason, label)?;
            check(secret.expose())?;
            return Ok(secret);
        }
        // Not `std::io::stdin`: it buffers, and the value would stay behind in its buffer.
        Source::Input => fs::read_bounded(stdin()?, LARGEST_VALUE, LARGEST_VALUE)
            .context("could not read the value from standard input")?,
    };
    if !raw && bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    // A command that failed prints nothing, and that must not replace a good value.
    if !raw && bytes.is_empty() {
        return Err(Failure::new(Kind::Refused, "the value is empty")
            .hint("to store an empty value, add --raw"));
    }
    checked(bytes)
}

fn stdin() -> Result<std::fs::File> {
    use std::os::fd::AsFd;
    let fd = io::stdin().as_fd().try_clone_to_owned().context("could not read standard input")?;
    Ok(std::fs::File::from(fd))
}

fn checked(bytes: Vec<u8>) -> Result<Secret> {
    let secret = Secret::new(bytes);
    check(secret.expose())?;
    Ok(secret)
}

fn check(bytes: &[u8]) -> Result<()> {
    match bytes.iter().position(|byte| *byte == 0) {
        Some(offset) => Err(Failure::failed(format!(
            "the value holds a NUL byte, at offset {offset}; no environment can hold one"
        ))
        .hint("encode it first, for example with base64")),
        None => Ok(()),
    }
}
