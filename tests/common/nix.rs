//! A nix of one's own for one world: a real one, whose store is in the world and that reaches no
//! network. Neither root nor `/nix` is needed.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::command::Output;
use super::leaks::files_below;
use super::project::Project;
use super::require;
use super::world::World;

/// What nix is set to: the store is nobody's else, and a build is a child of nix.
const SETTINGS: &str = "experimental-features = nix-command flakes
sandbox = false
build-users-group =
substituters =
";

/// nix in a world. It is in the `PATH`, and counts how often it is started.
pub(crate) struct Nix {
    root: PathBuf,
    program: PathBuf,
}

impl Nix {
    /// Puts nix into a world; `None` if there is none here.
    pub(crate) fn new(world: &mut World) -> Option<Self> {
        let nix = require("nix")?;
        let root = world.root().join("nix");
        for (name, dir) in [("STORE", "store"), ("STATE", "var"), ("LOG", "log"), ("CONF", "conf")]
        {
            std::fs::create_dir_all(root.join(dir)).unwrap();
            world.set_env(format!("NIX_{name}_DIR"), root.join(dir));
        }
        std::fs::write(root.join("conf/nix.conf"), SETTINGS).unwrap();
        let path = nix.to_str().unwrap();
        world.script("nix", &format!("{COUNT}exec '{path}' \"$@\"\n"));
        Some(Self { root, program: nix })
    }

    /// Collects what nothing keeps, in each way that people have.
    #[track_caller]
    pub(crate) fn collect_garbage(&self, world: &World) {
        let collector = require("nix-collect-garbage").expect("it comes with nix");
        world.command(collector).args(["-d"]).run().ok();
        self.run(world, &["store", "gc"]);
    }

    /// Runs nix itself.
    #[track_caller]
    pub(crate) fn run(&self, world: &World, args: &[&str]) -> Output {
        let output = world.command(&self.program).args(args).run();
        output.ok();
        output
    }
}

impl Drop for Nix {
    fn drop(&mut self) {
        // What is in a store cannot be written to, and so not removed.
        for path in std::iter::once(self.root.clone()).chain(files_below(&self.root)) {
            if path.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
                let _is_gone = std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700));
            }
        }
    }
}

/// The lines of a script by which it counts how often it is started.
const COUNT: &str = "echo \"$*\" >>\"${0%/*}/../nix-calls\"\n";

/// What stands for nix where only mima matters: it copies the flake, and prints `~/env.json`.
pub(crate) const STAND_IN: &str = r#"
case "$*" in
*metadata*)
  mkdir -p ~/copy
  rm -f ~/copy/*
  cp flake.nix ~/copy
  [ ! -e flake.lock ] || cp flake.lock ~/copy
  printf '{"path": "%s/copy"}' ~
  ;;
*)
  while [ "$1" != --profile ]; do shift; done
  ln -sfn ~/copy "$2"
  cat ~/env.json
  ;;
esac
"#;

/// What nix would print of these exported variables.
pub(crate) fn env_json(vars: &[(&str, &str)]) -> String {
    let exported = |value: &str| serde_json::json!({ "type": "exported", "value": value });
    let vars: serde_json::Map<_, _> =
        vars.iter().map(|(name, value)| ((*name).to_owned(), exported(value))).collect();
    serde_json::json!({ "variables": vars }).to_string()
}

/// Puts a program that is called `nix` into a world.
pub(crate) fn stand_in(world: &World, body: &str) {
    world.script("nix", &format!("{COUNT}{body}"));
}

/// Returns with what nix was started so far.
pub(crate) fn calls(world: &World) -> Vec<String> {
    let text = std::fs::read_to_string(world.root().join("nix-calls")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// A `flake.nix` with one development shell, `default`, that has these attributes. It needs no
/// other flake.
pub(crate) fn flake(attributes: &str) -> String {
    flake_of(&[("default", attributes)])
}

/// A `flake.nix` with these development shells.
pub(crate) fn flake_of(shells: &[(&str, &str)]) -> String {
    let system = format!("{}-linux", std::env::consts::ARCH);
    let shells: Vec<_> = shells
        .iter()
        .map(|(name, attributes)| {
            format!(
                "devShells.{system}.{name} = derivation {{
      name = \"shell\"; system = \"{system}\"; builder = \"/bin/bash\";
      outputs = [ \"out\" ]; args = [ \"-c\" \"echo > $out\" ];
      {attributes}
    }};"
            )
        })
        .collect();
    format!("{{\n  outputs = {{ self }}: {{\n    {}\n  }};\n}}\n", shells.join("\n    "))
}

/// Makes `~/NAME` with a project file and a `flake.nix`, and allows both.
#[track_caller]
pub(crate) fn project<'w>(world: &'w World, name: &str, text: &str, flake: &str) -> Project<'w> {
    let project = Project::new(world, name, text);
    project.write("flake.nix", flake);
    project.allow();
    project
}

/// The directory where mima keeps environments of flakes.
pub(crate) fn kept(world: &World) -> PathBuf {
    world.data().join("flakes")
}

/// Returns what is below a directory and is called `name`.
pub(crate) fn all_named(dir: &Path, name: &str) -> Vec<PathBuf> {
    files_below(dir).into_iter().filter(|path| path.ends_with(name)).collect()
}
