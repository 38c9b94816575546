//! A project with a flake, once its environment is known: mima beside direnv's own `use flake`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::export::run;
use crate::measure::{fastest, time};
use crate::projects::{Projects, Whose};
use crate::prompt::{Bench, SHELLS, cd, find};
use crate::report::Report;

/// How many rounds count, of mima's and of direnv's.
const ROUNDS: u32 = 100;
const SLOWER: u32 = 10;
/// What entering may take at most.
const MOST_TO_ENTER: f64 = 2.5;
/// The name of the project.
const NAME: &str = "flake";
/// How many variables it exports.
const VARIABLES: usize = 50;

/// What nix is set to: a store of its own, no network.
const SETTINGS: &str = "experimental-features = nix-command flakes
sandbox = false
build-users-group =
substituters =
";

/// Measures it, as multiples of a hello world. Without nix there is no such table.
pub(crate) fn measure(report: &mut Report, projects: &mut Projects, hello: &Path) {
    if find("nix").is_none() {
        eprintln!("no nix here: its table is left out (tests/tools/install.sh)");
        return;
    }
    make(projects);
    let inside = projects.entered(NAME);
    // Here nix works, for both.
    let known = |mut command: Command| {
        let output = command.stderr(Stdio::null()).output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains("FLAKE_VARIABLE_7"), "{output:?}");
    };
    known(projects.mima(&inside, &["export", "json"]));
    projects.direnv(&inside, &["export", "json"]).into_iter().for_each(known);

    let head = ["a project with a flake that is known", "mima", "direnv"];
    report.table(&head);
    entering(report, projects, hello);
    for shell in &SHELLS {
        if let Some(program) = find(shell.name) {
            let bench = Bench { projects, shell, program, strace: None };
            steady(report, &bench, hello);
        }
    }
}

/// Makes the project, with a nix that has all it needs in the directory of the benchmark.
fn make(projects: &mut Projects) {
    let root = projects.root().join("nix");
    for (name, dir) in [("STORE", "store"), ("STATE", "var"), ("LOG", "log"), ("CONF", "conf")] {
        std::fs::create_dir_all(root.join(dir)).unwrap();
        projects.set_env(&format!("NIX_{name}_DIR"), root.join(dir));
    }
    std::fs::write(root.join("conf/nix.conf"), SETTINGS).unwrap();
    let system = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    let vars: Vec<_> = (0..VARIABLES)
        .map(|i| format!("FLAKE_VARIABLE_{i} = \"the value of variable {i}\";"))
        .collect();
    let dir = projects.entered(NAME);
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(
        dir.join("flake.nix"),
        format!(
            "{{ outputs = {{ self }}: {{ devShells.{system}.default = derivation {{
               name = \"shell\"; system = \"{system}\"; builder = \"/bin/bash\";
               outputs = [ \"out\" ]; {} }}; }}; }}",
            vars.join(" ")
        ),
    )
    .unwrap();
    std::fs::write(dir.join(".mima.yaml"), "use_flake: .\n").unwrap();
    std::fs::write(dir.join(".envrc"), "use flake\n").unwrap();
    projects.allow(&dir);
}

/// Measures `export`, as a whole process.
fn entering(report: &mut Report, projects: &Projects, hello: &Path) {
    let inside = projects.entered(NAME);
    let mut bare = projects.command(hello, &projects.outside());
    let mut ours = projects.mima(&inside, &["export", "bash"]);
    let best = fastest(ROUNDS, &mut [Box::new(|| run(&mut bare)), Box::new(|| run(&mut ours))]);
    let unit = best[0].as_secs_f64();
    let theirs = projects.direnv(&inside, &["export", "bash"]).map(|mut theirs| {
        let best = fastest(SLOWER, &mut [Box::new(|| run(&mut theirs))]);
        best[0].as_secs_f64() / unit
    });
    let ours = best[1].as_secs_f64() / unit;
    let what = format!("`export` on entering, {VARIABLES} variables, as a whole process");
    report.row(&what, &[Some(ours), theirs]);
    report.limit("`export` on entering a project with a flake", ours, MOST_TO_ENTER);
}

/// Measures what the hooks add to a prompt at which nothing has changed.
fn steady(report: &mut Report, bench: &Bench<'_>, hello: &Path) {
    let projects = bench.projects;
    let whose = [Whose::Nobody, Whose::Mima, Whose::Direnv];
    let with_direnv = 2 + usize::from(projects.has_direnv());
    let mut typists: Vec<_> =
        whose[..with_direnv].iter().map(|whose| bench.typist(*whose, None)).collect();
    for typist in &mut typists {
        typist.enter(&cd(&projects.entered(NAME)));
    }
    let mut hello = projects.command(hello, &projects.outside());
    hello.stdout(Stdio::null());
    let mut cases: Vec<Box<dyn FnMut() -> Duration>> =
        vec![Box::new(|| time(|| assert!(hello.status().unwrap().success())))];
    for typist in &mut typists {
        cases.push(Box::new(|| typist.enter("")));
    }
    let best = fastest(ROUNDS, &mut cases);
    let unit = best[0].as_secs_f64();
    let adds = |at: usize| {
        let time = best.get(at)?.as_secs_f64() - best[1].as_secs_f64();
        Some((time / unit).max(0.0))
    };
    let what = format!("a steady prompt in {}, what the hook adds", bench.shell.name);
    report.row(&what, &[adds(2), adds(3)]);
}
