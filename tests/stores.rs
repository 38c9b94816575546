//! Which store is used, and the one that is the environment.

use crate::common::world::World;

/// What the message says that this build has.
const STORES: &str = if cfg!(target_os = "macos") {
    "there are vault, keychain, env"
} else if cfg!(all(target_os = "linux", feature = "secret-service")) {
    "there are vault, secret-service, env"
} else {
    "there are vault, env"
};

#[test]
fn the_environment_wins_over_the_user_file() {
    let world = World::with_vault();
    world.write(".mima.yaml", "store: env\n");
    let env = world.mima(&["secret", "get", "FOO"]).env("FOO", "from env").env("MIMA_STORE", "");
    env.run().ok().stdout_is("from env");
    let vault = world.mima(&["secret", "get", "K00"]).env("MIMA_STORE", "vault").run();
    vault.ok().stdout_is("value-of-K00");
    world.mima(&["secret", "get", "K00"]).env("MIMA_STORE", "").run().fails(1);
}

#[test]
fn a_store_that_is_not_there_is_an_error_with_the_nearest_name() {
    let world = World::new();
    let list = |store: &str| world.mima(&["secret", "list"]).env("MIMA_STORE", store).run();
    list("valut").fails(1).stderr_has("MIMA_STORE: this is no store of mima").stderr_has("`vault`");
    let unknown = list(world.canary());
    unknown.fails(1).stderr_has(STORES);
    assert!(!unknown.err().contains(world.canary()), "it may be anything");
    for store in ["keychain", "secret-service"] {
        if STORES.contains(store) {
            let near = list(&store.replace('-', "_").replace("ch", "hc"));
            near.fails(1).stderr_has(&format!("did you mean `{store}`?"));
        } else {
            let elsewhere = list(store);
            elsewhere.fails(1).stderr_has(&format!("this build has no `{store}` store"));
            elsewhere.stderr_has(STORES);
        }
    }
    world.write(".mima.yaml", "store: valut\n");
    let listed = world.mima(&["secret", "list"]).env("MIMA_STORE", "").run();
    listed.fails(1).stderr_has("did you mean `vault`?");
}

#[test]
fn in_ci_the_same_command_takes_what_the_environment_holds() {
    let world = World::new();
    world.write("p/.mima.yaml", "groups:\n  dev:\n    TOKEN: dev-token\n    _KEY: key.of-dev\n");
    world.mima(&["allow", "--yes"]).cwd(world.home().join("p")).run().ok();
    let run = |args: &[&str]| {
        let command = world.mima(&[&["run"], args].concat()).cwd(world.home().join("p"));
        command.env("MIMA_STORE", "env").env("TOKEN", world.canary()).env("OTHER", "x")
    };
    let want = format!("{}\nk\n", world.canary());
    let with_key = run(&["dev", "--", "printenv", "TOKEN", "_KEY"]).env("_KEY", "k");
    with_key.run().ok().quiet().stdout_is(&want);
    let scrubbed = run(&["--scrub", "dev", "--", "env"]).env("_KEY", "k").run();
    scrubbed.ok().stdout_has(world.canary()).stdout_lacks("OTHER");
    let missing = run(&["dev", "--", "true"]).run();
    missing
        .fails(125)
        .stderr_has("group dev sets _KEY, and the store has no _KEY")
        .stderr_has("set the variable _KEY where mima is started");
    world.mima(&["env", "dev"]).env("MIMA_STORE", "env").run().fails(1);
}

#[test]
fn the_environment_is_only_read() {
    let world = World::new();
    let mima = |args: &[&str]| {
        world.mima(args).env("MIMA_STORE", "env").env("FOO", "x").stdin(world.canary()).run()
    };
    for args in [
        &["secret", "add", "FOO", "--force"][..],
        &["secret", "add", "BAR"],
        &["secret", "rm", "FOO"],
        &["secret", "rename", "FOO", "BAR"],
        &["set", "dev", "FOO"],
    ] {
        mima(args).fails(1).stderr_has("mima reads the environment").stderr_has("MIMA_STORE=vault");
    }
    assert!(!world.home().join(".mima.yaml").exists(), "nothing was linked");
    assert!(!world.data().exists(), "no vault was made");
}

#[test]
fn only_what_a_group_may_set_is_listed() {
    let world = World::new();
    let listed = world.mima(&["secret", "list"]).env("MIMA_STORE", "env").env("FOO", "x").run();
    let names = listed.ok().quiet().out();
    assert!(names.lines().any(|name| name == "FOO"), "{names}");
    assert!(!names.contains("HOME") && !names.contains("MIMA_"), "{names}");
    world.write(".mima.yaml", "groups:\n  dev:\n    FOO: dev-foo\n    BAR: dev-bar\n");
    let groups = world.mima(&["group", "list"]).env("MIMA_STORE", "env").env("FOO", "x").run();
    groups.ok().stdout_has("FOO  dev-foo\n").stdout_has("BAR  dev-bar  (no such secret)");
}
