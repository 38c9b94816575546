//! A Mac's keychains and Touch ID, as far as Apple's headers, TN3137 and the source of
//! Security-61901 tell how they behave: each rule has a line here, and a test in
//! `tests/keychain.rs`. What none of them says is marked as unknown.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mima::secret::Secret;
use mima::store::keychain::api::{Api, Denial, Found, Item, Key, Place, Signature, Status};

/// A call that can be made to fail once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Add,
    Read,
    List,
    Delete,
}

/// An item, and who may read it.
#[derive(Debug)]
struct Stored {
    value: Vec<u8>,
    comment: String,
    /// In the login keychain: the partition of the build that added it, `teamid:` or
    /// `cdhash:`. In the data-protection keychain all of mima's items have `.userPresence`.
    partition: String,
}

#[derive(Default)]
struct State {
    /// What somebody else does right before the next such call.
    meanwhile: Option<(Call, Box<dyn FnOnce() + Send>)>,
    items: BTreeMap<(Place, String, String), Stored>,
    /// The sheets of `LocalAuthentication` that were shown, with what they said.
    sheets: Vec<String>,
    /// The dialogs that ask for the login keychain's password.
    dialogs: usize,
    /// What the person does at the next sheets; yes if nothing is said.
    answers: VecDeque<Denial>,
    /// What the next calls return instead, in order.
    failures: Vec<(Call, Status)>,
    screen_locked: bool,
    over_ssh: bool,
    no_password: bool,
    calls: Vec<Call>,
    contexts: usize,
    invalidated: usize,
}

/// A Mac. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Mac(Arc<Mutex<State>>);

impl Mac {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A build of mima in an app bundle with a profile: tier A.
    pub(crate) fn entitled(&self) -> Build {
        self.build("a1", Some("TEAM"), true)
    }

    /// A build that an Apple-issued certificate signed: tier B.
    pub(crate) fn signed(&self) -> Build {
        self.build("b1", Some("TEAM"), false)
    }

    /// A build with an ad-hoc signature: tier C.
    pub(crate) fn ad_hoc(&self) -> Build {
        self.build("c1", None, false)
    }

    /// Any build.
    pub(crate) fn build(&self, cdhash: &str, team: Option<&str>, entitled: bool) -> Build {
        let signature =
            Signature { cdhash: Some(cdhash.to_owned()), team: team.map(str::to_owned), entitled };
        Build { mac: self.clone(), signature }
    }

    /// Locks or unlocks the screen.
    pub(crate) fn lock_screen(&self, locked: bool) {
        self.state().screen_locked = locked;
    }

    /// Leaves the graphical session.
    pub(crate) fn over_ssh(&self) {
        self.state().over_ssh = true;
    }

    /// Takes the login password away.
    pub(crate) fn without_password(&self) {
        self.state().no_password = true;
    }

    /// Lets the person answer the next sheet with no.
    pub(crate) fn answer(&self, denial: Denial) {
        self.state().answers.push_back(denial);
    }

    /// Lets the next such call return `status`.
    pub(crate) fn fail(&self, call: Call, status: Status) {
        self.state().failures.push((call, status));
    }

    /// Lets somebody else do something right before the next such call.
    pub(crate) fn meanwhile(&self, call: Call, what: impl FnOnce() + Send + 'static) {
        self.state().meanwhile = Some((call, Box::new(what)));
    }

    /// How often a person was asked anything: sheets and dialogs.
    pub(crate) fn asked(&self) -> usize {
        let state = self.state();
        state.sheets.len() + state.dialogs
    }

    /// What the sheets said.
    pub(crate) fn sheets(&self) -> Vec<String> {
        self.state().sheets.clone()
    }

    /// How many contexts were made and not invalidated.
    pub(crate) fn open_contexts(&self) -> usize {
        let state = self.state();
        state.contexts - state.invalidated
    }

    /// How many contexts were made.
    pub(crate) fn contexts(&self) -> usize {
        self.state().contexts
    }

    /// How often that was called.
    pub(crate) fn count(&self, call: Call) -> usize {
        self.state().calls.iter().filter(|made| **made == call).count()
    }

    /// The accounts in one keychain, whatever their service.
    pub(crate) fn accounts(&self, place: Place) -> Vec<String> {
        let state = self.state();
        let here = state.items.keys().filter(|(at, ..)| *at == place);
        here.map(|(_, _, account)| account.clone()).collect()
    }

    /// Deletes an item behind mima's back, as Keychain Access would.
    pub(crate) fn lose(&self, account: &str) {
        self.state().items.retain(|(_, _, own), _| own != account);
    }

    /// Gives an item another account behind mima's back.
    pub(crate) fn rename(&self, from: &str, to: &str) {
        let mut state = self.state();
        let key = state.items.keys().find(|(_, _, account)| account == from).unwrap().clone();
        let item = state.items.remove(&key).unwrap();
        state.items.insert((key.0, key.1, to.to_owned()), item);
    }

    /// Takes all items away.
    pub(crate) fn erase(&self) {
        self.state().items.clear();
    }
}

/// mima, as one build of it: what macOS thinks of a program depends on its signature.
#[derive(Clone)]
pub(crate) struct Build {
    mac: Mac,
    signature: Signature,
}

/// An `LAContext`. Not `Send`, as the real one.
#[derive(Debug, Default)]
pub(crate) struct Context {
    authenticated: Cell<bool>,
    invalid: Cell<bool>,
    _stays_on_its_thread: Rc<()>,
}

impl Build {
    fn partition(&self) -> String {
        match (&self.signature.team, &self.signature.cdhash) {
            (Some(team), _) => format!("teamid:{team}"),
            (None, cdhash) => format!("cdhash:{}", cdhash.as_deref().unwrap_or_default()),
        }
    }

    /// Writes a call down, and fails it if a test wants that.
    fn begin(&self, call: Call) -> Result<MutexGuard<'_, State>, Status> {
        let meanwhile = self.mac.state().meanwhile.take_if(|(before, _)| *before == call);
        if let Some((_, what)) = meanwhile {
            what();
        }
        let mut state = self.mac.state();
        state.calls.push(call);
        if let Some(at) = state.failures.iter().position(|(failing, _)| *failing == call) {
            return Err(state.failures.remove(at).1);
        }
        Ok(state)
    }

    fn is_blind(&self, place: Place) -> bool {
        place == Place::DataProtection && !self.signature.entitled
    }
}

fn id(key: &Key<'_>) -> (Place, String, String) {
    (key.place, key.service.to_owned(), key.account.to_owned())
}

/// Shows a sheet, if there is a screen to show it on.
fn ask(state: &mut State, reason: &str) -> Result<(), Denial> {
    if state.no_password {
        return Err(Denial::PASSCODE_NOT_SET);
    }
    if state.over_ssh || state.screen_locked {
        return Err(Denial::NOT_INTERACTIVE);
    }
    state.sheets.push(reason.to_owned());
    state.answers.pop_front().map_or(Ok(()), Err)
}

impl Api for Build {
    type Context = Context;

    fn signature(&self) -> Signature {
        self.signature.clone()
    }

    fn add(&self, item: &Item<'_>) -> Result<(), Status> {
        let mut state = self.begin(Call::Add)?;
        if self.is_blind(item.key.place) {
            return Err(Status::MISSING_ENTITLEMENT);
        }
        if state.screen_locked {
            return Err(Status::INTERACTION_NOT_ALLOWED);
        }
        if state.items.contains_key(&id(&item.key)) {
            return Err(Status::DUPLICATE_ITEM);
        }
        let stored = Stored {
            value: item.value.to_vec(),
            comment: item.comment.to_owned(),
            partition: self.partition(),
        };
        state.items.insert(id(&item.key), stored);
        Ok(())
    }

    fn read(&self, key: &Key<'_>, context: Option<&Context>) -> Result<Secret, Status> {
        let mut state = self.begin(Call::Read)?;
        // Not -34018: a program without the entitlement sees an empty keychain.
        if self.is_blind(key.place) {
            return Err(Status::ITEM_NOT_FOUND);
        }
        if state.screen_locked {
            return Err(Status::INTERACTION_NOT_ALLOWED);
        }
        let Some(item) = state.items.get(&id(key)) else {
            return Err(Status::ITEM_NOT_FOUND);
        };
        let value = Secret::new(item.value.clone());
        match (key.place, context) {
            (Place::Login, _) if item.partition == self.partition() => {}
            (Place::Login, _) if state.over_ssh => return Err(Status::INTERACTION_NOT_ALLOWED),
            (Place::Login, _) => {
                state.dialogs += 1;
                if state.answers.pop_front().is_some() {
                    return Err(Status::USER_CANCELED);
                }
            }
            // What the real one answers here is unknown; mima never does it.
            (Place::DataProtection, Some(context)) if context.invalid.get() => {
                return Err(Status::AUTH_FAILED);
            }
            (Place::DataProtection, Some(context)) if context.authenticated.get() => {}
            (Place::DataProtection, context) => {
                match ask(&mut state, "") {
                    Ok(()) => {}
                    Err(Denial::NOT_INTERACTIVE) => return Err(Status::INTERACTION_NOT_ALLOWED),
                    Err(Denial::USER_CANCEL) => return Err(Status::USER_CANCELED),
                    Err(_) => return Err(Status::AUTH_FAILED),
                }
                // Without a context each read would ask.
                if let Some(context) = context {
                    context.authenticated.set(true);
                }
            }
        }
        Ok(value)
    }

    fn list(&self, place: Place, service: &str) -> Result<Vec<Found>, Status> {
        let state = self.begin(Call::List)?;
        if self.is_blind(place) {
            return Err(Status::ITEM_NOT_FOUND);
        }
        if state.screen_locked {
            return Err(Status::INTERACTION_NOT_ALLOWED);
        }
        // Attributes are under a key of their own, so nothing is asked.
        let found: Vec<_> = state
            .items
            .iter()
            .filter(|((at, of, _), _)| *at == place && of == service)
            .map(|((_, _, account), item)| Found {
                account: account.clone(),
                comment: item.comment.clone(),
            })
            .collect();
        if found.is_empty() { Err(Status::ITEM_NOT_FOUND) } else { Ok(found) }
    }

    fn delete(&self, key: &Key<'_>) -> Result<(), Status> {
        let mut state = self.begin(Call::Delete)?;
        if self.is_blind(key.place) {
            return Err(Status::MISSING_ENTITLEMENT);
        }
        if state.screen_locked {
            return Err(Status::INTERACTION_NOT_ALLOWED);
        }
        // `.userPresence` guards decryption only; the partition, reading only.
        state.items.remove(&id(key)).map(drop).ok_or(Status::ITEM_NOT_FOUND)
    }

    fn context(&self) -> Context {
        self.mac.state().contexts += 1;
        Context::default()
    }

    fn evaluate(&self, context: &Context, reason: &str, _: Duration) -> Result<(), Denial> {
        assert!(!reason.is_empty(), "NSInvalidArgumentException");
        if context.invalid.get() {
            return Err(Denial::INVALID_CONTEXT);
        }
        ask(&mut self.mac.state(), reason)?;
        context.authenticated.set(true);
        Ok(())
    }

    fn invalidate(&self, context: &Context) {
        assert!(!context.invalid.replace(true), "invalidated twice");
        self.mac.state().invalidated += 1;
    }
}
