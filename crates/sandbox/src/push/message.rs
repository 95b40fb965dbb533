//! Messages and events as XML or JSON, and their envelopes.

use crate::world::{Format, Scene};
use serde_json::{Map, Value};

/// One member of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Text(String),
    Number(u64),
}

/// A message from a user to an account.
#[derive(Clone, Debug)]
pub(crate) struct Push {
    pub(crate) appid: String,
    pub(crate) openid: String,
    fields: Vec<(&'static str, Field)>,
}

impl Push {
    /// A text the user wrote.
    pub(crate) fn text(appid: &str, openid: &str, content: String, msgid: u64) -> Self {
        Self {
            appid: appid.to_owned(),
            openid: openid.to_owned(),
            fields: vec![
                ("MsgType", Field::Text("text".to_owned())),
                ("Content", Field::Text(content)),
                ("MsgId", Field::Number(msgid)),
            ],
        }
    }

    /// An event and what else it carries.
    pub(crate) fn event(appid: &str, openid: &str, event: &str, more: Vec<(&'static str, Field)>) -> Self {
        let mut fields =
            vec![("MsgType", Field::Text("event".to_owned())), ("Event", Field::Text(event.to_owned()))];
        fields.extend(more);
        Self { appid: appid.to_owned(), openid: openid.to_owned(), fields }
    }

    /// A scan: `subscribe` with `qrscene_…` if the user follows by it, else `SCAN`.
    pub(crate) fn scan(appid: &str, openid: &str, news: bool, scene: &Scene, ticket: String) -> Self {
        let (event, key) =
            if news { ("subscribe", format!("qrscene_{scene}")) } else { ("SCAN", scene.to_string()) };
        let more = vec![("EventKey", Field::Text(key)), ("Ticket", Field::Text(ticket))];
        Self::event(appid, openid, event, more)
    }

    /// The text of the message.
    pub(crate) fn render(&self, original_id: &str, create_time: i64, format: Format) -> String {
        let time = u64::try_from(create_time).unwrap_or_default();
        let mut fields = vec![
            ("ToUserName", Field::Text(original_id.to_owned())),
            ("FromUserName", Field::Text(self.openid.clone())),
            ("CreateTime", Field::Number(time)),
        ];
        fields.extend(self.fields.clone());
        match format {
            Format::Xml => format!("<xml>{}</xml>", fields.iter().map(xml).collect::<String>()),
            Format::Json => {
                let object: Map<String, Value> = fields.into_iter().map(json).collect();
                Value::Object(object).to_string()
            }
        }
    }
}

impl Format {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Xml => "text/xml",
            Self::Json => "application/json",
        }
    }
}

fn xml((name, value): &(&'static str, Field)) -> String {
    match value {
        Field::Text(text) => {
            let text = text.replace("]]>", "]]]]><![CDATA[>");
            format!("<{name}><![CDATA[{text}]]></{name}>\n")
        }
        Field::Number(number) => format!("<{name}>{number}</{name}>\n"),
    }
}

fn json((name, value): (&'static str, Field)) -> (String, Value) {
    let value = match value {
        Field::Text(text) => text.into(),
        Field::Number(number) => number.into(),
    };
    (name.to_owned(), value)
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
    fn both_formats() {
        let push = Push::text("wx1", "oA", "a]]>b".to_owned(), 7);
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
