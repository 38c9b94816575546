//! The user file, and the store that it chooses.

use std::path::PathBuf;

use super::{Finding, vault};
use crate::config::user::StoreKind;
use crate::flow::{Mima, STORE, chosen_store};
use crate::fs::Forgery;
use crate::prompt::ASKPASS;
use crate::term;
use crate::term::word;

pub(super) fn check(mima: &Mima) -> Vec<Finding> {
    let mut found = vec![user_file(mima)];
    found.extend(askpass());
    let kind = mima.store_kind();
    match &kind {
        Ok(kind) => found.push(which(mima, *kind)),
        // The user file has been looked at.
        Err(failure) if chosen_store().is_some() => {
            found.push(Finding::of("store", failure).fix(format!("unset {STORE}")));
        }
        Err(_) => {}
    }
    // Where the store is not known, the vault may be it.
    let is_vault = kind.as_ref().map_or(true, |kind| *kind == StoreKind::Vault);
    if is_vault || mima.vault().exists().unwrap_or(true) {
        found.extend(vault::check(&mima.vault(), is_vault));
    }
    #[cfg(all(target_os = "linux", feature = "secret-service"))]
    if matches!(kind, Ok(StoreKind::SecretService)) {
        found.push(super::keyring::check(mima));
    }
    #[cfg(target_os = "macos")]
    if matches!(kind, Ok(StoreKind::Keychain)) {
        let keychain = crate::store::keychain::here(mima.paths(), mima.prompter().clone());
        found.extend(super::keychain::check(&keychain, &mima.paths().keychain_index()));
    }
    found
}

/// Tells whether the names of the secrets can be listed without starting anything. A program
/// that keeps a keyring is started by the bus when it is first asked.
pub fn can_list(mima: &Mima) -> bool {
    #[cfg(all(target_os = "linux", feature = "secret-service"))]
    if matches!(mima.store_kind(), Ok(StoreKind::SecretService)) {
        return super::keyring::is_running(mima);
    }
    mima.store_kind().is_ok()
}

fn user_file(mima: &Mima) -> Finding {
    let path = mima.paths().user_file();
    match mima.user_file() {
        Ok(file) if path.exists() => Finding::ok(
            "user file",
            format!("{}, groups: {}", term::path(path), file.groups.iter().count()),
        ),
        Ok(_) => Finding::ok("user file", format!("there is no {} yet", term::path(path))),
        Err(failure) => Finding::of("user file", &failure),
    }
}

fn which(mima: &Mima, kind: StoreKind) -> Finding {
    let in_file = mima.user_file().map(|file| file.store);
    match (chosen_store(), in_file) {
        (Some(_), Ok(other)) if other != kind => Finding::note(
            "store",
            format!("{}, as {STORE} says; the user file says {}", kind.word(), other.word()),
        )
        .fix(format!("unset {STORE}")),
        (Some(_), _) => Finding::ok("store", format!("{}, as {STORE} says", kind.word())),
        (None, _) => Finding::ok("store", kind.word()),
    }
}

/// Whoever can change that program gets every passphrase that it is asked for.
fn askpass() -> Option<Finding> {
    let program = PathBuf::from(std::env::var_os(ASKPASS).filter(|program| !program.is_empty())?);
    let what = format!("{ASKPASS} is {}", term::path(&program));
    let metas = [Some(program.as_path()), program.parent()]
        .map(|path| path.and_then(|path| Some((path.to_owned(), std::fs::metadata(path).ok()?))));
    let forged = metas
        .iter()
        .flatten()
        .find_map(|(path, meta)| Forgery::of(meta).map(|forgery| (path, forgery)));
    Some(match forged {
        _ if !program.is_absolute() => {
            Finding::error("askpass", format!("{what}, which is no absolute path"))
                .fix(format!("unset {ASKPASS}"))
        }
        _ if crate::flow::find(&[program.clone().into_os_string()], None).is_err() => {
            Finding::error("askpass", format!("{what}, which cannot be run"))
                .fix(format!("unset {ASKPASS}"))
        }
        Some((path, Forgery::Writable)) => Finding::error(
            "askpass",
            format!("{what}, and others can write to {}", term::path(path)),
        )
        .fix(format!("chmod go-w {}", word(path))),
        Some((path, Forgery::Foreign(uid))) => Finding::error(
            "askpass",
            format!("{what}, and {} belongs to another user (uid {uid})", term::path(path)),
        )
        .fix(format!("unset {ASKPASS}")),
        None => Finding::ok("askpass", what),
    })
}
