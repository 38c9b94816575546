//! Failures, said for a person: what could not be done, why, and what to do next.
//!
//! Every layer returns [`Failure`]; the last line of `main` prints it and turns it into an
//! exit status, here and nowhere else. A failure never holds a secret's value.

use std::fmt::{self, Display};
use std::io::{self, Write};

use crate::term;

/// The result of everything that can fail.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// What sort of failure it is, for those who decide by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// mima could not do it; the cause says why.
    Failed,
    /// The command line makes no sense.
    Usage,
    /// The named thing does not exist.
    NotFound,
    /// The named thing exists, and nobody said that it may be replaced.
    Exists,
    /// The store needs proof of presence, and nobody may or can be asked.
    Locked,
    /// The passphrase or key was wrong.
    WrongKey,
    /// A file is not what mima wrote, or not for this name.
    Damaged,
    /// The project file is not approved, so it takes part in nothing.
    NotAllowed,
    /// `run` found the command, but it cannot be executed.
    CannotExecute,
    /// `run` did not find the command.
    NoCommand,
    /// Whoever read mima's output has gone; there is nobody to tell.
    BrokenPipe,
    /// The person said no, or pressed Ctrl-C at a prompt.
    Refused,
    /// Nothing has failed: a question is answered by this exit status, and nothing is to be said.
    Answer(u8),
}

/// A failure: a chain of causes, hints that can be pasted, and its [`Kind`].
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    error: anyhow::Error,
    hints: Vec<String>,
}

impl Failure {
    /// Makes a failure that says `message` (lower case, no final period).
    pub fn new(kind: Kind, message: impl Display) -> Self {
        Self { kind, error: anyhow::Error::msg(message.to_string()), hints: Vec::new() }
    }

    /// Makes an ordinary failure.
    pub fn failed(message: impl Display) -> Self {
        Self::new(Kind::Failed, message)
    }

    /// Adds what to do next: a sentence, or a command that can be pasted.
    #[must_use]
    pub fn hint(mut self, hint: impl Display) -> Self {
        self.hints.push(hint.to_string());
        self
    }

    /// Takes out what it says to do next, where that does not apply.
    #[must_use]
    pub fn without_hints(mut self) -> Self {
        self.hints.clear();
        self
    }

    /// Makes it a failure of another kind.
    #[must_use]
    pub fn of_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Says what was being done, before the cause.
    #[must_use]
    pub fn context(mut self, what: impl Display) -> Self {
        self.error = self.error.context(what.to_string());
        self
    }

    /// Returns the kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns what to do next.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// Returns the exit status: `own` is what mima's own failures exit with (1, or 125 for
    /// `run`, as env(1)).
    pub fn exit_code(&self, own: u8) -> u8 {
        match self.kind {
            Kind::Usage if own == 1 => 2,
            Kind::CannotExecute => 126,
            Kind::NoCommand => 127,
            // As if SIGPIPE had ended it: 128 and its number.
            Kind::BrokenPipe => 141,
            Kind::Answer(status) => status,
            _ => own,
        }
    }

    /// Writes the failure as `mima: head: cause` and one `hint:` line each.
    pub fn report(&self, to: &mut dyn Write) -> io::Result<()> {
        if matches!(self.kind, Kind::BrokenPipe | Kind::Answer(_)) {
            return Ok(());
        }
        writeln!(to, "mima: {}", term::sanitize(&format!("{:#}", self.error)))?;
        for hint in &self.hints {
            writeln!(to, "hint: {}", term::sanitize(hint))?;
        }
        Ok(())
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

/// Turns a system error into a [`Failure`] by saying what was being done.
pub trait Context<T> {
    /// Says what was being done: `could not read ~/.mima.yaml`.
    fn context(self, what: impl Display) -> Result<T>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, what: impl Display) -> Result<T> {
        self.map_err(|error| Failure {
            kind: Kind::Failed,
            error: anyhow::Error::msg(describe(&error)).context(what.to_string()),
            hints: Vec::new(),
        })
    }
}

impl<T> Context<T> for rustix::io::Result<T> {
    fn context(self, what: impl Display) -> Result<T> {
        self.map_err(io::Error::from).context(what)
    }
}

impl<T> Context<T> for Result<T> {
    fn context(self, what: impl Display) -> Result<T> {
        self.map_err(|failure| failure.context(what))
    }
}

/// Says that mima itself is at fault: where, and nothing of what it was working on.
pub fn of_panic(place: Option<&std::panic::Location<'_>>) -> String {
    let place = place.map(ToString::to_string).unwrap_or_default();
    format!("this is a bug in mima, at {place}: please report it")
}

/// Says a system error in words, without the number that std appends.
pub fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}
