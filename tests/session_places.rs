//! Where a shell may run, and how far an unlock reaches there: under tmux(1), script(1), su(1)
//! and login(1), and in the other scopes. Rows H1 to H3 and H13 of the threat
//! table.

use std::time::Duration;

use crate::common::agents;
use crate::common::hooked::{Start, each};
use crate::common::pty::Pty;
use crate::common::tab::{Came, Probe, tab, user_file, world};
use crate::common::user::User;
use crate::common::world::World;
use crate::common::{find, is_root, require};

#[test]
fn t_h1_another_terminal_is_another_place() {
    each(|shell| {
        let world = world("");
        let (mut hooked, mut other) = (tab(&world, shell), tab(&world, shell));
        hooked.unlock();
        assert!(!other.passes(), "{shell}");
        assert!(other.run("mima lock").contains("nothing was unlocked"), "{shell}");
        let said = other.run("mima session status");
        assert!(said.contains("nothing is unlocked here\n1 more group is unlocked elsewhere"));
        // What is unlocked there too is the other's own.
        other.unlock();
        assert!(hooked.run("mima lock").contains("locked 1 group"), "{shell}");
        assert!(!hooked.passes() && other.passes(), "{shell}");
        hooked.unlock();
        assert!(other.run("mima lock --all").contains("locked 2 groups"), "{shell}");
        assert!(!hooked.passes() && !other.passes(), "{shell}");
    });
}

#[test]
fn t_h2_without_a_terminal_everything_is_asked_and_nothing_kept() {
    let world = world("");
    let mut hooked = tab(&world, "bash");
    hooked.unlock();
    for asked in 2..4 {
        world.mima(&["run", "--no-prompt", "g", "--", "true"]).run().fails(125);
        world.mima(&["run", "g", "--", "true"]).run().ok().quiet();
        assert_eq!(world.asked(), asked);
    }
    let unlock = world.mima(&["unlock", "g"]).run();
    unlock.fails(1).stderr_has("this was not typed at a shell on a terminal");
    assert_eq!(world.asked(), 3);
    assert_eq!(agents::unlocked(&world), 1);
    assert!(hooked.passes());
}

#[test]
fn in_the_scope_of_a_terminal_all_that_runs_on_it_passes() {
    each(|shell| {
        let world = world("session: { scope: terminal }\n");
        let mut hooked = tab(&world, shell);
        let said = hooked.run("mima unlock g");
        assert!(said.contains("unlocked for this terminal: g"), "{shell}: {said}");
        for line in ["{m}", "sh -c '{m}; true'", "sh -c 'sh -c \"{m}; true\"; true'"] {
            assert_eq!(hooked.probe(&world, line), Came::Passed, "{shell}: {line}");
        }
        hooked.nest(&Start::new(&world, shell).words().join(" "));
        assert!(hooked.passes(), "{shell}: in a nested shell");
        hooked.leave();
        for line in ["setsid -w {m}", "script -qec '{m}' /dev/null"] {
            if find("setsid").is_some() {
                assert_eq!(hooked.probe(&world, line), Came::Asked, "{shell}: {line}");
            }
        }
        let mut other = tab(&world, shell);
        assert!(!other.passes(), "{shell}: in another tab");
        assert!(other.run("mima lock").contains("nothing was unlocked"), "{shell}");
        assert!(hooked.passes(), "{shell}");
        assert!(hooked.run("sh -c 'mima lock; true'").contains("locked 1 group"), "{shell}");
        assert!(!hooked.passes(), "{shell}");
        assert_eq!(world.take_asked(), 1, "{shell}");
        // Whatever has asked, it is kept for the terminal.
        hooked.run("sh -c 'mima run g -- true; true'");
        assert!(hooked.passes(), "{shell}");
        assert_eq!(world.take_asked(), 1, "{shell}");
    });
}

#[test]
fn in_no_scope_at_all_everything_is_asked() {
    let world = world("session: { scope: off }\n");
    let mut hooked = tab(&world, "bash");
    for asked in 1..3 {
        assert_eq!(hooked.run("mima run g -- printenv TOKEN"), "value-of-K00\n");
        assert_eq!(world.asked(), asked);
        assert!(!hooked.passes());
    }
    let said = hooked.run("mima unlock g; echo =$?");
    assert!(said.contains("`session: { scope: off }`") && said.contains("=1"), "{said}");
    assert!(!world.socket().exists());
    assert_eq!(world.asked(), 2);
}

/// As in a container that was started with a shell: what a program leaves behind becomes that
/// shell's child.
#[test]
#[cfg(target_os = "linux")]
fn t_h3_a_shell_that_adopts_orphans_keeps_nothing() {
    if !is_root("can make a namespace") || find("unshare").is_none() || find("setsid").is_none() {
        return eprintln!("SKIPPED: no namespaces here");
    }
    let world = world("");
    let wrapper = ["unshare", "--pid", "--fork", "--mount-proc", "setsid", "--ctty"];
    let mut hooked = Start::new(&world, "bash").under(&wrapper).start();
    assert_eq!(hooked.run("echo $$"), "1\n");
    assert_eq!(hooked.run("mima run g -- printenv TOKEN"), "value-of-K00\n");
    assert!(!hooked.passes());
    let said = hooked.run("mima unlock g");
    assert!(said.contains("this was not typed at a shell on a terminal"), "{said}");
    assert_eq!(world.asked(), 1);
}

#[test]
fn what_was_unlocked_is_asked_for_again_once_the_scope_is_another() {
    let world = world("session: { scope: terminal }\n");
    let mut hooked = tab(&world, "bash");
    hooked.unlock();
    assert!(hooked.passes());
    let file = world.read(".mima.yaml");
    for scope in ["off", "shell"] {
        world.write(".mima.yaml", file.replace("terminal", scope));
        assert!(!hooked.passes(), "{scope}");
    }
    world.write(".mima.yaml", file);
    assert!(hooked.passes());
    assert_eq!(world.asked(), 1);
}

#[test]
fn t_h3_in_a_script_of_the_terminal_its_shell_is_the_one() {
    if require("bash").is_none() || find("setsid").is_none() || find("script").is_none() {
        return eprintln!("SKIPPED: no script of util-linux here");
    }
    let world = world("");
    let mut outer = tab(&world, "bash");
    outer.unlock();
    let wrapper = ["sh", "-c", "exec script -qec \"exec $*\" /dev/null", "sh"];
    let mut hooked = Start::new(&world, "bash").under(&wrapper).start();
    assert!(!hooked.passes());
    hooked.run("mima run g -- true");
    assert!(hooked.passes());
    assert_eq!(hooked.probe(&world, "sh -c '{m}; true'"), Came::Asked);
    assert_eq!(world.asked(), 2);
}

/// A tmux server of one's own; it ends with this.
struct Tmux<'a> {
    world: &'a World,
}

impl Tmux<'_> {
    #[track_caller]
    fn run(&self, args: &[&str]) {
        let socket = self.world.root().join("tmux");
        let tmux = self.world.command("tmux").arg("-S").arg(socket).args(["-f", "/dev/null"]);
        tmux.args(args).run().ok();
    }

    /// Types a line into a pane. What it has come to can be seen by a probe.
    #[track_caller]
    fn type_line(&self, pane: &str, line: &str) {
        self.run(&["send-keys", "-t", pane, "-l", line]);
        self.run(&["send-keys", "-t", pane, "Enter"]);
    }

    #[track_caller]
    fn probe(&self, pane: &str, name: &str, line: &str) -> Came {
        let probe = Probe::new(self.world, name);
        self.type_line(pane, &line.replace("{m}", &probe.command()));
        probe.wait()
    }
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        let socket = self.world.root().join("tmux");
        let tmux = self.world.command("tmux").arg("-S").arg(socket).arg("kill-server");
        drop(tmux.run());
    }
}

/// What cannot be told apart is shown too: tmux types for whoever asks it to.
#[test]
fn t_h13_a_pane_of_tmux_is_a_tab_into_which_tmux_can_type() {
    let (Some(_), Some(_)) = (require("tmux"), require("bash")) else { return };
    let world = world("");
    let tmux = Tmux { world: &world };
    let shell = "bash --noprofile --norc -i";
    let leader = format!("exec {shell}");
    tmux.run(&["new-session", "-d", "-x", "150", "-y", "40", &leader]);
    tmux.run(&["split-window", &leader]);
    assert_eq!(tmux.probe(".0", "before", "{m}"), Came::Asked);
    tmux.type_line(".0", "mima run g -- true");
    // The pane leads a session of its own, so it is kept without more ado.
    assert_eq!(tmux.probe(".0", "after", "{m}"), Came::Passed);
    assert_eq!(tmux.probe(".0", "within", "sh -c '{m}; true'"), Came::Asked);
    assert_eq!(tmux.probe(".1", "elsewhere", "{m}"), Came::Asked);
    // In a pane that some program stands in, only what was unlocked by name is kept.
    tmux.type_line(".1", &format!("sh -c '{shell}; true'"));
    tmux.type_line(".1", "mima run g -- true");
    assert_eq!(tmux.probe(".1", "not kept", "{m}"), Came::Asked);
    tmux.type_line(".1", "mima unlock g");
    assert_eq!(tmux.probe(".1", "kept", "{m}"), Came::Passed);
    assert_eq!(world.asked(), 3);
}

/// The same with the terminal itself, where the kernel lets a program type: doctor says so.
#[test]
#[cfg(target_os = "linux")]
fn t_h13_a_program_may_type_into_its_own_terminal_where_the_kernel_lets_it() {
    let (Some(_), Some(_)) = (require("perl"), require("bash")) else { return };
    let world = world("");
    let mut hooked = tab(&world, "bash");
    hooked.unlock();
    let probe = Probe::new(&world, "typed by a program");
    // 0x5412 is TIOCSTI.
    let perl = format!(
        "my $denied = 0; for (split //, \"{} \\n\") {{ $denied = 1 if !ioctl(STDIN, 0x5412, $_) }} \
         print $denied ? \"denied\\n\" : \"typed\\n\";\n",
        probe.command()
    );
    std::fs::write(world.root().join("type.pl"), perl).unwrap();
    hooked.pty.send_line(&format!("perl {}/type.pl", world.root().display()));
    let said = hooked.next_prompt();
    let setting = std::fs::read_to_string("/proc/sys/dev/tty/legacy_tiocsti").unwrap_or_default();
    let doctor = world.mima(&["doctor"]).run().out();
    assert_eq!(doctor.contains("legacy_tiocsti"), setting.trim() == "1", "{doctor}");
    if said.contains("denied") {
        assert_eq!(setting.trim(), "0");
        assert_eq!(probe.came(), Came::Neither);
    } else {
        assert!(said.contains("typed"), "{said}");
        assert_eq!(probe.wait(), Came::Passed);
    }
}

/// A world that somebody else uses, on a terminal that is root's. `nobody` is in every user
/// database, as su(1) wants it.
fn world_of_nobody() -> Option<User> {
    let mut user = User::of(65534)?;
    user.world.add_vault();
    user.world.write(".mima.yaml", user_file(""));
    user.world.write(".bashrc", "PS1='nobody> '\n");
    user.give_all();
    Some(user)
}

/// Types into a shell of somebody else, that a shell of root has started.
fn as_nobody(user: &User, starts: &str) {
    let world = &user.world;
    let mut outer =
        world.command("bash").args(["--noprofile", "--norc", "-i"]).env("PS1", "root> ");
    outer = outer.env("HISTFILE", "/dev/null");
    let mut pty = Pty::spawn(&mut outer.std());
    pty.expect("root> ");
    for (nth, asked) in [(0, 1), (1, 2)] {
        pty.send_line(starts);
        pty.expect("nobody> ");
        let mut probe = |name: &str, line: &str| {
            let probe = Probe::new(world, &format!("{name} {starts} {nth}"));
            pty.send_line(&line.replace("{m}", &probe.command()));
            let came = probe.wait();
            pty.expect("nobody> ");
            came
        };
        assert_eq!(probe("before", "{m}"), Came::Asked, "{starts}");
        // What stands above it on the terminal acts as another user. So it is kept.
        assert_eq!(probe("after", "mima run g -- true; {m}"), Came::Passed, "{starts}");
        assert_eq!(probe("within", "sh -c '{m}; true'"), Came::Asked, "{starts}");
        assert_eq!(world.asked(), asked, "{starts}");
        pty.send_line("exit");
        pty.expect("root> ");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn t_h3_a_shell_of_another_user_is_nested_in_nothing_that_can_type() {
    let Some(user) = world_of_nobody() else { return };
    as_nobody(&user, "setpriv --reuid=65534 --regid=65534 --clear-groups bash --noprofile -i");
}

#[test]
#[cfg(target_os = "linux")]
fn t_h3_a_shell_under_su_is_nested_in_nothing_that_can_type() {
    let Some(user) = world_of_nobody() else { return };
    for (program, starts) in [
        ("su", "su -m -s /bin/bash nobody"),
        ("sudo", "sudo -E -u nobody env HOME=$HOME PATH=$PATH bash --noprofile -i"),
    ] {
        if find(program).is_none() {
            eprintln!("SKIPPED: no {program} here");
            continue;
        }
        std::fs::remove_file(user.world.root().join("asked")).ok();
        as_nobody(&user, starts);
    }
}

/// login(1) stays above the shell.
#[test]
#[cfg(target_os = "linux")]
fn t_h3_a_shell_under_login_is_the_one() {
    if !is_root("can log in without a password") || find("login").is_none() {
        return eprintln!("SKIPPED: nobody logs in here");
    }
    let world = world("");
    let mut pty = Pty::spawn(&mut world.command("login").args(["-p", "-f", "root"]).std());
    let ready = Probe::new(&world, "ready");
    let line = format!(
        "unset HISTFILE; export HOME={} XDG_RUNTIME_DIR={} MIMA_ASKPASS={} PATH={}:$PATH; touch {}",
        world.home().display(),
        world.runtime().display(),
        world.bin().join("askpass").display(),
        world.bin().display(),
        ready.file()
    );
    // It hangs the terminal up and opens it anew: what is typed before that is lost.
    let mut tries = 0;
    while ready.came() == Came::Neither {
        tries += 1;
        assert!(tries < 200, "no shell came:\n{}", pty.transcript());
        pty.send_line(&line);
        std::thread::sleep(Duration::from_millis(100));
        pty.wait_until("output", |_| true);
    }
    let mut probe = |name: &str, line: &str| {
        let probe = Probe::new(&world, name);
        pty.send_line(&line.replace("{m}", &probe.command()));
        probe.wait()
    };
    assert_eq!(probe("before", "{m}"), Came::Asked);
    // Some login(1) leads the session itself, and this one acts as the same user.
    assert_eq!(probe("after", "mima unlock g; {m}"), Came::Passed);
    assert_eq!(probe("within", "sh -c '{m}; true'"), Came::Asked);
    assert_eq!(world.asked(), 1);
}
