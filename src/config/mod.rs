//! The two files and the names in them. Pure: bytes in, types out.

pub mod names;
