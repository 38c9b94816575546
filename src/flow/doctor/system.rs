//! What the kernel lets programs of the same user do to each other.

use std::path::Path;

use super::Finding;
use crate::fs;

const SUBJECT: &str = "system";

pub(super) fn check() -> Vec<Finding> {
    if !cfg!(target_os = "linux") {
        return Vec::new();
    }
    let read = |setting: &str| {
        let file = Path::new("/proc/sys").join(setting);
        let bytes = fs::read_capped(&file, 64).ok().flatten()?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    };
    let ptrace = read("kernel/yama/ptrace_scope");
    let tiocsti = read("dev/tty/legacy_tiocsti");
    [ptrace_scope(ptrace.as_deref()), legacy_tiocsti(tiocsti.as_deref())]
        .into_iter()
        .flatten()
        .collect()
}

fn ptrace_scope(value: Option<&str>) -> Option<Finding> {
    match value? {
        "0" => Some(
            Finding::note(
                SUBJECT,
                "every program of yours can trace the others, and read the secrets in their memory",
            )
            .fix("sudo sysctl kernel.yama.ptrace_scope=1"),
        ),
        _ => Some(Finding::ok(SUBJECT, "programs trace only those that they started")),
    }
}

fn legacy_tiocsti(value: Option<&str>) -> Option<Finding> {
    (value? == "1").then(|| {
        Finding::note(SUBJECT, "a program can type into the terminal that it runs on (TIOCSTI)")
            .fix("sudo sysctl dev.tty.legacy_tiocsti=0")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lax_kernel_is_a_note_and_a_strict_one_is_none() {
        for (value, want) in
            [(Some("0"), true), (Some("1"), false), (Some("2"), false), (None, false)]
        {
            let fix = ptrace_scope(value).and_then(|finding| finding.fix);
            assert_eq!(fix.is_some(), want, "{value:?}");
        }
        for (value, want) in [(Some("1"), true), (Some("0"), false), (None, false)] {
            assert_eq!(legacy_tiocsti(value).is_some(), want, "{value:?}");
            assert!(legacy_tiocsti(value).is_none_or(|finding| !finding.is_problem()));
        }
    }
}
