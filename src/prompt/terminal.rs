//! The terminal: a line read without echo, whatever signal comes.
//!
//! The terminal is taken out of line mode, where a line would end at 4,095 bytes (1,024 on
//! macOS); so mima does the erasing itself. INT, TERM, HUP, QUIT and their like put it back
//! before they take effect; after a stop and `fg` the question is asked anew. (threats: J1, J2)

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use rustix::process::{Signal, kill_current_process_group};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios, tcgetattr,
    tcsetattr,
};
use zeroize::Zeroizing;

use super::{LONGEST_ANSWER, answer_buffer};
use crate::error::{Context, Failure, Kind, Result};
use crate::secret::Secret;
use crate::sys::process::is_in_background;
use crate::sys::signals::{Event, Guard};
use crate::term;

/// The terminal that controls this process, whatever standard input and output are. While it
/// lives, it neither echoes nor collects lines; dropped, it is as before.
pub(super) struct Terminal {
    tty: File,
    /// What was typed and not used yet.
    ahead: Zeroizing<Vec<u8>>,
    /// What to put back; `None` while mima has not taken over.
    taken: Option<(Termios, Guard)>,
    ctrl_c: CtrlC,
}

/// What Ctrl-C at a question does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CtrlC {
    /// It interrupts all that runs in the foreground, as everywhere.
    Interrupts,
    /// It answers no. A hook is run by the shell itself, which a signal would interrupt too.
    Refuses,
}

/// What became of a line.
enum Line {
    Done,
    /// Ctrl-D with nothing typed, or the terminal is gone.
    Ended,
    /// The process was stopped and goes on.
    AskAgain,
}

/// Opens the terminal of this process.
pub(super) fn open() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/tty")
}

impl Terminal {
    pub(super) fn open(ctrl_c: CtrlC) -> io::Result<Self> {
        let tty = open()?;
        let ahead = Zeroizing::new(Vec::with_capacity(LONGEST_ANSWER));
        let mut terminal = Self { tty, ahead, taken: None, ctrl_c };
        terminal.take_over()?;
        Ok(terminal)
    }

    pub(super) fn write(&mut self, text: &str) -> Result<()> {
        self.tty.write_all(text.as_bytes()).context("could not write to the terminal")
    }

    /// Asks `label: ` and reads a line that is not shown.
    pub(super) fn ask_hidden(&mut self, label: &str) -> Result<Secret> {
        self.ask(&format!("{}: ", term::sanitize(label)), false)
    }

    /// Asks `question` and reads a line that is shown as it is typed.
    pub(super) fn ask_shown(&mut self, question: &str) -> Result<Secret> {
        self.ask(&term::sanitize(question), true)
    }

    fn ask(&mut self, question: &str, shown: bool) -> Result<Secret> {
        let what = "could not read from the terminal";
        let mut answer = answer_buffer();
        loop {
            answer.clear();
            match self.read_line(question, shown, &mut answer).context(what)? {
                Line::Done if answer.len() >= LONGEST_ANSWER => {
                    return Err(Failure::failed(format!(
                        "the answer is longer than {LONGEST_ANSWER} bytes"
                    ))
                    .hint("use a pipe or --from-file"));
                }
                Line::Done => return Ok(Secret::new(std::mem::take(&mut answer))),
                Line::Ended => return Err(Failure::new(Kind::Refused, "no answer was given")),
                Line::AskAgain => {}
            }
        }
    }

    fn read_line(&mut self, question: &str, shown: bool, answer: &mut Vec<u8>) -> io::Result<Line> {
        self.tty.write_all(question.as_bytes())?;
        let mut typed = Zeroizing::new([0; 256]);
        let line = loop {
            let Some((keys, guard)) = &self.taken else { return Ok(Line::Ended) };
            let line = take_line(&mut self.ahead, answer, keys, |bytes| {
                if shown { (&self.tty).write_all(bytes) } else { Ok(()) }
            })?;
            if let Some(line) = line {
                break line;
            }
            match guard.wait(self.tty.as_fd())? {
                Event::Readable => {
                    let count = self.tty.read(&mut *typed)?;
                    let room = LONGEST_ANSWER - self.ahead.len();
                    self.ahead.extend_from_slice(typed.get(..count.min(room)).unwrap_or_default());
                    if count == 0 {
                        break Line::Ended;
                    }
                }
                Event::Continued => {
                    // The shell may have set the terminal for itself meanwhile.
                    set(&self.tty, &without_echo(keys, self.ctrl_c))?;
                    break Line::AskAgain;
                }
                Event::Signal(signal) => {
                    self.ahead.clear();
                    self.give_back();
                    // The line ends here for whoever writes next; if that fails, no harm.
                    self.tty.write_all(b"\n").ok();
                    signal.raise();
                    // SIGTSTP comes back after `fg`. So does what a caller had blocked.
                    self.take_over()?;
                    return Ok(Line::AskAgain);
                }
            }
        };
        self.tty.write_all(b"\n")?;
        Ok(line)
    }

    /// Switches echo off. What was typed before the question, and seen on the screen, is
    /// dropped.
    ///
    /// In the background this stops the process, before it has asked anything, and `fg` goes
    /// on: only then is the terminal's mode the one to put back, and not the one that the
    /// shell edits its lines in.
    fn take_over(&mut self) -> io::Result<()> {
        let guard = Guard::new()?;
        while is_in_background(self.tty.as_fd()) {
            kill_current_process_group(Signal::TTOU)?;
            // Where nobody can stop or continue it, what follows decides.
            if !guard.take_continued() {
                break;
            }
        }
        let before = tcgetattr(&self.tty)?;
        set(&self.tty, &without_echo(&before, self.ctrl_c))?;
        guard.take_continued();
        self.taken = Some((before, guard));
        Ok(())
    }

    fn give_back(&mut self) {
        if let Some((before, guard)) = self.taken.take() {
            // Flushing, so that half an answer does not reach the shell. If the terminal is
            // gone there is nothing to put back.
            set(&self.tty, &before).ok();
            drop(guard);
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Moves what was typed into `answer`, up to the end of the line, and does the erasing that
/// the terminal would do in line mode. `echo` gets what a shown answer shows.
fn take_line(
    ahead: &mut Vec<u8>,
    answer: &mut Vec<u8>,
    keys: &Termios,
    echo: impl Fn(&[u8]) -> io::Result<()>,
) -> io::Result<Option<Line>> {
    let is = |byte: u8, key| byte != 0 && keys.special_codes[key] == byte;
    let mut line = None;
    let mut used = 0;
    for &byte in ahead.iter() {
        used += 1;
        match byte {
            b'\r' | b'\n' => {
                line = Some(Line::Done);
                break;
            }
            0x7f | 0x08 => erase(answer, &echo)?,
            _ if is(byte, SpecialCodeIndex::VERASE) => erase(answer, &echo)?,
            _ if is(byte, SpecialCodeIndex::VKILL) => {
                while !answer.is_empty() {
                    erase(answer, &echo)?;
                }
            }
            _ if is(byte, SpecialCodeIndex::VWERASE) => {
                while answer.last() == Some(&b' ') {
                    erase(answer, &echo)?;
                }
                while answer.last().is_some_and(|last| *last != b' ') {
                    erase(answer, &echo)?;
                }
            }
            // Where it is a signal, it does not come here.
            _ if is(byte, SpecialCodeIndex::VINTR) => {
                line = Some(Line::Ended);
                break;
            }
            _ if is(byte, SpecialCodeIndex::VEOF) => {
                line = Some(if answer.is_empty() { Line::Ended } else { Line::Done });
                break;
            }
            _ if answer.len() < LONGEST_ANSWER => {
                answer.push(byte);
                echo(&[byte])?;
            }
            _ => {}
        }
    }
    ahead.drain(..used);
    Ok(line)
}

/// Takes the last character off, which in UTF-8 may be several bytes.
fn erase(answer: &mut Vec<u8>, echo: &impl Fn(&[u8]) -> io::Result<()>) -> io::Result<()> {
    while let Some(byte) = answer.pop() {
        if byte & 0xc0 != 0x80 {
            return echo(b"\x08 \x08");
        }
    }
    Ok(())
}

/// Returns the mode of a terminal that is asked for a secret.
fn without_echo(before: &Termios, ctrl_c: CtrlC) -> Termios {
    let mut mode = before.clone();
    mode.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::IEXTEN;
    // A shell that edits its own lines has set this to whatever suits it.
    mode.local_modes.set(LocalModes::ISIG, ctrl_c == CtrlC::Interrupts);
    mode.output_modes |= OutputModes::OPOST | OutputModes::ONLCR;
    mode.input_modes -= InputModes::IXON;
    mode.special_codes[SpecialCodeIndex::VMIN] = 1;
    mode.special_codes[SpecialCodeIndex::VTIME] = 0;
    mode
}

fn set(tty: &File, mode: &Termios) -> io::Result<()> {
    loop {
        match tcsetattr(tty, OptionalActions::Flush, mode) {
            Err(rustix::io::Errno::INTR) => {}
            done => return done.map_err(io::Error::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_edited_as_the_terminal_would() {
        let Ok(pty) = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR) else { return };
        let keys = tcgetattr(pty).unwrap();
        for (typed, want, rest) in [
            (&b"abc\rnext"[..], &b"abc"[..], &b"next"[..]),
            (b"abx\x7fc\n", b"abc", b""),
            ("aé\x7fb\n".as_bytes(), b"ab", b""),
            (b"wrong\x15right\n", b"right", b""),
            (b"one two \x17three\n", b"one three", b""),
            (b"\x7f\x08a\x04b", b"a", b"b"),
        ] {
            let mut ahead = typed.to_vec();
            let mut answer = Vec::new();
            let line = take_line(&mut ahead, &mut answer, &keys, |_| Ok(())).unwrap();
            assert!(matches!(line, Some(Line::Done)), "{typed:?}");
            assert_eq!((answer.as_slice(), ahead.as_slice()), (want, rest));
        }
    }
}
