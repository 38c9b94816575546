//! The only unsafe code: what the kernel and libc offer and rustix does not.

#![expect(unsafe_code, reason = "this module is where unsafe code lives")]

pub mod ancestors;
pub mod exec;
#[cfg(target_os = "macos")]
pub mod keychain;
pub mod process;
pub mod signals;
pub mod startup;

// The unwinder that the standard library refers to and a release, which aborts, never calls:
// linked in, it is one library less to load, a tenth of the time that `mima export` takes.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[link(name = "gcc_eh", kind = "static", modifiers = "-bundle")]
unsafe extern "C" {}
