//! The README's transcripts, typed on a real terminal.

use crate::common::pty::Pty;
use crate::common::world::World;

/// What is typed at a prompt whose label holds the first text.
const ANSWERS: [(&str, &str); 2] = [("Value of", "sk_test_4242"), ("assphrase", "correct horse")];

#[test]
fn the_readmes_sessions_are_true() {
    let readme = include_str!("../README.md");
    let blocks: Vec<_> = readme
        .split("<!-- executed by tests/readme.rs -->\n```console\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert_eq!(blocks.len(), readme.matches("```console").count(), "a session is not executed");
    assert!(blocks.len() > 3);
    let mut world = World::new();
    world.guard("correct horse");
    let mut command = world.command("/bin/bash").args(["--norc", "--noprofile", "-i"]);
    command = command.env("PS1", "$ ").env("HISTFILE", "").env("TERM", "dumb");
    let mut pty = Pty::spawn(&mut command.std());
    for line in blocks.iter().flat_map(|block| block.lines()) {
        if let Some(typed) = line.strip_prefix("$ ") {
            pty.expect("$ ");
            pty.send_line(typed);
            pty.expect(&format!("{typed}\r\n"));
        } else if let Some((_, answer)) =
            ANSWERS.iter().find(|(label, _)| line.contains(label) && line.ends_with(':'))
        {
            pty.expect_next(&format!("{line} "));
            pty.send_line(answer);
            pty.expect_next("\r\n");
        } else if let Some(question) = line.strip_suffix("[y/N] y") {
            pty.expect_next(&format!("{question}[y/N] "));
            pty.send_line("y");
            pty.expect_next("y\r\n");
        } else {
            pty.expect_next(&format!("{line}\r\n"));
        }
    }
    pty.expect_next("$ ");
}
