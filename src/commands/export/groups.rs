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

/// Adds the secrets of the groups that are to be exported, if they can be had. `key` tells
/// from then on whether they were.
pub(super) fn export(
    mima: &Mima,
    args: &Export,
    offered: &Offered,
    before: &Before,
    look: &mut Look,
    plan: &mut Plan,
    key: &mut String,
) {
    if offered.exported.is_empty() || look.layers.is_empty() {
        return;
    }
    let (open, locked) = (format!("{key}-open"), format!("{key}-locked"));
    let known = &before.state().key;
    let outcome = Wanted::of(offered.exported.clone(), &offered.known).and_then(|wanted| {
        if *known == open && !args.reload {
            // The shell, or the one it was started from, has them: nobody needs to be asked.
            return Ok(held(&wanted, before));
        }
        if *known == locked && !args.reload {
            return Ok(None);
        }
        if !args.typed {
            return Err(Failure::new(
                Kind::Locked,
                format!("the secrets of {} are not exported yet: mima reload", wanted.groups()),
            ));
        }
        read(mima, &wanted, before, plan).map(Some)
    });
    match outcome {
        Ok(Some(secrets)) => {
            *key = open;
            plan.vars.extend(secrets.into_iter().map(|(name, secret)| (name, Some(secret))));
        }
        Ok(None) => *key = locked,
        Err(failure) => {
            *key = locked;
            let failure = match failure.kind() {
                Kind::Locked => failure,
                _ => failure.hint("to be asked again: mima reload"),
            };
            look.notices.push(failure);
        }
    }
}

/// Returns the values that a shell has already; those that the user has changed stay so.
fn held(wanted: &Wanted, before: &Before) -> Option<Vec<(VarName, Secret)>> {
    let held = |name: &VarName| {
        let value = before.now().get(OsStr::new(name.as_str()))?;
        before
            .state()
            .owns(name, before.now())
            .then(|| (name.clone(), Secret::new(value.as_bytes().to_vec())))
    };
    Some(wanted.variables().filter_map(held).collect())
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
