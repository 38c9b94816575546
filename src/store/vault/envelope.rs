//! age files as the vault uses them: sealed in one go, opened in two steps, so that a header
//! can be judged before anything is decrypted.
//!
//! What age leaves open is bounded here: how long a header may be, and how large a buffer.

use std::io::{self, Read, Write};
use std::iter;

use age::stream::StreamReader;
use age::{DecryptError, Decryptor, EncryptError, Encryptor, Identity, Recipient};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// How long a header may be. age parses it anew for each of its lines, which takes minutes
/// for a megabyte of tiny stanzas. (threat E8)
pub(super) const LONGEST_HEADER: usize = 8 << 10;

/// Encrypts `plain` to all of `recipients`.
pub(super) fn seal(recipients: &[&dyn Recipient], plain: &[u8]) -> Result<Vec<u8>, EncryptError> {
    let encryptor = Encryptor::with_recipients(recipients.iter().copied())?;
    let mut sealed = Vec::new();
    let mut writer = encryptor.wrap_output(&mut sealed)?;
    writer.write_all(plain)?;
    writer.finish()?;
    Ok(sealed)
}

/// Parses the header of an age file. No key is needed, and no work done.
pub(super) fn parse(sealed: &[u8]) -> Result<Decryptor<&[u8]>, DecryptError> {
    let start = sealed.get(..LONGEST_HEADER).unwrap_or(sealed);
    // The line of the MAC ends the header.
    if !start.windows(5).any(|window| window == b"\n--- ") {
        return Err(DecryptError::InvalidHeader);
    }
    Decryptor::new_buffered(sealed)
}

/// Unwraps the file's key, and verifies the header with it.
pub(super) fn unwrap<'a>(
    decryptor: Decryptor<&'a [u8]>,
    identity: &dyn Identity,
) -> Result<StreamReader<&'a [u8]>, DecryptError> {
    decryptor.decrypt(iter::once(identity))
}

/// Decrypts to the end. `room` is more than what comes out, such as the size of the file;
/// the buffer has that size from the start, because growing it would leave copies behind.
pub(super) fn read(mut from: StreamReader<&[u8]>, room: usize) -> io::Result<Secret> {
    let mut plain = Zeroizing::new(vec![0; room]);
    let mut filled = 0;
    loop {
        let rest = plain.get_mut(filled..).unwrap_or_default();
        if rest.is_empty() {
            return Err(io::Error::other("it is larger than it can be"));
        }
        match from.read(rest)? {
            0 => break,
            more => filled += more,
        }
    }
    plain.truncate(filled);
    Ok(Secret::new(std::mem::take(&mut *plain)))
}
