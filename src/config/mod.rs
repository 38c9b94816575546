//! The two files. Pure: bytes in, types out.
//!
//! [`parse::parse`] reads a file as [`user::UserFile`] or [`project::ProjectFile`];
//! [`edit::apply`] changes the groups in one and leaves every other byte as it was;
//! [`expand::expand`] puts variables into a value of a project file.

pub mod edit;
pub mod expand;
pub mod groups;
pub mod parse;
pub mod project;
pub mod session;
pub mod user;
