//! Changing the `groups:` of a configuration file, in place.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Mima;
use crate::config::edit::{Edit, Edited, apply};
use crate::config::parse::{MAX_FILE_BYTES, parse};
use crate::config::project::ProjectFile;
use crate::config::user::UserFile;
use crate::error::{Context, Failure, Kind, Result};
use crate::fs::{self, Lock};
use crate::term;

/// The name of a project file.
const PROJECT_FILE: &str = ".mima.yaml";

/// Which file an edit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `~/.mima.yaml`.
    User,
    /// The nearest `.mima.yaml`, from the working directory upwards.
    Project,
}

impl Mima {
    /// Tells what `edit` would do, without doing it: a file that cannot be edited is better
    /// found before a person has typed a value.
    pub fn try_edit(&self, target: Target, edit: &Edit) -> Result<()> {
        plan(target, &self.file_of(target)?, edit).map(drop)
    }

    /// Makes `edit` in the file, under the lock, atomically. Returns the file's path for
    /// messages, and what the variable was linked to before.
    pub fn edit(&self, target: Target, edit: &Edit) -> Result<(PathBuf, Edited)> {
        let path = self.file_of(target)?;
        fs::private_dir(self.paths().data())?;
        let _lock = Lock::acquire(&self.paths().lock())?;
        let (before, edited) = plan(target, &path, edit)?;
        if before != edited.bytes {
            // A link stays one, and a dotfiles repository keeps its file.
            let real = resolve_link(&path)?;
            match target {
                Target::User => fs::write_atomic(&real, &edited.bytes)?,
                Target::Project => fs::write_atomic_keeping_mode(&real, &edited.bytes)?,
            }
        }
        Ok((path, edited))
    }

    fn file_of(&self, target: Target) -> Result<PathBuf> {
        match target {
            Target::User => Ok(self.paths().user_file().to_owned()),
            Target::Project => self.nearest_project_file(),
        }
    }

    /// Tells whether `file` is the user file, by whichever path or link.
    fn is_user_file(&self, file: &Path) -> bool {
        let inode = |path: &Path| std::fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).ok();
        inode(file) == inode(self.paths().user_file())
    }

    /// Finds the nearest project file. The user file is never one, even from `$HOME`.
    fn nearest_project_file(&self) -> Result<PathBuf> {
        let here = std::env::current_dir().context("could not find the working directory")?;
        here.ancestors()
            .map(|dir| dir.join(PROJECT_FILE))
            .find(|file| file.is_file() && !self.is_user_file(file))
            .ok_or_else(|| {
                Failure::new(
                    Kind::NotFound,
                    format!("there is no {PROJECT_FILE} in {} or above", term::path(&here)),
                )
                .hint(format!("touch {PROJECT_FILE}"))
            })
    }
}

/// Reads the file, all of which must be valid, and makes the edit in memory. Returns the
/// bytes that were read, and what has become of them.
fn plan(target: Target, path: &Path, edit: &Edit) -> Result<(Vec<u8>, Edited)> {
    let label = term::path(path);
    resolve_link(path)?;
    let bytes = fs::read_capped(path, MAX_FILE_BYTES)?.unwrap_or_default();
    match target {
        Target::User => {
            if !bytes.is_empty() {
                fs::check_not_forged(path)?;
            }
            parse::<UserFile>(&bytes, &label)?;
        }
        Target::Project => {
            parse::<ProjectFile>(&bytes, &label)?;
        }
    }
    let edited = apply(&bytes, edit, &label)?;
    Ok((bytes, edited))
}

fn resolve_link(path: &Path) -> Result<PathBuf> {
    if std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink()) {
        return std::fs::canonicalize(path)
            .context(format!("could not follow the link {}", term::path(path)))
            .map_err(|failure| {
                failure.hint("make the file that it points to, or remove the link")
            });
    }
    Ok(path.to_owned())
}
