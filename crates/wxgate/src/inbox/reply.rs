//! The passive reply: from what a backend answered to what WeChat gets.

use wechat::envelope::{self, Stamp};
use wechat::message::Format;

use crate::delivery::Answer;
use crate::keys::Keys;

/// An answer on its way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) answer: Answer,
    /// Of the message it answers: equal messages get equal answers.
    pub(super) digest: [u8; 32],
}

impl Reply {
    /// As the message came: encrypted if that was. What is random in it follows from the message.
    pub(super) fn seal(&self, account: &envelope::Keys<'_>, format: Format, keys: &Keys) -> Vec<u8> {
        let Self { answer, digest } = self;
        // An event may be answered more than once, each time otherwise.
        let (random, rest) = {
            let bytes = keys.mac(&[b"reply", digest, &answer.made_at.to_be_bytes(), &answer.message]);
            let (random, rest) = bytes.split_at(16);
            (
                <[u8; 16]>::try_from(random).unwrap_or_default(),
                <[u8; 8]>::try_from(&rest[..8]).unwrap_or_default(),
            )
        };
        let nonce = keys.nonce_from(u64::from_be_bytes(rest));
        let stamp = Stamp { timestamp: answer.made_at, nonce: &nonce, random };
        envelope::seal_reply(account, format, &answer.message, &stamp)
    }
}
