//! `mima deny`: never load a project file, nor mention it.

use crate::cli::ProjectPath;
use crate::error::Result;
use crate::flow::Mima;
use crate::term;

pub(super) fn run(mima: &Mima, args: &ProjectPath) -> Result<()> {
    let candidate = mima.candidate_at(args.path.as_deref())?;
    mima.trust().deny(&candidate)?;
    let path = term::path(&candidate.path);
    term::note(&format!("{path} is denied: it is never loaded, nor mentioned"));
    term::hint(&format!("to take that back: mima allow {}", term::word(&candidate.path)));
    Ok(())
}
