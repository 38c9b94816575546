//! `mima exec`: becomes a command that has the public environment of a project.

use crate::cli::Exec;
use crate::env::diff::Before;
use crate::env::state::State;
use crate::env::{Environment, Inherit};
use crate::error::{Failure, Kind, Result};
use crate::flow::{Mima, Nix, absolute, environment, find, plan};
use crate::term;

pub(super) fn run(mima: &Mima, args: &Exec) -> Result<()> {
    let dir = absolute(&args.dir)?;
    if !dir.is_dir() {
        return Err(Failure::new(Kind::NotFound, format!("{} is no directory", term::path(&dir))));
    }
    let mut look = mima.look(&dir).required()?;
    let now = environment();
    let state = State::of(&now);
    let before = Before::new(now, state, &std::collections::BTreeMap::new());
    mima.load_flakes(&mut look, &before.vars, Nix::Works { anew: false, in_hook: false });
    let mut flakes = look.layers.iter().filter_map(|layer| layer.flake.as_ref());
    if let Some(without) = flakes.find(|flake| !flake.is_loaded()) {
        // The command would be another one. The last notice says why there is no environment; only
        // of files that were denied there is none.
        let failure = look.notices.pop().unwrap_or_else(|| without.denied());
        look.notices.iter().for_each(term::report);
        return Err(failure);
    }
    look.notices.drain(..).for_each(|notice| term::report(&notice));
    let plan = plan(&look.layers, &before.vars)?;
    plan.notices.iter().for_each(term::report);
    let own = look.dir().map(|dir| ("MIMA_DIR".into(), dir.as_os_str().to_owned()));
    let vars = plan.apply(before.vars).into_iter().chain(own);
    let environment = Environment::merge(vars, &Inherit::All, Vec::new());
    let command = find(&args.command, environment.get("PATH"))?;
    match command.exec(&environment)? {}
}
