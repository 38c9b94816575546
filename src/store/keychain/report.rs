//! How the index and the keychain disagree, and what is said about that.

use crate::names::SecretName;

/// How the index and the keychain disagree; after `reconcile`, how they did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// The index knows them, and the keychain does not have them.
    pub gone: Vec<SecretName>,
    /// The keychain has them, and the index does not know.
    pub found: Vec<SecretName>,
    /// How many items are left over, from values that have been replaced for example.
    pub swept: usize,
    /// Protected ones that this build cannot see, so nobody knows.
    pub unseen: Vec<SecretName>,
}

impl Reconciled {
    /// Says what has been done about it, in one line for each kind.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.gone.is_empty() {
            lines.push(format!("forgot what the keychain no longer has: {}", listed(&self.gone)));
        }
        if !self.found.is_empty() {
            lines.push(format!("took in what the keychain has: {}", listed(&self.found)));
        }
        if self.swept > 0 {
            lines
                .push(format!("deleted items that were left over in the keychain: {}", self.swept));
        }
        lines
    }
}

/// Names, as a message has them.
pub(crate) fn listed(names: &[SecretName]) -> String {
    names.iter().map(SecretName::as_str).collect::<Vec<_>>().join(", ")
}
