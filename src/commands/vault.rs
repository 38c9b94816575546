//! `mima vault`: the embedded store itself.

use crate::cli::{Vault as Verb, VaultInit};
use crate::error::Result;
use crate::flow::Mima;
use crate::prompt::Reason;
use crate::store::vault::Wrap;
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
            mima.vault().accept_recipients(&Reason::new("mima vault recipients --accept"))?;
            term::note("these recipients can read what is added from now on:");
            print_recipients(mima)
        }
        Verb::Recipients(_) => print_recipients(mima),
    }
}

fn init(mima: &Mima, args: &VaultInit) -> Result<()> {
    let wrap = match &args.plugin {
        Some(name) => Wrap::Plugin { name: name.clone(), identity: args.identity.clone() },
        None => Wrap::Passphrase,
    };
    mima.vault().init(&wrap, &Reason::new("mima vault init"))?;
    term::note(&format!("made the vault {}", term::path(&mima.paths().vault())));
    term::hint("mima set GROUP VAR");
    Ok(())
}

fn print_recipients(mima: &Mima) -> Result<()> {
    let lines: String = mima
        .vault()
        .recipients()?
        .iter()
        .map(|line| format!("{}\n", term::sanitize(line)))
        .collect();
    term::print(lines.as_bytes())
}
