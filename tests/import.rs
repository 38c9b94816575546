//! `mima import`: nothing is lost, nothing is guessed at without a word, no secret is shown.

use crate::common::pty::Pty;
use crate::common::strace::{Attempt, FILE_CALLS, kill_points};
use crate::common::world::World;

/// A file with a secret, a public value, and one that needs both.
const ENV: &str = "# mine\nSTRIPE_KEY=sk_live_C4nary\nPORT=8080\n\nURL=\"http://localhost:$PORT\"\n\
                   HOOK=\"https://x/$STRIPE_KEY\"\n";
const PROJECT: &str = "groups:\n  dev:\n    STRIPE_KEY: dev.STRIPE_KEY\n    HOOK: dev.HOOK\nenv:\n  \
                       PORT: \"8080\"\n  URL: \"http://localhost:${PORT}\"\n";

/// A world with a vault, whose messages must not have what the files hold.
fn world() -> World {
    let mut world = World::with_vault();
    world.guard("C4nary");
    world.write("p/.env", ENV);
    world.allow_leak(world.home().join("p/.env"));
    world
}

fn value(world: &World, name: &str) -> String {
    let got = world.mima(&["secret", "get", name]).run();
    if got.status.success() { got.out() } else { "none".to_owned() }
}

fn import(world: &World, flags: &[&str]) -> crate::common::command::Output {
    world.mima(&[&["import", "p/.env", "--group", "dev"], flags].concat()).run()
}

#[test]
fn a_dotenv_file_becomes_secrets_and_an_allowed_project_file() {
    let world = world();
    import(&world, &["--yes"])
        .ok()
        .stdout_is("")
        .stderr_has(
            "~/p/.env sets:\n  secret  STRIPE_KEY  it starts like the keys of a known service\n  \
             public  PORT        nothing speaks for a secret\n  public  URL         nothing speaks \
             for a secret\n  secret  HOOK        it holds another secret\n~/p/.mima.yaml gets:\n  \
             + groups:\n  +   dev:\n",
        )
        .stderr_has("with 2 secrets in the store\n")
        .stderr_has("hint: mima run dev -- CMD\n");
    assert_eq!(world.read("p/.mima.yaml"), PROJECT);
    assert_eq!(world.read("p/.env"), ENV);
    assert_eq!(value(&world, "dev.STRIPE_KEY"), "sk_live_C4nary");
    assert_eq!(value(&world, "dev.HOOK"), "https://x/sk_live_C4nary");
    let run = "printf '%s|' \"$STRIPE_KEY\" \"$HOOK\"";
    let p = world.home().join("p");
    world
        .mima(&["run", "dev", "--", "sh", "-c", run])
        .cwd(&p)
        .run()
        .ok()
        .stdout_is("sk_live_C4nary|https://x/sk_live_C4nary|");
    let exported = world.mima(&["exec", ".", "--", "printenv", "URL", "PORT"]).cwd(&p).run();
    exported.ok().stdout_is("http://localhost:8080\n8080\n");
    // Once more it is all there, and with --rewrite the lines go.
    import(&world, &["--yes", "--rewrite"])
        .ok()
        .stderr_has("~/p/.env loses its lines 2-3, 5-6\n")
        .stderr_has("~/p/.env has the rest\n");
    assert_eq!(world.read("p/.env"), "# mine\n\n");
    assert_eq!(world.read("p/.mima.yaml"), PROJECT);
    world.assert_no_leak();
    import(&world, &["--yes"]).ok().stderr_has("mima: there is nothing to import\n");
}

#[test]
fn a_file_with_nothing_left_is_removed_and_a_link_is_not_rewritten() {
    let world = world();
    world.write("q/.env", "API_TOKEN=C4nary\n\n");
    world.allow_leak(world.home().join("q"));
    std::os::unix::fs::symlink("../q/.env", world.home().join("p/link")).unwrap();
    let link = ["import", "p/link", "--group", "dev", "--yes", "--rewrite"];
    world.mima(&link).run().fails(1).stderr_has("mima: ~/p/link is a link\nhint: name the file");
    assert_eq!(value(&world, "dev.API_TOKEN"), "none");
    let args = ["import", "q/.env", "--group", "dev", "--yes", "--rewrite"];
    world.mima(&args).run().ok().stderr_has("~/q/.env had nothing else in it, and is gone\n");
    assert!(!world.home().join("q/.env").exists());
    assert_eq!(value(&world, "dev.API_TOKEN"), "C4nary");
}

#[test]
fn a_dry_run_changes_nothing_and_asks_nothing() {
    let world = world();
    let before = crate::common::leaks::files_below(world.root());
    import(&world, &["--dry-run"])
        .ok()
        .stderr_has("secret  STRIPE_KEY")
        .stderr_has("  +   PORT: \"8080\"\n")
        .stderr_has("mima: nothing was changed\n");
    assert_eq!(world.read("p/.env"), ENV);
    assert_eq!(crate::common::leaks::files_below(world.root()), before);
    assert_eq!(world.asked(), 0);
}

#[test]
fn without_a_terminal_it_says_what_to_type() {
    let world = world();
    import(&world, &[])
        .fails(1)
        .stderr_has("mima: there is no terminal to ask on\nhint: having looked with --dry-run");
    assert!(!world.home().join("p/.mima.yaml").exists());
}

#[test]
fn each_variable_is_asked_about_and_the_guess_can_be_turned() {
    let world = world();
    let command = ["import", "p/.env", "--group", "dev"];
    let mut pty = Pty::spawn(&mut world.mima(&command).std());
    pty.expect("STRIPE_KEY: it starts like the keys of a known service. Is it a secret? [Y/n] ");
    pty.send_line("");
    pty.expect("PORT: nothing speaks for a secret. Is it a secret? [y/N] ");
    pty.send_line("what");
    pty.expect("PORT: nothing speaks for a secret. Is it a secret? [y/N] ");
    pty.send_line("y");
    // The rest holds what is a secret, so there is nothing to ask.
    pty.expect("secret  PORT        you have said so");
    pty.expect("secret  URL         it holds another secret");
    pty.expect("Import this? [y/N] ");
    pty.send_line("y");
    pty.expect("with 4 secrets in the store");
    assert!(pty.wait().success());
    assert!(!pty.transcript().contains("C4nary"), "{}", pty.transcript());
    assert_eq!(value(&world, "dev.URL"), "http://localhost:8080");

    let mut pty = Pty::spawn(&mut world.mima(&command).std());
    for answer in ["n", "", "", ""] {
        pty.expect("Is it a secret? ");
        pty.send_line(answer);
    }
    // What was linked before is still there, so the second time says something else.
    pty.expect("Import this? [y/N] ");
    pty.send_line("n");
    pty.expect("nothing was imported");
    assert!(!pty.wait().success());
}

#[test]
fn an_envrc_is_read_and_never_run_and_what_is_left_is_listed_by_line() {
    let world = world();
    world.write(
        "e/.envrc",
        "#!/bin/bash\nsource_up\ndotenv_if_exists\nexport API=\"$PWD/api\"\nPATH_add bin\n\
         PATH_add tools\nexport DB_PASSWORD='C4nary'\nexport NOW=$(touch ran)\nif true; then\n  \
         export PORT=1\nfi\nlayout node\nlayout julia\nwatch_file Cargo.toml\nenv_vars_required HOME\n\
         strict_env\nexport PATH=\"$PWD/x:$PATH\"\nuse nix\nexport IFS=x\n",
    );
    world.write("e/.env", "IN_DOTENV=1\n");
    world.allow_leak(world.home().join("e/.envrc"));
    let args = ["import", "e/.envrc", "--group", "dev", "--yes", "--rewrite"];
    let output = world.mima(&args).run();
    output.ok().stderr_has(
        "Not translated:\n  ~/e/.envrc:8: it runs a command\n  \
         ~/e/.envrc:9: it is part of something larger\n  \
         ~/e/.envrc:10: it is part of something larger\n  \
         ~/e/.envrc:11: it is part of something larger\n  \
         ~/e/.envrc:13: layout: this is no layout\n  \
         ~/e/.envrc:18: no key of a project file does this\n  \
         ~/e/.envrc:19: IFS steers the shell or mima, so no file may set it\n",
    );
    output.stderr_has("hint: if ~/e/.env has secrets: mima import --group dev ~/e/.env\n");
    assert_eq!(
        world.read("e/.mima.yaml"),
        "groups:\n  dev:\n    DB_PASSWORD: dev.DB_PASSWORD\nsource_up: true\n\
         dotenv_if_exists: [.env]\nPATH_add: [\"${MIMA_DIR}/x\", tools, bin]\nlayout: [node]\n\
         watch_file: [Cargo.toml]\nenv_vars_required: [HOME]\nenv:\n  API: \"${MIMA_DIR}/api\"\n"
    );
    assert_eq!(
        world.read("e/.envrc"),
        "#!/bin/bash\nexport NOW=$(touch ran)\nif true; then\n  export PORT=1\nfi\nlayout julia\n\
         use nix\nexport IFS=x\n"
    );
    assert!(!world.home().join("ran").exists() && !world.home().join("e/ran").exists());
    assert_eq!(value(&world, "dev.DB_PASSWORD"), "C4nary");
    let e = world.home().join("e");
    let said = world.mima(&["exec", ".", "--", "printenv", "API"]).cwd(&e).run();
    said.ok().stdout_is(format!("{}/api\n", e.display()));
}

#[test]
fn references_are_read_by_op_and_stay_where_there_is_none() {
    let world = world();
    world.write("o/.env", "TOKEN=op://dev/item/token\nPORT=1\n");
    let args = ["import", "o/.env", "--group", "ops", "--yes"];
    world.mima(&args).run().ok().stderr_has("~/o/.env:1: op would read it, and is not on PATH\n");
    assert_eq!(world.read("o/.mima.yaml"), "env:\n  PORT: \"1\"\n");
    // One that fails stops it all.
    world.script("op", "echo not signed in >&2; exit 1\n");
    world
        .mima(&args)
        .run()
        .fails(1)
        .stderr_has("mima: could not get TOKEN: op has failed (exit status: 1)\nhint: op signin\n");
    assert_eq!(value(&world, "ops.TOKEN"), "none");
    world.script("op", "[ \"$*\" = 'read op://dev/item/token' ] && cat && echo C4nary-of-op\n");
    // A dry run does not ask it.
    let dry = [&args[..], &["--dry-run"]].concat();
    world.mima(&dry).run().ok().stderr_has("secret  TOKEN  1Password has it\n");
    assert_eq!(value(&world, "ops.TOKEN"), "none");
    world.mima(&args).run().ok();
    assert_eq!(value(&world, "ops.TOKEN"), "C4nary-of-op");
    assert_eq!(
        world.read("o/.mima.yaml"),
        "env:\n  PORT: \"1\"\ngroups:\n  ops:\n    TOKEN: ops.TOKEN\n"
    );
    world.script("op", "yes\n");
    world.mima(&args).run().fails(1).stderr_has("could not read what op prints: it is larger than");
}

#[test]
fn another_value_in_the_store_stops_it_before_anything_is_stored() {
    let world = world();
    world.mima(&["secret", "add", "dev.HOOK"]).stdin("other").run().ok();
    import(&world, &["--yes", "--rewrite"])
        .fails(1)
        .stderr_has("the store has another value for `dev.HOOK`, and both stay as they are\n")
        .stderr_has("hint: to store the one of the file: mima set --force dev HOOK\n");
    assert_eq!(value(&world, "dev.HOOK"), "other");
    assert_eq!(value(&world, "dev.STRIPE_KEY"), "none");
    assert_eq!(world.read("p/.env"), ENV);
    assert!(!world.home().join("p/.mima.yaml").exists());
}

#[test]
fn what_a_project_file_says_already_is_never_replaced() {
    let world = world();
    let before = "# mine\nenv:\n    PORT: \"9\" # why\n";
    world.write("p/.mima.yaml", before);
    import(&world, &["--yes"])
        .fails(1)
        .stderr_has("~/p/.mima.yaml:3:5: env.PORT: the file says something else already\n");
    assert_eq!(world.read("p/.mima.yaml"), before);
    assert_eq!(value(&world, "dev.STRIPE_KEY"), "none");
    let before = before.replace('9', "8080");
    world.write("p/.mima.yaml", &before);
    import(&world, &["--yes"]).ok().stderr_has("hint: mima allow ~/p/.mima.yaml\n");
    assert_eq!(
        world.read("p/.mima.yaml"),
        format!(
            "{before}    URL: \"http://localhost:${{PORT}}\"\ngroups:\n    dev:\n        STRIPE_KEY: \
             dev.STRIPE_KEY\n        HOOK: dev.HOOK\n"
        )
    );
    // Not seen as a whole, it is not allowed; allowed, it stays so.
    let p = world.home().join("p");
    world.mima(&["allow", "--yes"]).cwd(&p).run().ok();
    world.write("p/.env", "NEW=1\n");
    import(&world, &["--yes"]).ok();
    world.mima(&["exec", ".", "--", "printenv", "NEW"]).cwd(&p).run().ok().stdout_is("1\n");
}

#[test]
fn what_cannot_be_read_or_is_loaded_still_is_left_alone() {
    let world = world();
    world.write("b/.env", "A=1\nC4nary\n");
    world.allow_leak(world.home().join("b"));
    let bad = ["import", "b/.env", "--group", "dev", "--yes"];
    world.mima(&bad).run().fails(1).stderr_has("~/b/.env:2:1: this is neither KEY=value nor");
    world
        .mima(&["import", "b/none", "--group", "dev"])
        .run()
        .fails(1)
        .stderr_has("there is no file");
    world.mima(&["import", "p/.env", "--group", "a b"]).run().fails(2);
    // Beside the user's own file there is no project.
    world.write(".env", "A=1\n");
    let home = ["import", ".env", "--group", "dev", "--yes"];
    world.mima(&home).run().fails(1).stderr_has("~/.mima.yaml is your own file");
    world.write("p/.mima.yaml", "dotenv: [.env]\n");
    import(&world, &["--yes", "--rewrite"])
        .fails(1)
        .stderr_has("~/p/.mima.yaml loads ~/p/.env, so that stays as it is\nhint: take it out");
    assert_eq!(world.read("p/.env"), ENV);
    assert_eq!(world.read("p/.mima.yaml"), "dotenv: [.env]\n");
    assert_eq!(value(&world, "dev.STRIPE_KEY"), "none");
}

#[test]
fn t_e1_killed_at_any_call_an_import_loses_nothing_and_goes_on() {
    let world = world();
    let args = ["import", "p/.env", "--group", "dev", "--yes", "--rewrite"];
    let check = |world: &World, attempt: &Attempt| {
        let env = world.read("p/.env");
        if env != ENV {
            assert_eq!(env, "# mine\n\n", "{attempt}");
            assert_eq!(world.read("p/.mima.yaml"), PROJECT, "{attempt}");
            for (name, want) in
                [("STRIPE_KEY", "sk_live_C4nary"), ("HOOK", "https://x/sk_live_C4nary")]
            {
                assert_eq!(value(world, &format!("dev.{name}")), want, "{attempt}");
            }
        }
        // Whatever there is of the project file is whole.
        if world.home().join("p/.mima.yaml").exists() {
            assert_eq!(world.read("p/.mima.yaml"), PROJECT, "{attempt}");
        }
        world.mima(&args).run().ok();
        assert_eq!(world.read("p/.env"), "# mine\n\n", "{attempt}");
        assert_eq!(value(world, "dev.STRIPE_KEY"), "sk_live_C4nary", "{attempt}");
        let p = world.home().join("p");
        let allowed = world.mima(&["exec", ".", "--", "printenv", "PORT"]).cwd(&p).run();
        if env == ENV {
            allowed.ok().stdout_is("8080\n");
        }
    };
    let run = |world: &World| world.mima(&args);
    if let Some(points) = kill_points(&world, FILE_CALLS, run, check) {
        assert!(points > 30, "only {points} points");
    }
}
