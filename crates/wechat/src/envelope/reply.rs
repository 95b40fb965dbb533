//! Reading the passive reply a backend gives to a push.

use super::open::open_sealed;
use super::{Account, Refused};
use crate::message::{Format, Malformed, Message};

/// A passive reply.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The reply as the backend wrote it, decrypted.
    pub body: Vec<u8>,
    /// The same, read.
    pub message: Message,
    /// It came encrypted.
    pub encrypted: bool,
}

impl Reply {
    /// The reply in the format the account wants: unchanged if it has that, else translated.
    pub fn in_format(&self, format: Format) -> Result<Vec<u8>, Malformed> {
        if format == self.message.format() {
            return Ok(self.body.clone());
        }
        match format {
            Format::Xml => self.message.to_xml().map(String::into_bytes),
            Format::Json => Ok(self.message.to_json().into_bytes()),
        }
    }
}

/// What a backend may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A message with a `MsgType`.
    Message,
    /// Any `<xml>` document, any JSON object: the answer of an event's own protocol.
    Document,
}

/// Reads a reply of this kind, in either format, plain or encrypted with what `account` has. `success` and other words are
/// [`Malformed::Format`].
pub fn open_reply(body: &[u8], account: &Account<'_>, kind: Kind) -> Result<Reply, Refused> {
    let outer = Message::parse(body)?;
    let sealed = outer.text("Encrypt");
    if sealed.is_empty() {
        return reply(body.to_vec(), outer, false, kind);
    }
    if account.keys.is_empty() {
        return Err(Refused::NoKey);
    }
    let signed = [&*outer.text("TimeStamp"), &*outer.text("Nonce"), &*sealed];
    let (_, inner) = open_sealed(account, &outer.text("MsgSignature"), signed)?;
    let message = Message::parse(&inner)?;
    reply(inner, message, true, kind)
}

fn reply(body: Vec<u8>, message: Message, encrypted: bool, kind: Kind) -> Result<Reply, Refused> {
    if kind == Kind::Message && !message.is_reply() {
        return Err(Refused::NotReply);
    }
    Ok(Reply { body, message, encrypted })
}
