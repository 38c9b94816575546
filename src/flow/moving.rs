//! Moving secrets from one store to another, so that no value is lost whatever happens.
//!
//! Each secret for itself: copied, read back, and only then removed where it was. At any
//! moment it is in at least one of the two stores; killed in between it is in both, with the
//! same value, and the same move goes on from there.

use std::collections::BTreeSet;

use crate::error::{Failure, Kind, Result};
use crate::names::SecretName;
use crate::prompt::Reason;
use crate::secret::Secret;
use crate::store::{Existing, Store, Unlocked, check_case, no_such_secret};

/// A store, and what the user calls it.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// What the user calls it.
    pub name: &'a str,
    /// The store.
    pub store: &'a dyn Store,
}

/// What is to be moved, and what is there already.
pub struct Moving<'a> {
    from: Place<'a>,
    to: Place<'a>,
    /// What is still in the old store, sorted.
    names: BTreeSet<SecretName>,
    /// Which secrets the new store has.
    known: Vec<SecretName>,
    existing: Existing,
}

/// How a secret came to be in the new store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It was copied.
    Copied,
    /// It was there, with the same value: an earlier move was cut short.
    WasThere,
}

impl<'a> Moving<'a> {
    /// Finds out what is to be done; `wanted` names the secrets, or nothing for all of them.
    /// Changes and asks nothing. A wanted one that only the new store has is no failure: an
    /// earlier move got that far.
    pub fn plan(
        from: Place<'a>,
        to: Place<'a>,
        wanted: &[SecretName],
        existing: Existing,
    ) -> Result<Self> {
        let present = from.store.names()?;
        let known = to.store.names()?;
        let mut names = BTreeSet::new();
        for name in if wanted.is_empty() { &present } else { wanted } {
            if present.contains(name) {
                check_case(name, &known)?;
                names.insert(name.clone());
            } else if !known.contains(name) {
                return Err(no_such_secret(name, &present));
            }
        }
        Ok(Self { from, to, names, known, existing })
    }

    /// Tells whether there is nothing to move.
    pub fn is_done(&self) -> bool {
        self.names.is_empty()
    }

    /// Moves the secrets one after the other, and tells `progress` of each one that has
    /// arrived. Each store asks once, both before anything is changed; so does a value that
    /// the new store has otherwise fail before.
    pub fn run(
        self,
        reason: &Reason,
        mut progress: impl FnMut(&SecretName, Arrival),
    ) -> Result<()> {
        let source = self.from.store.unlock(reason)?;
        let target = self.to.store.unlock(reason)?;
        if self.existing == Existing::Keep {
            for name in self.names.iter().filter(|name| self.known.contains(name)) {
                if !agree(&source.get(name)?, &target.get(name)?) {
                    return Err(self.conflict(name));
                }
            }
        }
        for name in &self.names {
            let arrival = self
                .move_one(name, &*source, &*target)
                .map_err(|failure| failure.context(format!("could not move `{name}`")))?;
            progress(name, arrival);
        }
        Ok(())
    }

    fn move_one(
        &self,
        name: &SecretName,
        source: &dyn Unlocked,
        target: &dyn Unlocked,
    ) -> Result<Arrival> {
        let value = source.get(name)?;
        let there = match target.get(name) {
            Ok(there) => Some(agree(&there, &value)),
            Err(failure) if failure.kind() == Kind::NotFound => None,
            // What is damaged there cannot be compared, but it can be replaced.
            Err(failure)
                if failure.kind() == Kind::Damaged && self.existing == Existing::Replace =>
            {
                Some(false)
            }
            Err(failure) => return Err(failure),
        };
        let arrival = match there {
            Some(true) => Arrival::WasThere,
            Some(false) if self.existing == Existing::Keep => return Err(self.conflict(name)),
            _ => {
                self.to.store.put(name, &value, self.existing)?;
                Arrival::Copied
            }
        };
        if !target.get(name).is_ok_and(|back| agree(&back, &value)) {
            return Err(Failure::new(
                Kind::Damaged,
                format!(
                    "what {} gives back is not what was stored; the value is still in {}",
                    self.to.name, self.from.name
                ),
            )
            .hint(format!(
                "to store it once more: mima secret move --to {} --force {name}",
                self.to.name
            )));
        }
        // Somebody may have stored another value meanwhile, which must not be removed. No
        // lock spans two stores: between these two calls there is a moment that is not covered.
        if !agree(&source.get(name)?, &value) {
            return Err(Failure::failed(format!(
                "it was changed in {} meanwhile, so it stays there",
                self.from.name
            ))
            .hint(format!(
                "{0} has its value of before: mima secret move --to {0} --force {name}",
                self.to.name
            )));
        }
        match self.from.store.remove(name) {
            Err(failure) if failure.kind() != Kind::NotFound => Err(failure),
            // Whoever removed it meanwhile did what is wanted.
            _ => Ok(arrival),
        }
    }

    fn conflict(&self, name: &SecretName) -> Failure {
        Failure::new(
            Kind::Exists,
            format!("{} has another value for `{name}`, and both stay as they are", self.to.name),
        )
        .hint(format!(
            "to keep the one of {}: mima secret move --to {} --force {name}",
            self.from.name, self.to.name
        ))
    }
}

fn agree(a: &Secret, b: &Secret) -> bool {
    a.expose() == b.expose()
}
