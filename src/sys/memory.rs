//! Memory for secrets: pages of their own, which go into no swap, no core dump and no fork.
//! (threats: I3, I4)

use std::ffi::c_void;
use std::io;
use std::ptr::NonNull;

use rustix::mm::{MapFlags, ProtFlags, mlock, mmap_anonymous, munmap};
use zeroize::Zeroize;

#[cfg(test)]
mod tests;

/// What keeps [`Locked`] memory from the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Not even the kernel maps it. While it exists, the system does not hibernate.
    Secret,
    /// It is never swapped, and this system does not hibernate.
    Locked,
    /// It is never swapped; but where the system hibernates, all memory is written to the disk.
    LockedMayHibernate,
}

/// Bytes that are overwritten when they are dropped, in memory that is [`Protection`]-ed.
pub struct Locked {
    start: NonNull<c_void>,
    /// Of the mapping, in whole pages.
    size: usize,
    /// Of what was asked for.
    len: usize,
    protection: Protection,
}

// SAFETY: it owns its pages, as a `Box<[u8]>` does.
unsafe impl Send for Locked {}
// SAFETY: through a shared reference they can only be read.
unsafe impl Sync for Locked {}

impl Locked {
    /// Makes room for `len` bytes, all zero.
    ///
    /// # Errors
    /// The kernel's. `RLIMIT_MEMLOCK` limits what a process may lock; memory that could be
    /// swapped is no substitute.
    pub fn new(len: usize) -> io::Result<Self> {
        let size = len.max(1).checked_next_multiple_of(rustix::param::page_size());
        let size = size.ok_or(io::ErrorKind::OutOfMemory)?;
        let (start, protection) = system::map(size)?;
        Ok(Self { start, size, len, protection })
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping is live, readable, initialised, at least `len` long, and ours.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.len) }
    }

    /// The bytes, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and writable; the borrow of `self` keeps others away.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().cast(), self.len) }
    }

    /// Writes zeros, which the compiler does not leave out. What is behind `len` always was zero.
    fn wipe(&mut self) {
        self.bytes_mut().zeroize();
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.wipe();
        // SAFETY: the mapping is ours, and nothing refers to it any more.
        unsafe { unmap(self.start, self.size) };
    }
}

/// Returns what keeps [`Locked`] memory from the disk here and now, by trying it.
///
/// # Errors
/// Those of [`Locked::new`].
pub fn protection() -> io::Result<Protection> {
    Locked::new(1).map(|locked| locked.protection)
}

/// # Safety
/// It is a whole mapping, and nothing refers to it any more.
unsafe fn unmap(start: NonNull<c_void>, size: usize) {
    // SAFETY: as the caller says. It fails for no whole mapping.
    unsafe { munmap(start.as_ptr(), size) }.ok();
}

/// Maps `size` bytes that stay in memory.
fn map_locked(size: usize) -> io::Result<NonNull<c_void>> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: the kernel chooses where, so nothing that exists is replaced.
    let start = unsafe { mmap_anonymous(std::ptr::null_mut(), size, access, MapFlags::PRIVATE) }?;
    let start = NonNull::new(start).ok_or(io::ErrorKind::OutOfMemory)?;
    // SAFETY: it is the mapping that was just made.
    let done = unsafe { mlock(start.as_ptr(), size) };
    kept(start, size, done.map_err(io::Error::from))
}

/// Returns the mapping if what was `done` with it succeeded, and takes it away otherwise.
fn kept(start: NonNull<c_void>, size: usize, done: io::Result<()>) -> io::Result<NonNull<c_void>> {
    if let Err(error) = done {
        // SAFETY: the caller has just made it, and gave it to nobody.
        unsafe { unmap(start, size) };
        return Err(error);
    }
    Ok(start)
}

#[cfg(not(target_os = "macos"))]
mod system {
    use std::os::fd::{FromRawFd, OwnedFd};
    use std::path::Path;

    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap};

    use super::{NonNull, Protection, c_void, io, kept, map_locked};
    use crate::sys::kernel_file;

    pub(super) fn map(size: usize) -> io::Result<(NonNull<c_void>, Protection)> {
        // Secret memory would keep the computer from hibernating.
        if may_hibernate() {
            return map_kept(size).map(|start| (start, Protection::LockedMayHibernate));
        }
        // A kernel may be without it, or have it switched off.
        match map_secret(size) {
            Ok(start) => Ok((start, Protection::Secret)),
            Err(_) => map_kept(size).map(|start| (start, Protection::Locked)),
        }
    }

    /// Tells whether the kernel offers to hibernate; if it says nothing, it may.
    fn may_hibernate() -> bool {
        match kernel_file::read("/sys/power/state") {
            Ok(states) => has_disk(&states),
            // A kernel that knows no power states, as long as /sys is there at all.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                !Path::new("/sys/kernel").exists()
            }
            Err(_) => true,
        }
    }

    pub(super) fn has_disk(states: &[u8]) -> bool {
        states.split(u8::is_ascii_whitespace).any(|state| state == b"disk")
    }

    /// Locked memory. A fork must not take it along: it does not get the mapping at all, and
    /// would find zeros in it where something undid that.
    pub(super) fn map_kept(size: usize) -> io::Result<NonNull<c_void>> {
        let start = map_locked(size)?;
        let advice = [Advice::LinuxDontDump, Advice::LinuxDontFork, Advice::LinuxWipeOnFork];
        kept(start, size, advise(start, size, &advice))
    }

    /// `memfd_secret(2)`. Its pages are locked and not dumped as they are.
    pub(super) fn map_secret(size: usize) -> io::Result<NonNull<c_void>> {
        // SAFETY: it takes a number and touches no memory.
        let fd = unsafe { libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC) };
        let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0);
        let fd = fd.ok_or_else(io::Error::last_os_error)?;
        // SAFETY: it was just opened, for us alone.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        rustix::fs::ftruncate(&fd, u64::try_from(size).map_err(io::Error::other)?)?;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses where, so nothing that exists is replaced.
        let start = unsafe { mmap(std::ptr::null_mut(), size, access, MapFlags::SHARED, &fd, 0) }?;
        let start = NonNull::new(start).ok_or(io::ErrorKind::OutOfMemory)?;
        kept(start, size, advise(start, size, &[Advice::LinuxDontFork]))
    }

    fn advise(start: NonNull<c_void>, size: usize, advice: &[Advice]) -> io::Result<()> {
        for advice in advice {
            // SAFETY: none of them changes what this process sees of its own mapping.
            unsafe { madvise(start.as_ptr(), size, *advice) }?;
        }
        Ok(())
    }
}

#[cfg(target_os = "macos")]
mod system {
    use super::{NonNull, Protection, c_void, io, kept, map_locked};

    /// macOS writes a sleep image too, which may be encrypted.
    pub(super) fn map(size: usize) -> io::Result<(NonNull<c_void>, Protection)> {
        let start = map_locked(size)?;
        // SAFETY: it is the mapping that was just made; a fork does not get it.
        let status = unsafe { libc::minherit(start.as_ptr(), size, libc::VM_INHERIT_NONE) };
        let done = if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
        kept(start, size, done).map(|start| (start, Protection::LockedMayHibernate))
    }
}
