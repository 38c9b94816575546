//! What the hook's own function tells of the shell that it runs in.

use std::ffi::OsStr;

use crate::env::Vars;

/// The variable that it tells it by: the shell, a word for each thing that is so, and what the
/// shell calls at a prompt. It is there for `mima doctor` and `mima explain` alone.
const TOLD: &str = "__MIMA_HOOK";

/// What was told.
pub struct Told {
    /// The shell.
    pub shell: &'static str,
    flags: String,
    /// What the shell calls at a prompt.
    pub calls: String,
}

impl Told {
    /// Takes it from an environment; `None` if no shell with the hook started this process.
    pub fn of(vars: &Vars) -> Option<Self> {
        let told = vars.get(OsStr::new(TOLD))?.to_string_lossy();
        let (shell, rest) = told.split_once(';')?;
        let (flags, calls) = rest.split_once(';').unwrap_or((rest, ""));
        let shell = ["zsh", "fish"].into_iter().find(|known| *known == shell).unwrap_or("bash");
        Some(Self { shell, flags: flags.to_owned(), calls: calls.to_owned() })
    }

    /// Whether the hook is switched off.
    pub fn is_off(&self) -> bool {
        self.has("off")
    }

    /// Whether the hook has run at a prompt.
    pub fn has_run(&self) -> bool {
        self.has("ran")
    }

    /// Whether what is loaded was loaded by another shell, from which this one has inherited it:
    /// only that one knows what was there before.
    pub fn is_heir(&self) -> bool {
        self.has("heir")
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.split(' ').any(|word| word == flag)
    }
}
