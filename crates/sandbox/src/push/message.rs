//! Messages and events as XML or JSON, and their envelopes.

use crate::world::{Format, Random, Scene, Told};
use serde_json::{Map, Value, json};

/// A message from a user to an account.
#[derive(Clone, Debug)]
pub(crate) struct Push {
    pub(crate) appid: String,
    pub(crate) openid: String,
    /// Its members in order; who it is from and to and when need not be among them. A list is its name again and
    /// again in XML.
    message: Map<String, Value>,
    /// What an event about subscriptions tells of each template; XML and JSON wrap it differently.
    about: Option<(Subscription, Vec<Value>)>,
    /// Where its nonces come from.
    pub(crate) chance: Random,
    /// Its number, if it got one when it was caused.
    pub(crate) seq: Option<u64>,
}

/// An event about subscription messages.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subscription {
    /// The user answered the question.
    Popup,
    /// The user changed the answer.
    Change,
    /// A message was sent.
    Sent,
}

impl Subscription {
    pub(crate) fn of(event: &str) -> Option<Self> {
        [Self::Popup, Self::Change, Self::Sent].into_iter().find(|known| known.event() == event)
    }

    const fn event(self) -> &'static str {
        match self {
            Self::Popup => "subscribe_msg_popup_event",
            Self::Change => "subscribe_msg_change_event",
            Self::Sent => "subscribe_msg_sent_event",
        }
    }

    /// The element around the list in XML.
    const fn element(self) -> &'static str {
        match self {
            Self::Popup => "SubscribeMsgPopupEvent",
            Self::Change => "SubscribeMsgChangeEvent",
            Self::Sent => "SubscribeMsgSentEvent",
        }
    }
}

impl Push {
    /// Any message: members as given, and what is missing of who it is from and to and when.
    pub(crate) fn new(appid: &str, openid: &str, message: Map<String, Value>) -> Self {
        let (appid, openid) = (appid.to_owned(), openid.to_owned());
        Self { appid, openid, message, about: None, chance: Random::default(), seq: None }
    }

    /// A text the user wrote.
    pub(crate) fn text(appid: &str, openid: &str, content: &str, msgid: u64) -> Self {
        Self::new(appid, openid, object(json!({"MsgType": "text", "Content": content, "MsgId": msgid})))
    }

    /// An event and what else it carries.
    pub(crate) fn event(appid: &str, openid: &str, event: &str, more: Value) -> Self {
        let mut message = object(json!({"MsgType": "event", "Event": event}));
        message.extend(object(more));
        Self::new(appid, openid, message)
    }

    /// An event about subscription messages, with an item a template.
    pub(crate) fn subscription(appid: &str, openid: &str, event: Subscription, items: Vec<Value>) -> Self {
        Self { about: Some((event, items)), ..Self::event(appid, openid, event.event(), json!({})) }
    }

    /// What a sent message came to in the end, if that is not what this says.
    pub(crate) fn came_to(&mut self, status: &str) {
        if let Some(said) = self.message.get_mut("Status") {
            *said = status.into();
        }
        if let Some((Subscription::Sent, items)) = &mut self.about {
            let code = if status == "success" { 0 } else { -1 };
            for item in items {
                item["ErrorCode"] = code.into();
                item["ErrorStatus"] = status.into();
            }
        }
    }

    /// A scan: `subscribe` with `qrscene_…` if the user follows by it, else `SCAN`.
    pub(crate) fn scan(appid: &str, openid: &str, news: bool, scene: &Scene, ticket: &str) -> Self {
        let (event, key) =
            if news { ("subscribe", format!("qrscene_{scene}")) } else { ("SCAN", scene.to_string()) };
        Self::event(appid, openid, event, json!({"EventKey": key, "Ticket": ticket}))
    }

    /// A text member at the top; empty if there is none.
    pub(crate) fn member(&self, name: &str) -> &str {
        self.message.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// What an account is told of a customer-service session.
    pub(crate) fn of_session(appid: &str, openid: &str, told: &Told) -> Self {
        let (event, more) = match told {
            Told::Begun(account) => ("kf_create_session", json!({"KfAccount": account})),
            Told::Over(account) => ("kf_close_session", json!({"KfAccount": account})),
            Told::Handed(from, to) => {
                ("kf_switch_session", json!({"FromKfAccount": from, "ToKfAccount": to}))
            }
        };
        Self::event(appid, openid, event, more)
    }

    /// The members it has of its own.
    pub(crate) fn members(&self) -> Value {
        let mut members = self.message.clone();
        if let Some((event, items)) = &self.about {
            members.insert(event.element().to_owned(), json!({"List": items}));
        }
        Value::Object(members)
    }

    /// The text of the message.
    pub(crate) fn render(&self, original_id: &str, create_time: i64, format: Format) -> String {
        let mut message = object(json!({
            "ToUserName": original_id,
            "FromUserName": self.openid,
            "CreateTime": create_time,
        }));
        message.extend(self.message.clone());
        match (&self.about, format) {
            (Some((event, items)), Format::Xml) => {
                message.insert(event.element().to_owned(), json!({"List": items}));
            }
            (Some((_, items)), Format::Json) => {
                message.insert("CreateTime".to_owned(), create_time.to_string().into());
                let mut items: Vec<Value> = items.iter().map(as_texts).collect();
                // One is not a list of one.
                let list = if items.len() == 1 { items.remove(0) } else { items.into() };
                message.insert("List".to_owned(), list);
            }
            (None, _) => {}
        }
        match format {
            Format::Xml => format!("<xml>{}</xml>", xml(&message)),
            Format::Json => Value::Object(message).to_string(),
        }
    }
}

/// The members of an object; none of anything else.
fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// An object with its numbers as texts.
fn as_texts(item: &Value) -> Value {
    let text = |value: &Value| if value.is_number() { value.to_string().into() } else { value.clone() };
    object(item.clone()).into_iter().map(|(name, value)| (name, text(&value))).collect()
}

impl Format {
    /// How a message is written.
    pub(super) fn of(message: &str) -> Self {
        if message.starts_with('<') { Self::Xml } else { Self::Json }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Xml => "text/xml",
            Self::Json => "application/json",
        }
    }
}

fn xml(members: &Map<String, Value>) -> String {
    members.iter().map(|(name, value)| element(name, value)).collect()
}

fn element(name: &str, value: &Value) -> String {
    match value {
        Value::String(text) => {
            format!("<{name}>{}</{name}>\n", cdata(text))
        }
        Value::Array(list) => list.iter().map(|one| element(name, one)).collect(),
        Value::Object(members) => format!("<{name}>{}</{name}>\n", xml(members)),
        Value::Null => format!("<{name}></{name}>\n"),
        plain => format!("<{name}>{plain}</{name}>\n"),
    }
}

/// A text in XML, without what XML 1.0 has no way to write: control characters and the like.
fn cdata(text: &str) -> String {
    let is_written = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    let text: String = text.chars().filter(is_written).collect();
    format!("<![CDATA[{}]]>", text.replace("]]>", "]]]]><![CDATA[>"))
}

/// The document of safe mode.
pub(super) fn envelope(original_id: &str, encrypted: &str, format: Format) -> String {
    match format {
        Format::Xml => format!(
            "<xml>\n    <ToUserName>{}</ToUserName>\n    <Encrypt><![CDATA[{encrypted}]]></Encrypt>\n</xml>",
            cdata(original_id)
        ),
        Format::Json => serde_json::json!({"ToUserName": original_id, "Encrypt": encrypted}).to_string(),
    }
}

/// The document of compatible mode: the message and its sealed form.
pub(super) fn with_envelope(message: &str, encrypted: &str, format: Format) -> String {
    match format {
        Format::Xml => {
            let message = message.strip_suffix("</xml>").unwrap_or(message);
            format!("{message}<Encrypt><![CDATA[{encrypted}]]></Encrypt>\n</xml>")
        }
        Format::Json => {
            let message = message.strip_suffix('}').unwrap_or(message);
            format!("{message},\"Encrypt\":\"{encrypted}\"}}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_have_members_and_lists_repeat_their_name() {
        let more = json!({"Sent": {"List": [{"Id": 1}, {"Id": 2}], "Of": "a"}, "ToUserName": "gh_2"});
        let xml = Push::event("wx1", "oA", "x", more).render("gh_1", 5, Format::Xml);
        let sent =
            "<Sent><List><Id>1</Id>\n</List>\n<List><Id>2</Id>\n</List>\n<Of><![CDATA[a]]></Of>\n</Sent>";
        assert!(xml.contains(sent) && xml.contains("gh_2") && !xml.contains("gh_1"), "{xml}");
    }

    #[test]
    fn what_xml_cannot_have_is_left_out() {
        let push = Push::text("wx1", "oA", "a\u{0}\u{b}\u{1f}\tb\u{fffe}\u{ffff}\u{7f}🐠]]\u{0}>", 7);
        let xml = push.render("gh\u{1}_1", 5, Format::Xml);
        assert!(xml.contains("<Content><![CDATA[a\tb\u{7f}🐠]]]]><![CDATA[>]]></Content>"), "{xml:?}");
        assert!(
            xml.contains("<![CDATA[gh_1]]>") && envelope("gh\u{1}_1", "x", Format::Xml).contains("[gh_1]"),
            "{xml:?}"
        );
        let json: Value = serde_json::from_str(&push.render("gh_1", 5, Format::Json)).unwrap();
        assert_eq!(json["Content"].as_str().map(|text| text.contains('\u{0}')), Some(true), "JSON can");
    }

    #[test]
    fn both_formats() {
        let push = Push::text("wx1", "oA", "a]]>b", 7);
        let xml = push.render("gh_1", 5, Format::Xml);
        assert!(xml.starts_with("<xml><ToUserName><![CDATA[gh_1]]></ToUserName>"), "{xml}");
        assert!(xml.contains("<Content><![CDATA[a]]]]><![CDATA[>b]]></Content>"), "{xml}");
        assert!(xml.contains("<MsgId>7</MsgId>"), "{xml}");
        let json = push.render("gh_1", 5, Format::Json);
        assert_eq!(
            json,
            r#"{"ToUserName":"gh_1","FromUserName":"oA","CreateTime":5,"MsgType":"text","Content":"a]]>b","MsgId":7}"#
        );
        let both: Value = serde_json::from_str(&with_envelope(&json, "abc", Format::Json)).unwrap();
        assert_eq!((&both["MsgId"], &both["Encrypt"]), (&7.into(), &"abc".into()));
    }
}
