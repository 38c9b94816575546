//! The scenario format is tested here.

use super::*;

const TEXT: &str = "\
# t-x1: a claim
# shells: bash fish
-- a/b --
one

-- session --
$ cat a/b
one
$[fish bash] false; cd p

line

after a gap
! said
!
= 1

$ true
";

fn strings(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|&line| line.to_owned()).collect()
}

#[test]
fn a_file_is_taken_apart_and_put_together_again() {
    let scenario = Scenario::parse(TEXT).unwrap();
    assert_eq!(scenario.to_text(), TEXT);
    assert_eq!(scenario.shells(), ["bash", "fish"]);
    assert_eq!(scenario.header("vault"), None);
    assert_eq!(scenario.files, [("a/b".to_owned(), "one\n\n".to_owned())]);
    let step = &scenario.steps[1];
    assert_eq!(step.command, "false; cd p");
    assert_eq!(step.want.stdout, ["", "line", "", "after a gap"]);
    assert_eq!((step.want.stderr.clone(), step.want.status), (strings(&["said", ""]), 1));
    assert_eq!(scenario.steps_for("zsh", "mima"), [0, 2]);
    assert_eq!(scenario.steps_for("fish", "mima"), [0, 1, 2]);
}

#[test]
fn a_step_can_be_for_a_tool_alone() {
    let text = "-- session --\n$[mima zsh] a\n$[direnv] a\n$ b\n";
    let scenario = Scenario::parse(text).unwrap();
    assert_eq!(scenario.steps_for("zsh", "mima"), [0, 2]);
    assert_eq!(scenario.steps_for("bash", "mima"), [2]);
    assert_eq!(scenario.steps_for("zsh", "direnv"), [1, 2]);
    assert!(scenario.differs());
    assert!(!Scenario::parse("-- session --\n$[mima] a\n$[direnv] b\n").unwrap().differs());
}

#[test]
fn a_file_that_is_wrong_is_refused_with_the_line() {
    let error = |text: &str| Scenario::parse(text).unwrap_err();
    assert_eq!(error("# x\n"), "no command in `-- session --`");
    assert_eq!(error("x\n"), "line 1: neither `# ` nor `-- file --`");
    assert_eq!(error("-- session --\nx\n"), "line 2: a session begins with `$ `");
    assert_eq!(error("-- session --\n$ x\n= y\n"), "line 3: no status after `= `");
    assert_eq!(error("-- session --\n$[ksh] x\n"), "line 2: no such shell: ksh");
}

#[test]
fn wildcards_stand_for_anything_within_a_line() {
    for (want, got, matches) in [
        ("abc", "abc", true),
        ("abc", "abcd", false),
        ("[..]", "", true),
        ("a[..]c", "ac", true),
        ("a[..]c", "abcbc", true),
        ("a[..]c", "abcb", false),
        ("a[..]b[..]", "axbx", true),
        ("[..]ß[..]", "äßü", true),
        ("", "x", false),
    ] {
        assert_eq!(line_matches(want, got), matches, "{want:?} {got:?}");
    }
}

#[test]
fn dots_stand_for_any_lines() {
    for (want, got, matches) in [
        (&["..."][..], &[][..], true),
        (&["..."], &["a", "b"], true),
        (&["a", "...", "d"], &["a", "b", "c", "d"], true),
        (&["a", "...", "d"], &["a", "d"], true),
        (&["a", "...", "d"], &["a", "b"], false),
        (&["...", "b", "..."], &["a", "b", "c"], true),
        (&["a"], &["a", "b"], false),
        (&["a", "b"], &["a"], false),
    ] {
        assert_eq!(lines_match(&strings(want), &strings(got)), matches, "{want:?} {got:?}");
    }
}

#[test]
fn paths_of_the_world_are_named() {
    let root = Path::new("/none/such");
    let got = lines("/none/such/home/x\n/none/such/tmp\n\nend\n\n\n", root);
    assert_eq!(got, ["[HOME]/x", "[ROOT]/tmp", "", "end"]);
}
