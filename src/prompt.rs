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
#[derive(Clone, Debug)]
pub struct Prompter {
    askpass: Option<std::path::PathBuf>,
    may_ask: bool,
}

impl Prompter {
    /// Asks by way of `MIMA_ASKPASS` if that is set, else on the terminal. With `may_ask`
    /// false every question is refused at once.
    pub fn from_env(may_ask: bool) -> Self {
        Self {
            askpass: std::env::var_os("MIMA_ASKPASS").filter(|p| !p.is_empty()).map(Into::into),
            may_ask,
        }
    }
    /// Asks the program at `askpass`, and never on the terminal.
    pub fn with_askpass(askpass: std::path::PathBuf) -> Self {
        Self { askpass: Some(askpass), may_ask: true }
    }
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
