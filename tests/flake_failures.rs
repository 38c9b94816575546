//! `use_flake` when something is wrong: what is said, and that nothing else is lost.

use crate::common::command::Output;
use crate::common::nix::{self, Nix, STAND_IN, calls, env_json, flake, kept, stand_in};
use crate::common::project::{Project, changes};
use crate::common::require;
use crate::common::world::World;

const TEXT: &str = "use_flake: .\nenv: {A: a}\n";

/// Exports a project. All but the flake must be there. Returns what is said, and what the flake
/// has set.
#[track_caller]
fn export(project: &Project<'_>, args: &[&str]) -> (String, Option<String>) {
    let output = project.mima(&[&["export", "json"], args].concat()).run();
    (output.err(), greeting(&output))
}

#[track_caller]
fn greeting(output: &Output) -> Option<String> {
    let mut changes = changes(output.ok());
    assert_eq!(changes.remove("A"), Some(Some("a".to_owned())), "{output}");
    changes.remove("GREETING").flatten()
}

/// A project with a flake and what stands for nix.
fn with_stand_in<'w>(world: &'w World, json: &str) -> Project<'w> {
    stand_in(world, STAND_IN);
    world.write("env.json", json);
    nix::project(world, "p", TEXT, &flake(""))
}

#[test]
fn without_nix_the_rest_is_loaded() {
    let world = World::new();
    let project = nix::project(&world, "p", TEXT, &flake(""));
    let output = project.mima(&["export", "json"]).env("PATH", world.bin()).run();
    assert_eq!(greeting(&output), None);
    let want = "mima: could not load ~/p/flake.nix: there is no `nix` on PATH\n\
                hint: install Nix, https://nixos.org/download, and: mima reload\n";
    assert_eq!(output.err(), want);
    let exec = project.mima(&["exec", ".", "/bin/true"]).env("PATH", world.bin()).run();
    exec.fails(125).stderr_has(want);
    // A shell says it once.
    let Some(bash) = require("bash") else { return };
    let load = "eval \"$(mima export bash --have \"${__mima_have-}\")\"";
    let script = format!("{load}\n{load}\nprintf %s \"$A\"");
    let bash = world.command(bash).args(["--norc", "-c", &script]).cwd(&project.dir);
    let output = bash.env("PATH", world.bin()).run();
    output.ok().stdout_is("a");
    assert_eq!(output.err().matches("there is no `nix`").count(), 1, "{output}");
}

#[test]
fn an_error_in_a_flake_is_said_with_its_place_and_the_last_environment_stays() {
    let mut world = World::new();
    let Some(_nix) = Nix::new(&mut world) else { return };
    let project = nix::project(&world, "p", TEXT, &flake("GREETING = throw \"no such word\";"));
    let (said, found) = export(&project, &[]);
    assert_eq!(found, None);
    assert!(said.starts_with("mima: could not load ~/p/flake.nix: "), "{said}");
    assert!(said.contains("no such word") && said.contains("~/p/flake.nix:"), "{said}");
    let all = "hint: to see all of it: cd ~/p && nix --extra-experimental-features \
        'nix-command flakes' develop .\n";
    assert!(said.ends_with(all), "{said}");
    project.mima(&["exec", ".", "true"]).run().fails(125).stderr_has("no such word");
    project.write("flake.nix", flake("GREETING = \"good\";"));
    project.allow();
    assert_eq!(export(&project, &[]), (String::new(), Some("good".to_owned())));
    for (text, cause) in [
        (flake("GREETING = undefined_name;"), "undefined variable 'undefined_name'"),
        ("{".to_owned(), "syntax error"),
        ("{ outputs = { self }: { }; }".to_owned(), "does not provide attribute"),
    ] {
        project.write("flake.nix", &text);
        project.allow();
        let (said, found) = export(&project, &[]);
        assert_eq!(found.as_deref(), Some("good"), "{said}");
        let want = "mima: could not load ~/p/flake.nix, so its last environment stays: ";
        assert!(said.starts_with(want) && said.contains(cause), "{said}");
        assert!(!said.contains("-source"), "nix's copy is named: {said}");
        assert_eq!(said.lines().count(), 2, "{said}");
        // A command gets the last one, too.
        let exec = project.mima(&["exec", ".", "printenv", "GREETING"]).run();
        exec.ok().stdout_is("good\n").stderr_has(cause);
    }
    // Whoever asks is told so, in the shell that has it.
    let Some(bash) = require("bash") else { return };
    let script = "eval \"$(mima export bash)\"; mima status --check >status; echo \"is $?\"";
    let output = world.command(bash).args(["--norc", "-c", script]).cwd(&project.dir).run();
    output.ok().stdout_is("is 1\n");
    let lag = "~/p/flake.nix has its last environment, not that of what is allowed\n\
        hint: mima reload\n";
    output.stderr_has(lag);
    std::fs::remove_file(project.dir.join("flake.nix")).unwrap();
    project.mima(&["status", "--check"]).run().fails(1).stderr_has("there is no ~/p/flake.nix");
}

#[test]
fn without_a_network_it_is_said_what_was_to_be_fetched() {
    let mut world = World::new();
    let Some(_nix) = Nix::new(&mut world) else { return };
    world.set_env("NIX_CONFIG", "download-attempts = 1\nconnect-timeout = 1");
    let text = flake("GREETING = other.word;").replace(
        "outputs = { self }",
        "inputs.other.url = \"http://127.0.0.1:1/x.tar.gz\";\n  outputs = { self, other }",
    );
    let project = Project::new(&world, "p", TEXT);
    project.write("flake.nix", text);
    let what = "\"type\": \"tarball\", \"url\": \"http://127.0.0.1:1/x.tar.gz\"";
    let hash = "\"narHash\": \"sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"";
    project.write(
        "flake.lock",
        format!(
            "{{\"nodes\": {{\"other\": {{\"locked\": {{{hash}, {what}}}, \"original\": {{{what}}}}},
            \"root\": {{\"inputs\": {{\"other\": \"other\"}}}}}}, \"root\": \"root\", \"version\": 7}}"
        ),
    );
    project.allow();
    let (said, found) = export(&project, &[]);
    assert_eq!(found, None);
    assert!(said.contains("unable to download 'http://127.0.0.1:1/x.tar.gz'"), "{said}");
    assert!(said.ends_with("hint: once there is a network: mima reload\n"), "{said}");
}

#[test]
fn where_there_is_no_flake_it_is_said_at_its_key() {
    let world = World::new();
    stand_in(&world, STAND_IN);
    let project = Project::allowed(&world, "p", TEXT);
    let (said, found) = export(&project, &[]);
    assert_eq!(found, None);
    let want = "mima: could not load ~/p/flake.nix: ~/p/.mima.yaml:1:12: use_flake: there is no \
                ~/p/flake.nix\nhint: write one, or take `use_flake` out\n";
    assert_eq!(said, want);
    assert_eq!(calls(&world), Vec::<String>::new());
}

#[test]
fn t_a1_a_flake_that_has_changed_is_not_evaluated() {
    let world = World::new();
    let project = with_stand_in(&world, &env_json(&[("GREETING", "good")]));
    let started = || calls(&world).len();
    assert_eq!(export(&project, &[]), (String::new(), Some("good".to_owned())));
    world.write("env.json", env_json(&[("GREETING", "evil")]));
    let good = Some("good".to_owned());
    for (name, text) in [("flake.nix", "{ another = 1; }"), ("flake.lock", "{}")] {
        let old = std::fs::read(project.dir.join(name)).ok();
        project.write(name, text);
        let is =
            if old.is_some() { "has changed since it was allowed" } else { "is not allowed yet" };
        let want = format!("mima: ~/p/{name} {is}: mima allow\n");
        for args in [&[][..], &["--reload"]] {
            assert_eq!(export(&project, args), (want.clone(), good.clone()));
        }
        // Whoever asks for less has less, too.
        project.mima(&["exec", ".", "printenv", "GREETING"]).run().ok().stdout_is("good\n");
        project.mima(&["status", "--check"]).run().fails(3);
        match old {
            Some(old) => drop(project.write(name, old)),
            None => std::fs::remove_file(project.dir.join(name)).unwrap(),
        }
    }
    assert_eq!(started(), 2);
    // To deny it is to want nothing of it.
    project.mima(&["deny", "flake.nix"]).run().ok();
    assert_eq!(export(&project, &[]), (String::new(), None));
    project.mima(&["exec", ".", "true"]).run().fails(125).stderr_has("~/p/flake.nix is denied");
    assert_eq!(started(), 2);
}

#[test]
fn t_a1_a_flake_that_changes_between_approval_and_evaluation_is_not_evaluated() {
    let mut world = World::new();
    let Some(_nix) = Nix::new(&mut world) else { return };
    let project = nix::project(&world, "p", TEXT, &flake("GREETING = \"good\";"));
    let evil = project.write("evil", flake("GREETING = \"evil\";"));
    let real = std::fs::read_to_string(world.bin().join("nix")).unwrap();
    let real = real.strip_prefix("#!/bin/sh\n").unwrap();
    // Just before nix makes its copy.
    let swap = format!("cp {} flake.nix; ", evil.display());
    world.script("nix", &format!("case $* in *metadata*) {swap} ;; esac\n{real}"));
    let (said, found) = export(&project, &[]);
    assert_eq!(found, None);
    let want = "mima: could not load ~/p/flake.nix: nix sees another flake.nix than was allowed\n";
    assert!(said.starts_with(want), "{said}");
    assert_eq!(calls(&world).len(), 1);
    // A lock file that comes from nowhere.
    project.write("flake.nix", flake("GREETING = \"good\";"));
    world.script("nix", &format!("case $* in *metadata*) echo {{}} >flake.lock ;; esac\n{real}"));
    let (said, found) = export(&project, &[]);
    assert_eq!(found, None);
    assert!(said.contains("could not load ~/p/flake.nix"), "{said}");
    std::fs::remove_file(project.dir.join("flake.lock")).unwrap();
    // Just after nix has made its copy: it is the copy that counts.
    world.script("nix", &format!("case $* in *print-dev-env*) {swap} ;; esac\n{real}"));
    let (said, found) = export(&project, &[]);
    assert_eq!((said.as_str(), found.as_deref()), ("", Some("good")));
}

#[test]
fn t_a6_a_flake_that_others_can_write_to_is_not_evaluated() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    let project = with_stand_in(&world, &env_json(&[("GREETING", "good")]));
    let file = project.dir.join("flake.nix");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o666)).unwrap();
    let (said, found) = export(&project, &[]);
    assert_eq!(found, None);
    assert!(said.starts_with("mima: ") && said.contains("flake.nix"), "{said}");
    project.mima(&["allow", "--yes"]).run().fails(1);
    assert_eq!(calls(&world), Vec::<String>::new());
}

#[test]
fn t_b3_t_b4_names_that_steer_a_shell_are_left_out_and_drop_nothing_else() {
    let world = World::new();
    let steer = [
        "path",
        "status",
        "argv",
        "fpath",
        "options",
        "LINENO",
        "history",
        "MIMA_DIR",
        "__MIMA_STATE",
        "PROMPT_COMMAND",
        "BASH_ENV",
    ];
    let code = ["PYTHONPATH", "NODE_OPTIONS", "LD_LIBRARY_PATH", "GIT_SSH_COMMAND"];
    let all: Vec<_> =
        steer.iter().chain(&code).chain(&["GREETING"]).map(|name| (*name, "x")).collect();
    let project = with_stand_in(&world, &env_json(&all));
    let output = project.mima(&["export", "json"]).run();
    assert_eq!(greeting(&output).as_deref(), Some("x"));
    for name in code {
        assert_eq!(changes(&output)[name].as_deref(), Some("x"), "{name}");
    }
    for name in ["path", "status", "PROMPT_COMMAND", "BASH_ENV"] {
        assert!(!changes(&output).contains_key(name), "{name}");
    }
    assert_eq!(changes(&output)["MIMA_DIR"].as_deref(), project.dir.to_str());
    assert!(
        output
            .err()
            .starts_with("mima: left out of ~/p/flake.nix, since they steer the shell or mima: ")
    );
    assert_eq!(output.err().lines().count(), 1, "{output}");
    for shell in crate::common::hooked::SHELLS {
        let Some(program) = require(shell) else { continue };
        let load = match shell {
            "fish" => "mima export fish | source",
            _ => &format!("eval \"$(mima export {shell})\""),
        };
        let flag = match shell {
            "fish" => "--no-config",
            "zsh" => "-f",
            _ => "--norc",
        };
        let script = format!("{load}; printenv GREETING PYTHONPATH");
        let output = world.command(program).args([flag, "-c", &script]).cwd(&project.dir).run();
        output.ok().stdout_is("x\nx\n");
    }
}

#[test]
fn t_c1_t_c2_t_c4_t_c5_t_c6_what_nix_prints_is_read_with_care() {
    let world = World::new();
    let project = with_stand_in(&world, "");
    let canary = world.canary().to_owned();
    world.allow_leak(world.home().join("env.json"));
    let deep = "{\"variables\": ".to_owned() + &"[".repeat(100_000);
    let many: Vec<_> = (0..200_000).map(|n| format!("\"k{n}\": 1,")).collect();
    let many = many.concat();
    let many =
        format!("{{\"variables\": {{{many} \"z\": {{\"type\": \"exported\", \"value\": 0}}}}}}");
    let long = env_json(&[("GREETING", &"x".repeat(5 << 20))]);
    let nul = "{\"variables\": {\"A\": {\"type\": \"exported\", \"value\": \"a\\u0000b\"}}}";
    let secret = format!("{{\"variables\": {{\"A\": \"\x1b[31m{canary}\" oops");
    for (text, cause) in [
        (deep.as_str(), "it is no JSON, from line 1, column 141 on"),
        (&many, "the value of z is no text"),
        (&long, "nix has printed more than 4194304 bytes"),
        (nul, "the value of A is no text"),
        (&secret, "it is no JSON, from line 1"),
        ("", "it is no JSON, from line 1, column 0 on"),
        ("[]", "it has no `variables`"),
        ("\u{feff}{}", "it is no JSON"),
    ] {
        world.write("env.json", text);
        let (said, found) = export(&project, &[]);
        assert_eq!(found, None);
        assert!(said.contains(cause), "{cause}: {said}");
        assert!(
            said.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)),
            "{said:?}"
        );
    }
    // Text stays as it is written.
    for value in ["1.10", "0755", "yes", "1e3", "null", "a\tb\r\n"] {
        world.write("env.json", env_json(&[("GREETING", value)]));
        let (said, found) = export(&project, &["--reload"]);
        assert_eq!((said.as_str(), found.as_deref()), ("", Some(value)));
    }
}

#[test]
fn more_than_a_shell_can_hold_is_left_out_as_a_whole() {
    let world = World::new();
    let large = "x".repeat(60 << 10);
    let vars = [("B", large.as_str()), ("C", &large), ("GREETING", "x")];
    let project = with_stand_in(&world, &env_json(&vars));
    let (said, found) = export(&project, &[]);
    assert_eq!(found, None);
    assert!(said.contains("~/p/flake.nix exports more than 122880 bytes, so none"), "{said}");
}

#[test]
fn what_is_kept_and_damaged_is_made_anew() {
    let world = World::new();
    let project = with_stand_in(&world, &env_json(&[("GREETING", "good")]));
    let good = (String::new(), Some("good".to_owned()));
    assert_eq!(export(&project, &[]), good);
    for (text, count) in [("", 4), ("{\"variables\": 1}", 6)] {
        let files = nix::all_named(&kept(&world), "env.json");
        assert_eq!(files.len(), 1);
        std::fs::write(&files[0], text).unwrap();
        assert_eq!(export(&project, &[]), good);
        assert_eq!(calls(&world).len(), count);
    }
}

#[test]
fn nix_gets_no_secret_of_the_shell() {
    let world = World::new();
    let project = with_stand_in(&world, &env_json(&[("GREETING", "good")]));
    stand_in(&world, &format!("env >~/seen-by-nix\n{STAND_IN}"));
    let export = project.mima(&["export", "json"]);
    export.env("STRIPE_KEY", "x").env("NIX_PATH", "y").run().ok();
    let seen = world.read("seen-by-nix");
    assert!(seen.contains("NIX_PATH=y") && !seen.contains("STRIPE_KEY"), "{seen}");
    assert!(!seen.contains("MIMA_"), "{seen}");
}

#[test]
fn t_b11_a_flake_puts_no_directory_on_path_that_others_can_write_to() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    for (name, mode) in [("open", 0o777), ("closed", 0o755)] {
        std::fs::create_dir(world.home().join(name)).unwrap();
        std::fs::set_permissions(world.home().join(name), PermissionsExt::from_mode(mode)).unwrap();
    }
    let path = ["open", "closed"].map(|name| world.home().join(name).display().to_string());
    let project = with_stand_in(&world, &env_json(&[("PATH", &path.join(":")), ("GREETING", "x")]));
    let output = project.mima(&["export", "json"]).run();
    assert_eq!(greeting(&output).as_deref(), Some("x"));
    let want = "mima: left ~/open out of PATH of ~/p/flake.nix: others can write to ~/open\n";
    assert_eq!(output.err(), want);
    let found = changes(&output).remove("PATH").flatten().unwrap();
    assert!(found.starts_with(&format!("{}:", path[1])) && !found.contains("/open"), "{found}");
}

#[test]
fn t_a2_t_a15_t_a16_allow_shows_a_flake_and_what_has_changed_in_it() {
    let world = World::new();
    let project = Project::new(&world, "p", TEXT);
    project.write("flake.nix", "{\n  one = \"\u{1b}[31m\";\n}\n");
    // Without an answer neither is allowed.
    project.mima(&["allow"]).run().fails(1).stderr_has("there is no terminal to ask on");
    let status = || project.mima(&["status"]).run().ok().out();
    assert!(status().contains("~/p/.mima.yaml  not allowed yet"), "{}", status());
    let allow = |wanted: &[&str]| {
        let output = project.mima(&["allow", "--yes"]).run();
        for part in wanted {
            output.ok().stderr_has(part);
        }
        assert!(!output.err().contains('\u{1b}'), "{output}");
        output.err()
    };
    let row = "RUNS CODE  use_flake .: nix builds what it says";
    allow(&[row, "~/p/flake.nix says:\n  {\n", "mima: ~/p/.mima.yaml and flake.nix are allowed\n"]);
    project.write("flake.nix", "{\n  two = 2;\n}\n");
    let said = allow(&[
        "~/p/flake.nix has changed since it was allowed last:\n  -   one = ",
        "\n  +   two = 2;\n",
        "mima: ~/p/flake.nix is allowed\n",
    ]);
    assert!(!said.contains(".mima.yaml"), "{said}");
    project.write("flake.lock", "{\"nodes\": {\"n\": {\"locked\": {\"rev\": \"a\\nb\"}}}}");
    allow(&["~/p/flake.lock says:\n  n: locked.rev=a\\nb\n", "mima: ~/p/flake.lock is allowed\n"]);
    allow(&["mima: it is allowed already, as it is\n"]);
    let text = status();
    assert!(text.contains("~/p/flake.nix  allowed") && text.contains("~/p/flake.lock  allowed"));
}

/// A repository that did not come by `git clone` brings settings of its own.
#[test]
fn t_b3_git_runs_no_program_that_a_repository_names() {
    let mut world = World::new();
    let Some(_nix) = Nix::new(&mut world) else { return };
    let Some(git) = require("git") else { return };
    let project = nix::project(&world, "p", TEXT, &flake("GREETING = \"hello\";"));
    let evil = world.script("evil", "touch ~/evil-ran\n");
    let run = |args: &[&str]| world.command(&git).args(args).cwd(&project.dir).run();
    run(&["init", "-q"]).ok();
    run(&["add", "flake.nix"]).ok();
    run(&["config", "core.fsmonitor", evil.to_str().unwrap()]).ok();
    // The user's own settings stay.
    let settings = [("COUNT", "1"), ("KEY_0", "user.name"), ("VALUE_0", "me")];
    let mut export = project.mima(&["export", "json"]);
    for (name, value) in settings {
        export = export.env(format!("GIT_CONFIG_{name}"), value);
    }
    assert_eq!(changes(export.run().ok())["GREETING"].as_deref(), Some("hello"));
    assert!(!world.home().join("evil-ran").exists());
    // It would have run: git does so where nobody forbids it.
    run(&["status", "--short"]);
    assert!(world.home().join("evil-ran").exists());
}

/// A flake elsewhere could be allowed for another project, and is not shown with this one.
#[test]
fn a_flake_that_a_link_leads_to_is_none_of_the_project() {
    let mut world = World::new();
    let Some(_nix) = Nix::new(&mut world) else { return };
    nix::project(&world, "other", TEXT, &flake("GREETING = \"elsewhere\";"));
    let project = Project::new(&world, "p", "use_flake: ./x\nenv: {A: a}\n");
    std::os::unix::fs::symlink("../other", project.dir.join("x")).unwrap();
    project.mima(&["allow", "--yes"]).run();
    let (said, found) = export(&project, &[]);
    assert_eq!(found, None, "{said}");
    assert!(said.contains("~/p/x/flake.nix leads out of the project\n"), "{said}");
}
