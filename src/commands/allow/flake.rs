//! What the files of a flake say, for a person to read before they are allowed.
//!
//! `flake.nix` is shown in full, since what it says is done. `flake.lock` is a list of what it is
//! done with, and has a line for each.

use std::fmt::Write;

use serde_json::Value;

use super::summary::changes;
use crate::term;
use crate::trust::Candidate;

/// Renders a file of a flake; or, if an older version was approved, what has changed since.
pub(super) fn render(file: &Candidate, before: Option<&[u8]>) -> String {
    let path = term::path(&file.path);
    let is_lock = file.path.extension().is_some_and(|extension| extension == "lock");
    let readable = |bytes: &[u8]| {
        let inputs = if is_lock { inputs(bytes) } else { None };
        inputs.unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned())
    };
    let now = readable(&file.bytes);
    match before {
        Some(before) if before != file.bytes => {
            format!(
                "{path} has changed since it was allowed last:\n{}",
                changes(&readable(before), &now)
            )
        }
        _ => {
            let mut text = format!("{path} says:\n");
            for line in now.lines() {
                // Writing to a string cannot fail.
                writeln!(text, "  {}", term::sanitize(line)).ok();
            }
            text
        }
    }
}

/// Returns a line for each input that a lock file names, with all that is said of it; `None` if
/// it is no lock file.
fn inputs(bytes: &[u8]) -> Option<String> {
    let lock: Value = serde_json::from_slice(bytes).ok()?;
    let Some(Value::Object(nodes)) = lock.get("nodes") else { return None };
    let mut text = String::new();
    for (name, node) in nodes {
        let mut words = vec![format!("{}:", term::sanitize(name))];
        leaves(node, "", &mut words);
        writeln!(text, "{}", words.join(" ")).ok();
    }
    let others = lock.as_object()?.iter().filter(|(key, _)| *key != "nodes");
    let mut words = Vec::new();
    others.for_each(|(key, value)| leaves(value, key, &mut words));
    writeln!(text, "{}", words.join(" ")).ok();
    Some(text)
}

/// Adds a word for each value, with the way to it.
fn leaves(value: &Value, path: &str, words: &mut Vec<String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| leaves(value, &below(key), words)),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(at, value)| {
                leaves(value, &below(&at.to_string()), words);
            });
        }
        // No text may look like the line of another input.
        Value::String(text) => words.push(term::sanitize(&format!("{path}={text}"))),
        other => words.push(term::sanitize(&format!("{path}={other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_file_has_a_line_for_each_input_with_all_that_it_says() {
        let lock = r#"{"nodes": {"nixpkgs": {"locked": {"rev": "abc", "lastModified": 7},
            "original": {"id": "nixpkgs"}}, "root": {"inputs": {"nixpkgs": "nixpkgs"}}},
            "root": "root", "version": 7}"#;
        assert_eq!(
            inputs(lock.as_bytes()).unwrap(),
            "nixpkgs: locked.lastModified=7 locked.rev=abc original.id=nixpkgs\n\
             root: inputs.nixpkgs=nixpkgs\n\
             root=root version=7\n"
        );
        let odd = r#"{"nodes": {"a\nb": {"rev": "x\ny: rev=z"}}}"#;
        assert_eq!(inputs(odd.as_bytes()).unwrap(), "a\\nb: rev=x\\ny: rev=z\n\n");
        for other in ["", "[]", "{}", "{\"nodes\": []}"] {
            assert_eq!(inputs(other.as_bytes()), None, "{other}");
        }
    }
}
