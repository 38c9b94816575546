//! The vault: what reading secrets costs beyond the decryption itself.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use mima::names::SecretName;
use mima::paths::Paths;
use mima::prompt::{Prompter, Reason};
use mima::store::Store;
use mima::store::vault::Vault;

use crate::measure::in_turns;
use crate::report::Report;

/// How many rounds count.
const ROUNDS: u32 = 200;
/// What a ratio may be at most.
const LIMIT: f64 = 1.5;

/// Measures all there is about the vault.
pub(crate) fn measure(report: &mut Report, scratch: &Path, mima: &Path, hello: &Path) {
    let home = scratch.join("vault-home");
    let askpass = prepare(scratch, &home);
    let read = secrets(&home, &askpass);
    let run = whole_runs(mima, &home, &askpass, read.2);
    let mut rows = vec![read, run];
    // A user file as people have it: reading it is most of what listing takes.
    let vars = "{ A: K00, B: K01, C: K02 }";
    std::fs::write(home.join("mima.yaml"), format!("groups:\n  dev: {vars}\n  ci: {vars}\n"))
        .unwrap();
    for args in [&["--version"][..], &["secret", "list"]] {
        let run = |program: &Path, args: &[&str]| {
            let mut command = Command::new(program);
            command
                .args(args)
                .env("MIMA_HOME", &home)
                .env("MIMA_STORE", "vault")
                .stdout(Stdio::null());
            assert!(command.status().unwrap().success());
        };
        let (ours, bare) = in_turns(ROUNDS, || run(mima, args), || run(hello, &[]));
        let what = args.join(" ").replace("--", "its ");
        rows.push((format!("mima, {what} / a hello world"), ours, bare));
    }
    report.table(&["beside a bare program", "ratio"]);
    for (what, ours, bare) in rows {
        let ratio = ours.as_secs_f64() / bare.as_secs_f64();
        report.row(&what, &[Some(ratio)]);
        report.limit(&what, ratio, LIMIT);
    }
}

/// Makes a home with the vault of 50 secrets that the tests use, and its passphrase helper.
pub(crate) fn prepare(scratch: &Path, home: &Path) -> PathBuf {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vault-v1");
    let script = "umask 077; cp -R \"$1\" \"$2\"; chmod -R go= \"$2\"";
    let copied = Command::new("sh").args(["-c", script, "sh"]).arg(fixture).arg(home).status();
    assert!(copied.unwrap().success());
    let askpass = scratch.join("askpass");
    std::fs::write(&askpass, "#!/bin/sh\necho mima-test-passphrase\n").unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&askpass, executable).unwrap();
    askpass
}

/// Reads 50 secrets after one unlock, against a loop that does nothing but decrypt the same
/// files with the age crate.
fn secrets(home: &Path, askpass: &Path) -> (String, Duration, Duration) {
    let vault =
        Vault::new(&Paths::in_dir(home.to_owned()), Prompter::with_askpass(askpass.to_owned()));
    let names: Vec<SecretName> = vault.names().unwrap();
    assert_eq!(names.len(), 50);
    let unlocked = vault.unlock(&Reason::new("the benchmark")).unwrap();
    let identity = identity(home);
    let files: Vec<_> =
        names.iter().map(|name| home.join(format!("vault/secrets/{name}.age"))).collect();
    let (ours, bare) = in_turns(
        ROUNDS,
        || names.iter().for_each(|name| assert!(unlocked.get(name).unwrap().len() == 12)),
        || {
            for file in &files {
                let sealed = std::fs::read(file).unwrap();
                let decryptor = age::Decryptor::new_buffered(sealed.as_slice()).unwrap();
                let identity: &dyn age::Identity = &identity;
                let mut plain = Vec::new();
                decryptor
                    .decrypt(std::iter::once(identity))
                    .unwrap()
                    .read_to_end(&mut plain)
                    .unwrap();
                assert!(plain.len() == 12);
            }
        },
    );
    ("reading 50 secrets / a bare age loop".to_owned(), ours, bare)
}

/// What the 49 more secrets of a `run` of 50 cost, prompt, scrypt and exec included in both,
/// against 49 decrypted by the bare loop.
fn whole_runs(
    mima: &Path,
    home: &Path,
    askpass: &Path,
    bare: Duration,
) -> (String, Duration, Duration) {
    std::fs::write(home.join("mima.yaml"), groups()).unwrap();
    let run = |group: &str| {
        let mut command = Command::new(mima);
        command.args(["run", group, "--", "true"]);
        let status = command
            .env("MIMA_HOME", home)
            .env("MIMA_STORE", "vault")
            .env("MIMA_ASKPASS", askpass)
            .status();
        assert!(status.unwrap().success());
    };
    let (all, one) = in_turns(ROUNDS, || run("all"), || run("one"));
    let what = "49 more secrets in a `run` / the loop";
    (what.to_owned(), all.saturating_sub(one), bare * 49 / 50)
}

/// A user file with two groups: `all` has 50 secrets, and `one` a single one.
pub(crate) fn groups() -> String {
    let links =
        |count| (0..count).map(|i| format!("    V{i}: K{i:02}\n")).collect::<Vec<_>>().concat();
    format!("groups:\n  all:\n{}  one:\n{}", links(50), links(1))
}

/// Opens the vault's key with the age crate alone.
fn identity(home: &Path) -> age::x25519::Identity {
    let sealed = std::fs::read(home.join("vault/identity.age")).unwrap();
    let passphrase = age::secrecy::SecretString::from("mima-test-passphrase");
    let scrypt = age::scrypt::Identity::new(passphrase);
    let scrypt: &dyn age::Identity = &scrypt;
    let mut text = String::new();
    let decryptor = age::Decryptor::new_buffered(sealed.as_slice()).unwrap();
    decryptor.decrypt(std::iter::once(scrypt)).unwrap().read_to_string(&mut text).unwrap();
    text.trim().parse().unwrap()
}
