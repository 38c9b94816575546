//! Laws of what is unlocked, over made-up times and scopes. Memory and the ends of processes
//! are the kernel's.

use std::process::{Child, Command, Stdio};

use super::*;
use crate::names::VarName;
use crate::session::scope::tree_scope;
use crate::sys::processes::Process;

const TTY: u64 = 0x8803;
const MOST: usize = 100;

/// Every process is a child of the shell 100, but for the shells themselves.
struct Shells {
    /// Changed by exec.
    image: u64,
}

impl Kernel for Shells {
    fn process(&self, pid: i32) -> Option<Process> {
        let shell = pid - pid % 100;
        Some(Process {
            pid,
            name: "x".to_owned(),
            parent: if pid == shell { 0 } else { shell },
            session: shell,
            terminal: TTY + u64::try_from(shell).unwrap(),
            start: u64::try_from(pid).unwrap(),
            has_execed: true,
            image: [if pid == shell { self.image } else { 1 }; 3],
        })
    }

    fn user(&self, _: i32) -> Option<u32> {
        Some(1000)
    }

    fn program(&self, _: i32) -> Option<(u64, u64)> {
        Some((1, 2))
    }

    fn adopts(&self, pid: i32) -> bool {
        pid == 1
    }
}

fn process(pid: i32) -> Process {
    Shells { image: 5 }.process(pid).unwrap()
}

/// The process `pid`: it was typed at the shell that its hundreds name.
fn client(pid: i32) -> Client<'static> {
    Client::new(&Shells { image: 5 }, process(pid))
}

fn shell(pid: i32) -> Scope {
    client(pid).shell().unwrap().clone()
}

fn terminal(pid: i32) -> Scope {
    client(pid).terminal().unwrap().clone()
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A group; the last letter of its state is the name's.
fn wanted(group: &str, state: u8) -> Wanted {
    Wanted { group: GroupName::parse(group).unwrap(), source: [7; 16], state: [state; 16] }
}

/// What may be changed of a [`New`] is what tests change.
fn new(scope: Scope, wanted: Wanted, value: &str) -> New {
    let mut values = Locked::new(value.len()).unwrap();
    values.bytes_mut().copy_from_slice(value.as_bytes());
    let vars = vec![(VarName::parse("A").unwrap(), u32::try_from(value.len()).unwrap())];
    let session = scope.root().pid - scope.root().pid % 100;
    let exit = Exit::of(own_pid()).unwrap();
    New { scope, session, wanted, vars, values, idle: secs(10), max: secs(100), exit }
}

fn own_pid() -> i32 {
    i32::try_from(std::process::id()).unwrap()
}

/// A table in which the shell 100 has `dev`, put there at 1000 s.
fn with_dev() -> Table {
    let mut table = Table::new(MOST);
    table.put(new(shell(101), wanted("dev", 1), "value"), secs(1000));
    table
}

fn get(table: &mut Table, pid: i32, wanted: &Wanted, now: Duration) -> Option<String> {
    table.expire(now);
    let id = table.find(&client(pid), wanted, Whose::Terminal, now)?;
    let values = table.values(id, now)?;
    Some(String::from_utf8(values.to_vec()).unwrap())
}

fn get_dev(table: &mut Table, pid: i32, now: Duration) -> Option<String> {
    get(table, pid, &wanted("dev", 1), now)
}

#[test]
fn what_was_put_is_found_by_the_same_shell_and_nobody_else() {
    let mut table = with_dev();
    let now = secs(1001);
    assert_eq!(get_dev(&mut table, 101, now).as_deref(), Some("value"));
    assert_eq!(get_dev(&mut table, 150, now).as_deref(), Some("value"));
    assert_eq!(get_dev(&mut table, 201, now), None, "another shell");
    assert_eq!(get_dev(&mut table, 100, now), None, "the shell itself was typed nowhere");
    assert_eq!(table.entries().len(), 1, "strangers change nothing");
    let id = table.find(&client(101), &wanted("dev", 1), Whose::Terminal, now).unwrap();
    let (group, vars) = table.vars(id).unwrap();
    assert_eq!((group.as_str(), vars.len()), ("dev", 1));
    assert!(table.vars(id + 1).is_none() && table.values(id + 1, now).is_none());
}

/// A reply needs the group's name, source and state, all three, to the letter.
#[test]
fn t_g14_only_exactly_what_is_asked_for_is_found() {
    let mut table = with_dev();
    table.put(new(shell(101), wanted("prod", 1), "other"), secs(1000));
    let now = secs(1001);
    let dev = wanted("dev", 1);
    for wrong in [
        wanted("dEv", 1),
        wanted("de", 1),
        Wanted { source: [8; 16], ..dev.clone() },
        Wanted { source: [0; 16], state: [0; 16], ..dev.clone() },
    ] {
        assert_eq!(get(&mut table, 101, &wrong, now), None, "{wrong:?}");
    }
    assert_eq!(get(&mut table, 101, &dev, now).as_deref(), Some("value"));
    assert_eq!(get(&mut table, 101, &wanted("prod", 1), now).as_deref(), Some("other"));
}

#[test]
fn t_h7_idle_and_absolute_deadline_end_it_at_the_moment() {
    let before = |moment: Duration| moment.saturating_sub(Duration::from_nanos(1));
    let mut table = with_dev();
    assert!(get_dev(&mut table, 101, before(secs(1010))).is_some());
    assert_eq!(get_dev(&mut table, 101, secs(1010)), None);
    assert!(table.entries().is_empty(), "it is wiped, not hidden");

    // Also if nobody has looked yet whether it is over.
    let mut table = with_dev();
    assert_eq!(table.find(&client(101), &wanted("dev", 1), Whose::Terminal, secs(1010)), None);

    // Used all the time.
    let mut table = with_dev();
    for second in 1001..1100 {
        let id =
            table.find(&client(101), &wanted("dev", 1), Whose::Terminal, secs(second)).unwrap();
        table.touch(id, secs(second));
    }
    assert!(get_dev(&mut table, 101, before(secs(1100))).is_some());
    let id = table.find(&client(101), &wanted("dev", 1), Whose::Terminal, secs(1099)).unwrap();
    assert_eq!(table.values(id, secs(1100)), None, "found in time is not read in time");
    assert_eq!(table.next_deadline(), Some(secs(1100)));
    assert_eq!(get_dev(&mut table, 101, secs(1100)), None);
}

#[test]
fn t_h7_what_a_client_wishes_is_bounded() {
    let mut table = Table::new(MOST);
    let day = secs(24 * 60 * 60);
    for (idle, max) in [(Duration::MAX, Duration::MAX), (day, day), (Duration::ZERO, day)] {
        let mut table = Table::new(MOST);
        let new = New { idle, max, ..new(shell(101), wanted("dev", 1), "value") };
        table.put(new, secs(1000));
        let end = secs(1000) + LONGEST.min(idle);
        assert_eq!(table.next_deadline(), Some(end), "{idle:?} {max:?}");
        assert_eq!(get_dev(&mut table, 101, end), None);
    }
    // At the end of time too.
    table.put(new(shell(101), wanted("dev", 1), "value"), Duration::MAX);
    assert_eq!(get_dev(&mut table, 101, Duration::MAX), None);
}

#[test]
fn t_h8_looking_keeps_nothing_alive() {
    let mut table = with_dev();
    for second in 1000..1010 {
        let now = secs(second);
        assert!(get_dev(&mut table, 101, now).is_some(), "{second}");
        assert_eq!(table.unlocked(&client(101), now).len(), 1);
        assert!(!table.is_granted(&client(101)));
        table.expire(now);
    }
    assert_eq!(get_dev(&mut table, 101, secs(1010)), None);
    // Use does, from the moment of use on.
    let mut table = with_dev();
    let id = table.find(&client(101), &wanted("dev", 1), Whose::Terminal, secs(1005)).unwrap();
    table.touch(id, secs(1005));
    assert_eq!(table.next_deadline(), Some(secs(1015)));
    table.touch(id + 1, secs(9999));
    assert_eq!(table.next_deadline(), Some(secs(1015)));
}

#[test]
fn t_h11_a_group_whose_secrets_have_changed_is_forgotten() {
    let mut table = with_dev();
    table.put(new(shell(201), wanted("dev", 1), "there"), secs(1000));
    table.put(new(shell(101), wanted("prod", 1), "other"), secs(1000));
    let now = secs(1001);
    assert_eq!(get(&mut table, 101, &wanted("dev", 2), now), None);
    assert_eq!(get_dev(&mut table, 101, now), None, "the old state is no longer there");
    assert_eq!(get_dev(&mut table, 201, now).as_deref(), Some("there"), "where nobody has asked");
    assert_eq!(get(&mut table, 101, &wanted("prod", 1), now).as_deref(), Some("other"));
    // A stranger's newer state changes nothing here.
    assert_eq!(get(&mut table, 301, &wanted("prod", 2), now), None);
    assert_eq!(get(&mut table, 101, &wanted("prod", 1), now).as_deref(), Some("other"));
}

#[test]
fn what_is_put_again_takes_the_place_of_the_old() {
    let mut table = with_dev();
    table.put(new(shell(101), wanted("dev", 1), "newer"), secs(1002));
    assert_eq!(table.entries().len(), 1);
    assert_eq!(get_dev(&mut table, 101, secs(1011)).as_deref(), Some("newer"));
    // In another state, too; but of another source, or for another scope, it is another one.
    table.put(new(shell(101), wanted("dev", 2), "second"), secs(1002));
    assert_eq!(table.entries().len(), 1);
    let source = Wanted { source: [9; 16], ..wanted("dev", 2) };
    table.put(new(shell(101), source, "project"), secs(1002));
    table.put(new(tree_scope_of(101), wanted("dev", 2), "tree"), secs(1002));
    table.put(new(terminal(101), wanted("dev", 2), "terminal"), secs(1002));
    table.put(new(shell(201), wanted("dev", 2), "elsewhere"), secs(1002));
    assert_eq!(table.entries().len(), 5);
}

/// Two clients that found nothing both ask, and both leave what they got; a third one is being
/// served meanwhile.
#[test]
fn what_is_put_again_unchanged_stays_for_those_who_are_being_served() {
    let mut table = with_dev();
    let id = table.find(&client(101), &wanted("dev", 1), Whose::Terminal, secs(1001)).unwrap();
    let again = New { idle: secs(20), max: secs(30), ..new(shell(101), wanted("dev", 1), "value") };
    table.put(again, secs(1002));
    assert_eq!(table.values(id, secs(1021)), Some(&b"value"[..]), "it counts from then on");
    assert_eq!(table.next_deadline(), Some(secs(1022)));
    table.touch(id, secs(1021));
    assert_eq!(table.next_deadline(), Some(secs(1032)));
    assert_eq!(table.entries().len(), 1);
    for other in ["VALUE", "valu", "value2"] {
        table.put(new(shell(101), wanted("dev", 1), other), secs(1002));
        assert_eq!(table.values(id, secs(1003)), None, "{other}");
        assert_eq!(get_dev(&mut table, 101, secs(1003)).as_deref(), Some(other));
    }
}

fn tree_scope_of(pid: i32) -> Scope {
    tree_scope(&process(pid))
}

#[test]
fn t_h12_what_is_locked_is_gone_also_for_those_who_were_being_served() {
    let mut table = with_dev();
    table.put(new(shell(201), wanted("dev", 1), "there"), secs(1000));
    table.put(new(tree_scope_of(102), wanted("dev", 1), "tree"), secs(1000));
    let (now, dev) = (secs(1001), wanted("dev", 1));
    let own = table.find(&client(101), &dev, Whose::Terminal, now).unwrap();
    let other = table.find(&client(201), &dev, Whose::Terminal, now).unwrap();
    // What was granted in this session goes with it.
    assert_eq!(table.lock(&client(105)), 2);
    assert_eq!(table.values(own, now), None);
    assert!(table.values(other, now).is_some());
    assert_eq!(table.lock(&client(105)), 0);
    assert_eq!(table.lock_all(), 1);
    assert_eq!(table.values(other, now), None);
    assert_eq!(table.lock_all(), 0);
    // An id never comes again.
    table.put(new(shell(201), wanted("dev", 1), "there"), secs(1000));
    assert_eq!(table.values(other, now), None);
}

/// A child that does nothing until it is killed.
struct Sleeper(Child);

impl Sleeper {
    fn new() -> Self {
        let sleep = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn();
        Self(sleep.unwrap())
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn t_h6_what_belonged_to_a_process_ends_with_it() {
    let mut table = with_dev();
    let sleeper = Sleeper::new();
    let exit = Exit::of(sleeper.pid()).unwrap();
    table.put(New { exit, ..new(shell(201), wanted("dev", 1), "there") }, secs(1000));
    let now = secs(1001);
    assert!(get_dev(&mut table, 201, now).is_some());
    drop(sleeper);
    table.expire(now);
    assert_eq!(get_dev(&mut table, 201, now), None);
    assert!(get_dev(&mut table, 101, now).is_some());
}

#[test]
fn t_h5_a_shell_that_has_become_another_program_has_nothing_left() {
    let mut table = with_dev();
    table.put(new(tree_scope_of(102), wanted("dev", 1), "tree"), secs(1000));
    let now = secs(1001);
    let after = Client::new(&Shells { image: 6 }, process(101));
    assert_eq!(table.find(&after, &wanted("other", 1), Whose::Terminal, now), None);
    assert_eq!(table.entries().len(), 1, "it is wiped, whatever was asked for");
    assert_eq!(get_dev(&mut table, 101, now), None, "also for the old program, were it back");
    // A tree stays, whatever its root runs.
    assert_eq!(get_dev(&mut table, 102, now).as_deref(), Some("tree"));
}

#[test]
fn a_tree_is_used_by_its_root_and_what_that_has_started() {
    let mut table = Table::new(MOST);
    // Here everything of a hundred is a child of its shell.
    table.put(new(tree_scope_of(200), wanted("dev", 1), "tree"), secs(1000));
    let now = secs(1001);
    for (pid, want) in [(200, true), (201, true), (299, true), (100, false), (301, false)] {
        assert_eq!(get_dev(&mut table, pid, now).is_some(), want, "{pid}");
    }
}

/// A group without variables, as marks are made of.
fn empty(scope: Scope) -> New {
    New { vars: Vec::new(), idle: secs(1), max: secs(1), ..new(scope, wanted("dev", 0), "") }
}

#[test]
fn a_tree_that_is_marked_stays_so_until_its_process_ends() {
    let mut table = Table::new(MOST);
    let sleeper = Sleeper::new();
    let exit = Exit::of(sleeper.pid()).unwrap();
    table.put(New { exit, ..empty(tree_scope_of(200)) }, secs(1000));
    let is_marked = |table: &Table| {
        [200, 201, 101, 301].map(|pid| table.is_granted(&client(pid))) == [true, true, false, false]
    };
    // Nobody has typed this one: it may be what the tree has left behind.
    let orphan = |table: &Table| table.is_granted(&client(100));
    assert!(orphan(&table));
    assert!(is_marked(&table));
    assert_eq!((table.len(), table.unlocked(&client(201), secs(1000)).len()), (0, 0));
    table.expire(secs(999_999));
    assert_eq!((table.lock(&client(201)), table.lock_all()), (0, 0));
    assert!(is_marked(&table));
    // Once is enough, whatever it is called.
    let exit = Exit::of(sleeper.pid()).unwrap();
    let again = New { wanted: wanted("other", 0), exit, ..empty(tree_scope_of(200)) };
    table.put(again, secs(1000));
    assert!(is_marked(&table) && table.entries().len() == 1);
    // What is granted to a tree does not take its place, though it be called the same.
    let exit = Exit::of(sleeper.pid()).unwrap();
    let granted = New { exit, ..new(tree_scope_of(200), wanted("other", 0), "value") };
    table.put(granted, secs(1000));
    assert!(is_marked(&table));
    assert_eq!((table.entries().len(), table.len()), (2, 1));
    drop(sleeper);
    table.expire(secs(1000));
    assert!(!table.is_granted(&client(200)) && table.entries().is_empty());
}

/// A person may unlock a group that has no variables, alone or with others.
#[test]
fn an_empty_group_of_a_shell_or_a_terminal_marks_nothing() {
    for scope in [shell(101), terminal(101)] {
        let mut table = Table::new(MOST);
        table.put(empty(scope), secs(1000));
        assert!(!table.is_granted(&client(101)));
        assert_eq!(get(&mut table, 101, &wanted("dev", 0), secs(1000)).as_deref(), Some(""));
        assert_eq!((table.len(), table.lock(&client(102))), (1, 1));
        table.put(empty(shell(101)), secs(1000));
        table.expire(secs(1001));
        assert!(table.entries().is_empty());
    }
}

#[test]
fn names_are_told_to_nobody_else() {
    let mut table = with_dev();
    table.put(new(tree_scope_of(150), wanted("granted", 1), "tree"), secs(1000));
    table.put(new(terminal(201), wanted("dev2", 1), "there"), secs(1000));
    let now = secs(1004);
    let told = |pid| {
        let unlocked = table.unlocked(&client(pid), now);
        unlocked.into_iter().map(|known| (known.group.to_string(), known.root)).collect::<Vec<_>>()
    };
    // The shell that granted it sees it; another tree of the same session uses it not.
    assert_eq!(told(101), [("dev".to_owned(), 100), ("granted".to_owned(), 150)]);
    assert_eq!(told(201), [("dev2".to_owned(), 200)]);
    assert_eq!(told(301), []);
    let dev = table.unlocked(&client(101), now).remove(0);
    assert_eq!(
        (dev.idle, dev.max, dev.whose),
        (secs(6), secs(96), super::super::wire::Whose::Shell)
    );
}

/// Whose session nobody sees has none in common with anybody.
#[test]
fn sessions_that_cannot_be_seen_are_not_one() {
    let mut table = Table::new(MOST);
    let grant = new(tree_scope_of(150), wanted("granted", 1), "tree");
    table.put(New { session: 0, ..grant }, secs(1000));
    let process = Process { session: 0, ..process(301) };
    let stranger = Client::new(&Shells { image: 5 }, process);
    assert_eq!(table.unlocked(&stranger, secs(1001)).len(), 0);
}

/// What is left for the whole terminal is not what was typed at the shell.
#[test]
fn a_request_gets_nothing_from_beyond_what_it_is_within() {
    let wanted = wanted("dev", 1);
    for (scope, counts) in [
        (shell(101), [true, true, false]),
        (terminal(101), [false, true, false]),
        (tree_scope_of(100), [true, true, true]),
    ] {
        let mut table = Table::new(MOST);
        table.put(new(scope.clone(), wanted.clone(), "12345"), secs(1000));
        let within = [Whose::Shell, Whose::Terminal, Whose::Tree];
        let found =
            within.map(|within| table.find(&client(101), &wanted, within, secs(1001)).is_some());
        assert_eq!(found, counts, "{scope:?}");
    }
}

#[test]
fn room_is_what_is_not_held() {
    let mut table = Table::new(MOST);
    assert!(table.has_room(LARGEST) && !table.has_room(LARGEST + 1) && !table.has_room(usize::MAX));
    table.put(new(shell(101), wanted("dev", 1), "12345"), secs(1000));
    let rest = LARGEST - NAME - 5;
    assert!(table.has_room(rest) && !table.has_room(rest + 1));
    table.lock_all();
    assert!(table.has_room(LARGEST));
    // Each takes a descriptor, however little it holds.
    for number in 0..MOST {
        assert!(table.has_room(0), "{number}");
        table.put(new(shell(101), wanted(&format!("g{number}"), 1), ""), secs(1000));
    }
    assert!(!table.has_room(0));
    table.expire(secs(1010));
    assert!(table.has_room(LARGEST));
}
