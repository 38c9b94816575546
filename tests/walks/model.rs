//! What mima is to make of a shell, in miniature.
//!
//! Two environments are kept: what the user has made of it, as if there were no mima, and what
//! it is now. Loading a project lays the project's variables over the first and forgets all
//! else; what the user does changes both.

use std::collections::{BTreeMap, BTreeSet};

/// The variables that projects and users set and unset.
pub(super) const NAMES: [&str; 4] = ["A", "B", "C", "D"];
/// The lists that directories are put in front of.
pub(super) const LISTS: [&str; 3] = ["MANPATH", "PATH", "XDG_DATA_DIRS"];

/// The groups that projects have.
pub(super) const GROUPS: [&str; 2] = ["dev", "ops.eu-1"];

/// A variable of a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Var {
    pub(super) value: Vec<u8>,
    pub(super) exported: bool,
}

pub(super) type Vars = BTreeMap<String, Var>;

/// A value in a file: a text; or what a variable is at that point, and a text.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Plain(&'static str),
    After(&'static str, &'static str),
}

/// A project file.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    /// Tells this content from any other.
    pub(super) content: usize,
    /// Changes whenever the modification time does.
    pub(super) stamp: usize,
    pub(super) env: Vec<(&'static str, Value)>,
    pub(super) unset: Vec<&'static str>,
    pub(super) lists: Vec<(&'static str, Vec<&'static str>)>,
    pub(super) groups: BTreeSet<&'static str>,
    pub(super) source_up: bool,
}

/// How a file is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Allowed,
    Denied,
    Unknown,
}

/// The project files, by path below the home directory, and what was approved.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    pub(super) files: BTreeMap<String, File>,
    pub(super) aside: BTreeMap<String, File>,
    allowed: BTreeMap<String, usize>,
    denied: BTreeSet<String>,
}

/// What decides whether anything is loaded anew.
type Key = Vec<(String, usize, Verdict)>;

/// What there is to load in a directory.
struct Look {
    key: Key,
    /// The directories and files that are loaded, outermost first.
    layers: Vec<(String, File)>,
}

impl Disk {
    pub(super) fn allow(&mut self, path: &str) {
        self.denied.remove(path);
        self.allowed.insert(path.to_owned(), self.files[path].content);
    }

    pub(super) fn deny(&mut self, path: &str) {
        self.allowed.remove(path);
        self.denied.insert(path.to_owned());
    }

    fn judge(&self, path: &str) -> Verdict {
        if self.denied.contains(path) {
            return Verdict::Denied;
        }
        let is_allowed = self.allowed.get(path) == Some(&self.files[path].content);
        if is_allowed { Verdict::Allowed } else { Verdict::Unknown }
    }

    fn look(&self, start: &str) -> Look {
        let mut look = Look { key: Key::new(), layers: Vec::new() };
        let mut next = Some(start.to_owned());
        while let Some(dir) = next.take() {
            let above = dir.rsplit_once('/').map(|(above, _)| above.to_owned());
            let (path, local) = (format!("{dir}/.mima.yaml"), format!("{dir}/.mima.local.yaml"));
            let Some(file) = self.files.get(&path) else {
                next = above;
                continue;
            };
            let verdict = self.judge(&path);
            look.key.push((path, file.stamp, verdict));
            if verdict != Verdict::Allowed {
                break;
            }
            let mut file = file.clone();
            if let Some(over) = self.files.get(&local) {
                let verdict = self.judge(&local);
                look.key.push((local, over.stamp, verdict));
                if verdict == Verdict::Allowed {
                    file.overlay(over);
                }
            }
            next = above.filter(|_| file.source_up);
            look.layers.insert(0, (dir, file));
        }
        look
    }
}

impl File {
    fn overlay(&mut self, over: &Self) {
        for (name, value) in &over.env {
            match self.env.iter_mut().find(|(known, _)| known == name) {
                Some((_, old)) => *old = value.clone(),
                None => self.env.push((name, value.clone())),
            }
        }
        self.unset.extend(&over.unset);
        for (name, entries) in &over.lists {
            match self.lists.iter_mut().find(|(known, _)| known == name) {
                Some((_, old)) => old.extend(entries),
                None => self.lists.push((name, entries.clone())),
            }
        }
        self.groups.extend(&over.groups);
        self.source_up |= over.source_up;
    }

    /// Writes it as a person would.
    pub(super) fn yaml(&self) -> String {
        let mut lines = vec![format!("# {}", self.content), format!("unset: {:?}", self.unset)];
        let mut path = None;
        let mut lists = Vec::new();
        for (name, entries) in &self.lists {
            match *name {
                "PATH" => path = Some(format!("PATH_add: {entries:?}")),
                _ => lists.push(format!("  {name}: {entries:?}")),
            }
        }
        let env = self.env.iter().map(|(name, value)| match value {
            Value::Plain(text) => format!("  {name}: {}", quoted(text)),
            Value::After(var, text) => {
                format!("  {name}: \"${{{var}:-nothing}}{}", &quoted(text)[1..])
            }
        });
        let groups = self.groups.iter().map(|name| format!("  {name}: {{ TOKEN: token }}"));
        for (key, map) in
            [("env:", env.collect()), ("path_add:", lists), ("groups:", groups.collect())]
        {
            // A key without a value is an error.
            lines.extend((!map.is_empty()).then(|| key.to_owned()));
            lines.extend(map);
        }
        lines.extend(path);
        lines.extend(self.source_up.then(|| "source_up: true".to_owned()));
        lines.join("\n") + "\n"
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(&text.replace('$', "$$")).unwrap()
}

/// What came of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Nothing,
    Something,
}

/// A shell.
#[derive(Clone, Debug, Default)]
pub(super) struct Shell {
    home: String,
    /// Where it stands, below the home directory; `None` for anywhere else.
    pub(super) at: Option<String>,
    /// As if there were no mima.
    user: Vars,
    /// As it is.
    pub(super) now: Vars,
    off: bool,
    key: Key,
    is_fresh: bool,
    /// What mima has left each of its variables as, and what they were before.
    set: BTreeMap<String, (Option<Vec<u8>>, Option<Var>)>,
    added: BTreeMap<String, (Vec<String>, bool)>,
    /// The directory of what is loaded.
    pub(super) dir: Option<String>,
    /// The groups that are functions.
    pub(super) groups: BTreeSet<&'static str>,
}

impl Shell {
    pub(super) fn new(home: &str, vars: Vars) -> Self {
        let (home, at) = (home.to_owned(), Some(String::new()));
        Self { home, at, user: vars.clone(), now: vars, ..Self::default() }
    }

    /// Whether mima has said in which project it stands.
    pub(super) fn has_state(&self) -> bool {
        !self.key.is_empty()
    }

    /// Whether mima has taken this variable away.
    pub(super) fn is_cut(&self, name: &str) -> bool {
        matches!(self.set.get(name), Some((None, _)))
    }

    /// What happens before each prompt.
    pub(super) fn prompt(&mut self, disk: &Disk) -> Said {
        if self.off { Said::Nothing } else { self.load(disk, false) }
    }

    pub(super) fn on(&mut self, disk: &Disk) -> Said {
        self.off = false;
        self.load(disk, false)
    }

    pub(super) fn reload(&mut self, disk: &Disk) -> Said {
        self.off = false;
        self.load(disk, true)
    }

    pub(super) fn off(&mut self) {
        self.off = true;
        self.apply(&Look { key: Key::new(), layers: Vec::new() });
    }

    fn load(&mut self, disk: &Disk, again: bool) -> Said {
        let none = || Look { key: Key::new(), layers: Vec::new() };
        let look = self.at.as_ref().map_or_else(none, |at| disk.look(at));
        let is_new = look.key != self.key || again;
        if is_new || self.is_fresh {
            self.apply(&look);
        }
        let blocked = look.key.iter().any(|(_, _, verdict)| *verdict == Verdict::Unknown);
        if is_new && blocked { Said::Something } else { Said::Nothing }
    }

    /// Makes the environment what the user has made it, and the project's on top.
    fn apply(&mut self, look: &Look) {
        self.is_fresh = false;
        self.key.clone_from(&look.key);
        self.dir = look.layers.last().map(|(dir, _)| format!("{}/{dir}", self.home));
        self.groups = look.layers.iter().flat_map(|(_, file)| file.groups.clone()).collect();
        self.set.clear();
        self.added.clear();
        let mut plan: BTreeMap<&str, Option<Vec<u8>>> = BTreeMap::new();
        let mut lists: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (dir, file) in &look.layers {
            for (name, value) in &file.env {
                let value = match value {
                    Value::Plain(text) => text.as_bytes().to_vec(),
                    Value::After(var, text) => {
                        let user = || self.user.get(*var).filter(|var| var.exported);
                        let before = match plan.get(var) {
                            Some(value) => value.clone(),
                            None => user().map(|var| var.value.clone()),
                        };
                        let before = before.filter(|value| !value.is_empty());
                        let mut value = before.unwrap_or_else(|| b"nothing".to_vec());
                        value.extend_from_slice(text.as_bytes());
                        value
                    }
                };
                plan.insert(name, Some(value));
            }
            plan.extend(file.unset.iter().map(|name| (*name, None)));
            for (name, entries) in &file.lists {
                let entries = entries.iter().map(|entry| format!("{}/{dir}/{entry}", self.home));
                lists.entry(name).or_default().splice(0..0, entries);
            }
        }
        self.now = self.user.clone();
        for (name, entries) in lists {
            let old = self.user.get(name).map(|var| String::from_utf8(var.value.clone()).unwrap());
            // An empty entry in MANPATH stands for where man looks anyway.
            let rest = old.clone().or((name == "MANPATH").then(String::new));
            let value = entries.iter().cloned().chain(rest).collect::<Vec<_>>().join(":");
            let var = Var { value: value.into_bytes(), exported: true };
            self.now.insert(name.to_owned(), var);
            self.added.insert(name.to_owned(), (entries, old.is_none()));
        }
        for (name, value) in plan {
            self.set.insert(name.to_owned(), (value.clone(), self.user.get(name).cloned()));
            match value {
                Some(value) => self.now.insert(name.to_owned(), Var { value, exported: true }),
                None => self.now.remove(name),
            };
        }
    }

    /// The user sets or unsets a variable. What is exported stays so.
    pub(super) fn change(&mut self, name: &str, value: Option<Vec<u8>>, export: bool) {
        match value {
            Some(value) => {
                let exported = export || self.now.get(name).is_some_and(|var| var.exported);
                self.now.insert(name.to_owned(), Var { value, exported });
            }
            None => drop(self.now.remove(name)),
        }
        let exported = self.now.get(name).filter(|var| var.exported);
        let of_user = match self.set.get(name) {
            // Nobody can tell that it was changed and changed back.
            Some((left, before)) if exported.map(|var| &var.value) == left.as_ref() => {
                before.clone()
            }
            _ => self.now.get(name).cloned(),
        };
        assign(&mut self.user, name, of_user);
    }

    /// The user puts a directory on a list.
    pub(super) fn extend(&mut self, name: &str, entry: &str, in_front: bool) {
        let old = self.now.get(name).map(|var| String::from_utf8(var.value.clone()).unwrap());
        let new = match old {
            None => entry.to_owned(),
            Some(old) if in_front => format!("{entry}:{old}"),
            Some(old) => format!("{old}:{entry}"),
        };
        let mut parts: Vec<_> = new.split(':').map(str::to_owned).collect();
        if let Some((entries, _)) = self.added.get(name) {
            for entry in entries {
                let at = parts.iter().position(|part| part == entry);
                parts.remove(at.unwrap());
            }
        }
        let var = |value: String| Var { value: value.into_bytes(), exported: true };
        self.user.insert(name.to_owned(), var(parts.join(":")));
        self.now.insert(name.to_owned(), var(new));
    }

    /// Another shell begins with this one's environment. It does not know what the variables
    /// were before mima, nor that mima was switched off.
    pub(super) fn heir(mut self) -> Self {
        for (name, (left, before)) in &mut self.set {
            *before = None;
            let exported = self.now.get(name).filter(|var| var.exported);
            if exported.map(|var| &var.value) == left.as_ref() {
                self.user.remove(name);
            }
        }
        self.user.retain(|_, var| var.exported);
        self.now.retain(|_, var| var.exported);
        self.off = false;
        self.groups.clear();
        self.is_fresh = self.has_state();
        self
    }
}

fn assign(vars: &mut Vars, name: &str, var: Option<Var>) {
    match var {
        Some(var) => drop(vars.insert(name.to_owned(), var)),
        None => drop(vars.remove(name)),
    }
}
