//! The session agent: whether one runs, how its memory is protected, and what it cannot tell
//! apart.

use super::Finding;
use crate::config::session::Scope;
use crate::flow::Mima;
use crate::session::{Place, words};
use crate::sys::memory::{Protection, protection};
use crate::term;

const SUBJECT: &str = "session";

pub(super) fn check(mima: &Mima) -> Vec<Finding> {
    let Ok(user) = mima.user_file() else { return Vec::new() };
    if user.session.scope == Scope::Off {
        return vec![Finding::ok(SUBJECT, "nothing is kept: your user file says `scope: off`")];
    }
    let mut found = vec![state(mima), memory()];
    let socket = Place::of(mima.paths()).socket();
    if socket.as_os_str().len() > LONGEST_ADDRESS {
        found.push(
            Finding::warning(
                SUBJECT,
                format!("{} is too long for a socket, so nothing is kept", term::path(&socket)),
            )
            .fix("set MIMA_HOME to a shorter directory"),
        );
    }
    if user.confirm.is_empty() {
        found.push(
            Finding::note(SUBJECT, "no group is asked for every time")
                .fix("for those of production, in your user file: confirm: [GROUP]"),
        );
    }
    found
}

/// How many bytes the address of a socket may have: `sun_path`, less the final NUL.
const LONGEST_ADDRESS: usize = if cfg!(target_os = "macos") { 103 } else { 107 };

fn state(mima: &Mima) -> Finding {
    match mima.agent().status() {
        Ok(Some(status)) => Finding::ok(
            SUBJECT,
            match u64::from(status.elsewhere)
                + u64::try_from(status.unlocked.len()).unwrap_or_default()
            {
                1 => format!("the agent runs (process {}), and keeps 1 group", status.pid),
                count => {
                    format!("the agent runs (process {}), and keeps {count} groups", status.pid)
                }
            },
        ),
        Ok(None) => Finding::ok(SUBJECT, "no agent runs: the first unlock starts one"),
        Err(failure) => Finding::of(SUBJECT, &failure),
    }
}

fn memory() -> Finding {
    match protection() {
        Ok(kind @ Protection::LockedMayHibernate) => {
            Finding::note(SUBJECT, format!("values are kept in {}", words(kind)))
                .fix("encrypt the swap, or do not hibernate")
        }
        Ok(kind) => Finding::ok(SUBJECT, format!("values are kept in {}", words(kind))),
        Err(_) => Finding::warning(
            SUBJECT,
            "no memory can be kept from being swapped out, so nothing is kept",
        )
        .fix("raise RLIMIT_MEMLOCK: ulimit -l"),
    }
}
