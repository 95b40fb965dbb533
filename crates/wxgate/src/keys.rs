//! The master key and what is made with it: sealing at rest ([`seal`]), nonces that are known again as our own
//! ([`nonce`]), and the tokens that SDKs hold in place of WeChat's ([`gateway_token`]).

mod gateway_token;
mod nonce;
mod seal;

use std::fmt;
use std::sync::Arc;

use chacha20poly1305::XChaCha20Poly1305;

pub use gateway_token::{EXPIRES_IN, Grant, Holder, PREFIX as TOKEN_PREFIX};
pub use seal::{Cell, Unsealable};

use crate::random::Random;

/// The master key, ready for use. Cheap to clone.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    cipher: XChaCha20Poly1305,
    mac_key: [u8; 32],
    random: Random,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}
