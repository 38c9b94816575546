//! Whatever a project depends on: a change of it is there at the next prompt.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::common::hooked::{Hooked, age, each};
use crate::common::world::World;

/// A shell in `~/p`, or below.
struct InProject<'a> {
    world: &'a World,
    shell: Hooked,
    name: &'static str,
}

impl<'a> InProject<'a> {
    fn new(world: &'a World, name: &'static str, text: &str) -> Self {
        world.write("p/.mima.yaml", text);
        allow(world, "p");
        let mut shell = Hooked::new(world, name);
        shell.run("cd p");
        Self { world, shell, name }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.world.home().join("p").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        self.world.write(&format!("p/{name}"), text);
    }

    /// Waits, as it were, until the shell compares times and no longer asks at each prompt.
    fn settle(&mut self) {
        for path in crate::common::leaks::files_below(&self.path("")) {
            if path.exists() {
                age(&path);
            }
        }
        age(&self.path(".mima.yaml"));
        age(&self.world.data().join("trust"));
        self.shell.run("true");
    }

    #[track_caller]
    fn assert_exports(&mut self, name: &str, value: Option<&str>) {
        let got = self.shell.exported(name);
        assert_eq!(got.as_deref(), value, "{}: {name}\n{}", self.name, self.shell.pty.transcript());
    }

    /// Does it, and sees that the shell has looked again by the next prompt.
    #[track_caller]
    fn notices(&mut self, what: &str, change: impl FnOnce(&Self)) {
        let before = self.shell.exported("__MIMA_STATE");
        assert!(before.is_some(), "{}", self.name);
        change(self);
        self.shell.run("true");
        let after = self.shell.exported("__MIMA_STATE");
        assert!(before != after, "{}: {what}\n{}", self.name, self.shell.pty.transcript());
    }
}

fn allow(world: &World, dir: &str) {
    world.mima(&["allow", "--yes"]).cwd(world.home().join(dir)).run().ok();
}

#[test]
fn an_edited_project_file_is_unloaded_and_loaded_again_when_it_is_allowed() {
    each(|shell| {
        let world = World::new();
        let mut project = InProject::new(&world, shell, "env: {A: one}\n");
        project.assert_exports("A", Some("one"));
        for value in ["two", "six", "ten"] {
            project.settle();
            project.write(".mima.yaml", &format!("env: {{A: {value}}}\n"));
            let said = project.shell.run("true");
            assert!(said.contains("has changed since it was allowed"), "{shell}: {said}");
            assert_eq!(project.shell.run("true"), "", "{shell}");
            project.assert_exports("A", None);
            project.settle();
            allow(&world, "p");
            let said = project.shell.run("true");
            assert!(said.contains("mima: ~/p +A"), "{shell}: {said}");
            project.assert_exports("A", Some(value));
        }
    });
}

#[test]
fn allow_and_deny_from_another_terminal_count_here() {
    each(|shell| {
        let world = World::new();
        let mut project = InProject::new(&world, shell, "env: {A: one}\n");
        for _ in 0..2 {
            project.settle();
            world.mima(&["deny"]).cwd(project.path("")).run().ok();
            project.shell.run("true");
            project.assert_exports("A", None);
            project.settle();
            allow(&world, "p");
            project.shell.run("true");
            project.assert_exports("A", Some("one"));
        }
    });
}

#[test]
fn every_change_of_a_watched_file_is_noticed() {
    each(|shell| {
        let world = World::new();
        world.write("p/w", "1");
        for target in ["t1", "t2"] {
            age(&world.write(&format!("p/{target}"), ""));
        }
        let same = std::fs::File::open(world.home().join("p/t1")).unwrap();
        let same = same.metadata().unwrap().modified().unwrap();
        symlink("t1", world.home().join("p/link")).unwrap();
        let text = "env: {A: one}\nwatch_file: [w, later, link, d/deep]\n";
        let mut project = InProject::new(&world, shell, text);
        project.settle();
        project.notices("an edit", |p| p.write("w", "2"));
        project.notices("another within the second", |p| p.write("w", "3"));
        project.notices("and another", |p| p.write("w", "4"));
        project.settle();
        project.notices("an edit after a while", |p| p.write("w", "5"));
        project.settle();
        project.notices("an older file moved in", |p| {
            p.write("old", "6");
            (0..400).for_each(|_| age(&p.path("old")));
            std::fs::rename(p.path("old"), p.path("w")).unwrap();
        });
        project.settle();
        project.notices("a deletion", |p| std::fs::remove_file(p.path("w")).unwrap());
        project.notices("it is back", |p| p.write("w", "7"));
        project.settle();
        project.notices("a file that was not there", |p| p.write("later", ""));
        project.settle();
        project.notices("a file in a directory that was not there", |p| p.write("d/deep", ""));
        project.settle();
        let retarget = |p: &InProject<'_>, to: &str| {
            for target in ["t1", "t2"] {
                std::fs::File::open(p.path(target)).unwrap().set_modified(same).unwrap();
            }
            symlink(to, p.path("new")).unwrap();
            std::fs::rename(p.path("new"), p.path("link")).unwrap();
        };
        retarget(&project, "t1");
        project.shell.run("true");
        project.notices("another target of a link", |p| retarget(p, "t2"));
        project.settle();
        project.notices("a link that leads nowhere", |p| {
            std::fs::remove_file(p.path("t2")).unwrap();
        });
        project.assert_exports("A", Some("one"));
    });
}

#[test]
fn a_local_file_that_appears_is_noticed() {
    each(|shell| {
        let world = World::new();
        let mut project = InProject::new(&world, shell, "env: {A: one}\n");
        project.settle();
        project.write(".mima.local.yaml", "env: {B: local}\n");
        let said = project.shell.run("true");
        assert!(said.contains(".mima.local.yaml is not allowed yet"), "{shell}: {said}");
        project.assert_exports("A", Some("one"));
        project.settle();
        allow(&world, "p");
        project.shell.run("true");
        project.assert_exports("B", Some("local"));
        project.settle();
        std::fs::remove_file(project.path(".mima.local.yaml")).unwrap();
        project.shell.run("true");
        project.assert_exports("B", None);
        project.assert_exports("A", Some("one"));
    });
}

#[test]
fn a_nearer_file_takes_over_and_gives_back() {
    each(|shell| {
        let world = World::new();
        world.write("p/sub/dir/file", "");
        let mut project = InProject::new(&world, shell, "env: {A: outer}\n");
        project.shell.run("cd sub/dir");
        project.settle();
        project.assert_exports("A", Some("outer"));
        project.write("sub/.mima.yaml", "env: {B: inner}\n");
        let said = project.shell.run("true");
        assert!(said.contains("sub/.mima.yaml is not allowed yet"), "{shell}: {said}");
        project.assert_exports("A", None);
        project.settle();
        allow(&world, "p/sub");
        project.shell.run("true");
        project.assert_exports("B", Some("inner"));
        project.settle();
        std::fs::remove_file(project.path("sub/.mima.yaml")).unwrap();
        project.shell.run("true");
        project.assert_exports("A", Some("outer"));
        project.assert_exports("B", None);
        project.settle();
        std::fs::remove_file(project.path(".mima.yaml")).unwrap();
        project.shell.run("true");
        project.assert_exports("A", None);
        project.assert_exports("__MIMA_STATE", None);
        project.assert_exports("MIMA_DIR", None);
    });
}

#[test]
fn files_above_that_are_loaded_too_are_noticed() {
    each(|shell| {
        let world = World::new();
        world.write("p/mid/sub/.mima.yaml", "source_up: true\nenv: {B: inner}\n");
        allow(&world, "p/mid/sub");
        let mut project = InProject::new(&world, shell, "env: {A: outer}\n");
        project.shell.run("cd mid/sub");
        project.assert_exports("A", Some("outer"));
        project.assert_exports("B", Some("inner"));
        project.settle();
        project.write(".mima.yaml", "env: {A: edited}\n");
        allow(&world, "p");
        project.shell.run("true");
        project.assert_exports("A", Some("edited"));
        project.settle();
        project.write("mid/.mima.yaml", "env: {A: between}\n");
        allow(&world, "p/mid");
        project.shell.run("true");
        project.assert_exports("A", Some("between"));
        project.assert_exports("B", Some("inner"));
        project.settle();
        std::fs::remove_file(project.path("mid/.mima.yaml")).unwrap();
        project.shell.run("true");
        project.assert_exports("A", Some("edited"));
    });
}
