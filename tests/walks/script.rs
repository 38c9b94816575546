//! The steps of a walk as scripts: one per shell process.

use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use mima::shell::quote;

use super::{Step, Var, Vars};
use crate::common::command::Output;
use crate::common::require;
use crate::common::session::{bare, hook};
use crate::common::world::World;
use crate::walks::model::{GROUPS, NAMES};

/// What differs from shell to shell, or is the model's to say.
const IGNORED: [&str; 6] = ["_", "SHLVL", "PWD", "OLDPWD", "LOGNAME", "USER"];

/// A script that is being written, for one shell.
struct Script<'a> {
    world: &'a World,
    shell: &'static str,
    text: Vec<u8>,
}

impl Script<'_> {
    /// Loads the hook, so many times, and shows the first prompt.
    fn begin(&mut self, hooks: usize) {
        let (load, prompt) = hook(self.shell);
        self.line(&format!("{load}\n").repeat(hooks));
        self.line(prompt);
    }

    fn line(&mut self, line: &str) {
        self.text.extend_from_slice(line.as_bytes());
        self.text.push(b'\n');
    }

    fn is_fish(&self) -> bool {
        self.shell == "fish"
    }

    fn word(&self, bytes: &[u8]) -> String {
        let quoted = if self.is_fish() { quote::fish(bytes) } else { quote::posix(bytes) };
        String::from_utf8(quoted.to_vec()).unwrap()
    }

    fn path(&self, path: impl AsRef<Path>) -> String {
        self.word(&path.as_ref().as_os_str().to_owned().into_vec())
    }

    fn file(&self, path: &str) -> String {
        self.path(self.world.home().join(path))
    }

    fn prompt(&mut self) {
        self.line(hook(self.shell).1);
    }

    /// Writes down the environment, the variables that are not exported, and the wrappers.
    fn dump(&mut self, name: &str) {
        let to = self.path(dump_file(self.world, name));
        self.line(&format!("command env -0 >{to}; printf '@\\0' >>{to}"));
        for name in NAMES {
            self.line(&if self.is_fish() {
                format!("set -q {name}; and printf '{name}=%s\\0' \"${name}\" >>{to}")
            } else {
                format!("[ -z \"${{{name}+x}}\" ] || printf '{name}=%s\\0' \"${name}\" >>{to}")
            });
        }
        for group in GROUPS {
            let asks = match self.shell {
                "bash" => format!("declare -F {group} >/dev/null &&"),
                "zsh" => format!("[[ -n ${{functions[{group}]+x}} ]] &&"),
                _ => format!("functions -q {group}; and"),
            };
            self.line(&format!("{asks} printf '{group}()=\\0' >>{to}"));
        }
        self.line("printf '@@\\n' >&2");
    }

    fn step(&mut self, number: usize, step: &Step) {
        let fish = self.is_fish();
        let line = match step {
            Step::Cd(dir @ "/") => format!("cd {dir}"),
            Step::Cd(dir) => format!("cd {}", self.file(dir)),
            Step::Write(path, file, is_allowed) => {
                let new = self.world.root().join(format!("new.{number}"));
                std::fs::write(&new, file.yaml()).unwrap();
                let (new, path) = (self.path(new), self.file(path));
                let allow = format!("\nmima allow --yes {path} >/dev/null 2>&1");
                format!("cp {new} {path}{}", if *is_allowed { &allow } else { "" })
            }
            Step::Allow(path) => format!("mima allow --yes {} >/dev/null 2>&1", self.file(path)),
            Step::Deny(path) => format!("mima deny {} >/dev/null 2>&1", self.file(path)),
            Step::Touch(path, stamp) => {
                let time = format!("2020010100{:02}.{:02}", stamp / 60 % 60, stamp % 60);
                format!("touch -t {time} {}", self.file(path))
            }
            Step::Remove(path) => {
                format!("mv {} {}", self.file(path), self.file(&format!("{path}.aside")))
            }
            Step::BringBack(path) => {
                format!("mv {} {}", self.file(&format!("{path}.aside")), self.file(path))
            }
            Step::Off => "mima off".to_owned(),
            Step::On => "mima on".to_owned(),
            Step::Reload => "mima reload".to_owned(),
            Step::Set(name, value) if fish => format!("set -gx {name} {}", self.word(value)),
            Step::Set(name, value) => format!("export {name}={}", self.word(value)),
            Step::SetPrivate(name, value) if fish => format!("set -g {name} {}", self.word(value)),
            Step::SetPrivate(name, value) => format!("{name}={}", self.word(value)),
            Step::Unset(name) if fish => format!("set -eg {name}"),
            Step::Unset(name) => format!("unset {name}"),
            Step::Extend(name, dir, true) if fish && name.ends_with("PATH") => {
                format!("set -gx {name} {dir} ${name}")
            }
            Step::Extend(name, dir, false) if fish && name.ends_with("PATH") => {
                format!("set -gx {name} ${name} {dir}")
            }
            Step::Extend(name, dir, true) if fish => {
                format!("set -gx {name} (string join : {dir} ${name})")
            }
            Step::Extend(name, dir, false) if fish => {
                format!("set -gx {name} (string join : ${name} {dir})")
            }
            Step::Extend(name, dir, true) => {
                format!("export {name}=\"{dir}${{{name}:+:${name}}}\"")
            }
            Step::Extend(name, dir, false) => {
                format!("export {name}=\"${{{name}:+${name}:}}{dir}\"")
            }
            Step::Exec(shell) | Step::Child(shell) => {
                let program = self.path(require(shell).unwrap());
                let file = self.path(script_file(self.world, number));
                let exec = if matches!(step, Step::Exec(_)) { "exec " } else { "" };
                let quiet = if exec.is_empty() { " 2>/dev/null" } else { "" };
                format!("{exec}{program} {} {file}{quiet}", bare(shell).join(" "))
            }
        };
        self.line(&line);
    }

    fn save(self, path: &Path) {
        std::fs::write(path, self.text).unwrap();
    }
}

fn script_file(world: &World, number: usize) -> PathBuf {
    world.root().join(format!("script.{number}"))
}

fn dump_file(world: &World, name: &str) -> PathBuf {
    world.root().join(format!("dump.{name}"))
}

/// Writes all scripts of a walk, and returns the first one.
pub(super) fn write(world: &World, steps: &[Step], first: &'static str, seed: u64) -> PathBuf {
    let hooks = |number: usize| 1 + (usize::try_from(seed).unwrap() + number) % 2;
    let first_file = world.root().join("script.first");
    let mut file = first_file.clone();
    let mut script = Script { world, shell: first, text: Vec::new() };
    script.begin(hooks(0));
    script.dump("start");
    for (number, step) in steps.iter().enumerate() {
        if let Step::Child(shell) = step {
            let mut child = Script { world, shell, text: Vec::new() };
            child.begin(hooks(number));
            child.line("cd /");
            child.prompt();
            child.dump(&format!("{number}.child"));
            child.save(&script_file(world, number));
        }
        script.step(number, step);
        if let Step::Exec(shell) = step {
            script.save(&file);
            file = script_file(world, number);
            script = Script { world, shell, text: Vec::new() };
            script.begin(hooks(number));
        } else {
            script.prompt();
        }
        script.dump(&number.to_string());
    }
    script.save(&file);
    first_file
}

/// Runs it, in an environment that is hard to get right.
pub(super) fn run(world: &World, shell: &str, script: &Path) -> Output {
    let command = world.command(require(shell).unwrap()).args(bare(shell)).arg(script);
    let odd = std::ffi::OsString::from_vec(b"\xff\xfe no text".to_vec());
    let command = command.env("A", "it's\n\"A\" $x\n").env("B", odd);
    command.env("XDG_DATA_DIRS", "/usr/share:/usr/local/share").run()
}

/// Reads what a shell wrote down. A state only counts as there.
pub(super) fn dump(world: &World, name: &str) -> Option<Vars> {
    let bytes = std::fs::read(dump_file(world, name)).ok()?;
    let mut vars = Vars::new();
    let mut exported = true;
    for entry in bytes.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
        // After this mark comes what the shell itself holds, exported or not.
        if entry == b"@" {
            exported = false;
            continue;
        }
        let at = entry.iter().position(|byte| *byte == b'=')?;
        let name = String::from_utf8(entry[..at].to_vec()).unwrap();
        let value = if name == "__MIMA_STATE" { "…".into() } else { entry[at + 1..].to_vec() };
        if let Some(known) = vars.get(&name) {
            let Var { value: known, .. } = known;
            assert_eq!(*known, value, "{name} is two things at once");
        } else if !IGNORED.contains(&name.as_str()) {
            vars.insert(name, Var { value, exported });
        }
    }
    Some(vars)
}
