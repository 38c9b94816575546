//! The keychain, Touch ID and the own signature: the calls to macOS, and nothing that decides.
//! What an answer means is said in `store::keychain`, which also says which calls may prompt.
//!
//! Sources: Apple, `SecItem.h`, `SecCode.h`, `LAContext.h`, TN3137; and the source of Security-61901.

use std::sync::mpsc;
use std::time::Duration;

use core_foundation::array::CFArray;
use core_foundation::base::{CFType, CFTypeRef, OSStatus, TCFType};
use core_foundation::boolean::CFBoolean;
use core_foundation::data::CFData;
use core_foundation::dictionary::{CFDictionary, CFDictionaryRef, CFMutableDictionary};
use core_foundation::string::{CFString, CFStringRef};
use objc2::rc::Retained;
use objc2::runtime::Bool;
use objc2_foundation::{NSError, NSString};
use objc2_local_authentication::{LAContext, LAPolicy};
use security_framework::access_control::{ProtectionMode, SecAccessControl};
use security_framework::os::macos::code_signing::{Flags, SecCode};
use security_framework::os::macos::keychain::SecKeychain;
use security_framework::passwords::AccessControlOptions;
use security_framework_sys::code_signing::{SecCSFlags, SecCodeRef};
use security_framework_sys::item::{
    kSecAttrAccessControl, kSecAttrAccount, kSecAttrComment, kSecAttrLabel, kSecAttrService,
    kSecClass, kSecClassGenericPassword, kSecMatchLimit, kSecMatchLimitAll, kSecReturnAttributes,
    kSecReturnData, kSecUseAuthenticationContext, kSecUseDataProtectionKeychain, kSecValueData,
};
use security_framework_sys::keychain_item::{SecItemAdd, SecItemCopyMatching, SecItemDelete};

/// `kSecCSSigningInformation` of `SecCode.h`.
const SIGNING: SecCSFlags = 1 << 1;
/// `kSecCSRequirementInformation` of `SecCode.h`; the entitlements need it.
const REQUIREMENTS: SecCSFlags = 1 << 2;
/// The entitlement without which the data-protection keychain refuses a program.
const ENTITLEMENT: &str = "keychain-access-groups";

// security-framework-sys does not have these.
#[link(name = "Security", kind = "framework")]
unsafe extern "C" {
    static kSecCodeInfoUnique: CFStringRef;
    static kSecCodeInfoTeamIdentifier: CFStringRef;
    static kSecCodeInfoEntitlementsDict: CFStringRef;
    fn SecCodeCopySigningInformation(
        code: SecCodeRef,
        flags: SecCSFlags,
        information: *mut CFDictionaryRef,
    ) -> OSStatus;
}

/// One of the framework's constant strings.
macro_rules! constant {
    ($name:ident) => {{
        // SAFETY: the loader has set the framework's constants before main, for good.
        let string = unsafe { $name };
        // SAFETY: it is a CFString, and stays one while it is retained.
        unsafe { CFString::wrap_under_get_rule(string) }
    }};
}

/// Which item.
#[derive(Clone, Copy)]
pub struct Id<'a> {
    /// True for the data-protection keychain, false for the login keychain. Always said:
    /// macOS would otherwise look in both.
    pub protected: bool,
    /// The service.
    pub service: &'a str,
    /// The account.
    pub account: &'a str,
}

/// A query or the attributes of an item.
struct Query(CFMutableDictionary<CFString, CFType>);

impl Query {
    fn new(protected: bool, service: &str) -> Self {
        let mut query = Self(CFMutableDictionary::new());
        query.set(constant!(kSecClass), &constant!(kSecClassGenericPassword));
        query.set(constant!(kSecUseDataProtectionKeychain), &CFBoolean::from(protected));
        query.set(constant!(kSecAttrService), &CFString::new(service));
        query
    }

    fn of(id: Id<'_>) -> Self {
        let mut query = Self::new(id.protected, id.service);
        query.set(constant!(kSecAttrAccount), &CFString::new(id.account));
        query
    }

    fn set(&mut self, key: CFString, value: &impl TCFType) {
        self.0.set(key, value.as_CFType());
    }

    fn dictionary(&self) -> CFDictionary<CFString, CFType> {
        self.0.to_immutable()
    }

    /// Returns what is found; the caller owns it.
    fn copy_matching(&self) -> Result<CFTypeRef, OSStatus> {
        let query = self.dictionary();
        let mut found: CFTypeRef = std::ptr::null();
        // SAFETY: the dictionary is alive, and `found` is a local that takes one reference.
        let status = unsafe { SecItemCopyMatching(query.as_concrete_TypeRef(), &raw mut found) };
        ok(status).map(|()| found)
    }
}

fn ok(status: OSStatus) -> Result<(), OSStatus> {
    if status == 0 { Ok(()) } else { Err(status) }
}

/// Keeps the login keychain, should it be locked, from asking for its password: adding and
/// deleting never prompt, they fail.
fn without_dialogs<T>(protected: bool, call: impl FnOnce() -> T) -> T {
    let quiet = if protected { None } else { SecKeychain::disable_user_interaction().ok() };
    let done = call();
    drop(quiet);
    done
}

/// Adds an item. A protected one gets `.userPresence`, and stays on this Mac.
pub fn add(id: Id<'_>, label: &str, comment: &str, value: &[u8]) -> Result<(), OSStatus> {
    let mut query = Query::of(id);
    query.set(constant!(kSecAttrLabel), &CFString::new(label));
    query.set(constant!(kSecAttrComment), &CFString::new(comment));
    query.set(constant!(kSecValueData), &CFData::from_buffer(value));
    if id.protected {
        // Never together with `kSecAttrAccessible`, which it includes.
        let access = SecAccessControl::create_with_protection(
            Some(ProtectionMode::AccessibleWhenUnlockedThisDeviceOnly),
            AccessControlOptions::USER_PRESENCE.bits(),
        )
        .map_err(security_framework::base::Error::code)?;
        query.set(constant!(kSecAttrAccessControl), &access);
    }
    let attributes = query.dictionary();
    without_dialogs(id.protected, || {
        // SAFETY: the dictionary is alive, and no result is wanted.
        ok(unsafe { SecItemAdd(attributes.as_concrete_TypeRef(), std::ptr::null_mut()) })
    })
}

/// Reads the value of an item.
pub fn read(id: Id<'_>, context: Option<&Context>) -> Result<Vec<u8>, OSStatus> {
    let mut query = Query::of(id);
    query.set(constant!(kSecReturnData), &CFBoolean::true_value());
    if let Some(context) = context {
        let object: CFTypeRef = std::ptr::from_ref::<LAContext>(&context.0).cast();
        // SAFETY: a CFDictionary holds any Objective-C object, and this one is alive.
        let object = unsafe { CFType::wrap_under_get_rule(object) };
        query.set(constant!(kSecUseAuthenticationContext), &object);
    }
    let found = query.copy_matching()?;
    if found.is_null() {
        return Ok(Vec::new());
    }
    // SAFETY: `kSecReturnData` for one item brings a CFData, which is ours.
    let data = unsafe { CFData::wrap_under_create_rule(found.cast()) };
    Ok(data.bytes().to_vec())
}

/// Returns the account and the comment of each item of `service`: attributes only, no word on
/// what may be shown, no context.
pub fn list(protected: bool, service: &str) -> Result<Vec<(String, String)>, OSStatus> {
    let mut query = Query::new(protected, service);
    query.set(constant!(kSecReturnAttributes), &CFBoolean::true_value());
    query.set(constant!(kSecMatchLimit), &constant!(kSecMatchLimitAll));
    let found = query.copy_matching()?;
    if found.is_null() {
        return Ok(Vec::new());
    }
    // SAFETY: `kSecMatchLimitAll` brings a CFArray of attributes, which is ours.
    let items: CFArray<CFDictionary<CFString, CFType>> =
        unsafe { CFArray::wrap_under_create_rule(found.cast()) };
    let (account, comment) = (constant!(kSecAttrAccount), constant!(kSecAttrComment));
    let text = |item: &CFDictionary<CFString, CFType>, key: &CFString| {
        item.find(key)?.downcast::<CFString>().map(|text| text.to_string())
    };
    Ok(items
        .iter()
        .filter_map(|item| {
            Some((text(&item, &account)?, text(&item, &comment).unwrap_or_default()))
        })
        .collect())
}

/// Deletes an item.
pub fn delete(id: Id<'_>) -> Result<(), OSStatus> {
    let query = Query::of(id).dictionary();
    without_dialogs(id.protected, || {
        // SAFETY: the dictionary is alive.
        ok(unsafe { SecItemDelete(query.as_concrete_TypeRef()) })
    })
}

/// An `LAContext`. Not `Send`: it stays on its thread.
pub struct Context(Retained<LAContext>);

impl Context {
    /// Makes one. Nothing is asked. `touchIDAuthenticationAllowableReuseDuration` stays 0:
    /// having just unlocked the screen is no answer to this question.
    #[expect(clippy::new_without_default, reason = "a context is made on purpose")]
    pub fn new() -> Self {
        // SAFETY: `+new` has no preconditions.
        Self(unsafe { LAContext::new() })
    }

    /// Asks for Touch ID, a watch or the password, and waits. `Err(None)` if nobody answered
    /// in time, else the code of the `LAError`. `reason` must not be empty.
    pub fn evaluate(&self, reason: &str, patience: Duration) -> Result<(), Option<i64>> {
        let (done, answer) = mpsc::channel();
        // Called on a queue of LocalAuthentication's own, so waiting here is fine.
        let reply = block2::RcBlock::new(move |ok: Bool, error: *mut NSError| {
            // SAFETY: it is null or an error that lives as long as this call.
            let error = unsafe { error.as_ref() };
            let code = error.and_then(|error| i64::try_from(error.code()).ok()).unwrap_or_default();
            // Nobody listens any more once the time is up.
            done.send(if ok.as_bool() { Ok(()) } else { Err(code) }).ok();
        });
        let reason = NSString::from_str(reason);
        let policy = LAPolicy::DeviceOwnerAuthentication;
        // SAFETY: the reason is not empty, and the block may be called on any thread.
        unsafe { self.0.evaluatePolicy_localizedReason_reply(policy, &reason, &reply) };
        match answer.recv_timeout(patience) {
            Ok(answer) => answer.map_err(Some),
            Err(_) => Err(None),
        }
    }

    /// Makes it useless, and takes away its sheet.
    pub fn invalidate(&self) {
        // SAFETY: `invalidate` may be called at any time.
        unsafe { self.0.invalidate() };
    }
}

/// What the signature of this program says.
#[derive(Default)]
pub struct Signature {
    /// The hash of the code directory.
    pub cdhash: Option<Vec<u8>>,
    /// The team.
    pub team: Option<String>,
    /// Whether it has the entitlement for the data-protection keychain.
    pub entitled: bool,
}

/// Reads the signature of this program. Empty if there is none.
pub fn signature() -> Signature {
    let Ok(code) = SecCode::for_self(Flags::NONE) else { return Signature::default() };
    let mut information: CFDictionaryRef = std::ptr::null();
    // SAFETY: the code object is alive, and `information` is a local that takes one reference.
    let status = unsafe {
        SecCodeCopySigningInformation(
            code.as_concrete_TypeRef(),
            SIGNING | REQUIREMENTS,
            &raw mut information,
        )
    };
    if status != 0 || information.is_null() {
        return Signature::default();
    }
    // SAFETY: it succeeded, so this is a dictionary with strings as keys, and ours.
    let information: CFDictionary<CFString, CFType> =
        unsafe { CFDictionary::wrap_under_create_rule(information) };
    let get = |key: &CFString| information.find(key).map(|value| value.clone());
    let entitlements = get(&constant!(kSecCodeInfoEntitlementsDict))
        .and_then(|dictionary| dictionary.downcast::<CFDictionary>());
    let key = CFString::new(ENTITLEMENT);
    Signature {
        cdhash: get(&constant!(kSecCodeInfoUnique))
            .and_then(|hash| hash.downcast::<CFData>())
            .map(|hash| hash.bytes().to_vec()),
        team: get(&constant!(kSecCodeInfoTeamIdentifier))
            .and_then(|team| team.downcast::<CFString>())
            .map(|team| team.to_string()),
        entitled: entitlements
            .is_some_and(|entitlements| entitlements.contains_key(&key.as_CFTypeRef())),
    }
}
