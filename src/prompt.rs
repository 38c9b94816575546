//! The one place that asks a person something.

use crate::error::Result;
use crate::secret::Secret;

/// Who asks, and what for: a prompt always shows both.
pub struct Reason {
    what: String,
}

impl Reason {
    /// `what` finishes the sentence `zsh › mima run dev wants …`.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
    /// Returns what the secrets are wanted for.
    pub fn what(&self) -> &str {
        &self.what
    }
}

/// Asks for passphrases, values and yes or no.
pub struct Prompter {}

impl Prompter {
    /// Asks for the passphrase that opens something: once. `label` names it: `passphrase`.
    pub fn passphrase(&self, reason: &Reason, label: &str) -> Result<Secret> {
        let _ = (reason, label);
        todo!()
    }
    /// Asks twice for a passphrase that is being chosen; refuses an empty one.
    pub fn new_passphrase(&self, reason: &Reason, label: &str) -> Result<Secret> {
        let _ = (reason, label);
        todo!()
    }
    /// Shows a message of a plugin, on the terminal.
    pub fn show(&self, message: &str) -> Result<()> {
        let _ = message;
        todo!()
    }
    /// Asks yes or no on the terminal; anything but yes is no.
    pub fn confirm(&self, question: &str) -> Result<bool> {
        let _ = question;
        todo!()
    }
}
