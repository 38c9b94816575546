//! The one type that holds a secret's bytes.
//!
//! It is wiped when dropped, and has no `Debug`, `Display`, `Clone` or `Serialize`, so
//! that no message, log or copy can hold a value by accident. Whoever calls
//! [`Secret::expose`] answers for where the bytes go.

use zeroize::Zeroizing;

/// A secret value: any bytes, wiped when dropped.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes over `bytes`. The vector must not have been grown by reallocation while it
    /// held the value: that leaves copies behind which nothing wipes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Lends the bytes out.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Returns the number of bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether there is no byte at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
