//! `mima status --check`: an exit status for scripts.

use crate::common::project::Project;
use crate::common::world::World;

#[test]
fn the_exit_status_says_whether_a_project_file_counts() {
    let world = World::new();
    let check = |project: &Project| project.mima(&["status", "--check"]).run();
    world.mima(&["status", "--check"]).run().fails(4).quiet().stdout_has("no .mima.yaml here");
    let project = Project::new(&world, "p", "env: {A: b}\n");
    check(&project).fails(3).stdout_has("not allowed yet").stderr_has("mima allow");
    project.allow();
    check(&project).ok().quiet().stdout_has("~/p/.mima.yaml  allowed");
    project.write(".mima.yaml", "env: {A: c}\n");
    check(&project).fails(3).stdout_has("changed");
    project.mima(&["deny"]).run().ok();
    check(&project).fails(3).quiet().stdout_has("denied");
    // Without the flag it is a question that was answered.
    project.mima(&["status"]).run().ok();
    let json = project.mima(&["status", "--check", "--json"]).run();
    json.fails(3).stdout_has("\"verdict\": \"denied\"");
}

#[test]
fn what_does_not_load_or_is_withheld_in_part_is_told_apart() {
    let world = World::new();
    let check = |project: &Project| project.mima(&["status", "--check"]).run();
    let project = Project::allowed(&world, "p", "env_vars_required: [NOT_SET]\n");
    check(&project).fails(1).stderr_has("NOT_SET is not set");
    project.mima(&["status", "--check"]).env("NOT_SET", "x").run().ok().quiet();
    let local = Project::allowed(&world, "q", "env: {A: b}\n");
    local.write(".mima.local.yaml", "env: {A: c}\n");
    check(&local).fails(3).stderr_has("~/q/.mima.local.yaml is not allowed yet");
    // What is above is needed, and nobody has allowed it.
    Project::new(&world, "r", "env: {A: b}\n");
    let below = Project::allowed(&world, "r/s", "source_up: true\nenv: {B: \"${A}\"}\n");
    check(&below).fails(3).stderr_has("~/r/.mima.yaml is not allowed yet");
    world.write(".mima.yaml", "store: none\n");
    check(&below).fails(3);
}

/// Whether the secrets can be had is another question.
#[test]
fn what_is_wrong_with_the_store_does_not_count() {
    let world = World::new();
    let project = Project::allowed(&world, "p", "env: {A: b}\n");
    let check = project.mima(&["status", "--check"]).env("MIMA_STORE", "nowhere").run();
    check.ok().stderr_has("MIMA_STORE: this is no store of mima");
}
