//! The keychain of the Mac that the tests run on, with nobody sitting at it.
//!
//! Only the question whether somebody is there is answered by the test; every item goes to
//! macOS and comes from it. The keychain is a temporary one, which `MIMA_TEST_KEYCHAIN` names
//! and which is the default meanwhile: `.github/workflows/ci.yml` makes it.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use mima::paths::Paths;
use mima::prompt::Prompter;
use mima::secret::Secret;
use mima::store::Store;
use mima::store::keychain::api::{Api, Denial, Found, Item, Key, Place, Signature, Status};
use mima::store::keychain::{Keychain, apple};
use security_framework::os::macos::keychain::SecKeychain;

use super::spawn;
use super::world::World;

/// Names the temporary keychain.
const KEYCHAIN: &str = "MIMA_TEST_KEYCHAIN";

/// The calls to macOS, all but one.
pub(crate) struct Unattended<A>(A);

impl<A: Api> Api for Unattended<A> {
    type Context = A::Context;

    fn signature(&self) -> Signature {
        self.0.signature()
    }

    fn add(&self, item: &Item<'_>) -> Result<(), Status> {
        self.0.add(item)
    }

    fn read(&self, key: &Key<'_>, context: Option<&Self::Context>) -> Result<Secret, Status> {
        // A dialog that nobody answers would never end; so it is an error.
        let _no_dialog = SecKeychain::disable_user_interaction();
        self.0.read(key, context)
    }

    fn list(&self, place: Place, service: &str) -> Result<Vec<Found>, Status> {
        self.0.list(place, service)
    }

    fn delete(&self, key: &Key<'_>) -> Result<(), Status> {
        self.0.delete(key)
    }

    fn context(&self) -> Self::Context {
        self.0.context()
    }

    /// Somebody is there.
    fn evaluate(&self, _: &Self::Context, _: &str, _: Duration) -> Result<(), Denial> {
        Ok(())
    }

    fn invalidate(&self, context: &Self::Context) {
        self.0.invalidate(context);
    }
}

/// A home whose items are in the temporary keychain, and are gone when it is.
pub(crate) struct RealMac {
    pub(crate) world: World,
}

impl RealMac {
    /// `None` where no temporary keychain is named, which is said.
    pub(crate) fn new() -> Option<Self> {
        let Some(named) = std::env::var_os(KEYCHAIN) else {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            eprintln!("SKIPPED {test}: {KEYCHAIN} names no temporary keychain");
            return None;
        };
        let named = PathBuf::from(named).canonicalize().unwrap();
        assert_eq!(default_keychain(), named, "{KEYCHAIN} must be the default keychain");
        Some(Self { world: World::new() })
    }

    /// The calls.
    pub(crate) fn api() -> Unattended<impl Api + use<>> {
        Unattended(apple())
    }

    /// Opens the store, as another process would.
    pub(crate) fn open(&self) -> Keychain<impl Api + use<>> {
        // Nothing but the keychain is ever asked.
        let prompter = Prompter::with_askpass("/nonexistent".into());
        Keychain::new(Self::api(), &Paths::in_dir(self.world.data()), prompter)
    }

    /// Removes all secrets, and mima's files.
    pub(crate) fn erase(&self) {
        let store = self.open();
        for name in store.names().unwrap() {
            store.remove(&name).unwrap();
        }
        std::fs::remove_dir_all(self.world.data()).unwrap_or_default();
    }
}

impl Drop for RealMac {
    fn drop(&mut self) {
        // The keychain is deleted anyway; one failure is enough to read.
        if !std::thread::panicking() {
            self.erase();
        }
    }
}

/// Where macOS puts what names no keychain.
fn default_keychain() -> PathBuf {
    let mut command = Command::new("/usr/bin/security");
    command.args(["default-keychain", "-d", "user"]).stdout(Stdio::piped());
    let output = spawn(&mut command).wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    PathBuf::from(text.trim().trim_matches('"')).canonicalize().unwrap()
}
