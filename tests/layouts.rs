//! Layouts, and the version of mima that a project needs.

use crate::common::project::{Project, changes};
use crate::common::user::mode;
use crate::common::world::World;

/// What a layout sets, with `@` for the directory of the project. `PATH` is what is in front.
fn comes_to(project: &Project<'_>) -> Vec<String> {
    let before = format!(":{}:{}", project.world.bin().display(), crate::common::PATH);
    let dir = project.dir.to_str().unwrap();
    let changes = project.loaded().into_iter().filter(|(name, _)| !name.contains("MIMA"));
    changes
        .map(|(name, value)| match value {
            Some(value) => format!("{name}={}", value.replace(&before, "").replace(dir, "@")),
            None => format!("no {name}"),
        })
        .collect()
}

#[test]
fn a_layout_sets_what_direnv_would() {
    let world = World::new();
    for (layout, want) in [
        ("node", &["PATH=@/node_modules/.bin"][..]),
        ("php", &["PATH=@/vendor/bin"]),
        ("go", &["GOBIN=@/.direnv/go/bin", "GOPATH=@/.direnv/go", "PATH=@/.direnv/go/bin"]),
        (
            "ruby",
            &[
                "BUNDLE_BIN=@/.direnv/bin",
                "GEM_HOME=@/.direnv/ruby",
                "PATH=@/.direnv/bin:@/.direnv/ruby/bin",
            ],
        ),
        (
            "perl",
            &[
                "LOCAL_LIB=@/.direnv/perl5",
                "PATH=@/.direnv/perl5/bin",
                "PERL5LIB=@/.direnv/perl5/lib/perl5",
                "PERL_LOCAL_LIB_ROOT=@/.direnv/perl5",
                "PERL_MB_OPT=--install_base \"@/.direnv/perl5\"",
                "PERL_MM_OPT=INSTALL_BASE=\"@/.direnv/perl5\"",
            ],
        ),
    ] {
        let project = Project::allowed(&world, "a b", format!("layout: [{layout}]\n"));
        assert_eq!(comes_to(&project), want);
    }
}

#[test]
fn a_layout_comes_before_all_else() {
    let world = World::new();
    let project = Project::allowed(
        &world,
        "p",
        "layout: [ruby, node]\nPATH_add: [bin]\nenv: {BUNDLE_BIN: own, G: '${GEM_HOME}/x'}\n\
         path_add: {GOPATH: [go]}\n",
    );
    let want = [
        "BUNDLE_BIN=own",
        "G=@/.direnv/ruby/x",
        "GEM_HOME=@/.direnv/ruby",
        "GOPATH=@/go",
        "PATH=@/bin:@/node_modules/.bin:@/.direnv/bin:@/.direnv/ruby/bin",
    ];
    assert_eq!(comes_to(&project), want);
}

/// Nothing is made; and what there is to be had of the project is had all the same.
#[test]
fn python_takes_the_environment_that_is_there() {
    let world = World::new();
    let project = Project::allowed(&world, "p", "layout: [python]\nenv: {A: a}\n");
    let export = project.mima(&["export", "json"]).env("PYTHONHOME", "/x").run();
    let notice = "mima: there is no ~/p/.venv for layout python\nhint: python3 -m venv .venv\n";
    assert_eq!(export.ok().err(), notice);
    let set = changes(&export);
    assert_eq!(set["A"].as_deref(), Some("a"));
    assert!(!set.contains_key("PATH") && !set.contains_key("PYTHONHOME"), "{set:?}");
    let exec = project.mima(&["exec", ".", "sh", "-c", "echo $A ${VIRTUAL_ENV-none}"]).run();
    assert_eq!(exec.ok().stdout_is("a none\n").err(), notice);
    std::fs::create_dir(project.dir.join(".venv")).unwrap();
    project.mima(&["export", "json"]).run().ok().stderr_has(notice);
    project.write(".venv/pyvenv.cfg", "");
    let want = ["A=a", "PATH=@/.venv/bin", "no PYTHONHOME", "VIRTUAL_ENV=@/.venv"];
    assert_eq!(comes_to(&project), want);
}

#[test]
fn t_b11_a_layout_puts_no_directory_on_path_that_others_can_write_to() {
    let world = World::new();
    let project = Project::allowed(&world, "p", "env: {A: a}\nlayout: [node]\n");
    let open = project.dir.join("node_modules/.bin");
    std::fs::create_dir_all(&open).unwrap();
    mode(&open, 0o777);
    let why = "mima: ~/p/.mima.yaml:2:10: layout: others can write to ~/p/node_modules/.bin\n\
               hint: chmod go-w ~/p/node_modules/.bin && mima reload\n";
    assert_eq!(project.not_loaded(why).err(), why);
    mode(&open, 0o755);
    assert_eq!(comes_to(&project), ["A=a", "PATH=@/node_modules/.bin"]);
}

#[test]
fn an_older_mima_says_that_it_is_too_old_whatever_else_there_is() {
    let world = World::new();
    let version = env!("CARGO_PKG_VERSION");
    let project =
        Project::allowed(&world, "p", format!("mima_version: '>={version}'\nenv: {{A: a}}\n"));
    assert_eq!(project.loaded()["A"].as_deref(), Some("a"));
    project.write(".mima.yaml", "of_the_future: {}\nenv: {A: a}\nmima_version: '>=9.1'\n");
    let why = format!(
        "mima: ~/p/.mima.yaml:3:15: mima_version: the project needs mima 9.1.0, and this is \
         {version}\nhint: install a newer mima, then: mima reload\n"
    );
    assert_eq!(project.not_loaded(&why).err(), why);
    project.mima(&["allow", "--yes"]).run().fails(1).stderr_has(&why);
}
