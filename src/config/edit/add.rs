//! Adding what a file does not have yet: links, variables, lists, switches.

use std::fmt::Write;

use super::super::parse::outline::{Data, Node};
use super::super::parse::{self, Fault, Place, path_text};
use super::super::project::ProjectFile;
use super::{Edit, apply, splice};
use crate::error::{Failure, Result};
use crate::names::{GroupName, SecretName, VarName};

/// What is to stand in a project file, beside what stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addition {
    /// A variable of a group, and its secret.
    Link(GroupName, VarName, SecretName),
    /// A value at a path of keys.
    Value(Vec<String>, String),
    /// A list at a path of keys.
    List(Vec<String>, Vec<String>),
    /// A switch that is on.
    Switch(String),
}

/// Adds to the bytes of a project file; no bytes make a new one. What is there already is left
/// as it is if it says the same, and an error if not: nothing of a person's is replaced.
pub fn add(bytes: &[u8], additions: &[Addition], label: &str) -> Result<Vec<u8>> {
    parse::parse::<ProjectFile>(bytes, label)?;
    additions.iter().try_fold(bytes.to_vec(), |bytes, addition| addition.to(&bytes, label))
}

impl Addition {
    /// Tells whether it can make a program run code: by a variable, or by a flake.
    pub fn runs_code(&self) -> bool {
        let runs = |name: &str| VarName::parse(name).is_ok_and(|name| name.runs_code());
        match self {
            Self::Link(_, var, _) => var.runs_code(),
            Self::Value(path, _) | Self::List(path, _) => {
                path.first().is_some_and(|key| key == "use_flake")
                    || path.get(1).is_some_and(|name| runs(name))
            }
            Self::Switch(_) => false,
        }
    }

    fn to(&self, bytes: &[u8], label: &str) -> Result<Vec<u8>> {
        let (path, value) = match self {
            Self::Link(group, var, secret) => return link(bytes, group, var, secret, label),
            Self::Value(path, text) => (path.clone(), scalar(text)),
            Self::List(path, items) => {
                let items: Vec<_> = items.iter().map(|item| scalar(item)).collect();
                (path.clone(), format!("[{}]", items.join(", ")))
            }
            Self::Switch(key) => (vec![key.clone()], "true".to_owned()),
        };
        let path: Vec<_> = path.iter().map(String::as_str).collect();
        let (text, root) = parse::read(bytes).map_err(|fault| fault.in_file(label))?;
        let wanted = self.node();
        if let Some((place, there)) = root.as_ref().and_then(|root| at(root, &path)) {
            return if there.data == wanted {
                Ok(bytes.to_vec())
            } else {
                Err(Fault::new(place, path_text(&path), "the file says something else already")
                    .hint(format!("make it `{}: {value}`, or take it out", path.join(".")))
                    .in_file(label))
            };
        }
        let new = splice::add(text, root.as_ref(), &path, &value).map(String::into_bytes);
        let new = new.filter(|new| adds(new, root.as_ref(), &path, &wanted));
        let Some(new) = new else {
            let place = root.as_ref().and_then(|root| at(root, path.get(..1)?));
            let place = place.map_or(Place::START, |(place, _)| place);
            return Err(Fault::new(
                place,
                path_text(&path),
                "mima cannot edit this layout without harm",
            )
            .hint(format!("edit the file: `{}: {value}`", path.join(".")))
            .in_file(label));
        };
        // That it is YAML does not mean that a project may say so.
        parse::parse::<ProjectFile>(&new, label)?;
        Ok(new)
    }

    /// What is to stand at the path.
    fn node(&self) -> Data {
        let scalar = |text: &str| Data::Scalar(text.to_owned());
        match self {
            Self::Value(_, text) => scalar(text),
            Self::List(_, items) => Data::List(
                items
                    .iter()
                    .map(|item| Node { place: Place::START, span: 0..0, data: scalar(item) })
                    .collect(),
            ),
            Self::Switch(_) => scalar("true"),
            Self::Link(_, _, secret) => scalar(secret.as_str()),
        }
    }
}

fn link(
    bytes: &[u8],
    group: &GroupName,
    var: &VarName,
    secret: &SecretName,
    label: &str,
) -> Result<Vec<u8>> {
    let edit = Edit::Link { group: group.clone(), var: var.clone(), secret: secret.clone() };
    let edited = apply(bytes, &edit, label)?;
    match edited.previous {
        Some(previous) if previous != *secret => Err(Failure::failed(format!(
            "{label}: group `{group}` sets {var} from `{previous}` already"
        ))
        .hint("choose another group, or unlink it first: mima group unlink --project")),
        _ => Ok(edited.bytes),
    }
}

/// Returns what stands at a path of keys, and where.
fn at<'a>(root: &'a Node, path: &[&str]) -> Option<(Place, &'a Node)> {
    let mut found = (root.place, root);
    for key in path {
        let (key, value) = found.1.find(key)?;
        found = (key.place, value);
    }
    Some(found)
}

/// Tells whether the new file says what the old one did, and `wanted` at the path.
fn adds(new: &[u8], old: Option<&Node>, path: &[&str], wanted: &Data) -> bool {
    let Ok((_, Some(new))) = parse::read(new) else { return false };
    at(&new, path).is_some_and(|(_, there)| there.data == *wanted)
        && without(&new, path) == old.cloned().map_or(Data::Map(Vec::new()), |old| old.data)
}

/// What a map says without the value at a path, and without the maps that are empty then.
fn without(map: &Node, path: &[&str]) -> Data {
    let Some((key, rest)) = path.split_first() else { return map.data.clone() };
    let mut kept = Vec::new();
    for (name, value) in map.entries() {
        if name.text() != *key {
            kept.push((name.clone(), value.clone()));
        } else if !rest.is_empty() {
            let data = without(value, rest);
            if data != Data::Map(Vec::new()) {
                kept.push((name.clone(), Node { data, ..value.clone() }));
            }
        }
    }
    Data::Map(kept)
}

/// Writes a value so that every YAML reader takes it for this text.
fn scalar(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
    let starts_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || "_/".contains(c))
        // `.5` and `.inf` are numbers.
        || text.strip_prefix('.').is_some_and(|rest| {
            let is_number = ["inf", "nan"].iter().any(|number| rest.eq_ignore_ascii_case(number));
            rest.starts_with(|c: char| c.is_ascii_alphabetic() || "_/".contains(c)) && !is_number
        });
    if starts_plain && text.chars().all(is_plain) {
        return splice::written(text);
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                // Writing to a string cannot fail.
                write!(out, "\\u{:04x}", u32::from(c)).ok();
            }
            c => out.push(c),
        }
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(keys: &str) -> Vec<String> {
        keys.split('.').map(str::to_owned).collect()
    }

    fn value(keys: &str, text: &str) -> Addition {
        Addition::Value(path(keys), text.to_owned())
    }

    fn list(keys: &str, items: &[&str]) -> Addition {
        Addition::List(path(keys), items.iter().map(|item| (*item).to_owned()).collect())
    }

    fn added(before: &str, additions: &[Addition]) -> Result<String, String> {
        match add(before.as_bytes(), additions, "f") {
            Ok(bytes) => Ok(String::from_utf8(bytes).unwrap()),
            Err(failure) => Err(failure.to_string()),
        }
    }

    #[test]
    fn keys_come_in_their_order_and_what_is_there_stays() {
        let all = [
            Addition::Link(
                GroupName::parse("dev").unwrap(),
                VarName::parse("A").unwrap(),
                SecretName::parse("dev.A").unwrap(),
            ),
            Addition::Switch("source_up".to_owned()),
            value("env.PORT", "8080"),
            value("env.B", "a: \"b\"\n#c"),
            list("PATH_add", &["bin", "${MIMA_DIR}/x"]),
            list("path_add.MANPATH", &["man"]),
        ];
        let fresh = added("", &all).unwrap();
        assert_eq!(
            fresh,
            "groups:\n  dev:\n    A: dev.A\nsource_up: true\nenv:\n  PORT: \"8080\"\n  \
             B: \"a: \\\"b\\\"\\n#c\"\nPATH_add: [bin, \"${MIMA_DIR}/x\"]\npath_add:\n  MANPATH: [man]\n"
        );
        // Again, nothing changes.
        assert_eq!(added(&fresh, &all).unwrap(), fresh);
        let before = "# mine\nenv: # here\n    A: x # why\n# end\nunset: [Q]\n";
        assert_eq!(
            added(before, &[value("env.B", "z"), list("PATH_add", &["bin"])]).unwrap(),
            "# mine\nenv: # here\n    A: x # why\n    B: z\n# end\nunset: [Q]\nPATH_add: [bin]\n"
        );
        assert_eq!(added("env: {A: x}\n", &[value("env.B", "z")]).unwrap(), "env: {A: x, B: z}\n");
        let odd = ["y", ".", ".5", ".Inf", ".inf2", "./x", "..", "-x", "1e3", "~", "null", "é"];
        let odd = added("", &[list("watch_file", &odd)]).unwrap();
        assert_eq!(
            odd,
            "watch_file: ['y', \".\", \".5\", \".Inf\", .inf2, ./x, \"..\", \"-x\", \"1e3\", \"~\", \
             'null', \"é\"]\n"
        );
    }

    #[test]
    fn what_says_something_else_is_named_and_left() {
        assert_eq!(
            added("env:\n  A: x\n", &[value("env.A", "y")]).unwrap_err(),
            "f:2:3: env.A: the file says something else already"
        );
        assert_eq!(
            added("PATH_add: [a]\n", &[list("PATH_add", &["b"])]).unwrap_err(),
            "f:1:1: PATH_add: the file says something else already"
        );
        assert!(added("", &[value("env.PATH", "y")]).unwrap_err().contains("steers the shell"));
    }

    proptest! {
        #[test]
        fn any_text_arrives_as_it_was(text in "[^\0$]{0,40}") {
            let new = added("", &[value("env.A", &text)]).unwrap();
            let file = parse::parse::<ProjectFile>(new.as_bytes(), "f").unwrap();
            prop_assert_eq!(&file.env[0].1.value, &text);
        }
    }
}
