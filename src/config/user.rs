//! The user file, `~/.mima.yaml`: groups that work everywhere, and every setting that
//! concerns security.

use super::groups::Groups;
use super::parse::outline::Node;
use super::parse::{Document, Fault, unknown};
use super::project;
use crate::error::Result;
use crate::names;

/// Keys of later versions. Ignoring a security setting would be worse than refusing it.
const NOT_YET: &[&str] = &["confirm", "session"];
/// What a file can never do, however the key is called.
pub(super) const NEVER: &[&str] = &["allow", "allowed", "trust", "trusted"];
/// The stores that mima knows of, whether this build has them or not.
const STORES: &[&str] = &["vault", "keychain", "secret-service", "env"];

/// The user file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserFile {
    /// Groups that work in every directory.
    pub groups: Groups,
    /// Where values lie.
    pub store: StoreKind,
}

/// Which store keeps the values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreKind {
    /// The embedded one, in the age format.
    #[default]
    Vault,
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
        match name {
            "vault" => Ok(Self::Vault),
            #[cfg(all(target_os = "linux", feature = "secret-service"))]
            "secret-service" => Ok(Self::SecretService),
            "env" => Ok(Self::Env),
            known if STORES.contains(&known) => Err((
                format!("this build has no `{known}` store"),
                "the store `vault` is in every build".to_owned(),
            )),
            other => Err((
                "this is no store of mima".to_owned(),
                match names::nearest(other, STORES.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("there are {}", STORES.join(", ")),
                },
            )),
        }
    }
}

impl Document for UserFile {
    const KEYS: &'static [&'static str] = &["store"];

    fn set(&mut self, key: &Node, value: &Node) -> Result<(), Fault> {
        match key.text() {
            "groups" => self.groups = Groups::read(value)?,
            "store" => self.store = store(value)?,
            _ => return Err(unknown::<Self>(key)),
        }
        Ok(())
    }

    fn explain(key: &str) -> Option<(String, String)> {
        if NOT_YET.contains(&key) {
            return Some((
                "this version of mima does not know this setting yet".to_owned(),
                format!("remove `{key}`: without it mima asks every time"),
            ));
        }
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

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::super::parse::tests::message;
    use super::*;

    #[test]
    fn an_empty_file_is_the_default() {
        for text in ["", "\u{feff}", "# nothing\n", "---\n", "{}", "groups: {}", "store: vault"] {
            assert_eq!(parse::<UserFile>(text.as_bytes(), "f").unwrap(), UserFile::default());
        }
    }

    #[test]
    fn settings_that_mima_cannot_keep_are_refused() {
        for (text, want) in [
            (
                "store: keychain",
                "f:1:8: store: this build has no `keychain` store\n\
                 hint: the store `vault` is in every build",
            ),
            ("store: valut", "f:1:8: store: this is no store of mima\nhint: did you mean `vault`?"),
            (
                "store: hunter2",
                "f:1:8: store: this is no store of mima\n\
                 hint: there are vault, keychain, secret-service, env",
            ),
            (
                "session: {idle: 10m}",
                "f:1:1: session: this version of mima does not know this setting yet\n\
                 hint: remove `session`: without it mima asks every time",
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
