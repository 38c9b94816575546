//! `mima env` and its forms, evaluated by the real shells.

use crate::common::require;
use crate::common::world::World;

fn world() -> World {
    let world = World::with_vault();
    world.mima(&["secret", "add", "odd"]).stdin("it's \\ \"$x\" `y`\nend").run().ok();
    world.write(".mima.yaml", "groups:\n  dev:\n    ODD: odd\n    PLAIN: K00\n");
    world
}

#[test]
fn every_shell_gets_the_values() {
    let world = world();
    for (shell, args) in [
        ("bash", &["--norc", "-c"][..]),
        ("zsh", &["-f", "-c"]),
        ("dash", &["-c"]),
        ("fish", &["--no-config", "-c"]),
    ] {
        let Some(program) = require(shell) else { continue };
        let flag = match shell {
            "dash" => String::new(),
            shell => format!("--shell {shell}"),
        };
        let script = match shell {
            "fish" => format!("mima env dev {flag} | source; printenv -0 ODD PLAIN"),
            _ => format!("eval \"$(mima env dev {flag})\"; printenv -0 ODD PLAIN"),
        };
        let output = world.command(program).args(args).arg(script).run();
        output.ok().quiet().stdout_is("it's \\ \"$x\" `y`\nend\0value-of-K00\0");
    }
}

#[test]
fn json_is_an_object() {
    let world = world();
    let output = world.mima(&["env", "dev", "--shell", "json"]).run();
    let value: serde_json::Value = serde_json::from_slice(&output.ok().quiet().stdout).unwrap();
    assert_eq!(value["ODD"], "it's \\ \"$x\" `y`\nend");
    assert_eq!(value["PLAIN"], "value-of-K00");
}

#[test]
fn what_a_form_cannot_hold_is_refused_and_nothing_is_printed() {
    let world = world();
    let dotenv = world.mima(&["env", "dev", "--shell", "dotenv"]).run();
    dotenv.ok().stdout_is("ODD=\"it's \\\\ \\\"\\$x\\\" `y`\nend\"\nPLAIN='value-of-K00'\n");
    world.mima(&["secret", "add", "odd", "--force"]).stdin(b"\xff").run().ok();
    let json = world.mima(&["env", "dev", "--shell", "json"]).run();
    json.fails(1).stdout_is("").stderr_has("ODD").stderr_has("hint: ");
    let dotenv = world.mima(&["env", "dev", "--shell", "dotenv"]).run();
    let why =
        "the value of ODD is no UTF-8, and a dotenv file takes nothing else\nhint: use --shell";
    dotenv.fails(1).stdout_is("").stderr_has(why);
    world.mima(&["secret", "add", "odd", "--force"]).stdin("a b").run().ok();
    let dotenv = world.mima(&["env", "dev", "--shell", "dotenv"]).run();
    dotenv.ok().stdout_is("ODD='a b'\nPLAIN='value-of-K00'\n");
}

#[test]
fn t_j8_a_closed_or_full_standard_output_ends_quietly() {
    let world = world();
    let env = world.mima(&["env", "dev"]);
    env.clone().within("\"$@\" | true").run().ok().quiet();
    let status = "{ \"$@\"; echo $? >&2; } | true; sleep 0.3";
    let said = world.mima(&["man"]).within(status).run().err();
    assert!(["0\n", "141\n"].contains(&said.as_str()), "{said}");
    let full = env.clone().within("exec \"$@\" >/dev/full").run();
    full.fails(1).stderr_has("could not write to standard output").stderr_has("space");
    let closed = env.within("exec \"$@\" >&-").run();
    closed.fails(1).stderr_has("standard output: it is closed");
    for args in [&["--help"][..], &["man"], &["completions", "bash"], &["secret", "list"]] {
        let cmd = world.mima(args);
        cmd.clone().within("\"$@\" | true").run().ok().quiet();
        cmd.within("exec \"$@\" >/dev/full").run().fails(1);
    }
    let run = world.mima(&["run", "dev"]).within("exec \"$@\" >/dev/full").run();
    run.fails(125);
}

#[test]
fn t_j7_nothing_from_outside_moves_the_cursor() {
    let world = World::with_vault();
    let dir = world.home().join("p\u{1b}]0;x\u{7}\u{202e}");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join(".mima.yaml"), "groups: [\u{1b}[2J\n").unwrap();
    // In a recipient, a path, an argument, a name in the vault.
    std::fs::write(world.data().join("vault/secrets/\u{1b}[2J.age"), "").unwrap();
    let hostile = "x\u{1b}[2J\u{9b}\u{202e}\r";
    for cmd in [
        world.mima(&["group", "link", "--project", "dev", "A", "K00"]).cwd(&dir),
        world.mima(&["secret", "get", hostile]),
        world.mima(&[hostile]),
        world.mima(&["run", "dev", hostile]),
        world.mima(&["secret", "list"]),
        world.mima(&["secret", "add", "x", "--from-file", hostile]),
        world.mima(&["secret", "get", "K00"]).env("MIMA_ASKPASS", format!("/{hostile}")),
        world.mima(&["secret", "list"]).env("MIMA_HOME", hostile),
        world.mima(&["secret", "list"]).env("MIMA_HOME", format!("/{hostile}")),
    ] {
        let output = cmd.run();
        for bytes in [&output.stdout, &output.stderr] {
            let text = std::str::from_utf8(bytes).unwrap();
            assert!(
                !text.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'),
                "{output}"
            );
        }
    }
}
