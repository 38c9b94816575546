//! A project of one's own below the home directory of a world.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::command::{Cmd, Output};
use super::world::World;

/// What `mima export json` says is to become of each variable: a value, or unset.
pub(crate) type Changes = BTreeMap<String, Option<String>>;

/// A directory with a `.mima.yaml`.
pub(crate) struct Project<'w> {
    /// Where it is.
    pub(crate) world: &'w World,
    /// The directory.
    pub(crate) dir: PathBuf,
}

impl<'w> Project<'w> {
    /// Makes `~/NAME/.mima.yaml`, which nobody has allowed.
    pub(crate) fn new(world: &'w World, name: &str, text: impl AsRef<[u8]>) -> Self {
        world.write(&format!("{name}/.mima.yaml"), text);
        Self { world, dir: world.home().join(name) }
    }

    /// Makes `~/NAME/.mima.yaml`, and allows it.
    #[track_caller]
    pub(crate) fn allowed(world: &'w World, name: &str, text: impl AsRef<[u8]>) -> Self {
        let project = Self::new(world, name, text);
        project.allow();
        project
    }

    /// Runs `mima` there.
    pub(crate) fn mima(&self, args: &[&str]) -> Cmd {
        self.world.mima(args).cwd(&self.dir)
    }

    /// Runs lines of bash there, after the environment of the project was loaded once. `load`
    /// loads it again, wherever the lines have led.
    pub(crate) fn bash(&self, lines: &str) -> Cmd {
        let script = format!(
            "load() {{ eval \"$(mima export bash --have \"${{__mima_have-}}\")\"; }}\nload\n{lines}"
        );
        let bash = ["--norc", "--noprofile", "-c", &script];
        self.world.command("bash").args(bash).cwd(&self.dir)
    }

    /// Allows it as it is.
    #[track_caller]
    pub(crate) fn allow(&self) {
        self.mima(&["allow", "--yes"]).run().ok();
    }

    /// Writes a file in the directory.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The project file.
    pub(crate) fn file(&self) -> PathBuf {
        self.dir.join(".mima.yaml")
    }

    /// What its environment comes to, when it is loaded without fault.
    #[track_caller]
    pub(crate) fn loaded(&self) -> Changes {
        changes(self.mima(&["export", "json"]).run().ok().quiet())
    }

    /// Fails unless nothing is loaded, for a reason that contains `why`.
    #[track_caller]
    pub(crate) fn not_loaded(&self, why: &str) -> Output {
        let output = self.mima(&["export", "json"]).run();
        output.fails(1).stderr_has(why);
        nothing_set(&output);
        output
    }

    /// `mima status --json` there.
    #[track_caller]
    pub(crate) fn status(&self) -> serde_json::Value {
        serde_json::from_slice(&self.mima(&["status", "--json"]).run().ok().stdout).unwrap()
    }

    /// The verdict on the file, in mima's word.
    #[track_caller]
    pub(crate) fn verdict(&self) -> String {
        self.status()["verdict"].as_str().unwrap_or("none").to_owned()
    }
}

/// Reads the output of `mima export json`.
#[track_caller]
pub(crate) fn changes(output: &Output) -> Changes {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output}"))
}

/// Fails if `mima export json` sets a variable, other than mima's own note of where it is.
#[track_caller]
pub(crate) fn nothing_set(output: &Output) {
    let set: Vec<_> = changes(output).into_iter().filter(|(_, value)| value.is_some()).collect();
    assert!(set.iter().all(|(name, _)| name == "__MIMA_STATE"), "{set:?}: {output}");
}

/// The names of what is in a directory, sorted.
pub(crate) fn names_in(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
