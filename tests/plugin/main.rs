//! `age-plugin-mimatest`: an age plugin for the tests, written with age's own side of the
//! protocol, so that mima's is tested against something else than itself.
//!
//! It wraps a file key by exclusive-or with one byte, which protects nothing.
//!
//! - `MIMATEST_LOG`: a file that gets one line per use
//! - `MIMATEST_PIN`: the PIN to ask for
//! - `MIMATEST_CONFIRM`: a question to have confirmed
//! - `MIMATEST_FAIL`: what to complain about
//! - `MIMATEST_DIE`: end without a word

use std::ffi::OsString;
use std::io::Write;

use age_core::format::Stanza;
use age_core::plugin::{BidirSend, Connection, IDENTITY_V1, RECIPIENT_V1};
use age_core::secrecy::zeroize::Zeroize;

/// What marks the stanzas of this plugin.
const TAG: &str = "mimatest";
/// What a file key is combined with.
const KEY: u8 = 0x5a;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
type Phase<'a> = BidirSend<'a, std::io::Stdin, std::io::Stdout>;

fn main() -> Result<()> {
    let machine = std::env::args().nth(1).unwrap_or_default();
    log(&machine)?;
    if variable("MIMATEST_DIE").is_some() {
        return Ok(());
    }
    match machine.strip_prefix("--age-plugin=") {
        Some(RECIPIENT_V1) => wrap(),
        Some(IDENTITY_V1) => unwrap(),
        _ => Err("run by age only".into()),
    }
}

/// Says in the log that the plugin was used, and which of mima's variables it was given.
fn log(machine: &str) -> Result<()> {
    let Some(path) = variable("MIMATEST_LOG") else { return Ok(()) };
    let mut line = machine.to_owned();
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("MIMA_") || name.starts_with("__MIMA_") {
            line.push(' ');
            line.push_str(&name);
        }
    }
    line.push('\n');
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path)?;
    Ok(file.write_all(line.as_bytes())?)
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn wrap() -> Result<()> {
    let mut connection = Connection::accept();
    let (identities, keys, ..) = connection.unidir_receive::<_, _, (), (), (), _, _, _, _>(
        ("add-identity", |stanza| Ok(stanza.args)),
        ("wrap-file-key", |stanza| Ok(stanza.body)),
        (None, |_| Ok(())),
        (None, |_| Ok(())),
    )?;
    let identities = identities.unwrap_or_default();
    connection.bidir_send(|mut phase| {
        if identities.len() != 1 || !ask(&mut phase)? {
            return complain(&mut phase, "not allowed to wrap");
        }
        for (index, key) in keys.unwrap_or_default().into_iter().enumerate() {
            let body = key.iter().map(|byte| byte ^ KEY).collect();
            let stanza = Stanza { tag: TAG.to_owned(), args: vec!["x".to_owned()], body };
            answered(phase.send_stanza("recipient-stanza", &[&index.to_string()], &stanza)?)?;
        }
        Ok(())
    })?;
    Ok(())
}

fn unwrap() -> Result<()> {
    let mut connection = Connection::accept();
    let (_, stanzas, ..) = connection.unidir_receive::<_, _, (), (), (), _, _, _, _>(
        ("add-identity", |stanza| Ok(stanza.args)),
        ("recipient-stanza", Ok),
        (None, |_| Ok(())),
        (None, |_| Ok(())),
    )?;
    connection.bidir_send(|mut phase| {
        if !ask(&mut phase)? {
            return complain(&mut phase, "wrong PIN");
        }
        for stanza in stanzas.unwrap_or_default() {
            // The stanza's file, its tag, its arguments.
            if stanza.args.get(1).is_some_and(|tag| tag == TAG) {
                let mut key: Vec<u8> = stanza.body.iter().map(|byte| byte ^ KEY).collect();
                answered(phase.send("file-key", &["0"], &key)?)?;
                key.zeroize();
            }
        }
        Ok(())
    })?;
    Ok(())
}

/// Does what the variables ask for, and tells whether the person may go on.
fn ask(phase: &mut Phase<'_>) -> std::io::Result<bool> {
    answered(phase.send("msg", &[], b"touch the test key")?)?;
    if let Some(complaint) = variable("MIMATEST_FAIL") {
        complain(phase, &complaint.to_string_lossy())?;
    }
    if let Some(question) = variable("MIMATEST_CONFIRM") {
        let yes = phase.send("confirm", &["WWVz", "Tm8"], question.as_encoded_bytes())?;
        return Ok(yes.is_ok_and(|answer| answer.args == ["yes"]));
    }
    let Some(pin) = variable("MIMATEST_PIN") else { return Ok(true) };
    let answer = phase.send("request-secret", &[], b"PIN of the test key")?;
    Ok(answer.is_ok_and(|answer| answer.body == pin.as_encoded_bytes()))
}

fn complain(phase: &mut Phase<'_>, what: &str) -> std::io::Result<()> {
    answered(phase.send("error", &["internal"], what.as_bytes())?)
}

fn answered<E: std::fmt::Display>(answer: std::result::Result<Stanza, E>) -> std::io::Result<()> {
    answer.map(drop).map_err(|error| std::io::Error::other(error.to_string()))
}
