//! The script driver of scenarios: one shell script per session, that marks on both outputs
//! where each command ends.
//!
//! Commands are not fed through a pipe: fish reads all of it before it runs anything.

use std::path::Path;

use super::command::Output;
use super::scenario::{Hook, Outcome, Scenario, lines};
use super::world::World;

/// What a shell made of a session.
pub(crate) struct Session {
    /// What came of each step that the shell took, up to where it stopped.
    pub(crate) outcomes: Vec<Outcome>,
    /// The whole output, for a message.
    pub(crate) output: Output,
}

/// Runs a scenario's session in a shell with a hook.
pub(crate) fn run(
    scenario: &Scenario,
    (shell, with): (&str, Hook),
    program: &Path,
    world: &World,
) -> Session {
    let nonce = format!("__scenario_{}", world.canary().trim_start_matches("CANARY-"));
    let steps = scenario.steps_for(shell, with.tool);
    let mut script = prelude(shell, with, &nonce);
    if scenario.is_beside() {
        script.push_str(&said_alike(shell, with.tool));
    }
    for step in steps.iter().map(|&at| &scenario.steps[at]) {
        script.push_str(&step.command);
        script.push_str("\n__scenario_mark\n");
    }
    // Beside the home directory, so that the session does not see it.
    let path = world.root().join(format!("session.{shell}"));
    std::fs::write(&path, script).unwrap();
    let output = world.command(program).args(bare(shell)).arg(&path).run();
    let mut outcomes = split(&output, &nonce, world.root());
    if scenario.is_beside() {
        for outcome in &mut outcomes {
            outcome.stderr.clear();
        }
    }
    Session { outcomes, output }
}

/// The flags that keep a shell from reading anybody's startup files.
pub(crate) fn bare(shell: &str) -> &'static [&'static str] {
    match shell {
        "bash" => &["--noprofile", "--norc"],
        "zsh" => &["-f"],
        _ => &["--no-config"],
    }
}

/// Returns the command that loads the hook, and the one that an interactive shell would call
/// before each prompt.
pub(crate) fn hook(shell: &str) -> (&'static str, &'static str) {
    match shell {
        "bash" => ("eval \"$(mima hook bash)\"", "__mima_prompt"),
        "zsh" => ("eval \"$(mima hook zsh)\"", "__mima_precmd"),
        _ => ("mima hook fish | source", "__mima_prompt"),
    }
}

/// The same for direnv.
fn direnv_hook(shell: &str) -> (&'static str, &'static str) {
    match shell {
        "bash" => ("eval \"$(direnv hook bash)\"", "_direnv_hook"),
        "zsh" => ("eval \"$(direnv hook zsh)\"", "_direnv_hook"),
        _ => ("direnv hook fish | source", "__direnv_export_eval"),
    }
}

/// Returns functions for what the tools have different words for.
fn said_alike(shell: &str, tool: &str) -> String {
    let words = match tool {
        "direnv" => [("allow", "direnv allow"), ("deny", "direnv deny"), ("in_dir", "direnv exec")],
        _ => [("allow", "mima allow --yes"), ("deny", "mima deny"), ("in_dir", "mima exec")],
    };
    let function = |(name, words): (&str, &str)| match shell {
        "fish" => format!("function {name}; {words} $argv; end\n"),
        _ => format!("{name}() {{ {words} \"$@\"; }}\n"),
    };
    words.map(function).concat()
}

/// Returns what comes before the session: the hook and the first prompt, if there is one; and
/// a function that marks the end of a command with its status, after the hook's prompt function.
/// Each command finds a status of 0: fish's `set` would pass an older one on.
fn prelude(shell: &str, with: Hook, nonce: &str) -> String {
    let print = format!("builtin printf '\\n%s %s\\n' {nonce}");
    let (load, prompt) = if with.tool == "direnv" { direnv_hook(shell) } else { hook(shell) };
    let prompt = if with.times == 0 { "" } else { prompt };
    let loads = format!("{load}\n").repeat(with.times);
    let mark = if shell == "fish" {
        format!("  set -l s $status\n  {prompt}\n  {print} $s\n  {print} $s >&2\nend\n")
    } else {
        format!("  local s=$?\n  {prompt}\n  {print} $s\n  {print} $s >&2\n}}\n")
    };
    let open = if shell == "fish" { "" } else { " {" };
    format!("{loads}{prompt}\nfunction __scenario_mark{open}\n{mark}")
}

/// Cuts both outputs at the marks.
fn split(output: &Output, nonce: &str, root: &Path) -> Vec<Outcome> {
    let (out, err) = (output.out(), output.err());
    let (out, err) = (sections(&out, nonce), sections(&err, nonce));
    let pairs = out.into_iter().zip(err);
    pairs
        .map(|((stdout, status), (stderr, _))| Outcome {
            stdout: lines(stdout, root),
            stderr: lines(stderr, root),
            status,
        })
        .collect()
}

/// Splits text into what stands before each mark, and the mark's status. What comes after the
/// last mark is left out.
fn sections<'a>(text: &'a str, nonce: &str) -> Vec<(&'a str, i32)> {
    let mark = format!("\n{nonce} ");
    let mut sections = Vec::new();
    let mut rest = text;
    while let Some((section, after)) = rest.split_once(&mark) {
        let (status, after) = after.split_once('\n').unwrap_or((after, ""));
        sections.push((section, status.parse().unwrap_or(-1)));
        rest = after;
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_cut_at_the_marks() {
        let text = "one\ntwo\n\nN 0\n\nN 1\nno newline\nN 130\ntail";
        let want = [("one\ntwo\n", 0), ("", 1), ("no newline", 130)];
        assert_eq!(sections(text, "N"), want);
    }
}
