//! What the development shell of a flake comes to, as `nix print-dev-env --json` tells it. Pure.
//!
//! The rules are those of direnv's `use flake`: exported variables are taken, `PATH` and
//! `XDG_DATA_DIRS` are put in front of what there is, and what is about the build alone is left
//! out. Functions, arrays and `shellHook` are bash, and mima runs none.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};

use crate::names::VarName;

/// The lists that are put in front of what there is.
const LISTS: [&str; 2] = ["PATH", "XDG_DATA_DIRS"];
/// What stands on the `PATH` of a build that has none.
const NO_PATH: &str = "/path-not-set";

/// The exported variables of a development shell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DevShell(BTreeMap<VarName, String>);

/// What of a development shell is for the shell of a person.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Variables to set.
    pub vars: BTreeMap<VarName, String>,
    /// Entries to put in front of lists: absolute paths, each once.
    pub lists: BTreeMap<VarName, Vec<String>>,
    /// Variables that nothing may set.
    pub refused: Vec<VarName>,
}

/// Why a text is no development shell. Holds nothing of the text but names.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where nix keeps a copy of a flake that nobody can change any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The directory of the copy.
    pub copy: PathBuf,
    /// The directory of the flake in there: it may be a part of a repository.
    pub dir: PathBuf,
}

impl Source {
    /// Reads what `nix flake metadata --json` has printed.
    pub fn parse(text: &[u8]) -> Result<Self, Unreadable> {
        let json = json(text)?;
        let copy = json.get("path").and_then(Value::as_str).map(Path::new);
        let Some(copy) = copy.filter(|copy| copy.is_absolute() && is_plain(copy)) else {
            return Err(Unreadable("it does not say where the flake is kept".to_owned()));
        };
        let dir = json.get("locked").and_then(|locked| locked.get("dir")).and_then(Value::as_str);
        let dir = Path::new(dir.unwrap_or_default());
        if dir.is_absolute() || !is_plain(dir) {
            return Err(Unreadable("its `dir` leads elsewhere".to_owned()));
        }
        Ok(Self { copy: copy.to_owned(), dir: dir.to_owned() })
    }

    /// The directory of the flake alone, as if there were nothing else in the copy.
    #[must_use]
    pub fn part(&self) -> Self {
        Self { copy: self.copy.join(&self.dir), dir: PathBuf::new() }
    }

    /// Names the copy to nix.
    pub fn reference(&self) -> String {
        let mut reference = "path:".to_owned();
        escape(&self.copy, &mut reference);
        if !self.dir.as_os_str().is_empty() {
            reference.push_str("?dir=");
            escape(&self.dir, &mut reference);
        }
        reference
    }
}

/// Tells whether a path goes only down.
fn is_plain(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::RootDir))
}

/// Writes a path as a part of a URL.
fn escape(path: &Path, into: &mut String) {
    for byte in path.as_os_str().as_bytes() {
        match char::from(*byte) {
            c if c.is_ascii_alphanumeric() || "/._-".contains(c) => into.push(c),
            // Writing to a string cannot fail.
            _ => drop(write!(into, "%{byte:02X}")),
        }
    }
}

fn json(text: &[u8]) -> Result<Value, Unreadable> {
    serde_json::from_slice(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Unreadable(format!("it is no JSON, from line {line}, column {column} on"))
    })
}

impl DevShell {
    /// Reads what nix has printed, or [`DevShell::encode`] has made of it.
    pub fn parse(text: &[u8]) -> Result<Self, Unreadable> {
        let json = json(text)?;
        let Some(Value::Object(variables)) = json.get("variables") else {
            return Err(Unreadable("it has no `variables`".to_owned()));
        };
        let mut exported = BTreeMap::new();
        for (name, variable) in variables {
            // A name that no shell can set is no variable of a shell.
            let Ok(name) = VarName::parse(name) else { continue };
            if variable.get("type").and_then(Value::as_str) != Some("exported") {
                continue;
            }
            match variable.get("value").and_then(Value::as_str) {
                Some(value) if !value.contains('\0') => {
                    exported.insert(name, value.to_owned());
                }
                _ => return Err(Unreadable(format!("the value of {name} is no text"))),
            }
        }
        Ok(Self(exported))
    }

    /// Writes it down, in the form that nix has.
    pub fn encode(&self) -> Vec<u8> {
        let variables = self
            .0
            .iter()
            .map(|(name, value)| (name.to_string(), json!({ "type": "exported", "value": value })));
        json!({ "variables": Value::Object(variables.collect()) }).to_string().into_bytes()
    }

    /// Sorts out what a shell gets.
    pub fn take(self) -> Taken {
        let outputs = self.0.iter().find(|(name, _)| name.as_str() == "outputs");
        let outputs = outputs.map(|(_, value)| value.clone()).unwrap_or_default();
        let mut taken = Taken::default();
        for (name, value) in self.0 {
            let is_output = outputs.split_ascii_whitespace().any(|out| out == name.as_str());
            if is_output || name.is_of_nix_build(&value) {
                continue;
            }
            if LISTS.contains(&name.as_str()) {
                taken.lists.insert(name, entries(&value));
            } else if name.is_steering() {
                taken.refused.push(name);
            } else {
                taken.vars.insert(name, value);
            }
        }
        taken
    }
}

/// Returns the entries of a list that lead somewhere, wherever one stands. (threat B11)
fn entries(list: &str) -> Vec<String> {
    let mut entries: Vec<String> = Vec::new();
    for entry in list.split(':').filter(|entry| entry.starts_with('/') && *entry != NO_PATH) {
        if entries.iter().all(|known| known != entry) {
            entries.push(entry.to_owned());
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shell(variables: &str) -> Taken {
        DevShell::parse(format!("{{\"variables\": {{{variables}}}}}").as_bytes()).unwrap().take()
    }

    fn exported(name: &str, value: &str) -> String {
        format!("{}: {}", json!(name), json!({ "type": "exported", "value": value }))
    }

    fn names(taken: &Taken) -> String {
        taken.vars.keys().map(VarName::as_str).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn only_what_is_exported_and_is_for_a_shell_is_taken() {
        let taken = shell(
            &[
                &exported("GREETING", "hello\n \"'$x"),
                &exported("CC", "gcc"),
                &exported("TMPDIR", "/build"),
                &exported("shellHook", "echo hi"),
                &exported("outputs", "out dev"),
                &exported("dev", "/nix/store/x"),
                &exported("lib", "/nix/store/x"),
                &exported("a-b", "x"),
                "\"LINENO\": {\"type\": \"var\", \"value\": \"73\"}",
                "\"list\": {\"type\": \"array\", \"value\": [\"a\"]}",
                "\"map\": {\"type\": \"associative\", \"value\": {\"a\": \"b\"}}",
                "\"odd\": 7",
            ]
            .join(", "),
        );
        assert_eq!(names(&taken), "CC GREETING lib");
        assert_eq!(taken.vars.values().nth(1).unwrap(), "hello\n \"'$x");
        assert_eq!((taken.lists.len(), taken.refused.len()), (0, 0));
    }

    #[test]
    fn lists_have_absolute_entries_each_once() {
        let taken = shell(
            &[
                exported("PATH", "/a:/path-not-set:bin::/b c:.:/a"),
                exported("XDG_DATA_DIRS", "/s"),
                exported("PKG_CONFIG_PATH", "/p"),
            ]
            .join(", "),
        );
        let lists: Vec<_> =
            taken.lists.iter().map(|(k, v)| format!("{k}={}", v.join("|"))).collect();
        assert_eq!(lists, ["PATH=/a|/b c", "XDG_DATA_DIRS=/s"]);
        assert_eq!(names(&taken), "PKG_CONFIG_PATH");
    }

    #[test]
    fn t_b2_t_b4_what_steers_a_shell_is_refused_and_drops_nothing_else() {
        let odd = ["PROMPT_COMMAND", "status", "argv", "path", "MIMA_DIR", "__MIMA_STATE", "fpath"];
        let all: Vec<_> = odd.iter().chain(&["A", "Z"]).map(|name| exported(name, "x")).collect();
        let taken = shell(&all.join(", "));
        assert_eq!(names(&taken), "A Z");
        assert_eq!(taken.refused.len(), odd.len(), "{:?}", taken.refused);
    }

    #[test]
    fn t_b3_what_runs_code_is_taken_since_the_flake_was_approved() {
        let taken =
            shell(&[exported("LD_LIBRARY_PATH", "/x"), exported("PYTHONPATH", "/y")].join(", "));
        assert_eq!(names(&taken), "LD_LIBRARY_PATH PYTHONPATH");
    }

    #[test]
    fn t_c5_what_cannot_be_read_is_said_without_a_word_of_it() {
        let deep = format!("{{\"variables\": {}", "[".repeat(100_000));
        for (text, want) in [
            ("", "it is no JSON, from line 1, column 0 on"),
            ("secret", "it is no JSON, from line 1, column 1 on"),
            ("{\"variables\": {}}x", "it is no JSON, from line 1, column 18 on"),
            ("{\"variables\": {\"A\": \"\\ud800\"}}", "it is no JSON, from line 1, column 28 on"),
            ("[]", "it has no `variables`"),
            ("{}", "it has no `variables`"),
            ("{\"variables\": []}", "it has no `variables`"),
            ("{\"variables\": {\"A\": {\"type\": \"exported\"}}}", "the value of A is no text"),
            (
                "{\"variables\": {\"A\": {\"type\": \"exported\", \"value\": [\"x\"]}}}",
                "the value of A is no text",
            ),
            (
                "{\"variables\": {\"A\": {\"type\": \"exported\", \"value\": \"a\\u0000b\"}}}",
                "the value of A is no text",
            ),
            (&deep, "it is no JSON, from line 1, column 141 on"),
        ] {
            let said = DevShell::parse(text.as_bytes()).unwrap_err().to_string();
            assert_eq!(said, want, "{}", text.get(..40).unwrap_or(text));
        }
    }

    #[test]
    fn the_copy_of_a_flake_is_named_so_that_nix_reads_the_same_path() {
        let source = |text: &str| Source::parse(text.as_bytes());
        for (text, want) in [
            ("{\"path\": \"/nix/store/a-source\"}", "path:/nix/store/a-source"),
            ("{\"path\": \"/n\", \"locked\": {\"type\": \"path\"}}", "path:/n"),
            (
                "{\"path\": \"/n/a b\", \"locked\": {\"dir\": \"é/a?b#c&d\"}}",
                "path:/n/a%20b?dir=%C3%A9/a%3Fb%23c%26d",
            ),
        ] {
            assert_eq!(source(text).unwrap().reference(), want);
        }
        let part = source("{\"path\": \"/n\", \"locked\": {\"dir\": \"a/b\"}}").unwrap().part();
        assert_eq!(part.reference(), "path:/n/a/b");
        for text in [
            "",
            "[]",
            "{}",
            "{\"path\": \"n\"}",
            "{\"path\": \"/n/../m\"}",
            "{\"path\": 1}",
            "{\"path\": \"/n\", \"locked\": {\"dir\": \"../m\"}}",
            "{\"path\": \"/n\", \"locked\": {\"dir\": \"/m\"}}",
        ] {
            assert!(source(text).is_err(), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_was_written_down_is_read_as_the_same(
            vars in proptest::collection::btree_map("[A-Za-z_][A-Za-z0-9_]{0,9}", "[^\u{0}]{0,20}", 0..9)
        ) {
            let vars = vars.into_iter().map(|(name, value)| (VarName::parse(&name).unwrap(), value));
            let shell = DevShell(vars.collect());
            prop_assert_eq!(DevShell::parse(&shell.encode()), Ok(shell));
        }

        #[test]
        fn t_c6_no_bytes_make_the_reading_panic(
            text in "(\\{|\\}|\\[|\\]|\"variables\":|\"A\":|\"PATH\":|\"type\":\"exported\"|\"value\":\"[:/a]*\"|,|\\\\u0000|é|[ -~]){0,30}"
        ) {
            drop(DevShell::parse(text.as_bytes()).map(DevShell::take));
            drop(Source::parse(text.as_bytes()));
        }
    }
}
