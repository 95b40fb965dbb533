//! What may be: pure judgements over texts and addresses, without a clock, a store or a socket.

pub mod egress;
pub mod filter;
pub mod leaks;
pub mod pattern;
pub mod redirects;
pub mod rights;
