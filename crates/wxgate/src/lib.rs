//! wxgate: one service that owns a company's WeChat credentials.
//!
//! How the modules stand to each other, and what must always hold, is in ARCHITECTURE.md.

pub mod app;
pub mod apps;
pub mod callers;
pub mod cli;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod egress;
pub mod filter;
pub mod gateway_token;
pub mod http;
pub mod inbox;
pub mod net;
pub mod nonce;
pub mod problem;
pub mod redirects;
pub mod rights;
pub mod routes;
pub mod seal;
pub mod slots;
pub mod store;
pub mod tasks;
pub mod telemetry;
pub mod tls;
pub mod tokens;
pub mod transport;
pub mod upstream;
pub mod usage;
