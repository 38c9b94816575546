//! The desktop's keyring: whether there is a bus, and a program that keeps one.

use super::Finding;
use crate::flow::Mima;
use crate::store::secret_service::{Presence, SecretService};

const SUBJECT: &str = "keyring";

pub(super) fn check(mima: &Mima) -> Finding {
    match presence(mima) {
        Ok(Presence::Running) => Finding::ok(SUBJECT, "a program on the session's D-Bus keeps it"),
        Ok(Presence::Startable) => Finding::ok(
            SUBJECT,
            "the session's D-Bus starts the program that keeps it when it is first asked",
        ),
        Ok(Presence::Absent(failure)) | Err(failure) => Finding::of(SUBJECT, &failure),
    }
}

/// Tells whether it can be asked without starting anything.
pub(super) fn is_running(mima: &Mima) -> bool {
    matches!(presence(mima), Ok(Presence::Running))
}

fn presence(mima: &Mima) -> crate::error::Result<Presence> {
    SecretService::new(mima.paths(), mima.prompter().clone()).presence()
}
