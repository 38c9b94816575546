//! `mima prune`: forget what concerns files that are gone, and old environments of flakes; on
//! macOS, also make mima's list of secrets and the keychain agree.

use crate::error::Result;
use crate::flow::{Mima, forget_flakes, forget_stamps};
use crate::term;

pub(super) fn run(mima: &Mima) -> Result<()> {
    let forgotten = mima.trust().prune()?;
    forget_stamps(mima.paths())?;
    for path in &forgotten {
        term::note(&format!("forgot {path}"));
    }
    if forgotten.is_empty() {
        term::note("every approval is of a file that is there");
    }
    match forget_flakes(mima.paths())? {
        0 => {}
        1 => term::note("forgot 1 environment of a flake, which nix may now collect"),
        count => {
            term::note(&format!(
                "forgot {count} environments of flakes, which nix may now collect"
            ));
        }
    }
    #[cfg(target_os = "macos")]
    for line in mima.reconcile_keychain()? {
        term::note(&line);
    }
    Ok(())
}
