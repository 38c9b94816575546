//! The few things that the store wants of macOS, as a trait: `SecItem*`, `LAContext` and the
//! signature of the running program. Whoever implements it decides nothing; what an answer
//! means is said in this directory, and is tested against `tests/common/fake_keychain.rs`.

use std::fmt;
use std::time::Duration;

use crate::secret::Secret;

/// One of the Mac's two keychains (Apple, TN3137). Every call names one: without
/// `kSecUseDataProtectionKeychain` reads and deletes reach both, and an add picks its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The data-protection keychain, for entitled programs. Whatever mima puts there has the
    /// access control `.userPresence`, and stays on this Mac.
    DataProtection,
    /// The login keychain, a file with access lists.
    Login,
}

/// Which item: the primary key of a generic password.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// In which keychain.
    pub place: Place,
    /// `kSecAttrService`.
    pub service: &'a str,
    /// `kSecAttrAccount`.
    pub account: &'a str,
}

/// An item that is to be added. All but the value can be read without a prompt, in the login
/// keychain by any program of the user.
#[derive(Clone, Copy)]
pub struct Item<'a> {
    /// Which item.
    pub key: Key<'a>,
    /// `kSecAttrLabel`: what Keychain Access shows.
    pub label: &'a str,
    /// `kSecAttrComment`.
    pub comment: &'a str,
    /// `kSecValueData`.
    pub value: &'a [u8],
}

/// What can be told about an item without a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// `kSecAttrAccount`.
    pub account: String,
    /// `kSecAttrComment`; empty if there is none.
    pub comment: String,
}

/// What macOS knows about the program that runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    /// The hash of its code directory, in hexadecimal digits: the name of this very build.
    pub cdhash: Option<String>,
    /// The team of the certificate; none if the signature is ad hoc or self-made.
    pub team: Option<String>,
    /// Whether it carries `keychain-access-groups`. This explains; the probe decides.
    pub entitled: bool,
}

/// An `OSStatus` other than 0 (Apple, `SecBase.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub i32);

impl Status {
    /// `errSecParam`.
    pub const PARAM: Self = Self(-50);
    /// `errSecUserCanceled`: no to the sheet, or to the dialog of the login keychain.
    pub const USER_CANCELED: Self = Self(-128);
    /// `errSecNotAvailable`: no keychain at all, for example before anybody has logged in.
    pub const NOT_AVAILABLE: Self = Self(-25291);
    /// `errSecAuthFailed`.
    pub const AUTH_FAILED: Self = Self(-25293);
    /// `errSecDuplicateItem`.
    pub const DUPLICATE_ITEM: Self = Self(-25299);
    /// `errSecItemNotFound`. A program without the entitlement gets this for every read in
    /// the data-protection keychain.
    pub const ITEM_NOT_FOUND: Self = Self(-25300);
    /// `errSecInteractionNotAllowed`: the screen is locked, or there is none.
    pub const INTERACTION_NOT_ALLOWED: Self = Self(-25308);
    /// `errSecInteractionRequired`.
    pub const INTERACTION_REQUIRED: Self = Self(-25315);
    /// `errSecInDarkWake`.
    pub const IN_DARK_WAKE: Self = Self(-25320);
    /// `errSecMissingEntitlement`. Only add, update and delete say so.
    pub const MISSING_ENTITLEMENT: Self = Self(-34018);
    /// None of Apple's: the call did not come back in time.
    pub const NO_ANSWER: Self = Self(i32::MIN);
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why nobody has shown that they are there: a code of `LAError` (Apple, `LAError.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denial(pub i64);

impl Denial {
    /// Wrong finger and wrong password, too often.
    pub const AUTHENTICATION_FAILED: Self = Self(-1);
    /// The person said no.
    pub const USER_CANCEL: Self = Self(-2);
    /// The person chose the other button.
    pub const USER_FALLBACK: Self = Self(-3);
    /// macOS took the question away.
    pub const SYSTEM_CANCEL: Self = Self(-4);
    /// The user has no login password.
    pub const PASSCODE_NOT_SET: Self = Self(-5);
    /// There is no sensor, or the lid is shut.
    pub const BIOMETRY_NOT_AVAILABLE: Self = Self(-6);
    /// No finger is enrolled.
    pub const BIOMETRY_NOT_ENROLLED: Self = Self(-7);
    /// Too many wrong fingers.
    pub const BIOMETRY_LOCKOUT: Self = Self(-8);
    /// mima itself took the question away.
    pub const APP_CANCEL: Self = Self(-9);
    /// The context was invalidated before.
    pub const INVALID_CONTEXT: Self = Self(-10);
    /// There is no watch to ask on.
    pub const WATCH_NOT_AVAILABLE: Self = Self(-11);
    /// The keyboard with the sensor was never paired.
    pub const BIOMETRY_NOT_PAIRED: Self = Self(-12);
    /// The keyboard with the sensor is not there.
    pub const BIOMETRY_DISCONNECTED: Self = Self(-13);
    /// Nothing can be shown: ssh, or a locked screen.
    pub const NOT_INTERACTIVE: Self = Self(-1004);
    /// None of Apple's: nobody answered in time.
    pub const NO_ANSWER: Self = Self(i64::MIN);
}

/// The calls themselves.
pub trait Api {
    /// An `LAContext`. It must stay on the thread that made it.
    type Context;

    /// Asks macOS who this program is. Never prompts.
    fn signature(&self) -> Signature;

    /// `SecItemAdd`. Never prompts.
    fn add(&self, item: &Item<'_>) -> Result<(), Status>;

    /// `SecItemCopyMatching` for the data of one item. Prompts if the item has an access
    /// control that `context` does not satisfy yet, or an access list without this program.
    fn read(&self, key: &Key<'_>, context: Option<&Self::Context>) -> Result<Secret, Status>;

    /// `SecItemCopyMatching` for the attributes of all items of `service`: without a context
    /// and without a word on what may be shown, so that no access control is evaluated and
    /// none makes an item drop out. Never prompts. If there is no item, the status says so.
    fn list(&self, place: Place, service: &str) -> Result<Vec<Found>, Status>;

    /// `SecItemDelete`. Never prompts.
    fn delete(&self, key: &Key<'_>) -> Result<(), Status>;

    /// A new `LAContext`.
    fn context(&self) -> Self::Context;

    /// `evaluatePolicy(.deviceOwnerAuthentication)`: Touch ID, a watch or the password.
    /// Prompts, and gives up after `patience`. `reason` must not be empty.
    fn evaluate(
        &self,
        context: &Self::Context,
        reason: &str,
        patience: Duration,
    ) -> Result<(), Denial>;

    /// `LAContext.invalidate()`: nothing can be read with it any more, and the sheet goes
    /// away if it is still there.
    fn invalidate(&self, context: &Self::Context);
}
