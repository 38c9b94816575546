//! What can be told about a vault without its key.

use std::path::PathBuf;

use super::{Vault, Wrapping, header, identity};
use crate::error::Result;
use crate::fs;
use crate::names::SecretName;

/// What unlocks a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opener {
    /// A passphrase.
    Passphrase {
        /// Each guess takes work of 2 to this power.
        log_n: u8,
    },
    /// An age plugin.
    Plugin,
}

impl Opener {
    /// The work that mima gives a new passphrase, as a power of 2.
    pub const USUAL_WORK: u8 = identity::LOG_N;
}

impl Vault {
    /// Tells what unlocks the vault. Fails if that file is damaged.
    pub fn opener(&self) -> Result<Opener> {
        let file = self.identity_file();
        let sealed = self.read(&file, identity::LARGEST_FILE)?;
        Ok(match Wrapping::of(&sealed, &file)? {
            Wrapping::Passphrase(log_n) => Opener::Passphrase { log_n },
            Wrapping::Plugin => Opener::Plugin,
        })
    }

    /// Returns the plugin that would be started. Fails if it is not the confirmed one, or not
    /// there.
    pub fn check_plugin(&self) -> Result<PathBuf> {
        self.confirmed_plugin().map(|(path, _)| path)
    }

    /// Looks at the file of a secret: whether its header can be read, names this secret, and
    /// as much follows as has to. Only the key could tell whether that is genuine.
    pub fn check_file(&self, name: &SecretName) -> Result<()> {
        let file = self.file_of(name);
        match fs::read_capped(&file, header::LARGEST_FILE)? {
            Some(sealed) => header::look(name, &sealed, &file),
            // It has just been removed.
            None => Ok(()),
        }
    }
}
