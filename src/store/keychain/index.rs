//! `keychain.index`: which secrets there are, where each one lies, and how it is protected.
//!
//! ```text
//! mima-keychain 1
//! probe CDHASH TIER                  what the last write probe brought, and for which build
//! item NAME TIER GENERATION CDHASH   the build that stored it, or -
//! stale PLACE ACCOUNT                to be deleted
//! ```
//!
//! Names are not secret. They are kept here because listing must never prompt: the keychain
//! can be asked for names too, but there are reports of it prompting, and
//! an item's tier has to be remembered where the keychain's own answer cannot change it.
//!
//! The account of an item is `NAME`, later `NAME#1`, `NAME#2`: a new value becomes a new item,
//! the index moves on to it in one atomic write, and only then is the old item deleted. So a
//! value that is replaced is never out of the keychain, and nothing has to be read back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::api::{Found, Place};
use super::report::Reconciled;
use super::tier::{PROBE, Tier};
use crate::error::{Failure, Kind, Result};
use crate::names::SecretName;
use crate::{fs, term};

/// What the file starts with, before the number.
const FORMAT: &str = "mima-keychain";
/// The newest format that this mima knows.
const VERSION: u32 = 1;
/// How large the file may be: room for some ten thousand secrets.
const LARGEST_FILE: u64 = 4 << 20;
/// Stands where there is nothing.
const NONE: &str = "-";

/// One secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) tier: Tier,
    /// How often it was replaced.
    pub(super) generation: u32,
    /// The build that stored it, if macOS told.
    pub(super) build: Option<String>,
}

/// What is known of the keychain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) probe: Option<(String, Tier)>,
    pub(super) items: BTreeMap<SecretName, Entry>,
    pub(super) stale: BTreeSet<(Place, String)>,
}

/// Returns the account of a secret's item.
pub(super) fn account(name: &SecretName, generation: u32) -> String {
    if generation == 0 { name.to_string() } else { format!("{name}#{generation}") }
}

/// Takes an account apart. `None` if mima never made it.
fn parse_account(account: &str) -> Option<(SecretName, u32)> {
    let (name, generation) = match account.split_once('#') {
        None => (account, 0),
        Some((name, number)) => (name, number.parse().ok().filter(|n| *n > 0)?),
    };
    let name = SecretName::parse(name).ok()?;
    // `x#01` is none of mima's.
    (self::account(&name, generation) == account).then_some((name, generation))
}

impl Index {
    /// Reads the index. `None` if there is none.
    pub(super) fn read(file: &Path) -> Result<Option<Self>> {
        let Some(bytes) = fs::read_capped(file, LARGEST_FILE)? else { return Ok(None) };
        let text = std::str::from_utf8(&bytes).ok();
        let version = text
            .and_then(|text| text.lines().next()?.strip_prefix(FORMAT)?.strip_prefix(' '))
            .and_then(|number| number.parse::<u32>().ok());
        if let Some(newer) = version.filter(|version| *version > VERSION) {
            return Err(Failure::failed(format!(
                "{} is of format {newer}; this mima knows {VERSION}: upgrade mima",
                term::path(file)
            )));
        }
        let parsed = text.filter(|_| version == Some(VERSION)).and_then(parse);
        parsed.map(Some).ok_or_else(|| {
            Failure::new(Kind::Damaged, format!("{} is damaged", term::path(file))).hint(format!(
                "move it away, and mima makes it anew from what the keychain has: mv {0} {0}.damaged",
                term::path(file)
            ))
        })
    }

    /// Writes the index. The caller holds the lock.
    pub(super) fn write(&self, file: &Path) -> Result<()> {
        let mut lines = vec![format!("{FORMAT} {VERSION}\n")];
        if let Some((build, tier)) = &self.probe {
            lines.push(format!("probe {build} {}\n", tier.word()));
        }
        for (name, entry) in &self.items {
            let build = entry.build.as_deref().unwrap_or(NONE);
            let (tier, generation) = (entry.tier.word(), entry.generation);
            lines.push(format!("item {name} {tier} {generation} {build}\n"));
        }
        for (place, account) in &self.stale {
            lines.push(format!("stale {} {account}\n", word(*place)));
        }
        fs::write_atomic(file, lines.concat().as_bytes())
    }

    /// Returns the names of all secrets, sorted.
    pub(super) fn names(&self) -> Vec<SecretName> {
        self.items.keys().cloned().collect()
    }

    /// Points `name` to another item, and marks the one that it had.
    pub(super) fn replace(&mut self, name: &SecretName, entry: Entry) {
        self.stale.remove(&(entry.tier.place(), account(name, entry.generation)));
        if let Some(old) = self.items.insert(name.clone(), entry) {
            self.stale.insert((old.tier.place(), account(name, old.generation)));
        }
    }

    /// Makes the index agree with what the keychain has: all of mima's items in the places
    /// that could be looked at. Nothing is said of the other place. What is left over is
    /// marked, but only if the item that took its place was seen: no value is deleted
    /// because an index was old.
    pub(super) fn reconcile(&mut self, seen: &BTreeMap<Place, Vec<Found>>) -> Reconciled {
        let mut report = Reconciled::default();
        let has = |place: Place, account: &str| {
            seen.get(&place).is_some_and(|items| items.iter().any(|item| item.account == account))
        };
        self.items.retain(|name, entry| {
            let place = entry.tier.place();
            if !seen.contains_key(&place) {
                report.unseen.push(name.clone());
                return true;
            }
            let stays = has(place, &account(name, entry.generation));
            if !stays {
                report.gone.push(name.clone());
            }
            stays
        });
        // The data-protection keychain comes first in this order, the newest item last.
        for (place, items) in seen {
            let mut items: Vec<_> = items
                .iter()
                // A value that was replaced is not taken in again, whatever became of the new one.
                .filter(|item| !self.stale.contains(&(*place, item.account.clone())))
                .filter_map(|item| parse_account(&item.account).map(|parsed| (parsed, item)))
                .collect();
            items.sort_by(|(a, _), (b, _)| b.cmp(a));
            for ((name, generation), item) in items {
                let Some(known) = self.items.get(&name) else {
                    let tier = tier_of(*place, item);
                    self.items.insert(name.clone(), Entry { tier, generation, build: None });
                    report.found.push(name);
                    continue;
                };
                let own = (known.tier.place(), account(&name, known.generation));
                if own != (*place, item.account.clone()) && has(own.0, &own.1) {
                    self.stale.insert((*place, item.account.clone()));
                }
            }
            if has(*place, PROBE) {
                self.stale.insert((*place, PROBE.to_owned()));
            }
        }
        // An index from a backup knows an older item of the same name.
        report.gone.retain(|name| !self.items.contains_key(name));
        report.found.sort();
        report
    }
}

/// What an item says about its tier. In the login keychain every program can say that, so it
/// is believed only as far as the place goes.
fn tier_of(place: Place, item: &Found) -> Tier {
    let said = item.comment.rsplit(' ').next().and_then(Tier::named);
    said.filter(|tier| tier.place() == place).unwrap_or(match place {
        Place::DataProtection => Tier::Protected,
        Place::Login => Tier::AdHoc,
    })
}

fn word(place: Place) -> &'static str {
    match place {
        Place::DataProtection => "data-protection",
        Place::Login => "login",
    }
}

fn parse(text: &str) -> Option<Index> {
    let mut index = Index::default();
    for line in text.lines().skip(1) {
        let words: Vec<_> = line.split(' ').collect();
        let is_new = match *words.as_slice() {
            ["probe", build, tier] => {
                index.probe.replace((build.to_owned(), Tier::named(tier)?)).is_none()
            }
            ["item", name, tier, generation, build] => {
                let entry = Entry {
                    tier: Tier::named(tier)?,
                    generation: generation.parse().ok()?,
                    build: (build != NONE).then(|| build.to_owned()),
                };
                index.items.insert(SecretName::parse(name).ok()?, entry).is_none()
            }
            ["stale", place, account] => {
                let place = [Place::DataProtection, Place::Login]
                    .into_iter()
                    .find(|known| word(*known) == place)?;
                index.stale.insert((place, account.to_owned()))
            }
            _ => return None,
        };
        if !is_new {
            return None;
        }
    }
    Some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SecretName {
        SecretName::parse(text).unwrap()
    }

    fn entry(tier: Tier, generation: u32) -> Entry {
        Entry { tier, generation, build: None }
    }

    fn found(accounts: &[&str]) -> Vec<Found> {
        accounts
            .iter()
            .map(|account| Found { account: (*account).to_owned(), comment: String::new() })
            .collect()
    }

    #[test]
    fn the_index_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("keychain.index");
        assert_eq!(Index::read(&file).unwrap(), None);
        let mut index = Index::default();
        for _ in 0..2 {
            index.write(&file).unwrap();
            assert_eq!(Index::read(&file).unwrap().as_ref(), Some(&index));
            index.probe = Some(("ab12".to_owned(), Tier::Stable));
            index.replace(&name("x"), entry(Tier::AdHoc, 0));
            index.replace(&name("x"), entry(Tier::Protected, 1));
            index.items.insert(
                name("me@x+y"),
                Entry { build: Some("cd".to_owned()), ..entry(Tier::AdHoc, 7) },
            );
        }
        for bad in [
            "",
            "mima-keychain\n",
            "mima-keychain 1\nitem x\n",
            "mima-keychain 1\nitem x ad-hoc 0 -\nitem x ad-hoc 1 -\n",
            "mima-keychain 1\nitem ../x ad-hoc 0 -\n",
            "mima-keychain 1\nitem x better 0 -\n",
            "mima-keychain 1\nprobe a ad-hoc\nprobe a stable\n",
            "mima-keychain 1\n\n",
            "mima-keychain 0\n",
        ] {
            fs::write_atomic(&file, bad.as_bytes()).unwrap();
            assert_eq!(Index::read(&file).unwrap_err().kind(), Kind::Damaged, "{bad:?}");
        }
        fs::write_atomic(&file, b"mima-keychain 2\nwhatever\n").unwrap();
        assert!(Index::read(&file).unwrap_err().to_string().contains("upgrade mima"));
    }

    #[test]
    fn an_account_is_a_name_and_a_generation() {
        for (text, generation) in [("x", 0), ("x#1", 1), ("x#12", 12)] {
            assert_eq!(parse_account(text), Some((name("x"), generation)));
            assert_eq!(account(&name("x"), generation), text);
        }
        for foreign in [PROBE, "", "x#", "x#0", "x#01", "x#+1", "x#1#2", "a b", "#1"] {
            assert_eq!(parse_account(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn what_the_keychain_has_counts() {
        let mut index = Index::default();
        index.items.insert(name("gone"), entry(Tier::AdHoc, 0));
        index.items.insert(name("kept"), entry(Tier::AdHoc, 1));
        index.items.insert(name("old"), entry(Tier::AdHoc, 0));
        index.items.insert(name("sealed"), entry(Tier::Protected, 0));
        let login = found(&["kept", "kept#1", "new", "new#3", "old#2", "a foreigner", PROBE]);
        let report = index.reconcile(&BTreeMap::from([(Place::Login, login)]));
        assert_eq!(report.gone, [name("gone")]);
        assert_eq!(report.found, [name("new"), name("old")]);
        assert_eq!(report.unseen, [name("sealed")]);
        let stale: Vec<_> = index.stale.iter().map(|(_, account)| account.as_str()).collect();
        assert_eq!(stale, [PROBE, "kept", "new"]);
        assert_eq!(index.items[&name("new")].generation, 3);
        assert_eq!(index.items[&name("old")].generation, 2);
        assert_eq!(index.items[&name("sealed")], entry(Tier::Protected, 0));
    }

    #[test]
    fn nothing_is_deleted_for_an_item_that_was_not_seen() {
        // The index says that `x` moved to the other keychain, which cannot be looked at.
        let mut index = Index::default();
        index.items.insert(name("x"), entry(Tier::Protected, 1));
        let seen = BTreeMap::from([(Place::Login, found(&["x"]))]);
        index.reconcile(&seen);
        assert!(index.stale.is_empty());
        // Now it can, and the item is there.
        let seen = BTreeMap::from([
            (Place::Login, found(&["x"])),
            (Place::DataProtection, found(&["x#1"])),
        ]);
        index.reconcile(&seen);
        assert_eq!(index.stale, BTreeSet::from([(Place::Login, "x".to_owned())]));
    }

    #[test]
    fn a_value_that_was_replaced_does_not_come_back() {
        let mut index = Index::default();
        index.replace(&name("x"), entry(Tier::AdHoc, 0));
        index.replace(&name("x"), entry(Tier::AdHoc, 1));
        let report = index.reconcile(&BTreeMap::from([(Place::Login, found(&["x"]))]));
        assert_eq!((report.gone, report.found), (vec![name("x")], vec![]));
        assert_eq!(index.stale, BTreeSet::from([(Place::Login, "x".to_owned())]));
    }

    #[test]
    fn an_item_says_its_tier_and_is_believed_as_far_as_its_place_goes() {
        for (place, comment, want) in [
            (Place::Login, "mima, tier stable", Tier::Stable),
            (Place::Login, "mima, tier protected", Tier::AdHoc),
            (Place::Login, "", Tier::AdHoc),
            (Place::DataProtection, "mima, tier ad-hoc", Tier::Protected),
        ] {
            let item = Found { account: "x".to_owned(), comment: comment.to_owned() };
            assert_eq!(tier_of(place, &item), want, "{comment}");
        }
    }
}
