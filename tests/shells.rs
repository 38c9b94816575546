//! The files of `shells/`: linted as they are, and silent however strict the shell is.

use std::path::{Path, PathBuf};

use crate::common::hooked::{each, said_in};
use crate::common::require;
use crate::common::world::World;

/// What the kinds of files are called, without their shell.
const KINDS: [&str; 3] = ["mima", "export", "complete"];

fn file(kind: &str, shell: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("shells").join(format!("{kind}.{shell}"))
}

/// Runs a linter over the files of a shell.
fn lint(shell: &str, program: &str, args: &[&str]) {
    let Some(program) = require(program) else { return };
    for kind in KINDS {
        let linter = World::new().command(&program).args(args).arg(file(kind, shell)).run();
        linter.ok().stdout_is("").quiet();
    }
}

#[test]
fn every_file_is_one_of_those_that_are_linted() {
    let mut found: Vec<_> =
        std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("shells")).unwrap().collect();
    assert_eq!(found.len(), 9, "{found:?}");
    for shell in crate::common::hooked::SHELLS {
        let ours = KINDS.map(|kind| file(kind, shell));
        found.retain(|entry| !ours.contains(&entry.as_ref().unwrap().path()));
    }
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn shellcheck_finds_nothing() {
    lint("bash", "shellcheck", &["--norc", "--enable=all"]);
}

#[test]
fn shfmt_changes_nothing() {
    lint("bash", "shfmt", &["-d", "-i", "4", "-ln", "bash"]);
}

#[test]
fn bash_zsh_and_fish_can_read_them() {
    lint("bash", "bash", &["-n"]);
    lint("zsh", "zsh", &["-fn"]);
    lint("fish", "fish", &["--no-config", "--no-execute"]);
}

#[test]
fn fish_indent_changes_nothing() {
    lint("fish", "fish_indent", &["--check"]);
}

/// How a shell is told to be strict.
fn strict<'a>(shell: &str) -> &'a [&'a str] {
    match shell {
        "bash" => &["--noprofile", "--norc", "-euo", "pipefail"],
        "zsh" => &["-feu", "-o", "pipefail", "-o", "warn_create_global", "-o", "typeset_silent"],
        _ => &["--no-config"],
    }
}

#[test]
fn the_hook_loads_silently_once_and_twice() {
    each(|shell| {
        let world = World::new();
        let load = match shell {
            "fish" => "mima hook fish | source; ",
            "zsh" => "eval \"$(mima hook zsh)\"; ",
            _ => "eval \"$(mima hook bash)\"; ",
        };
        let call = said_in(shell, ["__mima_prompt", "__mima_precmd", "__mima_prompt"]);
        for script in [load.to_owned(), load.repeat(2), format!("{load}{call}; {call}")] {
            let run = world.command(shell).args(strict(shell)).arg("-c").arg(&script).run();
            run.ok().stdout_is("").quiet();
        }
    });
}

#[test]
fn whatever_is_exported_loads_silently() {
    each(|shell| {
        let mut world = World::with_vault();
        world.set_env("MIMA_QUIET", "1");
        for (dir, text) in [
            ("empty", ""),
            ("env", "env: {A: \"it's\", B: ''}\nunset: [LANG, NEVER_SET]\nPATH_add: [bin]\n"),
            ("groups", "groups: {dev: {TOKEN: K00}, a.b-c: {X: K01}, '1': {Y: K02}}\n"),
            ("upper", "source_up: true\nwatch_file: [w, none]\nenv: {C: x}\n"),
            ("exported", "auto_export: true\ngroups: {dev: {TOKEN: K00}}\n"),
        ] {
            world.write(&format!("{dir}/.mima.yaml"), text);
            world.write(&format!("{dir}/w"), "");
            world.mima(&["allow", "--yes"]).cwd(world.home().join(dir)).run().ok();
        }
        world.write("outside/file", "");
        let load = |options: &str| match shell {
            "fish" => format!("mima export fish {options} | source; "),
            _ => format!("eval \"$(mima export {shell} {options})\"; "),
        };
        for options in ["", "--coarse", "--reload", "--typed", "--off", "--reload --typed"] {
            for dir in ["empty", "env", "groups", "upper", "exported", "outside"] {
                // Without having been asked for, a secret is not exported, and that is said.
                let is_asked = dir != "exported" || options.contains("typed");
                if !is_asked && options != "--off" {
                    continue;
                }
                let stale = "__mima_stale; ";
                let stale = if dir == "outside" || options == "--off" { "" } else { stale };
                let tested = said_in(
                    shell,
                    ["if __mima_stale; then :; fi; ", "if __mima_stale; then :; fi; ", stale],
                );
                let tested = if stale.is_empty() { "" } else { tested };
                let leave = format!("cd ../outside; {}", load(""));
                let script = format!("{}{tested}{}{leave}", load(options), load(options));
                let run = world.command(shell).args(strict(shell)).arg("-c").arg(&script);
                run.cwd(world.home().join(dir)).run().ok().stdout_is("").quiet();
            }
        }
    });
}
