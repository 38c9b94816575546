//! `mima session`: status, stop, install, serve.

mod install;

use crate::cli::{Json, Session as Verb};
use crate::error::Result;
use crate::flow::Mima;
use crate::session::wire::{Status, Unlocked, Whose};
use crate::session::{How, Place, serve};
use crate::term;

pub(super) fn run(mima: &Mima, verb: &Verb) -> Result<()> {
    match verb {
        Verb::Status(args) => status(mima, args),
        Verb::Stop => stop(mima),
        Verb::Install(args) => install::run(mima, args),
        Verb::Serve => serve(How::ByOthers(&Place::of(mima.paths()))),
    }
}

/// Becomes the agent that a client has started: from nothing, so that it looks for nothing.
pub(super) fn run_inherited() -> Result<()> {
    serve(How::Inherited)
}

fn status(mima: &Mima, args: &Json) -> Result<()> {
    let status = mima.agent().status()?;
    if args.json {
        return term::print_json(&serde_json::json!({
            "running": status.is_some(),
            "pid": status.as_ref().map(|status| status.pid),
            "memory": status.as_ref().map(|status| &status.memory),
            "unlocked": status.as_ref().map(unlocked_json),
            "elsewhere": status.as_ref().map(|status| status.elsewhere),
        }));
    }
    let Some(status) = status else {
        return term::print_lines(["no session agent runs; the first unlock starts one"]);
    };
    let mut lines = vec![format!("the session agent is process {}", status.pid)];
    lines.push(format!("values are kept in {}", term::sanitize(&status.memory)));
    lines.extend(unlocked_lines(&status));
    if lines.len() == 2 {
        lines.push("nothing is unlocked here".to_owned());
    }
    match status.elsewhere {
        0 => {}
        1 => lines.push("1 more group is unlocked elsewhere".to_owned()),
        count => lines.push(format!("{count} more groups are unlocked elsewhere")),
    }
    term::print_lines(lines)
}

fn stop(mima: &Mima) -> Result<()> {
    term::note(match mima.agent().stop()? {
        Some(_) => "the session agent has forgotten everything, and ended",
        None => "no session agent runs",
    });
    Ok(())
}

/// What this process may use, a line for each group.
pub(super) fn unlocked_lines(status: &Status) -> Vec<String> {
    let line = |unlocked: &Unlocked| {
        let (group, max) = (&unlocked.group, term::duration(unlocked.max));
        match unlocked.whose {
            Whose::Tree => {
                format!(
                    "granted: {group}, to process {} and what it starts, for {max}",
                    unlocked.root
                )
            }
            whose => {
                let place = if whose == Whose::Terminal { "terminal" } else { "shell" };
                let idle = term::duration(unlocked.idle.min(unlocked.max));
                format!(
                    "unlocked for this {place}: {group}, for {max}, or until {idle} pass without use"
                )
            }
        }
    };
    status.unlocked.iter().map(line).collect()
}

/// The same as JSON; times are in seconds.
pub(super) fn unlocked_json(status: &Status) -> serde_json::Value {
    let one = |unlocked: &Unlocked| {
        serde_json::json!({
            "group": unlocked.group.as_str(),
            "scope": match unlocked.whose {
                Whose::Shell | Whose::ShellAsTold => "shell",
                Whose::Terminal => "terminal",
                Whose::Tree => "grant",
            },
            "process": (unlocked.whose == Whose::Tree).then_some(unlocked.root),
            "idle": unlocked.idle.as_secs(),
            "max": unlocked.max.as_secs(),
        })
    };
    status.unlocked.iter().map(one).collect()
}
