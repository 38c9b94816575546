//! The records of what was allowed.

use super::{Finding, several};
use crate::flow::Mima;

const SUBJECT: &str = "approvals";

pub(super) fn check(mima: &Mima) -> Vec<Finding> {
    let survey = match mima.trust().survey() {
        Ok(survey) => survey,
        Err(failure) => return vec![Finding::of(SUBJECT, &failure)],
    };
    let mut found = Vec::new();
    if !survey.damaged.is_empty() {
        let what =
            several("damaged, so the file it was for counts as not allowed:", &survey.damaged);
        found.push(Finding::warning(SUBJECT, what).fix("mima prune"));
    }
    if !survey.gone.is_empty() {
        let what = several("for a file that is gone:", &survey.gone);
        found.push(Finding::note(SUBJECT, what).fix("mima prune"));
    }
    if found.is_empty() {
        found.push(Finding::ok(SUBJECT, format!("project files decided on: {}", survey.sound)));
    }
    found
}
