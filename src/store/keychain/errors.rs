//! What an answer of macOS means, said for a person.

use super::api::{Denial, Place, Status};
use super::tier::Tier;
use crate::error::{Failure, Kind};
use crate::names::SecretName;

/// How macOS comes to protect values.
pub(super) const SIGN: &str = "sign mima with a developer's certificate and a profile: make install SIGNING_IDENTITY=… PROVISIONING_PROFILE=…";
const AGAIN: &str = "run it again to be asked again";
const NO_SCREEN: &str = "unlock the screen and run it again; over ssh and without a login there is nothing to ask on: use `store: vault` there";
const BUG: &str = "this is a bug in mima: please report it";

/// Says what an `OSStatus` means.
pub(super) fn of_status(status: Status, place: Place) -> Failure {
    let failure = |kind, message: &str, hint: &str| Failure::new(kind, message).hint(hint);
    match status {
        Status::USER_CANCELED => failure(Kind::Refused, "macOS was told no", AGAIN),
        Status::AUTH_FAILED => {
            failure(Kind::WrongKey, "macOS did not accept the finger or the password", AGAIN)
        }
        Status::INTERACTION_NOT_ALLOWED | Status::INTERACTION_REQUIRED => {
            let failure = failure(
                Kind::Locked,
                "macOS cannot ask now: the screen is locked, or there is no screen",
                NO_SCREEN,
            );
            match place {
                Place::DataProtection => failure,
                Place::Login => failure.hint(
                    "or the login keychain is locked: security unlock-keychain login.keychain",
                ),
            }
        }
        Status::IN_DARK_WAKE => {
            failure(Kind::Locked, "the Mac is awake only in the dark", "wake it and run it again")
        }
        Status::NOT_AVAILABLE => failure(
            Kind::Failed,
            "there is no keychain: nobody has logged in on this Mac",
            "log in on its screen, or use `store: vault`",
        ),
        Status::ITEM_NOT_FOUND => Failure::new(Kind::NotFound, "it is not in the keychain"),
        Status::DUPLICATE_ITEM => Failure::new(Kind::Exists, "it is in the keychain already"),
        Status::MISSING_ENTITLEMENT => failure(
            Kind::Failed,
            "this build of mima is not signed for the keychain that macOS protects",
            SIGN,
        ),
        Status::PARAM => failure(Kind::Failed, "the keychain did not understand mima", BUG),
        Status::NO_ANSWER => failure(
            Kind::Failed,
            "the keychain does not answer",
            "if it stays so, log out and in again",
        ),
        other => Failure::failed(format!("the keychain answers {other}"))
            .hint(format!("what that means: security error {other}")),
    }
}

/// Says what an `LAError` means.
pub(super) fn of_denial(denial: Denial) -> Failure {
    const VAULT: &str = "or keep secrets behind a passphrase: `store: vault`";
    let failure = |kind, message: &str, hint: &str| Failure::new(kind, message).hint(hint);
    match denial {
        Denial::USER_CANCEL | Denial::USER_FALLBACK => failure(Kind::Refused, "you said no", AGAIN),
        Denial::AUTHENTICATION_FAILED => {
            failure(Kind::WrongKey, "macOS did not accept the finger or the password", AGAIN)
        }
        Denial::SYSTEM_CANCEL => failure(
            Kind::Refused,
            "macOS took the question away: the screen was locked, or something else came before it",
            AGAIN,
        ),
        Denial::NO_ANSWER => failure(Kind::Refused, "nobody answered the question", AGAIN),
        Denial::PASSCODE_NOT_SET => failure(
            Kind::Locked,
            "you have no login password, so macOS cannot tell that it is you",
            "set one in System Settings, Users & Groups",
        )
        .hint(VAULT),
        Denial::NOT_INTERACTIVE => failure(
            Kind::Locked,
            "macOS cannot ask now: the screen is locked, or there is no screen",
            NO_SCREEN,
        ),
        Denial::BIOMETRY_LOCKOUT => failure(
            Kind::Locked,
            "Touch ID is locked after too many wrong fingers",
            "lock the screen, unlock it with your password, and run it again",
        ),
        Denial::BIOMETRY_NOT_AVAILABLE
        | Denial::BIOMETRY_NOT_PAIRED
        | Denial::BIOMETRY_DISCONNECTED
        | Denial::WATCH_NOT_AVAILABLE => failure(
            Kind::Locked,
            "Touch ID is out of reach, and macOS offered nothing else",
            "open the lid or connect the keyboard, and run it again",
        )
        .hint(VAULT),
        Denial::BIOMETRY_NOT_ENROLLED => failure(
            Kind::Locked,
            "Touch ID knows no finger, and macOS offered nothing else",
            "add one in System Settings, Touch ID & Password",
        )
        .hint(VAULT),
        Denial::APP_CANCEL | Denial::INVALID_CONTEXT => {
            failure(Kind::Failed, "the question ended too early", BUG)
        }
        Denial(other) => Failure::new(
            Kind::Locked,
            format!("macOS could not ask whether it is you (LAError {other})"),
        )
        .hint(VAULT),
    }
    .context("could not unlock the keychain's secrets")
}

/// Says that a protected item is out of this build's reach.
pub(super) fn out_of_reach(what: &str) -> Failure {
    Failure::failed(format!(
        "macOS protects {what}, and this build of mima is not signed to reach that"
    ))
    .hint("use the mima that stored it")
    .hint(SIGN)
}

/// Says that the index knows an item that the keychain does not have.
pub(super) fn gone(name: &SecretName, tier: Tier) -> Failure {
    let failure = Failure::new(
        Kind::NotFound,
        format!("`{name}` is no longer in the keychain, though mima has stored it there"),
    );
    let failure = match tier {
        Tier::Protected => {
            failure.hint("what macOS protects does not move to another Mac, nor back from a backup")
        }
        Tier::Stable | Tier::AdHoc => failure,
    };
    failure.hint(format!("store it again: mima secret add --force {name}"))
}

/// Says that a value may not come to lie where it is protected less.
pub(super) fn would_weaken(name: &SecretName, tier: Tier) -> Failure {
    Failure::failed(format!(
        "macOS protects `{name}`, and this build of mima could store it in tier {} only",
        tier.word()
    ))
    .hint("use the mima that stored it, or choose another name")
    .hint(SIGN)
}

/// What to do about an item that was bound to another build.
pub(super) fn other_build(name: &SecretName) -> String {
    format!(
        "another build of mima stored it; to make it this one's: mima secret add --force {name}"
    )
}
