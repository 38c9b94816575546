//! Links to secrets that are not there, in the user file and in the project here.

use super::{Finding, stores};
use crate::config::groups::Groups;
use crate::error::Kind;
use crate::flow::{Mima, working_directory};
use crate::names::SecretName;
use crate::store::Store;

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
    let Ok(store) = mima.store() else { return found };
    if !stores::can_list(mima) {
        return found;
    }
    let names = match store.names() {
        Ok(names) => names,
        Err(failure) => {
            found.push(Finding::of("store", &failure));
            return found;
        }
    };
    let before = found.len();
    if let Ok(user) = mima.user_file() {
        found.extend(missing(&user.groups, &*store, &names, ""));
    }
    for layer in &look.layers {
        found.extend(missing(&layer.file.groups, &*store, &names, " --project"));
    }
    if found.len() == before && mima.user_file().is_ok() {
        found.push(Finding::ok(SUBJECT, "every link leads to a secret"));
    }
    found
}

fn missing(groups: &Groups, store: &dyn Store, names: &[SecretName], flag: &str) -> Vec<Finding> {
    let links = groups
        .iter()
        .flat_map(|(group, links)| links.iter().map(move |(var, secret)| (group, var, secret)));
    links
        .map(|(group, var, secret)| (group, var, store.name_for(var, secret)))
        .filter(|(_, _, name)| !names.contains(name))
        .map(|(group, var, name)| {
            Finding::warning(
                SUBJECT,
                format!(
                    "group {group} sets {var} from {name}, and there is no such secret; to drop the link: mima group unlink{flag} {group} {var}"
                ),
            )
            .fix(store.how_to_add(&name))
        })
        .collect()
}
