//! The vault, as far as it can be judged without its key.

use std::path::Path;

use super::Finding;
use crate::fs::Forgery;
use crate::store::Store;
use crate::store::vault::{Opener, PinState, Vault};
use crate::term;
use crate::term::word;

const SUBJECT: &str = "vault";
const CONFIRM: &str = "mima vault recipients --accept";

/// `is_store` says whether the vault is the store that is in use.
pub(super) fn check(vault: &Vault, is_store: bool) -> Vec<Finding> {
    match vault.exists() {
        Ok(true) => {}
        Ok(false) if is_store => {
            return vec![Finding::note(SUBJECT, "there is none yet").fix("mima vault init")];
        }
        Ok(false) => return Vec::new(),
        Err(failure) => return vec![Finding::of(SUBJECT, &failure)],
    }
    if let Err(failure) = vault.check() {
        return vec![Finding::of(SUBJECT, &failure)];
    }
    let mut found = Vec::new();
    found.extend(opener(vault));
    found.push(recipients(vault));
    found.extend(secrets(vault));
    found
}

/// What unlocks it.
fn opener(vault: &Vault) -> Vec<Finding> {
    match vault.opener() {
        Err(failure) => vec![Finding::of(SUBJECT, &failure)],
        Ok(Opener::Passphrase { log_n }) if log_n < Opener::USUAL_WORK => vec![
            Finding::warning(
                SUBJECT,
                format!(
                    "guessing the passphrase costs only 2^{log_n} units of work, not 2^{}",
                    Opener::USUAL_WORK
                ),
            )
            .fix("mima vault passwd"),
        ],
        Ok(Opener::Passphrase { log_n }) => {
            vec![Finding::ok(SUBJECT, format!("a passphrase opens it, with work of 2^{log_n}"))]
        }
        Ok(Opener::Plugin) => match vault.check_plugin() {
            Ok(path) => plugin(&path),
            Err(failure) => vec![Finding::of(SUBJECT, &failure).fix(CONFIRM)],
        },
    }
}

/// The plugin sees the vault's key.
fn plugin(path: &Path) -> Vec<Finding> {
    let forged = [Some(path), path.parent()].into_iter().flatten().find_map(|path| {
        let forgery = std::fs::metadata(path).ok().and_then(|meta| Forgery::of(&meta))?;
        Some((path, forgery))
    });
    vec![match forged {
        None => Finding::ok(SUBJECT, format!("{} opens it", term::path(path))),
        Some((path, Forgery::Writable)) => Finding::error(
            SUBJECT,
            format!("others can write to {}, which opens the vault", term::path(path)),
        )
        .fix(format!("chmod go-w {}", word(path))),
        Some((path, Forgery::Foreign(uid))) => Finding::error(
            SUBJECT,
            format!(
                "{}, which opens the vault, belongs to another user (uid {uid})",
                term::path(path)
            ),
        )
        .fix(format!("sudo chown \"$(id -un)\" {}", word(path))),
    }]
}

fn recipients(vault: &Vault) -> Finding {
    match vault.pin_state() {
        Err(failure) => Finding::of(SUBJECT, &failure),
        Ok(PinState::Confirmed) => match vault.recipients() {
            Ok(all) => Finding::ok(SUBJECT, format!("recipients, all confirmed: {}", all.len())),
            Err(failure) => Finding::of(SUBJECT, &failure),
        },
        Ok(state) => {
            let why = if state == PinState::Changed {
                "the recipients changed since you last confirmed them"
            } else {
                "you have not confirmed the recipients on this machine"
            };
            Finding::error(
                SUBJECT,
                format!("{why}, so nothing can be added; see them: mima vault recipients"),
            )
            .fix(CONFIRM)
        }
    }
}

fn secrets(vault: &Vault) -> Vec<Finding> {
    let mut found = Vec::new();
    match vault.strays() {
        Err(failure) => found.push(Finding::of(SUBJECT, &failure)),
        Ok(strays) => found.extend(strays.iter().map(|stray| {
            Finding::warning(
                SUBJECT,
                format!(
                    "{} is no secret by its name: a synced folder makes such copies of two versions; look at it with age -d, then remove it",
                    term::path(stray)
                ),
            )
            .fix(format!("rm {}", word(stray)))
        })),
    }
    let names = match vault.names() {
        Err(failure) => return vec![Finding::of(SUBJECT, &failure)],
        Ok(names) => names,
    };
    let before = found.len();
    for name in &names {
        if let Err(failure) = vault.check_file(name) {
            found.push(
                Finding::error(
                    SUBJECT,
                    format!("{failure}; take it from a backup, or store it again"),
                )
                .fix(format!("mima secret add --force {name}")),
            );
        }
    }
    if found.len() == before {
        found.push(Finding::ok(
            SUBJECT,
            format!("secrets, all sound as far as can be told without the key: {}", names.len()),
        ));
    }
    found
}
