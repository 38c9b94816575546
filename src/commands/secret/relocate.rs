//! `mima secret move`.

use super::say_news;
use crate::cli::SecretMove;
use crate::config::user::StoreKind;
use crate::error::{Failure, Kind, Result};
use crate::flow::{Arrival, Mima, Moving, Place, STORE, chosen_store};
use crate::names::SecretName;
use crate::prompt::Reason;
use crate::store::env::read_only;
use crate::store::{Existing, Store};
use crate::term;

pub(super) fn run(mima: &Mima, args: &SecretMove) -> Result<()> {
    let names: Vec<_> =
        args.names.iter().map(|name| SecretName::parse(name)).collect::<Result<_>>()?;
    let (source, target) = (mima.store_kind()?, target(&args.to)?);
    if source == target {
        return Err(Failure::new(
            Kind::Usage,
            format!("the secrets are in {} already", target.word()),
        )
        .hint(format!("{STORE} names another store to move them from")));
    }
    refuse_environment(source, target)?;
    let existing = if args.force { Existing::Replace } else { Existing::Keep };
    let reason = Reason::new(format!("mima secret move --to {}", target.word()));
    let from = mima.open(source);
    let from = Place { name: source.word(), store: &*from };
    let to = mima.open(target);
    let plan = |store| Moving::plan(from, Place { name: target.word(), store }, &names, existing);
    // Before a vault is made, which asks for a passphrase: there may be nothing to put into it.
    if plan(&*to)?.is_done() {
        term::note(&format!("{} has no such secret to move", source.word()));
        return finish(mima, from.store, source, target);
    }
    term::note(&format!(
        "this unlocks both stores, each once: {} to read the values, {} to read them back",
        source.word(),
        target.word()
    ));
    let to = mima.open_to_write(target, &reason)?;
    let protection = to.protection()?;
    let outcome = plan(&*to)?.run(&reason, |name, arrival| {
        term::note(&match arrival {
            Arrival::Copied => format!("moved {name}"),
            Arrival::WasThere => format!("moved {name}, which was there already"),
        });
    });
    say_news(protection);
    let finished = finish(mima, from.store, source, target);
    outcome.map_err(|failure| {
        failure.hint("what has been copied is not copied again: the same command goes on from here")
    })?;
    finished
}

/// The environment takes nothing, and gives nothing away for good.
fn refuse_environment(source: StoreKind, target: StoreKind) -> Result<()> {
    if source == StoreKind::Env {
        return Err(Failure::failed("the store is `env`, and mima removes nothing from there")
            .hint(format!("name another store to move from: {STORE}=vault")));
    }
    if target == StoreKind::Env { Err(read_only()) } else { Ok(()) }
}

fn target(name: &str) -> Result<StoreKind> {
    StoreKind::named(name)
        .map_err(|(what, hint)| Failure::new(Kind::Usage, what).context("--to").hint(hint))
}

/// Says what is left in the old store, and where mima will look from now on.
fn finish(mima: &Mima, from: &dyn Store, source: StoreKind, target: StoreKind) -> Result<()> {
    let left = from.names()?;
    if left.is_empty() {
        term::note(&format!("nothing is left in {}", source.word()));
    } else {
        let left: Vec<_> = left.iter().map(SecretName::as_str).collect();
        term::note(&format!("left in {}: {}", source.word(), left.join(", ")));
    }
    if mima.user_file()?.store != target {
        term::hint(&format!(
            "for mima to look there, write into {}: store: {}",
            term::path(mima.paths().user_file()),
            target.word()
        ));
    }
    if chosen_store().is_some() {
        term::hint(&format!("{STORE} still names {}: unset {STORE}", source.word()));
    }
    Ok(())
}
