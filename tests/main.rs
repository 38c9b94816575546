//! All tests that run the real binary, and those of the library that need files.
//!
//! One binary, so that it links once. `common` is the frame: [`common::world`] is a machine
//! of one's own, [`common::pty`] a terminal to type on, [`common::scenario`] a session written
//! down, [`common::strace`] a kernel that fails on demand. Tests named `t_f1_…` show row F1 of
//! `tests/threats.md`. A missing tool is a failure under `MIMA_TEST_REQUIRE=all`, else a visible
//! skip. What goes by `/proc`, and what only strace shows, is for Linux alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::missing_panics_doc,
    reason = "a test may fail by panicking, and its files are its own"
)]

mod agent_abuse;
mod agent_clients;
mod agent_life;
mod agent_replies;
mod agent_socket;
mod allow;
mod allow_session;
mod common;
mod completions;
mod config;
mod contract;
mod crash;
mod doctor;
mod dotenv;
mod environments;
mod exec;
mod explain;
mod fixtures;
mod flake_failures;
mod flake_shells;
mod flakes;
mod frame;
mod frame_pty;
mod frame_strace;
mod fuzz;
mod groups;
mod homes;
mod hook_changes;
mod hook_compat;
mod hook_manners;
mod hook_processes;
mod hook_sessions;
mod hostile;
mod hostile_yaml;
mod import;
mod import_hostile;
mod install;
mod install_failures;
mod keychain;
mod layers;
mod layouts;
mod leaks;
mod limits;
mod names;
mod project_groups;
mod projects;
mod prompt_line;
mod prompts;
mod quoting;
mod readme;
mod run;
mod run_environment;
mod run_process;
mod scenarios;
mod schema;
mod secret_move;
mod secret_service;
mod secrets;
#[cfg(target_os = "linux")]
mod session_binding;
mod session_compat;
#[cfg(target_os = "linux")]
mod session_grants;
mod session_install;
#[cfg(target_os = "linux")]
mod session_lifetime;
mod session_matrix;
mod session_memory;
#[cfg(target_os = "linux")]
mod session_places;
mod shell_names;
mod shells;
mod status_check;
mod stores;
mod surface;
mod sys_detach;
mod sys_memory;
mod sys_processes;
mod sys_signals;
mod trust;
mod trust_crash;
mod trust_owners;
mod trust_records;
mod values;
mod vault;
mod vault_format;
mod vault_plugin;
mod walks;
mod watched_patterns;
mod worktrees;
