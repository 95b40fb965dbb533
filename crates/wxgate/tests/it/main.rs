//! One binary: the real gateway against the sandbox, over HTTP.

#![expect(clippy::unwrap_used, reason = "a failed step ends the test")]
#![expect(clippy::disallowed_methods, reason = "tests spawn what the product must not")]

mod app;
mod callers;
mod cli;
mod days;
mod egress;
mod lifecycle;
mod network;
mod secrets;
mod services;
mod tidy;
mod tokens;
