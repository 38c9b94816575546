//! A shell with the hook on a terminal: bash, zsh or fish, as a person uses it.
//!
//! Each prompt is `<LEVEL.NUMBER> `, which the shell counts without a process. So the next
//! prompt can be told from an old one that the line editor paints again, and a nested shell
//! from the one around it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::command::Cmd;
use super::pty::Pty;
use super::require;
use super::world::World;

/// The shells that have a hook.
pub(crate) const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// Lets `test` run in each shell that is there.
pub(crate) fn each(test: impl Fn(&'static str)) {
    for shell in SHELLS {
        if require(shell).is_some() {
            eprintln!("--- in {shell}");
            test(shell);
        }
    }
}

/// Picks what is said in one of the shells, in the order of [`SHELLS`].
pub(crate) fn said_in<'a>(shell: &str, words: [&'a str; 3]) -> &'a str {
    words[SHELLS.iter().position(|name| *name == shell).unwrap()]
}

/// How a shell is to be started: in the home directory, with the hook, unless told otherwise.
#[must_use]
pub(crate) struct Start<'a> {
    world: &'a World,
    shell: &'static str,
    before: String,
    after: String,
    hook: String,
    cwd: PathBuf,
    env: Vec<(OsString, OsString)>,
    wrapper: Vec<OsString>,
}

impl<'a> Start<'a> {
    /// Makes ready to start a shell.
    pub(crate) fn new(world: &'a World, shell: &'static str) -> Self {
        let hook = match shell {
            "fish" => "mima hook fish | source".to_owned(),
            _ => format!("eval \"$(mima hook {shell})\""),
        };
        let (before, after) = (String::new(), String::new());
        let (env, wrapper) = (Vec::new(), Vec::new());
        Self { world, shell, before, after, hook, cwd: world.home(), env, wrapper }
    }

    /// Puts lines before the hook into the startup file.
    pub(crate) fn before(mut self, lines: &str) -> Self {
        self.before.push_str(lines);
        self.before.push('\n');
        self
    }

    /// Puts lines after the hook into the startup file.
    pub(crate) fn after(mut self, lines: &str) -> Self {
        self.after.push_str(lines);
        self.after.push('\n');
        self
    }

    /// Leaves the hook out.
    pub(crate) fn without_hook(mut self) -> Self {
        self.hook.clear();
        self
    }

    /// Lets the hook run another program for mima, and loads it from a file.
    pub(crate) fn with_binary(mut self, program: &Path) -> Self {
        let hook = self.world.mima(&["hook", self.shell]).run().ok().out();
        let (ours, theirs) = (self.world.bin().join("mima"), program.to_str().unwrap());
        let ours = ours.to_str().unwrap();
        assert!(hook.contains(ours), "{ours} is not in the hook:\n{hook}");
        let changed = hook.replacen(ours, theirs, 1);
        let file = self.world.root().join(format!("hook.{}", self.shell));
        std::fs::write(&file, changed).unwrap();
        self.hook = format!("source {}", file.display());
        self
    }

    /// Starts in another directory.
    pub(crate) fn cwd(mut self, dir: impl AsRef<Path>) -> Self {
        dir.as_ref().clone_into(&mut self.cwd);
        self
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Starts the shell under another program.
    pub(crate) fn under(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(OsString::from).collect();
        self
    }

    /// Returns the command line that starts such a shell, as it is typed into another one.
    pub(crate) fn words(&self) -> Vec<String> {
        let file = self.write_startup_file();
        let file = file.to_str().unwrap().to_owned();
        let words: &[&str] = match self.shell {
            "bash" => &["bash", "--noprofile", "--rcfile", &file, "-i"],
            // The directory of the file is in ZDOTDIR.
            "zsh" => &["zsh", "-d", "-i"],
            _ => &["fish", "--no-config", "--init-command", &format!("'source {file}'"), "-i"],
        };
        words.iter().map(|&word| word.to_owned()).collect()
    }

    /// Starts it, and waits for the first prompt.
    #[track_caller]
    pub(crate) fn start(self) -> Hooked {
        let pty = Pty::spawn(&mut self.command());
        self.greet(pty)
    }

    /// The same on the terminal of a shell that has ended.
    #[track_caller]
    pub(crate) fn start_again_on(self, old: Hooked) -> Hooked {
        let mut pty = old.pty;
        pty.restart(&mut self.command());
        self.greet(pty)
    }

    fn greet(&self, pty: Pty) -> Hooked {
        let mut hooked =
            Hooked { shell: self.shell, pty, prompts: vec![0], greeting: String::new() };
        hooked.greeting = hooked.next_prompt();
        hooked
    }

    fn command(&self) -> std::process::Command {
        let words = self.words();
        let (program, args) = words.split_first().unwrap();
        let mut command: Cmd = self.world.command(program).cwd(&self.cwd).env("PWD", &self.cwd);
        for arg in args {
            command = command.arg(arg.trim_matches('\''));
        }
        command = command.env("ZDOTDIR", self.world.root().join("zdotdir"));
        for (name, value) in &self.env {
            command = command.env(name, value);
        }
        if !self.wrapper.is_empty() {
            command = command.under(&self.wrapper);
        }
        command.std()
    }

    fn write_startup_file(&self) -> PathBuf {
        let prompt = match self.shell {
            "bash" => BASH_PROMPT,
            "zsh" => ZSH_PROMPT,
            _ => FISH_PROMPT,
        };
        let text = format!("{prompt}{}{}\n{}", self.before, self.hook, self.after);
        let zdotdir = self.world.root().join("zdotdir");
        std::fs::create_dir_all(&zdotdir).unwrap();
        let path = match self.shell {
            "zsh" => zdotdir.join(".zshrc"),
            shell => self.world.root().join(format!("startup.{shell}")),
        };
        std::fs::write(&path, text).unwrap();
        path
    }
}

const BASH_PROMPT: &str = r"
export prompt_level=$((${prompt_level-0} + 1))
prompt_number=0
PS1='<$prompt_level.$((++prompt_number))> '
";

const ZSH_PROMPT: &str = r"
export prompt_level=$((${prompt_level-0} + 1))
prompt_number=0
setopt prompt_subst no_prompt_sp no_prompt_cr
PS1='<$prompt_level.$((++prompt_number))> '
";

const FISH_PROMPT: &str = r#"
set -gx prompt_level (builtin math "0$prompt_level" + 1)
set -g prompt_number 0
function count_prompts --on-event fish_prompt
    set -g prompt_number (builtin math $prompt_number + 1)
end
function fish_prompt
    builtin echo -n "<$prompt_level.$prompt_number> "
end
function fish_title
end
set -g fish_greeting
"#;

/// A running shell.
pub(crate) struct Hooked {
    shell: &'static str,
    /// The terminal, for what is no plain line.
    pub(crate) pty: Pty,
    /// The number of the last prompt, for each shell within the other.
    prompts: Vec<usize>,
    /// What was printed before the first prompt.
    pub(crate) greeting: String,
}

impl Hooked {
    /// Starts a shell with the hook in the home directory.
    #[track_caller]
    pub(crate) fn new(world: &World, shell: &'static str) -> Self {
        Start::new(world, shell).start()
    }

    /// Which shell it is.
    pub(crate) fn shell(&self) -> &'static str {
        self.shell
    }

    /// Types a line, waits for the next prompt, and returns what was printed in between.
    #[track_caller]
    pub(crate) fn run(&mut self, line: &str) -> String {
        self.pty.send_line(line);
        self.next_prompt()
    }

    /// Types what starts a shell in this one, and waits for its first prompt.
    #[track_caller]
    pub(crate) fn nest(&mut self, line: &str) -> String {
        self.prompts.push(0);
        self.run(line)
    }

    /// Leaves a nested shell.
    #[track_caller]
    pub(crate) fn leave(&mut self) -> String {
        self.prompts.pop();
        self.run("exit")
    }

    /// Waits for the next prompt, and returns what was printed before it.
    #[track_caller]
    pub(crate) fn next_prompt(&mut self) -> String {
        let level = self.prompts.len();
        let number = self.prompts.last_mut().unwrap();
        *number += 1;
        let prompt = format!("<{level}.{number}> ");
        let printed = self.pty.expect_after(&prompt);
        if *number == 1 && level == 1 { plain(&format!("\n{printed}")) } else { plain(&printed) }
    }

    /// Returns an exported variable, as a program sees it.
    #[track_caller]
    pub(crate) fn exported(&mut self, name: &str) -> Option<String> {
        let said = self.run(&format!("printenv {name} || echo '(none)'"));
        let value = said.trim_end().to_owned();
        (value != "(none)").then_some(value)
    }
}

/// Returns what stands after the line that was typed, without what steers the terminal.
fn plain(text: &str) -> String {
    let after_line = text.split_once('\n').map_or("", |(_, after)| after);
    // fish prints this before what comes before the prompt, in case the last line has no end.
    let mut text = after_line.to_owned();
    while let Some(start) = text.find("\u{1b}[2m⏎") {
        let end = text[start..].find("\r\u{1b}[K").map_or(text.len(), |at| start + at);
        text.replace_range(start..end, "");
    }
    let mut rest = text.as_str();
    let mut plain = String::new();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = match after.chars().next() {
            Some('[') => after.split_once(|c: char| c.is_ascii_alphabetic()).map_or("", |(_, r)| r),
            Some(']') => after.split_once(['\u{7}', '\\']).map_or("", |(_, r)| r),
            Some('(') => after.get(2..).unwrap_or_default(),
            _ => after.get(1..).unwrap_or_default(),
        };
    }
    plain.push_str(rest);
    plain.replace('\r', "")
}

/// Makes a file look as if it had been changed ten seconds ago: one that is younger than a
/// moment may change again unseen, and is asked about at each prompt.
pub(crate) fn age(path: &Path) {
    let file = std::fs::File::open(path).unwrap();
    let time = file.metadata().unwrap().modified().unwrap() - Duration::from_secs(10);
    file.set_modified(time).unwrap();
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn what_a_line_prints_is_told_from_its_echo() {
        let bash = "true\r\n\u{1b}[?2004l\rone\r\n\u{1b}[2mtwo\u{1b}[0m\r\n\u{1b}[?2004h";
        assert_eq!(plain(bash), "one\ntwo\n");
        let zsh = "\u{1b}[K\u{1b}[?2004ht\u{8}true\u{1b}[?2004l\r\r\nhello\u{1b}[0m\u{1b}[J";
        assert_eq!(plain(zsh), "hello");
        let fish = "true\r\u{1b}[18C\r\n\u{1b}[30m\u{1b}(B\u{1b}[mhello\u{1b}[2m⏎\u{1b}(B\u{1b}[m  \r⏎ \r\u{1b}[Ksaid";
        assert_eq!(plain(fish), "hellosaid");
    }
}
