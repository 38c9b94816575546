//! What a project file asks for, for a person to read before it is allowed.
//!
//! Everything it does has a line, and nothing that it says reaches the screen raw. Values are
//! shown only where they can make another program run code. Nothing is cut short: what is left
//! out could be what matters. (threats: A15, B3)

use std::fmt::Write;

use similar::{ChangeTag, TextDiff};

use crate::config::parse::parse;
use crate::config::project::ProjectFile;
use crate::error::Result;
use crate::flow::find_on_path;
use crate::term;
use crate::trust::Candidate;

/// Renders the summary; and, if an older version was approved, what has changed since.
pub(super) fn render(candidate: &Candidate, before: Option<&[u8]>) -> Result<String> {
    let path = term::path(&candidate.path);
    let file: ProjectFile = parse(&candidate.bytes, &path)?;
    let mut text = format!("{path} asks for:\n");
    let rows = rows(&file);
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
        let (before, after) =
            (String::from_utf8_lossy(before), String::from_utf8_lossy(&candidate.bytes));
        for change in TextDiff::from_lines(&*before, &*after).iter_all_changes() {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => continue,
            };
            writeln!(text, "  {sign} {}", term::sanitize(change.value().trim_end_matches('\n')))
                .ok();
        }
    }
    Ok(text)
}

fn rows(file: &ProjectFile) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    for (group, links) in file.groups.iter() {
        let links: Vec<_> =
            links.iter().map(|(var, secret)| format!("{var} from {secret}")).collect();
        rows.push(("group", format!("{group}: {}", links.join(", "))));
    }
    let groups = file.groups.iter().map(|(group, _)| group);
    for group in groups.chain(file.wrap.iter().map(|group| &group.value)) {
        let hides =
            find_on_path(group.as_str()).map(|path| format!(", hiding {}", term::path(&path)));
        rows.push(("command", format!("{group}{}", hides.unwrap_or_default())));
    }
    let mut list = |head, items: Vec<&str>| {
        if !items.is_empty() {
            rows.push((head, items.join(", ")));
        }
    };
    let plain = file.env.iter().filter(|(name, _)| !name.runs_code());
    list("variables", plain.map(|(name, _)| name.as_str()).collect());
    list("unset", file.unset.iter().map(|name| name.value.as_str()).collect());
    list("PATH", file.path_add.iter().map(|entry| entry.value.as_str()).collect());
    for (name, entries) in &file.list_add {
        let entries: Vec<_> = entries.iter().map(|entry| entry.value.as_str()).collect();
        rows.push(("path_add", format!("{name}: {}", entries.join(", "))));
    }
    let mut list = |head, items: Vec<&str>| {
        if !items.is_empty() {
            rows.push((head, items.join(", ")));
        }
    };
    list(
        "dotenv",
        file.dotenv.iter().chain(&file.dotenv_if_exists).map(|f| f.value.as_str()).collect(),
    );
    list("dotenv_allow", file.dotenv_allow.iter().map(|name| name.value.as_str()).collect());
    list("flake", file.use_flake.iter().map(|flake| flake.value.as_str()).collect());
    list("layout", file.layout.iter().map(|layout| layout.value.name()).collect());
    list("watches", file.watch_file.iter().map(|f| f.value.as_str()).collect());
    list("requires", file.env_vars_required.iter().map(|name| name.value.as_str()).collect());
    if file.source_up() {
        rows.push(("source_up", "the .mima.yaml above, if that is allowed".to_owned()));
    }
    if file.auto_export() {
        let groups: Vec<_> =
            file.auto_export_groups.iter().map(|group| group.value.as_str()).collect();
        let which = if groups.is_empty() { "every group".to_owned() } else { groups.join(", ") };
        rows.push(("EXPORTS", format!("{which}: every program in the shell gets the secrets")));
    }
    for (name, text) in file.env.iter().filter(|(name, _)| name.runs_code()) {
        rows.push(("RUNS CODE", format!("{name}={}", text.value)));
    }
    rows
}
