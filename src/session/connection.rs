//! One client of the agent, from accept to close: what it may send next, and what it gets.
//!
//! Nothing here waits. A connection is a state and a few bytes, and a client that stops halfway
//! costs no more than that until its time is over. (threats: G6, G7, G8, G11)

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::scope::{Kernel, is_unchanged};
use super::server::Accepted;
use super::table::room;
use super::wire::{Fault, HEADER, Header, READY, Reply, Request};
use crate::sys::memory::Locked;
use crate::sys::peer::Peer;
use crate::sys::processes::Process;

/// How long a client may take for its request, and again for each answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// What a connection waits for.
pub(super) enum State {
    /// The rest of the request.
    Request(Vec<u8>),
    /// The word that the client can take the values of these entries.
    Ready(Vec<u64>),
    /// The rest of the values to keep.
    Values {
        /// What they are.
        put: Box<Accepted>,
        /// Where they go.
        into: Locked,
        /// How many have come.
        filled: usize,
    },
    /// Room to write a reply in; then it goes on with the next state.
    Reply {
        /// The reply.
        frame: Vec<u8>,
        /// How much of it has been written.
        written: usize,
        /// What comes then; `None` is the end.
        next: Option<Box<State>>,
    },
    /// Room to write values in.
    Sending {
        /// Whose.
        entries: Vec<u64>,
        /// How many bytes of the first of them have been written.
        written: usize,
    },
}

/// What became of an attempt to go on.
pub(super) enum Progress {
    /// Nothing more can be done before the client does something.
    Waits,
    /// The request is complete.
    Request(Request),
    /// It is of another version.
    OtherVersion,
    /// The client can take the values of these entries.
    Ready(Vec<u64>),
    /// All values to keep are here.
    Values(Box<Accepted>, Locked),
    /// Values are to be written now.
    Sends,
    /// It is over.
    Ends,
}

/// A client.
pub(super) struct Connection {
    stream: UnixStream,
    peer: Peer,
    process: Process,
    /// When it is closed, whatever it does.
    pub(super) deadline: Duration,
    /// What it waits for.
    pub(super) state: State,
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Connection {
    /// Takes a client on, unless it is of another user, or none of this machine's processes that
    /// can be named. Reads nothing of it. (threats: G2, G12)
    pub(super) fn new(
        kernel: &dyn Kernel,
        stream: UnixStream,
        own_user: u32,
        now: Duration,
    ) -> Option<Self> {
        let peer = crate::sys::peer::peer(&stream).ok()?;
        if peer.user != own_user || peer.pid <= 0 {
            return None;
        }
        crate::sys::peer::check_same_program(&stream).ok()?;
        stream.set_nonblocking(true).ok()?;
        let process = kernel.process(peer.pid)?;
        if peer.exit.has_ended() {
            return None;
        }
        let state = State::Request(Vec::new());
        Some(Self { stream, peer, process, deadline: now.saturating_add(PATIENCE), state })
    }

    /// Returns the client as it is now, if it is still the one that connected. (threat G11)
    pub(super) fn client(&self, kernel: &dyn Kernel) -> Option<Process> {
        let now = kernel.process(self.peer.pid)?;
        (is_unchanged(&self.process, &now) && !self.peer.exit.has_ended()).then_some(now)
    }

    /// Tells whether it waits for bytes, and not for room to write.
    pub(super) fn wants_to_read(&self) -> bool {
        matches!(self.state, State::Request(_) | State::Ready(_) | State::Values { .. })
    }

    /// How many bytes of a request it holds.
    pub(super) fn buffered(&self) -> usize {
        if let State::Request(bytes) = &self.state { bytes.capacity() } else { 0 }
    }

    /// What it is about to send, or sending, and how much memory that takes.
    pub(super) fn coming(&self) -> Option<(&Accepted, usize)> {
        let state = match &self.state {
            State::Reply { next: Some(next), .. } => next,
            state => state,
        };
        let State::Values { put, into, .. } = state else { return None };
        Some((put, room(put.vars(), into.bytes().len())))
    }

    /// Ends it. What it has sent so far is wiped.
    pub(super) fn end(&mut self) {
        self.state = State::Reply { frame: Vec::new(), written: 0, next: None };
    }

    /// Answers, and goes on with `next` after that.
    pub(super) fn reply(&mut self, reply: &Reply, next: Option<State>, now: Duration) {
        // A reply that is too long for a frame ends the connection.
        let frame = reply.encode().unwrap_or_default();
        let next = next.filter(|_| !frame.is_empty()).map(Box::new);
        self.state = State::Reply { frame, written: 0, next };
        self.deadline = now.saturating_add(PATIENCE);
    }

    /// Goes on as far as it can.
    pub(super) fn go_on(&mut self) -> Progress {
        loop {
            let step = match &mut self.state {
                State::Request(bytes) => read_request(&mut self.stream, bytes),
                State::Ready(entries) => {
                    let mut byte = [0];
                    self.stream.read(&mut byte).map(|count| match (count, byte) {
                        (1, [READY]) => Progress::Ready(std::mem::take(entries)),
                        _ => Progress::Ends,
                    })
                }
                State::Values { into, filled, .. } => read_values(&mut self.stream, into, filled),
                State::Reply { frame, written, .. } => write_some(&mut self.stream, frame, written),
                State::Sending { .. } => return Progress::Sends,
            };
            match step {
                Ok(Progress::Waits) => {}
                Ok(done) => return done,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::Waits,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Progress::Ends,
            }
            if let Some(done) = self.next_state() {
                return done;
            }
        }
    }

    /// Moves on where all of a reply is written, or all values have come.
    fn next_state(&mut self) -> Option<Progress> {
        match std::mem::replace(&mut self.state, State::Ready(Vec::new())) {
            State::Reply { frame, written, next } if written == frame.len() => match next {
                Some(next) => self.state = *next,
                None => return Some(Progress::Ends),
            },
            State::Values { put, into, filled } if filled == into.bytes().len() => {
                return Some(Progress::Values(put, into));
            }
            other => self.state = other,
        }
        None
    }

    /// Writes values. Returns how many bytes went.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }
}

/// Reads a part of a request. The buffer grows with what has come, not with what is announced.
fn read_request(stream: &mut UnixStream, bytes: &mut Vec<u8>) -> io::Result<Progress> {
    let want = match bytes.first_chunk::<HEADER>() {
        None => HEADER - bytes.len(),
        Some(header) => match Header::decode(header) {
            Ok(header) => HEADER + header.len - bytes.len(),
            Err(Fault::Version(_)) => return Ok(Progress::OtherVersion),
            Err(Fault::Malformed) => return Ok(Progress::Ends),
        },
    };
    if want > 0 {
        let mut part = [0; 4096];
        let part = part.get_mut(..want.min(4096)).unwrap_or_default();
        let count = stream.read(part)?;
        if count == 0 {
            return Ok(Progress::Ends);
        }
        bytes.reserve_exact(count);
        bytes.extend_from_slice(part.get(..count).unwrap_or_default());
        return Ok(Progress::Waits);
    }
    let Some((header, payload)) = bytes.split_first_chunk::<HEADER>() else {
        return Ok(Progress::Ends);
    };
    // Whoever sends more than one request before an answer is no client of ours.
    let mut more = [0];
    match stream.read(&mut more) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Err(error) => return Err(error),
        Ok(_) => return Ok(Progress::Ends),
    }
    let request = Header::decode(header).and_then(|header| Request::decode(header, payload));
    Ok(request.map_or(Progress::Ends, Progress::Request))
}

fn read_values(
    stream: &mut UnixStream,
    into: &mut Locked,
    filled: &mut usize,
) -> io::Result<Progress> {
    let rest = into.bytes_mut().get_mut(*filled..).unwrap_or_default();
    if rest.is_empty() {
        return Ok(Progress::Waits);
    }
    let count = stream.read(rest)?;
    *filled += count;
    Ok(if count == 0 { Progress::Ends } else { Progress::Waits })
}

fn write_some(stream: &mut UnixStream, frame: &[u8], written: &mut usize) -> io::Result<Progress> {
    let rest = frame.get(*written..).unwrap_or_default();
    if rest.is_empty() {
        return Ok(Progress::Ends);
    }
    *written += stream.write(rest)?;
    Ok(Progress::Waits)
}
