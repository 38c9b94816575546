//! The one line that says what has changed in a shell.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::Outcome;
use crate::env::diff::Memory;
use crate::flow::working_directory;
use crate::names::GroupName;
use crate::term;

/// The variable that silences the line.
const QUIET: &str = "MIMA_QUIET";

/// Says which project is loaded and what that changed: names only, and only to a person.
/// Where nothing has changed there is nothing to say, unless the person asked for it.
pub(super) fn line(outcome: &Outcome, reload: bool) {
    let quiet = std::env::var_os(QUIET).is_some_and(|value| !value.is_empty());
    if quiet || !term::stderr_is_terminal() {
        return;
    }
    let now = |name: &str| outcome.before.now().get(OsStr::new(name));
    let text = match (outcome.look.dir(), now("MIMA_DIR")) {
        (Some(dir), was) if !outcome.look.layers.is_empty() => {
            let stayed = was.is_some_and(|was| was == dir);
            let changes = changes(outcome);
            let had = now("MIMA_GROUPS").map(OsString::as_os_str).unwrap_or_default();
            if stayed && !reload && changes.is_empty() && had == OsStr::new(&outcome.groups_text())
            {
                return;
            }
            let mut words = vec![term::path(dir)];
            words.extend((stayed && reload).then(|| "reloaded".to_owned()));
            words.extend(changes);
            let groups: Vec<_> = outcome.groups.iter().map(GroupName::as_str).collect();
            if !groups.is_empty() {
                words.push(format!(" groups: {}", groups.join(", ")));
            }
            words.join(" ")
        }
        (_, Some(was)) => {
            let was = Path::new(was);
            let path = term::path(was);
            let is_inside = working_directory().is_ok_and(|here| here.starts_with(was));
            if is_inside { format!("{path} unloaded") } else { format!("left {path}") }
        }
        _ => return,
    };
    term::aside(&text);
}

/// Returns each change as `+ADDED`, `~CHANGED` or `-UNSET`.
fn changes(outcome: &Outcome) -> Vec<String> {
    let is_set = |name: &str| outcome.before.now().contains_key(OsStr::new(name));
    let shown = outcome.changes.iter().filter(|change| change.memory != Memory::Forget);
    shown
        .filter_map(|change| {
            let name = change.name.as_str();
            match (is_set(name), change.to.is_some()) {
                (false, true) => Some(format!("+{name}")),
                (true, true) => Some(format!("~{name}")),
                (true, false) => Some(format!("-{name}")),
                (false, false) => None,
            }
        })
        .collect()
}
