//! `mima session install`: what it writes for systemd and launchd, and what it tells them. The
//! stand-ins keep in mind what they were told, as far as it decides what they answer.

mod launchd;
#[cfg(target_os = "linux")]
mod systemd;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use mima::error::Result;

use crate::common::mac::RECORD;
use crate::common::world::World;

const NOT_NEEDED: &str =
    "hint: nothing needs to be installed: the first `mima run` starts the agent itself\n";

/// A world with a stand-in.
struct Machine {
    world: World,
    tool: PathBuf,
}

impl Machine {
    fn new(tool: &str, body: &str) -> Self {
        let world = World::new();
        std::fs::create_dir(world.root().join("mac")).unwrap();
        let tool = world.script(tool, &format!("{RECORD}{body}"));
        let machine = Self { world, tool };
        machine.failing(&[]);
        machine
    }

    fn keeps(&self, name: &str) -> PathBuf {
        self.world.root().join("mac").join(name)
    }

    fn failing(&self, calls: &[&str]) {
        std::fs::write(self.keeps("failing"), format!("{}\n", calls.join("\n"))).unwrap();
    }

    /// What it was told since the last time one looked, without what all calls have.
    fn calls(&self) -> Vec<String> {
        let calls = std::fs::read_to_string(self.keeps("calls")).unwrap_or_default();
        std::fs::write(self.keeps("calls"), "").unwrap();
        calls
            .lines()
            .map(|call| call.replace("systemctl --user ", "").replace("launchctl ", ""))
            .collect()
    }

    fn lock(&self) -> PathBuf {
        self.world.data().join("lock")
    }
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

/// Returns what mima would print.
fn report(outcome: Result<impl std::fmt::Debug>) -> String {
    let mut said = Vec::new();
    outcome.unwrap_err().report(&mut said).unwrap();
    String::from_utf8(said).unwrap()
}
