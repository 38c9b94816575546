//! `mima group`: what stands in `~/.mima.yaml`, and what mima leaves alone there.

use std::os::unix::fs::PermissionsExt;

use crate::common::world::World;

const FILE: &str = "\
# my groups
groups:
  dev:   # everyday
    DATABASE_URL: 'K00'   # local

    TOKEN: K01
  prod: { TOKEN: K02 }

store: vault
";

fn world() -> World {
    let world = World::with_vault();
    world.write(".mima.yaml", FILE);
    world
}

#[test]
fn linking_touches_one_line() {
    let world = world();
    world.mima(&["group", "link", "dev", "EXTRA", "K03"]).run().ok().stderr_has("dev sets EXTRA");
    let want = FILE.replace("    TOKEN: K01\n", "    TOKEN: K01\n    EXTRA: K03\n");
    assert_eq!(world.read(".mima.yaml"), want);
    world.mima(&["group", "unlink", "dev", "EXTRA"]).run().ok();
    assert_eq!(world.read(".mima.yaml"), FILE);
    world
        .mima(&["group", "link", "dev", "TOKEN", "K09"])
        .run()
        .ok()
        .stderr_has("no longer from K01");
    assert_eq!(world.read(".mima.yaml"), FILE.replace("K01", "K09"));
}

#[test]
fn removing_a_group_leaves_its_secrets() {
    let world = world();
    world.mima(&["group", "rm", "prod"]).run().ok().stderr_has("its secrets stay");
    assert_eq!(world.read(".mima.yaml"), FILE.replace("  prod: { TOKEN: K02 }\n", ""));
    world.mima(&["secret", "get", "K02"]).run().ok();
}

#[test]
fn the_user_file_is_private_and_a_link_is_followed() {
    let world = World::with_vault();
    let real = world.write("dotfiles/mima.yaml", "store: vault\n");
    std::os::unix::fs::symlink("dotfiles/mima.yaml", world.home().join(".mima.yaml")).unwrap();
    world.mima(&["group", "link", "dev", "A", "K00"]).run().ok();
    assert!(std::fs::symlink_metadata(world.home().join(".mima.yaml")).unwrap().is_symlink());
    assert_eq!(world.read("dotfiles/mima.yaml"), "store: vault\ngroups:\n  dev:\n    A: K00\n");
    assert_eq!(real.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    world.assert_no_temporary();
}

#[test]
fn a_list_marks_links_to_nothing() {
    let world = world();
    world.mima(&["group", "link", "dev", "GONE", "K0O"]).run().ok().stderr_has("did you mean `K0");
    let list = world.mima(&["group", "list", "dev"]).run();
    list.ok().quiet().stdout_is(
        "dev\n  DATABASE_URL  K00\n  TOKEN         K01\n  GONE          K0O  (no such secret)\n",
    );
    let json = world.mima(&["group", "list", "--json"]).run();
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&json.ok().stdout).unwrap();
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[2]["missing"], true);
    assert_eq!(rows[3]["group"], "prod");
    world.mima(&["group", "list", "dve"]).run().fails(1).stderr_has("did you mean `dev`?");
    assert_eq!(world.asked(), 0);
}

#[test]
fn a_broken_user_file_stops_everything_and_stays_as_it_is() {
    let world = World::with_vault();
    let broken = format!("groups:\n  dev:\n    A: [{}\n", world.canary());
    let file = world.write(".mima.yaml", &broken);
    world.allow_leak(&file);
    for args in [
        &["run", "dev", "--", "true"][..],
        &["env", "dev"],
        &["group", "link", "dev", "B", "K00"],
        &["group", "unlink", "dev", "A"],
        &["group", "rm", "dev"],
        &["group", "list"],
        &["set", "dev", "B"],
        &["secret", "list"],
    ] {
        let output = world.mima(args).run();
        assert!(!output.status.success(), "{output}");
        output.stderr_has("~/.mima.yaml:3:");
    }
    assert_eq!(world.read(".mima.yaml"), broken);
}

#[test]
fn two_groups_that_disagree_are_an_error_that_names_both() {
    let world = world();
    world
        .mima(&["run", "dev,prod", "--", "true"])
        .run()
        .fails(125)
        .stderr_has("TOKEN")
        .stderr_has("dev")
        .stderr_has("prod")
        .stderr_has("K01")
        .stderr_has("K02");
    world.write(".mima.yaml", "groups:\n  a:\n    T: K01\n  b:\n    T: K01\n    U: K02\n");
    let ran = world.mima(&["run", "a,b", "--", "sh", "-c", "echo $T $U"]).run();
    ran.ok().stdout_is("value-of-K01 value-of-K02\n");
    assert_eq!(world.asked(), 1);
}

#[test]
fn a_project_file_is_edited_in_place_too() {
    let world = World::with_vault();
    let file = world.write("p/.mima.yaml", "env:\n  A: b\n");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::create_dir(world.home().join("p/sub")).unwrap();
    let link = world.mima(&["group", "link", "--project", "dev", "T", "K00"]);
    link.clone().cwd(world.home().join("p/sub")).run().ok().stderr_has("p/.mima.yaml");
    assert_eq!(world.read("p/.mima.yaml"), "env:\n  A: b\ngroups:\n  dev:\n    T: K00\n");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o644);
    // The user file is never a project file, by whichever path or link.
    world.write(".mima.yaml", "store: vault\n");
    link.clone().run().fails(1).stderr_has("there is no .mima.yaml");
    let alias = world.root().join("alias");
    std::os::unix::fs::symlink(world.home(), &alias).unwrap();
    link.clone().env("HOME", &alias).run().fails(1).stderr_has("there is no .mima.yaml");
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("../.mima.yaml", &file).unwrap();
    link.cwd(world.home().join("p")).run().fails(1).stderr_has("there is no .mima.yaml");
    assert_eq!(world.read(".mima.yaml"), "store: vault\n");
}

#[test]
fn others_who_can_write_to_the_user_file_decide_nothing() {
    let world = world();
    let file = world.home().join(".mima.yaml");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o666)).unwrap();
    world
        .mima(&["run", "dev", "--", "true"])
        .run()
        .fails(125)
        .stderr_has("refusing to use ~/.mima.yaml: others can write to it")
        .stderr_has("chmod go-w");
}
