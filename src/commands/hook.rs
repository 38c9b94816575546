//! `mima hook`: the file of `shells/`, with the paths it needs.

use crate::cli::{Hook, HookShell};
use crate::error::{Failure, Result};
use crate::flow::{Mima, own_binary};
use crate::shell::Shell;
use crate::term;

pub(super) fn run(mima: &Mima, args: &Hook) -> Result<()> {
    let shell = match args.shell {
        HookShell::Zsh => Shell::Zsh,
        HookShell::Bash => Shell::Bash,
        HookShell::Fish => Shell::Fish,
    };
    term::print(&shell.hook(&own_binary()?, mima.paths().user_file()))
}

/// `mima off`, `on` and `reload` change a shell, which only the hook's function can do.
pub(super) fn missing(verb: &str) -> Result<()> {
    Err(Failure::failed(format!("`mima {verb}` works in a shell that has the hook"))
        .hint("in ~/.zshrc: eval \"$(mima hook zsh)\"")
        .hint("in ~/.bashrc: eval \"$(mima hook bash)\"")
        .hint("in ~/.config/fish/config.fish: mima hook fish | source"))
}
