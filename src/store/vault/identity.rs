//! `identity.age`: the vault's one key, wrapped by a passphrase.
//!
//! The work of unwrapping is what protects a passphrase, and it is always the same. How much
//! of it a file may ask for is checked before any of it is done.

use std::path::Path;

use age::secrecy::{ExposeSecret, SecretString};
use age::{DecryptError, scrypt, x25519};

use super::envelope;
use crate::error::{Failure, Kind, Result};
use crate::prompt::{Prompter, Reason};
use crate::secret::Secret;
use crate::term;

/// How large `identity.age` and `identity.plugin` may be.
pub(super) const LARGEST_FILE: u64 = 64 << 10;

/// Work of 2^18: a second and 256 MiB. Not calibrated, as age does: on a fast machine that
/// makes a vault which a slow one cannot open.
pub(super) const LOG_N: u8 = 18;
/// The most work that a file may ask for. (threat E8)
const MOST_LOG_N: u8 = 20;

/// What protects an `identity.age`.
pub(super) enum Wrapping {
    /// A passphrase, with work of 2^n.
    Passphrase(u8),
    /// An age plugin.
    Plugin,
}

impl Wrapping {
    /// Reads it from the header of `sealed`.
    pub(super) fn of(sealed: &[u8], file: &Path) -> Result<Self> {
        let parsed = envelope::parse(sealed).map_err(|_| damaged(file, "is damaged"))?;
        if !parsed.is_scrypt() {
            return Ok(Self::Plugin);
        }
        let log_n = scrypt_log_n(sealed).ok_or_else(|| damaged(file, "is damaged"))?;
        if log_n > MOST_LOG_N {
            return Err(damaged(
                file,
                &format!("asks for 2^{log_n} units of work, and mima does 2^{MOST_LOG_N} at most"),
            ));
        }
        Ok(Self::Passphrase(log_n))
    }
}

/// Makes a new key.
pub(super) fn generate() -> (x25519::Identity, Secret) {
    let identity = x25519::Identity::generate();
    let text = identity.to_string();
    let mut line = Vec::with_capacity(text.expose_secret().len() + 1);
    line.extend_from_slice(text.expose_secret().as_bytes());
    line.push(b'\n');
    (identity, Secret::new(line))
}

/// Reads a key from the text that `identity.age` holds.
pub(super) fn parse(text: &Secret, file: &Path) -> Result<x25519::Identity> {
    let bad = || damaged(file, "holds no key");
    let text = std::str::from_utf8(text.expose()).map_err(|_| bad())?;
    let mut keys = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    match (keys.next(), keys.next()) {
        (Some(key), None) => key.parse().map_err(|_| bad()),
        _ => Err(bad()),
    }
}

/// Wraps the key `text` by a passphrase.
pub(super) fn wrap(text: &Secret, passphrase: &Secret) -> Result<Vec<u8>> {
    let passphrase = as_text(passphrase)
        .ok_or_else(|| Failure::new(Kind::Refused, "the passphrase is no valid UTF-8"))?;
    probe_memory(LOG_N)?;
    let mut recipient = scrypt::Recipient::new(passphrase);
    recipient.set_work_factor(LOG_N);
    envelope::seal(&[&recipient], text.expose())
        .map_err(|error| Failure::failed(error).context("could not encrypt the vault's key"))
}

/// Asks for the passphrase of `sealed`, and unwraps the key's text.
pub(super) fn ask(
    sealed: &[u8],
    log_n: u8,
    file: &Path,
    prompter: &Prompter,
    reason: &Reason,
) -> Result<Secret> {
    probe_memory(log_n)?;
    let open = |answer: &Secret| match unwrap(sealed, answer, file) {
        Err(failure) if failure.kind() == Kind::WrongKey => Ok(None),
        unwrapped => unwrapped.map(Some),
    };
    prompter.passphrase_that(reason, "Passphrase of the vault", open)?.ok_or_else(wrong_passphrase)
}

fn unwrap(sealed: &[u8], passphrase: &Secret, file: &Path) -> Result<Secret> {
    let passphrase = as_text(passphrase).ok_or_else(wrong_passphrase)?;
    let mut identity = scrypt::Identity::new(passphrase);
    identity.set_max_work_factor(MOST_LOG_N);
    let decryptor = envelope::parse(sealed).map_err(|_| damaged(file, "is damaged"))?;
    let reader = envelope::unwrap(decryptor, &identity).map_err(|error| match error {
        DecryptError::DecryptionFailed => wrong_passphrase(),
        _ => damaged(file, "is damaged"),
    })?;
    envelope::read(reader, sealed.len()).map_err(|_| damaged(file, "is damaged"))
}

/// Makes sure that scrypt gets its memory: it would abort mima without a word.
fn probe_memory(log_n: u8) -> Result<()> {
    // scrypt's r is 8 in age, and a block is 128 bytes.
    let needed = 1_usize.checked_shl(log_n.into()).and_then(|n| n.checked_mul(128 * 8));
    match needed.map(|needed| Vec::<u8>::new().try_reserve_exact(needed)) {
        Some(Ok(())) => Ok(()),
        _ => Err(Failure::failed(format!(
            "not enough memory to unlock the vault: {} MiB needed",
            1_u64.checked_shl(u32::from(log_n).saturating_sub(10)).unwrap_or(u64::MAX)
        ))
        .hint("close other programs, or raise the limit: ulimit -v unlimited")),
    }
}

/// Reads `log_n` from the second line of a header: `-> scrypt SALT LOG_N`.
fn scrypt_log_n(sealed: &[u8]) -> Option<u8> {
    let line = sealed.split(|byte| *byte == b'\n').nth(1)?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    match (words.next()?, words.next()?, words.next()?, words.next()?, words.next()) {
        ("->", "scrypt", _, log_n, None) => log_n.parse().ok(),
        _ => None,
    }
}

fn as_text(passphrase: &Secret) -> Option<SecretString> {
    // From a `&str` of known size: no copy is left behind by growing.
    std::str::from_utf8(passphrase.expose()).ok().map(SecretString::from)
}

fn wrong_passphrase() -> Failure {
    Failure::new(Kind::WrongKey, "wrong passphrase").hint(
        "run it again, and mind Caps Lock; with MIMA_ASKPASS set, look at what it prints",
    ).hint(
        "it is the one chosen at `mima vault init` or `mima vault passwd`; mima cannot recover it",
    )
}

/// Makes the failure for a file that is not what it should be.
fn damaged(file: &Path, what: &str) -> Failure {
    Failure::new(Kind::Damaged, format!("{} {what}", term::path(file)))
        .hint("take it from a backup of the vault")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_not_there_is_no_abort() {
        let failure = probe_memory(50).unwrap_err();
        assert!(failure.to_string().contains("not enough memory"), "{failure}");
        assert!(probe_memory(10).is_ok());
    }

    #[test]
    fn the_work_is_read_from_the_header() {
        let header = |line: &str| format!("age-encryption.org/v1\n{line}\nbody\n--- mac\n");
        for (line, want) in [
            ("-> scrypt c2FsdA 18", Some(18)),
            ("-> scrypt c2FsdA 255", Some(255)),
            ("-> scrypt c2FsdA 256", None),
            ("-> scrypt c2FsdA", None),
            ("-> scrypt c2FsdA 18 x", None),
            ("-> X25519 c2FsdA", None),
        ] {
            assert_eq!(scrypt_log_n(header(line).as_bytes()), want, "{line}");
        }
        assert_eq!(scrypt_log_n(b""), None);
    }
}
