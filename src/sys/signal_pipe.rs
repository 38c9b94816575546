//! Signals as something to poll for, in a process that serves.

use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use libc::{SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};

use super::signals;

/// The signals that end the process, in order.
const END: [libc::c_int; 3] = [SIGTERM, SIGINT, SIGQUIT];
/// The signals that do nothing.
const IGNORED: [libc::c_int; 3] = [SIGPIPE, SIGUSR1, SIGUSR2];

/// Bit n is set when signal n has arrived.
static ARRIVED: AtomicU64 = AtomicU64::new(0);
/// For good: a handler may run at any time.
static PIPE: OnceLock<(PipeReader, PipeWriter)> = OnceLock::new();

extern "C" fn arrived(signal: libc::c_int) {
    ARRIVED.fetch_or(1 << signal, Ordering::SeqCst);
    let Some((_, writer)) = PIPE.get() else { return };
    // The code that was interrupted may be about to read it.
    let errno = signals::errno();
    // SAFETY: the buffer is a constant. A full pipe can be read already.
    unsafe { libc::write(writer.as_raw_fd(), [0_u8].as_ptr().cast(), 1) };
    signals::set_errno(errno);
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caught {
    /// To end: SIGTERM, SIGINT or SIGQUIT.
    End,
    /// SIGHUP.
    Hangup,
}

/// Can be read when a signal has arrived. From the first one on and for good, signals do nothing
/// but that.
#[derive(Debug)]
pub struct SignalPipe(&'static PipeReader);

impl SignalPipe {
    /// Starts to catch SIGTERM, SIGINT, SIGQUIT and SIGHUP, and to ignore SIGPIPE, SIGUSR1 and
    /// SIGUSR2.
    ///
    /// # Errors
    /// The kernel's, or that there is one already.
    pub fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        rustix::io::ioctl_fionbio(&reader, true)?;
        rustix::io::ioctl_fionbio(&writer, true)?;
        PIPE.set((reader, writer)).map_err(|_| io::ErrorKind::AlreadyExists)?;
        let (reader, _) = PIPE.get().ok_or(io::ErrorKind::NotFound)?;
        for signal in END.into_iter().chain([SIGHUP]) {
            signals::handle(signal, arrived)?;
        }
        for signal in IGNORED {
            signals::ignore(signal)?;
        }
        Ok(Self(reader))
    }

    /// Takes what has arrived; to be called until it returns nothing.
    pub fn take(&self) -> Option<Caught> {
        let mut bytes = [0; 64];
        let mut reader = self.0;
        // Emptied before the signals are looked at: one that comes in between leaves a byte.
        while matches!(reader.read(&mut bytes), Ok(1..)) {}
        let taken = |signal: &libc::c_int| {
            ARRIVED.fetch_and(!(1 << signal), Ordering::SeqCst) & (1 << signal) != 0
        };
        if END.iter().filter(|signal| taken(signal)).count() > 0 {
            return Some(Caught::End);
        }
        taken(&SIGHUP).then_some(Caught::Hangup)
    }
}

impl AsFd for SignalPipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The only test of this process that has a pipe; nothing is caught.
    #[test]
    fn a_handler_leaves_no_trace_but_its_byte_and_its_bit() {
        let (reader, writer) = io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&reader, true).unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        PIPE.set((reader, writer)).unwrap();
        let pipe = SignalPipe(&PIPE.get().unwrap().0);
        assert_eq!(pipe.take(), None);
        // Until the pipe is full, which is an error of the call within.
        for _ in 0..200_000 {
            signals::set_errno(libc::EDOM);
            arrived(SIGHUP);
            assert_eq!(signals::errno(), libc::EDOM);
        }
        arrived(SIGINT);
        assert_eq!(pipe.take(), Some(Caught::End));
        assert_eq!(pipe.take(), Some(Caught::Hangup));
        assert_eq!(pipe.take(), None);
    }
}
