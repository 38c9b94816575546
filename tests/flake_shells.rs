//! `use_flake` in a shell on a terminal: what is seen while nix works, Ctrl-C, and what a prompt
//! costs.

use std::path::Path;

use crate::common::hooked::{Hooked, Start, age, each};
use crate::common::nix::{self, Nix, STAND_IN, calls, env_json, flake, stand_in};
use crate::common::project::Project;
use crate::common::world::World;

const TEXT: &str = "use_flake: .\nenv: {A: a}\n";
const INTERRUPTED: &str = "mima: nix was interrupted for ~/p/flake.nix";

/// A shell that needs what is only built once `~/go` is there.
fn with_slow_dependency(world: &World, greeting: &str) -> String {
    let system = format!("{}-linux", std::env::consts::ARCH);
    let go = world.home().join("go");
    let wait = format!("echo waiting >&2; while [ ! -e {} ]; do sleep 0.1; done", go.display());
    flake(&format!(
        "GREETING = \"{greeting}\";
      DEP = derivation {{ name = \"{greeting}\"; system = \"{system}\"; builder = \"/bin/bash\";
        PATH = \"/usr/bin:/bin\"; args = [ \"-c\" \"{wait}; echo > $out\" ]; }};"
    ))
}

/// Makes files too old to change unseen.
fn age_all(project: &Project<'_>) {
    for name in [".mima.yaml", "flake.nix", "flake.lock"] {
        let path = project.dir.join(name);
        if path.exists() {
            age(&path);
        }
    }
    age(&project.world.data().join("trust"));
}

/// Types a line and waits until nix is seen at work.
#[track_caller]
fn run_until_nix_works(shell: &mut Hooked, line: &str) {
    shell.pty.send_line(line);
    shell.pty.expect("mima: nix is working on . (");
    shell.pty.expect("building '");
}

/// Presses Ctrl-C and waits for the next prompt.
#[track_caller]
fn interrupt(shell: &mut Hooked) -> String {
    shell.pty.send("\x03");
    shell.next_prompt()
}

/// Waits until a signal from the keyboard would reach `sleep`, and not what becomes it.
#[track_caller]
fn until_sleep_has_the_terminal(shell: &mut Hooked) {
    shell.pty.wait_until("sleep has the terminal", |pty| {
        let name = format!("/proc/{}/comm", pty.foreground().as_raw_nonzero());
        std::fs::read_to_string(name).is_ok_and(|name| name == "sleep\n")
    });
}

/// The programs that run below a directory, by what their command lines say.
fn working_in(dir: &Path) -> Vec<String> {
    let dir = dir.to_str().unwrap();
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let line = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        (line.contains(dir) && line.contains("nix")).then_some(line)
    });
    all.collect()
}

#[test]
fn ctrl_c_while_nix_works_gives_a_usable_shell_and_the_last_good_environment() {
    each(|name| {
        let mut world = World::new();
        let Some(_nix) = Nix::new(&mut world) else { return };
        let project = nix::project(&world, "p", TEXT, &with_slow_dependency(&world, "one"));
        age_all(&project);
        let mut shell = Hooked::new(&world, name);
        // Nothing is known yet.
        run_until_nix_works(&mut shell, "cd p");
        let said = interrupt(&mut shell);
        assert!(said.contains(&format!("{INTERRUPTED}: mima reload")), "{name}: {said}");
        assert_eq!(working_in(world.root()), Vec::<String>::new(), "{name}");
        assert_eq!(shell.exported("A").as_deref(), Some("a"), "{name}");
        assert_eq!(shell.exported("GREETING"), None, "{name}");
        // It is not tried again on its own.
        let count = calls(&world).len();
        for line in ["true", "cd .", "cd .."] {
            shell.run(line);
        }
        assert_eq!(calls(&world).len(), count, "{name}");
        // The shell still has its terminal, and Ctrl-C and Ctrl-Z do there what they do.
        shell.pty.send_line("sleep 1000");
        until_sleep_has_the_terminal(&mut shell);
        interrupt(&mut shell);
        shell.pty.send_line("sleep 1000");
        until_sleep_has_the_terminal(&mut shell);
        shell.pty.send("\x1a");
        shell.next_prompt();
        let jobs = shell.run("jobs");
        assert!(jobs.contains("sleep 1000"), "{name}: {jobs}");
        shell.pty.send_line("fg");
        shell.pty.expect("sleep 1000");
        until_sleep_has_the_terminal(&mut shell);
        interrupt(&mut shell);
        // Whoever comes again wants it again.
        run_until_nix_works(&mut shell, "cd p");
        world.write("go", "");
        let said = shell.next_prompt();
        assert!(!said.contains("nix was"), "{name}: {said}");
        assert_eq!(shell.exported("GREETING").as_deref(), Some("one"), "{name}");
        // A change that is interrupted leaves what there was.
        std::fs::remove_file(world.home().join("go")).unwrap();
        project.write("flake.nix", with_slow_dependency(&world, "two"));
        shell.run("cd ..");
        project.allow();
        age_all(&project);
        run_until_nix_works(&mut shell, "cd p");
        let said = interrupt(&mut shell);
        let want = format!("{INTERRUPTED}, so its last environment stays: mima reload");
        assert!(said.contains(&want), "{name}: {said}");
        assert_eq!(shell.exported("GREETING").as_deref(), Some("one"), "{name}");
        world.write("go", "");
        shell.run("mima reload");
        assert_eq!(shell.exported("GREETING").as_deref(), Some("two"), "{name}");
    });
}

#[test]
fn an_edit_in_the_shell_is_noticed_and_waits_for_its_approval() {
    each(|name| {
        let mut world = World::new();
        let Some(_nix) = Nix::new(&mut world) else { return };
        let text = |word| flake(&format!("GREETING = \"{word}\";"));
        let project = nix::project(&world, "p", TEXT, &text("one"));
        age_all(&project);
        let mut shell = Hooked::new(&world, name);
        let said = shell.run("cd p");
        assert!(said.contains("+GREETING"), "{name}: {said}");
        assert_eq!(shell.exported("GREETING").as_deref(), Some("one"), "{name}");
        project.write("flake.nix", text("two"));
        let said = shell.run("true");
        let want = "mima: ~/p/flake.nix has changed since it was allowed: mima allow";
        assert!(said.contains(want), "{name}: {said}");
        assert_eq!(shell.exported("GREETING").as_deref(), Some("one"), "{name}");
        assert_eq!(shell.exported("A").as_deref(), Some("a"), "{name}");
        shell.run("mima allow --yes");
        assert_eq!(shell.exported("GREETING").as_deref(), Some("two"), "{name}");
        project.write("flake.lock", "{}");
        let said = shell.run("true");
        assert!(said.contains("~/p/flake.lock is not allowed yet: mima allow"), "{name}: {said}");
        std::fs::remove_file(project.dir.join("flake.lock")).unwrap();
        shell.run("true");
        assert_eq!(shell.exported("GREETING").as_deref(), Some("two"), "{name}");
        shell.run("cd ..");
        assert_eq!(shell.exported("GREETING"), None, "{name}");
        assert_eq!(calls(&world).len(), 4, "{name}");
    });
}

#[test]
fn what_is_typed_while_nix_works_is_run_after_it() {
    each(|name| {
        let world = World::new();
        stand_in(&world, &format!("while [ ! -e ~/go ]; do sleep 0.1; done\n{STAND_IN}"));
        world.write("env.json", env_json(&[("GREETING", "hello")]));
        let project = nix::project(&world, "p", TEXT, &flake(""));
        age_all(&project);
        let mut shell = Hooked::new(&world, name);
        shell.pty.send_line("cd p");
        shell.pty.expect("mima: nix is working on . (");
        shell.pty.send_line("printenv GREETING >seen");
        world.write("go", "");
        let seen = project.dir.join("seen");
        shell.pty.wait_until("the line was run", |_| {
            std::fs::read_to_string(&seen).is_ok_and(|text| text == "hello\n")
        });
    });
}

#[test]
fn ctrl_c_ends_a_command_that_waits_for_nix() {
    let mut world = World::new();
    let Some(_nix) = Nix::new(&mut world) else { return };
    let project = nix::project(&world, "p", TEXT, &with_slow_dependency(&world, "one"));
    let mut shell = Start::new(&world, "bash").without_hook().cwd(&project.dir).start();
    run_until_nix_works(&mut shell, "mima exec . true");
    let said = interrupt(&mut shell);
    assert!(!said.contains("nix was"), "{said}");
    assert_eq!(shell.run("echo $?"), "130\n");
    assert_eq!(working_in(world.root()), Vec::<String>::new());
    // Ctrl-Z stops it, as any command, and nix goes on or waits with it.
    run_until_nix_works(&mut shell, "mima exec . printenv GREETING");
    shell.pty.send("\x1a");
    shell.next_prompt();
    world.write("go", "");
    assert!(shell.run("fg").ends_with("one\n"), "{}", shell.pty.transcript());
}

#[test]
fn only_a_terminal_that_can_take_a_line_away_shows_that_nix_works() {
    let world = World::new();
    stand_in(&world, &format!("sleep 0.6\n{STAND_IN}"));
    world.write("env.json", env_json(&[("GREETING", "hello")]));
    let project = nix::project(&world, "p", TEXT, &flake(""));
    project.loaded();
    let mut shell = Start::new(&world, "bash").env("TERM", "dumb").start();
    let said = shell.run("mima exec p printenv GREETING");
    assert_eq!(said, "hello\n");
    let said = shell.run("cd p; mima reload");
    assert!(!said.contains("nix is working"), "{said}");
}

/// What is allowed in one shell is nothing that others fall back on.
#[test]
fn t_a18_a_flake_that_is_allowed_in_one_shell_is_loaded_in_no_other() {
    each(|name| {
        let world = World::new();
        stand_in(&world, STAND_IN);
        world.write("env.json", env_json(&[("GREETING", "lasting")]));
        let project = nix::project(&world, "p", TEXT, &flake(""));
        assert_eq!(project.loaded()["GREETING"].as_deref(), Some("lasting"));
        project.write("flake.nix", flake("A = 1;"));
        world.write("env.json", env_json(&[("GREETING", "session")]));
        let mut shell = Start::new(&world, name).cwd(&project.dir).start();
        shell.run("mima allow --session --yes");
        assert_eq!(shell.exported("GREETING").as_deref(), Some("session"), "{name}");
        shell.run("cd ..");
        shell.run("cd p");
        assert_eq!(shell.exported("GREETING").as_deref(), Some("session"), "{name}");
        let mut other = Start::new(&world, name).cwd(&project.dir).start();
        assert_eq!(other.exported("GREETING").as_deref(), Some("lasting"), "{name}");
    });
}
