//! What a person sees of the hook: real shells at real prompts.

use std::process::Command;

use crate::common::pty::Pty;
use crate::common::require;
use crate::common::session::{bare, hook};
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
