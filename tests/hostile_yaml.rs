//! Rows C1–C5, as far as project files are concerned.

use std::fmt::Write;
use std::time::Instant;

use crate::common::leaks::contains;
use crate::common::project::Project;
use crate::common::world::World;
use crate::hostile::{AT_ONCE, plain};

/// Files that are to be refused: each with where, and in what words.
#[test]
fn t_c1_t_c2_t_c3_t_c4_a_file_that_is_no_plain_yaml_is_refused_with_its_place_at_once() {
    let world = World::new();
    let mut bomb = "env:\n  a: &a x\n".to_owned();
    for level in 1..40 {
        writeln!(bomb, "  a{level}: &a{level} [*a, *a, *a, *a, *a, *a, *a, *a, *a]").unwrap();
    }
    let wide: String =
        (0..9000).fold("env:\n".to_owned(), |text, nr| text + &format!("  A{nr}: x\n"));
    let rows: &[(&str, &str)] = &[
        (&bomb, "2:9: env.a: anchors and aliases are not supported"),
        ("env: {A: &x b, B: *x}", "1:13: env.A: anchors"),
        ("env:\n  <<: {A: b}", "2:3: env: merge keys"),
        (&"[".repeat(100_000), ""),
        (&"a: {".repeat(50_000), ""),
        (&wide, ""),
        (&format!("env: {{A: {}}}", "x".repeat(200_000)), ""),
        ("env:\n  A: b\n  A: c\n", "3:3: env.A: this key is there twice"),
        ("env: {}\nenvy: {}\n", "2:1: envy: an unknown key"),
        ("env: {}\n---\nenv: {}\n", "2:1: a second document"),
        ("env:\n  A:\n", "2:4: env.A: there is no value here"),
        ("env: {A: ~}", "1:10: env.A: there is no value here"),
        ("env:\n\tA: b\n", "2:2: env: a tab"),
        ("env: {A: !!str b}", "1:16: env.A: tags are not supported"),
        ("env: {A: \"b\\0\"}", "1:10: env.A: a NUL cannot be in this"),
        ("watch_file: [x, \"\\0\"]", "1:17: watch_file: a NUL"),
        ("path_add: {M: [\"\\0\"]}", "1:16: path_add.M: a NUL"),
        ("wrap: dev", "1:7: wrap: a list belongs here"),
        ("just text", "1:1: keys with values belong here"),
    ];
    for (text, why) in rows {
        let project = Project::new(&world, "p", text);
        let start = Instant::now();
        let why = format!("mima: ~/p/.mima.yaml:{why}");
        let why = if why.ends_with("yaml:") { "mima: ~/p/.mima.yaml:" } else { why.as_str() };
        project.mima(&["allow", "--yes"]).run().fails(1).stdout_is("").stderr_has(why);
        project.not_loaded(why);
        assert!(start.elapsed() < 2 * AT_ONCE, "{:?}", text.get(..40));
        assert_eq!(project.verdict(), "unknown");
    }
}

#[test]
fn t_c3_t_c4_odd_but_plain_files_arrive_as_written() {
    let world = World::new();
    for (text, want) in [
        ("\u{feff}env: {A: b}\n", "b"),
        ("env:\r\n  A: b\r\n", "b"),
        ("env: {A: no}", "no"),
        ("env: {A: 0123}", "0123"),
        ("env: {A: 1e3}", "1e3"),
        ("env: {A: 1.10}", "1.10"),
        ("env: {A: 0x1F}", "0x1F"),
        ("env: {A: \"\"}", ""),
        ("env: {A: 'null'}", "null"),
        ("env:\n  A: |\n    one\n    two\n", "one\ntwo\n"),
        ("---\nenv: {A: b}\n", "b"),
        ("env: {A: '${B:-é}$$x $y'}", "é$x $y"),
    ] {
        let project = Project::allowed(&world, "p", text);
        assert_eq!(project.loaded()["A"].as_deref(), Some(want), "{text}");
    }
    Project::allowed(&world, "empty", "").mima(&["export", "json"]).run().ok().quiet();
}

/// The world fails the test if a message holds the canary.
#[test]
fn t_c5_no_message_quotes_the_file() {
    let world = World::new();
    let canary = world.canary().to_owned();
    world.allow_leak(world.home().join("p"));
    // Of some of these the mistake shows only when they are loaded.
    world.allow_leak(world.data().join("trust"));
    for text in [
        format!("env: {{A: {canary}"),
        format!("env:\n  A: 'x\n  B: {canary}\x1b[31m\n"),
        format!("env: {{{canary}x!: b}}\n"),
        format!("groups: {{dev: {{A: {canary} b}}}}\n"),
        format!("env: {{A: '${{{canary}:-x'}}\n"),
        format!("layout: [{canary}]\n"),
        format!("source_up: {canary}\n"),
        format!("env: {{A: {canary}, A: b}}\n"),
        format!("\x1b]0;{canary}\x07"),
    ] {
        let project = Project::new(&world, "p", &text);
        for verb in
            [&["export", "json"][..], &["allow", "--yes"], &["status"], &["run", "dev", "true"]]
        {
            let output = project.mima(verb).run();
            assert!(plain(&output.stderr), "{output}");
            assert!(!contains(&output.stdout, canary.as_bytes()), "{output}");
        }
    }
}
