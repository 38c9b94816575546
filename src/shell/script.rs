//! What `mima export` prints: statements that each call a function of the prelude.
//!
//! One statement per line and variable, each on its own: one that a shell refuses never drops
//! the others. (threat B4)

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::Shell;
use crate::names::{GroupName, VarName};
use crate::secret::Secret;

/// What makes a loaded project stale, for a shell to test without a process.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// Where the stamps are: without them nothing can be told.
    pub stamps: PathBuf,
    /// One test per file.
    pub tests: Vec<Test>,
    /// Whether to ask again at the next prompt, whatever the tests say.
    pub always: bool,
}

/// What one file must be for nothing to be stale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// It is there, with the modification time of the stamp; and where it is a link, it still
    /// leads to what the other link leads to.
    Present {
        /// The file.
        path: PathBuf,
        /// The file with its time.
        stamp: PathBuf,
        /// A link to where it leads.
        link: Option<PathBuf>,
    },
    /// There is no such file.
    Absent(PathBuf),
}

/// Statements for a shell. What they hold is wiped when they are dropped.
pub struct Script {
    shell: Shell,
    lines: Vec<Zeroizing<Vec<u8>>>,
}

impl Script {
    /// Begins with the functions of the prelude.
    pub fn new(shell: Shell) -> Self {
        let mut script = Self { shell, lines: Vec::new() };
        script.line(&[&shell.prelude()]);
        script.line(&[b"__mima_begin"]);
        script
    }

    /// Remembers what a variable is.
    pub fn save(&mut self, name: &VarName, exported: bool) {
        let exported: &[&[u8]] = if exported { &[b"x"] } else { &[] };
        self.call("__mima_save", name.as_str(), exported);
    }

    /// Sets and exports a variable.
    pub fn put(&mut self, name: &VarName, value: &Secret) {
        let value = self.shell.quote(value.expose());
        self.call("__mima_put", name.as_str(), &[&value]);
    }

    /// Unsets a variable.
    pub fn cut(&mut self, name: &VarName) {
        self.call("__mima_cut", name.as_str(), &[]);
    }

    /// Makes a variable what was remembered; unless mima had unset it, and there is one again.
    pub fn back(&mut self, name: &VarName, was_cut: bool) {
        let was_cut: &[&[u8]] = if was_cut { &[b"cut"] } else { &[] };
        self.call("__mima_back", name.as_str(), was_cut);
    }

    /// Forgets what was remembered of a variable.
    pub fn forget(&mut self, name: &VarName) {
        self.call("__mima_forget", name.as_str(), &[]);
    }

    /// Exports one of mima's own variables, or unsets it.
    pub fn own(&mut self, name: &str, value: Option<&[u8]>) {
        match value {
            Some(value) => {
                let value = self.shell.quote(value);
                self.line(&[b"__mima_own ", name.as_bytes(), b" ", &value]);
            }
            None => self.line(&[b"__mima_disown ", name.as_bytes()]),
        }
    }

    /// Takes away the wrapper functions there are, and defines these.
    pub fn wrap(&mut self, groups: &[GroupName], binary: &Path) {
        let binary = self.word(binary);
        self.line(&[b"__mima_unwrap"]);
        for group in groups {
            self.call("__mima_wrap", group.as_str(), &[&binary]);
        }
    }

    /// Defines what tells that it is all stale.
    pub fn stale(&mut self, watch: &Watch) {
        let body = if watch.always { b"true".to_vec() } else { self.tests(watch) };
        match self.shell {
            Shell::Bash | Shell::Zsh => self.line(&[b"function __mima_stale { ", &body, b"; }"]),
            Shell::Fish => self.line(&[b"function __mima_stale; ", &body, b"; end"]),
        }
    }

    /// Sets the token that the hook hands back at its next call.
    pub fn have(&mut self, token: &str) {
        let token = self.shell.quote(token.as_bytes());
        match self.shell {
            Shell::Bash | Shell::Zsh => self.line(&[b"__mima_have=", &token]),
            Shell::Fish => self.line(&[b"set -g __mima_have ", &token]),
        }
    }

    /// Ends it, and returns all of it.
    pub fn finish(mut self) -> Zeroizing<Vec<u8>> {
        self.line(&[b"__mima_done"]);
        let mut text = Zeroizing::new(Vec::with_capacity(self.lines.iter().map(|l| l.len()).sum()));
        for line in &self.lines {
            text.extend_from_slice(line);
        }
        text
    }

    /// Calls a function of the prelude. The name is quoted: zsh knows aliases for any word.
    fn call(&mut self, function: &str, name: &str, rest: &[&[u8]]) {
        let name = self.shell.quote(name.as_bytes());
        let mut parts: Vec<&[u8]> = vec![function.as_bytes(), b" ", &name];
        for part in rest {
            parts.extend([b" ", *part]);
        }
        self.line(&parts);
    }

    /// Adds a line, in a buffer that need not grow: it may hold a secret.
    fn line(&mut self, parts: &[&[u8]]) {
        let size = parts.iter().map(|part| part.len()).sum::<usize>() + 1;
        let mut line = Zeroizing::new(Vec::with_capacity(size));
        for part in parts {
            line.extend_from_slice(part);
        }
        line.push(b'\n');
        self.lines.push(line);
    }

    fn word(&self, path: &Path) -> Zeroizing<Vec<u8>> {
        self.shell.quote(path.as_os_str().as_encoded_bytes())
    }

    /// Renders one condition out of many. In zsh a comparison with a file that is missing is
    /// false, so that is asked for itself.
    fn tests(&self, watch: &Watch) -> Vec<u8> {
        let word = |path: &Path| self.word(path).to_vec();
        let mut tests = vec![vec![b"! -d ".to_vec(), word(&watch.stamps)]];
        for test in &watch.tests {
            match test {
                Test::Absent(path) => tests.push(vec![b"-e ".to_vec(), word(path)]),
                Test::Present { path, stamp, link } => {
                    let (path, stamp) = (word(path), word(stamp));
                    tests.push(vec![b"! -e ".to_vec(), path.clone()]);
                    for operator in [b" -nt ", b" -ot "] {
                        tests.push(vec![path.clone(), operator.to_vec(), stamp.clone()]);
                    }
                    if let Some(link) = link {
                        tests.push(vec![b"! ".to_vec(), path, b" -ef ".to_vec(), word(link)]);
                    }
                }
            }
        }
        let tests: Vec<_> = tests.iter().map(|words| words.concat()).collect();
        match self.shell {
            Shell::Bash | Shell::Zsh => {
                [b"[[ ", tests.join(&b" || "[..]).as_slice(), b" ]]"].concat()
            }
            Shell::Fish => {
                let tests = tests.iter().map(|test| [b"builtin test ", test.as_slice()].concat());
                tests.collect::<Vec<_>>().join(&b"; or "[..])
            }
        }
    }
}
