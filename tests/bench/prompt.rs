//! What a hook adds to a prompt, in an interactive shell on a terminal.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::measure::{fastest, time};
use crate::projects::{Projects, SIZES, Whose};
use crate::pty::Pty;
use crate::report::Report;

/// How many rounds of prompts, of changes of directory, and of loops count.
const PROMPTS: u32 = 200;
const CHANGES: u32 = 25;
const LOOPS: u32 = 60;
/// How often a loop goes round.
const TURNS: u32 = 50;
/// How many prompts share the processes that are counted.
const COUNTED: u32 = 4;

/// A shell, and how it is told what is wanted.
pub(crate) struct Shell {
    /// Its name.
    pub(crate) name: &'static str,
    args: &'static [&'static str],
    /// Makes a prompt that says how many there have been: `<<7>>`.
    prompt: &'static str,
    /// Defines `hook`, which calls the hook's function over and over, and `bare`.
    loops: &'static str,
    /// What `bare` does, and how much of that the hook may take.
    bare: (&'static str, f64),
}

/// The shells that have a hook.
pub(crate) const SHELLS: [Shell; 3] = [
    Shell {
        name: "bash",
        args: &["--noprofile", "--norc", "-i"],
        prompt: BASH_PROMPT,
        loops: "hook() { for ((i = 0; i < @; i++)); do __mima_prompt; done; }
                bare() { for ((i = 0; i < @; i++)); do ( : ); done; }",
        bare: ("`( : )`", 0.5),
    },
    Shell {
        name: "zsh",
        args: &["-f"],
        prompt: "setopt prompt_subst; PS1='<''<$((++n))>>'",
        loops: "hook() { for ((i = 0; i < @; i++)); do __mima_precmd; done }
                bare() { for ((i = 0; i < @; i++)); do ( : ); done }",
        bare: ("`( : )`", 0.5),
    },
    Shell {
        name: "fish",
        args: &["--no-config"],
        prompt: "function fish_prompt; set -g n (math $n + 1); printf '<%s>>' \"<$n\"; end",
        loops: "function hook; for i in $turns; __mima_prompt; end; end
                function bare; for i in $turns; /bin/true; end; end; set -g turns (seq @)",
        bare: ("`/bin/true`", 0.35),
    },
];

/// Measures the prompts of all shells that are there, as multiples of a hello world.
pub(crate) fn measure(report: &mut Report, projects: &Projects, hello: &Path) {
    let strace = usable_strace(projects);
    let mut loops = Vec::new();
    for shell in &SHELLS {
        let Some(program) = find(shell.name) else {
            eprintln!("no {} here: its table is left out", shell.name);
            continue;
        };
        let bench = Bench { projects, shell, program, strace: strace.clone() };
        bench.table(report, hello);
        loops.push((shell, bench.loops()));
    }
    report.table(&["the hook's own time at a steady prompt", "ratio", "at most"]);
    for (shell, ratio) in loops {
        let (bare, most) = shell.bare;
        let what = format!("in {}, of {bare} there", shell.name);
        report.row(&what, &[Some(ratio), Some(most)]);
        report.limit(&format!("the hook's own time {what}"), ratio, most);
    }
}

/// One shell, with each hook in turn.
pub(crate) struct Bench<'a> {
    /// What there is to enter.
    pub(crate) projects: &'a Projects,
    /// The shell.
    pub(crate) shell: &'a Shell,
    /// Where it is.
    pub(crate) program: PathBuf,
    /// What counts its processes, if they can be counted.
    pub(crate) strace: Option<PathBuf>,
}

impl Bench<'_> {
    fn table(&self, report: &mut Report, hello: &Path) {
        let head = ["no hook", "mima adds", "processes", "direnv adds", "processes"];
        let first = format!("in {}, from Enter to the prompt", self.shell.name);
        report.table(&[&[first.as_str()], &head[..]].concat());
        let whose = [Whose::Nobody, Whose::Mima, Whose::Direnv];
        let with_direnv = 2 + usize::from(self.projects.has_direnv());
        let mut typists: Vec<_> =
            whose[..with_direnv].iter().map(|whose| self.typist(*whose, None)).collect();
        let mut hello = self.projects.command(hello, &self.projects.outside());
        hello.stdout(Stdio::null());
        let mut hello = || time(|| assert!(hello.status().unwrap().success()));

        let (deep, outside) = (self.projects.deep("50"), self.projects.outside());
        for typist in &mut typists {
            typist.enter(&cd(&deep));
        }
        let mut cases: Vec<Box<dyn FnMut() -> Duration>> = vec![Box::new(&mut hello)];
        for typist in &mut typists {
            cases.push(Box::new(|| typist.enter("")));
        }
        let steady = fastest(PROMPTS, &mut cases);
        drop(cases);
        for typist in &mut typists {
            typist.enter(&cd(&outside));
        }
        let mut unit = steady[0];
        let mut rows = Vec::new();
        let mut out = Vec::new();
        for size in SIZES {
            let inside = self.projects.entered(size);
            let mut best = vec![(Duration::MAX, Duration::MAX); typists.len()];
            for _ in 0..CHANGES {
                unit = unit.min(hello());
                for (best, typist) in best.iter_mut().zip(&mut typists) {
                    best.0 = best.0.min(typist.enter(&cd(&inside)));
                    best.1 = best.1.min(typist.enter(&cd(&outside)));
                }
            }
            rows.push((format!("`cd` in, {size} variables"), best.iter().map(|b| b.0).collect()));
            if size == "50" {
                out = best.iter().map(|best| best.1).collect::<Vec<_>>();
            }
        }
        rows.push(("`cd` out of 50 variables".to_owned(), out));
        rows.insert(0, ("a steady prompt".to_owned(), steady[1..].to_vec()));

        for (what, times) in rows {
            let times: Vec<_> =
                times.iter().map(|time| time.as_secs_f64() / unit.as_secs_f64()).collect();
            let what = what.replace("1 variables", "1 variable");
            let mut numbers = vec![Some(times[0])];
            for (i, whose) in whose.into_iter().enumerate().skip(1) {
                let processes = times.get(i).and_then(|_| self.processes(whose, &what));
                numbers.push(times.get(i).map(|time| (time - times[0]).max(0.0)));
                numbers.push(processes);
                if whose == Whose::Mima && what == "a steady prompt" {
                    let name = format!("processes at a steady prompt in {}", self.shell.name);
                    report.limit(&name, processes.unwrap_or_default(), 0.0);
                }
            }
            report.row(&what, &numbers);
        }
    }

    /// Returns the hook's own time, as a ratio.
    fn loops(&self) -> f64 {
        let mut typist = self.typist(Whose::Mima, None);
        for line in self.shell.loops.replace('@', &TURNS.to_string()).lines() {
            typist.enter(line.trim());
        }
        typist.enter(&cd(&self.projects.deep("50")));
        let mut best = [Duration::MAX; 2];
        for _ in 0..LOOPS {
            for (best, line) in best.iter_mut().zip(["hook", "bare"]) {
                *best = typist.enter(line).min(*best);
            }
        }
        best[0].as_secs_f64() / best[1].as_secs_f64()
    }

    /// Counts the processes that a hook adds to a row of the table.
    fn processes(&self, whose: Whose, what: &str) -> Option<f64> {
        let inside = cd(&self.projects.entered("50"));
        let outside = cd(&self.projects.outside());
        let (before, then, times) = match what {
            "a steady prompt" => (vec![cd(&self.projects.deep("50"))], String::new(), COUNTED),
            "`cd` in, 50 variables" => (vec![outside], inside, 1),
            "`cd` out of 50 variables" => (vec![inside], outside, 1),
            _ => return None,
        };
        let after: Vec<_> = std::iter::repeat_n(then, times.try_into().ok()?).collect();
        let all = [before.as_slice(), &after].concat();
        let count = |whose, lines: &[String]| Some(f64::from(self.count(whose, lines)?));
        let added = |whose| Some(count(whose, &all)? - count(whose, &before)?);
        Some((added(whose)? - added(Whose::Nobody)?) / f64::from(times))
    }

    /// Counts the processes of a whole session. Threads do not count.
    fn count(&self, whose: Whose, lines: &[String]) -> Option<u32> {
        let log = self.projects.root().join("strace.log");
        let mut typist = self.typist(whose, Some((self.strace.as_deref()?, &log)));
        for line in lines {
            typist.enter(line);
        }
        typist.pty.send_line("exit");
        typist.pty.wait();
        let log = String::from_utf8_lossy(&std::fs::read(&log).unwrap()).into_owned();
        let is_new = |line: &&str| {
            let call = ["clone(", "clone3(", "fork("].iter().any(|call| line.contains(call));
            call && !line.contains("CLONE_THREAD")
        };
        u32::try_from(log.lines().filter(is_new).count()).ok()
    }

    /// Starts the shell outside of all projects, with a hook, traced or not.
    pub(crate) fn typist(&self, whose: Whose, traced: Option<(&Path, &Path)>) -> Typist {
        let outside = self.projects.outside();
        let mut command = match traced {
            Some((strace, log)) => {
                let mut command = self.projects.command(strace, &outside);
                command.args(TRACE).arg("-o").arg(log).arg(&self.program);
                command
            }
            None => self.projects.command(&self.program, &outside),
        };
        command.args(self.shell.args);
        let mut typist = Typist::new(&mut command, self.shell.prompt);
        typist.enter(&self.projects.hook(whose, self.shell.name));
        typist
    }
}

/// How strace follows all that a shell starts.
const TRACE: [&str; 4] = ["-f", "-qq", "-e", "trace=?clone,?clone3,?fork,?vfork"];

/// A shell on a terminal.
pub(crate) struct Typist {
    pty: Pty,
    prompts: u32,
}

/// How bash makes a prompt that says how many there have been: `<<7>>`.
pub(crate) const BASH_PROMPT: &str = "unset HISTFILE; PS1='<''<$((++n))>>'";

impl Typist {
    /// Starts a shell, and types the line that makes its prompt.
    pub(crate) fn new(shell: &mut Command, prompt: &str) -> Self {
        let mut typist = Self { pty: Pty::spawn(shell), prompts: 0 };
        typist.enter(prompt);
        typist
    }

    /// Types a line, and returns how long it takes until the next prompt is there.
    pub(crate) fn enter(&mut self, line: &str) -> Duration {
        self.prompts += 1;
        let prompt = format!("<<{}>>", self.prompts);
        self.pty.send(line);
        time(|| {
            self.pty.send("\r");
            self.pty.expect(&prompt);
        })
    }
}

/// The line that goes to a directory.
pub(crate) fn cd(dir: &Path) -> String {
    format!("cd {}", dir.to_str().unwrap())
}

fn usable_strace(projects: &Projects) -> Option<PathBuf> {
    let strace = find("strace")?;
    let mut probe = projects.command(&strace, projects.root());
    probe.args(["-o", "/dev/null", "true"]).stderr(Stdio::null());
    if probe.status().is_ok_and(|status| status.success()) {
        return Some(strace);
    }
    eprintln!("strace may not trace here: processes are not counted");
    None
}

/// Finds a program in `PATH`.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|path| path.is_file())
}
