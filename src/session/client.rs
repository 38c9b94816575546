//! What mima asks of its session agent.
//!
//! Nothing depends on the agent: where it is not there, does not answer in time or answers
//! nonsense, the caller asks the person instead. (threat G6)

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::socket::{PATIENCE, Place};
use super::start;
use super::wire::{
    Fault, HEADER, Header, LARGEST_GROUP, Put, READY, Refusal, Reply, Request, Status, Vars,
    Wanted, Whose,
};
use crate::error::{Context, Failure, Result};
use crate::names::{GroupName, VarName};
use crate::secret::Secret;
use crate::sys;

/// The values of one group.
pub type Values = Vec<(VarName, Secret)>;

/// What became of values that the agent was to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It keeps them.
    Yes,
    /// It does not, for this reason.
    No(Refusal),
}

/// Asks the agent.
pub struct Client {
    place: Place,
}

impl Client {
    /// Asks the agent at `place`.
    pub fn new(place: Place) -> Self {
        Self { place }
    }

    /// Gets all values of the groups, in their order, of what is unlocked `within`. `None` if the
    /// agent does not have all of them for this process, or is not there.
    pub fn get(
        &self,
        wanted: Vec<Wanted>,
        within: Whose,
        is_use: bool,
    ) -> Result<Option<Vec<(GroupName, Values)>>> {
        // The agent looks at who is asking as soon as they connect, and is not to see less of an
        // honest process than of any other. Nothing secret is here yet.
        let names: Vec<_> = wanted.iter().map(|wanted| wanted.group.clone()).collect();
        sys::process::set_dumpable(true);
        let asked = self.ask(&Request::Get { wanted, within, is_use });
        sys::process::set_dumpable(false);
        let Some((mut agent, reply)) = asked? else { return Ok(None) };
        match reply {
            Reply::Found(groups) if groups.iter().map(|(group, _)| group).eq(&names) => {
                agent.write(&[READY]).context(NO_ANSWER)?;
                let read = |(group, vars): (GroupName, Vars)| Ok((group, agent.values(vars)?));
                groups.into_iter().map(read).collect::<Result<_>>().map(Some)
            }
            Reply::Miss => Ok(None),
            _ => Err(nonsense()),
        }
    }

    /// Lets the agent keep values, and starts one if there is none.
    pub fn put(&self, put: &Put, values: &[&Secret]) -> Result<Kept> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            // One that is just ending, or of another version, is gone in a moment.
            if let Some((mut agent, reply)) = self.ask(&Request::Put(put.clone()))? {
                return match reply {
                    Reply::Send => agent.send(values),
                    Reply::Refused(why) => Ok(Kept::No(why)),
                    _ => Err(nonsense()),
                };
            }
            start::start(&self.place)?;
            std::thread::sleep(MOMENT);
        }
        Err(Failure::failed("the session agent did not answer"))
    }

    /// Asks for the state. `None` if there is no agent.
    pub fn status(&self) -> Result<Option<Status>> {
        self.simple(&Request::Status, |reply| match reply {
            Reply::Status(status) => Some(status.clone()),
            _ => None,
        })
    }

    /// Lets the agent forget what this terminal may use, or everything. Returns how many groups
    /// that were; `None` if there is no agent.
    pub fn lock(&self, all: bool) -> Result<Option<u32>> {
        self.simple(&Request::Lock { all }, done)
    }

    /// Ends the agent. Returns how many groups were unlocked; `None` if there is no agent.
    pub fn stop(&self) -> Result<Option<u32>> {
        self.simple(&Request::Stop, done)
    }

    fn simple<T>(
        &self,
        request: &Request,
        read: impl Fn(&Reply) -> Option<T>,
    ) -> Result<Option<T>> {
        let start = Instant::now();
        loop {
            match self.ask(request)? {
                Some((_, Reply::Refused(Refusal::Stranger))) => {
                    return Err(Failure::failed(
                        "the session agent does not do that in what `mima run --grant` or `--scrub` has started",
                    ));
                }
                Some((_, reply)) => return read(&reply).ok_or_else(nonsense).map(Some),
                // Only one that is gone has nothing any more.
                None if self.place.connect()?.is_none() => return Ok(None),
                None if start.elapsed() < PATIENCE => std::thread::sleep(MOMENT),
                None => return Err(Failure::failed("the session agent refuses to answer")),
            }
        }
    }

    /// Asks the agent that there is. `None` if there is none, or it ends: because it is of
    /// another version, perhaps.
    fn ask(&self, request: &Request) -> Result<Option<(Agent, Reply)>> {
        let Some(stream) = self.place.connect()? else { return Ok(None) };
        let mut agent = Agent { stream, start: Instant::now() };
        let Some(reply) = agent.ask(request)? else { return Ok(None) };
        // Not before: macOS only knows who has used the other end last. A request is no secret.
        sys::peer::check_same_program(&agent.stream)
            .context("that is not mima's own session agent")
            .map_err(|failure| failure.hint("after an upgrade: mima session stop"))?;
        Ok(Some((agent, reply)))
    }
}

/// How long to wait for an agent that is just ending, or starting.
const MOMENT: Duration = Duration::from_millis(5);
const NO_ANSWER: &str = "the session agent gave no answer";

fn is_end(error: &io::Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | BrokenPipe)
}

fn done(reply: &Reply) -> Option<u32> {
    if let Reply::Done(count) = reply { Some(*count) } else { None }
}

fn nonsense() -> Failure {
    Failure::failed("the session agent answers nonsense").hint("mima session stop")
}

/// The agent, while one request lasts.
struct Agent {
    stream: UnixStream,
    start: Instant,
}

impl Agent {
    /// Sends a request and reads the reply. `None` if the agent ends.
    fn ask(&mut self, request: &Request) -> Result<Option<Reply>> {
        let frame =
            request.encode().ok_or_else(|| Failure::failed("that is too much for the agent"))?;
        let mut header = [0; HEADER];
        match self.write(&frame).and_then(|()| self.read(&mut header)) {
            // It was just about to.
            Err(error) if is_end(&error) => return Ok(None),
            done => done.context(NO_ANSWER)?,
        }
        match Header::decode(&header) {
            Ok(header) => self.payload(header).map(Some),
            Err(Fault::Version(_)) => Ok(None),
            Err(Fault::Malformed) => Err(nonsense()),
        }
    }

    fn payload(&mut self, header: Header) -> Result<Reply> {
        let mut payload = vec![0; header.len];
        self.read(&mut payload).context(NO_ANSWER)?;
        Reply::decode(header, &payload).map_err(|_| nonsense())
    }

    /// Reads the values of a group, each straight to where it stays.
    fn values(&mut self, vars: Vars) -> Result<Values> {
        let mut room = LARGEST_GROUP;
        let mut values = Vec::with_capacity(vars.len());
        for (name, len) in vars {
            let len = usize::try_from(len).map_err(|_| nonsense())?;
            room = room.checked_sub(len).ok_or_else(nonsense)?;
            values.push((name, Zeroizing::new(vec![0; len])));
        }
        let mut into: Vec<_> =
            values.iter_mut().map(|(_, value)| IoSliceMut::new(value.as_mut_slice())).collect();
        self.read_all(&mut into).context(NO_ANSWER)?;
        let secret = |mut value: Zeroizing<Vec<u8>>| Secret::new(std::mem::take(&mut *value));
        Ok(values.into_iter().map(|(name, value)| (name, secret(value))).collect())
    }

    fn send(&mut self, values: &[&Secret]) -> Result<Kept> {
        let mut values: Vec<_> = values.iter().map(|value| IoSlice::new(value.expose())).collect();
        self.write_all(&mut values).context(NO_ANSWER)?;
        let mut header = [0; HEADER];
        self.read(&mut header).context(NO_ANSWER)?;
        match self.payload(Header::decode(&header).map_err(|_| nonsense())?)? {
            Reply::Done(_) => Ok(Kept::Yes),
            Reply::Refused(why) => Ok(Kept::No(why)),
            _ => Err(nonsense()),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(&mut [IoSlice::new(bytes)])
    }

    fn write_all(&mut self, mut parts: &mut [IoSlice]) -> io::Result<()> {
        IoSlice::advance_slices(&mut parts, 0);
        while !parts.is_empty() {
            let count = self.within_patience(|stream, left| {
                stream.set_write_timeout(Some(left))?;
                stream.write_vectored(parts)
            })?;
            IoSlice::advance_slices(&mut parts, count);
        }
        Ok(())
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<()> {
        self.read_all(&mut [IoSliceMut::new(into)])
    }

    fn read_all(&mut self, mut parts: &mut [IoSliceMut]) -> io::Result<()> {
        IoSliceMut::advance_slices(&mut parts, 0);
        while !parts.is_empty() {
            let count = self.within_patience(|stream, left| {
                stream.set_read_timeout(Some(left))?;
                stream.read_vectored(parts)
            })?;
            IoSliceMut::advance_slices(&mut parts, count);
        }
        Ok(())
    }

    /// Lets one call move some bytes, within what is left of the time for all of them: an agent
    /// that gives a byte now and then is no better than one that gives none.
    fn within_patience(
        &mut self,
        mut call: impl FnMut(&mut UnixStream, Duration) -> io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            let left = PATIENCE.saturating_sub(self.start.elapsed());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            match call(&mut self.stream, left) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // So the kernel says that the time is over.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Err(ErrorKind::TimedOut.into());
                }
                done => return done,
            }
        }
    }
}
