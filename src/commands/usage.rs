//! A command line that clap refused, explained in mima's words.
//!
//! clap's own messages repeat the arguments, one of which may be a secret. (threat I8)

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::{FAILED, RUN_FAILED};
use crate::error::{Failure, Kind, Result};
use crate::term;

/// Prints help or the version, or says what is wrong; with the status for mima's own failures
/// under the verb that was meant.
pub(super) fn explain(
    error: &clap::Error,
    args: impl Iterator<Item = OsString>,
) -> (Result<()>, u8) {
    let verb = args.skip(1).find(|arg| !arg.to_string_lossy().starts_with('-'));
    let becomes_another = verb.is_some_and(|verb| verb == "run" || verb == "exec");
    let own = if becomes_another { RUN_FAILED } else { FAILED };
    let outcome = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            term::print(term::styled(&error.render()).as_bytes())
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            term::say(&error.render().to_string());
            Err(Failure::new(Kind::Usage, "a command is missing"))
        }
        kind => Err(failure(kind, error)),
    };
    (outcome, own)
}

fn failure(kind: ErrorKind, error: &clap::Error) -> Failure {
    let about = |kind| error.get(kind).map(words).unwrap_or_default();
    let message = match kind {
        ErrorKind::UnknownArgument => match flag(&about(ContextKind::InvalidArg)) {
            Some(flag) => format!("there is no flag `{flag}` here"),
            None => "there is an argument too many, or one that starts with `-`".to_owned(),
        },
        ErrorKind::InvalidSubcommand => "there is no such command".to_owned(),
        ErrorKind::InvalidUtf8 => "an argument is no valid UTF-8".to_owned(),
        ErrorKind::MissingSubcommand => "a command is missing".to_owned(),
        ErrorKind::MissingRequiredArgument => {
            format!("missing: {}", about(ContextKind::InvalidArg))
        }
        ErrorKind::ArgumentConflict => format!(
            "{} cannot be used together with {}",
            about(ContextKind::InvalidArg),
            about(ContextKind::PriorArg)
        ),
        ErrorKind::InvalidValue => {
            let one_of = about(ContextKind::ValidValue);
            let flag = about(ContextKind::InvalidArg);
            if one_of.is_empty() {
                format!("{flag} needs a value")
            } else {
                format!("{flag} is one of {one_of}")
            }
        }
        _ => "the command line makes no sense".to_owned(),
    };
    let failure = Failure::new(Kind::Usage, message);
    let failure = match about(ContextKind::SuggestedSubcommand) {
        near if near.is_empty() => failure,
        near => failure.hint(format!("did you mean `{near}`?")),
    };
    match about(ContextKind::Usage).trim() {
        "" => failure.hint("mima --help"),
        usage => failure.hint(usage.replacen("Usage:", "usage:", 1)),
    }
}

/// Takes the name of a flag, if the argument can be nothing else: a value may start with
/// `-` too, a private key for one.
fn flag(argument: &str) -> Option<&str> {
    const LONGEST: usize = 20;
    let name = argument.split('=').next()?;
    let word =
        name.strip_prefix("--").or_else(|| name.strip_prefix('-').filter(|f| f.len() == 1))?;
    let fits = !word.is_empty()
        && word.len() <= LONGEST
        && word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    fits.then_some(name)
}

fn words(value: &ContextValue) -> String {
    match value {
        ContextValue::String(text) => text.clone(),
        ContextValue::Strings(list) => list.join(", "),
        ContextValue::StyledStr(text) => text.to_string(),
        _ => String::new(),
    }
}
