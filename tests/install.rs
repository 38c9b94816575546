//! `make install` and `make uninstall`: which tier comes out, by which calls of Apple's
//! programs, and what is there before and after. Stand-ins make it a Mac.

use std::os::unix::fs::symlink;

use crate::common::mac::{ADA, ADA_NAME, BOB, Mac};
use crate::common::require;
use crate::common::world::World;

/// Where Xcode keeps profiles: 16 and later, and before.
const XCODE: &str = "Library/Developer/Xcode/UserData/Provisioning Profiles";
const OLD_XCODE: &str = "Library/MobileDevice/Provisioning Profiles";

/// Two lines of the profile.
const APP: &str = "ADASTEAM01.com.example.mima";
const EXPIRY: &str = "2999-12-31T23:59:59Z";

const AGENT: &str = "Library/LaunchAgents/io.github.klobucar.mima.agent.plist";

/// The manual page and the completions, which are the same on all systems.
const SHARED: [&str; 4] = [
    "share/bash-completion/completions/mima",
    "share/fish/vendor_completions.d/mima.fish",
    "share/man/man1/mima.1",
    "share/zsh/site-functions/_mima",
];

#[test]
fn tier_c_needs_nothing_and_says_what_it_is_worth() {
    let Some(_) = require("make") else { return };
    let mac = Mac::new();
    let output = mac.make("install", &[]);
    output.ok().quiet();
    let want = format!(
        "mima: signing: ad hoc\n\
         mima: installed {}/bin/mima, version {}\n\
         mima: tier C, ad hoc: secrets lie in the login keychain, for this very build: after the next, macOS asks for the keychain's password once per secret. It is mima that asks for Touch ID, and code that runs as you can go around that.\n\
         mima: Tier B needs a certificate from Apple (Xcode, Settings, Accounts, Manage Certificates, +, Apple Development; a free account will do); Touch ID without, the vault with age-plugin-se: README.md, Install.\n",
        mac.prefix.display(),
        env!("CARGO_PKG_VERSION"),
    );
    assert_eq!(Mac::said(&output).0, want);
    assert_eq!(
        mac.calls(true),
        [
            "security find-identity -v -p codesigning",
            "cp target/release/mima STAGE/Mima.app/Contents/MacOS/mima",
            "codesign -f -s - --options runtime -i io.github.klobucar.mima STAGE/Mima.app",
            "codesign --verify --strict STAGE/Mima.app",
            "STAGE/Mima.app/Contents/MacOS/mima --version",
            "mv STAGE/Mima.app PREFIX/lib/Mima.app",
            "ln -s PREFIX/lib/Mima.app/Contents/MacOS/mima PREFIX/bin/mima",
        ]
    );
}

#[test]
fn tier_b_is_a_certificate_without_a_profile() {
    let Some(_) = require("make") else { return };
    let mac = Mac::adas();
    let output = mac.make("install", &[("SIGNING_IDENTITY", "Apple Development: Ada")]);
    output.ok().quiet().stdout_has("mima: signing: Apple Development: Ada (ADAADAADA1)\n");
    let out = Mac::said(&output).0;
    let last: Vec<_> = out.lines().rev().take(2).collect();
    assert!(
        last[1].starts_with("mima: tier B, stable: secrets lie in the login keychain"),
        "{out}"
    );
    assert!(
        last[0].starts_with("mima: Tier A needs a paid Apple Developer account and a profile"),
        "{out}"
    );
    assert!(last[0].contains("age-plugin-se"), "{out}");
    assert_eq!(
        mac.calls(false),
        [
            "security find-identity -v -p codesigning".to_owned(),
            format!(
                "codesign -f -s {ADA} --options runtime -i io.github.klobucar.mima STAGE/Mima.app"
            ),
            "codesign --verify --strict STAGE/Mima.app".to_owned(),
            "codesign -d --verbose=2 STAGE/Mima.app".to_owned(),
            "STAGE/Mima.app/Contents/MacOS/mima --version".to_owned(),
        ]
    );
}

#[test]
fn tier_a_is_a_certificate_and_a_profile_that_has_it() {
    let Some(_) = require("make") else { return };
    let mac = Mac::adas();
    let profile = mac.profile("Down loads/mima.provisionprofile", &[]);
    let named =
        [("SIGNING_IDENTITY", ADA_NAME), ("PROVISIONING_PROFILE", profile.to_str().unwrap())];
    let output = mac.make("install", &named);
    output.ok().quiet();
    let out = Mac::said(&output).0;
    let last: Vec<_> = out.lines().rev().take(2).collect();
    assert!(
        last[1].starts_with("mima: tier A, protected: macOS itself asks for Touch ID"),
        "{out}"
    );
    assert!(last[0].contains("no higher tier. The profile ends on 2999-12-31: renew it"), "{out}");
    assert_eq!(
        mac.calls(true),
        [
            "security find-identity -v -p codesigning".to_owned(),
            "security cms -D -i HOME/Down loads/mima.provisionprofile".to_owned(),
            "cp target/release/mima STAGE/Mima.app/Contents/MacOS/mima".to_owned(),
            "cp HOME/Down loads/mima.provisionprofile STAGE/Mima.app/Contents/embedded.provisionprofile".to_owned(),
            format!("codesign -f -s {ADA} --options runtime --entitlements STAGE/entitlements.plist STAGE/Mima.app"),
            "codesign --verify --strict STAGE/Mima.app".to_owned(),
            "codesign -d --verbose=2 STAGE/Mima.app".to_owned(),
            "codesign -d --entitlements - --xml STAGE/Mima.app".to_owned(),
            "STAGE/Mima.app/Contents/MacOS/mima --version".to_owned(),
            "mv STAGE/Mima.app PREFIX/lib/Mima.app".to_owned(),
            "ln -s PREFIX/lib/Mima.app/Contents/MacOS/mima PREFIX/bin/mima".to_owned(),
        ]
    );
    let signed = std::fs::read_to_string(mac.world.root().join("mac/signed")).unwrap();
    assert_eq!(
        signed.matches("<string>ADASTEAM01.com.example.mima</string>").count(),
        2,
        "{signed}"
    );
    assert_eq!(signed.matches("<string>ADASTEAM01</string>").count(), 1, "{signed}");
    let info = std::fs::read_to_string(mac.app("Contents/Info.plist")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert!(info.contains("<string>com.example.mima</string>"), "{info}");
    assert_eq!(info.matches(&format!("<string>{version}</string>")).count(), 2, "{info}");
    for text in [signed, info] {
        assert!(!text.contains('@') && !text.contains("<!--") && !text.contains("$("), "{text}");
    }
    assert_eq!(
        std::fs::read(mac.app("Contents/embedded.provisionprofile")).unwrap(),
        std::fs::read(profile).unwrap()
    );
}

#[test]
fn a_developer_id_gets_a_timestamp_and_a_number_names_who_signs() {
    let Some(_) = require("make") else { return };
    let mac = Mac::new();
    mac.identities(&[
        (BOB, "Apple Development: Ada (ADASTEAM01)"),
        (ADA, "Developer ID Application: Ada (ADASTEAM01)"),
    ]);
    mac.make("install", &[("SIGNING_IDENTITY", &ADA.to_lowercase())]).ok();
    let sign = format!(
        "codesign -f -s {ADA} --options runtime --timestamp -i io.github.klobucar.mima STAGE/Mima.app"
    );
    assert!(mac.calls(false).contains(&sign), "{:?}", mac.calls(false));
    // Who did not say so signs ad hoc, and reads how to say so.
    mac.make("install", &[]).ok().stdout_has("tier C").stdout_has(
        "Tier B needs a certificate from Apple (make install SIGNING_IDENTITY=\"Developer ID Application: Ada (ADASTEAM01)\")",
    );
}

#[test]
fn a_certificate_that_apple_did_not_issue_is_tier_c() {
    let Some(_) = require("make") else { return };
    let mac = Mac::new();
    mac.identities(&[(BOB, "My own")]);
    mac.has("team", "not set\n");
    let output = mac.make("install", &[("SIGNING_IDENTITY", "My own")]);
    output.ok().stdout_has("mima: tier C").stdout_has("a free account will do");
    output.stderr_has("mima: My own is no certificate of Apple's");
}

#[test]
fn the_best_profile_in_xcodes_folders_is_taken() {
    let Some(_) = require("make") else { return };
    let mac = Mac::adas();
    let install = |what: &str| {
        let output = mac.make("install", &[("SIGNING_IDENTITY", ADA)]);
        output.ok().stdout_has(what);
        output
    };
    // Another app's, and none at all: not worth a word. An expired one for mima is.
    mac.profile(&format!("{XCODE}/a.provisionprofile"), &[(APP, "ADASTEAM01.com.example.other")]);
    mac.world.write(&format!("{XCODE}/b.provisionprofile"), "rubbish");
    install("tier B").quiet();
    mac.profile(&format!("{XCODE}/c.provisionprofile"), &[(EXPIRY, "2020-02-29T00:00:00Z")]);
    install("tier B").stderr_has("c.provisionprofile expired on 2020-02-29\n");
    std::fs::remove_file(mac.world.home().join(format!("{XCODE}/c.provisionprofile"))).unwrap();

    // Xcode's own for everything, then one for mima alone, then the same for longer.
    mac.profile(&format!("{XCODE}/d.provisionprofile"), &[(APP, "ADASTEAM01.*")]);
    install("/d.provisionprofile\n").stdout_has("tier A").quiet();
    let info = || std::fs::read_to_string(mac.app("Contents/Info.plist")).unwrap();
    assert!(info().contains("<string>io.github.klobucar.mima</string>"), "{}", info());
    mac.profile(&format!("{OLD_XCODE}/e.provisionprofile"), &[(EXPIRY, "2998-01-01T00:00:00Z")]);
    install("/e.provisionprofile\n").stdout_has("ends on 2998-01-01").quiet();
    assert!(info().contains("<string>com.example.mima</string>"), "{}", info());
    mac.profile(&format!("{OLD_XCODE}/f.provisionprofile"), &[]);
    install("/f.provisionprofile\n").stdout_has("ends on 2999-12-31").quiet();

    // Whoever wants none gets none; who wants another app gets that.
    mac.make("install", &[("SIGNING_IDENTITY", ADA), ("PROVISIONING_PROFILE", "-")])
        .ok()
        .stdout_has("tier B");
    let other =
        mac.make("install", &[("SIGNING_IDENTITY", ADA), ("BUNDLE_ID", "com.example.other")]);
    other.ok().quiet().stdout_has("/a.provisionprofile\n").stdout_has("tier A");
    let wild = mac.make("install", &[("SIGNING_IDENTITY", ADA), ("BUNDLE_ID", "org.example.x")]);
    wild.ok().quiet().stdout_has("/d.provisionprofile\n");
    assert!(info().contains("<string>org.example.x</string>"), "{}", info());
    // A profile that another certificate signs by is said to be one.
    mac.profile(
        &format!("{XCODE}/g.provisionprofile"),
        &[("DeveloperCertificates=2", "DeveloperCertificates=1")],
    );
    install("/f.provisionprofile\n")
        .stderr_has("g.provisionprofile of team ADASTEAM01 does not have the certificate Apple Development: Ada");
}

#[test]
fn an_upgrade_replaces_the_app_by_renaming_and_restarts_the_agent() {
    let Some(_) = require("make") else { return };
    let mac = Mac::new();
    mac.make("install", &[]).ok();
    assert!(!mac.calls(false).iter().any(|call| call.starts_with("launchctl")));
    let old = mac.app("Contents/old");
    std::fs::write(&old, "").unwrap();
    mac.world.write(AGENT, "<plist/>");
    mac.make("install", &[]).ok().quiet();
    assert!(!old.exists());
    let user = rustix::process::getuid().as_raw();
    let calls = mac.calls(true);
    assert_eq!(
        calls[calls.len() - 5..],
        [
            "mv PREFIX/lib/Mima.app STAGE/previous".to_owned(),
            "mv STAGE/Mima.app PREFIX/lib/Mima.app".to_owned(),
            format!("launchctl print gui/{user}/io.github.klobucar.mima.agent"),
            format!("launchctl bootout gui/{user}/io.github.klobucar.mima.agent"),
            format!("launchctl bootstrap gui/{user} HOME/{AGENT}"),
        ]
    );
    // One that is not loaded is not started.
    mac.failing(&["launchctl print*"]);
    mac.make("install", &[]).ok().quiet();
    let calls = mac.calls(false);
    assert!(!calls.iter().any(|call| call.contains("bootout") || call.contains("bootstrap")));
    // That it has just ended is no failure; that it cannot be loaded is said.
    mac.failing(&["launchctl bootout*"]);
    mac.make("install", &[]).ok().quiet();
    assert!(mac.calls(false).last().unwrap().starts_with("launchctl bootstrap"));
    mac.failing(&["launchctl bootstrap*"]);
    mac.make("install", &[]).ok().stderr_has("mima: launchctl bootstrap gui/");
    assert_eq!(mac.calls(false).iter().filter(|call| call.contains("bootstrap")).count(), 5);
}

#[test]
fn the_doctor_is_shown_in_the_end_and_undoes_nothing() {
    const ALL_THE_SAME: &str = "mima is installed all the same";
    let Some(_) = require("make") else { return };
    let mac = Mac::new();
    let healthy = mac.make("install", &[]);
    healthy.ok().quiet();
    let said = Mac::said(&healthy).1;
    assert!(said.contains("ok       install    mima "), "{said}");
    // The completions are of this version by then.
    assert!(!said.contains("of another version") && !said.contains(ALL_THE_SAME), "{said}");
    let file = mac.world.write(".mima.yaml", "groups: {}\n");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let ill = mac.make("install", &[]);
    ill.ok().quiet();
    let said = Mac::said(&ill).1;
    assert!(said.contains("others can write to it") && said.contains("hint: chmod"), "{said}");
    assert!(said.ends_with(&format!(
        "mima: problems: 1\nmima: {ALL_THE_SAME}; the hints above mend what mima doctor found\n"
    )));
    // It cannot even run.
    mac.has("sick", "");
    let said = mac.make("install", &[]).ok().err();
    assert!(said.contains("mima doctor ended with exit status 3") && said.contains(ALL_THE_SAME));
    assert!(mac.installed().contains(&"bin/mima".to_owned()));
}

#[test]
fn uninstall_takes_away_what_install_put_there_and_nothing_else() {
    let Some(_) = require("make") else { return };
    let mac = Mac::new();
    // Nothing there is no failure.
    mac.make("uninstall", &[]).ok().quiet().stdout_is("");
    for file in ["bin/other", "lib/libother.a", "share/man/man1/other.1"] {
        mac.world.write(&format!("a prefix/{file}"), "");
    }
    let before = mac.installed();
    mac.make("install", &[]).ok();
    let mut want = before.clone();
    want.extend(SHARED.map(str::to_owned));
    want.extend(["Info.plist", "MacOS/mima"].map(|file| format!("lib/Mima.app/Contents/{file}")));
    want.push("bin/mima".to_owned());
    want.sort();
    assert_eq!(mac.installed(), want);
    let version = mac.world.command(mac.prefix.join("bin/mima")).arg("--version").run();
    version.ok().quiet().stdout_has(env!("CARGO_PKG_VERSION"));

    // An agent of another mima's is none of its business; one that starts this mima is.
    mac.world.write(AGENT, "<string>/elsewhere/mima</string>");
    mac.make("uninstall", &[]).ok().quiet().stdout_is("");
    assert_eq!(mac.installed(), before);
    assert!(mac.world.home().join(AGENT).exists());
    assert_eq!(mac.calls(true), [""; 0]);

    let user = rustix::process::getuid().as_raw();
    let stop = format!("launchctl bootout gui/{user}/io.github.klobucar.mima.agent");
    for program in [mac.app("Contents/MacOS/mima"), mac.prefix.join("bin/mima")] {
        mac.make("install", &[]).ok();
        mac.world.write(AGENT, format!("<string>{}</string>", program.display()));
        // That it was not loaded is no failure.
        mac.failing(&["launchctl bootout*"]);
        mac.make("uninstall", &[]).ok().quiet();
        mac.failing(&[]);
        assert_eq!(mac.calls(true), [stop.as_str()]);
        assert!(!mac.world.home().join(AGENT).exists());
    }

    // What others put in its place stays.
    mac.world.write("a prefix/lib/Mima.app/theirs", "");
    symlink("/bin/true", mac.prefix.join("bin/mima")).unwrap();
    let theirs = mac.installed();
    let output = mac.make("uninstall", &[]);
    output.ok().stderr_has("left alone, since make install did not put it there");
    output.stderr_has("left alone, since it is not mima");
    assert_eq!(mac.installed(), theirs);
}

#[test]
fn on_linux_it_is_the_binary_alone() {
    let Some(_) = require("make") else { return };
    let mac = Mac::adas();
    mac.world.script("uname", "echo Linux\n");
    mac.make("install", &[("SIGNING_IDENTITY", ADA)]).ok().quiet().stdout_is("");
    let mut want = SHARED.to_vec();
    want.insert(0, "bin/mima");
    assert_eq!(mac.installed(), want);
    assert_eq!(mac.calls(false), [""; 0]);
    mac.make("uninstall", &[]).ok().quiet();
    assert_eq!(mac.installed(), [""; 0]);
}

#[cfg(target_os = "linux")]
#[test]
fn on_linux_uninstall_takes_the_units_along_that_start_this_mima() {
    let Some(_) = require("make") else { return };
    let mac = Mac::new();
    mac.world.script("uname", "echo Linux\n");
    mac.world.script("systemctl", crate::common::mac::RECORD);
    let unit = ".config/systemd/user/mima.service";
    let program = mac.prefix.join("bin/mima");
    for (start, stays) in [("/elsewhere/bin/mima", true), (program.to_str().unwrap(), false)] {
        mac.make("install", &[]).ok();
        let mark = "# Written by `mima session install`";
        mac.world.write(unit, format!("{mark}\nExecStart=\"{start}\" session serve\n"));
        mac.make("uninstall", &[]).ok();
        assert_eq!(mac.world.home().join(unit).exists(), stays, "{start}");
        assert_eq!(mac.calls(false).is_empty(), stays, "{start}");
        assert_eq!(mac.installed(), [""; 0]);
    }
}

#[test]
fn the_scripts_are_clean() {
    let scripts = ["common.sh", "doctor.sh", "install.sh", "signing.sh", "uninstall.sh"];
    let root = env!("CARGO_MANIFEST_DIR");
    let world = World::new();
    let lint = |program: &str, args: &[&str], files: &[&str]| {
        let Some(program) = require(program) else { return };
        let files = files.iter().map(|file| format!("dist/macos/{file}"));
        world.command(program).args(args).args(files).cwd(root).run().ok().stdout_is("").quiet();
    };
    // It follows what these read, and looks into that as well.
    lint(
        "shellcheck",
        &["--norc", "-x", "-a", "--enable=all"],
        &["doctor.sh", "install.sh", "uninstall.sh"],
    );
    lint("shfmt", &["-d", "-i", "2", "-ln", "posix"], &scripts);
    for script in scripts {
        lint("sh", &["-n"], &[script]);
    }
    // With what is made from Info.plist and agent.plist.
    assert_eq!(std::fs::read_dir(format!("{root}/dist/macos")).unwrap().count(), scripts.len() + 2);
}
