//! `mima export` as a whole process.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::measure::{fastest, time};
use crate::projects::{Projects, SIZES, Vars, loaded};
use crate::report::Report;

/// How many rounds count.
const ROUNDS: u32 = 200;
/// direnv is too slow for as many; it is measured in every tenth.
const SLOWER: u32 = 10;
/// What doing nothing may take at most.
const MOST_FOR_NOTHING: f64 = 1.5;
/// What entering with 50 variables may take at most.
const MOST_TO_ENTER: f64 = 2.5;
/// How many times faster than direnv that must be.
const FASTER: f64 = 12.0;

/// One thing to measure, with both programs.
struct Case {
    what: String,
    most: Option<f64>,
    ours: Command,
    theirs: Option<Command>,
}

/// Measures whole processes, as multiples of a hello world.
pub(crate) fn measure(report: &mut Report, projects: &Projects, hello: &Path) {
    let mut cases = cases(projects);
    let mut bare = projects.command(hello, &projects.outside());
    let (mut best, mut theirs) = (vec![Duration::MAX; cases.len() + 1], vec![]);
    for _ in 0..ROUNDS / SLOWER {
        let mut all: Vec<Box<dyn FnMut() -> Duration>> = vec![Box::new(|| run(&mut bare))];
        let mut slow: Vec<Box<dyn FnMut() -> Duration>> = Vec::new();
        for case in &mut cases {
            let ours = &mut case.ours;
            all.push(Box::new(|| run(ours)));
            if let Some(theirs) = &mut case.theirs {
                slow.push(Box::new(|| run(theirs)));
            }
        }
        best = fewer(&best, fastest(SLOWER, &mut all));
        let now = fastest(1, &mut slow);
        theirs = if theirs.is_empty() { now } else { fewer(&theirs, now) };
    }
    let hello = best.remove(0).as_secs_f64();
    let mut theirs = theirs.into_iter();
    report.table(&["a whole process, as multiples of a hello world", "mima", "direnv"]);
    for (case, ours) in cases.iter().zip(best) {
        let ours = ours.as_secs_f64() / hello;
        let theirs = case.theirs.as_ref().and(theirs.next()).map(|time| time.as_secs_f64() / hello);
        report.row(&case.what, &[Some(ours), theirs]);
        if let Some(most) = case.most {
            report.limit(&case.what, ours, most);
        }
        if case.what.contains("50 variables, entering")
            && let Some(theirs) = theirs
        {
            report.at_least("direnv's time there, as a multiple of mima's", theirs / ours, FASTER);
        }
    }
}

fn fewer(a: &[Duration], b: Vec<Duration>) -> Vec<Duration> {
    a.iter().zip(b).map(|(a, b)| b.min(*a)).collect()
}

fn cases(projects: &Projects) -> Vec<Case> {
    let case = |what: &str, most, dir: &Path, ours: &Vars, args: &[&str], theirs: &Vars| {
        let mut mima = projects.mima(dir, &[&["export", "bash"], args].concat());
        mima.envs(ours);
        let direnv = projects.direnv(dir, &["export", "bash"]).map(|mut direnv| {
            direnv.envs(theirs);
            direnv
        });
        Case { what: what.to_owned(), most, ours: mima, theirs: direnv }
    };
    let none = Vars::new();
    let nothing = Some(MOST_FOR_NOTHING);
    let outside = projects.outside();
    let inside = projects.entered("50");
    let ours = loaded(projects.mima(&inside, &["export", "json"]));
    let theirs = projects.direnv(&inside, &["export", "json"]).map(loaded).unwrap_or_default();
    let have = ours["__MIMA_STATE"].split(' ').nth(2).unwrap();
    let mut cases = vec![
        case("outside of a project", nothing, &outside, &none, &[], &none),
        case(
            "a project that is not allowed",
            nothing,
            &projects.entered("blocked"),
            &none,
            &[],
            &none,
        ),
        case("50 variables, nothing to do", nothing, &inside, &ours, &["--have", have], &theirs),
    ];
    for size in SIZES {
        let plural = if size == "1" { "" } else { "s" };
        let most = (size == "50").then_some(MOST_TO_ENTER);
        let what = format!("{size} variable{plural}, entering");
        cases.push(case(&what, most, &projects.entered(size), &none, &[], &none));
    }
    cases.push(case("50 variables, leaving", None, &outside, &ours, &["--have", have], &theirs));
    cases
}

/// Runs a command, whatever it says.
pub(crate) fn run(command: &mut Command) -> Duration {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    time(|| assert!(command.status().unwrap().code().is_some()))
}
