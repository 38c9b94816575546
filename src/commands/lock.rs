//! `mima lock`: forgets what was unlocked.

use crate::cli::Lock;
use crate::error::Result;
use crate::flow::Mima;
use crate::term;

pub(super) fn run(mima: &Mima, args: &Lock) -> Result<()> {
    let place = if args.all { "anywhere" } else { "in this terminal" };
    // One may have been started where another XDG_RUNTIME_DIR led to.
    let agents = if args.all { mima.agents() } else { vec![mima.agent()] };
    let counts: Vec<_> = agents.iter().map(|agent| agent.lock(args.all)).collect::<Result<_>>()?;
    term::note(&match counts.into_iter().flatten().sum() {
        0 => format!("nothing was unlocked {place}"),
        1 => "locked 1 group".to_owned(),
        count => format!("locked {count} groups"),
    });
    Ok(())
}
