//! `mima set`: stores a value as `GROUP.VAR` and links it.

use crate::cli::Set;
use crate::commands::secret;
use crate::config::edit::Edit;
use crate::error::Result;
use crate::flow::{Mima, Target, working_directory};
use crate::names::{GroupName, SecretName, VarName};
use crate::term;

pub(super) fn run(mima: &Mima, args: &Set) -> Result<()> {
    let group = GroupName::parse(&args.group)?;
    let var = VarName::parse_settable(&args.var)?;
    let name = SecretName::parse(&format!("{group}.{var}"))?;
    let edit = Edit::Link { group: group.clone(), var: var.clone(), secret: name.clone() };
    // A file that cannot be edited is found before a value has been typed.
    mima.try_edit(Target::User, &edit)?;
    let doing = format!("mima set {group} {var}");
    secret::store(mima, &name, &secret::source(None, &args.source), &args.source, &doing)?;
    let (path, edited) = mima.edit(Target::User, &edit)?;
    let before = match edited.previous {
        Some(previous) if previous != name => format!(", no longer from {previous}"),
        _ => String::new(),
    };
    term::note(&format!(
        "stored {name}, and group {group} sets {var} from it{before} ({})",
        term::path(&path)
    ));
    let layers = working_directory().map(|here| mima.look(&here).layers).unwrap_or_default();
    let theirs = layers.iter().rev().map(|layer| &layer.file.groups);
    let nearest = theirs.into_iter().find(|groups| groups.get(&group).is_some());
    if nearest.is_none_or(|groups| groups.secret(&group, &var) == Some(&name)) {
        term::hint(&format!("mima run {group} -- CMD"));
    } else {
        term::note(&format!("the project here has a group {group} of its own, which hides it"));
        term::hint(&format!("mima group link --project {group} {var} {name}"));
    }
    Ok(())
}
