//! The end of a process that is no child of this one.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Pid;

/// Holds on to one process: its id may be given to another one later, this stays with it.
/// poll(2) says that it can be read once the process has ended.
#[derive(Debug)]
pub struct Exit(OwnedFd);

impl Exit {
    /// Starts to watch process `pid`.
    ///
    /// # Errors
    /// `ESRCH` if there is no such process; macOS says so too of one that has ended and that
    /// its parent has not yet asked for.
    pub fn of(pid: i32) -> io::Result<Self> {
        let pid = Some(pid).filter(|pid| *pid > 0).and_then(Pid::from_raw);
        watch(pid.ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))?).map(Self)
    }

    /// What the kernel itself has opened to watch a process with.
    #[cfg(not(target_os = "macos"))]
    pub(super) fn from_pidfd(pidfd: OwnedFd) -> Self {
        Self(pidfd)
    }

    /// Tells whether the process has ended. One that cannot be asked about counts as gone.
    pub fn has_ended(&self) -> bool {
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())).map_or(true, |ready| ready > 0)
    }
}

impl AsFd for Exit {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(not(target_os = "macos"))]
fn watch(pid: Pid) -> io::Result<OwnedFd> {
    Ok(rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?)
}

#[cfg(target_os = "macos")]
fn watch(pid: Pid) -> io::Result<OwnedFd> {
    use rustix::event::kqueue::{Event, EventFilter, EventFlags, ProcessEvents, kevent, kqueue};
    let queue = kqueue()?;
    rustix::io::fcntl_setfd(&queue, rustix::io::FdFlags::CLOEXEC)?;
    let filter = EventFilter::Proc { pid, flags: ProcessEvents::EXIT };
    let changes = [Event::new(filter, EventFlags::ADD, std::ptr::null_mut())];
    // Room for no event: it has to stay in the queue, which can be read because of it.
    let mut none: [Event; 0] = [];
    // SAFETY: the one event names a process, not a descriptor.
    unsafe { kevent(&queue, &changes, &mut none, None) }?;
    Ok(queue)
}
