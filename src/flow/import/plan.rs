//! What a file holds, what is thought of it, and what becomes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use zeroize::Zeroizing;

use super::{Origin, Source, Work, op};
use crate::config::edit::{Addition, add};
use crate::config::envrc;
use crate::config::guess::{Guess, guess};
use crate::config::imported::{Does, Statement, Value, of_dotenv};
use crate::error::Result;
use crate::names::{GroupName, SecretName, VarName};
use crate::term;

/// From how many characters on the text of a secret is looked for in what is public.
const TELLING: usize = 6;

/// A variable that the file sets.
pub struct Variable {
    /// Its name.
    pub name: VarName,
    /// What is thought of it.
    pub guess: Guess,
    /// The variables that its value refers to.
    pub refers: Vec<String>,
    value: Value,
}

/// Lines that are not brought over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Which.
    pub lines: RangeInclusive<usize>,
    /// Why not.
    pub why: String,
}

/// What the file says.
pub struct Plan {
    /// The variables that it sets, each once, in its order.
    pub variables: Vec<Variable>,
    /// Everything else that a project file can say, in the file's order.
    others: Vec<(RangeInclusive<usize>, Does)>,
    /// The lines that set variables, and which.
    setting: Vec<(RangeInclusive<usize>, Vec<VarName>)>,
    left: Vec<Left>,
}

/// Why a line stays that says nothing in the end.
const AGAIN: &str = "a later line sets it again";

impl Plan {
    /// Reads what a source says. Nothing is run.
    pub fn read(source: &Source) -> Result<Self> {
        let label = term::path(&source.path);
        let statements =
            if source.is_envrc() { envrc::parse(&source.bytes) } else { of_dotenv(&source.bytes) };
        let statements = statements.map_err(|fault| fault.in_file(&label))?;
        let mut plan = Self {
            variables: Vec::new(),
            others: Vec::new(),
            setting: Vec::new(),
            left: Vec::new(),
        };
        let twice = set_twice(&statements);
        for Statement { first, last, what } in statements {
            let lines = first..=last;
            match what.and_then(|does| fitting(does, &twice)) {
                Ok(Does::Set(vars)) => plan.set(lines, vars),
                Ok(does) => plan.others.push((lines, does)),
                Err(why) => plan.left.push(Left { lines, why }),
            }
        }
        Ok(plan)
    }

    fn set(&mut self, lines: RangeInclusive<usize>, vars: Vec<(VarName, Value)>) {
        self.setting.push((lines, vars.iter().map(|(name, _)| name.clone()).collect()));
        for (name, value) in vars {
            let guess = guess(name.as_str(), &value.template());
            let refers = value.vars().map(str::to_owned).collect();
            // The last one counts.
            self.variables.retain(|known| known.name != name);
            self.variables.push(Variable { name, guess, refers, value });
        }
    }

    /// The variables that hold a secret which another variable is, in whole or in part: those
    /// that refer to one, and those in which its text stands. With these it is complete.
    pub fn holding(&self, secret: &BTreeSet<VarName>) -> BTreeSet<VarName> {
        let texts = self.texts();
        let mut all = secret.clone();
        loop {
            let secrets: Vec<_> = all.iter().filter_map(|name| telling(texts.get(name)?)).collect();
            let is_new = |variable: &&Variable| {
                let refers =
                    variable.refers.iter().any(|var| all.iter().any(|n| n.as_str() == var));
                let text = texts.get(&variable.name);
                !all.contains(&variable.name)
                    && (refers || text.is_some_and(|text| shows(text, &secrets)))
            };
            let new: Vec<_> =
                self.variables.iter().filter(is_new).map(|v| v.name.clone()).collect();
            if new.is_empty() {
                return all.difference(secret).cloned().collect();
            }
            all.extend(new);
        }
    }

    /// What each variable is set to, as far as that is known.
    fn texts(&self) -> BTreeMap<VarName, Zeroizing<String>> {
        let mut known = BTreeMap::new();
        let mut texts = BTreeMap::new();
        for Variable { name, value, .. } in &self.variables {
            let text = value.with(&known).unwrap_or_else(|| value.template());
            known.insert(name.to_string(), text.clone());
            texts.insert(name.clone(), text);
        }
        texts
    }

    /// The other files that it loads.
    pub fn loaded(&self) -> Vec<String> {
        let files = self.others.iter().filter_map(|(_, does)| match does {
            Does::Append("dotenv" | "dotenv_if_exists", files) => files.first()?.plain(),
            _ => None,
        });
        files.map(|file| file.to_string()).collect()
    }

    /// Finds out what is to be done, given which variables are secrets.
    pub fn work(&self, group: &GroupName, secret: &BTreeSet<VarName>) -> Result<Work> {
        let mut known = BTreeMap::new();
        let mut work = Work {
            secrets: Vec::new(),
            additions: Vec::new(),
            moved: Vec::new(),
            left: self.left.clone(),
        };
        let mut refused = BTreeMap::new();
        let mut env = Vec::new();
        let has_op = op::program().is_some();
        let is_secret = |var: &str| secret.iter().any(|name| name.as_str() == var);
        for variable in &self.variables {
            let name = &variable.name;
            let text = variable.value.with(&known);
            // What stands for another value is not that value.
            if let Some(text) = text.as_ref().filter(|text| !text.starts_with(op::SCHEME)) {
                known.insert(name.to_string(), text.clone());
            }
            if !secret.contains(name) {
                let text = variable.value.template().to_string();
                env.push(Addition::Value(vec!["env".to_owned(), name.to_string()], text));
                continue;
            }
            let why = match text {
                Some(text) if !text.starts_with(op::SCHEME) => {
                    let name = SecretName::parse(&format!("{group}.{name}"))?;
                    work.secrets.push((variable.name.clone(), name, Origin::Text(text)));
                    continue;
                }
                // The arguments of a program can be read by others.
                Some(_) if variable.refers.iter().any(|var| is_secret(var)) => {
                    "a reference to 1Password cannot have a secret in it"
                }
                Some(text) if has_op => {
                    let name = SecretName::parse(&format!("{group}.{name}"))?;
                    let origin = Origin::Reference(text.to_string());
                    work.secrets.push((variable.name.clone(), name, origin));
                    continue;
                }
                Some(_) => "op would read it, and is not on PATH",
                None => "a secret can only refer to values that stand above it in this file",
            };
            refused.insert(name.clone(), why);
        }
        for (at, (lines, names)) in self.setting.iter().enumerate() {
            let later = self.setting.iter().skip(at + 1).flat_map(|(_, names)| names);
            let later: BTreeSet<_> = later.collect();
            let again = names.iter().any(|name| later.contains(name)).then_some(&AGAIN);
            match names.iter().find_map(|name| refused.get(name)).or(again) {
                Some(why) => {
                    work.left.push(Left { lines: lines.clone(), why: (*why).to_owned() });
                }
                None => work.moved.push(lines.clone()),
            }
        }
        let texts = self.texts();
        let secrets: Vec<_> = secret.iter().filter_map(|name| telling(texts.get(name)?)).collect();
        let mut others = Vec::new();
        for (lines, does) in &self.others {
            let holds =
                |value: &Value| value.vars().any(is_secret) || shows(&value.template(), &secrets);
            if does.values().iter().any(holds) {
                let why = "it holds a secret, and no group can give that".to_owned();
                work.left.push(Left { lines: lines.clone(), why });
            } else {
                others.push(does);
                work.moved.push(lines.clone());
            }
        }
        work.left.sort_by_key(|left| *left.lines.start());
        let links = work
            .secrets
            .iter()
            .map(|(var, secret, _)| Addition::Link(group.clone(), var.clone(), secret.clone()));
        work.additions = links.collect();
        work.additions.extend(additions(others.into_iter()));
        work.additions.extend(env);
        Ok(work)
    }
}

/// The text of a secret, if it is long enough to tell it from any other word.
fn telling(text: &Zeroizing<String>) -> Option<&str> {
    (text.chars().count() >= TELLING).then_some(text.as_str())
}

fn shows(text: &str, secrets: &[&str]) -> bool {
    secrets.iter().any(|secret| text.contains(secret))
}

/// Returns the names that are set more than once.
fn set_twice(statements: &[Statement]) -> BTreeSet<String> {
    let mut once = BTreeSet::new();
    let vars = statements.iter().filter_map(|statement| match &statement.what {
        Ok(Does::Set(vars)) => Some(vars),
        _ => None,
    });
    vars.flatten().map(|(name, _)| name.to_string()).filter(|n| !once.insert(n.clone())).collect()
}

/// Returns what is done if a project file may say so, and else the reason why not.
fn fitting(does: Does, twice: &BTreeSet<String>) -> Result<Does, String> {
    if let Does::Set(vars) = &does {
        if let Some((name, _)) = vars.iter().find(|(name, _)| name.is_steering()) {
            return Err(format!("{name} steers the shell or mima, so no file may set it"));
        }
        if vars.iter().any(|(_, value)| value.vars().any(|var| twice.contains(var))) {
            return Err("it refers to a variable that the file sets twice".to_owned());
        }
        return Ok(does);
    }
    match add(b"", &additions(std::iter::once(&does)), "") {
        Ok(_) => Ok(does),
        // Without the place, which is none of this file.
        Err(failure) => {
            Err(failure.to_string().splitn(2, ": ").last().unwrap_or_default().to_owned())
        }
    }
}

/// Says in keys of a project file what statements do. Where direnv puts a directory before all
/// others, the last one comes first.
fn additions<'a>(all: impl Iterator<Item = &'a Does>) -> Vec<Addition> {
    let mut additions = Vec::new();
    let mut lists: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    let texts = |values: &[Value]| -> Vec<String> {
        values.iter().map(|value| value.template().to_string()).collect()
    };
    // What is no template stands as it is.
    let plain = |value: &Value| value.plain().unwrap_or_default().to_string();
    for does in all {
        let (path, new, is_before) = match does {
            Does::Prepend(list, dirs) if list == "PATH" => {
                (vec!["PATH_add".to_owned()], texts(dirs), true)
            }
            Does::Prepend(list, dirs) => {
                (vec!["path_add".to_owned(), list.clone()], texts(dirs), true)
            }
            Does::Append(key, items) => {
                (vec![(*key).to_owned()], items.iter().map(plain).collect(), false)
            }
            Does::SourceUp => {
                let switch = Addition::Switch("source_up".to_owned());
                if !additions.contains(&switch) {
                    additions.push(switch);
                }
                continue;
            }
            Does::UseFlake(which) => {
                additions.push(Addition::Value(vec!["use_flake".to_owned()], plain(which)));
                continue;
            }
            Does::Set(_) | Does::Nothing => continue,
        };
        let at = lists.iter().position(|(known, _)| *known == path).unwrap_or(lists.len());
        if at == lists.len() {
            lists.push((path, Vec::new()));
        }
        let Some((_, items)) = lists.get_mut(at) else { continue };
        let new: Vec<_> =
            new.into_iter().filter(|item| is_before || !items.contains(item)).collect();
        let end = if is_before { 0 } else { items.len() };
        items.splice(end..end, new);
    }
    additions.extend(lists.into_iter().map(|(path, items)| Addition::List(path, items)));
    additions
}
