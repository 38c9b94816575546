//! What a project file asks for, for a person to read before it is allowed.
//!
//! Everything it does has a line, and nothing that it says reaches the screen raw. Values are
//! shown, all of them: one that looks harmless may be what another refers to. Nothing is cut
//! short: what is left out could be what matters. (threats: A15, B3)

use std::fmt::Write;

use similar::{ChangeTag, TextDiff};

use crate::config::groups::Groups;
use crate::config::parse::{Located, parse};
use crate::config::project::ProjectFile;
use crate::error::Result;
use crate::flow::find_on_path;
use crate::names::{GroupName, VarName};
use crate::term;
use crate::trust::Candidate;

/// Renders the summary; and, if an older version was approved, what has changed since.
pub(super) fn render(
    candidate: &Candidate,
    user: &Groups,
    before: Option<&[u8]>,
) -> Result<String> {
    let path = term::path(&candidate.path);
    let file: ProjectFile = parse(&candidate.bytes, &path)?;
    let mut text = format!("{path} asks for:\n");
    let rows = rows(&file, user);
    let width = rows.iter().map(|(head, _)| head.len()).max().unwrap_or(0);
    for (head, what) in &rows {
        // Writing to a string cannot fail.
        writeln!(text, "  {head:width$}  {}", term::sanitize(what)).ok();
    }
    if rows.is_empty() {
        text.push_str("  nothing\n");
    }
    if let Some(before) = before.filter(|before| *before != candidate.bytes) {
        text.push_str("Since it was allowed last:\n");
        text.push_str(&changes(
            &String::from_utf8_lossy(before),
            &String::from_utf8_lossy(&candidate.bytes),
        ));
    }
    Ok(text)
}

/// Says what has changed from one text to another, line by line.
pub(in crate::commands) fn changes(before: &str, after: &str) -> String {
    let mut text = String::new();
    for change in TextDiff::from_lines(before, after).iter_all_changes() {
        let sign = match change.tag() {
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
            ChangeTag::Equal => continue,
        };
        // Writing to a string cannot fail.
        writeln!(text, "  {sign} {}", term::sanitize(change.value().trim_end_matches('\n'))).ok();
    }
    text
}

/// Returns a row for everything that the file does. `user` has the user's own groups.
fn rows(file: &ProjectFile, user: &Groups) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    for (group, links) in file.groups.iter() {
        let links: Vec<_> =
            links.iter().map(|(var, secret)| format!("{var} from {secret}")).collect();
        rows.push(("group", format!("{group}: {}", links.join(", "))));
    }
    let own = file.groups.iter().map(|(group, _)| group);
    for group in own.chain(file.wrap.iter().map(|group| &group.value)) {
        let is_known = file.groups.get(group).is_some() || user.get(group).is_some();
        rows.push(match find_on_path(group.as_str()) {
            _ if !is_known => ("command", format!("{group}: there is no such group yet")),
            _ if !group.may_wrap() => {
                ("no command", format!("{group}, a name people rely on: mima run {group} -- CMD"))
            }
            Some(path) => ("command", format!("{group}, hiding {}", term::path(&path))),
            None => ("command", group.to_string()),
        });
    }
    for (name, text) in &file.env {
        let head = if name.runs_code() { "RUNS CODE" } else { "variable" };
        rows.push((head, format!("{name}={}", text.value)));
    }
    for (name, entries) in &file.list_add {
        let head = if name.runs_code() { "RUNS CODE" } else { "path_add" };
        rows.push((head, format!("{name}: {}", joined(entries, String::as_str))));
    }
    if let Some(reference) = &file.use_flake {
        let what = "nix builds what it says, and its variables are set, whatever they are";
        rows.push(("RUNS CODE", format!("use_flake {}: {what}", reference.value)));
    }
    for layout in &file.layout {
        rows.push(("layout", layout.value.summary()));
    }
    let needed = file.dotenv.iter().map(|text| (text, ""));
    let others = file.dotenv_if_exists.iter().map(|text| (text, ", if there"));
    for (text, whether) in needed.chain(others) {
        rows.push(("dotenv", format!("{}{whether}: whatever it says", text.value)));
    }
    for name in &file.dotenv_allow {
        let head = if name.value.runs_code() { "RUNS CODE" } else { "dotenv_allow" };
        rows.push((head, format!("{}, if a dotenv file sets it", name.value)));
    }
    for (head, what) in [
        ("PATH", joined(&file.path_add, String::as_str)),
        ("unset", joined(&file.unset, VarName::as_str)),
        ("watches", joined(&file.watch_file, String::as_str)),
        ("requires", joined(&file.env_vars_required, VarName::as_str)),
    ] {
        rows.extend((!what.is_empty()).then_some((head, what)));
    }
    if let Some(version) = &file.mima_version {
        rows.push(("mima", version.value.clone()));
    }
    if let Some(switch) = &file.source_up {
        let above = if switch.value { "the .mima.yaml above, if that is allowed" } else { "no" };
        rows.push(("source_up", above.to_owned()));
    }
    // Each part has a row of its own: the other may be in the local file.
    let all = "every program in the shell gets the secrets";
    if let Some(switch) = &file.auto_export {
        rows.push(("EXPORTS", if switch.value { format!("yes: {all}") } else { "no".to_owned() }));
    }
    if !file.auto_export_groups.is_empty() {
        let groups = joined(&file.auto_export_groups, GroupName::as_str);
        rows.push(("EXPORTS", format!("{groups}, where groups are exported: {all}")));
    }
    rows
}

fn joined<T>(items: &[Located<T>], text: impl Fn(&T) -> &str) -> String {
    items.iter().map(|item| text(&item.value)).collect::<Vec<_>>().join(", ")
}
