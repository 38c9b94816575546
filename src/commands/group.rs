//! `mima group`: link, unlink, rm, list.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::cli::{Group as Verb, GroupLink, GroupList};
use crate::config::edit::Edit;
use crate::error::Result;
use crate::flow::{Mima, Target};
use crate::names::{GroupName, SecretName, VarName, nearest};
use crate::term;

pub(super) fn run(mima: &Mima, verb: &Verb) -> Result<()> {
    match verb {
        Verb::Link(args) => link(mima, args),
        Verb::Unlink(args) => {
            let group = GroupName::parse(&args.group)?;
            let var = VarName::parse(&args.var)?;
            let edit = Edit::Unlink { group: group.clone(), var: var.clone() };
            let (path, edited) = mima.edit(target(args.project), &edit)?;
            term::note(&format!("group {group} no longer sets {var} ({})", term::path(&path)));
            if let Some(secret) = edited.previous {
                term::hint(&format!("the secret {secret} stays: mima secret rm {secret}"));
            }
            Ok(())
        }
        Verb::Rm(args) => {
            let group = GroupName::parse(&args.group)?;
            let edit = Edit::RemoveGroup { group: group.clone() };
            let (path, _) = mima.edit(target(args.project), &edit)?;
            term::note(&format!("removed group {group} from {}", term::path(&path)));
            term::hint("its secrets stay: mima secret list");
            Ok(())
        }
        Verb::List(args) => list(mima, args),
    }
}

fn target(project: bool) -> Target {
    if project { Target::Project } else { Target::User }
}

fn link(mima: &Mima, args: &GroupLink) -> Result<()> {
    let group = GroupName::parse(&args.group)?;
    let var = VarName::parse_settable(&args.var)?;
    let secret = SecretName::parse(&args.secret)?;
    let store = mima.store()?;
    let names = store.names()?;
    let name = store.name_for(&var, &secret);
    let edit = Edit::Link { group: group.clone(), var: var.clone(), secret: secret.clone() };
    let (path, edited) = mima.edit(target(args.project), &edit)?;
    let before = match edited.previous {
        Some(previous) if previous != secret => format!(", no longer from {previous}"),
        _ => String::new(),
    };
    term::note(&format!("group {group} sets {var} from {secret}{before} ({})", term::path(&path)));
    // A link may come before its secret, but a typing mistake should not wait for `run`.
    if !names.contains(&name) {
        term::note(&format!("there is no secret {name} yet"));
        match nearest(name.as_str(), names.iter().map(SecretName::as_str)) {
            Some(near) => {
                term::hint(&format!("did you mean `{near}`? Else: {}", store.how_to_add(&name)));
            }
            None => term::hint(&store.how_to_add(&name)),
        }
    }
    Ok(())
}

fn list(mima: &Mima, args: &GroupList) -> Result<()> {
    let groups = mima.groups()?;
    let store = mima.store()?;
    let names: BTreeSet<_> = store.names()?.into_iter().collect();
    let has = |var, secret| names.contains(&store.name_for(var, secret));
    let wanted = match &args.group {
        Some(group) => {
            let group = GroupName::parse(group)?;
            let found = groups.iter().find(|(name, _)| **name == group);
            vec![found.ok_or_else(|| groups.no_group(&group))?]
        }
        None => groups.iter().collect(),
    };
    if args.json {
        let rows: Vec<_> = wanted
            .iter()
            .flat_map(|(group, links)| {
                links.iter().map(|(var, secret)| {
                    serde_json::json!({
                        "group": group.as_str(),
                        "variable": var.as_str(),
                        "secret": secret.as_str(),
                        "missing": !has(var, secret),
                    })
                })
            })
            .collect();
        return term::print_json(&serde_json::json!(rows));
    }
    if wanted.is_empty() {
        term::note("there are no groups yet");
        term::hint("mima set GROUP VAR");
    }
    let mut text = String::new();
    for (group, links) in wanted {
        let width = links.iter().map(|(var, _)| var.as_str().len()).max().unwrap_or(0);
        // Writing to a string cannot fail.
        writeln!(text, "{group}").ok();
        for (var, secret) in links {
            let mark = if has(var, secret) { "" } else { "  (no such secret)" };
            writeln!(text, "  {:width$}  {secret}{mark}", var.as_str()).ok();
        }
    }
    term::print(text.as_bytes())
}
