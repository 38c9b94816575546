//! The names of groups, variables and secrets, and the rules they follow.
//!
//! A value of one of these types has been checked: it is ASCII, short, and can be put into
//! a file name, a shell word or a message as it is. (threats: B1, D9) Which variables may be set
//! is judged in `variables`, which of a nix build's are none for a shell in `nix`, which groups may
//! have a wrapper in `wrappers`.

mod nix;
mod variables;
mod wrappers;

use std::fmt;
use std::sync::OnceLock;

use crate::error::{Failure, Kind, Result};

pub use variables::OWN_PREFIXES;

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $rule:literal, $max:literal, $first:expr, $rest:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// The rule, said as a hint.
            pub const RULE: &'static str = $rule;

            /// Checks `text` against the rule for this kind of name.
            pub fn parse(text: &str) -> Result<Self> {
                let first: fn(char) -> bool = $first;
                let rest: fn(char) -> bool = $rest;
                let mut chars = text.chars();
                let fits = chars.next().is_some_and(first) && chars.all(rest) && text.len() <= $max;
                if fits {
                    Ok(Self(text.to_owned()))
                } else {
                    // Not quoted: arguments get mixed up, and this one may be the value.
                    Err(Failure::new(Kind::Usage, concat!("that is no name for ", $what))
                        .hint(Self::RULE))
                }
            }

            /// The rule as a regular expression, for other programs.
            pub fn pattern() -> String {
                let (first, rest): (fn(char) -> bool, fn(char) -> bool) = ($first, $rest);
                format!("^[{}][{}]{{0,{}}}$", class(first), class(rest), $max - 1)
            }

            /// Lends the name out as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// The name of a group: `dev`, `agent-claude`.
    GroupName, "a group",
    "a group's name starts with a letter or digit and goes on with letters, digits, `.`, `_`, `-`; 64 at most",
    64, |c| c.is_ascii_alphanumeric(), |c| c.is_ascii_alphanumeric() || "._-".contains(c)
}

name! {
    /// The name of a secret: `dev-db`, `stripe.test`, `me@example`.
    SecretName, "a secret",
    "a secret's name starts with a letter or digit and goes on with letters, digits, `.`, `_`, `@`, `+`, `-`; 128 at most",
    128, |c| c.is_ascii_alphanumeric(), |c| c.is_ascii_alphanumeric() || "._@+-".contains(c)
}

name! {
    /// The name of an environment variable.
    VarName, "a variable",
    "a variable's name starts with a letter or `_` and goes on with letters, digits, `_`; 128 at most",
    128, |c| c.is_ascii_alphabetic() || c == '_', |c| c.is_ascii_alphanumeric() || c == '_'
}

/// Writes the characters of ASCII that fit as what stands between the brackets of a regular
/// expression.
fn class(fits: fn(char) -> bool) -> String {
    let fitting: Vec<char> = ('!'..='~').filter(|c| fits(*c)).collect();
    let mut class = String::new();
    for run in fitting.chunk_by(|a, b| u32::from(*a) + 1 == u32::from(*b)) {
        match run {
            [first, _, .., last] => class.extend([*first, '-', *last]),
            // A bare `-` between two others would be a range.
            few => few.iter().for_each(|c| {
                class.extend("-]\\^".contains(*c).then_some('\\'));
                class.push(*c);
            }),
        }
    }
    class
}

impl From<&VarName> for SecretName {
    /// The name under which a store of variables keeps one. It may begin with `_`, which no
    /// name that is typed or written into a file does.
    fn from(var: &VarName) -> Self {
        Self(var.0.clone())
    }
}

/// A list of words, for people in lines of text; a `*` in a word stands for any text.
struct Words {
    lines: &'static [&'static str],
    /// The words, sorted by their first byte, once somebody has asked.
    sorted: OnceLock<Vec<&'static str>>,
}

impl Words {
    const fn new(lines: &'static [&'static str]) -> Self {
        Self { lines, sorted: OnceLock::new() }
    }

    fn iter(&self) -> impl Iterator<Item = &'static str> {
        self.lines.iter().flat_map(|line| line.split_ascii_whitespace())
    }

    fn have(&self, name: &str) -> bool {
        let first = |word: &str| word.as_bytes().first().copied();
        let words = self.sorted.get_or_init(|| {
            let mut words: Vec<_> = self.iter().collect();
            words.sort_unstable_by_key(|word| first(word));
            words
        });
        let starting_with = |byte| {
            let at = words.partition_point(|word| first(word) < byte);
            words.iter().skip(at).take_while(move |word| first(word) == byte)
        };
        let fits = |word: &&str| match word.split_once('*') {
            Some((start, end)) => name.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)),
            None => *word == name,
        };
        starting_with(first(name)).chain(starting_with(Some(b'*'))).any(fits)
    }
}

/// Returns the first of `existing` that differs from `name` only in case. Such a pair would
/// be one file on a case-insensitive disk, so the second is refused. (threat D8)
pub fn case_clash<'a>(name: &str, existing: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    existing.into_iter().find(|other| *other != name && other.eq_ignore_ascii_case(name))
}

/// Returns the one of `existing` that `name` was probably meant to be.
pub fn nearest<'a>(name: &str, existing: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |other: &str| {
        let (a, b) = (name.to_lowercase(), other.to_lowercase());
        // One slip of the finger weighs too much in a short name: `dve` for `dev`.
        let slip = a.len() > 2 && strsim::osa_distance(&a, &b) == 1;
        if slip { 1.0 } else { strsim::jaro_winkler(&a, &b) }
    };
    // Of two that differ only in case, the one that is written alike.
    let alike = |other: &str| strsim::jaro_winkler(name, other);
    existing
        .into_iter()
        .map(|other| (likeness(other), other))
        .filter(|(score, _)| *score > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| alike(a.1).total_cmp(&alike(b.1))))
        .map(|(_, other)| other)
}

/// Fails unless each of the lines is sorted, without case, and no word is there twice.
#[cfg(test)]
fn assert_sorted(words: &Words) {
    for line in words.lines {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let mut sorted = words.clone();
        sorted.sort_by_key(|word| (word.to_ascii_lowercase(), *word));
        assert_eq!(words, sorted);
    }
    let mut all: Vec<_> = words.iter().collect();
    all.sort_unstable();
    let twice: Vec<_> = all.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_a_regular_expression_too() {
        assert_eq!(GroupName::pattern(), r"^[0-9A-Za-z][\-.0-9A-Z_a-z]{0,63}$");
        assert_eq!(SecretName::pattern(), r"^[0-9A-Za-z][+\-.0-9@-Z_a-z]{0,127}$");
        assert_eq!(VarName::pattern(), "^[A-Z_a-z][0-9A-Z_a-z]{0,127}$");
    }

    #[test]
    fn names_follow_their_rules() {
        for good in ["dev", "agent-claude", "a.b_c", "7"] {
            assert_eq!(GroupName::parse(good).unwrap().as_str(), good);
        }
        for bad in
            ["", "-x", ".x", "a b", "a/b", "../../x", "/abs", "a\n", "é", "a=b", "$(id)", "a\0"]
        {
            assert!(GroupName::parse(bad).is_err(), "{bad:?}");
            assert!(SecretName::parse(bad).is_err(), "{bad:?}");
            assert!(VarName::parse(bad).is_err(), "{bad:?}");
        }
        assert!(GroupName::parse(&"a".repeat(64)).is_ok());
        assert!(GroupName::parse(&"a".repeat(65)).is_err());
        assert!(SecretName::parse("me@example.org+x").is_ok());
        assert!(VarName::parse("1A").is_err());
    }

    #[test]
    fn a_star_in_a_list_stands_for_any_text() {
        let words = Words::new(&["A B_* *_C", "D_*_E"]);
        for has in ["A", "B_", "B_x", "_C", "x_C", "D_x_E", "D__E"] {
            assert!(words.have(has), "{has}");
        }
        for has_not in ["", "AA", "B", "xB_x", "x_Cx", "D_E", "a"] {
            assert!(!words.have(has_not), "{has_not}");
        }
    }

    #[test]
    fn near_and_clashing_names_are_found() {
        assert_eq!(nearest("stipe-key", ["db", "stripe-key"]), Some("stripe-key"));
        assert_eq!(nearest("dve", ["prod", "dev"]), Some("dev"));
        assert_eq!(nearest("zzz", ["db", "stripe-key"]), None);
        for names in [["path_add", "PATH_add"], ["PATH_add", "path_add"]] {
            assert_eq!(nearest("PATH_ad", names), Some("PATH_add"));
            assert_eq!(nearest("path_ad", names), Some("path_add"));
        }
        assert_eq!(case_clash("Foo", ["bar", "foo"]), Some("foo"));
        assert_eq!(case_clash("foo", ["bar", "foo"]), None);
    }
}
