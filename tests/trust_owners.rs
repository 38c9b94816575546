//! Files that somebody else could have written: rows A5–A7.

use std::os::unix::fs::{chown, symlink};
use std::path::Path;

use crate::common::project::{Project, changes};
use crate::common::user::{USER, User, give, mode, project_of};
use crate::common::world::World;

/// Something that can be at a path: what it is, and how it gets there.
type Plant = (&'static str, fn(&Path));

const TEXT: &str = "env: {MARK: here}\n";
/// Somebody else.
const OTHER: u32 = 12346;

#[test]
fn t_a5_a_file_of_another_user_is_passed_over_and_never_offered() {
    let Some(user) = User::new() else { return };
    let dir = user.world.home().join("p");
    for (dir_of, file_of, what) in
        [(USER, OTHER, "~/p/.mima.yaml"), (OTHER, USER, "~/p"), (OTHER, OTHER, "~/p/.mima.yaml")]
    {
        project_of(&dir, TEXT, dir_of, file_of);
        user.mima(&["export", "json"], &dir).run().ok().quiet().stdout_is("{}\n");
        user.mima(&["allow", "--yes"], &dir).run().fails(1).stderr_has("there is no .mima.yaml");
        let allow = user.mima(&["allow", "--yes", ".mima.yaml"], &dir).run();
        allow.fails(1).stderr_has(&format!("refusing to use {what}: it belongs to another user"));
        allow.stderr_has(&format!("(uid {OTHER})")).stderr_has("hint: ");
        user.mima(&["exec", ".", "true"], &dir).run().ok().quiet();
    }
    assert!(!user.world.data().join("trust").exists());
    // What root has put there is as good as what came with the system.
    for (dir_of, file_of) in [(0, 0), (USER, 0), (0, USER), (USER, USER)] {
        project_of(&dir, TEXT, dir_of, file_of);
        user.mima(&["allow", "--yes"], &dir).run().ok();
        let export = user.mima(&["export", "json"], &dir).run();
        assert_eq!(changes(export.ok().quiet())["MARK"].as_deref(), Some("here"));
        user.mima(&["deny"], &dir).run().ok();
    }
}

/// Whatever another user plants is passed over without a word: it is neither read, nor does
/// it hide what is above it.
#[test]
fn t_a7_what_another_user_plants_above_is_passed_over() {
    let Some(user) = User::new() else { return };
    let own = user.world.home().join("own");
    project_of(&own, TEXT, USER, USER);
    user.mima(&["allow", "--yes"], &own).run().ok();
    let shared = own.join("shared");
    std::fs::create_dir(&shared).unwrap();
    give(&shared, 0);
    mode(&shared, 0o1777);
    let below = shared.join("below");
    std::fs::create_dir(&below).unwrap();
    give(&below, USER);
    let planted = shared.join(".mima.yaml");
    let plants: [Plant; 7] = [
        ("readable", |path| std::fs::write(path, TEXT).unwrap()),
        ("empty", |path| std::fs::write(path, "").unwrap()),
        ("broken", |path| std::fs::write(path, "{{{{").unwrap()),
        ("unreadable", |path| {
            std::fs::write(path, TEXT).unwrap();
            mode(path, 0o600);
        }),
        ("huge", |path| std::fs::File::create(path).unwrap().set_len(8 << 30).unwrap()),
        ("a link to the user's own", |path| symlink("../.mima.yaml", path).unwrap()),
        ("a link to a file of root's", |path| symlink("/etc/passwd", path).unwrap()),
    ];
    for (what, plant) in plants {
        plant(&planted);
        std::os::unix::fs::lchown(&planted, Some(OTHER), Some(OTHER)).unwrap();
        for dir in [&shared, &below] {
            let export = user.mima(&["export", "json"], dir).run();
            let changes = changes(export.ok().quiet());
            assert_eq!(changes["MIMA_DIR"].as_deref(), own.to_str(), "{what}: {export}");
            assert_eq!(changes["MARK"].as_deref(), Some("here"), "{what}: {export}");
        }
        std::fs::remove_file(&planted).unwrap();
    }
    // The user's own file there counts: nobody else can replace it.
    project_of(&below, TEXT, USER, USER);
    std::fs::copy(below.join(".mima.yaml"), &planted).unwrap();
    give(&planted, USER);
    user.mima(&["allow", "--yes"], &shared).run().ok().stderr_has("shared/.mima.yaml is allowed");
    // But root's does not, though elsewhere it would.
    give(&planted, 0);
    let export = user.mima(&["export", "json"], &shared).run();
    assert_eq!(changes(export.ok().quiet())["MIMA_DIR"].as_deref(), own.to_str(), "{export}");
}

#[test]
fn t_a6_what_others_can_write_to_is_refused_with_what_mends_it() {
    let world = World::new();
    let project = Project::allowed(&world, "p", TEXT);
    let refused = |path: &Path, open: u32, closed: u32, what: &str| {
        mode(path, open);
        let output = project.not_loaded(&format!("refusing to use {what}: others can write to it"));
        output.stderr_has(&format!("hint: chmod go-w {what}\n"));
        assert_eq!(project.verdict(), "foreign");
        for verb in [&["allow", "--yes"][..], &["group", "link", "--project", "dev", "A", "x"]] {
            project.mima(verb).run().fails(1).stderr_has("others can write to it");
        }
        project.mima(&["exec", ".", "true"]).run().fails(125).stderr_has("others can write to it");
        mode(path, closed);
        assert_eq!(project.loaded()["MARK"].as_deref(), Some("here"));
    };
    refused(&project.file(), 0o666, 0o644, "~/p/.mima.yaml");
    refused(&project.file(), 0o602, 0o600, "~/p/.mima.yaml");
    refused(&project.dir, 0o777, 0o755, "~/p");
}

#[test]
fn t_a6_the_private_group_of_the_user_may_write_and_no_other() {
    let Some(user) = User::new() else { return };
    let dir = user.world.home().join("p");
    project_of(&dir, TEXT, USER, USER);
    let file = dir.join(".mima.yaml");
    // As a clone under umask 002 has it.
    mode(&dir, 0o775);
    mode(&file, 0o664);
    user.mima(&["allow", "--yes"], &dir).run().ok();
    let export = user.mima(&["export", "json"], &dir).run();
    assert_eq!(changes(export.ok().quiet())["MARK"].as_deref(), Some("here"));
    chown(&file, Some(USER), Some(100)).unwrap();
    mode(&file, 0o664);
    user.mima(&["export", "json"], &dir).run().fails(1).stderr_has("hint: chmod go-w ~/p/.mima");
    mode(&file, 0o644);
    user.mima(&["export", "json"], &dir).run().ok().quiet();
}

#[test]
fn t_a6_the_local_file_is_judged_for_itself() {
    let world = World::new();
    let project = Project::allowed(&world, "p", TEXT);
    let local = project.write(".mima.local.yaml", "env: {MARK: local}\n");
    mode(&local, 0o666);
    let export = project.mima(&["export", "json"]).run();
    export.stderr_has("refusing to use ~/p/.mima.local.yaml: others can write to it");
    assert_ne!(changes(&export).get("MARK"), Some(&Some("local".to_owned())));
    project.mima(&["allow", "--yes", ".mima.local.yaml"]).run().fails(1);
    mode(&local, 0o644);
    project.allow();
    assert_eq!(project.loaded()["MARK"].as_deref(), Some("local"));
}
