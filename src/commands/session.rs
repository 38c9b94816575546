//! `mima session`: status, stop, install, serve.

mod install;

use crate::cli::Session as Verb;
use crate::error::{Failure, Result};
use crate::flow::Mima;

pub(super) fn run(mima: &Mima, verb: &Verb) -> Result<()> {
    match verb {
        Verb::Status(_) | Verb::Stop | Verb::Serve(_) => Err(Failure::failed("not there yet")),
        Verb::Install(args) => install::run(mima, args),
    }
}
