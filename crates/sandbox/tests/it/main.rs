//! The sandbox from the outside: a manual of what it does, and what it refuses.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod account;
mod bound;
mod chosen;
mod chunked;
mod codes;
mod control;
mod desk;
mod faults;
mod figures;
mod journal;
mod messages;
mod once;
mod pushes;
mod qr;
mod receiver;
mod rig;
mod tags;
mod tokens;
