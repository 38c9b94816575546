//! The groups of a project: which there are, and, where it asks for that, their secrets.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::cli::Export;
use crate::config::groups::Groups;
use crate::config::parse::Fault;
use crate::env::diff::{Before, Plan};
use crate::env::{Environment, Inherit, check_size};
use crate::error::{Failure, Kind, Result};
use crate::flow::{Look, Mima, Purpose, Wanted};
use crate::names::{GroupName, VarName, nearest};
use crate::secret::Secret;
use crate::sys;

/// What the files of a project offer.
#[derive(Default)]
pub(in crate::commands) struct Offered {
    /// The groups that get a wrapper.
    pub names: Vec<GroupName>,
    /// The groups whose secrets the shell is to have.
    exported: Vec<GroupName>,
    known: Groups,
}

impl Offered {
    /// Tells whether the shell gets the secrets of a group.
    pub(in crate::commands) fn exports(&self, group: &GroupName) -> bool {
        self.exported.contains(group)
    }
}

/// Collects the groups of the files, and checks that those they name are there.
pub(in crate::commands) fn offered(mima: &Mima, look: &Look) -> Result<Offered> {
    let mut offered = Offered::default();
    let needs_user = look
        .layers
        .iter()
        .any(|layer| !layer.file.wrap.is_empty() || !layer.file.auto_export_groups.is_empty());
    if needs_user {
        offered.known = mima.user_file()?.groups.clone();
    }
    for layer in &look.layers {
        offered.known = std::mem::take(&mut offered.known).hidden_by(layer.file.groups.clone());
        let own = layer.file.groups.iter().map(|(name, _)| name.clone());
        offered.names.extend(own);
        for (key, list) in
            [("wrap", &layer.file.wrap), ("auto_export_groups", &layer.file.auto_export_groups)]
        {
            for group in list {
                if offered.known.get(&group.value).is_none() {
                    let names = offered.known.iter().map(|(name, _)| name.as_str());
                    let hint = match nearest(group.value.as_str(), names) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("mima set {} VAR", group.value),
                    };
                    let what = format!("there is no group `{}`", group.value);
                    return Err(layer.fail(Fault::new(group.place, key, what).hint(hint)));
                }
            }
        }
        offered.names.extend(layer.file.wrap.iter().map(|group| group.value.clone()));
        if layer.file.auto_export() {
            let named = layer.file.auto_export_groups.iter().map(|group| group.value.clone());
            let all = layer.file.groups.iter().map(|(name, _)| name.clone());
            let none_named = layer.file.auto_export_groups.is_empty();
            offered.exported.extend(named.chain(all.filter(|_| none_named)));
        }
    }
    for list in [&mut offered.names, &mut offered.exported] {
        list.sort();
        list.dedup();
    }
    Ok(offered)
}

/// What has become of the groups that are to be exported.
pub(super) struct Exported {
    /// The values, if they are to be had.
    pub secrets: Vec<(VarName, Secret)>,
    /// Why they are not, unless the user knows.
    pub notice: Option<Failure>,
    /// What tells it from other outcomes, as a part of the key.
    pub suffix: String,
}

/// Gets the secrets of the groups that are to be exported; `None` if there are none. A person
/// is asked only right after having typed something, and only once for the same secrets of a
/// project, however often its files change: what the shell was told last tells what came of it.
pub(super) fn export(
    mima: &Mima,
    args: &Export,
    look: &Look,
    offered: &Offered,
    before: &Before,
    plan: &Plan,
) -> Option<Exported> {
    if offered.exported.is_empty() {
        return None;
    }
    let locked = |suffix, notice| Exported { secrets: Vec::new(), notice, suffix };
    let names: Vec<_> = offered.exported.iter().map(GroupName::as_str).collect();
    let what = format!("the secrets of {} are not exported", names.join(", "));
    let reloadable = |failure: Failure| Some(explain(failure, &what));
    let wanted = match Wanted::of(offered.exported.clone(), &offered.known) {
        Ok(wanted) => wanted,
        Err(failure) => return Some(locked("-locked".to_owned(), reloadable(failure))),
    };
    let digest = wanted.digest();
    let (open_key, locked_key) = (format!("-open-{digest}"), format!("-locked-{digest}"));
    let state = before.state();
    let was = |suffix: &str| {
        !args.reload && look.dir() == Some(&state.dir) && state.key.ends_with(suffix)
    };
    if was(&open_key) {
        // This shell, or the one it was started from, has them already.
        return Some(Exported { secrets: held(&wanted, before), notice: None, suffix: open_key });
    }
    if was(&locked_key) {
        return Some(locked(locked_key, None));
    }
    let unlocked = read_unlocked(mima, &wanted);
    if unlocked.is_none() && !args.typed {
        let notice = Failure::new(Kind::Locked, format!("{what}: mima reload"));
        return Some(locked(locked_key, Some(notice)));
    }
    let secrets = unlocked.map_or_else(|| read(mima, &wanted), Ok);
    Some(match secrets.and_then(|secrets| check_together(secrets, before, plan)) {
        Ok(secrets) => Exported { secrets, notice: None, suffix: open_key },
        Err(failure) => locked(locked_key, reloadable(failure)),
    })
}

/// Says what the failure has come to. What a store says to do after a wrong passphrase, or none,
/// is for whoever runs a command; a hook asks again when it is told to.
fn explain(failure: Failure, what: &str) -> Failure {
    let failure = failure.context(what);
    match failure.kind() {
        Kind::WrongKey | Kind::Refused => failure.without_hints().hint("mima reload"),
        _ => failure.hint("then: mima reload"),
    }
}

/// Returns the values that a shell has already; those that the user has changed stay so.
fn held(wanted: &Wanted, before: &Before) -> Vec<(VarName, Secret)> {
    let held = |name: &VarName| {
        let value = before.now().get(OsStr::new(name.as_str()))?;
        let is_ours = before.state().owns(name, before.now());
        is_ours.then(|| (name.clone(), Secret::new(value.as_bytes().to_vec())))
    };
    wanted.variables().filter_map(held).collect()
}

/// Reads the values, if nobody needs to be asked.
fn read_unlocked(mima: &Mima, wanted: &Wanted) -> Option<Vec<(VarName, Secret)>> {
    // What is wrong with the store is said by whoever may ask.
    wanted.read_unlocked(mima, &*mima.store().ok()?).ok()?
}

/// Reads the values, after one proof of presence.
fn read(mima: &Mima, wanted: &Wanted) -> Result<Vec<(VarName, Secret)>> {
    let store = mima.store()?;
    wanted.check_exist(&*store)?;
    let who = "this shell and all that it starts";
    wanted.read(mima, &*store, &Purpose { verb: "export", who, is_use: false })
}

/// Refuses values with which nothing could be started.
fn check_together(
    secrets: Vec<(VarName, Secret)>,
    before: &Before,
    plan: &Plan,
) -> Result<Vec<(VarName, Secret)>> {
    let public = plan.vars.iter().filter_map(|(name, value)| {
        let copy = Secret::new(value.as_ref()?.expose().to_vec());
        Some((name.clone(), copy))
    });
    let copies =
        secrets.iter().map(|(name, value)| (name.clone(), Secret::new(value.expose().to_vec())));
    let together =
        Environment::merge(before.vars.clone(), &Inherit::All, public.chain(copies).collect());
    check_size(&together, &[], sys::process::exec_limits())?;
    Ok(secrets)
}
