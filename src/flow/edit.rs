//! Changing the `groups:` of a configuration file, in place.

use std::path::{Path, PathBuf};

use super::Mima;
use crate::config::edit::{Edit, Edited, apply};
use crate::config::parse::{MAX_FILE_BYTES, parse};
use crate::config::project::ProjectFile;
use crate::config::user::UserFile;
use crate::error::{Context, Failure, Result};
use crate::fs::{self, Lock};
use crate::term;
use crate::trust::Candidate;

/// Which file an edit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `~/.mima.yaml`.
    User,
    /// The nearest `.mima.yaml`, from the working directory upwards.
    Project,
}

/// A file that is to be edited.
struct Source {
    path: PathBuf,
    bytes: Vec<u8>,
    /// The project file, where that is what is edited.
    project: Option<Candidate>,
}

impl Mima {
    /// Tells what `edit` would do, without doing it: a file that cannot be edited is better
    /// found before a person has typed a value.
    pub fn try_edit(&self, target: Target, edit: &Edit) -> Result<()> {
        self.refuse_in_tree("change what a group gives")?;
        let source = self.source(target)?;
        apply(&source.bytes, edit, &term::path(&source.path)).map(drop)
    }

    /// Makes `edit` in the file, under the lock, atomically. Returns the file's path for
    /// messages, and what the variable was linked to before. A project file that was allowed
    /// stays so, as long as it would have: the user has just said what to change in it.
    pub fn edit(&self, target: Target, edit: &Edit) -> Result<(PathBuf, Edited)> {
        self.refuse_in_tree("change what a group gives")?;
        fs::private_dir(self.paths().data())?;
        let lock = Lock::acquire(&self.paths().lock())?;
        let Source { path, bytes, project } = self.source(target)?;
        let edited = apply(&bytes, edit, &term::path(&path))?;
        let trust = self.trust();
        let basis = match &project {
            Some(candidate) => trust.basis(candidate)?,
            None => None,
        };
        if bytes != edited.bytes {
            // A link stays one, and a dotfiles repository keeps its file.
            let real = resolve_link(&path)?;
            match target {
                Target::User => fs::write_atomic(&real, &edited.bytes)?,
                Target::Project => fs::write_atomic_keeping_mode(&real, &edited.bytes)?,
            }
        }
        drop(lock);
        if let Some(basis) = basis {
            let candidate = self.candidate(&path)?;
            // Only what was written here: somebody else may have been faster.
            if candidate.bytes == edited.bytes {
                trust.approve(&candidate, basis.span())?;
            }
        }
        Ok((path, edited))
    }

    /// Puts `bytes`, which a person has made of a copy, in place of a project file. Fails, and
    /// changes nothing, if the file is not `before` any more. Returns the file as it is then.
    pub fn replace(&self, before: &Candidate, bytes: &[u8]) -> Result<Candidate> {
        fs::private_dir(self.paths().data())?;
        let lock = Lock::acquire(&self.paths().lock())?;
        if self.candidate(&before.path)?.bytes != before.bytes {
            let path = term::path(&before.path);
            return Err(Failure::failed(format!("{path} was changed meanwhile, and stays so")));
        }
        fs::write_atomic_keeping_mode(&resolve_link(&before.path)?, bytes)?;
        drop(lock);
        self.candidate(&before.path)
    }

    /// Makes a project file that is not there yet, in one step.
    pub fn make(&self, path: &Path, bytes: &[u8]) -> Result<Candidate> {
        fs::private_dir(self.paths().data())?;
        let lock = Lock::acquire(&self.paths().lock())?;
        if path.symlink_metadata().is_ok() {
            let path = term::path(path);
            return Err(Failure::failed(format!("{path} was made meanwhile, and stays as it is")));
        }
        fs::write_atomic_public(path, bytes)?;
        drop(lock);
        self.candidate(path)
    }

    /// Reads the file, all of which must be valid.
    fn source(&self, target: Target) -> Result<Source> {
        let (path, bytes, project) = match target {
            Target::User => {
                let path = self.paths().user_file().to_owned();
                resolve_link(&path)?;
                let bytes = fs::read_capped(&path, MAX_FILE_BYTES)?;
                if bytes.is_some() {
                    fs::check_not_forged(&path)?;
                }
                (path, bytes.unwrap_or_default(), None)
            }
            Target::Project => {
                let candidate = self.candidate_at(None)?;
                if let Some(objection) = candidate.objection() {
                    return Err(objection);
                }
                (candidate.path.clone(), candidate.bytes.clone(), Some(candidate))
            }
        };
        let label = term::path(&path);
        match target {
            Target::User => drop(parse::<UserFile>(&bytes, &label)?),
            Target::Project => drop(parse::<ProjectFile>(&bytes, &label)?),
        }
        Ok(Source { path, bytes, project })
    }
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
