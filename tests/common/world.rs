//! A machine of one's own for one test: home, temporary and runtime directory, programs.
//!
//! Nothing of the developer's environment gets in. When the test is over, its session agents end,
//! and no file of the world may hold a secret that the test worked with.

use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use super::command::Cmd;
use super::leaks::{Needles, files_below};
use super::{PATH, SPAWNING};

/// The passphrase of the fixture vault.
pub(crate) const PASSPHRASE: &str = "mima-test-passphrase";
/// What every value of the fixture vault begins with: `K07` is `value-of-K07`.
pub(crate) const VALUE: &str = "value-of-K";

/// A fresh `home/`, `tmp/`, `run/` and `bin/`, and the commands that run there.
#[derive(Debug)]
pub(crate) struct World {
    dir: TempDir,
    canary: String,
    env: Vec<(OsString, OsString)>,
    has_askpass: bool,
    needles: Needles,
    allowed: Mutex<Vec<PathBuf>>,
}

impl World {
    /// Makes an empty world. `mima` is on its `PATH`.
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("mima-world-").tempdir().unwrap();
        for name in ["home", "tmp", "run", "bin"] {
            make_private_dir(&dir.path().join(name));
        }
        std::os::unix::fs::symlink(mima(), dir.path().join("bin/mima")).unwrap();
        let canary = format!("CANARY-{:016x}", RandomState::new().build_hasher().finish());
        let mut needles = Needles::default();
        needles.add(&canary);
        let (env, allowed) = (Vec::new(), Mutex::default());
        Self { dir, canary, env, has_askpass: false, needles, allowed }
    }

    /// Makes a world with the vault of `tests/fixtures/vault-v1`: secrets K00 to K49, and a
    /// `MIMA_ASKPASS` that knows the passphrase.
    pub(crate) fn with_vault() -> Self {
        let mut world = Self::new();
        world.add_vault();
        world
    }

    /// Puts that vault into a world.
    pub(crate) fn add_vault(&mut self) {
        let world = self;
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vault-v1");
        assert!(fixture.is_dir(), "there is no {}", fixture.display());
        for dir in [".local", ".local/share", ".local/share/mima"] {
            make_private_dir(&world.home().join(dir));
        }
        copy_tree(&fixture, &world.data());
        make_private(&world.data());
        world.guard(PASSPHRASE);
        world.guard(VALUE);
        world.askpass(PASSPHRASE);
    }

    /// Makes another world with the same files, environment and canary.
    pub(crate) fn copy(&self) -> Self {
        let dir = tempfile::Builder::new().prefix("mima-world-").tempdir().unwrap();
        copy_tree(self.root(), dir.path());
        Self {
            dir,
            canary: self.canary.clone(),
            env: self.env.clone(),
            has_askpass: self.has_askpass,
            needles: self.needles.clone(),
            allowed: Mutex::new(Vec::new()),
        }
    }

    /// The directory that holds all of it. Files directly in it are never searched for leaks.
    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    /// `$HOME`.
    pub(crate) fn home(&self) -> PathBuf {
        self.root().join("home")
    }

    /// `$TMPDIR`.
    pub(crate) fn tmp(&self) -> PathBuf {
        self.root().join("tmp")
    }

    /// `$XDG_RUNTIME_DIR`.
    pub(crate) fn runtime(&self) -> PathBuf {
        self.root().join("run")
    }

    /// The first directory of `$PATH`.
    pub(crate) fn bin(&self) -> PathBuf {
        self.root().join("bin")
    }

    /// mima's data directory.
    pub(crate) fn data(&self) -> PathBuf {
        if cfg!(target_os = "macos") {
            self.home().join("Library/Application Support/mima")
        } else {
            self.home().join(".local/share/mima")
        }
    }

    /// A text that must turn up nowhere but where the test sends it: to be used as a secret.
    pub(crate) fn canary(&self) -> &str {
        &self.canary
    }

    /// Treats `secret` as the canary: no command may say it, no file hold it.
    pub(crate) fn guard(&mut self, secret: &str) {
        self.needles.add(secret);
    }

    /// Lets a file or directory hold a secret: one that the test itself put there, say.
    pub(crate) fn allow_leak(&self, path: impl Into<PathBuf>) {
        self.allowed.lock().unwrap_or_else(PoisonError::into_inner).push(path.into());
    }

    /// Sets a variable for all commands.
    pub(crate) fn set_env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
    }

    /// Runs `mima`.
    pub(crate) fn mima(&self, args: &[&str]) -> Cmd {
        self.command(mima()).args(args)
    }

    /// Runs any program.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Cmd {
        let mut path = self.bin().into_os_string();
        path.push(":");
        path.push(PATH);
        let mut cmd = Cmd::new(program.as_ref(), &self.home(), self.needles.clone())
            .env("PATH", path)
            .env("HOME", self.home())
            .env("TMPDIR", self.tmp())
            .env("XDG_RUNTIME_DIR", self.runtime())
            .env("TERM", "xterm")
            .env("LANG", "C.UTF-8")
            .env("USER", "tester")
            .env("SHELL", "/bin/sh");
        if cfg!(target_os = "macos") {
            // The default there is the developer's own keychain.
            cmd = cmd.env("MIMA_STORE", "vault");
        }
        if self.has_askpass {
            cmd = cmd.env("MIMA_ASKPASS", self.bin().join("askpass"));
        }
        self.env.iter().fold(cmd, |cmd, (name, value)| cmd.env(name, value))
    }

    /// Makes `MIMA_ASKPASS` a program that prints `answer`, and counts how often it is asked.
    pub(crate) fn askpass(&mut self, answer: &str) {
        let quoted = answer.replace('\'', r"'\''");
        self.script(
            "askpass",
            &format!(
                "printf '%s\\n' \"$1\" >>\"${{0%/*}}/../questions\"\n\
                 printf x >>\"${{0%/*}}/../asked\"\n\
                 printf '%s\\n' '{quoted}'\n"
            ),
        );
        self.has_askpass = true;
    }

    /// Returns how often `MIMA_ASKPASS` was run.
    pub(crate) fn asked(&self) -> usize {
        std::fs::read(self.root().join("asked")).unwrap_or_default().len()
    }

    /// Forgets what `MIMA_ASKPASS` was asked so far, and returns how often that was.
    pub(crate) fn take_asked(&self) -> usize {
        let asked = self.asked();
        let _none_yet = std::fs::remove_file(self.root().join("asked"));
        asked
    }

    /// The socket of the session agent.
    pub(crate) fn socket(&self) -> PathBuf {
        let below = if cfg!(target_os = "macos") {
            "home/Library/Application Support/mima/run/agent.sock"
        } else {
            "run/mima/agent.sock"
        };
        self.root().join(below)
    }

    /// Returns what `MIMA_ASKPASS` was asked.
    pub(crate) fn questions(&self) -> String {
        std::fs::read_to_string(self.root().join("questions")).unwrap_or_default()
    }

    /// Puts a shell script on the `PATH`.
    pub(crate) fn script(&self, name: &str, body: &str) -> PathBuf {
        let path = self.bin().join(name);
        write_executable(&path, &format!("#!/bin/sh\n{body}"));
        path
    }

    /// Writes a file below `home`, with the directories it needs.
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.home().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Reads a file below `home`.
    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> String {
        let path = self.home().join(path);
        let read = std::fs::read_to_string(&path);
        read.unwrap_or_else(|e| panic!("could not read {}: {e}", path.display()))
    }

    /// Fails if one of the secrets is in `bytes`.
    #[track_caller]
    pub(crate) fn assert_no_secret_in(&self, bytes: &[u8]) {
        let found = self.needles.found_in(bytes);
        assert!(found.is_none(), "{found:?} is in\n{}", String::from_utf8_lossy(bytes));
    }

    /// Fails if a secret is in a file that is not allowed to hold it.
    #[track_caller]
    pub(crate) fn assert_no_leak(&self) {
        let allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let dirs = [self.home(), self.tmp(), self.runtime()];
        let places: Vec<_> =
            dirs.iter().flat_map(|dir| self.needles.found_below(dir, &allowed)).collect();
        assert!(places.is_empty(), "leaked: {places:#?}");
    }

    /// Fails if a temporary file of mima's own is left.
    #[track_caller]
    pub(crate) fn assert_no_temporary(&self) {
        let is_temporary = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".tmp-mima"))
        };
        let left: Vec<_> = files_below(self.root()).into_iter().filter(is_temporary).collect();
        assert!(left.is_empty(), "left behind: {left:#?}");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        super::agents::end(self.root());
        if !std::thread::panicking() {
            self.assert_no_leak();
        }
    }
}

/// The binary under test.
pub(crate) fn mima() -> &'static Path {
    assert_cmd::cargo::cargo_bin!("mima")
}

/// An example that the tests need, by its name and its directory here. `cargo test` builds it;
/// `cargo test --test all` does not.
pub(crate) fn example(name: &str, dir: &str) -> PathBuf {
    let example = mima().parent().unwrap().join("examples").join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(dir).join("main.rs");
    let modified = |path: &Path| path.metadata().and_then(|meta| meta.modified()).ok();
    assert!(
        modified(&example) >= modified(&source),
        "{name} is not built: cargo build --example {name}"
    );
    example
}

/// Writes a file that can be run.
pub(crate) fn write_executable(path: &Path, content: &str) {
    let _writing = SPAWNING.write().unwrap_or_else(PoisonError::into_inner);
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Copies a program.
pub(crate) fn copy_executable(from: &Path, to: &Path) {
    let _writing = SPAWNING.write().unwrap_or_else(PoisonError::into_inner);
    std::fs::copy(from, to).unwrap();
}

fn make_private_dir(path: &Path) {
    std::fs::create_dir_all(path).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).unwrap();
}

/// Takes the modes away that a checkout gives: 0700 and 0600 all through.
fn make_private(dir: &Path) {
    for path in files_below(dir) {
        let mode = if path.is_dir() { 0o700 } else { 0o600 };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// Copies what is in `from` into `to`: files, directories and links, with their modes.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    // Some of the files may be programs.
    let _writing = SPAWNING.write().unwrap_or_else(PoisonError::into_inner);
    std::fs::create_dir_all(to).unwrap();
    for path in files_below(from) {
        let copy = to.join(path.strip_prefix(from).unwrap());
        let meta = std::fs::symlink_metadata(&path).unwrap();
        if meta.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(&path).unwrap(), copy).unwrap();
        } else if meta.is_dir() {
            std::fs::create_dir_all(&copy).unwrap();
            std::fs::set_permissions(copy, meta.permissions()).unwrap();
        } else if meta.is_file() {
            std::fs::copy(path, copy).unwrap();
        }
    }
}
