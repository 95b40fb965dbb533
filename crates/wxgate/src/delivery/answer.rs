//! What a backend answered, as far as it is a reply to WeChat.

use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};
use wechat::catalog::events;
use wechat::envelope::{self, Account, Kind, Refused};
use wechat::message::{self, Format, Malformed, Message};

use crate::entries::{AppEntry, Form, RouteEntry, Seal};
use crate::lang::say;

/// A reply in the account's format, in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What the user, or WeChat itself, is to get.
    pub message: Vec<u8>,
    /// Unix seconds.
    pub made_at: i64,
}

impl Answer {
    /// What [`Answer::to_keep`] gave.
    pub fn from_kept(kept: &[u8]) -> Option<Self> {
        let (made_at, message) = kept.split_first_chunk()?;
        Some(Self { message: message.to_vec(), made_at: i64::from_be_bytes(*made_at) })
    }

    /// As the store keeps it.
    pub fn to_keep(&self) -> Vec<u8> {
        [self.made_at.to_be_bytes().as_slice(), &self.message].concat()
    }

    /// There is nothing to say.
    pub fn nothing(made_at: i64) -> Self {
        Self { message: Vec::new(), made_at }
    }

    /// Whether there is nothing to say.
    pub fn is_nothing(&self) -> bool {
        self.message.is_empty()
    }

    /// Whether it tells WeChat that an event with an answer of its own need not be repeated.
    pub fn says_success(&self) -> bool {
        Message::parse(&self.message).is_ok_and(|answer| answer.says_success())
    }
}

/// Whether the protocol of this event has an answer of its own. What may have been written by a user has none.
pub fn answers_itself(message: &Message) -> bool {
    message.is_event() && !message.is_suspect() && events::answers_itself(&message.event())
}

/// The answer in what `route`'s backend said to `message` of `app`; `None`: that is no reply.
pub(super) fn read(
    said: &[u8],
    route: &RouteEntry,
    app: &AppEntry,
    message: &Message,
    made_at: i64,
) -> Option<Answer> {
    let said = bare(said);
    let is_raw = route.reply.is_some_and(|reply| reply.is_raw);
    let found = understood(said, &account(route, app), is_raw, message, made_at).inspect_err(|refused| {
        if !matches!(said, b"" | b"success") {
            let none = say(
                "后端的应答不是被动回复，按 success 处理",
                "what a backend answered is no passive reply: WeChat gets success",
            );
            tracing::info!(route = route.name, %refused, "{none}");
        }
    });
    Some(Answer { message: found.ok()?, made_at })
}

/// The answer in what a stream's reader said, in clear; `None`: that is no reply.
pub(super) fn read_plain(said: &[u8], app: &AppEntry, message: &Message, made_at: i64) -> Option<Answer> {
    let tokens = app.callback_tokens.first().map(|token| token.expose_secret()).into_iter().collect();
    let account = Account { appid: &app.appid, tokens, keys: Vec::new() };
    let found = understood(bare(said), &account, false, message, made_at);
    Some(Answer { message: found.ok()?, made_at })
}

/// Without what WeChat would stumble over before the reply.
pub(super) fn bare(said: &[u8]) -> &[u8] {
    let mut said = said.trim_ascii();
    while let Some(rest) = said.strip_prefix(b"\xef\xbb\xbf") {
        said = rest.trim_ascii_start();
    }
    said
}

fn understood(
    said: &[u8],
    account: &Account<'_>,
    is_raw: bool,
    message: &Message,
    made_at: i64,
) -> Result<Vec<u8>, Refused> {
    let kind = if answers_itself(message) { Kind::Document } else { Kind::Message };
    match envelope::open_reply(said, account, if is_raw { Kind::Document } else { kind }) {
        Ok(reply) if is_raw => Ok(reply.body),
        Err(_) if is_raw && message::is_document(said) => Ok(said.to_vec()),
        Ok(reply) => match kind {
            Kind::Message => complete(&reply.message, message, made_at),
            Kind::Document => None,
        }
        .unwrap_or_else(|| reply.in_format(message.format()))
        .map_err(Refused::Body),
        Err(refused) => Err(refused),
    }
}

/// Whose keys the backend may have used.
fn account<'a>(route: &'a RouteEntry, app: &'a AppEntry) -> Account<'a> {
    let (token, keys) = match &route.form {
        Form::Json(_) => (None, Vec::new()),
        Form::Wechat { token, seal } => {
            let keys = match seal {
                Seal::Plain => Vec::new(),
                Seal::App => app.aes_keys.first().into_iter().collect(),
                Seal::Own(key) => vec![key],
            };
            (token.as_ref().or(app.callback_tokens.first()), keys)
        }
    };
    let tokens = token.map(|token| token.expose_secret()).into_iter().collect();
    Account { appid: &app.appid, tokens, keys }
}

/// With what every reply needs and this one lacks; `None` if it lacks nothing.
fn complete(reply: &Message, message: &Message, made_at: i64) -> Option<Result<Vec<u8>, Malformed>> {
    let needed: [(&str, Value); 3] = [
        ("ToUserName", message.from_user().into()),
        ("FromUserName", message.to_user().into()),
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
    Some(match message.format() {
        Format::Xml => message::to_xml(&fields).map(String::into_bytes),
        Format::Json => Ok(Value::Object(fields).to_string().into_bytes()),
    })
}
