//! The records of what was approved: rows A13 and A14.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::common::project::{Project, names_in};
use crate::common::user::{USER, User, give, mknod, mode, project_of};
use crate::common::world::World;
use crate::common::{find, is_root};

const TEXT: &str = "env: {MARK: here}\n";

/// The one record there is.
#[track_caller]
fn record(world: &World) -> PathBuf {
    let names = names_in(&world.data().join("trust"));
    assert_eq!(names.len(), 1, "{names:?}");
    world.data().join("trust").join(&names[0])
}

/// Numbers that look random and are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end.max(1)
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }

    /// Changes a record in one of the ways in which files get damaged.
    fn damage(&mut self, record: &[u8]) -> Vec<u8> {
        let mut bytes = record.to_vec();
        let at = self.below(bytes.len());
        match self.below(7) {
            0 => bytes[at] ^= 1 << self.below(8),
            1 => bytes.truncate(at),
            2 => bytes.insert(at, self.byte()),
            3 => drop(bytes.remove(at)),
            4 => bytes.push(self.byte()),
            5 => bytes.iter_mut().skip(at).take(16).for_each(|byte| *byte = 0),
            _ => bytes = (0..at).map(|_| self.byte()).collect(),
        }
        bytes
    }
}

#[test]
fn t_a13_no_damaged_record_gives_trust_and_each_is_named() {
    let world = World::new();
    let project = Project::allowed(&world, "p", TEXT);
    let record = record(&world);
    let name = format!("trust/{} is damaged", record.file_name().unwrap().to_str().unwrap());
    let whole = std::fs::read(&record).unwrap();
    let mut random = Random(13);
    for _ in 0..500 {
        let bytes = random.damage(&whole);
        if bytes.eq_ignore_ascii_case(&whole) {
            continue;
        }
        std::fs::write(&record, &bytes).unwrap();
        // A panic would be 101 or a signal.
        project.not_loaded(&name).stderr_has("hint: mima allow makes it anew");
    }
    for verb in [&["run", "dev", "true"][..], &["env", "dev"], &["group", "list"], &["edit"]] {
        let output = project.mima(verb).env("EDITOR", "true").run();
        let status = if verb[0] == "run" { 125 } else { 1 };
        output.fails(status).stderr_has(&name);
    }
    project.mima(&["status"]).run().ok().stdout_has("unknown").stderr_has(&name);
    project.allow();
    assert_eq!(std::fs::read(&record).unwrap(), whole);
    assert_eq!(project.loaded()["MARK"].as_deref(), Some("here"));
}

#[test]
fn t_a13_the_record_of_one_place_is_none_for_another() {
    let world = World::new();
    let project = Project::allowed(&world, "p", TEXT);
    let one = record(&world);
    let bytes = std::fs::read(&one).unwrap();
    let other = Project::allowed(&world, "q", "env: {MARK: other}\n");
    for name in names_in(&world.data().join("trust")) {
        std::fs::write(world.data().join("trust").join(name), &bytes).unwrap();
    }
    other.write(".mima.yaml", TEXT);
    other.not_loaded("is damaged");
    assert_eq!(project.verdict(), "allowed");
}

#[test]
fn t_a13_a_record_that_others_could_have_written_is_none() {
    let world = World::new();
    let project = Project::allowed(&world, "p", TEXT);
    let path = record(&world);
    let bytes = std::fs::read(&path).unwrap();
    let elsewhere = world.write("elsewhere", &bytes);
    let refused = |why: &str| {
        project.not_loaded(why).stderr_has("trust/").stderr_has("hint: ");
        project.allow();
        assert_eq!(project.loaded()["MARK"].as_deref(), Some("here"));
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    };
    mode(&path, 0o666);
    refused("others can write to");
    if is_root("can give a record away") {
        give(&path, USER);
        refused("belongs to another user");
    }
    std::fs::remove_file(&path).unwrap();
    symlink(&elsewhere, &path).unwrap();
    refused("it is a link");
    assert!(!path.symlink_metadata().unwrap().is_symlink());
    assert_eq!(std::fs::read(&elsewhere).unwrap(), bytes);
    std::fs::remove_file(&path).unwrap();
    mknod(&path, "p");
    mode(&path, 0o600);
    project.not_loaded("it is no regular file");
    project.allow();
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    project.not_loaded("trust/");
    project.mima(&["allow", "--yes"]).run().fails(1).stderr_has("could not write");
    std::fs::remove_dir(&path).unwrap();
    std::fs::File::create(&path).unwrap().set_len(8 << 30).unwrap();
    mode(&path, 0o600);
    project.not_loaded("it is larger than");
    project.allow();
    assert_eq!(project.loaded()["MARK"].as_deref(), Some("here"));
    world.assert_no_temporary();
}

#[test]
fn t_a13_a_directory_of_records_that_others_can_write_to_holds_none() {
    let world = World::new();
    let project = Project::allowed(&world, "p", TEXT);
    let trust = world.data().join("trust");
    for open in [0o777, 0o770, 0o1777] {
        mode(&trust, open);
        project.not_loaded("others can write to").stderr_has("hint: chmod go-w");
        for verb in [&["allow", "--yes"][..], &["deny"], &["init"]] {
            let output = world
                .mima(verb)
                .cwd(if verb[0] == "init" { world.tmp() } else { project.dir.clone() })
                .run();
            output.fails(1).stderr_has("others can write to");
        }
    }
    mode(&trust, 0o700);
    assert_eq!(project.loaded()["MARK"].as_deref(), Some("here"));
    std::fs::remove_dir_all(&trust).unwrap();
    std::fs::write(&trust, "").unwrap();
    project.not_loaded("is not allowed yet");
    project.mima(&["allow", "--yes"]).run().fails(1).stderr_has("is no directory");
    std::fs::remove_file(&trust).unwrap();
}

#[test]
fn t_a14_sixty_four_processes_lose_no_approval() {
    let world = World::new();
    if find("seq").is_none() {
        return crate::common::skip("no seq here");
    }
    for process in 0..64 {
        for nr in 0..50 {
            world.write(&format!("{process}/{nr}/.mima.yaml"), TEXT);
        }
    }
    let loop_ = "cd \"$1\"; for i in $(seq 0 49); do mima allow --yes $i >/dev/null 2>>../errors || echo \"failed $?\" >>../errors; done";
    let children: Vec<_> = (0..64)
        .map(|process| world.command("sh").args(["-c", loop_, "sh", &process.to_string()]).spawn())
        .collect();
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    let errors = world.read("errors");
    assert!(!errors.contains("failed"), "{errors}");
    let records = names_in(&world.data().join("trust"));
    assert_eq!(records.len(), 3200);
    assert!(records.iter().all(|name| name.contains(".allow")));
    for process in [0, 31, 63] {
        let export =
            world.mima(&["export", "json"]).cwd(world.home().join(format!("{process}/49"))).run();
        export.ok().quiet().stdout_has("\"MARK\": \"here\"");
    }
}

/// Whoever is last has said it, and of two answers at once the careful one counts.
#[test]
fn t_a14_allow_and_deny_of_one_file_leave_one_answer_and_deny_wins() {
    let world = World::new();
    let project = Project::new(&world, "p", TEXT);
    let verbs = "for i in 1 2 3 4 5 6 7 8 9 10; do mima \"$@\" 2>>../errors || echo failed >>../errors; done";
    let children: Vec<_> = (0..16)
        .map(|nr| {
            let verb: &[&str] = if nr % 2 == 0 { &["allow", "--yes"] } else { &["deny"] };
            let sh = world.command("sh").args(["-c", verbs, "sh"]).args(verb).cwd(&project.dir);
            sh.spawn()
        })
        .collect();
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    assert!(!world.read("errors").contains("failed"), "{}", world.read("errors"));
    let left = record(&world);
    let want = if left.extension().unwrap() == "allow" { "allowed" } else { "denied" };
    assert_eq!(project.verdict(), want);
    project.allow();
    let allowed = record(&world);
    let bytes = std::fs::read(&allowed).unwrap();
    project.mima(&["deny"]).run().ok();
    assert_eq!(record(&world).extension().unwrap(), "deny");
    std::fs::write(&allowed, bytes).unwrap();
    assert_eq!(project.verdict(), "denied");
    // Not even a damaged denial is none.
    for name in names_in(&world.data().join("trust")).iter().filter(|name| name.contains(".deny")) {
        std::fs::write(world.data().join("trust").join(name), "\0").unwrap();
    }
    assert_eq!(project.verdict(), "denied");
    project.allow();
    assert_eq!(project.verdict(), "allowed");
}

#[test]
fn a_denied_file_is_never_loaded_nor_mentioned_until_it_is_allowed() {
    let world = World::new();
    let project = Project::allowed(&world, "p", TEXT);
    let denied = project.mima(&["deny"]).run();
    assert_eq!(
        denied.ok().err(),
        "mima: ~/p/.mima.yaml is denied: it is never loaded, nor mentioned\n\
         hint: to take that back: mima allow ~/p/.mima.yaml\n"
    );
    for text in [TEXT, "env: {MARK: changed}\n", "{{{{"] {
        project.write(".mima.yaml", text);
        let export = project.mima(&["export", "json"]).run();
        export.ok().quiet().stdout_lacks("MARK");
        project.mima(&["export", "bash"]).run().ok().quiet();
        project.mima(&["group", "list"]).run().ok().stdout_is("");
        let exec = project.mima(&["exec", ".", "true"]).run();
        assert_eq!(
            exec.fails(125).err(),
            "mima: ~/p/.mima.yaml is denied\nhint: mima allow ~/p/.mima.yaml\n"
        );
    }
    project.write(".mima.yaml", TEXT);
    project.mima(&["allow", "--yes", "../p"]).run().ok();
    assert_eq!(project.loaded()["MARK"].as_deref(), Some("here"));
}

#[test]
fn prune_forgets_files_that_are_gone_and_nothing_else() {
    let world = World::new();
    world.mima(&["prune"]).run().ok().stderr_has("every approval is of a file that is there");
    let kept = Project::allowed(&world, "kept", TEXT);
    let denied = Project::allowed(&world, "denied", TEXT);
    denied.mima(&["deny"]).run().ok();
    for name in ["gone", "gone\x1b]0;x\x07"] {
        let gone = Project::allowed(&world, name, TEXT);
        std::fs::remove_dir_all(&gone.dir).unwrap();
    }
    let gone = Project::new(&world, "gone denied", TEXT);
    gone.mima(&["deny"]).run().ok();
    std::fs::remove_dir_all(&gone.dir).unwrap();
    std::fs::write(world.data().join("trust/garbage.allow"), "\x1b").unwrap();
    let pruned = world.mima(&["prune"]).run();
    let said = pruned.ok().err();
    for name in [
        "~/gone/.mima.yaml",
        "~/gone\\u{1b}]0;x\\u{7}/.mima.yaml",
        "~/gone denied/.mima",
        "~/.local/share/mima/trust/garbage.allow",
    ] {
        assert!(said.contains(&format!("mima: forgot {name}")), "{name}: {said}");
    }
    assert_eq!(said.lines().count(), 4, "{said}");
    assert_eq!(names_in(&world.data().join("trust")).len(), 2);
    assert_eq!(kept.verdict(), "allowed");
    assert_eq!(denied.verdict(), "denied");
}

/// A disk that is not mounted, or a directory that cannot be entered, is another matter than
/// a file that is gone; a denial must survive it.
#[test]
fn prune_keeps_what_it_cannot_see() {
    let Some(user) = User::new() else { return };
    let outer = user.world.home().join("outer");
    let dir = outer.join("p");
    project_of(&dir, TEXT, USER, USER);
    give(&outer, USER);
    user.mima(&["deny"], &dir).run().ok();
    mode(&outer, 0);
    let home = user.world.home();
    user.mima(&["prune"], &home).run().ok().stderr_has("every approval is of a file that is there");
    mode(&outer, 0o755);
    user.mima(&["status"], &dir).run().ok().stdout_has("denied");
}
