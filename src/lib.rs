//! mima gives one group of secrets to one process.
//!
//! The layers, top to bottom. A module imports only from layers below its own;
//! `tests/layers.rs` checks that, and that the exceptions below stay the only ones.
//!
//! | layer | modules | what is there |
//! |---|---|---|
//! | 5 | `cli` `commands` | the command line; one file per verb, and what it prints |
//! | 4 | `flow` | finds the files, resolves groups, opens the store, asks for presence |
//! | 3 | `store` `trust` | where values lie, which project files are approved; neither imports the other |
//! | 2 | `config` `env` `shell` | pure: parsing, merging, quoting; no input or output |
//! | 1 | `error` `fs` `names` `paths` `term` `prompt` `secret` | small tools |
//! | 0 | `sys` | the only unsafe code |
//!
//! A newcomer reads this page, then `cli.rs`, then one file of `commands/`, then `flow/`.

#![deny(unsafe_code)]

pub mod cli;
pub mod commands;
pub mod config;
pub mod env;
pub mod error;
pub mod flow;
pub mod fs;
pub mod names;
pub mod paths;
pub mod prompt;
pub mod secret;
pub mod session;
pub mod shell;
pub mod store;
pub mod sys;
pub mod term;
pub mod trust;

use std::process::ExitCode;

/// Parses the command line, runs the verb, prints a failure, and returns the exit status.
pub fn main() -> ExitCode {
    commands::main()
}
