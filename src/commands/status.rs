//! `mima status`: which project file counts here, and what is loaded.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use super::export::groups::offered;
use super::session::{unlocked_json, unlocked_lines};
use crate::cli::Status;
use crate::env::Vars;
use crate::env::diff::Before;
use crate::env::state::State;
use crate::error::{Failure, Kind, Result};
use crate::flow::{
    Flake, LOCAL_FILE, Look, Mima, Nix, PROJECT_FILE, environment, plan, working_directory,
};
use crate::term;
use crate::trust::{Basis, Verdict};

pub(super) fn run(mima: &Mima, args: &Status) -> Result<()> {
    let vars = environment();
    let mut look = working_directory().map(|here| mima.look(&here)).unwrap_or_default();
    look.look_at_patterns();
    let state = State::of(&vars);
    let loaded = vars.get(OsStr::new("MIMA_DIR")).filter(|_| state.is_some());
    let names = |state: &State| -> Vec<String> {
        state.vars.keys().chain(state.lists.keys()).map(ToString::to_string).collect()
    };
    let set = state.as_ref().map(names).unwrap_or_default();
    let is_loaded = loaded.is_some_and(|dir| look.dir().is_some_and(|here| dir == here));
    let groups = groups(mima, &mut look, &vars, is_loaded);
    let (groups, is_broken) = groups.unwrap_or_else(|failure| {
        look.notices.push(failure);
        (Vec::new(), true)
    });
    let answer = || if args.check { answer(&look, is_broken) } else { Ok(()) };
    // What else there is to tell is told, whatever is wrong with the store.
    let store = mima.store().and_then(|store| store.protection());
    let protection = store.as_ref().ok().and_then(Option::as_ref);
    let session = mima.agent().status();
    let unlocked = session.as_ref().ok().and_then(Option::as_ref);
    if args.json {
        let file = look.nearest.as_ref().map(|(path, _)| path.to_string_lossy());
        let basis = look.nearest.as_ref().and_then(|(path, _)| look.basis(path));
        let problems =
            look.notices.iter().chain(store.as_ref().err()).chain(session.as_ref().err());
        let problems: Vec<_> = problems.map(ToString::to_string).collect();
        term::print_json(&serde_json::json!({
            "file": file,
            "verdict": look.nearest.as_ref().map(|(_, verdict)| verdict.word()),
            "allowed_as_in": basis.and_then(Basis::main).map(|main| main.to_string_lossy()),
            "only_this_shell": basis == Some(&Basis::Shell),
            "groups": groups,
            "problems": problems,
            "protection": protection.map(|protection| &protection.what),
            "protected_otherwise": protection.map(|protection| &protection.others),
            "loaded": loaded.map(|dir| dir.to_string_lossy()),
            "variables": set,
            "unlocked": unlocked.map_or(serde_json::json!([]), unlocked_json),
        }))?;
        return answer();
    }
    let mut lines = Vec::new();
    match &look.nearest {
        Some((path, verdict)) => {
            let words = words_of(&look, path);
            lines.push(format!("{}  {}{words}", term::path(path), word(*verdict)));
            lines.extend(further_files(mima, &look));
        }
        None => lines.push("no .mima.yaml here or above".to_owned()),
    }
    if !groups.is_empty() {
        lines.push(format!("groups: {}", groups.join(", ")));
    }
    match loaded {
        Some(dir) => {
            lines.push(format!("loaded in this shell: {}", term::path(Path::new(dir))));
        }
        None => lines.push("nothing is loaded in this shell".to_owned()),
    }
    if !set.is_empty() {
        lines.push(format!("variables: {}", set.join(", ")));
    }
    lines.extend(unlocked.map(unlocked_lines).unwrap_or_default());
    if let Some(protection) = protection {
        lines.push(format!("store: {}", protection.what));
        lines.extend(protection.others.iter().map(|other| format!("  but {other}")));
    }
    term::print_lines(lines)?;
    let problems = look.notices.iter().chain(store.as_ref().err()).chain(session.as_ref().err());
    problems.for_each(term::report);
    answer()
}

/// What `--check` answers: whether the project file here is allowed, with all that it asks for.
/// As `systemctl is-active` has it, 3 is no, and 4 is that there is nothing to ask about.
fn answer(look: &Look, is_broken: bool) -> Result<()> {
    const NOT_ALLOWED: u8 = 3;
    const NONE: u8 = 4;
    let say = |status, what| Err(Failure::new(Kind::Answer(status), what));
    let is_withheld = look.notices.iter().any(|notice| notice.kind() == Kind::NotAllowed);
    match &look.nearest {
        Some((_, Verdict::Allowed)) if !is_withheld => {
            let loads = !is_broken && !look.layers.is_empty();
            if loads { Ok(()) } else { say(1, "it does not load") }
        }
        Some(_) => say(NOT_ALLOWED, "it is not allowed"),
        None if look.notices.is_empty() => say(NONE, "there is no project file"),
        None => say(1, "it cannot be told"),
    }
}

/// Returns the groups that the project offers, and whether some of it cannot be had; or why nothing
/// of it can be loaded. Whether its variables can be had is known of a project that is loaded; what
/// they were before is not.
fn groups(
    mima: &Mima,
    look: &mut Look,
    vars: &Vars,
    is_loaded: bool,
) -> Result<(Vec<String>, bool)> {
    let offered = offered(mima, look)?;
    let before = Before::new(vars.clone(), State::of(vars), &BTreeMap::new());
    let mut is_broken = !mima.load_flakes(look, &before.vars, Nix::Rests);
    if is_loaded {
        let flakes = look.layers.iter().filter_map(|layer| layer.flake.as_ref());
        let lags: Vec<_> = flakes.filter_map(Flake::lag).collect();
        is_broken |= !lags.is_empty();
        look.notices.extend(lags);
    } else {
        look.notices.extend(plan(&look.layers, &before.vars)?.notices);
    }
    Ok((offered.names.iter().map(ToString::to_string).collect(), is_broken))
}

/// Returns a line for each file that takes part besides the nearest one, from there outwards.
fn further_files(mima: &Mima, look: &Look) -> Vec<String> {
    let nearest = look.nearest.as_ref().map(|(path, _)| path);
    let files = look.layers.iter().rev().flat_map(|layer| {
        let flake = layer.flake.iter().flat_map(Flake::files);
        [PROJECT_FILE, LOCAL_FILE].map(|name| layer.dir.join(name)).into_iter().chain(flake)
    });
    files
        .filter(|path| Some(path) != nearest)
        .filter_map(|path| {
            // There need not be a local file; what else is wrong with one has been noticed.
            let verdict = mima.trust().judge(&mima.candidate(&path).ok()?).ok()?;
            let words = words_of(look, &path);
            Some(format!("{}  {}{words}", term::path(&path), word(verdict)))
        })
        .collect()
}

/// What there is to add to that, where it is allowed by other than the user's own word on it.
fn words_of(look: &Look, path: &Path) -> String {
    look.basis(path).map(Basis::words).unwrap_or_default()
}

/// The word for a verdict, to a person.
fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unknown => "not allowed yet",
        _ => verdict.word(),
    }
}
