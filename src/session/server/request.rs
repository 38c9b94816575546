//! What the agent does with a request: who is asking, and what that one may have.

use std::time::Duration;

use super::super::connection::State;
use super::super::scope::{self, Scope};
use super::super::table::{Client, room};
use super::super::wire::{
    LARGEST, LARGEST_GROUP, Put, Refusal, Reply, Request, Status, Vars, Wanted, Whose,
};
use super::{Accepted, Server};
use crate::sys::exit::Exit;
use crate::sys::memory::Locked;

/// How many groups can be asked for at once.
const MOST_WANTED: usize = 64;

impl<'a> Server<'a> {
    /// Decides on a request. `None` closes the connection without a word.
    pub(super) fn request(
        &mut self,
        at: usize,
        request: Request,
        now: Duration,
    ) -> Option<(Reply, Option<State>)> {
        let client = self.who(at)?;
        self.table.expire(now);
        let reply = match request {
            Request::Get { wanted, within, is_use } => {
                return Some(self.get(&client, &wanted, (within, is_use), now));
            }
            Request::Put(put) if put.whose != Whose::Tree && client.is_mima() == Some(false) => {
                // It is newer, or not mima at all. Whoever is newer starts another agent.
                // (threat G13)
                if self.may_stop(at) {
                    self.lock_all();
                    self.is_ending = true;
                }
                return None;
            }
            Request::Put(put) => return Some(self.put(&client, put)),
            Request::Lock { all } => {
                let count = if all { self.lock_all() } else { self.lock(&client) };
                Reply::Done(u32::try_from(count).unwrap_or(u32::MAX))
            }
            Request::Status => {
                let unlocked = self.table.unlocked(&client, now);
                let elsewhere = self.table.len() - unlocked.len();
                Reply::Status(Status {
                    pid: std::process::id(),
                    memory: self.ground.memory.to_owned(),
                    unlocked,
                    elsewhere: u32::try_from(elsewhere).unwrap_or(u32::MAX),
                    is_granted: self.table.is_granted(&client),
                })
            }
            Request::Stop if !self.may_stop(at) => Reply::Refused(Refusal::Stranger),
            Request::Stop => {
                let count = self.lock_all();
                self.is_ending = true;
                Reply::Done(u32::try_from(count).unwrap_or(u32::MAX))
            }
        };
        Some((reply, None))
    }

    /// The client, if it is still the one that connected, and what it may use.
    fn who(&self, at: usize) -> Option<Client<'a>> {
        Some(Client::new(self.ground.kernel, self.client(at)?))
    }

    /// Tells whether the agent ends because this client wants it to. One that bears a mark would
    /// get rid of it.
    pub(super) fn may_stop(&self, at: usize) -> bool {
        self.who(at).is_some_and(|client| !self.table.is_granted(&client))
    }

    /// Forgets what this client may use, and what was unlocked in its session.
    fn lock(&mut self, client: &Client) -> usize {
        self.refuse_coming(|coming| {
            client.may_use(&coming.scope) || coming.session == client.process.session
        });
        self.table.lock(client)
    }

    fn get(
        &mut self,
        client: &Client,
        wanted: &[Wanted],
        (within, is_use): (Whose, bool),
        now: Duration,
    ) -> (Reply, Option<State>) {
        if (self.ground.is_screen_locked)() {
            self.lock_all();
            return (Reply::Miss, None);
        }
        if wanted.is_empty() || wanted.len() > MOST_WANTED {
            return (Reply::Miss, None);
        }
        let mut found = Vec::new();
        let mut groups = Vec::new();
        let mut names = 0;
        for wanted in wanted {
            let id = self.table.find(client, wanted, within, now);
            // A group that is named twice is no request of mima's.
            let id = id.filter(|id| !found.contains(id));
            let Some((id, vars)) = id.and_then(|id| Some((id, self.table.vars(id)?))) else {
                return (Reply::Miss, None);
            };
            names += vars.1.iter().map(|(name, _)| name.as_str().len()).sum::<usize>();
            if names > LARGEST {
                // The answer goes into one frame.
                return (Reply::Miss, None);
            }
            found.push(id);
            groups.push(vars);
        }
        if is_use {
            for id in &found {
                self.table.touch(*id, now);
            }
        }
        (Reply::Found(groups), Some(State::Ready(found)))
    }

    fn put(&self, client: &Client, put: Put) -> (Reply, Option<State>) {
        let refused = |why| (Reply::Refused(why), None);
        let kernel = self.ground.kernel;
        if (self.ground.is_screen_locked)() {
            return refused(Refusal::ScreenLocked);
        }
        let scope = match put.whose {
            Whose::Shell | Whose::ShellAsTold => {
                let shell = scope::shell(kernel, &client.process);
                let is_typed = put.whose == Whose::ShellAsTold
                    || shell.is_some_and(|shell| scope::keeps_by_itself(kernel, &shell));
                client.shell().cloned().filter(|_| is_typed)
            }
            Whose::Terminal => client.terminal().cloned(),
            Whose::Tree => Some(scope::tree_scope(&client.process)),
        };
        let Some(scope) = scope else { return refused(Refusal::Stranger) };
        let Some(exit) = self.watch(&scope) else { return refused(Refusal::Stranger) };
        let Some(size) = size(&put.vars) else { return refused(Refusal::Malformed) };
        let room = room(&put.vars, size);
        let coming = self.connections.iter().filter_map(|one| one.coming().map(|(_, len)| len));
        if !self.table.has_room(coming.sum::<usize>().saturating_add(room)) {
            return refused(Refusal::NoMemory);
        }
        let Ok(into) = Locked::new(size) else { return refused(Refusal::NoMemory) };
        let session = client.process.session;
        let put = Box::new(Accepted { put, scope, session, exit });
        (Reply::Send, Some(State::Values { put, into, filled: 0 }))
    }

    /// Starts to watch the process with which a scope ends; and makes sure that it is still
    /// that one. (threats: H5, H6)
    fn watch(&self, scope: &Scope) -> Option<Exit> {
        let root = scope.root();
        let exit = Exit::of(root.pid).ok()?;
        let now = self.ground.kernel.process(root.pid)?;
        (now.start == root.start && !exit.has_ended()).then_some(exit)
    }
}

/// How many bytes the values take together, if a group may be as large, and has each variable
/// once.
fn size(vars: &Vars) -> Option<usize> {
    let names: std::collections::BTreeSet<_> = vars.iter().map(|(name, _)| name).collect();
    if names.len() < vars.len() {
        return None;
    }
    let mut size = 0usize;
    for (_, len) in vars {
        size = size.checked_add(usize::try_from(*len).ok()?)?;
    }
    (size <= LARGEST_GROUP).then_some(size)
}
