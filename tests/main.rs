//! All tests that run the real binary, and those of the library that need files.
mod config;
