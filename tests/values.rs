//! Values on their way into a shell: any bytes, and large ones. Rows B7 and I11.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use mima::names::VarName;
use mima::secret::Secret;
use mima::shell::{Script, Shell};

use crate::common::random::Random;
use crate::common::require;
use crate::common::session::{bare, hook};
use crate::common::world::World;

/// How many random values go into each shell, and how many at a time.
const VALUES: usize = 100_000;
const AT_A_TIME: usize = 1_000;

/// Lets a shell evaluate statements as the hook does, and asks what a program gets.
fn arrives(name: &str, shell: Shell) {
    let Some(program) = require(name) else { return };
    let world = World::new();
    let mut random = Random(7);
    let values: Vec<_> = (0..VALUES).map(|_| random.value()).collect();
    let names: Vec<_> = (0..AT_A_TIME).map(|at| format!("V{at}")).collect();
    let mut session = Vec::new();
    for (number, batch) in values.chunks(AT_A_TIME).enumerate() {
        let mut script = Script::new(shell);
        for (name, value) in names.iter().zip(batch) {
            let value = Secret::new(value.clone());
            script.set(&VarName::parse(name).unwrap(), Some(&value), None);
        }
        let file = world.root().join(format!("batch.{number}"));
        std::fs::write(&file, script.finish()).unwrap();
        let file = file.to_str().unwrap();
        session.push(match shell {
            Shell::Fish => format!("set text (cat {file} | string collect); eval $text"),
            _ => format!("text=\"$(cat {file})\"; eval \"$text\""),
        });
        session.push(format!("printenv -0 {}", names.join(" ")));
    }
    let file = world.root().join("session");
    std::fs::write(&file, session.join("\n")).unwrap();
    let output = world.command(program).args(bare(name)).arg(&file).run();
    let mut got = output.ok().quiet().stdout.split(|byte| *byte == 0);
    for value in &values {
        let got = got.next().unwrap_or_default();
        let (value, got) = (value.escape_ascii().to_string(), got.escape_ascii().to_string());
        assert_eq!(value, got, "{name}");
    }
    assert_eq!(got.next(), Some(&b""[..]));
}

#[test]
fn t_b7_any_value_arrives_through_bash() {
    arrives("bash", Shell::Bash);
}

#[test]
fn t_b7_any_value_arrives_through_zsh() {
    arrives("zsh", Shell::Zsh);
}

#[test]
fn t_b7_any_value_arrives_through_fish() {
    arrives("fish", Shell::Fish);
}

/// The size of a large value: three of them are more than one string of an environment holds.
const LARGE: usize = 80 << 10;

/// A vault with three large values, and a project that exports them.
fn large() -> (World, Vec<String>) {
    let mut world = World::with_vault();
    let mut values = Vec::new();
    for name in ["one", "two", "three"] {
        let needle = format!("LARGE-{name}-{}", world.canary());
        world.guard(&needle);
        let value = format!("{needle}{}", "'\n$x".repeat(LARGE))[..LARGE].to_owned();
        world.mima(&["secret", "add", name]).stdin(&value).run().ok();
        values.push(value);
    }
    world.write(
        "p/.mima.yaml",
        "auto_export: true\ngroups:\n  all: { L1: one, L2: two, L3: three }\n",
    );
    world.mima(&["allow", "--yes", "p"]).run().ok();
    (world, values)
}

/// The shell goes into the project, writes down what it has, and leaves again.
fn holds_large_values(shell: &str) {
    let Some(program) = require(shell) else { return };
    let (world, values) = large();
    let (load, prompt) = hook(shell);
    let file = |name: &str| world.root().join(name).to_str().unwrap().to_owned();
    let (inside, outside, set) = (file("inside"), file("outside"), file("set"));
    let asked = file("asked");
    let session = format!(
        "{load}\n{prompt}\ncd p\n{prompt}\ncommand env -0 >{inside}\n{prompt}\n\
         cat {asked}; echo\ncd ..\n{prompt}\ncommand env -0 >{outside}\nset >{set}\n"
    );
    let script = world.root().join("session");
    std::fs::write(&script, session).unwrap();
    let before = world.asked();
    let output = world.command(program).args(bare(shell)).arg(&script).run();
    output.ok().quiet().stdout_is(format!("{}\n", "x".repeat(before + 1)));
    let inside = std::fs::read(Path::new(&inside)).unwrap();
    let mut found = 0;
    for entry in inside.split(|byte| *byte == 0) {
        let at = entry.iter().position(|byte| *byte == b'=').unwrap_or(0);
        match &entry[..at] {
            [b'L', digit @ b'1'..=b'3'] => {
                assert!(entry[at + 1..] == *values[usize::from(digit - b'1')].as_bytes());
                found += 1;
            }
            name => {
                world.assert_no_secret_in(entry);
                let name = std::ffi::OsStr::from_bytes(name);
                assert!(entry.len() < 4096, "{}: {} bytes", name.display(), entry.len());
            }
        }
    }
    assert_eq!(found, 3);
    // Neither exported nor in the shell's own memory is anything left.
    world.assert_no_secret_in(&std::fs::read(outside).unwrap());
    world.assert_no_secret_in(&std::fs::read(set).unwrap());
}

#[test]
fn t_i11_large_values_stay_out_of_the_state_in_bash() {
    holds_large_values("bash");
}

#[test]
fn t_i11_large_values_stay_out_of_the_state_in_zsh() {
    holds_large_values("zsh");
}

#[test]
fn t_i11_large_values_stay_out_of_the_state_in_fish() {
    holds_large_values("fish");
}
