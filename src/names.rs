//! The names of groups, variables and secrets, and the rules they follow.
//!
//! A value of one of these types has been checked: it is ASCII, short, and can be put into
//! a file name, a shell word or a message as it is. (threats: B1, B2, D9)

use std::fmt;

use crate::error::{Failure, Kind, Result};

/// Variables that steer the shell or mima itself. No file may set them: a project could
/// otherwise run code at the next prompt, or move what mima trusts. (threat B2)
const STEERING: &[&str] = &[
    "BASHOPTS",
    "BASH_ENV",
    "CDPATH",
    "ENV",
    "FPATH",
    "GLOBIGNORE",
    "HISTFILE",
    "HOME",
    "IFS",
    "NULLCMD",
    "OLDPWD",
    "PATH",
    "PROMPT_COMMAND",
    "PS4",
    "PWD",
    "SHELL",
    "SHELLOPTS",
    "SHLVL",
    "ZDOTDIR",
];

/// How the names of mima's own variables start.
pub const OWN_PREFIXES: [&str; 2] = ["MIMA_", "__MIMA_"];

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

impl VarName {
    /// Checks `text` as a variable that a group or file may set: a well-formed name that
    /// steers neither the shell nor mima.
    pub fn parse_settable(text: &str) -> Result<Self> {
        let name = Self::parse(text)?;
        if name.is_steering() {
            return Err(Failure::new(
                Kind::Usage,
                format!("`{name}` steers the shell or mima, so no group may set it"),
            )
            .hint("choose another variable"));
        }
        Ok(name)
    }

    /// Tells whether the variable is one of mima's own.
    pub fn is_own(&self) -> bool {
        OWN_PREFIXES.iter().any(|prefix| self.0.starts_with(prefix))
    }

    /// Tells whether the variable steers the shell or mima itself.
    pub fn is_steering(&self) -> bool {
        STEERING.contains(&self.as_str()) || self.0.starts_with("BASH_FUNC_") || self.is_own()
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
    existing
        .into_iter()
        .map(|other| (likeness(other), other))
        .filter(|(score, _)| *score > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn steering_variables_are_refused() {
        for bad in
            ["PATH", "HOME", "IFS", "BASH_ENV", "BASH_FUNC_x", "MIMA_ASKPASS", "__MIMA_STATE"]
        {
            assert!(VarName::parse_settable(bad).is_err(), "{bad}");
        }
        assert!(VarName::parse_settable("MANPATH").is_ok());
    }

    #[test]
    fn near_and_clashing_names_are_found() {
        assert_eq!(nearest("stipe-key", ["db", "stripe-key"]), Some("stripe-key"));
        assert_eq!(nearest("dve", ["prod", "dev"]), Some("dev"));
        assert_eq!(nearest("zzz", ["db", "stripe-key"]), None);
        assert_eq!(case_clash("Foo", ["bar", "foo"]), Some("foo"));
        assert_eq!(case_clash("foo", ["bar", "foo"]), None);
    }
}
