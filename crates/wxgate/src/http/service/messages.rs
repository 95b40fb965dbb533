//! Template messages and subscription messages.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use wechat::catalog::{Endpoint, SUBSCRIBE_BIZSEND, SUBSCRIBE_SEND, TEMPLATE_SEND};

use super::fields::{Fields, Members};
use super::{Call, Service, Success};
use crate::entries::AccountKind;
use crate::http::problem::written;
use crate::problem::Problem;

impl Service {
    pub(super) async fn template_message(&self, call: &Call) -> Result<Success, Problem> {
        let message = template_message(&call.fields)?;
        self.send(call, &TEMPLATE_SEND, message).await
    }

    pub(super) async fn subscribe_message(&self, call: &Call) -> Result<Success, Problem> {
        let (endpoint, own): (_, &[&str]) = match call.app.entry.kind {
            AccountKind::Mini => (&SUBSCRIBE_SEND, &["page", "miniprogram_state", "lang"]),
            AccountKind::Official | AccountKind::Open => (&SUBSCRIBE_BIZSEND, &["page", "miniprogram"]),
        };
        let mut message = Members::default();
        message.set("touser", Cow::Owned(receiver(&call.fields)?.into()));
        message.copy(&call.fields, &["template_id", "data"]);
        message.copy(&call.fields, own);
        self.send(call, endpoint, message).await
    }

    async fn send(&self, call: &Call, endpoint: &Endpoint, message: Members<'_>) -> Result<Success, Problem> {
        let answer = self.ask(call, endpoint, &[], Some(written(&message))).await?;
        let msgid = match &answer["msgid"] {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            _ => String::new(),
        };
        self.note_sent(call, &msgid);
        Ok(Success::Body(json!({"flow_id": call.fields.text("flow_id"), "msgid": msgid})))
    }
}

pub(super) fn check_subscribe(fields: &Fields) -> Result<(), Problem> {
    receiver(fields)?;
    check_keywords(fields.get("data"), "data", |value| value.is_object())
}

pub(super) fn check_template(fields: &Fields) -> Result<(), Problem> {
    let message = template_message(fields)?;
    let is_whole = fields.get("data").is_some_and(|data| data["template_id"].is_string());
    // What old templates had, WeChat passes over.
    let is_keyword = |value: &Value| value.is_object() || value.is_null();
    check_keywords(message.get("data"), if is_whole { "data.data" } else { "data" }, is_keyword)
}

/// Every keyword is an object with its value in it: that alone is what everybody forgets.
fn check_keywords(
    data: Option<&Value>,
    place: &str,
    is_keyword: impl Fn(&Value) -> bool,
) -> Result<(), Problem> {
    let mut keywords = data.and_then(Value::as_object).into_iter().flatten();
    let bare = keywords.find(|(_, value)| !is_keyword(value));
    let Some((name, _)) = bare else { return Ok(()) };
    // A name is a template's: letters and digits, and short.
    let is_name = name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let name = if is_name { format!("{place}.{name}") } else { format!("{place} (?)") };
    Err(Problem::parameter(
        &name,
        "应写作 {\"value\": …}，如 \"thing1\": {\"value\": \"奶茶\"}",
        "must be {\"value\": …}, as \"thing1\": {\"value\": \"tea\"}",
    ))
}

/// The receiver, who must be named.
fn receiver(fields: &Fields) -> Result<&str, Problem> {
    match fields.receiver()? {
        "" => Err(no_receiver()),
        openid => Ok(openid),
    }
}

fn no_receiver() -> Problem {
    Problem::parameter("openid", "缺少：接收者的 openid", "is missing: the receiver's openid")
}

/// `data` is a whole WeChat message if it has `template_id` and an object `data`: the outer members
/// fill what it lacks. Else it is the keyword object.
pub(super) fn template_message(fields: &Fields) -> Result<Members<'_>, Problem> {
    let outer = ["template_id", "url", "miniprogram", "client_msg_id"];
    let openid = fields.receiver()?;
    let data = fields.get("data").filter(|data| data.is_object());
    let whole = data.and_then(Value::as_object).filter(|data| {
        data.get("template_id").is_some_and(Value::is_string)
            && data.get("data").is_some_and(Value::is_object)
    });
    let mut message = Members::default();
    message.copy(fields, &outer);
    match whole {
        Some(data) => {
            for (name, value) in data.iter().filter(|(_, value)| !value.is_null()) {
                message.set(name, Cow::Borrowed(value));
            }
        }
        None => message.set("data", data.map_or_else(|| Cow::Owned(Map::new().into()), Cow::Borrowed)),
    }
    if fields.text("template_id").is_empty() && whole.is_none() {
        return Err(Problem::parameter("template_id", "缺少：模板 ID", "is missing: the template's id"));
    }
    match message.get("touser").and_then(Value::as_str).unwrap_or_default() {
        "" if openid.is_empty() => return Err(no_receiver()),
        "" => {
            message.set("touser", Cow::Owned(openid.into()));
        }
        touser if !openid.is_empty() && touser != openid => {
            return Err(Problem::parameter(
                "openid",
                "与 data 里消息的 touser 不一致：只给一个即可",
                "and the message's touser differ: give one of them",
            ));
        }
        _ => {}
    }
    Ok(message)
}
