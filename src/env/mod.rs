//! Environments: what a child inherits and gets, what execve takes, and the way from the
//! environment of a shell to the one that a project asks for, and back.

pub mod diff;
pub mod flake;
mod limits;
mod merge;
pub mod state;

pub use limits::check_size;
pub use merge::{Environment, Inherit, SCRUB_KEEPS};

use std::collections::BTreeMap;
use std::ffi::OsString;

/// The variables of an environment, each once, sorted.
pub type Vars = BTreeMap<OsString, OsString>;
