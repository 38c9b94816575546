//! The only unsafe code: what the kernel and libc offer and rustix does not.

#![expect(unsafe_code, reason = "this module is where unsafe code lives")]

pub mod ancestors;
pub mod exec;
#[cfg(target_os = "macos")]
pub mod keychain;
pub mod process;
pub mod signals;
pub mod startup;
