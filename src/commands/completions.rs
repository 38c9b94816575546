//! `mima completions`: a script for the shell, generated from the clap types.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::{Cli, Completions};
use crate::error::Result;
use crate::term;

/// How the line of `secret add`'s value starts in zsh's script.
const HIDDEN: &[u8] = b"'::value -- ";

pub(super) fn run(args: &Completions) -> Result<()> {
    term::print(&script(args.shell))
}

/// Makes the script for a shell.
pub(super) fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mima", &mut script);
    // zsh's generator offers hidden arguments too; a value is never to be typed there.
    let lines = script.split_inclusive(|byte| *byte == b'\n');
    lines.filter(|line| !line.starts_with(HIDDEN)).flatten().copied().collect()
}
