//! What shells read: quoting for each of them, the hook, and what `mima export` prints.

pub mod quote;
mod script;

pub use script::{Script, Test, Watch};

use std::path::Path;

use zeroize::Zeroizing;

/// A shell that has a hook. A new one needs a file of each kind in `shells/`, its quoter,
/// and its row in every match on this type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// bash, from 3.2 on.
    Bash,
    /// zsh, from 5.3 on.
    Zsh,
    /// fish, from 3.6 on.
    Fish,
}

impl Shell {
    /// Quotes bytes as one word.
    pub fn quote(self, bytes: &[u8]) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Bash | Self::Zsh => quote::posix(bytes),
            Self::Fish => quote::fish(bytes),
        }
    }

    /// The hook, for a shell's rc file, with the paths it needs filled in.
    pub fn hook(self, binary: &Path, user_file: &Path) -> Vec<u8> {
        let text = match self {
            Self::Bash => include_str!("../../shells/mima.bash"),
            Self::Zsh => include_str!("../../shells/mima.zsh"),
            Self::Fish => include_str!("../../shells/mima.fish"),
        };
        let word = |path: &Path| self.quote(path.as_os_str().as_encoded_bytes()).to_vec();
        let filled = replace(text.as_bytes(), b"@MIMA@", &word(binary));
        replace(&filled, b"@USER_FILE@", &word(user_file))
    }

    /// The functions that the statements of a [`Script`] call, without the comments: bash can
    /// be told that interactive input has none.
    fn prelude(self) -> Vec<u8> {
        let text = match self {
            Self::Bash => include_str!("../../shells/export.bash"),
            Self::Zsh => include_str!("../../shells/export.zsh"),
            Self::Fish => include_str!("../../shells/export.fish"),
        };
        let is_code = |line: &&str| !line.is_empty() && !line.trim_start().starts_with('#');
        text.split_inclusive('\n').filter(is_code).flat_map(str::bytes).collect()
    }
}

/// Replaces every `mark` in `text`, which need not be UTF-8 any more afterwards.
fn replace(text: &[u8], mark: &[u8], by: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + by.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(mark) {
            out.extend_from_slice(by);
            rest = after;
        } else {
            out.push(*first);
            rest = after;
        }
    }
    out
}
