//! Approvals that end with a shell: which shells may load a file, and as what it says.
//!
//! One file for each place, one line for each shell. A shell is told from every other process by
//! what the kernel says of it, so that neither a later one of the same number nor another program
//! in the same process passes for it. (threat A18)

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::record::{bytes_of, path_of};
use crate::sys::boot;
use crate::sys::processes;

/// The first line: what this is, and which version of it.
const MAGIC: &str = "mima-shells-1";

/// A shell, as the kernel tells it from every other process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shell {
    /// Its number.
    pub pid: i32,
    /// When it was started, to be compared only.
    pub start: u64,
    /// What tells it from all that has had, or will have, the same two: a digest.
    pub mark: [u8; 32],
}

/// The shells that may load what is at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shells {
    pub location: PathBuf,
    pub entries: Vec<Entry>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub shell: Shell,
    /// Since when the machine runs.
    pub boot: String,
    /// [`super::record::digest`] of what was approved.
    pub digest: [u8; 32],
}

impl Entry {
    /// Tells whether the shell has ended.
    pub(super) fn has_ended(&self) -> bool {
        let is_there = |shell: &Shell| {
            processes::look_up(shell.pid).is_some_and(|process| process.start == shell.start)
        };
        boot::id().as_ref() != Some(&self.boot) || !is_there(&self.shell)
    }
}

impl Shells {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut text = format!("{MAGIC}\n{}\n", hex::encode(bytes_of(&self.location)));
        for Entry { shell: Shell { pid, start, mark }, boot, digest } in &self.entries {
            let (mark, digest) = (hex::encode(mark), hex::encode(digest));
            // Writing to a string cannot fail.
            writeln!(text, "{pid} {start} {boot} {mark} {digest}").ok();
        }
        text.into_bytes()
    }

    /// `None` unless every part is as [`Shells::encode`] wrote it.
    pub(super) fn decode(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?.strip_suffix('\n')?;
        let mut lines = text.split('\n');
        if lines.next()? != MAGIC {
            return None;
        }
        let location = path_of(lines.next()?.as_bytes())?;
        let entries = lines.map(entry).collect::<Option<_>>()?;
        Some(Self { location, entries })
    }

    /// Tells whether it is for this place.
    pub(super) fn is_for(&self, location: &Path) -> bool {
        self.location == location
    }
}

fn entry(line: &str) -> Option<Entry> {
    let [pid, start, boot, mark, digest] = line.split(' ').collect::<Vec<_>>().try_into().ok()?;
    let digest_of = |text: &str| hex::decode(text).ok()?.try_into().ok();
    let shell =
        Shell { pid: pid.parse().ok()?, start: start.parse().ok()?, mark: digest_of(mark)? };
    Some(Entry { shell, boot: boot.to_owned(), digest: digest_of(digest)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_a18_what_is_written_comes_back_and_nothing_else_is_read() {
        let shell = Shell { pid: 7, start: 9, mark: [1; 32] };
        let entry = Entry { shell, boot: "b-1".to_owned(), digest: [2; 32] };
        let location = PathBuf::from("/home/a b\n/.mima.yaml");
        let shells = Shells { location, entries: vec![entry.clone(), entry] };
        let text = shells.encode();
        assert_eq!(Shells::decode(&text), Some(shells));
        let text = String::from_utf8(text).unwrap();
        for damaged in [
            text.replace("mima-shells-1", "mima-shells-2"),
            text.replace("7 9", "7  9"),
            text.replace("7 9", "x 9"),
            text.replacen(" b-1", "", 1),
            text.replacen("0101", "01", 1),
            text.trim_end().to_owned(),
            format!("{text}\n"),
            String::new(),
        ] {
            assert_eq!(Shells::decode(damaged.as_bytes()), None, "{damaged}");
        }
    }
}
