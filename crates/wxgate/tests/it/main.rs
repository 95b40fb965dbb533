//! One binary: the real gateway against the sandbox, over HTTP.

mod app;
mod callers;
mod cli;
mod days;
mod lifecycle;
mod secrets;
mod services;
mod tidy;
mod tokens;
