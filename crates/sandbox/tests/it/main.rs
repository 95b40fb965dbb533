//! The sandbox by itself, over HTTP; reads like its manual.

mod rules;
mod world;
