//! The environment of a child: what it inherits, what a group adds, and what execve takes.

mod limits;
mod merge;

pub use limits::check_size;
pub use merge::{Environment, Inherit, SCRUB_KEEPS};
