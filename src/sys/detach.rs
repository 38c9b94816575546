//! Starting a process that belongs to nobody, and what it does first. (threats: G15)

use std::ffi::{CStr, CString, OsStr, c_char};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::io::fcntl_dupfd_cloexec;

use super::exec::null_terminated;
use super::{signals, startup};

/// Starts `program` with the arguments `args`, the first of which is what it is called, and the
/// two descriptors; with its own session, in `/`, without an environment, with umask 077 and
/// nothing else that the caller has open. It is no child of the caller's.
///
/// # Errors
/// The kernel's, also where it does not execute the program.
pub fn spawn(program: &Path, args: &[&OsStr], stdin: OwnedFd, stdout: OwnedFd) -> io::Result<()> {
    let program = CString::new(program.as_os_str().as_bytes())?;
    let strings =
        args.iter().map(|arg| CString::new(arg.as_bytes())).collect::<Result<Vec<_>, _>>()?;
    let strings: Vec<&CStr> = strings.iter().map(CString::as_c_str).collect();
    let strings = null_terminated(&strings);
    let (mut failure, report) = io::pipe()?;
    // All above 2, so that none is overwritten before it is copied there.
    let standard =
        [above_standard(stdin)?, above_standard(stdout)?, above_standard(null()?.into())?];
    let report = above_standard(report.into())?;
    let start = Start {
        program: &program,
        argv: &strings,
        standard: standard.each_ref().map(AsRawFd::as_raw_fd),
        report: report.as_raw_fd(),
        // SAFETY: it takes nothing and touches no memory.
        limit: unsafe { libc::getdtablesize() },
    };
    // No handler of this process may run in what is forked.
    let held = signals::Held::all()?;
    // SAFETY: what the child does until it ends is safe in a fork of a process with threads.
    let middle = unsafe { libc::fork() };
    if middle == 0 {
        // SAFETY: this is the child.
        unsafe { start.middle() };
    }
    let forked = if middle < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
    drop(held);
    forked?;
    drop((report, standard));
    reap(middle);
    let mut error = [0; 4];
    match failure.read_exact(&mut error) {
        Ok(()) => Err(io::Error::from_raw_os_error(i32::from_ne_bytes(error))),
        // Exec has closed the pipe.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
        Err(error) => Err(error),
    }
}

/// Waits for the child `pid`, which ends at once.
fn reap(pid: libc::pid_t) {
    // SAFETY: a null status is not written to.
    while unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) } < 0 {
        // Where the caller has SIGCHLD ignored, the kernel has taken it away.
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            break;
        }
    }
}

/// All that a fork needs, made before: a fork must not allocate.
struct Start<'a> {
    program: &'a CStr,
    argv: &'a [*const c_char],
    standard: [RawFd; 3],
    report: RawFd,
    limit: RawFd,
}

impl Start<'_> {
    /// Starts a session, forks the process that stays, and ends: whoever leads a session could
    /// get a terminal by opening it.
    ///
    /// # Safety
    /// Only in a fork, with all signals held.
    unsafe fn middle(&self) -> ! {
        // SAFETY: it touches no memory.
        unsafe { libc::setsid() };
        // SAFETY: the child goes on with calls that are safe after a fork.
        match unsafe { libc::fork() } {
            0 => {
                // SAFETY: this is the fork.
                unsafe { self.execute() };
                self.fail();
            }
            -1 => self.fail(),
            // SAFETY: it runs nothing of this process.
            _ => unsafe { libc::_exit(0) },
        }
    }

    /// Sets everything up and becomes the program. Returns if that fails, with `errno` set.
    ///
    /// # Safety
    /// Only in a fork, with all signals held.
    unsafe fn execute(&self) {
        for (to, from) in (0..).zip(self.standard) {
            // SAFETY: `from` is open and above 2; it touches no memory.
            if unsafe { libc::dup2(from, to) } < 0 {
                return;
            }
        }
        close_at_exec(self.limit);
        // SAFETY: it touches no memory but the constant path.
        if unsafe { libc::chdir(c"/".as_ptr()) } != 0 {
            return;
        }
        // SAFETY: it touches no memory.
        unsafe { libc::umask(0o077) };
        signals::reset();
        let environment = [std::ptr::null()];
        // SAFETY: both arrays end with a null pointer and hold C strings that live on in a fork.
        unsafe { libc::execve(self.program.as_ptr(), self.argv.as_ptr(), environment.as_ptr()) };
    }

    /// Tells the caller the error, and ends.
    fn fail(&self) -> ! {
        let error = io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL);
        let error = error.to_ne_bytes();
        // SAFETY: the buffer is live. A pipe takes four bytes at once; nobody is left to be told.
        unsafe { libc::write(self.report, error.as_ptr().cast(), error.len()) };
        // SAFETY: it runs nothing of this process.
        unsafe { libc::_exit(1) }
    }
}

/// Marks all descriptors above 2 to be closed at exec. Safe in a fork.
fn close_at_exec(limit: RawFd) {
    #[cfg(target_os = "linux")]
    {
        let (first, flags) = (3_u32, libc::CLOSE_RANGE_CLOEXEC);
        // SAFETY: it takes numbers and touches no memory.
        if unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flags) } == 0 {
            return;
        }
    }
    for fd in 3..limit {
        // SAFETY: it only sets a flag; most of these numbers are not open.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

fn above_standard(fd: OwnedFd) -> io::Result<OwnedFd> {
    if fd.as_raw_fd() > 2 { Ok(fd) } else { Ok(fcntl_dupfd_cloexec(fd, 3)?) }
}

fn null() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/null")
}

/// Returns the two descriptors that [`spawn`] was given, in the process that it started, and
/// puts /dev/null in their places.
///
/// # Errors
/// The kernel's, or `EBADF` where one of them was closed.
pub fn take_stdio() -> io::Result<(OwnedFd, OwnedFd)> {
    // Rust's runtime has opened something there.
    if startup::was_closed(0) || startup::was_closed(1) {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    let taken = (
        fcntl_dupfd_cloexec(io::stdin().as_fd(), 3)?,
        fcntl_dupfd_cloexec(io::stdout().as_fd(), 3)?,
    );
    let null = null()?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok(taken)
}
