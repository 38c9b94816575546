//! Sessions written down: what one types, and what is to come of it, in each shell.
//!
//! ```text
//! # what the scenario shows
//! # shells: bash zsh            (without it: bash zsh fish)
//! # vault: fixture              (without it: an empty home)
//! # askpass: some passphrase
//! # hook: yes                   (the hook is loaded, and called as before each prompt)
//! # hook: mima direnv           (and then all again with that of direnv; what both write on
//! #                              standard error does not count)
//! # differs: how, and why       (where a command has another outcome with direnv)
//! # skip: gh12 why              (fails once it passes)
//! -- p/.mima.yaml --
//! env: { HELLO: world }
//! -- session --
//! $ cd p
//! ! mima: p/.mima.yaml is not allowed yet[..]
//! $[fish] set -q HELLO
//! = 1
//! ```
//!
//! `$[direnv zsh]` is for that tool in that shell alone. `$ ` is a command; all of a scenario are typed into one shell that stands in `$HOME`. After
//! it come the lines of standard output, those of standard error after `! `, and the status
//! after `= ` if it is not 0. `[..]` stands for anything within a line, a line `...` for any
//! lines, `[HOME]` and `[ROOT]` for the directories. Empty lines before the next command do not
//! count. `MIMA_BLESS=1` writes what came instead of what was to come.

use std::fmt::Write;
use std::path::Path;

use super::world::{World, write_executable};

/// The shells that scenarios run in.
pub(crate) const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// What can have a hook: mima, and what it is compared with.
pub(crate) const TOOLS: [&str; 2] = ["mima", "direnv"];

/// How a session is played: with whose hook, and how often that is loaded. A startup file that is
/// read twice must not make a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hook {
    /// Whose it is.
    pub(crate) tool: &'static str,
    /// How often it is loaded.
    pub(crate) times: usize,
}

/// A scenario file, taken apart; [`Scenario::to_text`] puts it together again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scenario {
    head: Vec<String>,
    files: Vec<(String, String)>,
    /// What is typed, and what is to come of it.
    pub(crate) steps: Vec<Step>,
}

/// One command and what is to come of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Step {
    /// The only shells and tools it is for; none if it is for all.
    only: Vec<String>,
    /// The command.
    pub(crate) command: String,
    /// What comes of it, or is to.
    pub(crate) want: Outcome,
    /// Empty lines after it.
    gap: usize,
}

/// What came of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Lines of standard output.
    pub(crate) stdout: Vec<String>,
    /// Lines of standard error.
    pub(crate) stderr: Vec<String>,
    /// The exit status.
    pub(crate) status: i32,
}

impl Scenario {
    /// Takes a scenario file apart. The error says which line is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut scenario = Self::default();
        let mut in_session = false;
        for (number, line) in (1..).zip(text.lines()) {
            let section = line.strip_prefix("-- ").and_then(|rest| rest.strip_suffix(" --"));
            if in_session {
                scenario.session_line(line).map_err(|error| format!("line {number}: {error}"))?;
            } else if let Some(name) = section {
                in_session = name == "session";
                if !in_session {
                    scenario.files.push((name.to_owned(), String::new()));
                }
            } else if let Some((_, content)) = scenario.files.last_mut() {
                content.push_str(line);
                content.push('\n');
            } else if line.starts_with('#') || line.is_empty() {
                scenario.head.push(line.to_owned());
            } else {
                return Err(format!("line {number}: neither `# ` nor `-- file --`"));
            }
        }
        if scenario.steps.is_empty() {
            return Err("no command in `-- session --`".to_owned());
        }
        Ok(scenario)
    }

    fn session_line(&mut self, line: &str) -> Result<(), String> {
        if let Some((only, command)) = command(line) {
            let only: Vec<_> = only.split_whitespace().map(str::to_owned).collect();
            let is_known = |name: &str| SHELLS.contains(&name) || TOOLS.contains(&name);
            if let Some(unknown) = only.iter().find(|name| !is_known(name)) {
                return Err(format!("no such shell: {unknown}"));
            }
            self.steps.push(Step { only, command: command.to_owned(), ..Step::default() });
            return Ok(());
        }
        let step = self.steps.last_mut().ok_or("a session begins with `$ `")?;
        if line.is_empty() {
            step.gap += 1;
            return Ok(());
        }
        if let Some(text) = line.strip_prefix("! ").or((line == "!").then_some("")) {
            step.want.stderr.push(text.to_owned());
        } else if let Some(status) = line.strip_prefix("= ") {
            step.want.status = status.parse().map_err(|_| "no status after `= `")?;
        } else {
            // The empty lines before it were output, as it turns out.
            step.want.stdout.extend(std::iter::repeat_n(String::new(), step.gap));
            step.gap = 0;
            step.want.stdout.push(line.to_owned());
        }
        Ok(())
    }

    /// Puts the file together again.
    pub(crate) fn to_text(&self) -> String {
        let mut text = unlines(&self.head);
        for (name, content) in &self.files {
            write!(text, "-- {name} --\n{content}").unwrap();
        }
        text.push_str("-- session --\n");
        for step in &self.steps {
            match step.only.as_slice() {
                [] => writeln!(text, "$ {}", step.command).unwrap(),
                only => writeln!(text, "$[{}] {}", only.join(" "), step.command).unwrap(),
            }
            text.push_str(&step.want.to_text());
            text.push_str(&"\n".repeat(step.gap));
        }
        text
    }

    /// Returns what follows `# key: ` in the head.
    pub(crate) fn header<'a>(&'a self, key: &str) -> Option<&'a str> {
        let value =
            |line: &'a String| line.strip_prefix("# ")?.strip_prefix(key)?.strip_prefix(':');
        self.head.iter().find_map(value).map(str::trim)
    }

    /// Returns the shells it is for.
    pub(crate) fn shells(&self) -> Vec<&str> {
        self.header("shells").map_or(SHELLS.to_vec(), |names| names.split_whitespace().collect())
    }

    /// Returns with which hooks it is to be played, one after the other.
    pub(crate) fn hooks(&self) -> Vec<Hook> {
        match self.header("hook") {
            Some("yes") => [1, 2].map(|times| Hook { tool: "mima", times }).to_vec(),
            Some("mima direnv") => TOOLS.map(|tool| Hook { tool, times: 1 }).to_vec(),
            None => vec![Hook { tool: "mima", times: 0 }],
            Some(other) => panic!("no such hook: {other}"),
        }
    }

    /// Tells whether it is played with direnv too.
    pub(crate) fn is_beside(&self) -> bool {
        self.header("hook") == Some("mima direnv")
    }

    /// Tells whether a command stands there twice, once for each tool: with two outcomes.
    pub(crate) fn differs(&self) -> bool {
        self.steps.windows(2).any(|pair| {
            let [one, other] = pair else { return false };
            one.command == other.command && one.only != other.only
        })
    }

    /// Returns the positions of the steps that a shell with a tool's hook takes.
    pub(crate) fn steps_for(&self, shell: &str, tool: &str) -> Vec<usize> {
        let is_for = |step: &Step, all: &[&str], this: &str| {
            let mut only = step.only.iter().filter(|name| all.contains(&name.as_str())).peekable();
            only.peek().is_none() || only.any(|name| name == this)
        };
        let takes = |step: &Step| is_for(step, &SHELLS, shell) && is_for(step, &TOOLS, tool);
        (0..self.steps.len()).filter(|&at| takes(&self.steps[at])).collect()
    }

    /// Makes the world that the session runs in.
    pub(crate) fn world(&self) -> World {
        let mut world = match self.header("vault") {
            Some("fixture") => World::with_vault(),
            None => World::new(),
            Some(other) => panic!("no such vault: {other}"),
        };
        if let Some(passphrase) = self.header("askpass") {
            world.askpass(passphrase);
        }
        for (name, content) in &self.files {
            let path = world.write(name, content);
            if content.starts_with("#!") {
                write_executable(&path, content);
            }
        }
        world
    }
}

impl Outcome {
    fn to_text(&self) -> String {
        let mut text = unlines(&self.stdout);
        for line in &self.stderr {
            writeln!(text, "{}", format!("! {line}").trim_end()).unwrap();
        }
        if self.status != 0 {
            writeln!(text, "= {}", self.status).unwrap();
        }
        text
    }

    /// Tells whether `got` is what this, with its wildcards, says.
    pub(crate) fn matches(&self, got: &Self) -> bool {
        lines_match(&self.stdout, &got.stdout)
            && lines_match(&self.stderr, &got.stderr)
            && self.status == got.status
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_text())
    }
}

fn unlines(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

/// Splits `$ command` and `$[shell shell] command`.
fn command(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix('$')?;
    match rest.strip_prefix('[') {
        Some(rest) => rest.split_once("] "),
        None => rest.strip_prefix(' ').map(|command| ("", command)),
    }
}

/// Turns output into lines to compare: without the world's own paths, nor empty lines at the
/// end.
pub(crate) fn lines(output: &str, root: &Path) -> Vec<String> {
    let real = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let mut text = output.to_owned();
    for (from, to) in [(root.join("home"), "[HOME]"), (real.join("home"), "[HOME]")] {
        text = text.replace(from.to_str().unwrap(), to);
    }
    for from in [root, &real] {
        text = text.replace(from.to_str().unwrap(), "[ROOT]");
    }
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// Compares lines, where a wanted line `...` stands for any lines.
fn lines_match(want: &[String], got: &[String]) -> bool {
    match want.split_first() {
        None => got.is_empty(),
        Some((line, rest)) if line == "..." => {
            (0..=got.len()).any(|skipped| lines_match(rest, &got[skipped..]))
        }
        Some((line, rest)) => got
            .split_first()
            .is_some_and(|(first, others)| line_matches(line, first) && lines_match(rest, others)),
    }
}

/// Compares a line, where `[..]` in the wanted one stands for anything.
fn line_matches(want: &str, got: &str) -> bool {
    let Some((before, rest)) = want.split_once("[..]") else { return want == got };
    let Some(got) = got.strip_prefix(before) else { return false };
    got.char_indices()
        .map(|(at, _)| at)
        .chain([got.len()])
        .any(|skipped| line_matches(rest, &got[skipped..]))
}

#[cfg(test)]
#[path = "scenario_tests.rs"]
mod tests;
