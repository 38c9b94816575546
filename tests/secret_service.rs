//! The desktop's keyring: the real GNOME Keyring, on a bus of the test's own.

#![cfg(all(target_os = "linux", feature = "secret-service"))]

use std::fmt::Write;

use mima::names::SecretName;
use mima::paths::Paths;
use mima::prompt::{Asking, Prompter, Reason};
use mima::secret::Secret;
use mima::store::Store;
use mima::store::secret_service::SecretService;

use crate::common::desktop::{Desktop, Person};
use crate::common::require;
use crate::contract;

fn add(desktop: &Desktop, name: &str, value: &str) {
    desktop.world.mima(&["secret", "add", name]).stdin(value).run().ok();
}

#[test]
fn the_keyring_keeps_the_contract() {
    let Some(desktop) = Desktop::new() else { return };
    let open = || {
        let paths = Paths::in_dir(desktop.world.data());
        let prompter = Prompter::from_env(Asking::Forbidden);
        SecretService::new(&paths, prompter).on_bus(desktop.address().to_owned())
    };
    contract::keep(&|| {
        let store = open();
        for name in store.names().unwrap() {
            store.remove(&name).unwrap();
        }
        Box::new(move || Box::new(open()))
    });
}

#[test]
fn the_verbs_work_as_with_the_vault() {
    let Some(desktop) = Desktop::new() else { return };
    let world = &desktop.world;
    let canary = world.canary().to_owned();
    world.mima(&["set", "dev", "TOKEN"]).stdin(&canary).run().ok().stderr_has("stored dev.TOKEN");
    world.mima(&["secret", "list"]).run().ok().quiet().stdout_is("dev.TOKEN\n");
    world
        .mima(&["run", "dev", "--", "printenv", "TOKEN"])
        .run()
        .ok()
        .stdout_is(format!("{canary}\n"));
    world.mima(&["secret", "add", "dev.TOKEN"]).stdin("x").run().fails(1).stderr_has("--force");
    world.mima(&["secret", "rename", "dev.TOKEN", "other"]).run().ok();
    world.mima(&["secret", "get", "other"]).run().ok().stdout_is(&canary);
    world.mima(&["secret", "get", "othre"]).run().fails(1).stderr_has("did you mean `other`?");
    world.mima(&["secret", "rm", "other"]).run().ok();
    world.mima(&["secret", "list"]).run().ok().stdout_is("");
    assert!(!world.data().join("vault").exists(), "the vault is not needed");
}

#[test]
fn who_can_read_an_open_keyring_is_said_once_and_by_status() {
    const WHAT: &str = "every program of your session can read the keyring while it is open, \
                        `secret-tool lookup application mima name NAME` for one";
    let Some(desktop) = Desktop::new() else { return };
    let said =
        |name: &str| desktop.world.mima(&["secret", "add", name]).stdin("x").run().ok().err();
    let first = said("a");
    assert!(first.contains(&format!("mima: secret-service: {WHAT}")), "{first}");
    assert!(!said("b").contains("every program"));
    let status = |args: &[&str]| desktop.world.mima(args).run().ok().quiet().out();
    let shown = status(&["status"]);
    assert!(shown.contains(&format!("store: secret-service: {WHAT}\n")), "{shown}");
    let json: serde_json::Value = serde_json::from_str(&status(&["status", "--json"])).unwrap();
    assert_eq!(json["protection"], format!("secret-service: {WHAT}"));
    assert_eq!(json["protected_otherwise"], serde_json::json!([]));
}

#[test]
fn secret_tool_finds_the_same_bytes() {
    let Some(tool) = require("secret-tool") else { return };
    let Some(desktop) = Desktop::new() else { return };
    for (name, value) in
        [("plain", &b"a value"[..]), ("lines", b"two\nlines\n"), ("bytes", b"\xff\xfe\x80 \x1b[2J")]
    {
        desktop.world.mima(&["secret", "add", "--raw", name]).stdin(value).run().ok();
        let lookup = ["lookup", "application", "mima", "name", name];
        desktop.world.command(&tool).args(lookup).run().ok().stdout_is(value);
    }
    let found = desktop.world.command(&tool).args(["search", "--all", "application", "mima"]).run();
    let found = format!("{}{}", found.ok().out(), found.err());
    for told in ["label = mima: plain", "schema = org.mima.Secret", "attribute.name = bytes"] {
        assert!(found.contains(told), "{found}");
    }
}

#[test]
fn items_of_other_programs_are_left_alone() {
    let Some(tool) = require("secret-tool") else { return };
    let Some(desktop) = Desktop::new() else { return };
    let store = ["store", "--label", "x", "application", "mima", "name", "theirs"];
    desktop.world.command(&tool).args(store).stdin("theirs").run().ok();
    desktop.world.mima(&["secret", "list"]).run().ok().stdout_is("");
    add(&desktop, "theirs", "ours");
    desktop.world.mima(&["secret", "rm", "theirs"]).run().ok();
    let lookup = ["lookup", "application", "mima", "name", "theirs"];
    desktop.world.command(&tool).args(lookup).run().ok().stdout_is("theirs");
}

#[test]
fn one_of_two_items_is_not_guessed() {
    let Some(tool) = require("secret-tool") else { return };
    let Some(desktop) = Desktop::new() else { return };
    add(&desktop, "x", "1");
    let store =
        "store --label x --collection session xdg:schema org.mima.Secret application mima name x";
    desktop.world.command(&tool).args(store.split(' ')).stdin("2").run().ok();
    desktop.world.mima(&["secret", "list"]).run().ok().stdout_is("x\n");
    let got = desktop.world.mima(&["secret", "get", "x"]).run();
    got.fails(1).stdout_is("").stderr_has("more than one item").stderr_has("mima secret rm x");
    desktop.world.mima(&["secret", "rm", "x"]).run().ok();
    desktop.world.mima(&["secret", "list"]).run().ok().stdout_is("");
}

#[test]
fn a_locked_keyring_is_listed_without_opening_it() {
    let Some(mut desktop) = Desktop::new() else { return };
    for name in ["b", "a", "gone"] {
        add(&desktop, name, "x");
    }
    desktop.world.mima(&["secret", "rm", "gone"]).run().ok();
    desktop.lock();
    desktop.seat(Person::Unlocks);
    let calls = desktop.calls(|| {
        desktop.world.mima(&["secret", "list"]).run().ok().quiet().stdout_is("a\nb\n");
    });
    assert!(calls.iter().any(|call| call == "SearchItems"), "{calls:?}");
    for call in ["Unlock", "Prompt", "GetSecret", "CreateCollection"] {
        assert!(!calls.iter().any(|other| other == call), "{calls:?}");
    }
    assert_eq!(desktop.asked(), 0);
}

#[test]
fn names_that_a_locked_keyring_does_not_tell_are_counted() {
    let Some(mut desktop) = Desktop::new() else { return };
    for name in ["a", "b"] {
        add(&desktop, name, "x");
    }
    desktop.lock();
    std::fs::write(desktop.world.data().join("keyring.names"), "a\nnever-there\n").unwrap();
    let listed = desktop.world.mima(&["secret", "list"]).run();
    listed.ok().stdout_is("a\n").stderr_has("locked and has 1 more");
    // Once it is open all are known again, and stay so.
    desktop.seat(Person::Unlocks);
    desktop.world.mima(&["secret", "get", "a"]).run().ok().stdout_is("x");
    desktop.lock();
    desktop.world.mima(&["secret", "list"]).run().ok().quiet().stdout_is("a\nb\n");
}

#[test]
fn reading_fifty_secrets_asks_once() {
    let Some(mut desktop) = Desktop::new() else { return };
    let mut group = "groups:\n  dev:\n".to_owned();
    for index in 0..50 {
        add(&desktop, &format!("s{index}"), &format!("v{index}"));
        writeln!(group, "    V{index}: s{index}").unwrap();
    }
    desktop.world.write(".mima.yaml", group);
    desktop.lock();
    desktop.seat(Person::Unlocks);
    let calls = desktop.calls(|| {
        let ran = desktop.world.mima(&["run", "dev", "--", "printenv", "V0", "V49"]).run();
        ran.ok()
            .stdout_is("v0\nv49\n")
            .stderr_has("mima run dev: V0, V1, V2, V3, V4, V5 and 44 more for printenv");
    });
    assert_eq!(desktop.asked(), 1);
    assert_eq!(calls.iter().filter(|call| *call == "Unlock").count(), 1);
    assert_eq!(calls.iter().filter(|call| *call == "GetSecret").count(), 50);
    desktop.world.mima(&["run", "dev", "--", "true"]).run().ok().quiet();
    assert_eq!(desktop.asked(), 1, "it is open now");
}

#[test]
fn adding_to_a_locked_keyring_is_asked_by_the_keyring() {
    let Some(mut desktop) = Desktop::new() else { return };
    add(&desktop, "a", "1");
    desktop.lock();
    desktop.seat(Person::Unlocks);
    let added = desktop.world.mima(&["secret", "add", "b"]).stdin("2").run();
    added.ok().stderr_has("mima: the keyring is locked, and asks: ").stderr_has("mima, to store b");
    assert_eq!(desktop.asked(), 1);
    desktop.world.mima(&["secret", "get", "b"]).run().ok().stdout_is("2");
    desktop.world.mima(&["secret", "rm", "a"]).run().ok();
}

#[test]
fn a_prompt_that_is_dismissed_is_a_refusal() {
    let Some(mut desktop) = Desktop::new() else { return };
    add(&desktop, "a", "1");
    desktop.lock();
    desktop.seat(Person::Dismisses);
    for args in [&["secret", "get", "a"][..], &["secret", "add", "b"], &["secret", "rm", "a"]] {
        let refused = desktop.world.mima(args).stdin("x").run();
        refused.fails(1).stdout_is("").stderr_has("its prompt was dismissed");
    }
    assert_eq!(desktop.asked(), 3);
    desktop.world.mima(&["secret", "list"]).run().ok().stdout_is("a\n");
}

#[test]
fn without_a_screen_a_locked_keyring_is_an_error_at_once() {
    let Some(mut desktop) = Desktop::new() else { return };
    add(&desktop, "a", "1");
    desktop.lock();
    let refused = desktop.world.mima(&["secret", "get", "a"]).run();
    refused.fails(1).stderr_has("could not be shown").stderr_has("hint: ");
}

#[test]
fn no_prompt_means_no_prompt_of_the_keyring_either() {
    let Some(mut desktop) = Desktop::new() else { return };
    add(&desktop, "a", "1");
    desktop.world.write(".mima.yaml", "groups:\n  dev:\n    A: a\n");
    desktop.lock();
    desktop.seat(Person::Unlocks);
    let refused = desktop.world.mima(&["run", "--no-prompt", "dev", "--", "true"]).run();
    refused.fails(125).stderr_has("--no-prompt forbids asking");
    assert_eq!(desktop.asked(), 0);
}

#[test]
fn a_keyring_that_dies_while_it_asks_is_an_error_at_once() {
    let Some(mut desktop) = Desktop::new() else { return };
    add(&desktop, "a", "1");
    desktop.lock();
    desktop.seat(Person::Kills);
    let died = desktop.world.mima(&["secret", "get", "a"]).run();
    died.fails(1).stdout_is("").stderr_has("went away while mima was using it");
    let gone = desktop.world.mima(&["secret", "list"]).run();
    gone.fails(1).stderr_has("no program on this session's D-Bus keeps a keyring");
}

#[test]
fn a_keyring_that_dies_between_two_reads_is_an_error_at_once() {
    let Some(mut desktop) = Desktop::new() else { return };
    add(&desktop, "a", "1");
    let paths = Paths::in_dir(desktop.world.data());
    let prompter = Prompter::from_env(Asking::Forbidden);
    let store = SecretService::new(&paths, prompter).on_bus(desktop.address().to_owned());
    let unlocked = store.unlock(&Reason::new("a test")).unwrap();
    let name = SecretName::parse("a").unwrap();
    assert_eq!(unlocked.get(&name).unwrap().expose(), b"1");
    let said = |result: mima::error::Result<Secret>| result.err().unwrap().to_string();
    desktop.end_keyring();
    let gone = said(unlocked.get(&name));
    assert!(gone.contains("no program on this session's D-Bus keeps a keyring"), "{gone}");
    // A new one does not know what was agreed on with the old one.
    desktop.start_keyring(true);
    let forgotten = said(unlocked.get(&name));
    assert!(forgotten.contains("went away while mima was using it"), "{forgotten}");
}

#[test]
fn the_first_secret_makes_the_keyring() {
    let Some(mut desktop) = Desktop::bare() else { return };
    if require("gnome-keyring-daemon").is_none() {
        return;
    }
    desktop.start_keyring(false);
    desktop.world.mima(&["secret", "list"]).run().ok().stdout_is("");
    desktop.seat(Person::Unlocks);
    add(&desktop, "a", "1");
    assert_eq!(desktop.asked(), 1);
    desktop.lock();
    desktop.seat(Person::Unlocks);
    desktop.world.mima(&["secret", "get", "a"]).run().ok().stdout_is("1");
    assert_eq!(desktop.asked(), 2);
}

#[test]
fn a_bus_without_a_keyring_is_a_clear_error() {
    let Some(desktop) = Desktop::bare() else { return };
    for args in [&["secret", "list"][..], &["secret", "add", "a"], &["secret", "get", "a"]] {
        let failed = desktop.world.mima(args).stdin("x").run();
        failed.fails(1).stdout_is("").stderr_has("no program on this session's D-Bus");
        failed.stderr_has("MIMA_STORE=vault");
    }
}

#[test]
fn no_bus_is_a_clear_error() {
    let Some(desktop) = Desktop::bare() else { return };
    for address in [None, Some("unix:path=/nonexistent/bus"), Some("nonsense")] {
        let command =
            desktop.world.mima(&["secret", "list"]).env_remove("DBUS_SESSION_BUS_ADDRESS");
        let command = command.env("XDG_RUNTIME_DIR", desktop.world.home());
        let command = match address {
            Some(address) => command.env("DBUS_SESSION_BUS_ADDRESS", address),
            None => command,
        };
        let failed = command.run();
        failed.fails(1).stderr_has("could not reach the session's D-Bus").stderr_has("hint: ");
    }
}

#[test]
fn verbs_that_need_no_secret_need_no_bus() {
    let Some(desktop) = Desktop::bare() else { return };
    desktop.world.write(".mima.yaml", "store: secret-service\ngroups:\n  dev:\n    A: a\n");
    let calls = desktop.calls(|| {
        desktop.world.mima(&["run", "dev"]).run().ok().stdout_is("A\n");
        desktop.world.mima(&["hook", "bash"]).run().ok();
        desktop.world.mima(&["export", "bash"]).run().ok();
        desktop.world.mima(&["status"]).run().ok();
    });
    assert_eq!(calls, ["Hello"], "only the test itself was on the bus");
}
