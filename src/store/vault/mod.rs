//! stub
use crate::config::names::SecretName;
use crate::error::Result;
use crate::paths::Paths;
use crate::prompt::{Prompter, Reason};
use crate::secret::Secret;
use super::{Store, Unlocked};
/// x
pub enum Wrap {
    /// x
    Passphrase,
    /// x
    Plugin {
        /// x
        name: String,
        /// x
        identity: Option<std::path::PathBuf>,
    },
}
/// x
pub struct Vault;
impl Vault {
    /// x
    pub fn new(_: &Paths, _: Prompter) -> Self { Self }
    /// x
    pub fn exists(&self) -> Result<bool> { todo!() }
    /// x
    pub fn init(&self, _: &Wrap, _: &Reason) -> Result<()> { todo!() }
    /// x
    pub fn passwd(&self, _: &Reason) -> Result<()> { todo!() }
    /// x
    pub fn accept_recipients(&self, _: &Reason) -> Result<()> { todo!() }
    /// x
    pub fn recipients(&self) -> Result<Vec<String>> { todo!() }
}
impl Store for Vault {
    fn put(&self, _: &SecretName, _: &Secret) -> Result<()> { todo!() }
    fn names(&self) -> Result<Vec<SecretName>> { todo!() }
    fn remove(&self, _: &SecretName) -> Result<()> { todo!() }
    fn unlock(&self, _: &Reason) -> Result<Box<dyn Unlocked + '_>> { todo!() }
}
