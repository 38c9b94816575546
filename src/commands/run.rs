//! `mima run`: becomes a command that has the secrets of a group.

use std::ffi::OsString;

use crate::cli::Run;
use crate::env::{Environment, Inherit};
use crate::error::{Failure, Kind, Result};
use crate::flow::{Mima, Purpose, Wanted, find};
use crate::names::VarName;
use crate::store::Store;
use crate::term;

/// How much of the command a prompt shows, in characters.
const SHOWN: usize = 60;

pub(super) fn run(mima: &Mima, args: &Run) -> Result<()> {
    let inherit = inherit(args)?;
    let wanted = Wanted::resolve(mima, &args.groups)?;
    if args.command.is_empty() {
        return term::print_lines(wanted.variables());
    }
    let store = mima.store()?;
    wanted.check_exist(&*store)?;
    let granted = args.grant.as_deref().map(|list| granted(mima, &*store, list)).transpose()?;
    // No group can set PATH, so the command is found before anybody is asked.
    let bare = Environment::merge(std::env::vars_os(), &inherit, Vec::new());
    let command = find(&args.command, bare.get("PATH"))?;
    let who = shown(&args.command);
    let secrets = match granted {
        Some(granted) => mima.session()?.grant(&*store, &granted, &wanted, &who)?,
        None => wanted.read(mima, &*store, &Purpose { verb: "run", who: &who, is_use: true })?,
    };
    if args.scrub {
        mima.session()?.fence(&wanted);
    }
    let environment = Environment::merge(std::env::vars_os(), &inherit, secrets);
    match command.exec(&environment)? {}
}

fn granted(mima: &Mima, store: &dyn Store, list: &str) -> Result<Wanted> {
    let granted = Wanted::resolve(mima, list)?;
    granted.check_exist(store)?;
    Ok(granted)
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
