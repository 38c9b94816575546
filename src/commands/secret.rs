//! `mima secret`: add, list, get, rm, rename, move.

mod relocate;

use std::ffi::OsStr;
use std::io::IsTerminal;

use crate::cli::{self, Secret as Verb, SecretAdd, SecretGet, SecretRename};
use crate::error::{Failure, Kind, Result};
use crate::flow::{Mima, Source, read_value};
use crate::names::{SecretName, VarName};
use crate::prompt::Reason;
use crate::shell::quote;
use crate::store::{Existing, Protection, Store, check_case, exists, no_such_secret};
use crate::term;

pub(super) fn run(mima: &Mima, verb: &Verb) -> Result<()> {
    match verb {
        Verb::Add(args) => add(mima, args),
        Verb::List(args) => list(mima, args.json),
        Verb::Get(args) => get(mima, args),
        Verb::Rm(args) => rm(mima, &args.name),
        Verb::Rename(args) => rename(mima, args),
        Verb::Move(args) => relocate::run(mima, args),
    }
}

fn add(mima: &Mima, args: &SecretAdd) -> Result<()> {
    let name = SecretName::parse(&args.name)?;
    if args.value.is_some() {
        term::note(
            "a value on the command line stays in the shell's history, and every process can see it",
        );
        term::hint(&format!("leave it out, and be asked: mima secret add {name}"));
    }
    let doing = format!("mima secret add {name}");
    store(mima, &name, &source(args.value.as_deref(), &args.source), &args.source, &doing)?;
    term::note(&format!("stored {name}"));
    Ok(())
}

/// Says where a value comes from, by the flags of `add` and `set`.
pub(super) fn source<'a>(inline: Option<&'a OsStr>, flags: &'a cli::Source) -> Source<'a> {
    match (inline, &flags.from_file) {
        (Some(value), _) => Source::Inline(value),
        (None, Some(path)) => Source::File(path),
        (None, None) => Source::Input,
    }
}

/// Stores a value under `name`: checks that it may be replaced, gets it, makes the vault if
/// there is none.
pub(super) fn store(
    mima: &Mima,
    name: &SecretName,
    source: &Source<'_>,
    flags: &cli::Source,
    doing: &str,
) -> Result<()> {
    mima.check_writable()?;
    let names = mima.store()?.names()?;
    let mut existing = if flags.force { Existing::Replace } else { Existing::Keep };
    if names.contains(name) && existing == Existing::Keep {
        existing = may_replace(mima, name)?;
    }
    check_case(name, &names)?;
    let reason = Reason::new(doing);
    let label = format!("Value of {name}");
    let value = read_value(source, flags.raw, mima.prompter(), &reason, &label)?;
    if value.is_empty() {
        term::note(&format!("the value of {name} is empty"));
    }
    let store = mima.store_to_write(&reason)?;
    let protection = store.protection()?;
    store.put(name, &value, existing).map_err(hint_at_force)?;
    say_news(protection);
    Ok(())
}

/// Says how the first secret that a store protects like that is protected.
pub(super) fn say_news(protection: Option<Protection>) {
    if let Some(news) = protection.filter(|protection| protection.is_news) {
        term::note(&news.what);
        news.remedy.iter().for_each(|remedy| term::hint(remedy));
    }
}

fn may_replace(mima: &Mima, name: &SecretName) -> Result<Existing> {
    let question = format!("There is a secret {name} already. Replace it?");
    if std::io::stdin().is_terminal() && mima.prompter().confirm(&question)? {
        return Ok(Existing::Replace);
    }
    Err(hint_at_force(exists(name)))
}

fn hint_at_force(failure: Failure) -> Failure {
    if failure.kind() == Kind::Exists { failure.hint("add --force to replace it") } else { failure }
}

fn list(mima: &Mima, json: bool) -> Result<()> {
    let names = mima.store()?.names()?;
    if json {
        let names: Vec<_> = names.iter().map(SecretName::as_str).collect();
        return term::print_json(&serde_json::json!(names));
    }
    if names.is_empty() {
        term::note("there are no secrets yet");
        term::hint("mima set GROUP VAR");
    }
    term::print_lines(&names)
}

fn get(mima: &Mima, args: &SecretGet) -> Result<()> {
    let name = SecretName::parse(&args.name)?;
    let var = match &args.var {
        _ if !args.export => None,
        Some(var) => Some(VarName::parse(var)?),
        None => Some(variable_for(&name)?),
    };
    let store = mima.store()?;
    must_exist(&name, &*store)?;
    let reason = Reason::new(format!("mima secret get {name}: standard output"));
    let value = store.unlock(&reason)?.get(&name)?;
    term::note(&format!("the value of {name} is on standard output, in the clear"));
    if let Some(var) = var {
        term::print(format!("export {var}=").as_bytes())?;
        term::print(&quote::posix(value.expose()))?;
        return term::print(b"\n");
    }
    term::print(value.expose())?;
    // A program gets the bytes; a person gets the prompt on a line of its own.
    if term::stdout_is_terminal() { term::print(b"\n") } else { Ok(()) }
}

/// Makes a variable's name of a secret's: `dev-db` becomes `DEV_DB`.
fn variable_for(name: &SecretName) -> Result<VarName> {
    let upper: String = name
        .as_str()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect();
    let digit_first = upper.starts_with(|c: char| c.is_ascii_digit());
    VarName::parse(&if digit_first { format!("_{upper}") } else { upper })
}

fn must_exist(name: &SecretName, store: &dyn Store) -> Result<()> {
    let names = store.names()?;
    if names.contains(name) {
        return Ok(());
    }
    Err(no_such_secret(name, &names))
}

fn rm(mima: &Mima, name: &str) -> Result<()> {
    let name = SecretName::parse(name)?;
    let store = mima.store()?;
    store.remove(&name)?;
    term::note(&format!("removed {name}"));
    for (group, var) in mima.user_file()?.groups.who_uses(&name) {
        term::note(&format!("group {group} still sets {var} from it"));
        term::hint(&format!("mima group unlink {group} {var}"));
    }
    Ok(())
}

/// Renames by storing the value anew: a vault file is bound to its name. If that is cut
/// short both names are there, and the value is not lost.
fn rename(mima: &Mima, args: &SecretRename) -> Result<()> {
    let old = SecretName::parse(&args.old)?;
    let new = SecretName::parse(&args.new)?;
    let store = mima.store()?;
    must_exist(&old, &*store)?;
    let names = store.names()?;
    if names.contains(&new) {
        return Err(exists(&new).hint(format!("mima secret rm {new}")));
    }
    check_case(&new, &names)?;
    let reason = Reason::new(format!("mima secret rename {old} {new}"));
    let unlocked = store.unlock(&reason)?;
    let value = unlocked.get(&old)?;
    store.put(&new, &value, Existing::Keep)?;
    if unlocked.get(&old)?.expose() != value.expose() {
        return Err(Failure::failed(format!("`{old}` was changed meanwhile, so it stays"))
            .hint(format!("{new} has its value of before: mima secret rm {new}")));
    }
    store.remove(&old)?;
    term::note(&format!("renamed {old} to {new}"));
    for (group, var) in mima.user_file()?.groups.who_uses(&old) {
        term::note(&format!("group {group} still sets {var} from {old}"));
        term::hint(&format!("mima group link {group} {var} {new}"));
    }
    Ok(())
}
