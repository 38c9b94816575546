//! Merging: inherited variables, then a group's, each name once.

use std::ffi::{CStr, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use zeroize::Zeroizing;

use crate::error::{Failure, Result};
use crate::names::{OWN_PREFIXES, VarName};
use crate::secret::Secret;

/// What `--scrub` lets through.
pub const SCRUB_KEEPS: [&str; 5] = ["HOME", "PATH", "SHELL", "TERM", "USER"];

/// A passphrase helper is for mima, never for what mima starts.
const NEVER: &[u8] = b"MIMA_ASKPASS";

/// Which of mima's own environment the child gets.
pub enum Inherit {
    /// All but `MIMA_ASKPASS`.
    All,
    /// Only [`SCRUB_KEEPS`] and these.
    Only(Vec<VarName>),
}

impl Inherit {
    fn lets_through(&self, name: &OsStr, value: &OsStr) -> bool {
        let bytes = name.as_bytes();
        match self {
            Self::All => bytes != NEVER,
            // A value that starts with `()` is code to an old bash. (threat F6)
            Self::Only(keep) => {
                !OWN_PREFIXES.iter().any(|prefix| bytes.starts_with(prefix.as_bytes()))
                    && !value.as_bytes().starts_with(b"()")
                    && (SCRUB_KEEPS.iter().any(|kept| kept.as_bytes() == bytes)
                        || keep.iter().any(|kept| kept.as_str().as_bytes() == bytes))
            }
        }
    }
}

/// A child's environment. Its memory is wiped when it is dropped.
pub struct Environment(Vec<Entry>);

/// One `NAME=value` with a final NUL.
pub(super) struct Entry {
    name_len: usize,
    bytes: Zeroizing<Vec<u8>>,
}

impl Entry {
    fn new(name: &[u8], value: &[u8]) -> Self {
        let mut bytes = Zeroizing::new(Vec::with_capacity(name.len() + value.len() + 2));
        bytes.extend_from_slice(name);
        bytes.push(b'=');
        bytes.extend_from_slice(value);
        bytes.push(0);
        Self { name_len: name.len(), bytes }
    }

    pub(super) fn name(&self) -> &[u8] {
        self.bytes.get(..self.name_len).unwrap_or_default()
    }

    fn value(&self) -> &OsStr {
        let end = self.bytes.len().saturating_sub(1);
        OsStr::from_bytes(self.bytes.get(self.name_len + 1..end).unwrap_or_default())
    }

    /// The length without the final NUL.
    pub(super) fn len(&self) -> usize {
        self.bytes.len().saturating_sub(1)
    }
}

impl Environment {
    /// Merges: inherited, then the group's, which wins. Where an inherited name occurs twice,
    /// the first counts, as for getenv(3). (threat B5)
    pub fn merge(
        inherited: impl IntoIterator<Item = (OsString, OsString)>,
        inherit: &Inherit,
        group: Vec<(VarName, Secret)>,
    ) -> Self {
        let mut seen = std::collections::HashSet::new();
        let mut entries: Vec<Entry> = Vec::new();
        for (name, value) in group {
            entries.push(Entry::new(name.as_str().as_bytes(), value.expose()));
            seen.insert(OsString::from(name.as_str()));
        }
        for (name, value) in inherited {
            if inherit.lets_through(&name, &value) && !seen.contains(&name) {
                entries.push(Entry::new(name.as_bytes(), value.as_bytes()));
                seen.insert(name);
            }
        }
        Self(entries)
    }

    /// Returns the value of an environment variable.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.iter().find(|entry| entry.name() == name.as_bytes()).map(Entry::value)
    }

    /// Lends the entries out as execve wants them. Fails if one holds a NUL, which nothing
    /// that mima stores does.
    pub fn as_c_strings(&self) -> Result<Vec<&CStr>> {
        self.0
            .iter()
            .map(|entry| {
                CStr::from_bytes_with_nul(&entry.bytes).map_err(|_| {
                    let name = String::from_utf8_lossy(entry.name());
                    Failure::failed(format!("the value of {name} holds a NUL byte"))
                })
            })
            .collect()
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(list: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        list.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    fn group(list: &[(&str, &str)]) -> Vec<(VarName, Secret)> {
        list.iter()
            .map(|(name, value)| {
                (VarName::parse(name).unwrap(), Secret::new(value.as_bytes().to_vec()))
            })
            .collect()
    }

    fn rendered(environment: &Environment) -> Vec<String> {
        let strings = environment.as_c_strings().unwrap();
        let mut lines: Vec<_> = strings.iter().map(|s| s.to_string_lossy().into_owned()).collect();
        lines.sort();
        lines
    }

    #[test]
    fn t_b5_each_name_once_and_the_group_wins() {
        let inherited = vars(&[("A", "1"), ("B", "1"), ("A", "2"), ("MIMA_ASKPASS", "x")]);
        let merged = Environment::merge(inherited, &Inherit::All, group(&[("B", "2"), ("C", "")]));
        assert_eq!(rendered(&merged), ["A=1", "B=2", "C="]);
        assert_eq!(merged.get("B").unwrap(), "2");
        assert!(merged.get("D").is_none());
    }

    #[test]
    fn t_f6_scrub_keeps_five_names_and_what_was_asked_for() {
        let inherited = vars(&[
            ("PATH", "/bin"),
            ("HOME", "() { :; }"),
            ("EDITOR", "vi"),
            ("TOKEN", "inherited"),
            ("MIMA_HOME", "/x"),
            ("BASH_FUNC_x%%", "() { :; }"),
        ]);
        let keep = Inherit::Only(vec![VarName::parse("EDITOR").unwrap()]);
        let merged = Environment::merge(inherited, &keep, group(&[("TOKEN", "t")]));
        assert_eq!(rendered(&merged), ["EDITOR=vi", "PATH=/bin", "TOKEN=t"]);
    }
}
