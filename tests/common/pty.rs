//! A terminal to type on: a real one, from the kernel, so that echo, Ctrl-Z and `/dev/tty` are
//! what a person would have.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal};
use rustix::pty::OpenptFlags;
use rustix::termios::{LocalModes, Termios, Winsize};

/// How to open a terminal: where it can be, so that no other test's child inherits it.
#[cfg(target_os = "linux")]
const OPEN: OpenptFlags = OpenptFlags::RDWR.union(OpenptFlags::NOCTTY).union(OpenptFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const OPEN: OpenptFlags = OpenptFlags::RDWR.union(OpenptFlags::NOCTTY);

/// How long to wait for what is expected.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long to wait at a time, before looking at the clock and the child again.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// A command on a terminal of its own, which it leads: 40 lines of 200 columns.
///
/// When this is dropped, everything that runs in the foreground there is killed.
pub(crate) struct Pty {
    master: OwnedFd,
    slave: PathBuf,
    child: Child,
    seen: Vec<u8>,
    matched: usize,
}

impl Pty {
    /// Starts a command on a new terminal. Its environment is as the command has it; see
    /// [`super::command::Cmd::std`].
    #[track_caller]
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let master = rustix::pty::openpt(OPEN).unwrap();
        rustix::io::fcntl_setfd(&master, rustix::io::FdFlags::CLOEXEC).unwrap();
        rustix::pty::grantpt(&master).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let name = rustix::pty::ptsname(&master, Vec::new()).unwrap();
        let slave = PathBuf::from(name.into_string().unwrap());
        let child = lead(&slave, command);
        Self { master, slave, child, seen: Vec::new(), matched: 0 }
    }

    /// Starts another command on the same terminal, which must have lost its leader.
    #[track_caller]
    pub(crate) fn restart(&mut self, command: &mut Command) {
        self.wait();
        self.child = lead(&self.slave, command);
        self.matched = self.seen.len();
    }

    /// Waits until `text` has been printed, and goes on after it. Line ends are `\r\n`.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) {
        self.expect_after(text);
    }

    /// As [`Pty::expect`]; returns what was printed before it.
    #[track_caller]
    pub(crate) fn expect_after(&mut self, text: &str) -> String {
        let start = Instant::now();
        loop {
            let unread = &self.seen[self.matched..];
            let at = unread.windows(text.len()).position(|part| part == text.as_bytes());
            if let Some(at) = at {
                let before = String::from_utf8_lossy(&unread[..at]).into_owned();
                self.matched += at + text.len();
                return before;
            }
            let ended = !self.read();
            assert!(!ended, "`{text}` was not printed before the end:\n{}", self.transcript());
            let late = start.elapsed() > PATIENCE;
            assert!(!late, "`{text}` was not printed for 20 seconds:\n{}", self.transcript());
        }
    }

    /// Waits for `text`, and fails if anything else is printed before it.
    #[track_caller]
    pub(crate) fn expect_next(&mut self, text: &str) {
        let before = self.matched;
        self.expect(text);
        let skipped = &self.seen[before..self.matched - text.len()];
        assert!(skipped.is_empty(), "before `{text}`: {}", String::from_utf8_lossy(skipped));
    }

    /// Waits until `condition` holds, reading on meanwhile.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !condition(self) {
            self.read();
            let late = start.elapsed() > PATIENCE;
            assert!(!late, "not for 20 seconds: {what}\n{}", self.transcript());
        }
    }

    /// Types `text`. `\x03` is Ctrl-C, `\x04` Ctrl-D, `\x1a` Ctrl-Z.
    #[track_caller]
    pub(crate) fn send(&mut self, text: &str) {
        let mut master = File::from(self.master.try_clone().unwrap());
        master.write_all(text.as_bytes()).unwrap();
    }

    /// Types `text` and Enter.
    #[track_caller]
    pub(crate) fn send_line(&mut self, text: &str) {
        self.send(&format!("{text}\r"));
    }

    /// Tells whether what is typed is shown. False too if the terminal is gone.
    pub(crate) fn echo_is_on(&self) -> bool {
        self.has_mode(LocalModes::ECHO)
    }

    /// Tells whether input is handed over by the line.
    pub(crate) fn is_canonical(&self) -> bool {
        self.has_mode(LocalModes::ICANON)
    }

    /// Returns all that was printed so far.
    pub(crate) fn transcript(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }

    /// Returns the leader of the foreground process group.
    #[track_caller]
    pub(crate) fn foreground(&self) -> Pid {
        rustix::termios::tcgetpgrp(&self.master).unwrap()
    }

    /// Returns the process that was started.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends a signal to the foreground process group.
    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        rustix::process::kill_process_group(self.foreground(), signal).unwrap();
    }

    /// Waits for the command to end, and reads all that it still prints.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            // The order matters: what was printed before the end must be read.
            let ended = self.child.try_wait().unwrap();
            while self.read_now() {}
            if let Some(status) = ended {
                return status;
            }
            self.read();
            let late = start.elapsed() > PATIENCE;
            assert!(!late, "did not end in 20 seconds:\n{}", self.transcript());
        }
    }

    fn has_mode(&self, mode: LocalModes) -> bool {
        self.termios().is_some_and(|termios| termios.local_modes.contains(mode))
    }

    fn termios(&self) -> Option<Termios> {
        rustix::termios::tcgetattr(open(&self.slave)).ok()
    }

    /// Waits a moment for output. False if the terminal was closed by all who had it.
    fn read(&mut self) -> bool {
        self.read_within(&TICK) != Some(0)
    }

    /// Takes what there is now. False if nothing is.
    fn read_now(&mut self) -> bool {
        self.read_within(&Timespec { tv_sec: 0, tv_nsec: 0 }).is_some_and(|count| count > 0)
    }

    /// Returns how many bytes came, 0 at the end, `None` if none came in time.
    fn read_within(&mut self, time: &Timespec) -> Option<usize> {
        let mut fds = [PollFd::new(&self.master, PollFlags::IN)];
        let ready = rustix::io::retry_on_intr(|| rustix::event::poll(&mut fds, Some(time)));
        if ready.unwrap() == 0 {
            return None;
        }
        let mut bytes = [0; 4096];
        // Linux says EIO when nobody has the terminal open any more.
        let count = rustix::io::read(&self.master, &mut bytes).unwrap_or(0);
        self.seen.extend_from_slice(&bytes[..count]);
        if count == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
        Some(count)
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        if let Ok(group) = rustix::termios::tcgetpgrp(&self.master) {
            let _gone = rustix::process::kill_process_group(group, Signal::KILL);
        }
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// Opens a terminal without making it the controlling one of the tests.
fn open(slave: &std::path::Path) -> OwnedFd {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open(slave, flags, Mode::empty()).unwrap()
}

/// Starts a command that leads the terminal.
#[track_caller]
fn lead(slave: &std::path::Path, command: &mut Command) -> Child {
    let terminal = open(slave);
    let size = Winsize { ws_row: 40, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&terminal, size).unwrap();
    for stream in [Command::stdin, Command::stdout, Command::stderr] {
        stream(command, terminal.try_clone().unwrap());
    }
    // SAFETY: setsid and ioctl are async-signal-safe, and nothing is allocated.
    unsafe {
        command.pre_exec(|| {
            rustix::process::setsid()?;
            rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
            Ok(())
        })
    };
    let child = super::spawn(command);
    // The command still holds the terminal; if it did for ever, its end would not be seen.
    for stream in [Command::stdin, Command::stdout, Command::stderr] {
        stream(command, std::process::Stdio::null());
    }
    child
}
