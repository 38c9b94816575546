//! The one line that says what has changed in a shell.

use std::ffi::OsStr;
use std::path::Path;

use super::Outcome;
use crate::env::diff::Memory;
use crate::names::GroupName;
use crate::term;

/// The variable that silences the line.
const QUIET: &str = "MIMA_QUIET";

/// Says which project is loaded and what that changed: names only, and only to a person.
pub(super) fn line(outcome: &Outcome) {
    let quiet = std::env::var_os(QUIET).is_some_and(|value| !value.is_empty());
    if quiet || !term::stderr_is_terminal() {
        return;
    }
    let was_loaded = outcome.before.now().get(OsStr::new("MIMA_DIR"));
    let text = match (outcome.look.dir(), was_loaded) {
        (Some(dir), _) if !outcome.look.layers.is_empty() => {
            let mut words = vec![term::path(dir)];
            words.extend(changes(outcome));
            let groups: Vec<_> = outcome.groups.iter().map(GroupName::as_str).collect();
            if !groups.is_empty() {
                words.push(format!(" groups: {}", groups.join(", ")));
            }
            words.join(" ")
        }
        (_, Some(left)) => format!("left {}", term::path(Path::new(left))),
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
