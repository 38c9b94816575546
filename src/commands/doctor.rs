//! `mima doctor`: what is wrong, and what mends it.

use std::path::Path;

use clap_complete::Shell;

use super::completions;
use crate::cli::Json;
use crate::error::{Failure, Result};
use crate::flow::doctor::{Finding, Severity, examine};
use crate::flow::{Mima, own_binary};
use crate::{fs, term};

/// How large a completion script may be.
const LARGEST_SCRIPT: u64 = 4 << 20;

pub(super) fn run(mima: &Result<Mima>, args: &Json) -> Result<()> {
    let mut found = examine(mima);
    found.extend(stale_completions());
    if args.json {
        let rows: Vec<_> = found
            .iter()
            .map(|finding| {
                serde_json::json!({
                    "severity": finding.severity.word(),
                    "subject": finding.subject,
                    "what": finding.what,
                    "fix": finding.fix,
                })
            })
            .collect();
        term::print_json(&serde_json::json!(rows))?;
    } else {
        term::print_lines(found.iter().flat_map(lines))?;
    }
    let problems = found.iter().filter(|finding| finding.is_problem()).count();
    if problems == 0 { Ok(()) } else { Err(Failure::failed(format!("problems: {problems}"))) }
}

fn lines(finding: &Finding) -> Vec<String> {
    let head = format!("{:7}  {:9}  {}", finding.severity.word(), finding.subject, finding.what);
    let hint = finding.fix.iter().map(|fix| format!("hint: {fix}"));
    [head].into_iter().chain(hint).map(|line| term::sanitize(&line)).collect()
}

/// Completion scripts that `make install` or a package put beside the binary, and that offer
/// what another version of mima had.
fn stale_completions() -> Vec<Finding> {
    let Ok(binary) = own_binary() else { return Vec::new() };
    let Some(prefix) = binary.parent().and_then(Path::parent) else { return Vec::new() };
    let mut found = Vec::new();
    for (shell, name, path) in [
        (Shell::Bash, "bash", "share/bash-completion/completions/mima"),
        (Shell::Zsh, "zsh", "share/zsh/site-functions/_mima"),
        (Shell::Fish, "fish", "share/fish/vendor_completions.d/mima.fish"),
    ] {
        let path = prefix.join(path);
        // One that cannot be read completes nothing.
        let Some(script) = fs::read_capped(&path, LARGEST_SCRIPT).ok().flatten() else { continue };
        if script != completions::script(shell).as_bytes() {
            found.push(Finding {
                severity: Severity::Note,
                subject: "install",
                what: format!("{} is of another version of mima", term::path(&path)),
                fix: Some(format!("mima completions {name} > {}", crate::term::word(&path))),
            });
        }
    }
    found
}
