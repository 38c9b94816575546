//! Which mima runs, and who could put another in its place.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Finding, profile};
use crate::fs::{Forgery, identity};
use crate::term;
use crate::term::word;

const SUBJECT: &str = "install";

pub(super) fn check() -> Vec<Finding> {
    let own = match std::env::current_exe() {
        Ok(own) => own,
        Err(error) => {
            let why = crate::error::describe(&error);
            return vec![Finding::warning(
                SUBJECT,
                format!("could not find out where mima is: {why}"),
            )];
        }
    };
    let mut found = vec![Finding::ok(
        SUBJECT,
        format!("mima {}, {}", env!("CARGO_PKG_VERSION"), term::path(&own)),
    )];
    found.extend([Some(own.as_path()), own.parent()].into_iter().flatten().filter_map(exposed));
    found.extend(on_path(&own));
    found.extend(profile::check(&own));
    found
}

/// Whoever can change the binary gets every secret.
fn exposed(path: &Path) -> Option<Finding> {
    let meta = std::fs::metadata(path).ok()?;
    Some(match Forgery::of(&meta)? {
        // Others can add to such a directory, and not replace.
        Forgery::Writable if meta.mode() & 0o1000 != 0 && meta.is_dir() => return None,
        Forgery::Writable => Finding::error(
            SUBJECT,
            format!("others can write to {}, and so replace mima", term::path(path)),
        )
        .fix(format!("chmod go-w {}", word(path))),
        Forgery::Foreign(uid) => Finding::error(
            SUBJECT,
            format!(
                "{} belongs to another user (uid {uid}), who can replace mima",
                term::path(path)
            ),
        )
        .fix(format!("sudo chown root {}", word(path))),
    })
}

/// Which mima a shell finds, and in whose directories it looks before.
fn on_path(own: &Path) -> Vec<Finding> {
    let this = identity(own);
    let dirs: Vec<_> =
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    let is_mima = |path: &PathBuf| {
        path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
    };
    let all: Vec<_> = dirs.iter().map(|dir| dir.join("mima")).filter(is_mima).collect();
    let prepend = || {
        let dir = own.parent().unwrap_or(own);
        format!("export PATH={}:\"$PATH\"", word(dir))
    };
    let mut found = Vec::new();
    match all.split_first() {
        None => found.push(
            Finding::warning(SUBJECT, "no mima is on PATH, so the hook may not find it")
                .fix(prepend()),
        ),
        Some((first, rest)) if identity(first) == this => {
            let mut others: Vec<_> =
                rest.iter().filter(|path| identity(path) != this).cloned().collect();
            others.dedup();
            found.extend(others.iter().map(|other| {
                Finding::note(
                    SUBJECT,
                    format!(
                        "there is another mima on PATH, behind this one: {}",
                        term::path(other)
                    ),
                )
                .fix(format!("rm {}", word(other)))
            }));
        }
        Some((first, _)) => found.push(
            Finding::warning(SUBJECT, format!("PATH leads to another mima: {}", term::path(first)))
                .fix(prepend()),
        ),
    }
    // Behind mima's own directory nobody can put another in front of it.
    let last = all.first().and_then(|first| first.parent());
    for dir in &dirs {
        found.extend(in_front(dir));
        if Some(dir.as_path()) == last {
            break;
        }
    }
    found
}

/// Judges a directory of PATH.
fn in_front(dir: &Path) -> Option<Finding> {
    if !dir.is_absolute() {
        return Some(
            Finding::note(
                SUBJECT,
                format!(
                    "PATH has `{}`, so the directory you stand in decides what runs",
                    term::path(dir)
                ),
            )
            .fix("take it out of PATH"),
        );
    }
    let meta = std::fs::metadata(dir).ok()?;
    let what = |who: &str| format!("{who} {}, which is on PATH before mima", term::path(dir));
    Some(match Forgery::of(&meta)? {
        // A group of administrators, as Debian and Homebrew have it, is a matter of trust.
        Forgery::Writable if meta.mode() & 0o002 == 0 => {
            Finding::note(SUBJECT, what("a group can write to"))
                .fix(format!("chmod g-w {}", word(dir)))
        }
        Forgery::Writable => Finding::warning(SUBJECT, what("everybody can write to"))
            .fix(format!("chmod go-w {}", word(dir))),
        Forgery::Foreign(uid) => {
            Finding::warning(SUBJECT, what(&format!("another user (uid {uid}) owns")))
                .fix("take it out of PATH, or put it last")
        }
    })
}
