//! Who started mima: the chain of processes up to the one that leads the session.

use rustix::process::getppid;

use super::process::session_of;

/// How many processes to look at, at most.
const DEEPEST: usize = 64;

/// What the kernel tells about one process.
struct Process {
    name: String,
    parent: i32,
    session: i32,
}

/// Returns the names of mima's ancestors within its session, the outermost first: a shell,
/// mostly. A program can choose its own name, so this informs and proves nothing.
pub fn names() -> Vec<String> {
    let session = session_of(0);
    let mut names = Vec::new();
    let mut next = getppid().map(|pid| pid.as_raw_nonzero().get());
    while let Some(pid) = next.filter(|pid| *pid > 1 && names.len() < DEEPEST) {
        let Some(process) = look_up(pid).filter(|process| process.session == session) else {
            break;
        };
        names.push(process.name);
        next = (pid != session).then_some(process.parent);
    }
    names.reverse();
    names
}

/// Reads `/proc/PID/stat`: `pid (name) state ppid pgrp session …`, see proc(5).
#[cfg(not(target_os = "macos"))]
fn look_up(pid: i32) -> Option<Process> {
    use std::io::Read;
    let mut stat = Vec::new();
    let file = std::fs::File::open(format!("/proc/{pid}/stat")).ok()?;
    file.take(4096).read_to_end(&mut stat).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    // The name is the program's own choice and may hold parentheses.
    let (head, tail) = stat.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let mut fields = tail.split_whitespace().skip(1);
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    Some(Process { name: name.to_owned(), parent, session })
}

/// `struct proc_bsdshortinfo` of `sys/proc_info.h`. `PROC_PIDTBSDINFO`, which libc knows, is
/// refused for processes of other users, a root `login` among them.
#[cfg(target_os = "macos")]
#[repr(C)]
struct ShortInfo {
    pid: u32,
    parent: u32,
    group: u32,
    status: u32,
    name: [u8; 16],
    flags: u32,
    ids: [u32; 6],
    reserved: u32,
}

/// `PROC_PIDT_SHORTBSDINFO` of `sys/proc_info.h`.
#[cfg(target_os = "macos")]
const SHORT_INFO: libc::c_int = 13;

#[cfg(target_os = "macos")]
fn look_up(pid: i32) -> Option<Process> {
    // SAFETY: `ShortInfo` is plain data for which all-zero bytes are a valid value.
    let mut info: ShortInfo = unsafe { std::mem::zeroed() };
    let size = libc::c_int::try_from(size_of::<ShortInfo>()).ok()?;
    // SAFETY: the buffer is live and as long as stated.
    let got = unsafe { libc::proc_pidinfo(pid, SHORT_INFO, 0, (&raw mut info).cast(), size) };
    if got != size {
        return None;
    }
    let name = info.name.split(|byte| *byte == 0).next().unwrap_or_default();
    Some(Process {
        name: String::from_utf8_lossy(name).into_owned(),
        parent: i32::try_from(info.parent).ok()?,
        session: session_of(pid),
    })
}
