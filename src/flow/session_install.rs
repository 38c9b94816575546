//! Who starts the agent besides mima itself: systemd or launchd, by files that say how.
//!
//! Nobody needs it, since the first `mima run` starts the agent too. What is decided here is
//! the same on every system, so that both can be tested on one.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::error::{Context, Failure, Result};
use crate::fs::{self, Lock};
use crate::term;

/// What launchd calls the agent.
pub const LABEL: &str = "io.github.klobucar.mima.agent";
/// What is said where nothing can be installed.
pub const NOT_NEEDED: &str =
    "nothing needs to be installed: the first `mima run` starts the agent itself";

const SOCKET: &str = include_str!("../../dist/linux/mima.socket");
const SERVICE: &str = include_str!("../../dist/linux/mima.service");
const PLIST: &str = include_str!("../../dist/macos/agent.plist");
/// The lines of that file about the app, where there is one.
const BUNDLE: &str = "\
\t<key>AssociatedBundleIdentifiers</key>
\t<array>
\t\t<string>@BUNDLE_ID@</string>
\t</array>
";
/// What tells a file that mima wrote from one of somebody else's. It is in the first lines.
const MARK: &str = "Written by `mima session install`";
/// How large a file may be that is looked at.
const LARGEST: u64 = 64 << 10;
/// How often launchd is asked to take a service that it has just let go of, and how long to
/// wait before the second time. Each wait is twice as long as the one before.
const TRIES: u32 = 6;
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// How many lines of another program's complaint are passed on.
const LINES_SHOWN: usize = 3;

/// What the files say of the agent.
#[derive(Clone, Copy, Debug)]
pub struct Agent<'a> {
    /// The program that is to be started.
    pub program: &'a Path,
    /// The socket that it gets.
    pub socket: &'a Path,
}

/// What starts the agent: its files, and how it is told about them.
#[derive(Debug)]
pub struct Starter {
    /// What people call it.
    pub name: &'static str,
    /// The program that talks to it.
    pub tool: &'static str,
    files: Vec<(PathBuf, String)>,
    /// Where the socket is to be, if that has to be there before.
    place: Option<PathBuf>,
    /// Before the files change. That there was nothing to stop is no failure.
    stop: Call,
    /// When they are there.
    start: Vec<Words>,
    /// Before they are removed.
    disable: Option<Call>,
    /// When they are gone.
    forget: Option<Words>,
    /// Whether it needs a while between stop and start.
    is_slow: bool,
}

type Words = Vec<OsString>;

/// A call that may fail, unless another one then succeeds.
#[derive(Debug)]
struct Call {
    words: Words,
    unless: Words,
}

impl Call {
    fn new(words: &[&str], unless: &[&str]) -> Self {
        Self { words: os(words), unless: os(unless) }
    }

    /// Tells whether it did something.
    fn make(&self, tool: &Path) -> Result<bool> {
        match call(tool, &self.words) {
            Err(failure) if call(tool, &self.unless).is_ok() => Err(failure),
            outcome => Ok(outcome.is_ok()),
        }
    }
}

fn os(words: &[&str]) -> Words {
    words.iter().map(OsString::from).collect()
}

impl Starter {
    /// Plans for systemd, whose units for the user are in the directory `units`.
    pub fn systemd(units: &Path, agent: Agent<'_>) -> Result<Self> {
        const SOCKET_UNIT: &str = "mima.socket";
        const SERVICE_UNIT: &str = "mima.service";
        let program = text(agent.program)?;
        if program.contains(['"', '\'', '\\']) {
            return Err(unusable(agent.program, "a quote or a backslash, which systemd refuses"));
        }
        // It stands for one character to come, in every value.
        let socket = fill(SOCKET, &[("SOCKET", &text(agent.socket)?.replace('%', "%%"))]);
        let service = fill(SERVICE, &[("PROGRAM", &program.replace('%', "%%"))]);
        Ok(Self {
            name: "systemd",
            tool: "systemctl",
            files: vec![(units.join(SERVICE_UNIT), service), (units.join(SOCKET_UNIT), socket)],
            place: None,
            stop: Call::new(
                &["--user", "stop", SOCKET_UNIT, SERVICE_UNIT],
                &["--user", "is-active", SOCKET_UNIT, SERVICE_UNIT],
            ),
            start: vec![
                os(&["--user", "daemon-reload"]),
                os(&["--user", "enable", "--now", SOCKET_UNIT]),
            ],
            disable: Some(Call::new(
                &["--user", "disable", SOCKET_UNIT],
                &["--user", "is-enabled", SOCKET_UNIT],
            )),
            forget: Some(os(&["--user", "daemon-reload"])),
            is_slow: false,
        })
    }

    /// Plans for launchd, whose files for the user are in the directory `agents`. `bundle` is
    /// the app that the program is in, under whose name macOS lists what it starts.
    pub fn launchd(
        agents: &Path,
        user: u32,
        agent: Agent<'_>,
        bundle: Option<&str>,
    ) -> Result<Self> {
        let bundle = bundle.map_or(String::new(), |id| BUNDLE.replace("@BUNDLE_ID@", &xml(id)));
        let plist = fill(
            PLIST,
            &[
                ("LABEL", LABEL),
                ("PROGRAM", &xml(text(agent.program)?)),
                ("SOCKET", &xml(text(agent.socket)?)),
                ("BUNDLE", &bundle),
            ],
        );
        let file = agents.join(format!("{LABEL}.plist"));
        let domain = format!("gui/{user}");
        let service = format!("{domain}/{LABEL}");
        let mut start = os(&["bootstrap", &domain]);
        start.push(file.clone().into_os_string());
        Ok(Self {
            name: "launchd",
            tool: "launchctl",
            files: vec![(file, plist)],
            place: agent.socket.parent().map(Path::to_owned),
            stop: Call::new(&["bootout", &service], &["print", &service]),
            start: vec![start],
            disable: None,
            forget: None,
            is_slow: true,
        })
    }

    /// Returns the files and what they say; the last one is the one to show to people.
    pub fn files(&self) -> &[(PathBuf, String)] {
        &self.files
    }

    /// Writes the files and has them taken up, anew if they were before. If that fails,
    /// nothing is installed any more.
    pub fn install(&self, tool: &Path, lock: &Path) -> Result<()> {
        self.check_files()?;
        let was_there = self.stop.make(tool).context("could not stop the agent")?;
        self.write(lock).and_then(|()| self.take_up(tool, was_there)).map_err(|failure| {
            let failure = failure.hint(NOT_NEEDED);
            let removed = self.remove(Some(tool), lock);
            // What cannot start the agent may not hear that it is not to do so either.
            let is_gone = || self.check_files().is_ok_and(|left| left.is_empty());
            if removed.is_ok() || is_gone() { failure } else { failure.hint(self.by_hand()) }
        })
    }

    /// Has the agent started no longer, and removes the files. Tells whether there was
    /// anything to do. Without a tool, only the files are there.
    pub fn remove(&self, tool: Option<&Path>, lock: &Path) -> Result<bool> {
        let there = self.check_files()?;
        let mut was_there = !there.is_empty();
        if let Some(tool) = tool {
            let by_hand = |failure: Failure| failure.hint(self.by_hand());
            was_there |=
                self.stop.make(tool).context("could not stop the agent").map_err(by_hand)?;
            if let Some(disable) = self.disable.as_ref().filter(|_| !there.is_empty()) {
                let what = format!("could not have {} let go of the agent", self.name);
                disable.make(tool).context(what).map_err(by_hand)?;
            }
        }
        if there.is_empty() {
            return Ok(was_there);
        }
        let lock = acquire(lock)?;
        there.into_iter().try_for_each(fs::remove)?;
        drop(lock);
        if let (Some(tool), Some(forget)) = (tool, &self.forget) {
            call(tool, forget)
                .context(format!("the files are gone, but {} has not noticed", self.name))?;
        }
        Ok(was_there)
    }

    /// Returns the files that are there. Fails if mima did not write one of them.
    fn check_files(&self) -> Result<Vec<&Path>> {
        let mut there = Vec::new();
        for (path, _) in &self.files {
            let is_link = match std::fs::symlink_metadata(path) {
                Ok(meta) => meta.is_symlink(),
                Err(error) if fs::is_absent(&error) => continue,
                Err(error) => {
                    return Err(error).context(format!("could not look at {}", term::path(path)));
                }
            };
            let is_ours = |bytes: Vec<u8>| {
                String::from_utf8_lossy(&bytes).lines().take(2).any(|line| line.contains(MARK))
            };
            if is_link || !fs::read_capped(path, LARGEST)?.is_some_and(is_ours) {
                return Err(Failure::failed(format!(
                    "{} is there, and mima did not write it",
                    term::path(path)
                ))
                .hint(format!("look at what it says, then: mv {0} {0}.old", term::word(path))));
            }
            there.push(path.as_path());
        }
        Ok(there)
    }

    fn write(&self, lock: &Path) -> Result<()> {
        self.place.as_deref().map_or(Ok(()), fs::private_dir)?;
        let _lock = acquire(lock)?;
        for (path, text) in &self.files {
            let dir = path.parent().unwrap_or(path);
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(dir)
                .context(format!("could not make {}", term::path(dir)))?;
            // Whoever can write there can have anything started.
            fs::check_not_forged(dir)?;
            // What it says of room in mima's own directory does not fit here.
            fs::write_atomic_public(path, text.as_bytes()).map_err(Failure::without_hints)?;
        }
        Ok(())
    }

    fn take_up(&self, tool: &Path, was_there: bool) -> Result<()> {
        for words in &self.start {
            let mut tries = if self.is_slow && was_there { TRIES } else { 1 };
            let mut wait = FIRST_WAIT;
            while let Err(failure) = call(tool, words) {
                tries = tries.saturating_sub(1);
                if tries == 0 {
                    return Err(
                        failure.context(format!("could not have {} start the agent", self.name))
                    );
                }
                std::thread::sleep(wait);
                wait = wait.saturating_mul(2);
            }
        }
        Ok(())
    }

    /// How a person removes what mima could not.
    fn by_hand(&self) -> String {
        let words: Vec<_> = self.files.iter().map(|(path, _)| term::word(path)).collect();
        format!("to remove the files all the same: rm -f {}", words.join(" "))
    }
}

/// Takes the lock, which is in a directory of mima's own.
fn acquire(lock: &Path) -> Result<Lock> {
    lock.parent().map_or(Ok(()), fs::private_dir)?;
    Lock::acquire(lock)
}

/// Runs the tool. What it says is told only if it fails.
fn call(tool: &Path, words: &[OsString]) -> Result<()> {
    let name = tool.file_name().unwrap_or(tool.as_os_str());
    let line: Vec<_> =
        std::iter::once(name).chain(words.iter().map(OsString::as_os_str)).map(shown).collect();
    let line = line.join(" ");
    let output = Command::new(tool)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .context(format!("could not run {line}"))?;
    if output.status.success() { Ok(()) } else { Err(said(&output)).context(line) }
}

fn shown(word: &OsStr) -> String {
    word.to_string_lossy().into_owned()
}

/// Makes a failure of what a program says on standard error.
fn said(output: &Output) -> Failure {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    match lines.take(LINES_SHOWN).collect::<Vec<_>>().join("; ") {
        nothing if nothing.is_empty() => Failure::failed(output.status),
        lines => Failure::failed(lines),
    }
}

/// Lends out a path as text that fits into one line of a file.
fn text(path: &Path) -> Result<&str> {
    match path.to_str() {
        Some(text) if !text.contains(char::is_control) => Ok(text),
        _ => Err(unusable(path, "what is no text")),
    }
}

fn unusable(path: &Path, what: &str) -> Failure {
    Failure::failed(format!("{} has {what} in its name", term::path(path))).hint(NOT_NEEDED)
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Puts values in place of the names between two `@`. A value is never looked into.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let value = |name: &str| values.iter().find(|(known, _)| *known == name);
    template
        .split('@')
        .enumerate()
        .map(
            |(at, part)| {
                if at % 2 == 0 { part } else { value(part).map_or("", |(_, value)| value) }
            },
        )
        .collect()
}
