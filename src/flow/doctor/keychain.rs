//! The keychain of macOS: what macOS thinks of this binary, and of the secrets there.

use std::path::Path;

use super::Finding;
use crate::error::{Failure, Kind};
use crate::store::Store;
use crate::store::keychain::api::Api;
use crate::store::keychain::{Keychain, Reconciled, Tier, listed};
use crate::term::word;

const SUBJECT: &str = "keychain";

/// Looks at a keychain, whose index is at `index`. Never asks for presence.
pub fn check<A: Api>(keychain: &Keychain<A>, index: &Path) -> Vec<Finding> {
    let signature = keychain.signature();
    let mut found = vec![match (&signature.cdhash, &signature.team) {
        (None, _) => Finding::warning(SUBJECT, "this binary is not signed at all")
            .fix("codesign --force --sign - \"$(command -v mima)\""),
        (Some(_), None) => Finding::ok(SUBJECT, "this binary is signed ad hoc"),
        (Some(_), Some(team)) => {
            Finding::ok(SUBJECT, format!("this binary is signed by team {team}"))
        }
    }];
    match keychain.tier() {
        Err(failure) => found.push(failed(&failure, index)),
        Ok(tier) => found.push(of_tier(tier, signature.entitled)),
    }
    match keychain.items() {
        Err(failure) => found.push(failed(&failure, index)),
        Ok(items) => {
            found.push(Finding::ok(SUBJECT, format!("secrets: {}", items.len())));
            // If that fails, so did the tier.
            let protection = keychain.protection().ok().flatten();
            let others = protection.map(|protection| protection.others).unwrap_or_default();
            found.extend(others.into_iter().map(|other| {
                Finding::note(SUBJECT, other)
                    .fix("mima secret add --force NAME, for each, stores it as it is done now")
            }));
            match keychain.disagreement() {
                // What keeps one from looking may have kept one from finding the tier.
                Err(failure) => found.push(failed(&failure, index)),
                Ok(report) => found.extend(of_disagreement(&report)),
            }
        }
    }
    found
}

/// Where mima's own list of secrets and the keychain disagree. `mima prune` makes them agree.
fn of_disagreement(report: &Reconciled) -> Vec<Finding> {
    const MEND: &str = "mima prune";
    let mut found = Vec::new();
    if !report.gone.is_empty() {
        let gone = listed(&report.gone);
        found.push(
            Finding::warning(
                SUBJECT,
                format!(
                    "mima stored them, and the keychain no longer has them: {gone}; store them again with mima secret add --force NAME, or forget them"
                ),
            )
            .fix(MEND),
        );
    }
    if !report.found.is_empty() {
        let new = listed(&report.found);
        found.push(
            Finding::warning(
                SUBJECT,
                format!("the keychain has them, and mima does not list them: {new}"),
            )
            .fix(MEND),
        );
    }
    if report.swept > 0 {
        found.push(
            Finding::note(
                SUBJECT,
                format!(
                    "items left over in the keychain by a mima that was killed, unless one is at work: {}",
                    report.swept
                ),
            )
            .fix(MEND),
        );
    }
    found
}

fn failed(failure: &Failure, index: &Path) -> Finding {
    let finding = Finding::of(SUBJECT, failure);
    // It is made anew from what the keychain has.
    let is_index = failure.kind() == Kind::Damaged;
    if is_index { finding.fix(format!("mv {0} {0}.damaged", word(index))) } else { finding }
}

fn of_tier(tier: Tier, entitled: bool) -> Finding {
    let what = tier.describe();
    let finding = match tier {
        Tier::Protected => Finding::ok(SUBJECT, what),
        // It was signed for more, and macOS does not grant it.
        _ if entitled => Finding::warning(
            SUBJECT,
            format!(
                "the entitlement is there, but macOS does not accept it, as for want of a valid profile; so {what}"
            ),
        ),
        _ => Finding::note(SUBJECT, what),
    };
    match tier.remedy() {
        Some(remedy) => finding.fix(remedy),
        None => finding,
    }
}
