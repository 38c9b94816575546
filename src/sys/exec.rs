//! Becoming another program.

use std::ffi::CStr;
use std::io;

use super::{process, startup};

/// The shell that runs a script without `#!`, as execvp(3) has it.
const SHELL: &CStr = c"/bin/sh";

/// Becomes the program at `path`, with exactly the environment `env` (`NAME=value` each).
/// Everything else is as mima found it when it was started. Returns only the error.
///
/// `Command::exec` is no substitute: it leaves the /dev/null descriptors of Rust's runtime
/// open and stops ignoring a SIGPIPE that the caller had ignored.
pub fn execve(path: &CStr, argv: &[&CStr], env: &[&CStr]) -> io::Error {
    process::restore_core_limit();
    startup::restore();
    let error = raw_execve(path, argv, env);
    if error.raw_os_error() != Some(libc::ENOEXEC) {
        return error;
    }
    let mut script = vec![SHELL, path];
    script.extend(argv.iter().skip(1));
    raw_execve(SHELL, &script, env)
}

fn raw_execve(path: &CStr, argv: &[&CStr], env: &[&CStr]) -> io::Error {
    let argv = null_terminated(argv);
    let env = null_terminated(env);
    // SAFETY: both arrays end with a null pointer and point to C strings that outlive the call.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), env.as_ptr()) };
    io::Error::last_os_error()
}

pub(super) fn null_terminated(strings: &[&CStr]) -> Vec<*const libc::c_char> {
    strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
}
