//! `mima edit`: a project file in the user's editor.
//!
//! As sudoedit does it: the editor gets a copy in a directory of mima's own, and what comes of
//! it goes into the project file in one step, unless somebody else has changed that meanwhile.
//! So what is allowed is what was typed.

use std::path::Path;
use std::process::Command;

use crate::cli::ProjectPath;
use crate::commands::allow;
use crate::config::parse::MAX_FILE_BYTES;
use crate::error::{Context, Failure, Result};
use crate::flow::{Mima, PROJECT_FILE};
use crate::trust::{Basis, Span};
use crate::{fs, term};

/// What to edit with where nothing is said.
const EDITORS: [&str; 2] = ["VISUAL", "EDITOR"];

pub(super) fn run(mima: &Mima, args: &ProjectPath) -> Result<()> {
    let before = mima.candidate_at(args.path.as_deref())?;
    before.objection().map_or(Ok(()), Err)?;
    let basis = mima.trust().basis(&before)?;
    let dir = mima.paths().data().join(format!("edit-{}", std::process::id()));
    fs::private_dir(mima.paths().data())?;
    fs::private_dir(&dir)?;
    let name = before.path.file_name().unwrap_or(PROJECT_FILE.as_ref());
    let copy = dir.join(name);
    let what = || format!("could not write {}", term::path(&copy));
    fs::write_synced(&copy, &before.bytes).context(what())?;
    let edited = edit(&copy).inspect_err(|_| {
        // Whatever the editor left there was not to be kept.
        std::fs::remove_dir_all(&dir).ok();
    })?;
    let path = term::path(&before.path);
    let is_same = edited == before.bytes;
    let after = if is_same {
        before
    } else {
        mima.replace(&before, &edited).map_err(|failure| {
            failure.hint(format!("what you have typed is in {}", term::word(&copy)))
        })?
    };
    // A copy that stays behind is private, and holds nothing that the project does not.
    std::fs::remove_dir_all(&dir).ok();
    if is_same {
        term::note(&format!("{path} is as it was"));
        return if basis.is_some() {
            Ok(())
        } else {
            allow::ask(mima, &after, Span::Lasting, false)
        };
    }
    // What was approved before, and what was typed just now, needs no second look; nor is it to
    // hold longer than it would have.
    let span = basis.as_ref().map_or(Span::Lasting, Basis::span);
    allow::ask(mima, &after, span, basis.is_some() && after.bytes == edited)
}

/// Runs the editor, and returns what has become of the file.
fn edit(file: &Path) -> Result<Vec<u8>> {
    let editor = EDITORS.iter().find_map(|name| std::env::var_os(name).filter(|e| !e.is_empty()));
    let editor = editor.unwrap_or_else(|| "vi".into());
    // As git has it: the variable is a command line, not only a program.
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "eval \"$MIMA_EDITOR\" '\"$@\"'", "sh"]).arg(file);
    let status = command
        .env("MIMA_EDITOR", &editor)
        .status()
        .context(format!("could not run {}", term::sanitize(&editor.to_string_lossy())))?;
    if !status.success() {
        return Err(Failure::failed(format!(
            "the editor failed ({status}), so nothing is changed"
        ))
        .hint("it is what VISUAL or EDITOR names"));
    }
    fs::read_capped(file, MAX_FILE_BYTES)?
        .ok_or_else(|| Failure::failed("the editor has left no file, so nothing is changed"))
}
