//! `mima unlock`: asks once, and then not again in this shell for a while.

use crate::cli::Unlock;
use crate::config::session::Scope;
use crate::error::Result;
use crate::flow::{Mima, Wanted};
use crate::term;

pub(super) fn run(mima: &Mima, args: &Unlock) -> Result<()> {
    mima.refuse_in_tree("unlock a group")?;
    let wanted = Wanted::resolve(mima, &args.groups)?;
    let store = mima.store()?;
    wanted.check_exist(&*store)?;
    let session = mima.session()?;
    let settings = session.unlock(&*store, &wanted)?;
    let place = if settings.scope == Scope::Terminal { "terminal" } else { "shell" };
    term::note(&format!(
        "unlocked for this {place}: {}, for {}, or until {} pass without use",
        wanted.list(),
        term::duration(settings.max),
        term::duration(settings.idle)
    ));
    Ok(())
}
