//! The groups of project files, and their secrets: rows I7 and I11.

use crate::common::project::Project;
use crate::common::user::mode;
use crate::common::world::World;

/// A world with a project that has a secret and a public variable.
fn with_secret() -> World {
    let mut world = World::with_vault();
    world.mima(&["set", "dev", "TOKEN"]).stdin(world.canary()).run().ok();
    world.guard("value-of-");
    world
}

const SECRET: &str = "groups: {dev: {TOKEN: dev.TOKEN, K: K00}}\nenv: {PUBLIC: public-value}\n";

/// The world searches standard error, and so the trace, for secrets.
#[test]
fn t_i7_a_shell_that_traces_what_it_evaluates_shows_no_value() {
    let world = with_secret();
    let project = Project::allowed(&world, "p", SECRET);
    let lines = "cd /; load; cd - >/dev/null; set -xv; load; \
                 mima run dev -- sh -c 'test -n \"$TOKEN$K\"'; echo \"$-\"";
    let bash = project.bash(lines).run();
    assert!(bash.ok().out().contains('x'), "the trace goes on: {bash}");
}

#[test]
fn t_i11_the_environment_of_the_shell_has_no_secret() {
    let world = with_secret();
    let project = Project::allowed(&world, "p", SECRET);
    let lines = "mima run dev -- sh -c 'test -n \"$TOKEN$K\"'; \
                 declare -p; declare -f; tr '\\0' '\\n' </proc/$$/environ; env";
    let bash = project.bash(lines).run();
    world.assert_no_secret_in(&bash.ok().stdout);
    bash.stdout_has("PUBLIC=public-value");
}

#[test]
fn groups_of_an_allowed_project_hide_the_users_own() {
    let world = World::with_vault();
    world.write(".mima.yaml", "groups: {dev: {WHOSE: K01, MORE: K02}, own: {OWN: K03}}\n");
    let project = Project::new(&world, "p", "groups: {dev: {WHOSE: K11}}\nenv: {PUBLIC: x}\n");
    let whose = |status: i32| {
        let run = project.mima(&["run", "dev", "--", "printenv", "WHOSE", "MORE"]).run();
        run.fails(status);
        run
    };
    let unknown = "mima: ~/p/.mima.yaml is not allowed yet: mima allow\n";
    assert_eq!(whose(0).stdout_is("value-of-K01\nvalue-of-K02\n").err(), unknown);
    project.allow();
    whose(1).quiet().stdout_is("value-of-K11\n");
    project.mima(&["run", "own", "--", "printenv", "OWN"]).run().ok().stdout_is("value-of-K03\n");
    project.mima(&["env", "dev"]).run().ok().stdout_is("export WHOSE='value-of-K11';\n");
    project.mima(&["group", "list", "dev"]).run().ok().stdout_is("dev\n  WHOSE  K11\n");
    // It is the groups that `run` takes: what is public is for the shell.
    project.mima(&["run", "dev", "--", "printenv", "PUBLIC"]).run().fails(1);
    let below = project.dir.join("below");
    std::fs::create_dir(&below).unwrap();
    world.mima(&["env", "dev"]).cwd(below).run().ok().stdout_has("K11");
    project.write(".mima.yaml", "groups: {dev: {WHOSE: K12}}\n");
    whose(0)
        .stdout_is("value-of-K01\nvalue-of-K02\n")
        .stderr_has("has changed since it was allowed");
    project.mima(&["deny"]).run().ok();
    whose(0).quiet();
    // Not even a broken one takes part, as long as it is not allowed.
    project.write(".mima.yaml", "groups: {dev: {{{\n");
    whose(0).quiet();
    Project::new(&world, "q", "groups: {dev: {{{\n")
        .mima(&["env", "own"])
        .run()
        .ok()
        .stderr_has("mima: ~/q/.mima.yaml:");
}

#[test]
fn linking_in_a_project_keeps_it_allowed_and_allows_nothing() {
    let world = World::with_vault();
    let text = "# ours\ngroups:\n  dev:\n    A: K00  # first\n";
    let project = Project::allowed(&world, "p", text);
    mode(&project.file(), 0o640);
    let below = project.dir.join("below");
    std::fs::create_dir(&below).unwrap();
    let link = world.mima(&["group", "link", "--project", "dev", "B", "K01"]).cwd(&below).run();
    link.ok().stderr_has("group dev sets B from K01 (~/p/.mima.yaml)");
    assert_eq!(world.read("p/.mima.yaml"), format!("{text}    B: K01\n"));
    assert_eq!(project.verdict(), "allowed");
    project.mima(&["env", "dev"]).run().ok().quiet();
    project.mima(&["group", "unlink", "--project", "dev", "B"]).run().ok();
    assert_eq!(world.read("p/.mima.yaml"), text);
    assert_eq!(project.verdict(), "allowed");
    let meta = project.file().metadata().unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&meta) & 0o777, 0o640);
    for (name, verdict) in [("unknown", "unknown"), ("changed", "changed"), ("denied", "denied")] {
        let project = Project::allowed(&world, name, text);
        match verdict {
            "unknown" => std::fs::rename(&project.dir, world.home().join("moved")).unwrap(),
            "changed" => drop(project.write(".mima.yaml", format!("{text}# more\n"))),
            _ => drop(project.mima(&["deny"]).run()),
        }
        let project = if name == "unknown" { Project::new(&world, "moved", text) } else { project };
        project.mima(&["group", "link", "--project", "dev", "B", "K01"]).run().ok();
        assert_eq!(project.verdict(), verdict);
        project.mima(&["group", "rm", "--project", "dev"]).run().ok();
        assert_eq!(project.verdict(), verdict);
    }
    assert!(!world.home().join(".mima.yaml").exists());
    world
        .mima(&["group", "link", "--project", "dev", "B", "K01"])
        .run()
        .fails(1)
        .stderr_has("hint: mima init");
    world.assert_no_temporary();
}
