//! Finding a command as env(1) does, and becoming it.

use std::ffi::{CString, OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use crate::env::{Environment, check_size};
use crate::error::{Context, Failure, Kind, Result};
use crate::{sys, term};

/// Where to look if the child has no PATH, as execvp(3).
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// A command that was found: on PATH perhaps more than once, and the first that can be
/// executed counts.
pub struct Found {
    paths: Vec<PathBuf>,
    argv: Vec<OsString>,
}

/// Finds the program of `argv` by `path`, the child's PATH. A name with a `/` is a path.
///
/// Only absolute elements of PATH count: with `.` or an empty one, the directory one stands
/// in would decide what gets the secrets. (threat F7)
pub fn find(argv: &[OsString], path: Option<&OsStr>) -> Result<Found> {
    let name = argv.first().map_or(OsStr::new(""), OsString::as_os_str);
    let found = |paths| Found { paths, argv: argv.to_vec() };
    if name.as_bytes().contains(&b'/') {
        let path = PathBuf::from(name);
        return match look_at(&path) {
            Look::Executable => Ok(found(vec![path])),
            Look::NotExecutable => Err(not_executable(name)),
            Look::Absent => Err(not_found(name)),
        };
    }
    let mut denied = false;
    let mut paths = Vec::new();
    for dir in std::env::split_paths(path.unwrap_or(OsStr::new(DEFAULT_PATH))) {
        if name.is_empty() || !dir.is_absolute() {
            continue;
        }
        let candidate = dir.join(name);
        match look_at(&candidate) {
            Look::Executable => paths.push(candidate),
            Look::NotExecutable => denied = true,
            Look::Absent => {}
        }
    }
    match (paths.is_empty(), denied) {
        (false, _) => Ok(found(paths)),
        (true, true) => Err(not_executable(name)),
        (true, false) => Err(not_found(name)),
    }
}

/// Returns what a name leads to on the user's PATH, if anything.
pub fn find_on_path(name: &str) -> Option<PathBuf> {
    find(&[name.into()], std::env::var_os("PATH").as_deref()).ok()?.first()
}

enum Look {
    Executable,
    NotExecutable,
    Absent,
}

fn look_at(path: &Path) -> Look {
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() && rustix::fs::access(path, Access::EXEC_OK).is_ok() => {
            Look::Executable
        }
        Ok(_) => Look::NotExecutable,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Look::NotExecutable,
        Err(_) => Look::Absent,
    }
}

fn shown(name: &OsStr) -> String {
    term::sanitize(&name.to_string_lossy())
}

fn not_found(name: &OsStr) -> Failure {
    if name.is_empty() {
        return Failure::new(Kind::NoCommand, "the command is empty");
    }
    Failure::new(Kind::NoCommand, format!("could not find the command `{}`", shown(name)))
}

fn not_executable(name: &OsStr) -> Failure {
    Failure::new(Kind::CannotExecute, format!("`{}` is not executable", shown(name)))
}

impl Found {
    /// The program, where it was found first.
    pub fn first(self) -> Option<PathBuf> {
        self.paths.into_iter().next()
    }

    /// Becomes the command, with exactly `environment`. Returns only a failure.
    pub fn exec(&self, environment: &Environment) -> Result<std::convert::Infallible> {
        let argv = self.argv.iter().map(|arg| to_c(arg)).collect::<Result<Vec<_>>>()?;
        let argv: Vec<_> = argv.iter().map(CString::as_c_str).collect();
        let strings = environment.as_c_strings()?;
        let mut failure = not_found(self.argv.first().map_or(OsStr::new(""), OsString::as_os_str));
        for path in &self.paths {
            let c_path = to_c(path.as_os_str())?;
            let mut sizes = vec![c_path.count_bytes()];
            sizes.extend(argv.iter().map(|arg| arg.count_bytes()));
            check_size(environment, &sizes, sys::process::exec_limits())?;
            let error = sys::exec::execve(&c_path, &argv, &strings);
            match error.kind() {
                // What is found and cannot be executed says more than what is not there.
                ErrorKind::PermissionDenied => failure = describe(path, &error),
                ErrorKind::NotFound | ErrorKind::NotADirectory => {
                    if failure.kind() == Kind::NoCommand {
                        failure = describe(path, &error);
                    }
                }
                _ => return Err(describe(path, &error)),
            }
        }
        Err(failure)
    }
}

fn describe(path: &Path, error: &std::io::Error) -> Failure {
    let name = term::path(path);
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Failure::new(
            Kind::NoCommand,
            format!("could not run {name}: its interpreter does not exist"),
        ),
        ErrorKind::ArgumentListTooLong => Failure::failed(format!(
            "could not run {name}: the environment and arguments are too large"
        ))
        .hint("use fewer groups, or --scrub; the limit grows with `ulimit -s`"),
        _ => Failure::new(Kind::CannotExecute, crate::error::describe(error))
            .context(format!("could not run {name}")),
    }
}

fn to_c(text: &OsStr) -> Result<CString> {
    CString::new(text.as_bytes())
        .map_err(std::io::Error::from)
        .context("could not pass an argument on")
}
