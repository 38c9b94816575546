//! What mima has set in a shell: the text in `__MIMA_STATE`.
//!
//! It is exported, so that a nested shell, a tmux pane or an editor's terminal can take back
//! what mima set. It names variables, and never holds a value, old or new: a digest tells
//! whether a variable is still as mima left it. PATH entries are in it, since only mima's own
//! are to go. Pure.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::Vars;
use crate::names::VarName;

/// The variable that holds the state.
pub const STATE: &str = "__MIMA_STATE";
/// The version of the form.
const VERSION: &str = "1";
/// How long the text may be, in bytes. One string of an environment has 131,071 at most, and
/// every program that is started gets it.
const MAX_BYTES: usize = 64 << 10;

/// What mima has set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The directory of the project.
    pub dir: PathBuf,
    /// What the project asked for and how that was judged: the same key, the same outcome.
    pub key: String,
    /// The variables that were set or unset, and what tells that they still are as left.
    pub vars: BTreeMap<VarName, Mark>,
    /// The entries that were put in front of lists.
    pub lists: BTreeMap<VarName, Added>,
}

/// What a variable was left as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It had a value with this digest.
    Value(String),
    /// It was not there.
    Unset,
}

/// What was put in front of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// The entries, in their order in the list.
    pub entries: Vec<OsString>,
    /// Whether there was no such variable before.
    pub made: bool,
}

impl Mark {
    /// Marks a value, or that there is none.
    pub fn of(name: &VarName, value: Option<&[u8]>) -> Self {
        let Some(value) = value else { return Self::Unset };
        let mut hash = Sha256::new();
        hash.update(name.as_str());
        hash.update([0]);
        hash.update(value);
        Self::Value(hex::encode(hash.finalize().get(..8).unwrap_or_default()))
    }
}

impl State {
    /// Reads the state of an environment. What mima did not write counts as none.
    pub fn of(vars: &Vars) -> Option<Self> {
        Self::decode(vars.get(OsStr::new(STATE))?)
    }

    /// Returns only the key of the state of an environment.
    pub fn key_of(vars: &Vars) -> Option<&str> {
        let mut words = vars.get(OsStr::new(STATE))?.to_str()?.split(' ');
        words.next().filter(|version| *version == VERSION)?;
        words.nth(1)
    }

    /// Says of which project it is, and of which outcome.
    pub fn name(&mut self, dir: Option<&Path>, key: &str) {
        self.dir = dir.map(Path::to_owned).unwrap_or_default();
        key.clone_into(&mut self.key);
    }

    /// Tells whether a variable is still as mima left it.
    pub fn owns(&self, name: &VarName, vars: &Vars) -> bool {
        let now = vars.get(OsStr::new(name.as_str())).map(|value| value.as_bytes());
        self.vars.get(name).is_some_and(|mark| *mark == Mark::of(name, now))
    }

    /// Writes it as text; `None` if that would be too long for an environment.
    pub fn encode(&self) -> Option<String> {
        let mut words = vec![VERSION.to_owned(), hex::encode(self.dir.as_os_str().as_bytes())];
        words.push(self.key.clone());
        words.extend(self.vars.iter().map(|(name, mark)| match mark {
            Mark::Value(digest) => format!("{name}={digest}"),
            Mark::Unset => format!("{name}!"),
        }));
        words.extend(self.lists.iter().map(|(name, added)| {
            let entries: Vec<_> = added.entries.iter().map(|e| hex::encode(e.as_bytes())).collect();
            let made = if added.made { "*" } else { "+" };
            format!("{name}{made}{}", entries.join(":"))
        }));
        Some(words.join(" ")).filter(|text| text.len() <= MAX_BYTES)
    }

    fn decode(text: &OsStr) -> Option<Self> {
        let mut words = text.to_str()?.split(' ');
        if words.next()? != VERSION {
            return None;
        }
        let dir = PathBuf::from(OsString::from_vec(hex::decode(words.next()?).ok()?));
        let mut state = Self { dir, key: words.next()?.to_owned(), ..Self::default() };
        for word in words {
            let end = word.find(['=', '!', '+', '*'])?;
            let (name, rest) = word.split_at_checked(end)?;
            let name = VarName::parse(name).ok()?;
            match rest.split_at_checked(1)? {
                ("=", digest) => drop(state.vars.insert(name, Mark::Value(digest.to_owned()))),
                ("!", "") => drop(state.vars.insert(name, Mark::Unset)),
                (sign, entries) => {
                    let decoded = entries.split(':').map(|entry| hex::decode(entry).ok());
                    let entries =
                        decoded.map(|e| e.map(OsString::from_vec)).collect::<Option<_>>()?;
                    state.lists.insert(name, Added { entries, made: sign == "*" });
                }
            }
        }
        Some(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> State {
        let name = |name: &str| VarName::parse(name).unwrap();
        let added = Added { entries: vec!["/a b:".into(), "/\n".into()], made: true };
        State {
            dir: "/home/me/a b\n'".into(),
            key: "00ff".into(),
            vars: [(name("A"), Mark::of(&name("A"), Some(b"x"))), (name("B"), Mark::Unset)].into(),
            lists: [(name("PATH"), added)].into(),
        }
    }

    #[test]
    fn a_state_comes_back_and_holds_no_value() {
        let state = sample();
        let text = state.encode().unwrap();
        assert_eq!(State::decode(OsStr::new(&text)), Some(state));
        let vars = Vars::from([(STATE.into(), text.clone().into())]);
        assert_eq!(State::key_of(&vars), Some("00ff"));
        assert!(!text.contains('x') && text.is_ascii(), "{text}");
    }

    #[test]
    fn the_same_value_of_another_variable_has_another_mark() {
        let name = |name: &str| VarName::parse(name).unwrap();
        assert_ne!(Mark::of(&name("A"), Some(b"x")), Mark::of(&name("B"), Some(b"x")));
        assert_ne!(Mark::of(&name("A"), Some(b"")), Mark::of(&name("A"), None));
    }

    #[test]
    fn what_is_too_long_for_an_environment_is_no_state() {
        let mut state = sample();
        state.dir = "/x".repeat(MAX_BYTES).into();
        assert_eq!(state.encode(), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_text_makes_reading_it_panic(text in "(1|2|[0-9a-f]{0,6}|A|PATH|=|!|\\+|\\*|:| |é){0,20}") {
            drop(State::decode(OsStr::new(&text)));
        }
    }
}
