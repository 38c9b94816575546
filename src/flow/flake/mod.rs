//! `use_flake`: the development shell of a project's own flake.
//!
//! [`judge`] looks at the files of the flake together with those of the project, and
//! [`Mima::load_flakes`] gets the environment: one that is kept, or a new one from nix. `merge`
//! puts it into a plan. Whatever goes wrong with a flake is one notice, and the rest of the
//! project file loads.

mod cache;
mod complaint;
mod merge;
mod nix;

use std::path::{Path, PathBuf};

use cache::Cache;
pub use cache::prune as forget_flakes;
use nix::Job;

use super::{Layer, Look, Mima, PROJECT_FILE};
use crate::config::flake::Reference;
use crate::config::parse::{Fault, Located};
use crate::env::Vars;
use crate::env::flake::DevShell;
use crate::error::{Failure, Kind, Result};
use crate::term;
use crate::trust::{Candidate, Span, Trust, Verdict};

/// The files of a flake that are approved together with the project.
const FILES: [&str; 2] = ["flake.nix", "flake.lock"];

/// The flake that a project file names.
pub struct Flake {
    reference: Reference,
    /// The directory of the project, with every link followed.
    project: PathBuf,
    /// Its `flake.nix`, as the user sees it.
    path: PathBuf,
    /// What may be evaluated, or why nothing may. A file that was denied is not mentioned.
    approved: Result<Approved, Option<Failure>>,
    is_denied: bool,
    shell: Option<DevShell>,
    /// Whether that is of the flake as it is approved now, and not one that it had before.
    is_current: bool,
}

/// A flake as the user has approved it.
struct Approved {
    /// Its directory, with every link followed.
    dir: PathBuf,
    nix: Vec<u8>,
    lock: Option<Vec<u8>>,
    key: String,
    /// Whether it is so in every shell.
    is_lasting: bool,
}

/// When nix is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nix {
    /// Never: only what is kept counts.
    Rests,
    /// On what is not known yet.
    Works {
        /// On what is known, too.
        anew: bool,
        /// It is a shell itself that waits for it, in its hook.
        in_hook: bool,
    },
}

/// Returns the paths of the files of a flake, as the user sees them.
pub(super) fn files(project: &Path, reference: &Reference) -> [PathBuf; 2] {
    FILES.map(|name| project.join(reference.dir()).join(name))
}

/// Opens and judges the files of the flake of a project. `how` is the command to allow them.
pub(super) fn judge(
    trust: &Trust,
    layer: &Layer,
    reference: &Located<Reference>,
    how: &str,
    look: &mut Look,
) -> Flake {
    let files = files(&layer.dir, &reference.value);
    let mut judged = Vec::new();
    let mut is_lasting = true;
    let mut problem = None;
    for path in &files {
        look.watching.look(path);
        let opened = Candidate::open(path).and_then(|candidate| {
            let Some(candidate) = candidate else { return Ok(None) };
            let (verdict, basis) = trust.weigh(&candidate)?;
            is_lasting &= basis.is_none_or(|basis| basis.span() == Span::Lasting);
            Ok(Some((candidate, verdict)))
        });
        match opened {
            Ok(Some((candidate, verdict))) => {
                if !candidate.real_dir().starts_with(&layer.real_dir) {
                    let what = format!("{} leads out of the project", term::path(path));
                    let fault = Fault::new(reference.place, "use_flake", what);
                    let hint = "put the flake into the project, or make it an input of one there";
                    problem = problem.or_else(|| Some(layer.fail(fault.hint(hint))));
                }
                look.note_input(&candidate, verdict);
                judged.push((candidate, verdict));
            }
            // Without a lock file nix takes no input: none is chosen on the way.
            Ok(None) if !judged.is_empty() => {}
            Ok(None) => {
                let what = format!("there is no {}", term::path(path));
                let fault = Fault::new(reference.place, "use_flake", what);
                problem = problem
                    .or_else(|| Some(layer.fail(fault.hint("write one, or take `use_flake` out"))));
            }
            Err(failure) => problem = problem.or(Some(failure.hint("then: mima reload"))),
        }
    }
    let is_denied = judged.iter().any(|(_, verdict)| *verdict == Verdict::Denied);
    let problem = problem.or_else(|| objection(&judged, how)).filter(|_| !is_denied);
    let [path, _] = files;
    Flake {
        reference: reference.value.clone(),
        project: layer.real_dir.clone(),
        path,
        approved: approved(judged, problem, is_lasting),
        is_denied,
        shell: None,
        is_current: false,
    }
}

fn approved(
    judged: Vec<(Candidate, Verdict)>,
    problem: Option<Failure>,
    is_lasting: bool,
) -> Result<Approved, Option<Failure>> {
    let is_allowed = judged.iter().all(|(_, verdict)| *verdict == Verdict::Allowed);
    if problem.is_some() || !is_allowed {
        return Err(problem);
    }
    let digests: Vec<_> = judged.iter().map(|(candidate, _)| candidate.digest()).collect();
    let mut files = judged.into_iter().map(|(candidate, _)| candidate);
    let nix = files.next().ok_or(None)?;
    Ok(Approved {
        dir: nix.real_dir().to_owned(),
        nix: nix.bytes,
        lock: files.next().map(|lock| lock.bytes),
        key: cache::key(&digests),
        is_lasting,
    })
}

/// Says which of the files are not allowed, in one line.
fn objection(judged: &[(Candidate, Verdict)], how: &str) -> Option<Failure> {
    let mut foreign = judged.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Foreign(_)));
    // No file's time tells of a new owner or mode.
    if let Some(objection) = foreign.find_map(|(candidate, _)| candidate.objection()) {
        return Some(objection.hint("then: mima reload"));
    }
    let which = |verdict: Verdict| -> Vec<&Path> {
        let are = judged.iter().filter(|(_, is)| *is == verdict);
        are.map(|(candidate, _)| candidate.path.as_path()).collect()
    };
    let (changed, unknown) = (which(Verdict::Changed), which(Verdict::Unknown));
    let what = match (changed.as_slice(), unknown.as_slice()) {
        ([], []) => return None,
        ([], [one]) => format!("{} is not allowed yet", together(&[one])),
        ([], both) => format!("{} are not allowed yet", together(both)),
        ([one], _) => format!("{} has changed since it was allowed", together(&[one])),
        (both, _) => format!("{} have changed since they were allowed", together(both)),
    };
    Some(Failure::new(Kind::NotAllowed, format!("{what}: {how}")))
}

/// Names several files, those in the directory of the first without it.
pub fn together(paths: &[&Path]) -> String {
    let dir = paths.first().and_then(|path| path.parent());
    let shown = |(at, path): (usize, &&Path)| match path.file_name() {
        Some(name) if at > 0 && path.parent() == dir => term::path(Path::new(name)),
        _ => term::path(path),
    };
    let names: Vec<_> = paths.iter().enumerate().map(shown).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

impl Flake {
    /// Tells whether there is an environment of it.
    pub fn is_loaded(&self) -> bool {
        self.shell.is_some()
    }

    /// Says that what it has is not what was approved, after nix was asked for that.
    pub fn lag(&self) -> Option<Failure> {
        if self.is_current || self.approved.is_err() {
            return None;
        }
        let has =
            if self.is_loaded() { "its last environment, not that" } else { "no environment" };
        let what = format!("{} has {has} of what is allowed", self.label());
        Some(Failure::failed(what).hint("mima reload"))
    }

    /// Says that one of its files was denied, where a command cannot do without it.
    pub fn denied(&self) -> Failure {
        let what = format!("{} is denied", term::path(&self.path));
        Failure::new(Kind::NotAllowed, what)
            .hint(format!("mima allow {}", term::word(&self.path.with_file_name(PROJECT_FILE))))
    }

    /// The paths of its files, as the user sees them.
    pub fn files(&self) -> [PathBuf; 2] {
        FILES.map(|name| self.path.with_file_name(name))
    }

    fn label(&self) -> String {
        format!("{}{}", term::path(&self.path), self.reference.fragment())
    }
}

impl Mima {
    /// Gets the environments of the flakes of a project, and notes what went wrong. What a flake
    /// had last stays if there is nothing else. False if nix has failed.
    pub fn load_flakes(&self, look: &mut Look, before: &Vars, nix: Nix) -> bool {
        let mut all_went_well = true;
        for flake in look.layers.iter_mut().filter_map(|layer| layer.flake.as_mut()) {
            all_went_well &= self.load_flake(flake, before, nix, &mut look.notices);
        }
        all_went_well
    }

    fn load_flake(
        &self,
        flake: &mut Flake,
        before: &Vars,
        nix: Nix,
        notices: &mut Vec<Failure>,
    ) -> bool {
        let cache = Cache::new(self.paths(), &flake.project, &flake.reference);
        let found = match &mut flake.approved {
            Ok(approved) => current(&flake.reference, approved, &cache, before, nix, notices),
            Err(problem) => problem.take().map_or(Ok(None), Err),
        };
        let (mut shell, problem) = match found {
            Ok(shell) => (shell, None),
            Err(problem) => (None, Some(problem)),
        };
        flake.is_current = shell.is_some();
        // What was denied is not to be, not even as it was once.
        if shell.is_none() && !flake.is_denied {
            let last = cache.last();
            shell = last.unwrap_or_else(|failure| {
                notices.push(failure);
                None
            });
        }
        flake.shell = shell;
        let went_well = problem.as_ref().is_none_or(|p| p.kind() == Kind::NotAllowed);
        let stays = if flake.is_loaded() { ", so its last environment stays" } else { "" };
        notices.extend(problem.map(|problem| match problem.kind() {
            Kind::NotAllowed => problem,
            // Who has pressed Ctrl-C knows the rest.
            Kind::Refused => Failure::new(
                Kind::Refused,
                format!("nix was interrupted for {}{stays}: mima reload", flake.label()),
            ),
            _ => problem.context(format!("could not load {}{stays}", flake.label())),
        }));
        went_well
    }
}

/// Returns the environment of a flake as it was approved: the one that is kept, or from nix.
/// `None` if it is not known and nix rests.
fn current(
    reference: &Reference,
    approved: &Approved,
    cache: &Cache<'_>,
    before: &Vars,
    nix: Nix,
    notices: &mut Vec<Failure>,
) -> Result<Option<DevShell>> {
    // What is allowed in one shell is not what others fall back on.
    let note = || if approved.is_lasting { cache.note(&approved.key) } else { Ok(()) };
    let anew = matches!(nix, Nix::Works { anew: true, .. });
    if let Some(shell) = if anew { None } else { cache.get(&approved.key)? } {
        notices.extend(note().err());
        return Ok(Some(shell));
    }
    let Nix::Works { in_hook, .. } = nix else { return Ok(None) };
    let profile = cache.prepare(&approved.key)?;
    let (label, fragment) = (reference.to_string(), reference.fragment());
    let job =
        Job { label: &label, fragment: &fragment, approved, profile: &profile, before, in_hook };
    let shell = job.run()?;
    // It is there, whether it can be kept or not.
    notices.extend(cache.put(&approved.key, &shell).and_then(|()| note()).err());
    Ok(Some(shell))
}
