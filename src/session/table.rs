//! What is unlocked, for whom, and until when. Time is told to it, so that it can be tested.

use std::cell::OnceCell;
use std::time::Duration;

use super::scope::{self, Ancestors, Kernel, Scope};
use super::wire::{Unlocked, Vars, Wanted, Whose};
use crate::config::session::LONGEST;
use crate::names::GroupName;
use crate::sys::exit::Exit;
use crate::sys::memory::Locked;
use crate::sys::processes::Process;

/// How much memory the name of a variable takes, in bytes.
const NAME: usize = 96;
/// How much memory all groups may take, in bytes.
pub(super) const LARGEST: usize = 24 << 20;

/// What a client is, to the table. The kernel is asked no more than what is unlocked needs.
pub(super) struct Client<'a> {
    kernel: &'a dyn Kernel,
    /// The process.
    pub(super) process: Process,
    shell: OnceCell<Option<Scope>>,
    terminal: OnceCell<Option<Scope>>,
    ancestors: OnceCell<Ancestors>,
    is_mima: OnceCell<Option<bool>>,
}

impl<'a> Client<'a> {
    /// Takes what a process is for what it says.
    pub(super) fn new(kernel: &'a dyn Kernel, process: Process) -> Self {
        let (shell, terminal) = (OnceCell::new(), OnceCell::new());
        let (ancestors, is_mima) = (OnceCell::new(), OnceCell::new());
        Self { kernel, process, shell, terminal, ancestors, is_mima }
    }

    /// Tells whether it runs the very program that the agent runs; `None` if it may not be looked
    /// into, as mima itself while it holds secrets.
    pub(super) fn is_mima(&self) -> Option<bool> {
        *self.is_mima.get_or_init(|| {
            let own = self.kernel.program(i32::try_from(std::process::id()).ok()?)?;
            Some(self.kernel.program(self.process.pid)? == own)
        })
    }

    /// The shell it was typed at, if one can be told.
    pub(super) fn shell(&self) -> Option<&Scope> {
        self.shell.get_or_init(|| scope::shell_scope(self.kernel, &self.process)).as_ref()
    }

    /// The session and the terminal it belongs to.
    pub(super) fn terminal(&self) -> Option<&Scope> {
        self.terminal.get_or_init(|| scope::terminal_scope(self.kernel, &self.process)).as_ref()
    }

    /// Its ancestors.
    fn ancestors(&self) -> &Ancestors {
        self.ancestors.get_or_init(|| scope::ancestors(self.kernel, &self.process))
    }

    /// Tells whether what was unlocked for `scope` is for this client too.
    pub(super) fn may_use(&self, scope: &Scope) -> bool {
        match scope {
            Scope::Shell(..) => self.shell() == Some(scope),
            Scope::Terminal(..) => self.terminal() == Some(scope),
            Scope::Tree(root) => {
                let own = (self.process.pid, self.process.start) == (root.pid, root.start);
                own || self.ancestors().found.iter().any(|known| known.is_same_process(root))
            }
        }
    }

    /// Tells whether the client may be in some tree that it cannot be found in: an orphan, or far
    /// below. Nobody has typed it, in any case.
    fn may_be_in_any_tree(&self) -> bool {
        !self.ancestors().is_whole || self.shell().is_none()
    }

    /// Tells whether the client runs at this shell, which has become another program.
    fn has_outlived(&self, scope: &Scope) -> bool {
        let Scope::Shell(root, _) = scope else { return false };
        let Some(Scope::Shell(now, _)) = self.shell() else { return false };
        root.is_same_process(now) && root != now
    }
}

/// The values of one group, for one scope.
pub(super) struct Entry {
    id: u64,
    scope: Scope,
    /// The session in which it was unlocked.
    session: i32,
    wanted: Wanted,
    vars: Vars,
    values: Locked,
    idle: Duration,
    end: Duration,
    used: Duration,
    exit: Exit,
}

impl Entry {
    /// Tells whether it only marks a tree, in which some requests are refused. It holds nothing,
    /// and nothing but the end of its process ends it. An empty group of a shell marks nothing.
    fn is_fence(&self) -> bool {
        self.vars.is_empty() && matches!(self.scope, Scope::Tree(_))
    }

    /// When it is over, if nobody uses it.
    fn deadline(&self) -> Duration {
        if self.is_fence() {
            return Duration::MAX;
        }
        self.end.min(self.used.saturating_add(self.idle))
    }

    /// What tells when the scope has ended.
    pub(super) fn exit(&self) -> &Exit {
        &self.exit
    }
}

/// What [`Table::put`] keeps.
pub(super) struct New {
    /// For whom.
    pub(super) scope: Scope,
    /// The session in which it was unlocked.
    pub(super) session: i32,
    /// Which group.
    pub(super) wanted: Wanted,
    /// Its variables, in the order of the values.
    pub(super) vars: Vars,
    /// The values, one after the other.
    pub(super) values: Locked,
    /// How long without use.
    pub(super) idle: Duration,
    /// How long at most.
    pub(super) max: Duration,
    /// What tells when the scope has ended.
    pub(super) exit: Exit,
}

/// What is unlocked. What leaves it is wiped.
pub(super) struct Table {
    entries: Vec<Entry>,
    last: u64,
    /// How many entries there may be: each takes a descriptor.
    most: usize,
}

impl Table {
    /// Makes a table for so many groups, and marks of trees.
    pub(super) fn new(most: usize) -> Self {
        Self { entries: Vec::new(), last: 0, most }
    }

    /// Keeps values, in the place of older ones of the same group.
    pub(super) fn put(&mut self, new: New, now: Duration) {
        let New { scope, session, wanted, vars, values, idle, max, exit } = new;
        let end = now.saturating_add(max.min(LONGEST));
        let is_same = |entry: &&mut Entry| {
            let all = (&entry.scope, &entry.wanted, &entry.vars) == (&scope, &wanted, &vars);
            all && entry.values.bytes() == values.bytes()
        };
        // Others may be about to take them.
        if let Some(entry) = self.entries.iter_mut().find(is_same) {
            (entry.session, entry.idle, entry.end, entry.used) = (session, idle, end, now);
            return;
        }
        self.last += 1;
        let (id, used) = (self.last, now);
        let new = Entry { id, scope, session, wanted, vars, values, idle, end, used, exit };
        // A tree needs no more than one mark, and nothing but its end takes that away.
        let replaces = |entry: &Entry| {
            if entry.is_fence() {
                new.is_fence()
            } else {
                is_same_group(&entry.wanted, &new.wanted)
            }
        };
        self.entries.retain(|entry| entry.scope != new.scope || !replaces(entry));
        self.entries.push(new);
    }

    /// Tells whether another group can be kept, with what is on its way `more` bytes long.
    pub(super) fn has_room(&self, more: usize) -> bool {
        let sizes = self.entries.iter().map(|entry| room(&entry.vars, entry.values.bytes().len()));
        let held: usize = sizes.sum();
        self.entries.len() < self.most && held.saturating_add(more) <= LARGEST
    }

    /// Finds a group in exactly the state that is wanted, after [`Table::expire`]. What no longer
    /// is in that state, or whose shell has become another program, goes. (threats: H5, H11, G14)
    /// What was unlocked for more than `within` does not count: what others leave for the whole
    /// terminal must not be taken for what was typed.
    pub(super) fn find(
        &mut self,
        client: &Client,
        wanted: &Wanted,
        within: Whose,
        now: Duration,
    ) -> Option<u64> {
        self.entries.retain(|entry| {
            let is_stale = client.may_use(&entry.scope)
                && is_same_group(&entry.wanted, wanted)
                && entry.wanted.state != wanted.state;
            !is_stale && !client.has_outlived(&entry.scope)
        });
        let fits = |entry: &&Entry| {
            // Another program that was typed has to become mima to get anything: so it is no
            // longer there to do something with it.
            let counts = match entry.scope {
                Scope::Tree(_) => true,
                Scope::Shell(..) => within != Whose::Tree && client.is_mima() == Some(true),
                Scope::Terminal(..) => within == Whose::Terminal && client.is_mima() == Some(true),
            };
            let fits = counts && entry.wanted == *wanted && client.may_use(&entry.scope);
            fits && now < entry.deadline()
        };
        self.entries.iter().find(fits).map(|entry| entry.id)
    }

    /// The group of an entry, and its variables.
    pub(super) fn vars(&self, id: u64) -> Option<(GroupName, Vars)> {
        let entry = self.entries.iter().find(|entry| entry.id == id)?;
        Some((entry.wanted.group.clone(), entry.vars.clone()))
    }

    /// Lends the values of an entry out, if it is still there. (threats: H7, H12)
    pub(super) fn values(&self, id: u64, now: Duration) -> Option<&[u8]> {
        let entry = self.entries.iter().find(|entry| entry.id == id)?;
        (now < entry.deadline()).then(|| entry.values.bytes())
    }

    /// Takes note that an entry was used. (threat H8)
    pub(super) fn touch(&mut self, id: u64, now: Duration) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.id == id) {
            entry.used = now;
        }
    }

    /// Forgets what this client may use, and what was unlocked in its session. Returns how
    /// many groups that were.
    pub(super) fn lock(&mut self, client: &Client) -> usize {
        self.forget(|entry| client.may_use(&entry.scope) || entry.session == client.process.session)
    }

    /// Forgets everything.
    pub(super) fn lock_all(&mut self) -> usize {
        self.forget(|_| true)
    }

    fn forget(&mut self, which: impl Fn(&Entry) -> bool) -> usize {
        self.remove(|entry| !entry.is_fence() && which(entry))
    }

    /// Forgets what is over, and what belonged to processes that have ended.
    pub(super) fn expire(&mut self, now: Duration) {
        self.remove(|entry| now >= entry.deadline() || entry.exit.has_ended());
    }

    fn remove(&mut self, which: impl Fn(&Entry) -> bool) -> usize {
        let before = self.entries.len();
        self.entries.retain(|entry| !which(entry));
        before - self.entries.len()
    }

    /// How many groups are kept, for anybody.
    pub(super) fn len(&self) -> usize {
        self.entries.iter().filter(|entry| !entry.is_fence()).count()
    }

    /// Everything that is kept, and marked.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// When the next one is over.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.entries.iter().map(Entry::deadline).min()
    }

    /// What this client may use; names go to nobody else. A tree is told of in the session that
    /// granted it, too.
    pub(super) fn unlocked(&self, client: &Client, now: Duration) -> Vec<Unlocked> {
        let is_shown = |entry: &&Entry| {
            // Two sessions that cannot be seen from here are not one.
            let is_here = entry.session == client.process.session && entry.session != 0;
            let granted_here = matches!(entry.scope, Scope::Tree(_)) && is_here;
            !entry.is_fence() && (client.may_use(&entry.scope) || granted_here)
        };
        let told = |entry: &Entry| Unlocked {
            group: entry.wanted.group.clone(),
            whose: entry.scope.whose(),
            idle: entry.used.saturating_add(entry.idle).saturating_sub(now),
            max: entry.end.saturating_sub(now),
            root: u32::try_from(entry.scope.root().pid).unwrap_or_default(),
        };
        self.entries.iter().filter(is_shown).map(told).collect()
    }

    /// Tells whether this client runs in a tree that was marked, or may do so.
    pub(super) fn is_granted(&self, client: &Client) -> bool {
        let mut fences = self.entries.iter().filter(|entry| entry.is_fence()).peekable();
        fences.peek().is_some()
            && (client.may_be_in_any_tree() || fences.any(|entry| client.may_use(&entry.scope)))
    }
}

/// How much memory a group takes, in bytes: its values, and about as much for each name.
pub(super) fn room(vars: &Vars, values: usize) -> usize {
    vars.len().saturating_mul(NAME).saturating_add(values)
}

/// Tells whether both are one group, in whatever state.
fn is_same_group(a: &Wanted, b: &Wanted) -> bool {
    (&a.group, a.source) == (&b.group, b.source)
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
