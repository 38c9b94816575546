//! A project file, `.mima.yaml`: what a directory asks for.
//!
//! All its keys and their types; what they do is decided elsewhere. The file comes from a
//! repository, so nothing in it may weaken what protects the user: such keys are refused.

use serde::Deserialize;

use super::groups::{Groups, RawGroups, any_var_name, group_name, var_name};
use super::parse::{Document, Entries, Fault, Text, path_text};
use super::user;
use crate::error::Result;
use crate::names::{self, GroupName, VarName};

/// The keys that only a project file has.
pub(super) const KEYS: &[&str] = &[
    "wrap",
    "env",
    "unset",
    "PATH_add",
    "path_add",
    "dotenv",
    "dotenv_if_exists",
    "dotenv_allow",
    "use_flake",
    "layout",
    "watch_file",
    "source_up",
    "env_vars_required",
    "auto_export",
    "auto_export_groups",
];
/// Settings that concern security, so only the user's own file has them.
const USER_ONLY: &[&str] = &["confirm", "session", "store"];

/// A project file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectFile {
    /// The project's groups.
    pub groups: Groups,
    /// Groups of the user file that also get a wrapper here.
    pub wrap: Vec<GroupName>,
    /// Public variables, in file order, not yet expanded.
    pub env: Vec<(VarName, String)>,
    /// Variables to unset.
    pub unset: Vec<VarName>,
    /// Directories to put in front of PATH.
    pub path_add: Vec<String>,
    /// Directories to put in front of other lists.
    pub list_add: Vec<(VarName, Vec<String>)>,
    /// dotenv files that must exist.
    pub dotenv: Vec<String>,
    /// dotenv files that may exist.
    pub dotenv_if_exists: Vec<String>,
    /// Variables that a dotenv file may set although they can run code.
    pub dotenv_allow: Vec<VarName>,
    /// The flake whose environment is loaded.
    pub use_flake: Option<String>,
    /// The languages whose usual directories are added.
    pub layout: Vec<Layout>,
    /// Further files whose change reloads the environment.
    pub watch_file: Vec<String>,
    /// Whether the project file above is loaded first.
    pub source_up: bool,
    /// Variables that must be set when all else is done.
    pub env_vars_required: Vec<VarName>,
    /// Whether groups are exported to the shell.
    pub auto_export: bool,
    /// Which groups are exported; none named means all.
    pub auto_export_groups: Vec<GroupName>,
}

/// A language whose usual directories [`ProjectFile::layout`] adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Node.js.
    Node,
    /// Go.
    Go,
    /// PHP.
    Php,
    /// Ruby.
    Ruby,
    /// Perl.
    Perl,
    /// Python, with an existing virtual environment.
    Python,
}

/// The layouts by name.
const LAYOUTS: &[(&str, Layout)] = &[
    ("node", Layout::Node),
    ("go", Layout::Go),
    ("php", Layout::Php),
    ("ruby", Layout::Ruby),
    ("perl", Layout::Perl),
    ("python", Layout::Python),
];

/// The project file as serde reads it.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Raw {
    groups: RawGroups,
    wrap: Vec<Text>,
    env: Entries<String>,
    unset: Vec<Text>,
    #[serde(rename = "PATH_add")]
    path_add: Vec<String>,
    #[serde(rename = "path_add")]
    list_add: Entries<Vec<String>>,
    dotenv: Vec<String>,
    dotenv_if_exists: Vec<String>,
    dotenv_allow: Vec<Text>,
    use_flake: Option<Text>,
    layout: Vec<Text>,
    watch_file: Vec<String>,
    source_up: Option<Text>,
    env_vars_required: Vec<Text>,
    auto_export: Option<Text>,
    auto_export_groups: Vec<Text>,
}

impl Document for ProjectFile {
    type Raw = Raw;

    fn check(raw: Raw) -> Result<Self, Fault> {
        Ok(Self {
            groups: Groups::check(raw.groups)?,
            wrap: each(&raw.wrap, "wrap", group_name)?,
            env: by_variable(raw.env, "env")?,
            unset: each(&raw.unset, "unset", var_name)?,
            path_add: raw.path_add,
            list_add: by_variable(raw.list_add, "path_add")?,
            dotenv: raw.dotenv,
            dotenv_if_exists: raw.dotenv_if_exists,
            dotenv_allow: each(&raw.dotenv_allow, "dotenv_allow", var_name)?,
            use_flake: raw.use_flake.map(|text| text.value),
            layout: each(&raw.layout, "layout", layout)?,
            watch_file: raw.watch_file,
            source_up: switch(raw.source_up, "source_up")?,
            env_vars_required: each(&raw.env_vars_required, "env_vars_required", any_var_name)?,
            auto_export: switch(raw.auto_export, "auto_export")?,
            auto_export_groups: each(&raw.auto_export_groups, "auto_export_groups", group_name)?,
        })
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

/// Checks every item of a list with the same rule.
fn each<T>(
    items: &[Text],
    key: &str,
    rule: fn(&Text, &str) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    items.iter().map(|item| rule(item, key)).collect()
}

/// Checks the names of variables that have something each.
fn by_variable<T>(entries: Entries<T>, key: &str) -> Result<Vec<(VarName, T)>, Fault> {
    let named =
        |(name, value): (Text, T)| Ok((var_name(&name, &path_text(&[key, &name.value]))?, value));
    entries.0.into_iter().map(named).collect()
}

fn layout(text: &Text, key: &str) -> Result<Layout, Fault> {
    LAYOUTS.iter().find(|(name, _)| *name == text.value).map(|(_, layout)| *layout).ok_or_else(
        || {
            let known = LAYOUTS.iter().map(|(name, _)| *name);
            let hint = match names::nearest(&text.value, known.clone()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the layouts are: {}", known.collect::<Vec<_>>().join(", ")),
            };
            Fault::new(text.place, key, "this is no layout of mima").hint(hint)
        },
    )
}

fn switch(text: Option<Text>, key: &str) -> Result<bool, Fault> {
    let Some(text) = text else { return Ok(false) };
    match text.value.as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Fault::new(text.place, key, "this is neither true nor false")
            .hint(format!("{key}: true"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::super::parse::tests::message;
    use super::*;

    #[test]
    fn every_key_has_its_type_and_values_stay_as_written() {
        let text = "groups: {dev: {A: x}}\nwrap: [aws]\nenv: {Z: 0755, B: yes, C: 1.10, D: \"\", E: 1e3, F: .nan, G: true, H: 0x1F, I: 2026-01-01, J: 1_000}\nunset: [Q]\nPATH_add: [bin]\npath_add: {MANPATH: [man, 1.0]}\ndotenv: [.env]\ndotenv_if_exists: [.l]\ndotenv_allow: [NODE_OPTIONS]\nuse_flake: .#ci\nlayout: [node, python]\nwatch_file: [x]\nsource_up: true\nenv_vars_required: [HOME]\nauto_export: false\nauto_export_groups: [dev]\n";
        let file = parse::<ProjectFile>(text.as_bytes(), "f").unwrap();
        let env: Vec<_> = file.env.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(
            env.join(" "),
            "Z=0755 B=yes C=1.10 D= E=1e3 F=.nan G=true H=0x1F I=2026-01-01 J=1_000"
        );
        assert_eq!(file.list_add[0].1, ["man", "1.0"]);
        assert_eq!(file.layout, [Layout::Node, Layout::Python]);
        assert_eq!(file.use_flake.as_deref(), Some(".#ci"));
        assert!(file.source_up && !file.auto_export);
        // The one list of keys is the one that serde knows.
        for key in KEYS {
            assert!(text.contains(&format!("\n{key}: ")), "{key}");
            assert!(ProjectFile::explain(key).is_none(), "{key}");
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
                "source_up: yes",
                "f:1:12: source_up: this is neither true nor false\nhint: source_up: true",
            ),
            (
                "layout: [nod]",
                "f:1:10: layout: this is no layout of mima\nhint: did you mean `node`?",
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
            ("dotenv: []\nenvv: {}\n", "f:2:1: envv: an unknown key\nhint: did you mean `env`?"),
        ] {
            assert_eq!(message::<ProjectFile>(text.as_bytes()), want, "{text}");
        }
    }
}
