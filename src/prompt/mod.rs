//! The one place that asks a person something.
//!
//! A passphrase comes from the program that `MIMA_ASKPASS` names, else from the terminal,
//! else there is an error at once. Never from standard input, which may be data, and never
//! after a wait for somebody who is not there. (threats: J1–J4)

mod askpass;
mod terminal;

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::{Failure, Kind, Result};
use crate::secret::Secret;
use crate::sys::foreground::Foreground;
use crate::{sys, term};

use terminal::{CtrlC, Terminal};

/// The variable that names a program to ask for passphrases.
pub const ASKPASS: &str = "MIMA_ASKPASS";
/// How often to ask for one that is right, or two that agree. (threat E9)
const TRIES: u32 = 3;
/// How many processes of the chain are shown.
const CHAIN: usize = 8;

/// Who asks, and what for: a prompt always shows both.
pub struct Reason {
    what: String,
}

impl Reason {
    /// `what` says what is being done and with which secrets: `mima run dev: npm test`.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }

    /// Returns what the secrets are wanted for.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Renders the chain of processes that leads to the question, mima's own verb last.
    pub fn headline(&self) -> String {
        let mut chain = sys::ancestors::names();
        if chain.len() > CHAIN {
            let middle = chain.len() - CHAIN + 1;
            chain.splice(1..=middle, ["…".to_owned()]);
        }
        chain.push(self.what.clone());
        term::sanitize(&chain.join(" › "))
    }
}

/// Whether a person may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// Every question is refused at once.
    Forbidden,
    /// In a shell's hook: Ctrl-C answers no, and leaves the shell alone.
    InHook,
    /// As anywhere.
    Allowed,
}

/// Asks for passphrases, values and yes or no.
#[derive(Clone, Debug)]
pub struct Prompter {
    askpass: Option<PathBuf>,
    asking: Asking,
}

/// Takes the foreground of the terminal, so that Ctrl-C reaches this process and what it starts,
/// and not the shell that waits for it. `None` if there is no terminal, or it is in other hands.
pub fn take_foreground() -> Option<Foreground> {
    Foreground::take(terminal::open().ok()?)
}

impl Prompter {
    /// Asks by way of `MIMA_ASKPASS` if that is set, else on the terminal.
    pub fn from_env(asking: Asking) -> Self {
        let askpass = std::env::var_os(ASKPASS).filter(|program| !program.is_empty());
        Self { askpass: askpass.map(Into::into), asking }
    }

    /// Asks the program at `askpass`, and never on the terminal.
    pub fn with_askpass(askpass: PathBuf) -> Self {
        Self { askpass: Some(askpass), asking: Asking::Allowed }
    }

    /// Fails if nobody may be asked. For what another program asks.
    pub fn check_allowed(&self) -> Result<()> {
        if self.asking == Asking::Forbidden { Err(nobody_may_be_asked()) } else { Ok(()) }
    }

    /// Asks for the passphrase that opens something, once. `label` names it: `Passphrase of
    /// the vault`.
    pub fn passphrase(&self, reason: &Reason, label: &str) -> Result<Secret> {
        self.asked()?.passphrase(reason, label)
    }

    /// Finds whom to ask for passphrases.
    fn asked(&self) -> Result<Asked<'_>> {
        Ok(match self.askpass()? {
            Some(program) => Asked::Program(program),
            None => Asked::Person(Box::new(self.terminal()?)),
        })
    }

    /// Asks for a passphrase until `open` opens something with it: three times at most.
    /// `None` from `open` means that it was wrong. What is typed while it is being judged is
    /// not shown, and counts as the next answer. Returns `None` after three wrong ones, or
    /// once a program gives the same one again.
    pub fn passphrase_that<T>(
        &self,
        reason: &Reason,
        label: &str,
        mut open: impl FnMut(&Secret) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let mut asked = self.asked()?;
        let mut last: Option<Secret> = None;
        for left in (0..TRIES).rev() {
            let answer = asked.passphrase(reason, label)?;
            let is_program = matches!(asked, Asked::Program(_));
            if is_program && last.is_some_and(|last| agree(&last, &answer)) {
                break;
            }
            if let Some(opened) = open(&answer)? {
                return Ok(Some(opened));
            }
            if left > 0 {
                term::note(&format!("wrong passphrase, try again ({left} left)"));
            }
            last = Some(answer);
        }
        Ok(None)
    }

    /// Asks twice for a passphrase that is being chosen; refuses an empty one.
    pub fn new_passphrase(&self, reason: &Reason, label: &str) -> Result<Secret> {
        let Some(program) = self.askpass()? else {
            return ask_twice(&mut self.terminal()?, reason, label, NotEmpty::Must);
        };
        let ask = |label: &str| askpass::ask(program, &format!("{}\n{label}: ", reason.headline()));
        let first = ask(label)?;
        if first.is_empty() {
            return Err(Failure::new(Kind::Refused, "the passphrase is empty"));
        }
        if !agree(&first, &ask(&again(label))?) {
            return Err(Failure::new(Kind::Refused, "the two passphrases differ"));
        }
        Ok(first)
    }

    /// Asks twice, on the terminal, for a value that is to be stored. An askpass program is
    /// not asked: it answers with a passphrase, which would then be stored as the value.
    pub fn value(&self, reason: &Reason, label: &str) -> Result<Secret> {
        ask_twice(&mut self.terminal()?, reason, label, NotEmpty::May)
    }

    /// Shows a message on the terminal, from a plugin that waits for a touch.
    pub fn show(&self, message: &str) -> Result<()> {
        self.askpass()?;
        term::note(message);
        Ok(())
    }

    /// Says who asks and what for, before another program asks, which does not tell. `state`
    /// says which program, and why: `the keyring is locked`. Fails if nobody may be asked.
    pub fn announce(&self, state: &str, reason: &Reason) -> Result<()> {
        self.check_allowed()?;
        term::note(&format!("{state}, and asks: {}", reason.headline()));
        Ok(())
    }

    /// Asks yes or no on the terminal; anything but yes is no.
    pub fn confirm(&self, question: &str) -> Result<bool> {
        self.check_allowed()?;
        let answer = self.terminal()?.ask_shown(&format!("{question} [y/N] "))?;
        Ok(matches!(answer.expose().to_ascii_lowercase().as_slice(), b"y" | b"yes"))
    }

    /// Asks yes or no on the terminal, where no answer is `default`. Another answer is none.
    pub fn choose(&self, question: &str, default: bool) -> Result<bool> {
        self.check_allowed()?;
        let mut terminal = self.terminal()?;
        let choice = if default { "[Y/n]" } else { "[y/N]" };
        for _ in 0..TRIES {
            let answer = terminal.ask_shown(&format!("{question} {choice} "))?;
            match answer.expose().to_ascii_lowercase().as_slice() {
                b"" => return Ok(default),
                b"y" | b"yes" => return Ok(true),
                b"n" | b"no" => return Ok(false),
                _ => {}
            }
        }
        Err(Failure::new(Kind::Refused, format!("no valid answer in {TRIES} tries")))
    }

    fn terminal(&self) -> Result<Terminal> {
        let ctrl_c = match self.asking {
            Asking::InHook => CtrlC::Refuses,
            Asking::Allowed | Asking::Forbidden => CtrlC::Interrupts,
        };
        Terminal::open(ctrl_c).map_err(|_| {
            Failure::new(Kind::Locked, "there is no terminal to ask on").hint(format!(
                "run it in a terminal, or set {ASKPASS} to a program that prints the passphrase"
            ))
        })
    }

    /// Returns the askpass program, or fails if nobody may be asked at all.
    fn askpass(&self) -> Result<Option<&Path>> {
        self.check_allowed()?;
        match &self.askpass {
            Some(program) if !program.is_absolute() => Err(Failure::failed(format!(
                "{ASKPASS} is `{}`, which is no absolute path",
                term::path(program)
            ))
            .hint(format!("set {ASKPASS} to the absolute path of a program"))),
            program => Ok(program.as_deref()),
        }
    }
}

/// Who is asked for a passphrase, once or again.
enum Asked<'a> {
    Program(&'a Path),
    /// The terminal stays as it is while an answer is judged.
    Person(Box<Terminal>),
}

impl Asked<'_> {
    fn passphrase(&mut self, reason: &Reason, label: &str) -> Result<Secret> {
        match self {
            Self::Program(program) => {
                askpass::ask(program, &format!("{}\n{label}: ", reason.headline()))
            }
            Self::Person(terminal) => {
                terminal.write(&format!("{}\n", reason.headline()))?;
                terminal.ask_hidden(label)
            }
        }
    }
}

fn nobody_may_be_asked() -> Failure {
    Failure::new(Kind::Locked, "the secrets are locked, and --no-prompt forbids asking")
        .hint("mima unlock GROUP, or run it without --no-prompt")
}

/// Whether an empty answer will do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NotEmpty {
    Must,
    May,
}

fn ask_twice(
    terminal: &mut Terminal,
    reason: &Reason,
    label: &str,
    rule: NotEmpty,
) -> Result<Secret> {
    terminal.write(&format!("{}\n", reason.headline()))?;
    for left in (0..TRIES).rev() {
        let first = terminal.ask_hidden(label)?;
        let complaint = if rule == NotEmpty::Must && first.is_empty() {
            "it must not be empty"
        } else if agree(&first, &terminal.ask_hidden(&again(label))?) {
            return Ok(first);
        } else {
            "the two differ"
        };
        if left > 0 {
            terminal.write(&format!("{complaint}, try again\n"))?;
        }
    }
    Err(Failure::new(Kind::Refused, format!("no valid answer in {TRIES} tries")))
}

/// The label of the second question: short, since the first says it all.
fn again(label: &str) -> String {
    match label.split_once(' ') {
        Some((_, rest)) if !rest.is_empty() => format!("{label}, again"),
        _ => "Again".to_owned(),
    }
}

fn agree(a: &Secret, b: &Secret) -> bool {
    a.expose() == b.expose()
}

/// A buffer for an answer: as large as an answer may be from the start, so that it never
/// moves and leaves a copy behind.
fn answer_buffer() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(LONGEST_ANSWER))
}

/// How many bytes an answer may have.
const LONGEST_ANSWER: usize = 64 << 10;
