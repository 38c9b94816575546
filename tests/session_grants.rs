//! Grants: one approval for a process and all that it starts; and the groups for which one
//! approval is never enough.

use std::io::Write;
use std::process::Child;

use crate::common::agents;
use crate::common::strace;
use crate::common::tab::{Came, LOCKED, Probe, tab};
use crate::common::world::World;
use crate::common::{find, require};

const USER_FILE: &str = "groups:\n  g: { TOKEN: K00 }\n  own: { KEY: K01 }\n  \
    prod: { PROD: K02 }\n  empty: {}\nconfirm: [prod]\n";

fn world() -> World {
    let world = World::with_vault();
    world.write(".mima.yaml", USER_FILE);
    world
}

/// A shell in what was granted something: it does what it is told.
struct Tree<'a> {
    world: &'a World,
    root: Child,
    orders: std::fs::File,
}

impl<'a> Tree<'a> {
    /// Runs `mima run WORDS -- sh`, without a terminal.
    #[track_caller]
    fn new(world: &'a World, words: &[&str]) -> Self {
        let fifo = world.root().join("orders");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
        let orders = std::fs::File::options().read(true).write(true).open(&fifo).unwrap();
        let obey = format!("while read -r line; do eval \"$line\"; done <>{}", fifo.display());
        let words = [&["run"], words, &["--", "sh", "-c", &obey]].concat();
        let root = world.mima(&words).spawn();
        let mut tree = Self { world, root, orders };
        assert_eq!(tree.probe("started", "touch {f}"), Came::Passed);
        tree
    }

    /// Lets it run a line, with a probe in it.
    #[track_caller]
    fn probe(&mut self, name: &str, line: &str) -> Came {
        let probe = Probe::new(self.world, name);
        let line = line.replace("{m}", &probe.command()).replace("{f}", &probe.file());
        writeln!(self.orders, "{line}").unwrap();
        probe.wait()
    }

    /// Lets it run a line, and returns its status and what it said.
    #[track_caller]
    fn run(&mut self, line: &str) -> (i32, String) {
        let file = self.world.root().join("said");
        let file = file.to_str().unwrap();
        std::fs::remove_file(format!("{file}.status")).ok();
        let done =
            format!("({line}) >{file} 2>&1; echo $? >{file}.new; mv {file}.new {file}.status");
        writeln!(self.orders, "{done}").unwrap();
        let start = std::time::Instant::now();
        loop {
            if let Ok(status) = std::fs::read_to_string(format!("{file}.status")) {
                return (status.trim().parse().unwrap(), std::fs::read_to_string(file).unwrap());
            }
            assert!(start.elapsed().as_secs() < 20, "{line} does not end");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

impl Drop for Tree<'_> {
    fn drop(&mut self) {
        let _gone = self.root.kill();
        let _status = self.root.wait();
    }
}

fn no_prompt(world: &World) -> crate::common::command::Output {
    world.mima(&["run", "--no-prompt", "g", "--", "true"]).run()
}

#[test]
fn one_approval_is_enough_for_fifty_processes_without_a_terminal() {
    if find("setsid").is_none() {
        return eprintln!("SKIPPED: no setsid here");
    }
    let world = world();
    let script = "for i in $(seq 50); do \
        setsid -w sh -c 'mima run --no-prompt g -- printenv TOKEN; true' & done; wait; \
        printenv KEY; printenv TOKEN";
    let output = world.mima(&["run", "--grant", "g", "own", "--", "sh", "-c", script]).run();
    // It has its own group, and the other one only by asking for it.
    let want = format!("{}value-of-K01\n", "value-of-K00\n".repeat(50));
    output.fails(1).stdout_is(want).quiet();
    assert_eq!(world.asked(), 1);
    let question = world.questions();
    assert!(question.contains("grant g in mima run own: KEY for sh -c"), "{question}");
    assert!(question.contains("and all that it starts"), "{question}");
    assert!(!question.contains("TOKEN"), "{question}");
}

#[test]
fn a_grant_needs_a_command_that_it_is_for() {
    let world = world();
    let output = world.mima(&["run", "--grant", "g", "own"]).run();
    output.fails(125).stderr_has("missing: <CMD>");
    assert_eq!(world.asked(), 0);
}

#[test]
fn a_grant_is_for_the_tree_alone_and_ends_with_its_root() {
    let world = world();
    let mut tree = Tree::new(&world, &["--grant", "g", "own"]);
    assert_eq!(tree.probe("within", "{m}"), Came::Passed);
    assert_eq!(tree.probe("deep", "sh -c \"env sh -c '{m}; true'; true\""), Came::Passed);
    no_prompt(&world).fails(125).stderr_has(LOCKED);
    assert!(!tab(&world, "bash").passes());
    // What nobody in the tree is the parent of any more is in no tree.
    assert_eq!(tree.probe("orphan", "( (sleep 0.2; {m}) & )"), Came::Asked);
    let root = tree.root.id();
    let waits = format!("while [ -e /proc/{root}/fd/0 ]; do sleep 0.02; done");
    let late = Probe::new(&world, "late");
    writeln!(tree.orders, "sh -c '{waits}; {}' &", late.command()).unwrap();
    assert_eq!(tree.probe("still", "{m}"), Came::Passed);
    assert_eq!(agents::unlocked(&world), 1);
    drop(tree);
    assert_eq!(late.wait(), Came::Asked);
    no_prompt(&world).fails(125);
    assert_eq!(agents::unlocked(&world), 0);
    assert_eq!(world.asked(), 1);
}

#[test]
fn a_program_that_was_given_little_gives_itself_no_more() {
    for words in [
        &["--grant", "g", "own"][..],
        &["--scrub", "own"],
        // What leads to the agent's socket is not among what is left there.
        &["--scrub", "--grant", "g", "own"],
    ] {
        let world = world();
        world.write("p/.mima.yaml", "env: {A: b}\n");
        let mut tree = Tree::new(&world, words);
        for (line, code) in [
            ("mima run --grant g own -- true", 125),
            ("mima unlock g", 1),
            ("cd p; mima allow --yes", 1),
            ("cd p; mima allow --session --yes", 1),
            ("mima group link g MORE K03", 1),
            ("mima group link --project g MORE K03", 1),
            ("echo x | mima set g MORE", 1),
            ("mima group rm g", 1),
            ("mima session stop", 1),
        ] {
            let (status, said) = tree.run(line);
            assert_eq!(status, code, "{words:?}: {line}: {said}");
            let why = "in what `mima run --grant` or `--scrub` has started";
            assert!(said.contains(why), "{words:?}: {line}: {said}");
        }
        assert_eq!(world.read(".mima.yaml"), USER_FILE);
        let (status, said) = tree.run("mima run --no-prompt g -- printenv TOKEN");
        let came = (status, said.as_str()) == (0, "value-of-K00\n");
        assert_eq!(came, words.contains(&"--grant"), "{words:?}: {said}");
        // Not even once it has given up what it was granted.
        assert_eq!(tree.run("mima lock --all").0, 0);
        assert_eq!(tree.run("mima unlock g").0, 1);
        assert_eq!(world.asked(), 1, "{words:?}");
    }
}

/// A file that is obeyed in a tree, and the ways out of it.
#[test]
fn a_program_that_was_given_little_finds_no_way_out() {
    let (Some(script), Some(_)) = (find("script"), find("setsid")) else {
        return eprintln!("SKIPPED: no script and setsid here");
    };
    let world = world();
    for project in ["a", "b", "c", "d", "e"] {
        world.write(&format!("{project}/.mima.yaml"), "env: {A: b}\n");
    }
    let mut tree = Tree::new(&world, &["--grant", "g", "own"]);
    let pid = agents::pid(&world);
    std::fs::write(
        world.root().join("deep"),
        "n=$1; shift\nif [ $n = 0 ]; then \"$@\"; else sh \"$0\" $((n - 1)) \"$@\"; fi\nexit $?\n",
    )
    .unwrap();
    let left = "(sleep 0.3; cd b; mima allow --yes >$HOME/left 2>&1; echo $? >>$HOME/left)";
    let wait = "while ! grep -qs '^[0-9]' left; do sleep 0.02; done; cat left; rm left; exit 1";
    for line in [
        // Where no agent is.
        "mkdir -m 700 rt; cd a; XDG_RUNTIME_DIR=$HOME/rt mima allow --yes".to_owned(),
        // What nobody in the tree is the parent of any more.
        format!("({left} &) & wait; {wait}"),
        format!("setsid sh -c '{left} &' & wait; {wait}"),
        // Further down than anybody looks.
        format!("cd c; sh {} 80 mima allow --yes", world.root().join("deep").display()),
        // On a terminal where a program answers.
        format!("cd d; echo y | {} -qec 'mima allow' /dev/null", script.display()),
        // With an agent that does not answer.
        format!("kill -STOP {pid}; cd e; mima allow --yes; code=$?; kill -CONT {pid}; exit $code"),
    ] {
        let (status, said) = tree.run(&line);
        assert_eq!(status, 1, "{line}: {said}");
        assert!(said.contains("could not allow a project file"), "{line}: {said}");
    }
    assert!(!world.data().join("trust").exists());
}

#[test]
fn a_grant_is_listed_where_it_was_given_and_ends_with_a_lock() {
    let world = world();
    let mut hooked = tab(&world, "bash");
    let obey = "sh -c 'touch ready; while [ -e ready ] && sleep 0.02; do :; done'";
    hooked.run(&format!(
        "command mima run --grant g own -- {obey} & sleep 0.1; while [ ! -e ready ]; do sleep 0.01; done"
    ));
    let said = hooked.run("mima session status; echo $!");
    let pid = said.lines().last().unwrap();
    let line = format!("granted: g, to process {pid} and what it starts, for 11 h 59 min\n");
    assert!(said.contains(&line), "{said}");
    let status = hooked.run("mima status");
    assert!(status.contains(line.trim_end()), "{status}");
    let json = hooked.run("mima session status --json");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let unlocked = &json["unlocked"][0];
    assert_eq!(unlocked["scope"], "grant", "{json}");
    assert_eq!(unlocked["process"].to_string(), pid, "{json}");
    assert!(!hooked.passes(), "it is not for the shell itself");
    assert!(!tab(&world, "bash").run("mima session status").contains("granted"));
    assert!(tab(&world, "bash").run("mima lock").contains("nothing was unlocked"));
    assert!(hooked.run("mima lock").contains("locked 1 group"));
    assert!(!hooked.run("mima session status").contains("granted"));
    hooked.run("kill $!");
}

#[test]
fn whoever_has_a_grant_and_the_user_everywhere_can_end_it() {
    for (is_own, words) in [(true, &["lock"][..]), (false, &["lock", "--all"])] {
        let world = world();
        let mut tree = Tree::new(&world, &["--grant", "g", "own"]);
        assert_eq!(tree.probe("before", "{m}"), Came::Passed);
        let said = if is_own {
            tree.run("mima session status; mima lock").1
        } else {
            world.mima(&["lock"]).run().ok().stderr_has("nothing was unlocked");
            world.mima(words).run().ok().err()
        };
        assert!(said.contains("locked 1 group"), "{said}");
        assert_eq!(tree.probe("after", "{m}"), Came::Asked);
    }
}

/// What a sandbox does that lets nobody speak to local sockets.
#[test]
fn a_grant_without_an_agent_fails_before_the_command_starts() {
    let world = world();
    let grant = |world: &World| world.mima(&["run", "--grant", "g", "own", "--", "touch", "ran"]);
    let run = |world: &World| world.mima(&["run", "g", "--", "printenv", "TOKEN"]);
    if let Some(strace) = strace::usable(&world) {
        let log = world.root().join("strace.log");
        let (strace, log) = (strace.to_str().unwrap(), log.to_str().unwrap());
        let sandbox = [strace, "-f", "-q", "-o", log, "--inject=socket:error=EPERM", "--"];
        let output = grant(&world).under(&sandbox).run();
        output.fails(125).stderr_has("a sandbox keeps this process from the session agent");
        output.stderr_has("hint: start what runs in the sandbox with the group: mima run GROUP");
        let output = run(&world).under(&sandbox).run();
        output.ok().stdout_is("value-of-K00\n").stderr_has("so you are asked");
        assert_eq!(output.err().lines().count(), 1, "{output}");
    }
    let place = world.runtime().join("mima");
    std::fs::remove_dir_all(&place).ok();
    std::fs::write(&place, "").unwrap();
    grant(&world).run().fails(125).stderr_has("is no directory");
    let output = run(&world).run();
    output.ok().stdout_is("value-of-K00\n").stderr_has("is no directory");
    assert!(!world.home().join("ran").exists());
}

#[test]
fn a_group_to_be_confirmed_is_asked_for_every_time() {
    let world = world();
    let mut hooked = tab(&world, "bash");
    hooked.unlock();
    assert_eq!(world.take_asked(), 1);
    for groups in ["prod", "prod", "g,prod", "prod,g", "prod"] {
        let said = hooked.run(&format!("mima run {groups} -- printenv PROD"));
        assert_eq!(said, "value-of-K02\n");
        assert_eq!(world.take_asked(), 1, "{groups}");
        let said = hooked.run(&format!("mima run --no-prompt {groups} -- printenv PROD"));
        assert!(said.contains(LOCKED), "{said}");
    }
    for line in ["mima unlock prod", "mima unlock g,prod", "mima unlock prod,g"] {
        let said = hooked.run(&format!("{line}; echo =$?"));
        let why = "`prod` is among `confirm` in your user file, so it is asked for every time";
        assert!(said.contains(why) && said.contains("=1"), "{line}: {said}");
    }
    let why = "`prod` is among `confirm` in your user file, so it cannot be granted";
    for granted in ["prod", "g,prod"] {
        let words = ["run", "--grant", granted, "own", "--", "touch", "ran"];
        world.mima(&words).run().fails(125).stderr_has(why);
    }
    assert!(!world.home().join("ran").exists());
    assert_eq!(world.take_asked(), 0);
    assert!(hooked.passes());
    // What is granted can be had without asking, and what is to be confirmed still cannot.
    let script = "mima run --no-prompt g -- true && mima run --no-prompt g,prod -- touch ran";
    world.mima(&["run", "--grant", "g", "prod", "--", "sh", "-c", script]).run().fails(125);
    assert!(!world.home().join("ran").exists());
    assert_eq!(world.take_asked(), 1);
}

#[test]
fn a_group_that_was_unlocked_before_is_to_be_confirmed_from_now_on() {
    let world = world();
    world.write(".mima.yaml", USER_FILE.replace("confirm: [prod]\n", ""));
    let mut hooked = tab(&world, "bash");
    hooked.unlock();
    world.write(".mima.yaml", USER_FILE.replace("[prod]", "[prod, g]"));
    assert!(!hooked.passes());
}

#[test]
fn a_grant_that_makes_no_sense_asks_nobody() {
    let world = world();
    for (words, why) in [
        (&["--grant", "nope", "own", "--", "touch", "ran"][..], "nope"),
        (&["--grant", "g,nope", "own", "--", "touch", "ran"], "nope"),
        (&["--grant", "", "own", "--", "touch", "ran"], "group"),
        (&["--grant", "g", "own", "--", "no-such-command"], "no-such-command"),
        (&["--no-prompt", "--grant", "g", "own", "--", "touch", "ran"], LOCKED),
    ] {
        let output = world.mima(&[&["run"], words].concat()).run();
        assert!(!output.status.success(), "{output}");
        output.stderr_has(why);
    }
    assert!(!world.home().join("ran").exists());
    assert_eq!(world.asked(), 0);
    if require("bash").is_some() {
        assert!(!tab(&world, "bash").passes());
    }
}
