//! A message as streams have it: read once, and written once however many get it.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::Value;
use wechat::message::Message;

use crate::delivery::payload;
use crate::store::{Claimed, Streamed};

/// See the module.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) message: Message,
    claimed: Claimed,
    /// Its type and its object, as that is written.
    plain: OnceLock<(String, Bytes)>,
    /// The same with the message as WeChat wrote it.
    raw: OnceLock<(String, Bytes)>,
}

impl Item {
    pub(super) fn new(streamed: Streamed) -> Self {
        let Streamed { claimed, .. } = streamed;
        let message = Message::read(&claimed.body);
        Self { message, claimed, plain: OnceLock::new(), raw: OnceLock::new() }
    }

    pub(super) fn appid(&self) -> &str {
        &self.claimed.appid
    }

    /// Writes it as an event whose place is its number.
    pub(super) fn write(&self, raw: bool, out: &mut Vec<u8>) {
        let (kind, data) = self.written(raw);
        out.extend_from_slice(format!("id: {}\nevent: {kind}\ndata: ", self.claimed.event_id).as_bytes());
        out.extend_from_slice(data);
        out.extend_from_slice(b"\n\n");
    }

    /// Writes that it is sent once more: that has no place.
    pub(super) fn write_again(&self, raw: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: replay\ndata: ");
        out.extend_from_slice(&self.written(raw).1);
        out.extend_from_slice(b"\n\n");
    }

    fn written(&self, raw: bool) -> &(String, Bytes) {
        let place = if raw { &self.raw } else { &self.plain };
        place.get_or_init(|| {
            let mut object = payload(&self.claimed, self.message.clone());
            object["event_id"] = self.claimed.event_id.to_string().into();
            if raw {
                object["data"]["raw"] = BASE64_STANDARD.encode(&self.claimed.body).into();
            }
            let kind = object.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
            (kind, Bytes::from(object.to_string()))
        })
    }
}
