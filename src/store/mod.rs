//! Where values lie. One trait, several backends, one contract that all of them pass
//! (`tests/contract.rs`).
//!
//! Adding, listing and removing never ask for presence; reading asks once, in
//! [`Store::unlock`], and never again.

pub mod env;
pub mod keychain;
#[cfg(all(target_os = "linux", feature = "secret-service"))]
pub mod secret_service;
pub mod vault;

use crate::error::{Failure, Kind, Result};
use crate::names::{SecretName, VarName, case_clash, nearest};
use crate::prompt::Reason;
use crate::secret::Secret;

/// How large a value may be, in bytes.
pub const LARGEST_VALUE: u64 = 1 << 20;

/// Says that there is no secret `name` among `names`, and which one was probably meant.
pub fn no_such_secret(name: &SecretName, names: &[SecretName]) -> Failure {
    let failure = Failure::new(Kind::NotFound, format!("there is no secret `{name}`"));
    match nearest(name.as_str(), names.iter().map(SecretName::as_str)) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure.hint("mima secret list"),
    }
}

/// Refuses a new `name` that differs from one of `names` only in case: some disks take them
/// for one. (threat D8)
pub fn check_case(name: &SecretName, names: &[SecretName]) -> Result<()> {
    match case_clash(name.as_str(), names.iter().map(SecretName::as_str)) {
        Some(other) => Err(Failure::failed(format!(
            "`{name}` differs from the secret `{other}` only in case, and some disks take them for one"
        ))
        .hint("choose another name, or use that one")),
        None => Ok(()),
    }
}

/// Refuses a value that is too large for any store.
pub fn check_size(name: &SecretName, value: &Secret) -> Result<()> {
    if u64::try_from(value.len()).is_ok_and(|len| len <= LARGEST_VALUE) {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "`{name}` is {} bytes long, and a secret may have {LARGEST_VALUE} at most",
        value.len()
    )))
}

/// What becomes of a secret that is stored already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and storing fails.
    Keep,
    /// It is replaced.
    Replace,
}

/// Says that there is a secret `name` already.
pub fn exists(name: &SecretName) -> Failure {
    Failure::new(Kind::Exists, format!("there is a secret `{name}` already, and it stays as it is"))
}

/// What a store does for the values in it, where that is not the same everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protection {
    /// What becomes of a value that is stored now.
    pub what: String,
    /// How to get a better protection, if there is one.
    pub remedy: Option<String>,
    /// Which secrets are not protected like that, one line for each other way.
    pub others: Vec<String>,
    /// Whether nothing is stored like that so far: then it is said when something is.
    pub is_news: bool,
}

/// A place that keeps secrets by name.
///
/// Where another program keeps them, and that one is locked, it may ask by itself before it
/// stores or removes something. It never does to list the names.
pub trait Store {
    /// Stores `value` under `name`. Never asks for presence. Fails with [`Kind::Exists`] if
    /// there is one already and it is to be kept.
    fn put(&self, name: &SecretName, value: &Secret, existing: Existing) -> Result<()>;

    /// Returns the names of all secrets, sorted. Never asks for presence.
    fn names(&self) -> Result<Vec<SecretName>>;

    /// Removes a secret. Fails with [`crate::error::Kind::NotFound`] if there is none.
    /// Never asks for presence.
    fn remove(&self, name: &SecretName) -> Result<()>;

    /// Says how values are protected, for those who are to know. `None` if that is plain from
    /// the store's name. Never asks for presence.
    fn protection(&self) -> Result<Option<Protection>> {
        Ok(None)
    }

    /// Asks for presence, once, for `reason`.
    fn unlock(&self, reason: &Reason) -> Result<Box<dyn Unlocked + '_>>;

    /// Returns the name under which this store has what a group gives to `var`, where the
    /// group names `secret`.
    fn name_for(&self, _var: &VarName, secret: &SecretName) -> SecretName {
        secret.clone()
    }

    /// Returns a text that is another one whenever the value of one of these secrets may be.
    /// `None` if the store cannot tell, or asks for nothing anyway: then no value is kept.
    /// Never asks for presence.
    fn state(&self, _names: &[SecretName]) -> Result<Option<String>> {
        Ok(None)
    }

    /// Says, as a hint, how the store comes to have a secret `name`.
    fn how_to_add(&self, name: &SecretName) -> String {
        format!("mima secret add {name}")
    }
}

/// A store whose values can be read.
pub trait Unlocked {
    /// Reads one value. Never asks again. Fails with [`crate::error::Kind::NotFound`] if
    /// there is no such secret, and [`crate::error::Kind::Damaged`] if what is there is not
    /// what mima stored under that name.
    fn get(&self, name: &SecretName) -> Result<Secret>;
}
