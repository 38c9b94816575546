//! From the development shell of a flake to what a person's shell gets.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::Flake;
use crate::env::flake::Taken;
use crate::error::Failure;
use crate::flow::Does;
use crate::flow::dotenv::shown;
use crate::flow::plan::{Evaluation, MOST_BYTES, who_else_decides};
use crate::fs::Forgery;
use crate::names::VarName;
use crate::secret::Secret;
use crate::term;

/// The list of directories with data that programs share.
const DATA_DIRS: &str = "XDG_DATA_DIRS";
/// Where programs look if that list is not there.
const DEFAULT_DATA_DIRS: [&str; 2] = ["/usr/local/share", "/usr/share"];

impl Evaluation<'_> {
    /// Sets what the flake of the project exports. Returns what the user should know.
    pub(in crate::flow) fn flake(&mut self) -> Vec<Failure> {
        let Some(flake) = &self.layer.flake else { return Vec::new() };
        let Some(shell) = flake.shell.clone() else { return Vec::new() };
        let label = flake.label();
        let Taken { vars, lists, refused } = shell.take();
        let size: usize = vars.values().map(String::len).sum();
        if size > MOST_BYTES {
            let what =
                format!("{label} exports more than {MOST_BYTES} bytes, so none of it is set");
            return vec![Failure::failed(what).hint("let the development shell export less")];
        }
        let mut notices = Vec::new();
        if !refused.is_empty() {
            let names: Vec<_> = refused.iter().map(ToString::to_string).collect();
            let what = format!("left out of {label}, since they steer the shell or mima");
            notices.push(Failure::failed(format!("{what}: {}", shown(&names))));
        }
        let vars = vars.into_iter();
        let vars = vars.map(|(name, value)| (name, Some(Secret::new(value.into_bytes()))));
        self.plan.vars.extend(vars);
        for (name, entries) in lists {
            let mut safe: Vec<OsString> = Vec::new();
            for entry in entries {
                match unsafe_entry(&entry, &label, &name) {
                    Some(notice) => notices.push(notice),
                    None => safe.push(entry.into()),
                }
            }
            if name.as_str() == DATA_DIRS && !safe.is_empty() && !self.has_list(&name) {
                safe.extend(DEFAULT_DATA_DIRS.map(OsString::from));
            }
            self.put_in_front(name, safe);
        }
        notices
    }

    fn has_list(&self, name: &VarName) -> bool {
        let is_set = self.before.get(OsStr::new(name.as_str())).is_some_and(|l| !l.is_empty());
        is_set || self.plan.lists.contains_key(name)
    }
}

impl Flake {
    /// Returns what it does about a variable.
    pub(in crate::flow) fn does(&self, name: &VarName) -> Vec<Does> {
        let Some(shell) = self.shell.clone() else { return Vec::new() };
        let Taken { vars, mut lists, refused: _ } = shell.take();
        if vars.contains_key(name) {
            return vec![Does::Set(format!("what {} exports", self.label()))];
        }
        lists.remove(name).into_iter().flatten().map(Does::PutInFront).collect()
    }
}

/// Says why a directory cannot be on a list: somebody else decides what is in it. (threat B11)
fn unsafe_entry(entry: &str, label: &str, name: &VarName) -> Option<Failure> {
    let entry = Path::new(entry);
    let (path, forgery) = who_else_decides(entry)?;
    let why = match forgery {
        Forgery::Foreign(uid) => format!("{} belongs to uid {uid}", term::path(&path)),
        Forgery::Writable => format!("others can write to {}", term::path(&path)),
    };
    let what = format!("left {} out of {name} of {label}", term::path(entry));
    Some(Failure::failed(format!("{what}: {why}")))
}
