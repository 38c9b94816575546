//! `mima completions`: a script for the shell, generated from the clap types.

use clap::CommandFactory;

use crate::cli::{Cli, Completions};
use crate::error::Result;
use crate::term;

pub(super) fn run(args: &Completions) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "mima", &mut script);
    term::print(&script)
}
