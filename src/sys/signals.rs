//! Waiting for a terminal without losing a signal.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use libc::{
    SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2,
};

/// The signals that can end or stop a process at a prompt, and SIGCONT.
const CAUGHT: [libc::c_int; 10] =
    [SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2];

/// Bit n is set when signal n has arrived.
static ARRIVED: AtomicU64 = AtomicU64::new(0);

extern "C" fn arrived(signal: libc::c_int) {
    ARRIVED.fetch_or(1 << signal, Ordering::Relaxed);
}

/// What [`Guard::wait`] woke up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// There is something to read.
    Readable,
    /// SIGCONT: the process was stopped meanwhile, and the terminal may have been changed.
    Continued,
    /// Another signal, which is to be raised again once the terminal is back in order.
    Signal(Signal),
}

/// A signal that was caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal(libc::c_int);

impl Signal {
    /// Tells whether it is SIGINT, as Ctrl-C sends it.
    pub fn is_interrupt(self) -> bool {
        self.0 == SIGINT
    }

    /// Tells whether it is SIGTSTP, as Ctrl-Z sends it.
    pub fn is_stop(self) -> bool {
        self.0 == SIGTSTP
    }

    /// Sends the signal to this process, which does what it would have done without a [`Guard`].
    pub fn raise(self) {
        // SAFETY: raise takes any signal number.
        unsafe { libc::raise(self.0) };
    }
}

/// While it lives, signals are kept back, and seen by [`Guard::wait`] only. What the process
/// ignored before stays ignored. Dropped, it puts back every disposition and the mask.
pub struct Guard {
    mask: libc::sigset_t,
    actions: Vec<(libc::c_int, libc::sigaction)>,
}

impl Guard {
    /// Starts keeping signals back.
    ///
    /// # Errors
    /// The error of sigprocmask(2).
    pub fn new() -> io::Result<Self> {
        ARRIVED.store(0, Ordering::Relaxed);
        let mut blocked = empty_set();
        for signal in CAUGHT {
            // SAFETY: `blocked` is an initialised set and `signal` a signal's number.
            unsafe { libc::sigaddset(&raw mut blocked, signal) };
        }
        let mut mask = empty_set();
        // SAFETY: both sets are initialised and live.
        if unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const blocked, &raw mut mask) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { mask, actions: CAUGHT.into_iter().filter_map(catch).collect() })
    }

    /// Takes note of a SIGCONT, also one that the kernel still keeps back: [`Guard::wait`] will
    /// not return it. Tells whether there was one.
    pub fn take_continued(&self) -> bool {
        self.unblocked(|| ());
        ARRIVED.fetch_and(!(1 << SIGCONT), Ordering::Relaxed) & (1 << SIGCONT) != 0
    }

    /// Calls `f` with the mask as it was before: for starting a program, which inherits the mask.
    /// A signal that arrives meanwhile is noted, and [`Guard::wait`] returns it.
    pub fn unblocked<T>(&self, f: impl FnOnce() -> T) -> T {
        let mut blocked = empty_set();
        // SAFETY: both sets are initialised and live. What is pending arrives before this returns.
        unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const self.mask, &raw mut blocked) };
        let result = f();
        // SAFETY: `blocked` is what sigprocmask itself returned.
        unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const blocked, std::ptr::null_mut()) };
        result
    }

    /// Waits until `fd` can be read or a signal arrives.
    ///
    /// # Errors
    /// The error of pselect(2), or a descriptor that it cannot wait for.
    pub fn wait(&self, fd: BorrowedFd<'_>) -> io::Result<Event> {
        loop {
            if let Some(event) = self.wait_for(&[fd], None)? {
                return Ok(event);
            }
        }
    }

    /// Waits until one of `fds` can be read or a signal arrives; `None` if `time` was over first.
    ///
    /// By pselect, because poll does not work on macOS's terminals.
    ///
    /// # Errors
    /// The error of pselect(2), or a descriptor that it cannot wait for.
    pub fn wait_for(
        &self,
        fds: &[BorrowedFd<'_>],
        time: Option<Duration>,
    ) -> io::Result<Option<Event>> {
        let most = fds.iter().map(AsRawFd::as_raw_fd).max().unwrap_or(-1);
        if usize::try_from(most + 1).map_or(true, |count| count > libc::FD_SETSIZE) {
            return Err(io::Error::other("too many open files"));
        }
        let time = time.map(|time| libc::timespec {
            tv_sec: time.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            tv_nsec: time.subsec_nanos().into(),
        });
        let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        loop {
            if let Some(event) = take_arrived() {
                return Ok(Some(event));
            }
            // SAFETY: `fd_set` is plain data for which all-zero bytes are the empty set.
            let mut ready: libc::fd_set = unsafe { std::mem::zeroed() };
            for fd in fds {
                // SAFETY: `fd` is below FD_SETSIZE, as checked above.
                unsafe { libc::FD_SET(fd.as_raw_fd(), &raw mut ready) };
            }
            // SAFETY: all pointers are null or to live, initialised locals.
            let count = unsafe {
                libc::pselect(
                    most + 1,
                    &raw mut ready,
                    std::ptr::null_mut(),
                    std::ptr::null_mut(),
                    time,
                    &raw const self.mask,
                )
            };
            match count {
                -1 => {
                    let error = io::Error::last_os_error();
                    if error.kind() != io::ErrorKind::Interrupted {
                        return Err(error);
                    }
                }
                _ if ARRIVED.load(Ordering::Relaxed) != 0 => {}
                0 => return Ok(None),
                _ => return Ok(Some(Event::Readable)),
            }
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        for (signal, action) in &self.actions {
            // SAFETY: `action` is what sigaction itself returned for this signal.
            unsafe { libc::sigaction(*signal, action, std::ptr::null_mut()) };
        }
        // SAFETY: `mask` is what sigprocmask itself returned.
        unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const self.mask, std::ptr::null_mut()) };
    }
}

/// While it lives, the exit of a child can be waited for: where a caller has SIGCHLD ignored,
/// the kernel would keep no record of it.
pub struct Children(Option<libc::sigaction>);

impl Children {
    /// Makes SIGCHLD what it is by default, until this is dropped.
    pub fn keep() -> Self {
        // SAFETY: `sigaction` is plain data for which all-zero bytes are a valid value: SIG_DFL.
        let default: libc::sigaction = unsafe { std::mem::zeroed() };
        let mut old = default;
        // SAFETY: both are live; the default action installs no handler of ours.
        let status = unsafe { libc::sigaction(SIGCHLD, &raw const default, &raw mut old) };
        Self((status == 0).then_some(old))
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        if let Some(old) = &self.0 {
            // SAFETY: `old` is what sigaction itself returned for this signal.
            unsafe { libc::sigaction(SIGCHLD, old, std::ptr::null_mut()) };
        }
    }
}

/// While it lives, some signals are ignored, also by what is started meanwhile.
pub(super) struct Ignored(Vec<(libc::c_int, libc::sigaction)>);

impl Ignored {
    pub(super) fn new(signals: &[libc::c_int]) -> Self {
        let was = |signal: &libc::c_int| {
            let old = action_of(*signal);
            ignore(*signal).ok()?;
            Some((*signal, old))
        };
        Self(signals.iter().filter_map(was).collect())
    }
}

impl Drop for Ignored {
    fn drop(&mut self) {
        for (signal, old) in &self.0 {
            // SAFETY: `old` is what sigaction itself returned for this signal.
            unsafe { libc::sigaction(*signal, old, std::ptr::null_mut()) };
        }
    }
}

/// Takes the next signal that has arrived; one that ends the process before the others.
fn take_arrived() -> Option<Event> {
    let all = ARRIVED.load(Ordering::Relaxed);
    let signal = CAUGHT
        .into_iter()
        .filter(|signal| all & (1 << signal) != 0)
        .min_by_key(|signal| (*signal == SIGCONT, *signal == SIGTSTP))?;
    ARRIVED.fetch_and(!(1 << signal), Ordering::Relaxed);
    Some(if signal == SIGCONT { Event::Continued } else { Event::Signal(Signal(signal)) })
}

/// Installs the handler, unless the signal is ignored; returns what to put back.
fn catch(signal: libc::c_int) -> Option<(libc::c_int, libc::sigaction)> {
    let old = action_of(signal);
    // Rust's runtime ignores SIGPIPE, which is as good here.
    if old.sa_sigaction == libc::SIG_IGN {
        return None;
    }
    handle(signal, arrived).ok()?;
    Some((signal, old))
}

/// Returns what is done when `signal` arrives.
fn action_of(signal: libc::c_int) -> libc::sigaction {
    // SAFETY: `sigaction` is plain data for which all-zero bytes are a valid value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: with a null new action, sigaction only fills in `action`.
    unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) };
    action
}

/// Has `handler` called when `signal` arrives. It must do only what is safe in a handler.
pub(super) fn handle(signal: libc::c_int, handler: extern "C" fn(libc::c_int)) -> io::Result<()> {
    #[expect(clippy::as_conversions, reason = "the address of a function, as C wants it")]
    set_action(signal, handler as libc::sighandler_t)
}

/// Ignores `signal`.
pub(super) fn ignore(signal: libc::c_int) -> io::Result<()> {
    set_action(signal, libc::SIG_IGN)
}

fn set_action(signal: libc::c_int, action: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: `sigaction` is plain data for which all-zero bytes are a valid value.
    let mut new: libc::sigaction = unsafe { std::mem::zeroed() };
    new.sa_sigaction = action;
    new.sa_mask = empty_set();
    // SAFETY: the action is a handler's address or one of the constants.
    if unsafe { libc::sigaction(signal, &raw const new, std::ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Gives every signal its default action and holds none back. For a fork that becomes another
/// program.
pub(super) fn reset() {
    // As many as any system has; it fails for those that this one has not, and for two others.
    for signal in 1..=64 {
        set_action(signal, libc::SIG_DFL).ok();
    }
    let none = empty_set();
    // SAFETY: the set is initialised.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()) };
}

/// While it lives, all signals are held back.
pub(super) struct Held(libc::sigset_t);

impl Held {
    pub(super) fn all() -> io::Result<Self> {
        let (mut all, mut before) = (empty_set(), empty_set());
        // SAFETY: `all` is live.
        unsafe { libc::sigfillset(&raw mut all) };
        // SAFETY: both sets are initialised and live.
        let status =
            unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, &raw mut before) };
        if status == 0 { Ok(Self(before)) } else { Err(io::Error::from_raw_os_error(status)) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let before = &raw const self.0;
        // SAFETY: it is what pthread_sigmask itself returned.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before, std::ptr::null_mut()) };
    }
}

/// Where `errno` is.
fn errno_location() -> *mut libc::c_int {
    #[cfg(target_os = "macos")]
    // SAFETY: it takes nothing, and returns the address of a thread's own variable.
    let location = unsafe { libc::__error() };
    #[cfg(not(target_os = "macos"))]
    // SAFETY: it takes nothing, and returns the address of a thread's own variable.
    let location = unsafe { libc::__errno_location() };
    location
}

pub(super) fn errno() -> libc::c_int {
    // SAFETY: the address is valid for as long as the thread is.
    unsafe { *errno_location() }
}

pub(super) fn set_errno(errno: libc::c_int) {
    // SAFETY: the address is valid for as long as the thread is.
    unsafe { *errno_location() = errno }
}

fn empty_set() -> libc::sigset_t {
    // SAFETY: `sigset_t` is plain data; sigemptyset initialises it below.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is live.
    unsafe { libc::sigemptyset(&raw mut set) };
    set
}
