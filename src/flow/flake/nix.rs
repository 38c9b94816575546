//! Running nix on a flake, with a person at the terminal or without.

use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, PipeReader, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::cache::MOST_PRINTED;
use super::{Approved, complaint};
use crate::env::Vars;
use crate::env::flake::{DevShell, Source, Unreadable};
use crate::error::{Context, Failure, Kind, Result};
use crate::flow::command::{Found, find};
use crate::fs;
use crate::names::VarName;
use crate::prompt::take_foreground;
use crate::sys::clock;
use crate::sys::foreground::Foreground;
use crate::sys::signals::{Children, Event, Guard};
use crate::term;

/// How often the running line is renewed, and the end of nix is looked for.
const TICK: Duration = Duration::from_millis(100);
/// The same, once nix has closed its output.
const SHORT_TICK: Duration = Duration::from_millis(2);
/// How long nix may work before a line says so.
const QUIET: Duration = Duration::from_millis(400);
/// How long nix may take to end when it is told to.
const PATIENCE: Duration = Duration::from_secs(3);
/// How much of what nix says is kept, from the end.
const MOST_SAID: usize = 64 << 10;

/// What a nix says that can evaluate all of a copy, but not the flake in a part of it.
const NO_PARTS: &str = "unsupported parameter 'dir'";

/// What is to be evaluated.
pub(super) struct Job<'a> {
    /// The flake, as a person calls it: `.`, `.#ci`.
    pub(super) label: &'a str,
    /// Which of its shells: `#ci`, or nothing.
    pub(super) fragment: &'a str,
    /// Its files, as they were approved, and where they are.
    pub(super) approved: &'a Approved,
    /// Where nix is to put the link that keeps it all.
    pub(super) profile: &'a Path,
    /// The environment before mima.
    pub(super) before: &'a Vars,
    /// Whether it is a shell itself that waits for it, in its hook.
    pub(super) in_hook: bool,
}

impl Job<'_> {
    /// Lets nix evaluate the flake, and build what its shell needs.
    ///
    /// nix opens the files itself, long after they were judged. So it first makes its own copy,
    /// which nobody can change; that copy is compared with what was approved; and nothing else
    /// is evaluated. The lock file must be complete: nothing is chosen on the way, and nothing is
    /// written into the project. (threat A1)
    pub(super) fn run(&self) -> Result<DevShell> {
        let path = self.before.get(OsStr::new("PATH")).map(OsString::as_os_str);
        let nix = find(&["nix".into()], path).ok().and_then(Found::first);
        let nix = nix.ok_or_else(|| {
            Failure::new(Kind::NotFound, "there is no `nix` on PATH")
                .hint("install Nix, https://nixos.org/download, and: mima reload")
        })?;
        let mut terminal = Terminal::take(self)?;
        let args =
            ["flake", "metadata", "--json", "--no-update-lock-file", "."].map(OsString::from);
        let printed = self.call(&nix, &args, &mut terminal, None)?;
        let source = Source::parse(&printed).map_err(|why| unreadable(&why))?;
        let copy = source.copy.join(&source.dir);
        self.approved.check(&source.copy, &copy)?;
        let args = ["print-dev-env", "--json", "--no-update-lock-file", "--profile"];
        let args = args.iter().map(OsStr::new).chain([self.profile.as_os_str()]);
        let args: Vec<OsString> = args.map(OsStr::to_owned).collect();
        let mut print = |source: &Source| {
            let reference = format!("{}{}", source.reference(), self.fragment);
            let args = [args.as_slice(), &[reference.into()]].concat();
            self.call(&nix, &args, &mut terminal, Some(&copy))
        };
        let printed = match print(&source) {
            Err(failure) if failure.to_string().contains(NO_PARTS) => print(&source.part()),
            printed => printed,
        };
        DevShell::parse(&printed?).map_err(|why| unreadable(&why))
    }

    /// Settings of git that no repository can change: one that did not come by `git clone` has its
    /// own, and could name a program in them that git runs for nix.
    fn git_settings(&self) -> Vec<(String, String)> {
        const SETTINGS: [(&str, &str); 2] =
            [("core.fsmonitor", "false"), ("core.hooksPath", "/dev/null")];
        let there = self.before.get(OsStr::new("GIT_CONFIG_COUNT"));
        let there: usize = there.and_then(|count| count.to_str()?.parse().ok()).unwrap_or_default();
        let mut all = vec![("GIT_CONFIG_COUNT".to_owned(), (there + SETTINGS.len()).to_string())];
        for (at, (key, value)) in (there..).zip(SETTINGS) {
            all.push((format!("GIT_CONFIG_KEY_{at}"), key.to_owned()));
            all.push((format!("GIT_CONFIG_VALUE_{at}"), value.to_owned()));
        }
        all
    }

    /// Runs one command of nix and returns what it prints. `copy` is where nix has the flake.
    fn call(
        &self,
        nix: &Path,
        args: &[OsString],
        terminal: &mut Terminal,
        copy: Option<&Path>,
    ) -> Result<Vec<u8>> {
        let what = || format!("could not run {}", term::path(nix));
        let (out, to_out) = std::io::pipe().context(what())?;
        let (said, to_said) = std::io::pipe().context(what())?;
        for pipe in [&out, &said] {
            rustix::io::ioctl_fionbio(pipe, true).context(what())?;
        }
        let is_for_nix = |name: &OsStr| {
            name.to_str().is_some_and(|name| VarName::parse(name).is_ok_and(|n| n.is_for_nix()))
        };
        let mut command = Command::new(nix);
        command
            .args(["--extra-experimental-features", "nix-command flakes"])
            .args(args)
            .env_clear()
            .envs(self.before.iter().filter(|(name, _)| is_for_nix(name)))
            .env("PWD", &self.approved.dir)
            // Nobody is to be asked for a password in the middle of a prompt.
            .env("GIT_TERMINAL_PROMPT", "0")
            .envs(self.git_settings())
            .current_dir(&self.approved.dir)
            .stdin(Stdio::null())
            .stdout(to_out)
            .stderr(to_said);
        let children = Children::keep();
        // With signals kept back, nix would not notice that it is to end.
        let child = match &terminal.guard {
            Some(guard) => guard.unblocked(|| command.spawn()),
            None => command.spawn(),
        };
        let child = child.context(what())?;
        // It holds the other ends of the pipes.
        drop(command);
        let mut running =
            Running { child, out: Output::of(out), said: Output::of(said), _children: children };
        let status = terminal.wait(&mut running)?;
        if status.success() {
            return Ok(std::mem::take(&mut running.out.bytes));
        }
        let develop = format!(
            "nix --extra-experimental-features 'nix-command flakes' develop .{}",
            self.fragment
        );
        Err(complaint::explain(&running.said.bytes, copy, &self.approved.dir, &develop)
            .unwrap_or_else(|| Failure::failed(format!("nix failed ({status}) and said nothing"))))
    }
}

fn unreadable(why: &Unreadable) -> Failure {
    Failure::failed(format!("what nix has printed cannot be used: {why}"))
        .hint("mima works with Nix 2.8 and later: nix --version")
}

/// One of the outputs of a program.
struct Output {
    /// `None` once it is closed.
    pipe: Option<PipeReader>,
    bytes: Vec<u8>,
}

impl Output {
    fn of(pipe: PipeReader) -> Self {
        Self { pipe: Some(pipe), bytes: Vec::new() }
    }

    /// Takes what is there now.
    fn take(&mut self) -> std::io::Result<()> {
        let mut buffer = [0; 16 << 10];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(count) => self.bytes.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            // What never ends is not waited for.
            if self.bytes.len() > 2 * usize::try_from(MOST_PRINTED).unwrap_or(usize::MAX) {
                break;
            }
        }
        Ok(())
    }

    fn is_too_long(&self) -> bool {
        u64::try_from(self.bytes.len()).map_or(true, |len| len > MOST_PRINTED)
    }

    /// Forgets all but the end.
    fn shorten(&mut self) {
        if self.bytes.len() > 2 * MOST_SAID {
            self.bytes.drain(..self.bytes.len() - MOST_SAID);
        }
    }

    /// The last line that says something.
    fn last_line(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty());
        last.unwrap_or_default().to_owned()
    }
}

/// nix at work. Dropped, it is ended.
struct Running {
    child: Child,
    out: Output,
    said: Output,
    _children: Children,
}

impl Running {
    /// Takes what it has printed, and tells whether it has ended.
    fn look(&mut self) -> Result<Option<ExitStatus>> {
        let what = "could not read what nix prints";
        // First, so that what was printed before the end is there.
        let ended = self.child.try_wait().context(what)?;
        self.out.take().context(what)?;
        self.said.take().context(what)?;
        self.said.shorten();
        if self.out.is_too_long() {
            return Err(Failure::failed(format!("nix has printed more than {MOST_PRINTED} bytes"))
                .hint("let the development shell export less"));
        }
        Ok(ended)
    }

    /// Ends it, politely if that is possible: nix ends what it has started.
    fn end(&mut self) {
        // Once it was waited for, its number may be another process's.
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        let since = clock::without_sleep();
        kill_process(Pid::from_child(&self.child), Signal::TERM).ok();
        while let Ok(None) = self.child.try_wait() {
            if clock::without_sleep().saturating_sub(since) > PATIENCE {
                drop(self.child.kill());
                drop(self.child.wait());
                break;
            }
            std::thread::sleep(SHORT_TICK);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// The terminal while nix works: a line that says so, and Ctrl-C.
struct Terminal {
    message: String,
    in_hook: bool,
    since: Duration,
    is_shown: bool,
    guard: Option<Guard>,
    foreground: Option<Foreground>,
}

impl Terminal {
    fn take(job: &Job<'_>) -> Result<Self> {
        // First the foreground: what it ignores, the guard leaves alone.
        let foreground = job.in_hook.then(take_foreground).flatten();
        let guard = Guard::new().context("could not wait for signals")?;
        Ok(Self {
            message: format!("nix is working on {}", job.label),
            in_hook: job.in_hook,
            since: clock::without_sleep(),
            is_shown: false,
            guard: Some(guard),
            foreground,
        })
    }

    /// Waits until nix has ended.
    fn wait(&mut self, nix: &mut Running) -> Result<ExitStatus> {
        loop {
            if let Some(status) = nix.look()? {
                return Ok(status);
            }
            self.show(nix);
            let pipes: Vec<_> = [&nix.out.pipe, &nix.said.pipe].into_iter().flatten().collect();
            let tick = if nix.out.pipe.is_some() { TICK } else { SHORT_TICK };
            let fds: Vec<_> = pipes.iter().map(|pipe| pipe.as_fd()).collect();
            let Some(guard) = &self.guard else { return Err(interrupted()) };
            match guard.wait_for(&fds, Some(tick)).context("could not wait for nix")? {
                Some(Event::Signal(signal)) if signal.is_interrupt() && self.in_hook => {
                    nix.end();
                    return Err(interrupted());
                }
                Some(Event::Signal(signal)) if signal.is_stop() => {
                    self.hide();
                    self.guard = None;
                    signal.raise();
                    self.guard = Some(Guard::new().context("could not wait for signals")?);
                }
                Some(Event::Signal(signal)) => {
                    nix.end();
                    self.give_back();
                    signal.raise();
                    return Err(interrupted());
                }
                Some(Event::Readable | Event::Continued) | None => {}
            }
        }
    }

    fn show(&mut self, nix: &Running) {
        let time = clock::without_sleep().saturating_sub(self.since);
        if time < QUIET || !term::stderr_is_terminal() {
            return;
        }
        self.is_shown = true;
        let said = match nix.said.last_line() {
            line if line.is_empty() => line,
            line => format!(": {line}"),
        };
        term::running(&format!("{} ({}){said}", self.message, term::duration(time)));
    }

    fn hide(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            term::running_ends();
        }
    }

    fn give_back(&mut self) {
        self.hide();
        self.guard = None;
        self.foreground = None;
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.give_back();
    }
}

fn interrupted() -> Failure {
    Failure::new(Kind::Refused, "nix was interrupted")
}

impl Approved {
    /// Fails unless a copy of the flake, in a directory of nix's, is what was approved.
    fn check(&self, root: &Path, copy: &Path) -> Result<()> {
        let files = [("flake.nix", Some(&self.nix)), ("flake.lock", self.lock.as_ref())];
        for (name, approved) in files {
            let path: PathBuf = copy.join(name);
            // A link could lead back to what can be changed.
            let stays = match std::fs::canonicalize(&path) {
                Ok(real) => std::fs::canonicalize(root).is_ok_and(|root| real.starts_with(root)),
                Err(_) => true,
            };
            let bytes = fs::read_capped(&path, crate::config::parse::MAX_FILE_BYTES)?;
            if !stays || bytes.as_ref() != approved {
                return Err(Failure::failed(format!("nix sees another {name} than was allowed"))
                    .hint("in a Git repository nix sees only what git knows: git add flake.*")
                    .hint("then: mima reload"));
            }
        }
        Ok(())
    }
}
