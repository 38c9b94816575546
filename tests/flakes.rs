//! `use_flake` with a real nix: what is loaded, in which order, and what it costs.

use std::path::{Path, PathBuf};

use crate::common::PATH;
use crate::common::nix::{self, Nix, calls, flake, flake_of, kept};
use crate::common::project::{Project, changes};
use crate::common::world::World;

/// What `mima export json` says, without what mima says of itself.
fn loaded(project: &Project<'_>) -> Vec<String> {
    let output = project.mima(&["export", "json"]).run();
    let all = changes(output.ok()).into_iter();
    let all = all.filter(|(name, _)| !name.starts_with("MIMA_") && !name.starts_with("__MIMA_"));
    all.map(|(name, value)| format!("{name}={}", value.unwrap_or_else(|| "(unset)".to_owned())))
        .collect()
}

fn value(project: &Project<'_>, name: &str) -> Option<String> {
    let mut all = loaded(project).into_iter();
    all.find_map(|line| line.strip_prefix(&format!("{name}=")).map(str::to_owned))
}

#[test]
fn what_a_flake_exports_is_loaded_by_the_rules_of_nix_direnv() {
    let mut world = World::new();
    let Some(_nix) = Nix::new(&mut world) else { return };
    let attributes = "GREETING = \"hello 'you'\\n\"; shellHook = \"touch ~/never; export HOOKED=1\";
      PATH = \"/opt/flake/bin:relative::/bin\"; XDG_DATA_DIRS = \"/opt/flake/share\";
      buildPhase = \"false\"; TZ = \"X\"; PS4 = \"x\"; TMPDIR = \"/x\"; HOME = \"/x\"; SHELL = \"x\";
      SSL_CERT_FILE = \"/no-cert-file.crt\"; NUMBER = 7; LIST = [ \"a\" \"b\" ];";
    let text = "env: {A: \"${GREETING}!\", NUMBER: '8'}\nPATH_add: [bin]\nuse_flake: .\n";
    let project = nix::project(&world, "p", text, &flake(attributes));
    let found = loaded(&project);
    let own = world.bin();
    let path =
        format!("PATH={}/bin:/opt/flake/bin:/bin:{}:{PATH}", project.dir.display(), own.display());
    let store = format!("NIX_STORE={}/nix/store", world.root().display());
    let want = [
        "A=hello 'you'\n!",
        "GREETING=hello 'you'\n",
        "IN_NIX_SHELL=impure",
        "LIST=a b",
        store.as_str(),
        "NUMBER=8",
        path.as_str(),
        "XDG_DATA_DIRS=/opt/flake/share:/usr/local/share:/usr/share",
    ];
    let found: Vec<_> = found.iter().filter(|line| !line.starts_with("NIX_BUILD_CORES=")).collect();
    assert_eq!(found, want.iter().collect::<Vec<_>>());
    assert!(!world.home().join("never").exists());
    assert!(!project.dir.join("flake.lock").exists());
}

#[test]
fn the_data_directories_that_are_there_stay() {
    let mut world = World::new();
    let Some(_nix) = Nix::new(&mut world) else { return };
    let attributes = "XDG_DATA_DIRS = \"/opt/flake/share\";";
    let project = nix::project(&world, "p", "use_flake: .\n", &flake(attributes));
    let output = project.mima(&["export", "json"]).env("XDG_DATA_DIRS", "/mine").run();
    let dirs = changes(output.ok()).remove("XDG_DATA_DIRS");
    assert_eq!(dirs, Some(Some("/opt/flake/share:/mine".to_owned())));
}

#[test]
fn what_is_known_of_a_flake_costs_no_nix() {
    let mut world = World::new();
    let Some(_nix) = Nix::new(&mut world) else { return };
    let shells = |word: &str| {
        let greeting = format!("GREETING = \"{word}\";");
        flake_of(&[("default", &greeting), ("ci", "GREETING = \"ci\";")])
    };
    let project = nix::project(&world, "p", "use_flake: .\n", &shells("one"));
    let greets = |word: &str, count: usize| {
        assert_eq!(value(&project, "GREETING").as_deref(), Some(word));
        assert_eq!(calls(&world).len(), count, "{word}: {:#?}", calls(&world));
    };
    greets("one", 2);
    greets("one", 2);
    // What is in flake.nix, and whether there is a lock file and what it says.
    project.write("flake.nix", shells("two"));
    project.allow();
    greets("two", 4);
    project.write("flake.lock", "{\"nodes\": {\"root\": {}}, \"root\": \"root\", \"version\": 7}");
    project.allow();
    greets("two", 6);
    project
        .write("flake.lock", "{\"nodes\": {\"root\": {}}, \"root\": \"root\", \"version\": 7}\n");
    project.allow();
    greets("two", 8);
    // Which of its shells.
    project.write(".mima.yaml", "use_flake: '.#ci'\n");
    project.allow();
    greets("ci", 10);
    // All of it is still known.
    project.write(".mima.yaml", "use_flake: .\n");
    project.allow();
    greets("two", 10);
    std::fs::remove_file(project.dir.join("flake.lock")).unwrap();
    project.write("flake.nix", shells("one"));
    project.allow();
    greets("one", 10);
    // Nothing but `reload` asks nix again.
    project.mima(&["export", "json", "--reload"]).run().ok();
    greets("one", 12);
}

#[test]
fn a_flake_may_lie_in_a_directory_of_the_project_and_in_a_repository() {
    let mut world = World::new();
    let Some(_nix) = Nix::new(&mut world) else { return };
    // nix 2.8 itself takes no repository that has a blank in its path.
    let project = Project::new(&world, "repository", "use_flake: './nix/dev#ci'\n");
    std::fs::create_dir_all(project.dir.join("nix/dev")).unwrap();
    let text = flake_of(&[("default", ""), ("ci", "GREETING = import ./word.nix;")]);
    project.write("nix/dev/flake.nix", text);
    project.write("nix/dev/word.nix", "\"from the repository\"");
    let git = |args: &[&str]| {
        world.command("git").args(args).cwd(&project.dir).run().ok();
    };
    git(&["init", "--quiet"]);
    project.allow();
    // nix sees only what git knows.
    let output = project.mima(&["export", "json"]).run();
    output.ok().stderr_has("cd ~/repository/nix/dev && git add flake.* && mima reload");
    git(&["add", "."]);
    assert_eq!(value(&project, "GREETING").as_deref(), Some("from the repository"));
    assert!(!project.dir.join("nix/dev/flake.lock").exists());
}

#[test]
fn a_flake_may_lie_in_a_directory_with_any_name() {
    let mut world = World::new();
    let Some(_nix) = Nix::new(&mut world) else { return };
    for name in ["a b", "é", "a?b", "a#b", "a&b%20"] {
        let project = nix::project(&world, name, "use_flake: .\n", &flake("GREETING = \"x\";"));
        assert_eq!(value(&project, "GREETING").as_deref(), Some("x"), "{name}");
    }
}

/// The store paths that the environment of a project names.
fn store_path(project: &Project<'_>) -> PathBuf {
    value(project, "DEP").expect("it is exported").into()
}

/// A shell that needs something that has to be built.
fn with_dependency(script: &str) -> String {
    let system = format!("{}-linux", std::env::consts::ARCH);
    flake(&format!(
        "DEP = derivation {{ name = \"dep\"; system = \"{system}\"; builder = \"/bin/bash\";
        args = [ \"-c\" \"{script}; echo built > $out\" ]; }};"
    ))
}

#[test]
fn no_garbage_collection_takes_what_a_shell_uses() {
    let mut world = World::new();
    let Some(nix) = Nix::new(&mut world) else { return };
    let project = nix::project(&world, "p", "use_flake: .\n", &with_dependency(":"));
    let path = store_path(&project);
    let before = calls(&world).len();
    // What nothing keeps is gone, so the collection does happen.
    let loose = world.write("loose", "x");
    let loose = nix.run(&world, &["store", "add-file", loose.to_str().unwrap()]).out();
    assert!(Path::new(loose.trim()).exists());
    nix.collect_garbage(&world);
    assert!(!Path::new(loose.trim()).exists());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "built\n");
    assert_eq!(store_path(&project), path);
    assert_eq!(calls(&world).len(), before);
    // An environment whose profile is gone is not trusted to be whole.
    for profile in nix::all_named(&kept(&world), "profile-1-link") {
        std::fs::remove_file(profile).unwrap();
    }
    nix.collect_garbage(&world);
    assert!(!path.exists());
    assert_eq!(store_path(&project), path);
    assert!(path.exists());
}

#[test]
fn prune_lets_nix_collect_what_no_project_has_any_more() {
    let mut world = World::new();
    let Some(nix) = Nix::new(&mut world) else { return };
    let project = nix::project(&world, "p", "use_flake: .\n", &with_dependency(": one"));
    let old = store_path(&project);
    project.write("flake.nix", with_dependency(": two"));
    project.allow();
    let new = store_path(&project);
    project.mima(&["export", "json", "--reload"]).run().ok();
    assert_ne!(old, new);
    let prune = || {
        let output = world.mima(&["prune"]).run();
        nix.collect_garbage(&world);
        output.ok().err()
    };
    assert!(prune().contains("forgot 1 environment of a flake, which nix may now collect"));
    assert!(!old.exists());
    assert!(new.exists());
    assert!(!prune().contains("flake"));
    let before = calls(&world).len();
    assert_eq!(store_path(&project), new);
    assert_eq!(calls(&world).len(), before);
    std::fs::remove_dir_all(&project.dir).unwrap();
    assert!(prune().contains("forgot 1 environment"));
    assert!(!new.exists());
    assert_eq!(std::fs::read_dir(kept(&world)).unwrap().count(), 0);
}

/// Another flake, and one that needs it.
fn with_input(world: &World) -> String {
    let other = "{ outputs = { self }: { word = \"from the input\"; }; }";
    let other = world.write("other/flake.nix", other);
    let url = format!("inputs.other.url = \"path:{}\";", other.parent().unwrap().display());
    flake("GREETING = other.word;")
        .replace("outputs = { self }", &format!("{url}\n  outputs = {{ self, other }}"))
}

#[test]
fn inputs_are_those_of_the_lock_file_that_was_allowed_and_none_else() {
    let mut world = World::new();
    let Some(nix) = Nix::new(&mut world) else { return };
    let text = with_input(&world);
    let project = nix::project(&world, "p", "use_flake: .\nenv: {A: a}\n", &text);
    let output = project.mima(&["export", "json"]).run();
    let hint = "hint: cd ~/p && nix flake lock && mima allow";
    output.ok().stderr_has("requires lock file changes").stderr_has(hint);
    assert_eq!(changes(&output)["A"].as_deref(), Some("a"));
    assert!(!changes(&output).contains_key("GREETING"));
    assert!(!project.dir.join("flake.lock").exists());
    let dir = project.dir.to_str().unwrap();
    nix.run(&world, &["flake", "lock", dir]);
    let output = project.mima(&["export", "json"]).run();
    output.ok().stderr_has("mima: ~/p/flake.lock is not allowed yet: mima allow");
    let output = project.mima(&["allow", "--yes"]).run();
    output.ok().stderr_has("other: locked.lastModified=").stderr_has("original.path=");
    assert_eq!(value(&project, "GREETING").as_deref(), Some("from the input"));
    // What the input says now is not what it was locked to.
    world.write("other/flake.nix", "{ outputs = { self }: { word = \"another\"; }; }");
    project.mima(&["export", "json", "--reload"]).run().ok();
    assert_eq!(value(&project, "GREETING").as_deref(), Some("from the input"));
}

#[test]
fn exec_explain_and_status_know_of_a_flake() {
    let mut world = World::new();
    let Some(_nix) = Nix::new(&mut world) else { return };
    let attributes = "GREETING = \"hello\"; PATH = \"/opt/flake/bin\";";
    let project = nix::project(&world, "p", "env: {A: a}\nuse_flake: .\n", &flake(attributes));
    // Neither of these runs it.
    project.mima(&["status"]).run().ok().stdout_has("~/p/flake.nix  allowed");
    project.mima(&["explain", "GREETING"]).run().fails(1);
    assert_eq!(calls(&world), Vec::<String>::new());
    let exec = world.mima(&["exec", "p", "printenv", "GREETING", "A"]).run();
    exec.ok().quiet().stdout_is("hello\na\n");
    let explain = |name| project.mima(&["explain", name]).run().ok().out();
    let want = "~/p/.mima.yaml:2:12: use_flake: what ~/p/flake.nix exports\n";
    assert!(explain("GREETING").starts_with(want), "{}", explain("GREETING"));
    let want = "~/p/.mima.yaml:2:12: use_flake: /opt/flake/bin, in front\n";
    assert!(explain("PATH").starts_with(want), "{}", explain("PATH"));
    project.write("flake.nix", "{}");
    project.mima(&["status", "--check"]).run().fails(3);
    assert_eq!(calls(&world).len(), 2);
}

#[test]
fn a_flake_above_comes_first() {
    let mut world = World::new();
    let Some(_nix) = Nix::new(&mut world) else { return };
    let outer = flake("GREETING = \"outer\"; PARTING = \"bye\"; PATH = \"/opt/outer\";");
    nix::project(&world, "a", "use_flake: .\n", &outer);
    let inner = flake("GREETING = \"inner\"; PATH = \"/opt/inner\";");
    let text = "source_up: true\nuse_flake: .\n";
    let project = nix::project(&world, "a/b", text, &inner);
    let of = |name| value(&project, name).unwrap();
    assert_eq!((of("GREETING").as_str(), of("PARTING").as_str()), ("inner", "bye"));
    assert!(of("PATH").starts_with("/opt/inner:/opt/outer:"), "{}", of("PATH"));
    // One that is not allowed any more takes nothing from the other.
    world.write("a/flake.nix", "{}");
    let output = project.mima(&["export", "json"]).run();
    let want = "mima: ~/a/flake.nix has changed since it was allowed: mima allow ~/a/.mima.yaml\n";
    output.ok().stderr_has(want);
    assert_eq!(changes(&output)["GREETING"].as_deref(), Some("inner"));
}
