//! `mima allow`: shows what a project file asks for, and approves exactly what was shown.

use crate::cli::Allow;
use crate::error::{Failure, Kind, Result};
use crate::flow::{LOCAL_FILE, Mima, PROJECT_FILE};
use crate::term;
use crate::trust::{Candidate, Verdict};

pub(super) mod summary;

pub(super) fn run(mima: &Mima, args: &Allow) -> Result<()> {
    let candidate = mima.candidate_at(args.path.as_deref())?;
    let local = candidate.path.with_file_name(LOCAL_FILE);
    let is_project = candidate.path.file_name().is_some_and(|name| name == PROJECT_FILE);
    // Without a path it is everything that counts here; each is asked for by itself.
    let others = if args.path.is_none() && is_project { vec![local] } else { Vec::new() };
    let mut candidates = vec![candidate];
    for path in others.iter().filter(|path| path.symlink_metadata().is_ok()) {
        candidates.push(mima.candidate(path)?);
    }
    let trust = mima.trust();
    let mut pending = Vec::new();
    for (at, candidate) in candidates.into_iter().enumerate() {
        match trust.judge(&candidate) {
            Ok(Verdict::Allowed) => {}
            // Only who names a file that was denied wants to hear of it again.
            Ok(Verdict::Denied) if at > 0 => {}
            // A record that cannot be read is made anew.
            _ => pending.push(candidate),
        }
    }
    if pending.is_empty() {
        term::note("it is allowed already, as it is");
    }
    pending.iter().try_for_each(|candidate| ask(mima, candidate, args.yes))
}

/// Shows what a file asks for, asks unless that has been answered, and approves it.
pub(super) fn ask(mima: &Mima, candidate: &Candidate, is_answered: bool) -> Result<()> {
    if let Some(objection) = candidate.objection() {
        return Err(objection);
    }
    if is_answered {
        mima.refuse_in_tree("allow a project file unseen")?;
    }
    let path = term::path(&candidate.path);
    let before = mima.trust().approved(candidate).unwrap_or_default();
    // A user file that cannot be read is no reason to show less.
    let user = mima.user_file().map(|file| file.groups.clone()).unwrap_or_default();
    term::say(&summary::render(candidate, &user, before.as_deref())?);
    if !is_answered {
        let answer =
            mima.prompter().confirm(&format!("Allow {path}?")).map_err(|failure| match failure
                .kind()
            {
                Kind::Locked => Failure::new(Kind::Locked, "there is no terminal to ask on")
                    .hint("having read the file: mima allow --yes"),
                _ => failure,
            })?;
        if !answer {
            return Err(Failure::new(Kind::Refused, format!("{path} was not allowed")));
        }
    }
    mima.trust().allow(candidate)?;
    term::note(&format!("{path} is allowed"));
    Ok(())
}
