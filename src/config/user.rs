//! The user file, `~/.mima.yaml`: groups that work everywhere, and every setting that
//! concerns security.

use super::groups::{Groups, group_name};
use super::parse::outline::Node;
use super::parse::{Document, Fault, unknown};
use super::project;
use super::session::Settings;
use crate::error::Result;
use crate::names::{self, GroupName};

/// A file that has every key, and says what each is for.
pub const EXAMPLE: &str = include_str!("user.yaml");
/// What a file can never do, however the key is called.
pub(super) const NEVER: &[&str] = &["allow", "allowed", "trust", "trusted"];
/// The stores that mima knows of, whether this build has them or not.
pub(super) const KNOWN: &[&str] = &["vault", "keychain", "secret-service", "env"];
/// Those that this build has.
const STORES: &[(&str, StoreKind)] = &[
    ("vault", StoreKind::Vault),
    #[cfg(target_os = "macos")]
    ("keychain", StoreKind::Keychain),
    #[cfg(all(target_os = "linux", feature = "secret-service"))]
    ("secret-service", StoreKind::SecretService),
    ("env", StoreKind::Env),
];

/// The user file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserFile {
    /// Groups that work in every directory.
    pub groups: Groups,
    /// Where values lie.
    pub store: StoreKind,
    /// How long what was unlocked stays so.
    pub session: Settings,
    /// Groups that are asked for each time, in order and each once.
    pub confirm: Vec<GroupName>,
}

/// Which store keeps the values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreKind {
    /// The embedded one, in the age format.
    #[cfg_attr(not(target_os = "macos"), default)]
    Vault,
    /// The one of macOS.
    #[cfg(target_os = "macos")]
    #[default]
    Keychain,
    /// The desktop's keyring.
    #[cfg(all(target_os = "linux", feature = "secret-service"))]
    SecretService,
    /// The environment, which is only read.
    Env,
}

impl StoreKind {
    /// Finds the store that is called `name`. Else it returns what is wrong, and what to do;
    /// neither repeats `name`, which may be anything.
    pub fn named(name: &str) -> Result<Self, (String, String)> {
        if let Some((_, kind)) = STORES.iter().find(|(own, _)| *own == name) {
            return Ok(*kind);
        }
        let own: Vec<_> = STORES.iter().map(|(own, _)| *own).collect();
        let there_are = format!("there are {}", own.join(", "));
        if let Some(known) = KNOWN.iter().find(|known| **known == name) {
            return Err((format!("this build has no `{known}` store"), there_are));
        }
        let near = names::nearest(name, own.iter().copied());
        let hint = near.map_or(there_are, |near| format!("did you mean `{near}`?"));
        Err(("this is no store of mima".to_owned(), hint))
    }

    /// What the stores of this build are called.
    pub fn names() -> impl Iterator<Item = &'static str> {
        STORES.iter().map(|(name, _)| *name)
    }

    /// Tells whether it takes a person to get a value out, each time. The keyring of a desktop is
    /// open to all programs; what the environment holds, everybody has anyway.
    pub fn asks(self) -> bool {
        match self {
            #[cfg(all(target_os = "linux", feature = "secret-service"))]
            Self::SecretService => false,
            _ => true,
        }
    }

    /// What a user calls it.
    pub fn word(self) -> &'static str {
        STORES.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

impl Document for UserFile {
    const KEYS: &'static [&'static str] = &["store", "session", "confirm"];

    fn set(&mut self, key: &Node, value: &Node) -> Result<(), Fault> {
        match key.text() {
            "groups" => self.groups = Groups::read(value)?,
            "store" => self.store = store(value)?,
            "session" => self.session = Settings::read(value)?,
            "confirm" => self.confirm = groups(value)?,
            _ => return Err(unknown::<Self>(key)),
        }
        Ok(())
    }

    fn explain(key: &str) -> Option<(String, String)> {
        if NEVER.contains(&key) {
            return Some(no_trust());
        }
        project::KEYS.contains(&key).then(|| {
            ("this key belongs in a project's .mima.yaml".to_owned(), format!("move `{key}` there"))
        })
    }
}

/// Says that trust is given on the command line only.
pub(super) fn no_trust() -> (String, String) {
    ("no file can make itself or another trusted".to_owned(), "mima allow".to_owned())
}

fn store(value: &Node) -> Result<StoreKind, Fault> {
    StoreKind::named(value.scalar()?).map_err(|(what, hint)| value.fault(what).hint(hint))
}

/// Reads names of groups. Whether there are such groups depends on the project.
fn groups(value: &Node) -> Result<Vec<GroupName>, Fault> {
    let mut names: Vec<_> =
        value.list(group_name)?.into_iter().map(|located| located.value).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::super::parse::tests::message;
    use super::*;

    #[test]
    fn an_empty_file_is_the_default() {
        let default = if cfg!(target_os = "macos") { "store: keychain" } else { "store: vault" };
        for text in ["", "\u{feff}", "# nothing\n", "---\n", "{}", "groups: {}", default] {
            assert_eq!(parse::<UserFile>(text.as_bytes(), "f").unwrap(), UserFile::default());
        }
    }

    #[test]
    fn the_example_has_every_key() {
        let file = parse::<UserFile>(EXAMPLE.as_bytes(), "f").unwrap();
        assert_eq!(file.session, Settings::default());
        for key in UserFile::KEYS.iter().chain(&["groups"]) {
            assert!(EXAMPLE.lines().any(|line| line.starts_with(&format!("{key}: "))), "{key}");
        }
        for word in KNOWN.iter().copied().chain(["terminal", "off"]) {
            assert!(EXAMPLE.contains(word), "{word}");
        }
    }

    #[test]
    fn a_build_has_the_stores_of_its_system() {
        for (name, here) in [
            ("vault", true),
            ("keychain", cfg!(target_os = "macos")),
            ("secret-service", cfg!(all(target_os = "linux", feature = "secret-service"))),
            ("env", true),
        ] {
            assert!(KNOWN.contains(&name));
            assert_eq!(StoreKind::named(name).is_ok(), here, "{name}");
            let text = format!("store: {name}");
            assert_eq!(parse::<UserFile>(text.as_bytes(), "f").is_ok(), here, "{name}");
            if !here {
                let (what, hint) = StoreKind::named(name).unwrap_err();
                assert_eq!(what, format!("this build has no `{name}` store"));
                assert_eq!(hint, StoreKind::named("hunter2").unwrap_err().1);
            }
        }
    }

    #[test]
    fn no_store_is_named_that_this_build_does_not_have() {
        let (_, hint) = StoreKind::named("hunter2").unwrap_err();
        let named: Vec<_> = hint.strip_prefix("there are ").unwrap().split(", ").collect();
        let here = KNOWN.iter().copied().filter(|name| StoreKind::named(name).is_ok());
        assert_eq!(named, here.collect::<Vec<_>>());
        for known in KNOWN {
            let (what, hint) = StoreKind::named(&format!("{known}x")).unwrap_err();
            assert_eq!(what, "this is no store of mima");
            let near = format!("did you mean `{known}`?");
            assert_eq!(hint == near, named.contains(known), "{hint}");
        }
    }

    #[test]
    fn the_groups_to_confirm_are_sorted_and_each_there_once() {
        for (text, want) in [
            ("", ""),
            ("confirm: []", ""),
            ("confirm: [prod]", "prod"),
            ("confirm:\n- stage\n- prod\n- stage\n- 'Prod'\n", "Prod prod stage"),
        ] {
            let file = parse::<UserFile>(text.as_bytes(), "f").unwrap();
            let names: Vec<_> = file.confirm.iter().map(GroupName::as_str).collect();
            assert_eq!(names.join(" "), want, "{text}");
        }
    }

    #[test]
    fn settings_that_mima_cannot_keep_are_refused() {
        for (text, want) in [
            ("store: valut", "f:1:8: store: this is no store of mima\nhint: did you mean `vault`?"),
            ("sesion: {}", "f:1:1: sesion: an unknown key\nhint: did you mean `session`?"),
            (
                "hunter2: 1",
                "f:1:1: hunter2: an unknown key\nhint: the keys are: groups, store, session, confirm",
            ),
            (
                "confirm: prod",
                "f:1:10: confirm: a list belongs here\n\
                 hint: write [one, two], or [one] for a single item",
            ),
            (
                "confirm: [prod, a b]",
                "f:1:17: confirm: this is no name for a group\n\
                 hint: a group's name starts with a letter or digit and goes on with letters, \
                 digits, `.`, `_`, `-`; 64 at most",
            ),
            (
                "confirm: [[prod]]",
                "f:1:11: confirm: a single value belongs here\nhint: put no list and no keys here",
            ),
            (
                "confirm: [a]\nconfirm: []",
                "f:2:1: confirm: this key is there twice\nhint: remove one of them",
            ),
            (
                "# c\nenv: {A: b}",
                "f:2:1: env: this key belongs in a project's .mima.yaml\nhint: move `env` there",
            ),
            (
                "trust: all",
                "f:1:1: trust: no file can make itself or another trusted\nhint: mima allow",
            ),
            ("group: {}", "f:1:1: group: an unknown key\nhint: did you mean `groups`?"),
        ] {
            assert_eq!(message::<UserFile>(text.as_bytes()), want, "{text}");
        }
    }
}
