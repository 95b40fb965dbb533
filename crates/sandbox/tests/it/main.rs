//! The sandbox from the outside: a manual of what it does, and what it refuses.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod bound;
mod chunked;
mod codes;
mod control;
mod faults;
mod journal;
mod messages;
mod page;
mod phone;
mod pushes;
mod qr;
mod receiver;
mod rig;
mod tokens;
