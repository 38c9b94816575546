//! What every store promises, whatever it is: each backend runs [`keep`] unchanged.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use mima::error::{Failure, Kind};
use mima::names::SecretName;
use mima::paths::Paths;
use mima::prompt::{Prompter, Reason};
use mima::secret::Secret;
use mima::store::env::Env;
use mima::store::keychain::Keychain;
use mima::store::vault::Vault;
use mima::store::{Existing, LARGEST_VALUE, Store};

use crate::common::SPAWNING;
use crate::common::fake_keychain::{Build, Mac};
use crate::common::world::World;

/// Opens one and the same store anew: another process, as it were.
pub(crate) type Opener<'a> = dyn Fn() -> Box<dyn Store> + Sync + 'a;

/// Makes a store that holds these names and values, and returns how to open it.
type Holding<'a> = dyn Fn(&[(&str, &[u8])]) -> Box<Opener<'a>>;

#[test]
fn the_vault_keeps_the_contract() {
    let world = World::with_vault();
    let paths = || Paths::in_dir(world.data());
    keep(&|| {
        std::fs::remove_dir_all(paths().vault().join("secrets")).unwrap_or_default();
        let askpass = world.bin().join("askpass");
        Box::new(move || Box::new(Vault::new(&paths(), Prompter::with_askpass(askpass.clone()))))
    });
}

#[test]
fn the_keychain_keeps_the_contract_in_every_tier() {
    for tier in [Mac::entitled, Mac::signed, Mac::ad_hoc] {
        let world = World::new();
        let mac = Mac::default();
        keep(&|| {
            mac.erase();
            std::fs::remove_dir_all(world.data()).unwrap_or_default();
            let (build, data): (Build, _) = (tier(&mac), world.data());
            Box::new(move || {
                // Nothing but the fake is ever asked.
                let prompter = Prompter::with_askpass("/nonexistent".into());
                Box::new(Keychain::new(build.clone(), &Paths::in_dir(data.clone()), prompter))
            })
        });
    }
}

#[cfg(target_os = "macos")]
#[test]
fn the_real_keychain_keeps_the_contract() {
    let Some(mac) = crate::common::real_keychain::RealMac::new() else { return };
    keep(&|| {
        mac.erase();
        Box::new(|| Box::new(mac.open()))
    });
}

#[cfg(not(target_os = "macos"))]
#[test]
fn the_real_keychain_keeps_the_contract() {
    eprintln!("SKIPPED the_real_keychain_keeps_the_contract: the keychain is of macOS only");
}

#[test]
fn the_environment_keeps_the_reading_side() {
    can_be_read(&|held| {
        let os = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        let vars: Vec<_> =
            held.iter().map(|(name, value)| (OsString::from(name), os(value))).collect();
        Box::new(move || Box::new(Env::new(vars.clone())))
    });
}

/// Checks the contract of a store that is only read.
fn can_be_read(holding: &Holding<'_>) {
    let nothing = holding(&[]);
    an_empty_store_is_fine(&*nothing);
    let values = values();
    let keys: Vec<_> = (0..values.len()).map(|index| format!("v{index}")).collect();
    // No variable can hold a NUL.
    let held: Vec<_> = keys
        .iter()
        .zip(&values)
        .map(|(key, value)| (key.as_str(), value.as_slice()))
        .filter(|(_, value)| !value.contains(&0))
        .collect();
    let open = holding(&held);
    let mut want: Vec<_> = held.iter().map(|(key, _)| (*key).to_owned()).collect();
    want.sort();
    assert_eq!(names(&*open()), want);
    let store = open();
    let unlocked = unlock(&*store);
    for _ in 0..2 {
        for (key, value) in &held {
            assert!(unlocked.get(&name(key)).unwrap().expose() == *value, "{key}");
        }
    }
    assert_eq!(get(&*open(), "nothing"), Err(Kind::NotFound));
    for refused in [put(&*open(), "v0", b"x"), put(&*open(), "new", b"x")] {
        assert_eq!(refused, Err(Kind::Failed));
    }
    assert_eq!(open().remove(&name("v0")).unwrap_err().kind(), Kind::Failed);
    assert_eq!(names(&*open()), want);
}

/// Checks the contract. `fresh` empties the store, and returns how to open it.
pub(crate) fn keep<'a>(fresh: &dyn Fn() -> Box<Opener<'a>>) {
    for promise in [
        an_empty_store_is_fine,
        values_come_back_byte_for_byte,
        names_are_sorted_and_complete,
        putting_again_replaces,
        what_is_there_stays_if_it_is_to_be_kept,
        removing_is_for_good,
        what_is_not_there_is_not_found,
        names_that_differ_in_case_are_refused,
        a_value_that_is_too_large_is_refused,
        what_is_put_after_unlocking_can_be_read,
        writers_do_not_get_in_each_others_way,
    ] {
        promise(&*fresh());
    }
}

fn an_empty_store_is_fine(open: &Opener<'_>) {
    assert_eq!(names(&*open()), Vec::<String>::new());
    assert_eq!(get(&*open(), "nothing"), Err(Kind::NotFound));
}

/// Values that are easily mistaken for something else.
fn values() -> Vec<Vec<u8>> {
    let largest = usize::try_from(LARGEST_VALUE).unwrap();
    vec![
        b"plain".to_vec(),
        b"".to_vec(),
        b"\n".to_vec(),
        b"ends with a newline\n".to_vec(),
        b"two\r\nlines\n\n".to_vec(),
        b"\xff\xfe no UTF-8 \x80".to_vec(),
        b"a\0b\x1b[2J".to_vec(),
        "ünïcode ✓".into(),
        (0..=255).collect(),
        vec![b'a'; 64 << 10],
        vec![b'b'; (64 << 10) + 1],
        vec![b'c'; largest],
    ]
}

fn values_come_back_byte_for_byte(open: &Opener<'_>) {
    let values = values();
    let store = open();
    for (index, value) in values.iter().enumerate() {
        put(&*store, &format!("v{index}"), value).unwrap();
    }
    let other = open();
    let unlocked = unlock(&*other);
    for (index, value) in values.iter().enumerate() {
        let got = unlocked.get(&name(&format!("v{index}"))).unwrap();
        assert!(got.expose() == value, "value {index} of {} bytes", value.len());
    }
}

fn names_are_sorted_and_complete(open: &Opener<'_>) {
    let given = ["b", "a", "stripe.test", "me@example.org+x", "a-b", "9", "B2", "x.age"];
    for name in given {
        put(&*open(), name, b"x").unwrap();
    }
    let mut want = given.map(str::to_owned);
    want.sort();
    assert_eq!(names(&*open()), want);
    let longest = "n".repeat(128);
    put(&*open(), &longest, b"x").unwrap();
    assert!(names(&*open()).contains(&longest));
}

fn what_is_there_stays_if_it_is_to_be_kept(open: &Opener<'_>) {
    let add = |key: &str, value: &[u8]| {
        open().put(&name(key), &Secret::new(value.to_vec()), Existing::Keep)
    };
    add("x", b"first").unwrap();
    assert_eq!(add("x", b"second").unwrap_err().kind(), Kind::Exists);
    assert_eq!(get(&*open(), "x"), Ok(b"first".to_vec()));
}

fn putting_again_replaces(open: &Opener<'_>) {
    for value in [&b"a long value first"[..], b"short", b""] {
        put(&*open(), "x", value).unwrap();
        assert_eq!(get(&*open(), "x").unwrap(), value);
    }
    assert_eq!(names(&*open()), ["x"]);
}

fn removing_is_for_good(open: &Opener<'_>) {
    put(&*open(), "x", b"1").unwrap();
    put(&*open(), "y", b"2").unwrap();
    open().remove(&name("x")).unwrap();
    assert_eq!(names(&*open()), ["y"]);
    assert_eq!(get(&*open(), "x"), Err(Kind::NotFound));
    assert_eq!(get(&*open(), "y").unwrap(), b"2");
    put(&*open(), "x", b"3").unwrap();
    assert_eq!(get(&*open(), "x").unwrap(), b"3");
}

fn what_is_not_there_is_not_found(open: &Opener<'_>) {
    put(&*open(), "stripe-key", b"1").unwrap();
    let failure = open().remove(&name("stipe-key")).unwrap_err();
    assert_eq!(failure.kind(), Kind::NotFound);
    let mut said = Vec::new();
    failure.report(&mut said).unwrap();
    assert!(String::from_utf8(said).unwrap().contains("stripe-key"), "the nearest name is told");
    assert_eq!(get(&*open(), "stipe-key"), Err(Kind::NotFound));
    assert_eq!(names(&*open()), ["stripe-key"]);
}

fn names_that_differ_in_case_are_refused(open: &Opener<'_>) {
    put(&*open(), "Token", b"1").unwrap();
    assert!(put(&*open(), "token", b"2").is_err());
    assert_eq!(names(&*open()), ["Token"]);
    assert_eq!(get(&*open(), "Token").unwrap(), b"1");
}

fn a_value_that_is_too_large_is_refused(open: &Opener<'_>) {
    let size = usize::try_from(LARGEST_VALUE).unwrap() + 1;
    put(&*open(), "x", b"before").unwrap();
    let failure =
        open().put(&name("x"), &Secret::new(vec![0; size]), Existing::Replace).unwrap_err();
    let said = failure.to_string();
    assert!(said.contains("1048577") && said.contains("1048576"), "{said}");
    assert_eq!(get(&*open(), "x").unwrap(), b"before");
}

fn what_is_put_after_unlocking_can_be_read(open: &Opener<'_>) {
    let store = open();
    let unlocked = unlock(&*store);
    put(&*open(), "late", b"x").unwrap();
    for _ in 0..50 {
        assert_eq!(unlocked.get(&name("late")).unwrap().expose(), b"x");
    }
}

fn writers_do_not_get_in_each_others_way(open: &Opener<'_>) {
    std::thread::scope(|scope| {
        for writer in 0..8 {
            scope.spawn(move || {
                let store = open();
                for number in 0..10 {
                    put(&*store, &format!("w{writer}-{number}"), b"x").unwrap();
                    put(&*store, "shared", format!("{writer}").as_bytes()).unwrap();
                    assert!(store.names().unwrap().len() > number);
                }
                store.remove(&name(&format!("w{writer}-0"))).unwrap();
            });
        }
    });
    let removed = std::thread::scope(|scope| {
        let removers: Vec<_> =
            (0..8).map(|_| scope.spawn(|| open().remove(&name("w0-1")))).collect();
        removers.into_iter().map(|remover| remover.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(removed.iter().filter(|removed| removed.is_ok()).count(), 1);
    let kinds = removed.iter().filter_map(|removed| removed.as_ref().err());
    assert!(kinds.map(Failure::kind).all(|kind| kind == Kind::NotFound));
    assert_eq!(names(&*open()).len(), 8 * 9 - 1 + 1);
    assert_eq!(get(&*open(), "shared").unwrap().len(), 1);
}

fn name(text: &str) -> SecretName {
    SecretName::parse(text).unwrap()
}

fn names(store: &dyn Store) -> Vec<String> {
    store.names().unwrap().iter().map(ToString::to_string).collect()
}

fn put(store: &dyn Store, key: &str, value: &[u8]) -> Result<(), Kind> {
    store
        .put(&name(key), &Secret::new(value.to_vec()), Existing::Replace)
        .map_err(|failure| failure.kind())
}

fn get(store: &dyn Store, key: &str) -> Result<Vec<u8>, Kind> {
    let got = unlock(store).get(&name(key));
    got.map(|value| value.expose().to_vec()).map_err(|failure| failure.kind())
}

fn unlock(store: &dyn Store) -> Box<dyn mima::store::Unlocked + '_> {
    // Asking may start a program.
    let _spawning = SPAWNING.read().unwrap();
    store.unlock(&Reason::new("contract")).unwrap()
}
