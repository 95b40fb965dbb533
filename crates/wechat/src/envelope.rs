//! Callbacks: what surrounds a message on its way from WeChat, to a backend, and back.
//!
//! | direction | function |
//! |---|---|
//! | WeChat checks a URL | [`Query::parse`], [`verify_url`] |
//! | WeChat pushes a message | [`Push::read`], [`Push::open`] |
//! | the answer to WeChat | [`seal_reply`] |
//! | the same push to a backend | [`push`], [`compatible_push`] |
//! | the backend's answer | [`open_reply`] |
//!
//! Opening takes the accounts a push may be for, each with its present and previous token and key,
//! and returns which one fitted. An account that has a key takes encrypted messages only, whatever
//! else a push of compatible mode carries in the clear.
//!
//! [`Refused`] says which check failed. That is for the log: whoever sent the push gets one text for
//! all of them. Freshness and replay are the caller's, since nothing here knows the time.

mod open;
mod outgoing;
mod query;
mod reply;

pub use open::{Mode, Opened, Push, verify_url};
pub use outgoing::{Outgoing, compatible_push, push, seal_reply};
pub use query::Query;
pub use reply::{Kind, Reply, open_reply};

use crate::crypt::AesKey;
use crate::message::Malformed;
use std::fmt;

/// An account a push may be for, with all secrets that are good at present.
#[derive(Clone)]
pub struct Account<'a> {
    /// The id sealed into encrypted messages: the AppID; a third-party platform's own.
    pub appid: &'a str,
    /// Tokens, the current one first.
    pub tokens: Vec<&'a str>,
    /// AES keys, the current one first; none: messages are plain.
    pub keys: Vec<&'a AesKey>,
}

/// The secrets to sign and seal with.
#[derive(Clone, Copy)]
pub struct Keys<'a> {
    /// The id to seal into encrypted messages.
    pub appid: &'a str,
    /// Signs.
    pub token: &'a str,
    /// Encrypts; none: plain.
    pub key: Option<&'a AesKey>,
}

/// What makes every sealed message another.
#[derive(Clone, Copy)]
pub struct Stamp<'a> {
    /// Unix seconds.
    pub timestamp: i64,
    /// Signed along; URL-safe.
    pub nonce: &'a str,
    /// Goes before an encrypted message; from a secure source, never twice the same.
    pub random: [u8; 16],
}

/// Why a callback isn't accepted; a later variant got further than an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refused {
    /// A parameter is missing, twice there, or not what it must be.
    #[error("query: {0}")]
    Query(&'static str),
    /// The body, or what was encrypted in it, isn't a message.
    #[error("body: {0}")]
    Body(#[from] Malformed),
    /// There is no account to try.
    #[error("no account to try")]
    NoAccount,
    /// Plain, but the account has a key.
    #[error("the message is plain, but the account has an AES key")]
    Plain,
    /// Encrypted, but the account has no key.
    #[error("the message is encrypted, but the account has no AES key")]
    NoKey,
    /// Signed with none of the tokens.
    #[error("the signature fits none of the tokens")]
    Signature,
    /// Encrypted with none of the keys.
    #[error("the message can't be decrypted with any of the keys")]
    Cipher,
    /// Decrypted, but meant for another account.
    #[error("the message was encrypted for another appid")]
    ReceiveId,
    /// Plain, and several accounts share the token.
    #[error("the plain message fits several accounts")]
    Ambiguous,
    /// A reply without `MsgType`.
    #[error("not a reply: no MsgType")]
    NotReply,
}

impl fmt::Debug for Account<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("appid", &self.appid).finish_non_exhaustive()
    }
}

impl fmt::Debug for Keys<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("appid", &self.appid).finish_non_exhaustive()
    }
}

impl fmt::Debug for Stamp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stamp").field("timestamp", &self.timestamp).finish_non_exhaustive()
    }
}
