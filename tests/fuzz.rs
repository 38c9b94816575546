//! The checks of `make fuzz`, for what it has found worth keeping.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

mod checks;

type Check = fn(&[u8]);

/// Every target. What is about Linux alone is checked there alone.
const CHECKS: &[(&str, Check)] = &[
    ("dotenv", checks::dotenv),
    ("envrc", checks::envrc),
    ("flake_json", checks::flake_json),
    ("frame", checks::frame),
    #[cfg(target_os = "linux")]
    ("proc_stat", checks::proc_stat),
];

/// The targets that are not checked here.
const ELSEWHERE: &[&str] = if cfg!(target_os = "linux") { &[] } else { &["proc_stat"] };

fn entries(dir: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(dir);
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn names(dir: &str) -> BTreeSet<String> {
    entries(dir).iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_file_of_the_corpus_is_checked() {
    for (target, check) in CHECKS {
        let files = entries(&format!("corpus/{target}"));
        assert!(!files.is_empty(), "no corpus for {target}");
        for file in files {
            // Which one it was, should it panic.
            eprintln!("{}", file.display());
            check(&std::fs::read(file).unwrap());
        }
    }
}

/// What one version says to another is where the search begins.
#[test]
fn every_recorded_frame_is_in_the_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus/frame");
    let mut recorded = include_str!("fixtures/frames-1.txt").lines().peekable();
    assert!(recorded.peek().is_some());
    for (name, frame) in recorded.map(|line| line.split_once(' ').unwrap()) {
        assert_eq!(hex::encode(std::fs::read(corpus.join(name)).unwrap()), frame, "{name}");
    }
}

#[test]
fn every_target_has_a_check_a_corpus_and_a_line() {
    let here = CHECKS.iter().map(|(name, _)| *name).chain(ELSEWHERE.iter().copied());
    let here: BTreeSet<_> = here.map(str::to_owned).collect();
    assert_eq!(names("targets"), here);
    assert_eq!(names("corpus"), here);
    let manifest = include_str!("fuzz/Cargo.toml");
    for name in here {
        assert!(manifest.contains(&format!("path = \"targets/{name}.rs\"")), "{name}");
    }
}
