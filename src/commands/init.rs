//! `mima init`: a starter project file, allowed.

use std::path::Path;

use crate::error::{Failure, Kind, Result};
use crate::flow::{Mima, PROJECT_FILE, working_directory};
use crate::{fs, term};

/// What a project file begins as: everything it does is written out, and switched off.
const STARTER: &str = "\
# What this directory asks for. After a change: mima allow
# Values of secrets are never in here: `mima set GROUP VAR` stores one and names it.

# groups:                      # `mima run dev -- CMD`, or just `dev CMD` in a shell with the hook
#   dev:
#     DATABASE_URL: dev-db     # variable: name of the secret

env:                           # public values; ${VAR}, ${VAR:-default}
  PROJECT_ROOT: \"${MIMA_DIR}\"

# PATH_add: [bin]
";

pub(super) fn run(mima: &Mima) -> Result<()> {
    let path = working_directory()?.join(PROJECT_FILE);
    if mima.is_user_file(&path) {
        return Err(Failure::failed(format!(
            "{} is your own file, and never one of a project",
            term::path(&path)
        ))
        .hint("for a secret of your own: mima set GROUP VAR"));
    }
    if path.symlink_metadata().is_ok() {
        return Err(Failure::new(
            Kind::Exists,
            format!("there is a {} already", term::path(&path)),
        )
        .hint("mima edit"));
    }
    fs::write_new_public(&path, STARTER.as_bytes())?;
    // The first error is the one to report.
    allow(mima, &path).inspect_err(|_| drop(fs::remove(&path)))?;
    term::note(&format!("made {}, and allowed it", term::path(&path)));
    term::hint("mima edit");
    Ok(())
}

fn allow(mima: &Mima, path: &Path) -> Result<()> {
    let candidate = mima.candidate(path)?;
    candidate.objection().map_or(Ok(()), Err)?;
    mima.trust().allow(&candidate)
}
