//! The schemas against the parser: for each key and form of a value, both must say the same.

use super::super::parse::outline::{Data, Node};
use super::super::parse::{parse, read};
use super::*;

/// Validates by the part of JSON Schema that is used here. Everything else is an error, so that
/// nothing is left out unseen.
fn is_valid(schema: &Value, node: &Node) -> bool {
    let Value::Object(schema) = schema else { panic!("no schema: {schema}") };
    schema.iter().all(|(word, rule)| match word.as_str() {
        "$schema" | "title" | "description" => rule.is_string(),
        "type" => match rule {
            Value::Array(types) => types.iter().any(|one| has_type(one, node)),
            one => has_type(one, node),
        },
        "enum" => {
            let words = rule.as_array().unwrap();
            matches!(&node.data, Data::Scalar(text) if words.iter().any(|word| word == text))
        }
        "pattern" => match &node.data {
            Data::Scalar(text) => matches(rule.as_str().unwrap(), text),
            _ => true,
        },
        "items" => match &node.data {
            Data::List(items) => items.iter().all(|item| is_valid(rule, item)),
            _ => true,
        },
        "propertyNames" => node.entries().iter().all(|(key, _)| is_valid(rule, key)),
        "properties" => node
            .entries()
            .iter()
            .all(|(key, value)| rule.get(key.text()).is_none_or(|rule| is_valid(rule, value))),
        "additionalProperties" => {
            let own = schema.get("properties");
            let is_own = |key: &Node| own.is_some_and(|own| own.get(key.text()).is_some());
            node.entries().iter().filter(|(key, _)| !is_own(key)).all(|(_, value)| match rule {
                Value::Bool(allowed) => *allowed,
                rule => is_valid(rule, value),
            })
        }
        other => panic!("the test knows no {other}"),
    })
}

/// The outline has every scalar as text, so that any of them may be a string or a number.
fn has_type(name: &Value, node: &Node) -> bool {
    match (name.as_str().unwrap(), &node.data) {
        ("boolean", Data::Scalar(text)) => text == "true" || text == "false",
        ("string" | "number", Data::Scalar(_))
        | ("array", Data::List(_))
        | ("object", Data::Map(_)) => true,
        _ => false,
    }
}

/// Matches the whole of a text by the part of regular expressions that is used here.
fn matches(pattern: &str, text: &str) -> bool {
    let pattern = pattern.strip_prefix('^').and_then(|rest| rest.strip_suffix('$')).unwrap();
    ends(pattern, text).iter().any(|rest| rest.is_empty())
}

/// Returns what may be left of a text behind a pattern.
fn ends<'a>(pattern: &str, text: &'a str) -> Vec<&'a str> {
    if pattern.is_empty() {
        return vec![text];
    }
    let end = match pattern.chars().next() {
        // A bracket in a class is behind a backslash.
        Some('[') => {
            let closes = |at: &usize| !pattern.split_at(*at).0.ends_with('\\');
            pattern.match_indices(']').map(|(at, _)| at).find(closes)
        }
        Some('(') => pattern.find(')'),
        Some('\\') => Some(1),
        _ => Some(0),
    };
    let (piece, rest) = pattern.split_at(end.unwrap() + 1);
    let mut behind = rest.chars();
    let (least, most, rest) = match behind.next() {
        Some('+') => (1, usize::MAX, behind.as_str()),
        Some('*') => (0, usize::MAX, behind.as_str()),
        Some('{') => {
            let (range, rest) = behind.as_str().split_once('}').unwrap();
            let (least, most) = range.split_once(',').unwrap();
            (least.parse().unwrap(), most.parse().unwrap(), rest)
        }
        _ => (1, 1, rest),
    };
    let mut left = vec![text];
    let mut found = Vec::new();
    for round in 0..=most {
        if round >= least {
            found.extend(left.iter().flat_map(|text| ends(rest, text)));
        }
        left = left.iter().flat_map(|text| once(piece, text)).collect();
        if left.is_empty() {
            break;
        }
    }
    found
}

fn once<'a>(piece: &str, text: &'a str) -> Vec<&'a str> {
    if let Some(group) = piece.strip_prefix('(') {
        return ends(group.strip_suffix(')').unwrap(), text);
    }
    let mut behind = text.chars();
    let Some(first) = behind.next() else { return Vec::new() };
    let fits = match piece.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(class) => {
            let mut class: Vec<char> = class.chars().collect();
            let is_other = class.first() == Some(&'^');
            class.drain(..usize::from(is_other));
            let mut fits = false;
            while !class.is_empty() {
                let from = usize::from(class[0] == '\\');
                let is_range = from == 0 && class.len() > 2 && class[1] == '-';
                fits |= if is_range {
                    class[0] <= first && first <= class[2]
                } else {
                    class[from] == first
                };
                class.drain(..if is_range { 3 } else { from + 1 });
            }
            fits != is_other
        }
        None => piece.trim_start_matches('\\').starts_with(first),
    };
    if fits { vec![behind.as_str()] } else { Vec::new() }
}

#[test]
fn the_test_can_match() {
    for (pattern, text, want) in [
        (DURATION, "10m", true),
        (DURATION, "m", false),
        (DURATION, "10m ", false),
        (VERSION, ">=0.1", true),
        (VERSION, ">= 10.20.3", true),
        (VERSION, ">=1.", false),
        (VERSION, ">=1.2.3.4", false),
        ("^[A-Z\\]]{0,2}$", "A]", true),
        ("^[A-Z\\]]{0,2}$", "A]B", false),
        ("^[+\\-a]$", "-", true),
        ("^[+\\-a]$", ",", false),
        ("^[^#?]$", "?", false),
        ("^[^#?]$", "a", true),
        (FLAKE, ".", true),
        (FLAKE, "./nix#ci", true),
        (FLAKE, ".#a.b-c'", true),
        (FLAKE, "nix", false),
        (FLAKE, ".#", false),
        (FLAKE, ".#a#b", false),
        (FLAKE, "./nix?dir=x", false),
    ] {
        assert_eq!(matches(pattern, text), want, "{pattern} {text}");
    }
}

/// What may stand under a key, right or wrong.
const VALUES: &[&str] = &[
    "node",
    "vault",
    "off",
    "''",
    ".",
    "./nix#ci",
    "nixpkgs#ci",
    "a b",
    "7",
    "true",
    "no",
    "\">=0.1\"",
    "\"0.1\"",
    "10m",
    "[]",
    "{}",
    "[node]",
    "[7, Node.a]",
    "[a b]",
    "['']",
    "[[node]]",
    "[{a: b}]",
    "[a@b]",
    "{node: node}",
    "{node: 1.10}",
    "{node: ''}",
    "{node: a b}",
    "{a.b: node}",
    "{1a: node}",
    "{node: [node]}",
    "{node: []}",
    "{node: {}}",
    "{node: {node: node}}",
    "{a.b: {node: node}}",
    "{a/b: {node: node}}",
    "{a: {1b: node}}",
    "{a: {b: c d}}",
    "{a: {b: [c]}}",
    "{a: {b: {c: d}}}",
    "{idle: 10m, max: 2h}",
    "{idle: 10}",
    "{scope: terminal}",
    "{scope: else}",
    "{other: x}",
];

fn agree<T: Document>(schema: &Value) {
    for key in ["groups", "unknown"].iter().chain(T::KEYS).chain(super::project::KEYS) {
        let mut right = 0;
        for value in VALUES {
            let text = format!("{key}: {value}\n");
            let (_, node) = read(text.as_bytes()).unwrap_or_else(|_| panic!("{text}"));
            let parsed = parse::<T>(text.as_bytes(), "f");
            assert_eq!(
                is_valid(schema, &node.unwrap()),
                parsed.is_ok(),
                "{text}{parsed:?}",
                parsed = parsed.err()
            );
            right += usize::from(parsed.is_ok());
        }
        let is_known = *key == "groups" || T::KEYS.contains(key);
        assert!((right > 0) == is_known && right < VALUES.len() / 2, "{key}: {right}");
    }
}

#[test]
fn every_key_of_the_parser_has_the_form_that_the_parser_reads() {
    agree::<ProjectFile>(&project());
    // The stores of other systems are no mistake in a file that several machines share.
    agree::<UserFile>(&user());
}

#[test]
fn the_examples_are_valid_and_say_what_each_key_is_for() {
    for (schema, example, keys) in [
        (project(), super::super::project::EXAMPLE, ProjectFile::KEYS),
        (user(), super::super::user::EXAMPLE, UserFile::KEYS),
    ] {
        let (_, node) = read(example.as_bytes()).unwrap_or_else(|_| panic!());
        let node = node.unwrap();
        assert!(is_valid(&schema, &node));
        for key in keys.iter().chain(&["groups"]) {
            assert!(node.find(key).is_some(), "{key}");
            assert!(schema["properties"][key]["description"].is_string(), "{key} is not described");
        }
        assert_eq!(schema["properties"].as_object().unwrap().len(), keys.len() + 1);
    }
    assert_eq!(
        user()["properties"]["session"]["properties"]["idle"]["description"],
        "after it was used last"
    );
}
