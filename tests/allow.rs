//! What a person is shown and asked before a project file is allowed: rows A15, A16, B2, B3.

use crate::common::project::Project;
use crate::common::pty::Pty;
use crate::common::world::World;

const TEXT: &str = "env: {MARK: here}\n";

fn spawn(project: &Project, args: &[&str]) -> Pty {
    Pty::spawn(&mut project.mima(args).std())
}

#[test]
fn t_a15_everything_that_a_file_does_has_a_line() {
    let world = World::new();
    world.script("ls2", "");
    let project = Project::new(
        &world,
        "p",
        "groups: {dev: {URL: dev-db, NODE_OPTIONS: opts}, ls2: {A: b}}\nwrap: [aws]\n\
         env: {PLAIN: shown, LD_PRELOAD: ./evil.so}\nunset: [GONE]\nPATH_add: [bin]\n\
         path_add: {PYTHONPATH: [lib]}\nwatch_file: [watched]\nsource_up: true\n\
         env_vars_required: [NEEDED]\nauto_export: true\nauto_export_groups: [dev]\n\
         dotenv: [.env]\ndotenv_if_exists: [../.env]\ndotenv_allow: [RUBYOPT, FINE]\n\
         layout: [ruby, node]\nmima_version: '>=0.1'\n",
    );
    let allow = project.mima(&["allow", "--yes"]).run();
    let want = format!(
        "\
~/p/.mima.yaml asks for:
  group         dev: URL from dev-db, NODE_OPTIONS from opts
  group         ls2: A from b
  command       dev
  command       ls2, hiding {}/ls2
  command       aws: there is no such group yet
  variable      PLAIN=shown
  RUNS CODE     LD_PRELOAD=./evil.so
  RUNS CODE     PYTHONPATH: lib
  layout        ruby: BUNDLE_BIN=.direnv/bin, GEM_HOME=.direnv/ruby, PATH .direnv/bin .direnv/ruby/bin
  layout        node: PATH node_modules/.bin
  dotenv        .env: whatever it says
  dotenv        ../.env, if there: whatever it says
  RUNS CODE     RUBYOPT, if a dotenv file sets it
  dotenv_allow  FINE, if a dotenv file sets it
  PATH          bin
  unset         GONE
  watches       watched
  requires      NEEDED
  mima          >=0.1
  source_up     the .mima.yaml above, if that is allowed
  EXPORTS       yes: every program in the shell gets the secrets
  EXPORTS       dev, where groups are exported: every program in the shell gets the secrets
mima: ~/p/.mima.yaml is allowed
",
        world.bin().display()
    );
    assert_eq!(allow.ok().err(), want);
    assert_eq!(allow.out(), "");
}

/// What a switch and a list do together may stand in two files.
#[test]
fn t_a15_each_key_alone_has_a_line() {
    let world = World::new();
    for text in [
        "auto_export: true",
        "auto_export_groups: [prod]",
        "source_up: true",
        "path_add: {LD_PRELOAD: [x.so]}",
        "env_vars_required: [A]",
        "dotenv: [.env]",
        "dotenv_if_exists: [.env]",
        "dotenv_allow: [A]",
        "layout: [python]",
        "mima_version: '>=0'",
        "watch_file: [w]",
        "wrap: [aws]",
        "unset: [A]",
        "PATH_add: [bin]",
        "env: {A: b}",
        "groups: {dev: {A: b}}",
    ] {
        let project = Project::new(&world, "p", text);
        let shown = project.mima(&["allow", "--yes"]).run().ok().err();
        assert!(!shown.contains("nothing"), "{text}: {shown}");
    }
}

/// A group that gets no command is not promised one, nor one that is not there.
#[test]
fn t_b6_no_command_is_promised_that_does_not_come() {
    let world = World::new();
    let project = Project::new(&world, "p", "groups: {git: {A: b}}\n");
    let shown = project.mima(&["allow", "--yes"]).run().ok().err();
    assert!(shown.contains("no command  git, a name people rely on: mima run git"), "{shown}");
}

/// `deny` holds until somebody names the file.
#[test]
fn a_denied_local_file_is_not_asked_about() {
    let world = World::new();
    let project = Project::new(&world, "p", "env: {A: b}\n");
    project.write(".mima.local.yaml", "env: {A: c}\n");
    project.mima(&["deny", ".mima.local.yaml"]).run().ok();
    let shown = project.mima(&["allow", "--yes"]).run().ok().err();
    assert!(!shown.contains("local"), "{shown}");
    project.mima(&["allow", "--yes", ".mima.local.yaml"]).run().ok().stderr_has("is allowed");
}

#[test]
fn t_a15_a_changed_file_is_shown_with_what_has_changed() {
    let world = World::new();
    let project = Project::allowed(&world, "p", "# one\nenv: {A: b}\nPATH_add: [bin]\n");
    project.write(".mima.yaml", "# one\nenv: {A: c}\nPATH_add: [bin]\n");
    let allow = project.mima(&["allow", "--yes"]).run();
    allow.ok().stderr_has("Since it was allowed last:\n  - env: {A: b}\n  + env: {A: c}\nmima: ");
    let again = project.mima(&["allow"]).run();
    assert_eq!(again.ok().err(), "mima: it is allowed already, as it is\n");
}

#[test]
fn t_a15_nothing_in_a_file_moves_the_cursor_or_reorders_what_is_shown() {
    let world = World::new();
    let hostile = "\\e]0;title\\a\\r\\u202e\\x9b2J\\u200b\\x7f";
    let text = format!(
        "# \u{202e}\u{2066}comment\n\
         env: {{LD_PRELOAD: \"{hostile}\"}}\nPATH_add: [\"{hostile}\"]\nwatch_file: [\"{hostile}\"]\n\
         path_add: {{A: [\"{hostile}\"]}}\n"
    );
    let project = Project::allowed(&world, "p", TEXT);
    project.write(".mima.yaml", &text);
    let allow = project.mima(&["allow", "--yes"]).run();
    let shown = allow.ok().err();
    let bad = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
    };
    assert!(!shown.contains(bad), "{shown:?}");
    for part in [
        "RUNS CODE  LD_PRELOAD=\\u{1b}]0;title\\u{7}\\r\\u{202e}\\u{9b}2J",
        "  + # \\u{202e}\\u{2066}comment",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    // A line of its own cannot be had, and nothing is cut off.
    let long = "x".repeat(5000);
    project.write(".mima.yaml", format!("env: {{LD_PRELOAD: \"{long}\\nmima: fine\"}}"));
    let shown = project.mima(&["allow", "--yes"]).run().ok().err();
    assert!(shown.contains(&format!("{long}\\nmima: fine\n")), "{shown}");
}

#[test]
fn t_a16_t_b3_without_a_terminal_nothing_is_allowed_but_with_yes() {
    let mut world = World::new();
    // A program that answers for the person is none that may be asked here.
    world.askpass("y");
    let project = Project::new(&world, "p", "env: {LD_PRELOAD: ./x.so}\n");
    for answer in ["y\n", "yes\n", ""] {
        let allow = project.mima(&["allow"]).stdin(answer).run();
        allow.fails(1).stderr_has("RUNS CODE  LD_PRELOAD=./x.so\n");
        allow.stderr_has(
            "mima: there is no terminal to ask on\nhint: having read the file: mima allow --yes\n",
        );
        assert_eq!(project.verdict(), "unknown");
    }
    assert_eq!(world.asked(), 0);
    project.mima(&["allow", "-y"]).run().ok().stderr_has("RUNS CODE  LD_PRELOAD=./x.so\n");
    assert_eq!(project.loaded()["LD_PRELOAD"].as_deref(), Some("./x.so"));
}

#[test]
fn t_a16_on_a_terminal_only_yes_is_yes() {
    let world = World::new();
    let project = Project::new(&world, "p", TEXT);
    for answer in ["", "n", "no", "x", "yess", " ", "\x04"] {
        let mut pty = spawn(&project, &["allow"]);
        pty.expect("~/p/.mima.yaml asks for:\r\n  variable  MARK=here\r\n");
        pty.expect("Allow ~/p/.mima.yaml? [y/N] ");
        pty.send_line(answer);
        assert_eq!(pty.wait().code(), Some(1), "{}", pty.transcript());
        assert!(pty.transcript().contains("mima: "), "{}", pty.transcript());
        assert_eq!(project.verdict(), "unknown", "{answer:?}");
    }
    let mut pty = spawn(&project, &["allow"]);
    pty.expect("[y/N] ");
    pty.send("\x03");
    assert!(!pty.wait().success());
    assert_eq!(project.verdict(), "unknown");
    for answer in ["y", "YES"] {
        let mut pty = spawn(&project, &["allow"]);
        pty.expect("[y/N] ");
        pty.send_line(answer);
        assert!(pty.wait().success(), "{}", pty.transcript());
        assert_eq!(project.verdict(), "allowed");
        project.mima(&["deny"]).run().ok();
    }
}

#[test]
fn t_a1_what_is_approved_is_what_was_shown_though_it_changes_meanwhile() {
    let world = World::new();
    let project = Project::new(&world, "p", TEXT);
    let mut pty = spawn(&project, &["allow"]);
    pty.expect("variable  MARK");
    pty.expect("[y/N] ");
    project.write(".mima.yaml", "env: {EVIL: yes}\n");
    pty.send_line("y");
    assert!(pty.wait().success());
    project.not_loaded("has changed since it was allowed");
    project.write(".mima.yaml", TEXT);
    assert_eq!(project.loaded()["MARK"].as_deref(), Some("here"));
}

#[test]
fn both_files_of_a_directory_are_asked_for_one_by_one() {
    let world = World::new();
    let project = Project::new(&world, "p", TEXT);
    project.write(".mima.local.yaml", "env: {MARK: local}\n");
    let mut pty = spawn(&project, &["allow"]);
    pty.expect("Allow ~/p/.mima.yaml? [y/N] ");
    pty.send_line("y");
    pty.expect("Allow ~/p/.mima.local.yaml? [y/N] ");
    pty.send_line("n");
    assert_eq!(pty.wait().code(), Some(1));
    let export = project.mima(&["export", "json"]).run();
    export.ok().stdout_has("\"MARK\": \"here\"").stderr_has(
        "mima: ~/p/.mima.local.yaml is not allowed yet: mima allow ~/p/.mima.local.yaml\n",
    );
    project.mima(&["allow", "--yes", ".mima.local.yaml"]).run().ok();
    assert_eq!(project.loaded()["MARK"].as_deref(), Some("local"));
}

#[test]
fn t_b2_a_file_that_sets_what_steers_the_shell_cannot_be_allowed() {
    let world = World::new();
    for name in [
        "IFS",
        "PS4",
        "PROMPT_COMMAND",
        "BASH_ENV",
        "ENV",
        "SHELLOPTS",
        "BASHOPTS",
        "BASH_FUNC_x",
        "CDPATH",
        "GLOBIGNORE",
        "ZDOTDIR",
        "FPATH",
        "NULLCMD",
        "HISTFILE",
        "PATH",
        "HOME",
        "SHELL",
        "PWD",
        "OLDPWD",
        "SHLVL",
        "MIMA_HOME",
        "MIMA_ASKPASS",
        "__MIMA_STATE",
        "__mima_have",
        "path",
        "status",
        "argv",
        "_",
        "UID",
        "LINENO",
    ] {
        for (text, place) in [
            (format!("env:\n  GOOD: x\n  {name}: x\n"), format!("3:3: env.{name}")),
            (format!("groups:\n  dev:\n    {name}: x\n"), format!("3:5: groups.dev.{name}")),
            (format!("path_add: {{{name}: [x]}}\n"), format!("1:12: path_add.{name}")),
            (format!("unset: [{name}]\n"), "1:9: unset".to_owned()),
        ] {
            let project = Project::new(&world, "p", text);
            let allow = project.mima(&["allow", "--yes"]).run();
            allow
                .fails(1)
                .stderr_has(&format!("mima: ~/p/.mima.yaml:{place}: this variable steers"));
        }
    }
    let project = Project::new(&world, "p", "env: {PATH: x}");
    project.mima(&["allow", "--yes"]).run().fails(1).stderr_has("hint: a project file adds direct");
    assert!(!world.data().exists());
}

#[test]
fn t_b3_each_variable_that_runs_code_is_shown_with_its_value() {
    let world = World::new();
    for name in [
        "LD_PRELOAD",
        "DYLD_INSERT_LIBRARIES",
        "GLIBC_TUNABLES",
        "GCONV_PATH",
        "NODE_OPTIONS",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "PERL5OPT",
        "RUBYOPT",
        "JAVA_TOOL_OPTIONS",
        "GIT_SSH_COMMAND",
        "GIT_CONFIG_COUNT",
        "GIT_PAGER",
        "EDITOR",
        "VISUAL",
        "PAGER",
        "LESSOPEN",
        "SSH_ASKPASS",
        "BROWSER",
        "RUSTC_WRAPPER",
        "npm_config_script_shell",
        "PIP_INDEX_URL",
        "HTTPS_PROXY",
        "https_proxy",
        "SSL_CERT_FILE",
        "NODE_EXTRA_CA_CERTS",
        "TERMINFO",
        "XDG_RUNTIME_DIR",
    ] {
        let project = Project::new(&world, name, format!("env: {{{name}: some thing}}\n"));
        let allow = project.mima(&["allow", "--yes"]).run();
        allow.ok().stderr_has(&format!("  RUNS CODE  {name}=some thing\n"));
        assert_eq!(project.loaded()[name].as_deref(), Some("some thing"));
    }
}

#[test]
fn what_cannot_be_allowed_says_why_and_what_to_do() {
    let world = World::new();
    let empty = world.home().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let fails = |args: &[&str], why: &str| {
        assert_eq!(world.mima(args).cwd(&empty).run().fails(1).err(), why);
    };
    let none = "mima: there is no .mima.yaml in ~/empty or above\nhint: mima init\n";
    fails(&["allow", "--yes"], none);
    fails(&["deny"], none);
    fails(&["edit"], none);
    fails(&["allow", "gone.yaml"], "mima: there is no file ~/empty/gone.yaml\nhint: mima init\n");
    world.write(".mima.yaml", "store: vault\n");
    fails(&["allow", "--yes"], none);
    fails(
        &["allow", "--yes", "../.mima.yaml"],
        "mima: ~/.mima.yaml is your own file, which needs no approval\n",
    );
    // Above `..` is not below it.
    Project::new(&world, "empty", TEXT);
    fails(&["allow", ".."], "mima: there is no .mima.yaml in ~ or above\nhint: mima init\n");
    assert!(!world.data().exists());
}

#[test]
fn init_makes_a_file_that_is_allowed_and_changes_none() {
    let world = World::new();
    let dir = world.home().join("new");
    std::fs::create_dir(&dir).unwrap();
    let init = world.mima(&["init"]).cwd(&dir).run();
    assert_eq!(init.ok().err(), "mima: made ~/new/.mima.yaml, and allowed it\nhint: mima edit\n");
    let export = world.mima(&["export", "json"]).cwd(&dir).run();
    export.ok().quiet().stdout_has(&format!("\"PROJECT_ROOT\": \"{}\"", dir.display()));
    let before = world.read("new/.mima.yaml");
    let again = world.mima(&["init"]).cwd(&dir).run();
    assert_eq!(
        again.fails(1).err(),
        "mima: there is a ~/new/.mima.yaml already\nhint: mima edit\n"
    );
    assert_eq!(world.read("new/.mima.yaml"), before);
    std::os::unix::fs::symlink("nowhere", dir.join("link")).unwrap();
    std::fs::rename(dir.join("link"), dir.join(".mima.yaml")).unwrap();
    world.mima(&["init"]).cwd(&dir).run().fails(1).stderr_has("already");
    assert!(!dir.join("nowhere").exists());
}

/// The user file is no project file, so a project there would break every verb.
#[test]
fn init_in_the_home_directory_is_refused_and_makes_nothing() {
    let world = World::new();
    let init = world.mima(&["init"]).run();
    init.fails(1).stderr_has("~/.mima.yaml is your own file").stderr_has("hint: ");
    assert_eq!(std::fs::read_dir(world.home()).unwrap().count(), 0);
    world.mima(&["group", "list"]).run().ok();
}

#[test]
fn init_where_others_can_write_makes_nothing() {
    let world = World::new();
    let dir = world.home().join("open");
    std::fs::create_dir(&dir).unwrap();
    crate::common::user::mode(&dir, 0o777);
    let init = world.mima(&["init"]).cwd(&dir).run();
    init.fails(1).stderr_has("refusing to use ~/open: others can write to it");
    init.stderr_has("hint: chmod go-w ~/open");
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
    crate::common::user::mode(&dir, 0o755);
    world.mima(&["init"]).within("umask 0; exec \"$@\"").cwd(&dir).run().ok();
    world.mima(&["export", "json"]).cwd(&dir).run().ok().quiet();
}
