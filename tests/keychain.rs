//! The keychain store against a Mac that is none: what macOS answers, and what becomes of it.
//! The contract that all stores keep is in `tests/contract.rs`.

use std::path::PathBuf;

use mima::error::{Failure, Kind};
use mima::names::SecretName;
use mima::paths::Paths;
use mima::prompt::{Asking, Prompter, Reason};
use mima::secret::Secret;
use mima::store::keychain::api::{Api, Denial, Item, Key, Place, Status};
use mima::store::keychain::{Keychain, Reconciled, Tier};
use mima::store::{Existing, Store};

use crate::common::fake_keychain::{Build, Call, Mac};
use crate::common::world::World;

/// How a build of mima is made, its tier, and where its items are.
type Case = (fn(&Mac) -> Build, Tier, Place);

const TIERS: [Case; 3] = [
    (Mac::entitled, Tier::Protected, Place::DataProtection),
    (Mac::signed, Tier::Stable, Place::Login),
    (Mac::ad_hoc, Tier::AdHoc, Place::Login),
];

/// A Mac, and a directory for mima's index.
struct Desk {
    world: World,
    mac: Mac,
}

impl Desk {
    fn new() -> Self {
        Self { world: World::new(), mac: Mac::default() }
    }

    /// Opens the store as one build of mima.
    fn open(&self, build: Build) -> Keychain<Build> {
        let prompter = Prompter::with_askpass("/nonexistent".into());
        Keychain::new(build, &Paths::in_dir(self.world.data()), prompter)
    }

    fn index(&self) -> PathBuf {
        self.world.data().join("keychain.index")
    }

    fn service(&self) -> String {
        format!("mima {}", self.world.data().display())
    }

    /// Adds an item as a mima would that was killed right afterwards.
    fn add_raw(&self, build: &Build, place: Place, account: &str, value: &str) {
        let service = self.service();
        let key = Key { place, service: &service, account };
        let item = Item { key, label: "", comment: "", value: value.as_bytes() };
        build.add(&item).unwrap();
    }

    /// Makes every write of the index fail.
    fn break_writes(&self) {
        std::fs::create_dir_all(self.world.data().join(".tmp-mima/x")).unwrap();
    }
}

fn name(text: &str) -> SecretName {
    SecretName::parse(text).unwrap()
}

fn put(store: &dyn Store, key: &str, value: &str) -> Result<(), Failure> {
    store.put(&name(key), &Secret::new(value.into()), Existing::Replace)
}

fn keep(store: &dyn Store, key: &str, value: &str) -> Result<(), Failure> {
    store.put(&name(key), &Secret::new(value.into()), Existing::Keep)
}

fn get(store: &dyn Store, key: &str) -> Result<String, Failure> {
    let value = store.unlock(&Reason::new("mima run dev: A for npm test"))?.get(&name(key))?;
    Ok(String::from_utf8(value.expose().to_vec()).unwrap())
}

fn names(store: &dyn Store) -> Vec<String> {
    store.names().unwrap().iter().map(ToString::to_string).collect()
}

fn said(failure: &Failure) -> String {
    let mut said = Vec::new();
    failure.report(&mut said).unwrap();
    String::from_utf8(said).unwrap()
}

/// Fails unless that went wrong, in that way, saying all of `parts`.
#[track_caller]
fn assert_fails<T>(result: Result<T, Failure>, kind: Kind, parts: &[&str]) {
    let Err(failure) = result else { panic!("this went well") };
    let said = said(&failure);
    assert_eq!(failure.kind(), kind, "{said}");
    assert!(said.contains("hint: "), "no hint: {said}");
    for part in parts {
        assert!(said.contains(part), "no {part:?} in: {said}");
    }
}

// The fake: the rules that it follows.

#[test]
fn the_fake_answers_an_unentitled_program_as_macos_does() {
    let mac = Mac::default();
    let key = Key { place: Place::DataProtection, service: "s", account: "a" };
    let item = Item { key, label: "", comment: "c", value: b"v" };
    mac.entitled().add(&item).unwrap();
    let build = mac.signed();
    assert_eq!(build.read(&key, None).err(), Some(Status::ITEM_NOT_FOUND));
    assert_eq!(build.list(key.place, "s"), Err(Status::ITEM_NOT_FOUND));
    assert_eq!(build.add(&item), Err(Status::MISSING_ENTITLEMENT));
    assert_eq!(build.delete(&key), Err(Status::MISSING_ENTITLEMENT));
    assert_eq!(mac.asked(), 0);
}

#[test]
fn the_fake_asks_when_macos_does() {
    let mac = Mac::default();
    let build = mac.entitled();
    let key = Key { place: Place::DataProtection, service: "s", account: "a" };
    let item = Item { key, label: "", comment: "c", value: b"v" };
    build.add(&item).unwrap();
    assert_eq!(build.add(&item), Err(Status::DUPLICATE_ITEM));
    assert_eq!(build.list(key.place, "s").unwrap()[0].comment, "c");
    assert_eq!(mac.asked(), 0, "add and list");
    for _ in 0..2 {
        build.read(&key, None).unwrap();
    }
    assert_eq!(mac.asked(), 2, "each read without a context");
    let context = build.context();
    for _ in 0..2 {
        build.read(&key, Some(&context)).unwrap();
    }
    assert_eq!(mac.asked(), 3, "the first read with a context");
    let context = build.context();
    build.evaluate(&context, "why", std::time::Duration::ZERO).unwrap();
    build.read(&key, Some(&context)).unwrap();
    assert_eq!(mac.asked(), 4, "evaluating, and then no read");
    build.invalidate(&context);
    assert!(build.read(&key, Some(&context)).is_err());
    mac.lock_screen(true);
    assert_eq!(build.read(&key, None).err(), Some(Status::INTERACTION_NOT_ALLOWED));
    assert_eq!(build.list(key.place, "s"), Err(Status::INTERACTION_NOT_ALLOWED));
    mac.lock_screen(false);
    build.delete(&key).unwrap();
    assert_eq!(build.delete(&key), Err(Status::ITEM_NOT_FOUND));
    assert_eq!(mac.asked(), 4, "delete");
}

// Who is asked, and when.

#[test]
fn fifty_reads_are_one_question() {
    for (build, tier, _) in TIERS {
        let desk = Desk::new();
        let store = desk.open(build(&desk.mac));
        for number in 0..50 {
            put(&store, &format!("k{number}"), &format!("v{number}")).unwrap();
        }
        let unlocked = store.unlock(&Reason::new("mima run dev: A, B for npm test")).unwrap();
        for number in 0..50 {
            let value = unlocked.get(&name(&format!("k{number}"))).unwrap();
            assert_eq!(value.expose(), format!("v{number}").as_bytes());
        }
        assert_eq!(desk.mac.open_contexts(), 1);
        drop(unlocked);
        assert_eq!(desk.mac.asked(), 1, "{tier:?}");
        assert_eq!(desk.mac.count(Call::Read), 50);
        assert_eq!(desk.mac.open_contexts(), 0, "invalidated after the batch");
        let sheet = &desk.mac.sheets()[0];
        assert!(sheet.starts_with("read secrets for ") && sheet.ends_with("for npm test"));
        assert!(sheet.contains("mima run dev: A, B"), "{sheet}");
    }
}

#[test]
fn a_long_reason_is_cut() {
    let desk = Desk::new();
    let store = desk.open(desk.mac.entitled());
    drop(store.unlock(&Reason::new(format!("mima run dev: A for {}", "é".repeat(4000)))).unwrap());
    let sheet = desk.mac.sheets()[0].clone();
    assert!(sheet.chars().count() < 300 && sheet.ends_with('…'), "{sheet}");
    assert!(sheet.contains("mima run dev"));
}

#[test]
fn nothing_but_reading_asks() {
    for (build, tier, place) in TIERS {
        let desk = Desk::new();
        let store = desk.open(build(&desk.mac));
        assert_eq!(names(&store), [""; 0]);
        put(&store, "x", "1").unwrap();
        keep(&store, "y", "1").unwrap();
        let listed = desk.mac.count(Call::List);
        put(&store, "x", "2").unwrap();
        assert_eq!(names(&store), ["x", "y"]);
        store.remove(&name("y")).unwrap();
        assert_eq!(store.tier().unwrap(), tier);
        assert_eq!(store.items().unwrap(), [(name("x"), tier)]);
        store.protection().unwrap().unwrap();
        assert_eq!(desk.mac.count(Call::List), listed, "the index knows");
        store.reconcile().unwrap();
        assert_eq!((desk.mac.asked(), desk.mac.contexts(), desk.mac.count(Call::Read)), (0, 0, 0));
        assert_eq!(desk.mac.accounts(place), ["x#1"]);
    }
}

#[test]
fn whoever_forbids_questions_is_not_asked() {
    let desk = Desk::new();
    let paths = Paths::in_dir(desk.world.data());
    let silent = Prompter::from_env(Asking::Forbidden);
    let store = Keychain::new(desk.mac.entitled(), &paths, silent);
    put(&store, "x", "1").unwrap();
    assert_fails(get(&store, "x"), Kind::Locked, &["--no-prompt"]);
    assert_eq!(desk.mac.contexts(), 0);
}

#[test]
fn who_says_no_or_is_not_there_gets_nothing() {
    use Denial as D;
    let cases = [
        (D::USER_CANCEL, Kind::Refused, "you said no", "run it again"),
        (D::USER_FALLBACK, Kind::Refused, "you said no", "run it again"),
        (D::AUTHENTICATION_FAILED, Kind::WrongKey, "did not accept", "run it again"),
        (D::SYSTEM_CANCEL, Kind::Refused, "took the question away", "run it again"),
        (D::NO_ANSWER, Kind::Refused, "nobody answered", "run it again"),
        (D::PASSCODE_NOT_SET, Kind::Locked, "no login password", "Users & Groups"),
        (D::NOT_INTERACTIVE, Kind::Locked, "cannot ask now", "unlock the screen"),
        (D::BIOMETRY_LOCKOUT, Kind::Locked, "too many wrong fingers", "with your password"),
        (D::BIOMETRY_NOT_AVAILABLE, Kind::Locked, "out of reach", "open the lid"),
        (D::BIOMETRY_NOT_PAIRED, Kind::Locked, "out of reach", "connect the keyboard"),
        (D::BIOMETRY_DISCONNECTED, Kind::Locked, "out of reach", "store: vault"),
        (D::WATCH_NOT_AVAILABLE, Kind::Locked, "out of reach", "store: vault"),
        (D::BIOMETRY_NOT_ENROLLED, Kind::Locked, "knows no finger", "Touch ID & Password"),
        (D::APP_CANCEL, Kind::Failed, "ended too early", "report it"),
        (D::INVALID_CONTEXT, Kind::Failed, "ended too early", "report it"),
        (D(-4242), Kind::Locked, "LAError -4242", "store: vault"),
    ];
    for (build, ..) in TIERS {
        let desk = Desk::new();
        let store = desk.open(build(&desk.mac));
        put(&store, "x", "1").unwrap();
        for (denial, kind, message, hint) in cases {
            desk.mac.answer(denial);
            assert_fails(get(&store, "x"), kind, &["could not unlock", message, hint]);
        }
        assert_eq!(desk.mac.count(Call::Read), 0, "nobody was there, so nothing was read");
        assert_eq!(desk.mac.open_contexts(), 0, "invalidated although it was denied");
        assert_eq!(desk.mac.sheets().len(), cases.len(), "asked once each, not again");
    }
}

#[test]
fn where_nothing_can_be_shown_it_says_so() {
    for (build, ..) in TIERS {
        let desk = Desk::new();
        let store = desk.open(build(&desk.mac));
        put(&store, "x", "1").unwrap();
        desk.mac.lock_screen(true);
        assert_fails(get(&store, "x"), Kind::Locked, &["screen is locked", "unlock the screen"]);
        assert_fails(put(&store, "y", "1"), Kind::Locked, &["`y`", "screen is locked"]);
        assert_fails(store.remove(&name("x")), Kind::Locked, &["`x`", "screen is locked"]);
        assert_eq!(names(&store), ["x"], "names are mima's own");
        desk.mac.lock_screen(false);
        desk.mac.without_password();
        assert_fails(get(&store, "x"), Kind::Locked, &["no login password"]);
        let desk = Desk::new();
        desk.mac.over_ssh();
        let store = desk.open(build(&desk.mac));
        put(&store, "x", "1").unwrap();
        assert_eq!(names(&store), ["x"]);
        assert_fails(get(&store, "x"), Kind::Locked, &["over ssh", "store: vault"]);
        assert_eq!(desk.mac.open_contexts(), 0);
    }
}

#[test]
fn every_status_is_said_in_words() {
    let cases = [
        (Status::USER_CANCELED, Kind::Refused, "told no", "run it again"),
        (Status::AUTH_FAILED, Kind::WrongKey, "did not accept", "run it again"),
        (Status::INTERACTION_NOT_ALLOWED, Kind::Locked, "cannot ask now", "unlock the screen"),
        (Status::INTERACTION_REQUIRED, Kind::Locked, "cannot ask now", "unlock the screen"),
        (Status::IN_DARK_WAKE, Kind::Locked, "in the dark", "wake it"),
        (Status::NOT_AVAILABLE, Kind::Failed, "no keychain", "log in"),
        (Status::PARAM, Kind::Failed, "did not understand", "report it"),
        (Status::NO_ANSWER, Kind::Failed, "does not answer", "log out"),
        (Status(-2070), Kind::Failed, "answers -2070", "security error -2070"),
    ];
    for (build, _, place) in TIERS {
        let desk = Desk::new();
        let store = desk.open(build(&desk.mac));
        put(&store, "x", "1").unwrap();
        for (status, kind, message, hint) in cases {
            desk.mac.fail(Call::Read, status);
            assert_fails(get(&store, "x"), kind, &["could not read `x`", message, hint]);
            assert_eq!(desk.mac.open_contexts(), 0, "invalidated although a read failed");
            desk.mac.fail(Call::Add, status);
            assert_fails(put(&store, "x", "2"), kind, &["could not store `x`", message, hint]);
            desk.mac.fail(Call::Delete, status);
            let removed = store.remove(&name("x"));
            assert_fails(removed, kind, &["could not remove `x`", message, hint]);
            desk.mac.fail(Call::List, status);
            assert_fails(store.reconcile(), kind, &["could not list", message, hint]);
        }
        assert_eq!(get(&store, "x").unwrap(), "1", "and nothing was lost");
        assert_eq!(desk.mac.accounts(place), ["x"]);
        desk.mac.fail(Call::Read, Status::INTERACTION_NOT_ALLOWED);
        let unlocks = said(&get(&store, "x").unwrap_err()).contains("unlock-keychain");
        assert_eq!(unlocks, place == Place::Login);
    }
}

// Tiers.

#[test]
fn the_tier_is_found_by_a_write_probe_once_per_build() {
    for (build, tier, place) in TIERS {
        let desk = Desk::new();
        let store = desk.open(build(&desk.mac));
        assert_eq!(store.tier().unwrap(), tier);
        put(&store, "x", "1").unwrap();
        let adds = desk.mac.count(Call::Add);
        put(&store, "y", "1").unwrap();
        put(&desk.open(build(&desk.mac)), "z", "1").unwrap();
        assert_eq!(desk.mac.count(Call::Add), adds + 2, "remembered");
        assert_eq!(desk.mac.accounts(place), ["x", "y", "z"], "and no probe is left");
        let other = desk.mac.build("f00", None, tier == Tier::Protected);
        put(&desk.open(other), "z", "2").unwrap();
        assert_eq!(desk.mac.count(Call::Add), adds + 4, "another build is tried anew");
    }
}

#[test]
fn a_probe_that_was_left_behind_is_an_answer_too() {
    let desk = Desk::new();
    desk.add_raw(&desk.mac.entitled(), Place::DataProtection, ".probe", "probe");
    let store = desk.open(desk.mac.entitled());
    assert_eq!(names(&store), [""; 0]);
    assert_eq!(store.tier().unwrap(), Tier::Protected);
    assert_eq!(desk.mac.accounts(Place::DataProtection), [""; 0]);
}

#[test]
fn a_moment_of_weakness_moves_nothing_to_the_weaker_keychain() {
    for status in [
        Status::INTERACTION_NOT_ALLOWED,
        Status::INTERACTION_REQUIRED,
        Status::IN_DARK_WAKE,
        Status::NOT_AVAILABLE,
        Status::USER_CANCELED,
        Status::AUTH_FAILED,
        Status::NO_ANSWER,
    ] {
        let desk = Desk::new();
        let store = desk.open(desk.mac.entitled());
        desk.mac.fail(Call::Add, status);
        assert!(said(&put(&store, "x", "1").unwrap_err()).contains("could not find out"));
        assert_eq!(desk.mac.accounts(Place::Login), [""; 0]);
        put(&store, "x", "1").unwrap();
        assert_eq!(store.items().unwrap(), [(name("x"), Tier::Protected)]);
    }
}

#[test]
fn an_answer_that_mima_does_not_know_is_not_remembered() {
    let desk = Desk::new();
    let store = desk.open(desk.mac.entitled());
    desk.mac.fail(Call::Add, Status(-9999));
    put(&store, "x", "1").unwrap();
    assert_eq!(store.items().unwrap(), [(name("x"), Tier::Stable)]);
    assert_eq!(store.tier().unwrap(), Tier::Protected);
}

#[test]
fn a_tier_that_is_lost_is_said_and_not_replaced_by_another() {
    let desk = Desk::new();
    let store = desk.open(desk.mac.entitled());
    put(&store, "x", "1").unwrap();
    // The profile has expired, say: what is remembered is no longer true.
    desk.mac.fail(Call::Add, Status::MISSING_ENTITLEMENT);
    assert_fails(put(&store, "y", "1"), Kind::Failed, &["`y`", "not signed", "make install"]);
    assert_eq!(desk.mac.accounts(Place::Login), [""; 0]);
    assert_eq!(names(&store), ["x"]);
}

#[test]
fn a_protected_secret_stays_out_of_reach_of_a_lesser_build() {
    for lesser in [Mac::signed, Mac::ad_hoc] {
        let desk = Desk::new();
        put(&desk.open(desk.mac.entitled()), "x", "1").unwrap();
        let store = desk.open(lesser(&desk.mac));
        assert_eq!(names(&store), ["x"]);
        let parts = ["macOS protects", "use the mima that stored it", "make install"];
        assert_fails(get(&store, "x"), Kind::Failed, &parts);
        assert_eq!(desk.mac.asked(), 0, "nobody is asked for what cannot be had");
        assert_fails(put(&store, "x", "2"), Kind::Failed, &parts);
        assert_fails(store.remove(&name("x")), Kind::Failed, &parts);
        // Beside one that can be read, it is said of that one.
        put(&store, "y", "1").unwrap();
        assert_fails(get(&store, "x"), Kind::Failed, &["macOS protects `x`"]);
        assert_eq!(get(&store, "y").unwrap(), "1");
        let report = store.reconcile().unwrap();
        assert_eq!((report.gone, report.unseen), (vec![], vec![name("x")]));
        let protection = store.protection().unwrap().unwrap();
        assert_eq!(protection.others, ["protected, and out of reach of this build: x"]);
        assert_eq!(get(&desk.open(desk.mac.entitled()), "x").unwrap(), "1");
    }
}

#[test]
fn a_better_build_reads_what_is_there_and_protects_what_it_stores() {
    let desk = Desk::new();
    put(&desk.open(desk.mac.signed()), "x", "1").unwrap();
    let store = desk.open(desk.mac.entitled());
    assert_eq!(get(&store, "x").unwrap(), "1");
    assert_eq!(store.items().unwrap(), [(name("x"), Tier::Stable)], "reading changes nothing");
    put(&store, "x", "2").unwrap();
    assert_eq!(store.items().unwrap(), [(name("x"), Tier::Protected)]);
    assert_eq!(desk.mac.accounts(Place::Login), [""; 0], "and the old value is gone");
    assert_eq!(get(&store, "x").unwrap(), "2");
    assert_eq!(desk.mac.asked(), 2);
}

#[test]
fn the_protection_is_said_once_and_whenever_somebody_wants_to_know() {
    for (build, tier, _) in TIERS {
        let desk = Desk::new();
        let store = desk.open(build(&desk.mac));
        let before = store.protection().unwrap().unwrap();
        assert!(before.is_news && before.what.contains(tier.word()), "{before:?}");
        assert_eq!(before.what.contains("can go around it"), tier != Tier::Protected);
        assert_eq!(before.remedy.is_some(), tier != Tier::Protected);
        put(&store, "x", "1").unwrap();
        let after = store.protection().unwrap().unwrap();
        assert!(!after.is_news && after.what == before.what && after.others.is_empty());
        desk.mac.lock_screen(true);
        assert!(store.protection().is_ok(), "it is remembered");
    }
}

#[test]
fn an_ad_hoc_secret_is_bound_to_its_build() {
    let desk = Desk::new();
    let old = desk.open(desk.mac.ad_hoc());
    put(&old, "x", "1").unwrap();
    put(&old, "y", "1").unwrap();
    let new = desk.open(desk.mac.build("c2", None, false));
    let others = new.protection().unwrap().unwrap().others;
    assert_eq!(others.len(), 1);
    assert!(others[0].contains("by another build") && others[0].ends_with(": x, y"));
    assert_eq!(get(&new, "x").unwrap(), "1");
    assert_eq!(desk.mac.asked(), 2, "mima's sheet, and the dialog of the login keychain");
    // Storing it again binds it to the new build, and asks nobody.
    put(&new, "x", "2").unwrap();
    assert_eq!(desk.mac.asked(), 2);
    assert_eq!(get(&new, "x").unwrap(), "2");
    assert_eq!(desk.mac.asked(), 3);
    let unlocked = new.unlock(&Reason::new("mima run dev: Y for x")).unwrap();
    desk.mac.answer(Denial::USER_CANCEL);
    let refused = unlocked.get(&name("y")).map(drop);
    assert_fails(refused, Kind::Refused, &["another build", "mima secret add --force y"]);
    drop(unlocked);
    // A build that a certificate signed is its own successor.
    put(&desk.open(desk.mac.signed()), "z", "1").unwrap();
    let next = desk.open(desk.mac.build("b2", Some("TEAM"), false));
    let asked = desk.mac.asked();
    assert_eq!(get(&next, "z").unwrap(), "1");
    assert_eq!(desk.mac.asked(), asked + 1);
}

// Replacing.

#[test]
fn a_value_that_cannot_be_replaced_stays() {
    for (build, _, place) in TIERS {
        let desk = Desk::new();
        let store = desk.open(build(&desk.mac));
        put(&store, "x", "old").unwrap();
        desk.mac.fail(Call::Add, Status(-61));
        assert!(put(&store, "x", "new").is_err());
        assert_eq!(get(&store, "x").unwrap(), "old");
        assert_eq!(desk.mac.count(Call::Read), 1, "nothing was read to save it");
        // The disk is full.
        desk.break_writes();
        assert!(put(&store, "x", "new").is_err());
        assert!(put(&store, "y", "new").is_err());
        assert_eq!(get(&store, "x").unwrap(), "old");
        assert_eq!(desk.mac.accounts(place), ["x"], "and the new ones are taken back");
    }
}

#[test]
fn a_value_that_was_replaced_is_deleted_now_or_later() {
    let desk = Desk::new();
    let store = desk.open(desk.mac.entitled());
    put(&store, "x", "1").unwrap();
    put(&store, "x", "2").unwrap();
    assert_eq!(desk.mac.accounts(Place::DataProtection), ["x#1"]);
    desk.mac.fail(Call::Delete, Status(-61));
    // `x` itself is deleted already, so the failure hits `x#1` or that.
    put(&store, "x", "3").unwrap();
    assert_eq!(get(&store, "x").unwrap(), "3");
    put(&store, "y", "1").unwrap();
    assert_eq!(desk.mac.accounts(Place::DataProtection), ["x#2", "y"]);
    store.remove(&name("x")).unwrap();
    put(&store, "x", "4").unwrap();
    assert_eq!(get(&store, "x").unwrap(), "4");
    assert_eq!(desk.mac.accounts(Place::DataProtection), ["x", "y"]);
}

#[test]
fn what_a_crash_left_behind_is_in_nobodys_way() {
    for (build, _, place) in TIERS {
        let desk = Desk::new();
        let build = build(&desk.mac);
        let store = desk.open(build.clone());
        put(&store, "x", "old").unwrap();
        for leftover in ["x#1", "x#2"] {
            desk.add_raw(&build, place, leftover, "mima 1 x\nnew");
        }
        assert_eq!(get(&store, "x").unwrap(), "old");
        put(&store, "x", "newer").unwrap();
        assert_eq!(get(&store, "x").unwrap(), "newer");
        assert_eq!(desk.mac.accounts(place), ["x#3"]);
    }
}

#[test]
fn a_value_that_is_replaced_while_it_is_read_is_read() {
    let desk = Desk::new();
    let store = desk.open(desk.mac.entitled());
    put(&store, "x", "1").unwrap();
    let other = desk.open(desk.mac.entitled());
    desk.mac.meanwhile(Call::Read, move || put(&other, "x", "2").unwrap());
    assert_eq!(get(&store, "x").unwrap(), "2");
    let other = desk.open(desk.mac.entitled());
    desk.mac.meanwhile(Call::Read, move || other.remove(&name("x")).unwrap());
    assert_fails(get(&store, "x"), Kind::NotFound, &["no secret `x`"]);
}

// Where the index and the keychain disagree.

#[test]
fn a_secret_that_is_gone_is_said_to_be() {
    for (build, tier, place) in TIERS {
        let desk = Desk::new();
        let store = desk.open(build(&desk.mac));
        for key in ["x", "y", "z"] {
            put(&store, key, "1").unwrap();
            desk.mac.lose(key);
        }
        put(&store, "here", "1").unwrap();
        let gone = get(&store, "x");
        assert_fails(
            gone,
            Kind::NotFound,
            &["no longer in the keychain", "mima secret add --force x"],
        );
        assert_eq!(tier == Tier::Protected, {
            said(&get(&store, "x").unwrap_err()).contains("another Mac")
        });
        put(&store, "x", "2").unwrap();
        assert_eq!(get(&store, "x").unwrap(), "2");
        store.remove(&name("y")).unwrap();
        let report = store.reconcile().unwrap();
        assert_eq!((report.gone, report.found), (vec![name("z")], vec![]));
        assert_eq!(names(&store), ["here", "x"]);
        assert_eq!(desk.mac.accounts(place), ["here", "x#1"]);
    }
}

#[test]
fn a_secret_that_the_index_does_not_know_is_not_overwritten() {
    for (build, tier, place) in TIERS {
        let desk = Desk::new();
        let build = build(&desk.mac);
        let store = desk.open(build.clone());
        put(&store, "other", "1").unwrap();
        desk.add_raw(&build, place, "x", "mima 1 x\nfirst");
        assert_eq!(keep(&store, "x", "second").unwrap_err().kind(), Kind::Exists);
        assert_eq!(get(&store, "x").unwrap(), "first", "and now it is known");
        desk.add_raw(&build, place, "z", "mima 1 z\nfirst");
        put(&store, "z", "second").unwrap();
        assert_eq!(get(&store, "z").unwrap(), "second", "unless that is wanted");
        desk.add_raw(&build, place, "y#4", "mima 1 y\nfourth");
        desk.add_raw(&build, place, "y#2", "mima 1 y\nsecond");
        let report = store.reconcile().unwrap();
        assert_eq!((report.found, report.swept), (vec![name("y")], 1));
        assert_eq!(get(&store, "y").unwrap(), "fourth");
        assert_eq!(desk.mac.accounts(place), ["other", "x", "y#4", "z#1"]);
        let tiers: Vec<_> = store.items().unwrap().into_iter().map(|(_, tier)| tier).collect();
        assert_eq!(tiers[0], tier);
    }
}

#[test]
fn a_disagreement_is_told_before_it_is_mended() {
    for (build, _, place) in TIERS {
        let desk = Desk::new();
        let build = build(&desk.mac);
        let store = desk.open(build.clone());
        assert_eq!(store.disagreement().unwrap(), Reconciled::default(), "there is no index");
        assert!(!desk.index().exists());
        for key in ["gone", "here"] {
            put(&store, key, "1").unwrap();
        }
        assert_eq!(store.disagreement().unwrap(), Reconciled::default());
        desk.mac.lose("gone");
        desk.add_raw(&build, place, "new", "mima 1 new\nvalue");
        desk.add_raw(&build, place, "here#7", "mima 1 here\nleft over");
        let (index, before) = (std::fs::read(desk.index()).unwrap(), desk.mac.accounts(place));
        let told = store.disagreement().unwrap();
        assert_eq!(
            (&told.gone, &told.found, told.swept),
            (&vec![name("gone")], &vec![name("new")], 1)
        );
        assert_eq!(
            (std::fs::read(desk.index()).unwrap(), desk.mac.accounts(place)),
            (index, before)
        );
        let done = store.reconcile().unwrap();
        assert_eq!(done, told);
        assert_eq!(
            done.lines(),
            [
                "forgot what the keychain no longer has: gone",
                "took in what the keychain has: new",
                "deleted items that were left over in the keychain: 1",
            ]
        );
        assert_eq!(store.disagreement().unwrap(), Reconciled::default());
        assert_eq!(store.reconcile().unwrap().lines(), [""; 0]);
        assert_eq!(
            (names(&store), get(&store, "new").unwrap()),
            (vec!["here".to_owned(), "new".to_owned()], "value".to_owned())
        );
        assert_eq!(desk.mac.asked(), 1, "only reading asked");
    }
    // What a lesser build cannot see is not said to be gone.
    let desk = Desk::new();
    put(&desk.open(desk.mac.entitled()), "x", "1").unwrap();
    let told = desk.open(desk.mac.ad_hoc()).disagreement().unwrap();
    assert_eq!((told.gone, told.unseen), (vec![], vec![name("x")]));
    // Nor if the profile has expired since the tier was found.
    desk.mac.fail(Call::Add, Status::MISSING_ENTITLEMENT);
    let told = desk.open(desk.mac.entitled()).disagreement().unwrap();
    assert_eq!((told.gone, told.unseen), (vec![], vec![name("x")]));
}

#[test]
fn without_an_index_the_keychain_tells() {
    for (build, tier, _) in TIERS {
        let desk = Desk::new();
        let store = desk.open(build(&desk.mac));
        put(&store, "x", "1").unwrap();
        put(&store, "x", "2").unwrap();
        put(&store, "y", "1").unwrap();
        std::fs::remove_file(desk.index()).unwrap();
        assert_eq!(names(&store), ["x", "y"]);
        assert_eq!(store.items().unwrap()[0], (name("x"), tier), "an item tells its tier");
        assert_eq!(get(&store, "x").unwrap(), "2");
        assert!(!desk.index().exists(), "who only reads writes nothing");
        assert_eq!(keep(&store, "x", "3").unwrap_err().kind(), Kind::Exists);
        store.remove(&name("x")).unwrap();
        assert_eq!(names(&store), ["y"]);
        assert!(desk.index().exists());
        std::fs::write(desk.index(), "mima-keychain 1\nnonsense\n").unwrap();
        let damaged = store.names();
        assert_fails(damaged, Kind::Damaged, &["keychain.index is damaged", "mv "]);
        store.reconcile().unwrap();
        assert_eq!(names(&store), ["y"]);
        std::fs::remove_file(desk.index()).unwrap();
        desk.mac.lock_screen(true);
        assert_fails(store.names(), Kind::Locked, &["could not list", "screen is locked"]);
    }
}

#[test]
fn a_value_under_another_name_is_damaged() {
    for (build, ..) in TIERS {
        let desk = Desk::new();
        let store = desk.open(build(&desk.mac));
        put(&store, "prod", "1").unwrap();
        put(&store, "dev", "2").unwrap();
        desk.mac.lose("dev");
        desk.mac.rename("prod", "dev");
        assert_fails(get(&store, "dev"), Kind::Damaged, &["not what mima stored"]);
    }
}

#[test]
fn two_homes_do_not_see_each_others_secrets() {
    let (desk, mac) = (Desk::new(), Mac::default());
    let other = Desk { world: World::new(), mac: mac.clone() };
    let (one, two) = (desk.open(mac.entitled()), other.open(mac.entitled()));
    put(&one, "x", "1").unwrap();
    assert_eq!(names(&two), [""; 0]);
    put(&two, "x", "2").unwrap();
    two.reconcile().unwrap();
    assert_eq!((get(&one, "x").unwrap(), get(&two, "x").unwrap()), ("1".into(), "2".into()));
}

#[test]
fn no_value_is_in_any_file() {
    let desk = Desk::new();
    let store = desk.open(desk.mac.ad_hoc());
    put(&store, "x", desk.world.canary()).unwrap();
    put(&store, "x", desk.world.canary()).unwrap();
    desk.world.assert_no_leak();
    desk.world.assert_no_temporary();
}

// The real one.

#[cfg(not(target_os = "macos"))]
#[test]
fn the_real_keychain_there_and_back() {
    eprintln!("SKIPPED the_real_keychain_there_and_back: the keychain is of macOS only");
}

/// What the fake promises of the calls, as far as nobody has to be there.
#[cfg(target_os = "macos")]
#[test]
fn the_real_keychain_there_and_back() {
    use crate::common::real_keychain::RealMac;
    let Some(mac) = RealMac::new() else { return };
    let api = RealMac::api();
    let service = format!("mima {} raw", mac.world.data().display());
    let key = Key { place: Place::Login, service: &service, account: "a" };
    let item = Item { key, label: "mima: a test", comment: "c", value: b"v\0\xff" };
    assert_eq!(api.list(key.place, &service), Err(Status::ITEM_NOT_FOUND));
    assert_eq!(api.read(&key, None).err(), Some(Status::ITEM_NOT_FOUND));
    api.add(&item).unwrap();
    assert_eq!(api.add(&item), Err(Status::DUPLICATE_ITEM));
    assert_eq!(api.read(&key, None).unwrap().expose(), item.value);
    let listed = api.list(key.place, &service).unwrap();
    assert_eq!(
        (listed.len(), listed[0].account.as_str(), listed[0].comment.as_str()),
        (1, "a", "c")
    );
    api.delete(&key).unwrap();
    assert_eq!(api.delete(&key), Err(Status::ITEM_NOT_FOUND));
    // The tests are signed ad hoc at best, so the other keychain looks empty and takes nothing.
    let key = Key { place: Place::DataProtection, ..key };
    assert_eq!(api.add(&Item { key, ..item }), Err(Status::MISSING_ENTITLEMENT));
    assert_eq!(api.read(&key, None).err(), Some(Status::ITEM_NOT_FOUND));

    let store = mac.open();
    assert_eq!(store.tier().unwrap(), Tier::AdHoc);
    put(&store, "x", "1").unwrap();
    put(&store, "x", "2").unwrap();
    assert_eq!(
        (names(&store), get(&mac.open(), "x").unwrap()),
        (vec!["x".to_owned()], "2".to_owned())
    );
    assert_eq!(store.disagreement().unwrap(), Reconciled::default());
    std::fs::remove_file(mac.world.data().join("keychain.index")).unwrap();
    assert_eq!(names(&store), ["x"], "without an index the keychain tells");
    store.remove(&name("x")).unwrap();
    assert_fails(get(&store, "x"), Kind::NotFound, &["no secret `x`"]);
}
