//! `vault.pins`: what this machine was told about its vault.
//!
//! A vault's directory may be shared, by git or a synced folder. Whoever can write there
//! could add a recipient and read every secret that is added later, or name another plugin
//! and have it run. So mima keeps what its owner confirmed outside of the vault, and goes by
//! that. (threat E7)

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::{Failure, Kind, Result};
use crate::{fs, term};

/// How large the file may be.
const LARGEST_FILE: u64 = 16 << 10;

/// What makes a changed or foreign vault trusted.
pub(super) const CONFIRM: &str = "mima vault recipients --accept";

/// What was confirmed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pins {
    /// The digest of the recipients.
    pub(super) recipients: String,
    /// The plugin, if one wraps the key.
    pub(super) plugin: Option<PluginPin>,
}

/// The confirmed plugin.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PluginPin {
    /// Where it is.
    pub(super) path: PathBuf,
    /// The digest of the identity that it is given.
    pub(super) identity: String,
}

impl PluginPin {
    /// Pins the plugin at `path` for `identity`.
    pub(super) fn new(path: &Path, identity: &str) -> Self {
        Self { path: path.to_owned(), identity: hex::encode(Sha256::digest(identity)) }
    }
}

impl Pins {
    /// Reads the pins; `None` if nothing was ever confirmed here.
    pub(super) fn read(file: &Path) -> Result<Option<Self>> {
        let Some(bytes) = fs::read_capped(file, LARGEST_FILE)? else { return Ok(None) };
        let pins = std::str::from_utf8(&bytes).ok().and_then(parse);
        pins.map(Some).ok_or_else(|| {
            Failure::new(Kind::Damaged, format!("{} is damaged", term::path(file))).hint(format!(
                "look at the recipients with `mima vault recipients`, then: {CONFIRM}"
            ))
        })
    }

    /// Writes the pins. The caller holds the lock.
    pub(super) fn write(&self, file: &Path) -> Result<()> {
        let mut lines = format!("recipients {}\n", self.recipients).into_bytes();
        if let Some(plugin) = &self.plugin {
            lines.extend_from_slice(b"plugin ");
            lines.extend_from_slice(plugin.path.as_os_str().as_bytes());
            lines.extend_from_slice(format!("\nplugin-identity {}\n", plugin.identity).as_bytes());
        }
        fs::write_atomic(file, &lines)
    }
}

fn parse(text: &str) -> Option<Pins> {
    let (mut recipients, mut path, mut identity) = (None, None, None);
    for line in text.lines() {
        let (key, value) = line.split_once(' ')?;
        let slot = match key {
            "recipients" => &mut recipients,
            "plugin" => &mut path,
            "plugin-identity" => &mut identity,
            _ => return None,
        };
        if slot.replace(value.to_owned()).is_some() {
            return None;
        }
    }
    let plugin = match (path, identity) {
        (None, None) => None,
        (Some(path), Some(identity)) => Some(PluginPin { path: path.into(), identity }),
        _ => return None,
    };
    Some(Pins { recipients: recipients?, plugin })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_read_as_they_were_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("vault.pins");
        assert_eq!(Pins::read(&file).unwrap(), None);
        for plugin in [None, Some(PluginPin::new(Path::new("/a b/age-plugin-x"), "AGE-PLUGIN-X-1"))]
        {
            let pins = Pins { recipients: "ab".to_owned(), plugin };
            pins.write(&file).unwrap();
            assert_eq!(Pins::read(&file).unwrap(), Some(pins));
        }
        for bad in ["", "x\n", "recipients a\nrecipients b\n", "recipients a\nplugin /p\n"] {
            fs::write_atomic(&file, bad.as_bytes()).unwrap();
            assert_eq!(Pins::read(&file).unwrap_err().kind(), Kind::Damaged, "{bad:?}");
        }
    }
}
