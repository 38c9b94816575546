//! `mima session install`: lets systemd or launchd start the agent.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::cli::SessionInstall;
use crate::error::{Context, Failure, Result};
use crate::flow::session_install::{Agent, NOT_NEEDED, Starter};
use crate::flow::{Mima, find_on_path, installed_binary};
use crate::paths::{Paths, named_dir};
use crate::session::Place;
use crate::term;

pub(super) fn run(mima: &Mima, args: &SessionInstall) -> Result<()> {
    let paths = mima.paths();
    check_whose(paths)?;
    let starter = starter(paths)?;
    let tool = find_on_path(starter.tool);
    if args.remove {
        return remove(&starter, tool.as_deref(), paths);
    }
    let tool = tool.ok_or_else(|| {
        Failure::failed(format!("could not find {}", starter.tool)).hint(NOT_NEEDED)
    })?;
    // One that a client has started would lose its place, and what it keeps.
    mima.agent().stop()?;
    starter.install(&tool, &paths.lock())?;
    term::note(&format!(
        "{} starts the agent from now on, when somebody needs it ({})",
        starter.name,
        starter.files().last().map(|(path, _)| term::path(path)).unwrap_or_default()
    ));
    Ok(())
}

fn remove(starter: &Starter, tool: Option<&Path>, paths: &Paths) -> Result<()> {
    if !starter.remove(tool, &paths.lock())? {
        term::note("nothing was installed, and nothing is");
        return Ok(());
    }
    term::note(&format!("{} no longer starts the agent", starter.name));
    if tool.is_none() {
        term::note(&format!("could not find {}, so only the files are removed", starter.tool));
    }
    Ok(())
}

/// Refuses to install for what is not the whole of a user's mima: there is one agent that
/// starts with the session.
fn check_whose(paths: &Paths) -> Result<()> {
    if paths.is_apart() {
        return Err(Failure::failed("this is for a mima without MIMA_HOME").hint(NOT_NEEDED));
    }
    let home = paths.home();
    let meta =
        std::fs::metadata(home).context(format!("could not look at {}", term::path(home)))?;
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(Failure::failed(format!(
            "{} belongs to another user (uid {})",
            term::path(home),
            meta.uid()
        ))
        .hint("run this as that user"));
    }
    Ok(())
}

fn starter(paths: &Paths) -> Result<Starter> {
    let (program, bundle) = installed_binary()?;
    let socket = Place::of(paths).socket();
    let agent = Agent { program: &program, socket: &socket };
    if cfg!(target_os = "macos") {
        let agents = paths.home().join("Library/LaunchAgents");
        Starter::launchd(&agents, rustix::process::geteuid().as_raw(), agent, bundle.as_deref())
    } else {
        let config = named_dir("XDG_CONFIG_HOME", paths.home().join(".config"));
        Starter::systemd(&config.join("systemd/user"), agent)
    }
}
