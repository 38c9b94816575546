//! `mima secret` and `mima set`, as one types them.

use crate::common::world::World;

#[test]
fn a_value_from_a_pipe_is_stored_and_comes_back() {
    let world = World::with_vault();
    world.mima(&["secret", "add", "new"]).stdin(world.canary()).run().ok().stdout_is("");
    world.mima(&["secret", "get", "new"]).run().ok().stdout_is(world.canary());
    assert_eq!(world.asked(), 1, "adding asks for nothing");
}

#[test]
fn t_j5_one_trailing_newline_is_not_part_of_a_value_unless_raw() {
    let world = World::with_vault();
    for (input, flags, want) in [
        ("a\n", &[][..], "a"),
        ("a\n\n", &[], "a\n"),
        ("a\r\n", &[], "a\r"),
        ("a\n", &["--raw"], "a\n"),
        ("", &["--raw"], ""),
    ] {
        let args = [&["secret", "add", "--force", "x"], flags].concat();
        world.mima(&args).stdin(input).run().ok();
        world.mima(&["secret", "get", "x"]).run().ok().stdout_is(want);
    }
}

#[test]
fn nothing_is_no_value_unless_raw() {
    let world = World::with_vault();
    for input in ["", "\n"] {
        let add = world.mima(&["secret", "add", "--force", "K00"]).stdin(input).run();
        add.fails(1).stderr_has("the value is empty").stderr_has("--raw");
    }
    world.mima(&["secret", "get", "K00"]).run().ok().stdout_is("value-of-K00");
}

#[test]
fn of_two_that_add_the_same_secret_one_is_refused() {
    let world = World::with_vault();
    let script = "(sleep 1; printf second) | \"$@\" & sleep 0.3; printf first | \"$@\"; wait";
    let both = world.mima(&["secret", "add", "new"]).within(script).run();
    both.ok().stderr_has("there is a secret `new` already").stderr_has("--force");
    world.mima(&["secret", "get", "new"]).run().ok().stdout_is("first");
}

#[test]
fn a_secret_that_appears_while_another_is_renamed_is_not_overwritten() {
    let world = World::with_vault();
    let script =
        "printf precious | env -u MIMA_ASKPASS mima secret add new\necho mima-test-passphrase\n";
    world.script("askpass", script);
    let renamed = world.mima(&["secret", "rename", "K00", "new"]).run();
    renamed.fails(1).stderr_has("there is a secret `new` already");
    world.mima(&["secret", "get", "new"]).run().ok().stdout_is("precious");
    world.mima(&["secret", "get", "K00"]).run().ok().stdout_is("value-of-K00");
}

#[test]
fn a_value_from_a_file_follows_the_same_rule() {
    let world = World::with_vault();
    let file = world.write("token", "from a file\n");
    let path = file.to_str().unwrap();
    world.mima(&["secret", "add", "x", "--from-file", path]).run().ok();
    world.mima(&["secret", "get", "x"]).run().ok().stdout_is("from a file");
    world.mima(&["secret", "add", "y", "--raw", "--from-file", path]).run().ok();
    world.mima(&["secret", "get", "y"]).run().ok().stdout_is("from a file\n");
    world
        .mima(&["secret", "add", "z", "--from-file", "nowhere"])
        .run()
        .fails(1)
        .stderr_has("there is no file nowhere");
}

#[test]
fn t_i5_a_value_on_the_command_line_works_and_warns() {
    let world = World::with_vault();
    let output = world.mima(&["secret", "add", "x", "plain"]).run();
    output.ok().stderr_has("stays in the shell's history").stderr_has("mima secret add x");
    world.mima(&["secret", "get", "x"]).run().ok().stdout_is("plain");
    for help in [&["secret", "add", "--help"][..], &["set", "--help"]] {
        world.mima(help).run().ok().stdout_lacks("VALUE").stdout_lacks("[value]");
    }
}

#[test]
fn t_b8_a_nul_byte_is_refused_with_its_offset() {
    let world = World::with_vault();
    world
        .mima(&["secret", "add", "x"])
        .stdin(b"a\0b")
        .run()
        .fails(1)
        .stderr_has("NUL byte, at offset 1")
        .stderr_has("hint: ");
    world.mima(&["secret", "list"]).run().ok().stdout_lacks("x");
}

#[test]
fn replacing_needs_force_without_a_terminal() {
    let world = World::with_vault();
    let refused = world.mima(&["secret", "add", "K00"]).stdin("other").run();
    refused.fails(1).stderr_has("there is a secret `K00` already").stderr_has("--force");
    world.mima(&["secret", "get", "K00"]).run().ok().stdout_is("value-of-K00");
    world.mima(&["secret", "add", "K00", "--force"]).stdin("other").run().ok();
    world.mima(&["secret", "get", "K00"]).run().ok().stdout_is("other");
}

#[test]
fn names_are_listed_without_asking() {
    let world = World::with_vault();
    let listed = world.mima(&["secret", "list"]).run();
    assert_eq!(listed.ok().quiet().out().lines().count(), 50);
    let json = world.mima(&["secret", "list", "--json"]).run();
    let names: Vec<String> = serde_json::from_slice(&json.ok().stdout).unwrap();
    assert_eq!(names.len(), 50);
    assert_eq!(names.first().map(String::as_str), Some("K00"));
    assert_eq!(world.asked(), 0);
}

#[test]
fn a_fresh_home_lists_nothing_and_makes_nothing() {
    let world = World::new();
    world.mima(&["secret", "list"]).run().ok().stdout_is("").stderr_has("no secrets yet");
    world.mima(&["group", "list"]).run().ok().stdout_is("").stderr_has("no groups yet");
    assert_eq!(std::fs::read_dir(world.home()).unwrap().count(), 0);
}

#[test]
fn get_exports_on_request() {
    let world = World::with_vault();
    world.mima(&["secret", "add", "9.dev-db"]).stdin("it's").run().ok();
    let get = |flags: &[&str]| world.mima(&[&["secret", "get", "9.dev-db"], flags].concat()).run();
    get(&["--export"]).ok().stdout_is(b"export _9_DEV_DB='it'\\''s'\n");
    get(&["--export", "--as", "db"]).ok().stdout_is(b"export db='it'\\''s'\n");
    get(&["--export", "--as", "9db"]).fails(2).stderr_has("that is no name for a variable");
    get(&["--as", "DB"]).fails(2);
}

#[test]
fn t_j6_a_value_on_standard_output_comes_with_one_warning() {
    let world = World::with_vault();
    let got = world.mima(&["secret", "get", "K00"]).run();
    got.ok().stdout_is("value-of-K00").stderr_has("in the clear");
    assert_eq!(got.err().lines().count(), 1);
}

#[test]
fn removing_and_renaming_name_the_groups_that_still_use_a_secret() {
    let world = World::with_vault();
    world.write(".mima.yaml", "groups:\n  dev:\n    TOKEN: K00\n    OTHER: K01\n");
    world
        .mima(&["secret", "rm", "K00"])
        .run()
        .ok()
        .stderr_has("group dev still sets TOKEN from it")
        .stderr_has("mima group unlink dev TOKEN");
    world
        .mima(&["secret", "rename", "K01", "new"])
        .run()
        .ok()
        .stderr_has("group dev still sets OTHER from K01")
        .stderr_has("mima group link dev OTHER new");
    world.mima(&["secret", "get", "new"]).run().ok().stdout_is("value-of-K01");
    let names = world.mima(&["secret", "list"]).run().ok().out();
    assert!(!names.contains("K00") && !names.contains("K01"), "{names}");
}

#[test]
fn renaming_never_overwrites() {
    let world = World::with_vault();
    world.mima(&["secret", "rename", "K00", "K01"]).run().fails(1).stderr_has("`K01` already");
    world.mima(&["secret", "rename", "K00", "k01"]).run().fails(1).stderr_has("only in case");
    world.mima(&["secret", "get", "K01"]).run().ok().stdout_is("value-of-K01");
}

#[test]
fn an_unknown_secret_is_answered_with_the_nearest_one() {
    let world = World::with_vault();
    world.mima(&["secret", "add", "stripe-test"]).stdin("x").run().ok();
    for args in [
        &["secret", "get", "stripe-tets"][..],
        &["secret", "rm", "stripe-tets"],
        &["secret", "rename", "stripe-tets", "x"],
    ] {
        world.mima(args).run().fails(1).stderr_has("did you mean `stripe-test`?");
    }
    assert_eq!(world.asked(), 0, "nobody is asked in vain");
}

#[test]
fn set_stores_and_links() {
    let world = World::with_vault();
    let output = world.mima(&["set", "dev", "API_KEY"]).stdin(world.canary()).run();
    output.ok().stderr_has("stored dev.API_KEY").stderr_has("mima run dev -- CMD");
    assert_eq!(world.read(".mima.yaml"), "groups:\n  dev:\n    API_KEY: dev.API_KEY\n");
    world.mima(&["run", "dev", "--", "printenv", "API_KEY"]).run().ok().stdout_has(world.canary());
}

#[test]
fn t_d8_names_that_differ_only_in_case_are_refused() {
    let world = World::with_vault();
    world.mima(&["secret", "add", "k00"]).stdin("x").run().fails(1).stderr_has("only in case");
    world.mima(&["set", "dev", "A"]).stdin("x").run().ok();
    world.mima(&["set", "Dev", "A"]).stdin("x").run().fails(1).stderr_has("only in case");
    world.mima(&["group", "link", "DEV", "A", "K00"]).run().fails(1).stderr_has("only in case");
}

#[test]
fn the_first_secret_makes_the_vault() {
    let mut world = World::new();
    world.askpass("a new passphrase");
    world.guard("a new passphrase");
    let added = world.mima(&["secret", "add", "first"]).stdin(world.canary()).run();
    added.ok().stderr_has("there is no vault yet").stderr_has("stored first");
    assert_eq!(world.asked(), 2, "a passphrase is chosen by typing it twice");
    world.mima(&["secret", "get", "first"]).run().ok().stdout_is(world.canary());
}

#[test]
fn without_a_terminal_or_askpass_the_first_secret_is_an_error_at_once() {
    let world = World::new();
    world
        .mima(&["secret", "add", "first"])
        .stdin("x")
        .run()
        .fails(1)
        .stderr_has("no terminal to ask on")
        .stderr_has("MIMA_ASKPASS");
    world.mima(&["secret", "list"]).run().ok().stdout_is("");
}
