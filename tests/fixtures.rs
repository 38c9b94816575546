//! Makes what lies in `tests/fixtures`, once per released format: the files are kept for
//! ever, because every later mima must read them. (threat E10)

use std::io::Write;
use std::path::Path;

use age::secrecy::ExposeSecret;
use mima::names::SecretName;
use mima::paths::Paths;
use mima::prompt::{Prompter, Reason};
use mima::secret::Secret;
use mima::store::vault::Vault;
use mima::store::{Existing, Store};

use crate::common::world::{PASSPHRASE, VALUE, copy_tree, write_executable};

/// How much work the passphrase of a fixture takes: little, so that tests are fast. mima has
/// no way to make such a vault, so this is written with `age` itself.
const LOG_N: u8 = 10;

#[test]
#[ignore = "makes the fixture"]
fn make_vault_v1() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vault-v1");
    assert!(!fixture.exists(), "a fixture is never made anew");
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths::in_dir(dir.path().join("data"));
    std::fs::create_dir_all(paths.vault()).unwrap();
    std::fs::write(paths.vault().join("format"), "mima-vault 1\n").unwrap();
    let key = age::x25519::Identity::generate();
    let recipients = format!("{}\n", key.to_public());
    std::fs::write(paths.vault().join("recipients.txt"), recipients).unwrap();
    let text = format!("{}\n", key.to_string().expose_secret());
    std::fs::write(paths.vault().join("identity.age"), by_passphrase(&text, LOG_N)).unwrap();

    let askpass = dir.path().join("askpass");
    write_executable(&askpass, &format!("#!/bin/sh\necho {PASSPHRASE}\n"));
    let vault = Vault::new(&paths, Prompter::with_askpass(askpass));
    vault.accept_recipients(&Reason::new("fixture")).unwrap();
    for number in 0..50 {
        let name = SecretName::parse(&format!("K{number:02}")).unwrap();
        let value = Secret::new(format!("{VALUE}{number:02}").into_bytes());
        vault.put(&name, &value, Existing::Keep).unwrap();
    }
    std::fs::create_dir_all(&fixture).unwrap();
    copy_tree(&paths.vault(), &fixture.join("vault"));
    std::fs::copy(paths.vault_pins(), fixture.join("vault.pins")).unwrap();
}

/// Encrypts `text` by the fixtures' passphrase, with work of 2^`log_n`.
pub(crate) fn by_passphrase(text: &str, log_n: u8) -> Vec<u8> {
    let mut recipient = age::scrypt::Recipient::new(PASSPHRASE.into());
    recipient.set_work_factor(log_n);
    let recipient: &dyn age::Recipient = &recipient;
    encrypt(&[recipient], text.as_bytes())
}

/// Encrypts `plain` to `recipients`.
pub(crate) fn encrypt(recipients: &[&dyn age::Recipient], plain: &[u8]) -> Vec<u8> {
    let encryptor = age::Encryptor::with_recipients(recipients.iter().copied()).unwrap();
    let mut sealed = Vec::new();
    let mut writer = encryptor.wrap_output(&mut sealed).unwrap();
    writer.write_all(plain).unwrap();
    writer.finish().unwrap();
    sealed
}
