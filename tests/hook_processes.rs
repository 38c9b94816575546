//! The first promise: a prompt at which nothing changed starts no process. The kernel counts.

use std::path::PathBuf;

use crate::common::hooked::{Hooked, Start, age, each};
use crate::common::nix;
use crate::common::strace::usable;
use crate::common::world::World;

/// A shell whose processes are counted.
struct Counted {
    shell: Hooked,
    log: PathBuf,
}

impl Counted {
    fn start(world: &World, start: Start<'_>, name: &str) -> Option<Self> {
        let strace = usable(world)?;
        let log = world.root().join(format!("strace.{name}"));
        let calls = "--trace=?clone,?clone3,?fork,?vfork,execve";
        let (strace, file) = (strace.to_str().unwrap(), log.to_str().unwrap());
        let wrapper = [strace, "-f", "-qq", "--seccomp-bpf", "-o", file, calls, "--"];
        Some(Self { shell: start.under(&wrapper).start(), log })
    }

    /// How many processes and programs were started so far. Threads are none.
    fn count(&self) -> usize {
        let log = std::fs::read_to_string(&self.log).unwrap();
        let is_start = |line: &&str| line.contains('(') && !line.contains("CLONE_THREAD");
        log.lines().filter(|line| !line.contains("<... ")).filter(is_start).count()
    }

    /// Types the lines, and returns how many processes and programs that started.
    fn run(&mut self, lines: &[&str]) -> usize {
        let before = self.count();
        for line in lines {
            self.shell.run(line);
        }
        self.count() - before
    }
}

/// What may stand in a directory.
const PROJECTS: [&str; 4] = ["allowed", "blocked", "denied", "broken"];

/// One project of each kind, with five watched files, one that is not there, directories that a
/// pattern looks into, and a dotenv file.
fn world() -> World {
    let world = World::new();
    let watched = ["w1", "w2", "w3", "w4", "w5"];
    for project in PROJECTS {
        let at = |name: &str| format!("{project}/{name}");
        let missing = if project == "broken" { "env_vars_required: [NOT_SET]" } else { "" };
        let text = format!(
            "watch_file: [w1, w2, w3, w4, w5, none, '1/**/*']\nlayout: [node, python]\n\
             dotenv: [.env]\ndotenv_if_exists: [.env.local]\nenv: {{A: x}}\n{missing}\n"
        );
        age(&world.write(&at(".mima.yaml"), text));
        age(&world.write(&at(".env"), "B=b\nLD_PRELOAD=left-out\n"));
        for name in watched {
            age(&world.write(&at(name), ""));
        }
        let deep = world.write(&at("1/2/3/4/5/6/7/8/file"), "");
        deep.ancestors().take(9).for_each(age);
    }
    world.write("out/1/2/3/4/5/6/7/8/file", "");
    for allowed in ["allowed", "broken"] {
        world.mima(&["allow", "--yes"]).cwd(world.home().join(allowed)).run().ok();
    }
    world.mima(&["deny"]).cwd(world.home().join("denied")).run().ok();
    age(&world.data().join("trust"));
    world
}

/// Goes through all of it, and returns what each part started.
fn tour(mut counted: Counted) -> Vec<(String, usize)> {
    let still = ["true"; 100];
    let mut parts = vec![("the first prompt".to_owned(), counted.count())];
    let mut part = |name: String, lines: &[&str]| parts.push((name, counted.run(lines)));
    part("prompts outside".into(), &still);
    part("cd outside".into(), &["cd out", "cd 1", "cd 2/3", "cd ../..", "cd 2/3/4/5/6/7/8"]);
    part("prompts deep outside".into(), &still);
    for project in PROJECTS {
        part(format!("enter {project}"), &[&format!("cd ~/{project}")]);
        part(format!("prompts in {project}"), &still);
        let inside = ["cd 1", "cd 2/3", "cd ../..", "cd ~/nowhere", "cd 1/2/3/4/5/6/7/8"];
        part(format!("cd in {project}"), &inside);
        part(format!("prompts deep in {project}"), &still);
        part(format!("leave {project}"), &["cd ~/out"]);
        part(format!("prompts after {project}"), &still);
    }
    parts
}

#[test]
fn a_prompt_at_which_nothing_changed_starts_no_process() {
    each(|shell| {
        let world = world();
        let start = || Start::new(&world, shell).with_binary(&world.bin().join("mima"));
        let Some(with) = Counted::start(&world, start(), "with") else { return };
        let with = tour(with);
        let Some(without) = Counted::start(&world, start().without_hook(), "without") else {
            return;
        };
        for ((part, with), (_, without)) in with.into_iter().zip(tour(without)) {
            // That a change starts one shows that the counting works.
            if part.starts_with("enter ") || part.starts_with("leave ") {
                assert!(with > without, "{shell}: {part}: {with} - {without}");
            } else {
                assert_eq!(with, without, "{shell}: {part}");
            }
        }
    });
}

#[test]
fn stamps_that_are_gone_are_made_anew_by_one_process() {
    each(|shell| {
        let world = world();
        let start = Start::new(&world, shell).with_binary(&world.bin().join("mima"));
        let Some(mut counted) = Counted::start(&world, start, "log") else { return };
        counted.run(&["cd allowed", "true"]);
        assert_eq!(counted.shell.exported("A").as_deref(), Some("x"), "{shell}");
        let stamps = world.data().join("stamps");
        std::fs::remove_dir_all(&stamps).unwrap_or_else(|e| panic!("{}: {e}", stamps.display()));
        assert!(counted.run(&["true"]) > 0, "{shell}");
        assert_eq!(counted.run(&["true"; 10]), 0, "{shell}");
        assert_eq!(counted.shell.exported("A").as_deref(), Some("x"), "{shell}");
    });
}

/// No later change will have that time.
#[test]
fn a_file_whose_time_is_still_to_come_costs_no_process() {
    each(|shell| {
        let world = world();
        let start = Start::new(&world, shell).with_binary(&world.bin().join("mima"));
        let Some(mut counted) = Counted::start(&world, start, "log") else { return };
        let future = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
        let watched = std::fs::File::open(world.home().join("allowed/w1")).unwrap();
        watched.set_modified(future).unwrap();
        counted.run(&["cd allowed"]);
        assert_eq!(counted.run(&["true"; 10]), 0, "{shell}");
        watched.set_modified(future - std::time::Duration::from_secs(7200)).unwrap();
        assert!(counted.run(&["true"]) > 0, "{shell}");
        assert_eq!(counted.run(&["true"; 10]), 0, "{shell}");
    });
}

/// What is known of a flake costs no nix, and a prompt in its project nothing at all.
#[test]
fn a_prompt_in_a_project_with_a_flake_starts_no_process() {
    each(|shell| {
        let world = World::new();
        nix::stand_in(&world, nix::STAND_IN);
        world.write("env.json", nix::env_json(&[("GREETING", "hello")]));
        let project = nix::project(&world, "p", "use_flake: .\n", &nix::flake(""));
        age(&project.file());
        age(&project.dir.join("flake.nix"));
        age(&world.data().join("trust"));
        let start = || Start::new(&world, shell).with_binary(&world.bin().join("mima"));
        let Some(mut counted) = Counted::start(&world, start(), "first") else { return };
        counted.run(&["cd p", "true"]);
        assert_eq!(nix::calls(&world).len(), 2, "{shell}");
        assert_eq!(counted.run(&["true"; 100]), 0, "{shell}");
        assert_eq!(counted.shell.exported("GREETING").as_deref(), Some("hello"), "{shell}");
        let first = counted.run(&["cd ..", "cd p"]);
        // Another shell, of a person who comes back to it.
        let Some(mut counted) = Counted::start(&world, start(), "second") else { return };
        counted.run(&["cd p", "true"]);
        assert_eq!(counted.run(&["true"; 100]), 0, "{shell}");
        assert_eq!(counted.run(&["cd ..", "cd p"]), first, "{shell}");
        assert_eq!(counted.shell.exported("GREETING").as_deref(), Some("hello"), "{shell}");
        assert_eq!(nix::calls(&world).len(), 2, "{shell}");
        // nix has failed: neither is that tried again.
        std::fs::remove_dir_all(nix::kept(&world)).unwrap();
        nix::stand_in(&world, "echo 'error: no luck' >&2; exit 1\n");
        counted.run(&["cd ..", "cd p", "true"]);
        assert_eq!(nix::calls(&world).len(), 3, "{shell}");
        assert_eq!(counted.run(&["true"; 100]), 0, "{shell}");
    });
}
