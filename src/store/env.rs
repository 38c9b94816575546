//! The environment that mima was started in, as a store to read from: for CI, where secrets
//! come as variables.
//!
//! A secret is a variable here, and its name the variable's. What a group links `TOKEN` to
//! does not matter: `run` gives `TOKEN` the value that `TOKEN` has.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::{Existing, Store, Unlocked};
use crate::error::{Failure, Kind, Result};
use crate::names::{SecretName, VarName};
use crate::prompt::Reason;
use crate::secret::Secret;

/// The store of the environment.
pub struct Env {
    vars: BTreeMap<SecretName, Secret>,
}

impl Env {
    /// Takes the variables that a group may set: those that steer the shell are no secrets.
    pub fn new(vars: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let vars = vars.into_iter().filter_map(|(name, value)| {
            let name = VarName::parse_settable(name.to_str()?).ok()?;
            Some((SecretName::from(&name), Secret::new(value.into_vec())))
        });
        Self { vars: vars.collect() }
    }
}

/// Says that nothing can be stored in the environment.
pub fn read_only() -> Failure {
    Failure::failed(
        "the store is `env`: mima reads the environment, and cannot store anything there",
    )
    .hint("set the variable where mima is started, or choose another store: MIMA_STORE=vault")
}

impl Store for Env {
    fn put(&self, _: &SecretName, _: &Secret, _: Existing) -> Result<()> {
        Err(read_only())
    }

    fn names(&self) -> Result<Vec<SecretName>> {
        Ok(self.vars.keys().cloned().collect())
    }

    fn remove(&self, _: &SecretName) -> Result<()> {
        Err(read_only())
    }

    fn unlock(&self, _: &Reason) -> Result<Box<dyn Unlocked + '_>> {
        Ok(Box::new(Open(self)))
    }

    fn name_for(&self, var: &VarName, _: &SecretName) -> SecretName {
        SecretName::from(var)
    }

    fn how_to_add(&self, name: &SecretName) -> String {
        format!("the store is `env`: set the variable {name} where mima is started")
    }
}

/// The environment, which asks nobody.
struct Open<'a>(&'a Env);

impl Unlocked for Open<'_> {
    fn get(&self, name: &SecretName) -> Result<Secret> {
        match self.0.vars.get(name) {
            Some(value) => Ok(Secret::new(value.expose().to_vec())),
            None => Err(Failure::new(
                Kind::NotFound,
                format!("the environment has no variable `{name}`"),
            )
            .hint(self.0.how_to_add(name))),
        }
    }
}
