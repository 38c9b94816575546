//! The files of /proc and /sys, which are no files: short, and never in the way.

use std::fs::File;
use std::io::{self, Read};

/// Longer than any of the files that are read here.
const LONGEST: u64 = 16 << 10;

/// Reads the file at `path`.
///
/// # Errors
/// The kernel's: of a process that is gone, `NotFound`, or `ESRCH` if it goes in between.
pub(super) fn read(path: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}
