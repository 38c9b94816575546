//! Which secrets are wanted, and getting them: all or nothing.

use sha2::{Digest, Sha256};

use super::{Mima, Purpose};
use crate::config::groups::{Groups, Link, Links, parse_list};
use crate::error::{Failure, Kind, Result};
use crate::names::{GroupName, SecretName, VarName, nearest};
use crate::store::Store;

/// The groups that a command line names, resolved.
pub struct Wanted {
    sets: Vec<(GroupName, Links)>,
    links: Vec<Link>,
}

impl Wanted {
    /// Resolves `dev,stage`. Asks nothing, unlocks nothing.
    pub fn resolve(mima: &Mima, list: &str) -> Result<Self> {
        Self::of(parse_list(list)?, &mima.groups()?)
    }

    /// Takes groups whose variables are known already.
    pub fn of(groups: Vec<GroupName>, known: &Groups) -> Result<Self> {
        let links = known.resolve(&groups)?;
        let set = |group: GroupName| {
            let links = known.get(&group).unwrap_or_default().to_vec();
            (group, links)
        };
        Ok(Self { sets: groups.into_iter().map(set).collect(), links })
    }

    /// The variables that the groups set.
    pub fn variables(&self) -> impl Iterator<Item = &VarName> {
        self.links.iter().map(|link| &link.var)
    }

    /// A digest of which secret each variable gets.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for link in &self.links {
            hash.update(format!("{}={} ", link.var, link.secret));
        }
        let digest = hex::encode(hash.finalize());
        digest.get(..16).unwrap_or_default().to_owned()
    }

    /// The groups, as one would type them.
    pub fn list(&self) -> String {
        let names: Vec<_> = self.groups().map(GroupName::as_str).collect();
        names.join(",")
    }

    /// The groups.
    pub fn groups(&self) -> impl Iterator<Item = &GroupName> {
        self.sets.iter().map(|(group, _)| group)
    }

    /// The groups, each with all variables that it sets.
    pub(super) fn sets(&self) -> &[(GroupName, Links)] {
        &self.sets
    }

    /// The variables that the groups set together, each once.
    pub(super) fn links(&self) -> &[Link] {
        &self.links
    }

    /// The first of the groups that is to be asked for every time.
    pub(super) fn confirmed(&self, mima: &Mima) -> Result<Option<&GroupName>> {
        let confirm = &mima.user_file()?.confirm;
        Ok(self.groups().find(|group| confirm.contains(group)))
    }

    /// Fails if a group names a secret that the store does not have, before anybody is
    /// asked for a passphrase.
    pub fn check_exist(&self, store: &dyn Store) -> Result<()> {
        let names = store.names()?;
        for link in &self.links {
            let name = store.name_for(&link.var, &link.secret);
            if names.contains(&name) {
                continue;
            }
            if name != link.secret {
                return Err(Failure::new(
                    Kind::NotFound,
                    format!("group {} sets {}, and the store has no {name}", link.group, link.var),
                )
                .hint(store.how_to_add(&name)));
            }
            let failure = Failure::new(
                Kind::NotFound,
                format!(
                    "group {} sets {} from {}, and there is no such secret",
                    link.group, link.var, link.secret
                ),
            );
            let failure = match nearest(link.secret.as_str(), names.iter().map(SecretName::as_str))
            {
                Some(near) => failure.hint(format!(
                    "did you mean `{near}`? mima group link {} {} {near}",
                    link.group, link.var
                )),
                None => failure,
            };
            return Err(failure.hint(store.how_to_add(&link.secret)));
        }
        Ok(())
    }

    /// Says who gets what: `mima run dev: DATABASE_URL, STRIPE_KEY for npm test`. What may be
    /// anything comes last, so that it can imitate nothing.
    pub(super) fn describe(&self, purpose: &Purpose) -> String {
        const SHOWN: usize = 6;
        let names: Vec<_> = self.variables().map(VarName::as_str).collect();
        let (verb, who) = (purpose.verb, purpose.who);
        let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
        match names.len().saturating_sub(SHOWN) {
            0 => format!("mima {verb} {}: {shown} for {who}", self.list()),
            more => format!("mima {verb} {}: {shown} and {more} more for {who}", self.list()),
        }
    }
}
