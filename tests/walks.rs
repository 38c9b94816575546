//! Random walks through random projects, in the real shells with the real hook: rows B4, B12
//! and I11 of the threat table.
//!
//! A walk is a list of steps, made from a seed. It becomes one script per shell process, which
//! takes the steps, calls the hook as before a prompt, and writes down its environment after
//! each; [`model`] says what that is to be, byte for byte. `MIMA_WALK=seed` takes one walk only,
//! `MIMA_WALKS=400` ten times as many.

mod model;
mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::common::random::Random;
use crate::common::require;
use crate::common::world::World;
use model::{Disk, File, GROUPS, LISTS, NAMES, Said, Shell, Value, Var, Vars};

/// How many walks begin in each shell, and how many steps each has.
const WALKS: u64 = 40;
const STEPS: usize = 15;

/// Where one can go, below the home directory; the last one is outside of it.
const DIRS: [&str; 9] = ["p", "p/a", "p/a/b", "p/a/none/deep", "q", "q q/é'\"$x", "", "none", "/"];
/// Where there are projects.
const PROJECTS: [&str; 5] = ["p", "p/a", "p/a/b", "q", "q q/é'\"$x"];
const VALUES: [&str; 12] = [
    "",
    "plain",
    "it's \"quoted\" `id` $(id) $x",
    "two\nlines\n",
    "\\ \\n \\'",
    "=ls",
    "~/x:~",
    "é\u{fdd0}\u{1f600}",
    "!! %s * ?",
    "\t a  b ",
    "a:b::c:",
    "-x",
];

/// What happens at one prompt.
#[derive(Clone, Debug)]
enum Step {
    Cd(&'static str),
    /// A file gets this content, and is allowed or not.
    Write(String, File, bool),
    Allow(String),
    Deny(String),
    Touch(String, usize),
    Remove(String),
    BringBack(String),
    Off,
    On,
    Reload,
    Set(&'static str, Vec<u8>),
    /// Sets it without exporting it.
    SetPrivate(&'static str, Vec<u8>),
    Unset(&'static str),
    /// Puts a directory on a list, in front or at the end.
    Extend(&'static str, String, bool),
    /// Goes on in another shell, of this name.
    Exec(&'static str),
    /// Starts a shell that leaves the project and writes down its environment.
    Child(&'static str),
}

fn file(random: &mut Random, content: usize) -> File {
    let mut file = File { content, stamp: content, ..File::default() };
    for name in NAMES {
        match random.below(5) {
            0 | 1 => file.env.push((name, Value::Plain(random.of(&VALUES)))),
            2 => file.env.push((name, Value::After(random.of(&NAMES), random.of(&VALUES)))),
            3 => file.unset.push(name),
            _ => {}
        }
    }
    for name in LISTS {
        if random.once_in(3) {
            let entries = ["bin", "tools/é x", "."];
            let count = 1 + random.below(2);
            let entries = entries[..count].to_vec();
            file.lists.push((name, entries));
        }
    }
    file.groups.extend(GROUPS.iter().filter(|_| random.once_in(3)));
    file.source_up = random.once_in(2);
    file
}

/// What a walk knows while it is made.
struct Walk {
    random: Random,
    shells: Vec<&'static str>,
    disk: Disk,
    shell: Shell,
    contents: usize,
    at: &'static str,
    steps: Vec<Step>,
}

impl Walk {
    fn new(seed: u64, shells: &[&'static str]) -> Self {
        let mut walk = Self {
            random: Random(seed),
            shells: shells.to_vec(),
            disk: Disk::default(),
            shell: Shell::new("", Vars::new()),
            contents: 0,
            at: "",
            steps: Vec::new(),
        };
        for dir in PROJECTS {
            if !walk.random.once_in(5) {
                let is_allowed = !walk.random.once_in(5);
                walk.write(format!("{dir}/.mima.yaml"), is_allowed);
            }
        }
        while walk.steps.len() < PROJECTS.len() + STEPS {
            walk.step();
        }
        // It ends outside of everything.
        walk.steps.push(Step::On);
        walk.steps.push(Step::Cd("/"));
        walk
    }

    fn write(&mut self, path: String, is_allowed: bool) {
        self.contents += 1;
        let file = file(&mut self.random, self.contents);
        self.take(Step::Write(path, file, is_allowed));
    }

    fn take(&mut self, step: Step) {
        step.in_model(&mut self.shell, &mut self.disk);
        self.steps.push(step);
    }

    fn any_path(&mut self) -> String {
        // Mostly where it stands.
        let dir = match PROJECTS.iter().find(|dir| **dir == self.at) {
            Some(dir) if !self.random.once_in(3) => *dir,
            _ => self.random.of(&PROJECTS),
        };
        let name = if self.random.once_in(4) { ".mima.local.yaml" } else { ".mima.yaml" };
        format!("{dir}/{name}")
    }

    fn step(&mut self) {
        let path = self.any_path();
        let is_there = self.disk.files.contains_key(&path);
        let name = self.random.of(&NAMES);
        self.contents += 1;
        let value = || format!("user's \"{}\"\n", self.contents).into_bytes();
        let step = match self.random.below(32) {
            0..=9 => {
                self.at = self.random.of(&DIRS);
                Step::Cd(self.at)
            }
            10..=12 => {
                let is_allowed = !self.random.once_in(3);
                return self.write(path, is_allowed);
            }
            13 | 14 if is_there => Step::Allow(path),
            15 if is_there => Step::Deny(path),
            16 if is_there => Step::Touch(path, self.contents),
            17 if is_there => Step::Remove(path),
            18 | 19 if !is_there && self.disk.aside.contains_key(&path) => Step::BringBack(path),
            20 => Step::Off,
            21 => Step::On,
            22 => Step::Reload,
            23 | 24 => Step::Set(name, value()),
            // Where mima has taken a variable away, the model does not follow one that is made
            // anew and not exported: see the scenario `hook_unset_and_set_again`.
            25 if !self.shell.is_cut(name) => Step::SetPrivate(name, value()),
            26 => Step::Unset(name),
            27 | 28 => {
                let list = self.random.of(&LISTS);
                let dir = format!("/own/{}", self.contents);
                Step::Extend(list, dir, self.random.once_in(2))
            }
            29 | 30 => Step::Child(self.random.of(&self.shells)),
            31 => Step::Exec(self.random.of(&self.shells)),
            _ => return,
        };
        self.take(step);
    }
}

impl Step {
    fn on_disk(&self, disk: &mut Disk) {
        match self {
            Self::Write(path, file, is_allowed) => {
                disk.files.insert(path.clone(), file.clone());
                if *is_allowed {
                    disk.allow(path);
                }
            }
            Self::Allow(path) => disk.allow(path),
            Self::Deny(path) => disk.deny(path),
            Self::Touch(path, stamp) => disk.files.get_mut(path).unwrap().stamp = 1_000_000 + stamp,
            Self::Remove(path) => {
                let file = disk.files.remove(path).unwrap();
                disk.aside.insert(path.clone(), file);
            }
            Self::BringBack(path) => {
                let file = disk.aside.remove(path).unwrap();
                disk.files.insert(path.clone(), file);
            }
            _ => {}
        }
    }

    /// Does it in the model, with the prompt after it.
    fn in_model(&self, shell: &mut Shell, disk: &mut Disk) -> Said {
        self.on_disk(disk);
        match self {
            Self::Cd(dir) => shell.at = Some((*dir).to_owned()).filter(|dir| dir != "/"),
            Self::Off => shell.off(),
            Self::On => return shell.on(disk),
            Self::Reload => return shell.reload(disk),
            Self::Set(name, value) => shell.change(name, Some(value.clone()), true),
            Self::SetPrivate(name, value) => shell.change(name, Some(value.clone()), false),
            Self::Unset(name) => shell.change(name, None, false),
            Self::Extend(list, entry, in_front) => shell.extend(list, entry, *in_front),
            Self::Exec(_) => *shell = std::mem::take(shell).heir(),
            _ => {}
        }
        shell.prompt(disk)
    }
}

/// Takes one walk. The error says what was not as it should be.
fn walk(seed: u64, first: &'static str, shells: &[&'static str]) -> Result<(), String> {
    let walk = Walk::new(seed, shells);
    let world = World::new();
    let home = world.home();
    for dir in DIRS.iter().filter(|dir| **dir != "/") {
        std::fs::create_dir_all(home.join(dir)).unwrap();
    }
    let script = script::write(&world, &walk.steps, first, seed);
    let output = script::run(&world, first, &script);
    let said = output.err();
    let said: Vec<_> = said.split("@@\n").collect();
    let at_start = script::dump(&world, "start");
    let start = at_start.ok_or_else(|| format!("it did not begin: {output}"))?;
    let mut shell = Shell::new(home.to_str().unwrap(), start);
    let mut disk = Disk::default();
    let mut story = String::new();
    for (number, step) in walk.steps.iter().enumerate() {
        writeln!(story, "  {number}: {step:?}").unwrap();
        let fail = |what: &str| format!("{what}\n{story}{output}");
        if let Step::Child(_) = step {
            let mut child = shell.clone().heir();
            child.prompt(&disk);
            child.at = None;
            child.prompt(&disk);
            let got = script::dump(&world, &format!("{number}.child"));
            compare(&child, got.as_ref()).map_err(|what| fail(&format!("child: {what}")))?;
        }
        let want = step.in_model(&mut shell, &mut disk);
        let got = script::dump(&world, &number.to_string());
        compare(&shell, got.as_ref()).map_err(|what| fail(&what))?;
        let said = said.get(number + 1).copied().unwrap_or_default();
        let is_messages = said.lines().all(|line| {
            line.starts_with("mima: ~/") || line.starts_with("hint: ") || line.is_empty()
        });
        let is_silent = said.trim().is_empty();
        if !is_messages || is_silent != (want == Said::Nothing) {
            return Err(fail(&format!("it should have said {want:?}: {said}")));
        }
    }
    Ok(())
}

/// Compares a shell with what it should be.
fn compare(want: &Shell, got: Option<&Vars>) -> Result<(), String> {
    let Some(got) = got else { return Err("it got lost".to_owned()) };
    let mut want_vars = want.now.clone();
    let mut own = |name: &str, value: &str| {
        let var = Var { value: value.as_bytes().to_vec(), exported: true };
        want_vars.insert(name.to_owned(), var);
    };
    let groups: Vec<_> = want.groups.iter().copied().collect();
    if let Some(dir) = &want.dir {
        own("MIMA_DIR", dir);
        own("MIMA_GROUPS", &groups.join(" "));
    }
    if want.has_state() {
        own("__MIMA_STATE", "…");
    }
    for group in groups {
        let function = Var { value: Vec::new(), exported: false };
        want_vars.insert(format!("{group}()"), function);
    }
    let show = |vars: &Vars, name: &String| match vars.get(name) {
        None => "unset".to_owned(),
        Some(var) => format!("{:?} {}", var.exported, var.value.escape_ascii()),
    };
    let mut wrong = String::new();
    for name in want_vars.keys().chain(got.keys()).collect::<BTreeSet<_>>() {
        if want_vars.get(name) != got.get(name) {
            let (want, got) = (show(&want_vars, name), show(got, name));
            writeln!(wrong, "{name} should be {want}, and is {got}").unwrap();
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

fn walks_from(shell: &'static str) {
    let mut shells = vec!["bash", "zsh", "fish"];
    shells.retain(|shell| require(shell).is_some());
    if !shells.contains(&shell) {
        return;
    }
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let seeds = match number("MIMA_WALK") {
        Some(seed) => seed..seed + 1,
        None => 0..number("MIMA_WALKS").unwrap_or(WALKS),
    };
    let failures: BTreeMap<_, _> =
        seeds.filter_map(|seed| Some((seed, walk(seed, shell, &shells).err()?))).collect();
    let seeds: Vec<_> = failures.keys().collect();
    if let Some((seed, what)) = failures.first_key_value() {
        panic!("from {shell}, seeds {seeds:?} fail; MIMA_WALK={seed}: {what}");
    }
}

#[test]
fn t_b12_walks_from_bash() {
    walks_from("bash");
}

#[test]
fn t_b12_walks_from_zsh() {
    walks_from("zsh");
}

#[test]
fn t_b12_walks_from_fish() {
    walks_from("fish");
}
