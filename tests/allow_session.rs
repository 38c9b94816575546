//! What is allowed for one shell, and ends with it: row A18.

use std::fs;
use std::path::PathBuf;

use crate::common::hooked::{Hooked, Start, each, said_in};
use crate::common::project::{Project, names_in, nothing_set};
use crate::common::tab::tab;
use crate::common::world::World;
use crate::common::{find, require};

const TEXT: &str = "env: {MARK: here}\ngroups: {dev: {TOKEN: K00}}\n";

/// A world with a project that nobody has allowed.
fn world() -> World {
    let world = World::new();
    world.write("p/.mima.yaml", TEXT);
    world
}

/// The project in such a world.
fn project(world: &World) -> Project<'_> {
    Project { world, dir: world.home().join("p") }
}

/// A shell in the project.
#[track_caller]
fn inside(world: &World, shell: &'static str) -> Hooked {
    let mut hooked = tab(world, shell);
    let said = hooked.run("cd ~/p");
    assert!(said.contains("~/p/.mima.yaml is not allowed yet: mima allow"), "{said}");
    hooked
}

/// A shell in the project, which has been allowed in there.
#[track_caller]
fn allowed(world: &World, shell: &'static str) -> Hooked {
    let mut hooked = inside(world, shell);
    hooked.run("mima allow --session --yes");
    assert!(hooked.loads());
    hooked
}

impl Hooked {
    /// Tells whether the project is loaded in this shell, as all that tell it agree.
    #[track_caller]
    fn loads(&mut self) -> bool {
        let loads = self.exported("MARK").is_some();
        let status = said_in(self.shell(), ["$?", "$?", "$status"]);
        let said = self.run(&format!("mima status --check; echo \"is {status}\""));
        assert!(said.contains(if loads { "is 0\n" } else { "is 3\n" }), "{said}");
        let said = self.run("mima exec . printenv MARK");
        assert_eq!(said == "here\n", loads, "{said}");
        let said = self.run("mima status");
        assert_eq!(said.contains("~/p/.mima.yaml  allowed"), loads, "{said}");
        loads
    }
}

/// The records, by what they are.
fn records(world: &World) -> Vec<String> {
    let dir = world.data().join("trust");
    if !dir.exists() {
        return Vec::new();
    }
    names_in(&dir).iter().map(|name| name.split_once('.').unwrap().1.to_owned()).collect()
}

/// The one record there is.
fn record(world: &World) -> PathBuf {
    assert_eq!(records(world), ["shell"]);
    let dir = world.data().join("trust");
    dir.join(&names_in(&dir)[0])
}

#[test]
fn t_a18_what_is_allowed_in_a_shell_is_allowed_in_no_other() {
    each(|shell| {
        let world = world();
        let (mut hooked, mut other) = (inside(&world, shell), inside(&world, shell));
        assert!(!hooked.loads());
        hooked.pty.send_line("mima allow --session");
        hooked.pty.expect("Allow ~/p/.mima.yaml in this shell? [y/N] ");
        hooked.pty.send_line("n");
        let said = hooked.next_prompt();
        assert!(said.contains("~/p/.mima.yaml was not allowed"), "{shell}: {said}");
        assert!(!hooked.loads() && records(&world).is_empty());
        hooked.pty.send_line("mima allow --session");
        hooked.pty.expect("[y/N] ");
        hooked.pty.send_line("y");
        let said = hooked.next_prompt();
        assert!(
            said.contains("mima: ~/p/.mima.yaml is allowed in this shell\n"),
            "{shell}: {said}"
        );
        assert!(said.contains("mima: ~/p +MARK  groups: dev"), "{shell}: {said}");
        assert!(hooked.loads(), "{shell}");
        let said = hooked.run("mima status");
        assert!(said.contains("~/p/.mima.yaml  allowed in this shell\n"), "{shell}: {said}");
        let said = hooked.run("mima status --json");
        assert!(said.contains("\"only_this_shell\": true"), "{shell}: {said}");
        let said = hooked.run("mima explain MARK");
        assert!(said.contains("~/p/.mima.yaml is allowed in this shell\n"), "{shell}: {said}");
        let said = hooked.run("mima allow --session");
        assert!(said.contains("mima: it is allowed already, in this shell\n"), "{shell}: {said}");
        // The other tab is asked, and what is no shell at all.
        assert!(!other.loads(), "{shell}");
        project(&world).not_loaded("is not allowed yet");
        // Each for itself.
        other.run("mima allow --session --yes");
        assert!(other.loads() && hooked.loads(), "{shell}");
        // A shell that is started in there is another.
        let mut words = Start::new(&world, shell).words().join(" ");
        if shell == "zsh" {
            words = format!("env ZDOTDIR={} {words}", world.root().join("zdotdir").display());
        }
        hooked.nest(&words);
        assert!(!hooked.loads(), "{shell}");
        hooked.leave();
        assert!(hooked.loads(), "{shell}");
    });
}

/// A subshell is the same shell, for all that the kernel can tell; fish has none.
#[test]
fn t_a18_a_subshell_is_no_other_shell() {
    for shell in ["bash", "zsh"].into_iter().filter(|shell| require(shell).is_some()) {
        let world = world();
        let mut hooked = allowed(&world, shell);
        for line in ["(mima exec . printenv MARK)", "echo $(mima exec . printenv MARK)"] {
            assert_eq!(hooked.run(line), "here\n", "{shell}: {line}");
        }
        assert_eq!(hooked.run("(true; (mima exec . printenv MARK | cat))"), "here\n", "{shell}");
    }
}

#[test]
fn t_a18_it_ends_with_the_shell() {
    each(|shell| {
        let world = world();
        let mut hooked = allowed(&world, shell);
        // The same process, but another program.
        let mut words = Start::new(&world, shell).words().join(" ");
        if shell == "zsh" {
            words = format!("env ZDOTDIR={} {words}", world.root().join("zdotdir").display());
        }
        hooked.nest(&format!("exec {words}"));
        assert!(!hooked.loads(), "{shell}");
        hooked.run("mima allow --session --yes");
        assert!(hooked.loads(), "{shell}");
        hooked.pty.send_line("exit");
        // The next one on the same terminal.
        let mut next = Start::new(&world, shell).start_again_on(hooked);
        next.run("cd ~/p");
        assert!(!next.loads(), "{shell}");
    });
}

/// What a program does that was started in a shell, and the shell with it, whatever it says of
/// itself. `{m}` is mima.
const PROGRAMS: [&str; 6] = [
    "sh -c '{m}; true'",
    "sh -c 'sh -c \"{m}\"; true'",
    "perl -e 'system(qw({m})); exit 0'",
    "echo '{m}' | sh",
    "env MIMA_SESSION=1 SHLVL=1 sh -c '{m}; true'",
    "make -s -f Makefile",
];

#[test]
fn t_a18_a_program_cannot_allow_for_the_shell_that_it_was_started_in() {
    let (Some(_), Some(_)) = (require("make"), require("perl")) else { return };
    each(|shell| {
        let world = world();
        let mut hooked = inside(&world, shell);
        let allow = "mima allow --session --yes";
        world.write("p/Makefile", format!("all:\n\t{allow}; true\n"));
        for program in PROGRAMS {
            let said = hooked.run(&program.replace("{m}", allow));
            // That program itself is a shell on this terminal, for all that can be told.
            assert!(said.contains("is allowed in this shell"), "{shell}: {program}: {said}");
            assert!(!hooked.loads(), "{shell}: {program}");
        }
        let both = format!("{allow} 2>&1 | tail -n 1; mima status --check && echo in here");
        let said = hooked.run(&format!("sh -c '{both}; true'"));
        assert!(said.contains("in here"), "{shell}: {said}");
        // Without the terminal there is no shell.
        let apart = [format!("setsid -w {allow}"), format!("setsid -w sh -c '{allow}; true'")];
        for apart in apart.iter().filter(|_| find("setsid").is_some()) {
            let said = hooked.run(apart);
            assert!(
                said.contains("this was not typed at a shell on a terminal"),
                "{shell}: {said}"
            );
            assert!(said.contains("hint: type it at your shell's prompt"), "{shell}: {said}");
        }
        assert!(!hooked.loads(), "{shell}");
        assert!(records(&world).iter().all(|kind| kind == "shell"));
    });
}

/// Nor does a program profit from what was allowed in its shell.
#[test]
fn t_a18_a_program_is_not_the_shell_that_it_was_started_in() {
    let (Some(_), Some(_)) = (require("make"), require("perl")) else { return };
    each(|shell| {
        let world = world();
        let mut hooked = allowed(&world, shell);
        let exec = "mima exec . printenv MARK";
        world.write("p/Makefile", format!("all:\n\t{exec}; true\n"));
        for program in PROGRAMS {
            let said = hooked.run(&program.replace("{m}", exec));
            assert!(said.contains("is not allowed yet"), "{shell}: {program}: {said}");
        }
    });
}

#[test]
fn t_a18_without_a_person_it_is_refused() {
    let world = world();
    let project = project(&world);
    for args in [&["allow", "--session"][..], &["allow", "--session", "--yes"]] {
        let allow = project.mima(args).run();
        allow.fails(1).stderr_has("this was not typed at a shell on a terminal");
        assert!(!allow.err().contains("asks for"), "{allow}");
    }
    assert!(records(&world).is_empty());
}

#[test]
fn t_a18_a_change_asks_and_deny_ends_it_in_all_shells() {
    each(|shell| {
        let world = world();
        let project = project(&world);
        let mut hooked = allowed(&world, shell);
        project.write(".mima.yaml", format!("{TEXT}# x\n"));
        assert!(hooked.run("true").contains("is not allowed yet"), "{shell}");
        assert!(!hooked.loads(), "{shell}");
        project.write(".mima.yaml", TEXT);
        hooked.run("true");
        assert!(hooked.loads(), "{shell}");
        project.mima(&["deny"]).run().ok();
        assert_eq!(records(&world), ["deny"]);
        hooked.run("true");
        assert!(!hooked.loads(), "{shell}");
        // Which was said for all shells.
        let said = hooked.run("mima allow --session --yes");
        let refused = "mima: ~/p/.mima.yaml is denied, in every shell\nhint: to take that back: mima allow ~/p/.mima.yaml\n";
        assert_eq!(said, refused, "{shell}");
        assert_eq!(records(&world), ["deny"]);
        project.allow();
        hooked.run("true");
        assert!(hooked.loads(), "{shell}");
        project.mima(&["deny"]).run().ok();
        hooked.run("true");
        assert!(!hooked.loads(), "{shell}");
    });
}

/// Editing a file keeps an approval, and makes it hold no longer.
#[test]
fn t_a18_an_edit_makes_nothing_lasting() {
    each(|shell| {
        let world = world();
        let project = project(&world);
        let mut hooked = allowed(&world, shell);
        let editor = world.script("editor", "echo '# edited' >>\"$1\"\n");
        let edit = format!("env EDITOR={} mima edit", editor.display());
        let said = hooked.run(&edit);
        assert!(said.contains("~/p/.mima.yaml is allowed in this shell\n"), "{shell}: {said}");
        assert!(world.read("p/.mima.yaml").ends_with("# edited\n"));
        assert!(hooked.loads(), "{shell}");
        hooked.run("mima group link --project dev OTHER K01");
        assert!(world.read("p/.mima.yaml").contains("OTHER"));
        assert!(hooked.loads(), "{shell}");
        hooked.run("mima group unlink --project dev OTHER");
        assert!(hooked.loads(), "{shell}");
        let said = hooked.run("echo IMPORTED=1 >.env; mima import --group dev --yes .env");
        assert!(world.read("p/.mima.yaml").contains("IMPORTED"), "{shell}: {said}");
        assert!(hooked.loads(), "{shell}");
        assert_eq!(records(&world), ["shell"]);
        project.not_loaded("is not allowed yet");
        // By another program it is not even that.
        hooked.run("sh -c 'mima group link --project dev OTHER K01; true'");
        assert_eq!(records(&world), ["shell"]);
        assert!(!hooked.loads(), "{shell}");
        // Said without it, it lasts.
        hooked.run("mima allow --yes");
        assert_eq!(records(&world), ["allow"]);
        assert!(hooked.loads(), "{shell}");
        assert_eq!(project.verdict(), "allowed");
    });
}

#[test]
fn t_a18_what_was_allowed_in_a_shell_can_become_lasting() {
    let world = world();
    let mut hooked = allowed(&world, "bash");
    let said = hooked.run("mima allow --yes");
    assert!(said.contains("mima: ~/p/.mima.yaml is allowed\n"), "{said}");
    assert_eq!(records(&world), ["allow"]);
    let said = hooked.run("mima allow --session");
    assert_eq!(said, "mima: it is allowed already, as it is\n");
    assert_eq!(records(&world), ["allow"]);
}

#[test]
fn t_a18_prune_forgets_the_shells_that_have_ended() {
    let world = world();
    let (mut one, two) = (allowed(&world, "bash"), allowed(&world, "bash"));
    let entries = || fs::read_to_string(record(&world)).unwrap().lines().count() - 2;
    let prune = |said: &str| assert_eq!(world.mima(&["prune"]).run().ok().err(), said);
    let nothing = "mima: every approval is of a file that is there\n";
    assert_eq!(entries(), 2);
    prune(nothing);
    end(two);
    let forgot = "mima: forgot ~/p/.mima.yaml, in shells that have ended\n";
    prune(forgot);
    assert_eq!(entries(), 1);
    assert!(one.loads());
    prune(nothing);
    end(one);
    prune(forgot);
    assert!(records(&world).is_empty());
    prune(nothing);
    // Neither does it grow without.
    let one = allowed(&world, "bash");
    end(one);
    let two = allowed(&world, "bash");
    assert_eq!(entries(), 1);
    fs::remove_file(world.home().join("p/.mima.yaml")).unwrap();
    prune("mima: forgot ~/p/.mima.yaml\n");
    assert!(records(&world).is_empty());
    drop(two);
}

/// Ends a shell, and waits until it has.
fn end(mut hooked: Hooked) {
    hooked.pty.send_line("exit");
    hooked.pty.wait();
}

/// A process that has the number of one that has ended is another, and so is one after a restart.
#[test]
fn t_a18_nothing_but_the_very_shell_is_the_shell() {
    let world = world();
    let mut hooked = allowed(&world, "bash");
    let record = record(&world);
    let whole = fs::read_to_string(&record).unwrap();
    let mut lines: Vec<&str> = whole.lines().collect();
    let entry = lines.pop().unwrap();
    let words: Vec<&str> = entry.split(' ').collect();
    assert_eq!(words[0], hooked.pty.pid().as_raw_nonzero().to_string());
    for (nr, what) in ["pid", "start", "boot", "mark", "digest"].iter().enumerate() {
        let mut words = words.clone();
        let other = match *what {
            "pid" => std::process::id().to_string(),
            "start" => (words[nr].parse::<u64>().unwrap() + 1).to_string(),
            "boot" => "00000000-0000-0000-0000-000000000000".to_owned(),
            _ => "ab".repeat(32),
        };
        words[nr] = &other;
        fs::write(&record, format!("{}\n{}\n", lines.join("\n"), words.join(" "))).unwrap();
        assert!(hooked.run("mima exec . true").contains("is not allowed yet"), "{what}");
    }
    fs::write(&record, &whole).unwrap();
    hooked.run("mima reload");
    assert!(hooked.loads());
}

#[test]
fn t_a18_a_damaged_record_gives_nothing_and_is_made_anew() {
    let world = world();
    let mut hooked = allowed(&world, "bash");
    let record = record(&world);
    let whole = fs::read(&record).unwrap();
    let elsewhere = String::from_utf8(whole.clone()).unwrap().replacen("2f", "2f61", 1);
    for damaged in [&b""[..], &whole[..whole.len() - 1], &whole[1..], elsewhere.as_bytes()] {
        fs::write(&record, damaged).unwrap();
        let said = hooked.run("mima exec . true");
        assert!(said.contains(".shell is damaged"), "{said}");
        assert!(said.contains("hint: mima allow makes it anew"), "{said}");
        nothing_set(&project(&world).mima(&["export", "json"]).run());
    }
    // Nor is it in the way of what allows the file for all.
    hooked.run("mima allow --session --yes");
    assert!(hooked.loads());
    fs::write(&record, "").unwrap();
    project(&world).allow();
    assert_eq!(records(&world), ["allow"]);
}
