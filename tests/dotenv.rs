//! Dotenv files of a project: rows A5, A6, A11, A12, B2–B4, C2, C5 and D4 again, for what no
//! approval covers; and that what mima writes, mima reads.

use std::os::unix::fs::symlink;

use mima::config::dotenv::parse;
use mima::shell::quote;
use proptest::prelude::*;

use crate::common::is_root;
use crate::common::project::{Project, changes, nothing_set};
use crate::common::random::Random;
use crate::common::user::{give, mknod, mode};
use crate::common::world::World;
use crate::hostile::AT_ONCE;

/// Reads a file that sets one variable.
fn read_back(text: &[u8]) -> Vec<u8> {
    let entries = parse(text).unwrap_or_else(|fault| panic!("{}", fault.in_file("f")));
    assert_eq!(entries.len(), 1, "{}", text.escape_ascii());
    assert_eq!(entries[0].name.as_str(), "K");
    let nothing = |_: &str| panic!("a value that was quoted refers to nothing");
    entries[0].value(&nothing).unwrap()
}

fn check_round_trip(value: &[u8]) {
    let quoted = quote::dotenv(value).unwrap();
    for (before, after) in [("K=", "\n"), ("export K = ", " # '\"\n"), ("\u{feff}K=", "")] {
        let line = [before.as_bytes(), &quoted, after.as_bytes()].concat();
        assert_eq!(read_back(&line), value, "{}", line.escape_ascii());
    }
}

#[test]
fn t_b7_every_text_is_read_back_as_it_was_written() {
    let mut random = Random(7);
    let mut texts = 0;
    for _ in 0..100_000 {
        let value = random.value();
        match std::str::from_utf8(&value) {
            Ok(_) => {
                texts += 1;
                check_round_trip(&value);
            }
            Err(_) => assert!(quote::dotenv(&value).is_none()),
        }
    }
    assert!(texts > 10_000, "{texts}");
    check_round_trip("'\"$\\\r\n".repeat(20_000).as_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn t_b7_nor_does_any_other_text_change(value in "([^\u{0}]|'|\"|\\\\|[$]|[{]|[}]|\r|\n|#| |=|n|A){0,60}") {
        check_round_trip(value.as_bytes());
    }
}

#[test]
fn t_b7_what_env_writes_a_project_reads() {
    let world = World::with_vault();
    let values = ["it's \\ \"$x\" `y`\nend", " a\r\n", "$(id) # c", "\\", "'", "é\u{1b}"];
    for (nr, value) in values.iter().enumerate() {
        let name = format!("v{nr}");
        world.mima(&["secret", "add", &name, "--raw"]).stdin(*value).run().ok();
        world.mima(&["group", "link", "g", &format!("V{nr}"), &name]).run().ok();
    }
    let env = world.mima(&["env", "g", "--shell", "dotenv"]).run();
    let project = Project::allowed(&world, "p", "dotenv: [.env]\n");
    project.write(".env", &env.ok().stdout);
    let loaded = project.loaded();
    for (nr, value) in values.iter().enumerate() {
        assert_eq!(loaded[&format!("V{nr}")].as_deref(), Some(*value));
    }
}

#[test]
fn several_files_are_read_in_their_order_and_a_missing_one_is_named() {
    let world = World::new();
    let project = Project::allowed(
        &world,
        "p",
        "env: {E: '${A}-${B}-${C}', B: env}\n\
         dotenv_if_exists: [.env.local, none/.env]\ndotenv: [.env, 'conf/[x]*.env']\n",
    );
    project.write(".env", "A=1\nB=\"${A}1\"\nC=$MIMA_DIR\nD=${D:-unset}\n");
    std::fs::create_dir(project.dir.join("conf")).unwrap();
    let why = "mima: ~/p/.mima.yaml:3:16: dotenv: there is no ~/p/conf/[x]*.env\n\
               hint: if it need not be there: dotenv_if_exists\n";
    assert_eq!(project.not_loaded(why).err(), why);
    project.mima(&["exec", ".", "true"]).run().fails(125).stderr_has(why);
    project.mima(&["status"]).run().ok().stderr_has(why);
    project.write("conf/[x]*.env", "C=\"$B+$D\"\n");
    project.write(".env.local", "A=3\n");
    let loaded = project.loaded();
    let want =
        [("A", "3"), ("B", "env"), ("C", "11+unset"), ("D", "unset"), ("E", "3-11-11+unset")];
    for (name, value) in want {
        assert_eq!(loaded[name].as_deref(), Some(value), "{name}");
    }
    project.mima(&["exec", ".", "printenv", "C"]).run().ok().quiet().stdout_is("11+unset\n");
    // Without the project it is as it was.
    project.mima(&["export", "json"]).env("D", "mine").run().ok().stdout_has("\"D\": \"mine\"");
}

/// A file of another project counts for that one only, and one in the home directory is named
/// as such.
#[test]
fn every_layer_has_its_own_files() {
    let world = World::new();
    world.write("own.env", "HOMELY=yes\n");
    let outer = "dotenv: [.env, ~/own.env]\ndotenv_allow: [RUBYOPT]\n";
    Project::allowed(&world, "o", outer).write(".env", "A=outer\nB=outer\nRUBYOPT=-w\n");
    let inner = Project::allowed(&world, "o/i", "source_up: true\ndotenv: [.env]\n");
    inner.write(".env", "B=\"$A/inner\"\nRUBYOPT=-rx\n");
    let export = inner.mima(&["export", "json"]).run();
    let left_out = "mima: left out of ~/o/i/.env, since they can run code or steer the shell: RUBYOPT\n\
                    hint: to trust the file with it: dotenv_allow: [RUBYOPT]\n";
    assert_eq!(export.ok().err(), left_out);
    let loaded = changes(&export);
    for (name, value) in
        [("A", "outer"), ("B", "outer/inner"), ("RUBYOPT", "-w"), ("HOMELY", "yes")]
    {
        assert_eq!(loaded[name].as_deref(), Some(value), "{name}");
    }
}

#[test]
fn t_b3_what_runs_code_needs_its_name_in_the_project_file() {
    let world = World::new();
    let project = Project::allowed(
        &world,
        "p",
        "dotenv: [.env]\ndotenv_if_exists: [.env.local]\ndotenv_allow: [NODE_OPTIONS, PORT]\n",
    );
    project.write(
        ".env",
        "A=a\nNODE_OPTIONS=--x\nnode_options=--y\nLD_PRELOAD=./evil.so\nhttps_proxy=evil\nPORT=1\n",
    );
    project.write(".env.local", "LD_PRELOAD=\"$A.so\"\nLD_PRELOAD=x\nGIT_SSH_COMMAND=evil\n");
    let export = project.mima(&["export", "json"]).run();
    // Each name once, all in one line.
    let want = "mima: left out of ~/p/.env, ~/p/.env.local, since they can run code or steer the shell: \
                node_options, LD_PRELOAD, https_proxy, GIT_SSH_COMMAND\n\
                hint: to trust the file with it: dotenv_allow: \
                [node_options, LD_PRELOAD, https_proxy, GIT_SSH_COMMAND]\n";
    assert_eq!(export.ok().err(), want);
    let set: Vec<_> = changes(&export).into_keys().filter(|name| !name.contains("MIMA")).collect();
    assert_eq!(set, ["A", "NODE_OPTIONS", "PORT"]);
    let exec = project.mima(&["exec", ".", "sh", "-c", "echo \"$A ${LD_PRELOAD-none}\""]).run();
    assert_eq!(exec.ok().stdout_is("a none\n").err(), want);
    project.mima(&["status"]).run().ok().stderr_has(want);
    // Whoever allows it sees its name, and then it is set.
    project.write(".mima.local.yaml", "dotenv_allow: [https_proxy]\n");
    let allow = project.mima(&["allow", "--yes"]).run();
    allow.ok().stderr_has("RUNS CODE  https_proxy, if a dotenv file sets it\n");
    let export = project.mima(&["export", "json"]).run();
    assert_eq!(changes(export.ok())["https_proxy"].as_deref(), Some("evil"));
    assert!(!export.err().contains("https_proxy"), "{export}");
}

#[test]
fn t_b3_a_file_full_of_such_names_does_not_fill_the_screen() {
    let world = World::new();
    let project = Project::allowed(&world, "p", "dotenv: [.env]\n");
    let names = (0..3000).map(|nr| format!("V{nr}_PROXY=x\n"));
    let long = format!("LD_{}=x\n", "C4nary".repeat(8));
    project.write(".env", names.chain([long]).collect::<String>() + "A=a\n");
    let export = project.mima(&["export", "json"]).run();
    assert_eq!(changes(export.ok())["A"].as_deref(), Some("a"));
    export.stderr_has(" V8_PROXY, V9_PROXY and 2991 more\n");
    assert!(export.err().len() < 500 && !export.err().contains("C4nary"), "{export}");
}

#[test]
fn t_b2_t_b4_what_steers_the_shell_is_left_out_whatever_the_project_says() {
    let world = World::new();
    let project = Project::allowed(&world, "p", "dotenv: [.env]\n");
    let names = "IFS PS4 PROMPT_COMMAND BASH_ENV ENV SHELLOPTS BASH_FUNC_ls CDPATH ZDOTDIR FPATH \
                 HOME SHELL PWD SHLVL MIMA_ASKPASS __MIMA_STATE MIMA_HOME RANDOM SECONDS UID LINENO \
                 status path argv fish_color umask";
    for name in names.split(' ') {
        project.write(".env", format!("A=a\n{name}=x\nB=b\n"));
        let export = project.mima(&["export", "json"]).run();
        let want = format!(
            "mima: left out of ~/p/.env, since they can run code or steer the shell: {name}\n"
        );
        assert_eq!(export.ok().err(), want);
        let set = changes(&export);
        assert!(set["A"].is_some() && set["B"].is_some(), "{name}: {set:?}");
        assert!(name == "__MIMA_STATE" || !set.contains_key(name), "{name}: {set:?}");
    }
    project.write(".env", "PATH=/evil:$PATH\nA=a\n");
    let export = project.mima(&["export", "json"]).run();
    let want = "mima: left out of ~/p/.env, since they can run code or steer the shell: PATH\n\
                hint: a project file adds directories with `PATH_add: [bin]`\n";
    assert_eq!(export.ok().err(), want);
    assert!(!changes(&export).contains_key("PATH"));
}

#[test]
fn t_a6_a_file_that_others_can_write_to_is_refused() {
    let world = World::new();
    let project = Project::allowed(&world, "p", "env: {A: a}\ndotenv_if_exists: [.env, d/.env]\n");
    let file = project.write(".env", "B=b\n");
    mode(&file, 0o666);
    let why = "mima: refusing to use ~/p/.env: others can write to it\n\
               hint: chmod go-w ~/p/.env\nhint: then: mima reload\n";
    assert_eq!(project.not_loaded(why).err(), why);
    mode(&file, 0o644);
    assert_eq!(project.loaded()["B"].as_deref(), Some("b"));
    // Nor may others exchange it; that goes for where it really is, too.
    let dir = project.dir.join("d");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("target"), "C=c\n").unwrap();
    mode(&dir, 0o777);
    symlink("target", dir.join(".env")).unwrap();
    project.not_loaded("refusing to use ~/p/d: others can write to it\nhint: chmod go-w ~/p/d\n");
    std::fs::remove_file(&file).unwrap();
    std::fs::remove_file(dir.join(".env")).unwrap();
    symlink("d/target", &file).unwrap();
    project.not_loaded("d: others can write to it\nhint: chmod go-w ");
    mode(&dir, 0o755);
    assert_eq!(project.loaded()["C"].as_deref(), Some("c"));
}

#[test]
fn t_a5_a_file_of_another_user_is_refused() {
    if !is_root("can give a file away") {
        return;
    }
    let world = World::new();
    let project = Project::allowed(&world, "p", "env: {A: a}\ndotenv_if_exists: [.env, d/.env]\n");
    let file = project.write(".env", "B=b\n");
    give(&file, 12345);
    project.not_loaded("refusing to use ~/p/.env: it belongs to another user (uid 12345)\n");
    std::fs::remove_file(&file).unwrap();
    let dir = project.dir.join("d");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join(".env"), "B=b\n").unwrap();
    give(&dir, 12345);
    project.not_loaded("refusing to use ~/p/d: it belongs to another user (uid 12345)\n");
}

#[test]
fn t_a11_t_a12_nothing_waits_for_what_is_no_file_or_reads_what_is_huge() {
    let world = World::new();
    for key in ["dotenv", "dotenv_if_exists"] {
        let project = Project::allowed(&world, "p", format!("env: {{A: a}}\n{key}: [.env]\n"));
        let file = project.dir.join(".env");
        let refused = |what: &str| {
            let export = project.mima(&["export", "json"]).timeout(AT_ONCE).run();
            export.fails(1).stderr_has(&format!("could not read ~/p/.env: {what}"));
            nothing_set(&export);
        };
        mknod(&file, "p");
        refused("it is no regular file");
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        refused("it is no regular file");
        std::fs::remove_dir(&file).unwrap();
        std::fs::File::create(&file).unwrap().set_len(8 << 30).unwrap();
        refused("it is larger than 262144 bytes");
        std::fs::remove_file(&file).unwrap();
        // A link to nothing is no file.
        symlink("nowhere", &file).unwrap();
        if key == "dotenv" {
            project.not_loaded("dotenv: there is no ~/p/.env\n");
        } else {
            assert_eq!(project.loaded()["A"].as_deref(), Some("a"));
        }
        std::fs::remove_file(&file).unwrap();
    }
}

#[test]
fn t_c5_nothing_of_a_file_is_in_a_message() {
    let world = World::new();
    let project = Project::allowed(&world, "p", "dotenv: [.env]\n");
    let canary = "C4nary";
    for (text, place) in [
        (format!("A=b\n{canary}"), "2:1"),
        (format!("{canary}.x=y"), "1:1"),
        (format!("A='{canary}"), "1:3"),
        (format!("A=${canary}"), "1:3"),
        (format!("A=${{{canary}"), "1:3"),
        (format!("A='b' {canary}"), "1:7"),
        (format!("\u{1b}[2J{canary}"), "1:1"),
    ] {
        project.write(".env", &text);
        for args in
            [&["export", "json"][..], &["export", "bash"], &["exec", ".", "true"], &["status"]]
        {
            let said = project.mima(args).run();
            said.stderr_has(&format!("mima: ~/p/.env:{place}: "));
            assert!(!said.err().contains(canary), "{said}");
        }
    }
}

/// What it comes to is bounded before an environment is.
#[test]
fn t_c2_values_that_explode_are_refused_at_once() {
    let world = World::new();
    let project = Project::allowed(&world, "p", "dotenv: [.env]\n");
    let lines = (1..20).map(|nr| format!("V{nr}=\"$V{0}$V{0}\"\n", nr - 1));
    project.write(".env", format!("V0=0123456789\n{}", lines.collect::<String>()));
    let export = project.mima(&["export", "json"]).timeout(AT_ONCE).run();
    export
        .fails(1)
        .stderr_has("mima: ~/p/.env:14:5: the variables come to more than 122880 bytes\n");
    nothing_set(&export);
    let many = |count: usize| -> String {
        let lines: Vec<_> = (0..count).map(|nr| format!("V{nr}=\"${{V{nr}:-x}}\"\n")).collect();
        lines.concat()
    };
    project.write(".env", many(1000));
    assert_eq!(project.loaded()["V999"].as_deref(), Some("x"));
    project.write(".env", many(5000));
    let export = project.mima(&["export", "json"]).timeout(AT_ONCE).run();
    export.fails(1).stderr_has("the project sets too much for an environment to hold\n");
    nothing_set(&export);
    project.write(".env", many(5001));
    let export = project.mima(&["export", "json"]).timeout(AT_ONCE).run();
    export.fails(1).stderr_has("mima: ~/p/.env:5001:1: the file sets more than 5000 variables\n");
}

/// The project file is allowed, and still nothing of the project is loaded by halves.
#[test]
fn t_d4_a_broken_file_loads_nothing_of_the_project() {
    let world = World::new();
    let project =
        Project::allowed(&world, "p", "PATH_add: [bin]\nenv: {A: a}\ndotenv: [.env, other]\n");
    project.write(".env", "B=b\n");
    project.write("other", "C=c\nno\n");
    project.not_loaded("mima: ~/p/other:2:1: this is neither KEY=value nor a comment\n");
    // What is not about variables goes on.
    project.write(".mima.yaml", "groups: {dev: {T: t}}\ndotenv: [.env, other]\n");
    project.allow();
    project.mima(&["run", "dev"]).run().ok().stdout_is("T\n");
}
