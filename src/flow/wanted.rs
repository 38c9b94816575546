//! Which secrets are wanted, and getting them: all or nothing.

use sha2::{Digest, Sha256};

use super::Mima;
use crate::config::groups::{Groups, Link, parse_list};
use crate::error::{Failure, Kind, Result};
use crate::names::{GroupName, SecretName, VarName, nearest};
use crate::prompt::Reason;
use crate::secret::Secret;
use crate::store::Store;

/// The groups that a command line names, resolved.
pub struct Wanted {
    groups: Vec<GroupName>,
    links: Vec<Link>,
}

impl Wanted {
    /// Resolves `dev,stage`. Asks nothing, unlocks nothing.
    pub fn resolve(mima: &Mima, list: &str) -> Result<Self> {
        let groups = parse_list(list)?;
        let links = mima.groups()?.resolve(&groups)?;
        Ok(Self { groups, links })
    }

    /// Takes groups whose variables are known already.
    pub fn of(groups: Vec<GroupName>, known: &Groups) -> Result<Self> {
        let links = known.resolve(&groups)?;
        Ok(Self { groups, links })
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
    pub fn groups(&self) -> String {
        let names: Vec<_> = self.groups.iter().map(GroupName::as_str).collect();
        names.join(",")
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

    /// Reads all values for `who`, after one proof of presence. `verb` is the one that asks.
    pub fn read(&self, store: &dyn Store, verb: &str, who: &str) -> Result<Vec<(VarName, Secret)>> {
        if self.links.is_empty() {
            return Ok(Vec::new());
        }
        let unlocked = store.unlock(&Reason::new(self.describe(verb, who)))?;
        let get = |link: &Link| unlocked.get(&store.name_for(&link.var, &link.secret));
        self.links.iter().map(|link| Ok((link.var.clone(), get(link)?))).collect()
    }

    /// Says who gets what: `mima run dev: DATABASE_URL, STRIPE_KEY for npm test`. What may be
    /// anything comes last, so that it can imitate nothing.
    fn describe(&self, verb: &str, who: &str) -> String {
        const SHOWN: usize = 6;
        let names: Vec<_> = self.variables().map(VarName::as_str).collect();
        let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
        match names.len().saturating_sub(SHOWN) {
            0 => format!("mima {verb} {}: {shown} for {who}", self.groups()),
            more => format!("mima {verb} {}: {shown} and {more} more for {who}", self.groups()),
        }
    }
}
