//! The user and the process, as libc and the kernel know them.
#![allow(unsafe_code, reason = "libc calls")]

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

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
