//! Who sets a variable: each place of the files that concerns it.

use std::path::Path;

use super::dotenv::may_set;
use super::layouts::missing;
use super::{LOCAL_FILE, Layer, Look, Mima, PROJECT_FILE};
use crate::config::layout::Layout;
use crate::config::parse::{MAX_FILE_BYTES, Place, Text, locate};
use crate::config::{dotenv, groups::Links};
use crate::error::Result;
use crate::fs;
use crate::names::{GroupName, SecretName, VarName};
use crate::term;
use crate::trust::{self, Verdict};

/// A place of a project's files that does something about a variable.
#[derive(Debug, PartialEq, Eq)]
pub struct Origin {
    /// File, line and column, as a message has them.
    pub place: String,
    /// The key there, or what else it goes back to.
    pub key: String,
    /// What it does.
    pub does: Does,
}

/// What a place of a file does about a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Does {
    /// It sets it to this, in the words of the file.
    Set(String),
    /// It sets it to what may be a secret: people keep such in dotenv files.
    SetUnseen,
    /// It unsets it.
    Unset,
    /// It puts this in front, in the words of the file.
    PutInFront(String),
}

/// A group that has a variable.
#[derive(Debug, PartialEq, Eq)]
pub struct Provider {
    /// The file, and line and column if they could be found again.
    pub place: String,
    /// The group.
    pub group: GroupName,
    /// The secret whose value the variable gets.
    pub secret: SecretName,
}

impl Look {
    /// Returns all that the files do about a variable, in the order in which they do it.
    pub fn origins(&self, name: &VarName) -> Vec<Origin> {
        self.layers.iter().flat_map(|layer| layer.origins(name)).collect()
    }
}

impl Layer {
    fn origins(&self, name: &VarName) -> Vec<Origin> {
        let file = &self.file;
        let mut found = Vec::new();
        if let (Some(reference), Some(flake)) = (&file.use_flake, &self.flake) {
            let all = flake.does(name).into_iter();
            found.extend(all.map(|does| self.origin(reference.place, "use_flake", does)));
        }
        for layout in file.layout.iter().filter(|layout| missing(self, layout.value).is_none()) {
            let all = of_layout(layout.value, name).into_iter();
            found.extend(all.map(|does| self.origin(layout.place, "layout", does)));
        }
        for text in file.dotenv.iter().chain(&file.dotenv_if_exists) {
            if let Some(place) = self.in_dotenv(text, name) {
                let key = format!("dotenv at {}", self.at(text.place));
                found.push(Origin { place, key, does: Does::SetUnseen });
            }
        }
        for (_, text) in file.env.iter().filter(|(var, _)| var == name) {
            let does = Does::Set(text.value.clone());
            found.push(self.origin(text.place, &format!("env.{name}"), does));
        }
        for unset in file.unset.iter().filter(|unset| unset.value == *name) {
            found.push(self.origin(unset.place, "unset", Does::Unset));
        }
        let path = file.path_add.iter().filter(|_| name.as_str() == "PATH");
        let path = path.map(|text| ("PATH_add".to_owned(), text));
        let lists = file.list_add.iter().filter(|(list, _)| list == name);
        let lists = lists.flat_map(|(list, texts)| {
            texts.iter().map(move |text| (format!("path_add.{list}"), text))
        });
        for (key, text) in path.chain(lists) {
            found.push(self.origin(text.place, &key, Does::PutInFront(text.value.clone())));
        }
        found
    }

    fn origin(&self, place: Place, key: &str, does: Does) -> Origin {
        Origin { place: self.at(place), key: key.to_owned(), does }
    }

    /// Says where in the two files something stands.
    fn at(&self, place: Place) -> String {
        let name = if place.is_local { LOCAL_FILE } else { PROJECT_FILE };
        at(&self.dir.join(name), Some(place))
    }

    /// Returns where a dotenv file sets a variable, the last time. What is wrong with the file
    /// is said where it is loaded.
    fn in_dotenv(&self, text: &Text, name: &VarName) -> Option<String> {
        let path = self.path_of(&text.value);
        let bytes = trust::read_named(&path).ok().flatten()?;
        let entries = dotenv::parse(&bytes).ok()?;
        let entry = entries.into_iter().rfind(|entry| entry.name == *name)?;
        may_set(self, &entry).then(|| at(&path, Some(entry.place)))
    }
}

/// Returns what a layout does about a variable.
fn of_layout(layout: &Layout, name: &VarName) -> Vec<Does> {
    let is_it = |other: &str| other == name.as_str();
    let vars = layout.vars.iter().filter(|(var, _)| is_it(var));
    let vars = vars.map(|(_, text)| Does::Set(text.replace("${DIR}", layout.dir)));
    let lists = layout.lists.iter().filter(|(list, _)| is_it(list));
    let entries = lists.flat_map(|(_, entries)| entries.iter());
    let fronts = entries.map(|entry| {
        Does::PutInFront(match *entry {
            "." => layout.dir.to_owned(),
            entry => format!("{}/{entry}", layout.dir),
        })
    });
    let unset = layout.unset.iter().filter(|var| is_it(var)).map(|_| Does::Unset);
    vars.chain(fronts).chain(unset).collect()
}

impl Mima {
    /// Returns the groups that have a variable, the project's first. A group that another one
    /// hides has none.
    pub fn providers(&self, look: &Look, name: &VarName) -> Result<Vec<Provider>> {
        let user = self.user_file()?;
        let mut seen = Vec::new();
        let mut found = Vec::new();
        for layer in look.layers.iter().rev() {
            for (group, secret) in having(layer.file.groups.iter(), name, &mut seen) {
                let files = [LOCAL_FILE, PROJECT_FILE].map(|name| layer.dir.join(name));
                let in_file = |path: &&std::path::PathBuf| self.link_at(path, &group, name);
                let place = files.iter().find_map(|path| Some((path, in_file(&path)?)));
                let place = match place {
                    Some((path, place)) => at(path, Some(place)),
                    None => at(&layer.dir.join(PROJECT_FILE), None),
                };
                found.push(Provider { place, group, secret });
            }
        }
        for (group, secret) in having(user.groups.iter(), name, &mut seen) {
            let path = self.paths().user_file();
            let bytes = fs::read_capped(path, MAX_FILE_BYTES)?.unwrap_or_default();
            let place = locate(&bytes, &["groups", group.as_str(), name.as_str()]);
            found.push(Provider { place: at(path, place), group, secret });
        }
        Ok(found)
    }

    /// Finds a variable of a group in an allowed project file.
    fn link_at(&self, path: &Path, group: &GroupName, name: &VarName) -> Option<Place> {
        let candidate = self.candidate(path).ok()?;
        let is_allowed = self.trust().judge(&candidate).ok()? == Verdict::Allowed;
        let keys = ["groups", group.as_str(), name.as_str()];
        is_allowed.then(|| locate(&candidate.bytes, &keys)).flatten()
    }
}

/// Picks the groups that have a variable, of those that were not seen before.
fn having<'a>(
    groups: impl Iterator<Item = (&'a GroupName, &'a [(VarName, SecretName)])>,
    name: &VarName,
    seen: &mut Vec<GroupName>,
) -> Vec<(GroupName, SecretName)> {
    let own: Vec<(GroupName, Links)> = groups
        .filter(|(group, _)| !seen.contains(group))
        .map(|(group, links)| (group.clone(), links.to_vec()))
        .collect();
    seen.extend(own.iter().map(|(group, _)| group.clone()));
    let with = |(group, links): (GroupName, Links)| {
        let (_, secret) = links.into_iter().find(|(var, _)| var == name)?;
        Some((group, secret))
    };
    own.into_iter().filter_map(with).collect()
}

fn at(path: &Path, place: Option<Place>) -> String {
    let path = term::path(path);
    place.map_or(path.clone(), |Place { line, column, .. }| format!("{path}:{line}:{column}"))
}
