//! The file of one secret: the value encrypted to the vault's recipients, and the secret's
//! name in the header.
//!
//! The name is a stanza of its own, which the header's MAC covers. So the plaintext is the
//! value and nothing else, any age tool opens the file, and a file that was renamed or
//! swapped for another is refused. What this cannot show is who wrote a file: whoever knows
//! the recipients can write a new one, or put an older one of the same name back.

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::Path;

use age::{DecryptError, EncryptError, x25519};
use age_core::format::{FileKey, Stanza};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::envelope;
use crate::error::{Failure, Kind, Result};
use crate::names::SecretName;
use crate::secret::Secret;
use crate::store::LARGEST_VALUE;
use crate::term;

/// What marks the stanza that holds the name.
const NAME_TAG: &str = "mima-name-v1";

/// The parts of what follows a header, in bytes: age's format, by its specification.
const NONCE: usize = 16;
const CHUNK: usize = 64 << 10;
const TAG: usize = 16;

/// How large the file of a secret can be: the value, its authentication, the header.
pub(super) const LARGEST_FILE: u64 = LARGEST_VALUE + (16 << 10);

/// Encrypts `value` to `recipients`, bound to `name`.
pub(super) fn seal(
    name: &SecretName,
    value: &Secret,
    recipients: &[x25519::Recipient],
) -> Result<Vec<u8>> {
    let stanza = NameStanza(name);
    let mut all: Vec<&dyn age::Recipient> = vec![&stanza];
    for recipient in recipients {
        all.push(recipient);
    }
    envelope::seal(&all, value.expose())
        .map_err(|error| Failure::failed(error).context(format!("could not encrypt `{name}`")))
}

/// Decrypts what `file` holds, if that is the secret `name`.
pub(super) fn open(
    name: &SecretName,
    sealed: &[u8],
    identity: &x25519::Identity,
    file: &Path,
) -> Result<Secret> {
    let damaged = |what: String| {
        Failure::new(Kind::Damaged, format!("{} {what}", term::path(file))).hint(format!(
            "take it from a backup, or add the secret anew: mima secret add --force {name}"
        ))
    };
    let identity = Witness { identity, names: RefCell::default() };
    let reader = envelope::parse(sealed)
        .and_then(|decryptor| envelope::unwrap(decryptor, &identity))
        .map_err(|error| match error {
            DecryptError::NoMatchingKeys => damaged(
                "does not open with the vault's key: it is damaged, or of another vault".into(),
            ),
            error => damaged(format!("is damaged: {}", one_line(&error))),
        })?;
    // INVARIANT: `unwrap` has verified the MAC, so these are the names that were sealed, and
    // nothing of the value is decrypted before they are known to be right.
    match identity.names.into_inner().as_slice() {
        [Some(sealed_as)] if sealed_as == name => {}
        [Some(other)] => {
            return Err(damaged(format!(
                "holds the secret `{other}`, not `{name}`: it was renamed or swapped"
            )));
        }
        _ => {
            return Err(damaged(
                "does not say which secret it holds: mima did not write it".into(),
            ));
        }
    }
    envelope::read(reader, sealed.len())
        .map_err(|error| damaged(format!("is damaged: {}", one_line(&error))))
}

/// Judges what `file` holds without a key: nothing of it is authentic, but most damage shows.
pub(super) fn look(name: &SecretName, sealed: &[u8], file: &Path) -> Result<()> {
    let damaged = |what: &str| Failure::new(Kind::Damaged, format!("{} {what}", term::path(file)));
    let parsed = envelope::parse(sealed).map_err(|_| damaged("is damaged"))?;
    if parsed.is_scrypt() {
        return Err(damaged("is encrypted by a passphrase: mima did not write it"));
    }
    let (names, body) = outline(sealed).ok_or_else(|| damaged("is damaged"))?;
    match names.as_slice() {
        [Some(sealed_as)] if sealed_as == name => {}
        [Some(other)] => {
            return Err(damaged(&format!(
                "holds the secret `{other}`, not `{name}`: it was renamed or swapped"
            )));
        }
        _ => return Err(damaged("does not say which secret it holds: mima did not write it")),
    }
    // A nonce, then chunks that end with a tag each; the last may be shorter.
    let rest = body.checked_sub(NONCE).map(|chunks| chunks % (CHUNK + TAG));
    match rest {
        Some(0) if body > NONCE => Ok(()),
        Some(rest) if rest >= TAG => Ok(()),
        _ => Err(damaged("is cut short")),
    }
}

/// Returns the names in a header, and how many bytes come after it.
fn outline(sealed: &[u8]) -> Option<(Vec<Option<SecretName>>, usize)> {
    let mut names = Vec::new();
    let mut rest = sealed;
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let (line, after) = rest.split_at_checked(end)?;
        rest = after.get(1..)?;
        if line.starts_with(b"--- ") {
            return Some((names, rest.len()));
        }
        let mut words = std::str::from_utf8(line).ok()?.split(' ');
        if (words.next(), words.next()) == (Some("->"), Some(NAME_TAG)) {
            let args: Vec<_> = words.collect();
            names.push(match args.as_slice() {
                [name] => parse_name(name),
                _ => None,
            });
        }
    }
}

/// age breaks its messages into lines for its own tool.
fn one_line(error: &impl ToString) -> String {
    error.to_string().lines().collect::<Vec<_>>().join(" ")
}

/// Adds the name to a header. It wraps no key.
struct NameStanza<'a>(&'a SecretName);

impl age::Recipient for NameStanza<'_> {
    fn wrap_file_key(&self, _: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        let stanza = Stanza {
            tag: NAME_TAG.to_owned(),
            args: vec![BASE64_URL_SAFE_NO_PAD.encode(self.0.as_str())],
            body: Vec::new(),
        };
        Ok((vec![stanza], HashSet::new()))
    }
}

/// Unwraps with `identity`, and notes which names the header holds; `None` for a stanza that
/// should hold one and does not.
struct Witness<'a> {
    identity: &'a x25519::Identity,
    names: RefCell<Vec<Option<SecretName>>>,
}

impl age::Identity for Witness<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        self.identity.unwrap_stanza(stanza)
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, DecryptError>> {
        let named = stanzas.iter().filter(|stanza| stanza.tag == NAME_TAG);
        self.names.replace(named.map(name_in).collect());
        self.identity.unwrap_stanzas(stanzas)
    }
}

fn name_in(stanza: &Stanza) -> Option<SecretName> {
    let [name] = stanza.args.as_slice() else { return None };
    parse_name(name).filter(|_| stanza.body.is_empty())
}

fn parse_name(encoded: &str) -> Option<SecretName> {
    let name = BASE64_URL_SAFE_NO_PAD.decode(encoded).ok()?;
    SecretName::parse(std::str::from_utf8(&name).ok()?).ok()
}
