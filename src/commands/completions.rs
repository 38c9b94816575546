//! `mima completions`: a script for the shell, generated from the clap types.
//!
//! What is generated knows verbs and flags; names it gets from `mima complete`, by the functions
//! of `shells/complete.*`.

use clap::{Command, CommandFactory};
use clap_complete::Shell;

use crate::cli::{Cli, Completions};
use crate::error::Result;
use crate::term;

pub(super) fn run(args: &Completions) -> Result<()> {
    term::print(script(args.shell).as_bytes())
}

/// Makes the script for a shell.
pub(super) fn script(shell: Shell) -> String {
    let mut command = Cli::command();
    command.build();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut visible(&command), "mima", &mut script);
    let script = String::from_utf8_lossy(&script);
    match shell {
        Shell::Bash => {
            let script = script.replace("complete -F _mima ", "complete -F _mima_live ");
            let own = include_str!("../../shells/complete.bash").trim_start_matches(DIRECTIVE);
            put_before(&script, "\nif [[ \"${BASH_VERSINFO", own)
        }
        Shell::Zsh => {
            let script = script.replacen("_mima() {\n", "_mima() {\n    _mima_live && return\n", 1);
            let own = include_str!("../../shells/complete.zsh");
            put_before(&script, "\nif [ \"$funcstack[1]\"", own)
        }
        Shell::Fish => [&script, include_str!("../../shells/complete.fish")].concat(),
        _ => script.into_owned(),
    }
}

/// What tells a linter which shell a file is for.
const DIRECTIVE: &str = "# shellcheck shell=bash\n";

/// Puts text before the last place where another begins.
fn put_before(script: &str, mark: &str, text: &str) -> String {
    let (before, after) = script.split_at(script.rfind(mark).unwrap_or(script.len()));
    [before, text, after].concat()
}

/// Copies a command without what is hidden: the generators of some shells would show it.
fn visible(command: &Command) -> Command {
    let args = command.get_arguments().filter(|arg| !arg.is_hide_set());
    // What clap adds by itself it adds to the copy, too.
    let args = args.filter(|arg| !["help", "version"].contains(&arg.get_id().as_str()));
    let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    let verbs = verbs.filter(|verb| verb.get_name() != "help");
    // clap lends its names out for less long than it wants them; a script is made only once.
    let name: &'static str = Box::leak(command.get_name().to_owned().into_boxed_str());
    let mut copy = Command::new(name).args(args.cloned()).subcommands(verbs.map(visible));
    if let Some(about) = command.get_about() {
        copy = copy.about(about.clone());
    }
    if command.get_version().is_some() {
        copy = copy.version(env!("CARGO_PKG_VERSION"));
    }
    copy
}
