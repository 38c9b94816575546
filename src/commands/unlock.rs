//! `mima unlock`: asks once, and then not again in this shell for a while.

use crate::cli::Unlock;
use crate::error::{Failure, Result};
use crate::flow::Mima;

pub(super) fn run(_mima: &Mima, _args: &Unlock) -> Result<()> {
    Err(Failure::failed("not there yet"))
}
