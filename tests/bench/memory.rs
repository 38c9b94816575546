//! How much memory `mima export` takes at most.

use std::process::Stdio;

use crate::projects::Projects;

/// What it may take at most, in MiB.
pub(crate) const MOST: f64 = 6.0;

/// Returns the peak of entering a project with 50 variables, in bytes.
pub(crate) fn peak(projects: &Projects) -> u64 {
    let mut command = projects.mima(&projects.entered("50"), &["export", "bash"]);
    #[expect(clippy::zombie_processes, reason = "wait4 waits, and tells more")]
    let child = command.stdout(Stdio::null()).spawn().unwrap();
    let (pid, mut status) = (i32::try_from(child.id()).unwrap(), 0);
    // SAFETY: `rusage` is plain data for which all-zero bytes are a valid value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live locals, and the child is ours and not waited for yet.
    let waited = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
    assert!(waited == pid && status == 0);
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    u64::try_from(usage.ru_maxrss).unwrap() * unit
}
