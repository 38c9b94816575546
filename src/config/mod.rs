//! The files that people write. Pure: bytes in, types out.
//!
//! [`parse::parse`] reads a file as [`user::UserFile`] or [`project::ProjectFile`];
//! [`edit::apply`] changes the groups in one and leaves every other byte as it was;
//! [`dotenv::parse`] reads what a project file names; [`imported`] and [`envrc`] read what is to
//! become one; [`expand::expand`] puts variables into the values of both; [`schema`] describes
//! the first two to editors.

pub mod dotenv;
pub mod edit;
pub mod envrc;
pub mod expand;
pub mod flake;
pub mod groups;
pub mod guess;
pub mod imported;
pub mod layout;
pub mod parse;
pub mod pattern;
pub mod project;
pub mod schema;
pub mod session;
pub mod user;
mod version;
