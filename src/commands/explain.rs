//! `mima explain`: who set a variable, and what it was before. Never what it is, where that may
//! be a secret.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::export::groups::{Offered, offered};
use super::export::split_saved;
use crate::cli::Explain;
use crate::env::diff::Before;
use crate::env::state::{Mark, State};
use crate::error::{Failure, Kind, Result};
use crate::flow::{Does, Look, Mima, Nix, Origin, Provider, Told, environment, working_directory};
use crate::names::{VarName, nearest};
use crate::term;
use crate::trust::Basis;

pub(super) fn run(mima: &Mima, args: &Explain) -> Result<()> {
    let name = VarName::parse(&args.var)?;
    let vars = environment();
    let told = Told::of(&vars);
    let (now, saved) = split_saved(vars);
    let mut look = working_directory().map(|here| mima.look(&here)).unwrap_or_default();
    // What is wrong is said, but whoever has set the variable has set it all the same.
    let (offered, broken) = match offered(mima, &look) {
        Ok(offered) => (offered, None),
        Err(failure) => (Offered::default(), Some(failure)),
    };
    let state = State::of(&now);
    let was = saved.get(&name).cloned();
    let before = Before::new(now, state, &saved);
    mima.load_flakes(&mut look, &before.vars, Nix::Rests);
    let mut lines = origin_lines(look.origins(&name));
    let providers = mima.providers(&look, &name)?;
    lines.extend(providers.iter().map(|provider| provider_line(provider, &offered, &name)));
    let is_known = !lines.is_empty();
    let shell = Shell { name: &name, before: &before, told, was, is_secret: !providers.is_empty() };
    lines.extend(shell.lines(&look, is_known));
    if is_known {
        let words = |(path, basis): &(PathBuf, Basis)| {
            format!("{} is allowed{}", term::path(path), basis.words())
        };
        lines.extend(look.otherwise.iter().map(words));
    }
    let lines: Vec<_> = lines.iter().map(|line| term::sanitize(line)).collect();
    let is_unknown = lines.is_empty();
    term::print_lines(lines)?;
    look.notices.iter().chain(&broken).for_each(term::report);
    if is_unknown { Err(unknown(mima, &look, &before, &name)) } else { Ok(()) }
}

/// Says what the files do: what counts first, and then what it stands in place of.
fn origin_lines(origins: Vec<Origin>) -> Vec<String> {
    let (fronts, others): (Vec<_>, Vec<_>) =
        origins.into_iter().partition(|origin| matches!(origin.does, Does::PutInFront(_)));
    let line = |Origin { place, key, does }: Origin| match does {
        Does::Set(words) => format!("{place}: {key}: {words}"),
        Does::SetUnseen => format!("{place}: set here, by {key}"),
        Does::Unset => format!("{place}: {key}"),
        Does::PutInFront(words) => format!("{place}: {key}: {words}, in front"),
    };
    let mut lines: Vec<_> = others.into_iter().rev().map(line).collect();
    for hidden in lines.iter_mut().skip(1) {
        hidden.insert_str(0, "instead of ");
    }
    lines.extend(fronts.into_iter().map(line));
    lines
}

/// Says which secret a group gives, and to whom.
fn provider_line(provider: &Provider, offered: &Offered, name: &VarName) -> String {
    let Provider { place, group, secret } = provider;
    let has_command = offered.names.contains(group) && group.may_wrap();
    let command = if has_command { group.to_string() } else { format!("mima run {group} --") };
    let to = if offered.exports(group) { "this shell, and to" } else { "one command:" };
    format!("{place}: groups.{group}.{name}: the secret {secret}, to {to} {command} CMD")
}

/// What a variable is in the shell that asks.
struct Shell<'a> {
    name: &'a VarName,
    before: &'a Before,
    told: Option<Told>,
    /// What it was before, if the shell has handed that over.
    was: Option<OsString>,
    is_secret: bool,
}

impl Shell<'_> {
    /// Says whether it is set there, by whom, and what it was before; nothing if it is unknown
    /// there, and to the files.
    fn lines(&self, look: &Look, is_known: bool) -> Vec<String> {
        let (name, state) = (self.name, self.before.state());
        let is_set = self.before.now().contains_key(OsStr::new(name.as_str()));
        if name.is_own() {
            return if is_set { vec!["set by mima, for itself".to_owned()] } else { Vec::new() };
        }
        let project = match look.dir() {
            Some(here) if here == state.dir => String::new(),
            _ => format!(", by the project in {}", term::path(&state.dir)),
        };
        if state.lists.contains_key(name) {
            return vec![format!("they stand in front in this shell{project}"), self.before_list()];
        }
        match state.vars.get(name) {
            Some(_) if !state.owns(name, self.before.now()) => {
                vec!["changed in this shell since it was loaded: it stays as it is".to_owned()]
            }
            Some(mark) => {
                let does = if *mark == Mark::Unset { "unset" } else { "set" };
                vec![format!("{does} in this shell{project}"), self.before_variable()]
            }
            None if is_set => vec!["set in this shell, and not by mima".to_owned()],
            None if is_known => vec!["not set in this shell".to_owned()],
            None => Vec::new(),
        }
    }

    /// What a list was is what it is without mima's entries.
    fn before_list(&self) -> String {
        match self.before.vars.get(OsStr::new(self.name.as_str())) {
            Some(list) => format!("before: {}", list.to_string_lossy()),
            None => "before: not in the environment".to_owned(),
        }
    }

    fn before_variable(&self) -> String {
        match (&self.was, &self.told) {
            // The user's own value of what is a secret here may be one, too.
            (Some(_), _) if self.is_secret => "before: another value".to_owned(),
            (Some(was), _) => format!("before: {}", String::from_utf8_lossy(was.as_bytes())),
            (None, Some(told)) if !told.is_heir() => "before: not in the environment".to_owned(),
            _ => "before: only the shell that loaded it knows".to_owned(),
        }
    }
}

fn unknown(mima: &Mima, look: &Look, before: &Before, name: &VarName) -> Failure {
    let user = mima.user_file().map(|file| file.groups.clone()).unwrap_or_default();
    let groups = look.layers.iter().map(|layer| &layer.file.groups).chain([&user]);
    let links = groups.flat_map(|groups| groups.iter().flat_map(|(_, links)| links));
    let env = look.layers.iter().flat_map(|layer| layer.file.env.iter().map(|(name, _)| name));
    let known = links.map(|(name, _)| name).chain(env).map(VarName::as_str);
    let now = before.now().keys().filter_map(|name| name.to_str());
    let what = format!("{name} is not set, and nothing that counts here sets it");
    match nearest(name.as_str(), known.chain(now)) {
        Some(near) => Failure::new(Kind::NotFound, what).hint(format!("did you mean `{near}`?")),
        None => Failure::new(Kind::NotFound, what),
    }
}
