//! The rule of whose a request is, over made-up processes.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::*;

/// The terminal of nearly everything here.
const TTY: u64 = 0x8803;
/// A person, and somebody else.
const ME: u32 = 1000;
const ROOT: u32 = 0;

/// Processes by id, each with its user. None is ever gone but those that are taken out.
#[derive(Clone, Default)]
struct Fake {
    processes: BTreeMap<i32, (Process, u32)>,
    /// This process is another one from the second look on.
    changes: Cell<Option<(i32, u32)>>,
    changed: Option<Process>,
}

impl Kernel for Fake {
    fn process(&self, pid: i32) -> Option<Process> {
        if let Some((which, looks)) = self.changes.get()
            && which == pid
        {
            self.changes.set(Some((which, looks.saturating_sub(1))));
            if looks == 0 {
                return self.changed.clone();
            }
        }
        self.processes.get(&pid).map(|(process, _)| process.clone())
    }

    fn user(&self, pid: i32) -> Option<u32> {
        self.processes.get(&pid).map(|(_, user)| *user)
    }

    fn program(&self, pid: i32) -> Option<(u64, u64)> {
        let (process, _) = self.processes.get(&pid)?;
        Some((8, process.name.bytes().map(u64::from).sum()))
    }

    fn adopts(&self, pid: i32) -> bool {
        pid == 1
    }
}

impl Fake {
    fn get(&self, pid: i32) -> &Process {
        &self.processes[&pid].0
    }

    fn change(&mut self, pid: i32, change: impl FnOnce(&mut Process)) {
        change(&mut self.processes.get_mut(&pid).unwrap().0);
    }

    fn shell_of(&self, client: i32) -> Option<i32> {
        shell(self, self.get(client)).map(|shell| shell.pid)
    }
}

/// Builds processes from a chain: the first is started by process 1, each next by the one before
/// it. A word is the program; `+` after it begins a session, `-` has no terminal, `!` is root's,
/// `(fork)` has not called exec.
fn chain(words: &str) -> Fake {
    let mut fake = Fake::default();
    let init = process(1, 0, "init", 1);
    fake.processes.insert(1, (Process { terminal: 0, ..init }, ROOT));
    let mut above = fake.get(1).clone();
    for (word, pid) in words.split(' ').zip(100..) {
        let mut own = process(pid, above.pid, word, above.session);
        own.terminal = above.terminal;
        if word.contains('+') {
            (own.session, own.terminal) = (pid, TTY);
        }
        if word.contains('-') {
            own.terminal = 0;
        }
        own.has_execed = !word.starts_with("(fork)");
        let user = if word.contains('!') { ROOT } else { ME };
        fake.processes.insert(pid, (own.clone(), user));
        above = own;
    }
    fake
}

fn process(pid: i32, parent: i32, name: &str, session: i32) -> Process {
    Process {
        pid,
        name: name.to_owned(),
        parent,
        session,
        terminal: TTY,
        start: u64::try_from(pid).unwrap(),
        has_execed: true,
        image: [u64::try_from(pid).unwrap(); 3],
    }
}

/// The last of a chain is the client; the number is the place of the shell in it.
#[test]
fn t_h3_the_shell_is_the_first_ancestor_that_is_a_program_of_its_own() {
    for (words, want) in [
        ("term-+ bash+ mima", Some(1)),
        // Subshells, functions, $(…), pipes.
        ("bash+ (fork) mima", Some(0)),
        ("bash+ (fork) (fork) (fork) mima", Some(0)),
        ("bash+ zsh mima", Some(1)),
        // What another program starts is that program's.
        ("bash+ npm sh mima", Some(2)),
        ("bash+ make mima", Some(1)),
        ("bash+ make (fork) mima", Some(1)),
        ("sshd! bash+ mima", Some(1)),
        ("sshd!+ su! bash mima", Some(2)),
        // In another session than the shell, on no terminal, or on another one.
        ("bash+ mima+", None),
        ("bash+ setsid+ mima", Some(1)),
        ("cron- mima-", None),
        ("bash+- mima-", None),
        ("bash+ mima-", None),
        ("bash+- mima", None),
        // init itself, which starts nothing that is typed.
        ("mima", None),
        ("(fork) mima", None),
    ] {
        let fake = chain(words);
        let client = 99 + i32::try_from(words.split(' ').count()).unwrap();
        assert_eq!(fake.shell_of(client), want.map(|at: i32| 100 + at), "{words}");
        let scope = shell_scope(&fake, fake.get(client));
        let root = scope.as_ref().map(|scope| scope.root().pid);
        assert_eq!(root, want.map(|at| 100 + at), "{words}");
        assert!(scope.is_none_or(|scope| scope.whose() == Whose::Shell), "{words}");
    }
}

#[test]
fn t_h1_another_terminal_or_session_is_nobodys() {
    let mut fake = chain("bash+ mima");
    fake.change(101, |mima| mima.terminal = TTY + 1);
    assert_eq!(fake.shell_of(101), None);
    assert_eq!(terminal_scope(&fake, fake.get(101)), None);
    let mut fake = chain("bash+ mima");
    fake.change(101, |mima| mima.session = 1);
    assert_eq!(fake.shell_of(101), None);
    assert_eq!(terminal_scope(&fake, fake.get(101)), None);
}

/// Under `docker exec` the leader of the session is outside, and its id is 0 in here.
#[test]
fn a_session_whose_leader_cannot_be_seen_keeps_nothing_by_itself() {
    let mut fake = chain("bash+ mima");
    for pid in [100, 101] {
        fake.change(pid, |process| process.session = 0);
    }
    fake.change(100, |bash| bash.parent = 0);
    assert_eq!(fake.shell_of(101), Some(100), "it can be unlocked by name");
    assert!(!keeps_by_itself(&fake, fake.get(100)));
    assert_eq!(terminal_scope(&fake, fake.get(101)), None);
    assert_eq!(ancestors(&fake, fake.get(101)).found.len(), 2);
}

/// The first process of a container gets what programs leave behind.
#[test]
fn t_h3_a_shell_that_adopts_orphans_is_none() {
    let mut fake = Fake::default();
    fake.processes.insert(1, (process(1, 0, "bash", 1), ME));
    fake.processes.insert(100, (process(100, 1, "mima", 1), ME));
    assert_eq!(shell(&fake, fake.get(100)), None);
    assert_eq!(shell_scope(&fake, fake.get(100)), None);
}

#[test]
fn t_h3_only_a_shell_that_a_person_started_keeps_by_itself() {
    for (words, want) in [
        ("bash+ mima", true),
        // login, su and sudo act as another user, and lead the session.
        ("login!+ bash mima", true),
        ("login!+ su! bash mima", true),
        ("sudo!+ (fork)! bash mima", true),
        // A shell in a shell, or that another program has started in the session.
        ("bash+ zsh mima", false),
        ("bash+ su! bash mima", false),
        ("login!+ bash zsh mima", false),
        ("login!+ tmux bash mima", false),
        ("bash+ npm sh mima", false),
    ] {
        let fake = chain(words);
        let client = 99 + i32::try_from(words.split(' ').count()).unwrap();
        let shell = shell(&fake, fake.get(client)).unwrap();
        assert_eq!(keeps_by_itself(&fake, &shell), want, "{words}");
    }
    // Above it the session ends without its leader.
    let mut fake = chain("login!+ bash mima");
    fake.change(100, |login| login.session = 1);
    assert!(!keeps_by_itself(&fake, fake.get(101)));
    // Nobody knows whose they are.
    for gone in [100, 101] {
        let mut fake = chain("login!+ bash mima");
        let bash = fake.get(101).clone();
        fake.processes.remove(&gone);
        assert!(!keeps_by_itself(&fake, &bash), "{gone}");
    }
}

#[test]
fn t_h5_a_parent_is_no_younger_than_its_child() {
    for (start, want) in [(99, Some(100)), (101, Some(100)), (102, None), (u64::MAX, None)] {
        let mut fake = chain("bash+ mima");
        fake.change(100, |bash| bash.start = start);
        assert_eq!(fake.shell_of(101), want, "{start}");
        let found = ancestors(&fake, fake.get(101)).found;
        assert_eq!(found.iter().any(|known| known.pid == 100), want.is_some(), "{start}");
    }
    // Further up as well.
    let mut fake = chain("bash+ (fork) mima");
    fake.change(100, |bash| bash.start = 102);
    assert_eq!(fake.shell_of(102), None);
    assert!(!keeps_by_itself(&fake, fake.get(101)));
}

/// While its parent is looked at, a child may get another one, or be another process itself.
#[test]
fn t_h5_a_child_is_looked_at_again() {
    let fake = chain("bash+ (fork) mima");
    let fork = fake.get(101).clone();
    for changed in [
        Some(Process { parent: 1, ..fork.clone() }),
        Some(Process { start: fork.start + 1, ..fork.clone() }),
        None,
    ] {
        let mut fake = fake.clone();
        // The first look finds it as a parent, the second one as a child.
        fake.changes.set(Some((101, 1)));
        fake.changed = changed.clone();
        assert_eq!(fake.shell_of(102), None, "{changed:?}");
        fake.changes.set(Some((101, 1)));
        assert_eq!(ancestors(&fake, fake.get(102)).found.len(), 2, "{changed:?}");
        fake.changes.set(Some((101, 9)));
        assert_eq!(fake.shell_of(102), Some(100));
    }
}

#[test]
fn a_walk_ends_after_64_ancestors_and_in_a_circle() {
    let forks = |count: usize| format!("bash+{} mima", " (fork)".repeat(count));
    let last = |count: usize| 101 + i32::try_from(count).unwrap();
    assert_eq!(chain(&forks(63)).shell_of(last(63)), Some(100));
    assert_eq!(chain(&forks(64)).shell_of(last(64)), None);
    assert_eq!(chain(&forks(5000)).shell_of(last(5000)), None);
    let fake = chain(&forks(5000));
    assert_eq!(ancestors(&fake, fake.get(last(5000))).found.len(), 65);

    // Parents of each other, which no kernel tells of.
    let mut fake = chain("(fork) (fork) mima");
    fake.change(100, |first| (first.parent, first.start, first.session) = (101, 5, 7));
    fake.change(101, |second| (second.start, second.session) = (5, 7));
    assert_eq!(fake.shell_of(102), None);
    assert_eq!(ancestors(&fake, fake.get(102)).found.len(), 65);
    assert!(!keeps_by_itself(&fake, fake.get(101)));
    // Its own.
    fake.change(101, |own| own.parent = 101);
    assert_eq!(fake.shell_of(102), None);
    assert_eq!(ancestors(&fake, fake.get(102)).found.len(), 2);
}

/// What cannot be told apart from its next self is nobody's.
#[test]
fn a_shell_that_hides_its_image_has_no_scope() {
    let mut fake = chain("bash+ mima");
    fake.change(100, |bash| bash.image = [0; 3]);
    assert_eq!(fake.shell_of(101), Some(100));
    assert_eq!(shell_scope(&fake, fake.get(101)), None);
}

#[test]
fn t_h5_a_scope_is_of_one_program_in_one_process_on_one_terminal() {
    let fake = chain("bash+ mima");
    let scope = |fake: &Fake| shell_scope(fake, fake.get(101)).unwrap();
    let own = scope(&fake);
    assert_eq!(own, scope(&fake));
    let changes: [fn(&mut Process); 6] = [
        |bash| bash.start -= 1,
        |bash| bash.image[0] += 1,
        |bash| bash.image[1] += 1,
        |bash| bash.image[2] += 1,
        |bash| bash.name = "zsh".to_owned(),
        |bash| bash.image[0] = 0,
    ];
    for (change, at) in changes.into_iter().zip(0..) {
        let mut other = fake.clone();
        other.change(100, change);
        assert_ne!(own, scope(&other), "{at}");
        let is_same = own.root().is_same_process(scope(&other).root());
        assert_eq!(is_same, at != 0, "{at}");
    }
    let mut other = fake.clone();
    for pid in [100, 101] {
        other.change(pid, |process| process.terminal += 1);
    }
    assert_ne!(own, scope(&other));
    // A scope is never one of another kind, though the process be the same.
    let terminal = terminal_scope(&fake, fake.get(101)).unwrap();
    assert_ne!(own, terminal);
    assert_ne!(tree_scope(fake.get(100)), terminal);
    assert!(tree_scope(fake.get(100)).root().is_same_process(terminal.root()));
}

#[test]
fn a_terminal_is_the_sessions_whatever_stands_between() {
    for words in ["bash+ mima", "bash+ npm sh mima", "bash+ (fork) zsh mima", "login!+ bash mima"] {
        let fake = chain(words);
        let client = 99 + i32::try_from(words.split(' ').count()).unwrap();
        let scope = terminal_scope(&fake, fake.get(client)).unwrap();
        assert_eq!((scope.root().pid, scope.whose()), (100, Whose::Terminal), "{words}");
    }
    for words in ["bash+ mima-", "bash+- mima", "cron- mima", "bash+ mima+-"] {
        let fake = chain(words);
        assert_eq!(terminal_scope(&fake, fake.get(101)), None, "{words}");
    }
    // The leader is gone, and another process has its id.
    let mut fake = chain("bash+ sh mima");
    fake.change(100, |other| other.session = 7);
    assert_eq!(terminal_scope(&fake, fake.get(102)), None);
    fake.processes.remove(&100);
    assert_eq!(terminal_scope(&fake, fake.get(102)), None);
}

#[test]
fn a_tree_is_of_a_process_whatever_it_becomes() {
    let mut fake = chain("bash+ mima sh node mima");
    let Scope::Tree(root) = tree_scope(fake.get(101)) else { panic!("no tree") };
    fake.change(101, |mima| {
        mima.image = [7; 3];
        mima.name = "claude".to_owned();
    });
    let found = ancestors(&fake, fake.get(104)).found;
    assert_eq!(
        found.iter().map(|known| known.pid).collect::<Vec<_>>(),
        [104, 103, 102, 101, 100, 1]
    );
    assert!(found.iter().any(|known| known.is_same_process(&root)));
    // A later process of the same id is another one.
    fake.change(101, |other| other.start -= 1);
    let found = ancestors(&fake, fake.get(104)).found;
    assert!(!found.iter().any(|known| known.is_same_process(&root)));
    // An orphan is init's.
    fake.change(103, |node| node.parent = 1);
    let found = ancestors(&fake, fake.get(104)).found;
    assert_eq!(found.iter().map(|known| known.pid).collect::<Vec<_>>(), [104, 103, 1]);
}

#[test]
fn t_g11_a_client_is_the_same_only_while_it_runs_the_same_program() {
    let before = process(7, 1, "mima", 7);
    let with = |change: fn(&mut Process)| {
        let mut now = before.clone();
        change(&mut now);
        is_unchanged(&before, &now)
    };
    assert!(with(|_| ()));
    assert!(with(|now| (now.parent, now.name) = (2, "other".to_owned())));
    assert!(with(|now| now.image = [0; 3]), "it hides itself, which exec undoes");
    assert!(!with(|now| now.image[0] += 1));
    assert!(!with(|now| now.image[1] = 0));
    assert!(!with(|now| now.image[2] += 1));
    assert!(!with(|now| now.start += 1));
    assert!(!with(|now| now.pid += 1));
    // Hidden before, and seen now: by exec, for all that one can tell.
    let hidden = Process { image: [0; 3], ..before.clone() };
    assert!(!is_unchanged(&hidden, &before));
    assert!(is_unchanged(&hidden, &hidden));
}
