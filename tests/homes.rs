//! Odd homes: rows D5, D6 and D7 of the threat table.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::common::leaks::files_below;
use crate::common::world::{World, copy_executable, mima};
use crate::common::{is_root, require};

#[test]
fn t_d5_a_home_that_is_none_falls_back_or_fails_and_nothing_lands_in_the_working_directory() {
    let world = World::with_vault();
    let here = world.root().join("here");
    std::fs::create_dir(&here).unwrap();
    for home in [None, Some(""), Some("relative"), Some("./x"), Some("/nonexistent/home")] {
        // Listing only: the fallback is the real home of whoever runs the tests.
        for args in [&["secret", "list"][..], &["group", "list"]] {
            let mut cmd = world.mima(args).cwd(&here).env_remove("HOME");
            if let Some(home) = home {
                cmd = cmd.env("HOME", home);
            }
            let output = cmd.run();
            assert!(output.status.code().is_some_and(|code| code < 2), "{output}");
        }
    }
    let output = world.mima(&["secret", "add", "x"]).env("HOME", "/proc").cwd(&here).stdin("x");
    output.run().fails(1).stderr_has("mima: could not make").stderr_has("hint: ");
    for variable in ["XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"] {
        let list = world.mima(&["secret", "list"]).env(variable, "relative").cwd(&here).run();
        assert_eq!(list.ok().out().lines().count(), 50, "{list}");
    }
    assert_eq!(files_below(&here), Vec::<std::path::PathBuf>::new());
}

#[test]
fn t_d5_mima_home_moves_everything() {
    let mut world = World::new();
    world.askpass("a passphrase");
    let dir = world.home().join("elsewhere");
    world.set_env("MIMA_HOME", &dir);
    world.mima(&["set", "dev", "TOKEN"]).stdin(world.canary()).run().ok();
    assert!(dir.join("mima.yaml").is_file());
    assert!(dir.join("vault/secrets/dev.TOKEN.age").is_file());
    assert_eq!(std::fs::read_dir(world.home()).unwrap().count(), 1);
    world.mima(&["run", "dev", "--", "printenv", "TOKEN"]).run().ok().stdout_has(world.canary());
    let relative = world.mima(&["secret", "list"]).env("MIMA_HOME", "x").run();
    relative.fails(1).stderr_has("no absolute path").stderr_has("hint: ");
}

#[test]
fn t_d6_everything_is_private_under_any_umask() {
    for umask in ["000", "077", "777"] {
        let mut world = World::new();
        world.askpass("a passphrase");
        let set = world.mima(&["set", "dev", "TOKEN"]).stdin(world.canary());
        set.within(&format!("umask {umask}; exec \"$@\"")).run().ok();
        for path in files_below(&world.home()) {
            let mode = path.metadata().unwrap().permissions().mode() & 0o777;
            // What stands between the home directory and mima's own is the user's.
            if path.starts_with(world.data()) || path.ends_with(".mima.yaml") {
                let want = if path.is_dir() { 0o700 } else { 0o600 };
                assert_eq!(mode, want, "{} under umask {umask}", path.display());
            }
        }
    }
}

#[test]
fn t_d6_a_data_directory_that_others_can_write_to_is_refused() {
    let world = World::with_vault();
    std::fs::set_permissions(world.data(), PermissionsExt::from_mode(0o777)).unwrap();
    for args in [&["secret", "add", "x"][..], &["secret", "get", "K00"], &["secret", "rm", "K00"]] {
        let output = world.mima(args).stdin("x").run();
        output.fails(1).stderr_has("others can write to").stderr_has("chmod go-w");
    }
    assert_eq!(world.asked(), 0);
    std::fs::set_permissions(world.data(), PermissionsExt::from_mode(0o700)).unwrap();
}

#[test]
fn t_d6_a_data_directory_of_another_user_is_refused() {
    if !is_root("can give a directory away") {
        return;
    }
    let world = World::with_vault();
    std::os::unix::fs::chown(world.data(), Some(12345), None).unwrap();
    for args in [&["secret", "add", "x"][..], &["secret", "get", "K00"]] {
        world
            .mima(args)
            .stdin("x")
            .run()
            .fails(1)
            .stderr_has("belongs to another user (uid 12345)");
    }
    std::os::unix::fs::chown(world.data(), Some(0), None).unwrap();
}

#[test]
fn t_d7_root_does_not_work_in_the_home_of_another_user() {
    if !is_root("can be in another user's home") {
        return;
    }
    let world = World::with_vault();
    std::os::unix::fs::chown(world.home(), Some(12345), None).unwrap();
    let refused = world.mima(&["secret", "list"]).run();
    refused.fails(1).stderr_has("belongs to another user").stderr_has("--as-root");
    world.mima(&["run", "dev", "--", "true"]).run().fails(125);
    // The files are the owner's, and stay so whatever root adds.
    for path in files_below(&world.home()) {
        std::os::unix::fs::lchown(&path, Some(12345), None).unwrap();
    }
    let as_root = |args: &[&str]| world.mima(&["--as-root"]).args(args).stdin("v").run();
    as_root(&["set", "dev", "NEW"]).ok();
    as_root(&["run", "dev", "--", "printenv", "NEW"]).ok().stdout_is("v\n");
    for path in files_below(&world.home()) {
        assert_eq!(path.symlink_metadata().unwrap().uid(), 12345, "{}", path.display());
    }
    assert_eq!(world.home().metadata().unwrap().uid(), 12345);
}

#[test]
fn a_read_only_home_is_a_clear_error() {
    // Root writes anywhere, so this needs another user.
    let Some(setpriv) = require("setpriv") else { return };
    if !is_root("can become another user") {
        return;
    }
    let mut world = World::new();
    world.askpass("a passphrase");
    for path in files_below(world.root()).into_iter().chain([world.root().to_owned()]) {
        std::os::unix::fs::lchown(&path, Some(12345), Some(12345)).unwrap();
    }
    std::fs::set_permissions(world.home(), PermissionsExt::from_mode(0o500)).unwrap();
    let binary = world.root().join("mima-binary");
    copy_executable(mima(), &binary);
    let as_user = |args: &[&str]| {
        let cmd = world.command(&binary).args(args).stdin("x");
        let setpriv = setpriv.to_str().unwrap();
        cmd.under(&[setpriv, "--reuid=12345", "--regid=12345", "--clear-groups"]).run()
    };
    as_user(&["secret", "add", "x"])
        .fails(1)
        .stderr_has("could not make")
        .stderr_has("denied")
        .stderr_has("hint: nothing was changed");
    as_user(&["group", "link", "dev", "A", "x"]).fails(1).stderr_has("denied");
    as_user(&["secret", "list"]).ok();
    std::fs::set_permissions(world.home(), PermissionsExt::from_mode(0o700)).unwrap();
}
