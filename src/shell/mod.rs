//! What shells read: quoting, for each of them.

pub mod quote;
