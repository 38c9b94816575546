//! All records together: what they are like, and those that are of no use any more.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::record::{self, Record};
use super::shells::Shells;
use super::{DENIED, IN_SHELLS, Trust, is_there, read_record};
use crate::error::{Context, Result};
use crate::{fs, term};

/// What the records are like.
#[derive(Debug, Default)]
pub struct Survey {
    /// How many files that are there they are of.
    pub sound: usize,
    /// The places of files that are gone.
    pub gone: Vec<PathBuf>,
    /// The records that cannot be read.
    pub damaged: Vec<PathBuf>,
}

impl Trust {
    /// Forgets the records of files that are gone, of shells that have ended, and those that
    /// cannot be read. Returns the places of the files.
    pub fn prune(&self) -> Result<Vec<String>> {
        let mut forgotten = Vec::new();
        if !is_there(&self.dir)? {
            return Ok(forgotten);
        }
        let _lock = self.lock()?;
        let what = || format!("could not list {}", term::path(&self.dir));
        for entry in std::fs::read_dir(&self.dir).context(what())? {
            let path = entry.context(what())?.path();
            match place_of(&path)? {
                // What cannot be looked at may well be there.
                Some(location) if !location.try_exists().is_ok_and(|exists| !exists) => {
                    if prune_shells(&path)? {
                        let place = term::path(&location);
                        forgotten.push(format!("{place}, in shells that have ended"));
                    }
                }
                location => {
                    fs::remove(&path)?;
                    forgotten.push(term::path(&location.unwrap_or(path)));
                }
            }
        }
        forgotten.sort();
        Ok(forgotten)
    }

    /// Looks through the records, and changes nothing.
    pub fn survey(&self) -> Result<Survey> {
        let mut survey = Survey::default();
        let mut there = BTreeSet::new();
        if !is_there(&self.dir)? {
            return Ok(survey);
        }
        let what = || format!("could not list {}", term::path(&self.dir));
        for entry in std::fs::read_dir(&self.dir).context(what())? {
            let path = entry.context(what())?.path();
            match place_of(&path) {
                Ok(Some(place)) if place.try_exists().is_ok_and(|exists| !exists) => {
                    survey.gone.push(place);
                }
                Ok(Some(place)) => drop(there.insert(place)),
                Ok(None) | Err(_) => survey.damaged.push(path),
            }
        }
        survey.sound = there.len();
        survey.gone.sort();
        survey.damaged.sort();
        Ok(survey)
    }
}

/// Forgets the shells that have ended, if the record at `path` is of shells. Tells whether there
/// were any.
fn prune_shells(path: &Path) -> Result<bool> {
    if !is_of(path, IN_SHELLS) {
        return Ok(false);
    }
    let shells = read_record(path)?.and_then(|bytes| Shells::decode(&bytes));
    let Some(mut shells) = shells else { return Ok(false) };
    let before = shells.entries.len();
    shells.entries.retain(|entry| !entry.has_ended());
    match shells.entries.len() {
        left if left == before => return Ok(false),
        0 => fs::remove(path)?,
        _ => fs::write_atomic(path, &shells.encode())?,
    }
    Ok(true)
}

/// Returns the place that a record is for; `None` if it cannot be read.
fn place_of(path: &Path) -> Result<Option<PathBuf>> {
    if is_of(path, DENIED) {
        return Ok(read_record(path)?.and_then(|bytes| record::path_of(&bytes)));
    }
    if is_of(path, IN_SHELLS) {
        let shells = read_record(path).ok().flatten().and_then(|bytes| Shells::decode(&bytes));
        return Ok(shells.map(|shells| shells.location));
    }
    let record = read_record(path).ok().flatten().and_then(|bytes| Record::decode(&bytes));
    Ok(record.map(|record| record.location))
}

/// Tells whether a record is of this sort.
fn is_of(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|of| of == extension)
}
