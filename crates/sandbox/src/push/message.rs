//! Messages and events as XML or JSON, and their envelopes.

use crate::world::{Format, Scene};
use serde_json::{Map, Value, json};

/// A message from a user to an account.
#[derive(Clone, Debug)]
pub(crate) struct Push {
    pub(crate) appid: String,
    pub(crate) openid: String,
    /// Its members in order; who it is from and to and when need not be among them. A list is its name again and
    /// again in XML.
    message: Map<String, Value>,
}

impl Push {
    /// Any message: members as given, and what is missing of who it is from and to and when.
    pub(crate) fn new(appid: &str, openid: &str, message: Map<String, Value>) -> Self {
        Self { appid: appid.to_owned(), openid: openid.to_owned(), message }
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

    /// A scan: `subscribe` with `qrscene_…` if the user follows by it, else `SCAN`.
    pub(crate) fn scan(appid: &str, openid: &str, news: bool, scene: &Scene, ticket: &str) -> Self {
        let (event, key) =
            if news { ("subscribe", format!("qrscene_{scene}")) } else { ("SCAN", scene.to_string()) };
        Self::event(appid, openid, event, json!({"EventKey": key, "Ticket": ticket}))
    }

    /// The members it has of its own.
    pub(crate) fn members(&self) -> Value {
        Value::Object(self.message.clone())
    }

    /// The text of the message.
    pub(crate) fn render(&self, original_id: &str, create_time: i64, format: Format) -> String {
        let mut message = object(json!({
            "ToUserName": original_id,
            "FromUserName": self.openid,
            "CreateTime": create_time,
        }));
        message.extend(self.message.clone());
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
            let text = text.replace("]]>", "]]]]><![CDATA[>");
            format!("<{name}><![CDATA[{text}]]></{name}>\n")
        }
        Value::Array(list) => list.iter().map(|one| element(name, one)).collect(),
        Value::Object(members) => format!("<{name}>{}</{name}>\n", xml(members)),
        Value::Null => format!("<{name}></{name}>\n"),
        plain => format!("<{name}>{plain}</{name}>\n"),
    }
}

/// The document of safe mode.
pub(super) fn envelope(original_id: &str, encrypted: &str, format: Format) -> String {
    match format {
        Format::Xml => format!(
            "<xml>\n    <ToUserName><![CDATA[{original_id}]]></ToUserName>\n    <Encrypt><![CDATA[{encrypted}]]></Encrypt>\n</xml>"
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
