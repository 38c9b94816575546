//! What the process was started with, saved before Rust's runtime changes it: the runtime
//! ignores SIGPIPE, and opens /dev/null on whichever of descriptors 0–2 is closed. A child
//! that mima becomes must find both as they were. (threats: F1, F3)

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

static SIGPIPE_IGNORED: AtomicBool = AtomicBool::new(false);
/// Bit n is set if descriptor n was closed.
static CLOSED: AtomicU8 = AtomicU8::new(0);

/// The loader calls what stands in this section before Rust's runtime starts.
#[used]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_os = "macos"), unsafe(link_section = ".init_array"))]
static SAVE: extern "C" fn() = save;

extern "C" fn save() {
    for fd in 0..3 {
        // SAFETY: F_GETFD only reads a flag.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1 {
            CLOSED.fetch_or(1 << fd, Ordering::Relaxed);
        }
    }
    // SAFETY: `sigaction` is plain data for which all-zero bytes are a valid value.
    let mut now: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: with a null new action, sigaction only fills in `now`.
    let status = unsafe { libc::sigaction(libc::SIGPIPE, std::ptr::null(), &raw mut now) };
    let ignored = status == 0 && now.sa_sigaction == libc::SIG_IGN;
    SIGPIPE_IGNORED.store(ignored, Ordering::Relaxed);
}

/// Tells whether descriptor `fd` (0, 1 or 2) was closed when mima was started.
pub fn was_closed(fd: u8) -> bool {
    CLOSED.load(Ordering::Relaxed) & (1 << fd) != 0
}

/// Puts back what the runtime changed, right before mima becomes another program.
pub(super) fn restore() {
    if !SIGPIPE_IGNORED.load(Ordering::Relaxed) {
        // SAFETY: the default action installs no handler of ours.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    }
    for fd in 0..3 {
        if was_closed(fd) {
            // SAFETY: the runtime's own /dev/null, which nothing here holds.
            unsafe { libc::close(fd.into()) };
        }
    }
}
