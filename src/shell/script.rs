//! What `mima export` prints: statements that each call a function of the prelude.
//!
//! One line per variable: one that a shell refuses never drops the others. (threat B4)

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
    /// What becomes of variables: before all else.
    vars: Vec<Zeroizing<Vec<u8>>>,
    lines: Vec<Zeroizing<Vec<u8>>>,
}

impl Script {
    /// Begins with nothing but the prelude, which [`Script::finish`] adds.
    pub fn new(shell: Shell) -> Self {
        Self { shell, vars: Vec::new(), lines: Vec::new() }
    }

    /// Sets and exports a variable, or unsets it; before that, the shell may have to remember
    /// what it is: whether it is exported is said then.
    pub fn set(&mut self, name: &VarName, to: Option<&Secret>, save: Option<bool>) {
        let save: &[u8] = save.map_or(b"", |exported| if exported { b"was" } else { b"var" });
        let (does, value) = to.map_or(("cut", &b""[..]), |value| ("put", value.expose()));
        self.var(does, name.as_str(), value, save);
    }

    /// Makes a variable what was remembered; unless mima had unset it, and there is one again.
    /// Where many follow each other, bash and fish get them with one call.
    pub fn back(&mut self, name: &VarName, was_cut: bool) {
        let more = self.shell.quote(name.as_str().as_bytes());
        match self.vars.last_mut().filter(|last| !was_cut && last.starts_with(b"__mima_back ")) {
            Some(last) => last.extend([b" ", more.as_slice()].concat()),
            None => self.var(if was_cut { "uncut" } else { "back" }, name.as_str(), b"", b""),
        }
    }

    /// Forgets what was remembered of a variable.
    pub fn forget(&mut self, name: &VarName) {
        self.var("forget", name.as_str(), b"", b"");
    }

    /// Exports one of mima's own variables, or unsets it.
    pub fn own(&mut self, name: &str, value: Option<&[u8]>) {
        self.var(value.map_or("drop", |_| "put"), name, value.unwrap_or_default(), b"");
    }

    /// Takes away the wrapper functions there are, and defines these.
    pub fn wrap(&mut self, groups: &[GroupName], binary: &Path) {
        let binary = self.word(binary);
        self.line(&[b"__mima_unwrap"]);
        for group in groups {
            let group = self.shell.quote(group.as_str().as_bytes());
            self.line(&[b"__mima_wrap ", &group, b" ", &binary]);
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

    /// Ends it, and returns all of it. What takes long in a shell is calls and redirections:
    /// in zsh all variables share a call, and in bash and fish a redirection.
    pub fn finish(mut self) -> Zeroizing<Vec<u8>> {
        self.line(&[b"__mima_done"]);
        let (begin, between, end): (&[u8], &[u8], &[u8]) = match self.shell {
            Shell::Bash => (b"{", b"\n", b"} 2>/dev/null\n"),
            Shell::Zsh => (b"__mima_change", b" \\\n", b""),
            Shell::Fish => (b"begin", b"\n", b"end 2>/dev/null\n"),
        };
        let prelude = self.shell.prelude();
        let mut parts: Vec<&[u8]> = vec![&prelude, b"__mima_begin\n"];
        if !self.vars.is_empty() {
            parts.push(begin);
            parts.extend(self.vars.iter().flat_map(|line| [between, line.as_slice()]));
            parts.extend([b"\n", end]);
        }
        parts.extend(self.lines.iter().map(|line| line.as_slice()));
        joined(&parts)
    }

    /// Says what becomes of a variable. All is quoted: zsh knows aliases for any word.
    fn var(&mut self, does: &str, name: &str, value: &[u8], save: &[u8]) {
        let [name, value, save] = [name.as_bytes(), value, save].map(|word| self.shell.quote(word));
        let (before, after): (&[u8], &[u8]) = match self.shell {
            Shell::Zsh => (b"'", b"' "),
            Shell::Bash | Shell::Fish => (b"__mima_", b" "),
        };
        let mut parts = vec![before, does.as_bytes(), after, &name];
        if self.shell == Shell::Zsh || ["put", "cut"].contains(&does) {
            parts.extend([b" ", value.as_slice(), b" ", &save]);
        }
        self.vars.push(joined(&parts));
    }

    /// Adds a line.
    fn line(&mut self, parts: &[&[u8]]) {
        self.lines.push(joined(&[parts, &[b"\n"]].concat()));
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

/// Joins parts in a buffer that need not grow: it may hold a secret.
fn joined(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
    for part in parts {
        text.extend_from_slice(part);
    }
    text
}
