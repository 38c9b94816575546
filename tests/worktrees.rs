//! A linked worktree of git is allowed as its main checkout is, and nothing that only looks like
//! one: row A17. The worktrees are git's own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::common::hooked::{Start, age, each};
use crate::common::nix::{self, Nix, flake};
use crate::common::project::{Project, changes, nothing_set};
use crate::common::require;
use crate::common::user::{User, give, mode};
use crate::common::world::{World, copy_tree};

const TEXT: &str = "env: {MARK: here}\n";

/// Runs git in a directory.
#[track_caller]
fn git(world: &World, dir: &Path, args: &[&str]) {
    let who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always"];
    world.command("git").args(who).args(args).cwd(dir).run().ok();
}

/// A checkout with a project file, which is allowed, and a linked worktree.
struct Repo<'w> {
    main: Project<'w>,
    tree: Project<'w>,
}

impl<'w> Repo<'w> {
    /// Makes `~/main` and `~/tree`, and allows the first.
    #[track_caller]
    fn new(world: &'w World) -> Self {
        let repo = Self::unknown(world);
        repo.main.allow();
        assert_eq!(repo.tree.loaded()["MARK"].as_deref(), Some("here"));
        repo
    }

    /// The same, where nobody has allowed anything.
    #[track_caller]
    fn unknown(world: &'w World) -> Self {
        let main = Project::new(world, "main", TEXT);
        main.write("sub", "");
        git(world, &main.dir, &["init", "-q"]);
        git(world, &main.dir, &["add", "."]);
        git(world, &main.dir, &["commit", "-qm", "x"]);
        git(world, &main.dir, &["worktree", "add", "-q", "../tree"]);
        Self { main, tree: Project { world, dir: world.home().join("tree") } }
    }

    /// What git keeps of the worktree in the main checkout.
    fn own(&self) -> PathBuf {
        self.main.dir.join(".git/worktrees/tree")
    }

    /// Writes the worktree's `.git`.
    fn point(&self, to: &str) {
        self.tree.write(".git", format!("gitdir: {to}\n"));
    }
}

#[test]
fn t_a17_a_linked_worktree_is_allowed_as_in_its_main_checkout() {
    let Some(_) = require("git") else { return };
    let world = World::new();
    let Repo { main, tree } = Repo::new(&world);
    let status = tree.status();
    assert_eq!(status["allowed_as_in"].as_str(), main.dir.to_str());
    assert_eq!(
        (&status["verdict"], &status["only_this_shell"]),
        (&"allowed".into(), &false.into())
    );
    assert!(main.status()["allowed_as_in"].is_null());
    tree.mima(&["status"]).run().ok().stdout_has("~/tree/.mima.yaml  allowed as in ~/main\n");
    main.mima(&["status"]).run().ok().stdout_has("~/main/.mima.yaml  allowed\n");
    tree.mima(&["status", "--check"]).run().ok();
    let explain = tree.mima(&["explain", "MARK"]).run();
    explain.ok().stdout_has("\n~/tree/.mima.yaml is allowed as in ~/main\n");
    main.mima(&["explain", "MARK"]).run().ok().stdout_lacks("is allowed");
    for args in [&["allow"][..], &["allow", "--yes"], &["allow", "--session"]] {
        let allow = tree.mima(args).run();
        assert_eq!(allow.ok().err(), "mima: it is allowed already, as in ~/main\n");
    }
    // It is what was approved that counts, not what is on disk over there.
    main.write(".mima.yaml", "env: {MARK: other}\n");
    assert_eq!((main.verdict(), tree.verdict()), ("changed".into(), "allowed".into()));
    fs::remove_file(main.file()).unwrap();
    assert_eq!(tree.verdict(), "allowed");
    main.write(".mima.yaml", "env: {MARK: other}\n");
    main.allow();
    tree.not_loaded("~/tree/.mima.yaml is not allowed yet: mima allow");
    // And its own word counts before all.
    tree.allow();
    assert!(tree.status()["allowed_as_in"].is_null());
}

#[test]
fn t_a17_wherever_the_worktree_is_and_git_moves_it() {
    let Some(_) = require("git") else { return };
    let world = World::new();
    let Repo { main, tree } = Repo::new(&world);
    fs::create_dir(world.home().join("a b")).unwrap();
    git(&world, &main.dir, &["worktree", "move", "../tree", "../a b/moved"]);
    let moved = Project { world: &world, dir: world.home().join("a b/moved") };
    assert_eq!(moved.loaded()["MARK"].as_deref(), Some("here"));
    assert!(!tree.dir.exists());
    git(&world, &main.dir, &["worktree", "add", "-q", "--detach", ".trees/inner"]);
    let inner = Project { world: &world, dir: main.dir.join(".trees/inner") };
    assert_eq!(inner.status()["allowed_as_in"].as_str(), main.dir.to_str());
    // As git 2.48 and later write them on request.
    let own = main.dir.join(".git/worktrees/inner");
    inner.write(".git", "gitdir: ../../.git/worktrees/inner\n");
    fs::write(own.join("gitdir"), "../../../.trees/inner/.git\n").unwrap();
    assert_eq!(inner.status()["allowed_as_in"].as_str(), main.dir.to_str());
    inner.write(".git", "gitdir: ../../.git/worktrees/../worktrees/inner\n");
    inner.not_loaded("is not allowed yet");
}

#[test]
fn t_a17_each_file_goes_by_the_one_in_the_same_place() {
    let Some(_) = require("git") else { return };
    let world = World::new();
    let Repo { main, tree } = Repo::new(&world);
    let below = |dir: &Project, name| Project { world: &world, dir: dir.dir.join(name) };
    for dir in [&main, &tree] {
        for name in ["one", "two"] {
            fs::create_dir(dir.dir.join(name)).unwrap();
            dir.write(&format!("{name}/.mima.yaml"), format!("env: {{MARK: {name}}}\n"));
        }
    }
    below(&main, "one").allow();
    assert_eq!(below(&tree, "one").loaded()["MARK"].as_deref(), Some("one"));
    below(&tree, "two").not_loaded("is not allowed yet");
    // What is approved elsewhere in the main checkout is another file.
    tree.write("two/.mima.yaml", TEXT);
    below(&tree, "two").not_loaded("is not allowed yet");
    // The local file is judged for itself.
    main.write(".mima.local.yaml", "env: {MARK: local}\n");
    main.allow();
    tree.write(".mima.local.yaml", "env: {MARK: local}\n");
    assert_eq!(tree.loaded()["MARK"].as_deref(), Some("local"));
    let status = tree.mima(&["status"]).run();
    status.ok().stdout_has("~/tree/.mima.local.yaml  allowed as in ~/main\n");
    tree.write(".mima.local.yaml", "env: {MARK: Local}\n");
    let export = tree.mima(&["export", "json"]).run();
    export.ok().stderr_has("~/tree/.mima.local.yaml is not allowed yet");
    assert_eq!(changes(&export)["MARK"].as_deref(), Some("here"));
}

#[test]
fn t_a17_what_was_denied_stays_denied() {
    let Some(_) = require("git") else { return };
    let world = World::new();
    let Repo { main, tree } = Repo::new(&world);
    tree.mima(&["deny"]).run().ok();
    assert_eq!(tree.verdict(), "denied");
    nothing_set(tree.mima(&["export", "json"]).run().ok().quiet());
    main.allow();
    assert_eq!((main.verdict(), tree.verdict()), ("allowed".into(), "denied".into()));
    tree.allow();
    main.mima(&["deny"]).run().ok();
    assert_eq!((main.verdict(), tree.verdict()), ("denied".into(), "allowed".into()));
}

/// What was allowed as in the main checkout, and edited, is the worktree's own from then on.
#[test]
fn t_a17_what_is_edited_in_a_worktree_is_allowed_in_there() {
    let Some(_) = require("git") else { return };
    let world = World::new();
    let Repo { main, tree } = Repo::new(&world);
    let link = ["group", "link", "--project", "dev", "TOKEN", "K00"];
    tree.mima(&link).run().ok();
    assert_eq!(tree.status()["groups"], serde_json::json!(["dev"]));
    assert!(tree.status()["allowed_as_in"].is_null());
    let editor = world.script("editor", "echo '# edited' >>\"$1\"\n");
    let edit = tree.mima(&["edit"]).env("EDITOR", editor).run();
    edit.ok().stderr_has("~/tree/.mima.yaml is allowed\n");
    assert_eq!((main.verdict(), tree.verdict()), ("allowed".into(), "allowed".into()));
    assert_eq!(world.read("main/.mima.yaml"), TEXT);
}

/// Something that is done to a worktree, and what it is.
type Attack = (&'static str, fn(&Repo));

/// After each of these the file is asked for.
const ATTACKS: &[Attack] = &[
    ("a byte more", |repo| drop(repo.tree.write(".mima.yaml", format!("{TEXT}\n")))),
    ("another byte", |repo| drop(repo.tree.write(".mima.yaml", TEXT.replace("here", "herE")))),
    ("denied in the main checkout", |repo| drop(repo.main.mima(&["deny"]).run().ok().err())),
    ("denied, and the approval is still there", |repo| {
        let dir = repo.main.world.data().join("trust");
        let approval = fs::read_dir(&dir).unwrap().next().unwrap().unwrap().path();
        let record = fs::read(&approval).unwrap();
        repo.main.mima(&["deny"]).run().ok();
        fs::write(&approval, record).unwrap();
        mode(&approval, 0o600);
    }),
    ("approved as a link in the main checkout", |repo| {
        fs::rename(repo.main.file(), repo.main.dir.join("same")).unwrap();
        symlink("same", repo.main.file()).unwrap();
        repo.main.allow();
    }),
    ("a link to the approved file", |repo| {
        fs::remove_file(repo.tree.file()).unwrap();
        symlink(repo.main.file(), repo.tree.file()).unwrap();
    }),
    ("a link to the same bytes", |repo| {
        fs::rename(repo.tree.file(), repo.tree.dir.join("same")).unwrap();
        symlink("same", repo.tree.file()).unwrap();
    }),
    (".git is a link", |repo| {
        let git = repo.tree.dir.join(".git");
        fs::rename(&git, repo.tree.dir.join("git")).unwrap();
        symlink("git", git).unwrap();
    }),
    (".git is a link to the directory", |repo| {
        let git = repo.tree.dir.join(".git");
        fs::remove_file(&git).unwrap();
        symlink(repo.own(), git).unwrap();
    }),
    (".git is a directory", |repo| {
        fs::remove_file(repo.tree.dir.join(".git")).unwrap();
        copy_tree(&repo.own(), &repo.tree.dir.join(".git"));
    }),
    ("no .git", |repo| fs::remove_file(repo.tree.dir.join(".git")).unwrap()),
    ("an empty .git", |repo| drop(repo.tree.write(".git", ""))),
    ("a .git of another form", |repo| {
        drop(repo.tree.write(".git", format!("gitdir:{}\n", repo.own().display())));
    }),
    ("a .git of two lines", |repo| {
        drop(repo.tree.write(".git", format!("gitdir: {}\nx\n", repo.own().display())));
    }),
    ("a huge .git", |repo| {
        let text = format!("gitdir: {}{}\n", "/".repeat(9000), repo.own().display());
        drop(repo.tree.write(".git", text));
    }),
    ("the name ..", |repo| repo.point(&format!("{}/..", repo.own().display()))),
    ("the name .. twice", |repo| repo.point(&format!("{0}/../tree", repo.own().display()))),
    ("the name .", |repo| repo.point(&format!("{}/x/.", repo.own().display()))),
    ("no name", |repo| repo.point(&format!("{}/", repo.own().parent().unwrap().display()))),
    ("the repository itself", |repo| repo.point(&repo.main.dir.join(".git").display().to_string())),
    ("through a link to the main checkout", |repo| {
        let link = repo.main.dir.with_file_name("link");
        symlink(&repo.main.dir, &link).unwrap();
        repo.point(&link.join(".git/worktrees/tree").display().to_string());
    }),
    ("a link in place of what git keeps", |repo| {
        let elsewhere = repo.main.dir.with_file_name("elsewhere");
        fs::rename(repo.own(), &elsewhere).unwrap();
        symlink(&elsewhere, repo.own()).unwrap();
    }),
    ("a link in place of the back pointer", |repo| {
        let back = repo.own().join("gitdir");
        fs::rename(&back, repo.own().join("back")).unwrap();
        symlink("back", back).unwrap();
    }),
    ("a back pointer through a link", |repo| {
        let link = repo.tree.dir.with_file_name("link");
        symlink(&repo.tree.dir, &link).unwrap();
        let text = format!("{}\n", link.join(".git").display());
        fs::write(repo.own().join("gitdir"), text).unwrap();
    }),
    ("a back pointer to the directory", |repo| {
        fs::write(repo.own().join("gitdir"), format!("{}\n", repo.tree.dir.display())).unwrap();
    }),
    ("an empty back pointer", |repo| fs::write(repo.own().join("gitdir"), "\n").unwrap()),
    ("no back pointer", |repo| fs::remove_file(repo.own().join("gitdir")).unwrap()),
    ("another repository", |repo| fs::write(repo.own().join("commondir"), "../../x\n").unwrap()),
    ("no repository", |repo| fs::remove_file(repo.own().join("commondir")).unwrap()),
    ("tied in another place of the repository", |repo| {
        let other = repo.main.dir.join(".git/others/tree");
        fs::create_dir(other.parent().unwrap()).unwrap();
        fs::rename(repo.own(), &other).unwrap();
        repo.point(&other.display().to_string());
    }),
    ("a repository without a checkout", |repo| {
        git(repo.main.world, &repo.main.dir, &["config", "core.bare", "true"]);
    }),
    ("a checkout that is elsewhere", |repo| {
        git(repo.main.world, &repo.main.dir, &["config", "core.worktree", "/nonexistent"]);
    }),
    ("a repository without a configuration", |repo| {
        fs::remove_file(repo.main.dir.join(".git/config")).unwrap();
    }),
    ("forgotten by git", |repo| fs::remove_dir_all(repo.own()).unwrap()),
];

#[test]
fn t_a17_anything_else_asks() {
    let Some(_) = require("git") else { return };
    for (what, attack) in ATTACKS {
        eprintln!("--- {what}");
        let world = World::new();
        let repo = Repo::new(&world);
        attack(&repo);
        let export = repo.tree.not_loaded("~/tree/.mima.yaml is not allowed yet: mima allow");
        assert_eq!(export.err().lines().count(), 1, "{what}: {export}");
        repo.tree.mima(&["exec", ".", "true"]).run().fails(125).stderr_has("not allowed yet");
    }
}

/// Whoever could write to any of these could tie another directory to the checkout.
#[test]
fn t_a17_what_others_can_write_to_ties_nothing() {
    let Some(_) = require("git") else { return };
    let world = World::new();
    let repo = Repo::new(&world);
    let (own, main, tree) = (repo.own(), &repo.main.dir, &repo.tree.dir);
    let parts = [
        (own.join("gitdir"), 0o666),
        (own.join("commondir"), 0o646),
        (tree.join(".git"), 0o666),
        (own.clone(), 0o777),
        (own.parent().unwrap().to_owned(), 0o777),
        (main.join(".git"), 0o757),
        (main.clone(), 0o1777),
    ];
    // A project of its own further down, so that what is open is not what is judged anyway.
    for dir in [&repo.main, &repo.tree] {
        fs::create_dir(dir.dir.join("below")).unwrap();
        dir.write("below/.mima.yaml", TEXT);
    }
    let below = |dir: &Path| Project { world: &world, dir: dir.join("below") };
    below(main).allow();
    for (path, open) in parts.into_iter().chain([(tree.clone(), 0o1777)]) {
        let closed = fs::metadata(&path).unwrap().permissions();
        mode(&path, open);
        below(tree).not_loaded("is not allowed yet");
        fs::set_permissions(&path, closed).unwrap();
        assert_eq!(below(tree).verdict(), "allowed", "{}", path.display());
    }
}

#[test]
fn t_a17_what_another_user_or_group_has_ties_nothing() {
    let (Some(user), Some(_)) = (User::new(), require("git")) else { return };
    let repo = Repo::unknown(&user.world);
    user.give_all();
    user.mima(&["allow", "--yes"], &repo.main.dir).run().ok();
    let verdict = || {
        let output = user.mima(&["status", "--json"], &repo.tree.dir).run();
        let status: serde_json::Value = serde_json::from_slice(&output.ok().stdout).unwrap();
        status["verdict"].as_str().unwrap().to_owned()
    };
    assert_eq!(verdict(), "allowed");
    let files = [repo.own().join("gitdir"), repo.own().join("commondir")];
    let dirs = [repo.own(), repo.main.dir.join(".git"), repo.main.dir.clone()];
    for path in files.iter().chain(&dirs).chain([&repo.tree.dir.join(".git")]) {
        give(path, 12346);
        assert_eq!(verdict(), "unknown", "{}", path.display());
        // As in a directory that a team shares.
        std::os::unix::fs::chown(path, Some(crate::common::user::USER), Some(100)).unwrap();
        let closed = fs::metadata(path).unwrap().permissions();
        mode(path, 0o775);
        assert_eq!(verdict(), "unknown", "{}", path.display());
        fs::set_permissions(path, closed).unwrap();
        user.give_all();
        assert_eq!(verdict(), "allowed", "{}", path.display());
    }
}

/// All of an archive is its author's: the `.git` that names a checkout of the user's, and whole
/// repositories. What it cannot have is the way back.
#[test]
fn t_a17_an_archive_that_names_a_checkout_of_the_users_is_not_of_it() {
    let Some(_) = require("git") else { return };
    let world = World::new();
    let repo = Repo::new(&world);
    let evil = Project::new(&world, "evil", TEXT);
    let own = repo.own();
    for gitdir in [
        own.display().to_string(),
        "../main/.git/worktrees/tree".to_owned(),
        own.with_file_name("evil").display().to_string(),
        repo.main.dir.join(".git").display().to_string(),
    ] {
        evil.write(".git", format!("gitdir: {gitdir}\n"));
        evil.not_loaded("is not allowed yet");
    }
    // A checkout and a worktree that agree with each other, but that nobody has allowed.
    let fake = Project::new(&world, "evil/main", TEXT);
    let of_fake = fake.dir.join(".git/worktrees/w");
    fs::create_dir_all(&of_fake).unwrap();
    fs::write(of_fake.join("gitdir"), "../../../../w/.git\n").unwrap();
    fs::write(of_fake.join("commondir"), "../..\n").unwrap();
    let w = Project::new(&world, "evil/w", TEXT);
    w.write(".git", "gitdir: ../main/.git/worktrees/w\n");
    w.not_loaded("is not allowed yet");
    // The one whose main checkout is the user's, by a link or by its word.
    fs::write(of_fake.join("commondir"), format!("{}\n", repo.main.dir.join(".git").display()))
        .unwrap();
    w.not_loaded("is not allowed yet");
    fs::remove_dir_all(fake.dir.join(".git")).unwrap();
    symlink(repo.main.dir.join(".git"), fake.dir.join(".git")).unwrap();
    w.write(".git", "gitdir: ../main/.git/worktrees/tree\n");
    w.not_loaded("is not allowed yet");
    assert_eq!(repo.tree.verdict(), "allowed");
}

#[test]
fn t_a17_copies_and_what_was_moved_by_hand_are_no_worktrees() {
    let Some(_) = require("git") else { return };
    let world = World::new();
    let repo = Repo::new(&world);
    let at = |name: &str| Project { world: &world, dir: world.home().join(name) };
    copy_tree(&repo.tree.dir, &at("copy").dir);
    at("copy").not_loaded("is not allowed yet");
    assert_eq!(repo.tree.verdict(), "allowed");
    fs::rename(&repo.tree.dir, at("moved").dir).unwrap();
    at("moved").not_loaded("is not allowed yet");
    // What now stands in its place is what git knows.
    git(&world, &repo.main.dir, &["worktree", "repair", "../moved"]);
    assert_eq!(at("moved").verdict(), "allowed");
    // The main checkout moves, and its approval does not.
    fs::rename(&repo.main.dir, at("main2").dir).unwrap();
    git(&world, &at("main2").dir, &["worktree", "repair", "../moved"]);
    at("moved").not_loaded("is not allowed yet");
    at("main2").allow();
    assert_eq!(at("moved").status()["allowed_as_in"].as_str(), at("main2").dir.to_str());
}

#[test]
fn t_a17_other_kinds_of_repositories_have_no_main_checkout() {
    let Some(_) = require("git") else { return };
    let world = World::new();
    let repo = Repo::new(&world);
    let at = |name: &str| Project { world: &world, dir: world.home().join(name) };
    let home = world.home();
    git(&world, &home, &["clone", "-q", "--bare", "main", "nest/bare"]);
    git(&world, &home.join("nest/bare"), &["worktree", "add", "-q", "../of-bare", "HEAD"]);
    at("nest/of-bare").not_loaded("is not allowed yet");
    // A bare one beside its worktrees: there is nothing in its place that could be allowed.
    git(&world, &home, &["clone", "-q", "--bare", "main", "all/.git"]);
    git(&world, &home.join("all"), &["worktree", "add", "-q", "one", "HEAD"]);
    git(&world, &home.join("all"), &["worktree", "add", "-q", "two", "HEAD"]);
    at("all/one").allow();
    at("all/two").not_loaded("is not allowed yet");
    // Not even by what was put there.
    Project::allowed(&world, "all", TEXT);
    at("all/two").not_loaded("is not allowed yet");
    let config = ["config", "core.bare", "false"];
    git(&world, &home.join("all"), &["config", "extensions.worktreeConfig", "true"]);
    git(&world, &home.join("all"), &config);
    assert_eq!(at("all/two").verdict(), "allowed");
    git(&world, &home.join("all"), &["config", "--worktree", "core.bare", "true"]);
    at("all/two").not_loaded("is not allowed yet");
    // Nor beside one of another name, whatever it says of itself.
    Project::allowed(&world, "nest", TEXT);
    at("nest/of-bare").not_loaded("is not allowed yet");
    git(&world, &home.join("nest/bare"), &config);
    at("nest/of-bare").not_loaded("is not allowed yet");
    git(&world, &home.join("nest/bare"), &["config", "core.bare", "true"]);
    fs::create_dir(home.join("apart")).unwrap();
    git(&world, &home, &["clone", "-q", "--separate-git-dir", "apart/.git", "main", "checkout"]);
    at("checkout").allow();
    git(&world, &at("checkout").dir, &["worktree", "add", "-q", "../of-apart", "HEAD"]);
    at("of-apart").not_loaded("is not allowed yet");
    // A submodule's `.git` is a file, too.
    git(&world, &repo.main.dir, &["submodule", "--quiet", "add", "../nest/bare", "module"]);
    git(&world, &repo.main.dir, &["commit", "-qm", "module"]);
    at("main/module").not_loaded("is not allowed yet");
    at("main/module").allow();
    git(&world, &at("main/module").dir, &["worktree", "add", "-q", "../../of-module", "HEAD"]);
    at("of-module").not_loaded("is not allowed yet");
    git(&world, &repo.main.dir, &["worktree", "add", "-q", "../next", "HEAD"]);
    git(&world, &at("next").dir, &["submodule", "--quiet", "update", "--init"]);
    assert_eq!(at("next").verdict(), "allowed");
    at("next/module").not_loaded("is not allowed yet");
}

/// A record that cannot be read gives no trust to a worktree either.
#[test]
fn t_a17_a_damaged_approval_of_the_main_checkout_is_named() {
    let Some(_) = require("git") else { return };
    let world = World::new();
    let repo = Repo::new(&world);
    let dir = world.data().join("trust");
    let record = fs::read_dir(&dir).unwrap().next().unwrap().unwrap().path();
    fs::write(&record, "mima-trust-1\n").unwrap();
    repo.tree.not_loaded("is damaged").stderr_has("hint: mima allow makes it anew");
    repo.tree.allow();
    assert_eq!((repo.tree.verdict(), repo.main.verdict()), ("allowed".into(), "unknown".into()));
}

/// A shell in a worktree starts nothing at a prompt, and notices what is decided on the main
/// checkout, or that git has let go of the worktree.
#[test]
fn t_a17_a_shell_notices_when_the_approval_ends() {
    let Some(_) = require("git") else { return };
    each(|shell| {
        let world = World::new();
        let repo = Repo::new(&world);
        let log = world.root().join("calls");
        let note = format!("echo \"$1\" >>{}\nexec mima \"$@\"\n", log.display());
        let binary = world.script("stand-in", &note);
        let calls = || fs::read_to_string(&log).unwrap_or_default().lines().count();
        let settle = || {
            let (own, trust) = (repo.own(), world.data().join("trust"));
            let ties = [repo.tree.dir.join(".git"), own.join("gitdir"), own.join("commondir")];
            ties.iter().chain([&repo.tree.file(), &trust]).for_each(|path| age(path));
        };
        settle();
        let mut hooked = Start::new(&world, shell).with_binary(&binary).start();
        hooked.run("cd tree");
        assert_eq!(hooked.exported("MARK").as_deref(), Some("here"), "{shell}");
        let before = calls();
        (0..5).for_each(|_| drop(hooked.run("true")));
        assert_eq!(calls(), before, "{shell}");
        repo.main.mima(&["deny"]).run().ok();
        let said = hooked.run("true");
        assert!(said.contains("~/tree/.mima.yaml is not allowed yet"), "{shell}: {said}");
        assert_eq!(hooked.exported("MARK"), None, "{shell}");
        repo.main.allow();
        assert!(hooked.run("true").contains("+MARK"), "{shell}");
        settle();
        hooked.run("mima reload");
        hooked.run("true");
        git(&world, &repo.main.dir, &["worktree", "lock", "../tree"]);
        assert_eq!(hooked.exported("MARK").as_deref(), Some("here"), "{shell}");
        fs::remove_dir_all(repo.own()).unwrap();
        assert!(hooked.run("true").contains("is not allowed yet"), "{shell}");
        assert_eq!(hooked.exported("MARK"), None, "{shell}");
    });
}

/// The files of a flake go by the same rule, each for itself.
#[test]
fn t_a17_a_flake_of_a_worktree_is_the_one_that_was_allowed() {
    let Some(_) = require("git") else { return };
    let mut world = World::new();
    let Some(_nix) = Nix::new(&mut world) else { return };
    let shells = |word: &str| flake(&format!("GREETING = \"{word}\";"));
    let main = nix::project(&world, "main", "use_flake: .\n", &shells("one"));
    git(&world, &main.dir, &["init", "-q"]);
    git(&world, &main.dir, &["add", "."]);
    git(&world, &main.dir, &["commit", "-qm", "x"]);
    git(&world, &main.dir, &["worktree", "add", "-q", "../tree"]);
    let tree = Project { world: &world, dir: world.home().join("tree") };
    assert_eq!(tree.loaded()["GREETING"].as_deref(), Some("one"));
    tree.mima(&["allow"]).run().ok().stderr_has("it is allowed already, as in ~/main");
    // The project file is still the same; the code is not.
    tree.write("flake.nix", shells("two"));
    tree.mima(&["status", "--check"]).run().fails(3);
    // What is loaded meanwhile is what the code that was allowed has made.
    let output = tree.mima(&["export", "json"]).run();
    output.ok().stderr_has("~/tree/flake.nix is not allowed yet: mima allow");
    assert_eq!(changes(&output)["GREETING"].as_deref(), Some("one"));
    tree.mima(&["allow", "--yes"]).run().ok().stderr_has("~/tree/flake.nix is allowed");
    assert_eq!(tree.loaded()["GREETING"].as_deref(), Some("two"));
    assert_eq!(main.loaded()["GREETING"].as_deref(), Some("one"));
}
