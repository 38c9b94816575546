//! What one proof of presence is good for: values are taken from the session agent before a
//! person is asked, and left with it afterwards.
//!
//! Nothing depends on the agent. Whatever is wrong with it costs one line, and the person is
//! asked.

use std::cell::Cell;
use std::os::unix::ffi::OsStrExt;

use sha2::{Digest as _, Sha256};

use super::{Mima, Wanted};
use crate::config::groups::{Link, Links};
use crate::config::session::{LONGEST, Scope, Settings};
use crate::config::user::StoreKind;
use crate::error::{Failure, Kind, Result};
use crate::names::{GroupName, SecretName, VarName};
use crate::prompt::Reason;
use crate::secret::Secret;
use crate::session::scope::{self, Kernel, System};
use crate::session::wire::{self, Digest, Put, Refusal, Whose};
use crate::session::{Client, Kept, Place};
use crate::store::{Store, Unlocked};
use crate::{term, trust};

/// What values are wanted for.
pub struct Purpose<'a> {
    /// The verb that asks.
    pub verb: &'a str,
    /// Who gets them.
    pub who: &'a str,
    /// Whether that is use; the hook only looks. (threat H8)
    pub is_use: bool,
}

/// The session agent, as one command sees it.
pub struct Session<'a> {
    mima: &'a Mima,
    settings: Settings,
    client: Client,
    /// One line at most says that something is wrong with the agent.
    has_complained: Cell<bool>,
}

impl Mima {
    /// Returns what can be asked of the session agent.
    pub fn session(&self) -> Result<Session<'_>> {
        Ok(Session {
            mima: self,
            settings: self.user_file()?.session.clone(),
            client: self.agent(),
            has_complained: Cell::new(false),
        })
    }

    /// The session agent, for the verbs that are about it.
    pub fn agent(&self) -> Client {
        Client::new(Place::of(&self.paths))
    }

    /// All session agents that there may be.
    pub fn agents(&self) -> Vec<Client> {
        Place::all(&self.paths).into_iter().map(Client::new).collect()
    }

    /// Fails in what `mima run --grant` or `--scrub` has started: a program that was given
    /// little is not to give itself more. `what` is what it would do.
    pub fn refuse_in_tree(&self, what: &str) -> Result<()> {
        // Whoever is in a tree says where mima looks; so all places count.
        for agent in self.agents() {
            let what = || format!("could not {what}");
            // Where there is no agent, there is no tree. One that does not answer may know of one.
            let status = agent.status().map_err(|failure| {
                Failure::new(Kind::Refused, format!("{}: {failure}", what()))
                    .hint("mima session stop")
            })?;
            if status.is_some_and(|status| status.is_granted) {
                let where_ = "in what `mima run --grant` or `--scrub` has started";
                return Err(Failure::new(Kind::Refused, format!("{} {where_}", what()))
                    .hint("run it in a terminal of your own"));
            }
        }
        Ok(())
    }
}

impl Wanted {
    /// Reads all values, in the order of [`Wanted::variables`]: from the session agent, or from
    /// the store after one proof of presence.
    pub fn read(
        &self,
        mima: &Mima,
        store: &dyn Store,
        purpose: &Purpose,
    ) -> Result<Vec<(VarName, Secret)>> {
        if self.links().is_empty() {
            return Ok(Vec::new());
        }
        let session = mima.session()?;
        let known = session.usable(store, self)?;
        if let Some(values) = session.get(self, known.as_deref(), purpose.is_use) {
            return Ok(values);
        }
        let values = self.read_from_store(mima, store, &self.describe(purpose))?;
        // What is marked to be asked for every time is not kept, nor is what was asked for with it.
        if let Some(known) = known {
            session.keep(&self.sets_of(&known, &values));
        }
        Ok(values)
    }

    /// Reads all values, if nobody needs to be asked. That is no use of them. (threat H8)
    pub fn read_unlocked(
        &self,
        mima: &Mima,
        store: &dyn Store,
    ) -> Result<Option<Vec<(VarName, Secret)>>> {
        let session = mima.session()?;
        let known = session.usable(store, self)?;
        Ok(session.get(self, known.as_deref(), false))
    }

    /// Reads all values after a proof of presence, whatever the session agent has.
    pub fn read_from_store(
        &self,
        mima: &Mima,
        store: &dyn Store,
        what: &str,
    ) -> Result<Vec<(VarName, Secret)>> {
        let reason = Reason::new(what);
        // An open keyring gives its values to everybody without a word.
        if self.confirmed(mima)?.is_some() && !mima.store_kind()?.asks() {
            let question = format!("{}\nGo on?", reason.headline());
            if !mima.prompter().confirm(&question)? {
                return Err(Failure::new(Kind::Refused, "the answer was no"));
            }
        }
        self.values(store, &*store.unlock(&reason)?)
    }

    fn values(&self, store: &dyn Store, unlocked: &dyn Unlocked) -> Result<Vec<(VarName, Secret)>> {
        let get = |link: &Link| unlocked.get(&store.name_for(&link.var, &link.secret));
        self.links().iter().map(|link| Ok((link.var.clone(), get(link)?))).collect()
    }

    /// Puts the values of several groups together, each variable once.
    fn in_order(&self, groups: Vec<(GroupName, crate::session::Values)>) -> Vec<(VarName, Secret)> {
        let mut all: std::collections::BTreeMap<_, _> =
            groups.into_iter().flat_map(|(_, values)| values).collect();
        let links = self.links().iter();
        links.filter_map(|link| all.remove_entry(&link.var)).collect()
    }

    /// Cuts the values up again into the groups that they belong to.
    fn sets_of<'a>(
        &self,
        known: &'a [wire::Wanted],
        values: &'a [(VarName, Secret)],
    ) -> Vec<Set<'a>> {
        let value = |var: &VarName| values.iter().find(|(name, _)| name == var);
        let set = |(wanted, (_, links)): (&'a wire::Wanted, &(GroupName, Links))| Set {
            wanted,
            values: links.iter().filter_map(|(var, _)| value(var)).collect(),
        };
        known.iter().zip(self.sets()).map(set).collect()
    }
}

/// The values of one group.
struct Set<'a> {
    wanted: &'a wire::Wanted,
    values: Vec<&'a (VarName, Secret)>,
}

impl Session<'_> {
    /// Returns what tells the groups, as they are now, from all others; `None` if the store
    /// cannot tell.
    fn states(&self, store: &dyn Store, wanted: &Wanted) -> Result<Option<Vec<wire::Wanted>>> {
        let kind = self.mima.store_kind()?;
        let data = self.mima.paths.data().as_os_str().as_bytes();
        let mut known = Vec::new();
        for (group, links) in wanted.sets() {
            let names: Vec<SecretName> =
                links.iter().map(|(var, secret)| store.name_for(var, secret)).collect();
            let Some(state) = store.state(&names)? else { return Ok(None) };
            let links: Vec<_> =
                links.iter().map(|(var, secret)| format!("{var}={secret}\n")).collect();
            let source = format!("{}\n{}", kind.word(), links.concat());
            let source = [source.as_bytes(), data];
            let (source, state) = (digest(&source.concat()), digest(state.as_bytes()));
            known.push(wire::Wanted { group: group.clone(), source, state });
        }
        Ok(Some(known))
    }

    /// As [`Session::states`]; `None` too if a group is to be asked for every time.
    fn usable(&self, store: &dyn Store, wanted: &Wanted) -> Result<Option<Vec<wire::Wanted>>> {
        if wanted.confirmed(self.mima)?.is_some() {
            return Ok(None);
        }
        self.states(store, wanted)
    }

    fn get(
        &self,
        wanted: &Wanted,
        known: Option<&[wire::Wanted]>,
        is_use: bool,
    ) -> Option<Vec<(VarName, Secret)>> {
        let within = match self.settings.scope {
            Scope::Shell => Whose::Shell,
            Scope::Terminal => Whose::Terminal,
            Scope::Off => Whose::Tree,
        };
        match self.client.get(known?.to_vec(), within, is_use) {
            // All of it, or nothing. (threat G6)
            Ok(values) => values
                .map(|values| wanted.in_order(values))
                .filter(|values| values.len() == wanted.links().len()),
            Err(failure) => {
                self.complain(&failure);
                None
            }
        }
    }

    /// Leaves values with the agent, where nobody but a person can have asked for them.
    fn keep(&self, sets: &[Set]) {
        // One that has just given no answer is not waited for again.
        if self.has_complained.get() {
            return;
        }
        let Some(whose) = self.whose() else { return };
        for set in sets {
            match self.put(set, whose, self.settings.idle, self.settings.max) {
                Ok(_) => {}
                Err(failure) => {
                    self.complain(&failure);
                    return;
                }
            }
        }
    }

    /// Whose an unlock is that nobody has asked for by name; `None` if it is nobody's.
    fn whose(&self) -> Option<Whose> {
        let me = me()?;
        match self.settings.scope {
            Scope::Off => None,
            Scope::Terminal => scope::terminal_scope(&System, &me).map(|_| Whose::Terminal),
            Scope::Shell => {
                let shell = scope::shell(&System, &me)?;
                scope::keeps_by_itself(&System, &shell).then_some(Whose::Shell)
            }
        }
    }

    fn put(
        &self,
        set: &Set,
        whose: Whose,
        idle: std::time::Duration,
        max: std::time::Duration,
    ) -> Result<Kept> {
        let len = |secret: &Secret| u32::try_from(secret.len()).unwrap_or(u32::MAX);
        let vars = set.values.iter().map(|(name, value)| (name.clone(), len(value))).collect();
        let put = Put { whose, idle, max, wanted: set.wanted.clone(), vars };
        let values: Vec<_> = set.values.iter().map(|(_, value)| value).collect();
        self.client.put(&put, &values)
    }

    fn complain(&self, failure: &Failure) {
        if !self.has_complained.replace(true) {
            term::note(&format!("{failure}, so you are asked"));
        }
    }

    /// Asks for the groups and keeps them for this shell, or terminal. Returns the settings that
    /// say for how long.
    pub fn unlock(&self, store: &dyn Store, wanted: &Wanted) -> Result<&Settings> {
        let whose = match self.settings.scope {
            Scope::Off => {
                return Err(Failure::failed("your user file says `session: { scope: off }`")
                    .hint("mima run GROUP -- CMD asks each time"));
            }
            Scope::Terminal => Whose::Terminal,
            Scope::Shell => Whose::ShellAsTold,
        };
        let me = me();
        let is_typed = me.is_some_and(|me| match whose {
            Whose::Terminal => scope::terminal_scope(&System, &me).is_some(),
            _ => scope::shell_scope(&System, &me).is_some(),
        });
        if !is_typed {
            return Err(stranger());
        }
        if let Some(group) = wanted.confirmed(self.mima)? {
            return Err(Failure::failed(format!(
                "`{group}` is among `confirm` in your user file, so it is asked for every time"
            )));
        }
        let known = self.known(store, wanted)?;
        let what = wanted.describe(&Purpose { verb: "unlock", who: "this shell", is_use: true });
        let values = wanted.read_from_store(self.mima, store, &what)?;
        for set in wanted.sets_of(&known, &values) {
            let kept = self.put(&set, whose, self.settings.idle, self.settings.max)?;
            refuse(kept)?;
        }
        Ok(&self.settings)
    }

    /// Asks for groups that everything may use that this process starts once it is another
    /// program, and for its own.
    pub fn grant(
        &self,
        store: &dyn Store,
        granted: &Wanted,
        own: &Wanted,
        who: &str,
    ) -> Result<Vec<(VarName, Secret)>> {
        self.mima.refuse_in_tree("grant a group")?;
        if let Some(group) = granted.confirmed(self.mima)? {
            return Err(Failure::failed(format!(
                "`{group}` is among `confirm` in your user file, so it cannot be granted"
            )));
        }
        let known = self.known(store, granted)?;
        let what =
            Purpose { verb: "run", who: &format!("{who}, and all that it starts"), is_use: true };
        let what = format!("grant {} in {}", granted.list(), own.describe(&what));
        let unlocked = store.unlock(&Reason::new(what))?;
        let values = granted.values(store, &*unlocked)?;
        for set in granted.sets_of(&known, &values) {
            refuse(self.put(&set, Whose::Tree, LONGEST, LONGEST)?)?;
        }
        self.mark(granted)?;
        own.values(store, &*unlocked)
    }

    /// Marks this process, and all that it starts, as one that was given little on purpose: it is
    /// not to give itself more.
    fn mark(&self, groups: &Wanted) -> Result<()> {
        let Some(group) = groups.groups().next() else { return Ok(()) };
        self.mima.paths.leave_runtime()?;
        let (source, state) = (Digest::default(), Digest::default());
        let wanted = wire::Wanted { group: group.clone(), source, state };
        let nothing = Set { wanted: &wanted, values: Vec::new() };
        self.put(&nothing, Whose::Tree, LONGEST, LONGEST).and_then(refuse)
    }

    /// The same for `mima run --scrub`, which works without an agent too.
    pub fn fence(&self, groups: &Wanted) {
        if let Err(failure) = self.mark(groups) {
            term::note(&format!("{failure}, so what this starts can allow project files"));
        }
    }

    fn known(&self, store: &dyn Store, wanted: &Wanted) -> Result<Vec<wire::Wanted>> {
        let keyring = || {
            let kind = self.mima.store_kind().map(StoreKind::word).unwrap_or_default();
            Failure::failed(format!("`{kind}` needs no unlocking by mima"))
                .hint("it gives values to every program that asks, unless it is locked itself")
        };
        self.states(store, wanted)?.ok_or_else(keyring)
    }
}

/// This process, as the kernel sees it.
fn me() -> Option<crate::sys::processes::Process> {
    System.process(rustix::process::getpid().as_raw_nonzero().get())
}

/// The shell that this was typed at, for approvals that end with it: the same that an unlock is
/// kept for, and until it becomes another program. (threat A18)
pub(super) fn this_shell() -> Option<trust::Shell> {
    let scope = scope::shell_scope(&System, &me()?)?;
    let shell = scope.root();
    let mark = Sha256::digest(shell.text()).into();
    Some(trust::Shell { pid: shell.pid, start: shell.start, mark })
}

fn stranger() -> Failure {
    Failure::failed("this was not typed at a shell on a terminal, so there is nobody to unlock for")
        .hint("type it at your shell's prompt")
}

fn refuse(kept: Kept) -> Result<()> {
    match kept {
        Kept::Yes => Ok(()),
        Kept::No(Refusal::Stranger) => Err(stranger()),
        Kept::No(Refusal::NoMemory) => {
            Err(Failure::failed("no memory is left that is never swapped out, so nothing is kept")
                .hint("ulimit -l shows how much there is"))
        }
        Kept::No(Refusal::ScreenLocked) => Err(Failure::failed("the screen is locked")),
        Kept::No(Refusal::Malformed) => {
            Err(Failure::failed("the session agent did not understand that")
                .hint("mima session stop"))
        }
    }
}

fn digest(text: &[u8]) -> Digest {
    let mut digest = Digest::default();
    for (to, from) in digest.iter_mut().zip(Sha256::digest(text)) {
        *to = from;
    }
    digest
}
