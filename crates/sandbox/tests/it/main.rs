//! The sandbox by itself, over HTTP; reads like its manual.

#![expect(clippy::unwrap_used, reason = "a failed step ends the test")]
#![expect(clippy::disallowed_methods, reason = "tests spawn what the product must not")]

mod rules;
mod world;
