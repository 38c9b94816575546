//! The quoters against the real shells: row B7 of the threat table.

use std::io::Write;
use std::process::{Command, Stdio};

use mima::shell::quote;

use crate::common::require;

/// How many random values each shell reads back.
const VALUES: usize = 100_000;

/// A small generator with a fixed seed, so that a failure comes again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // splitmix64, by Sebastiano Vigna, in the public domain.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    /// A value full of what shells care about. Never a NUL.
    fn value(&mut self) -> Vec<u8> {
        const PIECES: &[&str] = &[
            "'", "\"", "`", "$(", ")", "\\", "\n", "\r", "!", "%", "=", "-", "~", "#", ";", "&", "|",
            "*", "?", "[", "{", "}", "$x", "${x}", " ", "\t", "é", "\u{fdd0}", "\u{fdef}",
            "\u{f600}", "\u{f6ff}", "\u{10ffff}", "\u{feff}", "\\'", "a", "Z", "9", "\u{1b}", "\x7f",
            "\u{202e}", "e\u{301}", "\\x41", "\\u0041", "!!", "<(", ">", "^",
        ];
        let mut value = Vec::new();
        for _ in 0..self.below(12) {
            match self.below(4) {
                0 => value.push(u8::try_from(1 + self.below(255)).unwrap()),
                _ => value.extend_from_slice(PIECES[self.below(PIECES.len())].as_bytes()),
            }
        }
        value
    }
}

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
    let output = Command::new(program)
        .args(args)
        .arg(&file)
        .env_clear()
        .env("HOME", dir.path())
        .env("LANG", "C.UTF-8")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut got = output.stdout.split(|byte| *byte == 0);
    for value in &values {
        let got = got.next().unwrap_or_default();
        assert!(got == value, "{shell}: {:?} came back as {:?}", value.escape_ascii().to_string(), got.escape_ascii().to_string());
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
