//! Where mima's files are. Reads the environment once, in [`Paths::from_env`].

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use directories::BaseDirs;

use crate::error::{Context, Failure, Result};
use crate::sys;
use crate::{fs, term};

/// How long the system's directory for sockets may be, in bytes: an address takes 107, or 103 on
/// macOS.
const LONGEST_RUNTIME: usize = 80;

/// The places that mima reads and writes.
pub struct Paths {
    home: PathBuf,
    user_file: PathBuf,
    data: PathBuf,
    /// Where state lies that does not outlive the machine, if that is elsewhere: there a variable
    /// may name another place for sockets.
    state: Option<PathBuf>,
}

impl Paths {
    /// Finds the places from `MIMA_HOME`, or from `HOME` and where the `directories` crate
    /// puts data on this system. A `HOME` that is unset, relative or no directory counts for
    /// nothing: the user database knows better. Nothing is created here. (threats: D5, D7)
    pub fn from_env(as_root: bool) -> Result<Self> {
        if let Some(dir) = std::env::var_os("MIMA_HOME").filter(|dir| !dir.is_empty()) {
            let dir = PathBuf::from(dir);
            if !dir.is_absolute() {
                return Err(Failure::failed(format!(
                    "MIMA_HOME is `{}`, which is no absolute path",
                    term::path(&dir)
                ))
                .hint("set MIMA_HOME to an absolute path, or unset it"));
            }
            if dir.exists() {
                fs::check_private(&dir)?;
            }
            return Ok(Self::in_dir(dir));
        }
        let (home, data) = home_and_data()?;
        refuse_anothers_home(&home, as_root)?;
        let state = cfg!(target_os = "linux").then(|| home.join(".local/state"));
        Ok(Self { user_file: home.join(".mima.yaml"), data: data.join("mima"), state, home })
    }

    /// Puts everything into `dir`, as `MIMA_HOME` does.
    pub fn in_dir(dir: PathBuf) -> Self {
        Self { user_file: dir.join("mima.yaml"), home: dir.clone(), data: dir, state: None }
    }

    /// Tells whether everything is in one directory, which `MIMA_HOME` names.
    pub fn is_apart(&self) -> bool {
        self.data == self.home
    }

    /// The home directory.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The user file: `~/.mima.yaml`.
    pub fn user_file(&self) -> &Path {
        &self.user_file
    }

    /// The directory of everything else that mima keeps.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The vault.
    pub fn vault(&self) -> PathBuf {
        self.data.join("vault")
    }

    /// What this machine knows about the vault: the pins. Outside of it, because a vault
    /// may come from elsewhere.
    pub fn vault_pins(&self) -> PathBuf {
        self.data.join("vault.pins")
    }

    /// The names of the secrets in the desktop's keyring, which does not tell them while it
    /// is locked.
    pub fn keyring_names(&self) -> PathBuf {
        self.data.join("keyring.names")
    }

    /// What mima knows of the secrets in the keychain.
    pub fn keychain_index(&self) -> PathBuf {
        self.data.join("keychain.index")
    }

    /// The records of what was approved.
    pub fn trust(&self) -> PathBuf {
        self.data.join("trust")
    }

    /// Empty files, each with a time as its mtime: what the shells compare others with.
    pub fn stamps(&self) -> PathBuf {
        self.data.join("stamps")
    }

    /// The environments of flakes, with what keeps them from being collected as garbage.
    pub fn flakes(&self) -> PathBuf {
        self.data.join("flakes")
    }

    /// The directory of the session agent's socket: the one that the system has for such, if it
    /// is the user's alone, and short enough for a socket's address. Where no variable names
    /// that, it is the one that [`Paths::leave_runtime`] was told of last. (threat G3)
    pub fn runtime(&self) -> PathBuf {
        // Nothing is looked at behind the first.
        self.named_runtimes().next().unwrap_or_else(|| self.own_runtime())
    }

    /// All directories that the socket may be in, the one where it is looked for first.
    pub fn runtimes(&self) -> Vec<PathBuf> {
        let mut all: Vec<_> = self.named_runtimes().chain([self.own_runtime()]).collect();
        all.dedup();
        all
    }

    /// The directory of the socket where the system has none.
    fn own_runtime(&self) -> PathBuf {
        self.state.as_ref().map_or_else(|| self.data.join("run"), |state| state.join("mima/run"))
    }

    /// Those that the system has: by the variable, and by the word that was left of it. Elsewhere,
    /// and where everything is kept together, the variable says nothing.
    fn named_runtimes(&self) -> impl Iterator<Item = PathBuf> {
        let left = |state: &PathBuf| std::fs::read_link(runtime_link(state)).ok();
        let given = self.state.iter().filter_map(|_| given_runtime());
        let left = self.state.iter().filter_map(left).filter(|dir| is_runtime(dir));
        given.chain(left).map(|dir| dir.join("mima"))
    }

    /// Leaves word of the system's directory for sockets, for a mima that runs without the
    /// variable that names it: the agent knows what was given little, and is to be found there.
    pub fn leave_runtime(&self) -> Result<()> {
        let (Some(state), Some(dir)) = (&self.state, given_runtime()) else { return Ok(()) };
        let link = runtime_link(state);
        if std::fs::read_link(&link).is_ok_and(|left| left == dir) {
            return Ok(());
        }
        fs::private_dir(&state.join("mima"))?;
        let what = || format!("could not write {}", term::path(&link));
        match std::fs::remove_file(&link) {
            Err(error) if !fs::is_absent(&error) => return Err(error).context(what()),
            _ => {}
        }
        match std::os::unix::fs::symlink(&dir, &link) {
            // Whoever was quicker has left the same.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            made => made.context(what()),
        }
    }

    /// The lock that every change is made under.
    pub fn lock(&self) -> PathBuf {
        self.data.join("lock")
    }
}

fn runtime_link(state: &Path) -> PathBuf {
    state.join("mima/runtime")
}

/// The system's directory for sockets, by the variable that names it.
fn given_runtime() -> Option<PathBuf> {
    std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| is_runtime(dir))
}

/// Tells whether a directory can hold the agent's socket, and is the user's alone.
fn is_runtime(dir: &Path) -> bool {
    let is_private = std::fs::symlink_metadata(dir).is_ok_and(|meta| {
        let is_own = meta.uid() == rustix::process::geteuid().as_raw();
        meta.is_dir() && is_own && meta.mode() & 0o777 == 0o700
    });
    dir.is_absolute() && dir.as_os_str().len() <= LONGEST_RUNTIME && is_private
}

/// Returns the directory that a variable names, or `other`. A relative one counts for nothing.
pub fn named_dir(variable: &str, other: PathBuf) -> PathBuf {
    std::env::var_os(variable).map(PathBuf::from).filter(|dir| dir.is_absolute()).unwrap_or(other)
}

fn home_and_data() -> Result<(PathBuf, PathBuf)> {
    let is_home = |home: &Path| home.is_absolute() && home.is_dir();
    let usable = std::env::var_os("HOME").is_some_and(|home| is_home(Path::new(&home)));
    if usable {
        let dirs = BaseDirs::new().ok_or_else(no_home)?;
        return Ok((dirs.home_dir().to_owned(), dirs.data_dir().to_owned()));
    }
    let home = sys::process::home_of_user()
        .context("could not find your home directory")?
        .ok_or_else(no_home)?;
    let data = if cfg!(target_os = "macos") {
        home.join("Library/Application Support")
    } else {
        named_dir("XDG_DATA_HOME", home.join(".local/share"))
    };
    Ok((home, data))
}

fn no_home() -> Failure {
    Failure::failed("could not find your home directory")
        .hint("set HOME, or MIMA_HOME, to an absolute path")
}

/// Refuses to work as one user in the home of another: `sudo mima …` would leave files that
/// the user cannot read any more. (threat D7)
fn refuse_anothers_home(home: &Path, as_root: bool) -> Result<()> {
    let me = rustix::process::geteuid();
    match std::fs::metadata(home) {
        Ok(meta) if meta.uid() != me.as_raw() && as_root && me.is_root() => {
            fs::work_for(meta.uid());
            Ok(())
        }
        Ok(meta) if meta.uid() != me.as_raw() => Err(Failure::failed(format!(
            "{} belongs to another user (uid {})",
            term::path(home),
            meta.uid()
        ))
        .hint("set HOME to your own home directory; as root: mima --as-root …")),
        _ => Ok(()),
    }
}
