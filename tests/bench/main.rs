//! `make bench`: ratios against bare programs, measured in the same run.
//!
//! Absolute times say nothing about another machine; ratios do. All that is compared is
//! measured in turns, and the fastest of many rounds counts: it is the one that was disturbed
//! least. A hello world in Rust is the unit wherever nothing else is named. What is above its
//! limit is named at the end, and makes the run fail; `--readme` writes the tables into README.md.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::exit,
    clippy::missing_panics_doc,
    reason = "a benchmark may fail by panicking, and prints"
)]

mod export;
mod flake;
mod measure;
mod memory;
mod projects;
mod prompt;
#[path = "../common/pty.rs"]
#[allow(dead_code, reason = "the tests need more of it")]
mod pty;
mod report;
mod session;
mod vault;

use std::path::Path;
use std::process::{Child, Command};

use projects::Projects;
use report::Report;

/// What the release binary may weigh at most, in MiB.
const LARGEST_BINARY: f64 = 6.0;

fn main() {
    let scratch = tempfile::tempdir().unwrap();
    // Beside the hello world: starting a program depends on the file system that it is on.
    let mima = &scratch.path().join("mima-binary");
    std::fs::copy(env!("CARGO_BIN_EXE_mima"), mima).unwrap();
    let hello = measure::hello_world(scratch.path());
    let mut projects = Projects::new(scratch.path(), mima);
    let mut report = Report::default();
    // First: a process starts with the peak of the one that started it.
    let memory = memory::peak(&projects);
    prompt::measure(&mut report, &projects, &hello);
    export::measure(&mut report, &projects, &hello);
    flake::measure(&mut report, &mut projects, &hello);
    vault::measure(&mut report, scratch.path(), mima, &hello);
    let agent = session::measure(&mut report, scratch.path(), mima);
    let (idle, peak) = agent.map_or((None, None), |memory| (memory.idle, memory.peak));
    let mib = |bytes: u64| f64::from(u32::try_from(bytes >> 10).unwrap()) / 1024.0;
    report.table(&["size in MiB", "mima", "at most"]);
    for (what, bytes, most) in [
        ("peak memory of `mima export`, entering 50 variables", Some(memory), memory::MOST),
        ("memory of the session agent with 50 secrets, idle", idle, session::MOST_IDLE),
        ("its peak under those 3000 clients", peak, session::MOST_PEAK),
        ("the binary", Some(mima.metadata().unwrap().len()), LARGEST_BINARY),
    ] {
        let size = bytes.map(mib);
        report.row(what, &[size, Some(most)]);
        report.limit(what, size.unwrap_or_default(), most);
    }

    println!("{}", report.text());
    if std::env::args().any(|arg| arg == "--readme") {
        report.write_into(&Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"));
    }
    for missed in report.missed() {
        println!("MISSED {missed}");
    }
    std::process::exit(i32::from(!report.missed().is_empty()));
}

/// Starts a process.
fn spawn(command: &mut Command) -> Child {
    command.spawn().unwrap_or_else(|error| panic!("could not start {command:?}: {error}"))
}
