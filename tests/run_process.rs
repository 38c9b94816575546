//! What a command inherits through `mima run` is what it would inherit without. (threats: F1,
//! F3, F4)

#![cfg(target_os = "linux")]

use crate::common::command::{Cmd, Output};
use crate::common::world::World;
use crate::run::{linked_world, run_g};

/// Settings that a caller may have made: scripts around `"$@"`. With SIGCHLD ignored, waiting
/// for a child fails with ECHILD, which mima must cope with when it runs `MIMA_ASKPASS`.
const SIGNALS: [(&str, &str); 6] = [
    ("default", r#"exec "$@""#),
    ("ignored", r#"trap '' PIPE INT; exec "$@""#),
    ("nohup", r#"exec nohup "$@""#),
    ("blocked", r#"exec env --block-signal=TERM "$@""#),
    ("blocked and ignored", r#"exec env --block-signal=PIPE --ignore-signal=PIPE,CHLD "$@""#),
    ("pipeline", r#"true | "$@""#),
];

/// Runs a command within a setting, by itself and through mima.
fn both(world: &World, setting: &str, command: &[&str]) -> [Output; 2] {
    let direct = world.command(command[0]).args(&command[1..]);
    // mima's own variables do not reach the command; without it they must not either.
    let direct: Cmd = direct.env_remove("MIMA_ASKPASS");
    [direct, run_g(world, command)].map(|cmd| cmd.within(setting).run())
}

#[track_caller]
fn assert_same(what: &str, [direct, through]: &[Output; 2], pick: impl Fn(&Output) -> Vec<String>) {
    through.ok();
    let (want, got) = (pick(direct.ok()), pick(through));
    assert!(!want.is_empty(), "{what}: nothing to compare: {direct}");
    assert_eq!(want, got, "{what}");
}

fn all_lines(output: &Output) -> Vec<String> {
    output.out().lines().map(str::to_owned).collect()
}

#[test]
fn t_f1_signals_are_ignored_and_blocked_as_without_mima() {
    let world = linked_world();
    for (what, setting) in SIGNALS {
        let outputs = both(&world, setting, &["cat", "/proc/self/status"]);
        assert_same(what, &outputs, |output| {
            let wanted = |line: &&str| {
                line.starts_with("ShdPnd") || line.starts_with("Sig") && !line.starts_with("SigQ")
            };
            output.out().lines().filter(wanted).map(str::to_owned).collect()
        });
    }
}

#[test]
fn t_f1_a_broken_pipe_ends_the_command() {
    let world = linked_world();
    let script = r#""$@" | head -n 1"#;
    let output =
        run_g(&world, &["sh", "-c", "yes; echo yes ended with $? >&2"]).within(script).run();
    output.ok().stdout_is("y\n");
    // 141 is 128 + SIGPIPE; with the signal ignored, yes says that it could not write.
    let said = output.err();
    assert!(said.is_empty() || said == "yes ended with 141\n", "{output}");
}

#[test]
fn t_f3_no_descriptor_is_added_and_none_is_lost() {
    let world = linked_world();
    world.write("f", "content of three\n");
    for (what, setting) in [
        ("plain", r#"exec "$@""#),
        ("more", r#"exec "$@" 3<f 5>>g 9<&0"#),
        ("closed input", r#"exec "$@" <&-"#),
        ("closed error", r#"exec "$@" 2>&-"#),
        ("both closed", r#"exec "$@" <&- 2>&-"#),
    ] {
        assert_same(what, &both(&world, setting, &["ls", "/proc/self/fd"]), all_lines);
        // With sh in between, the list is not changed by what ls itself opens.
        let list = r"for fd in /proc/$$/fd/*; do echo ${fd##*/}; done";
        assert_same(what, &both(&world, setting, &["sh", "-c", list]), all_lines);
    }
    let through = run_g(&world, &["sh", "-c", "cat <&3"]).within(r#"exec "$@" 3<f"#);
    through.run().ok().stdout_is("content of three\n");
}

#[test]
fn t_f3_a_closed_output_stays_closed() {
    let world = linked_world();
    let list = r"for fd in /proc/$$/fd/*; do echo ${fd##*/} >&2; done";
    for setting in [r#"exec "$@" >&-"#, r#"exec "$@" <&- >&-"#] {
        let outputs = both(&world, setting, &["sh", "-c", list]);
        assert_same(setting, &outputs, |output| output.err().lines().map(str::to_owned).collect());
        let output = run_g(&world, &["sh", "-c", "echo x"]).within(setting).run();
        assert!(!output.status.success(), "{output}");
    }
}

#[test]
fn t_f4_the_process_is_as_without_mima() {
    let world = linked_world();
    // Each is a setting that mima could have changed, or forgotten to set back.
    for setting in [
        r#"exec "$@""#,
        r#"umask 000; exec "$@""#,
        r#"umask 777; exec "$@""#,
        r#"ulimit -c 0; ulimit -n 200; exec "$@""#,
        r#"ulimit -S -c 1000; ulimit -S -l 32; ulimit -S -s 4096; exec "$@""#,
        r#"cd /; exec nice -n 5 "$@""#,
        r#"exec setsid -w "$@""#,
    ] {
        let outputs = both(&world, setting, &["cat", "/proc/self/status"]);
        assert_same(setting, &outputs, status);
        assert_same(setting, &both(&world, setting, &["cat", "/proc/self/limits"]), all_lines);
        let cwd = both(&world, setting, &["readlink", "/proc/self/cwd"]);
        assert_same(setting, &cwd, all_lines);
        let filter = ["cat", "/proc/self/coredump_filter", "/proc/self/oom_score_adj"];
        assert_same(setting, &both(&world, setting, &filter), all_lines);
        assert_same(setting, &both(&world, setting, &["cat", "/proc/self/stat"]), stat);
    }
}

/// The lines of `/proc/self/status` that tell what was inherited.
fn status(output: &Output) -> Vec<String> {
    const FIELDS: [&str; 16] = [
        "Umask",
        "Uid",
        "Gid",
        "Groups",
        "CapInh",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "CapAmb",
        "NoNewPrivs",
        "Seccomp",
        "CoreDumping",
        "Cpus_allowed",
        "Threads",
        "FDSize",
        "TracerPid",
    ];
    let wanted = |line: &&str| line.split(':').next().is_some_and(|name| FIELDS.contains(&name));
    output.out().lines().filter(wanted).map(str::to_owned).collect()
}

/// From `/proc/self/stat`: whether it leads its group and session, its terminal, its priority,
/// its nice value, its scheduling.
fn stat(output: &Output) -> Vec<String> {
    let text = output.out();
    let pid = text.split(' ').next().unwrap_or_default().to_owned();
    let fields: Vec<_> = text.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    // Numbered as in proc(5), where the state, which comes first here, is 3.
    let field = |number: usize| fields[number - 3].to_owned();
    let leads = |number| (field(number) == pid).to_string();
    vec![leads(5), leads(6), field(7), field(18), field(19), field(40), field(41)]
}
