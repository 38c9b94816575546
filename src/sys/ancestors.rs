//! Who started mima: the chain of processes up to the one that leads the session.

use rustix::process::getppid;

use super::process::session_of;
use super::processes::look_up;

/// How many processes to look at, at most.
const DEEPEST: usize = 64;

/// Returns the names of mima's ancestors within its session, the outermost first: a shell,
/// mostly. A program can choose its own name, so this informs and proves nothing.
pub fn names() -> Vec<String> {
    let session = session_of(0);
    let mut names = Vec::new();
    let mut next = getppid().map(|pid| pid.as_raw_nonzero().get());
    while let Some(pid) = next.filter(|pid| *pid > 1 && names.len() < DEEPEST) {
        let Some(process) = look_up(pid).filter(|process| process.session == session) else {
            break;
        };
        names.push(process.name);
        next = (pid != session).then_some(process.parent);
    }
    names.reverse();
    names
}
