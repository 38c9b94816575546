//! What an allowed project comes to: rows B7, B11, B12, I7 and I11, and the keys that load.

use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;

use crate::common::project::{Project, changes};
use crate::common::user::mode;
use crate::common::world::World;

#[test]
fn json_is_a_flat_object_of_what_is_to_change() {
    let world = World::new();
    let project = Project::allowed(
        &world,
        "p",
        "groups: {dev: {T: x}, ops: {T: x}}\nenv: {B: two, A: \"one\\n\"}\nunset: [GONE, NEVER]\n",
    );
    let export = project.mima(&["export", "json"]).env("GONE", "x").run();
    let json: serde_json::Value = serde_json::from_slice(&export.ok().quiet().stdout).unwrap();
    let mut object = json.as_object().unwrap().clone();
    let state = object.remove("__MIMA_STATE").unwrap();
    assert!(state.as_str().is_some_and(|state| !state.contains("two")), "{state}");
    let want = serde_json::json!({
        "A": "one\n", "B": "two", "GONE": null, "NEVER": null,
        "MIMA_DIR": project.dir, "MIMA_GROUPS": "dev ops",
    });
    assert_eq!(serde_json::Value::from(object), want);
    // With what it said before in the environment it is the way back.
    let vars = [("A", "one\n"), ("B", "two"), ("MIMA_DIR", "x"), ("MIMA_GROUPS", "x")];
    let back = vars.iter().fold(world.mima(&["export", "json"]), |cmd, (k, v)| cmd.env(k, v));
    let back = back.env("__MIMA_STATE", state.as_str().unwrap()).cwd("/").run();
    let want = serde_json::json!({
        "A": null, "B": null, "GONE": null, "NEVER": null,
        "MIMA_DIR": null, "MIMA_GROUPS": null, "__MIMA_STATE": null,
    });
    let json: serde_json::Value = serde_json::from_slice(&back.ok().quiet().stdout).unwrap();
    assert_eq!(json, want);
    world.mima(&["export", "json"]).cwd("/").run().ok().quiet().stdout_is("{}\n");
}

/// Values that a shell would change if it could.
#[test]
fn t_b7_values_arrive_in_the_shell_byte_for_byte() {
    let world = World::new();
    let mut values: Vec<String> = [
        "",
        " ",
        "'",
        "\"",
        "`id`",
        "$(id)",
        "\\",
        "\\\\'",
        "a\nb\n\n",
        "\r",
        "!!",
        "%s%n",
        "-n",
        "=",
        "~",
        "*",
        "\u{fdd0}",
        "é\u{1b}[0m",
        "\t",
        "#x",
        "$HOME ${HOME}",
    ]
    .map(str::to_owned)
    .to_vec();
    let mut seed = 7_u32;
    for _ in 0..300 {
        let next = |seed: &mut u32| {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            usize::try_from(*seed >> 16).unwrap()
        };
        let length = next(&mut seed) % 12;
        let alphabet: Vec<char> =
            "'\"`$(){}\\\n\r !%-=~*?[];&|<>#\u{7f}\u{1}aé\u{f600}".chars().collect();
        values.push((0..length).map(|_| alphabet[next(&mut seed) % alphabet.len()]).collect());
    }
    // JSON is YAML, but for the escapes of a dollar sign, which are mima's.
    let line = |(nr, value): (usize, &String)| {
        format!("  V{nr}: {}\n", serde_json::to_string(&value.replace('$', "$$")).unwrap())
    };
    let env: String = values.iter().enumerate().map(line).collect();
    let env = env.replace('\u{7f}', "\\x7f");
    let project = Project::allowed(&world, "p", format!("env:\n{env}"));
    let lines = format!("for i in $(seq 0 {}); do printenv -0 V$i; done", values.len() - 1);
    let bash = project.bash(&lines).run();
    let want: Vec<u8> =
        values.iter().flat_map(|value| [value.as_bytes(), b"\0"].concat()).collect();
    bash.ok().quiet().stdout_is(&want);
    // What came from elsewhere need not be UTF-8.
    project.write(".mima.yaml", "env: {A: 'x${RAW}y'}");
    project.allow();
    let raw = std::ffi::OsString::from_vec(b"\xff'\n".to_vec());
    project.bash("printenv -0 A").env("RAW", raw).run().ok().stdout_is(b"x\xff'\ny\0");
}

#[test]
fn t_b11_entries_of_a_list_are_absolute_and_are_taken_back() {
    let world = World::new();
    let home = world.home();
    let p = home.join("p");
    for (entry, want) in [
        ("bin", p.join("bin")),
        ("./bin/", p.join("bin")),
        (".", p.clone()),
        ("../up", home.join("up")),
        ("~/own", home.join("own")),
        ("~", home.clone()),
        ("/opt/x/../y", "/opt/y".into()),
        ("${MIMA_DIR}/a b", p.join("a b")),
        ("node_modules/.bin", p.join("node_modules/.bin")),
        ("../../../../../../../etc", "/etc".into()),
        ("~root", p.join("~root")),
    ] {
        let project = Project::allowed(
            &world,
            "p",
            format!("PATH_add: [\"{entry}\"]\npath_add: {{MANPATH: [\"{entry}\"]}}"),
        );
        let lines =
            "echo \"$PATH\"; echo \"$MANPATH\"; cd /; load; echo \"$PATH ${MANPATH-unset}\"";
        let bash = project.bash(lines).run();
        let before = format!("{}:{}", world.bin().display(), crate::common::PATH);
        let want = want.display();
        bash.ok().quiet().stdout_is(format!("{want}:{before}\n{want}:\n{before} unset\n"));
    }
}

#[test]
fn t_b11_what_cannot_be_or_must_not_be_on_path_is_refused_with_its_place() {
    let world = World::new();
    let open = world.home().join("p/open");
    std::fs::create_dir_all(&open).unwrap();
    mode(&open, 0o777);
    for (entry, why) in [
        ("", "a directory belongs here\nhint: for the project's own: .\n"),
        ("a:b", "\nhint: write one entry per item\n"),
        ("${NONE:-}", "a directory belongs here\nhint: "),
        ("open", "others can write to ~/p/open\nhint: chmod go-w ~/p/open && mima reload\n"),
        ("/tmp", "others can write to /tmp\nhint: chmod go-w /tmp && mima reload\n"),
    ] {
        let project = Project::allowed(&world, "p", format!("PATH_add: [\"{entry}\"]"));
        let output = project.not_loaded("mima: ~/p/.mima.yaml:1:12: PATH_add: ");
        output.stderr_has(why);
    }
    if crate::common::is_root("can give a directory away") {
        crate::common::user::give(&open, 12345);
        mode(&open, 0o755);
        let project = Project::allowed(&world, "p", "PATH_add: [open]");
        project.not_loaded("~/p/open belongs to another user (uid 12345)");
    }
}

/// What was odd before is so afterwards, to the byte.
#[test]
fn t_b11_what_stood_in_path_before_is_left_as_it_was() {
    let world = World::new();
    let project = Project::allowed(&world, "p", "PATH_add: [bin]\npath_add: {LIST: [one, one]}\n");
    let own = format!("{}:{}", world.bin().display(), crate::common::PATH);
    let bin = project.dir.join("bin").display().to_string();
    for before in [format!("{own}::/a//b/:"), format!(":{own}"), format!("{own}:{bin}:{bin}")] {
        let lines = "echo \"$PATH\"; cd /; load; echo \"$PATH\"; cd - >/dev/null; load; load; cd /; load; \
                     echo \"$PATH ${LIST-unset}\"";
        let bash = project.bash(lines).env("PATH", &before).run();
        bash.ok().quiet().stdout_is(format!("{bin}:{before}\n{before}\n{before} unset\n"));
    }
    let empty =
        project.bash("echo \"$LIST\"; cd /; load; echo \"${LIST-unset}|\"").env("LIST", "").run();
    let one = project.dir.join("one").display().to_string();
    empty.ok().stdout_is(format!("{one}:{one}\n|\n"));
}

#[test]
fn t_b12_what_the_user_has_changed_since_stays_the_users() {
    let world = World::new();
    let project = Project::allowed(
        &world,
        "p",
        "env: {A: mine, B: mine, C: mine}\nunset: [U]\nPATH_add: [bin]\n",
    );
    let lines = "PATH=/x:$PATH:/y; A=theirs; unset B; export U=new; cd /; load; \
                 echo \"$PATH\"; echo \"$A ${B-unset} $C $U\"; declare -p C";
    let bash = project.bash(lines).env("C", "before").env("U", "before").run();
    let before = format!("{}:{}", world.bin().display(), crate::common::PATH);
    bash.ok()
        .quiet()
        .stdout_is(format!("/x:{before}:/y\ntheirs unset before new\ndeclare -x C=\"before\"\n"));
}

#[test]
fn a_local_file_is_laid_over_and_needs_its_own_approval() {
    let world = World::new();
    let project = Project::allowed(&world, "p", "env: {A: file, B: file}\nPATH_add: [one]\n");
    let local = project.write(".mima.local.yaml", "env: {B: local, C: local}\nPATH_add: [two]\n");
    let export = project.mima(&["export", "json"]).run();
    export
        .ok()
        .stderr_has(".mima.local.yaml is not allowed yet: mima allow ~/p/.mima.local.yaml\n");
    assert_eq!(changes(&export)["B"].as_deref(), Some("file"));
    assert!(!changes(&export).contains_key("C"));
    project.allow();
    let loaded = project.loaded();
    assert_eq!(
        ["A", "B", "C"].map(|name| loaded[name].as_deref().unwrap()),
        ["file", "local", "local"]
    );
    let start = format!("{0}/one:{0}/two:", project.dir.display());
    assert!(loaded["PATH"].as_ref().unwrap().starts_with(&start));
    std::fs::write(&local, "env: {B: other}\n").unwrap();
    let export = project.mima(&["export", "json"]).run();
    export.ok().stderr_has("has changed since it was allowed: mima allow ~/p/.mima.local.yaml");
    assert_eq!(changes(&export)["B"].as_deref(), Some("file"));
    // Alone it is no project.
    std::fs::remove_file(project.file()).unwrap();
    project.mima(&["export", "json"]).run().ok().quiet().stdout_is("{}\n");
}

#[test]
fn source_up_loads_what_is_above_first_if_that_is_allowed() {
    let world = World::new();
    let outer = Project::new(
        &world,
        "o",
        "env: {A: outer, B: outer}\nPATH_add: [bin]\ngroups: {dev: {T: x}}\n",
    );
    let inner = Project::allowed(
        &world,
        "o/a/i",
        "source_up: true\nenv: {B: inner, C: '${A:-none}'}\nPATH_add: [bin]\ngroups: {ops: {T: x}}\n",
    );
    let export = inner.mima(&["export", "json"]).run();
    export.ok().stderr_has("mima: ~/o/.mima.yaml is not allowed yet: mima allow ~/o/.mima.yaml\n");
    assert_eq!(changes(&export)["C"].as_deref(), Some("none"));
    outer.allow();
    let loaded = inner.loaded();
    assert_eq!(
        ["A", "B", "C"].map(|name| loaded[name].as_deref().unwrap()),
        ["outer", "inner", "outer"]
    );
    let start = format!("{}/bin:{}/bin:", inner.dir.display(), outer.dir.display());
    assert!(loaded["PATH"].as_ref().unwrap().starts_with(&start), "{loaded:?}");
    assert_eq!(loaded["MIMA_GROUPS"].as_deref(), Some("dev ops"));
    assert_eq!(loaded["MIMA_DIR"].as_deref(), inner.dir.to_str());
    // A new file in between is another one above.
    Project::new(&world, "o/a", "env: {A: between}\n");
    inner.mima(&["export", "json"]).run().ok().stderr_has("~/o/a/.mima.yaml is not allowed yet");
    std::fs::remove_file(world.home().join("o/a/.mima.yaml")).unwrap();
    outer.mima(&["deny"]).run().ok();
    assert_eq!(inner.loaded()["C"].as_deref(), Some("none"));
    // What is broken above is not silently left out.
    outer.write(".mima.yaml", "PATH_add: ['a:b']\n");
    outer.allow();
    inner.not_loaded("~/o/.mima.yaml:1:12: PATH_add: ");
}

#[test]
fn the_user_file_is_no_project_file_even_in_the_home_directory() {
    let world = World::new();
    world.write(".mima.yaml", "groups: {dev: {T: x}}\n");
    let below = world.home().join("a/b");
    std::fs::create_dir_all(&below).unwrap();
    symlink(".mima.yaml", world.home().join("link.yaml")).unwrap();
    for dir in [world.home(), below.clone()] {
        world.mima(&["export", "json"]).cwd(&dir).run().ok().quiet().stdout_is("{}\n");
        world.mima(&["status"]).cwd(&dir).run().ok().stdout_has("no .mima.yaml here or above");
    }
    // Not by a link to it either.
    symlink("../../.mima.yaml", below.join(".mima.yaml")).unwrap();
    world.mima(&["export", "json"]).cwd(&below).run().ok().quiet().stdout_is("{}\n");
    std::fs::remove_file(below.join(".mima.yaml")).unwrap();
    // With the user file elsewhere it is a file as any other.
    let export = world.mima(&["export", "json"]).env("MIMA_HOME", world.tmp()).cwd(below).run();
    export.fails(1).stderr_has("mima: ~/.mima.yaml is not allowed yet: mima allow");
}

#[test]
fn required_variables_are_asked_for_by_name_and_place() {
    let world = World::new();
    let project = Project::allowed(&world, "p", "env: {A: here}\nenv_vars_required: [A, NEEDED]\n");
    let why = "mima: ~/p/.mima.yaml:2:24: env_vars_required: NEEDED is not set\nhint: export NEEDED=…, and: mima reload\n";
    assert_eq!(project.not_loaded(why).err(), why);
    let export = |value: &str| project.mima(&["export", "json"]).env("NEEDED", value).run();
    export("").fails(1);
    assert_eq!(changes(export("x").ok().quiet())["A"].as_deref(), Some("here"));
    project.mima(&["exec", ".", "true"]).run().fails(125).stderr_has("NEEDED is not set");
    let unset = Project::allowed(&world, "q", "env: {A: '${NONE}'}\n");
    unset.not_loaded("mima: ~/q/.mima.yaml:1:10: env.A: ").stderr_has("hint: ");
}

#[test]
fn status_says_what_counts_and_what_is_loaded() {
    let world = World::new();
    let project =
        Project::new(&world, "p", "env: {A: a}\nPATH_add: [bin]\ngroups: {dev: {T: x}}\n");
    let file = project.file();
    let none = serde_json::json!([]);
    let status = project.status();
    assert_eq!(status["file"], file.to_str().unwrap());
    assert_eq!(
        [&status["verdict"], &status["loaded"]],
        [&"unknown".into(), &serde_json::Value::Null]
    );
    assert_eq!([&status["groups"], &status["variables"]], [&none, &none]);
    assert_eq!(
        status["problems"],
        serde_json::json!(["~/p/.mima.yaml is not allowed yet: mima allow"])
    );
    project.allow();
    let bash = project.bash("mima status --json; mima status; cd /; mima status").run();
    let text = bash.ok().quiet().out();
    let (json, rest) = text.split_at(text.find("\n}\n").unwrap() + 3);
    let want = serde_json::json!({
        "file": file, "verdict": "allowed", "groups": ["dev"], "problems": [],
        "allowed_as_in": null, "only_this_shell": false,
        "loaded": project.dir, "variables": ["A", "PATH"],
        // Only some stores have something to say of that.
        "protection": null, "protected_otherwise": null, "unlocked": [],
    });
    assert_eq!(serde_json::from_str::<serde_json::Value>(json).unwrap(), want);
    let shown =
        "~/p/.mima.yaml  allowed\ngroups: dev\nloaded in this shell: ~/p\nvariables: A, PATH\n";
    assert_eq!(
        rest,
        format!(
            "{shown}no .mima.yaml here or above\nloaded in this shell: ~/p\nvariables: A, PATH\n"
        )
    );
}

#[test]
fn status_says_why_nothing_is_loaded_and_which_files_take_part() {
    let world = World::new();
    world.write(".mima.yaml", "groups: {aws: {T: x}}\n");
    let outer = Project::allowed(&world, "o", "groups: {web: {T: x}}\n");
    let text = "source_up: true\nwrap: [aws]\ngroups: {dev: {T: x}}\n";
    let project = Project::new(&world, "o/p", text);
    project.mima(&["status"]).run().ok().stdout_has("~/o/p/.mima.yaml  not allowed yet\n");
    project.allow();
    let local = project.write(".mima.local.yaml", "env_vars_required: [NEEDED]\n");
    let shown = project.mima(&["status"]).run();
    shown.ok().stdout_has(
        "~/o/p/.mima.yaml  allowed\n~/o/p/.mima.local.yaml  not allowed yet\n\
         ~/o/.mima.yaml  allowed\ngroups: aws, dev, web\nnothing is loaded",
    );
    outer.mima(&["allow", "--yes", local.to_str().unwrap()]).run().ok();
    let why = "~/o/p/.mima.local.yaml:1:21: env_vars_required: NEEDED is not set";
    project.mima(&["status"]).run().ok().stdout_has("local.yaml  allowed\n").stderr_has(why);
    assert_eq!(project.status()["problems"], serde_json::json!([why]));
    // What a variable was before it was loaded is not known any more, and not asked for.
    let own = Project::allowed(&world, "q", "env: {A: '${A}b'}\n");
    own.bash("mima status").env("A", "a").run().ok().quiet().stdout_has("variables: A");
    world.write(".mima.yaml", "groups: {}\n");
    project.mima(&["status"]).run().ok().stderr_has("there is no group `aws`");
}

/// A file system may take two names for one; the approvals are of what is there.
#[test]
fn t_d8_names_that_differ_only_in_case_or_form_are_two_or_refused() {
    let world = World::new();
    for text in [
        "groups: {dev: {A: x}, Dev: {A: x}}",
        "groups: {d\u{e9}v: {A: x}}",
        "groups: {d\u{435}v: {A: x}}",
    ] {
        let project = Project::new(&world, "p", text);
        project.mima(&["allow", "--yes"]).run().fails(1).stderr_has("mima: ~/p/.mima.yaml:1:");
    }
    let text = "env: {MARK: here}\n";
    let names = ["Foo", "foo", "caf\u{e9}", "cafe\u{301}"];
    let distinct = !cfg!(target_os = "macos");
    for name in names {
        let project = Project::new(&world, name, text);
        if distinct {
            project.not_loaded("is not allowed yet");
        }
        project.allow();
        assert_eq!(project.loaded()["MIMA_DIR"].as_deref(), project.dir.to_str());
    }
}

/// Whatever `HOME` is, the working directory is not where mima writes.
#[test]
fn t_d5_an_odd_home_leaves_no_file_in_the_project() {
    let world = World::new();
    let project = Project::new(&world, "p", "env: {MARK: here}\n");
    for home in ["", "relative", ".", "/nonexistent/home"] {
        // These verbs only read: the fallback is the real home of whoever runs the tests.
        for verb in [&["export", "json"][..], &["status"], &["exec", ".", "true"], &["allow"]] {
            let output = project.mima(verb).env("HOME", home).run();
            assert!(output.status.code().is_some_and(|code| code < 126), "{output}");
        }
        assert_eq!(crate::common::project::names_in(&project.dir), [".mima.yaml"], "{home}");
    }
}
