//! Calling WeChat as an app: puts the credential on the wire. Typed calls are in [`call`], callers' own requests in
//! [`pass`]; what a dead token needs is done by [`crate::tokens`].

mod call;
mod pass;

use wechat::answer::ApiError;

use crate::slots::TokenError;
use crate::tokens::{Tokens, Unhealed};
use crate::transport::{Lost, Transport};

pub use pass::{Part, PassAnswer, PassRequest};

/// Why a call gave nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// The app's access_token could not be had.
    #[error("no access_token: {0}")]
    Token(#[from] TokenError),
    /// WeChat's own refusal. For a token error: no other token cures it.
    #[error("WeChat refused: {} {}", .0.errcode, .0.errmsg)]
    Refused(ApiError),
    /// WeChat refused the token, and nobody could find out why. The call may be made again.
    #[error("the access_token was refused, and whether it is dead could not be found out")]
    Unknown,
    /// The token was dead and is replaced, but the call can't be repeated here: the caller may send it again.
    #[error("the access_token was replaced; the call was not repeated")]
    Again,
    /// No usable answer.
    #[error("no answer: {0}")]
    Lost(#[from] Lost),
}

impl From<Unhealed> for CallError {
    fn from(unhealed: Unhealed) -> Self {
        match unhealed {
            Unhealed::Token(error) => Self::Token(error),
            Unhealed::Lost(lost) => Self::Lost(lost),
            Unhealed::Refused(error) => Self::Refused(error),
            Unhealed::Unknown => Self::Unknown,
            Unhealed::Again => Self::Again,
        }
    }
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Upstream {
    tokens: Tokens,
    /// For calls that are nobody's.
    transport: Transport,
}

impl Upstream {
    /// `transport` is for calls that are no app's.
    pub fn new(tokens: Tokens, transport: Transport) -> Self {
        Self { tokens, transport }
    }

    /// The token authority.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }
}

/// The media type of a picture, by its first bytes.
pub fn picture_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xFF, 0xD8, 0xFF, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        _ => None,
    }
}
