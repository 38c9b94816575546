//! `recipients.txt`: whom the vault encrypts to.

use std::path::Path;

use age::x25519;
use sha2::{Digest, Sha256};

use crate::error::{Failure, Kind, Result};
use crate::{fs, term};

/// How large the file may be.
const LARGEST_FILE: u64 = 64 << 10;
/// How many recipients there may be: more would not fit into a header.
const MOST: usize = 32;

/// The recipients of a vault: sorted, each one once.
pub(super) struct Recipients {
    texts: Vec<String>,
    keys: Vec<x25519::Recipient>,
}

impl Recipients {
    /// Reads `recipients.txt`: one recipient per line; a line that starts with `#` is a comment.
    pub(super) fn read(file: &Path) -> Result<Self> {
        let damaged = |what: String| {
            Failure::new(Kind::Damaged, format!("{} {what}", term::path(file)))
                .hint("take it from a backup of the vault")
        };
        let bytes =
            fs::read_capped(file, LARGEST_FILE)?.ok_or_else(|| damaged("is missing".to_owned()))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| damaged("is damaged".to_owned()))?;
        let mut found = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim_matches([' ', '\t']);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key: x25519::Recipient = line.parse().map_err(|_| {
                damaged(format!(
                    "holds something on line {} that is no recipient mima knows (age1…)",
                    number + 1
                ))
            })?;
            // As age writes it, because it reads upper case as well.
            found.push((key.to_string(), key));
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found.dedup_by(|a, b| a.0 == b.0);
        if found.is_empty() {
            return Err(damaged("names no recipient".to_owned()));
        }
        if found.len() > MOST {
            return Err(damaged(format!("names more than {MOST} recipients")));
        }
        let (texts, keys) = found.into_iter().unzip();
        Ok(Self { texts, keys })
    }

    /// The keys to encrypt to.
    pub(super) fn keys(&self) -> &[x25519::Recipient] {
        &self.keys
    }

    /// The recipients as text.
    pub(super) fn into_texts(self) -> Vec<String> {
        self.texts
    }

    /// Tells whether `identity` can read what is encrypted to these recipients.
    pub(super) fn include(&self, identity: &x25519::Identity) -> bool {
        self.keys.contains(&identity.to_public())
    }

    /// What a pin remembers of them.
    pub(super) fn digest(&self) -> String {
        digest(&self.texts)
    }
}

/// Returns the digest of the recipient `key` alone, as a new vault has it.
pub(super) fn digest_of(key: &x25519::Recipient) -> String {
    digest(&[key.to_string()])
}

fn digest(texts: &[String]) -> String {
    hex::encode(Sha256::digest(texts.join("\n")))
}
