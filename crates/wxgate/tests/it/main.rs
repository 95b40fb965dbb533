//! One binary: the real gateway against the sandbox, over HTTP.

#![expect(clippy::unwrap_used, reason = "a failed step ends the test")]
#![expect(clippy::disallowed_methods, reason = "tests spawn what the product must not")]

mod access;
mod admin_api;
mod admin_door;
mod ailing;
mod app;
mod backend;
mod callbacks;
mod callers;
mod cli;
mod clocks;
mod database;
mod days;
mod deliveries;
mod edge;
mod edges;
mod egress;
mod errors;
mod healing;
mod import;
mod keyless;
mod languages;
mod lengths;
mod lies;
mod lifecycle;
mod limits;
mod logs;
mod malformed;
mod mirror;
mod network;
mod oauth;
mod oauth_home;
mod onlookers;
mod operators;
mod own_answers;
mod patience;
mod proxy;
mod raw;
mod replies;
mod secrets;
mod services;
mod shares;
mod signed;
mod silence;
mod smuggling;
mod splits;
mod strays;
mod successors;
mod tidy;
mod tokens;
mod unheard;
mod unread;
mod wayout;
mod words;
