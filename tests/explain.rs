//! `mima explain`, beside `tests/scenarios/hook_explain.txt`: several files, several shells, and
//! what must never be shown.

use crate::common::hooked::{Start, age, each};
use crate::common::project::Project;
use crate::common::world::World;

#[test]
fn what_counts_comes_first_and_what_it_stands_in_place_of_after() {
    let world = World::new();
    let outer = Project::allowed(
        &world,
        "a",
        "env: {V: outer, W: x}\nlayout: [go]\npath_add: {GOPATH: [old]}\n",
    );
    let inner = Project::new(
        &world,
        "a/b",
        "source_up: true\nenv: {V: inner}\nunset: [W]\npath_add: {GOPATH: [new, newer]}\n",
    );
    inner.write(".mima.local.yaml", "groups: {dev: {V: local-secret}}\nenv: {V: \"${V}/local\"}\n");
    inner.allow();
    let explain = |name: &str| inner.mima(&["explain", name]).run().ok().quiet().out();
    assert_eq!(
        explain("V"),
        "~/a/b/.mima.local.yaml:2:10: env.V: ${V}/local\n\
         instead of ~/a/.mima.yaml:1:10: env.V: outer\n\
         ~/a/b/.mima.local.yaml:1:16: groups.dev.V: the secret local-secret, to one command: dev CMD\n\
         not set in this shell\n"
    );
    assert_eq!(
        explain("W"),
        "~/a/b/.mima.yaml:3:9: unset\ninstead of ~/a/.mima.yaml:1:20: env.W: x\n\
         not set in this shell\n"
    );
    assert_eq!(
        explain("GOPATH"),
        "~/a/.mima.yaml:2:10: layout: .direnv/go, in front\n\
         ~/a/.mima.yaml:3:21: path_add.GOPATH: old, in front\n\
         ~/a/b/.mima.yaml:4:21: path_add.GOPATH: new, in front\n\
         ~/a/b/.mima.yaml:4:26: path_add.GOPATH: newer, in front\n\
         not set in this shell\n"
    );
    assert!(explain("GOBIN").starts_with("~/a/.mima.yaml:2:10: layout: .direnv/go/bin\n"));
    // What is not allowed takes no part.
    outer.write(".mima.yaml", "env: {V: evil}\n");
    let explain = inner.mima(&["explain", "V"]).run();
    explain.ok().stdout_lacks("evil").stderr_has("~/a/.mima.yaml has changed");
    outer.mima(&["explain", "V"]).run().fails(1).stdout_is("").stderr_has("has changed");
}

#[test]
fn a_group_that_is_hidden_gives_nothing() {
    let world = World::new();
    world.write(".mima.yaml", "groups:\n  dev: {A: mine}\n  ops: {A: theirs}\n");
    let project = Project::allowed(&world, "p", "groups: {dev: {A: ours}}\nwrap: [ops]\n");
    let want = "~/p/.mima.yaml:1:16: groups.dev.A: the secret ours, to one command: dev CMD\n\
                ~/.mima.yaml:3:9: groups.ops.A: the secret theirs, to one command: ops CMD\n\
                not set in this shell\n";
    project.mima(&["explain", "A"]).run().ok().quiet().stdout_is(want);
    let elsewhere = world.mima(&["explain", "A"]).run();
    elsewhere
        .ok()
        .stdout_has("~/.mima.yaml:2:9: groups.dev.A: the secret mine")
        .stdout_lacks("ours");
}

#[test]
fn t_i8_no_value_of_a_secret_is_shown_nor_what_it_has_replaced() {
    let world = World::with_vault();
    let text = "groups: {dev: {TOKEN: K07}}\nauto_export: true\ndotenv: [.env]\n";
    let project = Project::new(&world, "p", text);
    project.write(".env", format!("KEY={}\n", world.canary()));
    world.allow_leak(project.dir.join(".env"));
    project.allow();
    let script = "export __MIMA_HOOK='bash;ran;' __mima_was_TOKEN=\"$TOKEN\"
        eval \"$(mima export bash --typed)\"
        export __mima_was_TOKEN
        [ \"$TOKEN\" = value-of-K07 ] && mima explain TOKEN && mima explain KEY";
    let bash = world.command("bash").args(["--norc", "--noprofile", "-c", script]);
    let output = bash.cwd(&project.dir).env("TOKEN", world.canary()).run();
    assert_eq!(
        output.ok().out(),
        "~/p/.mima.yaml:1:16: groups.dev.TOKEN: the secret K07, to this shell, and to dev CMD\n\
         set in this shell\n\
         before: another value\n\
         ~/p/.env:1:5: set here, by dotenv at ~/p/.mima.yaml:3:10\n\
         set in this shell\n\
         before: not in the environment\n"
    );
    world.assert_no_secret_in(&output.stdout);
}

#[test]
fn what_it_was_before_only_the_shell_that_loaded_it_knows() {
    each(|outer| {
        each(|inner| {
            let world = World::new();
            age(&world.write("p/.mima.yaml", "env: {A: loaded}\n"));
            world.mima(&["allow", "--yes"]).cwd(world.home().join("p")).run().ok();
            age(&world.data().join("trust"));
            let start = Start::new(&world, outer).env("MIMA_QUIET", "1").env("A", "the old");
            let mut hooked = start.start();
            let bad = format!("{inner} in {outer}");
            let last = |said: String| said.lines().last().unwrap_or_default().to_owned();
            hooked.run("cd p");
            assert_eq!(last(hooked.run("mima explain A")), "before: the old", "{bad}");
            hooked.nest(&Start::new(&world, inner).words().join(" "));
            let unknown = "before: only the shell that loaded it knows";
            assert_eq!(last(hooked.run("mima explain A")), unknown, "{bad}");
            // One that takes it back and loads it again has found nothing there.
            hooked.run("cd ~");
            hooked.run("cd p");
            let nothing = "before: not in the environment";
            assert_eq!(last(hooked.run("mima explain A")), nothing, "{bad}");
            hooked.leave();
            assert_eq!(last(hooked.run("mima explain A")), "before: the old", "{bad}");
            // Past the hook's function nobody hands it over.
            let past = hooked.run("command mima explain A");
            assert_eq!(last(past), unknown, "{bad}");
            hooked.run("mima off");
            hooked.run("mima on");
            assert_eq!(last(hooked.run("mima explain A")), "before: the old", "{bad}");
        });
    });
}

#[test]
fn t_a15_what_a_file_says_is_shown_escaped() {
    let world = World::new();
    let project = Project::allowed(&world, "p", "env: {A: \"x\\e]0;t\\a\\u202ey\"}\n");
    project.mima(&["explain", "A"]).run().ok().stdout_has("env.A: x\\u{1b}]0;t\\u{7}\\u{202e}y\n");
}
