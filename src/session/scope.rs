//! Whose a request is: the rule by which what a person has typed is told from what a program
//! has started.
//!
//! All of it goes by what the kernel says of processes, and nothing by what they say of
//! themselves. A shell that runs a command forks, and the child becomes the command by exec: so
//! the first ancestor that has called exec itself is the shell that somebody typed at, however
//! many subshells stand between. `npm`, `make` and `sh -c` have called exec too, and are found
//! instead of it. (threats: H1–H5)

use super::wire::Whose;
use crate::sys::processes::{self, Process};

/// How many ancestors are looked at.
const DEEPEST: usize = 64;

/// What is asked of the kernel.
pub trait Kernel {
    /// Looks a process up.
    fn process(&self, pid: i32) -> Option<Process>;
    /// The user that it acts as.
    fn user(&self, pid: i32) -> Option<u32>;
    /// What tells its program from all others: device and inode.
    fn program(&self, pid: i32) -> Option<(u64, u64)>;
    /// Tells whether what it has not started itself may come to be its child, as what is left
    /// of a tree comes to the first process of a container; or whether that cannot be told.
    fn adopts(&self, pid: i32) -> bool;
}

/// The kernel itself.
pub struct System;

impl Kernel for System {
    fn process(&self, pid: i32) -> Option<Process> {
        processes::look_up(pid)
    }

    fn user(&self, pid: i32) -> Option<u32> {
        processes::effective_user(pid)
    }

    fn program(&self, pid: i32) -> Option<(u64, u64)> {
        processes::executable(pid)
    }

    fn adopts(&self, pid: i32) -> bool {
        processes::adopts(pid)
    }
}

/// One process while it runs one program. No other one ever equals it: neither a later process
/// of the same number, nor the same one after exec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its number.
    pub pid: i32,
    /// When it was started.
    pub start: u64,
    image: Option<Image>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Image {
    program: (u64, u64),
    layout: [u64; 3],
}

impl Identity {
    /// Tells whether both are the same process, whatever it runs.
    pub fn is_same_process(&self, other: &Self) -> bool {
        (self.pid, self.start) == (other.pid, other.start)
    }

    /// Returns a text that is the same for what is equal, and for nothing else.
    pub fn text(&self) -> String {
        let Self { pid, start, image } = self;
        let image = image.as_ref().map(|Image { program, layout }| (program, layout));
        format!("{pid} {start} {image:?}")
    }
}

/// Who may use an unlock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// What is typed at this shell, on this terminal.
    Shell(Identity, u64),
    /// All of the session that this process leads, on this terminal.
    Terminal(Identity, u64),
    /// Everything that this process has started.
    Tree(Identity),
}

impl Scope {
    /// The process with which it ends.
    pub fn root(&self) -> &Identity {
        match self {
            Self::Shell(root, _) | Self::Terminal(root, _) | Self::Tree(root) => root,
        }
    }

    /// The word for it.
    pub fn whose(&self) -> Whose {
        match self {
            Self::Shell(..) => Whose::Shell,
            Self::Terminal(..) => Whose::Terminal,
            Self::Tree(_) => Whose::Tree,
        }
    }
}

/// Finds the parent of `child`, and makes sure that it is still its parent: a number may have
/// been given to another process meanwhile, and no parent is younger than its child. (threat H5)
fn parent(kernel: &dyn Kernel, child: &Process) -> Option<Process> {
    let parent = kernel.process(child.parent)?;
    let again = kernel.process(child.pid)?;
    let is_parent = again.parent == parent.pid && again.start == child.start;
    (is_parent && parent.start <= child.start && parent.pid != child.pid).then_some(parent)
}

/// Finds the shell that `client` was typed at. A shell that adopts orphans is none: what a
/// program has left behind would look as if it had been typed there.
pub fn shell(kernel: &dyn Kernel, client: &Process) -> Option<Process> {
    let mut at = parent(kernel, client)?;
    for _ in 0..DEEPEST {
        if at.has_execed {
            let same = at.session == client.session && at.terminal == client.terminal;
            return (same && at.terminal != 0 && !kernel.adopts(at.pid)).then_some(at);
        }
        at = parent(kernel, &at)?;
    }
    None
}

/// Returns what is typed at the shell of `client`, as far as the kernel lets it be told apart.
pub fn shell_scope(kernel: &dyn Kernel, client: &Process) -> Option<Scope> {
    let shell = shell(kernel, client)?;
    let program = kernel.program(shell.pid)?;
    // The layout is hidden where the process may not be looked into: then it tells nothing.
    let layout = Some(shell.image).filter(|layout| *layout != [0; 3])?;
    let image = Some(Image { program, layout });
    Some(Scope::Shell(Identity { pid: shell.pid, start: shell.start, image }, shell.terminal))
}

/// Returns everything on the terminal of `client`, as sudo(8) has it.
pub fn terminal_scope(kernel: &dyn Kernel, client: &Process) -> Option<Scope> {
    let leader = kernel.process(client.session)?;
    let fits = leader.pid == client.session
        && leader.session == client.session
        && leader.terminal == client.terminal
        && client.terminal != 0;
    let root = Identity { pid: leader.pid, start: leader.start, image: None };
    fits.then_some(Scope::Terminal(root, client.terminal))
}

/// Returns what `client` will start, once it has become another program.
pub fn tree_scope(client: &Process) -> Scope {
    Scope::Tree(Identity { pid: client.pid, start: client.start, image: None })
}

/// Tells whether an unlock may be kept for `shell` without anybody having said so: only a
/// person types there, if it leads the session, or if all that stands above it in the session
/// acts as another user, as login(1) and su(1) do. A shell that some program has started for
/// itself looks just as a nested one. So does a script that leads a terminal look as a shell.
pub fn keeps_by_itself(kernel: &dyn Kernel, shell: &Process) -> bool {
    let Some(user) = kernel.user(shell.pid) else { return false };
    let mut at = shell.clone();
    for _ in 0..DEEPEST {
        if at.pid == at.session {
            return true;
        }
        match parent(kernel, &at) {
            Some(above)
                if above.session == at.session
                    && kernel.user(above.pid).is_some_and(|other| other != user) =>
            {
                at = above;
            }
            _ => return false,
        }
    }
    false
}

/// The ancestors of a process, itself first.
#[derive(Debug)]
pub struct Ancestors {
    /// Those that were found.
    pub found: Vec<Identity>,
    /// Whether these are all of them.
    pub is_whole: bool,
}

/// Returns the ancestors of `client`.
pub fn ancestors(kernel: &dyn Kernel, client: &Process) -> Ancestors {
    let mut found = Vec::new();
    let mut at = client.clone();
    loop {
        found.push(Identity { pid: at.pid, start: at.start, image: None });
        // The first of all processes that can be seen from here.
        let is_whole = at.parent == 0;
        match parent(kernel, &at).filter(|_| found.len() <= DEEPEST) {
            Some(above) => at = above,
            None => return Ancestors { found, is_whole },
        }
    }
}

/// Tells whether `now` is still the process that `before` was, and runs the same program. What
/// may not be looked into any more has made itself so; a new program could be looked into.
/// (threat G11)
pub fn is_unchanged(before: &Process, now: &Process) -> bool {
    (before.pid, before.start) == (now.pid, now.start)
        && (before.image == now.image || now.image == [0; 3])
}

#[cfg(test)]
#[path = "scope_tests.rs"]
mod tests;
