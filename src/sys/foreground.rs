//! The foreground of a terminal: whom Ctrl-C reaches.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};

use libc::{SIGTSTP, SIGTTIN, SIGTTOU};

use super::process::is_in_background;
use super::signals::Ignored;

/// While it lives, Ctrl-C reaches this process and what it starts, and not the shell that waits
/// for it: a shell that runs a hook would be interrupted as a whole. Ctrl-Z does nothing, since
/// no shell would offer `fg`. Dropped, it all is as before.
///
/// What is typed meanwhile stays for whoever reads next. If the process is killed, bash and zsh
/// take their terminal back; fish 3.6 ends.
pub struct Foreground {
    tty: File,
    group: libc::pid_t,
    /// Last: handing the terminal back would stop the process else.
    _ignored: Ignored,
}

impl Foreground {
    /// Takes the foreground of the controlling terminal. `None` if this process is not in it.
    pub fn take(tty: File) -> Option<Self> {
        if is_in_background(tty.as_fd()) {
            return None;
        }
        // SAFETY: getpgrp touches no memory and always succeeds.
        let group = unsafe { libc::getpgrp() };
        let ignored = Ignored::new(&[SIGTSTP, SIGTTIN, SIGTTOU]);
        // SAFETY: setpgid touches no memory. It fails for the leader of a session.
        if unsafe { libc::setpgid(0, 0) } != 0 {
            return None;
        }
        let taken = Self { tty, group, _ignored: ignored };
        taken.give(0).then_some(taken)
    }

    /// Hands the foreground to a process group, 0 for this process's own.
    fn give(&self, group: libc::pid_t) -> bool {
        // SAFETY: getpgrp touches no memory and always succeeds.
        let group = if group == 0 { unsafe { libc::getpgrp() } } else { group };
        // SAFETY: the descriptor is open, and tcsetpgrp touches no memory.
        unsafe { libc::tcsetpgrp(self.tty.as_raw_fd(), group) == 0 }
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        // If the terminal is gone, so is the reason to hand it back.
        self.give(self.group);
        // SAFETY: setpgid touches no memory. It fails if nobody is left in that group.
        unsafe { libc::setpgid(0, self.group) };
    }
}
