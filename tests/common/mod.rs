//! The frame that the tests stand in.

#![allow(dead_code, reason = "a frame offers more than each moment's tests use")]

pub(crate) mod agents;
pub(crate) mod command;
#[cfg(all(target_os = "linux", feature = "secret-service"))]
pub(crate) mod desktop;
pub(crate) mod fake_keychain;
pub(crate) mod hooked;
pub(crate) mod leaks;
pub(crate) mod mac;
pub(crate) mod memory;
pub(crate) mod nix;
pub(crate) mod project;
pub(crate) mod pty;
pub(crate) mod random;
#[cfg(target_os = "macos")]
pub(crate) mod real_keychain;
pub(crate) mod scenario;
pub(crate) mod serve;
pub(crate) mod session;
pub(crate) mod source;
pub(crate) mod strace;
pub(crate) mod tab;
pub(crate) mod user;
pub(crate) mod world;

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{PoisonError, RwLock};

/// Held for writing while an executable file is written, for reading while a process is
/// started: a child that inherits the open file between fork and exec would make running it
/// fail with `ETXTBSY`.
pub(crate) static SPAWNING: RwLock<()> = RwLock::new(());

/// Starts a process; every test that does so goes through here, because of [`SPAWNING`].
#[track_caller]
pub(crate) fn spawn(command: &mut Command) -> Child {
    let _spawning = SPAWNING.read().unwrap_or_else(PoisonError::into_inner);
    command.spawn().unwrap_or_else(|error| panic!("could not start {command:?}: {error}"))
}

/// The directories of every test's `PATH`, after the world's own `bin`.
pub(crate) const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

/// Programs that exist on Linux only, so that elsewhere they are not missing; and nix, which no
/// package manager of macOS has.
const LINUX_ONLY: [&str; 4] = ["nix", "setpriv", "strace", "unshare"];

/// Finds a program that a test needs, in the developer's own `PATH`.
///
/// Without it the test is skipped, visibly; with `MIMA_TEST_REQUIRE=all` it fails.
pub(crate) fn require(program: &str) -> Option<PathBuf> {
    if LINUX_ONLY.contains(&program) && !cfg!(target_os = "linux") {
        eprintln!("SKIPPED: {program} is for Linux only");
        return None;
    }
    let found = find(program);
    if found.is_none() {
        skip(&format!("no {program} here"));
    }
    found
}

/// Says that a test is not run; fails it if everything is required.
pub(crate) fn skip(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(
        std::env::var_os("MIMA_TEST_REQUIRE").is_none_or(|value| value != "all"),
        "{test}: {why}, and MIMA_TEST_REQUIRE=all"
    );
    eprintln!("SKIPPED {test}: {why}");
}

/// Tells whether root runs the tests; if not, says what cannot be shown. That is no failure
/// anywhere: a developer is no root, and CI mostly is.
pub(crate) fn is_root(only_root: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        eprintln!("SKIPPED {test}: only root {only_root}");
    }
    root
}

/// Finds a program in the developer's own `PATH`.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file()
}
