//! From the environment as it is to the one that is wanted, and back. Pure.
//!
//! Two questions are kept apart: what the environment was before mima ([`Before`]), and what
//! has to change so that it becomes what a project asks for ([`Plan::changes`]). A variable
//! that the user has changed since mima set it is the user's again. (threat B12)

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::Vars;
use super::state::{Added, Mark, State};
use crate::error::Failure;
use crate::names::VarName;
use crate::secret::Secret;

/// What a project asks for, beside the environment before mima.
#[derive(Default)]
pub struct Plan {
    /// Variables to set, or to unset.
    pub vars: BTreeMap<VarName, Option<Secret>>,
    /// Entries to put in front of lists, in their order there.
    pub lists: BTreeMap<VarName, Vec<OsString>>,
    /// What the user should know about it, once.
    pub notices: Vec<Failure>,
}

/// The environment as it would be without mima.
pub struct Before {
    /// Its variables.
    pub vars: Vars,
    state: State,
    now: Vars,
}

/// One change to the environment of a shell.
pub struct Change {
    /// The variable.
    pub name: VarName,
    /// What it becomes: a value, or unset.
    pub to: Option<Secret>,
    /// What the shell has to remember or to forget.
    pub memory: Memory,
}

/// What a shell does about the value that a variable had before mima.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// It remembers the value, which is exported or not.
    Save {
        /// Whether the variable is exported now.
        exported: bool,
    },
    /// The user has changed the variable since it was saved: it remembers the new value.
    SaveAnew {
        /// Whether the variable is exported now.
        exported: bool,
    },
    /// It remembers it already; or there is nothing to remember, as for a list.
    Keep,
    /// It makes the variable that again.
    Restore {
        /// Whether mima had unset it. If the shell has one of that name, not exported, the
        /// user has made it since.
        was_cut: bool,
    },
    /// It forgets it, and leaves the variable as the user has made it.
    Forget,
}

impl Change {
    /// Makes a list what it should be, unless it is.
    fn of_list(
        name: &VarName,
        to: Option<OsString>,
        memory: Memory,
        before: &Before,
    ) -> Option<Self> {
        let is_so = to.as_ref() == before.now.get(OsStr::new(name.as_str()));
        // Where it was a variable of the plan, that has been taken back just before.
        let settled = is_so && !before.state.vars.contains_key(name);
        let to = to.map(|list| Secret::new(list.into_vec()));
        (!settled).then(|| Self { name: name.clone(), to, memory })
    }
}

impl Before {
    /// Takes back what `state` says from `now`. `was` has what the variables were before;
    /// only the shell that loaded them knows, and in any other they were unset.
    pub fn new(now: Vars, state: Option<State>, was: &BTreeMap<VarName, OsString>) -> Self {
        let state = state.unwrap_or_default();
        let mut vars = now.clone();
        for name in state.vars.keys().filter(|name| state.owns(name, &now)) {
            match was.get(name) {
                Some(value) => vars.insert(name.as_str().into(), value.clone()),
                None => vars.remove(OsStr::new(name.as_str())),
            };
        }
        for (name, added) in &state.lists {
            let Some(list) = vars.get(OsStr::new(name.as_str())) else { continue };
            match without(list, added) {
                Some(list) => vars.insert(name.as_str().into(), list),
                None => vars.remove(OsStr::new(name.as_str())),
            };
        }
        vars.retain(|name, _| !is_own(name));
        Self { vars, state, now }
    }

    /// What mima had set in this shell or one that it was started from.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The environment as it is.
    pub fn now(&self) -> &Vars {
        &self.now
    }
}

/// Tells whether a variable is one that mima sets for itself, which a user's never is.
fn is_own(name: &OsStr) -> bool {
    [super::state::STATE, "MIMA_DIR", "MIMA_GROUPS"].iter().any(|own| name == OsStr::new(own))
}

impl Plan {
    /// Returns what has to change, by name; and the marks of what will then be mima's.
    pub fn changes(self, before: &Before) -> (Vec<Change>, State) {
        let mut state = State { lists: self.made(before), ..State::default() };
        // What a shell saves, or puts in front of, is the variable without mima's entries.
        let mut changes = self.strips(before);
        let lists = self.additions(before);
        let had: BTreeSet<VarName> = before.state.vars.keys().cloned().collect();
        for name in had.iter().filter(|name| !self.vars.contains_key(*name)) {
            let owned = before.state.owns(name, &before.now);
            let to = before.vars.get(OsStr::new(name.as_str()));
            changes.push(Change {
                name: name.clone(),
                to: to.map(|value| Secret::new(value.as_bytes().to_vec())),
                memory: if owned {
                    let was_cut = before.state.vars.get(name) == Some(&Mark::Unset);
                    Memory::Restore { was_cut }
                } else {
                    Memory::Forget
                },
            });
        }
        for (name, to) in self.vars {
            // As it is once mima's own entries are gone from it.
            let exported = before.vars.contains_key(OsStr::new(name.as_str()));
            let memory = match (had.contains(&name), before.state.owns(&name, &before.now)) {
                (true, true) => Memory::Keep,
                (true, false) => Memory::SaveAnew { exported },
                (false, _) => Memory::Save { exported },
            };
            let mark = Mark::of(&name, to.as_ref().map(Secret::expose));
            let is_so = memory == Memory::Keep && before.state.vars.get(&name) == Some(&mark);
            state.vars.insert(name.clone(), mark);
            if !is_so {
                changes.push(Change { name, to, memory });
            }
        }
        changes.extend(lists);
        // Stable: what concerns one variable stays in its order.
        changes.sort_by(|a, b| a.name.cmp(&b.name));
        (changes, state)
    }

    /// What each list will hold in front, and whether mima makes the variable.
    fn made(&self, before: &Before) -> BTreeMap<VarName, Added> {
        let made = |name: &VarName| !before.vars.contains_key(OsStr::new(name.as_str()));
        let added = |(name, entries): (&VarName, &Vec<OsString>)| {
            (name.clone(), Added { entries: entries.clone(), made: made(name) })
        };
        self.lists.iter().map(added).collect()
    }

    /// Takes the entries out of the lists that get none any more.
    fn strips(&self, before: &Before) -> Vec<Change> {
        let gone = before.state.lists.iter().filter(|(name, _)| !self.lists.contains_key(*name));
        let strip = |(name, added): (&VarName, &Added)| {
            let to = before.vars.get(OsStr::new(name.as_str())).cloned();
            // Nothing is left of what mima made, so that the shell's own comes back, if any.
            let is_gone = to.is_none();
            let memory = if is_gone { Memory::Restore { was_cut: false } } else { Memory::Keep };
            let forget = (added.made && !is_gone).then(|| Change {
                name: name.clone(),
                to: None,
                memory: Memory::Forget,
            });
            Change::of_list(name, to, memory, before).into_iter().chain(forget)
        };
        gone.flat_map(strip).collect()
    }

    fn additions(&self, before: &Before) -> Vec<Change> {
        let add = |(name, entries): (&VarName, &Vec<OsString>)| {
            let list = before.vars.get(OsStr::new(name.as_str()));
            // Where it is not exported, the shell may have one of its own.
            let is_new = list.is_none() && !before.state.lists.contains_key(name);
            let memory = if is_new { Memory::Save { exported: false } } else { Memory::Keep };
            Change::of_list(name, Some(join(name, entries, list)), memory, before)
        };
        self.lists.iter().filter_map(add).collect()
    }

    /// Returns the environment that a process gets which is started with the plan.
    pub fn apply(self, before: Vars) -> Vec<(OsString, OsString)> {
        let mut vars = before;
        for (name, entries) in &self.lists {
            let joined = join(name, entries, vars.get(OsStr::new(name.as_str())));
            vars.insert(name.as_str().into(), joined);
        }
        for (name, to) in self.vars {
            match to {
                Some(value) => {
                    vars.insert(name.as_str().into(), OsString::from_vec(value.expose().to_vec()))
                }
                None => vars.remove(OsStr::new(name.as_str())),
            };
        }
        vars.into_iter().collect()
    }
}

/// Puts entries in front of a list.
fn join(name: &VarName, entries: &[OsString], list: Option<&OsString>) -> OsString {
    let mut parts: Vec<&OsStr> = entries.iter().map(OsString::as_os_str).collect();
    match list {
        Some(list) if !list.is_empty() => parts.push(list),
        // An empty entry at the end is where man(1) looks in its own places.
        _ if name.as_str() == "MANPATH" => parts.push(OsStr::new("")),
        _ => {}
    }
    parts.join(OsStr::new(":"))
}

/// Takes entries out of a list, each once; `None` if mima had made it and nothing is left.
fn without(list: &OsStr, added: &Added) -> Option<OsString> {
    let mut parts: Vec<&[u8]> = list.as_bytes().split(|byte| *byte == b':').collect();
    for entry in &added.entries {
        if let Some(at) = parts.iter().position(|part| *part == entry.as_bytes()) {
            parts.remove(at);
        }
    }
    let rest = parts.join(&b':');
    (!(rest.is_empty() && added.made)).then(|| OsString::from_vec(rest))
}

#[cfg(test)]
#[path = "diff_tests.rs"]
mod tests;
