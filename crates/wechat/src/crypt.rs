//! WeChat's signatures and encryption.
//!
//! - [`AesKey`]: the `EncodingAESKey` of a callback, AES-256-CBC over WeChat's own envelope.
//! - [`signature`] and [`verify`]: SHA-1 of sorted parts, for callbacks; [`jssdk_signature`] and
//!   [`card_signature`] for pages.
//! - [`readings()`]: what else such a signature is good for.
//! - [`wxa`]: what a mini program's front end hands over.
//!
//! Nothing here draws random bytes: they are parameters, so every function is a function. Failures
//! to decrypt are one value without a cause, lest an answer tell an attacker which check failed;
//! types that hold keys print nothing of them.

mod key;
mod readings;
mod sign;
pub mod wxa;

pub use key::{AesKey, BadKey, Plain};
pub use readings::readings;
pub use sign::{card_signature, jssdk_signature, signature, verify};

use sign::sorted;

/// Ciphertext that can't be read. Base64, length, padding and envelope aren't told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ciphertext can't be decrypted")]
pub struct Undecipherable;
