//! `mima session install`: lets systemd or launchd start the agent.

use crate::cli::SessionInstall;
use crate::error::{Failure, Result};
use crate::flow::Mima;

pub(super) fn run(_mima: &Mima, _args: &SessionInstall) -> Result<()> {
    Err(Failure::failed("not there yet"))
}
