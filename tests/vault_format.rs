//! The vault's files, whole and damaged: what is read, what is refused, what is left alone.
//! In-process, on the fixture; `tests/vault.rs` has the verbs.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use mima::error::{Failure, Kind};
use mima::names::SecretName;
use mima::paths::Paths;
use mima::prompt::{Prompter, Reason};
use mima::secret::Secret;
use mima::store::vault::{PinState, Vault};
use mima::store::{Existing, Store, Unlocked};

use crate::common::SPAWNING;
use crate::common::world::World;
use crate::fixtures::{by_passphrase, encrypt};

/// How soon a hostile file has to be refused.
const SOON: Duration = Duration::from_millis(50);

#[test]
fn t_e10_the_vault_of_format_1_is_read() {
    let world = World::with_vault();
    let vault = vault(&world);
    let names: Vec<String> = vault.names().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(names, (0..50).map(|n| format!("K{n:02}")).collect::<Vec<_>>());
    let unlocked = unlock(&vault).unwrap();
    for name in names {
        assert_eq!(get(&*unlocked, &name).unwrap(), format!("value-of-{name}"));
    }
    assert_eq!(vault.pin_state().unwrap(), PinState::Confirmed);
}

#[test]
fn t_e10_another_format_is_refused() {
    let world = World::with_vault();
    let format = world.data().join("vault/format");
    let newer = "this vault is of format 2; this mima knows 1: upgrade mima";
    for (content, kind, says) in [
        (Some("mima-vault 2\n"), Kind::Failed, newer),
        (Some("mima-vault 2"), Kind::Failed, newer),
        (Some(""), Kind::Damaged, "is damaged"),
        (Some("mima-vault\n"), Kind::Damaged, "is damaged"),
        (Some("mima-vault 01\n"), Kind::Damaged, "is damaged"),
        (Some("mima-vault 1\nmore\n"), Kind::Damaged, "is damaged"),
        (Some("mima-vault 99999999999\n"), Kind::Damaged, "is damaged"),
        (None, Kind::Damaged, "is missing"),
    ] {
        match content {
            Some(content) => std::fs::write(&format, content).unwrap(),
            None => std::fs::remove_file(&format).unwrap(),
        }
        let vault = vault(&world);
        for failure in [
            vault.names().unwrap_err(),
            unlock(&vault).err().unwrap(),
            put(&vault, "new").unwrap_err(),
            vault.remove(&name("K00")).unwrap_err(),
        ] {
            assert_eq!(failure.kind(), kind, "{content:?}: {failure}");
            assert!(failure.to_string().contains(says), "{content:?}: {failure}");
        }
    }
    assert_eq!(world.asked(), 0);
}

#[test]
fn t_e6_no_truncated_secret_is_accepted() {
    let world = World::with_vault();
    let vault = vault(&world);
    let unlocked = unlock(&vault).unwrap();
    let file = secret(&world, "K07");
    let whole = std::fs::read(&file).unwrap();
    for length in 0..whole.len() {
        let cut = &whole[..length];
        std::fs::write(&file, cut).unwrap();
        let failure = get(&*unlocked, "K07").unwrap_err();
        assert_eq!(failure.kind(), Kind::Damaged, "{length} bytes: {failure}");
        assert!(failure.to_string().contains("K07.age"), "{failure}");
        assert!(std::fs::read(&file).unwrap() == cut, "{length} bytes: the file was touched");
    }
    assert_eq!(get(&*unlocked, "K08").unwrap(), "value-of-K08", "the rest is not lost");
}

#[test]
fn t_e6_no_secret_with_a_flipped_bit_is_accepted() {
    let world = World::with_vault();
    let vault = vault(&world);
    let unlocked = unlock(&vault).unwrap();
    let file = secret(&world, "K07");
    let whole = std::fs::read(&file).unwrap();
    for (at, flipped) in flips(&whole) {
        std::fs::write(&file, &flipped).unwrap();
        let failure = get(&*unlocked, "K07").unwrap_err();
        assert_eq!(failure.kind(), Kind::Damaged, "bit {at}: {failure}");
        assert!(std::fs::read(&file).unwrap() == flipped, "bit {at}: the file was touched");
    }
}

#[test]
fn t_e6_no_damaged_key_is_accepted() {
    let world = World::with_vault();
    let vault = vault(&world);
    let file = world.data().join("vault/identity.age");
    let whole = std::fs::read(&file).unwrap();
    let cuts = (0..whole.len()).step_by(7).map(|length| (length, whole[..length].to_vec()));
    let some = flips(&whole).step_by(11);
    for (at, damaged) in some.chain(cuts) {
        std::fs::write(&file, &damaged).unwrap();
        let failure = unlock(&vault).err().unwrap();
        let refused = matches!(failure.kind(), Kind::Damaged | Kind::WrongKey);
        assert!(refused, "at {at}: {failure}");
        assert!(std::fs::read(&file).unwrap() == damaged, "at {at}: the file was touched");
    }
}

#[test]
fn t_e6_no_damaged_recipients_are_accepted() {
    let world = World::with_vault();
    let vault = vault(&world);
    let file = world.data().join("vault/recipients.txt");
    let whole = std::fs::read(&file).unwrap();
    // The last byte, the newline, may go: the recipient is whole without it.
    let cuts = (0..whole.len() - 1).map(|length| (length, whole[..length].to_vec()));
    for (at, damaged) in flips(&whole).chain(cuts) {
        std::fs::write(&file, &damaged).unwrap();
        assert!(put(&vault, "new").is_err(), "at {at}");
        assert!(std::fs::read(&file).unwrap() == damaged, "at {at}: the file was touched");
    }
    assert!(!secret(&world, "new").exists());
}

#[test]
fn t_e6_a_renamed_or_swapped_secret_is_refused() {
    let world = World::with_vault();
    let (one, two) = (secret(&world, "K01"), secret(&world, "K02"));
    let aside = world.data().join("aside");
    std::fs::rename(&one, &aside).unwrap();
    std::fs::rename(&two, &one).unwrap();
    std::fs::rename(&aside, &two).unwrap();
    std::fs::copy(secret(&world, "K03"), secret(&world, "copy")).unwrap();
    let vault = vault(&world);
    let unlocked = unlock(&vault).unwrap();
    for (asked, held) in [("K01", "K02"), ("K02", "K01"), ("copy", "K03")] {
        let failure = get(&*unlocked, asked).unwrap_err();
        assert_eq!(failure.kind(), Kind::Damaged);
        let says = format!("{asked}.age holds the secret `{held}`, not `{asked}`");
        assert!(failure.to_string().contains(&says), "{failure}");
    }
    // Adding it anew mends it.
    put(&vault, "K01").unwrap();
    assert_eq!(get(&*unlocked, "K01").unwrap(), "a value");
}

#[test]
fn a_file_that_mima_did_not_write_is_refused() {
    let world = World::with_vault();
    let vault = vault(&world);
    let own: age::x25519::Recipient = vault.recipients().unwrap()[0].parse().unwrap();
    let other = age::x25519::Identity::generate().to_public();
    std::fs::write(secret(&world, "nameless"), encrypt(&[&own], b"x")).unwrap();
    std::fs::write(secret(&world, "foreign"), encrypt(&[&other], b"x")).unwrap();
    std::fs::write(secret(&world, "text"), "no age file\n").unwrap();
    let unlocked = unlock(&vault).unwrap();
    for (asked, says) in [
        ("nameless", "does not say which secret it holds"),
        ("foreign", "it is damaged, or of another vault"),
        ("text", "is damaged"),
    ] {
        let failure = get(&*unlocked, asked).unwrap_err();
        assert_eq!(failure.kind(), Kind::Damaged, "{failure}");
        assert!(failure.to_string().contains(says), "{failure}");
    }
}

#[test]
fn t_e7_changed_recipients_stop_adding_until_they_are_accepted() {
    let world = World::with_vault();
    let vault = vault(&world);
    let file = world.data().join("vault/recipients.txt");
    let own = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("# mine\n\n{own}  {own}")).unwrap();
    put(&vault, "same").unwrap();

    let other = age::x25519::Identity::generate();
    std::fs::write(&file, format!("{own}{}\n", other.to_public())).unwrap();
    assert_eq!(vault.pin_state().unwrap(), PinState::Changed);
    let failure = put(&vault, "new").unwrap_err();
    assert!(failure.to_string().contains("the vault's recipients changed since"), "{failure}");
    // Reading goes on, and confirms nothing.
    assert_eq!(get(&*unlock(&vault).unwrap(), "K00").unwrap(), "value-of-K00");
    assert!(put(&vault, "new").is_err());
    assert!(!secret(&world, "new").exists());

    assert_eq!(accept(&vault).unwrap().len(), 2);
    put(&vault, "new").unwrap();
    let sealed = std::fs::read(secret(&world, "new")).unwrap();
    assert_eq!(age::decrypt(&other, &sealed).unwrap(), b"a value", "the new one reads it too");
    assert_eq!(get(&*unlock(&vault).unwrap(), "new").unwrap(), "a value");
}

#[test]
fn t_e7_a_vault_from_elsewhere_takes_no_secret_until_it_is_accepted() {
    let world = World::with_vault();
    let vault = vault(&world);
    std::fs::remove_file(world.data().join("vault.pins")).unwrap();
    assert_eq!(vault.pin_state().unwrap(), PinState::Unknown);
    let failure = put(&vault, "new").unwrap_err();
    assert!(failure.to_string().contains("not confirmed"), "{failure}");
    accept(&vault).unwrap();
    put(&vault, "new").unwrap();
}

#[test]
fn t_e7_recipients_without_the_vaults_own_key_are_not_accepted() {
    let world = World::with_vault();
    let vault = vault(&world);
    let other = age::x25519::Identity::generate().to_public();
    std::fs::write(world.data().join("vault/recipients.txt"), format!("{other}\n")).unwrap();
    assert_eq!(accept(&vault).unwrap_err().kind(), Kind::Damaged);
    assert!(put(&vault, "new").is_err());
}

#[test]
fn t_e8_a_key_that_asks_for_too_much_work_is_refused_at_once() {
    let world = World::with_vault();
    let vault = vault(&world);
    let file = world.data().join("vault/identity.age");
    let whole = by_passphrase("AGE-SECRET-KEY-1\n", 10);
    let at = whole.windows(4).position(|window| window == b" 10\n").unwrap();
    for log_n in [b"21", b"30", b"63", b"99"] {
        let mut crafted = whole.clone();
        crafted[at + 1..at + 3].copy_from_slice(log_n);
        std::fs::write(&file, crafted).unwrap();
        let failure = soon(|| unlock(&vault).err().unwrap());
        assert!(failure.to_string().contains("units of work"), "{failure}");
    }
    assert_eq!(world.asked(), 0);
}

#[test]
fn t_e8_huge_files_and_headers_are_refused_at_once() {
    let world = World::with_vault();
    let vault = vault(&world);
    let unlocked = unlock(&vault).unwrap();
    let (key, file) = (world.data().join("vault/identity.age"), secret(&world, "K01"));
    let recipients = world.data().join("vault/recipients.txt");
    let set_len = |file, length| {
        std::fs::OpenOptions::new().write(true).open(file).unwrap().set_len(length).unwrap();
    };
    for file in [&key, &file, &recipients] {
        set_len(file, 4 << 30);
    }
    soon(|| unlock(&vault).err().unwrap());
    soon(|| get(&*unlocked, "K01").unwrap_err());
    soon(|| put(&vault, "new").unwrap_err());
    // The world searches its files for leaks in the end.
    set_len(&recipients, 0);
    for (file, stanzas) in [(&key, 10_000), (&file, 170_000)] {
        let header = format!("age-encryption.org/v1\n{}", "-> a\n\n".repeat(stanzas));
        std::fs::write(file, header).unwrap();
    }
    soon(|| unlock(&vault).err().unwrap());
    soon(|| get(&*unlocked, "K01").unwrap_err());
}

#[test]
fn missing_pieces_are_named() {
    let world = World::with_vault();
    let vault = vault(&world);
    std::fs::rename(world.data().join("vault/secrets"), world.data().join("aside")).unwrap();
    assert!(vault.names().unwrap().is_empty(), "git keeps no empty directory");
    put(&vault, "new").unwrap();
    assert_eq!(vault.names().unwrap(), [name("new")]);
    for piece in ["identity.age", "recipients.txt"] {
        std::fs::remove_file(world.data().join("vault").join(piece)).unwrap();
    }
    for (piece, failure) in [
        ("identity.age", unlock(&vault).err().unwrap()),
        ("recipients.txt", put(&vault, "new").unwrap_err()),
    ] {
        assert_eq!(failure.kind(), Kind::Damaged);
        assert!(failure.to_string().contains(&format!("{piece} is missing")), "{failure}");
    }
}

/// Every way to flip one bit of `whole`.
fn flips(whole: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..whole.len() * 8).map(|bit| {
        let mut flipped = whole.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        (bit, flipped)
    })
}

#[track_caller]
fn soon<T>(work: impl Fn() -> T) -> T {
    // The best of three: the machine may be busy.
    let best = (0..3).map(|_| {
        let start = Instant::now();
        let done = work();
        (start.elapsed(), done)
    });
    let (took, done) = best.min_by_key(|(took, _)| *took).unwrap();
    assert!(took <= SOON, "took {took:?}");
    done
}

/// The store of a world that has a vault.
pub(crate) fn vault(world: &World) -> Vault {
    let askpass = world.bin().join("askpass");
    Vault::new(&Paths::in_dir(world.data()), Prompter::with_askpass(askpass))
}

/// Unlocks it by its askpass program.
pub(crate) fn unlock(vault: &Vault) -> Result<Box<dyn Unlocked + '_>, Failure> {
    let _spawning = SPAWNING.read().unwrap();
    vault.unlock(&Reason::new("test"))
}

fn accept(vault: &Vault) -> Result<Vec<String>, Failure> {
    let _spawning = SPAWNING.read().unwrap();
    vault.accept_recipients(&Reason::new("test"))
}

fn put(vault: &Vault, key: &str) -> Result<(), Failure> {
    vault.put(&name(key), &Secret::new(b"a value".to_vec()), Existing::Replace)
}

fn get(unlocked: &dyn Unlocked, key: &str) -> Result<String, Failure> {
    unlocked.get(&name(key)).map(|value| String::from_utf8(value.expose().to_vec()).unwrap())
}

fn name(text: &str) -> SecretName {
    SecretName::parse(text).unwrap()
}

fn secret(world: &World, key: &str) -> PathBuf {
    world.data().join(format!("vault/secrets/{key}.age"))
}
