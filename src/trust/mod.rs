//! Trust: which project files the user has approved.
//!
//! [`Candidate::open`] opens a project file, once; every verdict and every word that is later
//! read of it are about those bytes. A record in the user's data directory, never in the
//! project, says what was approved: where the file is, and each byte of it. Nothing in the
//! environment gives trust. (threats: A1–A18)

mod record;
mod shells;
mod survey;
mod worktree;

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::parse::MAX_FILE_BYTES;
use crate::error::{Context, Failure, Kind, Result};
use crate::fs::{self, Forgery, Lock, Opened};
use crate::paths::Paths;
use crate::sys::boot;
use crate::term;
use record::Record;
pub use shells::Shell;
use shells::{Entry, Shells};
pub use survey::Survey;
pub use worktree::Linked;

/// What the records are kept under, beside the data directory's own name.
const ALLOWED: &str = "allow";
const DENIED: &str = "deny";
/// What those that end with a shell are.
const IN_SHELLS: &str = "shell";

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

/// What a file is allowed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The user's own word on this file.
    Own,
    /// The user's word on the same file in the main checkout, of which this is a linked worktree.
    Main(Linked),
    /// The user's word, for this shell.
    Shell,
}

impl Basis {
    /// How long that holds.
    pub fn span(&self) -> Span {
        match self {
            Self::Own | Self::Main(_) => Span::Lasting,
            Self::Shell => Span::ThisShell,
        }
    }

    /// The main checkout, if it is allowed in there.
    pub fn main(&self) -> Option<&Path> {
        match self {
            Self::Main(linked) => Some(&linked.main),
            Self::Own | Self::Shell => None,
        }
    }

    /// Says it behind `allowed`, where it is not the usual.
    pub fn words(&self) -> String {
        match self {
            Self::Own => String::new(),
            Self::Main(linked) => format!(" as in {}", term::path(&linked.main)),
            Self::Shell => self.span().words().to_owned(),
        }
    }
}

/// How long an approval is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Until it is taken back.
    Lasting,
    /// As long as this shell runs, and only in there.
    ThisShell,
}

impl Span {
    /// Says it behind `allowed`, where it is not the usual.
    pub fn words(self) -> &'static str {
        match self {
            Self::Lasting => "",
            Self::ThisShell => " in this shell",
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
    /// Finds the shell that this was typed at.
    shell: fn() -> Option<Shell>,
}

impl Trust {
    /// Finds the records. Nothing is read or made. `shell` finds the shell that this process
    /// was typed at; it is asked where nothing else allows a file.
    pub fn new(paths: &Paths, shell: fn() -> Option<Shell>) -> Self {
        Self { data: paths.data().to_owned(), dir: paths.trust(), lock: paths.lock(), shell }
    }

    /// Judges a project file. An error means that the record cannot be relied on: it names
    /// the record, and the file counts as not allowed. (threat A13)
    pub fn judge(&self, candidate: &Candidate) -> Result<Verdict> {
        Ok(self.weigh(candidate)?.0)
    }

    /// Tells what a project file is allowed by, if it is. Errors are those of [`Trust::judge`].
    pub fn basis(&self, candidate: &Candidate) -> Result<Option<Basis>> {
        Ok(self.weigh(candidate)?.1)
    }

    /// As [`Trust::judge`], together with what the file is allowed by, if it is.
    pub fn weigh(&self, candidate: &Candidate) -> Result<(Verdict, Option<Basis>)> {
        if let Some((forgery, _)) = candidate.forgery {
            return Ok((Verdict::Foreign(forgery), None));
        }
        if !is_there(&self.dir)? {
            return Ok((Verdict::Unknown, None));
        }
        fs::check_owned(&self.dir)?;
        if self.is_denied(&candidate.location)? {
            return Ok((Verdict::Denied, None));
        }
        let record = self.read(&candidate.location)?;
        let basis = match &record {
            Some(record) if record.digest == candidate.digest() => Some(Basis::Own),
            _ => match self.allowed_in_main(candidate)? {
                Some(linked) => Some(Basis::Main(linked)),
                None => self.is_allowed_here(candidate)?.then_some(Basis::Shell),
            },
        };
        let verdict = match (&basis, record) {
            (Some(_), _) => Verdict::Allowed,
            (None, Some(_)) => Verdict::Changed,
            (None, None) => Verdict::Unknown,
        };
        Ok((verdict, basis))
    }

    fn is_denied(&self, location: &Path) -> Result<bool> {
        is_there(&self.record(location, DENIED))
    }

    /// Finds the main checkout if the file is in a linked worktree and the user has approved
    /// these very bytes in the same place over there. What is there now does not matter: it may
    /// be of another branch. No link counts, on either side. (threat A17)
    fn allowed_in_main(&self, candidate: &Candidate) -> Result<Option<Linked>> {
        if candidate.target != candidate.location {
            return Ok(None);
        }
        let Some(linked) = Linked::of(&candidate.location) else { return Ok(None) };
        if self.is_denied(&linked.twin)? {
            return Ok(None);
        }
        let is_same =
            |record: Record| record.target == record.location && record.bytes == candidate.bytes;
        Ok(self.read(&linked.twin)?.is_some_and(is_same).then_some(linked))
    }

    /// Tells whether the user has approved these very bytes in this shell. (threat A18)
    fn is_allowed_here(&self, candidate: &Candidate) -> Result<bool> {
        let Some(shells) = self.shells(&candidate.location)? else { return Ok(false) };
        let Some(shell) = (self.shell)() else { return Ok(false) };
        let digest = candidate.digest();
        let is_it = |entry: &Entry| entry.shell == shell && entry.digest == digest;
        Ok(shells.entries.iter().any(|entry| is_it(entry) && !entry.has_ended()))
    }

    /// Returns the bytes that were approved last for this file's place, if any.
    pub fn approved(&self, candidate: &Candidate) -> Result<Option<Vec<u8>>> {
        Ok(self.read(&candidate.location)?.map(|record| record.bytes))
    }

    /// Approves exactly these bytes, in this place.
    pub fn approve(&self, candidate: &Candidate, span: Span) -> Result<()> {
        match span {
            Span::Lasting => self.allow(candidate),
            Span::ThisShell => self.allow_here(candidate),
        }
    }

    /// Approves exactly these bytes, in this place, until that is taken back.
    pub fn allow(&self, candidate: &Candidate) -> Result<()> {
        let record = Record {
            digest: candidate.digest(),
            location: candidate.location.clone(),
            target: candidate.target.clone(),
            bytes: candidate.bytes.clone(),
        };
        let _lock = self.lock()?;
        self.forget(&candidate.location, DENIED)?;
        fs::write_atomic(&self.record(&candidate.location, ALLOWED), &record.encode())?;
        self.forget(&candidate.location, IN_SHELLS)
    }

    /// Approves exactly these bytes, in this place, as long as this shell runs. What is denied
    /// stays so: that was said for all shells.
    fn allow_here(&self, candidate: &Candidate) -> Result<()> {
        let (shell, boot) = self.this_shell()?;
        let location = candidate.location.clone();
        let _lock = self.lock()?;
        if self.is_denied(&location)? {
            return Err(denied(candidate));
        }
        // One that cannot be read allows nothing, and is made anew.
        let before = self.shells(&location).unwrap_or_default();
        let mut entries = before.map(|shells| shells.entries).unwrap_or_default();
        entries.retain(|entry| entry.shell != shell && !entry.has_ended());
        entries.push(Entry { shell, boot, digest: candidate.digest() });
        let path = self.record(&location, IN_SHELLS);
        fs::write_atomic(&path, &Shells { location, entries }.encode())
    }

    /// Fails if `span` cannot be had for a file: better before a person is asked.
    pub fn check(&self, candidate: &Candidate, span: Span) -> Result<()> {
        if span == Span::Lasting {
            return Ok(());
        }
        self.this_shell()?;
        if self.is_denied(&candidate.location)? { Err(denied(candidate)) } else { Ok(()) }
    }

    fn this_shell(&self) -> Result<(Shell, String)> {
        (self.shell)().zip(boot::id()).ok_or_else(|| {
            let what =
                "this was not typed at a shell on a terminal, so there is none to allow it for";
            Failure::failed(what).hint("type it at your shell's prompt")
        })
    }

    /// Never loads, nor mentions, what stands at this place, until it is allowed.
    pub fn deny(&self, candidate: &Candidate) -> Result<()> {
        let _lock = self.lock()?;
        let record = self.record(&candidate.location, DENIED);
        fs::write_atomic(&record, hex::encode(record::bytes_of(&candidate.location)).as_bytes())?;
        self.forget(&candidate.location, ALLOWED)?;
        self.forget(&candidate.location, IN_SHELLS)
    }

    fn forget(&self, location: &Path, extension: &str) -> Result<()> {
        let path = self.record(location, extension);
        if is_there(&path)? { fs::remove(&path) } else { Ok(()) }
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
            _ => Err(damaged(&path)),
        }
    }

    /// Reads the shells that may load what is at a place.
    fn shells(&self, location: &Path) -> Result<Option<Shells>> {
        let path = self.record(location, IN_SHELLS);
        let Some(bytes) = read_record(&path)? else { return Ok(None) };
        match Shells::decode(&bytes) {
            Some(shells) if shells.is_for(location) => Ok(Some(shells)),
            _ => Err(damaged(&path)),
        }
    }
}

fn damaged(path: &Path) -> Failure {
    Failure::failed(format!("{} is damaged", term::path(path))).hint("mima allow makes it anew")
}

fn denied(candidate: &Candidate) -> Failure {
    let path = &candidate.path;
    Failure::new(Kind::Refused, format!("{} is denied, in every shell", term::path(path)))
        .hint(format!("to take that back: mima allow {}", term::word(path)))
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
