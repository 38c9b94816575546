//! From a directory to what its project files say: found, judged, and only then parsed.
//!
//! This is the only way to a project file. Every verb that reads one comes through here, so
//! none can forget to ask whether it is allowed. (threat A10)

use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::flake::{self, Flake};
use super::session::this_shell;
use super::watch::Watching;
use super::{Mima, patterns};
use crate::config::groups::Groups;
use crate::config::parse::{Fault, parse};
use crate::config::project::ProjectFile;
use crate::error::{Context, Failure, Kind, Result};
use crate::fs::identity;
use crate::term;
use crate::trust::{self, Basis, Candidate, Trust, Verdict};

/// The name of a project file.
pub const PROJECT_FILE: &str = ".mima.yaml";
/// The name of the file that is laid over it, for what is not to be shared.
pub const LOCAL_FILE: &str = ".mima.local.yaml";
/// How many directories are looked at, at most. (threat D2)
const MOST_DIRS: usize = 4096;
/// How many project files are loaded by `source_up`, at most.
const MOST_LAYERS: usize = 32;

/// What there is to say about a directory.
#[derive(Default)]
pub struct Look {
    /// The nearest project file, by the path that the user sees, and what was decided on it.
    pub nearest: Option<(PathBuf, Verdict)>,
    /// What is loaded: outermost first. None unless the nearest file is allowed.
    pub layers: Vec<Layer>,
    /// What is allowed by other than the user's own word on it, and by what.
    pub otherwise: Vec<(PathBuf, Basis)>,
    /// What the user should know, once.
    pub notices: Vec<Failure>,
    /// What the outcome depends on.
    pub watching: Watching,
    inputs: Sha256,
}

/// One allowed project file, with its local one laid over it.
pub struct Layer {
    /// The directory, as the user sees it.
    pub dir: PathBuf,
    /// The directory with every link followed: what was judged, whatever a link on the way to
    /// it will lead to later.
    pub real_dir: PathBuf,
    /// What the files say.
    pub file: ProjectFile,
    /// The flake that they name.
    pub flake: Option<Flake>,
}

impl Layer {
    /// Says what is wrong, in the one of the two files that it stands in.
    pub fn fail(&self, fault: Fault) -> Failure {
        let label = |name: &str| term::path(&self.dir.join(name));
        fault.in_either(&label(PROJECT_FILE), &label(LOCAL_FILE))
    }

    /// Returns the path of a file that the project file names. (`~` is the home directory.)
    pub(super) fn path_of(&self, text: &str) -> PathBuf {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        match (Path::new(text).strip_prefix("~"), home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => self.dir.join(text),
        }
    }

    /// Looks at all that the project file names, but for what patterns stand for.
    fn look(&self, watching: &mut Watching) {
        let Self { dir: _, real_dir, file, flake: _ } = self;
        let plain = file.watch_file.iter().filter(|text| patterns::of(text).is_none());
        for text in file.dotenv.iter().chain(&file.dotenv_if_exists).chain(plain) {
            watching.look(&self.path_of(&text.value));
        }
        for layout in file.layout.iter().map(|layout| layout.value) {
            if let Some((needed, _)) = layout.needs {
                watching.look(&real_dir.join(layout.dir).join(needed));
            }
        }
    }
}

impl Look {
    /// The directory of the nearest project file.
    pub fn dir(&self) -> Option<&Path> {
        self.nearest.as_ref().and_then(|(path, _)| path.parent())
    }

    /// A key for all that was read and how it was judged: the same key, the same outcome.
    pub fn key(&self) -> String {
        let mut hash = self.inputs.clone();
        self.watching.digest(&mut hash);
        hex::encode(hash.finalize().get(..8).unwrap_or_default())
    }

    /// For a verb that makes no sense without the project: fails with the reason if there is
    /// one that is not loaded, and says what else the user should know.
    pub fn required(mut self) -> Result<Self> {
        if self.layers.is_empty() && !self.notices.is_empty() {
            return Err(self.notices.remove(0));
        }
        match &self.nearest {
            Some((path, _)) if self.layers.is_empty() => {
                Err(Failure::new(Kind::NotAllowed, format!("{} is denied", term::path(path)))
                    .hint(format!("mima allow {}", term::word(path))))
            }
            _ => {
                self.notices.drain(..).for_each(|notice| term::report(&notice));
                Ok(self)
            }
        }
    }

    /// Takes a failure for the outcome: nothing is loaded.
    pub fn give_up(&mut self, failure: Failure) {
        self.layers.clear();
        self.notices.push(failure);
    }

    /// What a file is allowed by, where that is not the user's own word on it.
    pub fn basis(&self, path: &Path) -> Option<&Basis> {
        self.otherwise.iter().find(|(of, _)| of == path).map(|(_, basis)| basis)
    }

    fn note_basis(&mut self, candidate: &Candidate, basis: Basis) {
        // What is said in mima's records is looked at anyway.
        if let Basis::Main(linked) = &basis {
            linked.ties.iter().for_each(|file| self.watching.look_at_own(file));
        }
        self.otherwise.push((candidate.path.clone(), basis));
    }

    pub(super) fn note_input(&mut self, candidate: &Candidate, verdict: Verdict) {
        self.inputs.update(candidate.digest());
        self.inputs.update(verdict.word());
    }
}

impl Mima {
    /// Looks at a directory: finds the project files, judges them, and parses those that are
    /// allowed. What is wrong becomes a notice, and nothing is loaded.
    pub fn look(&self, start: &Path) -> Look {
        let mut look = Look::default();
        if let Err(failure) = self.look_into(start, &mut look) {
            look.give_up(failure);
        }
        look
    }

    fn look_into(&self, start: &Path, look: &mut Look) -> Result<()> {
        let mut next = Some(start.to_owned());
        let trust = self.trust();
        while let Some(start) = next.take() {
            let is_nearest = look.nearest.is_none();
            let Some((candidate, dir)) = self.discover(&start, look)? else { break };
            if is_nearest {
                look.watching.look_at_own(&self.paths().trust());
            }
            let verdict = judge(&trust, &candidate, look, is_nearest)?;
            if is_nearest {
                look.nearest = Some((candidate.path.clone(), verdict));
            }
            if verdict != Verdict::Allowed {
                break;
            }
            let mut file: ProjectFile = parse(&candidate.bytes, &term::path(&candidate.path))?;
            if let Some(local) = open_local(&trust, &dir, look)? {
                file = file.overlay(parse(&local.bytes, &term::path(&local.path))?);
            }
            if file.source_up() && look.layers.len() < MOST_LAYERS {
                next = dir.parent().map(Path::to_owned);
            }
            if !file.wrap.is_empty() || !file.auto_export_groups.is_empty() {
                look.watching.look(self.paths().user_file());
            }
            let real_dir = candidate.real_dir().to_owned();
            let mut layer = Layer { dir, real_dir, file, flake: None };
            layer.look(&mut look.watching);
            if let Some(reference) = &layer.file.use_flake {
                let how = how_to_allow(&candidate, is_nearest);
                layer.flake = Some(flake::judge(&trust, &layer, reference, &how, look));
            }
            look.layers.insert(0, layer);
        }
        Ok(())
    }

    /// Finds the nearest project file that counts, from `start` upwards. The user file is
    /// never one, and one of another user is passed over. (threats: A5, A7)
    fn discover(&self, start: &Path, look: &mut Look) -> Result<Option<(Candidate, PathBuf)>> {
        for dir in start.ancestors().take(MOST_DIRS) {
            let path = dir.join(PROJECT_FILE);
            // For the layers above the nearest one, a new file in between is a change too.
            if look.nearest.is_some() {
                look.watching.look(&path);
            }
            match std::fs::metadata(&path) {
                Ok(meta) if meta.is_file() => {}
                Err(error) if is_trouble(&error) => {
                    return Err(error).context(format!("could not look at {}", term::path(&path)));
                }
                _ => continue,
            }
            if self.is_user_file(&path) {
                continue;
            }
            look.watching.look(&path);
            // Before it is opened: one that cannot be read must not be in the way either.
            if trust::is_foreign(&path) {
                continue;
            }
            let outer = look.nearest.clone();
            look.nearest.get_or_insert((path.clone(), Verdict::Unknown));
            match Candidate::open(&path)? {
                Some(candidate) if !candidate.is_foreign() => {
                    return Ok(Some((candidate, dir.to_owned())));
                }
                _ => look.nearest = outer,
            }
        }
        Ok(None)
    }

    /// Opens the project file at `path`, to judge it or to change it.
    pub fn candidate(&self, path: &Path) -> Result<Candidate> {
        if self.is_user_file(path) {
            return Err(Failure::failed(format!(
                "{} is your own file, which needs no approval",
                term::path(path)
            )));
        }
        Candidate::open(path)?.ok_or_else(|| none(&format!("file {}", term::path(path))))
    }

    /// As [`Mima::candidate`], of what a user has typed: a file, or a directory from which the
    /// nearest one upwards is meant, which is the one where they stand if nothing is typed.
    pub fn candidate_at(&self, path: Option<&Path>) -> Result<Candidate> {
        let dir = match path {
            Some(path) => {
                let path = absolute(path)?;
                if !path.is_dir() {
                    return self.candidate(&path);
                }
                path
            }
            None => working_directory()?,
        };
        let found = self.discover(&dir, &mut Look::default())?;
        found
            .map(|(candidate, _)| candidate)
            .ok_or_else(|| none(&format!("{PROJECT_FILE} in {} or above", term::path(&dir))))
    }

    /// Opens the files of the flake that a project file names, as far as they are there.
    pub fn flake_files(&self, project: &Candidate) -> Result<Vec<Candidate>> {
        let file: ProjectFile = parse(&project.bytes, &term::path(&project.path))?;
        let (Some(reference), Some(dir)) = (file.use_flake, project.path.parent()) else {
            return Ok(Vec::new());
        };
        let files = flake::files(dir, &reference.value).map(|path| Candidate::open(&path));
        files.into_iter().filter_map(Result::transpose).collect()
    }

    /// The records of what was approved.
    pub fn trust(&self) -> Trust {
        Trust::new(self.paths(), this_shell)
    }

    /// Returns the groups that count in the working directory: those of an allowed project
    /// hide the user's own of the same name. Says so if the project is not allowed.
    pub fn groups(&self) -> Result<Groups> {
        let user = self.user_file()?.groups.clone();
        let Ok(here) = working_directory() else { return Ok(user) };
        let mut look = self.look(&here);
        // What is broken must not silently leave the user's group of that name in force.
        let broken = look.notices.iter().position(|notice| notice.kind() != Kind::NotAllowed);
        if let Some(at) = broken {
            return Err(look.notices.remove(at));
        }
        look.notices.iter().for_each(term::report);
        Ok(look.layers.into_iter().fold(user, |groups, layer| groups.hidden_by(layer.file.groups)))
    }

    /// Tells whether `file` is the user file, by whichever path or link, or would be.
    pub fn is_user_file(&self, file: &Path) -> bool {
        let user = self.paths().user_file();
        let is_beside = match (file.parent(), user.parent()) {
            (Some(dir), Some(home)) => is_same(dir, home),
            _ => false,
        };
        is_same(file, user) || is_beside && file.file_name() == user.file_name()
    }
}

fn none(what: &str) -> Failure {
    Failure::new(Kind::NotFound, format!("there is no {what}")).hint("mima init")
}

/// Opens the local file of a directory, if there is one that is allowed.
fn open_local(trust: &Trust, dir: &Path, look: &mut Look) -> Result<Option<Candidate>> {
    let path = dir.join(LOCAL_FILE);
    look.watching.look(&path);
    let Some(local) = Candidate::open(&path)? else { return Ok(None) };
    let verdict = judge(trust, &local, look, false)?;
    Ok((verdict == Verdict::Allowed).then_some(local))
}

/// Judges a file, and notes what the user should know about the verdict.
fn judge(
    trust: &Trust,
    candidate: &Candidate,
    look: &mut Look,
    is_nearest: bool,
) -> Result<Verdict> {
    let (verdict, basis) = trust.weigh(candidate)?;
    look.note_input(candidate, verdict);
    if let Some(basis) = basis.filter(|basis| *basis != Basis::Own) {
        look.note_basis(candidate, basis);
    }
    let not_allowed = |word: &str| {
        let path = term::path(&candidate.path);
        let how = how_to_allow(candidate, is_nearest);
        match parse::<ProjectFile>(&candidate.bytes, &path) {
            Ok(_) => Failure::new(Kind::NotAllowed, format!("{path} {word}: {how}")),
            // That it cannot be read is the better news: it could not be allowed either.
            Err(failure) => failure.of_kind(Kind::NotAllowed),
        }
    };
    look.notices.extend(match verdict {
        Verdict::Allowed | Verdict::Denied => None,
        // No file's time tells of a new owner or mode.
        Verdict::Foreign(_) => {
            candidate.objection().map(|failure| failure.hint("then: mima reload"))
        }
        Verdict::Changed => Some(not_allowed("has changed since it was allowed")),
        Verdict::Unknown => Some(not_allowed("is not allowed yet")),
    });
    Ok(verdict)
}

fn how_to_allow(candidate: &Candidate, is_nearest: bool) -> String {
    if is_nearest {
        return "mima allow".to_owned();
    }
    format!("mima allow {}", term::word(&candidate.path))
}

/// Tells whether an error says more than that there is nothing one could read. (threat D4)
fn is_trouble(error: &io::Error) -> bool {
    let nothing = [Errno::NOENT, Errno::NOTDIR, Errno::ACCESS, Errno::LOOP, Errno::NAMETOOLONG];
    Errno::from_io_error(error).is_none_or(|errno| !nothing.contains(&errno))
}

/// Returns the working directory as the user sees it: `PWD`, as long as that is where this
/// process is, since the kernel's own name for it has every link followed.
pub fn working_directory() -> Result<PathBuf> {
    let real = std::env::current_dir().context("could not find the working directory")?;
    let seen = std::env::var_os("PWD").map(PathBuf::from);
    let is_true = |seen: &PathBuf| seen.is_absolute() && !goes_back(seen) && is_same(seen, &real);
    Ok(seen.filter(is_true).unwrap_or(real))
}

/// Makes a path that was typed an absolute one, without `.` and `..`: the directories above it are
/// found by its text, and above `a/..` is not `a`.
pub fn absolute(path: &Path) -> Result<PathBuf> {
    let what = || format!("could not find {}", term::path(path));
    let path = if path.is_absolute() { path.to_owned() } else { working_directory()?.join(path) };
    // Less every `.` that stands in it.
    let path: PathBuf = path.components().collect();
    match (path.parent(), path.file_name()) {
        _ if !goes_back(&path) => Ok(path),
        (Some(dir), Some(name)) => Ok(std::fs::canonicalize(dir).context(what())?.join(name)),
        _ => std::fs::canonicalize(&path).context(what()),
    }
}

fn goes_back(path: &Path) -> bool {
    path.components().any(|part| part == Component::ParentDir)
}

/// Tells whether two paths lead to the same file or directory, which is there.
fn is_same(one: &Path, other: &Path) -> bool {
    identity(one).is_some_and(|one| Some(one) == identity(other))
}

/// Returns the environment of this process: each variable once, the first one counts.
pub fn environment() -> crate::env::Vars {
    let mut vars = crate::env::Vars::new();
    for (name, value) in std::env::vars_os() {
        let name: OsString = name;
        vars.entry(name).or_insert(value);
    }
    vars
}
