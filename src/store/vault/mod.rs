//! The embedded store: a directory in the age format.
//!
//! ```text
//! vault/format             mima-vault 1
//! vault/recipients.txt     whom every secret is encrypted to
//! vault/identity.age       the key that opens them, wrapped by a passphrase or a plugin
//! vault/identity.plugin    what that plugin is given, if it is one
//! vault/secrets/NAME.age   one secret each
//! vault.pins               beside it: what this machine was told about the vault
//! ```
//!
//! Adding needs the recipients only, listing the names of the files only; reading unwraps
//! the key once. Two writers never touch the same file, and `age` alone opens everything:
//! `age -d -i identity.age secrets/NAME.age`.
//!
//! What it does not promise: whoever can write to the directory can put an older copy of a
//! secret back, or encrypt a new value to the recipients; and an `identity.age` of before
//! [`Vault::passwd`], in a backup or in git's history, still opens with its old passphrase.

mod administer;
mod envelope;
mod header;
mod health;
mod identity;
mod pins;
mod plugin;
mod recipients;

use std::io;
use std::path::{Path, PathBuf};

use age::x25519;

use super::{Existing, Store, Unlocked};
use crate::error::{Context, Failure, Kind, Result};
use crate::names::SecretName;
use crate::paths::Paths;
use crate::prompt::{Prompter, Reason};
use crate::secret::Secret;
use crate::{fs, term};

pub use administer::{PinState, Wrap};
pub use health::Opener;
use identity::Wrapping;
use pins::{Pins, PluginPin};
use plugin::{Plugin, PluginIdentity};
use recipients::Recipients;

/// What the `format` file starts with, before the number.
const FORMAT: &str = "mima-vault";
/// The newest format that this mima knows.
const VERSION: u32 = 1;
/// How the name of a secret's file ends.
const SUFFIX: &str = ".age";

/// The embedded store.
pub struct Vault {
    dir: PathBuf,
    pins: PathBuf,
    lock: PathBuf,
    prompter: Prompter,
}

impl Vault {
    /// Makes the store at its place among `paths`. Reads and creates nothing.
    pub fn new(paths: &Paths, prompter: Prompter) -> Self {
        Self { dir: paths.vault(), pins: paths.vault_pins(), lock: paths.lock(), prompter }
    }

    /// Tells whether there is a vault, whatever its state.
    pub fn exists(&self) -> Result<bool> {
        match std::fs::symlink_metadata(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            found => {
                found.map(|_| true).context(format!("could not look at {}", term::path(&self.dir)))
            }
        }
    }

    /// Returns the files among the secrets that hold none: copies that a synced folder made
    /// of two versions, for example.
    pub fn strays(&self) -> Result<Vec<PathBuf>> {
        let hidden = |name: &str| name.starts_with('.');
        let stray = |name: &String| !hidden(name) && secret_in(name).is_none();
        Ok(self.files()?.into_iter().filter(stray).map(|name| self.secrets().join(name)).collect())
    }

    /// Makes sure that there is a vault of a known format that is the user's own.
    pub fn check(&self) -> Result<()> {
        if !self.exists()? {
            return Err(
                Failure::new(Kind::NotFound, "there is no vault yet").hint("mima vault init")
            );
        }
        for dir in [self.data(), &self.dir] {
            fs::check_owned(dir)?;
        }
        if self.secrets().exists() {
            fs::check_owned(&self.secrets())?;
        }
        let file = self.dir.join("format");
        let format = self.read(&file, 256)?;
        let version = std::str::from_utf8(&format)
            .ok()
            .and_then(|text| text.strip_suffix('\n').unwrap_or(text).split_once(' '))
            .filter(|(word, number)| *word == FORMAT && !number.starts_with(['0', '+']))
            .and_then(|(_, number)| number.parse::<u32>().ok());
        match version {
            Some(VERSION) => Ok(()),
            Some(newer) => Err(Failure::failed(format!(
                "this vault is of format {newer}; this mima knows {VERSION}: upgrade mima"
            ))),
            None => Err(self.damaged(&file, "is damaged")),
        }
    }

    /// Reads one of the files that every vault has.
    fn read(&self, file: &Path, max: u64) -> Result<Vec<u8>> {
        fs::read_capped(file, max)?.ok_or_else(|| self.damaged(file, "is missing"))
    }

    fn damaged(&self, file: &Path, what: &str) -> Failure {
        Failure::new(Kind::Damaged, format!("{} {what}", term::path(file)))
            .hint(format!("take it from a backup of {}", term::path(&self.dir)))
    }

    /// The directory that the vault, the pins and the lock are in.
    fn data(&self) -> &Path {
        self.dir.parent().unwrap_or(&self.dir)
    }

    fn secrets(&self) -> PathBuf {
        self.dir.join("secrets")
    }

    /// Where the secret `name` lies. A [`SecretName`] is no path: it holds no `/`, and does
    /// not start with a dot. (threat D9)
    fn file_of(&self, name: &SecretName) -> PathBuf {
        self.secrets().join(format!("{name}{SUFFIX}"))
    }

    fn recipients_file(&self) -> PathBuf {
        self.dir.join("recipients.txt")
    }

    fn identity_file(&self) -> PathBuf {
        self.dir.join("identity.age")
    }

    fn plugin_file(&self) -> PathBuf {
        self.dir.join("identity.plugin")
    }

    /// Returns the names of all files among the secrets.
    fn files(&self) -> Result<Vec<String>> {
        let what = || format!("could not list {}", term::path(&self.secrets()));
        let entries = match std::fs::read_dir(self.secrets()) {
            // git keeps no empty directory.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.context(what())?,
        };
        let mut files = Vec::new();
        for entry in entries {
            files.push(entry.context(what())?.file_name().to_string_lossy().into_owned());
        }
        files.sort();
        Ok(files)
    }

    /// Returns the recipients, if they are the ones that were confirmed. (threat E7)
    fn confirmed_recipients(&self) -> Result<Recipients> {
        let recipients = Recipients::read(&self.recipients_file())?;
        let unconfirmed = match Pins::read(&self.pins)? {
            Some(pins) if pins.recipients == recipients.digest() => return Ok(recipients),
            Some(_) => "the vault's recipients changed since you last confirmed them",
            None => "you have not confirmed the vault's recipients on this machine",
        };
        Err(Failure::failed(unconfirmed)
            .hint("see who they are: mima vault recipients")
            .hint(format!("if they are right: {}", pins::CONFIRM)))
    }

    /// Returns the plugin's identity and the path of the plugin, if they are the ones that
    /// were confirmed.
    fn confirmed_plugin(&self) -> Result<(PathBuf, PluginIdentity)> {
        let identity = self.plugin_identity()?;
        let pin = Pins::read(&self.pins)?.and_then(|pins| pins.plugin);
        let why = match pin {
            Some(pin) if pin != PluginPin::new(&pin.path, identity.text()) => {
                "the vault's plugin identity changed since you last confirmed it".to_owned()
            }
            // What `find` returned was canonical. If it is no longer, something was put there.
            Some(pin)
                if pin.path.canonicalize().is_ok_and(|path| path == pin.path)
                    && plugin::is_executable(&pin.path) =>
            {
                return Ok((pin.path, identity));
            }
            Some(pin) => format!("the vault's plugin is no longer {}", term::path(&pin.path)),
            None => "you have not confirmed the vault's plugin on this machine".to_owned(),
        };
        Err(Failure::failed(why).hint(format!("if that is right: {}", pins::CONFIRM)))
    }

    fn plugin_identity(&self) -> Result<PluginIdentity> {
        let file = self.plugin_file();
        PluginIdentity::among(&self.read(&file, identity::LARGEST_FILE)?)
            .ok_or_else(|| self.damaged(&file, "holds no plugin's identity"))
    }

    /// Unwraps the text of the vault's key. Asks.
    fn open_key(
        &self,
        sealed: &[u8],
        plugin: impl FnOnce() -> Result<(PathBuf, PluginIdentity)>,
        reason: &Reason,
    ) -> Result<Secret> {
        let file = self.identity_file();
        match Wrapping::of(sealed, &file)? {
            Wrapping::Passphrase(log_n) => {
                identity::ask(sealed, log_n, &file, &self.prompter, reason)
            }
            Wrapping::Plugin => {
                let (path, identity) = plugin()?;
                Plugin::new(&path, &identity, &self.prompter, reason).open(sealed, &file)
            }
        }
    }
}

/// Returns the name of the secret that a file called `file` holds.
fn secret_in(file: &str) -> Option<SecretName> {
    SecretName::parse(file.strip_suffix(SUFFIX)?).ok()
}

impl Store for Vault {
    fn put(&self, name: &SecretName, value: &Secret, existing: Existing) -> Result<()> {
        self.check()?;
        super::check_size(name, value)?;
        let _lock = fs::Lock::acquire(&self.lock)?;
        let recipients = self.confirmed_recipients()?;
        let names = self.names()?;
        super::check_case(name, &names)?;
        if existing == Existing::Keep && names.contains(name) {
            return Err(super::exists(name));
        }
        fs::private_dir(&self.secrets())?;
        fs::write_atomic(&self.file_of(name), &header::seal(name, value, recipients.keys())?)
    }

    fn names(&self) -> Result<Vec<SecretName>> {
        if !self.exists()? {
            return Ok(Vec::new());
        }
        self.check()?;
        let mut names: Vec<_> = self.files()?.iter().filter_map(|file| secret_in(file)).collect();
        names.sort();
        Ok(names)
    }

    fn remove(&self, name: &SecretName) -> Result<()> {
        self.check()?;
        let _lock = fs::Lock::acquire(&self.lock)?;
        let names = self.names()?;
        if !names.contains(name) {
            return Err(super::no_such_secret(name, &names));
        }
        fs::remove(&self.file_of(name))
    }

    fn state(&self, names: &[SecretName]) -> Result<Option<String>> {
        let files = names.iter().map(|name| self.file_of(name));
        let stamps: Vec<_> = files
            .chain([self.identity_file()])
            .map(|file| fs::stamp(&file))
            .collect::<Result<_>>()?;
        Ok(Some(stamps.join("\n")))
    }

    fn unlock(&self, reason: &Reason) -> Result<Box<dyn Unlocked + '_>> {
        self.check()?;
        let file = self.identity_file();
        let sealed = self.read(&file, identity::LARGEST_FILE)?;
        let text = self.open_key(&sealed, || self.confirmed_plugin(), reason)?;
        let identity = Box::new(identity::parse(&text, &file)?);
        Ok(Box::new(Open { vault: self, identity }))
    }
}

/// An unlocked vault.
struct Open<'a> {
    vault: &'a Vault,
    /// In a box, so that it is not copied when this moves.
    identity: Box<x25519::Identity>,
}

impl Unlocked for Open<'_> {
    fn get(&self, name: &SecretName) -> Result<Secret> {
        let file = self.vault.file_of(name);
        match fs::read_capped(&file, header::LARGEST_FILE)? {
            Some(sealed) => header::open(name, &sealed, &self.identity, &file),
            None => Err(super::no_such_secret(name, &self.vault.names()?)),
        }
    }
}
