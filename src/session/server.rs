//! The agent: one thread that answers clients, and forgets in time.
//!
//! It never asks, decrypts or reads a store: what it knows, a client has pushed. (design: the
//! person is asked by the process that they have started, on the terminal where they did.)

mod request;

use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::clock::{Clock, SleepWatch};
use super::connection::{Connection, Progress, State};
use super::scope::{Kernel, Scope};
use super::table::{New, Table};
use super::wire::{Put, Refusal, Reply, Vars};
use crate::sys::exit::Exit;
use crate::sys::processes::Process;
use crate::sys::signal_pipe::{Caught, SignalPipe};

/// How many clients are served at a time. (threats: G7, G9)
const MOST_CLIENTS: usize = 1024;
/// How many groups are kept, and trees marked.
const MOST_GROUPS: usize = 256;
/// How many descriptors the agent itself needs.
const OWN_FILES: usize = 16;
/// How many bytes all unfinished requests may take.
const MOST_BUFFERED: usize = 8 << 20;
/// Who has not gone on for so long may have to make room for another client.
const PROMPT: Duration = Duration::from_millis(50);
/// How many clients are accepted before the others are looked after again.
const AT_ONCE: usize = 64;
/// How long nothing is accepted after the system has run out of descriptors. (threat G10)
const BACK_OFF: Duration = Duration::from_millis(100);
/// How often to look for what nothing reports: sleep, the screen, the socket's place.
const TICK: Duration = Duration::from_secs(1);
/// How long to stay with nothing to keep and nobody to serve.
const LINGER: Duration = Duration::from_secs(10);

/// A request to keep values that was granted.
pub(super) struct Accepted {
    put: Put,
    scope: Scope,
    session: i32,
    exit: Exit,
}

impl Accepted {
    /// The variables whose values come.
    pub(super) fn vars(&self) -> &Vars {
        &self.put.vars
    }
}

/// What the agent stands on: all that a test may want to replace.
pub(super) struct Ground<'a> {
    /// Who is who.
    pub(super) kernel: &'a dyn Kernel,
    /// What time it is.
    pub(super) clock: &'a dyn Clock,
    /// Tells whether the screen is locked.
    pub(super) is_screen_locked: &'a dyn Fn() -> bool,
    /// Tells whether clients still find this agent at its place.
    pub(super) is_in_place: &'a dyn Fn() -> bool,
    /// How memory is protected, in words.
    pub(super) memory: &'a str,
    /// How many descriptors there may be.
    pub(super) files: usize,
}

/// Why the agent ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It was told to.
    Told,
    /// It has nothing to do.
    Idle,
    /// Another agent has taken its place, or its place is gone.
    Replaced,
}

/// The agent.
pub(super) struct Server<'a> {
    ground: Ground<'a>,
    listener: UnixListener,
    signals: SignalPipe,
    own_user: u32,
    table: Table,
    connections: Vec<Connection>,
    most_clients: usize,
    sleep: SleepWatch,
    /// Until when nothing is accepted.
    accept_after: Duration,
    /// Since when there is nothing to do.
    idle_since: Duration,
    looked: Duration,
    is_ending: bool,
}

impl<'a> Server<'a> {
    /// Makes the agent that answers on `listener`.
    pub(super) fn new(
        ground: Ground<'a>,
        listener: UnixListener,
        signals: SignalPipe,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let now = ground.clock.with_sleep();
        // A group takes one: the end of its scope. A client up to three: itself, its own end,
        // and that of a scope. Who is not accepted waits; who is and lacks one is lost.
        let files = ground.files.saturating_sub(OWN_FILES);
        let most_groups = MOST_GROUPS.min(files / 4);
        let most_clients = MOST_CLIENTS.min((files - most_groups) / 3).max(1);
        Ok(Self {
            sleep: SleepWatch::new(ground.clock),
            ground,
            listener,
            signals,
            own_user: rustix::process::geteuid().as_raw(),
            table: Table::new(most_groups),
            connections: Vec::new(),
            most_clients,
            accept_after: Duration::ZERO,
            idle_since: now,
            looked: now,
            is_ending: false,
        })
    }

    /// Serves until there is nothing to do. Everything is forgotten before this returns.
    pub(super) fn run(mut self) -> io::Result<End> {
        loop {
            let now = self.ground.clock.with_sleep();
            if let Some(end) = self.tidy(now) {
                return Ok(end);
            }
            let ready = self.wait(now)?;
            match self.signals.take() {
                Some(Caught::End) => return Ok(End::Told),
                Some(Caught::Hangup) => {
                    self.lock_all();
                }
                None => {}
            }
            let now = self.ground.clock.with_sleep();
            // What has slept has forgotten before it answers anybody.
            self.notice_sleep();
            for at in ready.into_iter().rev() {
                if !self.serve(at, now) {
                    self.connections.swap_remove(at);
                }
            }
            self.accept();
        }
    }

    /// Lets go of what is over. Returns why the agent is to end, if it is.
    fn tidy(&mut self, now: Duration) -> Option<End> {
        self.notice_sleep();
        self.table.expire(now);
        let ending = self.is_ending;
        let stays = |connection: &Connection| {
            now < connection.deadline
                && (!ending || matches!(connection.state, State::Reply { .. }))
        };
        self.connections.retain(stays);
        if !self.connections.is_empty() || !self.table.entries().is_empty() {
            self.idle_since = now;
        }
        if self.is_ending && self.connections.is_empty() {
            return Some(End::Told);
        }
        if now.saturating_sub(self.looked) >= TICK {
            self.looked = now;
            if !(self.ground.is_in_place)() {
                return Some(End::Replaced);
            }
            if !self.table.entries().is_empty() && (self.ground.is_screen_locked)() {
                self.lock_all();
            }
        }
        (now.saturating_sub(self.idle_since) >= LINGER).then_some(End::Idle)
    }

    fn notice_sleep(&mut self) {
        if self.sleep.has_slept(self.ground.clock) {
            self.lock_all();
        }
    }

    /// Forgets everything. Returns how many groups that were.
    fn lock_all(&mut self) -> usize {
        self.refuse_coming(|_| true);
        self.table.lock_all()
    }

    /// Takes nothing more of what is just coming in: it was asked for before it was to be
    /// forgotten. (threat H12)
    fn refuse_coming(&mut self, which: impl Fn(&Accepted) -> bool) {
        let is_meant = |(coming, _): (&Accepted, _)| !coming.put.vars.is_empty() && which(coming);
        for connection in &mut self.connections {
            if connection.coming().is_some_and(is_meant) {
                connection.end();
            }
        }
    }

    fn may_accept(&self, now: Duration) -> bool {
        !self.is_ending && now >= self.accept_after
    }

    /// Waits until there is something to do. Returns which connections can go on.
    fn wait(&self, now: Duration) -> io::Result<Vec<usize>> {
        let deadlines = self.connections.iter().map(|connection| connection.deadline);
        let others = [self.table.next_deadline(), Some(now.saturating_add(TICK))];
        let mut next = deadlines.chain(others.into_iter().flatten()).min().unwrap_or(now);
        if self.accept_after > now {
            next = next.min(self.accept_after);
        }
        // A millisecond more, so as not to wake up right before the deadline.
        let pause = next.saturating_sub(now).saturating_add(Duration::from_millis(1));
        let pause = Timespec::try_from(pause).map_err(io::Error::other)?;
        let mut fds = Vec::with_capacity(self.connections.len() + 8);
        for connection in &self.connections {
            let flags = if connection.wants_to_read() { PollFlags::IN } else { PollFlags::OUT };
            fds.push(PollFd::from_borrowed_fd(connection.as_fd(), flags));
        }
        fds.push(PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN));
        for entry in self.table.entries() {
            fds.push(PollFd::from_borrowed_fd(entry.exit().as_fd(), PollFlags::IN));
        }
        if self.may_accept(now) {
            fds.push(PollFd::from_borrowed_fd(self.listener.as_fd(), PollFlags::IN));
        }
        match poll(&mut fds, Some(&pause)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let count = self.connections.len();
        let ready = fds.iter().take(count).enumerate();
        Ok(ready.filter(|(_, fd)| !fd.revents().is_empty()).map(|(at, _)| at).collect())
    }

    /// Accepts some of those who wait; the next turn of the loop comes at once if there are more.
    fn accept(&mut self) {
        for _ in 0..AT_ONCE {
            let now = self.ground.clock.with_sleep();
            if !self.may_accept(now) {
                return;
            }
            if self.connections.len() >= self.most_clients && !self.make_room(now) {
                self.accept_after = now.saturating_add(Duration::from_millis(10));
                return;
            }
            match self.listener.accept() {
                Ok((stream, _)) => self.take_on(stream, now),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // One that has gone again, or no descriptors left.
                Err(error) if is_passing(&error) => {}
                Err(_) => {
                    self.accept_after = now.saturating_add(BACK_OFF);
                    return;
                }
            }
        }
    }

    fn take_on(&mut self, stream: UnixStream, now: Duration) {
        let connection = Connection::new(self.ground.kernel, stream, self.own_user, now);
        let Some(connection) = connection else { return };
        self.connections.push(connection);
        // Mostly the request is there already.
        let at = self.connections.len() - 1;
        if !self.serve(at, now) {
            self.connections.swap_remove(at);
        }
    }

    /// Closes the connection that has waited for its client for longest.
    fn make_room(&mut self, now: Duration) -> bool {
        let limit = now.saturating_add(super::connection::PATIENCE).saturating_sub(PROMPT);
        let slow = self.connections.iter().enumerate().filter(|(_, connection)| {
            !matches!(connection.state, State::Sending { .. }) && connection.deadline <= limit
        });
        let Some((at, _)) = slow.min_by_key(|(_, connection)| connection.deadline) else {
            return false;
        };
        self.connections.swap_remove(at);
        true
    }

    /// Keeps unfinished requests within bounds, however many there are: the largest goes.
    fn bound_buffers(&mut self) {
        let mut held: usize = self.connections.iter().map(Connection::buffered).sum();
        while held > MOST_BUFFERED {
            let Some(largest) = self.connections.iter_mut().max_by_key(|one| one.buffered()) else {
                return;
            };
            held -= largest.buffered();
            largest.end();
        }
    }

    /// Lets a connection go on. Tells whether it is to stay.
    fn serve(&mut self, at: usize, now: Duration) -> bool {
        loop {
            let Some(connection) = self.connections.get_mut(at) else { return false };
            match connection.go_on() {
                Progress::Waits => {
                    // Most requests come whole.
                    if connection.buffered() > 0 {
                        self.bound_buffers();
                    }
                    return true;
                }
                Progress::Ends => return false,
                Progress::OtherVersion => {
                    // Whoever is newer starts another one. (threat G13)
                    if !self.may_stop(at) {
                        return false;
                    }
                    self.lock_all();
                    self.is_ending = true;
                    self.answer(at, &Reply::Refused(Refusal::Malformed), None, now);
                }
                Progress::Request(request) => {
                    let Some((reply, next)) = self.request(at, request, now) else {
                        return false;
                    };
                    self.answer(at, &reply, next, now);
                }
                Progress::Ready(entries) => {
                    // The client has gone blind for others meanwhile; it must be the same still.
                    if self.client(at).is_none() {
                        return false;
                    }
                    if let Some(connection) = self.connections.get_mut(at) {
                        connection.state = State::Sending { entries, written: 0 };
                    }
                }
                // It stays while there is more to write.
                Progress::Sends => return self.send(at, now).is_ok_and(|is_all| !is_all),
                Progress::Values(accepted, values) => {
                    let Accepted { put, scope, session, exit } = *accepted;
                    let Put { idle, max, wanted, vars, .. } = put;
                    let new = New { scope, session, wanted, vars, values, idle, max, exit };
                    self.table.put(new, now);
                    self.answer(at, &Reply::Done(1), None, now);
                }
            }
        }
    }

    fn answer(&mut self, at: usize, reply: &Reply, next: Option<State>, now: Duration) {
        if let Some(connection) = self.connections.get_mut(at) {
            connection.reply(reply, next, now);
        }
    }

    /// Writes as many values as go. Tells whether that was all of them.
    fn send(&mut self, at: usize, now: Duration) -> io::Result<bool> {
        let Some(connection) = self.connections.get_mut(at) else { return Ok(true) };
        let State::Sending { mut entries, mut written } =
            std::mem::replace(&mut connection.state, State::Ready(Vec::new()))
        else {
            return Ok(true);
        };
        while let Some(id) = entries.first().copied() {
            // Looked up each time: it may have been locked since.
            let gone = || io::Error::from(ErrorKind::NotFound);
            let values = self.table.values(id, now).ok_or_else(gone)?;
            let rest = values.get(written..).unwrap_or_default();
            if rest.is_empty() {
                entries.remove(0);
                written = 0;
                continue;
            }
            match connection.send(rest) {
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    connection.state = State::Sending { entries, written };
                    return Ok(false);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// The client, if it is still the one that connected.
    fn client(&self, at: usize) -> Option<Process> {
        self.connections.get(at)?.client(self.ground.kernel)
    }
}

/// Tells whether accepting may simply go on.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted)
}
