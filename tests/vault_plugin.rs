//! A vault whose key an age plugin wraps, with the plugin of `tests/plugin`.

use std::fmt::Write;
use std::os::unix::fs::symlink;

use crate::common::pty::Pty;
use crate::common::require;
use crate::common::world::{World, copy_executable, example};

/// A world with the plugin on its `PATH`, and a log of what the plugin was used for.
fn world() -> World {
    let mut world = World::new();
    symlink(example("age-plugin-mimatest", "plugin"), world.bin().join("age-plugin-mimatest"))
        .unwrap();
    world.set_env("MIMATEST_LOG", world.root().join("log"));
    world
}

fn log(world: &World) -> Vec<String> {
    let log = std::fs::read_to_string(world.root().join("log")).unwrap_or_default();
    log.lines().map(str::to_owned).collect()
}

fn init(world: &World) {
    world.mima(&["vault", "init", "--plugin", "mimatest"]).run().ok();
}

#[test]
fn fifty_secrets_need_the_plugin_once() {
    let world = world();
    init(&world);
    assert_eq!(log(&world), ["--age-plugin=recipient-v1"]);
    let mut group = "groups:\n  all:\n".to_owned();
    for number in 0..50 {
        let (name, value) = (format!("s{number}"), format!("v{number}"));
        world.mima(&["secret", "add", &name]).stdin(value).run().ok();
        writeln!(group, "    S{number}: {name}").unwrap();
    }
    assert_eq!(log(&world).len(), 1, "adding never asks");
    world.write(".mima.yaml", group);
    let ran = world.mima(&["run", "all", "--", "sh", "-c", "echo $S0 $S49"]).run();
    ran.ok().stdout_is("v0 v49\n").stderr_has("asking age-plugin-mimatest");
    ran.stderr_has("touch the test key");
    assert_eq!(log(&world)[1..], ["--age-plugin=identity-v1"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_caller_that_ignores_its_children_changes_nothing() {
    let world = world();
    init(&world);
    world.mima(&["secret", "add", "x"]).stdin("v").run().ok();
    let get = world.mima(&["secret", "get", "x"]).under(&["env", "--ignore-signal=CHLD"]);
    get.run().ok().stdout_is("v");
}

#[test]
fn a_pin_goes_from_the_prompt_to_the_plugin() {
    let mut world = world();
    world.set_env("MIMATEST_PIN", "1234-mima-pin");
    world.guard("1234-mima-pin");
    world.askpass("1234-mima-pin");
    init(&world);
    world.mima(&["secret", "add", "x"]).stdin(world.canary()).run().ok();
    world.mima(&["secret", "get", "x"]).run().ok().stdout_is(world.canary());
    assert!(world.questions().contains("PIN of the test key: "), "{}", world.questions());
    // Nothing of mima's own reaches the plugin, MIMA_ASKPASS least of all.
    assert!(log(&world).iter().all(|line| !line.contains("MIMA_")), "{:?}", log(&world));
    world.askpass("wrong");
    let refused = world.mima(&["secret", "get", "x"]).run();
    refused.fails(1).stdout_is("").stderr_has("age-plugin-mimatest failed: wrong PIN");
}

#[test]
fn what_a_plugin_wants_confirmed_is_asked_on_the_terminal() {
    let world = world();
    init(&world);
    world.mima(&["secret", "add", "x"]).stdin(world.canary()).run().ok();
    for (answer, opens) in [("y", true), ("n", false)] {
        let get = world.mima(&["secret", "get", "x"]).env("MIMATEST_CONFIRM", "Use the test key?");
        let mut pty = Pty::spawn(&mut get.std());
        pty.expect("Use the test key? (yes: Yes; no: No) [y/N] ");
        pty.send_line(answer);
        assert_eq!(pty.wait().success(), opens, "{}", pty.transcript());
        assert_eq!(pty.transcript().contains(world.canary()), opens);
    }
    // Without a terminal it is an error, not a wait.
    let get = world.mima(&["secret", "get", "x"]).env("MIMATEST_CONFIRM", "Use the test key?");
    get.run().fails(1).stderr_has("no terminal");
}

#[test]
fn a_plugin_that_fails_makes_no_vault() {
    let world = world();
    for (variable, says) in [
        ("MIMATEST_FAIL", "age-plugin-mimatest failed: no \\u{1b}[31m card"),
        ("MIMATEST_DIE", "age-plugin-mimatest failed: it ended before it was done"),
    ] {
        let init = world.mima(&["vault", "init", "--plugin", "mimatest"]);
        init.env(variable, "no \x1b[31m card").run().fails(1).stderr_has(says);
        assert!(!world.data().join("vault").exists());
    }
    init(&world);
    world.mima(&["secret", "add", "x"]).stdin("v").run().ok();
    for variable in ["MIMATEST_FAIL", "MIMATEST_DIE"] {
        let get = world.mima(&["secret", "get", "x"]).env(variable, "no card");
        match variable {
            // It complains, and gives the key all the same.
            "MIMATEST_FAIL" => get.run().ok().stdout_is("v"),
            _ => get.run().fails(1).stderr_has("it ended before it was done"),
        };
    }
}

#[test]
fn only_the_plugin_that_was_chosen_is_started() {
    let world = world();
    let own = world.bin().join("age-plugin-mimatest");
    std::fs::remove_file(&own).unwrap();
    copy_executable(&example("age-plugin-mimatest", "plugin"), &own);
    init(&world);
    world.mima(&["secret", "add", "x"]).stdin("v").run().ok();
    // Another one in front on PATH is not looked at.
    let get = world.mima(&["secret", "get", "x"]);
    let evil = world.write("node_modules/.bin/age-plugin-mimatest", "#!/bin/sh\ntouch ~/evil\n");
    std::fs::set_permissions(&evil, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", evil.parent().unwrap().display());
    get.clone().env("PATH", path).run().ok().stdout_is("v");
    // A link in its place is not followed, and a missing one not replaced.
    let moved = world.bin().join("moved");
    std::fs::rename(&own, &moved).unwrap();
    symlink(&moved, &own).unwrap();
    get.run().fails(1).stderr_has("the vault's plugin is no longer").stderr_has("--accept");
    std::fs::remove_file(&own).unwrap();
    get.run().fails(1).stderr_has("the vault's plugin is no longer");
    // Accepting finds it anew.
    symlink(&moved, &own).unwrap();
    world.mima(&["vault", "recipients", "--accept"]).run().ok();
    get.run().ok().stdout_is("v");
    assert!(!world.home().join("evil").exists());
}

#[test]
fn another_plugin_identity_is_not_used_until_it_is_accepted() {
    let world = world();
    init(&world);
    world.mima(&["secret", "add", "x"]).stdin("v").run().ok();
    let uses = log(&world).len();
    let file = world.data().join("vault/identity.plugin");
    let own = std::fs::read_to_string(&file).unwrap();
    assert!(own.starts_with("AGE-PLUGIN-MIMATEST-1"), "{own}");
    std::fs::write(&file, "AGE-PLUGIN-OTHER-1\n").unwrap();
    world.mima(&["secret", "get", "x"]).run().fails(1).stderr_has("holds no plugin's identity");
    std::fs::write(&file, format!("# {own}")).unwrap();
    world.mima(&["secret", "get", "x"]).run().fails(1);
    std::fs::write(&file, &own).unwrap();
    std::fs::remove_file(world.data().join("vault.pins")).unwrap();
    let refused = world.mima(&["secret", "get", "x"]).run();
    refused.fails(1).stderr_has("not confirmed the vault's plugin").stderr_has("--accept");
    assert_eq!(log(&world).len(), uses, "the plugin was not started");
}

#[test]
fn an_identity_file_is_taken_and_must_be_of_that_plugin() {
    let world = world();
    init(&world);
    let own = std::fs::read_to_string(world.data().join("vault/identity.plugin")).unwrap();
    std::fs::remove_dir_all(world.data().join("vault")).unwrap();
    let file = world.write("identity.txt", format!("# of the test key\n{own}"));
    let path = file.to_str().unwrap();
    symlink(example("age-plugin-mimatest", "plugin"), world.bin().join("age-plugin-other"))
        .unwrap();
    let other = world.mima(&["vault", "init", "--plugin", "other", "--identity", path]).run();
    other.fails(1).stderr_has("holds no identity of age-plugin-other");
    world.mima(&["vault", "init", "--plugin", "mimatest", "--identity", path]).run().ok();
    assert_eq!(std::fs::read_to_string(world.data().join("vault/identity.plugin")).unwrap(), own);
}

#[test]
fn bad_names_missing_plugins_and_relative_paths_are_refused() {
    let world = world();
    for name in ["", "../x", "a/b", "A", "x y", "-"] {
        let args = ["vault", "init", &format!("--plugin={name}")];
        let status = world.mima(&args).run().status.code();
        assert!(matches!(status, Some(1 | 2)), "{name:?}: {status:?}");
    }
    let missing = world.mima(&["vault", "init", "--plugin", "nowhere"]).run();
    missing.fails(1).stderr_has("there is no `age-plugin-nowhere` on PATH");
    let init = world.mima(&["vault", "init", "--plugin", "mimatest"]).env("PATH", ".:bin:");
    init.cwd(world.bin()).run().fails(1).stderr_has("there is no `age-plugin-mimatest` on PATH");
    assert!(log(&world).is_empty() && !world.data().join("vault").exists());
}

#[test]
fn no_plugin_runs_with_agedebug_or_without_leave_to_ask() {
    let world = world();
    init(&world);
    world.mima(&["secret", "add", "x"]).stdin("v").run().ok();
    world.write(".mima.yaml", "groups:\n  g:\n    X: x\n");
    let uses = log(&world).len();
    let debug = world.mima(&["secret", "get", "x"]).env("AGEDEBUG", "plugin").run();
    debug.fails(1).stderr_has("AGEDEBUG is set").stderr_has("unset AGEDEBUG");
    world.mima(&["run", "--no-prompt", "g", "--", "true"]).run().fails(125).stderr_has("locked");
    let passwd = world.mima(&["vault", "passwd"]).run();
    passwd.fails(1).stderr_has("the vault has no passphrase");
    assert_eq!(log(&world).len(), uses, "the plugin was not started");
}

#[test]
fn debian_age_opens_it_with_the_same_plugin() {
    let Some(age) = require("age") else { return };
    let world = world();
    init(&world);
    world.mima(&["secret", "add", "x"]).stdin(world.canary()).run().ok();
    let vault = world.data().join("vault");
    let key = world.root().join("key.txt");
    let identity = vault.join("identity.plugin");
    let unwrap = world.command(&age).args(["-d", "-i"]).arg(identity).arg("-o").arg(&key);
    unwrap.arg(vault.join("identity.age")).run().ok();
    let open = world.command(&age).args(["-d", "-i"]).arg(&key).arg(vault.join("secrets/x.age"));
    open.run().ok().stdout_is(world.canary());
}
