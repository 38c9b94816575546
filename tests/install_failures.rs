//! `make install` on a Mac when something is not as it should be: it says what and what to do,
//! nothing is installed, and what was there before still is.

use std::os::unix::fs::symlink;

use crate::common::command::Output;
use crate::common::mac::{ADA, ADA_NAME, BOB, Mac};
use crate::common::require;

/// Two lines of the profile.
const APP: &str = "ADASTEAM01.com.example.mima";
const TEAM: &str = "team-identifier=ADASTEAM01";

/// Fails to install over an earlier mima, which stays, and leaves nothing beside it.
fn fails(mac: &Mac, variables: &[(&str, &str)], said: &[&str]) -> Output {
    let before = mac.installed();
    let output = mac.make("install", variables);
    output.fails(2);
    for part in said {
        output.stderr_has(part);
    }
    output.stdout_lacks("installed").stdout_lacks("tier");
    assert_eq!(mac.installed(), before, "{output}");
    let calls = mac.calls(true);
    assert!(!calls.iter().any(|call| call.starts_with("launchctl")), "{calls:?}");
    output
}

/// A Mac of Ada's where a mima is installed already.
fn upgraded() -> Option<Mac> {
    require("make")?;
    let mac = Mac::adas();
    mac.make("install", &[]).ok();
    std::fs::write(mac.app("Contents/earlier"), "").unwrap();
    Some(mac)
}

#[test]
fn whoever_signs_must_be_there_and_be_one() {
    let Some(mac) = upgraded() else { return };
    let nobody = fails(
        &mac,
        &[("SIGNING_IDENTITY", "Eve")],
        &[
            "mima: no valid certificate to sign with is called Eve\n",
            "hint: make install SIGNING_IDENTITY=\"Apple Development: Ada (ADAADAADA1)\"\n",
            "tier C",
        ],
    );
    assert_eq!(mac.calls(true), ["security find-identity -v -p codesigning"], "{nobody}");
    mac.identities(&[(ADA, ADA_NAME), (BOB, ADA_NAME)]);
    fails(
        &mac,
        &[("SIGNING_IDENTITY", ADA_NAME)],
        &["more than one certificate is called", &format!("\n{BOB} {ADA_NAME}\n")],
    );
    mac.failing(&["security find-identity*"]);
    let unlisted = "mima: could not list the certificates of your keychains";
    fails(&mac, &[("SIGNING_IDENTITY", ADA)], &[unlisted]);
    // Whoever wants none does without the list.
    mac.make("install", &[]).ok().stdout_has("tier C");
}

#[test]
fn a_profile_that_does_not_fit_is_refused_before_anything_is_signed() {
    let Some(mac) = upgraded() else { return };
    let adas = "DeveloperCertificates=2";
    for (changes, said) in [
        (&[("2999-12-31T", "2020-02-29T")][..], "expired on 2020-02-29"),
        (
            &[(adas, "DeveloperCertificates=1")],
            "of team ADASTEAM01 does not have the certificate Apple Development: Ada",
        ),
        (
            &[
                (TEAM, "team-identifier=BOBSTEAM02"),
                (APP, "BOBSTEAM02.com.example.mima"),
                (adas, "DeveloperCertificates=1"),
            ],
            "of team BOBSTEAM02 does not have the certificate",
        ),
        (
            &[(APP, "ADASTEAM01.com.example.shop")],
            "is for the app com.example.shop of team ADASTEAM01, not for mima",
        ),
        (
            &[(APP, "ADASTEAM01.com.shop.*")],
            "is for the app com.shop.* of team ADASTEAM01, not for mima",
        ),
        (
            &[("groups.0=ADASTEAM01.*", "groups.0=ADASTEAM01.com.example.mim")],
            "grants no keychain group ADASTEAM01.com.example.mima",
        ),
        (&[("groups=1", "groups=0")], "grants no keychain group"),
        (
            &[("com\\.apple\\.application-identifier", "application-identifier")],
            "is no profile for macOS",
        ),
        (&[("2999-12-31T23:59:59Z", "soon")], "is no profile for macOS"),
        (&[("Name=A profile\n", "")], "is no provisioning profile"),
    ] {
        let file = mac.profile("p.provisionprofile", changes);
        let variables =
            [("SIGNING_IDENTITY", ADA), ("PROVISIONING_PROFILE", file.to_str().unwrap())];
        let said = format!("p.provisionprofile {said}");
        fails(&mac, &variables, &[&said, "hint: README.md, Install", "PROVISIONING_PROFILE=-"]);
        assert!(!mac.calls(false).iter().any(|call| call.starts_with("codesign")), "{said}");
    }
    let good = mac.profile("p.provisionprofile", &[]);
    let good = ("PROVISIONING_PROFILE", good.to_str().unwrap());
    fails(
        &mac,
        &[("SIGNING_IDENTITY", ADA), good, ("BUNDLE_ID", "com.example.x")],
        &["is for the app com.example.mima"],
    );
    fails(&mac, &[good], &["a profile is of use only with a certificate", "SIGNING_IDENTITY="]);
    fails(
        &mac,
        &[("SIGNING_IDENTITY", ADA), ("PROVISIONING_PROFILE", "/nowhere")],
        &["there is no profile /nowhere"],
    );
    fails(&mac, &[("BUNDLE_ID", "a|b")], &["this cannot be a BUNDLE_ID: a|b"]);
}

#[test]
fn a_signature_that_is_not_as_it_should_be_is_not_installed() {
    let Some(mac) = upgraded() else { return };
    let profile = mac.profile("p.provisionprofile", &[]);
    let a = [("SIGNING_IDENTITY", ADA), ("PROVISIONING_PROFILE", profile.to_str().unwrap())];
    mac.failing(&["codesign -f*"]);
    fails(&mac, &a, &["mima: codesign could not sign\n", "hint: over ssh"]);
    fails(&mac, &[], &["mima: codesign could not sign\n"]);
    mac.failing(&["codesign --verify*"]);
    fails(&mac, &a, &["mima: the signature is not good\n"]);
    mac.failing(&["codesign -d --entitlements*"]);
    fails(&mac, &a, &["mima: codesign left the entitlements out of the signature\n"]);
    mac.failing(&[]);
    mac.has("forgetful", "");
    std::fs::remove_file(mac.world.root().join("mac/signed")).unwrap();
    fails(&mac, &a, &["mima: codesign left the entitlements out of the signature\n"]);
    std::fs::remove_file(mac.world.root().join("mac/forgetful")).unwrap();
    mac.has("team", "BOBSTEAM02\n");
    fails(&mac, &a, &["mima: team BOBSTEAM02 signed it, and the profile is of team ADASTEAM01\n"]);
}

#[test]
fn a_mima_that_macos_kills_is_explained_and_not_installed() {
    let Some(mac) = upgraded() else { return };
    let profile = mac.profile("p.provisionprofile", &[]);
    let a = [("SIGNING_IDENTITY", ADA), ("PROVISIONING_PROFILE", profile.to_str().unwrap())];
    mac.has("killing", "");
    let killed = "macOS killed mima as it started (exit status 137): ";
    let log = "hint: what macOS says: log show --last 2m --predicate 'process == \"amfid\"";
    fails(
        &mac,
        &a,
        &[
            killed,
            "the profile does not hold here",
            "this Mac among its devices",
            log,
            "for tier B: PROVISIONING_PROFILE=-",
        ],
    );
    fails(&mac, &a[..1], &[killed, "it does not take the signature", log, "SIGNING_IDENTITY=-"]);
    fails(&mac, &[], &[killed, log]);
    std::fs::remove_file(mac.world.root().join("mac/killing")).unwrap();
    mac.has("broken", "");
    fails(&mac, &[], &["mima: the signed mima does not run: exit status 3\n"]);
}

#[test]
fn whatever_step_fails_the_earlier_mima_is_still_there() {
    let Some(mac) = upgraded() else { return };
    for (step, said) in [
        ("cp target/release/mima *", "could not copy target/release/mima"),
        ("cp */Info.plist *", "could not write"),
        ("mv *Info.plist.new' *", ""),
        ("mv *lib/Mima.app' *previous'", "could not move"),
        ("mv *Mima.app' *lib/Mima.app'", "could not make"),
    ] {
        mac.failing(&[step]);
        fails(&mac, &[], &["told to fail", said]);
    }
    // On the first installation, nothing is left.
    std::fs::remove_dir_all(mac.app("")).unwrap();
    std::fs::remove_file(mac.prefix.join("bin/mima")).unwrap();
    for step in ["mv *Mima.app' *lib/Mima.app'", "ln *"] {
        mac.failing(&[step]);
        fails(&mac, &[], &["told to fail", "could not make"]);
    }
    // The link alone is gone: the app comes back if the link cannot be made.
    mac.failing(&[]);
    mac.make("install", &[]).ok();
    std::fs::write(mac.app("Contents/earlier"), "").unwrap();
    std::fs::remove_file(mac.prefix.join("bin/mima")).unwrap();
    mac.failing(&["ln *"]);
    fails(&mac, &[], &["could not make"]);
    mac.failing(&[]);
    mac.make("install", &[]).ok();
    assert!(!mac.app("Contents/earlier").exists());
}

#[test]
fn an_earlier_mima_that_cannot_be_put_back_is_not_thrown_away() {
    let Some(mac) = upgraded() else { return };
    mac.failing(&["mv *Mima.app' *lib/Mima.app'", "mv *previous' *"]);
    let output = mac.make("install", &[]);
    output.fails(2).stderr_has("could not put the earlier mima back; it is ");
    let place = output.err();
    let place = place.split("back; it is ").nth(1).unwrap().lines().next().unwrap();
    assert!(std::path::Path::new(place).join("Contents/earlier").exists(), "{output}");
}

#[test]
fn whoever_interrupts_finds_the_earlier_mima() {
    let Some(mac) = upgraded() else { return };
    for (signal, status) in [("HUP", 129), ("INT", 130), ("TERM", 143)] {
        // Between the two renames.
        mac.world.script(
            "mv",
            &format!("/bin/mv \"$@\"\ncase $2 in */previous) kill -{signal} $PPID ;; esac\n"),
        );
        let before = mac.installed();
        let install =
            mac.world.command("sh").args(["dist/macos/install.sh", "target/release/mima"]);
        install.cwd(mac.checkout()).env("PREFIX", &mac.prefix).run().fails(status);
        assert_eq!(mac.installed(), before, "{signal}");
    }
}

#[test]
fn what_is_not_mimas_is_not_replaced() {
    let Some(_) = require("make") else { return };
    let mac = Mac::new();
    let link = mac.prefix.join("bin/mima");
    mac.world.write("a prefix/bin/mima", "theirs");
    let refused = "bin/mima is there, and make install did not put it there";
    fails(&mac, &[], &[refused, "hint: look at it", "PREFIX=DIR"]);
    assert_eq!(mac.calls(true), [""; 0]);
    for target in ["/bin/true", "/nowhere"] {
        std::fs::remove_file(&link).unwrap();
        symlink(target, &link).unwrap();
        fails(&mac, &[], &[refused]);
    }
    std::fs::remove_file(&link).unwrap();
    mac.world.write("a prefix/lib/Mima.app/Contents/theirs", "");
    fails(&mac, &[], &["lib/Mima.app is there, and is not mima"]);
    std::fs::remove_dir_all(mac.app("")).unwrap();
    symlink("/tmp", mac.prefix.join("lib/Mima.app")).unwrap();
    fails(&mac, &[], &["lib/Mima.app is there, and is not mima"]);
    // No place to be made: a file is in the way.
    std::fs::remove_file(mac.prefix.join("lib/Mima.app")).unwrap();
    std::fs::remove_dir(mac.prefix.join("lib")).unwrap();
    mac.world.write("a prefix/lib", "");
    fails(&mac, &[], &["could not make directories in "]);
}
