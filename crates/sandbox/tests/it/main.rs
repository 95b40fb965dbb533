//! The sandbox from the outside: a manual of what it does, and what it refuses.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod account;
mod audit_kinder;
mod audit_pushes;
mod audit_stricter;
mod audit_words;
mod bound;
mod bounds;
mod cards;
mod chosen;
mod chunked;
mod codes;
mod comments;
mod content;
mod contract;
mod control;
mod desk;
mod drafts;
mod faults;
mod figures;
mod hostile;
mod journal;
mod links;
mod mass;
mod materials;
mod menus;
mod messages;
mod ocr;
mod once;
mod page;
mod phone;
mod publications;
mod pushes;
mod qr;
mod receiver;
mod rig;
mod seeds;
mod sessions;
mod snapshots;
mod tags;
mod tokens;
mod whole;
mod worlds;
