//! Asking another program: `MIMA_ASKPASS`, as git and ssh have theirs.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{ASKPASS, LONGEST_ANSWER, answer_buffer};
use crate::error::{Context, Failure, Kind, Result};
use crate::secret::Secret;
use crate::sys::signals::Children;
use crate::term;

/// Starts `program` with the question as its one argument, and takes what it prints, less
/// one trailing newline.
pub(super) fn ask(program: &Path, question: &str) -> Result<Secret> {
    let what = || format!("could not run {} ({ASKPASS})", term::path(program));
    let _children = Children::keep();
    let mut child = Command::new(program)
        .arg(question)
        // A program that uses mima itself must not be asked by itself.
        .env_remove(ASKPASS)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context(what())
        .map_err(|failure| {
            failure
                .hint(format!("set {ASKPASS} to a program that prints the passphrase, or unset it"))
        })?;
    let mut answer = answer_buffer();
    let read = match child.stdout.take() {
        Some(out) => {
            let most = u64::try_from(LONGEST_ANSWER).unwrap_or(u64::MAX);
            out.take(most).read_to_end(&mut answer)
        }
        None => Ok(0),
    };
    let status = child.wait().context(what())?;
    read.context(what())?;
    if !status.success() {
        return Err(Failure::new(
            Kind::Refused,
            format!("{} gave no passphrase ({status})", term::path(program)),
        )
        .hint(format!("it is what {ASKPASS} names")));
    }
    if answer.len() >= LONGEST_ANSWER {
        return Err(Failure::failed(format!("{} printed too much", term::path(program))));
    }
    if answer.last() == Some(&b'\n') {
        answer.pop();
    }
    Ok(Secret::new(std::mem::take(&mut answer)))
}
