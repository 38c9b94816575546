//! `mima import`: what another tool keeps in a file becomes secrets and a project file.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::ops::RangeInclusive;

use crate::cli::Import;
use crate::commands::allow::summary::changes;
use crate::commands::secret::say_news;
use crate::config::edit::Addition;
use crate::error::{Failure, Kind, Result};
use crate::flow::Mima;
use crate::flow::import::{Origin, Plan, Rewritten, Source, Target, Variable, Work, op_program};
use crate::names::{GroupName, VarName};
use crate::term;

/// Why a variable is a secret whatever is said.
const HOLDS: &str = "it holds another secret";

pub(super) fn run(mima: &Mima, args: &Import) -> Result<()> {
    let group = GroupName::parse(&args.group)?;
    mima.refuse_in_tree("import secrets")?;
    let source = Source::read(&args.file)?;
    if args.rewrite {
        source.check_rewritable()?;
    }
    let plan = Plan::read(&source)?;
    let asks = !args.yes && !args.dry_run;
    let secret = decide(mima, &plan, asks)?;
    let work = plan.work(&group, &secret)?;
    let target = Target::plan(mima, &source, &work.additions)?;
    let mut text = shown(&source, &plan, &work, &target, &secret);
    if args.rewrite {
        text.push_str(&losses(&source, &work));
    }
    term::say(&text);
    if work.additions.is_empty() {
        term::note("there is nothing to import");
        return Ok(());
    }
    if args.dry_run {
        term::note("nothing was changed");
        return Ok(());
    }
    if !work.secrets.is_empty() {
        mima.check_writable()?;
    }
    if asks && !mima.prompter().choose("Import this?", false).map_err(hint_at_yes)? {
        return Err(Failure::new(Kind::Refused, "nothing was imported"));
    }
    let done = work.run(mima, &source, &target, &group, args.rewrite)?;
    say_news(done.protection);
    let path = term::path(&target.path);
    let count = work.secrets.len();
    let secrets = if count == 1 { "secret" } else { "secrets" };
    term::note(&format!(
        "imported {} into {path}, with {count} {secrets} in the store",
        term::path(&source.path)
    ));
    if !done.is_allowed {
        if work.additions.iter().any(Addition::runs_code) {
            term::note(&format!("{path} has what can run code, so look at it yourself"));
        }
        term::hint(&format!("mima allow {}", term::word(&target.path)));
    }
    let from = term::path(&source.path);
    match done.rewritten {
        Some(Rewritten::Removed) => {
            term::note(&format!("{from} had nothing else in it, and is gone"));
        }
        Some(Rewritten::Cut) => term::note(&format!("{from} has the rest")),
        None if source.is_loaded_by(&target.path, &target.after) => term::hint(&format!(
            "{path} loads {from} too, with all that is in it: take it out of `dotenv` there"
        )),
        None => term::hint(&format!(
            "{from} still has it all; to take it out there: mima import --rewrite --group {group} {}",
            term::word(&args.file)
        )),
    }
    let loaded = plan.loaded().into_iter().map(|file| source.path.with_file_name(file));
    for file in loaded.filter(|file| file.exists()) {
        term::hint(&format!(
            "if {} has secrets: mima import --group {group} {}",
            term::path(&file),
            term::word(&file)
        ));
    }
    if !work.secrets.is_empty() {
        term::hint(&format!("mima run {group} -- CMD"));
    }
    Ok(())
}

/// Finds out which variables are secrets: by asking, or as it was guessed. What holds a secret
/// is one, and not asked about.
fn decide(mima: &Mima, plan: &Plan, asks: bool) -> Result<BTreeSet<VarName>> {
    let mut secret = BTreeSet::new();
    for Variable { name, guess, .. } in &plan.variables {
        let is_secret = if !asks {
            guess.is_secret
        } else if plan.holding(&secret).contains(name) {
            continue;
        } else {
            let question = format!("{name}: {}. Is it a secret?", guess.why);
            mima.prompter().choose(&question, guess.is_secret).map_err(hint_at_yes)?
        };
        if is_secret {
            secret.insert(name.clone());
        }
    }
    let holding = plan.holding(&secret);
    secret.extend(holding);
    Ok(secret)
}

fn hint_at_yes(failure: Failure) -> Failure {
    match failure.kind() {
        Kind::Locked => Failure::new(Kind::Locked, "there is no terminal to ask on")
            .hint("having looked with --dry-run, take the guesses with --yes"),
        _ => failure,
    }
}

/// Says which lines are to leave the source.
fn losses(source: &Source, work: &Work) -> String {
    let mut runs: Vec<RangeInclusive<usize>> = Vec::new();
    let mut moved = work.moved.clone();
    moved.sort_by_key(|lines| *lines.start());
    for lines in moved {
        match runs.last_mut() {
            Some(run) if run.end() + 1 == *lines.start() => *run = *run.start()..=*lines.end(),
            _ => runs.push(lines),
        }
    }
    let shown = |run: &RangeInclusive<usize>| match (run.start(), run.end()) {
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("{first}-{last}"),
    };
    let runs: Vec<_> = runs.iter().map(shown).collect();
    if runs.is_empty() {
        return String::new();
    }
    format!("{} loses its lines {}\n", term::path(&source.path), runs.join(", "))
}

/// Says what is to be done. No value of a secret is in it, and no line of the source.
fn shown(
    source: &Source,
    plan: &Plan,
    work: &Work,
    target: &Target,
    secret: &BTreeSet<VarName>,
) -> String {
    let from = term::path(&source.path);
    let mut text = String::new();
    let width = plan.variables.iter().map(|v| v.name.as_str().len()).max().unwrap_or(0);
    if !plan.variables.is_empty() {
        writeln!(text, "{from} sets:").ok();
    }
    for variable in &plan.variables {
        let name = variable.name.as_str();
        let is_secret = secret.contains(&variable.name);
        let others = secret.iter().filter(|other| **other != variable.name).cloned().collect();
        let why = if is_secret == variable.guess.is_secret {
            variable.guess.why
        } else if plan.holding(&others).contains(&variable.name) {
            HOLDS
        } else {
            "you have said so"
        };
        let what = if is_secret { "secret" } else { "public" };
        // Writing to a string cannot fail.
        write!(text, "  {what}  {name:width$}  {why}").ok();
        text.push_str(if variable.name.runs_code() { "; RUNS CODE\n" } else { "\n" });
    }
    let reads = work.secrets.iter().any(|(_, _, origin)| matches!(origin, Origin::Reference(_)));
    if let Some(program) = op_program().filter(|_| reads) {
        writeln!(text, "{} reads what 1Password has", term::path(&program)).ok();
    }
    if !work.left.is_empty() {
        text.push_str("Not translated:\n");
    }
    for left in &work.left {
        for line in left.lines.clone() {
            writeln!(text, "  {from}:{line}: {}", term::sanitize(&left.why)).ok();
        }
    }
    let text_of = |bytes| String::from_utf8_lossy(bytes);
    let changes = changes(&text_of(&target.before), &text_of(&target.after));
    if !changes.is_empty() {
        writeln!(text, "{} gets:\n{}", term::path(&target.path), changes.trim_end_matches('\n'))
            .ok();
    }
    text
}
