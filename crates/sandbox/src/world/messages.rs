//! Template and subscription messages.

use rand::RngExt as _;
use serde_json::{Map, Value, json};

use super::{Kind, Outcome, RECORDS_KEPT, Refusal, World};

const TEMPLATE: &str = "sandbox-template-00000000000000000000000001";
const SAME_ID_MS: i64 = 600_000;

/// A template message that went out, and how its delivery ends.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) answer: Value,
    pub(crate) msgid: u64,
    pub(crate) openid: String,
    /// A repeated `client_msg_id` sends nothing.
    pub(crate) is_new: bool,
}

fn text<'a>(request: &'a Value, name: &str) -> &'a str {
    request[name].as_str().unwrap_or_default()
}

/// 19 digits, as WeChat's are today.
fn message_id() -> u64 {
    rand::rng().random_range(2_000_000_000_000_000_000..3_000_000_000_000_000_000)
}

impl World {
    fn receiver<'a>(&self, appid: &str, request: &'a Value) -> Outcome<&'a str> {
        match text(request, "touser") {
            "" => Err(41009.into()),
            openid if self.user(appid, openid).is_none() => Err(40003.into()),
            openid => Ok(openid),
        }
    }

    fn record(&mut self, appid: &str, path: &str, request: &Value, msgid: u64) {
        if self.sent.len() == RECORDS_KEPT {
            self.sent.pop_front();
        }
        self.sent.push_back(json!({
            "appid": appid, "path": path, "touser": request["touser"], "template_id": request["template_id"],
            "data": request["data"], "msgid": msgid,
        }));
    }

    /// `POST /cgi-bin/message/template/send`
    pub(crate) fn send_template(&mut self, appid: &str, path: &str, request: &Value) -> Outcome<Sent> {
        if self.accounts.get(appid).is_none_or(|account| account.kind != Kind::Official) {
            return Err(48001.into());
        }
        let openid = self.receiver(appid, request)?.to_owned();
        if text(request, "template_id") != TEMPLATE {
            return Err(40037.into());
        }
        let data = request["data"].as_object().ok_or(Refusal::from(47001))?;
        check_values(data, false)?;
        if self.user(appid, &openid).is_some_and(|user| !user.follows.contains(appid)) {
            return Err(43004.into());
        }
        if !self.count(appid, "template/send", 86_400, 100_000) {
            return Err(45009.into());
        }
        let now = self.now();
        let answer = |msgid: u64| json!({"errcode": 0, "errmsg": "ok", "msgid": msgid});
        let client_id = text(request, "client_msg_id");
        let key = (format!("{appid}/{openid}"), client_id.to_owned());
        if let Some((msgid, at)) = self.client_msg_ids.get(&key).filter(|_| !client_id.is_empty())
            && now - at < SAME_ID_MS
        {
            return Ok(Sent { answer: answer(*msgid), msgid: *msgid, openid, is_new: false });
        }
        let msgid = message_id();
        if !client_id.is_empty() {
            self.client_msg_ids.retain(|_, (_, at)| now - *at < SAME_ID_MS);
            self.client_msg_ids.insert(key, (msgid, now));
        }
        self.record(appid, path, request, msgid);
        Ok(Sent { answer: answer(msgid), msgid, openid, is_new: true })
    }

    /// The user allows `count` more messages of a template.
    pub(crate) fn allow(&mut self, openid: &str, template: &str, count: u32) {
        let credit = self.credits.entry((openid.to_owned(), template.to_owned())).or_default();
        *credit = credit.saturating_add(count);
    }

    /// `POST /cgi-bin/message/subscribe/send` (mini) and `…/bizsend` (official).
    pub(crate) fn send_subscribe(
        &mut self,
        appid: &str,
        path: &str,
        kind: Kind,
        request: &Value,
    ) -> Outcome<Value> {
        match self.accounts.get(appid).map(|account| account.kind) {
            Some(own) if own == kind => {}
            _ if kind == Kind::Mini => return Err(45063.into()),
            _ => return Err(48001.into()),
        }
        let openid = self.receiver(appid, request)?.to_owned();
        let template = text(request, "template_id").to_owned();
        if template != TEMPLATE {
            return Err(40037.into());
        }
        let page = text(request, "page").split('?').next().unwrap_or_default();
        if kind == Kind::Mini && !matches!(page, "" | "pages/index/index") {
            return Err(41030.into());
        }
        let state = text(request, "miniprogram_state");
        if !matches!(state, "" | "developer" | "trial" | "formal") {
            return Err(40097.into());
        }
        let data = request["data"].as_object().ok_or(Refusal::from(47001))?;
        check_values(data, true)?;
        let credit = self.credits.entry((openid, template)).or_default();
        if *credit == 0 {
            return Err(43101.into());
        }
        *credit -= 1;
        let msgid = message_id();
        self.record(appid, path, request, msgid);
        Ok(json!({"errcode": 0, "errmsg": "ok", "msgid": msgid}))
    }
}

/// 47003 names the field that breaks a rule.
fn check_values(data: &Map<String, Value>, subscription: bool) -> Outcome<()> {
    for (name, field) in data {
        let argument = |what: &str| {
            let text = format!("argument invalid! data.{name}.value {what}");
            Err(Refusal { code: 47003, text: Some(text) })
        };
        let value = match &field["value"] {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ if subscription => return argument("is empty"),
            _ => continue,
        };
        if !subscription {
            continue;
        }
        if value.is_empty() {
            return argument("is empty");
        }
        if !obeys(name.trim_end_matches(|c: char| c.is_ascii_digit()), &value) {
            return argument("invalid");
        }
    }
    Ok(())
}

/// The rules of subscription keywords, by the keyword's kind.
fn obeys(kind: &str, value: &str) -> bool {
    let length = value.chars().count();
    match kind {
        "thing" => length <= 20 && !value.contains('\n'),
        "number" => length <= 32 && value.parse::<f64>().is_ok(),
        "letter" => length <= 32 && value.chars().all(|c| c.is_ascii_alphabetic()),
        "symbol" => length <= 5 && !value.chars().any(char::is_alphanumeric),
        "character_string" => length <= 32 && value.chars().all(|c| c.is_ascii_graphic() || c == ' '),
        "time" | "date" => length <= 64 && value.chars().any(|c| c.is_ascii_digit()),
        "amount" => length <= 12 && value.chars().any(|c| c.is_ascii_digit()),
        "phone_number" => length <= 17 && value.chars().all(|c| c.is_ascii_digit() || "+-() ".contains(c)),
        "car_number" => length <= 8,
        "name" if value.is_ascii() => length <= 20,
        "name" => length <= 10,
        "phrase" => length <= 5 && !value.is_ascii(),
        _ => true,
    }
}
