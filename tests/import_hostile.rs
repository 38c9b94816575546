//! `mima import` of what somebody else wrote: it says what it does, and does no more.

use std::fmt::Write;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use crate::common::command::Output;
use crate::common::leaks::{contains, files_below};
use crate::common::strace::{Attempt, errno_points, kill_points};
use crate::common::user::mknod;
use crate::common::world::World;

/// A world with a vault, and an empty project `h` whose secrets have `C4nary` in them.
fn world() -> World {
    let mut world = World::with_vault();
    world.guard("C4nary");
    world.write("h/.keep", "");
    world.allow_leak(world.home().join("h"));
    world
}

fn import(world: &World, file: &str, flags: &[&str]) -> Output {
    let file = format!("h/{file}");
    let args = [&["import", file.as_str(), "--group", "dev"], flags].concat();
    let output = world.mima(&args).run();
    world.assert_no_secret_in(&output.stdout);
    world.assert_no_secret_in(&output.stderr);
    assert!(!contains(&output.stderr, b"\x1b") && !contains(&output.stderr, "\u{202e}".as_bytes()));
    output
}

fn value(world: &World, name: &str) -> String {
    let got = world.mima(&["secret", "get", name]).run();
    if got.status.success() { got.out() } else { "none".to_owned() }
}

fn exec(world: &World, command: &[&str]) -> Output {
    let args = [&["exec", ".", "--"], command].concat();
    world.mima(&args).cwd(world.home().join("h")).run()
}

fn has_project(world: &World) -> bool {
    world.home().join("h/.mima.yaml").symlink_metadata().is_ok()
}

/// Everything below a directory: what it is, what it holds, when it was changed.
fn all(dir: &Path) -> Vec<(String, u32, u64, i64, Vec<u8>)> {
    let all = files_below(dir).into_iter().map(|path| {
        let meta = path.symlink_metadata().unwrap();
        let bytes = if meta.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
        (path.display().to_string(), meta.mode(), meta.ino(), meta.mtime_nsec(), bytes)
    });
    all.collect()
}

#[test]
fn a_dry_run_leaves_every_byte_where_it_is() {
    let world = world();
    world.write("h/.envrc", "export API_TOKEN=C4nary\nexport PORT=1\nPATH_add bin\nuse nix\n");
    world.write("h/.mima.yaml", "unset: [X]\n");
    world.script("op", "touch \"$HOME/ran\"\n");
    let before = all(world.root());
    for flags in [&["--dry-run"][..], &["--dry-run", "--rewrite"], &["--dry-run", "--yes"]] {
        import(&world, ".envrc", flags)
            .ok()
            .stdout_is("")
            .stderr_has("secret  API_TOKEN  its name says so\n")
            .stderr_has("  + PATH_add: [bin]\n")
            .stderr_has("~/h/.envrc:4: no key of a project file does this\n")
            .stderr_has("mima: nothing was changed\n");
        assert_eq!(all(world.root()), before);
    }
    assert_eq!(world.asked(), 0);
}

#[test]
fn each_form_of_an_envrc_has_its_key() {
    let world = world();
    world.write("h/.env", "FROM_DOTENV=1\n");
    std::fs::create_dir(world.home().join("h/man")).unwrap();
    let text = "strict_env\nsource_up_if_exists\ndotenv\ndotenv_if_exists .env.local\n\
                export A=\"a b\" B='$c'\nPATH_add bin\npath_add MANPATH man\nlayout go\n\
                watch_file Cargo.toml\nenv_vars_required HOME\nexport PATH=~/x:$PATH\n";
    world.write("h/.envrc", text);
    import(&world, ".envrc", &["--yes"]).ok();
    assert_eq!(
        world.read("h/.mima.yaml"),
        "source_up: true\ndotenv: [.env]\ndotenv_if_exists: [.env.local]\n\
         PATH_add: [\"${HOME}/x\", bin]\npath_add:\n  MANPATH: [man]\nlayout: [go]\n\
         watch_file: [Cargo.toml]\nenv_vars_required: [HOME]\nenv:\n  A: \"a b\"\n  B: \"$c\"\n"
    );
    exec(&world, &["sh", "-c", "printf '%s|' \"$A\" \"$B\" \"$FROM_DOTENV\" \"${MANPATH%%:*}\""])
        .ok()
        .stdout_is(format!("a b|$c|1|{}/h/man|", world.home().display()));
    // What only says what holds anyway is no reason to write anything, nor to remove it.
    world.write("h/.envrc", "strict_env\n");
    import(&world, ".envrc", &["--yes", "--rewrite"]).ok().stderr_has("nothing to import");
    assert_eq!(world.read("h/.envrc"), "strict_env\n");
}

#[test]
fn a_flake_becomes_its_key_or_is_left_where_that_is_not_known() {
    let world = world();
    world.write("k/.mima.yaml", "use_flake: \".\"\n");
    let is_known = world.mima(&["allow", "--yes", "k"]).run().status.success();
    for (line, key) in [("use flake", "\".\""), ("use flake .#ci", "\".#ci\"")] {
        world.write("h/.envrc", format!("{line}\nexport PORT=1\n"));
        let output = import(&world, ".envrc", &["--yes"]);
        let flake = if is_known { format!("use_flake: {key}\n") } else { String::new() };
        output.ok();
        assert_eq!(output.err().contains(".envrc:1: use_flake"), !is_known, "{output}");
        let want = format!("{flake}env:\n  PORT: \"1\"\n");
        assert_eq!(world.read("h/.mima.yaml"), want);
        // A flake runs code, so it is for `allow` to show it.
        assert_eq!(output.err().contains("hint: mima allow ~/h/.mima.yaml"), is_known, "{output}");
        std::fs::remove_file(world.home().join("h/.mima.yaml")).unwrap();
    }
}

#[test]
fn a_variable_that_is_not_set_is_empty_as_in_direnv() {
    let world = world();
    world.write("h/.envrc", "export LIBS=$PWD/lib:$NOT_SET\n");
    import(&world, ".envrc", &["--yes"]).ok();
    let want = format!("{}/h/lib:\n", world.home().display());
    exec(&world, &["printenv", "LIBS"]).ok().stdout_is(want);
}

#[test]
fn what_is_exported_is_what_a_shell_makes_of_it() {
    let world = world();
    let lines = [
        r#"export A=plain B="two words" C='single $HOME' D=mi"x"'ed'"#,
        r#"export E="q\"uo\\te\$d\n" F=es\ ca\$pe G=$HOME/x H=~/y I=~:a:~/b J=a=~"#,
        "export K=a\\\nb L=\"c\\\nd\" M='e\\\nf' # comment",
        "export N=\"two\nlines\" O=a#b # not 'this",
        r#"export P=$A-${B}-"$C" Q=$ R="$" S=a$ T= U="" V=$NOT_SET"#,
        r"export W=100% X=a,b Y=a:b Z='it'\''s'",
        "export A2=* B2=[a] C2=a?b D2=-x E2=@ F2=+ G2=^ H2=!",
        r#"export I2="$A$B" J2="${A}x" K2="~" L2='~' M2="!" N2="\a""#,
    ];
    world.write("h/.envrc", lines.join("\n"));
    import(&world, ".envrc", &["--yes"]).ok();
    let names: Vec<String> = ('A'..='Z').map(String::from).collect();
    let twice = ('A'..='N').map(|name| format!("{name}2"));
    let names: Vec<_> = names.into_iter().chain(twice).collect();
    let show = format!("for n in {}; do printenv $n; done", names.join(" "));
    let shell = format!(". ./.envrc; {show}");
    let want = world.command("bash").args(["-c", &shell]).cwd(world.home().join("h")).run();
    assert_eq!(want.out().matches('\n').count(), names.len() + 2, "{want}");
    exec(&world, &["sh", "-c", &show]).ok().stdout_is(want.out());
}

#[test]
fn what_makes_programs_run_code_is_marked_and_not_allowed() {
    let world = world();
    world.write("h/.env", "LD_PRELOAD=./evil.so\nPORT=1\n");
    import(&world, ".env", &["--yes"])
        .ok()
        .stderr_has("  public  LD_PRELOAD  nothing speaks for a secret; RUNS CODE\n")
        .stderr_has("~/h/.mima.yaml has what can run code, so look at it yourself\n")
        .stderr_has("hint: mima allow ~/h/.mima.yaml\n");
    exec(&world, &["true"]).fails(125);
    // Said again, and as a secret, it is no other.
    import(&world, ".env", &["--yes"]).ok().stderr_has("hint: mima allow ~/h/.mima.yaml\n");
    exec(&world, &["true"]).fails(125);
    std::fs::remove_file(world.home().join("h/.mima.yaml")).unwrap();
    world.write("h/.env", "NODE_OPTIONS=ghp_C4nary\n");
    import(&world, ".env", &["--yes"]).ok().stderr_has("hint: mima allow ~/h/.mima.yaml\n");
    // Nor does it come into a file that was allowed.
    world.write("h/.mima.yaml", "env:\n  A: b\n");
    world.mima(&["allow", "--yes", "h"]).run().ok();
    world.write("h/.envrc", "path_add PYTHONPATH lib\n");
    import(&world, ".envrc", &["--yes"]).ok().stderr_has("hint: mima allow ~/h/.mima.yaml\n");
    exec(&world, &["true"]).fails(125);
    // What was denied stays denied.
    world.write("h/.mima.yaml", "env:\n  PORT: \"1\"\n");
    world.mima(&["deny", "h"]).run().ok();
    world.write("h/.env", "PORT=1\n");
    import(&world, ".env", &["--yes"]).ok().stderr_has("hint: mima allow ~/h/.mima.yaml\n");
    exec(&world, &["true"]).fails(125);
}

#[test]
fn no_value_gets_out_of_its_quotes_and_no_byte_steers_the_terminal() {
    let world = world();
    let odd = [
        "x\nauto_export: true",
        "x\" # y",
        "': {a: b}",
        "*a &b !!c",
        "- x",
        "\u{1b}[2J\u{9b}31m\u{202e}\u{feff}\u{85}\u{2028}",
        "a\\b\"c\td\re",
        "$$x $(touch ran) `touch ran`",
        "~",
        "null",
        "0x1F",
        "  ",
        "é\u{1f600}",
    ];
    let mut text = String::new();
    for (at, odd) in odd.iter().enumerate() {
        assert!(!odd.contains('\'') || !odd.contains('"'), "{odd:?} fits no quotes");
        let quoted = if odd.contains('\'') { format!("\"{odd}\"") } else { format!("'{odd}'") };
        writeln!(text, "export V{at}={quoted}").unwrap();
    }
    world.write("h/.envrc", &text);
    import(&world, ".envrc", &["--yes"]).ok();
    let project = world.read("h/.mima.yaml");
    assert_eq!(project.lines().count(), odd.len() + 1, "{project}");
    for (at, odd) in odd.iter().enumerate() {
        exec(&world, &["printenv", &format!("V{at}")]).ok().stdout_is(format!("{odd}\n"));
    }
    assert!(!world.home().join("h/ran").exists() && !world.home().join("ran").exists());
    // Nor does a name, of a variable or of the file.
    world.write(
        "h/.envrc",
        "export \u{1b}[2J=C4nary\nPATH_add 'a\u{1b}[2J'\nC4nary\u{1b} x\n\
         env_vars_required 'C4nary!'\nlayout C4nary\nwatch_file '[C4nary' '/../C4nary'\n\
         path_add 'C4nary-' x\npath_add MANPATH \"$C4nary\" ''\nuse flake 'C4nary;'\n",
    );
    import(&world, ".envrc", &["--dry-run"])
        .ok()
        .stderr_has(".envrc:1: it sets no plain variable\n")
        .stderr_has(".envrc:3: no key of a project file does this\n")
        .stderr_has(".envrc:4: env_vars_required: ")
        .stderr_has(".envrc:5: layout: this is no layout\n");
    let name = ".env\u{1b}[2J\u{202e}";
    world.write(&format!("h/{name}"), "A=1\n");
    import(&world, name, &["--yes"]).ok().stderr_has(".env\\u{1b}[2J\\u{202e} sets:\n");
    world.write(&format!("h/{name}"), "C4nary \u{1b}\n");
    import(&world, name, &["--yes"]).fails(1);
}

#[test]
fn what_has_a_secret_in_it_is_a_secret_wherever_it_stands() {
    let world = world();
    world.write(
        "h/.envrc",
        "export DB_ARGS='--password hunter2-C4nary'\nexport DB_PASSWORD=hunter2-C4nary\n\
         export PORT=1\nPATH_add \"$DB_PASSWORD\"\nPATH_add hunter2-C4nary/bin\nPATH_add bin\n",
    );
    import(&world, ".envrc", &["--yes", "--rewrite"])
        .ok()
        .stderr_has("  secret  DB_ARGS      it holds another secret\n")
        .stderr_has("  ~/h/.envrc:4: it holds a secret, and no group can give that\n")
        .stderr_has("  ~/h/.envrc:5: it holds a secret, and no group can give that\n");
    assert_eq!(
        world.read("h/.mima.yaml"),
        "groups:\n  dev:\n    DB_ARGS: dev.DB_ARGS\n    DB_PASSWORD: dev.DB_PASSWORD\n\
         PATH_add: [bin]\nenv:\n  PORT: \"1\"\n"
    );
    assert_eq!(world.read("h/.envrc"), "PATH_add \"$DB_PASSWORD\"\nPATH_add hunter2-C4nary/bin\n");
}

#[test]
fn op_gets_references_and_nothing_else_and_the_directory_has_no_op() {
    let world = world();
    let odd = "op://a/b --account=evil\n--reveal";
    world.write("h/.envrc", format!("export API_TOKEN='{odd}'\n"));
    let log = world.tmp().join("args");
    let body = format!("printf '%s|' \"$#\" \"$@\" >{}; echo C4nary\n", log.display());
    // One on PATH by a relative name, or in the directory, is none.
    let evil = world.script("evil", "touch \"$HOME/ran\"; echo x\n");
    for dir in ["h", "h/bin"] {
        std::fs::create_dir_all(world.home().join(dir)).unwrap();
        std::fs::copy(&evil, world.home().join(dir).join("op")).unwrap();
    }
    let path = format!(".:bin::h:{}:/usr/bin:/bin", world.bin().display());
    let args = ["import", ".envrc", "--group", "dev", "--yes"];
    let run = || world.mima(&args).cwd(world.home().join("h")).env("PATH", &path).run();
    run().ok().stderr_has("~/h/.envrc:1: op would read it, and is not on PATH\n");
    world.script("op", &body);
    let shown = format!("{} reads what 1Password has\n", world.bin().join("op").display());
    let output = run();
    output.ok().stderr_has(&shown);
    world.assert_no_secret_in(&output.stderr);
    assert_eq!(std::fs::read_to_string(&log).unwrap(), format!("2|read|{odd}|"));
    assert!(!world.home().join("ran").exists());
    assert_eq!(value(&world, "dev.API_TOKEN"), "C4nary");
    // No secret is handed to it, which anybody could read there.
    world.write("h/.envrc", "export A_TOKEN=C4nary\nexport B_TOKEN=op://x/$A_TOKEN/y\n");
    import(&world, ".envrc", &["--yes"])
        .ok()
        .stderr_has(".envrc:2: a reference to 1Password cannot have a secret in it\n");
}

#[test]
fn what_is_no_plain_file_is_refused_at_once() {
    let world = world();
    let h = world.home().join("h");
    mknod(&h.join("fifo"), "p");
    std::fs::create_dir(h.join("dir")).unwrap();
    symlink("/dev/zero", h.join("zero")).unwrap();
    symlink("fifo", h.join("to-fifo")).unwrap();
    symlink("nowhere", h.join("dangling")).unwrap();
    world.write("h/huge", vec![b'#'; 9 << 20]);
    world.write("h/nul", "A=b\0C4nary\n");
    world.write("h/latin", b"A=\xe9C4nary\n");
    for (file, why) in [
        ("fifo", "it is no regular file"),
        ("dir", "it is no regular file"),
        ("zero", "it is no regular file"),
        ("to-fifo", "it is no regular file"),
        ("dangling", "there is no file"),
        ("huge", "it is larger than"),
        ("nul", "nul:1:"),
        ("latin", "latin:1:"),
    ] {
        import(&world, file, &["--yes", "--rewrite"]).fails(1).stderr_has(why);
    }
    for file in [".mima.yaml", ".mima.local.yaml"] {
        import(&world, file, &["--yes"]).fails(2).stderr_has("is a project file already");
    }
    assert!(!has_project(&world));
    // A link that leads nowhere would make a file elsewhere.
    symlink("../made", h.join(".mima.yaml")).unwrap();
    world.write("h/.env", "API_TOKEN=C4nary\n");
    import(&world, ".env", &["--yes"]).fails(1).stderr_has("is a link that leads nowhere\n");
    assert!(!world.home().join("made").exists());
    // One to the user's own file is none of a project's.
    std::fs::remove_file(h.join(".mima.yaml")).unwrap();
    world.write(".mima.yaml", "groups: {}\n");
    symlink("../.mima.yaml", h.join(".mima.yaml")).unwrap();
    import(&world, ".env", &["--yes"]).fails(1).stderr_has("is your own file");
    assert_eq!(world.read(".mima.yaml"), "groups: {}\n");
    assert_eq!(value(&world, "dev.API_TOKEN"), "none");
}

#[test]
fn a_file_that_the_project_loads_is_refused_before_anything_is_stored() {
    let world = world();
    world.write("h/.env", "API_TOKEN=C4nary\n");
    for (file, text) in [
        (".mima.yaml", "dotenv: [.env]\n"),
        (".mima.yaml", "dotenv: [./.env]\n"),
        (".mima.yaml", "dotenv: [../h/.env]\n"),
        (".mima.local.yaml", "dotenv: [.env]\n"),
    ] {
        let path = world.write(&format!("h/{file}"), text);
        import(&world, ".env", &["--yes", "--rewrite"])
            .fails(1)
            .stderr_has(&format!("~/h/{file} loads ~/h/.env, so that stays as it is\n"));
        assert_eq!(value(&world, "dev.API_TOKEN"), "none", "{text}");
        assert_eq!(world.read(&format!("h/{file}")), text);
        std::fs::remove_file(path).unwrap();
    }
    // One that loads itself, by what is imported.
    world.write("h/.envrc", "dotenv .envrc\n");
    import(&world, ".envrc", &["--yes", "--rewrite"]).fails(1).stderr_has("loads ~/h/.envrc");
    assert!(!has_project(&world));
    // If it may be missing, it may go.
    world.write("h/.mima.yaml", "dotenv_if_exists: [.env]\n");
    import(&world, ".env", &["--yes", "--rewrite"]).ok().stderr_has("and is gone\n");
}

/// What must hold whatever has happened to an import of `API_TOKEN` with `--rewrite`.
fn nothing_is_lost(world: &World, attempt: &Attempt, was: &str) {
    let is_gone = !world.home().join("h/.envrc").exists();
    if is_gone {
        assert_eq!(value(world, "dev.API_TOKEN"), "C4nary", "{attempt}");
        assert!(world.read("h/.mima.yaml").contains("API_TOKEN: dev.API_TOKEN"), "{attempt}");
    } else {
        assert_eq!(world.read("h/.envrc"), "export API_TOKEN=C4nary\nPATH_add bin\n", "{attempt}");
    }
    let project = world.read("h/.mima.yaml");
    let whole = format!("{was}groups:\n  dev:\n    API_TOKEN: dev.API_TOKEN\nPATH_add: [bin]\n");
    assert!(project == was || project == whole, "{attempt}\n{project}");
    if !is_gone {
        import(world, ".envrc", &["--yes", "--rewrite"]).ok().stderr_has("and is gone\n");
    }
    assert_eq!(world.read("h/.mima.yaml"), whole, "{attempt}");
    assert_eq!(value(world, "dev.API_TOKEN"), "C4nary", "{attempt}");
}

#[test]
fn t_e1_an_import_into_a_file_that_is_there_survives_a_kill_and_a_full_disk() {
    let world = world();
    let was = "# mine\nenv:\n  A: b\n";
    world.write("h/.mima.yaml", was);
    world.mima(&["allow", "--yes", "h"]).run().ok();
    world.write("h/.envrc", "export API_TOKEN=C4nary\nPATH_add bin\n");
    let run =
        |world: &World| world.mima(&["import", "h/.envrc", "--group", "dev", "--yes", "--rewrite"]);
    let check = |world: &World, attempt: &Attempt| nothing_is_lost(world, attempt, was);
    let changing = "write,fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,\
                    mkdir,mkdirat,fchmod,chmod,fchmodat";
    if let Some(points) = kill_points(&world, changing, run, check) {
        assert!(points > 15, "only {points} points");
    }
    let full = "write,fsync,rename,renameat,renameat2,link,linkat,mkdir,mkdirat";
    if let Some(points) = errno_points(&world, full, "ENOSPC", run, check) {
        assert!(points > 10, "only {points} points");
    }
}

/// Of two values the last one counts, and the other one is not lost.
#[test]
fn a_value_that_is_set_again_stays_where_it_is() {
    let world = world();
    let file = world.write("h/.env", "OLD_KEY=first-C4nary\nOLD_KEY=second-C4nary\n");
    let args = ["import", "--rewrite", "--yes", "--group", "dev", "h/.env"];
    world.mima(&args).run().ok().stderr_has("~/h/.env:1: a later line sets it again\n");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "OLD_KEY=first-C4nary\n");
}
