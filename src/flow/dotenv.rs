//! The dotenv files of a project.
//!
//! `mima allow` covers which they are, but not what they say. So a variable that runs code counts
//! only where the project file names it, and nobody but the user may be able to write them.

use super::Layer;
use super::plan::Evaluation;
use crate::config::dotenv::{self, Entry};
use crate::config::parse::{Fault, path_text};
use crate::error::{Failure, Result};
use crate::secret::Secret;
use crate::{term, trust};

/// How many names a message shows.
const MOST_SHOWN: usize = 10;

/// What was left out, for one notice.
#[derive(Default)]
struct LeftOut {
    files: Vec<String>,
    names: Vec<String>,
    /// Those of the names that can be allowed.
    runs_code: Vec<String>,
    has_path: bool,
}

impl Evaluation<'_> {
    /// Sets what the files say, in their order. Returns what the user should know.
    pub(super) fn dotenv(&mut self) -> Result<Option<Failure>> {
        let file = &self.layer.file;
        let mut left_out = LeftOut::default();
        let needed = file.dotenv.iter().map(|text| (text, true));
        let others = file.dotenv_if_exists.iter().map(|text| (text, false));
        for (text, is_needed) in needed.chain(others) {
            let path = self.layer.path_of(&text.value);
            let label = term::path(&path);
            match trust::read_named(&path) {
                Ok(Some(bytes)) => {
                    let entries = dotenv::parse(&bytes).map_err(|fault| fault.in_file(&label))?;
                    for entry in entries {
                        if may_set(self.layer, &entry) {
                            self.set(entry).map_err(|fault| fault.in_file(&label))?;
                        } else {
                            left_out.add(&label, &entry);
                        }
                    }
                }
                Ok(None) if is_needed => {
                    let fault = Fault::new(text.place, "dotenv", format!("there is no {label}"));
                    return Err(self
                        .layer
                        .fail(fault.hint("if it need not be there: dotenv_if_exists")));
                }
                Ok(None) => {}
                // No file's time tells of a new owner or mode.
                Err(failure) => return Err(failure.hint("then: mima reload")),
            }
        }
        Ok(left_out.notice())
    }

    fn set(&mut self, entry: Entry) -> Result<(), Fault> {
        let value = entry.value(&|name| self.value_of(name))?;
        self.plan.vars.insert(entry.name, Some(Secret::new(value)));
        self.check_size(entry.place, "")
    }
}

/// Tells whether a file may set a variable. (threats: B2, B3, B4)
pub(super) fn may_set(layer: &Layer, entry: &Entry) -> bool {
    let is_allowed = || layer.file.dotenv_allow.iter().any(|name| name.value == entry.name);
    !entry.name.is_steering() && (!entry.name.runs_code() || is_allowed())
}

impl LeftOut {
    fn add(&mut self, file: &str, entry: &Entry) {
        // One that is long may be anything.
        let name = path_text(&[entry.name.as_str()]);
        let add = |list: &mut Vec<String>, text: &str| {
            if list.iter().all(|known| known != text) {
                list.push(text.to_owned());
            }
        };
        add(&mut self.files, file);
        self.has_path |= name == "PATH";
        if !entry.name.is_steering() {
            add(&mut self.runs_code, &name);
        }
        add(&mut self.names, &name);
    }

    /// Says it in one line, and what the project file can do about it.
    fn notice(self) -> Option<Failure> {
        if self.names.is_empty() {
            return None;
        }
        let what = format!(
            "left out of {}, since they can run code or steer the shell: {}",
            self.files.join(", "),
            shown(&self.names)
        );
        let mut notice = Failure::failed(what);
        if !self.runs_code.is_empty() {
            let names = shown(&self.runs_code);
            notice = notice.hint(format!("to trust the file with it: dotenv_allow: [{names}]"));
        }
        if self.has_path {
            notice = notice.hint("a project file adds directories with `PATH_add: [bin]`");
        }
        Some(notice)
    }
}

/// Joins names for a message, at most ten of them.
pub(super) fn shown(names: &[String]) -> String {
    let shown: Vec<_> = names.iter().take(MOST_SHOWN).map(String::as_str).collect();
    let others = names.len() - shown.len();
    let others = if others == 0 { String::new() } else { format!(" and {others} more") };
    format!("{}{others}", shown.join(", "))
}
