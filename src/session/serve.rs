//! Becoming the agent.

use std::fs::File;
use std::os::unix::net::UnixListener;

use super::clock;
use super::scope::System;
use super::server::{End, Ground, Server};
use super::socket::Place;
use super::start::{self, Held};
use crate::error::{Context, Failure, Result};
use crate::sys::memory::Protection;
use crate::sys::signal_pipe::SignalPipe;
use crate::{fs, sys};

/// How the agent was started.
#[derive(Clone, Copy, Debug)]
pub enum How<'a> {
    /// By a client, which hands over the socket and the lock, and nothing else.
    Inherited,
    /// By systemd or launchd, or by hand, to be found there.
    ByOthers(&'a Place),
}

/// Serves until there is nothing to do.
pub fn serve(how: How) -> Result<()> {
    let what = "could not become the session agent";
    sys::process::deny_tracing().context(what)?;
    sys::process::take_own_name();
    let signals = SignalPipe::new().context(what)?;
    let (listener, lock): (UnixListener, Option<File>) = match how {
        How::Inherited => {
            let (listener, lock) = sys::detach::take_stdio().context(what)?;
            (listener.into(), Some(lock.into()))
        }
        How::ByOthers(place) => {
            if let Some(listener) = sys::activation::inherited_listener().context(what)? {
                (listener, None)
            } else {
                let Held { listener, lock } = start::take(place)?.ok_or_else(|| {
                    Failure::failed("there is an agent already").hint("mima session status")
                })?;
                (listener, Some(lock))
            }
        }
    };
    // Without an environment nothing else says where that is.
    let place = Place::of_listener(&listener).context(what)?;
    let own = fs::identity(&place.socket());
    let is_in_place = || fs::identity(&place.socket()) == own;
    // Where there is none, that is what clients are told.
    let memory = sys::memory::protection().map_or(NO_MEMORY, words);
    let ground = Ground {
        kernel: &System,
        clock: &clock::Kernel,
        is_screen_locked: &sys::screen::is_locked,
        is_in_place: &is_in_place,
        memory,
        files: sys::process::raise_file_limit(),
    };
    sys::program_pages::let_go();
    let end = Server::new(ground, listener, signals).and_then(Server::run).context(what)?;
    // One that somebody else listens at is not this agent's to remove; nor is one of systemd's.
    if lock.is_some() && end != End::Replaced && is_in_place() {
        std::fs::remove_file(place.socket()).context("could not remove the agent's socket")?;
    }
    Ok(())
}

/// Where values are kept if they cannot be.
const NO_MEMORY: &str = "no memory at all, for none can be kept from being swapped out";

/// Says where values are kept.
pub fn words(protection: Protection) -> &'static str {
    match protection {
        Protection::Secret => "memory that even the kernel does not map",
        Protection::Locked => "memory that is never swapped out",
        Protection::LockedMayHibernate => {
            "memory that is never swapped out, but goes to the disk in hibernation"
        }
    }
}
