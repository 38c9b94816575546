//! Hostile files and directories: rows A11, A12, D1–D4 and J7.

use std::ffi::OsStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};

use crate::common::project::{Project, changes, nothing_set};
use crate::common::strace::errno_points;
use crate::common::user::{USER, User, give, mknod, mode, project_of};
use crate::common::world::World;
use crate::common::{is_root, skip};

/// How long anything may take that must not wait. Of this, a busy machine needs most.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(2);

/// Something that can be at a path: what it is, and how it gets there.
type Kind = (&'static str, fn(&Path));

/// Kinds of files that are no regular ones.
const KINDS: [Kind; 4] = [
    ("a directory", |path| std::fs::create_dir(path).unwrap()),
    ("a FIFO", |path| mknod(path, "p")),
    ("a socket", |path| drop(UnixListener::bind(path).unwrap())),
    // One that never ends.
    ("a device", |path| {
        if is_root("can make a device") {
            mknod(path, "c 1 5");
        }
    }),
];

#[test]
fn t_a11_what_is_no_regular_file_is_no_project() {
    for (what, make) in KINDS {
        let world = World::new();
        let project = Project::allowed(&world, "p", "env: {MARK: outer}\n");
        let inner = project.dir.join("inner");
        std::fs::create_dir(&inner).unwrap();
        make(&inner.join(".mima.yaml"));
        let export = world.mima(&["export", "json"]).cwd(&inner).timeout(AT_ONCE).run();
        assert_eq!(changes(export.ok().quiet())["MARK"].as_deref(), Some("outer"), "{what}");
        if !inner.join(".mima.yaml").symlink_metadata().is_ok_and(|meta| !meta.is_dir()) {
            continue;
        }
        let named = |verb: &[&str]| {
            world.mima(verb).arg("inner/.mima.yaml").cwd(&project.dir).timeout(AT_ONCE).run()
        };
        for verb in [&["allow", "--yes"][..], &["deny"], &["edit"]] {
            named(verb).fails(1).stderr_has("could not read ~/p/inner/.mima.yaml: ");
        }
    }
}

#[test]
fn t_a11_a_local_file_that_is_no_regular_one_stops_the_project_at_once() {
    for (what, make) in KINDS {
        let world = World::new();
        let project = Project::allowed(&world, "p", "env: {MARK: here}\n");
        make(&project.dir.join(".mima.local.yaml"));
        if project.dir.join(".mima.local.yaml").symlink_metadata().is_err() {
            continue;
        }
        let export = project.mima(&["export", "json"]).timeout(AT_ONCE).run();
        export.fails(1).stderr_has("could not read ~/p/.mima.local.yaml: ");
        nothing_set(&export);
        let allow = project.mima(&["allow", "--yes"]).timeout(AT_ONCE).run();
        assert!(allow.fails(1).err().contains("could not read ~/p/.mima.local"), "{what}: {allow}");
    }
}

#[test]
fn t_a12_a_huge_file_is_refused_without_being_read() {
    let world = World::new();
    let project = Project::allowed(&world, "p", "env: {MARK: here}\n");
    // Not even room for what could be read of it.
    let little = "ulimit -v 300000; exec \"$@\"";
    for name in [".mima.local.yaml", ".mima.yaml"] {
        let file = std::fs::File::create(project.dir.join(name)).unwrap();
        for size in [8 << 30, (256 << 10) + 1] {
            file.set_len(size).unwrap();
            let export = project.mima(&["export", "json"]).within(little).timeout(AT_ONCE).run();
            export.fails(1).stderr_has(&format!("could not read ~/p/{name}: it is larger than"));
            nothing_set(&export);
            project.mima(&["allow", "--yes"]).within(little).timeout(AT_ONCE).run().fails(1);
        }
        drop(file);
        // As large as a file may be.
        let head = "env: {MARK: large}\n#";
        let text = format!("{head}{}", "x".repeat((256 << 10) - head.len()));
        project.write(name, text);
        project.allow();
        assert_eq!(project.loaded()["MARK"].as_deref(), Some("large"));
    }
}

/// Tells whether text does nothing to a terminal but go to the next line.
pub(crate) fn plain(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.chars().all(|c| c == '\n' || !(c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)))
}

/// Names that could be evaluated, or move the cursor.
const NAMES: [&[u8]; 18] = [
    b"a\nb",
    b"a\rb",
    b"\x1b]0;title\x07",
    b"\x1b[2J",
    b"'",
    b"\"",
    b"`touch evaluated`",
    b"$(touch evaluated)",
    b"${HOME}",
    b"%F{red}%n",
    b"\\e[31m\\",
    b"-n",
    b"* ?[x]",
    b" ",
    b"a;touch evaluated;",
    b"\xff\xfe",
    "\u{9b}2J\u{202e}x".as_bytes(),
    b"!!",
];

#[test]
fn t_d1_t_j7_a_directory_may_have_any_name() {
    let world = World::new();
    for name in NAMES {
        let dir = world.home().join(OsStr::from_bytes(name));
        // Not every file system takes bytes that are no UTF-8.
        if std::fs::create_dir(&dir).is_err() && cfg!(target_os = "macos") {
            continue;
        }
        std::fs::write(
            dir.join(".mima.yaml"),
            "env: {A: '${MIMA_DIR}/x'}\nPATH_add: [bin]\ngroups: {dev: {T: x}}\n",
        )
        .unwrap();
        let mut spoken = Vec::new();
        let mut say = |args: &[&str]| {
            let output = world.mima(args).cwd(&dir).run();
            spoken.extend(output.stderr.clone());
            spoken.extend(output.stdout.clone());
            output
        };
        say(&["export", "json"]).fails(1);
        say(&["allow", "--yes"]).ok();
        say(&["status"]).ok();
        let script = "eval \"$(mima export bash)\"; printf '%s\\n%s\\n%s' \"$MIMA_DIR\" \"$A\" \"$PATH\"; \
                      cd /; eval \"$(mima export bash)\"; printf '\\n%s' \"${A-unset}${MIMA_DIR-unset}$PATH\"";
        let bash = world.command("bash").args(["--norc", "-c", script]).cwd(&dir).run();
        let path = dir.as_os_str().as_bytes();
        let start = [path, b"\n", path, b"/x\n", path, b"/bin:"].concat();
        assert!(bash.ok().quiet().stdout.starts_with(&start), "{bash}");
        assert!(bash.out().rsplit('\n').next().unwrap().starts_with("unsetunset/"), "{bash}");
        let json = say(&["export", "json"]);
        if std::str::from_utf8(name).is_ok() {
            assert_eq!(changes(json.ok())["MIMA_DIR"].as_deref(), dir.to_str());
        } else {
            json.fails(1).stderr_has("is no UTF-8, and JSON takes nothing else");
        }
        say(&["status", "--json"]).ok();
        say(&["group", "link", "--project", "dev", "U", "x"]).ok();
        say(&["deny"]).ok();
        say(&["exec", ".", "true"]).fails(125);
        std::fs::remove_dir_all(&dir).unwrap();
        say_prune(&world, &mut spoken);
        assert!(plain(&spoken), "{}", String::from_utf8_lossy(&spoken));
    }
    assert!(!world.home().join("evaluated").exists());
}

fn say_prune(world: &World, spoken: &mut Vec<u8>) {
    let output = world.mima(&["prune"]).run();
    output.ok().stderr_has("mima: forgot ");
    spoken.extend(output.stderr);
}

/// A path with a colon cannot be in PATH, where it would be two.
#[test]
fn t_d1_a_colon_in_the_path_of_the_project_is_an_error_only_for_lists() {
    let world = World::new();
    let project = Project::allowed(&world, "a:/b", "env: {A: '${MIMA_DIR}'}\n");
    assert_eq!(project.loaded()["A"].as_deref(), project.dir.to_str());
    project.write(".mima.yaml", "PATH_add: [bin]\n");
    project.allow();
    project
        .not_loaded(":1:12: PATH_add: ~/a:/b/bin cannot be an entry of a list")
        .stderr_has("hint: ");
}

/// Makes a directory many levels below another, and returns it open: no path is as long.
fn deep(top: &Path, name: &str, levels: usize) -> OwnedFd {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut dir = rustix::fs::open(top, flags, Mode::empty()).unwrap();
    for _ in 0..levels {
        rustix::fs::mkdirat(&dir, name, Mode::RWXU).unwrap();
        dir = rustix::fs::openat(&dir, name, flags, Mode::empty()).unwrap();
    }
    dir
}

/// More levels than are looked at, or than a path may have bytes, hide what is above.
#[test]
fn t_d2_a_directory_twenty_kilobytes_deep_is_no_trouble() {
    if !Path::new("/proc/self/fd").exists() {
        return skip("no way into a directory but by its path");
    }
    let world = World::new();
    let project = Project::allowed(&world, "p", "env: {MARK: here}\n");
    for (name, levels, found) in [("d".repeat(200), 100, true), ("e".to_owned(), 4200, false)] {
        let dir = deep(&project.dir, &name, levels);
        let there = format!("/proc/{}/fd/{}", std::process::id(), dir.as_raw_fd());
        for verb in [&["export", "json"][..], &["status"], &["allow"]] {
            let within = format!("cd -P {there} && unset PWD && exec \"$@\"");
            let output = world.mima(verb).within(&within).timeout(2 * AT_ONCE).run();
            if verb[0] == "export" {
                let mark = changes(output.ok().quiet()).remove("MARK").flatten();
                assert_eq!(mark.as_deref(), found.then_some("here"));
            }
        }
        world.command("rm").arg("-rf").arg(name).cwd(&project.dir).run().ok();
    }
}

#[test]
fn t_d3_where_the_directory_is_gone_everything_is_taken_back() {
    let world = World::new();
    let project = Project::allowed(&world, "p", "env: {MARK: here}\nPATH_add: [bin]\n");
    std::fs::create_dir(project.dir.join("below")).unwrap();
    let lines = "cd below; load; echo $MARK; rmdir ../below; load; \
                 echo \"$? ${MARK-unset} ${MIMA_DIR-unset} ${__MIMA_STATE-unset}\"; \
                 case $PATH in *p/bin*) echo left;; esac";
    project.bash(lines).run().ok().quiet().stdout_is("here\n0 unset unset unset\n");
    for verb in [
        &["status"][..],
        &["export", "json"],
        &["prune"],
        &["group", "list"],
        &["allow", "--yes"],
        &["deny"],
        &["init"],
        &["edit"],
        &["exec", ".", "true"],
        &["run", "dev", "true"],
    ] {
        let gone = "mkdir gone && cd gone && rmdir ../gone && exec \"$@\"";
        let output = project.mima(verb).within(gone).run();
        let known = [0, 1, 125].map(Some);
        assert!(known.contains(&output.status.code()), "{output}");
        if !output.status.success() {
            output.stderr_has("mima: ");
        }
    }
}

#[test]
fn t_d3_a_parent_that_cannot_be_read_or_entered_hides_nothing_but_its_own() {
    let Some(user) = User::new() else { return };
    let outer = user.world.home().join("outer");
    let text = "env: {MARK: outer}\n";
    project_of(&outer, text, USER, USER);
    user.mima(&["allow", "--yes"], &outer).run().ok();
    let closed = outer.join("closed");
    let inner = closed.join("inner");
    project_of(&inner, "env: {MARK: inner}\n", USER, USER);
    give(&closed, USER);
    user.mima(&["allow", "--yes"], &inner).run().ok();
    for bits in [0, 0o400] {
        mode(&closed, bits);
        // Root enters, and then is the user.
        let export = user.mima(&["export", "json"], &inner).run();
        assert_eq!(changes(export.ok().quiet())["MARK"].as_deref(), Some("outer"), "{export}");
    }
    mode(&closed, 0o755);
    // An approved file that cannot be read any more is an error, not another file's turn.
    mode(&inner.join(".mima.yaml"), 0);
    let export = user.mima(&["export", "json"], &inner).run();
    export.fails(1).stderr_has("could not read ~/outer/closed/inner/.mima.yaml: permission denied");
    nothing_set(&export);
}

/// Every call that looks at a file fails once: the project is loaded as it is, or not at all,
/// and never one that was not approved.
#[test]
fn t_d4_a_failing_disk_loads_all_or_nothing() {
    let world = World::new();
    let calls = "openat,statx,newfstatat,readlink,readlinkat,read,getcwd";
    for approved in [true, false] {
        let command = |world: &World| {
            let project = Project::allowed(world, "p", "env: {A: a, B: b}\nPATH_add: [bin]\n");
            project.write(".mima.local.yaml", "env: {B: local, C: c}\n");
            project.allow();
            if !approved {
                project.write(".mima.yaml", "env: {EVIL: e}\n");
            }
            project.mima(&["export", "json"])
        };
        let points = errno_points(&world, calls, "EIO", command, |_, attempt| {
            let output = &attempt.output;
            assert!(output.status.code().is_some_and(|code| code < 128), "{attempt}");
            if output.stdout.is_empty() {
                assert!(!output.status.success() && !output.stderr.is_empty(), "{attempt}");
                return;
            }
            let changes = changes(output);
            assert!(!changes.contains_key("EVIL"), "{attempt}");
            if changes.contains_key("A") {
                assert!(approved && output.status.success(), "{attempt}");
                assert_eq!(changes["B"].as_deref(), Some("local"), "{attempt}");
                assert_eq!(changes["C"].as_deref(), Some("c"), "{attempt}");
            } else if approved {
                // To find no project is all that one who cannot look around can do.
                assert!(!output.status.success() || output.stdout == b"{}\n", "{attempt}");
            }
        });
        assert!(points.is_none_or(|points| points > 30), "{points:?}");
    }
}

#[test]
fn a_state_that_mima_did_not_write_is_none() {
    let world = World::new();
    let project = Project::allowed(&world, "p", "env: {MARK: here}\n");
    let long = "x".repeat(100_000);
    for state in [
        "",
        "1",
        "garbage",
        "2 00 00",
        "1 zz 00",
        "1 00 k A",
        "1 00 k $(id)=x",
        "1 00 k PATH+zz",
        "1 00 k A= B",
        "\x1b",
        &long,
    ] {
        let export = project.mima(&["export", "json"]).env("__MIMA_STATE", state).run();
        assert_eq!(changes(export.ok().quiet())["MARK"].as_deref(), Some("here"), "{state}");
        let status =
            project.mima(&["status"]).env("__MIMA_STATE", state).env("MIMA_DIR", "/x").run();
        status.ok().stdout_has("nothing is loaded in this shell");
        let lines = "load; echo \"$MARK ${HOME:+home}\"; cd /; load; echo ${MARK-unset}${__MIMA_STATE-unset}";
        let bash = project.bash(lines).env("__MIMA_STATE", state).run();
        bash.ok().quiet().stdout_is("here home\nunsetunset\n");
    }
}
