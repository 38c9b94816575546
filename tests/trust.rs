//! What is loaded is what was approved, where it was approved: rows A1–A4, A8 and A9.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use mima::flow::Mima;
use mima::paths::Paths;
use mima::prompt::Prompter;

use crate::common::project::{Project, changes, nothing_set};
use crate::common::world::World;

const GOOD: &str = "env: {MARK: good}\n";
const EVIL: &str = "env: {MARK: evil, EVIL: yes}\n";

/// Exchanges the file of a project by rename, back and forth, while `work` is done, which is told
/// how often that was.
fn while_flipping(file: &Path, work: impl FnOnce(&AtomicUsize)) {
    let (stop, flips) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let next = file.with_extension("next");
            while !stop.load(Ordering::Relaxed) {
                for text in [EVIL, GOOD] {
                    std::fs::write(&next, text).unwrap();
                    std::fs::rename(&next, file).unwrap();
                    flips.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let _stop = Stop(&stop);
        work(&flips);
    });
}

/// Ends the other thread, in a panic too: the scope waits for it.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// direnv runs what was never approved in 69 of 400 such races. These loads are in-process:
/// the same function that every verb calls, without the start of a process between two.
#[test]
fn t_a1_ten_thousand_loads_of_a_file_that_is_being_exchanged_never_load_the_other() {
    let world = World::new();
    let project = Project::allowed(&world, "p", GOOD);
    let mima =
        Mima::new(Paths::in_dir(world.data()), Prompter::from_env(mima::prompt::Asking::Forbidden));
    let mut loaded = 0;
    let mut refused = 0;
    while_flipping(&project.file(), |flips| {
        let mut loads = 0;
        // On a busy machine the other thread gets its turn less often.
        while loads < 10_000 || flips.load(Ordering::Relaxed) < 1000 {
            loads += 1;
            let look = mima.look(&project.dir);
            match look.layers.first() {
                Some(layer) => {
                    let env: Vec<_> = layer.file.env.iter().map(|(_, v)| &v.value).collect();
                    assert_eq!(env, ["good"]);
                    loaded += 1;
                }
                None => refused += 1,
            }
        }
    });
    // Both were met, or it was no race.
    assert!(loaded > 100 && refused > 100, "{loaded} {refused}");
}

#[test]
fn t_a1_nor_do_the_loads_of_the_real_binary() {
    let world = World::new();
    let project = Project::allowed(&world, "p", GOOD);
    let mut loaded = 0;
    while_flipping(&project.file(), |_| {
        for _ in 0..600 {
            let output = project.mima(&["export", "json"]).run();
            let changes = changes(&output);
            assert!(!changes.contains_key("EVIL"), "{output}");
            match changes.get("MARK") {
                Some(mark) => {
                    assert_eq!(mark.as_deref(), Some("good"), "{output}");
                    loaded += 1;
                }
                None => drop(output.fails(1).stderr_has("mima allow")),
            }
        }
    });
    assert!((1..600).contains(&loaded), "{loaded} of 600");
}

/// The file is a link, and the link is what is exchanged.
#[test]
fn t_a1_nor_do_loads_through_a_link_that_is_being_retargeted() {
    let world = World::new();
    let project = Project::new(&world, "p", "");
    std::fs::remove_file(project.file()).unwrap();
    let (good, evil) = (project.write("good", GOOD), project.write("evil", EVIL));
    symlink(&good, project.file()).unwrap();
    project.allow();
    let mima =
        Mima::new(Paths::in_dir(world.data()), Prompter::from_env(mima::prompt::Asking::Forbidden));
    let stop = AtomicBool::new(false);
    let mut loaded = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let next = project.dir.join("next");
            while !stop.load(Ordering::Relaxed) {
                for target in [&evil, &good] {
                    symlink(target, &next).unwrap();
                    std::fs::rename(&next, project.file()).unwrap();
                }
            }
        });
        for _ in 0..3000 {
            let look = mima.look(&project.dir);
            for layer in &look.layers {
                assert_eq!(layer.file.env.len(), 1);
                loaded += 1;
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!((1..3000).contains(&loaded), "{loaded} of 3000");
}

/// The directory is a link, and the link is what is exchanged: where a file is and what it
/// says are told by two calls, and what they tell must belong together.
#[test]
fn t_a1_nor_do_loads_in_a_directory_that_is_being_exchanged() {
    let world = World::new();
    let good = Project::allowed(&world, "good", GOOD);
    let evil = Project::new(&world, "evil", EVIL);
    let link = world.home().join("link");
    symlink(&good.dir, &link).unwrap();
    let mima =
        Mima::new(Paths::in_dir(world.data()), Prompter::from_env(mima::prompt::Asking::Forbidden));
    let stop = AtomicBool::new(false);
    let mut loaded = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let next = world.home().join("next");
            while !stop.load(Ordering::Relaxed) {
                for target in [&evil.dir, &good.dir] {
                    symlink(target, &next).unwrap();
                    std::fs::rename(&next, &link).unwrap();
                }
            }
        });
        for _ in 0..3000 {
            for layer in &mima.look(&link).layers {
                assert_eq!(layer.file.env.len(), 1);
                loaded += 1;
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!((1..3000).contains(&loaded), "{loaded} of 3000");
}

#[test]
fn t_a2_a_changed_file_is_not_loaded_and_its_variables_are_taken_back() {
    let world = World::new();
    let project = Project::allowed(&world, "p", "env: {A: one}\nPATH_add: [bin]\n");
    let bash = "echo \"$A\"; echo '# x' >>.mima.yaml; load; \
                echo \"${A-unset} ${MIMA_DIR-unset}\"; echo \"$PATH\"; load; load";
    let output = project.bash(bash).run();
    let out = output.ok().out();
    let mut lines = out.lines();
    assert_eq!([lines.next(), lines.next()], [Some("one"), Some("unset unset")]);
    assert!(!lines.next().unwrap().contains("/p/bin"), "{output}");
    let said = output.err();
    assert_eq!(said, "mima: ~/p/.mima.yaml has changed since it was allowed: mima allow\n");
    assert_eq!(project.verdict(), "changed");
    project.allow();
    assert_eq!(project.loaded()["A"].as_deref(), Some("one"));
}

#[test]
fn t_a2_the_same_bytes_again_are_what_was_allowed() {
    let world = World::new();
    let project = Project::allowed(&world, "p", GOOD);
    project.write(".mima.yaml", EVIL);
    project.not_loaded("has changed since it was allowed");
    project.write(".mima.yaml", GOOD);
    assert_eq!(project.loaded()["MARK"].as_deref(), Some("good"));
}

#[test]
fn t_a3_the_same_file_elsewhere_is_another() {
    let world = World::new();
    let project = Project::allowed(&world, "p", GOOD);
    let copy = Project::new(&world, "p2", GOOD);
    copy.not_loaded("~/p2/.mima.yaml is not allowed yet: mima allow");
    let below = Project::new(&world, "p/below", GOOD);
    below.not_loaded("is not allowed yet");
    // Neither is one that was moved, to a new place or to an approved one of other content.
    std::fs::rename(&copy.dir, world.home().join("p3")).unwrap();
    std::fs::rename(&project.dir, &copy.dir).unwrap();
    copy.not_loaded("is not allowed yet");
    Project::new(&world, "p", EVIL).not_loaded("has changed since it was allowed");
}

#[test]
fn t_a4_a_link_to_a_file_is_allowed_for_the_file_it_leads_to() {
    let world = World::new();
    let project = Project::new(&world, "p", "");
    std::fs::remove_file(project.file()).unwrap();
    world.write("shared/one.yaml", GOOD);
    world.write("shared/two.yaml", GOOD);
    symlink("../shared/one.yaml", project.file()).unwrap();
    project.not_loaded("is not allowed yet");
    project.allow();
    assert_eq!(project.loaded()["MARK"].as_deref(), Some("good"));
    // The same bytes behind the same name, but elsewhere.
    std::fs::remove_file(project.file()).unwrap();
    symlink("../shared/two.yaml", project.file()).unwrap();
    project.not_loaded("has changed since it was allowed");
    // And as a file of its own.
    std::fs::remove_file(project.file()).unwrap();
    project.write(".mima.yaml", GOOD);
    project.not_loaded("has changed since it was allowed");
}

#[test]
fn t_a4_a_directory_has_one_approval_by_whichever_link() {
    let world = World::new();
    let project = Project::new(&world, "real/p", GOOD);
    symlink("real", world.home().join("link")).unwrap();
    let linked = world.home().join("link/p");
    world.mima(&["allow", "--yes"]).cwd(&linked).env("PWD", &linked).run().ok();
    assert_eq!(project.loaded()["MARK"].as_deref(), Some("good"));
    let export = world.mima(&["export", "json"]).cwd(&linked).env("PWD", &linked).run();
    assert_eq!(changes(export.ok().quiet())["MARK"].as_deref(), Some("good"));
    // MIMA_DIR is where the user thinks to be, as long as that is true.
    let dir = |pwd: &Path| {
        let export = world.mima(&["export", "json"]).cwd(&linked).env("PWD", pwd).run();
        changes(export.ok())["MIMA_DIR"].clone().unwrap()
    };
    assert_eq!(dir(&linked), linked.to_str().unwrap());
    for untrue in ["/nonexistent", "link/p", "", "/"] {
        assert_eq!(dir(Path::new(untrue)), project.dir.to_str().unwrap());
    }
    let roundabout = world.home().join("link/p/../p");
    assert_eq!(dir(&roundabout), project.dir.to_str().unwrap());
    // The link leads elsewhere now: the same path, another place.
    let other = Project::new(&world, "other/p", GOOD);
    std::fs::remove_file(world.home().join("link")).unwrap();
    symlink("other", world.home().join("link")).unwrap();
    let export = world.mima(&["export", "json"]).cwd(&linked).env("PWD", &linked).run();
    nothing_set(export.fails(1).stderr_has("is not allowed yet"));
    assert_eq!(other.verdict(), "unknown");
    world.mima(&["deny", "link/p"]).run().ok();
    assert_eq!(other.verdict(), "denied");
    assert_eq!(project.verdict(), "allowed");
}

#[test]
fn t_a4_links_to_nothing_and_in_circles_are_no_project() {
    let world = World::new();
    for (nr, target) in
        ["nowhere", ".mima.yaml", ".", "/dev/null", "/nonexistent/x"].iter().enumerate()
    {
        let project = Project::new(&world, &format!("p{nr}"), "");
        std::fs::remove_file(project.file()).unwrap();
        symlink(target, project.file()).unwrap();
        project.mima(&["export", "json"]).run().ok().quiet().stdout_is("{}\n");
        project.mima(&["export", "bash"]).run().ok().quiet();
        assert_eq!(project.verdict(), "none", "{target}");
    }
    let project = Project::allowed(&world, "q", GOOD);
    symlink(".", project.dir.join("loop")).unwrap();
    let deep = project.dir.join("loop/".repeat(30));
    let export = world.mima(&["export", "json"]).cwd(&deep).env("PWD", &deep).run();
    assert_eq!(changes(export.ok())["MARK"].as_deref(), Some("good"));
}

#[test]
fn t_a8_no_file_grants_itself_trust_or_moves_a_setting() {
    let world = World::new();
    for (text, why) in [
        ("trust: true", ":1:1: trust: no file can make itself or another trusted"),
        ("session: {ttl: 99h}", ":1:1: session: this setting concerns security"),
        ("env: {A: b}\nstore: vault", ":2:1: store: this setting concerns security"),
        ("confirm: []", ":1:1: confirm: this setting concerns security"),
        ("whitelist: {prefix: [/]}", ":1:1: whitelist: "),
    ] {
        let project = Project::new(&world, "p", text);
        project.mima(&["allow", "--yes"]).run().fails(1).stderr_has(why).stderr_has("hint: ");
        project.not_loaded(why);
        assert_eq!(project.verdict(), "unknown");
    }
}

#[test]
fn t_a9_nothing_in_the_environment_gives_trust() {
    let world = World::new();
    let project = Project::new(&world, "p", EVIL);
    let names = ["CI", "MIMA_TRUST", "MIMA_YES", "MIMA_ALLOW", "MIMA_DIR", "GITHUB_ACTIONS"];
    for value in ["1", "true", project.dir.to_str().unwrap()] {
        let mut export = project.mima(&["export", "json"]);
        let mut allow = project.mima(&["allow"]);
        for name in names {
            (export, allow) = (export.env(name, value), allow.env(name, value));
        }
        nothing_set(export.run().fails(1).stderr_has("is not allowed yet"));
        allow.run().fails(1).stderr_has("there is no terminal to ask on");
    }
    assert_eq!(project.verdict(), "unknown");
}

/// A working directory is only ever what the kernel says it is.
#[test]
fn t_a9_a_forged_pwd_leads_to_no_other_project() {
    let world = World::new();
    let project = Project::allowed(&world, "p", GOOD);
    let elsewhere = world.home().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    for pwd in [project.dir.clone(), project.dir.join("gone"), project.dir.join("../elsewhere")] {
        for cwd in [elsewhere.clone(), world.root().to_owned()] {
            let export = world.mima(&["export", "json"]).cwd(cwd).env("PWD", &pwd).run();
            export.ok().quiet().stdout_is("{}\n");
        }
    }
    // Through a parent that is no parent of the directory one is in.
    symlink("../elsewhere", project.dir.join("link")).unwrap();
    let pwd = project.dir.join("link/../elsewhere");
    let export = world.mima(&["export", "json"]).cwd(&elsewhere).env("PWD", pwd).run();
    export.ok().quiet().stdout_is("{}\n");
}
