//! The top-level members of a request, read leniently where the contract says so and strictly
//! everywhere else.

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::malformed;
use super::param::{Param, Shape};
use crate::problem::{Problem, Words};
use crate::text;

const NO_APPID: &str = "缺少：公众平台上的 AppID";

/// Members as they were given.
pub(super) struct Given {
    members: Map<String, Value>,
    posted: bool,
}

/// An endpoint's members, each of the kind that it says: few enough to be looked through.
#[derive(Clone)]
pub(super) struct Fields(Vec<(&'static str, Value)>);

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Given {
    /// A GET's query; the last of repeated names counts.
    pub(super) fn from_query(query: &str) -> Self {
        let members = url::form_urlencoded::parse(query.as_bytes())
            .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
            .collect();
        Self { members, posted: false }
    }

    /// A POST's body, whatever its Content-Type says.
    pub(super) fn from_body(body: &[u8]) -> Result<Self, Problem> {
        let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
        if body.trim_ascii().is_empty() {
            return Err(malformed::empty());
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Ok(Self { members, posted: true }),
            Ok(value) => Err(malformed::other(&value)),
            Err(error) => Err(malformed::broken(body, &error)),
        }
    }

    /// Of a call that takes none.
    pub(super) fn nothing() -> Self {
        Self { members: Map::new(), posted: false }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|value| !value.is_null())
    }

    /// Gives a member that is missing.
    pub(super) fn lacks(&mut self, name: &str, text: &str) {
        let is_absent = |value: &Value| value.is_null() || value.as_str() == Some("");
        if !text.is_empty() && self.members.get(name).is_none_or(is_absent) {
            self.members.insert(name.to_owned(), text.into());
        }
    }

    /// Brings every member into the form its endpoint wants; `needs_app`: the account must be named.
    pub(super) fn check(mut self, params: &[Param], needs_app: bool) -> Result<Fields, Problem> {
        self.check_source()?;
        let appid = self.check_appid(needs_app)?;
        let Fields(mut checked) = self.check_alone(params)?;
        checked.insert(0, ("appid", appid.into()));
        Ok(Fields(checked))
    }

    /// The same where neither `source` nor `appid` is needed.
    pub(super) fn check_alone(mut self, params: &[Param]) -> Result<Fields, Problem> {
        let mut checked = Vec::with_capacity(1 + params.len());
        for param in params {
            let given = self.members.get_mut(param.name).filter(|value| !is_absent(value, param));
            match given.map(Value::take) {
                Some(value) => checked.push((param.name, checked_value(param, value)?)),
                None if param.required => {
                    let (zh, en) = (format!("缺少：{}", param.doc.0), format!("is missing: {}", param.doc.1));
                    return Err(self.missing(param.name, &zh, &en));
                }
                None => {}
            }
        }
        Ok(Fields(checked))
    }

    fn check_source(&self) -> Result<(), Problem> {
        let named = match self.members.get("source") {
            _ if !self.posted => return Ok(()),
            None | Some(Value::Null) => {
                let (zh, en) =
                    ("缺少：调用方业务的名字，如 \"shop\"", "is missing: the name of the calling business");
                return Err(self.missing("source", zh, en));
            }
            Some(Value::String(text)) => !text.trim().is_empty() && text.chars().count() <= 128,
            Some(_) => false,
        };
        if named {
            return Ok(());
        }
        Err(Problem::parameter(
            "source",
            "应是 1 到 128 个字符的字符串：调用方业务的名字，如 \"shop\"",
            "must be a string of 1 to 128 characters that names the calling business",
        ))
    }

    fn check_appid(&mut self, is_needed: bool) -> Result<String, Problem> {
        let mut given = Vec::new();
        for name in ["appid", "app_id"] {
            match self.members.remove(name) {
                None | Some(Value::Null) => {}
                Some(Value::String(text)) if text.is_empty() => {}
                Some(Value::String(text)) => given.push(text),
                Some(_) => return Err(Problem::parameter(name, "应是字符串", "must be a string")),
            }
        }
        let Some(appid) = given.pop() else {
            if !is_needed {
                return Ok(String::new());
            }
            return Err(self.missing("appid", NO_APPID, "is missing: the AppID of the account"));
        };
        if given.iter().any(|other| *other != appid) {
            let (zh, en) = ("与 app_id 不一致：只给一个即可", "and app_id differ: give one of them");
            return Err(Problem::parameter("appid", zh, en));
        }
        // It is echoed in answers and logged: nothing but what an AppID is made of.
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if appid.len() > 64 || !appid.bytes().all(fits) || is_secret(&appid) {
            let Words { zh, en } = odd_appid(&appid);
            return Err(Problem::parameter("appid", &zh, &en));
        }
        Ok(appid)
    }

    /// `name` is missing; perhaps it is there in another spelling.
    fn missing(&self, name: &str, zh: &str, en: &str) -> Problem {
        let meant = |given: &&String| plain(given) == plain(name) && given.as_str() != name;
        match self.members.keys().find(meant) {
            // Nothing but its own letters is repeated: with spaces, which nobody sees, said in words.
            Some(given) if given.trim() != given => Problem::parameter(
                name,
                &format!("{zh}（有一个成员名多了空格：写作 \"{name}\"）"),
                &format!("{en} (a member's name has spaces around it: write \"{name}\")"),
            ),
            Some(_) => Problem::parameter(
                name,
                &format!("{zh}（有一个成员名大小写或下划线不同：写作 \"{name}\"）"),
                &format!("{en} (a member's name differs in case or underscores: write \"{name}\")"),
            ),
            None => Problem::parameter(name, zh, en),
        }
    }
}

impl Fields {
    /// Refuses the member in which `is_ours` holds for a text: a credential of ours, which WeChat would get.
    pub(super) fn refuse(&self, is_ours: impl Fn(&str) -> bool) -> Result<(), Problem> {
        match self.0.iter().find(|(_, value)| holds(value, &is_ours)) {
            Some((name, _)) => Err(Problem::parameter(
                name,
                "里有 wxgate 的调用方密钥或 access_token，不能交给微信：去掉它",
                "holds a caller key or an access_token of wxgate, which WeChat mustn't get: take it out",
            )),
            None => Ok(()),
        }
    }

    pub(super) fn appid(&self) -> &str {
        self.text("appid")
    }

    /// A text member, "" if absent.
    pub(super) fn text(&self, name: &str) -> &str {
        self.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    pub(super) fn int(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(Value::as_i64)
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    /// The receiver of a message, written `openid` or `touser`; "" if absent.
    pub(super) fn receiver(&self) -> Result<&str, Problem> {
        match (self.text("openid"), self.text("touser")) {
            ("", touser) => Ok(touser),
            (openid, "") => Ok(openid),
            (openid, touser) if openid == touser => Ok(openid),
            _ => Err(Problem::parameter(
                "openid",
                "与 touser 不一致：只给一个即可",
                "and touser differ: give one of them",
            )),
        }
    }
}

/// A JSON object to be written, made of what others hold.
#[derive(Default)]
pub(super) struct Members<'a>(Vec<(&'a str, Cow<'a, Value>)>);

impl<'a> Members<'a> {
    /// Adds a member, or sets it anew in its place.
    pub(super) fn set(&mut self, name: &'a str, value: Cow<'a, Value>) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name, value)),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| &**value)
    }

    /// Copies the members named, where they are given.
    pub(super) fn copy(&mut self, fields: &'a Fields, names: &[&'static str]) {
        for name in names {
            if let Some(value) = fields.get(name) {
                self.set(name, Cow::Borrowed(value));
            }
        }
    }
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// Whether `is_so` for some text in `value`, names included.
fn holds(value: &Value, is_so: &impl Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => is_so(text),
        Value::Array(items) => items.iter().any(|item| holds(item, is_so)),
        Value::Object(members) => members.iter().any(|(name, value)| is_so(name) || holds(value, is_so)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A member's name without what people write differently.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect()
}

/// Whether `text` looks like an AppSecret, which must be repeated nowhere.
fn is_secret(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What is wrong with an appid that can't be one.
fn odd_appid(appid: &str) -> Words {
    if is_secret(appid) {
        return Words::new("像是 AppSecret，不是 AppID：填反了", "looks like an AppSecret, not an AppID");
    }
    match text::odd_character(appid) {
        Some(odd) => Words::new(
            format!("里有{}：去掉它（AppID 只有字母和数字，如 wx3cc8fd6963e31a32）", odd.zh),
            format!("holds {}: take it out (an AppID is letters and digits, as wx3cc8fd6963e31a32)", odd.en),
        ),
        None => Words::new("不是 AppID 的样子（如 wx3cc8fd6963e31a32）", "doesn't look like an AppID"),
    }
}

/// `null` and `""` are as good as nothing, and so is 0 where a member is optional.
fn is_absent(value: &Value, param: &Param) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) if text.is_empty() => true,
        Value::String(text) => matches!(param.shape, Shape::Int(..)) && !param.required && text == "0",
        Value::Number(number) => !param.required && number.as_f64() == Some(0.0),
        _ => false,
    }
}

fn checked_value(param: &Param, value: Value) -> Result<Value, Problem> {
    let wrong = |zh: String, en: String| Err(Problem::parameter(param.name, &zh, &en));
    match (param.shape, value) {
        (Shape::Text(most), value @ (Value::String(_) | Value::Number(_))) => {
            let text = match value {
                Value::String(text) => text,
                number => number.to_string(),
            };
            if text.chars().count() > most {
                return wrong(format!("最多 {most} 个字符"), format!("takes at most {most} characters"));
            }
            Ok(text.into())
        }
        (Shape::Text(_), _) => wrong("应是字符串".into(), "must be a string".into()),
        (Shape::Choice(allowed), Value::String(text)) if allowed.contains(&text.as_str()) => Ok(text.into()),
        (Shape::Choice(allowed), _) => {
            let list = allowed.join(" | ");
            wrong(format!("只能是 {list}"), format!("must be one of {list}"))
        }
        (Shape::Int(least, most), value) => match whole_number(&value) {
            Some(number) if (least..=most).contains(&number) => Ok(number.into()),
            _ => wrong(
                format!("应是 {least} 到 {most} 的整数"),
                format!("must be a whole number from {least} to {most}"),
            ),
        },
        (Shape::Flag, value @ Value::Bool(_)) => Ok(value),
        (Shape::Flag, _) => wrong("应是 true 或 false".into(), "must be true or false".into()),
        (Shape::Object | Shape::ObjectOrText, value @ Value::Object(_)) => Ok(value),
        (Shape::Object | Shape::ObjectOrText, Value::Array(items)) if items.is_empty() => {
            Ok(Value::Object(Map::new()))
        }
        (Shape::ObjectOrText, Value::String(text)) => match serde_json::from_str(&text) {
            Ok(value @ Value::Object(_)) => Ok(value),
            _ => wrong(
                "是字符串时应是一个 JSON 对象的文本".into(),
                "as a string must hold a JSON object".into(),
            ),
        },
        (Shape::Object | Shape::ObjectOrText, _) => {
            wrong("应是 JSON 对象".into(), "must be a JSON object".into())
        }
    }
}

fn whole_number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}
