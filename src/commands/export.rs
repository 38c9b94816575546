//! `mima export`: what the hook evaluates; or, as JSON, what an editor sets.

pub(super) mod groups;
mod report;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::cli::{Export, ExportFormat};
use crate::env::Vars;
use crate::env::diff::{Before, Change, Memory, Plan};
use crate::env::state::{STATE, State};
use crate::error::{Failure, Result};
use crate::flow::{Look, Mima, Nix, environment, plan, started_binary, working_directory};
use crate::names::{GroupName, VarName};
use crate::secret::Secret;
use crate::shell::{Script, Shell};
use crate::term;

/// How the variables begin by which the hook hands over what was saved.
const SAVED: &str = "__mima_was_";
/// What follows the key of an outcome for which nix has failed.
const NO_FLAKE: &str = "-noflake";

/// All that is to become of a shell.
struct Outcome {
    look: Look,
    before: Before,
    changes: Vec<Change>,
    state: State,
    /// The groups that the project offers.
    groups: Vec<GroupName>,
    /// Whether this is what the shell, or the one it was started from, has been told already.
    is_old: bool,
}

impl Outcome {
    /// The groups as `MIMA_GROUPS` has them.
    fn groups_text(&self) -> String {
        let names: Vec<_> = self.groups.iter().map(GroupName::as_str).collect();
        names.join(" ")
    }
}

pub(super) fn run(mima: &Mima, args: &Export) -> Result<()> {
    let (now, saved) = split_saved(environment());
    // Where the directory is gone there is no project. (threat D3)
    let here = working_directory().ok().filter(|_| !args.off);
    let mut look = here.map(|here| mima.look(&here)).unwrap_or_default();
    look.look_at_patterns();
    let shell = match args.format {
        ExportFormat::Bash => Shell::Bash,
        ExportFormat::Zsh => Shell::Zsh,
        ExportFormat::Fish => Shell::Fish,
        ExportFormat::Json => return print_json(decide(mima, args, look, now, &saved)),
    };
    if is_told(args, &now, &look) {
        let have = args.have.as_deref().unwrap_or_default();
        return term::print(&ending(mima, args, Script::new(shell), &look, have));
    }
    let outcome = decide(mima, args, look, now, &saved);
    if !outcome.is_old || args.reload {
        // What there is to do comes last.
        report::line(&outcome, args.reload);
        outcome.look.notices.iter().for_each(term::report);
    }
    term::print(&script(mima, args, shell, &outcome)?)
}

/// Prints what is to change, and why nothing is loaded if that is so.
fn print_json(mut outcome: Outcome) -> Result<()> {
    term::print_json(&json(&outcome)?)?;
    let broken = outcome.look.layers.is_empty() && !outcome.look.notices.is_empty();
    if broken {
        return Err(outcome.look.notices.remove(0));
    }
    outcome.look.notices.iter().for_each(term::report);
    Ok(())
}

/// Tells whether this very shell has been told all that there is to say, and needs only the
/// new stamps.
fn is_told(args: &Export, now: &Vars, look: &Look) -> bool {
    // What came of groups that are exported follows in the key.
    let Some(have) = &args.have else { return false };
    let is_old = look.nearest.is_some() && have.starts_with(&look.key());
    is_old && State::key_of(now) == Some(have) && !args.reload
}

/// Decides what a directory comes to.
fn decide(
    mima: &Mima,
    args: &Export,
    mut look: Look,
    now: Vars,
    saved: &BTreeMap<VarName, OsString>,
) -> Outcome {
    let state = State::of(&now);
    let before = Before::new(now, state, saved);
    let nix = nix(args, &look, &before);
    let has_failed = !mima.load_flakes(&mut look, &before.vars, nix) || nix == Nix::Rests;
    let (mut wanted, offered) = plan(&look.layers, &before.vars)
        .and_then(|wanted| Ok((wanted, groups::offered(mima, &look)?)))
        .unwrap_or_else(|failure| {
            look.give_up(failure);
            Default::default()
        });
    look.notices.append(&mut wanted.notices);
    let mut key = look.key();
    if has_failed {
        key.push_str(NO_FLAKE);
    }
    if let Some(exported) = groups::export(mima, args, &look, &offered, &before, &wanted) {
        key.push_str(&exported.suffix);
        let secrets = exported.secrets.into_iter().map(|(name, value)| (name, Some(value)));
        wanted.vars.extend(secrets);
        look.notices.extend(exported.notice);
    }
    let (mut changes, mut state) = wanted.changes(&before);
    state.name(look.dir(), &key);
    if state.encode().is_none() {
        look.give_up(Failure::failed("the project sets too much for an environment to hold"));
        (changes, state) = Plan::default().changes(&before);
        state.name(look.dir(), &key);
    }
    let is_old = look.nearest.is_some() && before.state().key == key;
    let groups = if look.layers.is_empty() { Vec::new() } else { offered.names };
    Outcome { look, before, changes, state, groups, is_old }
}

/// Decides whether nix is to work. Where it has failed for this shell, or the one it was started
/// from, it is not tried again until somebody says so, or something has changed.
fn nix(args: &Export, look: &Look, before: &Before) -> Nix {
    let rest = before.state().key.strip_prefix(&look.key());
    if rest.is_some_and(|rest| rest.starts_with(NO_FLAKE)) && !args.reload {
        return Nix::Rests;
    }
    Nix::Works { anew: args.reload, in_hook: args.have.is_some() }
}

/// Parts the environment of the shell from what the hook hands over with it.
pub(super) fn split_saved(mut vars: Vars) -> (Vars, BTreeMap<VarName, OsString>) {
    let from = vars.range(OsString::from(SAVED)..).map(|(name, _)| name);
    let handed_over = from.map_while(|name| name.to_str()?.strip_prefix(SAVED));
    let names: Vec<_> = handed_over.filter_map(|name| VarName::parse(name).ok()).collect();
    let saved = names.into_iter().filter_map(|name| {
        let value = vars.remove(OsStr::new(&format!("{SAVED}{name}")))?;
        Some((name, value))
    });
    let saved = saved.collect();
    (vars, saved)
}

/// A variable of mima's own, and its value if it is to have one.
type Own = (&'static str, Option<Vec<u8>>);

/// The variables of mima's own, for prompts and for the next `mima export`.
fn own(outcome: &Outcome) -> Result<[Own; 3]> {
    let dir = outcome.look.dir();
    let loaded = dir.filter(|_| !outcome.look.layers.is_empty());
    let state = dir.map(|_| {
        let encoded = outcome.state.encode();
        encoded.ok_or_else(|| Failure::failed("the project's path is too long"))
    });
    Ok([
        ("MIMA_DIR", loaded.map(|dir| dir.as_os_str().as_bytes().to_vec())),
        ("MIMA_GROUPS", loaded.map(|_| outcome.groups_text().into_bytes())),
        (STATE, state.transpose()?.map(String::into_bytes)),
    ])
}

/// Renders the statements for a shell.
fn script(
    mima: &Mima,
    args: &Export,
    shell: Shell,
    outcome: &Outcome,
) -> Result<Zeroizing<Vec<u8>>> {
    let mut script = Script::new(shell);
    for change in &outcome.changes {
        render(&mut script, change);
    }
    for (name, value) in own(outcome)? {
        script.own(name, value.as_deref());
    }
    let wrapped: Vec<_> = outcome.groups.iter().filter(|group| group.may_wrap()).cloned().collect();
    // Finding the binary takes a look into every directory of PATH.
    let binary = if wrapped.is_empty() { PathBuf::new() } else { started_binary()? };
    script.wrap(&wrapped, &binary);
    Ok(ending(mima, args, script, &outcome.look, &outcome.state.key))
}

/// Adds what makes it stale, and what the shell has been told.
fn ending(
    mima: &Mima,
    args: &Export,
    mut script: Script,
    look: &Look,
    key: &str,
) -> Zeroizing<Vec<u8>> {
    if look.dir().is_some() {
        script.stale(&look.watching.stamped(mima.paths(), args.coarse));
    }
    script.have(key);
    script.finish()
}

fn render(script: &mut Script, change: &Change) {
    let name = &change.name;
    let save = match change.memory {
        Memory::Save { exported } => Some(exported),
        Memory::SaveAnew { exported } => {
            script.forget(name);
            Some(exported)
        }
        Memory::Keep => None,
        Memory::Restore { was_cut } => return script.back(name, was_cut),
        Memory::Forget => return script.forget(name),
    };
    script.set(name, change.to.as_ref(), save);
}

/// Renders the changes as a flat object: a value to set, or null for a variable to unset.
fn json(outcome: &Outcome) -> Result<serde_json::Value> {
    let mut object = serde_json::Map::new();
    let text = |name: &str, bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).map_err(|_| {
            Failure::failed(format!("{name} is no UTF-8, and JSON takes nothing else"))
        })?;
        Ok::<_, Failure>(serde_json::Value::from(text))
    };
    for change in outcome.changes.iter().filter(|change| change.memory != Memory::Forget) {
        let name = change.name.as_str();
        let value = change.to.as_ref().map(Secret::expose);
        let value = value.map(|bytes| text(name, bytes)).transpose()?;
        object.insert(name.to_owned(), value.unwrap_or_default());
    }
    for (name, value) in own(outcome)? {
        let is_set = outcome.before.now().contains_key(OsStr::new(name));
        match value {
            Some(bytes) => drop(object.insert(name.to_owned(), text(name, &bytes)?)),
            None if is_set => drop(object.insert(name.to_owned(), serde_json::Value::Null)),
            None => {}
        }
    }
    Ok(object.into())
}
