//! `mima edit`: a project file in the user's editor.

use std::process::Command;

use crate::cli::ProjectPath;
use crate::commands::allow;
use crate::error::{Context, Failure, Result};
use crate::flow::Mima;
use crate::term;
use crate::trust::Verdict;

/// What to edit with where nothing is said.
const EDITORS: [&str; 2] = ["VISUAL", "EDITOR"];

pub(super) fn run(mima: &Mima, args: &ProjectPath) -> Result<()> {
    let before = mima.candidate_at(args.path.as_deref())?;
    let was_allowed = mima.trust().judge(&before)? == Verdict::Allowed;
    let editor = EDITORS.iter().find_map(|name| std::env::var_os(name).filter(|e| !e.is_empty()));
    let editor = editor.unwrap_or_else(|| "vi".into());
    // As git has it: the variable is a command line, not only a program.
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "eval \"$MIMA_EDITOR\" '\"$@\"'", "sh"]).arg(&before.path);
    let status = command
        .env("MIMA_EDITOR", &editor)
        .status()
        .context(format!("could not run {}", term::sanitize(&editor.to_string_lossy())))?;
    if !status.success() {
        return Err(Failure::failed(format!(
            "the editor failed ({status}), so nothing is allowed"
        ))
        .hint("it is what VISUAL or EDITOR names"));
    }
    let after = mima.candidate(&before.path)?;
    let path = term::path(&after.path);
    if after.bytes == before.bytes {
        term::note(&format!("{path} is as it was"));
        return if was_allowed { Ok(()) } else { allow::ask(mima, &after, false) };
    }
    // What was approved before, and what was typed just now, needs no second look.
    allow::ask(mima, &after, was_allowed)
}
