//! `mima vault`, as one types it, and what other tools make of the vault.

use std::os::unix::fs::PermissionsExt;

use mima::store::Store;

use crate::common::leaks::files_below;
use crate::common::pty::Pty;
use crate::common::require;
use crate::common::world::{PASSPHRASE, World};
use crate::vault_format::vault;

#[test]
fn init_makes_a_vault_of_full_strength() {
    let mut world = World::new();
    world.askpass("a new passphrase");
    // What a crash left behind.
    world.write(".local/share/mima/vault.new/secrets/old.age", "x");
    let leftover = world.data().join("vault.new");
    std::fs::set_permissions(world.data(), PermissionsExt::from_mode(0o700)).unwrap();
    world.mima(&["vault", "init"]).run().ok().stdout_is("");
    assert!(!leftover.exists());
    world.assert_no_temporary();
    let key = std::fs::read(world.data().join("vault/identity.age")).unwrap();
    let key = String::from_utf8_lossy(&key);
    assert!(key.contains("-> scrypt ") && key.contains(" 18\n"), "{key}");
    for path in files_below(&world.data()) {
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
    world.mima(&["secret", "add", "x"]).stdin(world.canary()).run().ok();
    world.mima(&["secret", "get", "x"]).run().ok().stdout_is(world.canary());
}

#[test]
fn init_leaves_an_existing_vault_alone() {
    let world = World::with_vault();
    let refused = world.mima(&["vault", "init"]).run();
    refused.fails(1).stderr_has("there is a vault already").stderr_has("mima vault passwd");
    assert_eq!(world.asked(), 0);
    world.mima(&["secret", "get", "K00"]).run().ok().stdout_is("value-of-K00");
}

#[test]
fn init_without_anybody_to_ask_leaves_nothing_behind() {
    let world = World::new();
    world.mima(&["vault", "init"]).run().fails(1).stderr_has("no terminal");
    assert!(!world.data().exists());
}

#[test]
fn before_there_is_a_vault_the_way_to_one_is_told() {
    let world = World::new();
    for args in [&["vault", "passwd"][..], &["vault", "recipients"]] {
        let refused = world.mima(args).run();
        refused.fails(1).stderr_has("there is no vault yet").stderr_has("mima vault init");
    }
    world.mima(&["secret", "list"]).run().ok().stdout_is("");
}

#[test]
fn passwd_changes_the_passphrase_and_nothing_else() {
    let mut world = World::with_vault();
    // The old one once, then the new one.
    world.script(
        "askpass",
        &format!(
            "case $1 in *'New passphrase'*) echo 'another one';; *) echo {PASSPHRASE};; esac\n"
        ),
    );
    let changed = world.mima(&["vault", "passwd"]).run();
    changed.ok().stderr_has("a copy of the vault from before still opens with the old one");
    world.mima(&["secret", "get", "K00"]).run().fails(1).stderr_has("wrong passphrase");
    world.guard("another one");
    world.askpass("another one");
    world.mima(&["secret", "get", "K00"]).run().ok().stdout_is("value-of-K00");
    world.mima(&["vault", "recipients"]).run().ok().stdout_has("age1");
}

#[test]
fn t_e9_three_wrong_passphrases_are_an_error() {
    let world = World::with_vault();
    let answer = |answers: &str| {
        // Each run of the program takes the next answer.
        let count = world.root().join("count");
        std::fs::write(&count, "").unwrap();
        let count = count.display();
        let script = format!(
            "echo >>'{count}'\nset -- {answers}\nshift $(($(wc -l <'{count}') - 1))\necho \"$1\"\n"
        );
        world.script("askpass", &script)
    };
    let askpass = answer(&format!("wrong other {PASSPHRASE}"));
    let get = world.mima(&["secret", "get", "K00"]).env("MIMA_ASKPASS", askpass);
    let mended = get.run();
    mended.ok().stdout_is("value-of-K00");
    mended.stderr_has("wrong passphrase, try again (2 left)").stderr_has("(1 left)");
    answer(&format!("wrong other third {PASSPHRASE}"));
    get.run().fails(1).stdout_is("").stderr_has("mima: wrong passphrase\nhint: ");
}

#[test]
fn t_e7_swapped_recipients_stop_secret_add() {
    let world = World::with_vault();
    let other = age::x25519::Identity::generate().to_public();
    let file = world.data().join("vault/recipients.txt");
    let own = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{own}{other}\n")).unwrap();
    let refused = world.mima(&["secret", "add", "x"]).stdin("v").run();
    refused.fails(1).stderr_has("recipients changed").stderr_has("mima vault recipients --accept");
    assert_eq!(world.asked(), 0);
    world.mima(&["vault", "recipients", "--accept"]).run().ok().stdout_has(&other.to_string());
    world.mima(&["secret", "add", "x"]).stdin("v").run().ok();
}

#[test]
fn t_d6_a_vault_that_others_can_write_to_is_refused() {
    let world = World::with_vault();
    for dir in ["vault", "vault/secrets"] {
        let dir = world.data().join(dir);
        std::fs::set_permissions(&dir, PermissionsExt::from_mode(0o777)).unwrap();
        for args in [&["secret", "get", "K00"][..], &["secret", "rm", "K00"]] {
            let refused = world.mima(args).run();
            refused.fails(1).stderr_has("others can write to").stderr_has("chmod go-w");
        }
        std::fs::set_permissions(&dir, PermissionsExt::from_mode(0o700)).unwrap();
    }
}

#[test]
fn the_vault_may_be_a_link_to_where_it_is_shared() {
    let world = World::with_vault();
    let shared = world.home().join("dotfiles");
    std::fs::rename(world.data().join("vault"), &shared).unwrap();
    std::os::unix::fs::symlink(&shared, world.data().join("vault")).unwrap();
    world.mima(&["secret", "add", "x"]).stdin("v").run().ok();
    world.mima(&["secret", "get", "x"]).run().ok().stdout_is("v");
    assert!(shared.join("secrets/x.age").is_file());
}

#[test]
fn what_is_no_secret_is_left_out_and_told() {
    let world = World::with_vault();
    let secrets = world.data().join("vault/secrets");
    for file in ["K00.sync-conflict-2026 1.age", "notes.txt", ".gitkeep", "-x.age"] {
        std::fs::write(secrets.join(file), "x").unwrap();
    }
    let vault = vault(&world);
    assert_eq!(vault.names().unwrap().len(), 50);
    let strays = ["-x.age", "K00.sync-conflict-2026 1.age", "notes.txt"];
    assert_eq!(vault.strays().unwrap(), strays.map(|file| secrets.join(file)));
}

#[test]
fn debian_age_opens_it() {
    let Some(age) = require("age") else { return };
    let world = World::with_vault();
    let value = b"any\0bytes \xff\n";
    let file = world.write("value", value);
    let path = file.to_str().unwrap();
    // No NUL goes through the command line, so this one comes without.
    let plain: Vec<u8> = value.iter().copied().filter(|byte| *byte != 0).collect();
    std::fs::write(&file, &plain).unwrap();
    world.mima(&["secret", "add", "x", "--raw", "--from-file", path]).run().ok();

    let vault = world.data().join("vault");
    let key = world.root().join("key.txt");
    let mut unwrap = Pty::spawn(
        &mut world
            .command(&age)
            .args(["-d", "-o", key.to_str().unwrap()])
            .arg(vault.join("identity.age"))
            .std(),
    );
    unwrap.expect("passphrase");
    unwrap.send_line(PASSPHRASE);
    assert!(unwrap.wait().success(), "{}", unwrap.transcript());
    for (name, want) in [("K00", &b"value-of-K00"[..]), ("x", &plain)] {
        let file = vault.join(format!("secrets/{name}.age"));
        let opened = world.command(&age).args(["-d", "-i"]).arg(&key).arg(file).run();
        opened.ok().stdout_is(want);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn t_i4_no_value_stays_in_memory_after_it_was_read() {
    use std::os::unix::fs::FileExt;

    use mima::names::SecretName;

    use crate::vault_format::unlock;

    let world = World::with_vault();
    for size in [40, 700, 100_000] {
        // This process must not know the value before it is read.
        let script = format!("head -c {size} /dev/urandom | base64 -w0 | \"$@\"");
        let add = world.mima(&["secret", "add", "--force", "x"]);
        add.within(&script).run().ok();
        let masked: Vec<u8> = {
            let vault = vault(&world);
            let unlocked = unlock(&vault).unwrap();
            let value = unlocked.get(&SecretName::parse("x").unwrap()).unwrap();
            // The last bytes: the first are where an allocator notes what is free.
            let part = value.expose().len() - 40..value.expose().len() - 16;
            value.expose()[part].iter().map(|byte| !byte).collect()
        };
        let memory = std::fs::File::open("/proc/self/mem").unwrap();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let mut page = vec![0; 1 << 16];
        for line in maps.lines().filter(|line| line.contains(" rw-p ")) {
            let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
            let mut at = u64::from_str_radix(start, 16).unwrap();
            let end = u64::from_str_radix(end, 16).unwrap();
            while at < end {
                let read = memory.read_at(&mut page, at).unwrap_or(0);
                let found = page[..read]
                    .windows(masked.len())
                    .any(|window| window.iter().zip(&masked).all(|(byte, mask)| *byte == !mask));
                assert!(!found, "{size} random bytes: still there, in {line}");
                at += u64::try_from(page.len()).unwrap() - 64;
            }
        }
    }
}
