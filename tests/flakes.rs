//! `use_flake` with a real nix: what is loaded, in which order, and what it costs.

use crate::common::hooked::{Hooked, Start, each};
use crate::common::nix::{self, Nix, calls, flake, flake_of};
use crate::common::project::{Project, changes};
use crate::common::world::World;

const ATTRIBUTES: &str = "GREETING = \"hello\"; shellHook = \"touch /tmp/never; export HOOKED=1\";
      PATH = \"/opt/flake/bin:relative\"; XDG_DATA_DIRS = \"/opt/flake/share\";
      buildPhase = \"false\"; TZ = \"X\"; PS4 = \"x\"; HISTFILE = \"/x\"; PYTHONPATH = \"/opt/py\";";

#[test]
fn what_a_flake_exports_is_loaded_by_the_rules_of_nix_direnv() {
    let mut world = World::new();
    let Some(_nix) = Nix::new(&mut world) else { return };
    let project = nix::project(&world, "p", "use_flake: .\nenv: {A: x}\n", &flake(ATTRIBUTES));
    let export = project.mima(&["export", "json"]).run();
    export.ok().stderr_has("x");
}
