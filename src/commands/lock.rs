//! `mima lock`: forgets what was unlocked.

use crate::cli::Lock;
use crate::error::{Failure, Result};
use crate::flow::Mima;

pub(super) fn run(_mima: &Mima, _args: &Lock) -> Result<()> {
    Err(Failure::failed("not there yet"))
}
