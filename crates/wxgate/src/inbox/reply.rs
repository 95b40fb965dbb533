//! The passive reply: from what a backend answered to what WeChat gets.

use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};
use wechat::envelope::{self, Account, Stamp};
use wechat::message::{self, Format, Message};

use super::Incoming;
use crate::entries::{Form, Seal};
use crate::keys::Keys;
use crate::lang::say;
use crate::registry::routes::Route;
use crate::store::StoredEvent;

/// A passive reply in the account's format, in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    message: Vec<u8>,
    /// Unix seconds.
    made_at: i64,
    /// Of the message it answers: equal messages get equal answers.
    digest: [u8; 32],
}

impl Reply {
    /// What [`Reply::to_keep`] gave.
    pub(super) fn from_kept(kept: &[u8], event: &StoredEvent) -> Option<Self> {
        let (made_at, message) = kept.split_first_chunk()?;
        Some(Self { message: message.to_vec(), made_at: i64::from_be_bytes(*made_at), digest: event.digest })
    }

    pub(super) fn to_keep(&self) -> Vec<u8> {
        [self.made_at.to_be_bytes().as_slice(), &self.message].concat()
    }

    /// As the message came: encrypted if that was. What is random in it follows from the message.
    pub(super) fn seal(&self, account: &envelope::Keys<'_>, format: Format, keys: &Keys) -> Vec<u8> {
        let (random, rest) = {
            let bytes = keys.mac(&[b"reply", &self.digest]);
            let (random, rest) = bytes.split_at(16);
            (
                <[u8; 16]>::try_from(random).unwrap_or_default(),
                <[u8; 8]>::try_from(&rest[..8]).unwrap_or_default(),
            )
        };
        let nonce = keys.nonce_from(u64::from_be_bytes(rest));
        let stamp = Stamp { timestamp: self.made_at, nonce: &nonce, random };
        envelope::seal_reply(account, format, &self.message, &stamp)
    }
}

/// The reply in a backend's answer, if it is one.
pub(super) fn read(
    answer: &[u8],
    route: &Route,
    incoming: &Incoming,
    event: &StoredEvent,
    made_at: i64,
) -> Option<Reply> {
    // What WeChat would stumble over before the reply.
    let answer = answer.trim_ascii_start();
    let answer = answer.strip_prefix(b"\xef\xbb\xbf").unwrap_or(answer).trim_ascii();
    let entry = &incoming.app.entry;
    let (token, keys) = match &route.entry.form {
        Form::Json(_) => (None, Vec::new()),
        Form::Wechat { token, seal } => {
            let keys = match seal {
                Seal::Plain => Vec::new(),
                Seal::App => entry.aes_keys.first().into_iter().collect(),
                Seal::Own(key) => vec![key],
            };
            (token.as_ref().or(entry.callback_tokens.first()), keys)
        }
    };
    let tokens = token.map(|token| token.expose_secret()).into_iter().collect();
    let account = Account { appid: &entry.appid, tokens, keys };
    match envelope::open_reply(answer, &account) {
        Ok(reply) => {
            let message = complete(&reply.message, incoming, made_at)
                .unwrap_or_else(|| reply.in_format(incoming.format))
                .inspect_err(|error| {
                    tracing::info!(route = route.entry.name, event = event.id, %error, "{}", say("后端的被动回复无法转换格式", "a backend's passive reply can't be converted"));
                })
                .ok()?;
            Some(Reply { message, made_at, digest: event.digest })
        }
        Err(refused) => {
            let is_silence = matches!(answer.trim_ascii(), b"" | b"success");
            if !is_silence {
                tracing::info!(route = route.entry.name, event = event.id, %refused, "{}", say("后端的应答不是被动回复，按 success 处理", "what a backend answered is no passive reply: WeChat gets success"));
            }
            None
        }
    }
}

/// With what every reply needs and this one lacks; `None` if it lacks nothing.
fn complete(
    reply: &Message,
    incoming: &Incoming,
    made_at: i64,
) -> Option<Result<Vec<u8>, message::Malformed>> {
    let needed: [(&str, Value); 3] = [
        ("ToUserName", incoming.user.as_str().into()),
        ("FromUserName", incoming.account.as_str().into()),
        ("CreateTime", made_at.into()),
    ];
    let mut fields: Map<String, Value> = Map::new();
    for (name, value) in needed {
        if reply.text(name).is_empty() {
            fields.insert(name.to_owned(), value);
        }
    }
    if fields.is_empty() {
        return None;
    }
    for (name, value) in reply.fields() {
        fields.entry(name).or_insert_with(|| value.clone());
    }
    Some(match incoming.format {
        Format::Xml => message::to_xml(&fields).map(String::into_bytes),
        Format::Json => Ok(Value::Object(fields).to_string().into_bytes()),
    })
}
