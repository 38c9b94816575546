//! The way to the service: one connection, opened when the store is first used.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::io;
use std::thread;
use std::time::Duration;

use secret_service::blocking::{Collection, Item, SecretService};
use secret_service::{EncryptionType, Error};
use zbus::DBusError;
use zbus::blocking::connection::{Builder, Connection};
use zbus::blocking::fdo::DBusProxy;

use crate::error::{Failure, Kind, Result};

/// The name under which the service is on the bus.
const SERVICE: &str = "org.freedesktop.secrets";
/// How long the service may take for one answer. A person who is asked may take any time:
/// the service answers with a prompt at once, and tells by a signal how that ended.
const PATIENCE: Duration = Duration::from_secs(30);
/// What to do where there is no desktop.
const ELSEWHERE: &str = "outside of a desktop session, keep secrets in the vault: MIMA_STORE=vault, or `store: vault` in the user file";

/// A connection to the service, with a session that encrypts the values on their way.
pub(super) struct Bus {
    connection: Connection,
    service: SecretService<'static>,
    /// Set when the end of the service is waited for.
    watched: OnceCell<()>,
}

/// Attributes of an item, to look it up by.
pub(super) type Attributes<'a> = HashMap<&'a str, &'a str>;

/// Whether there is a program that keeps a keyring.
#[derive(Debug)]
pub enum Presence {
    /// It is on the bus.
    Running,
    /// It is not, and the bus starts it when it is first asked.
    Startable,
    /// There is none, and this says what to do.
    Absent(Failure),
}

/// Looks for the service on the session's bus, or the one at `address`. Starts nothing.
pub(super) fn presence(address: Option<&str>) -> Result<Presence> {
    let connection = open(address)?;
    let bus = DBusProxy::new(&connection).map_err(|error| no_bus(&error))?;
    let name = SERVICE.try_into().map_err(|error| explain(&zbus::Error::from(error).into()))?;
    if bus.name_has_owner(name).map_err(|error| explain(&error.into()))? {
        return Ok(Presence::Running);
    }
    let startable = bus.list_activatable_names().map_err(|error| explain(&error.into()))?;
    let is_startable = startable.iter().any(|name| name.as_str() == SERVICE);
    Ok(if is_startable { Presence::Startable } else { Presence::Absent(no_service()) })
}

fn open(address: Option<&str>) -> Result<Connection> {
    let builder = address.map_or_else(Builder::session, Builder::address);
    builder
        .and_then(|builder| builder.method_timeout(PATIENCE).build())
        .map_err(|error| no_bus(&error))
}

impl Bus {
    /// Connects to the session's bus, or the one at `address`.
    pub(super) fn connect(address: Option<&str>) -> Result<Self> {
        let connection = open(address)?;
        let service = SecretService::connect_with_existing(EncryptionType::Dh, connection.clone())
            .map_err(|error| explain(&error))?;
        Ok(Self { connection, service, watched: OnceCell::new() })
    }

    /// Returns the items that have all of `attributes`, whether they can be read or not.
    pub(super) fn search(&self, attributes: Attributes<'_>) -> Result<Items<'_>> {
        let found = self.service.search_items(attributes).map_err(|error| explain(&error))?;
        Ok(Items { open: found.unlocked, locked: found.locked })
    }

    /// Returns the collection that new items go to, if there is one.
    pub(super) fn collection(&self) -> Result<Option<Collection<'_>>> {
        match self.service.get_default_collection() {
            Ok(collection) => Ok(Some(collection)),
            Err(Error::NoResult) => Ok(None),
            Err(error) => Err(explain(&error)),
        }
    }

    /// Makes the collection that new items go to. The service asks for its password.
    pub(super) fn make_collection(&self) -> Result<Collection<'_>> {
        self.asking(|service| service.create_collection("Default keyring", "default"))
    }

    /// Opens a collection. The service asks.
    pub(super) fn open(&self, collection: &Collection<'_>) -> Result<()> {
        self.asking(|_| collection.unlock())
    }

    /// Opens items. The service asks, once for all of them.
    pub(super) fn open_items(&self, items: &[Item<'_>]) -> Result<()> {
        self.asking(|service| service.unlock_all(&items.iter().collect::<Vec<_>>()))
    }

    /// Adds an item. KeePassXC has a prompt even for that, which shows nothing.
    pub(super) fn create(
        &self,
        collection: &Collection<'_>,
        label: &str,
        attributes: Attributes<'_>,
        value: &[u8],
        content_type: &str,
    ) -> Result<()> {
        self.asking(|_| {
            collection.create_item(label, attributes, value, true, content_type).map(drop)
        })
    }

    /// Deletes an item. KeePassXC has a prompt for that, too.
    pub(super) fn delete(&self, item: &Item<'_>) -> Result<()> {
        self.asking(|_| item.delete())
    }

    /// Does what may make the service ask, and waits for the end of that. The signal that tells
    /// how a prompt ended never comes if the service dies meanwhile; the bus tells that, and
    /// then the connection is closed.
    fn asking<'a, T>(
        &'a self,
        ask: impl FnOnce(&'a SecretService<'a>) -> Result<T, Error>,
    ) -> Result<T> {
        if self.watched.get().is_none() {
            self.watch().map_err(|error| explain(&error.into()))?;
            // Nobody else sets it: a bus stays on its thread.
            self.watched.set(()).ok();
        }
        ask(&self.service).map_err(|error| explain(&error))
    }

    /// Closes the connection as soon as the service is gone.
    fn watch(&self) -> zbus::Result<()> {
        let proxy = DBusProxy::new(&self.connection)?;
        let owners = proxy.receive_name_owner_changed_with_args(&[(0, SERVICE)])?;
        let connection = self.connection.clone();
        // Ends with the connection, or with mima.
        thread::spawn(move || {
            let gone = |change: zbus::fdo::NameOwnerChanged| {
                change.args().is_ok_and(|args| args.new_owner().is_none())
            };
            if owners.into_iter().any(gone) {
                // It is closed already, or closed now.
                drop(connection.close());
            }
        });
        Ok(())
    }
}

/// Items that were found.
pub(super) struct Items<'a> {
    /// Those that can be read.
    pub(super) open: Vec<Item<'a>>,
    /// Those that cannot be read before the service has asked.
    pub(super) locked: Vec<Item<'a>>,
}

impl<'a> Items<'a> {
    /// Goes through all of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Item<'a>> {
        self.open.iter().chain(&self.locked)
    }

    /// Tells whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.locked.is_empty()
    }
}

/// Returns the attributes of an item; `None` if it has been removed meanwhile.
pub(super) fn attributes(item: &Item<'_>) -> Result<Option<HashMap<String, String>>> {
    match item.get_attributes() {
        Ok(attributes) => Ok(Some(attributes)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(explain(&error)),
    }
}

fn no_bus(error: &zbus::Error) -> Failure {
    let cause = match error {
        zbus::Error::InputOutput(cause) | zbus::Error::Connection(cause, _) => {
            crate::error::describe(cause)
        }
        other => other.to_string(),
    };
    Failure::failed(format!("could not reach the session's D-Bus, where the keyring is: {cause}"))
        .hint(ELSEWHERE)
}

/// Tells whether the object that was called is no longer there.
fn is_gone(error: &Error) -> bool {
    name_of(error).is_some_and(|name| {
        name.ends_with(".NoSuchObject")
            || [".UnknownObject", ".UnknownMethod", ".UnknownInterface"]
                .iter()
                .any(|end| name.ends_with(end))
    })
}

/// Says what went wrong, without the words of the libraries in between.
pub(super) fn explain(error: &Error) -> Failure {
    let locked = || Failure::new(Kind::Locked, "the keyring is locked");
    let went_away = || {
        Failure::failed("the program that keeps the keyring went away while mima was using it")
            .hint("try again: it may have been started anew")
    };
    match error {
        Error::Prompt => Failure::new(
            Kind::Refused,
            "the keyring stays locked: its prompt was dismissed, or could not be shown",
        )
        .hint("without a screen, nothing can ask for the keyring's password: unlock it at login"),
        Error::PromptDisconnected => went_away(),
        Error::Locked => locked(),
        Error::Crypto(_) => {
            Failure::new(Kind::Damaged, "the keyring sent a value that cannot be decrypted")
        }
        _ if is_gone(error) => {
            Failure::failed("the keyring was changed by another program meanwhile")
                .hint("try again")
        }
        _ if is_timeout(error) => Failure::failed(format!(
            "the program that keeps the keyring has not answered for {} seconds",
            PATIENCE.as_secs()
        )),
        _ => match name_of(error).as_deref().and_then(|name| name.rsplit_once('.')) {
            Some((_, "ServiceUnknown" | "NameHasNoOwner")) => no_service(),
            Some((before, _)) if before.ends_with(".Spawn") => no_service(),
            Some((_, "NoReply" | "Disconnected" | "NoSession")) => went_away(),
            Some((_, "IsLocked")) => locked(),
            _ if is_closed(error) => went_away(),
            _ => Failure::failed(format!("the keyring refuses: {error}")),
        },
    }
}

fn no_service() -> Failure {
    Failure::failed("no program on this session's D-Bus keeps a keyring")
        .hint("start GNOME Keyring, KWallet or KeePassXC (with its Secret Service integration)")
        .hint(ELSEWHERE)
}

/// Returns the name of the error that was sent over the bus, if it was.
fn name_of(error: &Error) -> Option<String> {
    match error {
        Error::Zbus(error) | Error::ZbusFdo(zbus::fdo::Error::ZBus(error)) => name_of_call(error),
        Error::ZbusFdo(error) => Some(error.name().to_string()),
        _ => None,
    }
}

fn name_of_call(error: &zbus::Error) -> Option<String> {
    match error {
        zbus::Error::MethodError(name, _, _) => Some(name.to_string()),
        zbus::Error::FDO(error) => match &**error {
            zbus::fdo::Error::ZBus(error) => name_of_call(error),
            error => Some(error.name().to_string()),
        },
        _ => None,
    }
}

fn io_kind(error: &Error) -> Option<io::ErrorKind> {
    match error {
        Error::Zbus(zbus::Error::InputOutput(cause))
        | Error::ZbusFdo(zbus::fdo::Error::ZBus(zbus::Error::InputOutput(cause))) => {
            Some(cause.kind())
        }
        _ => None,
    }
}

fn is_timeout(error: &Error) -> bool {
    io_kind(error) == Some(io::ErrorKind::TimedOut)
}

fn is_closed(error: &Error) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof,
    };
    io_kind(error).is_some_and(|kind| {
        [BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof]
            .contains(&kind)
    })
}
