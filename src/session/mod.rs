//! The session agent: one proof of presence, and then quiet, in this shell only.
//!
//! The same program, started as `mima session serve`, keeps the values of groups that were
//! unlocked in protected memory, and hands them to processes that the kernel says belong to the
//! same shell. mima asks it before it asks a person, and pushes what the person has unlocked.
//!
//! | file | what is there |
//! |---|---|
//! | `wire` | messages and their bytes |
//! | `scope` | whose a request is |
//! | `table` | what is unlocked, for whom, until when |
//! | `clock` | deadlines go on while the machine sleeps |
//! | `connection` `server` | the agent |
//! | `socket` `start` `client` | finding it, starting it, asking it |
//!
//! What it cannot do: a program of the same user can type into a terminal or trace a shell
//! where the system lets it. It raises the cost of taking secrets unseen; it is no boundary.

mod client;
pub mod clock;
mod connection;
pub mod scope;
mod serve;
mod server;
mod socket;
mod start;
mod table;
pub mod wire;

pub use client::{Client, Kept, Values};
pub use serve::{How, serve, words};
pub use socket::Place;
pub use start::INHERITED;
