//! Whether the screen is locked.

/// Tells whether the screen is locked, where the system says so: macOS.
#[cfg(not(target_os = "macos"))]
pub fn is_locked() -> bool {
    false
}

/// Tells whether the screen is locked. False without a graphical session, which has no screen.
///
/// The key is there only while it is locked. Apple does not document it; it has been this one
/// since Mac OS X 10.8.
#[cfg(target_os = "macos")]
pub fn is_locked() -> bool {
    use core_foundation::base::{CFType, TCFType};
    use core_foundation::boolean::CFBoolean;
    use core_foundation::dictionary::{CFDictionary, CFDictionaryRef};
    use core_foundation::string::CFString;

    #[link(name = "CoreGraphics", kind = "framework")]
    unsafe extern "C" {
        fn CGSessionCopyCurrentDictionary() -> CFDictionaryRef;
    }

    // SAFETY: it takes nothing, and returns null or a dictionary that is ours.
    let session = unsafe { CGSessionCopyCurrentDictionary() };
    if session.is_null() {
        return false;
    }
    // SAFETY: it is a dictionary with strings as keys, and ours.
    let session: CFDictionary<CFString, CFType> =
        unsafe { CFDictionary::wrap_under_create_rule(session) };
    session
        .find(CFString::from_static_string("CGSSessionScreenIsLocked"))
        .and_then(|locked| locked.downcast::<CFBoolean>())
        .is_some_and(bool::from)
}
