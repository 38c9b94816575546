//! Linked worktrees of git: which main checkout a file belongs to, as git itself has written it
//! down on both sides.
//!
//! A worktree has a file `.git` that names its directory in the main checkout, and a file in there
//! names that `.git` again. Only the first could have come with somebody else's files. So both have
//! to agree, and nobody but the user may have written them. No process is started, and nothing
//! is looked for beyond the form that git gives to these files: what differs is no worktree, and
//! its files are asked for like any other. (threat A17)

use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::fs::{self, Forgery, Opened};

/// How git names a checkout's own directory, or the file that stands for it.
const DOT_GIT: &str = ".git";
/// How a worktree's `.git` begins.
const GITDIR: &[u8] = b"gitdir: ";
/// Longer than a path, and what else is in these files.
const LONGEST: u64 = 8 << 10;
/// Larger than any configuration of git's.
const LARGEST_CONFIG: u64 = 1 << 20;
/// How many directories are looked at, at most. (threat D2)
const MOST_DIRS: usize = 4096;

/// A file in a linked worktree, and where it would be in the main checkout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linked {
    /// The main checkout.
    pub main: PathBuf,
    /// The file's place in there, whether or not one is there.
    pub(super) twin: PathBuf,
    /// The files of git's that tie both to each other.
    pub ties: [PathBuf; 3],
}

impl Linked {
    /// Finds the main checkout for the file at `location`, which has no links on the way.
    pub(super) fn of(location: &Path) -> Option<Self> {
        let mut dirs = location.ancestors().skip(1).take(MOST_DIRS);
        // One that cannot be looked at may be there, and is not passed over.
        let root = dirs.find(|dir| {
            let meta = dir.join(DOT_GIT).symlink_metadata();
            !meta.is_err_and(|error| fs::is_absent(&error))
        })?;
        let dot_git = root.join(DOT_GIT);
        let named = read(&dot_git)?;
        let own = resolve(root, named.strip_prefix(GITDIR)?)?;
        let worktrees = own.parent().filter(|dir| dir.file_name() == Some("worktrees".as_ref()))?;
        let common = worktrees.parent().filter(|dir| dir.file_name() == Some(DOT_GIT.as_ref()))?;
        let main = common.parent()?;
        let (back, to_common) = (own.join("gitdir"), own.join("commondir"));
        let ties = resolve(&own, &read(&back)?)? == dot_git
            && resolve(&own, &read(&to_common)?)? == common
            && [root, &own, worktrees, common, main].into_iter().all(is_the_users)
            && has_checkout_beside(common);
        let twin = main.join(location.strip_prefix(root).ok()?);
        ties.then(|| Self { main: main.to_owned(), twin, ties: [dot_git, back, to_common] })
    }
}

/// Reads the one line of a file of git's.
fn read(path: &Path) -> Option<Vec<u8>> {
    let mut line = read_all(path, LONGEST)?;
    line.pop_if(|last| *last == b'\n');
    (!line.is_empty() && !line.contains(&b'\n')).then_some(line)
}

/// Reads a file that only the user can have written, with no link in its path.
fn read_all(path: &Path, max: u64) -> Option<Vec<u8>> {
    // What else could stand there is not even opened.
    path.symlink_metadata().ok().filter(Metadata::is_file)?;
    let opened = Opened::at(path).ok()??;
    if opened.real_path().ok()? != path || Forgery::of(&opened.meta).is_some() {
        return None;
    }
    Some(opened.read(max).ok()?.1)
}

/// Tells whether what stands beside a repository is its main checkout: a bare one has none, and
/// another may have it elsewhere. Only keys are looked at, not what they stand under: that says
/// no more often than git would.
fn has_checkout_beside(common: &Path) -> bool {
    let says = |name: &str| {
        let bytes = read_all(&common.join(name), LARGEST_CONFIG)?;
        Some(String::from_utf8_lossy(&bytes).lines().any(says_otherwise))
    };
    let further = common.join("config.worktree");
    says("config") == Some(false)
        && (further.symlink_metadata().is_err() || says("config.worktree") == Some(false))
}

fn says_otherwise(line: &str) -> bool {
    let line = line.trim().to_ascii_lowercase();
    // A key may stand behind the name of its section.
    let line = line.strip_prefix('[').and_then(|line| line.split_once(']')).map_or(&*line, |l| l.1);
    let (key, value) = line.split_once('=').unwrap_or((line, "true"));
    match key.trim() {
        "bare" => !["false", "no", "off", "0"].contains(&value.trim()),
        "worktree" => true,
        _ => false,
    }
}

/// Reads a path as git writes one: absolute, or from `base` up first and then down.
fn resolve(base: &Path, text: &[u8]) -> Option<PathBuf> {
    let text = Path::new(OsStr::from_bytes(text));
    let mut path = if text.is_absolute() { PathBuf::new() } else { base.to_owned() };
    let mut may_rise = !text.is_absolute();
    for part in text.components() {
        match part {
            Component::RootDir => path.push("/"),
            Component::ParentDir if may_rise && path.pop() => {}
            Component::Normal(name) => {
                may_rise = false;
                path.push(name);
            }
            _ => return None,
        }
    }
    Some(path)
}

/// Tells whether nobody but the user can put anything into a directory.
fn is_the_users(dir: &Path) -> bool {
    dir.symlink_metadata().is_ok_and(|meta| meta.is_dir() && Forgery::of(&meta).is_none())
}

#[cfg(test)]
mod tests {
    use super::{resolve, says_otherwise};
    use std::path::Path;

    #[test]
    fn t_a17_paths_are_read_as_git_writes_them_and_no_other_way() {
        let of = |text: &str| resolve(Path::new("/a/b"), text.as_bytes());
        let is = |text: &str, path: &str| assert_eq!(of(text).as_deref(), Some(Path::new(path)));
        is("/m/.git/worktrees/n", "/m/.git/worktrees/n");
        is("../../m/.git/worktrees/n", "/m/.git/worktrees/n");
        is("../c/.git", "/a/c/.git");
        is("c", "/a/b/c");
        for text in ["/m/../x", "/../x", "x/../y", "../x/../y", "./x", "../../../x"] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn t_a17_a_configuration_that_puts_the_checkout_elsewhere_is_noticed() {
        for line in ["bare = true", "\tBARE=1", "bare", "[core] bare = yes", "worktree = /x"] {
            assert!(says_otherwise(line), "{line}");
        }
        for line in ["\tbare = false", "[core]", "worktreeConfig = true", "[worktree]", "x = bare"]
        {
            assert!(!says_otherwise(line), "{line}");
        }
    }
}
