//! The keychain of macOS: a secret is a generic password, and macOS or mima itself asks for
//! Touch ID, a watch or the login password before a value is read.
//!
//! | file | what is there |
//! |---|---|
//! | `api` | the handful of calls to macOS, as a trait |
//! | `apple` | that trait over `sys::keychain`; on macOS only |
//! | `tier` | what macOS can do for this build of mima, found by trying |
//! | `index` | which secrets there are, and where; mima's own file |
//! | `report` | how the index and the keychain disagree |
//! | `errors` | what an answer of macOS means, for a person |
//!
//! Adding and deleting are open to mima at any time, because `.userPresence` guards only
//! decryption; names come from the index. A batch of reads shares one `LAContext`, which is
//! asked for presence before the first and invalidated after the last.

pub mod api;
#[cfg(target_os = "macos")]
mod apple;
mod errors;
mod index;
mod report;
mod tier;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

use super::{Existing, Protection, Store, Unlocked};
use crate::error::{Failure, Kind, Result};
use crate::names::SecretName;
use crate::paths::Paths;
use crate::prompt::{Prompter, Reason};
use crate::secret::Secret;
use crate::{fs, term};

use api::{Api, Found, Item, Key, Place, Signature, Status};
use index::{Entry, Index, account};
pub use report::Reconciled;
pub(crate) use report::listed;
pub use tier::Tier;
use tier::probe;

/// `kSecAttrService` of all items, followed by the directory if that was chosen with
/// `MIMA_HOME`: two of them must not take each other's items for their own.
const SERVICE: &str = "mima";
/// How long the question stands.
const PATIENCE: Duration = Duration::from_secs(300);
/// How many characters the sheet is given.
const LONGEST_REASON: usize = 240;
/// How many accounts of a secret may be taken already. Each one is what a crash left behind.
const MOST_LEFTOVERS: u32 = 16;
/// How often to look where an item is now, if another mima replaces it meanwhile.
const MOST_MOVES: u32 = 8;

/// Opens the keychain of this Mac.
#[cfg(target_os = "macos")]
pub fn open(paths: &Paths, prompter: Prompter) -> Box<dyn Store> {
    Box::new(here(paths, prompter))
}

/// Returns the keychain of this Mac, for what only a keychain can tell.
#[cfg(target_os = "macos")]
pub fn here(paths: &Paths, prompter: Prompter) -> Keychain<impl Api + use<>> {
    Keychain::new(apple(), paths, prompter)
}

/// Returns the calls to the keychains of this Mac, for whoever has another answer to one of
/// them.
#[cfg(target_os = "macos")]
pub fn apple() -> impl Api<Context = crate::sys::keychain::Context> + use<> {
    apple::Apple::default()
}

/// The store, over the real keychain or another.
pub struct Keychain<A> {
    api: A,
    service: String,
    data: PathBuf,
    index: PathBuf,
    lock: PathBuf,
    prompter: Prompter,
}

impl<A: Api> Keychain<A> {
    /// Makes the store over `api`. Reads and creates nothing.
    pub fn new(api: A, paths: &Paths, prompter: Prompter) -> Self {
        let is_chosen = paths.home() == paths.data();
        Self {
            api,
            service: if is_chosen {
                format!("{SERVICE} {}", paths.data().to_string_lossy())
            } else {
                SERVICE.to_owned()
            },
            data: paths.data().to_owned(),
            index: paths.keychain_index(),
            lock: paths.lock(),
            prompter,
        }
    }

    /// Makes the index and the keychain agree: what is gone is forgotten, what mima did not
    /// know is taken in, what is left over is deleted. Never asks for presence. A damaged
    /// index is made anew.
    pub fn reconcile(&self) -> Result<Reconciled> {
        fs::private_dir(&self.data)?;
        let _lock = fs::Lock::acquire(&self.lock)?;
        let mut index = match Index::read(&self.index) {
            Ok(index) => index.unwrap_or_default(),
            Err(failure) if failure.kind() == Kind::Damaged => Index::default(),
            Err(failure) => return Err(failure),
        };
        let seen = self.look(&mut index)?;
        let mut report = index.reconcile(&seen);
        // Before anything is deleted, so that the index never points to nothing.
        index.write(&self.index)?;
        report.swept = self.sweep(&mut index);
        index.write(&self.index)?;
        Ok(report)
    }

    /// Tells how the index and the keychain disagree, and leaves both as they are. Never asks
    /// for presence. Without an index there is nothing to disagree with.
    pub fn disagreement(&self) -> Result<Reconciled> {
        let Some(mut index) = Index::read(&self.index)? else { return Ok(Reconciled::default()) };
        let seen = self.look(&mut index)?;
        let mut report = index.reconcile(&seen);
        let is_there = |(place, account): &&(Place, String)| {
            seen.get(place).is_some_and(|items| items.iter().any(|item| item.account == *account))
        };
        report.swept = index.stale.iter().filter(is_there).count();
        Ok(report)
    }

    /// Lists mima's items in each place that this build can look at.
    fn look(&self, index: &mut Index) -> Result<BTreeMap<Place, Vec<Found>>> {
        // Not what was found last time: to a program that may not see it, the protected
        // keychain looks empty, and every secret in it would be missed.
        index.probe = None;
        let mut seen = BTreeMap::from([(Place::Login, self.list(Place::Login)?)]);
        if self.tier_for(index)? == Tier::Protected {
            seen.insert(Place::DataProtection, self.list(Place::DataProtection)?);
        }
        Ok(seen)
    }

    /// Returns what macOS knows about this build, which explains its tier.
    pub fn signature(&self) -> Signature {
        self.api.signature()
    }

    /// Returns the tier of what is stored now. Never asks for presence.
    pub fn tier(&self) -> Result<Tier> {
        self.tier_for(&mut self.load()?)
    }

    /// Returns the secrets and how each one is protected.
    pub fn items(&self) -> Result<Vec<(SecretName, Tier)>> {
        Ok(self.load()?.items.into_iter().map(|(name, entry)| (name, entry.tier)).collect())
    }

    /// Reads the index; without one, asks the keychain what it has.
    fn load(&self) -> Result<Index> {
        if self.data.exists() {
            fs::check_owned(&self.data)?;
        }
        if let Some(index) = Index::read(&self.index)? {
            return Ok(index);
        }
        let mut index = Index::default();
        let mut seen = BTreeMap::new();
        for place in [Place::DataProtection, Place::Login] {
            seen.insert(place, self.list(place)?);
        }
        index.reconcile(&seen);
        Ok(index)
    }

    fn list(&self, place: Place) -> Result<Vec<Found>> {
        match self.api.list(place, &self.service) {
            Err(Status::ITEM_NOT_FOUND) => Ok(Vec::new()),
            found => found.map_err(|status| {
                errors::of_status(status, place).context("could not list the keychain's secrets")
            }),
        }
    }

    /// Finds the tier: what is remembered for this very build, else by trying.
    fn tier_for(&self, index: &mut Index) -> Result<Tier> {
        let build = self.api.signature().cdhash;
        if let (Some(build), Some((known, tier))) = (&build, &index.probe)
            && build == known
        {
            return Ok(*tier);
        }
        let probe = probe(&self.api, &self.service)?;
        index.probe = build.filter(|_| probe.is_final).map(|build| (build, probe.tier));
        Ok(probe.tier)
    }

    /// Deletes what is left over, and tells how many items that were. What cannot be deleted
    /// now stays marked.
    fn sweep(&self, index: &mut Index) -> usize {
        let mut swept = 0;
        index.stale.retain(|(place, account)| {
            match self.api.delete(&self.key(*place, account)) {
                Ok(()) => swept += 1,
                Err(Status::ITEM_NOT_FOUND) => {}
                Err(_) => return true,
            }
            false
        });
        swept
    }

    fn key<'a>(&'a self, place: Place, account: &'a str) -> Key<'a> {
        Key { place, service: &self.service, account }
    }

    /// Adds `value` as an item of its own, which nothing points to yet, and returns what the
    /// index is to point to. Returns `None` if there is one that the index does not know and
    /// that is to be kept; the index knows it now.
    fn add(
        &self,
        index: &mut Index,
        name: &SecretName,
        value: &Secret,
        existing: Existing,
    ) -> Result<Option<Entry>> {
        let tier = self.tier_for(index)?;
        let old = index.items.get(name).cloned();
        if old.as_ref().is_some_and(|old| old.tier == Tier::Protected) && tier != Tier::Protected {
            return Err(errors::would_weaken(name, tier));
        }
        let value = framed(name, value);
        let comment = format!("{SERVICE}, tier {}", tier.word());
        let first = old.as_ref().map_or(0, |old| old.generation.saturating_add(1));
        for generation in first..first.saturating_add(MOST_LEFTOVERS) {
            let account = account(name, generation);
            let key = self.key(tier.place(), &account);
            let label = format!("mima: {name}");
            let item = Item { key, label: &label, comment: &comment, value: &value };
            let build = self.api.signature().cdhash;
            let entry = Entry { tier, generation, build };
            match self.api.add(&item) {
                Ok(()) => return Ok(Some(entry)),
                Err(Status::DUPLICATE_ITEM) if old.is_none() && existing == Existing::Keep => {
                    index.replace(name, Entry { build: None, ..entry });
                    return Ok(None);
                }
                // The index does not point to it, so it is a value that never came to count.
                Err(Status::DUPLICATE_ITEM) => {
                    index.stale.insert((tier.place(), account));
                }
                Err(status) => {
                    if status == Status::MISSING_ENTITLEMENT {
                        index.probe = None;
                        index.write(&self.index)?;
                    }
                    return Err(could_not_store(name, status, tier.place()));
                }
            }
        }
        Err(could_not_store(name, Status::DUPLICATE_ITEM, tier.place()))
    }

    /// Why an item is not where the index says.
    fn absent(&self, name: &SecretName, entry: &Entry, index: &mut Index) -> Result<Failure> {
        if entry.tier == Tier::Protected && self.tier_for(index)? != Tier::Protected {
            return Ok(errors::out_of_reach(&format!("`{name}`")));
        }
        Ok(errors::gone(name, entry.tier))
    }

    /// Lines about the secrets that are not protected as `tier` says.
    fn others(&self, index: &Index, tier: Tier) -> Vec<String> {
        let build = self.api.signature().cdhash;
        let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (name, entry) in &index.items {
            let what = match entry.tier {
                Tier::Protected if tier != Tier::Protected => {
                    "protected, and out of reach of this build"
                }
                Tier::AdHoc if build.is_none() || entry.build != build => {
                    "ad-hoc, by another build: macOS asks for the keychain's password"
                }
                other if other != tier => other.word(),
                _ => continue,
            };
            groups.entry(what.to_owned()).or_default().push(name.as_str());
        }
        groups.into_iter().map(|(what, names)| format!("{what}: {}", names.join(", "))).collect()
    }
}

fn could_not_store(name: &SecretName, status: Status, place: Place) -> Failure {
    errors::of_status(status, place).context(format!("could not store `{name}`"))
}

/// What stands before a value. It binds the value to its name, because whoever can change an
/// item's attributes could swap two of them; and no item is empty, which the login keychain
/// would return as nothing at all.
fn header(name: &SecretName) -> Vec<u8> {
    format!("mima 1 {name}\n").into_bytes()
}

fn framed(name: &SecretName, value: &Secret) -> Zeroizing<Vec<u8>> {
    let header = header(name);
    // Allocated once, so that no copy stays behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(header.len().saturating_add(value.len())));
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(value.expose());
    bytes
}

fn unframed(name: &SecretName, bytes: &Secret) -> Result<Secret> {
    let value = bytes.expose().strip_prefix(header(name).as_slice());
    value.map(|value| Secret::new(value.to_vec())).ok_or_else(|| {
        Failure::new(Kind::Damaged, format!("the keychain's item `{name}` is not what mima stored"))
            .hint(format!("store it again: mima secret add --force {name}"))
    })
}

impl<A: Api> Store for Keychain<A> {
    fn put(&self, name: &SecretName, value: &Secret, existing: Existing) -> Result<()> {
        super::check_size(name, value)?;
        fs::private_dir(&self.data)?;
        let _lock = fs::Lock::acquire(&self.lock)?;
        let mut index = self.load()?;
        super::check_case(name, &index.names())?;
        let before = index.items.get(name).map(|entry| entry.tier);
        if existing == Existing::Keep && before.is_some() {
            return Err(super::exists(name));
        }
        self.sweep(&mut index);
        let Some(entry) = self.add(&mut index, name, value, existing)? else {
            index.write(&self.index)?;
            return Err(super::exists(name));
        };
        let tier = entry.tier;
        let new = account(name, entry.generation);
        index.replace(name, entry);
        if let Err(failure) = index.write(&self.index) {
            // Nothing points to it. If this fails too, the next put finds it in its way.
            self.api.delete(&self.key(tier.place(), &new)).ok();
            return Err(failure);
        }
        // What the index pointed to before. It stays marked until the next write, which
        // tries again if this one was cut short.
        self.sweep(&mut index);
        if let Some(before) = before.filter(|before| *before != tier) {
            term::note(&format!(
                "{name} was stored in tier {}, and is now in tier {}",
                before.word(),
                tier.word()
            ));
        }
        Ok(())
    }

    fn names(&self) -> Result<Vec<SecretName>> {
        Ok(self.load()?.names())
    }

    fn remove(&self, name: &SecretName) -> Result<()> {
        fs::private_dir(&self.data)?;
        let _lock = fs::Lock::acquire(&self.lock)?;
        let mut index = self.load()?;
        let Some(entry) = index.items.get(name) else {
            return Err(super::no_such_secret(name, &index.names()));
        };
        let account = account(name, entry.generation);
        match self.api.delete(&self.key(entry.tier.place(), &account)) {
            // Whoever deleted it has done what is wanted.
            Ok(()) | Err(Status::ITEM_NOT_FOUND) => {}
            Err(Status::MISSING_ENTITLEMENT) => {
                return Err(errors::out_of_reach(&format!("`{name}`")));
            }
            Err(status) => {
                return Err(errors::of_status(status, entry.tier.place())
                    .context(format!("could not remove `{name}`")));
            }
        }
        index.items.remove(name);
        self.sweep(&mut index);
        index.write(&self.index)
    }

    fn protection(&self) -> Result<Option<Protection>> {
        let mut index = self.load()?;
        let tier = self.tier_for(&mut index)?;
        Ok(Some(Protection {
            what: format!("keychain, {}", tier.describe()),
            remedy: tier.remedy().map(str::to_owned),
            others: self.others(&index, tier),
            is_news: index.items.values().all(|entry| entry.tier != tier),
        }))
    }

    fn state(&self, _names: &[SecretName]) -> Result<Option<String>> {
        // Each value that is stored is a new item, and the index is written for it.
        fs::stamp(&self.index).map(Some)
    }

    fn unlock(&self, reason: &Reason) -> Result<Box<dyn Unlocked + '_>> {
        self.prompter.check_allowed()?;
        let mut index = self.load()?;
        // Before the question, not after: nothing could be read.
        let is_protected = |entry: &Entry| entry.tier == Tier::Protected;
        if !index.items.is_empty()
            && index.items.values().all(is_protected)
            && self.tier_for(&mut index)? != Tier::Protected
        {
            return Err(errors::out_of_reach("your secrets"));
        }
        let presence = Presence::new(&self.api);
        self.api
            .evaluate(&presence.context, &shown(reason), PATIENCE)
            .map_err(errors::of_denial)?;
        Ok(Box::new(Open { store: self, presence }))
    }
}

/// What the sheet says after “mima is trying to”. Never empty: that would abort the process.
fn shown(reason: &Reason) -> String {
    let text = format!("read secrets for {}", reason.headline());
    if text.chars().count() <= LONGEST_REASON {
        return text;
    }
    text.chars().take(LONGEST_REASON).chain(['…']).collect()
}

/// One `LAContext`, invalidated when it is dropped: whatever happened in between.
struct Presence<'a, A: Api> {
    api: &'a A,
    context: A::Context,
}

impl<'a, A: Api> Presence<'a, A> {
    fn new(api: &'a A) -> Self {
        Self { api, context: api.context() }
    }
}

impl<A: Api> Drop for Presence<'_, A> {
    fn drop(&mut self) {
        self.api.invalidate(&self.context);
    }
}

/// The keychain, for one batch of reads.
struct Open<'a, A: Api> {
    store: &'a Keychain<A>,
    presence: Presence<'a, A>,
}

impl<A: Api> Open<'_, A> {
    fn read(&self, name: &SecretName, entry: &Entry) -> Result<Secret, Status> {
        let account = account(name, entry.generation);
        // The login keychain knows no contexts.
        let context = (entry.tier == Tier::Protected).then_some(&self.presence.context);
        self.store.api.read(&self.store.key(entry.tier.place(), &account), context)
    }
}

impl<A: Api> Unlocked for Open<'_, A> {
    fn get(&self, name: &SecretName) -> Result<Secret> {
        let mut index = self.store.load()?;
        for _ in 0..MOST_MOVES {
            let Some(entry) = index.items.get(name).cloned() else {
                return Err(super::no_such_secret(name, &index.names()));
            };
            match self.read(name, &entry) {
                Ok(bytes) => return unframed(name, &bytes),
                Err(Status::ITEM_NOT_FOUND) => {
                    let now = self.store.load()?;
                    if now.items.get(name) == Some(&entry) {
                        return Err(self.store.absent(name, &entry, &mut index)?);
                    }
                    // Another mima has just replaced it.
                    index = now;
                }
                Err(status) => {
                    let failure = errors::of_status(status, entry.tier.place())
                        .context(format!("could not read `{name}`"));
                    let is_foreign = entry.tier == Tier::AdHoc
                        && entry.build != self.store.api.signature().cdhash;
                    return Err(if is_foreign {
                        failure.hint(errors::other_build(name))
                    } else {
                        failure
                    });
                }
            }
        }
        Err(Failure::failed(format!("`{name}` is being replaced all the time")))
    }
}
