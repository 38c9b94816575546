//! Runs every file of `tests/scenarios` in every shell. The format is described in
//! [`crate::common::scenario`].

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::common::require;
use crate::common::scenario::{Hook, Scenario};
use crate::common::session;

/// What the names of scenarios begin with: each kind is a test of its own, to run beside the others.
const KINDS: [&str; 3] = ["beside_", "hook_", ""];

#[test]
fn every_scenario_of_the_hook_in_every_shell() {
    every_scenario("hook_");
}

#[test]
fn every_scenario_beside_direnv_in_every_shell() {
    every_scenario("beside_");
}

#[test]
fn every_other_scenario_in_every_shell() {
    every_scenario("");
}

/// The scenarios are looked for, so that none can be forgotten. `MIMA_SCENARIO=run` plays only
/// those with `run` in their name.
fn every_scenario(kind: &str) {
    let only = std::env::var("MIMA_SCENARIO").unwrap_or_default();
    let mut failures = String::new();
    for path in files() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_of = KINDS.iter().find(|kind| name.starts_with(**kind)).unwrap();
        if *is_of != kind || !name.contains(&only) {
            continue;
        }
        let scenario = Scenario::parse(&std::fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        // A world panics when something leaked; the other scenarios are to be played all the same.
        let played = std::panic::catch_unwind(|| play(&scenario, &path));
        let played = played.unwrap_or_else(|_| Err("it panicked, see above".to_owned()));
        match (played, scenario.header("skip")) {
            (Ok(()), None) => {}
            (Err(why), None) => write!(failures, "\n{name}: {why}").unwrap(),
            (Err(_), Some(why)) => eprintln!("SKIPPED {name}: {why}"),
            (Ok(()), Some(_)) => write!(failures, "\n{name}: passes: do not skip it").unwrap(),
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

fn files() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<_> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 2, "the scenarios are gone");
    files
}

/// Runs a scenario in its shells. With `MIMA_BLESS` the first shell's outcome is written into
/// the file, and the others must agree with it.
fn play(scenario: &Scenario, path: &Path) -> Result<(), String> {
    let bless = std::env::var_os("MIMA_BLESS").is_some() && scenario.header("skip").is_none();
    let mut scenario = scenario.clone();
    let mut failures = String::new();
    let mut blessed = Vec::new();
    let hooks = scenario.hooks();
    let shells = scenario.shells().into_iter().map(str::to_owned);
    let plays = shells.flat_map(|shell| hooks.iter().map(move |&with| (shell.clone(), with)));
    for (shell, with) in plays.collect::<Vec<_>>() {
        let Some(program) = require(&shell) else { continue };
        if with.tool == "direnv" && !is_comparable(&scenario) {
            continue;
        }
        let world = scenario.world();
        let session = session::run(&scenario, (&shell, with), &program, &world);
        let steps = scenario.steps_for(&shell, with.tool);
        let shell = match with {
            Hook { tool: "direnv", .. } => format!("{shell}, direnv"),
            Hook { times: 2.., .. } => format!("{shell}, hook loaded twice"),
            _ => shell,
        };
        if session.outcomes.len() < steps.len() {
            let command = &scenario.steps[steps[session.outcomes.len()]].command;
            write!(failures, "\n[{shell}] stopped at `{command}`: {}", session.output).unwrap();
            continue;
        }
        for (&at, got) in steps.iter().zip(session.outcomes) {
            let step = &mut scenario.steps[at];
            if step.want.matches(&got) {
                blessed.push(at);
            } else if bless && !blessed.contains(&at) {
                blessed.push(at);
                step.want = got;
            } else {
                let (command, want) = (&step.command, &step.want);
                write!(failures, "\n[{shell}] $ {command}\n--- want\n{want}--- got\n{got}---")
                    .unwrap();
            }
        }
    }
    if bless {
        std::fs::write(path, scenario.to_text()).unwrap();
    }
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}

/// The direnv that the differences are written down for.
const DIRENV: &str = "2.32.";

/// Tells whether direnv is there; where the tools differ, it must be the one compared with.
fn is_comparable(scenario: &Scenario) -> bool {
    let Some(direnv) = require("direnv") else { return false };
    let version = std::process::Command::new(direnv).arg("version").output().unwrap().stdout;
    let version = String::from_utf8(version).unwrap();
    if scenario.differs() && !version.starts_with(DIRENV) {
        eprintln!("SKIPPED: how mima differs from direnv {}is not written down", version.trim());
        return false;
    }
    true
}

/// Whoever comes from direnv finds in the README where mima does something else.
#[test]
fn every_difference_to_direnv_is_in_the_readme() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let readme = words(&readme.unwrap());
    let (_, section) = readme.split_once("## Beside direnv").unwrap();
    let section = section.split_once(" ## ").unwrap().0;
    let mut differences = 0;
    for path in files() {
        let scenario = Scenario::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let why = scenario.header("differs");
        assert_eq!(scenario.differs(), why.is_some(), "{}: `# differs:`", path.display());
        if let Some(why) = why {
            assert!(section.contains(&format!("- {}", words(why))), "not in README: {why}");
            differences += 1;
        }
    }
    assert_eq!(section.matches(" - ").count(), differences, "README has a difference of its own");
}
