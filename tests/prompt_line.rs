//! What a person sees of the hook: real shells at real prompts.

use std::process::Command;

use crate::common::pty::Pty;
use crate::common::require;
use crate::common::session::{bare, hook};
use crate::common::strace::trace;
use crate::common::world::World;

const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// Starts a shell with the hook, in a home with an allowed project `p`.
fn interactive(shell: &str, world: &World, settings: &[(&str, &str)]) -> Option<Pty> {
    let program = require(shell)?;
    world.write("p/.mima.yaml", "env: { HELLO: world }\nPATH_add: [bin]\n");
    world.mima(&["allow", "--yes", "p"]).run().ok();
    let mut command: Command = world.command(program).args(bare(shell)).arg("-i").std();
    command.envs(settings.iter().copied());
    let mut pty = Pty::spawn(&mut command);
    pty.send_line(hook(shell).0);
    Some(pty)
}

#[test]
fn one_line_says_what_has_changed_and_names_no_value() {
    for shell in SHELLS {
        let world = World::new();
        let Some(mut pty) = interactive(shell, &world, &[]) else { continue };
        pty.send_line("cd p");
        pty.expect("mima: ~/p +HELLO ~PATH");
        pty.send_line("echo got-$HELLO");
        pty.expect("got-world");
        pty.send_line("cd ..");
        pty.expect("mima: left ~/p");
        pty.send_line("exit");
        pty.wait();
        let lines = pty.transcript().matches("mima: ").count();
        assert_eq!(lines, 2, "{shell}: {}", pty.transcript());
    }
}

#[test]
fn mima_quiet_silences_the_line_and_nothing_else() {
    for shell in SHELLS {
        let world = World::new();
        let quiet = [("MIMA_QUIET", "1")];
        let Some(mut pty) = interactive(shell, &world, &quiet) else { continue };
        pty.send_line("cd p");
        pty.send_line("echo got-$HELLO");
        pty.expect("got-world");
        assert!(!pty.transcript().contains("mima: "), "{shell}: {}", pty.transcript());
        world.write("p/.mima.yaml", "env: { HELLO: moon }\n");
        pty.send_line("true");
        pty.expect("mima: ~/p/.mima.yaml has changed since it was allowed: mima allow");
        pty.send_line("echo \"got-$HELLO-\"");
        pty.expect("got--");
        pty.send_line("cd ..");
        pty.send_line("exit");
        pty.wait();
        assert!(!pty.transcript().contains("left"), "{shell}: {}", pty.transcript());
    }
}

#[test]
fn what_a_command_ended_with_is_still_there_after_the_prompt() {
    for shell in SHELLS {
        let world = World::new();
        let Some(mut pty) = interactive(shell, &world, &[]) else { continue };
        let status = if shell == "fish" { "$status-$pipestatus[1]" } else { "$?-${PIPESTATUS[0]}" };
        let status = if shell == "zsh" { "$?-${pipestatus[1]}" } else { status };
        for (dir, failing) in
            [("p", "sh -c 'exit 3' | sh -c 'exit 4'"), ("..", "sh -c 'exit 5' | sh -c 'exit 6'")]
        {
            pty.send_line(&format!("cd {dir}"));
            pty.send_line(failing);
            pty.send_line(&format!("echo \"got-{status}-\""));
            pty.expect(if dir == "p" { "got-4-3-" } else { "got-6-5-" });
        }
        // And after a command at whose prompt a project is loaded.
        pty.send_line("cd p && sh -c 'exit 7'");
        pty.send_line(&format!("echo \"got-{status}-\""));
        pty.expect("got-7-7-");
    }
}

/// Counts what is started while a shell goes into a project and stays there.
#[test]
fn a_prompt_at_which_nothing_changed_starts_no_process() {
    for shell in SHELLS {
        let Some(program) = require(shell) else { continue };
        let world = World::new();
        let file = world.write("p/.mima.yaml", "env: { HELLO: world }\n");
        world.mima(&["allow", "--yes", "p"]).run().ok();
        let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000);
        std::fs::File::open(file).unwrap().set_modified(old).unwrap();
        // The trust directory is watched, too, and is not yet old enough.
        std::thread::sleep(std::time::Duration::from_millis(60));
        let (load, prompt) = hook(shell);
        let prompts = format!("{prompt}\n").repeat(20);
        let session = format!("{load}\n{prompts}cd p\n{prompts}cd .\n{prompts}cd ..\n{prompts}");
        let path = world.root().join("session");
        std::fs::write(&path, session).unwrap();
        let command = world.command(program).args(bare(shell)).arg(&path);
        let Some((output, lines)) = trace(&world, command, &["-e", "trace=execve"]) else { return };
        output.ok().quiet();
        let runs: Vec<_> = lines
            .iter()
            .map(|line| &line.text)
            .filter(|text| text.contains("\"export\""))
            .collect();
        assert_eq!(runs.len(), 2, "{shell}: once in, once out: {runs:#?}");
    }
}
