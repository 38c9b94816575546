//! `use_flake`: which development shell of which flake of the project.
//!
//! Only a flake that lies in the project can be named: what is approved is its `flake.nix` and
//! its `flake.lock`, and a flake elsewhere has neither here. As an input of the project's own
//! flake it is in the lock file.

use std::fmt;
use std::path::{Component, Path};

use super::parse::Fault;
use super::parse::outline::Node;
use crate::error::Result;

/// What `use_flake` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The directory of the flake below that of the project; empty for the project's own.
    dir: String,
    /// The development shell; without it, the default one.
    shell: Option<String>,
}

impl Reference {
    /// The directory of the flake, below that of the project.
    pub fn dir(&self) -> &Path {
        Path::new(&self.dir)
    }

    /// What follows the flake in a reference that nix is given: `#ci`, or nothing.
    pub fn fragment(&self) -> String {
        self.shell.as_ref().map(|shell| format!("#{shell}")).unwrap_or_default()
    }

    fn parse(text: &str) -> Option<Self> {
        let (dir, shell) = match text.split_once('#') {
            Some((dir, shell)) => (dir, Some(shell)),
            None => (text, None),
        };
        let dir = if dir == "." { "" } else { dir.strip_prefix("./")? };
        let is_below = Path::new(dir).components().all(|part| matches!(part, Component::Normal(_)));
        // What follows a question mark are parameters to nix.
        let is_plain = !dir.contains(|c: char| c.is_control() || c == '?');
        let is_shell = |shell: &str| {
            let is_name = |name: &str| {
                let first = name.chars().next();
                first.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
                    && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-'".contains(c))
            };
            shell.split('.').all(is_name)
        };
        let fits = is_below && is_plain && shell.is_none_or(is_shell);
        fits.then(|| Self { dir: dir.to_owned(), shell: shell.map(str::to_owned) })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if self.dir.is_empty() { "" } else { "/" };
        write!(f, ".{slash}{}{}", self.dir, self.fragment())
    }
}

/// Reads a reference.
pub(super) fn reference(node: &Node) -> Result<Reference, Fault> {
    Reference::parse(&node.string()?).ok_or_else(|| {
        node.fault("a flake of the project belongs here: `.`, `.#NAME`, `./DIR` or `./DIR#NAME`")
            .hint("any other flake belongs in the inputs of the project's flake.nix")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_flake_that_is_in_the_project_can_be_named() {
        for text in [".", ".#ci", "./nix", "./nix/dev#ci", ".#devShells.x86_64-linux.a-b_c'"] {
            assert_eq!(Reference::parse(text).unwrap().to_string(), text);
        }
        for (text, want) in [("./", "."), ("./nix/", "./nix/")] {
            assert_eq!(Reference::parse(text).unwrap().to_string(), want);
        }
        for text in [
            "",
            "nix",
            "..",
            "./..",
            "./a/../..",
            "/abs",
            ".//abs",
            "~",
            "path:.",
            "github:NixOS/nixpkgs",
            "nixpkgs#hello",
            ".?dir=x",
            "./x?dir=y",
            ".#",
            ".#a..b",
            ".#-x",
            ".#a b",
            ".#a#b",
            ".#a^out",
            ".#\"a\"",
            "./a\nb",
        ] {
            assert_eq!(Reference::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_reference_names_a_directory_and_a_shell() {
        let named = Reference::parse("./nix#ci").unwrap();
        assert_eq!((named.dir(), named.fragment().as_str()), (Path::new("nix"), "#ci"));
        let own = Reference::parse(".").unwrap();
        assert_eq!((own.dir(), own.fragment().as_str()), (Path::new(""), ""));
    }
}
