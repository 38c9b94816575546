//! Trust: which project files the user has approved.
//!
//! [`Candidate::open`] opens a project file, once; every verdict and every word that is later
//! read of it are about those bytes. A record in the user's data directory, never in the
//! project, says what was approved: where the file is, and each byte of it. Nothing in the
//! environment gives trust. (threats: A1–A16)

mod record;

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::parse::MAX_FILE_BYTES;
use crate::error::{Context, Failure, Result};
use crate::fs::{self, Forgery, Lock, Opened};
use crate::paths::Paths;
use crate::term;
use record::Record;

/// What the records are kept under, beside the data directory's own name.
const ALLOWED: &str = "allow";
const DENIED: &str = "deny";

/// What is to be done with a project file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The user has approved these very bytes in this place.
    Allowed,
    /// The user has approved this file once, and it, or where it leads, has changed.
    Changed,
    /// Nobody has said anything yet.
    Unknown,
    /// The user never wants to be asked about it.
    Denied,
    /// Somebody else could have written it.
    Foreign(Forgery),
}

impl Verdict {
    /// The word for it, in listings.
    pub fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Changed => "changed",
            Self::Unknown => "unknown",
            Self::Denied => "denied",
            Self::Foreign(_) => "foreign",
        }
    }
}

/// A project file that was opened and read, and not yet judged.
#[derive(Debug)]
pub struct Candidate {
    /// The path it was found at, as the user sees it.
    pub path: PathBuf,
    /// Its directory with every link followed, and its name.
    location: PathBuf,
    /// The file with every link followed.
    target: PathBuf,
    /// All of it.
    pub bytes: Vec<u8>,
    forgery: Option<(Forgery, PathBuf)>,
}

impl Candidate {
    /// Opens and reads the file at `path`: a regular one of at most 256 KiB. `Ok(None)` if
    /// there is none. (threats: A4, A11, A12)
    pub fn open(path: &Path) -> Result<Option<Self>> {
        let Some(opened) = Opened::at(path)? else { return Ok(None) };
        let target = opened.real_path()?;
        let (meta, bytes) = opened.read(MAX_FILE_BYTES)?;
        let what = || format!("could not look at the directory of {}", term::path(path));
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Failure::failed(format!("{} is no file", term::path(path))));
        };
        let location = std::fs::canonicalize(dir).context(what())?.join(name);
        let forgery = forgery(path, &meta).context(what())?;
        Ok(Some(Self { path: path.to_owned(), location, target, bytes, forgery }))
    }

    /// As [`is_foreign`], of what was opened.
    pub fn is_foreign(&self) -> bool {
        matches!(self.forgery, Some((Forgery::Foreign(_), _)))
    }

    /// Says what is wrong with the file's owner or mode, and what mends it.
    pub fn objection(&self) -> Option<Failure> {
        self.forgery.as_ref().map(|(forgery, path)| forgery.describe(path))
    }

    /// The directory that it is in, with every link followed.
    pub fn real_dir(&self) -> &Path {
        self.location.parent().unwrap_or(&self.location)
    }

    /// The digest of where the file is and what it says.
    pub fn digest(&self) -> [u8; 32] {
        record::digest(&self.location, &self.target, &self.bytes)
    }
}

/// Tells whether the file at `path`, a link to it, or its directory belongs to another user.
/// Nothing is opened. (threat A7)
pub fn is_foreign(path: &Path) -> bool {
    let Ok(meta) = std::fs::metadata(path) else { return false };
    matches!(forgery(path, &meta), Ok(Some((Forgery::Foreign(_), _))))
}

/// Opens and reads a file that an approved project file names: what it says is not approved, so
/// nobody but the user may have a say in it, neither where it is named nor where a link leads.
/// `Ok(None)` if there is none. (threats: A5, A6, A11, A12)
pub fn read_named(path: &Path) -> Result<Option<Vec<u8>>> {
    let Some(opened) = Opened::at(path)? else { return Ok(None) };
    let what = || format!("could not look at the directory of {}", term::path(path));
    for path in [path.to_owned(), opened.real_path()?] {
        if let Some((forgery, path)) = forgery(&path, &opened.meta).context(what())? {
            return Err(forgery.describe(&path));
        }
    }
    Ok(Some(opened.read(MAX_FILE_BYTES)?.1))
}

/// Judges a file, a link to it, and its directory, by their owners and modes.
fn forgery(path: &Path, meta: &Metadata) -> io::Result<Option<(Forgery, PathBuf)>> {
    let link = std::fs::symlink_metadata(path).ok().filter(Metadata::is_symlink);
    // Anybody may write to a link, and nobody can.
    let foreign = link.and_then(|link| Forgery::of(&link)).filter(|of| *of != Forgery::Writable);
    if let Some(forgery) = foreign.or_else(|| Forgery::of(meta)) {
        return Ok(Some((forgery, path.to_owned())));
    }
    let dir = path.parent().unwrap_or(path);
    let dir_meta = std::fs::metadata(dir)?;
    Ok(match Forgery::of(&dir_meta) {
        // In a directory such as /tmp others can add files, but not replace the user's own.
        Some(Forgery::Writable) if dir_meta.mode() & 0o1000 != 0 => {
            let own = meta.uid() == rustix::process::geteuid().as_raw();
            (!own).then(|| (Forgery::Foreign(meta.uid()), path.to_owned()))
        }
        forgery => forgery.map(|forgery| (forgery, dir.to_owned())),
    })
}

/// The records of what was approved.
#[derive(Debug)]
pub struct Trust {
    data: PathBuf,
    dir: PathBuf,
    lock: PathBuf,
}

impl Trust {
    /// Finds the records. Nothing is read or made.
    pub fn new(paths: &Paths) -> Self {
        Self { data: paths.data().to_owned(), dir: paths.trust(), lock: paths.lock() }
    }

    /// Judges a project file. An error means that the record cannot be relied on: it names
    /// the record, and the file counts as not allowed. (threat A13)
    pub fn judge(&self, candidate: &Candidate) -> Result<Verdict> {
        if let Some((forgery, _)) = candidate.forgery {
            return Ok(Verdict::Foreign(forgery));
        }
        if !is_there(&self.dir)? {
            return Ok(Verdict::Unknown);
        }
        fs::check_owned(&self.dir)?;
        if is_there(&self.record(&candidate.location, DENIED))? {
            return Ok(Verdict::Denied);
        }
        Ok(match self.read(&candidate.location)? {
            None => Verdict::Unknown,
            Some(record) if record.digest == candidate.digest() => Verdict::Allowed,
            Some(_) => Verdict::Changed,
        })
    }

    /// Returns the bytes that were approved last for this file's place, if any.
    pub fn approved(&self, candidate: &Candidate) -> Result<Option<Vec<u8>>> {
        Ok(self.read(&candidate.location)?.map(|record| record.bytes))
    }

    /// Approves exactly these bytes, in this place.
    pub fn allow(&self, candidate: &Candidate) -> Result<()> {
        let record = Record {
            digest: candidate.digest(),
            location: candidate.location.clone(),
            target: candidate.target.clone(),
            bytes: candidate.bytes.clone(),
        };
        let _lock = self.lock()?;
        let denied = self.record(&candidate.location, DENIED);
        if is_there(&denied)? {
            fs::remove(&denied)?;
        }
        fs::write_atomic(&self.record(&candidate.location, ALLOWED), &record.encode())
    }

    /// Never loads, nor mentions, what stands at this place, until it is allowed.
    pub fn deny(&self, candidate: &Candidate) -> Result<()> {
        let _lock = self.lock()?;
        let record = self.record(&candidate.location, DENIED);
        fs::write_atomic(&record, hex::encode(record::bytes_of(&candidate.location)).as_bytes())?;
        let allowed = self.record(&candidate.location, ALLOWED);
        if is_there(&allowed)? { fs::remove(&allowed) } else { Ok(()) }
    }

    /// Forgets the records of files that are gone, and those that cannot be read. Returns
    /// the places of the files.
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
                Some(location) if !location.try_exists().is_ok_and(|exists| !exists) => {}
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
                Ok(Some(_)) => survey.sound += 1,
                Ok(None) | Err(_) => survey.damaged.push(path),
            }
        }
        survey.gone.sort();
        survey.damaged.sort();
        Ok(survey)
    }

    fn lock(&self) -> Result<Lock> {
        fs::private_dir(&self.data)?;
        fs::private_dir(&self.dir)?;
        Lock::acquire(&self.lock)
    }

    /// One file for each place: no two writers ever share one but for the same place.
    fn record(&self, location: &Path, extension: &str) -> PathBuf {
        self.dir.join(format!("{}.{extension}", record::name(location)))
    }

    /// Reads the approval for a place, all of which must be as mima wrote it.
    fn read(&self, location: &Path) -> Result<Option<Record>> {
        let path = self.record(location, ALLOWED);
        let Some(bytes) = read_record(&path)? else { return Ok(None) };
        match Record::decode(&bytes) {
            Some(record) if record.location == location => Ok(Some(record)),
            _ => Err(Failure::failed(format!("{} is damaged", term::path(&path)))
                .hint("mima allow makes it anew")),
        }
    }
}

/// What the records are like.
#[derive(Debug, Default)]
pub struct Survey {
    /// How many are of a file that is there.
    pub sound: usize,
    /// The places of files that are gone.
    pub gone: Vec<PathBuf>,
    /// The records that cannot be read.
    pub damaged: Vec<PathBuf>,
}

/// Returns the place that a record is for; `None` if it cannot be read.
fn place_of(path: &Path) -> Result<Option<PathBuf>> {
    if path.extension().is_some_and(|extension| extension == DENIED) {
        return Ok(read_record(path)?.and_then(|bytes| record::path_of(&bytes)));
    }
    let record = read_record(path).ok().flatten().and_then(|bytes| Record::decode(&bytes));
    Ok(record.map(|record| record.location))
}

/// Tells whether there is something at `path`. Not being able to tell is no answer. (threat D4)
fn is_there(path: &Path) -> Result<bool> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if fs::is_absent(&error) => Ok(false),
        Err(error) => Err(error).context(format!("could not look at {}", term::path(path))),
    }
}

/// Reads a record that only the user can have written, and that is no link.
fn read_record(path: &Path) -> Result<Option<Vec<u8>>> {
    let what = || format!("could not use {}", term::path(path));
    match std::fs::symlink_metadata(path) {
        Err(error) if fs::is_absent(&error) => return Ok(None),
        Err(error) => return Err(error).context(what()),
        Ok(meta) if meta.is_symlink() => {
            return Err(Failure::failed(format!("{}: it is a link", what()))
                .hint(format!("rm {}", term::word(path))));
        }
        Ok(_) => {}
    }
    fs::check_owned(path).map_err(|failure| failure.hint("mima allow makes it anew"))?;
    fs::read_capped(path, 2 * MAX_FILE_BYTES)
}
