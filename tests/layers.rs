//! The shape of the code: who may import whom, and what may stand where. The table is the one
//! at the top of `src/lib.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::common::source::Source;

/// The layers, from the bottom. A module imports only from layers below its own.
const LAYERS: &[&[&str]] = &[
    &["sys"],
    &["error", "fs", "names", "paths", "term", "prompt", "secret"],
    &["config", "env", "shell"],
    &["store", "trust", "session"],
    &["flow"],
    &["cli", "commands"],
];

/// The layer whose modules may import each other, though not in a circle.
const TOOLS: usize = 1;
/// The layer that does no input or output.
const PURE: usize = 2;

/// The one circle: a failure is printed through the sanitizer, and printing can fail.
const CIRCLE: [&str; 2] = ["error", "term"];
/// The one import within a layer, other than among the small tools.
const DOWN_FROM_COMMANDS: [&str; 2] = ["commands", "cli"];

/// No file has more lines of code than one can read in one sitting.
const MAX_LINES: usize = 400;

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// The sources that belong to a layer: all but `main.rs` and `lib.rs`, which are above.
fn sources() -> Vec<Source> {
    let mut sources = Source::all();
    sources.retain(|source| !["main", "lib"].contains(&source.top()));
    sources
}

fn assert_none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

#[test]
fn every_module_has_a_layer() {
    let strangers: Vec<_> = sources()
        .iter()
        .map(Source::top)
        .filter(|top| layer(top).is_none())
        .map(str::to_owned)
        .collect();
    assert_none("not in the table of src/lib.rs and tests/layers.rs", &strangers);
}

#[test]
fn modules_import_only_from_below() {
    let mut wrong = Vec::new();
    for source in sources() {
        let own = layer(source.top());
        for import in source.imports().iter().filter(|import| *import != source.top()) {
            let allowed = match (own, layer(import)) {
                (Some(own), Some(theirs)) if own == theirs => {
                    own == TOOLS || [source.top(), import] == DOWN_FROM_COMMANDS
                }
                (Some(own), Some(theirs)) => theirs < own,
                // Only the modules that the table knows are imported at all.
                _ => false,
            };
            if !allowed {
                wrong.push(format!("{} imports {import}", source.path));
            }
        }
    }
    assert_none("imports from a layer that is not below", &wrong);
}

#[test]
fn the_small_tools_import_each_other_in_no_circle_but_one() {
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources().iter().filter(|source| layer(source.top()) == Some(TOOLS)) {
        let others = source.imports().into_iter().filter(|import| {
            let known = [source.top(), import];
            layer(import) == Some(TOOLS) && import != source.top() && known != CIRCLE
        });
        edges.entry(source.top().to_owned()).or_default().extend(others);
    }
    // Whoever imports nobody that is left can be taken away; a circle stays.
    while let Some(leaf) = edges
        .iter()
        .find(|(_, to)| to.iter().all(|to| !edges.contains_key(to)))
        .map(|(from, _)| from.clone())
    {
        edges.remove(&leaf);
    }
    assert!(edges.is_empty(), "a circle among {edges:#?}");
}

/// `store::vault` must not know `store::keychain`, and so on for every backend.
#[test]
fn backends_of_the_store_never_import_each_other() {
    let mut wrong = Vec::new();
    let sources = sources();
    let backend = |source: &Source| {
        let name = source.path.strip_prefix("store/")?.split('/').next()?.trim_end_matches(".rs");
        (name != "mod").then(|| name.to_owned())
    };
    let backends: BTreeSet<_> = sources.iter().filter_map(backend).collect();
    for source in &sources {
        let Some(own) = backend(source) else { continue };
        let mut named = source.named_after("crate::store::");
        named.extend(
            source.named_after("super::").into_iter().chain(source.named_after("super::super::")),
        );
        for other in named.intersection(&backends).filter(|other| **other != own) {
            wrong.push(format!("{} imports {other}", source.path));
        }
    }
    assert_none("a backend imports another", &wrong);
}

#[test]
fn unsafe_code_is_only_in_sys() {
    let wrong: Vec<_> = Source::all()
        .into_iter()
        .filter(|source| source.top() != "sys" && source.has_word("unsafe"))
        .map(|source| source.path)
        .collect();
    assert_none("unsafe outside of src/sys", &wrong);
}

#[test]
fn parsing_merging_and_quoting_do_no_input_or_output() {
    const MODULES: [&str; 4] = ["fs", "env", "process", "net"];
    const WORDS: [&str; 5] = ["println", "eprintln", "dbg", "rustix", "libc"];
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| layer(source.top()) == Some(PURE)) {
        let std = source.named_after("std::");
        let modules = MODULES.into_iter().filter(|name| std.contains(*name));
        let words = WORDS.into_iter().filter(|word| source.has_word(word));
        wrong.extend(modules.chain(words).map(|name| format!("{}: {name}", source.path)));
    }
    assert_none("input or output in a pure module", &wrong);
}

#[test]
fn only_the_prompt_reads_the_terminal() {
    let wrong: Vec<_> = sources()
        .into_iter()
        .filter(|source| source.top() != "prompt" && source.text.contains("/dev/tty"))
        .map(|source| source.path)
        .collect();
    assert_none("/dev/tty outside of src/prompt", &wrong);
}

#[test]
fn exit_statuses_are_decided_in_one_place() {
    let wrong: Vec<_> = Source::all()
        .into_iter()
        .filter(|source| {
            let may = ["error", "commands"].contains(&source.top());
            let decides =
                source.code.contains("ExitCode::from") || source.code.contains("process::exit");
            decides && !may
        })
        .map(|source| source.path)
        .collect();
    assert_none("an exit status outside of src/error.rs and src/commands", &wrong);
}

#[test]
fn every_file_can_be_read_in_one_sitting() {
    let long: Vec<_> = Source::all()
        .iter()
        .filter(|source| source.lines() > MAX_LINES)
        .map(|source| format!("{}: {}", source.path, source.lines()))
        .collect();
    assert_none("more than 400 lines of code", &long);
}

#[test]
fn every_file_of_tests_is_a_module_of_the_test_binary() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let main = std::fs::read_to_string(tests.join("main.rs")).unwrap();
    let forgotten: Vec<_> = std::fs::read_dir(tests)
        .unwrap()
        .filter_map(|entry| {
            Some(entry.unwrap().file_name().to_str()?.strip_suffix(".rs")?.to_owned())
        })
        .filter(|name| name != "main" && !main.lines().any(|line| line == format!("mod {name};")))
        .collect();
    assert_none("not in tests/main.rs", &forgotten);
}
