//! The groups of a project: which there are, and, where it asks for that, their secrets.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::cli::Export;
use crate::config::groups::Groups;
use crate::config::parse::Fault;
use crate::env::diff::{Before, Plan};
use crate::env::{Environment, Inherit, check_size};
use crate::error::{Failure, Kind, Result};
use crate::flow::{Look, Mima, Wanted};
use crate::names::{GroupName, VarName, nearest};
use crate::secret::Secret;
use crate::sys;

/// What the files of a project offer.
#[derive(Default)]
pub(super) struct Offered {
    /// The groups that get a wrapper.
    pub names: Vec<GroupName>,
    /// The groups whose secrets the shell is to have.
    exported: Vec<GroupName>,
    known: Groups,
}

/// Collects the groups of the files, and checks that those they name are there.
pub(super) fn offered(mima: &Mima, look: &Look) -> Result<Offered> {
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

/// How the key of an outcome ends where groups are exported.
const OPEN: &str = "-open";
const LOCKED: &str = "-locked";

/// What has become of the groups that are to be exported.
pub(super) enum Exported {
    /// Here are the values.
    Open(Vec<(VarName, Secret)>),
    /// They are not to be had now; and why, unless the user knows.
    Locked(Option<Failure>),
}

impl Exported {
    /// What tells the two apart in the key of the outcome.
    pub(super) fn suffix(&self) -> &'static str {
        match self {
            Self::Open(_) => OPEN,
            Self::Locked(_) => LOCKED,
        }
    }

    /// Tells whether a key can end so.
    pub(super) fn is_suffix(text: &str) -> bool {
        ["", OPEN, LOCKED].contains(&text)
    }
}

/// Gets the secrets of the groups that are to be exported; `None` if there are none. A person
/// is asked only right after having typed something, and only once: `key` is that of what is
/// being loaded, and what the shell was told last tells what came of it.
pub(super) fn export(
    mima: &Mima,
    args: &Export,
    offered: &Offered,
    before: &Before,
    plan: &Plan,
    key: &str,
) -> Option<Exported> {
    if offered.exported.is_empty() {
        return None;
    }
    let known = before.state().key.strip_prefix(key).filter(|_| !args.reload);
    let read = || {
        let wanted = Wanted::of(offered.exported.clone(), &offered.known)?;
        match known {
            // This shell, or the one it was started from, has them already.
            Some(OPEN) => Ok(Exported::Open(held(&wanted, before))),
            Some(LOCKED) => Ok(Exported::Locked(None)),
            _ if args.typed => read(mima, &wanted, before, plan).map(Exported::Open),
            _ => Ok(Exported::Locked(Some(Failure::new(
                Kind::Locked,
                format!("the secrets of {} are not exported: mima reload", wanted.groups()),
            )))),
        }
    };
    Some(read().unwrap_or_else(|failure| {
        Exported::Locked(Some(failure.hint("to be asked again: mima reload")))
    }))
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

/// Reads the values, after one proof of presence, unless nothing could be started with them.
fn read(
    mima: &Mima,
    wanted: &Wanted,
    before: &Before,
    plan: &Plan,
) -> Result<Vec<(VarName, Secret)>> {
    let store = mima.store()?;
    wanted.check_exist(&*store)?;
    let secrets = wanted.read(&*store, "export", "this shell and all that it starts")?;
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
