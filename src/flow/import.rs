//! Bringing over what other tools keep in files: secrets into the store, the rest into a
//! project file.
//!
//! Nothing is lost, wherever it is cut short: the secrets are stored first, then the project file
//! is written in one step, and only when both have been read back does anything leave the source,
//! in one step too. Done again, it goes on from there: what is there already with the same value
//! is as good as stored.

mod op;
mod plan;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::Mima;
use crate::config::edit::{Addition, add};
use crate::config::parse::{MAX_FILE_BYTES, parse};
use crate::config::project::ProjectFile;
use crate::error::{Failure, Kind, Result};
use crate::fs::{self, Lock};
use crate::names::{GroupName, SecretName, VarName};
use crate::prompt::Reason;
use crate::secret::Secret;
use crate::store::{Existing, Protection, Unlocked, check_case, check_size};
use crate::term;
use crate::trust::{Basis, Candidate, Span, Verdict};
pub use op::program as op_program;
pub use plan::{Left, Plan, Variable};

/// The file that is imported, as it was read.
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    bytes: Zeroizing<Vec<u8>>,
}

/// The project file that gets the rest, and what it becomes.
pub struct Target {
    /// Where it is, or will be.
    pub path: PathBuf,
    /// What it is now, as far as the user has seen it; nothing if it is made anew.
    pub before: Vec<u8>,
    /// What it becomes.
    pub after: Vec<u8>,
    there: Option<Candidate>,
    is_allowed: bool,
    /// For how long.
    span: Span,
}

/// What is to be done.
pub struct Work {
    /// Which variables get a secret, and where its value comes from.
    pub secrets: Vec<(VarName, SecretName, Origin)>,
    /// What the project file gets.
    pub additions: Vec<Addition>,
    /// Which lines of the source are brought over by that.
    pub moved: Vec<RangeInclusive<usize>>,
    /// Which are not, and why.
    pub left: Vec<Left>,
}

/// Where a value comes from.
pub enum Origin {
    /// It is in the file.
    Text(Zeroizing<String>),
    /// `op` reads it.
    Reference(String),
}

/// What has become of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewritten {
    /// Lines are left.
    Cut,
    /// Nothing was left, so it is gone.
    Removed,
}

impl Source {
    /// Reads the file at `path`.
    pub fn read(path: &Path) -> Result<Self> {
        let path = super::absolute(path)?;
        let name = path.file_name().unwrap_or_default();
        if name == super::PROJECT_FILE || name == super::LOCAL_FILE {
            let path = term::path(&path);
            return Err(Failure::new(Kind::Usage, format!("{path} is a project file already")));
        }
        let bytes = fs::read_capped(&path, MAX_FILE_BYTES)?.ok_or_else(|| {
            Failure::new(Kind::NotFound, format!("there is no file {}", term::path(&path)))
        })?;
        Ok(Self { path, bytes: Zeroizing::new(bytes) })
    }

    /// Tells whether it is one of direnv's.
    pub fn is_envrc(&self) -> bool {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(".envrc")
    }

    /// Fails if it cannot be replaced in one step, or if the project loads it: better before
    /// anything is stored.
    pub fn check_rewritable(&self) -> Result<()> {
        if is_link(&self.path) {
            let failure = Failure::failed(format!("{} is a link", term::path(&self.path)));
            return Err(failure.hint("name the file that it points to, or leave --rewrite out"));
        }
        for name in [super::PROJECT_FILE, super::LOCAL_FILE] {
            if let Some(project) = Candidate::open(&self.path.with_file_name(name))? {
                self.check_not_loaded(&project.path, &project.bytes)?;
            }
        }
        Ok(())
    }

    /// Fails if a project file needs it, so that it must not go away.
    fn check_not_loaded(&self, project: &Path, bytes: &[u8]) -> Result<()> {
        if !self.is_loaded_by(project, bytes) {
            return Ok(());
        }
        let (project, this) = (term::path(project), term::path(&self.path));
        Err(Failure::failed(format!("{project} loads {this}, so that stays as it is"))
            .hint("take it out of `dotenv` there, and run this again; or leave --rewrite out"))
    }

    /// Tells whether a project file loads it as a dotenv file.
    pub fn is_loaded_by(&self, project: &Path, bytes: &[u8]) -> bool {
        // One that says nothing valid loads nothing.
        let Ok(file) = parse::<ProjectFile>(bytes, "") else { return false };
        let dir = project.parent().unwrap_or(project);
        let is_this = |named: &str| {
            let named = dir.join(named);
            named == self.path
                || matches!(
                    (named.canonicalize(), self.path.canonicalize()),
                    (Ok(named), Ok(this)) if named == this
                )
        };
        file.dotenv.iter().any(|named| is_this(&named.value))
    }

    /// What is left of it without some of its lines.
    fn without(&self, moved: &[RangeInclusive<usize>]) -> Zeroizing<Vec<u8>> {
        let is_moved = |line: usize| moved.iter().any(|lines| lines.contains(&line));
        // As large as it can get from the start, so that no copies stay behind.
        let mut left = Zeroizing::new(Vec::with_capacity(self.bytes.len()));
        for (at, line) in self.bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            if !is_moved(at + 1) {
                left.extend_from_slice(line);
            }
        }
        left
    }

    /// Takes lines out, in one step, unless somebody has changed the file meanwhile.
    fn rewrite(&self, mima: &Mima, moved: &[RangeInclusive<usize>]) -> Result<Rewritten> {
        self.check_rewritable()?;
        let left = self.without(moved);
        let _lock = Lock::acquire(&mima.paths().lock())?;
        let now = fs::read_capped(&self.path, MAX_FILE_BYTES)?.map(Zeroizing::new);
        if now.as_deref() != Some(&*self.bytes) {
            let path = term::path(&self.path);
            return Err(Failure::failed(format!("{path} was changed meanwhile, and stays so"))
                .hint("all else is done; to import what is new, run it again"));
        }
        if left.iter().all(u8::is_ascii_whitespace) {
            fs::remove(&self.path)?;
            return Ok(Rewritten::Removed);
        }
        fs::write_atomic_keeping_mode(&self.path, &left)?;
        Ok(Rewritten::Cut)
    }
}

fn is_link(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| meta.is_symlink())
}

impl Target {
    /// Looks at the project file beside `source`, and finds out what `additions` make of it.
    pub fn plan(mima: &Mima, source: &Source, additions: &[Addition]) -> Result<Self> {
        let path = source.path.with_file_name(super::PROJECT_FILE);
        let label = term::path(&path);
        if mima.is_user_file(&path) {
            return Err(Failure::failed(format!(
                "{label} is your own file, and never one of a project"
            ))
            .hint("for a secret of your own: mima set GROUP VAR"));
        }
        let there = Candidate::open(&path)?;
        // What makes programs run code is for `allow` to show, and for nothing else.
        let is_harmless = additions.iter().all(|addition| !addition.runs_code());
        let fresh = add(b"", additions, &label)?;
        let Some(there) = there else {
            if is_link(&path) {
                return Err(Failure::failed(format!("{label} is a link that leads nowhere")));
            }
            let before = Vec::new();
            return Ok(Self {
                path,
                before,
                after: fresh,
                there,
                is_allowed: is_harmless,
                span: Span::Lasting,
            });
        };
        there.objection().map_or(Ok(()), Err)?;
        let (verdict, basis) = mima.trust().weigh(&there)?;
        let span = basis.as_ref().map_or(Span::Lasting, Basis::span);
        // What this very command has made, and then had no time to allow.
        if there.bytes == fresh && !matches!(verdict, Verdict::Allowed | Verdict::Denied) {
            let (before, after) = (Vec::new(), fresh);
            return Ok(Self {
                path,
                before,
                after,
                there: Some(there),
                is_allowed: is_harmless,
                span,
            });
        }
        let after = add(&there.bytes, additions, &label)?;
        let is_allowed = verdict == Verdict::Allowed && (is_harmless || after == there.bytes);
        Ok(Self { path, before: there.bytes.clone(), after, there: Some(there), is_allowed, span })
    }

    /// Writes it, in one step. It is allowed after that if it was before, or is new: the user
    /// has just seen what is new in it. Returns whether it is.
    fn write(&self, mima: &Mima) -> Result<bool> {
        let written = match &self.there {
            Some(there) if there.bytes == self.after => mima.candidate(&self.path)?,
            Some(there) => mima.replace(there, &self.after)?,
            // A file without anything in it would be one more to allow.
            None if self.after.is_empty() => return Ok(true),
            None => mima.make(&self.path, &self.after)?,
        };
        if written.bytes != self.after {
            let path = term::path(&self.path);
            return Err(Failure::failed(format!("{path} was changed meanwhile, and stays so")));
        }
        written.objection().map_or(Ok(()), Err)?;
        if self.is_allowed {
            mima.trust().approve(&written, self.span)?;
        }
        Ok(self.is_allowed)
    }
}

/// What was done.
pub struct Done {
    /// Whether the project file is allowed now.
    pub is_allowed: bool,
    /// What has become of the source, if that was wanted.
    pub rewritten: Option<Rewritten>,
    /// How the store protects what was put there.
    pub protection: Option<Protection>,
}

impl Work {
    /// Does it. `wants_rewrite` says whether lines leave the source in the end.
    pub fn run(
        &self,
        mima: &Mima,
        source: &Source,
        target: &Target,
        group: &GroupName,
        wants_rewrite: bool,
    ) -> Result<Done> {
        if wants_rewrite {
            source.check_rewritable()?;
            source.check_not_loaded(&target.path, &target.after)?;
        }
        let mut values = Vec::new();
        for (var, name, origin) in &self.secrets {
            let value = match origin {
                Origin::Text(text) => Secret::new(text.as_bytes().to_vec()),
                Origin::Reference(reference) => op::read(reference)
                    .map_err(|failure| failure.context(format!("could not get {var}")))?,
            };
            check_size(name, &value)?;
            values.push((var, name, value));
        }
        let mut protection = None;
        if values.is_empty() {
            let is_allowed = target.write(mima)?;
            let rewritten = self.rewrite(mima, source, target, wants_rewrite)?;
            return Ok(Done { is_allowed, rewritten, protection });
        }
        let reason = Reason::new(format!("mima import {} into {group}", term::path(&source.path)));
        let store = mima.store_to_write(&reason)?;
        let known = store.names()?;
        let is_known = |name: &SecretName| known.contains(name);
        let mut unlocked = None;
        if wants_rewrite || values.iter().any(|(_, name, _)| is_known(name)) {
            unlocked = Some(store.unlock(&reason)?);
        }
        // Before anything is stored.
        for (var, name, value) in &values {
            check_case(name, &known)?;
            if let Some(unlocked) = unlocked.as_deref().filter(|_| is_known(name)) {
                compare(unlocked, group, var, name, value)?;
            }
        }
        for (_, name, value) in values.iter().filter(|(_, name, _)| !is_known(name)) {
            protection = protection.or(store.protection()?.filter(|news| news.is_news));
            store.put(name, value, Existing::Keep)?;
        }
        let is_allowed = target.write(mima)?;
        if let Some(unlocked) = unlocked.as_deref().filter(|_| wants_rewrite) {
            for (var, name, value) in &values {
                compare(unlocked, group, var, name, value)?;
            }
        }
        let rewritten = self.rewrite(mima, source, target, wants_rewrite)?;
        Ok(Done { is_allowed, rewritten, protection })
    }

    fn rewrite(
        &self,
        mima: &Mima,
        source: &Source,
        target: &Target,
        is_wanted: bool,
    ) -> Result<Option<Rewritten>> {
        if !is_wanted || self.moved.is_empty() {
            return Ok(None);
        }
        if !target.after.is_empty() && mima.candidate(&target.path)?.bytes != target.after {
            let path = term::path(&target.path);
            return Err(Failure::failed(format!("{path} was changed meanwhile, and stays so")));
        }
        source.rewrite(mima, &self.moved).map(Some)
    }
}

/// Fails unless the store has this very value.
fn compare(
    unlocked: &dyn Unlocked,
    group: &GroupName,
    var: &VarName,
    name: &SecretName,
    value: &Secret,
) -> Result<()> {
    if unlocked.get(name)?.expose() == value.expose() {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Exists,
        format!("the store has another value for `{name}`, and both stay as they are"),
    )
    .hint(format!("to store the one of the file: mima set --force {group} {var}"))
    .hint("to keep the one of the store, take the line out of the file; or choose another group"))
}
