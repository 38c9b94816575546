//! Groups: which variable of which group is which secret.
//!
//! Both files hold them in the same form, `groups: {GROUP: {VAR: secret}}`.

use std::collections::BTreeMap;

use super::parse::Fault;
use super::parse::outline::Node;
use crate::error::{Failure, Kind, Result};
use crate::names::{self, GroupName, SecretName, VarName};

/// The variables of one group, each with its secret, in the order of the file.
pub type Links = Vec<(VarName, SecretName)>;

/// The groups of a file, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups(Vec<(GroupName, Links)>);

/// One variable of a request for groups, with the group it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The first group that sets the variable.
    pub group: GroupName,
    /// The variable.
    pub var: VarName,
    /// The secret whose value it gets.
    pub secret: SecretName,
}

impl Groups {
    /// Reads what stands under the key `groups`.
    pub(super) fn read(value: &Node) -> Result<Self, Fault> {
        let mut groups = Self::default();
        value.map(|key, links| {
            let group = group_name(key)?;
            refuse_clash(groups.iter().map(|(name, _)| name.as_str()), group.as_str())
                .map_err(|what| key.fault(what))?;
            groups.0.push((group.clone(), Vec::new()));
            links.map(|key, value| {
                let (var, secret) = (var_name(key)?, secret_name(value)?);
                refuse_clash(groups.secrets(), secret.as_str())
                    .map_err(|what| value.fault(what))?;
                groups.set(&group, &var, &secret);
                Ok(())
            })
        })?;
        Ok(groups)
    }

    /// Lays other groups over these, variable by variable.
    pub(super) fn overlay(mut self, local: Self) -> Self {
        for (group, links) in local.0 {
            if self.get(&group).is_none() {
                self.0.push((group, links));
                continue;
            }
            for (var, secret) in links {
                self.set(&group, &var, &secret);
            }
        }
        self
    }

    /// Puts other groups before these: a group of theirs hides the one of the same name.
    #[must_use]
    pub fn hidden_by(mut self, nearer: Self) -> Self {
        self.0.retain(|(group, _)| nearer.get(group).is_none());
        self.0.splice(0..0, nearer.0);
        self
    }

    /// Returns the variables of a group.
    pub fn get(&self, group: &GroupName) -> Option<&[(VarName, SecretName)]> {
        self.iter().find(|(name, _)| *name == group).map(|(_, links)| links)
    }

    /// Returns the secret of one variable of a group.
    pub fn secret(&self, group: &GroupName, var: &VarName) -> Option<&SecretName> {
        self.get(group)?.iter().find(|(name, _)| name == var).map(|(_, secret)| secret)
    }

    /// Goes through all groups, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (&GroupName, &[(VarName, SecretName)])> {
        self.0.iter().map(|(name, links)| (name, links.as_slice()))
    }

    /// Returns the groups and variables that a secret is linked to.
    pub fn who_uses(&self, secret: &SecretName) -> Vec<(&GroupName, &VarName)> {
        self.iter()
            .flat_map(|(group, links)| links.iter().map(move |(var, used)| (group, var, used)))
            .filter(|(_, _, used)| *used == secret)
            .map(|(group, var, _)| (group, var))
            .collect()
    }

    /// Returns the variables of several groups together, each once. Two groups may set the
    /// same variable only to the same secret: which of two wins would be a guess.
    pub fn resolve(&self, wanted: &[GroupName]) -> Result<Vec<Link>> {
        let mut links: Vec<Link> = Vec::new();
        let mut seen: BTreeMap<&VarName, usize> = BTreeMap::new();
        for group in wanted {
            for (var, secret) in self.get(group).ok_or_else(|| self.no_group(group))? {
                match seen.get(var).and_then(|index| links.get(*index)) {
                    None => {
                        seen.insert(var, links.len());
                        links.push(Link {
                            group: group.clone(),
                            var: var.clone(),
                            secret: secret.clone(),
                        });
                    }
                    Some(first) if first.secret == *secret => {}
                    Some(first) => {
                        return Err(Failure::failed(format!(
                            "groups `{}` and `{group}` both set {var}: to `{}` and to `{secret}`",
                            first.group, first.secret
                        ))
                        .hint(format!("mima group unlink {group} {var}")));
                    }
                }
            }
        }
        Ok(links)
    }

    /// Makes the failure for a group that is not there.
    pub fn no_group(&self, group: &GroupName) -> Failure {
        let hint = match names::nearest(group.as_str(), self.iter().map(|(name, _)| name.as_str()))
        {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("mima set {group} VAR"),
        };
        Failure::new(Kind::NotFound, format!("there is no group `{group}`")).hint(hint)
    }

    /// Links a variable to a secret, where it stands or at the end; returns what it was.
    pub(super) fn set(
        &mut self,
        group: &GroupName,
        var: &VarName,
        secret: &SecretName,
    ) -> Option<SecretName> {
        if self.get(group).is_none() {
            self.0.push((group.clone(), Vec::new()));
        }
        let (_, links) = self.0.iter_mut().find(|(name, _)| name == group)?;
        if let Some((_, old)) = links.iter_mut().find(|(name, _)| name == var) {
            return Some(std::mem::replace(old, secret.clone()));
        }
        links.push((var.clone(), secret.clone()));
        None
    }

    /// Takes a variable out, and its group with it if it was the last; returns its secret.
    pub(super) fn unset(&mut self, group: &GroupName, var: &VarName) -> Option<SecretName> {
        let (_, links) = self.0.iter_mut().find(|(name, _)| name == group)?;
        let index = links.iter().position(|(name, _)| name == var)?;
        let (_, secret) = links.remove(index);
        if links.is_empty() {
            self.remove(group);
        }
        Some(secret)
    }

    /// Takes a group out.
    pub(super) fn remove(&mut self, group: &GroupName) {
        self.0.retain(|(name, _)| name != group);
    }

    /// Goes through the names of all secrets.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.iter().flat_map(|(_, links)| links.iter().map(|(_, secret)| secret.as_str()))
    }
}

/// Parses `dev,stage` as the command line has it. A group named twice counts once.
pub fn parse_list(text: &str) -> Result<Vec<GroupName>> {
    let mut groups = Vec::new();
    for part in text.split(',') {
        if part.is_empty() {
            return Err(Failure::new(Kind::Usage, "a group's name is missing")
                .hint("name groups as in `dev` or `dev,stage`"));
        }
        let group = GroupName::parse(part)?;
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    Ok(groups)
}

/// Refuses a name that is an existing one in other case: which of the two is meant depends
/// on the file system. (threat D8)
pub(super) fn refuse_clash<'a>(
    existing: impl IntoIterator<Item = &'a str>,
    name: &str,
) -> Result<(), String> {
    match names::case_clash(name, existing) {
        Some(other) => Err(format!("`{name}` differs from `{other}` only in case")),
        None => Ok(()),
    }
}

/// Reads the name of a group.
pub(super) fn group_name(value: &Node) -> Result<GroupName, Fault> {
    GroupName::parse(value.scalar()?)
        .map_err(|_| value.fault("this is no name for a group").hint(GroupName::RULE))
}

/// Reads the name of a secret.
fn secret_name(value: &Node) -> Result<SecretName, Fault> {
    SecretName::parse(value.scalar()?)
        .map_err(|_| value.fault("this is no name for a secret").hint(SecretName::RULE))
}

/// Reads the name of a variable that a file sets.
pub(super) fn var_name(value: &Node) -> Result<VarName, Fault> {
    let var = any_var_name(value)?;
    if !var.is_steering() {
        return Ok(var);
    }
    let fault = value.fault("this variable steers the shell or mima: no file may set it");
    Err(if var.as_str() == "PATH" {
        fault.hint("a project file adds directories with `PATH_add: [bin]`")
    } else {
        fault.hint("choose another variable")
    })
}

/// Reads the name of a variable that a file only mentions.
pub(super) fn any_var_name(value: &Node) -> Result<VarName, Fault> {
    VarName::parse(value.scalar()?)
        .map_err(|_| value.fault("this is no name for a variable").hint(VarName::RULE))
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::super::user::UserFile;
    use super::*;

    fn groups(text: &str) -> Groups {
        parse::<UserFile>(text.as_bytes(), "f").unwrap().groups
    }

    const FILE: &str =
        "groups:\n  dev: {B: x, A: y}\n  stage: {A: y, C: z}\n  prod: {A: q, D: x}\n";

    #[test]
    fn groups_keep_the_order_of_the_file() {
        let groups = groups(FILE);
        let names: Vec<_> = groups.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["dev", "stage", "prod"]);
        let links = groups.get(&GroupName::parse("dev").unwrap()).unwrap();
        let vars: Vec<_> = links.iter().map(|(var, _)| var.as_str()).collect();
        assert_eq!(vars, ["B", "A"]);
    }

    #[test]
    fn several_groups_give_each_variable_once() {
        let groups = groups(FILE);
        let resolve = |list: &str| groups.resolve(&parse_list(list).unwrap());
        let links: Vec<_> = resolve("stage,dev")
            .unwrap()
            .iter()
            .map(|link| format!("{} {} {}", link.group, link.var, link.secret))
            .collect();
        assert_eq!(links, ["stage A y", "stage C z", "dev B x"]);
        let clash = resolve("dev,stage,prod").unwrap_err();
        assert_eq!(clash.to_string(), "groups `dev` and `prod` both set A: to `y` and to `q`");
        let missing = resolve("dev,stag").unwrap_err();
        assert_eq!(missing.kind(), Kind::NotFound);
        assert_eq!(missing.to_string(), "there is no group `stag`");
    }

    #[test]
    fn a_list_of_groups_has_no_holes_and_no_repeats() {
        let names = |text: &str| {
            parse_list(text).map(|list| list.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(names("dev,stage,dev").unwrap(), ["dev", "stage"]);
        for bad in ["", ",", "dev,", ",dev", "dev,,stage", "dev, stage", "dev,-x"] {
            assert_eq!(names(bad).unwrap_err().kind(), Kind::Usage, "{bad:?}");
        }
    }

    #[test]
    fn the_users_of_a_secret_are_found() {
        let groups = groups(FILE);
        let uses = |name: &str| {
            let users = groups.who_uses(&SecretName::parse(name).unwrap());
            users.iter().map(|(group, var)| format!("{group}.{var}")).collect::<Vec<_>>()
        };
        assert_eq!(uses("x"), ["dev.B", "prod.D"]);
        assert_eq!(uses("nobody"), [""; 0]);
    }
}
