//! The patterns of `watch_file`: what a shell looks at because of them.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;

use crate::common::hooked::age;
use crate::common::project::Project;
use crate::common::world::World;
use crate::hostile::AT_ONCE;

/// The paths in the project that bash is told to look at, without the project file itself.
#[track_caller]
fn watched(project: &Project<'_>) -> BTreeSet<String> {
    let script = project.mima(&["export", "bash"]).run().ok().quiet().out();
    let stale = script.lines().find(|line| line.starts_with("function __mima_stale { [[ "));
    let stale = stale.unwrap_or_else(|| panic!("no test of files: {script}"));
    let dir = format!("'{}/", project.dir.display());
    let paths = stale.split(&dir).skip(1).map(|rest| rest.split('\'').next().unwrap());
    paths.filter(|path| !path.starts_with(".mima.")).map(str::to_owned).collect()
}

/// A project with files in it that nobody has changed for long.
fn project<'w>(world: &'w World, patterns: &str) -> Project<'w> {
    for file in
        ["src/a.toml", "src/b.rs", "src/.c.toml", "src/deep/er/d.toml", "e.toml", ".git/f.toml"]
    {
        age(&world.write(&format!("p/{file}"), ""));
    }
    for dir in ["p/src/deep/er", "p/src/deep", "p/src", "p/.git", "p"] {
        age(&world.home().join(dir));
    }
    let project = Project::new(world, "p", format!("watch_file: {patterns}\n"));
    age(&project.file());
    age(&project.dir);
    project.allow();
    age(&world.data().join("trust"));
    project
}

#[test]
fn a_pattern_stands_for_files_and_the_directories_they_are_looked_for_in() {
    let world = World::new();
    for (patterns, want) in [
        ("[e.toml, none]", &["e.toml", "none"][..]),
        ("['src/*.toml']", &["src", "src/a.toml"]),
        ("['src/.*.toml']", &["src", "src/.c.toml"]),
        ("['src/[ab].*']", &["src", "src/a.toml", "src/b.rs"]),
        ("['none/*.toml']", &["none"]),
        ("['e.toml/*']", &["e.toml"]),
        // What is looked for by its name is watched even while it is not there.
        ("['src/*/d.toml']", &["src", "src/deep/d.toml"]),
        ("['src/*/er/*']", &["src", "src/deep/er", "src/deep/er/d.toml"]),
        (
            "['src/**']",
            &["src", "src/a.toml", "src/b.rs", "src/deep", "src/deep/er", "src/deep/er/d.toml"],
        ),
        (
            "['src/**/d.toml']",
            &[
                "src",
                "src/d.toml",
                "src/deep",
                "src/deep/d.toml",
                "src/deep/er",
                "src/deep/er/d.toml",
            ],
        ),
    ] {
        let project = project(&world, patterns);
        let want: BTreeSet<_> = want.iter().map(|path| (*path).to_owned()).collect();
        assert_eq!(watched(&project), want, "{patterns}");
    }
    // From the project's own directory; hidden ones are left out.
    let script = project(&world, "['**/*.toml']").mima(&["export", "bash"]).run().out();
    assert!(script.contains("er/d.toml'") && script.contains("/p/e.toml'"), "{script}");
    assert!(!script.contains(".git"), "{script}");
}

#[test]
fn links_are_followed_where_they_are_named_and_lead_in_no_circle() {
    let world = World::new();
    let project = project(&world, "['src/**/*.toml', 'link/*.toml']");
    symlink("..", project.dir.join("src/deep/up")).unwrap();
    symlink("src", project.dir.join("link")).unwrap();
    for dir in ["src/deep", "src", ""] {
        age(&project.dir.join(dir));
    }
    let watched = watched(&project);
    assert!(watched.contains("link/a.toml") && watched.contains("src/deep/er/d.toml"));
    assert!(watched.iter().all(|path| !path.contains("/up/")), "{watched:?}");
}

#[test]
fn t_d2_a_pattern_for_too_much_is_an_error_at_once() {
    let world = World::new();
    let project =
        Project::allowed(&world, "p", "env: {A: a}\nwatch_file: ['many/*', 'deep/**/x']\n");
    let many = project.dir.join("many");
    std::fs::create_dir(&many).unwrap();
    let fill = |count: usize| {
        for nr in 0..count {
            std::fs::write(many.join(nr.to_string()), "").unwrap();
        }
    };
    let why = |what: &str| {
        format!(
            "mima: ~/p/.mima.yaml:2:14: watch_file: the pattern makes mima look at more than {what}\n\
             hint: begin it with the directory that matters: src/*.toml\n"
        )
    };
    fill(240);
    assert_eq!(project.loaded()["A"].as_deref(), Some("a"));
    fill(260);
    let too_many = why("256 files and directories");
    assert_eq!(project.not_loaded(&too_many).err(), too_many);
    project.mima(&["status"]).run().ok().stderr_has(&too_many);
    // Whoever does not watch is not concerned.
    project.mima(&["exec", ".", "printenv", "A"]).run().ok().quiet().stdout_is("a\n");
    // Few match, out of many.
    project.write(".mima.yaml", "env: {A: a}\nwatch_file: ['many/x*']\n");
    project.allow();
    assert_eq!(project.loaded()["A"].as_deref(), Some("a"));
    fill(20_100);
    let too_many = why("20000 entries of directories");
    let export = project.mima(&["export", "json"]).timeout(AT_ONCE).run();
    assert_eq!(export.fails(1).err(), too_many);
}
