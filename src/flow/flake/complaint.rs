//! What nix says when it fails, as one line, and what to do about it. Pure.

use std::path::Path;

use crate::error::Failure;
use crate::term;

/// How many of nix's errors are told, from the end: the last is nearest to the cause.
const MOST_ERRORS: usize = 3;
/// How long what is told may be, in characters.
const MOST_CHARS: usize = 600;

/// What stands in an error of nix, and what to do then. `@` is the directory of the flake.
const WHAT_TO_DO: [(&str, &str); 10] = [
    ("requires lock file changes", "cd @ && nix flake lock && mima allow"),
    ("is not tracked by Git", "cd @ && git add flake.* && mima reload"),
    ("does not contain a '/flake.nix'", "cd @ && git add flake.* && mima reload"),
    ("/flake.nix' does not exist", "cd @ && git add flake.* && mima reload"),
    ("/flake.nix': No such file", "cd @ && git add flake.* && mima reload"),
    // In a repository nix has only what git knows.
    ("getting status of '", "cd @ && git add flake.* && mima reload"),
    ("unable to download", "once there is a network: mima reload"),
    ("resolve host", "once there is a network: mima reload"),
    ("Network is unreachable", "once there is a network: mima reload"),
    ("experimental Nix feature", "a newer Nix: https://nixos.org/download"),
];

/// How the name of nix's copy of a flake ends.
const COPY: &str = "-source";

/// Finds the path of nix's copy in what it says, where nix has not come to tell it.
fn copy_in<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let quotes = |c: char| c.is_whitespace() || "'\"«»".contains(c);
    lines.iter().flat_map(|line| line.split(quotes)).find_map(|word| {
        let word = word.strip_prefix("path:").unwrap_or(word);
        let copy = word.get(..word.find(COPY)? + COPY.len())?;
        copy.contains("/store/").then_some(copy)
    })
}

/// Makes a failure of what nix has said; `None` if that is nothing. Where nix names its copy of
/// the flake, `dir` is named, of which it is one. `develop` shows all that nix has to say.
pub(super) fn explain(
    said: &[u8],
    copy: Option<&Path>,
    dir: &Path,
    develop: &str,
) -> Option<Failure> {
    let text = String::from_utf8_lossy(said);
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let mut errors: Vec<String> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(error) = line.strip_prefix("error:") else { continue };
        let mut error = error.trim().to_owned();
        // What nix was doing follows a bare `error:`, and the cause comes last.
        if error.is_empty() {
            continue;
        }
        let after = lines.iter().skip(at + 1).take(3);
        if let Some(place) = after.into_iter().find(|line| line.starts_with("at ")) {
            error = format!("{error} {}", place.trim_end_matches(':'));
        }
        errors.push(error);
    }
    errors.dedup();
    let from = errors.len().saturating_sub(MOST_ERRORS);
    let mut errors = errors.split_off(from);
    if errors.is_empty() {
        errors.extend(lines.iter().rev().find(|line| !line.is_empty()).map(|&l| l.to_owned()));
    }
    let mut told = errors.join("; ");
    if told.is_empty() {
        return None;
    }
    let known = WHAT_TO_DO.iter().find(|(part, _)| told.contains(part));
    for copy in [copy.and_then(Path::to_str), copy_in(&lines)].into_iter().flatten() {
        told = told.replace(&format!("path:{copy}"), copy).replace(copy, &term::path(dir));
    }
    let told: String = told.chars().take(MOST_CHARS).collect();
    let word = term::word(dir);
    let hint = match known {
        Some((_, hint)) => hint.replace('@', &word),
        None => format!("to see all of it: cd {word} && {develop}"),
    };
    Some(Failure::failed(told).hint(hint))
}
