//! A desktop session without a screen: a bus of its own, GNOME Keyring, and somebody who
//! answers its prompts.
//!
//! GNOME Keyring shows no window itself. It asks the program that has the name
//! `org.gnome.keyring.SystemPrompter`; here that is the test, which counts.

use std::collections::HashMap;
use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use base64::prelude::{BASE64_STANDARD, Engine};
use sha2::{Digest, Sha256};
use zbus::blocking::MessageIterator;
use zbus::blocking::connection::{Builder, Connection};
use zbus::blocking::fdo::{DBusProxy, MonitoringProxy};
use zbus::message::{Message, Type};
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Value};

use super::world::World;
use super::{require, spawn};

/// The password of the keyring.
const PASSWORD: &str = "keyring-pw";
const SERVICE: &str = "org.freedesktop.secrets";

/// What the person at the desktop does when asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Person {
    /// Types the right password.
    Unlocks,
    /// Closes the window.
    Dismisses,
    /// Kills the program that asks.
    Kills,
}

/// A world with a session bus.
pub(crate) struct Desktop {
    pub(crate) world: World,
    address: String,
    bus: Child,
    keyring: Option<Child>,
    prompter: Option<Connection>,
    prompts: Arc<Mutex<usize>>,
}

impl Desktop {
    /// Starts a bus, and nothing on it. Nor does it start anything by itself.
    pub(crate) fn bare() -> Option<Self> {
        let daemon = require("dbus-daemon")?;
        let mut world = World::new();
        let address = format!("unix:path={}", world.runtime().join("bus").display());
        let config = world.root().join("bus.conf");
        std::fs::write(
            &config,
            format!(
                "<busconfig><type>session</type><listen>{address}</listen>\
                 <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>\
                 <allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>"
            ),
        )
        .unwrap();
        let mut command = world.command(daemon).std();
        command.arg("--config-file").arg(config).args(["--nofork", "--print-address"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut bus = spawn(&mut command);
        let mut line = String::new();
        BufReader::new(bus.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("unix:path"), "dbus-daemon says {line}");
        world.set_env("DBUS_SESSION_BUS_ADDRESS", &address);
        world.set_env("MIMA_STORE", "secret-service");
        let prompts = Arc::default();
        Some(Self { world, address, bus, keyring: None, prompter: None, prompts })
    }

    /// Starts a bus and GNOME Keyring, with an open keyring.
    pub(crate) fn new() -> Option<Self> {
        let mut desktop = Self::bare()?;
        require("gnome-keyring-daemon")?;
        desktop.start_keyring(true);
        Some(desktop)
    }

    /// Where the bus is.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Starts GNOME Keyring: with an open keyring, or with one that has been locked since.
    pub(crate) fn start_keyring(&mut self, open: bool) {
        let keyring = require("gnome-keyring-daemon").unwrap();
        let mut command =
            self.world.command(keyring).args(["--foreground", "--components=secrets"]);
        if open {
            command = command.arg("--unlock").stdin(PASSWORD);
        }
        self.keyring = Some(command.spawn());
        let connection = self.connect();
        let names = DBusProxy::new(&connection).unwrap();
        let since = Instant::now();
        while !names.name_has_owner(SERVICE.try_into().unwrap()).unwrap() {
            assert!(since.elapsed() < Duration::from_secs(20), "no GNOME Keyring on the bus");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends GNOME Keyring and starts it anew, as a login without a password does: its
    /// collection is locked, and has not been open before.
    pub(crate) fn lock(&mut self) {
        self.end_keyring();
        self.start_keyring(false);
    }

    /// Kills GNOME Keyring.
    pub(crate) fn end_keyring(&mut self) {
        if let Some(mut keyring) = self.keyring.take() {
            keyring.kill().unwrap();
            keyring.wait().unwrap();
        }
    }

    /// Sits somebody down who answers prompts. Without, there is nobody to show them.
    pub(crate) fn seat(&mut self, person: Person) {
        self.unseat();
        let keyring = self.keyring.as_ref().unwrap().id();
        let prompter = Prompter { person, keyring, prompts: Arc::clone(&self.prompts) };
        let connection = self.connect();
        let messages = MessageIterator::from(&connection);
        connection.request_name("org.gnome.keyring.SystemPrompter").unwrap();
        self.prompter = Some(connection.clone());
        thread::spawn(move || prompter.serve(&connection, messages));
    }

    fn unseat(&mut self) {
        if let Some(connection) = self.prompter.take() {
            // The bus may be gone.
            drop(connection.close());
        }
    }

    /// Returns how often the person was asked for a password.
    pub(crate) fn asked(&self) -> usize {
        *self.prompts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(&self) -> Connection {
        Builder::address(self.address.as_str()).unwrap().build().unwrap()
    }

    /// Runs something, and returns the methods that were called on the service meanwhile.
    pub(crate) fn calls(&self, during: impl FnOnce()) -> Vec<String> {
        let connection = self.connect();
        let monitoring = MonitoringProxy::new(&connection).unwrap();
        let rule = "type='method_call'".try_into().unwrap();
        let messages = MessageIterator::from(&connection);
        monitoring.become_monitor(&[rule], 0).unwrap();
        let calls = thread::spawn(move || {
            let mut calls = Vec::new();
            let calls_only = |message: &Message| message.message_type() == Type::MethodCall;
            for message in messages.flatten().filter(calls_only) {
                let header = message.header();
                let member = header.member().map(ToString::to_string).unwrap_or_default();
                if member == "EndOfTheTest" {
                    break;
                }
                calls.push(member);
            }
            calls
        });
        during();
        let other = self.connect();
        // Nobody knows this method; that it was called is seen.
        let _unknown = other.call_method(
            Some("org.freedesktop.DBus"),
            "/",
            Some("org.freedesktop.DBus"),
            "EndOfTheTest",
            &(),
        );
        calls.join().unwrap()
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        self.unseat();
        for child in self.keyring.iter_mut().chain([&mut self.bus]) {
            // It may have ended by itself.
            let _ended = child.kill();
            let _status = child.wait();
        }
    }
}

/// What GNOME Keyring asks for passwords: the part of gcr-prompter that it needs.
struct Prompter {
    person: Person,
    keyring: u32,
    prompts: Arc<Mutex<usize>>,
}

impl Prompter {
    /// Serves until the connection is closed. By hand, because a call must have been answered
    /// before it is called back: GNOME Keyring waits for ever otherwise.
    fn serve(&self, connection: &Connection, messages: MessageIterator) {
        for message in messages.flatten() {
            if message.message_type() != Type::MethodCall {
                continue;
            }
            let header = message.header();
            let body = message.body();
            let member = header.member().map(ToString::to_string).unwrap_or_default();
            let (callback, exchange) = if member == "PerformPrompt" {
                let (callback, kind, _, exchange): Prompt = body.deserialize().unwrap();
                // It also asks whether a new password may be a weak one.
                if kind == "password" {
                    *self.prompts.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                }
                (callback, exchange)
            } else {
                (body.deserialize().unwrap(), String::new())
            };
            connection.reply(&header, &()).unwrap();
            let reply = match (member.as_str(), self.person) {
                ("PerformPrompt", Person::Unlocks) => ("yes", encrypted(&exchange, PASSWORD)),
                ("PerformPrompt", Person::Dismisses) => ("no", encrypted(&exchange, "")),
                ("PerformPrompt", Person::Kills) => {
                    let pid = i32::try_from(self.keyring).unwrap();
                    let pid = rustix::process::Pid::from_raw(pid).unwrap();
                    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
                    continue;
                }
                _ => ("", String::new()),
            };
            let interface = Some("org.gnome.keyring.internal.Prompter.Callback");
            let to = header.sender().cloned();
            let called = if member == "StopPrompting" {
                connection.call_method(to, callback, interface, "PromptDone", &())
            } else {
                let nothing = HashMap::<&str, Value<'_>>::new();
                let body = (reply.0, nothing, reply.1.as_str());
                connection.call_method(to, callback, interface, "PromptReady", &body)
            };
            // The keyring may be dead by now.
            drop(called);
        }
    }
}

/// What `PerformPrompt` is called with: whom to call back, the kind of prompt, its texts, and
/// the keyring's half of the encryption.
type Prompt = (OwnedObjectPath, String, HashMap<String, OwnedValue>, String);

/// Encrypts a password of at most 15 bytes for GNOME Keyring, by its protocol `sx-aes-1`: a
/// Diffie-Hellman exchange, whose own secret number is 1 here. So the public one is 2, and
/// what both sides share is the other's public one: without the zeros that it may begin with,
/// as GNOME Keyring's own library hashes it. One in 256 begins with one.
fn encrypted(exchange: &str, password: &str) -> String {
    let theirs = exchange.lines().find_map(|line| line.strip_prefix("public=")).unwrap();
    let shared = BASE64_STANDARD.decode(theirs).unwrap();
    let key = hmac(&hmac(&[0; 32], &shared), &[1]);
    let padding = 16 - password.len();
    let mut block = [u8::try_from(padding).unwrap(); 16];
    block[..password.len()].copy_from_slice(password.as_bytes());
    let iv = [7; 16];
    for (byte, iv) in block.iter_mut().zip(iv) {
        *byte ^= iv;
    }
    let mut block = block.into();
    Aes128::new_from_slice(&key[..16]).unwrap().encrypt_block(&mut block);
    let mut text = "[sx-aes-1]\n".to_owned();
    for (key, value) in [("public", &[2][..]), ("secret", &block[..]), ("iv", &iv[..])] {
        writeln!(text, "{key}={}", BASE64_STANDARD.encode(value)).unwrap();
    }
    text
}

/// HMAC-SHA256, with a key of 32 bytes.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let pad = |with: u8| -> Vec<u8> {
        (0..64).map(|index| key.get(index).copied().unwrap_or(0) ^ with).collect()
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}
