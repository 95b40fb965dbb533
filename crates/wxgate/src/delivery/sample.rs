//! Messages as WeChat would write them, for trying routes.

use serde_json::{Map, Value, json};
use wechat::message::{self, Malformed};

/// Kinds of messages that users send.
const MESSAGES: [&str; 8] =
    ["text", "image", "voice", "video", "shortvideo", "location", "link", "miniprogrampage"];

/// A message that nobody sent.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// The account's original id.
    pub to: &'a str,
    /// The user's openid.
    pub from: &'a str,
    /// What it is.
    pub what: What<'a>,
    /// When it was made, Unix milliseconds.
    pub at: i64,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// An event, with the scene that was scanned.
    Event(&'a str, &'a str),
    /// A message of this `MsgType`, and what it says if it is a text.
    Message(&'a str, &'a str),
}

/// The kind that `name` means in what a user sends, as it is written there.
pub fn message_kind(name: &str) -> Option<&'static str> {
    MESSAGES.into_iter().find(|kind| *kind == name)
}

impl<'a> What<'a> {
    /// As routes name them in `events`: `event:LOCATION`, `message:location`; a bare name in lower case that users' messages have
    /// is one, any other an event.
    pub fn named(name: &'a str, scene: &'a str, text: &'a str) -> Self {
        match name.split_once(':') {
            Some(("event", name)) => Self::Event(name, scene),
            Some(("message", name)) => Self::Message(name, text),
            _ => message_kind(name).map_or(Self::Event(name, scene), |kind| Self::Message(kind, text)),
        }
    }
}

impl Sample<'_> {
    /// As XML.
    pub fn xml(&self) -> Result<String, Malformed> {
        let Self { to, from, what, at } = *self;
        let mut fields = Map::new();
        let kind = match what {
            What::Event(..) => "event",
            What::Message(kind, _) => kind,
        };
        // The kind stands before any text of a user's, or it is none.
        let head = json!({"ToUserName": to, "FromUserName": from, "CreateTime": at / 1000, "MsgType": kind});
        let more = match what {
            What::Event(name, scene) => {
                let prefix =
                    if name.eq_ignore_ascii_case("subscribe") && !scene.is_empty() { "qrscene_" } else { "" };
                let mut event = json!({"Event": name, "EventKey": format!("{prefix}{scene}")});
                if name.eq_ignore_ascii_case("location") {
                    event["Latitude"] = "23.137466".into();
                    event["Longitude"] = "113.352425".into();
                    event["Precision"] = "119.385040".into();
                }
                event
            }
            What::Message(kind, text) => of_a_user(kind, text, at),
        };
        for part in [head, more] {
            if let Value::Object(part) = part {
                fields.extend(part);
            }
        }
        message::to_xml(&fields)
    }
}

fn of_a_user(kind: &str, text: &str, at: i64) -> Value {
    let mut message = match kind {
        "text" => json!({"Content": text}),
        "image" => json!({"PicUrl": "http://mmbiz.qpic.cn/sample", "MediaId": "media_sample"}),
        "voice" => json!({"MediaId": "media_sample", "Format": "amr"}),
        "video" | "shortvideo" => json!({"MediaId": "media_sample", "ThumbMediaId": "thumb_sample"}),
        "location" => {
            json!({"Location_X": "23.134521", "Location_Y": "113.358803", "Scale": "20", "Label": "sample"})
        }
        "link" => json!({"Title": "sample", "Description": "sample", "Url": "https://example.com/"}),
        "miniprogrampage" => json!({"Title": "sample", "AppId": "", "PagePath": "pages/index/index",
            "ThumbUrl": "http://mmbiz.qpic.cn/sample", "ThumbMediaId": "thumb_sample"}),
        _ => json!({}),
    };
    message["MsgId"] = at.into();
    message
}

#[cfg(test)]
mod tests {
    use wechat::message::Message;

    use super::*;

    #[test]
    fn a_name_means_an_event_or_a_message_as_in_a_route() {
        for (name, what) in [
            ("SCAN", What::Event("SCAN", "s")),
            ("LOCATION", What::Event("LOCATION", "s")),
            ("location", What::Message("location", "t")),
            ("text", What::Message("text", "t")),
            ("event:text", What::Event("text", "s")),
            ("message:image", What::Message("image", "t")),
        ] {
            assert_eq!(What::named(name, "s", "t"), what, "{name}");
        }
    }

    #[test]
    fn every_sample_is_read_as_what_it_is() {
        let read = |what| {
            let xml = Sample { to: "gh_1", from: "o1", what, at: 1_795_305_600_000 }.xml().unwrap();
            let message = Message::parse(xml.as_bytes()).unwrap();
            (message.msg_type().into_owned(), message.event().into_owned(), message.scene().into_owned())
        };
        for kind in MESSAGES {
            assert_eq!(read(What::Message(kind, "hi")), (kind.to_owned(), String::new(), String::new()));
        }
        let scanned = ("event".to_owned(), "subscribe".to_owned(), "login_1".to_owned());
        assert_eq!(read(What::Event("subscribe", "login_1")), scanned);
    }
}
