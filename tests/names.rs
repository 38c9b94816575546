//! Names that are none: rows B1, B2 and D9 of the threat table.

use crate::common::leaks::files_below;
use crate::common::world::World;

/// Names that no group, variable or secret may have.
const BAD: &[&str] = &[
    "",
    " ",
    "a b",
    "a\nb",
    "a\rb",
    "a\tb",
    "a;b",
    "$(id)",
    "`id`",
    "a|b",
    "a&b",
    "a>b",
    "a'b",
    "a\"b",
    "a\\b",
    "a*b",
    "a?b",
    "[",
    "a=b",
    "a/b",
    "/abs",
    "..",
    ".",
    "../../x",
    "./x",
    "~",
    ".hidden",
    "{a}",
    "a#b",
    "a!b",
    "%n",
    "\u{1b}[2J",
    "\u{202e}x",
    "\u{430}pi",
    "é",
    "a\u{7f}",
    "a\u{9b}b",
    "a\u{200b}b",
    "a,b/c",
    "(x)",
];

/// Variables that steer the shell or mima: well-formed, and refused all the same.
const STEERING: &[&str] = &[
    "PATH",
    "HOME",
    "SHELL",
    "PWD",
    "OLDPWD",
    "SHLVL",
    "IFS",
    "PS4",
    "PROMPT_COMMAND",
    "BASH_ENV",
    "ENV",
    "SHELLOPTS",
    "BASHOPTS",
    "CDPATH",
    "GLOBIGNORE",
    "ZDOTDIR",
    "FPATH",
    "NULLCMD",
    "HISTFILE",
    "MIMA_HOME",
    "MIMA_ASKPASS",
    "__MIMA_STATE",
    "BASH_FUNC_x",
    "path",
    "fish_prompt",
    "PS1",
];

/// The command lines that take a name, with `@` where it goes.
const VERBS: &[&[&str]] = &[
    &["secret", "add", "--", "@"],
    &["secret", "get", "--", "@"],
    &["secret", "rm", "--", "@"],
    &["secret", "rename", "--", "@", "x"],
    &["secret", "rename", "--", "K00", "@"],
    &["set", "--", "@", "VAR"],
    &["set", "--", "dev", "@"],
    &["group", "link", "--", "@", "VAR", "K00"],
    &["group", "link", "--", "dev", "@", "K00"],
    &["group", "link", "--", "dev", "VAR", "@"],
    &["group", "unlink", "--", "@", "VAR"],
    &["group", "rm", "--", "@"],
    &["group", "list", "--", "@"],
    &["run", "--", "@", "true"],
    &["env", "--", "@"],
];

fn snapshot(world: &World) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let files = files_below(&world.home());
    files.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap_or_default())).collect()
}

#[test]
fn t_b1_a_name_outside_the_rules_is_refused_by_every_verb() {
    let world = World::with_vault();
    world.write(".mima.yaml", "groups:\n  dev:\n    VAR: K00\n");
    let before = snapshot(&world);
    for verb in VERBS {
        for bad in BAD {
            let args: Vec<_> =
                verb.iter().map(|arg| if *arg == "@" { *bad } else { *arg }).collect();
            let output = world.mima(&args).stdin("x").run();
            let own = if verb[0] == "run" { 125 } else { 2 };
            output.fails(own);
            assert!(!output.stderr.iter().any(|byte| *byte < 0x20 && *byte != b'\n'), "{output}");
            assert!(output.stdout.is_empty(), "{output}");
        }
    }
    assert!(snapshot(&world) == before, "something was changed");
    assert_eq!(world.asked(), 0);
}

#[test]
fn t_b2_no_group_sets_a_variable_that_steers_the_shell() {
    let world = World::with_vault();
    for name in STEERING {
        for args in [&["set", "dev", name][..], &["group", "link", "dev", name, "K00"]] {
            world.mima(args).stdin("x").run().fails(2).stderr_has(name);
        }
        world.write(".mima.yaml", format!("groups:\n  dev:\n    {name}: K00\n"));
        let output = world.mima(&["run", "dev", "--", "true"]).run();
        output.fails(125).stderr_has("~/.mima.yaml:3:5").stderr_has(name);
        std::fs::remove_file(world.home().join(".mima.yaml")).unwrap();
    }
}

#[test]
fn t_d9_no_name_leads_out_of_the_vault() {
    let world = World::with_vault();
    let before = files_below(world.root());
    for bad in ["../../x", "/abs", "..", "a/../../b", ".", "secrets/x"] {
        world.mima(&["secret", "add", "--", bad]).stdin("x").run().fails(2);
        world.mima(&["set", "--", bad, "VAR"]).stdin("x").run().fails(2);
    }
    assert_eq!(files_below(world.root()), before);
}
