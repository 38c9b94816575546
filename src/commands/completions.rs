//! `mima completions`: a script for the shell, generated from the clap types.

use clap::CommandFactory;

use crate::cli::{Cli, Completions};
use crate::error::Result;
use crate::term;

/// How the line of `secret add`'s value starts in zsh's script.
const HIDDEN: &[u8] = b"'::value -- ";

pub(super) fn run(args: &Completions) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "mima", &mut script);
    // zsh's generator offers hidden arguments too; a value is never to be typed there.
    let lines = script.split_inclusive(|byte| *byte == b'\n');
    let shown: Vec<u8> =
        lines.filter(|line| !line.starts_with(HIDDEN)).flatten().copied().collect();
    term::print(&shown)
}
