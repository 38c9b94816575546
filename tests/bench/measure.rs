//! Measuring in turns: the fastest of many rounds is the one that was disturbed least.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Returns how long something takes.
pub(crate) fn time(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

/// Measures all cases in turns, and returns the fastest round of each. A case says itself how
/// long it took.
pub(crate) fn fastest(
    rounds: u32,
    cases: &mut [Box<dyn FnMut() -> Duration + '_>],
) -> Vec<Duration> {
    let mut best = vec![Duration::MAX; cases.len()];
    for _ in 0..rounds {
        for (best, case) in best.iter_mut().zip(cases.iter_mut()) {
            *best = case().min(*best);
        }
    }
    best
}

/// Measures two in turns.
pub(crate) fn in_turns(rounds: u32, ours: impl Fn(), bare: impl Fn()) -> (Duration, Duration) {
    let best = fastest(rounds, &mut [Box::new(|| time(&ours)), Box::new(|| time(&bare))]);
    (best[0], best[1])
}

/// Compiles the smallest program that prints a line, as mima is compiled.
pub(crate) fn hello_world(scratch: &Path) -> PathBuf {
    let source = scratch.join("hello.rs");
    std::fs::write(&source, "fn main() { println!(\"hello\"); }\n").unwrap();
    let binary = scratch.join("hello");
    let flags = ["-O", "-Cpanic=abort", "-Cstrip=symbols", "--edition=2024", "-o"];
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let compiled = Command::new(rustc).args(flags).arg(&binary).arg(source).status();
    assert!(compiled.unwrap().success());
    binary
}
