//! Runs every file of `tests/scenarios` in every shell. The format is described in
//! [`crate::common::scenario`].

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::common::require;
use crate::common::scenario::Scenario;
use crate::common::session;

/// The scenarios are looked for, so that none can be forgotten. `MIMA_SCENARIO=run` plays only
/// those with `run` in their name.
#[test]
fn every_scenario_in_every_shell() {
    let only = std::env::var("MIMA_SCENARIO").unwrap_or_default();
    let mut failures = String::new();
    for path in files() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.contains(&only) {
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
    let plays = shells.flat_map(|shell| hooks.iter().map(move |&hooks| (shell.clone(), hooks)));
    for (shell, hooks) in plays.collect::<Vec<_>>() {
        let Some(program) = require(&shell) else { continue };
        let world = scenario.world();
        let session = session::run(&scenario, (&shell, hooks), &program, &world);
        let steps = scenario.steps_for(&shell);
        let shell = if hooks > 1 { format!("{shell}, hook loaded twice") } else { shell };
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
