//! The shells themselves say which names are theirs: rows B4 and B6 of the threat table.

use std::collections::BTreeSet;

use mima::names::{GroupName, VarName};

use crate::common::require;
use crate::common::world::World;

/// Loads all of zsh's modules but the one that only shows how to write one and the one for new
/// users: some of what they define is a variable, some a builtin.
const ZSH_MODULES: &str = "
    for dir in $module_path; for module in $dir/zsh/**/*.so(N); do
        module=${${module#$dir/}%.so}
        [[ $module == zsh/(example|newuser) ]] || zmodload $module 2>/dev/null
    done
    zmodload zsh/parameter || exit 1
";

/// Runs `script` in the real shell with an empty environment; gives the words that it prints.
fn words(shell: &str, script: &str) -> BTreeSet<String> {
    let Some(program) = require(shell) else { return BTreeSet::new() };
    let flags: &[&str] = match shell {
        "bash" => &["--norc", "-c"],
        "zsh" => &["-f", "-c"],
        _ => &["--no-config", "-c"],
    };
    let world = World::new();
    let command = world.command("env").arg("-i").arg(program).args(flags).arg(script);
    let words: BTreeSet<_> =
        command.run().ok().out().split_ascii_whitespace().map(str::to_owned).collect();
    assert!(words.len() > 20, "{shell} says only {words:?}");
    words
}

/// Fails if one of `variables`, other than `settable`, can be set. Names with characters that no
/// variable may have are refused anyway.
fn assert_refused(shell: &str, variables: &BTreeSet<String>, settable: &[&str]) {
    for name in variables {
        let refused = VarName::parse_settable(name).is_err();
        assert_eq!(refused, !settable.contains(&name.as_str()), "{shell}: {name}");
    }
}

#[test]
fn t_b4_what_bash_sets_itself_is_refused() {
    let facts = ["HOSTNAME", "HOSTTYPE", "MACHTYPE", "OSTYPE", "TERM"];
    assert_refused("bash", &words("bash", "compgen -v"), &facts);
}

#[test]
fn t_b4_what_is_special_in_zsh_is_refused() {
    let script = format!(
        "{ZSH_MODULES}
        for name type in ${{(kv)parameters}}; do
            [[ $type == (*special*|*readonly*|integer*|float*|array*|association*) ]] &&
                print -r -- $name
        done; true"
    );
    assert_refused("zsh", &words("zsh", &script), &["MANPATH"]);
}

#[test]
fn t_b4_what_fish_sets_itself_is_refused() {
    assert_refused("fish", &words("fish", "set --names"), &["USER"]);
}

#[test]
fn t_b6_no_wrapper_is_named_like_a_builtin_or_keyword() {
    let zsh = format!("{ZSH_MODULES} print -r -- ${{(k)builtins}} ${{(k)dis_builtins}} $reswords");
    for (shell, script) in
        [("bash", "compgen -b; compgen -k"), ("zsh", &zsh), ("fish", "builtin --names")]
    {
        for word in words(shell, script) {
            let wraps = GroupName::parse(&word).is_ok_and(|name| name.may_wrap());
            assert!(!wraps, "{shell}: {word}");
        }
    }
}
