//! `mima exec`, `mima edit`, and that no verb does anything for a project that is not allowed:
//! row A10.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::common::leaks::files_below;
use crate::common::project::Project;
use crate::common::pty::Pty;
use crate::common::strace::trace;
use crate::common::world::World;

const TEXT: &str = "env: {MARK: here}\n";

/// All files below the home directory, and what is in them.
fn snapshot(world: &World) -> Vec<(PathBuf, Vec<u8>)> {
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).unwrap_or_default();
        (path, bytes)
    };
    files_below(&world.home()).into_iter().map(read).collect()
}

#[test]
fn t_a10_no_verb_does_anything_for_a_project_that_is_not_allowed() {
    let world = World::with_vault();
    world.write(".mima.yaml", "groups: {own: {OWN: K03}}\n");
    let project = Project::new(
        &world,
        "p",
        "groups: {evil: {T: K00}}\nwrap: [own]\nenv: {EVIL: e, LD_PRELOAD: ./x.so}\nPATH_add: [bin]\nauto_export: true\n",
    );
    std::fs::create_dir(project.dir.join("bin")).unwrap();
    crate::common::world::write_executable(
        &project.dir.join("bin/planted"),
        "#!/bin/sh\ntouch ~/ran\n",
    );
    let verbs: &[(&[&str], i32)] = &[
        (&["run", "evil", "--", "true"], 125),
        (&["run", "evil"], 125),
        (&["run", "own"], 0),
        (&["env", "evil"], 1),
        (&["group", "list"], 0),
        (&["group", "list", "evil"], 1),
        (&["exec", ".", "planted"], 125),
        (&["exec", ".", "true"], 125),
        (&["export", "json"], 1),
        (&["export", "bash"], 0),
        (&["export", "zsh"], 0),
        (&["export", "fish"], 0),
        (&["export", "bash", "--typed", "--reload"], 0),
        (&["status"], 0),
        (&["status", "--json"], 0),
        (&["allow"], 1),
        (&["init"], 1),
        (&["prune"], 0),
        (&["hook", "bash"], 0),
        (&["completions", "bash"], 0),
        (&["man"], 0),
        (&["secret", "list"], 0),
        (&["vault", "recipients"], 0),
        (&["off"], 1),
        (&["reload"], 1),
    ];
    let before = snapshot(&world);
    for (verb, status) in verbs {
        let traced = trace(&world, project.mima(verb), &["-e", "trace=execve,execveat"]);
        let output = match traced {
            Some((output, lines)) => {
                let execs = lines.iter().filter(|line| line.call.starts_with("execve")).count();
                assert_eq!(execs, 1, "{output}");
                output
            }
            None => project.mima(verb).run(),
        };
        output.fails(*status);
        let said = output.out() + &output.err();
        assert!(!said.contains("EVIL") && !said.contains("x.so") || verb[0] == "allow", "{output}");
        // The stamps of a shell are about files, not about what they say.
        let after = snapshot(&world);
        let stamps = world.data().join("stamps");
        let of_mima = |(path, _): &&(PathBuf, Vec<u8>)| !path.starts_with(&stamps);
        assert!(before.iter().eq(after.iter().filter(of_mima)), "{output}");
    }
    assert_eq!(world.asked(), 0);
}

#[test]
fn exec_becomes_the_command_with_the_environment_of_the_project() {
    let world = World::with_vault();
    let project = Project::allowed(
        &world,
        "p",
        "env: {MARK: '${MIMA_DIR}'}\nunset: [GONE]\nPATH_add: [bin]\ngroups: {dev: {T: K00}}\n",
    );
    std::fs::create_dir_all(project.dir.join("bin/below")).unwrap();
    let tool = project.dir.join("bin/tool");
    crate::common::world::write_executable(
        &tool,
        "#!/bin/sh\necho \"$MARK|${GONE-unset}|${T-unset}|$PWD\"; exit 7\n",
    );
    let dir = project.dir.to_str().unwrap();
    let home = world.home();
    let want = format!("{dir}|unset|unset|{}\n", home.display());
    symlink("p", home.join("link")).unwrap();
    for at in [dir, "p", "./p", "p/bin/below", "p/.", "p/bin/..", "p/../p"] {
        let exec = world.mima(&["exec", at, "tool"]).env("GONE", "x").run();
        exec.fails(7).quiet().stdout_is(&want);
    }
    // `--` is only needed by what looks like a flag.
    world
        .mima(&["exec", "p", "--", "printenv", "MIMA_DIR"])
        .run()
        .ok()
        .stdout_is(format!("{dir}\n"));
    world
        .mima(&["exec", "link", "printenv", "MARK"])
        .run()
        .ok()
        .stdout_is(format!("{dir}\n").replace("/p\n", "/link\n"));
    world
        .mima(&["exec", "p", "sh", "-c", "echo \"$0 $1\"", "-x", "--json"])
        .run()
        .ok()
        .stdout_is("-x --json\n");
    assert_eq!(world.asked(), 0);
    // From within another project it is not added to that one.
    let other = Project::allowed(&world, "q", "env: {MARK: q, Q: q}\nPATH_add: [qbin]\n");
    let lines = format!(
        "mima exec {dir} sh -c 'echo $MARK ${{Q-unset}} ${{__MIMA_STATE-unset}}; case $PATH in *qbin*) echo left;; esac'"
    );
    other.bash(&lines).run().ok().quiet().stdout_is(format!("{dir} unset unset\n"));
    let plain = world.home().join("plain");
    std::fs::create_dir(plain).unwrap();
    world
        .mima(&["exec", "plain", "sh", "-c", "echo ${MIMA_DIR-none}"])
        .run()
        .ok()
        .quiet()
        .stdout_is("none\n");
}

/// A project beside, or below, is not one above.
#[test]
fn exec_finds_no_project_by_the_way_back() {
    let world = World::new();
    let project = Project::allowed(&world, "p", TEXT);
    std::fs::create_dir(world.home().join("other")).unwrap();
    for at in ["..", "../other", "../other/../other", "../p/../other"] {
        let exec = project.mima(&["exec", at, "sh", "-c", "echo ${MARK-none}"]).run();
        exec.ok().quiet().stdout_is("none\n");
    }
    let deny = project.mima(&["deny", ".."]).run();
    deny.fails(1).stderr_has("there is no .mima.yaml in ~ or above");
    assert_eq!(project.verdict(), "allowed");
}

#[test]
fn exec_fails_as_env_does() {
    let world = World::new();
    let project = Project::allowed(&world, "p", TEXT);
    project.write("not-executable", "");
    for (args, status, why) in [
        (&["exec"][..], 125, "hint: "),
        (&["exec", "."], 125, "hint: "),
        (&["exec", "gone", "true"], 125, "mima: ~/p/gone is no directory\n"),
        (&["exec", ".mima.yaml", "true"], 125, "mima: ~/p/.mima.yaml is no directory\n"),
        (&["exec", ".", "./not-executable"], 126, "mima: `./not-executable` is not executable\n"),
        (&["exec", ".", "/"], 126, "not executable"),
        (
            &["exec", ".", "no-such-thing"],
            127,
            "mima: could not find the command `no-such-thing`\n",
        ),
        (&["exec", ".", "./gone"], 127, "could not find the command"),
        (&["exec", ".", ""], 127, "the command is empty"),
        (&["exec", ".", "sh", "-c", "exit 3"], 3, ""),
    ] {
        project.mima(args).run().fails(status).stderr_has(why);
    }
    project.mima(&["exec", ".", "sh", "-c", "kill -9 $$"]).run().killed_by(9);
    for (text, why) in [
        (
            "env: {MARK: other}\n",
            "mima: ~/p/.mima.yaml has changed since it was allowed: mima allow\n",
        ),
        ("{", "mima: ~/p/.mima.yaml:1:"),
    ] {
        project.write(".mima.yaml", text);
        project.mima(&["exec", ".", "true"]).run().fails(125).stderr_has(why);
    }
}

fn edit(project: &Project, editor: &str) -> crate::common::command::Output {
    project.mima(&["edit"]).env("EDITOR", editor).run()
}

#[test]
fn edit_keeps_an_allowed_file_allowed_after_a_change() {
    let world = World::new();
    let project = Project::allowed(&world, "p", TEXT);
    let editor = world
        .script("my editor", "printf 'env: {MARK: edited}\\n' >\"$2\"; test \"$1\" = --wait\n");
    let editor = format!("'{}' --wait", editor.display());
    let edited = edit(&project, &editor);
    let said = edited.ok().err();
    assert!(
        said.starts_with(
            "~/p/.mima.yaml asks for:\n  variables  MARK\nSince it was allowed last:\n"
        ),
        "{said}"
    );
    assert!(said.ends_with("mima: ~/p/.mima.yaml is allowed\n"), "{said}");
    assert_eq!(project.loaded()["MARK"].as_deref(), Some("edited"));
    // Nothing is said twice, nor allowed anew, if nothing was typed.
    assert_eq!(edit(&project, "true").ok().err(), "mima: ~/p/.mima.yaml is as it was\n");
    // VISUAL is asked first, as everywhere.
    let visual = project.mima(&["edit"]).env("EDITOR", "false").env("VISUAL", "true");
    visual.run().ok();
    // An editor that writes another file and puts it in place.
    let editor = world.script("replacing", "echo 'env: {MARK: replaced}' >new && mv new \"$1\"\n");
    edit(&project, editor.to_str().unwrap()).ok();
    assert_eq!(project.loaded()["MARK"].as_deref(), Some("replaced"));
}

#[test]
fn edit_shows_and_asks_about_a_file_that_was_not_allowed() {
    let world = World::new();
    let project = Project::new(&world, "p", "env: {LD_PRELOAD: x}\n");
    for editor in ["true", "sh -c 'echo \"# more\" >>\"$0\"'"] {
        edit(&project, editor)
            .fails(1)
            .stderr_has("RUNS CODE  LD_PRELOAD=x")
            .stderr_has("no terminal");
        assert_eq!(project.verdict(), "unknown");
    }
    let mut pty = Pty::spawn(&mut project.mima(&["edit"]).env("EDITOR", "true").std());
    pty.expect("RUNS CODE  LD_PRELOAD=x");
    pty.expect("Allow ~/p/.mima.yaml? [y/N] ");
    pty.send_line("y");
    assert!(pty.wait().success());
    assert_eq!(project.verdict(), "allowed");
    project.mima(&["deny"]).run().ok();
    edit(&project, "true").fails(1);
    assert_eq!(project.verdict(), "denied");
}

#[test]
fn edit_that_fails_or_breaks_the_file_allows_nothing_and_forgets_nothing() {
    let world = World::new();
    let project = Project::allowed(&world, "p", TEXT);
    for (editor, why) in [
        (
            "false",
            "mima: the editor failed (exit status: 1), so nothing is allowed\nhint: it is what VISUAL or EDITOR names\n",
        ),
        ("no-such-editor", "the editor failed (exit status: 127)"),
        ("sh -c 'echo \"MORE: x\" >>\"$0\"; exit 1'", "so nothing is allowed"),
        ("sh -c 'echo \"{{\" >\"$0\"'", "mima: ~/p/.mima.yaml:1:"),
        ("sh -c 'rm \"$0\"'", "mima: there is no file ~/p/.mima.yaml\n"),
        ("sh -c 'chmod 666 \"$0\"; echo >>\"$0\"'", "others can write to it"),
    ] {
        edit(&project, editor).fails(1).stderr_has(why);
        if project.file().exists() && editor != "false" && editor != "no-such-editor" {
            assert_ne!(project.verdict(), "allowed", "{editor}");
        }
        if project.file().exists() {
            crate::common::user::mode(&project.file(), 0o644);
        }
        project.write(".mima.yaml", TEXT);
        assert_eq!(project.verdict(), "allowed", "{editor}");
    }
}
