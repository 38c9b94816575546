//! The verbs, one file each; and the one place that turns their outcome into an exit status.

mod allow;
mod complete;
mod completions;
mod deny;
mod doctor;
mod edit;
mod env;
mod exec;
mod explain;
mod export;
mod group;
mod hook;
mod import;
mod init;
mod lock;
mod man;
mod prune;
mod run;
mod schema;
mod secret;
mod session;
mod set;
mod status;
mod unlock;
mod usage;
mod vault;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Verb};
use crate::error::{self, Result};
use crate::flow::Mima;
use crate::paths::Paths;
use crate::prompt::{Asking, Prompter};
use crate::session::INHERITED;
use crate::{sys, term};

/// What mima's own failures exit with.
const FAILED: u8 = 1;
/// The same under `run`, as env(1), so that a caller can tell them from the command's.
const RUN_FAILED: u8 = 125;

/// Parses the command line, runs the verb, prints a failure, and returns the exit status.
pub fn main() -> ExitCode {
    // The message of a panic may hold what was being worked on. (threat I8)
    std::panic::set_hook(Box::new(|panic| term::note(&error::of_panic(panic.location()))));
    sys::process::protect_memory();
    let (outcome, own) = if std::env::args_os().skip(1).eq(INHERITED) {
        // Reading a command line takes memory that the agent would keep for as long as it runs.
        (session::run_inherited(), FAILED)
    } else {
        parse_and_run()
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            term::report(&failure);
            ExitCode::from(failure.exit_code(own))
        }
    }
}

/// Returns what came of it, and what mima's own failures exit with.
fn parse_and_run() -> (Result<()>, u8) {
    match Cli::try_parse() {
        Ok(cli) => {
            let own =
                if matches!(cli.verb, Verb::Run(_) | Verb::Exec(_)) { RUN_FAILED } else { FAILED };
            (dispatch(cli), own)
        }
        Err(error) => usage::explain(&error, std::env::args_os()),
    }
}

fn dispatch(cli: Cli) -> Result<()> {
    let mima = |asking| -> Result<Mima> {
        Ok(Mima::new(Paths::from_env(cli.as_root)?, Prompter::from_env(asking)))
    };
    let unless = |no_prompt| if no_prompt { Asking::Forbidden } else { Asking::Allowed };
    match cli.verb {
        Verb::Set(args) => set::run(&mima(Asking::Allowed)?, &args),
        Verb::Secret(verb) => secret::run(&mima(Asking::Allowed)?, &verb),
        Verb::Group(verb) => group::run(&mima(Asking::Allowed)?, &verb),
        Verb::Run(args) => run::run(&mima(unless(args.no_prompt))?, &args),
        Verb::Unlock(args) => unlock::run(&mima(Asking::Allowed)?, &args),
        Verb::Lock(args) => lock::run(&mima(Asking::Forbidden)?, &args),
        Verb::Session(verb) => session::run(&mima(Asking::Forbidden)?, &verb),
        Verb::Env(args) => env::run(&mima(unless(args.no_prompt))?, &args),
        Verb::Hook(args) => hook::run(&mima(Asking::Allowed)?, &args),
        Verb::Init => init::run(&mima(Asking::Allowed)?),
        Verb::Import(args) => import::run(&mima(Asking::Allowed)?, &args),
        Verb::Allow(args) => allow::run(&mima(Asking::Allowed)?, &args),
        Verb::Deny(args) => deny::run(&mima(Asking::Allowed)?, &args),
        Verb::Edit(args) => edit::run(&mima(Asking::Allowed)?, &args),
        Verb::Prune => prune::run(&mima(Asking::Allowed)?),
        Verb::Status(args) => status::run(&mima(Asking::Allowed)?, &args),
        Verb::Explain(args) => explain::run(&mima(Asking::Forbidden)?, &args),
        // Whatever is wrong with the places of mima's files is a finding.
        Verb::Doctor(args) => doctor::run(&mima(Asking::Forbidden), &args),
        Verb::Off => hook::missing("off"),
        Verb::On => hook::missing("on"),
        Verb::Reload => hook::missing("reload"),
        Verb::Exec(args) => exec::run(&mima(Asking::Allowed)?, &args),
        Verb::Export(args) => {
            export::run(&mima(if args.typed { Asking::InHook } else { Asking::Forbidden })?, &args)
        }
        Verb::Vault(verb) => vault::run(&mima(Asking::Allowed)?, &verb),
        Verb::Completions(args) => completions::run(&args),
        Verb::Complete(args) => complete::run(&mima(Asking::Forbidden)?, &args),
        Verb::Schema(args) => schema::run(&args),
        Verb::Man => man::run(),
    }
}
