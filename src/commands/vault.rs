//! `mima vault`: the embedded store itself.

use crate::cli::{Vault as Verb, VaultInit};
use crate::error::Result;
use crate::flow::Mima;
use crate::prompt::Reason;
use crate::store::vault::{PinState, Wrap};
use crate::term;

pub(super) fn run(mima: &Mima, verb: &Verb) -> Result<()> {
    match verb {
        Verb::Init(args) => init(mima, args),
        Verb::Passwd => {
            mima.vault().passwd(&Reason::new("mima vault passwd"))?;
            term::note("changed the vault's passphrase");
            term::hint("a copy of the vault from before still opens with the old one");
            Ok(())
        }
        Verb::Recipients(args) if args.accept => {
            let reason = Reason::new("mima vault recipients --accept");
            let accepted = mima.vault().accept_recipients(&reason)?;
            term::note("these recipients can read what is added from now on:");
            term::print_lines(accepted)
        }
        Verb::Recipients(_) => {
            term::print_lines(mima.vault().recipients()?)?;
            if mima.vault().pin_state()? != PinState::Confirmed {
                term::note("they are not the ones that were confirmed here, so nothing is added");
                term::hint("if they are right: mima vault recipients --accept");
            }
            Ok(())
        }
    }
}

fn init(mima: &Mima, args: &VaultInit) -> Result<()> {
    let wrap = match &args.plugin {
        Some(name) => Wrap::Plugin { name: name.clone(), identity: args.identity.clone() },
        None => Wrap::Passphrase,
    };
    mima.vault().init(&wrap, &Reason::new("mima vault init"))?;
    term::note(&format!("made the vault {}", term::path(&mima.paths().vault())));
    if let Some(plugin) = mima.vault().plugin()? {
        term::note(&format!("{} opens it from now on", term::path(&plugin)));
    }
    term::hint("mima set GROUP VAR");
    Ok(())
}
