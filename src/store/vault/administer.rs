//! What concerns the vault as a whole: making it, its passphrase, its recipients.

use std::path::{Path, PathBuf};

use super::pins::{Pins, PluginPin};
use super::plugin::{self, Plugin, PluginIdentity};
use super::recipients::{self, Recipients};
use super::{FORMAT, VERSION, Vault, Wrapping, identity};
use crate::error::{Context, Failure, Kind, Result};
use crate::prompt::Reason;
use crate::secret::Secret;
use crate::{fs, term};

/// What is to protect a new vault's key.
pub enum Wrap {
    /// A passphrase, which is asked for.
    Passphrase,
    /// An age plugin.
    Plugin {
        /// Its name: `yubikey` for `age-plugin-yubikey`.
        name: String,
        /// A file with the identity that the plugin made; without it, the identity without
        /// data, as `age -j NAME` uses it.
        identity: Option<PathBuf>,
    },
}

/// Whether this machine knows the vault's recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinState {
    /// They are the ones that were confirmed.
    Confirmed,
    /// They are others.
    Changed,
    /// None were ever confirmed here.
    Unknown,
}

/// The files of a new vault that depend on what protects its key.
struct Sealed {
    key: Vec<u8>,
    plugin: Option<(PathBuf, PluginIdentity)>,
}

impl Vault {
    /// Makes a new vault, and pins its recipients. An existing one is left alone: a failure.
    pub fn init(&self, wrap: &Wrap, reason: &Reason) -> Result<()> {
        self.refuse_existing()?;
        let (key, text) = identity::generate();
        // Asks and computes, so not under the lock.
        let sealed = self.seal_new(&text, wrap, reason)?;

        fs::private_dir(self.data())?;
        let _lock = fs::Lock::acquire(&self.lock)?;
        self.refuse_existing()?;
        let new = self.dir.with_extension("new");
        remove_leftover(&new)?;
        let recipient = key.to_public();
        write_new(&new, &format!("{recipient}\n"), &sealed)?;
        // Pins without a vault do nothing; a vault without pins takes no secrets. So the
        // pins come first, and a crash in between is no loss.
        let plugin = sealed.plugin.map(|(path, identity)| PluginPin::new(&path, identity.text()));
        Pins { recipients: recipients::digest_of(&recipient), plugin }.write(&self.pins)?;
        std::fs::rename(&new, &self.dir)
            .and_then(|()| fs::sync_parent(&self.dir))
            .context(format!("could not make {}", term::path(&self.dir)))
    }

    /// Changes the passphrase. The key stays the same: a copy of `identity.age` from before,
    /// in a backup or in git's history, still opens with the old passphrase.
    pub fn passwd(&self, reason: &Reason) -> Result<()> {
        self.check()?;
        let file = self.identity_file();
        let sealed = self.read(&file, identity::LARGEST_FILE)?;
        if let Wrapping::Plugin = Wrapping::of(&sealed, &file)? {
            return Err(Failure::failed(
                "the vault has no passphrase: an age plugin protects its key",
            )
            .hint("a PIN is changed with the plugin's own tool"));
        }
        let text = self.open_key(&sealed, || self.confirmed_plugin(), reason)?;
        // A damaged key must not be wrapped anew as if it were sound.
        drop(identity::parse(&text, &file)?);
        let passphrase = self.prompter.new_passphrase(reason, "New passphrase of the vault")?;
        let new = identity::wrap(&text, &passphrase)?;
        let _lock = fs::Lock::acquire(&self.lock)?;
        if self.read(&file, identity::LARGEST_FILE)? != sealed {
            return Err(Failure::failed(format!(
                "{} was changed by somebody else meanwhile",
                term::path(&file)
            ))
            .hint("mima vault passwd"));
        }
        fs::write_atomic(&file, &new)
    }

    /// Returns the recipients as the vault names them now, confirmed or not.
    pub fn recipients(&self) -> Result<Vec<String>> {
        self.check()?;
        Ok(Recipients::read(&self.recipients_file())?.into_texts())
    }

    /// Tells whether the recipients are the ones that were confirmed.
    pub fn pin_state(&self) -> Result<PinState> {
        self.check()?;
        let recipients = Recipients::read(&self.recipients_file())?;
        Ok(match Pins::read(&self.pins)? {
            Some(pins) if pins.recipients == recipients.digest() => PinState::Confirmed,
            Some(_) => PinState::Changed,
            None => PinState::Unknown,
        })
    }

    /// Returns the plugin that is started to unlock the vault, if it is one.
    pub fn plugin(&self) -> Result<Option<PathBuf>> {
        Ok(Pins::read(&self.pins)?.and_then(|pins| pins.plugin).map(|plugin| plugin.path))
    }

    /// Unlocks the vault, which shows that its owner is there, and pins its present
    /// recipients, and its plugin as it is found on `PATH`. Returns the recipients.
    pub fn accept_recipients(&self, reason: &Reason) -> Result<Vec<String>> {
        self.check()?;
        // Read once, before the question: what comes in while it is asked is not accepted.
        let recipients = Recipients::read(&self.recipients_file())?;
        let file = self.identity_file();
        let sealed = self.read(&file, identity::LARGEST_FILE)?;
        let mut pin = None;
        let plugin = || {
            let identity = self.plugin_identity()?;
            let path = plugin::find(identity.name())?;
            pin = Some(PluginPin::new(&path, identity.text()));
            Ok((path, identity))
        };
        let text = self.open_key(&sealed, plugin, reason)?;
        if !recipients.include(&identity::parse(&text, &file)?) {
            return Err(Failure::new(
                Kind::Damaged,
                "the recipients do not include the vault's own key, so it could not read what it stores",
            )
            .hint(format!("take {} from a backup", term::path(&self.recipients_file()))));
        }
        let _lock = fs::Lock::acquire(&self.lock)?;
        // A damaged file of pins is what this is to mend.
        Pins { recipients: recipients.digest(), plugin: pin }.write(&self.pins)?;
        Ok(recipients.into_texts())
    }

    fn refuse_existing(&self) -> Result<()> {
        if self.exists()? {
            return Err(Failure::failed(format!(
                "there is a vault already: {}",
                term::path(&self.dir)
            ))
            .hint("to change its passphrase: mima vault passwd"));
        }
        Ok(())
    }

    fn seal_new(&self, text: &Secret, wrap: &Wrap, reason: &Reason) -> Result<Sealed> {
        let (name, file) = match wrap {
            Wrap::Passphrase => {
                let passphrase =
                    self.prompter.new_passphrase(reason, "New passphrase of the vault")?;
                return Ok(Sealed { key: identity::wrap(text, &passphrase)?, plugin: None });
            }
            Wrap::Plugin { name, identity } => (name, identity),
        };
        let identity = match file {
            Some(file) => identity_in(file, name)?,
            None => PluginIdentity::default_of(name)?,
        };
        let path = plugin::find(name)?;
        let key = Plugin::new(&path, &identity, &self.prompter, reason).seal(text)?;
        Ok(Sealed { key, plugin: Some((path, identity)) })
    }
}

/// Reads the identity that the user keeps in a file.
fn identity_in(file: &Path, name: &str) -> Result<PluginIdentity> {
    let bytes = fs::read_capped(file, identity::LARGEST_FILE)?.ok_or_else(|| {
        Failure::new(Kind::NotFound, format!("there is no file {}", term::path(file)))
    })?;
    PluginIdentity::among(&bytes).filter(|identity| identity.name() == name).ok_or_else(|| {
        Failure::failed(format!(
            "{} holds no identity of age-plugin-{}",
            term::path(file),
            term::sanitize(name)
        ))
    })
}

/// Sweeps up what a crash left behind.
fn remove_leftover(dir: &Path) -> Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed.context(format!("could not remove {}", term::path(dir))),
    }
}

/// Writes a whole vault to `dir`, and makes it durable.
fn write_new(dir: &Path, recipients: &str, sealed: &Sealed) -> Result<()> {
    let secrets = dir.join("secrets");
    fs::private_dir(&secrets)?;
    let format = format!("{FORMAT} {VERSION}\n");
    let mut files = vec![
        ("format", format.as_bytes()),
        ("recipients.txt", recipients.as_bytes()),
        ("identity.age", sealed.key.as_slice()),
    ];
    let plugin = sealed.plugin.as_ref().map(|(_, identity)| format!("{}\n", identity.text()));
    if let Some(plugin) = &plugin {
        files.push(("identity.plugin", plugin.as_bytes()));
    }
    for (name, bytes) in files {
        fs::write_synced(&dir.join(name), bytes)
            .context(format!("could not write {}", term::path(&dir.join(name))))?;
    }
    fs::sync_parent(&secrets).context(format!("could not write {}", term::path(dir)))
}
