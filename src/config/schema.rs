//! The forms of both files as JSON schemas, for editors. Pure.
//!
//! Which keys there are is what the parser knows, what they are for is said by the examples, and
//! what names look like by the rules for names. Beyond a form there is more that only the parser
//! checks: which variables steer a shell, say.

use serde_json::{Map, Value, json};

use super::layout;
use super::parse::Document;
use super::project::{self, ProjectFile};
use super::session;
use super::user::{self, UserFile};
use crate::names::{GroupName, SecretName, VarName};

/// The schema language that they are written in.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// The form of a length of time: `90s`, `10m`, `2h`.
const DURATION: &str = "^[0-9]+[smh]$";
/// The form of `mima_version`.
const VERSION: &str = "^>= *[0-9]+(\\.[0-9]+){0,2}$";
/// The form of `use_flake`: `.`, `.#NAME`, `./DIR` or `./DIR#NAME`.
const FLAKE: &str = "^\\.(/[^#?]*){0,1}(#[0-9A-Z_a-z][\\-'.0-9A-Z_a-z]*){0,1}$";

/// Returns the schema of a project file.
pub fn project() -> Value {
    document::<ProjectFile>("The project file of mima: .mima.yaml", project::EXAMPLE)
}

/// Returns the schema of the user file.
pub fn user() -> Value {
    document::<UserFile>("The user's own file of mima: ~/.mima.yaml", user::EXAMPLE)
}

fn document<T: Document>(title: &str, example: &str) -> Value {
    let keys = ["groups"].iter().chain(T::KEYS);
    let mut schema = closed(keys.copied(), example, &|key| form(key, example));
    schema.insert("$schema".to_owned(), DIALECT.into());
    schema.insert("title".to_owned(), title.into());
    schema.into()
}

/// What stands under a key, of whichever file. A key that is not known here may have anything.
fn form(key: &str, example: &str) -> Map<String, Value> {
    let schema = match key {
        "groups" => {
            let links = by_name(&VarName::pattern(), &name(&SecretName::pattern()));
            by_name(&GroupName::pattern(), &links)
        }
        "wrap" | "auto_export_groups" | "confirm" => list(&name(&GroupName::pattern())),
        "env" => by_name(&VarName::pattern(), &text()),
        "unset" | "dotenv_allow" | "env_vars_required" => list(&name(&VarName::pattern())),
        "PATH_add" | "dotenv" | "dotenv_if_exists" | "watch_file" => list(&text()),
        "path_add" => by_name(&VarName::pattern(), &list(&text())),
        "layout" => list(&json!({ "enum": layout::names().collect::<Vec<_>>() })),
        "source_up" | "auto_export" => json!({ "type": "boolean" }),
        "mima_version" => json!({ "type": "string", "pattern": VERSION }),
        "use_flake" => json!({ "type": "string", "pattern": FLAKE }),
        "store" => json!({ "enum": user::KNOWN }),
        "session" => {
            let scopes: Vec<_> = session::SCOPES.iter().map(|(word, _)| *word).collect();
            let part = |key: &str| match key {
                "scope" => map(json!({ "enum": scopes })),
                _ => map(json!({ "type": "string", "pattern": DURATION })),
            };
            closed(session::KEYS.iter().copied(), example, &part).into()
        }
        _ => json!({}),
    };
    map(schema)
}

/// A map with these keys and no others.
fn closed<'a>(
    keys: impl Iterator<Item = &'a str>,
    example: &str,
    form: &dyn Fn(&str) -> Map<String, Value>,
) -> Map<String, Value> {
    let mut properties = Map::new();
    for key in keys {
        let mut schema = form(key);
        if let Some(what) = comment(example, key) {
            schema.insert("description".to_owned(), what.into());
        }
        properties.insert(key.to_owned(), schema.into());
    }
    map(json!({ "type": "object", "properties": properties, "additionalProperties": false }))
}

/// A map whose keys are names.
fn by_name(pattern: &str, value: &Value) -> Value {
    json!({
        "type": "object",
        "propertyNames": { "pattern": pattern },
        "additionalProperties": value,
    })
}

fn list(item: &Value) -> Value {
    json!({ "type": "array", "items": item })
}

/// A single value. YAML takes `1.10` for a number and `true` for a boolean; for mima both are
/// texts.
fn text() -> Value {
    json!({ "type": ["string", "number", "boolean"] })
}

fn name(pattern: &str) -> Value {
    json!({ "type": ["string", "number", "boolean"], "pattern": pattern })
}

fn map(value: Value) -> Map<String, Value> {
    if let Value::Object(map) = value { map } else { Map::new() }
}

/// Finds what the example says of a key, beside it.
fn comment<'a>(example: &'a str, key: &str) -> Option<&'a str> {
    let line = example.lines().find(|line| {
        let rest = line.trim_start().strip_prefix(key);
        rest.is_some_and(|rest| rest.starts_with(':'))
    })?;
    line.split_once(" # ").map(|(_, comment)| comment)
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
