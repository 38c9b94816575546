//! What mima asks of its session agent.
//!
//! Nothing depends on the agent: where it is not there, does not answer in time or answers
//! nonsense, the caller asks the person instead. (threat G6)

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use zeroize::Zeroizing;

use super::socket::{PATIENCE, Place};
use super::start;
use super::wire::{
    Fault, HEADER, Header, LARGEST_GROUP, Put, READY, Refusal, Reply, Request, Status, Vars, Wanted,
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

    /// Gets all values of the groups, in their order. `None` if the agent does not have all of
    /// them for this process, or is not there.
    pub fn get(
        &self,
        wanted: Vec<Wanted>,
        is_use: bool,
    ) -> Result<Option<Vec<(GroupName, Values)>>> {
        let Some(mut agent) = self.connect()? else { return Ok(None) };
        // The agent looks at who is asking, and is not to see less of an honest process than of
        // any other. Nothing secret is here yet.
        sys::process::set_dumpable(true);
        let reply = agent.ask(&Request::Get { wanted, is_use });
        sys::process::set_dumpable(false);
        match reply? {
            Some(Reply::Found(groups)) => {
                agent.write(&[READY])?;
                let read = |(group, vars): (GroupName, Vars)| Ok((group, agent.values(vars)?));
                groups.into_iter().map(read).collect::<Result<_>>().map(Some)
            }
            Some(Reply::Miss) | None => Ok(None),
            Some(_) => Err(nonsense()),
        }
    }

    /// Lets the agent keep values, and starts `program` as the agent if there is none.
    pub fn put(&self, put: &Put, values: &[&Secret], program: &Path) -> Result<Kept> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(mut agent) = self.connect()? {
                // One that is just ending, or of another version, is gone in a moment.
                if let Ok(Some(reply)) = agent.ask(&Request::Put(put.clone())) {
                    return match reply {
                        Reply::Send => agent.send(values),
                        Reply::Refused(why) => Ok(Kept::No(why)),
                        _ => Err(nonsense()),
                    };
                }
            }
            start::start(&self.place, program)?;
            std::thread::sleep(std::time::Duration::from_millis(5));
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
        let Some(mut agent) = self.connect()? else { return Ok(None) };
        match agent.ask(request)? {
            Some(Reply::Refused(Refusal::Stranger)) => Err(Failure::failed(
                "the session agent does not do that in what `mima run --grant` or `--scrub` has started",
            )),
            Some(reply) => read(&reply).ok_or_else(nonsense).map(Some),
            // It has been ended by being asked in another version.
            None => Ok(None),
        }
    }

    fn connect(&self) -> Result<Option<Agent>> {
        let stream = self.place.connect()?;
        Ok(stream.map(|stream| Agent { stream, start: Instant::now() }))
    }
}

const NO_ANSWER: &str = "the session agent gave no answer";

fn is_end(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
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
    /// Sends a request and reads the reply. `None` if the agent ends: because it is of another
    /// version, perhaps.
    fn ask(&mut self, request: &Request) -> Result<Option<Reply>> {
        let frame =
            request.encode().ok_or_else(|| Failure::failed("that is too much for the agent"))?;
        self.write(&frame)?;
        let mut header = [0; HEADER];
        self.set_patience()?;
        match self.stream.read_exact(&mut header) {
            // It was just about to end.
            Err(error) if is_end(&error) => return Ok(None),
            read => read.context(NO_ANSWER)?,
        }
        let header = match Header::decode(&header) {
            Ok(header) => header,
            Err(Fault::Version(_)) => return Ok(None),
            Err(Fault::Malformed) => return Err(nonsense()),
        };
        let mut payload = vec![0; header.len];
        self.read(&mut payload)?;
        Reply::decode(header, &payload).map(Some).map_err(|_| nonsense())
    }

    /// Reads values, each straight to where it stays.
    fn values(&mut self, vars: Vars) -> Result<Values> {
        let mut values = Vec::with_capacity(vars.len());
        for (name, len) in vars {
            let len = usize::try_from(len).ok().filter(|len| *len <= LARGEST_GROUP);
            let mut value = Zeroizing::new(vec![0; len.ok_or_else(nonsense)?]);
            self.read(&mut value)?;
            values.push((name, Secret::new(std::mem::take(&mut *value))));
        }
        Ok(values)
    }

    fn send(&mut self, values: &[&Secret]) -> Result<Kept> {
        for value in values {
            self.write(value.expose())?;
        }
        let mut header = [0; HEADER];
        self.read(&mut header)?;
        let header = Header::decode(&header).map_err(|_| nonsense())?;
        let mut payload = vec![0; header.len];
        self.read(&mut payload)?;
        match Reply::decode(header, &payload) {
            Ok(Reply::Done(_)) => Ok(Kept::Yes),
            Ok(Reply::Refused(why)) => Ok(Kept::No(why)),
            _ => Err(nonsense()),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.set_patience()?;
        self.stream.write_all(bytes).context("could not ask the session agent")
    }

    fn read(&mut self, into: &mut [u8]) -> Result<()> {
        self.set_patience()?;
        self.stream.read_exact(into).context(NO_ANSWER)
    }

    /// Lets the next call wait for what is left of the time for all of them, more or less: a
    /// single read may take several calls.
    fn set_patience(&mut self) -> Result<()> {
        let what = "could not ask the session agent";
        let left = PATIENCE.saturating_sub(self.start.elapsed());
        if left.is_zero() {
            return Err(Failure::failed("the session agent did not answer in time"));
        }
        self.stream.set_read_timeout(Some(left)).context(what)?;
        self.stream.set_write_timeout(Some(left)).context(what)
    }
}
