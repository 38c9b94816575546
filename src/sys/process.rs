//! The user and the process, as libc and the kernel know them.

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Returns the user's home directory as the user database has it, if it is absolute.
///
/// # Errors
/// The error of `getpwuid_r`.
pub fn home_of_user() -> io::Result<Option<PathBuf>> {
    let uid = rustix::process::geteuid().as_raw();
    let mut buffer = vec![0; 16 * 1024];
    let mut found = std::ptr::null_mut();
    // SAFETY: `passwd` is plain data for which all-zero bytes are a valid value.
    let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
    // SAFETY: all pointers are to live locals, and the length is the buffer's.
    let status = unsafe {
        libc::getpwuid_r(uid, &raw mut entry, buffer.as_mut_ptr(), buffer.len(), &raw mut found)
    };
    if status != 0 {
        return Err(io::Error::from_raw_os_error(status));
    }
    if found.is_null() || entry.pw_dir.is_null() {
        return Ok(None);
    }
    // SAFETY: getpwuid_r succeeded, so pw_dir is a C string inside `buffer`.
    let dir = unsafe { CStr::from_ptr(entry.pw_dir) };
    Ok(Some(PathBuf::from(OsStr::from_bytes(dir.to_bytes()))).filter(|dir| dir.is_absolute()))
}

/// Returns a path by which this very program can be started again, whatever has become of the
/// file that it was started from.
///
/// # Errors
/// The kernel's, where it does not tell.
pub fn own_program() -> io::Result<PathBuf> {
    // Not a name that somebody could exchange the file of, where there is such a path.
    let own = PathBuf::from("/proc/self/exe");
    if own.exists() { Ok(own) } else { std::env::current_exe() }
}

/// Calls this process mima, which the kernel calls after the path of [`own_program`].
pub fn take_own_name() {
    // For those who list processes only.
    #[cfg(target_os = "linux")]
    rustix::thread::set_name(c"mima").ok();
}

/// Returns the session of process `pid`, or of this process for 0. The id is 0 where the leader
/// is outside the PID namespace, as under `docker exec`; rustix takes that for impossible.
pub(super) fn session_of(pid: i32) -> i32 {
    // SAFETY: getsid takes a number and touches no memory.
    unsafe { libc::getsid(pid) }
}

/// Tells whether the terminal's foreground belongs to another process group than this one.
/// Either group may be outside the PID namespace, and 0. False without a terminal.
pub fn is_in_background(tty: BorrowedFd<'_>) -> bool {
    // SAFETY: the descriptor is open, and tcgetpgrp touches no memory.
    let foreground = unsafe { libc::tcgetpgrp(tty.as_raw_fd()) };
    // SAFETY: getpgrp touches no memory and always succeeds.
    let own = unsafe { libc::getpgrp() };
    foreground > 0 && foreground != own
}

/// The limit on core dumps that mima was started with.
static CORE_LIMIT: OnceLock<Rlimit> = OnceLock::new();

/// Keeps the memory of this process out of core dumps, and out of reach of other processes
/// of the same user. To be called before the first secret is read. (threats: I1, I2)
pub fn protect_memory() {
    let before = *CORE_LIMIT.get_or_init(|| getrlimit(Resource::Core));
    // The hard limit stays: it could not be put back. Where either call is refused there is
    // nothing better to do, and no reason to deny the user their secrets.
    setrlimit(Resource::Core, Rlimit { current: Some(0), ..before }).ok();
    set_dumpable(false);
}

/// Lets other processes of the same user look at this one, or not. macOS has no such switch.
/// (threats: I1)
pub fn set_dumpable(on: bool) {
    // It cannot fail, but where something forbids the call; then there is nothing better to do.
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(dumpable(on)).ok();
    #[cfg(not(target_os = "linux"))]
    let _ = on;
}

#[cfg(target_os = "linux")]
fn dumpable(on: bool) -> rustix::process::DumpableBehavior {
    use rustix::process::DumpableBehavior::{Dumpable, NotDumpable};
    if on { Dumpable } else { NotDumpable }
}

/// Keeps this process, for good, from core dumps and from being traced or read by others of the
/// same user. For one that holds secrets and becomes no other program. (threats: I1, I2)
///
/// # Errors
/// The kernel's. On macOS there is none where the process is being traced: it is ended.
pub fn deny_tracing() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(dumpable(false))?;
    #[cfg(target_os = "macos")]
    {
        // SAFETY: PT_DENY_ATTACH takes neither a process nor an address.
        let status = unsafe { libc::ptrace(libc::PT_DENY_ATTACH, 0, std::ptr::null_mut(), 0) };
        if status != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
}

/// How many descriptors are enough for any service of mima's. macOS refuses more than 10,240.
const ENOUGH_FILES: u64 = 8192;

/// Lets this process open as many files as it may, within reason. Returns how many that are.
pub fn raise_file_limit() -> usize {
    let before = getrlimit(Resource::Nofile);
    let most = before.maximum.unwrap_or(u64::MAX).min(ENOUGH_FILES);
    if before.current.is_some_and(|now| now < most) {
        // Where this is refused, it stays what it was.
        setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..before }).ok();
    }
    let now = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(now).unwrap_or(usize::MAX)
}

/// Puts the limit on core dumps back, for the program that mima becomes.
pub(super) fn restore_core_limit() {
    if let Some(before) = CORE_LIMIT.get() {
        // It only raises the soft limit up to the hard one, which is always allowed.
        setrlimit(Resource::Core, *before).ok();
    }
}

/// What execve(2) takes at most, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecLimits {
    /// One string of the arguments or the environment, without its final NUL.
    pub string: usize,
    /// All strings with their final NULs, and the pointers to them.
    pub total: usize,
}

/// Returns what execve(2) takes at most, here and now.
#[cfg(not(target_os = "macos"))]
pub fn exec_limits() -> ExecLimits {
    // Linux, fs/exec.c: a quarter of the stack, at most 6 MiB, at least 128 KiB; one string
    // takes at most 32 pages.
    let stack = getrlimit(Resource::Stack).current.unwrap_or(u64::MAX);
    let total = (stack / 4).clamp(128 << 10, 6 << 20);
    ExecLimits {
        string: 32 * rustix::param::page_size() - 1,
        total: usize::try_from(total).unwrap_or(usize::MAX),
    }
}

/// Returns what execve(2) takes at most: `ARG_MAX`, for a string as for all of them.
#[cfg(target_os = "macos")]
pub fn exec_limits() -> ExecLimits {
    ExecLimits { string: 1 << 20, total: 1 << 20 }
}
