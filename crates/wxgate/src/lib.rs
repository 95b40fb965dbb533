//! wxgate: one service that owns a company's WeChat credentials.
//!
//! How the modules stand to each other, and what must always hold, is in ARCHITECTURE.md.

pub mod admit;
pub mod alerts;
mod bookkeeping;
pub mod cli;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod entries;
pub mod errors;
pub mod flights;
pub mod gateway;
pub mod handover;
mod heartbeat;
pub mod http;
pub mod inbox;
pub mod keys;
pub mod lang;
pub mod limits;
pub mod net;
pub mod outcome;
pub mod parts;
pub mod people;
pub mod places;
pub mod problem;
pub mod problems;
pub mod random;
pub mod registry;
pub mod reloads;
pub mod rings;
pub mod rules;
pub mod shares;
pub mod slots;
pub mod store;
mod stored;
pub mod tasks;
pub mod telemetry;
pub mod text;
pub mod tls;
pub mod tokens;
pub mod transport;
pub mod upstream;
pub mod wake;
pub mod workers;
pub mod wx_quotas;
