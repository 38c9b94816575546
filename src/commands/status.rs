//! `mima status`: which project file counts here, and what is loaded.

use std::ffi::OsStr;

use crate::cli::Json;
use crate::env::state::State;
use crate::error::Result;
use crate::flow::{Mima, environment, working_directory};
use crate::term;

pub(super) fn run(mima: &Mima, args: &Json) -> Result<()> {
    let vars = environment();
    let look = working_directory().map(|here| mima.look(&here)).unwrap_or_default();
    let state = State::of(&vars);
    let loaded = vars.get(OsStr::new("MIMA_DIR")).filter(|_| state.is_some());
    let names = |state: &State| -> Vec<String> {
        state.vars.keys().chain(state.lists.keys()).map(ToString::to_string).collect()
    };
    let set = state.as_ref().map(names).unwrap_or_default();
    let groups: Vec<String> = look
        .layers
        .iter()
        .flat_map(|layer| layer.file.groups.iter().map(|(name, _)| name.to_string()))
        .collect();
    // What else there is to tell is told, whatever is wrong with the store.
    let store = mima.store().and_then(|store| store.protection());
    let protection = store.as_ref().ok().and_then(Option::as_ref);
    if args.json {
        let file = look.nearest.as_ref().map(|(path, _)| path.to_string_lossy());
        let problems = look.notices.iter().chain(store.as_ref().err());
        let problems: Vec<_> = problems.map(ToString::to_string).collect();
        return term::print_json(&serde_json::json!({
            "file": file,
            "verdict": look.nearest.as_ref().map(|(_, verdict)| verdict.word()),
            "groups": groups,
            "problems": problems,
            "protection": protection.map(|protection| &protection.what),
            "protected_otherwise": protection.map(|protection| &protection.others),
            "loaded": loaded.map(|dir| dir.to_string_lossy()),
            "variables": set,
        }));
    }
    let mut lines = Vec::new();
    match &look.nearest {
        Some((path, verdict)) => {
            lines.push(format!("{}  {}", term::path(path), verdict.word()));
        }
        None => lines.push("no .mima.yaml here or above".to_owned()),
    }
    if !groups.is_empty() {
        lines.push(format!("groups: {}", groups.join(", ")));
    }
    match loaded {
        Some(dir) => {
            lines.push(format!("loaded in this shell: {}", term::path(std::path::Path::new(dir))));
        }
        None => lines.push("nothing is loaded in this shell".to_owned()),
    }
    if !set.is_empty() {
        lines.push(format!("variables: {}", set.join(", ")));
    }
    if let Some(protection) = protection {
        lines.push(format!("store: {}", protection.what));
        lines.extend(protection.others.iter().map(|other| format!("  but {other}")));
    }
    term::print_lines(lines)?;
    look.notices.iter().chain(store.as_ref().err()).for_each(term::report);
    Ok(())
}
