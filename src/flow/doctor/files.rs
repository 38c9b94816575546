//! Whose mima's files are, who else could change them, and what a crash left behind.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Finding, several};
use crate::fs::{self, Forgery};
use crate::paths::Paths;
use crate::term;
use crate::term::word;

const SUBJECT: &str = "files";
/// How deep to look below the data directory: a vault may be a git repository.
const DEEPEST: usize = 8;
/// How the names of temporary files start.
const TEMPORARY: &str = ".tmp-mima";

/// What is wrong with files below the data directory.
#[derive(Default)]
struct Walk {
    foreign: Vec<PathBuf>,
    writable: Vec<PathBuf>,
    temporary: Vec<PathBuf>,
    unreadable: Vec<PathBuf>,
}

pub(super) fn check(paths: &Paths) -> Vec<Finding> {
    let mut found = above(paths.data());
    found.extend(above(paths.user_file()));
    let mut walk = Walk::default();
    let data = paths.data();
    match std::fs::metadata(data) {
        Err(error) if fs::is_absent(&error) => {
            found.push(Finding::ok(SUBJECT, format!("{} is not there yet", term::path(data))));
        }
        Err(_) => walk.unreadable.push(data.to_owned()),
        Ok(meta) if !meta.is_dir() => {
            found.push(
                Finding::error(SUBJECT, format!("{} is no directory", term::path(data)))
                    .fix(format!("mv {0} {0}.old", word(data))),
            );
        }
        Ok(meta) => {
            walk.judge(data, &meta);
            if walk.foreign.is_empty() && walk.writable.is_empty() && meta.mode() & 0o077 != 0 {
                found.push(
                    Finding::warning(
                        SUBJECT,
                        format!(
                            "others can look into {}: names, and what is allowed",
                            term::path(data)
                        ),
                    )
                    .fix(format!("chmod go= {}", word(data))),
                );
            }
            walk.below(data, DEEPEST);
        }
    }
    if let Some(dir) = paths.user_file().parent() {
        // As `fs::write_atomic` names it there.
        let left = dir.join(format!("{TEMPORARY}{}", name_of(paths.user_file())));
        if std::fs::symlink_metadata(&left).is_ok() && !walk.temporary.contains(&left) {
            walk.temporary.push(left);
        }
    }
    found.extend(walk.findings(data));
    if !found.iter().any(Finding::is_problem) && data.is_dir() {
        found.push(Finding::ok(SUBJECT, format!("{} is yours alone", term::path(data))));
    }
    found
}

/// Whoever can write to a directory can put another in the place of what is below it.
fn above(path: &Path) -> Vec<Finding> {
    let mut found = Vec::new();
    for dir in path.ancestors().skip(1) {
        let Ok(meta) = std::fs::metadata(dir) else { continue };
        let finding = match Forgery::of(&meta) {
            // Nobody can replace what is another's in there.
            Some(Forgery::Writable) if meta.mode() & 0o1000 != 0 => continue,
            Some(Forgery::Writable) => Finding::warning(
                SUBJECT,
                format!("others can write to {}, and replace what is below it", term::path(dir)),
            )
            .fix(format!("chmod go-w {}", word(dir))),
            Some(Forgery::Foreign(uid)) => Finding::warning(
                SUBJECT,
                format!("{} belongs to another user (uid {uid})", term::path(dir)),
            )
            .fix(format!("sudo chown \"$(id -un)\" {}", word(dir))),
            None => continue,
        };
        found.push(finding);
    }
    found
}

impl Walk {
    fn judge(&mut self, path: &Path, meta: &std::fs::Metadata) {
        if !fs::is_own(meta.uid()) {
            self.foreign.push(path.to_owned());
        } else if meta.mode() & 0o022 != 0 {
            self.writable.push(path.to_owned());
        }
    }

    fn below(&mut self, dir: &Path, depth: usize) {
        let Ok(entries) = std::fs::read_dir(dir) else {
            return self.unreadable.push(dir.to_owned());
        };
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let Ok(meta) = std::fs::symlink_metadata(&path) else { continue };
            // A link has no mode of its own.
            if meta.is_symlink() {
                continue;
            }
            self.judge(&path, &meta);
            if name_of(&path).starts_with(TEMPORARY)
                || (meta.is_dir() && name_of(&path) == "vault.new")
            {
                self.temporary.push(path.clone());
            }
            if meta.is_dir() && depth > 0 {
                self.below(&path, depth.saturating_sub(1));
            }
        }
    }

    fn findings(&self, data: &Path) -> Vec<Finding> {
        let mut found = Vec::new();
        if !self.foreign.is_empty() {
            found.push(
                Finding::error(SUBJECT, several("of another user:", &self.foreign))
                    .fix(format!("sudo chown -R \"$(id -un)\" {}", word(data))),
            );
        }
        if let [first, rest @ ..] = self.writable.as_slice() {
            let fix = if rest.is_empty() {
                format!("chmod go= {}", word(first))
            } else {
                format!("chmod -R go= {}", word(data))
            };
            found.push(
                Finding::error(SUBJECT, several("others can write to", &self.writable)).fix(fix),
            );
        }
        if !self.unreadable.is_empty() {
            found.push(
                Finding::error(SUBJECT, several("could not look into", &self.unreadable))
                    .fix(format!("chmod -R u+rwX {}", word(data))),
            );
        }
        if !self.temporary.is_empty() {
            let words: Vec<_> = self.temporary.iter().map(|path| word(path)).collect();
            found.push(
                Finding::note(
                    SUBJECT,
                    several(
                        "left behind by a mima that was killed, unless one is at work:",
                        &self.temporary,
                    ),
                )
                .fix(format!("rm -rf {}", words.join(" "))),
            );
        }
        found
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
