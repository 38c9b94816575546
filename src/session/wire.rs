//! What mima and its session agent say to each other: bytes to messages and back. Pure.
//!
//! ```text
//! "mima" | major: 1 byte | kind: 1 byte | length: 4 bytes, big-endian | payload
//! ```
//!
//! One connection carries one request. Values are in no frame: they follow as bare bytes, once
//! the agent has said [`Reply::Send`], or once it was told [`READY`] after [`Reply::Found`]. So
//! they go straight into protected memory, and straight out of it. Each message has exactly one
//! form in bytes. (threats: G7, G8, G13, G14)

mod payload;

use std::time::Duration;

use crate::names::{GroupName, VarName};
use payload::{Reader, Writer, read};

/// The version of everything below. Whoever gets another one answers nothing else.
pub const MAJOR: u8 = 1;
/// How long a payload may be, in bytes.
pub const LARGEST: usize = 64 << 10;
/// The length of what stands before the payload.
pub const HEADER: usize = 10;
/// Says that values may come now.
pub const READY: u8 = b'!';
/// How many bytes all values of one group may have: as many as an environment takes.
pub const LARGEST_GROUP: usize = 6 << 20;

const MAGIC: &[u8; 4] = b"mima";

/// A digest.
pub type Digest = [u8; 16];

/// The variables of a group, and how long the value of each is.
pub type Vars = Vec<(VarName, u32)>;

/// A group in the state that the client knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub group: GroupName,
    /// Which group of that name: from which store, with which secrets.
    pub source: Digest,
    /// The state of those secrets in that store: another one after each change.
    pub state: Digest,
}

/// Whose an unlock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The shell's that the client was typed in; kept only if no other mistake is possible.
    Shell,
    /// The same, and a person has asked for it to be kept.
    ShellAsTold,
    /// Everybody's on the terminal.
    Terminal,
    /// The client's own, once it has become another program, and of what that starts.
    Tree,
}

/// Values to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// Whose they are.
    pub whose: Whose,
    /// How long without use.
    pub idle: Duration,
    /// How long at most.
    pub max: Duration,
    /// Which group, in which state.
    pub wanted: Wanted,
    /// What values follow.
    pub vars: Vars,
}

/// What the client asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// All values of these groups, or nothing.
    Get {
        /// The groups.
        wanted: Vec<Wanted>,
        /// What of that which was unlocked counts: for the shell alone, for all of the terminal
        /// too, or only what was granted to a tree, which always counts.
        within: Whose,
        /// Whether that counts as use.
        is_use: bool,
    },
    /// To keep values.
    Put(Put),
    /// To forget what this terminal may use, or everything.
    Lock {
        /// Everything.
        all: bool,
    },
    /// What is known here.
    Status,
    /// To forget everything, and end.
    Stop,
}

/// Why the agent does not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request makes no sense.
    Malformed,
    /// Of this client the agent keeps nothing by itself.
    Stranger,
    /// No memory that would be safe is left.
    NoMemory,
    /// The screen is locked.
    ScreenLocked,
}

/// What is unlocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlocked {
    /// The group.
    pub group: GroupName,
    /// For whom.
    pub whose: Whose,
    /// How long still, if nobody uses it.
    pub idle: Duration,
    /// How long still, at most.
    pub max: Duration,
    /// The process at the root, for a tree; else 0.
    pub root: u32,
}

/// The state of the agent, as far as it concerns the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The agent's process.
    pub pid: u32,
    /// How its memory is protected, in words.
    pub memory: String,
    /// What this client may use.
    pub unlocked: Vec<Unlocked>,
    /// How many groups others may use.
    pub elsewhere: u32,
    /// Whether the client runs in a tree that was granted something, or little.
    pub is_granted: bool,
}

/// What the agent answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// All that was wanted is here; the values follow in this order.
    Found(Vec<(GroupName, Vars)>),
    /// It is not, or not for this client.
    Miss,
    /// The values may come.
    Send,
    /// It is done; so many groups were concerned.
    Done(u32),
    /// The state.
    Status(Status),
    /// It is not done.
    Refused(Refusal),
}

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is of another major version: this one.
    Version(u8),
    /// It is no frame.
    Malformed,
}

/// What a request for values can be within, by its number in a frame.
const WITHIN: [Whose; 3] = [Whose::Shell, Whose::Terminal, Whose::Tree];

/// What stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    kind: u8,
    /// How many bytes follow.
    pub len: usize,
}

impl Header {
    /// Reads it.
    pub fn decode(bytes: &[u8; HEADER]) -> Result<Self, Fault> {
        let [m, i, n, a, major, kind, len @ ..] = *bytes;
        if [m, i, n, a] != *MAGIC {
            return Err(Fault::Malformed);
        }
        if major != MAJOR {
            return Err(Fault::Version(major));
        }
        let len = usize::try_from(u32::from_be_bytes(len)).map_err(|_| Fault::Malformed)?;
        if len > LARGEST { Err(Fault::Malformed) } else { Ok(Self { kind, len }) }
    }
}

fn frame(kind: u8, payload: &Writer) -> Option<Vec<u8>> {
    let len = u32::try_from(payload.0.len()).ok()?;
    if payload.0.len() > LARGEST {
        return None;
    }
    let mut frame = Vec::with_capacity(HEADER + payload.0.len());
    frame.extend(MAGIC);
    frame.extend([MAJOR, kind]);
    frame.extend(len.to_be_bytes());
    frame.extend(&payload.0);
    Some(frame)
}

impl Request {
    /// Writes it as a frame; `None` if it is too long for one.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut to = Writer::default();
        let kind = match self {
            Self::Get { wanted, within, is_use } => {
                let within = WITHIN.iter().position(|known| known == within)?;
                to.0.push(u8::from(*is_use) | u8::try_from(within).ok()? << 1);
                to.list(wanted, Writer::wanted);
                1
            }
            Self::Put(put) => {
                to.whose(put.whose);
                to.time(put.idle);
                to.time(put.max);
                to.wanted(&put.wanted);
                to.vars(&put.vars);
                2
            }
            Self::Lock { all } => {
                to.flag(*all);
                3
            }
            Self::Status => 4,
            Self::Stop => 5,
        };
        frame(kind, &to)
    }

    /// Reads the payload that belongs to `header`.
    pub fn decode(header: Header, payload: &[u8]) -> Result<Self, Fault> {
        read(payload, |from| {
            Some(match header.kind {
                1 => {
                    let how = from.byte()?;
                    let within = *WITHIN.get(usize::from(how >> 1))?;
                    Self::Get { is_use: how & 1 == 1, within, wanted: from.list(Reader::wanted)? }
                }
                2 => Self::Put(Put {
                    whose: from.whose()?,
                    idle: from.time()?,
                    max: from.time()?,
                    wanted: from.wanted()?,
                    vars: from.vars()?,
                }),
                3 => Self::Lock { all: from.flag()? },
                4 => Self::Status,
                5 => Self::Stop,
                _ => return None,
            })
        })
    }
}

impl Reply {
    /// Writes it as a frame; `None` if it is too long for one.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut to = Writer::default();
        let kind = match self {
            Self::Found(groups) => {
                to.list(groups, |to, (group, vars)| {
                    to.text(group.as_str());
                    to.vars(vars);
                });
                65
            }
            Self::Miss => 66,
            Self::Send => 67,
            Self::Done(count) => {
                to.number(*count);
                68
            }
            Self::Status(status) => {
                to.number(status.pid);
                to.text(&status.memory);
                to.list(&status.unlocked, |to, unlocked| {
                    to.text(unlocked.group.as_str());
                    to.whose(unlocked.whose);
                    to.time(unlocked.idle);
                    to.time(unlocked.max);
                    to.number(unlocked.root);
                });
                to.number(status.elsewhere);
                to.flag(status.is_granted);
                69
            }
            Self::Refused(refusal) => {
                let at = REFUSALS.iter().position(|known| known == refusal)?;
                to.0.push(u8::try_from(at).ok()?);
                70
            }
        };
        frame(kind, &to)
    }

    /// Reads the payload that belongs to `header`.
    pub fn decode(header: Header, payload: &[u8]) -> Result<Self, Fault> {
        read(payload, |from| {
            Some(match header.kind {
                65 => Self::Found(from.list(|from| Some((from.group()?, from.vars()?)))?),
                66 => Self::Miss,
                67 => Self::Send,
                68 => Self::Done(from.number()?),
                69 => Self::Status(Status {
                    pid: from.number()?,
                    memory: from.text()?.to_owned(),
                    unlocked: from.list(|from| {
                        Some(Unlocked {
                            group: from.group()?,
                            whose: from.whose()?,
                            idle: from.time()?,
                            max: from.time()?,
                            root: from.number()?,
                        })
                    })?,
                    elsewhere: from.number()?,
                    is_granted: from.flag()?,
                }),
                70 => Self::Refused(*REFUSALS.get(usize::from(from.byte()?))?),
                _ => return None,
            })
        })
    }
}

const REFUSALS: [Refusal; 4] =
    [Refusal::Malformed, Refusal::Stranger, Refusal::NoMemory, Refusal::ScreenLocked];

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
