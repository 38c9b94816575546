//! A shell in miniature, and walks through projects in it.

use proptest::prelude::*;

use super::*;

/// What a shell knows: its exported variables, what mima had it remember, and mima's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Shell {
    vars: Vars,
    was: BTreeMap<VarName, OsString>,
    state: Option<State>,
}

impl Shell {
    /// Does what the statements of `mima export` make a shell do.
    fn load(&mut self, plan: Plan) {
        let before = Before::new(self.vars.clone(), self.state.clone(), &self.was);
        let (changes, state) = plan.changes(&before);
        for Change { name, to, memory } in changes {
            let key = OsString::from(name.as_str());
            let value = to.map(|value| OsString::from_vec(value.expose().to_vec()));
            match memory {
                Memory::SaveAnew { .. } | Memory::Save { .. } => {
                    if matches!(memory, Memory::SaveAnew { .. }) {
                        self.was.remove(&name);
                    }
                    if let Some(now) = self.vars.get(&key) {
                        self.was.entry(name.clone()).or_insert_with(|| now.clone());
                    }
                }
                Memory::Restore { .. } => {
                    match self.was.remove(&name) {
                        Some(old) => self.vars.insert(key, old),
                        None => self.vars.remove(&key),
                    };
                    continue;
                }
                Memory::Forget => {
                    self.was.remove(&name);
                    continue;
                }
                Memory::Keep => {}
            }
            match value {
                Some(value) => self.vars.insert(key, value),
                None => self.vars.remove(&key),
            };
        }
        self.state = Some(state);
    }
}

const NAMES: [&str; 4] = ["A", "B", "MANPATH", "PATH"];
const VALUES: [&str; 5] = ["", "x", "/usr/bin:/bin", "/p:/q", "::"];

fn name(index: usize) -> VarName {
    VarName::parse(NAMES[index % NAMES.len()]).unwrap()
}

/// What happens in a shell: a project is entered or left, or the user changes a variable.
#[derive(Clone, Debug)]
enum Event {
    Load { vars: Vec<(usize, Option<usize>)>, lists: Vec<(usize, Vec<usize>)> },
    User { name: usize, value: Option<usize> },
}

fn plan(vars: &[(usize, Option<usize>)], lists: &[(usize, Vec<usize>)]) -> Plan {
    let mut plan = Plan::default();
    for (at, entries) in lists.iter().filter(|(_, entries)| !entries.is_empty()) {
        let entries = entries.iter().map(|entry| format!("/mima/{entry}").into()).collect();
        plan.lists.insert(name(*at), entries);
    }
    for (at, value) in vars {
        // A variable is set as a whole or added to, never both: see `flow::plan`.
        if !plan.lists.contains_key(&name(*at)) {
            let value = value.map(|value| Secret::new(VALUES[value].as_bytes().to_vec()));
            plan.vars.insert(name(*at), value);
        }
    }
    plan
}

fn events(user: bool) -> impl Strategy<Value = Vec<Event>> {
    let value = || proptest::option::of(0..VALUES.len());
    let vars = proptest::collection::vec((0..NAMES.len(), value()), 0..4);
    let lists = proptest::collection::vec(
        (0..NAMES.len(), proptest::collection::vec(0..3usize, 0..3)),
        0..3,
    );
    let load = (vars, lists).prop_map(|(vars, lists)| Event::Load { vars, lists });
    let change = (0..NAMES.len(), value()).prop_map(|(name, value)| Event::User { name, value });
    let one = if user { prop_oneof![load, change].boxed() } else { load.boxed() };
    proptest::collection::vec(one, 0..8)
}

fn shell(vars: Vec<(usize, usize)>) -> Shell {
    let entry = |(at, value): (usize, usize)| (NAMES[at].into(), VALUES[value].into());
    Shell { vars: vars.into_iter().map(entry).collect(), ..Shell::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn leaving_is_undoing(
        vars in proptest::collection::vec((0..NAMES.len(), 0..VALUES.len()), 0..4),
        events in events(false),
    ) {
        let mut shell = shell(vars);
        let outside = shell.vars.clone();
        for event in events {
            if let Event::Load { vars, lists } = event {
                shell.load(plan(&vars, &lists));
            }
        }
        shell.load(Plan::default());
        prop_assert_eq!(&shell.vars, &outside);
        prop_assert!(shell.was.is_empty());
        prop_assert_eq!(shell.state, Some(State::default()));
    }

    /// Any plan gives what it gives in an untouched shell, whatever was loaded before.
    #[test]
    fn what_was_loaded_before_does_not_matter(
        vars in proptest::collection::vec((0..NAMES.len(), 0..VALUES.len()), 0..4),
        events in events(false),
        last in events(false),
    ) {
        let mut walked = shell(vars.clone());
        for event in &events {
            if let Event::Load { vars, lists } = event {
                walked.load(plan(vars, lists));
            }
        }
        let Some(Event::Load { vars: of_last, lists }) = last.first() else { return Ok(()) };
        walked.load(plan(of_last, lists));
        let mut direct = shell(vars);
        direct.load(plan(of_last, lists));
        prop_assert_eq!(walked, direct);
    }

    /// What a user sets inside a project, to what mima did not set, is there after leaving.
    #[test]
    fn t_b12_what_the_user_sets_stays(
        vars in proptest::collection::vec((0..NAMES.len(), 0..VALUES.len()), 0..4),
        events in events(true),
    ) {
        let mut shell = shell(vars);
        for event in events {
            match event {
                Event::Load { vars, lists } => shell.load(plan(&vars, &lists)),
                Event::User { name, value: Some(value) } => {
                    shell.vars.insert(NAMES[name].into(), VALUES[value].into());
                }
                Event::User { name, value: None } => drop(shell.vars.remove(OsStr::new(NAMES[name]))),
            }
        }
        shell.vars.insert("A".into(), "the user's own".into());
        shell.vars.insert("B".into(), "too".into());
        shell.load(Plan::default());
        prop_assert_eq!(shell.vars.get(OsStr::new("A")), Some(&"the user's own".into()));
        prop_assert_eq!(shell.vars.get(OsStr::new("B")), Some(&"too".into()));
        prop_assert!(shell.was.is_empty());
    }
}

#[test]
fn entries_go_and_the_users_own_stay() {
    let mut shell = Shell::default();
    shell.vars.insert("PATH".into(), "/bin".into());
    shell.load(plan(&[], &[(3, vec![1, 2])]));
    assert_eq!(shell.vars[OsStr::new("PATH")], "/mima/1:/mima/2:/bin");
    shell.vars.insert("PATH".into(), "/mine:/mima/1:/mima/2:/bin".into());
    shell.load(Plan::default());
    assert_eq!(shell.vars[OsStr::new("PATH")], "/mine:/bin");
}
