//! The quoters against the real shells: row B7 of the threat table.

use std::io::Write;
use std::process::{Command, Stdio};

use mima::shell::quote;

use crate::common::random::Random;
use crate::common::{require, spawn};

/// How many random values each shell reads back.
const VALUES: usize = 100_000;

/// Has `shell` read a script of quoted values, and prints each with a NUL.
fn round_trip(shell: &str, args: &[&str], quote: fn(&[u8]) -> Vec<u8>) {
    let Some(program) = require(shell) else { return };
    let mut random = Random(42);
    let values: Vec<_> = (0..VALUES).map(|_| random.value()).collect();
    let mut script = b"".to_vec();
    for value in &values {
        script.extend_from_slice(b"printf '%s\\0' ");
        script.extend_from_slice(&quote(value));
        script.push(b'\n');
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("script");
    std::fs::File::create(&file).unwrap().write_all(&script).unwrap();
    let mut command = Command::new(program);
    command.args(args).arg(&file).env_clear().env("HOME", dir.path()).env("LANG", "C.UTF-8");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = spawn(&mut command).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut got = output.stdout.split(|byte| *byte == 0);
    for value in &values {
        let got = got.next().unwrap_or_default();
        assert!(
            got == value,
            "{shell}: {:?} came back as {:?}",
            value.escape_ascii().to_string(),
            got.escape_ascii().to_string()
        );
    }
    assert_eq!(got.next(), Some(&b""[..]));
}

#[test]
fn t_b7_bash_reads_back_what_was_quoted() {
    round_trip("bash", &["--norc", "--noprofile"], |value| quote::posix(value).to_vec());
}

#[test]
fn t_b7_zsh_reads_back_what_was_quoted() {
    round_trip("zsh", &["-f"], |value| quote::posix(value).to_vec());
}

#[test]
fn t_b7_dash_reads_back_what_was_quoted() {
    round_trip("dash", &[], |value| quote::posix(value).to_vec());
}

#[test]
fn t_b7_fish_reads_back_what_was_quoted() {
    round_trip("fish", &["--no-config"], |value| quote::fish(value).to_vec());
}
