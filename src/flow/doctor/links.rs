//! Links to secrets that are not there, in the user file and in the project here.

use super::Finding;
use crate::config::groups::Groups;
use crate::error::Kind;
use crate::flow::{Mima, working_directory};
use crate::names::SecretName;

const SUBJECT: &str = "groups";

pub(super) fn check(mima: &Mima) -> Vec<Finding> {
    let mut found = Vec::new();
    let look = working_directory().map(|here| mima.look(&here)).unwrap_or_default();
    for notice in &look.notices {
        let finding = Finding::of("project", notice);
        let severity = match notice.kind() {
            Kind::NotAllowed => super::Severity::Note,
            _ => super::Severity::Warning,
        };
        found.push(Finding { severity, ..finding });
    }
    // What is wrong with them has been said.
    let Ok(names) = mima.store().and_then(|store| store.names()) else {
        return found.into_iter().chain(unlistable(mima)).collect();
    };
    let before = found.len();
    if let Ok(user) = mima.user_file() {
        found.extend(missing(&user.groups, &names, ""));
    }
    for layer in &look.layers {
        found.extend(missing(&layer.file.groups, &names, " --project"));
    }
    if found.len() == before && mima.user_file().is_ok() {
        found.push(Finding::ok(SUBJECT, "every link leads to a secret"));
    }
    found
}

fn unlistable(mima: &Mima) -> Option<Finding> {
    let failure = mima.store().and_then(|store| store.names()).err()?;
    Some(Finding::of("store", &failure)).filter(|_| mima.store_kind().is_ok())
}

fn missing(groups: &Groups, names: &[SecretName], flag: &str) -> Vec<Finding> {
    let links = groups
        .iter()
        .flat_map(|(group, links)| links.iter().map(move |(var, secret)| (group, var, secret)));
    links
        .filter(|(_, _, secret)| !names.contains(secret))
        .map(|(group, var, secret)| {
            Finding::warning(
                SUBJECT,
                format!("group {group} sets {var} from {secret}, and there is no such secret; to drop the link: mima group unlink{flag} {group} {var}"),
            )
            .fix(format!("mima secret add {secret}"))
        })
        .collect()
}
