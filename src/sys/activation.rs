//! The listener of a process that the system starts when somebody connects.

use std::io;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the listener was handed out: it has one owner.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Returns the listener that systemd or launchd has started this process with; nothing if
/// neither has, or when asked again.
///
/// # Errors
/// That what was handed over is not one listener.
pub fn inherited_listener() -> io::Result<Option<UnixListener>> {
    if TAKEN.swap(true, Ordering::Relaxed) { Ok(None) } else { system::inherited_listener() }
}

fn not_one_listener() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not started with exactly one listening socket")
}

/// The protocol of `sd_listen_fds(3)`.
#[cfg(not(target_os = "macos"))]
mod system {
    use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

    use rustix::io::{FdFlags, fcntl_setfd};
    use rustix::net::sockopt::{socket_acceptconn, socket_domain, socket_type};
    use rustix::net::{AddressFamily, SocketType};

    use super::{UnixListener, io, not_one_listener};

    /// `SD_LISTEN_FDS_START`.
    const FIRST: RawFd = 3;

    pub(super) fn inherited_listener() -> io::Result<Option<UnixListener>> {
        let number = |name| std::env::var(name).ok()?.parse::<u32>().ok();
        // The variables of a process that itself was started like this are inherited too.
        if number("LISTEN_PID") != Some(std::process::id()) {
            return Ok(None);
        }
        if number("LISTEN_FDS") != Some(1) {
            return Err(not_one_listener());
        }
        // SAFETY: only for this block, which at worst finds it closed.
        let fd = unsafe { BorrowedFd::borrow_raw(FIRST) };
        // Nothing in this process listens yet: what does was handed over.
        let listens = socket_acceptconn(fd)?
            && socket_domain(fd)? == AddressFamily::UNIX
            && socket_type(fd)? == SocketType::STREAM;
        if !listens {
            return Err(not_one_listener());
        }
        fcntl_setfd(fd, FdFlags::CLOEXEC)?;
        // SAFETY: it is open, was handed to this process, and is taken once only.
        Ok(Some(unsafe { OwnedFd::from_raw_fd(FIRST) }.into()))
    }
}

/// Source: Apple, `launch.h`.
#[cfg(target_os = "macos")]
mod system {
    use std::os::fd::{FromRawFd, OwnedFd};

    use rustix::io::{FdFlags, fcntl_setfd};

    use super::{UnixListener, io, not_one_listener};

    unsafe extern "C" {
        fn launch_activate_socket(
            name: *const libc::c_char,
            fds: *mut *mut libc::c_int,
            count: *mut libc::size_t,
        ) -> libc::c_int;
    }

    pub(super) fn inherited_listener() -> io::Result<Option<UnixListener>> {
        let mut fds = std::ptr::null_mut();
        let mut count = 0;
        // SAFETY: the name is a C string, and both pointers are to live locals.
        let status =
            unsafe { launch_activate_socket(c"Listeners".as_ptr(), &raw mut fds, &raw mut count) };
        match status {
            0 => {}
            // Not started by launchd, or with no socket of that name.
            libc::ESRCH | libc::ENOENT => return Ok(None),
            error => return Err(io::Error::from_raw_os_error(error)),
        }
        if fds.is_null() {
            return Err(not_one_listener());
        }
        // SAFETY: it succeeded, so this is an array of that many descriptors.
        let handed = unsafe { std::slice::from_raw_parts(fds, count) };
        // SAFETY: launchd has opened them for this process, and hands them out once.
        let own = |fd: &libc::c_int| unsafe { OwnedFd::from_raw_fd(*fd) };
        let mut listeners: Vec<OwnedFd> = handed.iter().map(own).collect();
        // SAFETY: the array is ours to free, and nothing refers to it any more.
        unsafe { libc::free(fds.cast()) };
        let listener = listeners.pop().filter(|_| listeners.is_empty());
        let listener = listener.ok_or_else(not_one_listener)?;
        fcntl_setfd(&listener, FdFlags::CLOEXEC)?;
        Ok(Some(listener.into()))
    }
}
