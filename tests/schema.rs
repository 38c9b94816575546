//! `mima schema`: what editors read, judged by a validator of other people.
//!
//! That each form of each key is judged alike by schema and parser is tested beside both.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mima::config::parse::{Document, parse};
use mima::config::project::{self, ProjectFile};
use mima::config::user::{self, UserFile};

use crate::common::world::World;
use crate::common::{find, skip};

#[test]
fn each_file_has_a_schema() {
    let world = World::new();
    for (args, has, lacks) in
        [(&["schema"][..], "PATH_add", "store"), (&["schema", "--user"], "store", "PATH_add")]
    {
        let output = world.mima(args).run();
        let schema: serde_json::Value =
            serde_json::from_slice(&output.ok().quiet().stdout).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["additionalProperties"], false);
        let keys = schema["properties"].as_object().unwrap();
        assert!(keys.contains_key("groups") && keys.contains_key(has) && !keys.contains_key(lacks));
    }
    // Nothing is read for it, and nothing made.
    assert_eq!(std::fs::read_dir(world.home()).unwrap().count(), 0);
}

/// Finds a Python that can validate.
fn python(world: &World) -> Option<PathBuf> {
    let candidates = [find("python3"), Some(PathBuf::from("/usr/bin/python3"))];
    let can_validate = |python: &PathBuf| {
        let run = world.command(python).args(["-c", "import jsonschema, yaml"]);
        run.run().status.success()
    };
    let found = candidates.into_iter().flatten().filter(|path| path.exists()).find(can_validate);
    if found.is_none() && cfg!(target_os = "linux") {
        skip("no python3 with jsonschema and yaml here");
    }
    found
}

/// What both files refuse.
const WRONG: &[&str] = &[
    "unknown: x\n",
    "trust: true\n",
    "groups: []\n",
    "groups: {a/b: {A: x}}\n",
    "groups: {dev: x}\n",
    "groups: {dev: {1A: x}}\n",
    "groups: {dev: {A: [x]}}\n",
    "groups: {dev: {A: a b}}\n",
];

/// What a project file is refused for.
const WRONG_IN_PROJECT: &[&str] = &[
    "store: vault\n",
    "session: {idle: 10m}\n",
    "confirm: [dev]\n",
    "wrap: aws\n",
    "wrap: [a b]\n",
    "env: [A]\n",
    "env: {A: [x]}\n",
    "env: {A-B: x}\n",
    "unset: AWS_PROFILE\n",
    "unset: [A=B]\n",
    "PATH_add: bin\n",
    "PATH_add: {PATH: [bin]}\n",
    "path_add: [man]\n",
    "path_add: {MANPATH: man}\n",
    "dotenv: .env\n",
    "dotenv_if_exists: {A: b}\n",
    "dotenv_allow: [NODE OPTIONS]\n",
    "layout: node\n",
    "layout: [cobol]\n",
    "watch_file: x\n",
    "source_up: \"yes\"\n",
    "source_up: [true]\n",
    "env_vars_required: [a.b]\n",
    "mima_version: \"0.1\"\n",
    "auto_export: dev\n",
    "auto_export_groups: dev\n",
];

/// What the user file is refused for.
const WRONG_IN_USER: &[&str] = &[
    "env: {A: b}\n",
    "wrap: [aws]\n",
    "store: cloud\n",
    "store: [vault]\n",
    "session: 10m\n",
    "session: {idle: 10}\n",
    "session: {scope: else}\n",
    "session: {other: x}\n",
    "confirm: prod\n",
    "confirm: [a b]\n",
];

/// The parts of an example: each key with what stands below it.
fn parts(example: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for line in example.lines() {
        if !line.starts_with(' ') {
            parts.push(String::new());
        }
        let part: &mut String = parts.last_mut().unwrap();
        part.push_str(line);
        part.push('\n');
    }
    parts
}

fn judged_alike<T: Document>(args: &[&str], example: &str, wrong: &[&str]) {
    let world = World::new();
    let Some(python) = python(&world) else { return };
    let schema = world.write("schema.json", world.mima(args).run().ok().quiet().stdout.clone());
    let right = parts(example);
    let right: Vec<&str> = right.iter().map(String::as_str).chain([example]).collect();
    let text = std::fs::read_to_string(&schema).unwrap();
    let text: serde_json::Value = serde_json::from_str(&text).unwrap();
    let in_schema: BTreeSet<_> =
        text["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    let in_parser: BTreeSet<_> = T::KEYS.iter().copied().chain(["groups"]).collect();
    assert_eq!(in_schema, in_parser);
    for key in in_parser {
        let is_shown = right.iter().any(|text| text.starts_with(&format!("{key}:")));
        assert!(is_shown, "the example has no {key}");
    }
    let texts: Vec<&str> =
        right.iter().copied().chain(WRONG.iter().chain(wrong).copied()).collect();
    let files: Vec<_> =
        (0..texts.len()).map(|at| world.write(&format!("{at:03}.yaml"), texts[at])).collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/validate.py");
    let accepted = world.command(python).arg(script).arg(&schema).args(&files).run().ok().out();
    let accepted: Vec<_> = accepted.lines().collect();
    for (at, text) in texts.iter().enumerate() {
        let parsed =
            parse::<T>(text.as_bytes(), "f").map(drop).map_err(|failure| failure.to_string());
        assert_eq!(parsed.is_ok(), at < right.len(), "the parser: {text}{parsed:?}");
        let is_valid = accepted.contains(&files[at].to_str().unwrap());
        assert_eq!(is_valid, parsed.is_ok(), "the validator: {text}{parsed:?}");
    }
}

#[test]
fn a_validator_and_the_parser_judge_project_files_alike() {
    judged_alike::<ProjectFile>(&["schema"], project::EXAMPLE, WRONG_IN_PROJECT);
}

#[test]
fn a_validator_and_the_parser_judge_user_files_alike() {
    judged_alike::<UserFile>(&["schema", "--user"], user::EXAMPLE, WRONG_IN_USER);
}
