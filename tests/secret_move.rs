//! `mima secret move`: no value is lost, wherever it is cut short.

use std::cell::Cell;
use std::collections::BTreeMap;

use mima::error::{Failure, Kind, Result};
use mima::flow::{Arrival, Moving, Place};
use mima::names::SecretName;
use mima::paths::Paths;
use mima::prompt::{Prompter, Reason};
use mima::secret::Secret;
use mima::store::keychain::Keychain;
use mima::store::vault::Vault;
use mima::store::{Existing, Store, Unlocked};

use crate::common::SPAWNING;
#[cfg(all(target_os = "linux", feature = "secret-service"))]
use crate::common::desktop::Desktop;
use crate::common::fake_keychain::{Build, Call, Mac};
#[cfg(all(target_os = "linux", feature = "secret-service"))]
use crate::common::strace::{Attempt, kill_points};
use crate::common::world::World;

fn name(text: &str) -> SecretName {
    SecretName::parse(text).unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

/// A keychain of its own, and the Mac that it is on.
struct Fake {
    mac: Mac,
    store: Keychain<Build>,
}

impl Fake {
    fn new(world: &World, dir: &str) -> Self {
        let mac = Mac::default();
        let paths = Paths::in_dir(world.home().join(dir));
        // Nothing but the fake is ever asked.
        let prompter = Prompter::with_askpass("/nonexistent".into());
        Self { store: Keychain::new(mac.entitled(), &paths, prompter), mac }
    }

    fn holding(world: &World, dir: &str, values: &[(&str, &str)]) -> Self {
        let fake = Self::new(world, dir);
        for (key, value) in values {
            fake.store.put(&name(key), &secret(value), Existing::Keep).unwrap();
        }
        fake
    }
}

/// All names and values of a store.
fn all(store: &dyn Store) -> BTreeMap<String, String> {
    let unlocked = store.unlock(&Reason::new("test")).unwrap();
    let value = |name| String::from_utf8(unlocked.get(name).unwrap().expose().to_vec()).unwrap();
    store.names().unwrap().iter().map(|name| (name.to_string(), value(name))).collect()
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Moves, and returns what was said of each secret.
fn relocate(
    from: &dyn Store,
    to: &dyn Store,
    wanted: &[&str],
    existing: Existing,
) -> Result<Vec<(String, Arrival)>> {
    let wanted: Vec<_> = wanted.iter().map(|wanted| name(wanted)).collect();
    let from = Place { name: "old", store: from };
    let plan = Moving::plan(from, Place { name: "new", store: to }, &wanted, existing)?;
    let mut arrived = Vec::new();
    plan.run(&Reason::new("move"), |name, arrival| arrived.push((name.to_string(), arrival)))?;
    Ok(arrived)
}

const THREE: [(&str, &str); 3] = [("a", "value of a"), ("b", "b\n"), ("c", "")];

#[test]
fn secrets_go_from_the_vault_to_the_keychain_and_back() {
    let world = World::with_vault();
    let vault = Vault::new(
        &Paths::in_dir(world.data()),
        Prompter::with_askpass(world.bin().join("askpass")),
    );
    let fake = Fake::new(&world, "keychain");
    // The vault asks by starting a program.
    let _spawning = SPAWNING.read().unwrap();
    let arrived = relocate(&vault, &fake.store, &["K07", "K08", "K07"], Existing::Keep).unwrap();
    let copied = |name: &str| (name.to_owned(), Arrival::Copied);
    assert_eq!(arrived, [copied("K07"), copied("K08")]);
    assert_eq!(all(&fake.store), map(&[("K07", "value-of-K07"), ("K08", "value-of-K08")]));
    assert_eq!(vault.names().unwrap().len(), 48);
    assert_eq!(world.asked(), 1, "the vault asks once");
    let sheets = fake.mac.asked();
    // Without a name, all that are there.
    relocate(&fake.store, &vault, &[], Existing::Keep).unwrap();
    assert_eq!(fake.mac.asked() - sheets, 1, "the keychain asks once");
    assert_eq!(world.asked(), 2);
    assert_eq!(fake.store.names().unwrap(), []);
    let all = all(&vault);
    assert_eq!(all.len(), 50);
    assert!(all.iter().all(|(name, value)| *value == format!("value-of-{name}")), "{all:?}");
}

#[test]
fn cut_short_between_any_two_steps_every_value_is_somewhere_and_the_same_move_goes_on() {
    let world = World::new();
    let mut steps = 0;
    for number in 0.. {
        for done in [false, true] {
            let dir = |side: &str| format!("{number}-{done}-{side}");
            let old = Fake::holding(&world, &dir("old"), &THREE);
            let new = Fake::new(&world, &dir("new"));
            let fuse = Fuse { left: Cell::new(number), done };
            let (from, to) = (Cut(&old.store, &fuse), Cut(&new.store, &fuse));
            if relocate(&from, &to, &[], Existing::Keep).is_ok() {
                assert!(steps > 20, "only {steps} steps");
                return;
            }
            steps += 1;
            let (left, there) = (all(&old.store), all(&new.store));
            for (name, value) in THREE {
                let found = [&left, &there].map(|store| store.get(name).map(String::as_str));
                assert!(found.contains(&Some(value)), "{number} {done}: {name} is lost");
                assert!(found.iter().flatten().all(|found| *found == value), "{number}: {found:?}");
            }
            // By the same command, with the names or without.
            let wanted: &[&str] = if number % 2 == 0 { &[] } else { &["a", "b", "c"] };
            relocate(&old.store, &new.store, wanted, Existing::Keep).unwrap();
            assert_eq!((all(&old.store), all(&new.store)), (map(&[]), map(&THREE)));
        }
    }
}

#[test]
fn what_is_there_with_the_same_value_counts_as_copied() {
    let world = World::new();
    let old = Fake::holding(&world, "old", &THREE);
    let new = Fake::holding(&world, "new", &[("b", "b\n"), ("other", "x")]);
    let arrived = relocate(&old.store, &new.store, &["b", "c"], Existing::Keep).unwrap();
    assert_eq!(arrived, [("b".to_owned(), Arrival::WasThere), ("c".to_owned(), Arrival::Copied)]);
    assert_eq!(all(&old.store), map(&[("a", "value of a")]));
    assert_eq!(all(&new.store), map(&[("b", "b\n"), ("c", ""), ("other", "x")]));
}

#[test]
fn another_value_under_the_same_name_is_refused_before_anything_is_moved() {
    let world = World::new();
    let old = Fake::holding(&world, "old", &THREE);
    let new = Fake::holding(&world, "new", &[("c", "precious")]);
    let failure = relocate(&old.store, &new.store, &[], Existing::Keep).unwrap_err();
    assert_eq!(failure.kind(), Kind::Exists);
    let said = report(&failure);
    assert!(said.contains("`c`") && said.contains("--to new --force c"), "{said}");
    assert!(!said.contains("precious"), "{said}");
    assert_eq!((all(&old.store), all(&new.store)), (map(&THREE), map(&[("c", "precious")])));
    relocate(&old.store, &new.store, &["c"], Existing::Replace).unwrap();
    assert_eq!(all(&new.store), map(&[("c", "")]));
    assert_eq!(all(&old.store), map(&THREE[..2]));
}

#[test]
fn names_that_clash_or_are_not_there_are_refused_before_anybody_is_asked() {
    let world = World::new();
    let old = Fake::holding(&world, "old", &THREE);
    let new = Fake::holding(&world, "new", &[("A", "x"), ("moved", "y")]);
    let failure = relocate(&old.store, &new.store, &["b", "a"], Existing::Replace).unwrap_err();
    assert!(failure.to_string().contains("only in case"), "{failure}");
    let failure = relocate(&old.store, &new.store, &["b", "bb"], Existing::Keep).unwrap_err();
    assert_eq!(failure.kind(), Kind::NotFound);
    assert_eq!((old.mac.asked(), new.mac.asked()), (0, 0));
    // It has been moved before, so that is no mistake.
    assert_eq!(relocate(&old.store, &new.store, &["moved", "b"], Existing::Keep).unwrap().len(), 1);
}

#[test]
fn a_store_that_fails_half_way_keeps_what_has_arrived_and_the_rest_stays() {
    let world = World::new();
    let old = Fake::holding(&world, "old", &THREE);
    let new = Fake::new(&world, "new");
    let full = Flawed { store: &new.store, puts: Cell::new(1), garbles: false };
    let failure = relocate(&old.store, &full, &[], Existing::Keep).unwrap_err();
    assert!(report(&failure).contains("could not move `b`: the disk is full"), "{failure}");
    assert_eq!(all(&new.store), map(&THREE[..1]));
    assert_eq!(all(&old.store), map(&THREE[1..]));
}

#[test]
fn nothing_is_removed_whose_copy_reads_otherwise() {
    let world = World::new();
    let old = Fake::holding(&world, "old", &THREE);
    let new = Fake::new(&world, "new");
    let flawed = Flawed { store: &new.store, puts: Cell::new(9), garbles: true };
    let failure = relocate(&old.store, &flawed, &[], Existing::Keep).unwrap_err();
    assert_eq!(failure.kind(), Kind::Damaged);
    let said = report(&failure);
    assert!(said.contains("could not move `a`") && said.contains("still in old"), "{said}");
    assert!(!said.contains("value of a"), "{said}");
    assert_eq!(all(&old.store), map(&THREE));
}

#[test]
fn a_value_that_is_changed_meanwhile_stays() {
    let world = World::new();
    let old = Fake::holding(&world, "old", &THREE);
    let new = Fake::new(&world, "new");
    // Another mima stores another value while the copy is made.
    let other = Keychain::new(
        old.mac.entitled(),
        &Paths::in_dir(world.home().join("old")),
        Prompter::with_askpass("/nonexistent".into()),
    );
    let change = Replaced {
        store: &new.store,
        by: &|| {
            other.put(&name("a"), &secret("newer"), Existing::Replace).unwrap();
        },
    };
    let failure = relocate(&old.store, &change, &["a"], Existing::Keep).unwrap_err();
    assert!(failure.to_string().contains("changed in old meanwhile"), "{failure}");
    assert_eq!(all(&old.store)["a"], "newer");
    relocate(&old.store, &new.store, &["a"], Existing::Keep).unwrap_err();
    relocate(&old.store, &new.store, &["a"], Existing::Replace).unwrap();
    assert_eq!(all(&new.store), map(&[("a", "newer")]));
}

#[test]
fn a_person_who_says_no_has_changed_nothing() {
    let world = World::new();
    for denied in ["old", "new"] {
        let old = Fake::holding(&world, &format!("{denied}-old"), &THREE);
        let new = Fake::new(&world, &format!("{denied}-new"));
        let mac = if denied == "old" { &old.mac } else { &new.mac };
        mac.answer(mima::store::keychain::api::Denial::USER_CANCEL);
        relocate(&old.store, &new.store, &[], Existing::Keep).unwrap_err();
        assert_eq!(new.mac.count(Call::Add), 0);
        assert_eq!(all(&old.store), map(&THREE));
    }
}

#[test]
fn the_command_line_names_a_store_of_this_build_that_is_another_one() {
    let world = World::with_vault();
    let mima = |args: &[&str]| world.mima(&[&["secret", "move"], args].concat()).run();
    mima(&[]).fails(2).stderr_has("--to");
    mima(&["--to", "vault"]).fails(2).stderr_has("in vault already").stderr_has("MIMA_STORE");
    mima(&["--to", world.canary()]).fails(2).stderr_has("--to: this is no store of mima");
    mima(&["--to", "valut"]).fails(2).stderr_has("did you mean `vault`?");
    mima(&["--to", "env"]).fails(1).stderr_has("cannot store anything there");
    let from_env = world.mima(&["secret", "move", "--to", "vault"]).env("MIMA_STORE", "env").run();
    from_env.fails(1).stderr_has("removes nothing from there");
    mima(&["--to", "vault", "../x"]).fails(2).stderr_has("no name for a secret");
    assert_eq!(world.asked(), 0);
}

/// The vault of the fixture, and a keyring beside it.
#[cfg(all(target_os = "linux", feature = "secret-service"))]
fn desktop() -> Option<Desktop> {
    let mut desktop = Desktop::new()?;
    desktop.world.add_vault();
    Some(desktop)
}

#[cfg(all(target_os = "linux", feature = "secret-service"))]
#[test]
fn the_command_says_what_was_moved_what_is_left_and_where_mima_will_look() {
    let Some(desktop) = desktop() else { return };
    let world = &desktop.world;
    let to_keyring = |args: &[&str]| {
        let args = [&["secret", "move", "--to", "secret-service"], args].concat();
        world.mima(&args).env("MIMA_STORE", "vault").run()
    };
    let moved = to_keyring(&["K00", "K01"]);
    moved.ok().stdout_is("");
    for said in [
        "unlocks both stores, each once: vault to read the values, secret-service to read them",
        "mima: moved K00\n",
        "mima: moved K01\n",
        "left in vault: K02, ",
        "hint: for mima to look there, write into ~/.mima.yaml: store: secret-service",
        "MIMA_STORE still names vault",
    ] {
        moved.stderr_has(said);
    }
    assert_eq!(world.asked(), 1);
    let again = to_keyring(&["K00"]);
    again.ok().stderr_has("no such secret to move");
    assert_eq!(world.asked(), 1, "where nothing is to be done, nobody is asked");
    world.mima(&["secret", "get", "K01"]).run().ok().stdout_is("value-of-K01");
    world.mima(&["secret", "list"]).run().ok().stdout_is("K00\nK01\n");
    // Another value there stays, unless that is wanted.
    let add = world.mima(&["secret", "add", "K00"]).env("MIMA_STORE", "vault").stdin("newer");
    add.run().ok();
    to_keyring(&["K00"]).fails(1).stderr_has("another value for `K00`").stderr_has("--force K00");
    to_keyring(&["K00", "--force"]).ok();
    world.mima(&["secret", "get", "K00"]).run().ok().stdout_is("newer");
    world.write(".mima.yaml", "store: secret-service\n");
    let back = world.mima(&["secret", "move", "--to", "vault"]).env("MIMA_STORE", "").run();
    back.ok().stderr_has("nothing is left in secret-service").stderr_has("store: vault");
    let list = world.mima(&["secret", "list"]).env("MIMA_STORE", "vault").run();
    assert_eq!(list.ok().out().lines().count(), 50);
}

/// Kills the move at each call that changes a file or talks to the keyring, in both directions.
#[cfg(all(target_os = "linux", feature = "secret-service"))]
#[test]
fn killed_at_any_call_no_value_is_lost_and_the_same_move_goes_on() {
    const CALLS: &str = "write,fsync,rename,unlink,sendmsg";
    const MOVED: [&str; 2] = ["K00", "K01"];
    let Some(desktop) = desktop() else { return };
    for (from, to) in [("vault", "secret-service"), ("secret-service", "vault")] {
        let in_store =
            |world: &World, args: &[&str], store: &str| world.mima(args).env("MIMA_STORE", store);
        // The keyring is the same for all copies of the world, so it is put right each time.
        let command = |world: &World| {
            for name in MOVED {
                let value = format!("value-of-{name}");
                let add = ["secret", "add", "--force", name];
                in_store(world, &add, from).stdin(value).run().ok();
                in_store(world, &["secret", "rm", name], to).run();
            }
            in_store(world, &["secret", "move", "--to", to, "K00", "K01"], from)
        };
        let check = |world: &World, attempt: &Attempt| {
            for name in MOVED {
                let found: Vec<_> = ["vault", "secret-service"]
                    .into_iter()
                    .map(|store| in_store(world, &["secret", "get", name], store).run())
                    .filter(|got| got.status.success())
                    .map(|got| got.out())
                    .collect();
                let value = format!("value-of-{name}");
                assert!(!found.is_empty(), "{name} is lost {attempt}");
                assert!(found.iter().all(|found| *found == value), "{found:?} {attempt}");
            }
            let again = in_store(world, &["secret", "move", "--to", to, "K00", "K01"], from);
            again.run().ok();
            for name in MOVED {
                let got = in_store(world, &["secret", "get", name], to).run();
                got.ok().stdout_is(format!("value-of-{name}"));
                in_store(world, &["secret", "get", name], from).run().fails(1);
            }
        };
        let Some(points) = kill_points(&desktop.world, CALLS, command, check) else { return };
        assert!(points > 30, "only {points} points from {from} to {to}");
    }
}

fn report(failure: &Failure) -> String {
    let mut said = Vec::new();
    failure.report(&mut said).unwrap();
    String::from_utf8(said).unwrap()
}

/// Burns down by one with every call of either store; then nothing happens any more.
struct Fuse {
    left: Cell<usize>,
    /// Whether the last call is still made.
    done: bool,
}

impl Fuse {
    fn call<T>(&self, call: impl FnOnce() -> Result<T>) -> Result<T> {
        let killed = || Failure::failed("killed");
        match self.left.get() {
            0 => Err(killed()),
            1 if !self.done => {
                self.left.set(0);
                Err(killed())
            }
            left => {
                self.left.set(left - 1);
                let called = call()?;
                if left == 1 { Err(killed()) } else { Ok(called) }
            }
        }
    }
}

/// A store that is cut off when the fuse has burnt down.
struct Cut<'a>(&'a dyn Store, &'a Fuse);

struct CutOpen<'a>(Box<dyn Unlocked + 'a>, &'a Fuse);

impl Store for Cut<'_> {
    fn put(&self, name: &SecretName, value: &Secret, existing: Existing) -> Result<()> {
        self.1.call(|| self.0.put(name, value, existing))
    }

    fn names(&self) -> Result<Vec<SecretName>> {
        self.1.call(|| self.0.names())
    }

    fn remove(&self, name: &SecretName) -> Result<()> {
        self.1.call(|| self.0.remove(name))
    }

    fn unlock(&self, reason: &Reason) -> Result<Box<dyn Unlocked + '_>> {
        let open = self.1.call(|| self.0.unlock(reason))?;
        Ok(Box::new(CutOpen(open, self.1)))
    }
}

impl Unlocked for CutOpen<'_> {
    fn get(&self, name: &SecretName) -> Result<Secret> {
        self.1.call(|| self.0.get(name))
    }
}

/// A store that takes so many values only, or gives back others.
struct Flawed<'a> {
    store: &'a dyn Store,
    puts: Cell<usize>,
    garbles: bool,
}

struct FlawedOpen<'a>(Box<dyn Unlocked + 'a>, bool);

impl Store for Flawed<'_> {
    fn put(&self, name: &SecretName, value: &Secret, existing: Existing) -> Result<()> {
        let Some(left) = self.puts.get().checked_sub(1) else {
            return Err(Failure::failed("the disk is full"));
        };
        self.puts.set(left);
        self.store.put(name, value, existing)
    }

    fn names(&self) -> Result<Vec<SecretName>> {
        self.store.names()
    }

    fn remove(&self, _: &SecretName) -> Result<()> {
        unreachable!("nothing is removed from where it goes to")
    }

    fn unlock(&self, reason: &Reason) -> Result<Box<dyn Unlocked + '_>> {
        Ok(Box::new(FlawedOpen(self.store.unlock(reason)?, self.garbles)))
    }
}

impl Unlocked for FlawedOpen<'_> {
    fn get(&self, name: &SecretName) -> Result<Secret> {
        let value = self.0.get(name)?;
        Ok(if self.1 { Secret::new([value.expose(), b"!"].concat()) } else { value })
    }
}

/// A store beside which somebody else does something after each value that it takes.
struct Replaced<'a> {
    store: &'a dyn Store,
    by: &'a dyn Fn(),
}

impl Store for Replaced<'_> {
    fn put(&self, name: &SecretName, value: &Secret, existing: Existing) -> Result<()> {
        self.store.put(name, value, existing)?;
        (self.by)();
        Ok(())
    }

    fn names(&self) -> Result<Vec<SecretName>> {
        self.store.names()
    }

    fn remove(&self, _: &SecretName) -> Result<()> {
        unreachable!("nothing is removed from where it goes to")
    }

    fn unlock(&self, reason: &Reason) -> Result<Box<dyn Unlocked + '_>> {
        self.store.unlock(reason)
    }
}
