//! Runs one command and judges what it did.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal};

use super::leaks::Needles;

/// How long a command may take before it is killed and the test fails.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A command, not yet run: made by [`super::world::World`].
///
/// It gets only the environment named here, no standard input, a session of its own without
/// a terminal, and sixty seconds.
#[derive(Clone, Debug)]
#[must_use]
pub(crate) struct Cmd {
    program: OsString,
    args: Vec<OsString>,
    env: BTreeMap<OsString, OsString>,
    cwd: PathBuf,
    stdin: Option<Vec<u8>>,
    timeout: Duration,
    needles: Needles,
}

impl Cmd {
    /// Makes a command; `needles` must not occur in what it says on standard error.
    pub(crate) fn new(program: &OsStr, cwd: &Path, needles: Needles) -> Self {
        Self {
            program: program.to_owned(),
            args: Vec::new(),
            env: BTreeMap::new(),
            cwd: cwd.to_owned(),
            stdin: None,
            timeout: TIMEOUT,
            needles,
        }
    }

    /// Adds an argument.
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub(crate) fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.insert(name.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    /// Removes a variable.
    pub(crate) fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.env.remove(name.as_ref());
        self
    }

    /// Sets the working directory.
    pub(crate) fn cwd(mut self, dir: impl AsRef<Path>) -> Self {
        dir.as_ref().clone_into(&mut self.cwd);
        self
    }

    /// Gives standard input, as a pipe. Without it, it is `/dev/null`.
    pub(crate) fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.stdin = Some(bytes.as_ref().to_vec());
        self
    }

    /// Allows less or more than sixty seconds.
    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Turns `mima x` into `wrapper… mima x`: `strace`, `nohup`, `sh -c 'trap …; exec "$@"' sh`.
    pub(crate) fn under(mut self, wrapper: &[impl AsRef<OsStr>]) -> Self {
        let (first, rest) = wrapper.split_first().expect("a wrapper has a program");
        let program = std::mem::replace(&mut self.program, first.as_ref().to_owned());
        let before = rest.iter().map(|arg| arg.as_ref().to_owned()).chain([program]);
        self.args = before.chain(std::mem::take(&mut self.args)).collect();
        self
    }

    /// Turns `mima x` into a shell that does `script` first, where `"$@"` is the command.
    pub(crate) fn within(self, script: &str) -> Self {
        self.under(&["/bin/sh", "-c", script, "sh"])
    }

    /// Returns a command of the standard library with all of this but the session: for
    /// [`super::pty::Pty`], or to keep several at work.
    pub(crate) fn std(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).env_clear().envs(&self.env).current_dir(&self.cwd);
        command
    }

    /// Starts it and returns at once, with both outputs as pipes.
    pub(crate) fn spawn(&self) -> Child {
        let mut command = self.std();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        // SAFETY: setsid and umask are async-signal-safe, and nothing is allocated.
        unsafe {
            command.pre_exec(|| {
                rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
                rustix::process::setsid().map(drop).map_err(Into::into)
            })
        };
        let mut child = super::spawn(&mut command);
        if let (Some(mut pipe), Some(bytes)) = (child.stdin.take(), self.stdin.clone()) {
            // A command that does not read its input is no error.
            std::thread::spawn(move || drop(pipe.write_all(&bytes)));
        }
        child
    }

    /// Runs it to its end. Fails if it takes too long or says a secret on standard error.
    #[track_caller]
    pub(crate) fn run(&self) -> Output {
        let child = self.spawn();
        let group = Pid::from_child(&child);
        let (done, ended) = mpsc::channel();
        std::thread::spawn(move || drop(done.send(child.wait_with_output())));
        let first = ended.recv_timeout(self.timeout);
        let late = first.is_err();
        let output = first.or_else(|_| {
            // It leads a session, so this reaches everything it started in it.
            let _gone = rustix::process::kill_process_group(group, Signal::KILL);
            ended.recv_timeout(Duration::from_secs(5))
        });
        let output = output.unwrap_or_else(|_| panic!("{self} hung, and so did what it started"));
        let output = output.unwrap_or_else(|e| panic!("could not wait for {self}: {e}"));
        let output = Output {
            command: self.to_string(),
            status: output.status,
            stdout: output.stdout,
            stderr: output.stderr,
        };
        assert!(!late, "took longer than {:?}: {output}", self.timeout);
        let leaked = self.needles.found_in(&output.stderr);
        assert!(leaked.is_none(), "said the secret {}: {output}", leaked.unwrap_or_default());
        output
    }
}

impl std::fmt::Display for Cmd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.program.to_string_lossy())?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", arg.to_string_lossy()))
    }
}

/// What a command did. Each check prints all of it when it fails.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    command: String,
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// What it wrote to standard output.
    pub(crate) stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub(crate) stderr: Vec<u8>,
}

impl Output {
    /// It ended with status 0.
    #[track_caller]
    pub(crate) fn ok(&self) -> &Self {
        assert!(self.status.success(), "should have succeeded: {self}");
        self
    }

    /// It ended with this status.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32) -> &Self {
        assert_eq!(self.status.code(), Some(code), "should have ended with {code}: {self}");
        self
    }

    /// It was ended by this signal.
    #[track_caller]
    pub(crate) fn killed_by(&self, signal: i32) -> &Self {
        assert_eq!(self.status.signal(), Some(signal), "should have died of {signal}: {self}");
        self
    }

    /// Standard output is exactly this.
    #[track_caller]
    pub(crate) fn stdout_is(&self, want: impl AsRef<[u8]>) -> &Self {
        assert!(
            self.stdout == want.as_ref(),
            "should have printed\n{}\n{self}",
            String::from_utf8_lossy(want.as_ref())
        );
        self
    }

    /// Standard output contains this.
    #[track_caller]
    pub(crate) fn stdout_has(&self, part: &str) -> &Self {
        assert!(self.out().contains(part), "should have printed `{part}`: {self}");
        self
    }

    /// Standard output does not contain this.
    #[track_caller]
    pub(crate) fn stdout_lacks(&self, part: &str) -> &Self {
        assert!(!self.out().contains(part), "should not have printed `{part}`: {self}");
        self
    }

    /// Standard error contains this.
    #[track_caller]
    pub(crate) fn stderr_has(&self, part: &str) -> &Self {
        assert!(self.err().contains(part), "should have said `{part}`: {self}");
        self
    }

    /// Standard error is empty.
    #[track_caller]
    pub(crate) fn quiet(&self) -> &Self {
        assert!(self.stderr.is_empty(), "should have said nothing: {self}");
        self
    }

    /// Standard output as text.
    pub(crate) fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    pub(crate) fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { command, status, .. } = self;
        write!(f, "{command}\n--- {status}\n--- stdout\n{}", self.out())?;
        write!(f, "--- stderr\n{}---", self.err())
    }
}
