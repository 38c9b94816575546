//! `mima allow`: shows what a project file asks for, and approves exactly what was shown.

use crate::cli::Allow;
use crate::error::{Failure, Kind, Result};
use crate::flow::{LOCAL_FILE, Mima, PROJECT_FILE, together};
use crate::term;
use crate::trust::{Basis, Candidate, Span, Verdict};

mod flake;
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
    let span = if args.session { Span::ThisShell } else { Span::Lasting };
    let (mut has_asked, mut settled) = (false, None);
    for (at, candidate) in candidates.iter().enumerate() {
        let (is_pending, basis) = match mima.trust().weigh(candidate) {
            // Only who names a file that was denied wants to hear of it again.
            Ok((Verdict::Denied, _)) if at > 0 => continue,
            Ok((Verdict::Allowed, basis)) => (!holds(basis.as_ref(), span), basis),
            // A record that cannot be read is made anew.
            _ => (true, None),
        };
        let flake = pending_of_flake(mima, candidate, span)?;
        if is_pending || !flake.is_empty() {
            has_asked = true;
            ask_together(mima, is_pending.then_some(candidate), &flake, span, args.yes)?;
        } else {
            settled = settled.or(basis);
        }
    }
    if !has_asked {
        term::note(&match settled {
            Some(Basis::Own) | None => "it is allowed already, as it is".to_owned(),
            Some(basis) => format!("it is allowed already,{}", basis.words()),
        });
    }
    Ok(())
}

/// Tells whether an approval is worth as much as the one that is asked for: what ends with this
/// shell may well become lasting.
fn holds(basis: Option<&Basis>, span: Span) -> bool {
    span == Span::ThisShell || basis != Some(&Basis::Shell)
}

/// Returns the files of the project's flake that are not allowed as they are.
fn pending_of_flake(mima: &Mima, project: &Candidate, span: Span) -> Result<Vec<Candidate>> {
    // Nothing is read of one that somebody else could have written.
    if project.objection().is_some() {
        return Ok(Vec::new());
    }
    let mut files = mima.flake_files(project)?;
    let trust = mima.trust();
    files.retain(|file| match trust.weigh(file) {
        Ok((Verdict::Allowed, basis)) => !holds(basis.as_ref(), span),
        _ => true,
    });
    Ok(files)
}

/// Shows what a file asks for, asks unless that has been answered, and approves it.
pub(super) fn ask(mima: &Mima, candidate: &Candidate, span: Span, is_answered: bool) -> Result<()> {
    ask_together(mima, Some(candidate), &[], span, is_answered)
}

/// As [`ask`], of a project file, if that is given, and of files of its flake.
fn ask_together(
    mima: &Mima,
    project: Option<&Candidate>,
    flake: &[Candidate],
    span: Span,
    is_answered: bool,
) -> Result<()> {
    let all: Vec<_> = project.into_iter().chain(flake).collect();
    if let Some(objection) = all.iter().find_map(|candidate| candidate.objection()) {
        return Err(objection);
    }
    // Not even if it is asked: on a terminal of its own a program answers itself.
    mima.refuse_in_tree("allow a project file")?;
    all.iter().try_for_each(|candidate| mima.trust().check(candidate, span))?;
    let until = span.words();
    // A user file that cannot be read is no reason to show less.
    let user = mima.user_file().map(|file| file.groups.clone()).unwrap_or_default();
    let before = |candidate| mima.trust().approved(candidate).unwrap_or_default();
    let mut text = String::new();
    if let Some(project) = project {
        text = summary::render(project, &user, before(project).as_deref())?;
    }
    for file in flake {
        text.push_str(&flake::render(file, before(file).as_deref()));
    }
    term::say(&text);
    let paths: Vec<_> = all.iter().map(|candidate| candidate.path.as_path()).collect();
    let (names, are) = (together(&paths), if paths.len() == 1 { "is" } else { "are" });
    if !is_answered {
        let answer =
            mima.prompter().confirm(&format!("Allow {names}{until}?")).map_err(|failure| {
                match failure.kind() {
                    Kind::Locked => Failure::new(Kind::Locked, "there is no terminal to ask on")
                        .hint("having read the file: mima allow --yes"),
                    _ => failure,
                }
            })?;
        if !answer {
            let was = if paths.len() == 1 { "was" } else { "were" };
            return Err(Failure::new(Kind::Refused, format!("{names} {was} not allowed")));
        }
    }
    // The project file comes last: with it the flake is wanted.
    for candidate in all.into_iter().rev() {
        mima.trust().approve(candidate, span)?;
    }
    term::note(&format!("{names} {are} allowed{until}"));
    Ok(())
}
