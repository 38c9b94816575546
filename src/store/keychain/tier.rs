//! What macOS can do for a value depends on how mima is signed. There are three tiers; which
//! one it is comes out by trying.

use super::api::{Api, Item, Key, Place, Status};
use super::errors;
use crate::error::Result;

/// How an item is protected. It is kept per item, in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// In the data-protection keychain with `.userPresence`: macOS itself asks.
    Protected,
    /// In the login keychain, by a build that an Apple-issued certificate signed. mima asks.
    Stable,
    /// In the login keychain, by a build with an ad-hoc signature, and bound to that very
    /// build. mima asks.
    AdHoc,
}

impl Tier {
    const ALL: [Self; 3] = [Self::Protected, Self::Stable, Self::AdHoc];

    /// Its name, in the index and in messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Protected => "protected",
            Self::Stable => "stable",
            Self::AdHoc => "ad-hoc",
        }
    }

    /// Finds the tier of that name.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.word() == word)
    }

    /// In which keychain its items are.
    pub fn place(self) -> Place {
        match self {
            Self::Protected => Place::DataProtection,
            Self::Stable | Self::AdHoc => Place::Login,
        }
    }

    /// What it promises, and what it does not.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Protected => {
                "protected: macOS gives a value out only after Touch ID or your password"
            }
            Self::Stable => {
                "stable: the login keychain, and mima asks for Touch ID or your password; that is mima's own gate, and code that runs as you can go around it"
            }
            Self::AdHoc => {
                "ad-hoc: the login keychain, and mima asks for Touch ID or your password; that is mima's own gate, and code that runs as you can go around it; after each new build macOS asks for the keychain's password once per secret"
            }
        }
    }

    /// How to get to a better one.
    pub fn remedy(self) -> Option<&'static str> {
        (self != Self::Protected).then_some(errors::SIGN)
    }
}

/// What trying brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Probe {
    pub(super) tier: Tier,
    /// Whether it will be the same for this build tomorrow.
    pub(super) is_final: bool,
}

/// The account of the item that [`probe`] adds. No secret's name starts with a dot.
pub(super) const PROBE: &str = ".probe";

/// Finds the tier by adding a throw-away item as a real one would be added, and deleting it.
///
/// Reading would tell nothing: a program without the entitlement is told that there is no
/// such item (Apple's own `KeychainEntitlementsTest.m` asserts both). An answer that is about
/// the moment and not about the program is a failure: a locked screen must not move secrets
/// to the weaker keychain.
pub(super) fn probe<A: Api>(api: &A, service: &str) -> Result<Probe> {
    let key = Key { place: Place::DataProtection, service, account: PROBE };
    let item = Item { key, label: "mima: a probe", comment: "may be deleted", value: b"probe" };
    let fallback = match api.signature().team {
        Some(_) => Tier::Stable,
        None => Tier::AdHoc,
    };
    match api.add(&item) {
        // It is there already if an earlier mima was killed right here.
        Ok(()) | Err(Status::DUPLICATE_ITEM) => {
            // If this fails, the next probe is told about a duplicate, which is as good.
            api.delete(&key).ok();
            Ok(Probe { tier: Tier::Protected, is_final: true })
        }
        Err(Status::MISSING_ENTITLEMENT) => Ok(Probe { tier: fallback, is_final: true }),
        Err(status) if is_momentary(status) => Err(errors::of_status(status, key.place)
            .context("could not find out how the keychain can protect a secret")),
        Err(_) => Ok(Probe { tier: fallback, is_final: false }),
    }
}

/// Tells whether the answer may be another one in a minute.
fn is_momentary(status: Status) -> bool {
    matches!(
        status,
        Status::INTERACTION_NOT_ALLOWED
            | Status::INTERACTION_REQUIRED
            | Status::IN_DARK_WAKE
            | Status::NOT_AVAILABLE
            | Status::USER_CANCELED
            | Status::AUTH_FAILED
            | Status::NO_ANSWER
    )
}
