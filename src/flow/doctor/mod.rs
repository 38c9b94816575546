//! What `mima doctor` looks at: one file per subject.
//!
//! Nothing is asked, decrypted, changed or started. Each check is on its own: one that cannot
//! be made is a finding itself, and keeps no other from being made.

mod agent;
mod approvals;
mod files;
mod hook;
mod install;
pub mod keychain;
#[cfg(all(target_os = "linux", feature = "secret-service"))]
mod keyring;
mod links;
pub mod profile;
mod stores;
mod system;
mod vault;

pub use stores::can_list;

use super::Mima;
use crate::error::Failure;
use crate::term;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It is as it should be.
    Ok,
    /// Worth knowing; nothing is wrong.
    Note,
    /// It works, but not as it should.
    Warning,
    /// It does not work, or is not safe.
    Error,
}

impl Severity {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What was found out about one thing. Holds names and paths, never a value or a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is about, in one word.
    pub subject: &'static str,
    /// What was found.
    pub what: String,
    /// What mends it: a command that can be pasted, where there is one.
    pub fix: Option<String>,
}

impl Finding {
    fn new(severity: Severity, subject: &'static str, what: impl Into<String>) -> Self {
        Self { severity, subject, what: what.into(), fix: None }
    }

    fn ok(subject: &'static str, what: impl Into<String>) -> Self {
        Self::new(Severity::Ok, subject, what)
    }

    fn note(subject: &'static str, what: impl Into<String>) -> Self {
        Self::new(Severity::Note, subject, what)
    }

    fn warning(subject: &'static str, what: impl Into<String>) -> Self {
        Self::new(Severity::Warning, subject, what)
    }

    fn error(subject: &'static str, what: impl Into<String>) -> Self {
        Self::new(Severity::Error, subject, what)
    }

    /// Takes over what failed, and what its first hint says.
    fn of(subject: &'static str, failure: &Failure) -> Self {
        let finding = Self::error(subject, failure.to_string());
        Self { fix: failure.hints().first().cloned(), ..finding }
    }

    fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    /// Tells whether something is wrong.
    pub fn is_problem(&self) -> bool {
        self.severity >= Severity::Warning
    }
}

/// Looks at everything. Where even the places of mima's files could not be found out, that is
/// the first finding, and the checks that need them are left out.
pub fn examine(mima: &Result<Mima, Failure>) -> Vec<Finding> {
    let mut found = install::check();
    found.extend(hook::check());
    match mima {
        Ok(mima) => {
            found.extend(files::check(mima.paths()));
            found.extend(stores::check(mima));
            found.extend(links::check(mima));
            found.extend(agent::check(mima));
            found.extend(approvals::check(mima));
        }
        Err(failure) => found.push(Finding::of("files", failure)),
    }
    found.extend(system::check());
    // Two checks may come upon the same thing.
    let mut known: Vec<Finding> = Vec::new();
    for finding in found {
        if !known.iter().any(|other| other.what == finding.what) {
            known.push(finding);
        }
    }
    known
}

/// Says how many and which one first, for what may be many.
fn several(what: &str, paths: &[std::path::PathBuf]) -> String {
    match paths {
        [] => String::new(),
        [one] => format!("{what} {}", term::path(one)),
        [first, rest @ ..] => format!("{what} {} and {} more", term::path(first), rest.len()),
    }
}
