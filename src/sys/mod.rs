//! The only unsafe code: what the kernel and libc offer and rustix does not.

#![expect(unsafe_code, reason = "this module is where unsafe code lives")]

pub mod ancestors;
pub mod exec;
pub mod process;
pub mod signals;
pub mod startup;
