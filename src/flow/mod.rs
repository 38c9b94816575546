//! From a command line to what it needs: files found and parsed, groups resolved, the store
//! opened, presence asked for.

mod binary;
mod command;
pub mod doctor;
mod dotenv;
mod edit;
mod explain;
mod flake;
pub mod import;
mod layouts;
mod moving;
mod patterns;
mod plan;
mod project;
mod session;
pub mod session_install;
mod told;
mod value;
mod wanted;
mod watch;

pub use binary::{installed_binary, own_binary, started_binary};
pub use command::{Found, find, find_on_path};
pub use edit::Target;
pub use explain::{Does, Origin, Provider};
pub use flake::{Flake, Nix, forget_flakes, together};
pub use moving::{Arrival, Moving, Place};
pub use plan::plan;
pub use project::{
    LOCAL_FILE, Layer, Look, PROJECT_FILE, absolute, environment, working_directory,
};
pub use session::{Purpose, Session};
pub use told::Told;
pub use value::{Source, read_value};
pub use wanted::Wanted;
pub use watch::{Watching, forget_stamps};

use std::cell::OnceCell;
use std::ffi::OsString;

use crate::config::parse::{MAX_FILE_BYTES, parse};
use crate::config::user::{StoreKind, UserFile};
use crate::error::{Failure, Kind, Result};
use crate::fs;
use crate::paths::Paths;
use crate::prompt::{Prompter, Reason};
use crate::store::Store;
use crate::store::env::{self, Env};
#[cfg(target_os = "macos")]
use crate::store::keychain;
#[cfg(all(target_os = "linux", feature = "secret-service"))]
use crate::store::secret_service::SecretService;
use crate::store::vault::{Vault, Wrap};
use crate::term;

/// The variable that chooses the store, whatever the user file says.
pub const STORE: &str = "MIMA_STORE";

/// What every verb starts from: where things are, and how to ask.
pub struct Mima {
    paths: Paths,
    prompter: Prompter,
    user_file: OnceCell<UserFile>,
}

impl Mima {
    /// Finds the places. Nothing is created or asked.
    pub fn new(paths: Paths, prompter: Prompter) -> Self {
        Self { paths, prompter, user_file: OnceCell::new() }
    }

    /// Where mima's files are.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// How to ask.
    pub fn prompter(&self) -> &Prompter {
        &self.prompter
    }

    /// Reads and parses the user file, once; the empty one if there is none.
    pub fn user_file(&self) -> Result<&UserFile> {
        if let Some(file) = self.user_file.get() {
            return Ok(file);
        }
        let path = self.paths.user_file();
        let bytes = fs::read_capped(path, MAX_FILE_BYTES)?;
        if bytes.is_some() {
            fs::check_not_forged(path)?;
        }
        let file = parse(&bytes.unwrap_or_default(), &term::path(path))?;
        Ok(self.user_file.get_or_init(|| file))
    }

    /// Finds out which store keeps the values: the one that `MIMA_STORE` names, else the one
    /// that the user file names.
    pub fn store_kind(&self) -> Result<StoreKind> {
        let Some(name) = chosen_store() else { return Ok(self.user_file()?.store) };
        StoreKind::named(&name.to_string_lossy())
            .map_err(|(what, hint)| Failure::new(Kind::Failed, what).context(STORE).hint(hint))
    }

    /// Opens the store.
    pub fn store(&self) -> Result<Box<dyn Store>> {
        Ok(self.open(self.store_kind()?))
    }

    /// Opens any store of this build.
    pub fn open(&self, kind: StoreKind) -> Box<dyn Store> {
        match kind {
            StoreKind::Vault => Box::new(self.vault()),
            #[cfg(target_os = "macos")]
            StoreKind::Keychain => keychain::open(&self.paths, self.prompter.clone()),
            #[cfg(all(target_os = "linux", feature = "secret-service"))]
            StoreKind::SecretService => {
                Box::new(SecretService::new(&self.paths, self.prompter.clone()))
            }
            StoreKind::Env => Box::new(Env::new(std::env::vars_os())),
        }
    }

    /// Makes mima's list of secrets and the keychain agree, where that is the store and there is
    /// a list; says what was done. Never asks for presence.
    #[cfg(target_os = "macos")]
    pub fn reconcile_keychain(&self) -> Result<Vec<String>> {
        if self.store_kind()? != StoreKind::Keychain || !self.paths.keychain_index().exists() {
            return Ok(Vec::new());
        }
        Ok(keychain::here(&self.paths, self.prompter.clone()).reconcile()?.lines())
    }

    /// Fails if nothing can be stored: better before a value has been typed.
    pub fn check_writable(&self) -> Result<()> {
        if self.store_kind()? == StoreKind::Env { Err(env::read_only()) } else { Ok(()) }
    }

    /// Opens the store, and makes the vault if it is the store and there is none yet. That
    /// asks for a new passphrase.
    pub fn store_to_write(&self, reason: &Reason) -> Result<Box<dyn Store>> {
        self.open_to_write(self.store_kind()?, reason)
    }

    /// As [`Mima::store_to_write`], for any store of this build.
    pub fn open_to_write(&self, kind: StoreKind, reason: &Reason) -> Result<Box<dyn Store>> {
        let store = self.open(kind);
        let vault = self.vault();
        if kind == StoreKind::Vault && !vault.exists()? {
            term::note("there is no vault yet, so this makes one: choose its passphrase");
            vault.init(&Wrap::Passphrase, reason)?;
        }
        Ok(store)
    }

    /// The embedded store, for the verbs that are about it.
    pub fn vault(&self) -> Vault {
        Vault::new(&self.paths, self.prompter.clone())
    }
}

/// Returns what `MIMA_STORE` says, if anything.
pub fn chosen_store() -> Option<OsString> {
    std::env::var_os(STORE).filter(|name| !name.is_empty())
}
