//! systemd, by the binary.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use mima::flow::session_install::{Agent, Starter};

use super::{Machine, NOT_NEEDED, mode, report};
use crate::common::command::{Cmd, Output};
use crate::common::find;
use crate::common::world::World;

/// Units are read when it says so, can be enabled once they are there, and stay active.
const SYSTEMCTL: &str = r#"cd "$mac"
unit=$(cat units)/mima.socket
case $2 in
  stop) [ -e active ] || { echo "Failed to stop mima.socket: not loaded." >&2; exit 5; }; rm active ;;
  is-active) [ -e active ] ;;
  daemon-reload) rm -f known; [ ! -e "$unit" ] || cp "$unit" known ;;
  enable)
    [ -e known ] || { printf '\nFailed to enable: \033[1mno such unit\n' >&2; exit 1; }
    touch enabled active ;;
  disable) [ -e "$unit" ] || exit 1; rm -f enabled ;;
  is-enabled) [ -e enabled ] ;;
esac
"#;

const UNITS: &str = ".config/systemd/user";
const INSTALLED: &str = "mima: systemd starts the agent from now on, when somebody needs it (~/.config/systemd/user/mima.socket)\n";
const FRESH: [&str; 4] = [
    "stop mima.socket mima.service",
    "is-active mima.socket mima.service",
    "daemon-reload",
    "enable --now mima.socket",
];

impl Machine {
    fn with_systemd() -> Self {
        let machine = Self::new("systemctl", SYSTEMCTL);
        machine.units_are_in(&machine.world.home().join(UNITS));
        machine
    }

    fn units_are_in(&self, dir: &Path) {
        std::fs::write(self.keeps("units"), dir.to_str().unwrap()).unwrap();
    }

    fn install(&self) -> Cmd {
        self.world.mima(&["session", "install"])
    }

    fn remove(&self) -> Output {
        self.world.mima(&["session", "install", "--remove"]).run()
    }

    fn unit(&self, name: &str) -> PathBuf {
        self.world.home().join(UNITS).join(name)
    }

    fn units(&self) -> Vec<bool> {
        ["mima.service", "mima.socket"].iter().map(|name| self.unit(name).exists()).collect()
    }
}

#[test]
fn the_units_name_the_socket_and_the_program() {
    let machine = Machine::with_systemd();
    let output = machine.install().run();
    assert_eq!(output.ok().stdout_is("").err(), INSTALLED);
    assert_eq!(machine.calls(), FRESH);
    let socket = std::fs::read_to_string(machine.unit("mima.socket")).unwrap();
    let runtime = machine.world.runtime().display().to_string();
    assert!(socket.starts_with("# Written by `mima session install`"), "{socket}");
    for line in [
        &*format!("ListenStream={runtime}/mima/agent.sock"),
        "SocketMode=0600",
        "DirectoryMode=0700",
        "WantedBy=sockets.target",
    ] {
        assert!(socket.lines().any(|own| own == line), "{line}: {socket}");
    }
    let service = std::fs::read_to_string(machine.unit("mima.service")).unwrap();
    assert!(service.starts_with("# Written by `mima session install`"), "{service}");
    let program = crate::common::world::mima().display();
    for line in [
        &*format!("ExecStart=\"{program}\" session serve"),
        "UMask=0077",
        "LimitCORE=0",
        "NoNewPrivileges=yes",
    ] {
        assert!(service.lines().any(|own| own == line), "{line}: {service}");
    }
    assert!(!service.contains("Restart="), "{service}");
    for unit in ["mima.socket", "mima.service"] {
        assert_eq!(mode(&machine.unit(unit)), 0o644);
    }
    machine.world.assert_no_temporary();
}

#[test]
fn again_is_the_same_and_removed_is_as_before() {
    let machine = Machine::with_systemd();
    machine.remove().ok().stderr_has("mima: nothing was installed, and nothing is\n");
    assert_eq!(machine.calls(), FRESH[..2]);
    machine.install().run().ok();
    machine.calls();
    let first = std::fs::read(machine.unit("mima.service")).unwrap();
    // What was there makes room for what comes, which may be another program.
    std::fs::write(machine.unit("mima.service"), "# Written by `mima session install`\n").unwrap();
    assert_eq!(machine.install().run().ok().err(), INSTALLED);
    assert_eq!(
        machine.calls(),
        ["stop mima.socket mima.service", "daemon-reload", "enable --now mima.socket"]
    );
    assert_eq!(std::fs::read(machine.unit("mima.service")).unwrap(), first);

    let output = machine.remove();
    assert_eq!(output.ok().stdout_is("").err(), "mima: systemd no longer starts the agent\n");
    assert_eq!(
        machine.calls(),
        ["stop mima.socket mima.service", "disable mima.socket", "daemon-reload"]
    );
    assert_eq!(machine.units(), [false, false]);
    for state in ["active", "enabled", "known"] {
        assert!(!machine.keeps(state).exists(), "{state}");
    }
    machine.remove().ok().stderr_has("mima: nothing was installed, and nothing is\n");

    // What somebody removed in part is removed all the same.
    machine.install().run().ok();
    std::fs::remove_file(machine.unit("mima.socket")).unwrap();
    std::fs::remove_file(machine.keeps("enabled")).unwrap();
    machine.remove().ok();
    assert_eq!(machine.units(), [false, false]);
}

#[test]
fn units_are_where_systemd_looks_for_them() {
    let machine = Machine::with_systemd();
    let elsewhere = machine.world.home().join("my config");
    machine.units_are_in(&elsewhere.join("systemd/user"));
    machine.install().env("XDG_CONFIG_HOME", &elsewhere).run().ok().stderr_has("(~/my config/");
    assert!(elsewhere.join("systemd/user/mima.service").exists());
    assert_eq!(machine.units(), [false, false]);
    let machine = Machine::with_systemd();
    machine.install().env("XDG_CONFIG_HOME", "relative").run().ok();
    assert_eq!(machine.units(), [true, true]);
}

#[test]
fn what_mima_did_not_write_stays() {
    for name in ["mima.service", "mima.socket"] {
        let machine = Machine::with_systemd();
        let unit = machine.unit(name);
        std::fs::create_dir_all(unit.parent().unwrap()).unwrap();
        let refused = |said: &str| {
            for output in [machine.install().run(), machine.remove()] {
                output.fails(1).stderr_has(said);
            }
            assert_eq!(machine.calls(), [""; 0]);
            assert_eq!(machine.units().iter().filter(|there| **there).count(), 1, "{said}");
        };
        let foreign = format!(
            "mima: ~/{UNITS}/{name} is there, and mima did not write it\nhint: look at what it says, then: mv ~/{UNITS}/{name} ~/{UNITS}/{name}.old\n"
        );
        // The mark is in the first lines, or it is not the file's own.
        let theirs = "[Unit]\n\n# Written by `mima session install`\n";
        std::fs::write(&unit, theirs).unwrap();
        refused(&foreign);
        assert_eq!(std::fs::read_to_string(&unit).unwrap(), theirs);
        std::fs::remove_file(&unit).unwrap();
        symlink("/dev/null", &unit).unwrap();
        refused(&foreign);
        std::fs::remove_file(&unit).unwrap();
        std::fs::create_dir(&unit).unwrap();
        refused("it is no regular file");
    }
}

#[test]
fn whatever_fails_nothing_is_left_behind() {
    let machine = Machine::with_systemd();
    for (call, said) in [
        (
            "*daemon-reload",
            "mima: could not have systemd start the agent: systemctl --user daemon-reload: systemctl: told to fail\n",
        ),
        (
            "*enable --now*",
            "mima: could not have systemd start the agent: systemctl --user enable --now mima.socket: systemctl: told to fail\n",
        ),
    ] {
        for upgrade in [false, true] {
            machine.failing(&[]);
            if upgrade {
                machine.install().run().ok();
            }
            machine.failing(&[call]);
            let output = machine.install().run();
            output.fails(1).stdout_is("").stderr_has(said).stderr_has(NOT_NEEDED);
            assert!(!output.err().contains("rm -f"), "{output}");
            assert_eq!(machine.units(), [false, false], "{call}");
            assert!(!machine.keeps("enabled").exists() && !machine.keeps("active").exists());
        }
    }
    // Only what systemd still knows of stays, and is said.
    machine.failing(&[]);
    machine.install().run().ok();
    machine.failing(&["*enable --now*", "*disable*"]);
    machine.install().run().fails(1).stderr_has(NOT_NEEDED).stderr_has("rm -f ~/.config/systemd");
    assert_eq!(machine.units(), [true, true]);
    machine.failing(&[]);
    machine.remove().ok();
    // What the tool says is shown in one line, and can do nothing to the terminal.
    machine.units_are_in(Path::new("/nowhere"));
    machine
        .install()
        .run()
        .fails(1)
        .stderr_has("enable --now mima.socket: Failed to enable: \\u{1b}[1mno such unit\nhint: ");
    assert_eq!(machine.units(), [false, false]);
    machine.world.assert_no_temporary();
}

#[test]
fn an_agent_that_does_not_stop_stops_everything() {
    let machine = Machine::with_systemd();
    machine.install().run().ok();
    let by_hand = format!(
        "hint: to remove the files all the same: rm -f ~/{UNITS}/mima.service ~/{UNITS}/mima.socket\n"
    );
    machine.failing(&["*stop*"]);
    let stop = "mima: could not stop the agent: systemctl --user stop mima.socket mima.service: systemctl: told to fail\n";
    machine.install().run().fails(1).stderr_has(stop);
    machine.remove().fails(1).stderr_has(stop).stderr_has(&by_hand);
    assert_eq!(machine.units(), [true, true]);
    assert!(machine.keeps("enabled").exists());
    machine.failing(&["*disable*"]);
    machine.remove().fails(1).stderr_has("mima: could not have systemd let go of the agent: systemctl --user disable mima.socket: systemctl: told to fail\n").stderr_has(&by_hand);
    assert_eq!(machine.units(), [true, true]);
    machine.failing(&["*daemon-reload*"]);
    machine.remove().fails(1).stderr_has("mima: the files are gone, but systemd has not noticed: systemctl --user daemon-reload: systemctl: told to fail\n");
    assert_eq!(machine.units(), [false, false]);
}

#[test]
fn what_cannot_be_written_is_said_and_nothing_is_half_there() {
    let machine = Machine::with_systemd();
    // A file where a directory belongs.
    machine.world.write(".config", "");
    machine.install().run().fails(1).stderr_has("mima: could not ").stderr_has(NOT_NEEDED);
    std::fs::remove_file(machine.world.home().join(".config")).unwrap();
    // A directory that others write to.
    std::fs::create_dir_all(machine.unit("")).unwrap();
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(machine.unit(""), open).unwrap();
    let output = machine.install().run();
    output.fails(1).stderr_has("others can write to it").stderr_has("hint: chmod go-w ~/.config");
    assert_eq!(machine.units(), [false, false]);
    let calls = machine.calls();
    assert!(!calls.iter().any(|call| call.starts_with("enable")), "{calls:?}");
}

#[test]
fn without_systemd_nothing_needs_to_be_installed() {
    let machine = Machine::with_systemd();
    machine.install().run().ok();
    std::fs::remove_file(&machine.tool).unwrap();
    // The system's own must not be found.
    let without = |args: &[&str]| machine.world.mima(args).env("PATH", machine.world.bin()).run();
    let output = without(&["session", "install"]);
    output.fails(1).stdout_is("");
    assert_eq!(output.err(), format!("mima: could not find systemctl\n{NOT_NEEDED}"));
    without(&["session", "install", "--remove"])
        .ok()
        .stderr_has("mima: systemd no longer starts the agent\n")
        .stderr_has("mima: could not find systemctl, so only the files are removed\n");
    assert_eq!(machine.units(), [false, false]);
}

#[test]
fn a_mima_that_is_apart_has_no_units() {
    let machine = Machine::with_systemd();
    let apart = machine.world.home().join("apart");
    machine.install().env("MIMA_HOME", apart).run().fails(1).stderr_has(NOT_NEEDED);
    assert_eq!(machine.calls(), [""; 0]);
    if !crate::common::is_root("works in the home of another") {
        return;
    }
    std::os::unix::fs::chown(machine.world.home(), Some(12345), None).unwrap();
    let output = machine.world.mima(&["--as-root", "session", "install"]).run();
    output
        .fails(1)
        .stderr_has("~ belongs to another user (uid 12345)\nhint: run this as that user");
    assert_eq!(machine.calls(), [""; 0]);
}

#[test]
fn systemd_reads_every_path_as_it_is() {
    let world = World::new();
    for name in ["plain", "a b", "a%h%%", "$HOME ${HOME}", "ä;b", "#x", "@SOCKET@ @PROGRAM@"] {
        let dir = world.home().join(name);
        std::fs::create_dir(&dir).unwrap();
        let program = dir.join("mima");
        symlink("/bin/true", &program).unwrap();
        let socket = dir.join("agent.sock");
        let agent = Agent { program: &program, socket: &socket };
        let units = dir.join("units");
        std::fs::create_dir(&units).unwrap();
        let starter = Starter::systemd(&units, agent).unwrap();
        let text: String = starter.files().iter().map(|(_, text)| text.as_str()).collect();
        let doubled = |path: &Path| path.to_str().unwrap().replace('%', "%%");
        let start = format!("\nExecStart=\"{}\" session serve\n", doubled(&program));
        assert!(text.contains(&start), "{text}");
        assert!(text.contains(&format!("\nListenStream={}\n", doubled(&socket))), "{text}");
        let mut files = Vec::new();
        for (path, text) in starter.files() {
            std::fs::write(path, text).unwrap();
            files.push(path);
        }
        // Its own opinion, where it is there.
        let Some(analyze) = find("systemd-analyze") else { continue };
        let verify = ["--user", "--man=no", "verify"];
        world.command(analyze).args(verify).args(files).run().ok().quiet();
    }
    for name in ["a\"b", "a'b", "a\\b", "a\nb", "a\u{7}b"] {
        let (program, socket) = (Path::new("/x").join(name), Path::new("/x/s"));
        let said = report(Starter::systemd(socket, Agent { program: &program, socket }));
        assert!(said.ends_with(NOT_NEEDED) && said.lines().count() == 2, "{said}");
    }
    let bytes: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"/x\xff");
    let agent = Agent { program: Path::new("/x"), socket: Path::new(bytes) };
    assert!(report(Starter::systemd(Path::new("/u"), agent)).contains("what is no text"));
}

/// The name that it was started by, and not where a package manager keeps it.
#[test]
fn the_service_starts_mima_as_it_was_started() {
    let machine = Machine::with_systemd();
    let link = machine.world.home().join("a b%/mima");
    std::fs::create_dir(link.parent().unwrap()).unwrap();
    symlink(crate::common::world::mima(), &link).unwrap();
    machine.world.command(&link).args(["session", "install"]).run().ok();
    let service = std::fs::read_to_string(machine.unit("mima.service")).unwrap();
    let start = format!("\nExecStart=\"{}\" session serve\n", link.display()).replace('%', "%%");
    assert!(service.contains(&start), "{service}");
}
