//! README, `--help`, manual page and completions say the same.

use std::collections::BTreeSet;

use clap::{Arg, Command, CommandFactory};

use crate::common::leaks::files_below;
use crate::common::world::World;

fn readme() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap()
}

/// Every command that has none below it, as one types it, with its arguments.
fn commands() -> Vec<(String, Vec<Arg>)> {
    fn walk(command: &Command, path: &str, found: &mut Vec<(String, Vec<Arg>)>) {
        let shown = |sub: &&Command| sub.get_name() != "help" && !sub.is_hide_set();
        for sub in command.get_subcommands().filter(shown) {
            let path = format!("{path}{}", sub.get_name());
            if sub.has_subcommands() {
                walk(sub, &format!("{path} "), found);
            } else {
                found.push((path, sub.get_arguments().cloned().collect()));
            }
        }
    }
    let mut root = mima::cli::Cli::command();
    root.build();
    let mut found = Vec::new();
    walk(&root, "", &mut found);
    assert!(found.len() > 15, "{found:?}");
    found
}

fn flags(args: &[Arg]) -> impl Iterator<Item = String> {
    let long = args.iter().filter(|arg| !arg.is_hide_set()).filter_map(Arg::get_long);
    long.filter(|flag| *flag != "help").map(|flag| format!("--{flag}"))
}

#[test]
fn every_command_and_flag_is_in_the_readme() {
    let readme = readme();
    let table = readme.split("## The commands").nth(1).unwrap().split("\n## ").next().unwrap();
    for (command, args) in commands() {
        let (verb, sub) = command.split_once(' ').unwrap_or((&command, ""));
        let rows: Vec<_> =
            table.lines().filter(|row| row.contains(&format!("`mima {verb}"))).collect();
        assert!(rows.iter().any(|row| row.contains(sub)), "`mima {command}` is not in the README");
        for flag in flags(&args) {
            let named = rows.iter().any(|row| row.contains(&flag));
            assert!(named, "`mima {command} {flag}` is not in the README");
        }
    }
    assert!(table.contains("--as-root"));
}

#[test]
fn the_readme_names_no_command_or_flag_that_is_not_there() {
    let known: Vec<_> =
        commands().into_iter().flat_map(|(_, args)| flags(&args).collect::<Vec<_>>()).collect();
    let readme = readme();
    let words = readme.split(|c: char| c.is_whitespace() || "`[]()|,;".contains(c));
    for flag in words.filter(|word| {
        word.starts_with("--") && word[2..].starts_with(|c: char| c.is_ascii_alphabetic())
    }) {
        let known =
            known.iter().any(|known| known == flag) || ["--as-root", "--help"].contains(&flag);
        assert!(known, "the README names {flag}");
    }
    let verbs: Vec<_> =
        mima::cli::Cli::command().get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let table = readme.split("## The commands").nth(1).unwrap();
    for after in table.split("`mima ").skip(1) {
        let verb = after.split(|c: char| !c.is_ascii_alphabetic() && c != '-').next().unwrap();
        assert!(
            verb.starts_with('-') || verbs.iter().any(|known| known == verb),
            "the README names mima {verb}"
        );
    }
}

#[test]
fn every_command_and_flag_is_in_help_man_and_completions() {
    let world = World::new();
    let man = world.mima(&["man"]).run().ok().quiet().out().replace("\\-", "-");
    let completions: Vec<_> = ["bash", "zsh", "fish"]
        .into_iter()
        .map(|shell| world.mima(&["completions", shell]).run().ok().quiet().out())
        .collect();
    for (command, args) in commands() {
        assert!(
            man.contains(&format!(".SS mima {command}\n")),
            "{command} is not in the manual page"
        );
        let words: Vec<_> = command.split(' ').chain(["--help"]).collect();
        let help = world.mima(&words).run().ok().quiet().out();
        let section = man.split(&format!(".SS mima {command}\n")).nth(1).unwrap();
        let section = section.split("\n.S").next().unwrap();
        for flag in flags(&args) {
            assert!(help.contains(&flag), "{flag} is not in the help of {command}");
            assert!(section.contains(&flag), "{flag} of {command} is not in the manual page");
            for script in &completions {
                let bare = flag.trim_start_matches('-');
                assert!(script.contains(bare), "{flag} of {command} is not in the completions");
            }
        }
        for arg in args.iter().filter(|arg| !arg.is_hide_set()) {
            let text = arg.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(!text.is_empty(), "{command}: {} has no help", arg.get_id());
        }
    }
    for variable in [
        "MIMA_HOME",
        "MIMA_STORE",
        "MIMA_ASKPASS",
        "MIMA_QUIET",
        "MIMA_DIR",
        "MIMA_GROUPS",
        "NO_COLOR",
    ] {
        let help = world.mima(&["--help"]).run().ok().out();
        for text in [&help, &man, &readme()] {
            assert!(text.contains(variable), "{variable}");
        }
    }
}

#[test]
fn both_files_are_described_alike_in_the_readme_and_the_manual_page() {
    let (world, readme) = (World::new(), readme());
    let man = world.mima(&["man"]).run().ok().quiet().out();
    let files = man.split(".SH FILES\n").nth(1).unwrap().split("\n.SH ").next().unwrap();
    let files = format!("{files}\n").replace("\\-", "-").replace("\n\\&", "\n");
    for (name, example) in [
        ("~/.mima.yaml", mima::config::user::EXAMPLE),
        (".mima.yaml", mima::config::project::EXAMPLE),
    ] {
        assert!(readme.contains(&format!("\n```yaml\n{example}```\n")), "{name}");
        let section = files.split(&format!(".SS {name}\n")).nth(1).unwrap();
        assert!(section.contains(&format!("\n.nf\n{example}.fi\n")), "{name}: {section}");
    }
}

#[test]
fn the_help_of_a_command_begins_with_its_line_in_the_list() {
    let world = World::new();
    let help = |words: &[&str]| world.mima(&[words, &["--help"]].concat()).run().ok().quiet().out();
    let list = |help: &str| -> Vec<(String, String)> {
        let rows = help.split("Commands:\n").nth(1).unwrap_or_default().lines();
        rows.take_while(|row| !row.is_empty())
            .filter_map(|row| row.trim().split_once(' '))
            .map(|(verb, about)| (verb.to_owned(), about.trim().to_owned()))
            .filter(|(verb, _)| verb != "help")
            .collect()
    };
    let verbs = list(&help(&[]));
    assert!(verbs.len() > 15, "{verbs:?}");
    for (verb, about) in verbs {
        let own = help(&[&verb]);
        assert_eq!(own.lines().next(), Some(&*about), "mima {verb}");
        for (sub, about) in list(&own) {
            assert_eq!(help(&[&verb, &sub]).lines().next(), Some(&*about), "mima {verb} {sub}");
        }
    }
}

#[test]
fn what_is_hidden_is_in_no_help_man_or_completions() {
    fn walk(command: &Command, hidden: &mut BTreeSet<String>, shown: &mut BTreeSet<String>) {
        for arg in command.get_arguments() {
            if let Some(flag) = arg.get_long() {
                let flags = if arg.is_hide_set() { &mut *hidden } else { &mut *shown };
                flags.insert(flag.to_owned());
            }
        }
        command.get_subcommands().for_each(|sub| walk(sub, hidden, shown));
    }
    let mut root = mima::cli::Cli::command();
    root.build();
    let (mut hidden, mut shown) = (BTreeSet::new(), BTreeSet::new());
    walk(&root, &mut hidden, &mut shown);
    let hidden: Vec<_> = hidden.difference(&shown).collect();
    assert!(hidden.len() > 3, "{hidden:?}");
    let world = World::new();
    let print = |args: &[&str]| world.mima(args).run().ok().quiet().out().replace("\\-", "-");
    let man = print(&["man"]);
    assert!(!man.contains("mima complete\n"), "the manual page has the hidden command");
    assert!(!print(&["--help"]).contains("  complete "), "the help has the hidden command");
    for shell in ["bash", "zsh", "fish"] {
        let script = print(&["completions", shell]);
        for offer in ["mima,complete)", "'complete:", "-a \"complete\"", " complete "] {
            let line = |line: &&str| line.contains(offer) && line.contains("opts=");
            let found = if offer == " complete " {
                script.lines().any(|text| line(&text))
            } else {
                script.contains(offer)
            };
            assert!(!found, "{shell} offers the hidden command");
        }
        for flag in &hidden {
            // fish has flags without their dashes.
            for offer in [format!("--{flag}"), format!("-l {flag} ")] {
                assert!(!script.contains(&offer), "{shell} offers {offer}");
                assert!(!man.contains(&offer), "the manual page has {offer}");
            }
        }
    }
}

#[test]
fn completions_are_valid_and_offer_no_value() {
    let world = World::new();
    for (shell, check) in [
        ("bash", &["bash", "-n"][..]),
        ("zsh", &["zsh", "-n"]),
        ("fish", &["fish", "--no-execute"]),
    ] {
        let script = world.mima(&["completions", shell]).run().ok().out();
        assert!(!script.contains("::value"), "{shell} offers the value of `secret add`");
        let file = world.write(&format!("mima.{shell}"), &script);
        let Some(program) = crate::common::require(check[0]) else { continue };
        world.command(program).args(&check[1..]).arg(file).run().ok().quiet();
    }
}

#[test]
fn mistakes_on_the_command_line_are_explained_without_repeating_arguments() {
    let world = World::new();
    let canary = world.canary().to_owned();
    for args in [
        &["secret", "add", "NAME", "x", &canary][..],
        &["secret", "get", "x", &canary],
        &["set", "dev", "VAR", &canary],
        &["secret", "add", "x", "--raw=", &canary],
        &["secret", "list", "x"],
        &["secret", "add", "x", &format!("-----BEGIN {canary}-----")],
        &["secret", "add", "x", &format!("--{canary}")],
        &["secret", "add", &format!("{canary}/x"), "K"],
        &["secret", &canary],
        &[&canary],
        &["secret", "list", &format!("--json={canary}")],
        &["env", "dev", "--shell", &canary],
    ] {
        // The world fails the test if a message holds the canary.
        world.mima(args).run().fails(2).stdout_is("").stderr_has("hint: ");
    }
    world.mima(&["off", "now"]).run().fails(2).stderr_has("mima: too many arguments\n");
    world.mima(&["secret", "list", "--x"]).run().fails(2).stderr_has("no flag `--x`");
    world.mima(&["secert"]).run().fails(2).stderr_has("did you mean `secret`?");
    world.mima(&[]).run().fails(2).stderr_has("Usage: mima");
    world
        .mima(&["--version"])
        .run()
        .ok()
        .stdout_is(format!("mima {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_row_of_the_threat_table_is_known_and_every_test_has_its_row() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = std::fs::read_to_string(root.join("tests/threats.md")).unwrap();
    let rows: BTreeSet<_> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(' ').next())
        .filter(|row| row.len() > 1 && row[1..].bytes().all(|byte| byte.is_ascii_digit()))
        .collect();
    assert!(rows.len() > 50, "{rows:?}");
    let mut shown = BTreeSet::new();
    let mut named = BTreeSet::new();
    for dir in ["src", "tests"] {
        for file in files_below(&root.join(dir)) {
            if file.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(&file).unwrap();
            for test in text.lines().filter_map(|line| line.trim_start().strip_prefix("fn t_")) {
                shown.insert(test.split('_').next().unwrap().to_uppercase());
            }
            for comment in text.split(concat!("(thr", "eat")).skip(1) {
                let inside = comment.split(')').next().unwrap().trim_start_matches(['s', ':']);
                let words = inside.split(|c: char| !c.is_ascii_alphanumeric());
                named.extend(words.filter(|word| rows.contains(word)).map(str::to_owned));
                let first = inside.split([',', '–', ';']).next().unwrap().trim();
                assert!(rows.contains(first), "{}: {first}", file.display());
            }
        }
    }
    for row in &shown {
        assert!(rows.contains(row.as_str()), "a test is named after {row}, which is no row");
    }
    for row in &rows {
        assert!(shown.contains(*row) || named.contains(*row), "nothing shows row {row}");
    }
}
