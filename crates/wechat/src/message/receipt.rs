//! What WeChat says became of a message that was sent.

use serde_json::{Map, Value};

use super::{Message, as_text};

/// What became of a sent message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The message's number, as the call that sent it was answered.
    pub msgid: String,
    /// `success`, or `failed:` and WeChat's own words.
    pub status: String,
    /// Unix seconds.
    pub finished_at: i64,
}

impl Message {
    /// The receipt that this event is, if it is one of one message: of a template message, or of a subscription message.
    pub fn receipt(&self) -> Option<Receipt> {
        if self.is_suspect() || self.is_malformed() {
            return None;
        }
        let event = self.event();
        let (msgid, status) = if event.eq_ignore_ascii_case("TEMPLATESENDJOBFINISH") {
            (self.msg_id().into_owned(), self.text("Status").trim().to_owned())
        } else if event.eq_ignore_ascii_case("subscribe_msg_sent_event") {
            let item = self.only_item()?;
            let text = |name| item.get(name).map(as_text).unwrap_or_default().trim().to_owned();
            let (code, words) = (text("ErrorCode"), text("ErrorStatus"));
            let status = match (code.as_str(), words.as_str()) {
                ("0", _) | ("", "success") => "success".to_owned(),
                (code, "") => format!("failed:{code}"),
                (_, words) => format!("failed:{words}"),
            };
            (text("MsgID"), status)
        } else {
            return None;
        };
        let is_said = !msgid.is_empty() && !status.is_empty();
        is_said.then(|| Receipt { msgid, status, finished_at: self.create_time() })
    }

    /// The message that a `subscribe_msg_sent_event` is about; of several none.
    fn only_item(&self) -> Option<&Map<String, Value>> {
        let around = self.fields().get("SubscribeMsgSentEvent").and_then(Value::as_object);
        match around.unwrap_or(self.fields()).get("List")? {
            Value::Array(items) => match &items[..] {
                [one] => one.as_object(),
                _ => None,
            },
            one => one.as_object(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(body: &str) -> Option<(String, String, i64)> {
        let receipt = Message::read(body.as_bytes()).receipt()?;
        Some((receipt.msgid, receipt.status, receipt.finished_at))
    }

    fn xml(event: &str, more: &str) -> String {
        format!(
            "<xml><ToUserName>gh_1</ToUserName><FromUserName>o1</FromUserName><CreateTime>1395658920</CreateTime>\
             <MsgType>event</MsgType><Event>{event}</Event>{more}</xml>"
        )
    }

    fn said(msgid: &str, status: &str) -> Option<(String, String, i64)> {
        Some((msgid.to_owned(), status.to_owned(), 1_395_658_920))
    }

    #[test]
    fn of_a_template_message() {
        for status in ["success", "failed:user block", "failed: system failed"] {
            let more = format!("<MsgID>200163836</MsgID><Status>{status}</Status>");
            assert_eq!(receipt(&xml("TEMPLATESENDJOBFINISH", &more)), said("200163836", status));
        }
        assert_eq!(receipt(&xml("TEMPLATESENDJOBFINISH", "<Status>success</Status>")), None);
        assert_eq!(receipt(&xml("MASSSENDJOBFINISH", "<MsgID>1</MsgID><Status>success</Status>")), None);
        let twice = "<MsgID>1</MsgID><MsgID>2</MsgID><Status>success</Status>";
        assert_eq!(receipt(&xml("TEMPLATESENDJOBFINISH", twice)), None);
    }

    #[test]
    fn of_a_subscription_message() {
        let item = |id: &str, code: &str, words: &str| {
            format!(
                "<List><TemplateId>t</TemplateId><MsgID>{id}</MsgID><ErrorCode>{code}</ErrorCode><ErrorStatus>{words}</ErrorStatus></List>"
            )
        };
        let event = |items: &str| {
            xml(
                "subscribe_msg_sent_event",
                &format!("<SubscribeMsgSentEvent>{items}</SubscribeMsgSentEvent>"),
            )
        };
        assert_eq!(receipt(&event(&item("7", "0", "success"))), said("7", "success"));
        assert_eq!(receipt(&event(&item("7", "20005", "user block"))), said("7", "failed:user block"));
        assert_eq!(receipt(&event(&(item("7", "0", "success") + &item("8", "0", "success")))), None);
        let json = r#"{"ToUserName":"gh_1","FromUserName":"o1","CreateTime":1395658920,"MsgType":"event",
            "Event":"subscribe_msg_sent_event","List":{"TemplateId":"t","MsgID":"1700827132819554304","ErrorCode":"0","ErrorStatus":"success"}}"#;
        assert_eq!(receipt(json), said("1700827132819554304", "success"));
    }
}
