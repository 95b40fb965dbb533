//! The master key and what is made with it.

pub mod gateway_token;
pub mod nonce;
pub mod seal;
