//! `mima lock`: forgets what was unlocked.

use crate::cli::Lock;
use crate::error::Result;
use crate::flow::Mima;
use crate::term;

pub(super) fn run(mima: &Mima, args: &Lock) -> Result<()> {
    let place = if args.all { "anywhere" } else { "in this terminal" };
    term::note(&match mima.agent().lock(args.all)? {
        None | Some(0) => format!("nothing was unlocked {place}"),
        Some(1) => "locked 1 group".to_owned(),
        Some(count) => format!("locked {count} groups"),
    });
    Ok(())
}
