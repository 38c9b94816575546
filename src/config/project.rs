//! A project file, `.mima.yaml`: what a directory asks for.
//!
//! All its keys and their types; what they do is decided elsewhere. The file comes from a
//! repository, so nothing in it may weaken what protects the user: such keys are refused.

use super::expand::expand;
use super::flake::{Reference, reference};
use super::groups::{Groups, any_var_name, group_name, var_name};
use super::layout::{Layout, layout};
use super::parse::outline::Node;
use super::parse::{Document, Fault, Located, Text, unknown};
use super::pattern::path_or_pattern;
use super::user;
use super::version::at_least;
use crate::error::Result;
use crate::names::{GroupName, VarName};

/// The keys that only a project file has.
pub(super) const KEYS: &[&str] = &[
    "wrap",
    "env",
    "unset",
    "PATH_add",
    "path_add",
    "use_flake",
    "dotenv",
    "dotenv_if_exists",
    "dotenv_allow",
    "layout",
    "watch_file",
    "source_up",
    "env_vars_required",
    "mima_version",
    "auto_export",
    "auto_export_groups",
];
/// A file that has every key, and says what each is for.
pub const EXAMPLE: &str = include_str!("project.yaml");
/// Settings that concern security, so only the user's own file has them.
const USER_ONLY: &[&str] = &["confirm", "session", "store"];

/// A project file. What is judged later keeps its place, for messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectFile {
    /// The project's groups.
    pub groups: Groups,
    /// Groups of the user file that also get a wrapper here.
    pub wrap: Vec<Located<GroupName>>,
    /// Public variables, in file order, not yet expanded.
    pub env: Vec<(VarName, Text)>,
    /// Variables to unset.
    pub unset: Vec<Located<VarName>>,
    /// Directories to put in front of PATH.
    pub path_add: Vec<Text>,
    /// Directories to put in front of other lists.
    pub list_add: Vec<(VarName, Vec<Text>)>,
    /// The flake whose development shell comes before all of these.
    pub use_flake: Option<Located<Reference>>,
    /// Files that set variables. What they say is no part of what is approved.
    pub dotenv: Vec<Text>,
    /// The same, which need not be there.
    pub dotenv_if_exists: Vec<Text>,
    /// Variables that a dotenv file may set although they can run code.
    pub dotenv_allow: Vec<Located<VarName>>,
    /// The kinds of project that it is.
    pub layout: Vec<Located<&'static Layout>>,
    /// Further files whose change reloads the environment: paths and patterns.
    pub watch_file: Vec<Text>,
    /// The switch of [`Self::source_up`], if the file has it.
    pub source_up: Option<Located<bool>>,
    /// Variables that must be set when all else is done.
    pub env_vars_required: Vec<Located<VarName>>,
    /// The version of mima that is needed, as written. This one has been found new enough.
    pub mima_version: Option<Text>,
    /// The switch of [`Self::auto_export`], if the file has it.
    pub auto_export: Option<Located<bool>>,
    /// Which groups are exported; none named means all.
    pub auto_export_groups: Vec<Located<GroupName>>,
}

impl ProjectFile {
    /// Tells whether the project file above is loaded first.
    pub fn source_up(&self) -> bool {
        self.source_up.as_ref().is_some_and(|switch| switch.value)
    }

    /// Tells whether groups are exported to the shell.
    pub fn auto_export(&self) -> bool {
        self.auto_export.as_ref().is_some_and(|switch| switch.value)
    }

    /// Lays `.mima.local.yaml` over the file: maps by key, where a key that both have stays
    /// in its place; lists appended; a single value replaced. Places say which file they
    /// are in.
    #[must_use]
    pub fn overlay(self, local: Self) -> Self {
        let env = local.env.into_iter().map(|(name, text)| (name, text.local()));
        let lists = local.list_add.into_iter().map(|(name, list)| (name, append(vec![], list)));
        Self {
            groups: self.groups.overlay(local.groups),
            wrap: append(self.wrap, local.wrap),
            env: by_key(self.env, env, |old, new| *old = new),
            unset: append(self.unset, local.unset),
            path_add: append(self.path_add, local.path_add),
            list_add: by_key(self.list_add, lists, Vec::extend),
            use_flake: local.use_flake.map(Located::local).or(self.use_flake),
            dotenv: append(self.dotenv, local.dotenv),
            dotenv_if_exists: append(self.dotenv_if_exists, local.dotenv_if_exists),
            dotenv_allow: append(self.dotenv_allow, local.dotenv_allow),
            layout: append(self.layout, local.layout),
            watch_file: append(self.watch_file, local.watch_file),
            source_up: local.source_up.map(Located::local).or(self.source_up),
            env_vars_required: append(self.env_vars_required, local.env_vars_required),
            mima_version: local.mima_version.map(Located::local).or(self.mima_version),
            auto_export: local.auto_export.map(Located::local).or(self.auto_export),
            auto_export_groups: append(self.auto_export_groups, local.auto_export_groups),
        }
    }
}

/// Appends the items of a local file.
fn append<T>(mut items: Vec<Located<T>>, local: Vec<Located<T>>) -> Vec<Located<T>> {
    items.extend(local.into_iter().map(Located::local));
    items
}

/// Lays entries over others. A key that both have stays in its place, with what `merge`
/// makes of the two values.
fn by_key<T>(
    mut entries: Vec<(VarName, T)>,
    local: impl IntoIterator<Item = (VarName, T)>,
    merge: fn(&mut T, T),
) -> Vec<(VarName, T)> {
    for (name, value) in local {
        match entries.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => merge(old, value),
            None => entries.push((name, value)),
        }
    }
    entries
}

impl Document for ProjectFile {
    const KEYS: &'static [&'static str] = KEYS;
    // What an older mima does not know is explained by this.
    const FIRST: Option<&'static str> = Some("mima_version");

    fn set(&mut self, key: &Node, value: &Node) -> Result<(), Fault> {
        match key.text() {
            "groups" => self.groups = Groups::read(value)?,
            "wrap" => self.wrap = value.list(group_name)?,
            "env" => self.env = by_variable(value, |value| value.one(template))?,
            "unset" => self.unset = value.list(var_name)?,
            "PATH_add" => self.path_add = value.list(template)?,
            "path_add" => self.list_add = by_variable(value, |value| value.list(template))?,
            "use_flake" => self.use_flake = Some(value.one(reference)?),
            "dotenv" => self.dotenv = value.list(Node::string)?,
            "dotenv_if_exists" => self.dotenv_if_exists = value.list(Node::string)?,
            "dotenv_allow" => self.dotenv_allow = value.list(var_name)?,
            "layout" => self.layout = value.list(layout)?,
            "watch_file" => self.watch_file = value.list(path_or_pattern)?,
            "source_up" => self.source_up = Some(switch(key, value)?),
            "env_vars_required" => self.env_vars_required = value.list(any_var_name)?,
            "mima_version" => self.mima_version = Some(value.one(at_least)?),
            "auto_export" => self.auto_export = Some(switch(key, value)?),
            "auto_export_groups" => self.auto_export_groups = value.list(group_name)?,
            _ => return Err(unknown::<Self>(key)),
        }
        Ok(())
    }

    fn explain(key: &str) -> Option<(String, String)> {
        if user::NEVER.contains(&key) {
            return Some(user::no_trust());
        }
        USER_ONLY.contains(&key).then(|| {
            (
                "this setting concerns security and belongs in ~/.mima.yaml".to_owned(),
                format!("remove `{key}` here"),
            )
        })
    }
}

/// Reads a value that may refer to variables. Whether it does so in the right form is found
/// now, what they are when it is loaded.
fn template(node: &Node) -> Result<String, Fault> {
    let text = node.string()?;
    match expand(&text, &|_| Some(Vec::new())) {
        Ok(_) => Ok(text),
        Err(problem) => Err(problem.fault(node.place, "")),
    }
}

/// Reads what each of several variables has.
fn by_variable<T>(
    map: &Node,
    rule: impl Fn(&Node) -> Result<T, Fault>,
) -> Result<Vec<(VarName, T)>, Fault> {
    let mut entries = Vec::new();
    map.map(|key, value| {
        entries.push((var_name(key)?, rule(value)?));
        Ok(())
    })?;
    Ok(entries)
}

fn switch(key: &Node, value: &Node) -> Result<Located<bool>, Fault> {
    value.one(|value| match value.scalar()? {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => {
            Err(value.fault("this is neither true nor false").hint(format!("{}: true", key.text())))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::super::parse::tests::message;
    use super::*;

    fn values<T: Clone>(items: &[Located<T>]) -> Vec<T> {
        items.iter().map(|item| item.value.clone()).collect()
    }

    #[test]
    fn every_key_has_its_type_and_values_stay_as_written() {
        let text = "groups: {dev: {A: x}}\nwrap: [aws]\nenv: {Z: 0755, B: yes, C: 1.10, D: \"\", E: 1e3, F: .nan, G: true, H: 0x1F, I: 2026-01-01, J: 1_000}\nunset: [Q]\nPATH_add: [bin]\npath_add: {MANPATH: [man, 1.0]}\nuse_flake: \".#ci\"\ndotenv: [.env]\ndotenv_if_exists: [.env.local]\ndotenv_allow: [NODE_OPTIONS]\nlayout: [node]\nwatch_file: [x]\nsource_up: true\nenv_vars_required: [HOME]\nmima_version: \">=0.1\"\nauto_export: false\nauto_export_groups: [dev]\n";
        let file = parse::<ProjectFile>(text.as_bytes(), "f").unwrap();
        let env: Vec<_> = file.env.iter().map(|(k, v)| format!("{k}={}", v.value)).collect();
        assert_eq!(
            env.join(" "),
            "Z=0755 B=yes C=1.10 D= E=1e3 F=.nan G=true H=0x1F I=2026-01-01 J=1_000"
        );
        assert_eq!(values(&file.list_add[0].1), ["man", "1.0"]);
        assert!(file.source_up() && !file.auto_export());
        // The list of keys for messages is the one that is read.
        for key in KEYS {
            assert!(text.contains(&format!("\n{key}: ")), "{key}");
            assert!(ProjectFile::explain(key).is_none(), "{key}");
        }
    }

    #[test]
    fn the_example_has_every_key() {
        let file = parse::<ProjectFile>(EXAMPLE.as_bytes(), "f").unwrap();
        assert!(file.auto_export());
        for key in KEYS.iter().chain(&["groups"]) {
            assert!(EXAMPLE.lines().any(|line| line.starts_with(&format!("{key}: "))), "{key}");
        }
    }

    #[test]
    fn what_a_project_may_not_do_is_refused() {
        for (text, want) in [
            (
                "env: {PATH: x}",
                "f:1:7: env.PATH: this variable steers the shell or mima: no file may set it\n\
                 hint: a project file adds directories with `PATH_add: [bin]`",
            ),
            (
                "store: vault",
                "f:1:1: store: this setting concerns security and belongs in ~/.mima.yaml\n\
                 hint: remove `store` here",
            ),
            (
                "trust: [.]",
                "f:1:1: trust: no file can make itself or another trusted\nhint: mima allow",
            ),
            (
                "use_flake: nixpkgs#hello",
                "f:1:12: use_flake: a flake of the project belongs here: `.`, `.#NAME`, `./DIR` or `./DIR#NAME`\n\
                 hint: any other flake belongs in the inputs of the project's flake.nix",
            ),
            (
                "source_up: yes",
                "f:1:12: source_up: this is neither true nor false\nhint: source_up: true",
            ),
            (
                "wrap: aws",
                "f:1:7: wrap: a list belongs here\n\
                 hint: write [one, two], or [one] for a single item",
            ),
            (
                "env: [A]",
                "f:1:6: env: keys with values belong here\nhint: write `KEY: value` lines",
            ),
            (
                "env: {A: [b]}",
                "f:1:10: env.A: a single value belongs here\nhint: put no list and no keys here",
            ),
            ("layout: [nod]", "f:1:10: layout: this is no layout\nhint: did you mean `node`?"),
            (
                "layout: [julia]",
                "f:1:10: layout: this is no layout\n\
                 hint: the layouts are: go, node, perl, php, python, ruby",
            ),
            (
                "watch_file: ['a[b']",
                "f:1:14: watch_file: this is no pattern\nhint: * ? [ab] stand for parts of a name, \
                 **/ for any directories, and [[] for a bracket",
            ),
            (
                "mima_version: 0.1",
                "f:1:15: mima_version: this is no version\nhint: mima_version: \">=0.1\"",
            ),
            // The reason is said, wherever it stands.
            (
                "some_new_key: {}\nmima_version: '>= 99.1'",
                concat!(
                    "f:2:15: mima_version: the project needs mima 99.1.0, and this is ",
                    env!("CARGO_PKG_VERSION"),
                    "\nhint: install a newer mima, then: mima reload"
                ),
            ),
            ("wrap: []\nenvv: {}\n", "f:2:1: envv: an unknown key\nhint: did you mean `env`?"),
        ] {
            assert_eq!(message::<ProjectFile>(text.as_bytes()), want, "{text}");
        }
    }

    /// Reads a file, and another that is laid over it.
    fn laid(file: &str, local: &str) -> ProjectFile {
        let read = |text: &str| parse::<ProjectFile>(text.as_bytes(), "f").unwrap();
        read(file).overlay(read(local))
    }

    const EVERY_KEY: &str = "groups: {dev: {A: x}}\nwrap: [w]\nenv: {A: a}\nunset: [U]\nPATH_add: [p]\npath_add: {MANPATH: [m]}\nuse_flake: .\ndotenv: [.env]\ndotenv_if_exists: [.l]\ndotenv_allow: [NODE_OPTIONS]\nlayout: [go]\nwatch_file: [w]\nsource_up: true\nenv_vars_required: [R]\nmima_version: '>=0'\nauto_export: true\nauto_export_groups: [dev]\n";

    #[test]
    fn a_local_file_adds_to_lists_and_replaces_by_key() {
        let file = laid(
            "groups: {dev: {A: x, B: y}, ops: {}}\nenv: {A: a, B: b}\nPATH_add: [p]\npath_add: {M: [m], N: [n]}\nsource_up: true\nauto_export: true\n",
            "groups: {ci: {Z: z}, dev: {C: z, A: z}}\nenv: {C: c, A: z}\nPATH_add: [q]\npath_add: {O: [o], M: [z]}\nauto_export: false\n",
        );
        let groups: Vec<_> = file
            .groups
            .iter()
            .flat_map(|(name, links)| {
                std::iter::once(name.to_string())
                    .chain(links.iter().map(|(var, secret)| format!("{var}={secret}")))
            })
            .collect();
        assert_eq!(groups.join(" "), "dev A=z B=y C=z ops ci Z=z");
        let env: Vec<_> = file.env.iter().map(|(k, v)| format!("{k}={}", v.value)).collect();
        assert_eq!(env, ["A=z", "B=b", "C=c"]);
        assert_eq!(values(&file.path_add), ["p", "q"]);
        let lists: Vec<_> =
            file.list_add.iter().map(|(k, v)| format!("{k}={}", values(v).join(":"))).collect();
        assert_eq!(lists, ["M=m:z", "N=n", "O=o"]);
        // A switch that the local file does not mention stays.
        assert!(file.source_up() && !file.auto_export());
    }

    #[test]
    fn nothing_laid_over_or_under_a_file_changes_it() {
        let file = parse::<ProjectFile>(EVERY_KEY.as_bytes(), "f").unwrap();
        assert_eq!(laid(EVERY_KEY, ""), file);
        assert_eq!(laid("", EVERY_KEY), file);
    }

    #[test]
    fn places_tell_the_two_files_apart() {
        for (file, is_local) in [(laid(EVERY_KEY, ""), false), (laid("", EVERY_KEY), true)] {
            // Everything that has a place shows it; no text of the file has that form.
            let shown = format!("{file:?}");
            assert_eq!(shown.matches("is_local: ").count(), KEYS.len());
            assert_eq!(shown.matches(&format!("is_local: {is_local}")).count(), KEYS.len());
        }
        let both = laid("env: {A: a, B: b}\nunset: [U]", "unset: [V]\nenv: {B: z}");
        let said = |place| Fault::new(place, "", "no").in_either("f", "l").to_string();
        assert_eq!(said(both.env[0].1.place), "f:1:10: no");
        assert_eq!(said(both.env[1].1.place), "l:2:10: no");
        assert_eq!(said(both.unset[1].place), "l:1:9: no");
    }
}
