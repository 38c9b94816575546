//! What the allowed files of a project come to, on top of the environment before mima.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::Layer;
use crate::config::expand::expand;
use crate::config::parse::{Fault, Place, Text, path_text};
use crate::env::Vars;
use crate::env::diff::Plan;
use crate::error::Result;
use crate::fs::Forgery;
use crate::names::VarName;
use crate::secret::Secret;
use crate::term;

/// How much the public variables may come to, in bytes. Every program that the shell starts gets
/// them, and Linux starts none with a string of more than 128 KiB in its environment.
pub(super) const MOST_BYTES: usize = 120 << 10;

/// Evaluates the files, outermost first, in the order of the keys that README gives.
pub fn plan(layers: &[Layer], before: &Vars) -> Result<Plan> {
    let mut plan = Plan::default();
    for layer in layers {
        let mut evaluation = Evaluation { layer, before, plan };
        let notices = evaluation.flake();
        evaluation.plan.notices.extend(notices);
        let notices = evaluation.layouts().map_err(|fault| layer.fail(fault))?;
        evaluation.plan.notices.extend(notices);
        let notice = evaluation.dotenv()?;
        evaluation.plan.notices.extend(notice);
        evaluation.run().map_err(|fault| layer.fail(fault))?;
        plan = evaluation.plan;
    }
    fold_lists(&mut plan);
    Ok(plan)
}

/// A list whose variable is set as a whole goes into that value.
fn fold_lists(plan: &mut Plan) {
    let both: Vec<_> =
        plan.lists.keys().filter(|name| plan.vars.contains_key(*name)).cloned().collect();
    for name in both {
        let entries = plan.lists.remove(&name).unwrap_or_default();
        let mut parts: Vec<&[u8]> = entries.iter().map(|entry| entry.as_bytes()).collect();
        let value = plan.vars.get(&name).and_then(Option::as_ref).map(Secret::expose);
        parts.extend(value.filter(|value| !value.is_empty()));
        let joined = Secret::new(parts.join(&b':'));
        plan.vars.insert(name, Some(joined));
    }
}

/// One project file, while it is evaluated.
pub(super) struct Evaluation<'a> {
    pub(super) layer: &'a Layer,
    pub(super) before: &'a Vars,
    pub(super) plan: Plan,
}

impl Evaluation<'_> {
    fn run(&mut self) -> Result<(), Fault> {
        let file = &self.layer.file;
        for (name, text) in &file.env {
            let value = self.expand(text, &path_text(&["env", name.as_str()]))?;
            self.plan.vars.insert(name.clone(), Some(Secret::new(value)));
            self.check_size(text.place, "env")?;
        }
        for name in &file.unset {
            self.plan.vars.insert(name.value.clone(), None);
        }
        let path = VarName::parse("PATH").ok();
        let path = path.map(|name| (name, &file.path_add, "PATH_add".to_owned()));
        let lists = file.list_add.iter().map(|(name, entries)| {
            (name.clone(), entries, path_text(&["path_add", name.as_str()]))
        });
        for (name, entries, key) in path.into_iter().chain(lists) {
            let entries: Vec<_> = entries
                .iter()
                .map(|entry| self.directory(&self.expand(entry, &key)?, entry.place, &key))
                .collect::<Result<_, _>>()?;
            self.put_in_front(name, entries);
        }
        for name in &file.env_vars_required {
            if self.value_of(name.value.as_str()).is_none_or(|value| value.is_empty()) {
                let what = format!("{} is not set", name.value);
                return Err(Fault::new(name.place, "env_vars_required", what)
                    .hint(format!("export {}=…, and: mima reload", name.value)));
            }
        }
        Ok(())
    }

    /// Puts entries in front of a list.
    pub(super) fn put_in_front(&mut self, name: VarName, entries: Vec<OsString>) {
        if !entries.is_empty() {
            self.plan.lists.entry(name).or_default().splice(0..0, entries);
        }
    }

    fn expand(&self, text: &Text, key: &str) -> Result<Vec<u8>, Fault> {
        expand(&text.value, &|name| self.value_of(name))
            .map_err(|problem| problem.fault(text.place, key))
    }

    /// What a variable is at this point: set above, or in the environment before mima.
    pub(super) fn value_of(&self, name: &str) -> Option<Vec<u8>> {
        if name == "MIMA_DIR" {
            return Some(self.layer.dir.as_os_str().as_bytes().to_vec());
        }
        let before = || self.before.get(OsStr::new(name)).map(|value| value.as_bytes().to_vec());
        match VarName::parse(name).ok().and_then(|name| self.plan.vars.get(&name)) {
            Some(value) => value.as_ref().map(|value| value.expose().to_vec()),
            None => before(),
        }
    }

    pub(super) fn check_size(&self, place: Place, key: &str) -> Result<(), Fault> {
        let size: usize = self.plan.vars.values().flatten().map(Secret::len).sum();
        if size <= MOST_BYTES {
            return Ok(());
        }
        Err(Fault::new(place, key, format!("the variables come to more than {MOST_BYTES} bytes")))
    }

    /// Resolves an entry of a list against the directory of the project. (threat B11)
    pub(super) fn directory(
        &self,
        entry: &[u8],
        place: Place,
        key: &str,
    ) -> Result<OsString, Fault> {
        let fault = |what: &str| Fault::new(place, key, what);
        if entry.is_empty() {
            return Err(fault("a directory belongs here").hint("for the project's own: ."));
        }
        if entry.contains(&b':') || entry.contains(&0) {
            return Err(fault("a colon separates the entries of a list, so none can hold one")
                .hint("write one entry per item"));
        }
        let entry = Path::new(OsStr::from_bytes(entry));
        let entry = match (entry.strip_prefix("~"), self.before.get(OsStr::new("HOME"))) {
            (Ok(rest), Some(home)) => Path::new(home).join(rest),
            _ => entry.to_owned(),
        };
        // By the real directory: a link that somebody else owns must not lead PATH astray later.
        let dir = normal(&self.layer.real_dir.join(entry));
        if !dir.is_absolute() || dir.as_os_str().as_bytes().contains(&b':') {
            let what = format!("{} cannot be an entry of a list", term::path(&dir));
            return Err(fault(&what).hint("a directory with a colon in its path cannot be on PATH"));
        }
        match who_else_decides(&dir) {
            Some((path, Forgery::Foreign(uid))) => {
                let what = format!("{} belongs to another user (uid {uid})", term::path(&path));
                Err(fault(&what))
            }
            Some((path, Forgery::Writable)) => {
                Err(fault(&format!("others can write to {}", term::path(&path)))
                    .hint(format!("chmod go-w {} && mima reload", term::word(&path))))
            }
            None => Ok(dir.into_os_string()),
        }
    }
}

/// Returns who else decides what is in `dir`, or in what will be made there: the owner, those
/// who can write to it, and everybody where anybody can exchange a directory on the way.
pub(super) fn who_else_decides(dir: &Path) -> Option<(PathBuf, Forgery)> {
    let mut is_there = false;
    for (level, path) in dir.ancestors().enumerate() {
        let Ok(meta) = std::fs::metadata(path) else { continue };
        let anybody = meta.mode() & 0o002 != 0;
        // In a directory such as /tmp others can make what is missing, but exchange nothing.
        let is_sticky = meta.mode() & 0o1000 != 0;
        let forgery = match Forgery::of(&meta) {
            forgery if level == 0 => forgery,
            _ if anybody && !(is_sticky && is_there) => Some(Forgery::Writable),
            _ => None,
        };
        if let Some(forgery) = forgery {
            return Some((path.to_owned(), forgery));
        }
        is_there = true;
    }
    None
}

/// Takes `.` and `..` out of a path, as text: what is not there can have no links.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(out.pop()),
            part => out.push(part),
        }
    }
    out
}
