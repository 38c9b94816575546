//! What the kernel tells about a process: facts that it cannot choose itself, but for its name.

/// One process, as it was when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its name, which a program chooses itself: for messages only.
    pub name: String,
    /// The process that it goes back to.
    pub parent: i32,
    /// Its session. 0 where the leader is outside the PID namespace, as under `docker exec`.
    pub session: i32,
    /// The device of its controlling terminal; 0 for none.
    pub terminal: u64,
    /// Tells it from another process that had the same id. Only to be compared.
    pub start: u64,
    /// Whether it has become a program of its own since its parent forked it.
    pub has_execed: bool,
    /// Changes with every exec, even of the same program. Only to be compared. Zeros where the
    /// kernel does not show it.
    pub image: [u64; 3],
}

#[cfg(test)]
#[cfg(not(target_os = "macos"))]
mod tests;

#[cfg(not(target_os = "macos"))]
pub use linux::{adopts, effective_user, executable, look_up, parse_stat};
#[cfg(target_os = "macos")]
pub use macos::{adopts, effective_user, executable, look_up};

#[cfg(not(target_os = "macos"))]
mod linux {
    use std::os::unix::fs::MetadataExt;
    use std::str::FromStr;
    use std::sync::OnceLock;

    use super::Process;
    use crate::sys::kernel_file;

    /// `PF_FORKNOEXEC` of `linux/sched.h`: set by fork, cleared by exec.
    const FORKED: u32 = 0x40;

    /// Looks at process `pid`; `None` if there is none, or none to be seen. One that has ended
    /// is there until its parent has asked for it, with an `image` of zeros.
    pub fn look_up(pid: i32) -> Option<Process> {
        parse_stat(&read(pid, "stat")?)
    }

    /// Returns the effective user of process `pid`.
    pub fn effective_user(pid: i32) -> Option<u32> {
        // The kernel escapes a newline in the name, which comes first.
        let status = read(pid, "status")?;
        let users = status.split(|byte| *byte == b'\n').find_map(|l| l.strip_prefix(b"Uid:"))?;
        fields(users).nth(1)
    }

    /// Returns device and inode of the program that process `pid` runs.
    pub fn executable(pid: i32) -> Option<(u64, u64)> {
        let metadata = std::fs::metadata(format!("/proc/{pid}/exe")).ok()?;
        Some((metadata.dev(), metadata.ino()))
    }

    /// Tells whether orphans come to process `pid`: to the first one of its PID namespace. Of
    /// one in another namespace, or that may not be looked into, that is taken for granted. A
    /// process can ask for orphans (`PR_SET_CHILD_SUBREAPER`), too, which the kernel tells nobody.
    pub fn adopts(pid: i32) -> bool {
        // A process stays in the one that it was started in.
        static OWN: OnceLock<Option<(u64, u64)>> = OnceLock::new();
        let namespace = |of: &str| {
            let metadata = std::fs::metadata(format!("/proc/{of}/ns/pid")).ok()?;
            Some((metadata.dev(), metadata.ino()))
        };
        let theirs = namespace(&pid.to_string());
        pid == 1 || theirs.is_none() || theirs != *OWN.get_or_init(|| namespace("self"))
    }

    fn read(pid: i32, file: &str) -> Option<Vec<u8>> {
        kernel_file::read(&format!("/proc/{pid}/{file}")).ok()
    }

    /// Parses `/proc/PID/stat`: `pid (name) state ppid …`, see `proc_pid_stat(5)`. Fields count
    /// from 1 there, and so they do here.
    pub fn parse_stat(stat: &[u8]) -> Option<Process> {
        // The name may hold parentheses, spaces and newlines; nothing behind it does.
        let open = stat.iter().position(|byte| *byte == b'(')?;
        let close = stat.iter().rposition(|byte| *byte == b')')?;
        let name = stat.get(open + 1..close)?;
        let pid = fields(stat.get(..open)?).next()?;
        let rest: Vec<&[u8]> = words(stat.get(close + 1..)?).collect();
        let terminal: i32 = number(&rest, 7)?;
        let flags: u32 = number(&rest, 9)?;
        // What the kernel does not show is 0, but 1 for the start of the code.
        let code = number(&rest, 26).map(|start: u64| if start == 1 { 0 } else { start })?;
        Some(Process {
            pid,
            name: String::from_utf8_lossy(name).into_owned(),
            parent: number(&rest, 4)?,
            session: number(&rest, 6)?,
            terminal: u64::from(terminal.cast_unsigned()),
            start: number(&rest, 22)?,
            has_execed: flags & FORKED == 0,
            image: [code, number(&rest, 28)?, number(&rest, 48)?],
        })
    }

    /// Returns field `nth` of those behind the name, the first of which is the third of all.
    fn number<T: FromStr>(rest: &[&[u8]], nth: usize) -> Option<T> {
        std::str::from_utf8(rest.get(nth.checked_sub(3)?)?).ok()?.parse().ok()
    }

    fn fields<T: FromStr>(text: &[u8]) -> impl Iterator<Item = T> {
        words(text).map_while(|word| std::str::from_utf8(word).ok()?.parse().ok())
    }

    fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
        text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
    }
}

/// Sources: Apple, `sys/proc_info.h`, `sys/proc_info_private.h` and `kern/proc_info.c` of XNU.
#[cfg(target_os = "macos")]
mod macos {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::MetadataExt;

    use super::Process;
    use crate::sys::process::session_of;

    /// `PROC_FLAG_EXEC`.
    const EXECED: u32 = 0x4000;
    /// `NODEV`, as it stands in `e_tdev`.
    const NO_TERMINAL: u32 = u32::MAX;

    /// What `proc_pidinfo(2)` can be asked for. Plain data: all-zero bytes are a valid value.
    trait Info: Copy {
        const FLAVOR: libc::c_int;
    }

    /// `struct proc_bsdshortinfo`. `PROC_PIDTBSDINFO`, which has more, is refused for processes
    /// of other users, a root `login` among them.
    #[derive(Clone, Copy)]
    #[repr(C)]
    struct ShortInfo {
        pid: u32,
        parent: u32,
        group: u32,
        status: u32,
        name: [u8; 16],
        flags: u32,
        user: u32,
        ids: [u32; 5],
        reserved: u32,
    }

    impl Info for ShortInfo {
        const FLAVOR: libc::c_int = 13;
    }

    /// `struct proc_uniqidentifierinfo`.
    #[derive(Clone, Copy)]
    #[repr(C)]
    struct UniqueInfo {
        uuid: [u8; 16],
        id: u64,
        parent: u64,
        version: i32,
        reserved: [u32; 5],
    }

    impl Info for UniqueInfo {
        const FLAVOR: libc::c_int = 17;
    }

    impl Info for libc::proc_bsdinfo {
        const FLAVOR: libc::c_int = libc::PROC_PIDTBSDINFO;
    }

    fn info<T: Info>(pid: i32) -> Option<T> {
        // SAFETY: an `Info` is plain data for which all-zero bytes are a valid value.
        let mut info: T = unsafe { std::mem::zeroed() };
        let size = libc::c_int::try_from(size_of::<T>()).ok()?;
        // SAFETY: the buffer is live and as long as stated.
        let got = unsafe { libc::proc_pidinfo(pid, T::FLAVOR, 0, (&raw mut info).cast(), size) };
        (got == size).then_some(info)
    }

    /// Looks at process `pid`; `None` if there is none, none to be seen, or one that has ended.
    pub fn look_up(pid: i32) -> Option<Process> {
        let unique: UniqueInfo = info(pid)?;
        let short: ShortInfo = info(pid)?;
        // Refused for a process of another user.
        let terminal = info(pid).map_or(NO_TERMINAL, |all: libc::proc_bsdinfo| all.e_tdev);
        let session = session_of(pid);
        // In between, the id may have gone to another process, or that to another program.
        let after: UniqueInfo = info(pid)?;
        if (after.id, after.version) != (unique.id, unique.version) {
            return None;
        }
        let name = short.name.split(|byte| *byte == 0).next().unwrap_or_default();
        Some(Process {
            pid,
            name: String::from_utf8_lossy(name).into_owned(),
            parent: i32::try_from(short.parent).ok()?,
            session,
            terminal: if terminal == NO_TERMINAL { 0 } else { terminal.into() },
            start: unique.id,
            has_execed: short.flags & EXECED != 0,
            image: [unique.version.cast_unsigned().into(), 0, 0],
        })
    }

    /// Returns the effective user of process `pid`.
    pub fn effective_user(pid: i32) -> Option<u32> {
        info(pid).map(|short: ShortInfo| short.user)
    }

    /// Returns what the kernel counts up at every exec of every process.
    pub(in crate::sys) fn version(pid: i32) -> Option<u32> {
        info(pid).map(|unique: UniqueInfo| unique.version.cast_unsigned())
    }

    /// Tells whether orphans come to process `pid`: to launchd.
    pub fn adopts(pid: i32) -> bool {
        pid == 1
    }

    /// Returns device and inode of the program that process `pid` runs.
    pub fn executable(pid: i32) -> Option<(u64, u64)> {
        let mut path = vec![0_u8; usize::try_from(libc::PROC_PIDPATHINFO_MAXSIZE).ok()?];
        let size = u32::try_from(path.len()).ok()?;
        // SAFETY: the buffer is live and as long as stated.
        let got = unsafe { libc::proc_pidpath(pid, path.as_mut_ptr().cast(), size) };
        let path = path.get(..usize::try_from(got).ok().filter(|got| *got > 0)?)?;
        let metadata = std::fs::metadata(OsStr::from_bytes(path)).ok()?;
        Some((metadata.dev(), metadata.ino()))
    }
}
#[cfg(target_os = "macos")]
pub(super) use macos::version;
