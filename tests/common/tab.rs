//! A terminal on which somebody uses the group `g`: whether they are asked for it can be told
//! of anything that is typed there.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::hooked::{Hooked, Start};
use super::world::World;

/// The secret of `g`, as its variable `TOKEN`.
pub(crate) const SECRET: &str = "value-of-K00";

/// What `mima run --no-prompt` says when it would have to ask.
pub(crate) const LOCKED: &str = "the secrets are locked";

/// A world whose user file has the group `g`, and what else it is to have.
pub(crate) fn world(settings: &str) -> World {
    let world = World::with_vault();
    world.write(".mima.yaml", user_file(settings));
    world
}

/// The user file of such a world.
pub(crate) fn user_file(settings: &str) -> String {
    format!("groups:\n  g: {{ TOKEN: K00 }}\n{settings}")
}

/// What became of a command that wanted the group without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// It got it.
    Passed,
    /// Somebody would have had to be asked.
    Asked,
    /// It did not run, or has not yet.
    Neither,
}

/// A command that wants the group without asking, and leaves a trace of what became of it: to be
/// spliced into whatever is typed. It has no quotes.
pub(crate) struct Probe {
    file: PathBuf,
}

impl Probe {
    /// Makes one that leaves its trace under this name.
    pub(crate) fn new(world: &World, name: &str) -> Self {
        let dir = world.root().join("probes");
        std::fs::create_dir_all(&dir).unwrap();
        // Whatever user the command runs as.
        std::fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o777))
            .unwrap();
        Self { file: dir.join(name.replace(|c: char| !c.is_ascii_alphanumeric(), "-")) }
    }

    /// The command.
    pub(crate) fn command(&self) -> String {
        format!("{} 2>>{}.err", self.bare(), self.file())
    }

    /// The command, where only whether it has passed matters: it leaves no other trace.
    pub(crate) fn bare(&self) -> String {
        format!("mima run --no-prompt g -- touch {}", self.file())
    }

    /// The file that is there once it has passed.
    pub(crate) fn file(&self) -> String {
        self.file.to_str().unwrap().to_owned()
    }

    /// What became of it.
    pub(crate) fn came(&self) -> Came {
        let said = std::fs::read_to_string(self.file.with_extension("err")).unwrap_or_default();
        match (self.file.exists(), said.contains(LOCKED)) {
            (true, false) => Came::Passed,
            (false, true) => Came::Asked,
            (false, false) => Came::Neither,
            (true, true) => panic!("{} ran twice, and not alike", self.file.display()),
        }
    }

    /// The same, once it has run.
    pub(crate) fn wait(&self) -> Came {
        let start = Instant::now();
        while self.came() == Came::Neither && start.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.came()
    }
}

impl Hooked {
    /// Types `mima unlock g`, and the passphrase is given.
    #[track_caller]
    pub(crate) fn unlock(&mut self) {
        let said = self.run("mima unlock g");
        assert!(said.contains("mima: unlocked for this"), "{said}");
    }

    /// Tells whether a plain command gets the group without asking.
    #[track_caller]
    pub(crate) fn passes(&mut self) -> bool {
        let said = self.run("mima run --no-prompt g -- printenv TOKEN");
        let passes = said == format!("{SECRET}\n");
        assert!(passes || said.contains(LOCKED), "{said}");
        passes
    }

    /// Types a line with a probe in it: `{m}`.
    #[track_caller]
    pub(crate) fn probe(&mut self, world: &World, line: &str) -> Came {
        let probe = Probe::new(world, line);
        self.run(&line.replace("{m}", &probe.command()));
        probe.wait()
    }
}

/// Starts a shell with the hook on a terminal of its own.
#[track_caller]
pub(crate) fn tab(world: &World, shell: &'static str) -> Hooked {
    Start::new(world, shell).start()
}
