//! `mima doctor`: each finding is provoked, what mends it is run, and the finding is gone.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use mima::flow::doctor::{Severity, keychain};
use mima::names::SecretName;
use mima::paths::Paths;
use mima::prompt::Prompter;
use mima::secret::Secret;
use mima::store::keychain::Keychain;
use mima::store::keychain::api::{Api, Item, Key, Place, Status};
use mima::store::{Existing, Store};

use crate::common::command::{Cmd, Output};
use crate::common::fake_keychain::{Build, Call, Mac};
use crate::common::hooked::{Hooked, Start, each};
use crate::common::leaks::files_below;
use crate::common::strace::trace;
use crate::common::user::{USER, mode};
use crate::common::world::{World, copy_executable, example, mima};
use crate::common::{PATH, is_root, require};

/// A world whose vault is as mima makes one, with a secret, a link to it, an approval, and the
/// hook in the startup file.
fn world() -> World {
    let mut world = World::new();
    world.askpass("a passphrase of length");
    world.guard("a passphrase of length");
    world.allow_leak(world.bin());
    world.set_env("SHELL", "/bin/bash");
    world.mima(&["set", "dev", "TOKEN"]).stdin(world.canary()).run().ok();
    world.write("p/.mima.yaml", "env: {A: b}\n");
    world.mima(&["allow", "--yes"]).cwd(world.home().join("p")).run().ok();
    world.write(".bashrc", "eval \"$(mima hook bash)\"\n");
    mode(&world.home().join(".bashrc"), 0o644);
    world
}

fn doctor(world: &World) -> Output {
    world.mima(&["doctor"]).run()
}

/// Returns the findings as the JSON has them, each as severity, subject, what and fix.
fn findings(cmd: &Cmd) -> Vec<[String; 4]> {
    let json: serde_json::Value = serde_json::from_slice(&cmd.run().stdout).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let row =
        |row: &serde_json::Value| ["severity", "subject", "what", "fix"].map(|key| text(&row[key]));
    json.as_array().unwrap().iter().map(row).collect()
}

/// Finds the one that says `what`.
fn find(all: &[[String; 4]], what: &str) -> Option<[String; 4]> {
    all.iter().find(|finding| finding[2].contains(what)).cloned()
}

/// Provokes a finding, runs what mends it, and makes sure that it is gone, and that nothing
/// else is wrong.
#[track_caller]
fn mended(severity: &str, what: &str, provoke: impl Fn(&World)) -> String {
    let world = world();
    provoke(&world);
    let command = world.mima(&["doctor", "--json"]);
    let all = findings(&command);
    let found = find(&all, what).unwrap_or_else(|| panic!("{what} is not in {all:#?}"));
    assert_eq!(found[0], severity, "{found:?}");
    let is_problem = severity == "warning" || severity == "error";
    let status = doctor(&world);
    assert_eq!(status.status.code(), Some(i32::from(is_problem)), "{status}");
    assert!(!found[3].is_empty(), "nothing mends {found:?}");
    status.stdout_has(&format!("hint: {}", found[3]));
    world.assert_no_secret_in(&status.stdout);
    // Whoever needs it has it, and here root needs none.
    world.script("sudo", "exec \"$@\"\n");
    world.command("sh").args(["-c", &found[3]]).stdin("anew").run().ok();
    let after = findings(&command);
    assert_eq!(find(&after, what), None, "after {}: {after:#?}", found[3]);
    doctor(&world).ok();
    found[3].clone()
}

#[test]
fn a_healthy_home_has_no_problem() {
    let world = world();
    let output = doctor(&world);
    output.ok().quiet().stdout_lacks("warning").stdout_lacks("error  ");
    for said in [
        "~/.mima.yaml, groups: 1",
        "a passphrase opens it, with work of 2^18",
        "recipients, all confirmed: 1",
        "sound as far as can be told without the key: 1",
        "every link leads to a secret",
        "project files decided on: 1",
        "~/.bashrc loads it: mima in line 1",
        "is yours alone",
    ] {
        output.stdout_has(said);
    }
    world.assert_no_secret_in(&output.stdout);
    let asked = world.asked();
    let all = findings(&world.mima(&["doctor", "--json"]));
    assert_eq!(all.len(), output.out().lines().filter(|line| !line.starts_with("hint: ")).count());
    assert_eq!(world.asked(), asked, "nobody is asked");
    let key = std::fs::read_to_string(world.data().join("vault/recipients.txt")).unwrap();
    output.stdout_lacks(key.trim());
}

#[test]
fn a_home_without_anything_has_no_problem_and_gets_nothing() {
    let world = World::new();
    doctor(&world).ok().quiet().stdout_has("there is none yet").stdout_has("hint: mima vault init");
    assert_eq!(files_below(&world.home()), Vec::<std::path::PathBuf>::new());
}

#[test]
fn looking_changes_nothing_and_starts_nothing() {
    let world = world();
    world.write(".local/share/mima/vault/secrets/.tmp-mima", "left");
    let listing = |world: &World| {
        let mut all = files_below(&world.home());
        all.sort();
        all.into_iter()
            .map(|path| {
                let meta = std::fs::symlink_metadata(&path).unwrap();
                (path, meta.permissions().mode(), meta.modified().unwrap())
            })
            .collect::<Vec<_>>()
    };
    let before = listing(&world);
    let only = ["-e", "trace=execve,connect,fork,vfork"];
    let Some((output, lines)) = trace(&world, world.mima(&["doctor"]), &only) else { return };
    output.ok();
    assert_eq!(listing(&world), before);
    let calls: Vec<_> = lines.iter().filter(|line| !line.call.is_empty()).collect();
    assert_eq!(calls.len(), 1, "only mima itself is executed: {calls:#?}");
}

#[test]
fn files_that_others_could_change() {
    let data = |world: &World, below: &str| world.data().join(below);
    mended("error", "others can write to ~/.local/share/mima", |w| mode(&w.data(), 0o770));
    mended("error", "others can write to", |w| mode(&data(w, "vault/secrets"), 0o777));
    mended("error", "others can write to", |w| {
        mode(&data(w, "vault/secrets/dev.TOKEN.age"), 0o666);
        mode(&data(w, "trust"), 0o777);
    });
    mended("error", "others can write to", |w| mode(&data(w, "vault.pins"), 0o606));
    mended("warning", "others can look into", |w| mode(&w.data(), 0o755));
    mended("warning", "others can write to ~/.local", |w| mode(&w.home().join(".local"), 0o777));
    mended("error", "others can write to it", |w| mode(&w.home().join(".mima.yaml"), 0o666));
    mended("error", "others can write to ~/.bashrc", |w| mode(&w.home().join(".bashrc"), 0o666));
}

#[test]
fn files_of_another_user() {
    if !is_root("can give files away") {
        return;
    }
    let give = |path: &Path| chown(path, Some(USER), None).unwrap();
    mended("error", "of another user: ~/.local", |w| {
        give(&w.data().join("vault/secrets/dev.TOKEN.age"));
    });
    mended("warning", "belongs to another user", |w| give(&w.home().join(".local")));
    let world = world();
    let home = world.root().join("chosen");
    std::fs::create_dir(&home).unwrap();
    give(&home);
    let all = findings(&world.mima(&["doctor", "--json"]).env("MIMA_HOME", &home));
    let found = find(&all, "belongs to another user").unwrap();
    assert_eq!(found[..2], ["error", "files"], "{found:?}");
    assert!(find(&all, "~/.bashrc loads it").is_some(), "the rest is looked at: {all:#?}");
}

#[test]
fn what_a_crash_left_behind() {
    mended("note", "left behind", |w| {
        w.write(".local/share/mima/vault/secrets/.tmp-mima", "half");
        w.write(".tmp-mima.mima.yaml", "half");
        w.write(".local/share/mima/vault.new/format", "half");
    });
}

#[test]
fn the_vault_as_far_as_it_can_be_told_without_its_key() {
    let secrets = |w: &World| w.data().join("vault/secrets");
    let fix = mended("error", "dev.TOKEN.age is damaged", |w| {
        std::fs::write(secrets(w).join("dev.TOKEN.age"), "no age file").unwrap();
    });
    assert_eq!(fix, "mima secret add --force dev.TOKEN");
    for cut in [1, 10] {
        mended("error", "cut short", |w| {
            let file = secrets(w).join("dev.TOKEN.age");
            let bytes = std::fs::read(&file).unwrap();
            std::fs::write(&file, &bytes[..bytes.len() - w.canary().len() - cut]).unwrap();
        });
    }
    mended("error", "holds the secret `dev.TOKEN`, not `other`", |w| {
        std::fs::copy(secrets(w).join("dev.TOKEN.age"), secrets(w).join("other.age")).unwrap();
    });
    mended("warning", "dev.TOKEN (conflicted copy).age", |w| {
        let copy = secrets(w).join("dev.TOKEN (conflicted copy).age");
        std::fs::copy(secrets(w).join("dev.TOKEN.age"), copy).unwrap();
    });
    mended("error", "recipients changed", |w| {
        let file = w.data().join("vault/recipients.txt");
        let ours = std::fs::read_to_string(&file).unwrap();
        let other = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\n";
        std::fs::write(&file, format!("{ours}{other}")).unwrap();
    });
    mended("error", "not confirmed the recipients", |w| {
        std::fs::remove_file(w.data().join("vault.pins")).unwrap();
    });
}

#[test]
fn a_vault_that_cannot_be_opened() {
    for (file, content, what) in [
        ("format", "mima-vault 9\n", "upgrade mima"),
        ("format", "x", "format is damaged"),
        ("identity.age", "x", "identity.age is damaged"),
        ("recipients.txt", "x", "no recipient mima knows"),
    ] {
        let world = world();
        let path = world.data().join("vault").join(file);
        let sound = std::fs::read(&path).unwrap();
        std::fs::write(&path, content).unwrap();
        doctor(&world).fails(1).stdout_has("error").stdout_has(what);
        // As from a backup.
        std::fs::write(&path, sound).unwrap();
        doctor(&world).ok();
        std::fs::remove_file(&path).unwrap();
        doctor(&world).fails(1).stdout_has(&format!("{file} is missing"));
    }
}

#[test]
fn little_work_for_a_passphrase() {
    let world = World::with_vault();
    let all = findings(&world.mima(&["doctor", "--json"]));
    let found = find(&all, "only 2^10 units of work, not 2^18").unwrap();
    assert_eq!((found[0].as_str(), found[3].as_str()), ("warning", "mima vault passwd"));
    world.mima(&["vault", "passwd"]).run().ok();
    doctor(&world).ok();
}

#[test]
fn links_and_approvals() {
    mended("warning", "group dev sets B from other", |w| {
        w.mima(&["group", "link", "dev", "B", "other"]).run().ok();
    });
    mended("warning", "damaged, so the file", |w| {
        let record = files_below(&w.data().join("trust")).pop().unwrap();
        std::fs::write(record, "mima-trust-1\nx").unwrap();
    });
    mended("note", "for a file that is gone: ~/p/.mima.yaml", |w| {
        std::fs::remove_dir_all(w.home().join("p")).unwrap();
    });
    let world = world();
    world.write("p/.mima.yaml", "groups: {here: {X: nothing}}\n");
    let here = world.mima(&["doctor", "--json"]).cwd(world.home().join("p"));
    let all = findings(&here);
    let found = all.iter().find(|finding| finding[1] == "project").unwrap();
    assert_eq!(found[0], "note", "{found:?}");
    world.mima(&["allow", "--yes"]).cwd(world.home().join("p")).run().ok();
    let found = find(&findings(&here), "group here sets X from nothing").unwrap();
    assert!(found[2].contains("mima group unlink --project here X"), "{found:?}");
}

#[test]
fn a_broken_user_file_is_a_finding_and_hides_no_other() {
    let world = world();
    world.write(".mima.yaml", "groups: {dev: {TOKEN: dev.TOKEN\nstore: [\n");
    std::fs::write(world.data().join("vault/secrets/dev.TOKEN.age"), "x").unwrap();
    let all = findings(&world.mima(&["doctor", "--json"]));
    let broken = all.iter().find(|finding| finding[1] == "user file").unwrap();
    assert_eq!(broken[0], "error", "{all:#?}");
    for other in ["dev.TOKEN.age is damaged", "~/.bashrc loads it", "decided on: 1"] {
        assert!(find(&all, other).is_some(), "{other}: {all:#?}");
    }
    let relative = world.mima(&["doctor"]).env("MIMA_HOME", "x").run();
    relative
        .fails(1)
        .stdout_has("error    files")
        .stdout_has("no absolute path")
        .stdout_has("~/.bashrc");
}

#[test]
fn the_store_that_the_environment_names() {
    let world = world();
    let with = |store: &str| world.mima(&["doctor"]).env("MIMA_STORE", store).run();
    with("vault").ok().stdout_has("vault, as MIMA_STORE says");
    with("valut").fails(1).stdout_has("hint: unset MIMA_STORE");
    let askpass = |program: &Path| world.mima(&["doctor"]).env("MIMA_ASKPASS", program).run();
    askpass(Path::new("askpass")).fails(1).stdout_has("no absolute path");
    askpass(Path::new("/nonexistent")).fails(1).stdout_has("cannot be run");
    mode(&world.bin().join("askpass"), 0o777);
    doctor(&world).fails(1).stdout_has("others can write to").stdout_has("hint: chmod go-w ");
}

#[test]
fn another_mima_on_the_path() {
    let world = world();
    let front = world.root().join("front");
    std::fs::create_dir(&front).unwrap();
    copy_executable(mima(), &front.join("mima"));
    let path = |dirs: &[&Path]| {
        let dirs: Vec<_> = dirs.iter().map(|dir| dir.to_str().unwrap()).collect();
        format!("{}:{PATH}", dirs.join(":"))
    };
    let doctor = |path: String| world.mima(&["doctor", "--json"]).env("PATH", path);
    let first = findings(&doctor(path(&[&front, &world.bin()])));
    let found = find(&first, "PATH leads to another mima").unwrap();
    assert_eq!(found[0], "warning");
    let mend = format!("{}; exec '{}' doctor --json", found[3], mima().to_str().unwrap());
    let before = path(&[&front, &world.bin()]);
    let after = findings(&world.command("sh").args(["-c", &mend]).env("PATH", before));
    assert_eq!(find(&after, "PATH leads to another"), None);
    assert_eq!(find(&after, "behind this one").unwrap()[0], "note");
    let second = findings(&doctor(path(&[&world.bin(), &front])));
    let found = find(&second, "behind this one").unwrap();
    world.command("sh").args(["-c", &found[3]]).run().ok();
    assert_eq!(find(&findings(&doctor(path(&[&world.bin(), &front]))), "another mima"), None);
    let none = findings(&doctor("/usr/bin:/bin".to_owned()));
    assert_eq!(find(&none, "no mima is on PATH").unwrap()[0], "warning");
    let relative = findings(&doctor(format!("node_modules/.bin:{}", path(&[&world.bin()]))));
    assert_eq!(find(&relative, "PATH has `node_modules/.bin`").unwrap()[0], "note");
    mode(&front, 0o777);
    let found =
        find(&findings(&doctor(path(&[&front, &world.bin()]))), "everybody can write").unwrap();
    world.command("sh").args(["-c", &found[3]]).run().ok();
    let after = findings(&doctor(path(&[&front, &world.bin()])));
    assert_eq!(find(&after, "everybody can write"), None);
}

#[test]
fn a_binary_that_others_can_replace_an_expired_profile_and_old_completions() {
    let world = world();
    let contents = world.root().join("mima.app/Contents");
    let dir = contents.join("MacOS");
    std::fs::create_dir_all(&dir).unwrap();
    let binary = dir.join("mima");
    copy_executable(mima(), &binary);
    let path = format!("{}:{PATH}", dir.to_str().unwrap());
    let doctor = || findings(&world.command(&binary).args(["doctor", "--json"]).env("PATH", &path));
    assert!(!doctor().iter().any(|finding| finding[1] == "profile"));
    mode(&dir, 0o777);
    let found = find(&doctor(), "and so replace mima").unwrap();
    assert_eq!(found[0], "error");
    world.command("sh").args(["-c", &found[3]]).run().ok();
    assert_eq!(find(&doctor(), "and so replace mima"), None);
    for (year, severity) in [("2020", "error"), ("2099", "ok")] {
        let date = format!("<key>ExpirationDate</key><date>{year}-01-31T12:00:00Z</date>");
        std::fs::write(contents.join("embedded.provisionprofile"), date).unwrap();
        let all = doctor();
        let found = all.iter().find(|finding| finding[1] == "profile").unwrap();
        assert_eq!(found[0], severity, "{found:?}");
    }
    let script = contents.join("share/zsh/site-functions/_mima");
    std::fs::create_dir_all(script.parent().unwrap()).unwrap();
    std::fs::write(&script, "old").unwrap();
    let found = find(&doctor(), "of another version of mima").unwrap();
    world.command("sh").args(["-c", &found[3]]).run().ok();
    assert_eq!(find(&doctor(), "of another version of mima"), None);
}

#[test]
fn startup_files() {
    mended("note", "~/.bashrc does not load the hook", |w| {
        drop(w.write(".bashrc", "# mima hook\n"));
    });
    mended("error", "line 2 of ~/.bashrc loads the hook of zsh into bash", |w| {
        w.write(".bashrc", "\neval \"$(mima hook zsh)\"\n");
    });
    mended("error", "line 1 of ~/.bashrc starts ~/gone/mima", |w| {
        w.write(".bashrc", "eval \"$($HOME/gone/mima hook bash)\"\n");
    });
    mended("warning", "line 2 of ~/.bashrc replaces", |w| {
        w.write(".bashrc", "eval \"$(mima hook bash)\"\nPROMPT_COMMAND='history -a'\n");
    });
    let world = world();
    world.write(".bashrc", "eval \"$(direnv hook bash)\"\neval \"$(mima hook bash)\"\n\neval \"$(starship init bash)\"\n");
    let order = "direnv in line 1, mima in line 2, starship in line 4";
    doctor(&world).ok().stdout_has(order);
    world.write(
        ".config/fish/conf.d/mima.fish",
        "mima hook fish | source\nzoxide init fish | source\n",
    );
    doctor(&world).ok().stdout_has("conf.d/mima.fish loads it: mima in line 1, zoxide in line 2");
}

#[test]
fn the_shell_it_is_called_in() {
    let world = world();
    doctor(&world).ok().stdout_has("not started from a shell with the hook");
    each(|shell| {
        let world = world.copy();
        let mut hooked = Hooked::new(&world, shell);
        let said = hooked.run("mima doctor | grep -e 'this '; printenv __MIMA_HOOK || echo clean");
        assert!(said.contains(&format!("this {shell} has it")), "{said}");
        assert!(said.contains("clean"), "{said}");
        let off = hooked.run("mima off; mima doctor --json | grep -e 'switched off'");
        assert!(off.contains(&format!("this {shell} has it, and it is switched off")), "{off}");
    });
    for (shell, replaced) in
        [("bash", "PROMPT_COMMAND='prompt_x=1'"), ("zsh", "precmd_functions=()")]
    {
        if require(shell).is_none() {
            continue;
        }
        let mut hooked = Start::new(&world, shell).after(replaced).start();
        let said = hooked.run("mima doctor | grep -A1 -e 'nothing calls it'");
        assert!(said.contains("nothing calls it at a prompt"), "{said}");
        let fix = said.lines().find_map(|line| line.strip_prefix("hint: ")).unwrap().to_owned();
        hooked.run(&fix);
        let said = hooked.run("mima doctor | grep -e 'this '");
        assert!(said.contains(&format!("this {shell} has it")), "{said}");
    }
    let mut hooked = Start::new(&world, "bash").before("PROMPT_COMMAND='_direnv_hook=1'").start();
    let said = hooked.run("mima doctor | grep -e 'this '");
    assert!(said.contains("in this order: mima, direnv"), "{said}");
}

#[cfg(all(target_os = "linux", feature = "secret-service"))]
#[test]
fn the_keyring_is_looked_at_only_if_it_is_the_store_and_nothing_is_started() {
    use crate::common::desktop::Desktop;
    let world = world();
    let without = world.mima(&["doctor"]).env("MIMA_STORE", "secret-service").run();
    without.fails(1).stdout_has("could not reach the session's D-Bus").stdout_has("hint: ");
    let Some(mut desktop) = Desktop::bare() else { return };
    let calls = desktop.calls(|| {
        let absent = desktop.world.mima(&["doctor"]).run();
        absent.fails(1).stdout_has("no program on this session's D-Bus keeps a keyring");
    });
    assert!(
        calls
            .iter()
            .all(|call| ["Hello", "NameHasOwner", "ListActivatableNames"].contains(&&**call)),
        "{calls:?}"
    );
    if require("gnome-keyring-daemon").is_none() {
        return;
    }
    desktop.start_keyring(true);
    desktop.world.write(".mima.yaml", "groups: {dev: {A: there, B: missing}}\n");
    desktop.world.mima(&["secret", "add", "there"]).stdin("x").run().ok();
    let calls = desktop.calls(|| {
        let running = desktop.world.mima(&["doctor"]).run();
        running
            .fails(1)
            .stdout_has("keeps it")
            .stdout_has("from missing")
            .stdout_lacks("from there");
    });
    let reads = ["GetSecret", "GetSecrets", "Unlock", "Prompt"];
    assert!(!calls.iter().any(|call| reads.contains(&&**call)), "{calls:?}");
    let other = desktop.calls(|| {
        desktop.world.mima(&["doctor"]).env("MIMA_STORE", "vault").run();
    });
    // That one is the frame's own, which ends the watching.
    assert_eq!(other, ["Hello"], "the vault needs no bus");
}

/// A keychain that holds one secret, on a Mac as the build makes it.
fn keychain(world: &World, build: Build) -> Keychain<Build> {
    let prompter = Prompter::with_askpass("/nonexistent".into());
    Keychain::new(build, &Paths::in_dir(world.data()), prompter)
}

#[test]
fn the_keychain_in_every_tier() {
    let index = |world: &World| Paths::in_dir(world.data()).keychain_index();
    let tiers = [
        ("protected: macOS gives", Severity::Ok),
        ("stable: the login keychain", Severity::Note),
        ("ad-hoc: the login keychain", Severity::Note),
    ];
    for (tier, (word, severity)) in [Mac::entitled, Mac::signed, Mac::ad_hoc].into_iter().zip(tiers)
    {
        let (world, mac) = (World::new(), Mac::default());
        let store = keychain(&world, tier(&mac));
        let name = SecretName::parse("x").unwrap();
        store.put(&name, &Secret::new(b"value".to_vec()), Existing::Keep).unwrap();
        let found = keychain::check(&store, &index(&world));
        let of_tier = found.iter().find(|finding| finding.what.starts_with(word)).unwrap();
        assert_eq!(of_tier.severity, severity, "{found:#?}");
        assert_eq!(of_tier.fix.is_some(), severity != Severity::Ok);
        assert!(found.iter().all(|finding| !finding.is_problem()), "{found:#?}");
        assert_eq!((mac.asked(), mac.contexts()), (0, 0));
        // The index is damaged, and what mends it is run.
        std::fs::write(index(&world), "x").unwrap();
        let found = keychain::check(&store, &index(&world));
        let fix =
            found.iter().find_map(|finding| finding.fix.clone().filter(|_| finding.is_problem()));
        world.command("sh").args(["-c", &fix.unwrap()]).run().ok();
        assert!(
            keychain::check(&store, &index(&world)).iter().all(|finding| !finding.is_problem())
        );
    }
    let (world, mac) = (World::new(), Mac::default());
    // Entitled, as it says, and macOS does not grant it.
    let store = keychain(&world, mac.entitled());
    mac.fail(Call::Add, Status::MISSING_ENTITLEMENT);
    let found = keychain::check(&store, &index(&world));
    assert!(
        found.iter().any(|finding| finding.is_problem() && finding.what.contains("valid profile"))
    );
    mac.lock_screen(true);
    assert!(keychain::check(&store, &index(&world)).iter().any(|f| f.severity == Severity::Error));
    assert_eq!(mac.asked(), 0);
}

#[test]
fn a_keychain_and_a_list_that_disagree() {
    let (world, mac) = (World::new(), Mac::default());
    let store = keychain(&world, mac.ad_hoc());
    let index = Paths::in_dir(world.data()).keychain_index();
    for key in ["gone", "here"] {
        let name = SecretName::parse(key).unwrap();
        store.put(&name, &Secret::new(b"value".to_vec()), Existing::Keep).unwrap();
    }
    let found = keychain::check(&store, &index);
    assert!(found.iter().all(|finding| !finding.is_problem()), "{found:#?}");
    mac.lose("gone");
    let service = format!("mima {}", world.data().display());
    for account in ["new", "here#3"] {
        let key = Key { place: Place::Login, service: &service, account };
        mac.ad_hoc().add(&Item { key, label: "", comment: "", value: b"value" }).unwrap();
    }
    let before = std::fs::read(&index).unwrap();
    let found = keychain::check(&store, &index);
    for (severity, what) in [
        (Severity::Warning, "the keychain no longer has them: gone; store them again"),
        (Severity::Warning, "mima does not list them: new"),
        (Severity::Note, "left over in the keychain by a mima that was killed"),
    ] {
        let finding = found.iter().find(|finding| finding.what.contains(what)).unwrap();
        assert_eq!(finding.severity, severity, "{finding:?}");
        assert_eq!(finding.fix.as_deref(), Some("mima prune"), "{finding:?}");
    }
    assert_eq!(std::fs::read(&index).unwrap(), before, "doctor changes nothing");
    // What `mima prune` does.
    store.reconcile().unwrap();
    let found = keychain::check(&store, &index);
    assert!(found.iter().all(|finding| finding.fix.as_deref() != Some("mima prune")), "{found:#?}");
    // A keychain that does not answer is a finding, and not an empty keychain.
    mac.fail(Call::List, Status::NO_ANSWER);
    let found = keychain::check(&store, &index);
    let finding = found.iter().find(|finding| finding.is_problem()).unwrap();
    assert!(finding.what.contains("does not answer"), "{found:#?}");
    assert_eq!((mac.asked(), mac.contexts()), (0, 0));
}

/// A healthy home whose vault a plugin opens. The plugin is a copy, to be done things to.
fn world_with_plugin() -> World {
    let world = World::new();
    copy_executable(
        &example("age-plugin-mimatest", "plugin"),
        &world.bin().join("age-plugin-mimatest"),
    );
    world.mima(&["vault", "init", "--plugin", "mimatest"]).run().ok();
    world
}

#[test]
fn the_plugin_that_opens_the_vault() {
    let world = world_with_plugin();
    let log = world.root().join("log");
    let doctor = || {
        let all = findings(&world.mima(&["doctor", "--json"]).env("MIMATEST_LOG", &log));
        assert!(!log.exists(), "the plugin was started");
        all
    };
    let plugin = world.bin().join("age-plugin-mimatest");
    let moved = world.bin().join("elsewhere/age-plugin-mimatest");
    std::fs::create_dir(moved.parent().unwrap()).unwrap();
    let opens = "age-plugin-mimatest opens it";
    assert_eq!(find(&doctor(), opens).unwrap()[0], "ok");
    let mended = |what: &str, fix_is: &str, provoke: &dyn Fn(), search: Option<&Path>| {
        provoke();
        let all = doctor();
        assert_eq!(find(&all, opens), None, "{what}: {all:#?}");
        let found = all.iter().find(|finding| finding[1] == "vault" && finding[0] == "error");
        let found = found.unwrap_or_else(|| panic!("{what}: {all:#?}"));
        assert!(found[2].contains(what), "{found:?}");
        assert!(found[3].starts_with(fix_is), "{found:?}");
        let mut command = world.command("sh").args(["-c", &found[3]]);
        if let Some(dir) = search {
            command =
                command.env("PATH", format!("{}:{}:{PATH}", dir.display(), world.bin().display()));
        }
        command.run().ok();
        assert_eq!(
            find(&doctor(), opens).map(|found| found[0].clone()),
            Some("ok".to_owned()),
            "{what}"
        );
    };
    let accept = "mima vault recipients --accept";
    let away = "the vault's plugin is no longer";
    // Others could exchange it.
    mended("others can write to", "chmod go-w ", &|| mode(&plugin, 0o777), None);
    mended("others can write to", "chmod go-w ", &|| mode(&world.bin(), 0o777), None);
    // It was moved, as by an upgrade, and is found on PATH again.
    mended(away, accept, &|| std::fs::rename(&plugin, &moved).unwrap(), moved.parent());
    // It may no longer be run, and another one is found.
    mended(
        away,
        accept,
        &|| {
            mode(&moved, 0o644);
            copy_executable(&example("age-plugin-mimatest", "plugin"), &plugin);
        },
        None,
    );
    // Another program is at its place: a link to one.
    mended(
        away,
        accept,
        &|| {
            mode(&moved, 0o755);
            std::fs::remove_file(&plugin).unwrap();
            std::os::unix::fs::symlink(&moved, &plugin).unwrap();
        },
        None,
    );
    // It is missing, and nothing takes its place.
    std::fs::remove_file(&moved).unwrap();
    std::fs::remove_file(&plugin).unwrap();
    assert!(find(&doctor(), away).is_some());
    world.mima(&["doctor"]).run().fails(1).stdout_has(&format!("hint: {accept}"));
    let accepted = world.mima(&["vault", "recipients", "--accept"]).run();
    accepted.fails(1).stderr_has("there is no `age-plugin-mimatest` on PATH");
    // The pin is gone.
    std::fs::remove_file(world.data().join("vault.pins")).unwrap();
    assert!(find(&doctor(), "not confirmed the vault's plugin").is_some());
}
