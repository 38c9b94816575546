//! Completions in real shells: live names, from files and lists that nobody is asked for.

use crate::common::hooked::{Hooked, Start, each, said_in};
use crate::common::strace::trace;
use crate::common::world::World;

/// A world with a group and secrets of the user's, an allowed project `p` and another, `q`, that
/// is not.
fn world() -> World {
    let world = World::with_vault();
    world.write(".mima.yaml", "groups: {solo: {TOKEN: K00}, both: {TOKEN: K01}}\n");
    let project = "groups: {NAMEdev: {STRIPE_KEY: K02}}\nenv: {NAME_LEVEL: debug}\n";
    world.write("p/.mima.yaml", project.replace("NAME", "shop"));
    world.write("q/.mima.yaml", project.replace("NAME", "evil"));
    world.mima(&["allow", "--yes"]).cwd(world.home().join("p")).run().ok();
    world
}

/// What the hidden command offers for a line in a directory.
#[track_caller]
fn offered(world: &World, dir: &str, words: &[&str]) -> String {
    let words = [&["complete", "--"], words].concat();
    world.mima(&words).cwd(world.home().join(dir)).run().ok().quiet().out()
}

fn shell(world: &World, shell: &'static str, dir: &str) -> Hooked {
    let load = said_in(
        shell,
        [
            "eval \"$(mima completions bash)\"",
            "autoload -U compinit; compinit -u -D; eval \"$(mima completions zsh)\"",
            "mima completions fish | source",
        ],
    );
    Start::new(world, shell).cwd(world.home().join(dir)).after(load).start()
}

#[test]
fn names_are_completed_in_each_shell_and_nobody_is_asked() {
    each(|name| {
        let world = world();
        world.script("program-of-the-test", "echo ran");
        world.write("p/directory/file", "");
        world.mima(&["secret", "add", "only-here"]).stdin("x").run().ok();
        let mut hooked = shell(&world, name, "p");
        // What is typed, and what the completed command prints.
        for (typed, said) in [
            ("mima run shop\t", "STRIPE_KEY"),
            ("mima run sol\t", "TOKEN"),
            ("mima run solo,shop\t", "STRIPE_KEY"),
            ("mima --as-root run shop\t", "STRIPE_KEY"),
            ("mima group list sol\t", "K00"),
            ("mima group list --json sol\t", "K00"),
            ("mima explain shop_L\t", "debug"),
            ("mima explain STRIPE\t", "K02"),
            ("mima secret rm only\t", "only-here"),
            ("mima status --js\t", "{"),
        ] {
            hooked.pty.send(typed);
            let out = hooked.run("");
            assert!(out.contains(said), "{name}: {typed}: {out}");
        }
        let list = world.mima(&["secret", "list"]).run().ok().out();
        assert!(!list.contains("only-here"), "{name}: {list}");
        // Where the command of `run` begins, and files.
        for (typed, rest) in [
            ("mima run solo program-of\t", "-the-test"),
            ("mima run solo -- program-of\t", "-the-test"),
            ("mima run --no-prompt solo ls ./direc\t", "tory"),
            ("mima run --scrub --keep HOM\t", "E"),
            ("mima run --grant=sol\t", "o"),
            ("mima import --group sol\t", "o"),
            ("mima secret move --to en\t", "v"),
            ("mima exec ./direc\t", "tory"),
            ("mima deny ./direc\t", "tory"),
        ] {
            hooked.pty.send(typed);
            hooked.pty.expect(typed.trim_end());
            hooked.pty.expect(rest);
            hooked.pty.send("\x15");
            hooked.run("true");
        }
        // A file's name runs nothing.
        world.write("p/odd;touch ran;", "value");
        hooked.pty.send("mima secret add odd --from-file od\t");
        hooked.pty.expect("touch");
        hooked.run("");
        assert!(!world.home().join("p/ran").exists(), "{name}");
        assert_eq!(world.asked(), 0, "{name}");
    });
}

#[test]
fn a_project_file_that_is_not_allowed_offers_nothing() {
    let world = world();
    let lines: [&[&str]; 4] =
        [&["run", ""], &["explain", ""], &["group", "list", ""], &["secret", "add", ""]];
    for words in lines {
        let said = offered(&world, "q", words);
        assert!(!said.contains("evil") && !said.contains("STRIPE"), "{words:?}: {said}");
    }
    let said = offered(&world, "q", &["run", ""]);
    assert_eq!(said, "names\nsolo\tTOKEN\nboth\tTOKEN\n");
    assert!(offered(&world, "p", &["run", ""]).contains("\nshopdev\tSTRIPE_KEY\n"));
    world.mima(&["allow", "--yes"]).cwd(world.home().join("q")).run().ok();
    assert!(offered(&world, "q", &["run", ""]).contains("\nevildev\tSTRIPE_KEY\n"));
    world.write("q/.mima.yaml", "groups: {evildev: {STRIPE_KEY: K02}} # changed\n");
    assert!(!offered(&world, "q", &["run", ""]).contains("evil"));
}

#[test]
fn each_place_has_its_names() {
    let world = world();
    let names = |words: &[&str]| offered(&world, "p", words);
    let all = |said: &str| said.starts_with("names\n") && said.lines().count() == 51;
    for words in [
        &["secret", "get", ""][..],
        &["secret", "rm", ""],
        &["secret", "rename", ""],
        &["secret", "move", "--to", "env", ""],
        &["group", "link", "solo", "VAR", ""],
    ] {
        let said = names(words);
        assert!(all(&said), "{words:?}: {said}");
    }
    assert!(!names(&["secret", "move", "K07", ""]).contains("K07"));
    assert_eq!(names(&["set", "shopdev", ""]), "names\nSTRIPE_KEY\tK02\n");
    assert_eq!(names(&["run", "solo,"]).matches("solo,").count(), 2);
    assert_eq!(names(&["run", "solo,both,"]), "names\nsolo,both,shopdev\tSTRIPE_KEY\n");
    assert!(names(&["run", "--grant", ""]).contains("\nsolo\t"));
    assert!(names(&["run", "--grant", "=", "so"]).contains("\nsolo\t"));
    assert!(names(&["run", "--grant=so"]).contains("\n--grant=solo\t"));
    assert!(names(&["env", "solo", "--shell", ""]).contains("\nfish\n"));
    assert_eq!(names(&["allow", ""]), "files\n");
    assert_eq!(names(&["exec", ""]), "directories\n");
    assert_eq!(names(&["run", "solo", ""]), "command 3\n");
    assert_eq!(names(&["run", "--scrub", "solo", "--", "ls", "-l", ""]), "command 5\n");
    for nothing in [
        &[""][..],
        &["ru"],
        &["secret", ""],
        &["run", "--"],
        &["run", "--no"],
        &["unknown", ""],
        &["secret", "add", "x", ""],
        &["secret", "rm", "K00", ""],
    ] {
        assert_eq!(names(nothing), "", "{nothing:?}");
    }
    assert!(!names(&["explain", ""]).contains("MIMA_"));
    assert_eq!(world.asked(), 0);
}

/// The lines that have live names: those that a store is listed for, too.
const LIVE: [&[&str]; 6] = [
    &["run", ""],
    &["explain", ""],
    &["secret", "rm", ""],
    &["secret", "add", ""],
    &["group", "link", "solo", "VAR", ""],
    &["unlock", ""],
];

#[test]
fn nothing_is_started_connected_to_or_written() {
    let world = world();
    for words in LIVE {
        let words = [&["complete", "--"], words].concat();
        let command = world.mima(&words).cwd(world.home().join("p"));
        let calls = ["-e", "trace=process,network,openat,rename,unlink,mkdir,ptrace"];
        let Some((output, lines)) = trace(&world, command, &calls) else { return };
        assert!(output.ok().quiet().out().starts_with("names\n"));
        let count = |call: &str| lines.iter().filter(|line| line.call == call).count();
        assert_eq!(count("execve"), 1, "{lines:#?}");
        for call in ["fork", "vfork", "socket", "connect", "rename", "unlink", "mkdir"] {
            assert_eq!(count(call), 0, "{words:?}: {call}: {lines:#?}");
        }
        for line in &lines {
            let writes = ["O_CREAT", "O_RDWR", "O_WRONLY", "identity.age", "/dev/tty"];
            let found = writes.iter().find(|text| line.text.contains(**text));
            assert!(line.call != "openat" || found.is_none(), "{words:?}: {}", line.text);
        }
    }
    assert_eq!(world.asked(), 0);
}

#[cfg(all(target_os = "linux", feature = "secret-service"))]
#[test]
fn a_keyring_is_neither_opened_nor_started() {
    use crate::common::desktop::Desktop;
    let Some(mut desktop) = Desktop::new() else { return };
    desktop.world.mima(&["set", "dev", "TOKEN"]).stdin("x").run().ok();
    let line = ["complete", "--", "secret", "rm", ""];
    let want = "names\ndev.TOKEN\n";
    desktop.world.mima(&line).run().ok().quiet().stdout_is(want);
    desktop.lock();
    let calls = desktop.calls(|| {
        desktop.world.mima(&line).run().ok().quiet().stdout_is(want);
    });
    assert!(!calls.is_empty());
    for call in &calls {
        let asks = ["Unlock", "Prompt", "GetSecret"].iter().any(|name| call.contains(name));
        assert!(!asks, "{calls:?}");
    }
    assert_eq!(desktop.asked(), 0);
    desktop.end_keyring();
    let calls = desktop.calls(|| {
        desktop.world.mima(&line).run().ok().quiet().stdout_is("names\n");
    });
    let starts = calls.iter().any(|call| ["StartServiceByName", "OpenSession"].contains(&&**call));
    assert!(!starts, "{calls:?}");
}

#[test]
fn nothing_in_a_file_a_name_or_a_line_runs_or_reaches_the_terminal() {
    const EVIL: [&str; 6] = [
        "$(touch pwned)",
        "`touch pwned`",
        "a b; touch pwned",
        "'\"\n touch pwned",
        "\u{1b}]0;pwned\u{7}",
        "(touch pwned)",
    ];
    let world = world();
    for (at, evil) in EVIL.iter().enumerate() {
        let name = serde_json::to_string(evil).unwrap();
        let dir = format!("r{at}");
        world.write(&format!("{dir}/{evil}/file"), "");
        for text in [
            format!("groups: {{{name}: {{A: K00}}}}\n"),
            format!("groups: {{g: {{{name}: K00}}}}\n"),
            format!("groups: {{g: {{A: {name}}}}}\n"),
            format!("env: {{{name}: x}}\n"),
        ] {
            world.write(&format!("{dir}/.mima.yaml"), &text);
            let cwd = world.home().join(&dir);
            world.mima(&["allow", "--yes"]).cwd(cwd).run().fails(1);
            for words in LIVE {
                let said = offered(&world, &dir, words);
                let is_plain = |c: char| c.is_ascii_graphic() || "\n\t ,…".contains(c);
                assert!(said.chars().all(is_plain) && !said.contains("touch"), "{said}");
            }
        }
        each(|name| {
            let mut hooked = shell(&world, name, &dir);
            for line in [
                "mima run ",
                "mima exec ",
                "mima allow ",
                "mima run solo ls ",
                "mima run '$(touch pwned)' ls ",
                "mima run $(touch pwned) ls ",
                "mima run \"$(touch pwned)\" ",
                "mima run solo '$(touch pwned)' ",
                "mima secret rm (touch pwned) ",
            ] {
                hooked.pty.send(line);
                hooked.pty.send("\t\x15");
                hooked.pty.send("\x15");
                hooked.run("true");
            }
            let said = hooked.pty.transcript();
            assert!(!said.contains("\u{1b}]0;pwned"), "{name}: {said}");
            for dir in [world.home(), world.home().join(&dir)] {
                assert!(!dir.join("pwned").exists(), "{name}: {evil:?} ran:\n{said}");
            }
        });
    }
}
