//! Looks for secrets where none may be: in what a command says, and in files.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

/// Texts that must not turn up, in every form that they might take.
#[derive(Clone, Debug, Default)]
pub(crate) struct Needles(Vec<Needle>);

#[derive(Clone, Debug)]
struct Needle {
    what: String,
    forms: Vec<Vec<u8>>,
}

impl Needles {
    /// Adds a text, as it is, in base64 at each alignment, and in hex.
    pub(crate) fn add(&mut self, secret: &str) {
        let mut forms = vec![
            secret.as_bytes().to_vec(),
            hex::encode(secret).into_bytes(),
            hex::encode_upper(secret).into_bytes(),
        ];
        for alphabet in [&STANDARD, &URL_SAFE] {
            forms.extend((0..3).map(|shift| base64_inside(secret.as_bytes(), shift, alphabet)));
        }
        forms.dedup();
        self.0.push(Needle { what: secret.to_owned(), forms });
    }

    /// Returns the secret that occurs in `bytes`, if one does.
    pub(crate) fn found_in(&self, bytes: &[u8]) -> Option<&str> {
        let hit = |needle: &&Needle| needle.forms.iter().any(|form| contains(bytes, form));
        self.0.iter().find(hit).map(|needle| needle.what.as_str())
    }

    /// Searches everything below `dir`: names, links and the contents of files. Returns one
    /// line per place. `allowed` are files and directories that may hold a secret.
    pub(crate) fn found_below(&self, dir: &Path, allowed: &[PathBuf]) -> Vec<String> {
        let mut places = Vec::new();
        for path in files_below(dir) {
            if allowed.iter().any(|allowed| path.starts_with(allowed)) {
                continue;
            }
            let name = path.file_name().unwrap_or_default();
            let mut parts = vec![("name", name.as_encoded_bytes().to_vec())];
            if let Ok(target) = std::fs::read_link(&path) {
                parts.push(("link", target.into_os_string().into_encoded_bytes()));
            } else if path.is_file() {
                let read = std::fs::read(&path);
                parts.push(("content", read.unwrap_or_else(|e| panic!("{}: {e}", path.display()))));
            }
            for (part, bytes) in parts {
                if let Some(secret) = self.found_in(&bytes) {
                    places.push(format!("{secret} in the {part} of {}", path.display()));
                }
            }
        }
        places
    }
}

/// Returns everything below `dir`, without following links, sorted.
pub(crate) fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        // A directory that is gone or was made unreadable by the test holds nothing to find.
        let Ok(entries) = std::fs::read_dir(&dir) else { continue };
        for entry in entries.map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                dirs.push(entry.path());
            }
            paths.push(entry.path());
        }
    }
    paths.sort();
    paths
}

/// Tells whether `part` occurs in `bytes`.
pub(crate) fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Returns the characters that base64 of any text with `secret` at an offset of `shift`
/// modulo 3 must contain: those that depend on nothing but the secret.
fn base64_inside(secret: &[u8], shift: usize, alphabet: &base64::alphabet::Alphabet) -> Vec<u8> {
    let padded = [&[0; 2][..shift], secret].concat();
    let whole = padded.len() * 8 / 6;
    let encoded = GeneralPurpose::new(alphabet, NO_PAD).encode(&padded);
    encoded.as_bytes()[(shift * 8).div_ceil(6)..whole].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::prelude::BASE64_STANDARD;

    #[test]
    fn a_secret_is_found_in_every_form_and_at_every_offset() {
        let mut needles = Needles::default();
        needles.add("CANARY-0123456789abcdef");
        for before in ["", "a", "ab", "abc", "abcd"] {
            let text = format!("{before}CANARY-0123456789abcdef and more");
            assert!(needles.found_in(text.as_bytes()).is_some());
            assert!(needles.found_in(hex::encode(&text).as_bytes()).is_some());
            assert!(needles.found_in(BASE64_STANDARD.encode(&text).as_bytes()).is_some());
        }
        assert!(needles.found_in(b"CANARY-0123456789abcde").is_none());
        assert!(needles.found_in(b"").is_none());
    }

    #[test]
    fn names_links_and_contents_are_searched() {
        let dir = tempfile::tempdir().unwrap();
        let mut needles = Needles::default();
        needles.add("needle");
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        std::fs::write(dir.path().join("sub/a"), "x needle x").unwrap();
        std::fs::write(dir.path().join("sub/needle.txt"), "").unwrap();
        std::os::unix::fs::symlink("/needle", dir.path().join("link")).unwrap();
        assert_eq!(needles.found_below(dir.path(), &[]).len(), 3);
        assert_eq!(needles.found_below(dir.path(), &[dir.path().join("sub")]).len(), 1);
    }
}
