//! The desktop's own keyring, by D-Bus: GNOME Keyring, KWallet, KeePassXC.
//!
//! One item per secret, in the default collection: its bytes are the value, and nothing else
//! is. `secret-tool lookup application mima name NAME` prints them.
//!
//! What it does not promise: every program of the session can read, change and rename what is
//! in an open collection. The values are encrypted at rest, and on their way over the bus.
//!
//! A collection that has been closed since the login tells no names: GNOME Keyring knows them
//! as digests then, the others not at all. So `keyring.names` beside the vault remembers the
//! names that are known, and the service is asked which of them it still has.

mod bus;

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;

use secret_service::blocking::{Collection, Item};

use super::{Existing, LARGEST_VALUE, Protection, Store, Unlocked};
use crate::error::{Failure, Kind, Result};
use crate::names::SecretName;
use crate::paths::Paths;
use crate::prompt::{Prompter, Reason};
use crate::secret::Secret;
use crate::{fs, term};

pub use bus::Presence;
use bus::{Attributes, Bus, Items, attributes, explain};

/// What sort of item it is: a schema of mima's own.
const SCHEMA: (&str, &str) = ("xdg:schema", "org.mima.Secret");
/// Whose item it is.
const APPLICATION: (&str, &str) = ("application", "mima");
/// The attribute that holds the secret's name.
const NAME: &str = "name";
/// How large the file of names may be.
const LARGEST_FILE: u64 = 4 << 20;

/// The store of the desktop.
pub struct SecretService {
    data: PathBuf,
    lock: PathBuf,
    known: PathBuf,
    prompter: Prompter,
    address: Option<String>,
    bus: OnceCell<Bus>,
}

/// What the attributes of an item tell.
enum Whose {
    /// It holds this secret.
    Ours(SecretName),
    /// It belongs to another program.
    Anothers,
    /// It is closed, and its attributes are digests.
    Untold,
}

impl SecretService {
    /// Makes the store. Connects to nothing yet: other verbs must not pay for it.
    pub fn new(paths: &Paths, prompter: Prompter) -> Self {
        Self {
            data: paths.data().to_owned(),
            lock: paths.lock(),
            known: paths.keyring_names(),
            prompter,
            address: None,
            bus: OnceCell::new(),
        }
    }

    /// Uses the bus at `address`, and not the session's.
    #[must_use]
    pub fn on_bus(self, address: String) -> Self {
        Self { address: Some(address), ..self }
    }

    /// Tells whether there is a program that keeps a keyring. Starts none.
    pub fn presence(&self) -> Result<Presence> {
        bus::presence(self.address.as_deref())
    }

    fn bus(&self) -> Result<&Bus> {
        if let Some(bus) = self.bus.get() {
            return Ok(bus);
        }
        let bus = Bus::connect(self.address.as_deref())?;
        Ok(self.bus.get_or_init(|| bus))
    }

    /// Returns the items that hold `name`: one, unless another program made more.
    fn find(&self, name: &SecretName) -> Result<Items<'_>> {
        self.bus()?.search(Attributes::from([SCHEMA, APPLICATION, (NAME, name.as_str())]))
    }

    /// Makes sure that mima's items can be read, which the service may ask for.
    fn open(&self, bus: &Bus, reason: &Reason) -> Result<()> {
        let search = || bus.search(Attributes::from([APPLICATION]));
        let found = search()?;
        if found.locked.is_empty() && !found.open.is_empty() {
            return Ok(());
        }
        if let Some(collection) = bus.collection()? {
            self.open_collection(bus, &collection, reason)?;
        }
        // In other collections; or each on its own, as KeePassXC has it.
        let locked = search()?.locked;
        if !locked.is_empty() {
            self.announce_prompt(reason)?;
            bus.open_items(&locked)?;
        }
        // Reading does not depend on it.
        drop(self.learn());
        Ok(())
    }

    /// Writes down the names that an open keyring tells.
    fn learn(&self) -> Result<()> {
        fs::private_dir(&self.data)?;
        let _lock = fs::Lock::acquire(&self.lock)?;
        self.remember(self.names()?)
    }

    fn open_collection(
        &self,
        bus: &Bus,
        collection: &Collection<'_>,
        reason: &Reason,
    ) -> Result<()> {
        if collection.is_locked().map_err(|error| explain(&error))? {
            self.announce_prompt(reason)?;
            bus.open(collection)?;
        }
        Ok(())
    }

    /// Says what the prompt is for that the service is about to show. Fails if nobody may be
    /// asked.
    fn announce_prompt(&self, reason: &Reason) -> Result<()> {
        self.prompter.announce("the keyring is locked", reason)
    }

    /// Returns the names that were known when the keyring was last open.
    fn known(&self) -> Result<BTreeSet<SecretName>> {
        let bytes = fs::read_capped(&self.known, LARGEST_FILE)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        Ok(text.lines().filter_map(|line| SecretName::parse(line).ok()).collect())
    }

    /// Writes down the names that are known. The caller holds the lock.
    fn remember(&self, names: impl IntoIterator<Item = SecretName>) -> Result<()> {
        let mut text = String::new();
        for name in names.into_iter().collect::<BTreeSet<_>>() {
            // Writing to a string cannot fail.
            writeln!(text, "{name}").ok();
        }
        let before = fs::read_capped(&self.known, LARGEST_FILE)?;
        if before.as_deref() == Some(text.as_bytes()) {
            return Ok(());
        }
        fs::write_atomic(&self.known, text.as_bytes())
    }
}

/// Judges an item by its attributes; `None` if it is gone.
fn whose(item: &Item<'_>) -> Result<Option<Whose>> {
    let Some(attributes) = attributes(item)? else { return Ok(None) };
    let has = |(key, value): (&str, &str)| attributes.get(key).is_some_and(|got| got == value);
    if !has(APPLICATION) {
        // It was found by that attribute, so it has it.
        return Ok(Some(Whose::Untold));
    }
    let name = attributes.get(NAME).filter(|_| has(SCHEMA));
    Ok(Some(match name.and_then(|name| SecretName::parse(name).ok()) {
        Some(name) => Whose::Ours(name),
        None => Whose::Anothers,
    }))
}

/// Says of which type a value is. KeePassXC keeps text as the password of an entry, where not
/// all control characters survive, and everything else as a file.
fn content_type(value: &[u8]) -> &'static str {
    let is_plain = |c: char| !c.is_control() || c == '\n' || c == '\t';
    match std::str::from_utf8(value) {
        Ok(text) if text.chars().all(is_plain) => "text/plain",
        _ => "application/octet-stream",
    }
}

impl Store for SecretService {
    fn put(&self, name: &SecretName, value: &Secret, existing: Existing) -> Result<()> {
        super::check_size(name, value)?;
        let bus = self.bus()?;
        let reason = Reason::new(format!("mima, to store {name}"));
        let collection = if let Some(collection) = bus.collection()? {
            collection
        } else {
            self.announce_prompt(&reason)?;
            bus.make_collection()?
        };
        // The service asks before the lock is taken, which is held while nobody is asked.
        self.open_collection(bus, &collection, &reason)?;
        fs::private_dir(&self.data)?;
        let _lock = fs::Lock::acquire(&self.lock)?;
        let mut names = self.names()?;
        super::check_case(name, &names)?;
        if existing == Existing::Keep && names.contains(name) {
            return Err(super::exists(name));
        }
        let there = self.find(name)?;
        let content_type = content_type(value.expose());
        if let Some(item) = one_of(name, &there)? {
            item.set_secret(value.expose(), content_type).map_err(|error| explain(&error))
        } else {
            let attributes = Attributes::from([SCHEMA, APPLICATION, (NAME, name.as_str())]);
            let label = format!("mima: {name}");
            bus.create(&collection, &label, attributes, value.expose(), content_type)
        }
        .map_err(|failure| failure.context(format!("could not store {name}")))?;
        names.push(name.clone());
        self.remember(names)
    }

    fn names(&self) -> Result<Vec<SecretName>> {
        let bus = self.bus()?;
        let found = bus.search(Attributes::from([APPLICATION]))?;
        let mut names = BTreeSet::new();
        let mut untold = 0_usize;
        for item in found.all() {
            match whose(item)? {
                Some(Whose::Ours(name)) => drop(names.insert(name)),
                Some(Whose::Untold) => untold += 1,
                Some(Whose::Anothers) | None => {}
            }
        }
        // KWallet and KeePassXC keep silent about all that is in a closed collection.
        let silent = found.locked.is_empty()
            && bus.collection()?.is_some_and(|collection| collection.is_locked().unwrap_or(false));
        if untold > 0 || silent {
            for name in self.known()?.difference(&names.clone()) {
                let digests = Attributes::from([APPLICATION, (NAME, name.as_str())]);
                if silent || !bus.search(digests)?.is_empty() {
                    names.insert(name.clone());
                    untold = untold.saturating_sub(1);
                }
            }
        }
        if untold > 0 {
            term::note(&format!(
                "the keyring is locked and has {untold} more, whose names it tells only when it is open"
            ));
        }
        Ok(names.into_iter().collect())
    }

    fn remove(&self, name: &SecretName) -> Result<()> {
        let names = self.names()?;
        if !names.contains(name) {
            return Err(super::no_such_secret(name, &names));
        }
        let bus = self.bus()?;
        self.open(bus, &Reason::new(format!("mima, to remove {name}")))?;
        fs::private_dir(&self.data)?;
        let _lock = fs::Lock::acquire(&self.lock)?;
        let there = self.find(name)?;
        for item in there.all() {
            bus.delete(item)?;
        }
        let mut names = self.names()?;
        names.retain(|other| other != name);
        self.remember(names.iter().cloned())?;
        // Another mima was quicker, or what was known was no longer true.
        if there.is_empty() { Err(super::no_such_secret(name, &names)) } else { Ok(()) }
    }

    /// Does without the service: whoever asks for this may not need it.
    fn protection(&self) -> Result<Option<Protection>> {
        Ok(Some(Protection {
            what: "secret-service: every program of your session can read the keyring while it \
                   is open, `secret-tool lookup application mima name NAME` for one"
                .to_owned(),
            remedy: None,
            others: Vec::new(),
            is_news: self.known()?.is_empty(),
        }))
    }

    fn unlock(&self, reason: &Reason) -> Result<Box<dyn Unlocked + '_>> {
        self.open(self.bus()?, reason)?;
        Ok(Box::new(Open { store: self }))
    }
}

/// Returns the one item that holds `name`, if there is one.
fn one_of<'a, 'b>(name: &SecretName, items: &'a Items<'b>) -> Result<Option<&'a Item<'b>>> {
    let mut all = items.all();
    match (all.next(), all.next()) {
        (_, Some(_)) => Err(Failure::new(
            Kind::Damaged,
            format!("the keyring has more than one item that holds `{name}`"),
        )
        .hint(format!("see them: secret-tool search --all application mima name {name}"))
        .hint(format!("remove them all: mima secret rm {name}"))),
        (one, None) => Ok(one),
    }
}

/// An open keyring.
struct Open<'a> {
    store: &'a SecretService,
}

impl Unlocked for Open<'_> {
    fn get(&self, name: &SecretName) -> Result<Secret> {
        let there = self.store.find(name)?;
        let Some(item) = one_of(name, &there)? else {
            return Err(super::no_such_secret(name, &self.store.names()?));
        };
        let bytes = item
            .get_secret()
            .map_err(|error| explain(&error).context(format!("could not read {name}")))?;
        if u64::try_from(bytes.len()).is_ok_and(|len| len > LARGEST_VALUE) {
            return Err(Failure::new(
                Kind::Damaged,
                format!("`{name}` is larger than mima stores"),
            ));
        }
        Ok(Secret::new(bytes))
    }
}
