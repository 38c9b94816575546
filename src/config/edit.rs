//! Edits the groups in a file and leaves every other byte as it was.
//!
//! An edit is one splice. Its result is parsed again and compared with what it should say;
//! a layout that the splice does not understand is an error, never a damaged file.

mod add;
#[cfg(test)]
mod laws;
mod splice;
#[cfg(test)]
mod tests;

use super::groups::{Groups, refuse_clash};
use super::parse::outline::Node;
use super::parse::{self, Document, Fault, Place, path_text};
pub use add::{Addition, add};

use crate::error::{Failure, Kind, Result};
use crate::names::{self, GroupName, SecretName, VarName};

/// The key that holds the groups, in both files.
const GROUPS: &str = "groups";

/// One change to the groups of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Sets a variable of a group to a secret; the group is made if need be.
    Link {
        /// The group.
        group: GroupName,
        /// The variable.
        var: VarName,
        /// The secret.
        secret: SecretName,
    },
    /// Takes a variable out of a group; a group without variables goes too.
    Unlink {
        /// The group.
        group: GroupName,
        /// The variable.
        var: VarName,
    },
    /// Takes a group out, with what stands between its variables.
    RemoveGroup {
        /// The group.
        group: GroupName,
    },
}

/// What an edit has led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The file as it is to be written.
    pub bytes: Vec<u8>,
    /// The secret that the variable was linked to before.
    pub previous: Option<SecretName>,
}

/// Applies an edit to the bytes of a user or project file.
pub fn apply(bytes: &[u8], edit: &Edit, label: &str) -> Result<Edited> {
    let before = groups_of(bytes, label)?;
    let (after, previous) = edit.model(&before)?;
    if after == before {
        return Ok(Edited { bytes: bytes.to_vec(), previous });
    }
    let (text, root) = parse::read(bytes).map_err(|fault| fault.in_file(label))?;
    splice::splice(text, root.as_ref(), edit)
        .map(String::into_bytes)
        .filter(|new| says(new, &after, root.as_ref(), label))
        .map(|bytes| Edited { bytes, previous })
        .ok_or_else(|| edit.by_hand(root.as_ref()).in_file(label))
}

/// Tells whether the new file has these groups, and else says what the old one did.
fn says(new: &[u8], groups: &Groups, old: Option<&Node>, label: &str) -> bool {
    let is_other = |(key, _): &&(Node, Node)| key.text() != GROUPS;
    let others = |root: Option<&Node>| -> Vec<(Node, Node)> {
        root.map(Node::entries).unwrap_or_default().iter().filter(is_other).cloned().collect()
    };
    groups_of(new, label).is_ok_and(|said| said == *groups)
        && parse::read(new).is_ok_and(|(_, new)| others(new.as_ref()) == others(old))
}

impl Edit {
    /// Returns the group that is changed.
    fn group(&self) -> &GroupName {
        match self {
            Self::Link { group, .. } | Self::Unlink { group, .. } | Self::RemoveGroup { group } => {
                group
            }
        }
    }

    /// Applies the edit to what the file says; returns that and the former secret.
    fn model(&self, before: &Groups) -> Result<(Groups, Option<SecretName>)> {
        let mut after = before.clone();
        let previous = match self {
            Self::Link { group, var, secret } => {
                VarName::parse_settable(var.as_str())?;
                refuse_clash(before.iter().map(|(name, _)| name.as_str()), group.as_str())
                    .and_then(|()| refuse_clash(before.secrets(), secret.as_str()))
                    .map_err(Failure::failed)?;
                after.set(group, var, secret)
            }
            Self::Unlink { group, var } => {
                let links = before.get(group).ok_or_else(|| before.no_group(group))?;
                let previous = after.unset(group, var);
                if previous.is_none() {
                    let near = names::nearest(var.as_str(), links.iter().map(|l| l.0.as_str()));
                    return Err(Failure::new(
                        Kind::NotFound,
                        format!("group `{group}` has no variable `{var}`"),
                    )
                    .hint(match near {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("mima group list {group}"),
                    }));
                }
                previous
            }
            Self::RemoveGroup { group } => {
                before.get(group).ok_or_else(|| before.no_group(group))?;
                after.remove(group);
                None
            }
        };
        Ok((after, previous))
    }

    /// Says which line to edit in an editor.
    fn by_hand(&self, root: Option<&Node>) -> Fault {
        let mut keys = vec![GROUPS, self.group().as_str()];
        let todo = match self {
            Self::Link { group, var, secret } => {
                keys.push(var.as_str());
                format!("edit the file: in group `{group}`, `{var}: {secret}`")
            }
            Self::Unlink { group, var } => {
                keys.push(var.as_str());
                format!("edit the file: take `{var}` out of group `{group}`")
            }
            Self::RemoveGroup { group } => format!("edit the file: take group `{group}` out"),
        };
        let place = root.map_or(Place::START, |root| root.deepest(&keys).1);
        Fault::new(place, path_text(&keys), "mima cannot edit this layout without harm").hint(todo)
    }
}

/// Reads the groups of a file, whichever file it is.
fn groups_of(bytes: &[u8], label: &str) -> Result<Groups> {
    parse::parse::<OnlyGroups>(bytes, label).map(|file| file.0)
}

/// Any file, as far as its groups are concerned.
#[derive(Default)]
struct OnlyGroups(Groups);

impl Document for OnlyGroups {
    const KEYS: &'static [&'static str] = &[];

    fn set(&mut self, key: &Node, value: &Node) -> Result<(), Fault> {
        if key.text() == GROUPS {
            self.0 = Groups::read(value)?;
        }
        Ok(())
    }

    fn explain(_: &str) -> Option<(String, String)> {
        None
    }
}
