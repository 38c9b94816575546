//! The form of a record: what was approved, and where.
//!
//! Four lines of text, then the approved bytes as they were. Pure.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// The first line: what this is, and which version of it.
const MAGIC: &str = "mima-trust-1";

/// What was approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// [`digest`] of all that follows.
    pub digest: [u8; 32],
    pub location: PathBuf,
    pub target: PathBuf,
    pub bytes: Vec<u8>,
}

impl Record {
    pub(super) fn encode(&self) -> Vec<u8> {
        let path = |path: &Path| hex::encode(bytes_of(path));
        let (location, target) = (path(&self.location), path(&self.target));
        let head = format!("{MAGIC}\n{}\n{location}\n{target}\n", hex::encode(self.digest));
        [head.as_bytes(), &self.bytes].concat()
    }

    /// `None` unless every part is as [`Record::encode`] wrote it.
    pub(super) fn decode(text: &[u8]) -> Option<Self> {
        let mut lines = text.splitn(5, |byte| *byte == b'\n');
        if lines.next()? != MAGIC.as_bytes() {
            return None;
        }
        let digest = hex::decode(lines.next()?).ok()?.try_into().ok()?;
        let location = path_of(lines.next()?)?;
        let target = path_of(lines.next()?)?;
        let record = Self { digest, location, target, bytes: lines.next()?.to_vec() };
        let genuine = self::digest(&record.location, &record.target, &record.bytes);
        (genuine == record.digest).then_some(record)
    }
}

/// The digest of a file: of its place, of where that leads, and of what it says, each with
/// its length, so that nothing of one part can pass for another. (threats: A3, A4)
pub(super) fn digest(location: &Path, target: &Path, bytes: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(MAGIC);
    for part in [bytes_of(location), bytes_of(target), bytes] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// The name of the record for a place.
pub(super) fn name(location: &Path) -> String {
    hex::encode(Sha256::digest(bytes_of(location)))
}

/// The bytes of a path.
pub(super) fn bytes_of(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// Reads a path that was written as hexadecimal digits.
pub(super) fn path_of(text: &[u8]) -> Option<PathBuf> {
    let path = PathBuf::from(OsString::from_vec(hex::decode(text).ok()?));
    path.is_absolute().then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(location: &str, bytes: &[u8]) -> Record {
        let (location, target) = (PathBuf::from(location), PathBuf::from("/t"));
        let digest = digest(&location, &target, bytes);
        Record { digest, location, target, bytes: bytes.to_vec() }
    }

    #[test]
    fn t_a3_the_digest_depends_on_every_part_and_where_it_ends() {
        let base = record("/a/b", b"x").digest;
        assert_ne!(base, record("/a/c", b"x").digest);
        assert_ne!(base, record("/a/b", b"y").digest);
        let of = |target: &str, bytes: &[u8]| digest(Path::new("/a"), Path::new(target), bytes);
        assert_ne!(of("/tx", b"y"), of("/t", b"xy"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn t_a13_a_record_comes_back_and_no_changed_one_does(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            at in any::<proptest::sample::Index>(),
            flip in 1u8..,
        ) {
            let record = record("/home/a b\n/.mima.yaml", &bytes);
            let text = record.encode();
            prop_assert_eq!(Record::decode(&text), Some(record));
            let mut damaged = text.clone();
            damaged[at.index(text.len())] ^= flip;
            // Only the case of a hexadecimal digit means nothing.
            let same = damaged.eq_ignore_ascii_case(&text);
            prop_assert!(same || Record::decode(&damaged).is_none());
            prop_assert!(Record::decode(&text[..at.index(text.len())]).is_none());
        }
    }
}
