//! Projects that say the same to mima and to direnv, and the environment that both find.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::prompt::find;

/// The numbers of variables that are measured.
pub(crate) const SIZES: [&str; 3] = ["1", "50", "500"];
/// The directory below a project's own that the steady prompt is measured in.
const DEEP: &str = "a/b/c/d/e/f/g/h";
/// How many files a project watches beside its own.
const WATCHED: usize = 5;

/// Variables by name.
pub(crate) type Vars = BTreeMap<String, String>;

/// Where all of it is.
pub(crate) struct Projects {
    root: PathBuf,
    mima: PathBuf,
    direnv: Option<PathBuf>,
    env: Vec<(String, PathBuf)>,
}

impl Projects {
    /// Makes the projects, and allows them.
    pub(crate) fn new(scratch: &Path, mima: &Path) -> Self {
        let root = std::fs::canonicalize(scratch).unwrap();
        let direnv = find("direnv");
        if direnv.is_none() {
            eprintln!("no direnv here: its columns stay empty (tests/tools/install.sh direnv)");
        }
        let this = Self { root, mima: mima.to_owned(), direnv, env: Vec::new() };
        for dir in ["home", "mima", "outside"] {
            std::fs::create_dir(this.root.join(dir)).unwrap();
        }
        std::fs::set_permissions(
            this.root.join("mima"),
            std::os::unix::fs::PermissionsExt::from_mode(0o700),
        )
        .unwrap();
        for size in SIZES {
            this.make(size, size.parse().unwrap());
        }
        this.make("blocked", 50);
        for size in SIZES {
            this.allow(&this.entered(size));
        }
        this
    }

    fn make(&self, name: &str, count: usize) {
        let dir = self.entered(name);
        std::fs::create_dir_all(dir.join(DEEP)).unwrap();
        let (mut ours, mut theirs) = ("env:\n".to_owned(), String::new());
        for i in 0..count {
            writeln!(ours, "  BENCH_VARIABLE_{i}: the value of variable {i}").unwrap();
            writeln!(theirs, "export BENCH_VARIABLE_{i}='the value of variable {i}'").unwrap();
        }
        ours.push_str("watch_file:\n");
        for i in 0..WATCHED {
            std::fs::write(dir.join(format!("watched{i}")), "").unwrap();
            writeln!(ours, "  - watched{i}").unwrap();
            writeln!(theirs, "watch_file watched{i}").unwrap();
        }
        std::fs::write(dir.join(".mima.yaml"), ours).unwrap();
        std::fs::write(dir.join(".envrc"), theirs).unwrap();
    }

    /// Sets a variable for all that is measured from now on.
    pub(crate) fn set_env(&mut self, name: &str, value: PathBuf) {
        self.env.push((name.to_owned(), value));
    }

    /// Allows a project, for both programs.
    pub(crate) fn allow(&self, dir: &Path) {
        let quiet = |mut command: Command| {
            assert!(command.stderr(Stdio::null()).status().unwrap().success());
        };
        quiet(self.mima(dir, &["allow", "--yes"]));
        if let Some(direnv) = self.direnv(dir, &["allow"]) {
            quiet(direnv);
        }
    }

    /// The directory of a project.
    pub(crate) fn entered(&self, name: &str) -> PathBuf {
        self.root.join("projects").join(name)
    }

    /// A directory eight levels below that of a project.
    pub(crate) fn deep(&self, name: &str) -> PathBuf {
        self.entered(name).join(DEEP)
    }

    /// A directory that no project is in or above.
    pub(crate) fn outside(&self) -> PathBuf {
        self.root.join("outside")
    }

    /// Where there is room for logs.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether there is a direnv to compare with.
    pub(crate) fn has_direnv(&self) -> bool {
        self.direnv.is_some()
    }

    /// A program in the environment of all that is measured.
    pub(crate) fn command(&self, program: &Path, dir: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(dir).env("PWD", dir).env("HOME", self.root.join("home"));
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("TERM", "xterm");
        command.env("LANG", "C.UTF-8").env("MIMA_HOME", self.root.join("mima"));
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// mima in a directory.
    pub(crate) fn mima(&self, dir: &Path, args: &[&str]) -> Command {
        let mut command = self.command(&self.mima, dir);
        command.args(args);
        command
    }

    /// direnv in a directory, if there is one.
    pub(crate) fn direnv(&self, dir: &Path, args: &[&str]) -> Option<Command> {
        let mut command = self.command(self.direnv.as_deref()?, dir);
        command.args(args);
        Some(command)
    }

    /// The line by which a shell gets the hook of either, or none.
    pub(crate) fn hook(&self, whose: Whose, shell: &str) -> String {
        let program = match whose {
            Whose::Nobody => return String::new(),
            Whose::Mima => self.mima.to_str().unwrap(),
            Whose::Direnv => self.direnv.as_ref().unwrap().to_str().unwrap(),
        };
        if shell == "fish" {
            format!("{program} hook fish | source")
        } else {
            format!("eval \"$({program} hook {shell})\"")
        }
    }
}

/// Whose hook a shell has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// None.
    Nobody,
    /// mima's.
    Mima,
    /// direnv's.
    Direnv,
}

/// Returns what a program says is to be set: `export json` of either.
pub(crate) fn loaded(mut command: Command) -> Vars {
    let output = command.stderr(Stdio::null()).output().unwrap();
    let vars: BTreeMap<String, Option<String>> = serde_json::from_slice(&output.stdout).unwrap();
    vars.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}
