//! `mima run`: becomes a command that has the secrets of a group.

use std::ffi::OsString;

use crate::cli::Run;
use crate::env::{Environment, Inherit};
use crate::error::{Failure, Kind, Result};
use crate::flow::{Mima, Wanted, find};
use crate::names::VarName;
use crate::term;

/// How much of the command a prompt shows, in characters.
const SHOWN: usize = 60;

pub(super) fn run(mima: &Mima, args: &Run) -> Result<()> {
    let inherit = inherit(args)?;
    if args.grant.is_some() {
        return Err(Failure::failed("not there yet"));
    }
    let wanted = Wanted::resolve(mima, &args.groups)?;
    if args.command.is_empty() {
        return term::print_lines(wanted.variables());
    }
    let store = mima.store()?;
    wanted.check_exist(&*store)?;
    // No group can set PATH, so the command is found before anybody is asked.
    let bare = Environment::merge(std::env::vars_os(), &inherit, Vec::new());
    let command = find(&args.command, bare.get("PATH"))?;
    let secrets = wanted.read(&*store, "run", &shown(&args.command))?;
    let environment = Environment::merge(std::env::vars_os(), &inherit, secrets);
    match command.exec(&environment)? {}
}

fn inherit(args: &Run) -> Result<Inherit> {
    if !args.scrub {
        return Ok(Inherit::All);
    }
    let keep = args.keep.iter().map(|name| kept(name)).collect::<Result<_>>()?;
    Ok(Inherit::Only(keep))
}

fn kept(name: &str) -> Result<VarName> {
    let name = VarName::parse(name)?;
    if name.is_own() {
        return Err(Failure::new(
            Kind::Usage,
            format!("`--keep {name}`: mima's own variables reach no scrubbed command"),
        ));
    }
    Ok(name)
}

/// Renders a command for the prompt.
fn shown(command: &[OsString]) -> String {
    let words: Vec<_> = command.iter().map(|word| word.to_string_lossy()).collect();
    let line = words.join(" ");
    let mut shown: String = line.chars().take(SHOWN).collect();
    if shown.len() < line.len() {
        shown.push('…');
    }
    shown
}
