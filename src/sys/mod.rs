//! The only unsafe code: what the kernel and libc offer and rustix does not.

#![expect(unsafe_code, reason = "this module is where unsafe code lives")]

pub mod activation;
pub mod ancestors;
pub mod boot;
pub mod clock;
pub mod detach;
pub mod exec;
pub mod exit;
pub mod foreground;
#[cfg(not(target_os = "macos"))]
mod kernel_file;
#[cfg(target_os = "macos")]
pub mod keychain;
pub mod memory;
pub mod peer;
pub mod process;
pub mod processes;
pub mod program_pages;
pub mod screen;
pub mod signal_pipe;
pub mod signals;
pub mod startup;

// The unwinder that the standard library refers to and a release, which aborts, never calls:
// linked in, it is one library less to load, a tenth of the time that `mima export` takes.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[link(name = "gcc_eh", kind = "static", modifiers = "-bundle")]
unsafe extern "C" {}
