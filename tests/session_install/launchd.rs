//! launchd, by the library: the binary of another system does not know it.

use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use mima::error::Result;
use mima::flow::session_install::{Agent, LABEL, Starter};

use super::{Machine, NOT_NEEDED, mode, report};
use crate::common::SPAWNING;

/// What was loaded is not loaded again, and not at once after it has been let go of.
const LAUNCHCTL: &str = r#"cd "$mac"
case $1 in
  bootout)
    [ -e loaded ] || { echo "Boot-out failed: 3: No such process" >&2; exit 3; }
    rm loaded; echo xx >going ;;
  print) [ -e loaded ] ;;
  bootstrap)
    [ ! -e loaded ] || { echo "Bootstrap failed: 5: Input/output error" >&2; exit 5; }
    if [ -s going ]; then
      sed 's/^x//' going | tr -d '\n' >still; mv still going
      echo "Bootstrap failed: 37: Operation already in progress" >&2; exit 37
    fi
    cp "$3" loaded ;;
esac
"#;

const USER: u32 = 501;

impl Machine {
    fn with_launchd() -> Self {
        Self::new("launchctl", LAUNCHCTL)
    }

    fn agents(&self) -> PathBuf {
        self.world.home().join("Library/LaunchAgents")
    }

    fn plist(&self) -> PathBuf {
        self.agents().join(format!("{LABEL}.plist"))
    }

    fn socket(&self) -> PathBuf {
        self.world.data().join("run/agent.sock")
    }

    fn starter(&self) -> Starter {
        let program = self.world.home().join("lib/Mima.app/Contents/MacOS/mima");
        let agent = Agent { program: &program, socket: &self.socket() };
        Starter::launchd(&self.agents(), USER, agent, Some("com.example.mima")).unwrap()
    }

    fn load(&self) -> Result<()> {
        let _spawning = SPAWNING.read().unwrap_or_else(PoisonError::into_inner);
        self.starter().install(&self.tool, &self.lock())
    }

    fn unload(&self) -> Result<bool> {
        let _spawning = SPAWNING.read().unwrap_or_else(PoisonError::into_inner);
        self.starter().remove(Some(&self.tool), &self.lock())
    }

    fn bootstrap(&self) -> String {
        format!("bootstrap gui/501 {}", self.plist().display())
    }
}

const BOOTOUT: &str = "bootout gui/501/io.github.klobucar.mima.agent";
const PRINT: &str = "print gui/501/io.github.klobucar.mima.agent";

#[test]
fn the_property_list_says_how_the_agent_starts() {
    let (program, socket) = (Path::new("/A & <b>/@SOCKET@/mima"), Path::new("/s \"'&amp;]]>"));
    let agent = Agent { program, socket };
    let plist = |bundle| {
        let starter = Starter::launchd(Path::new("/agents"), 501, agent, bundle).unwrap();
        let [(path, text)] = starter.files() else { panic!("one file") };
        assert_eq!(path, Path::new("/agents/io.github.klobucar.mima.agent.plist"));
        assert!(
            text.starts_with(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- Written by `mima session install`"
            ),
            "{text}"
        );
        assert!(!text.contains("KeepAlive") && !text.contains("RunAtLoad"), "{text}");
        elements(text)
    };
    let mut want = vec![
        "dict",
        "key Label",
        "string io.github.klobucar.mima.agent",
        "key ProgramArguments",
        "array",
        "string /A & <b>/@SOCKET@/mima",
        "string session",
        "string serve",
        "key Sockets",
        "dict",
        "key Listeners",
        "dict",
        "key SockPathName",
        "string /s \"'&amp;]]>",
        "key SockPathMode",
        "integer 384",
        "key SockType",
        "string stream",
        "key LimitLoadToSessionType",
        "string Aqua",
        "key ProcessType",
        "string Interactive",
    ];
    assert_eq!(plist(None), want);
    want.extend(["key AssociatedBundleIdentifiers", "array", "string com.example.mima"]);
    assert_eq!(plist(Some("com.example.mima")), want);
    let odd = Agent { program, socket: Path::new("/a\u{1}") };
    assert!(report(Starter::launchd(socket, 501, odd, None)).ends_with(NOT_NEEDED));
}

#[test]
fn it_is_loaded_and_loaded_again_and_removed() {
    let machine = Machine::with_launchd();
    machine.load().unwrap();
    assert_eq!(machine.calls(), [BOOTOUT, PRINT, &machine.bootstrap()]);
    let plist = std::fs::read_to_string(machine.plist()).unwrap();
    assert_eq!(plist, machine.starter().files()[0].1);
    assert_eq!(std::fs::read_to_string(machine.keeps("loaded")).unwrap(), plist);
    assert_eq!(mode(&machine.plist()), 0o644);
    // launchd makes the socket, and not the directory.
    assert_eq!(mode(machine.socket().parent().unwrap()), 0o700);
    // It takes launchd a while to take it again.
    machine.load().unwrap();
    let again = machine.bootstrap();
    assert_eq!(machine.calls(), [BOOTOUT, &again, &again, &again]);
    assert!(machine.keeps("loaded").exists());
    assert!(machine.unload().unwrap());
    assert_eq!(machine.calls(), [BOOTOUT]);
    assert!(!machine.plist().exists() && !machine.keeps("loaded").exists());
    assert!(!machine.unload().unwrap());
    assert_eq!(machine.calls(), [BOOTOUT, PRINT]);
    // Without its file it may still be loaded.
    std::fs::write(machine.keeps("loaded"), "").unwrap();
    assert!(machine.unload().unwrap());
    assert!(!machine.keeps("loaded").exists());
    machine.world.assert_no_temporary();
}

#[test]
fn what_launchd_does_not_take_is_not_left_there() {
    let machine = Machine::with_launchd();
    machine.failing(&["launchctl bootstrap*"]);
    let said = report(machine.load());
    assert!(
        said.starts_with(
            "mima: could not have launchd start the agent: launchctl bootstrap gui/501 "
        ),
        "{said}"
    );
    assert!(said.ends_with(&format!("launchctl: told to fail\n{NOT_NEEDED}")), "{said}");
    assert_eq!(machine.calls(), [BOOTOUT, PRINT, &machine.bootstrap(), BOOTOUT, PRINT]);
    assert!(!machine.plist().exists());
    // One that was there is asked for a few times, and then not left there either.
    machine.failing(&[]);
    machine.load().unwrap();
    machine.calls();
    machine.failing(&["launchctl bootstrap*"]);
    report(machine.load());
    let calls = machine.calls();
    assert_eq!(calls.iter().filter(|call| **call == machine.bootstrap()).count(), 6);
    assert!(!machine.plist().exists());
}

#[test]
fn what_stays_loaded_keeps_its_file() {
    let machine = Machine::with_launchd();
    machine.load().unwrap();
    machine.calls();
    machine.failing(&["launchctl bootout*"]);
    let said = "mima: could not stop the agent: launchctl bootout gui/501/io.github.klobucar.mima.agent: launchctl: told to fail\n";
    assert_eq!(report(machine.load()), said);
    let by_hand =
        format!("hint: to remove the files all the same: rm -f {}\n", machine.plist().display());
    assert_eq!(report(machine.unload()), format!("{said}{by_hand}"));
    assert!(machine.plist().exists() && machine.keeps("loaded").exists());
    assert_eq!(machine.calls(), [BOOTOUT, PRINT, BOOTOUT, PRINT]);
    // If it is not loaded, it is only the file that goes.
    std::fs::remove_file(machine.keeps("loaded")).unwrap();
    assert!(machine.unload().unwrap());
    assert!(!machine.plist().exists());
}

#[test]
fn what_mima_did_not_write_stays() {
    let machine = Machine::with_launchd();
    std::fs::create_dir_all(machine.agents()).unwrap();
    std::fs::write(machine.plist(), "<plist/>").unwrap();
    for said in [report(machine.load()), report(machine.unload())] {
        assert!(said.contains(" is there, and mima did not write it\nhint: "), "{said}");
    }
    assert_eq!(machine.calls(), [""; 0]);
    assert_eq!(std::fs::read_to_string(machine.plist()).unwrap(), "<plist/>");
}

#[test]
fn a_tool_that_cannot_be_run_is_named() {
    let machine = Machine::with_launchd();
    std::fs::write(&machine.tool, "#!/nowhere\n").unwrap();
    let said = report(machine.load());
    assert!(said.contains("could not run launchctl bootstrap"), "{said}");
    assert!(!machine.plist().exists());
    // One that says nothing is quoted with how it ended.
    let machine = Machine::with_launchd();
    machine.world.script("launchctl", "[ $1 != bootstrap ] || exit 9\n");
    let said = report(machine.load());
    assert!(said.contains(": exit status: 9\n"), "{said}");
}

/// The texts and empty elements of a property list, in order. Fails if its tags do not match.
fn elements(plist: &str) -> Vec<String> {
    let mut open: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    for part in plist.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap();
        let is_text = matches!(tag, "key" | "string" | "integer");
        assert!(is_text || text.trim().is_empty(), "{tag}: {text}");
        match (tag.strip_prefix('/'), tag.starts_with(['?', '!'])) {
            (Some(end), _) => assert_eq!(open.pop(), Some(end)),
            (None, true) => {}
            (None, false) => open.push(tag.split(' ').next().unwrap()),
        }
        if is_text {
            let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
            found.push(format!("{tag} {text}"));
        } else if matches!(tag, "dict" | "array") {
            found.push(tag.to_owned());
        }
    }
    assert!(open.is_empty(), "{open:?}");
    found
}
