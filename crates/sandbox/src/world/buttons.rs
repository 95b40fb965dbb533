//! The buttons of a menu: what WeChat takes, and how it gives them back.

use super::World;
use crate::refusal::{Refusal, refuse};
use serde_json::{Map, Value, json};

/// What is refused with which code, at the first level or below it.
struct Codes {
    kind: i64,
    name: i64,
    key: i64,
    url: i64,
    domain: i64,
    media: i64,
    /// Most bytes of a name.
    name_bytes: usize,
}

const TOP: Codes =
    Codes { kind: 40017, name: 40018, key: 40019, url: 40020, domain: 40055, media: 40007, name_bytes: 16 };
const SUB: Codes =
    Codes { kind: 40024, name: 40025, key: 40026, url: 40027, domain: 40054, media: 40118, name_bytes: 60 };

const MAX_TOP: usize = 3;
const MAX_SUB: usize = 5;
const MAX_KEY: usize = 128;
const MAX_URL: usize = 1024;

/// The members that a button of a type must have, in the order in which they come back.
const TYPES: &[(&str, &[&str])] = &[
    ("click", &["key"]),
    ("view", &["url"]),
    ("scancode_push", &["key"]),
    ("scancode_waitmsg", &["key"]),
    ("pic_sysphoto", &["key"]),
    ("pic_photo_or_album", &["key"]),
    ("pic_weixin", &["key"]),
    ("location_select", &["key"]),
    ("media_id", &["media_id"]),
    ("view_limited", &["media_id"]),
    ("article_id", &["article_id"]),
    ("article_view_limited", &["article_id"]),
    ("miniprogram", &["url", "appid", "pagepath"]),
];

fn text<'a>(button: &'a Value, name: &str) -> &'a str {
    button.get(name).and_then(Value::as_str).unwrap_or_default()
}

impl World {
    /// The buttons of a menu that is to be set, as `menu/get` shows them.
    pub(crate) fn buttons(&self, appid: &str, menu: &Value) -> Result<Vec<Value>, Refusal> {
        let list = menu.get("button").and_then(Value::as_array);
        let list = list.filter(|list| (1..=MAX_TOP).contains(&list.len())).ok_or(refuse(40016))?;
        list.iter().map(|button| self.top_button(appid, button)).collect()
    }

    fn top_button(&self, appid: &str, button: &Value) -> Result<Value, Refusal> {
        let below = below(button)?;
        match below {
            Some([]) if text(button, "type").is_empty() => Err(refuse(41007)),
            None | Some([]) => self.button(appid, button, &TOP),
            Some(below) if below.len() > MAX_SUB => Err(refuse(40023)),
            Some(below) => {
                let name = name(button, &TOP)?;
                let buttons = below.iter().map(|button| self.sub_button(appid, button));
                Ok(json!({"name": name, "sub_button": buttons.collect::<Result<Vec<_>, _>>()?}))
            }
        }
    }

    fn sub_button(&self, appid: &str, button: &Value) -> Result<Value, Refusal> {
        if below(button)?.is_some_and(|below| !below.is_empty()) {
            return Err(refuse(40022));
        }
        self.button(appid, button, &SUB)
    }

    /// A button that does something.
    fn button(&self, appid: &str, button: &Value, codes: &Codes) -> Result<Value, Refusal> {
        let name = name(button, codes)?;
        let kind = text(button, "type");
        let (_, members) = TYPES.iter().find(|(known, _)| *known == kind).ok_or(refuse(codes.kind))?;
        let mut shown = Map::new();
        shown.insert("type".to_owned(), kind.into());
        shown.insert("name".to_owned(), name.into());
        for member in *members {
            let value = text(button, member);
            self.check_member(appid, kind, member, value, codes)?;
            shown.insert((*member).to_owned(), value.into());
        }
        shown.insert("sub_button".to_owned(), json!([]));
        Ok(Value::Object(shown))
    }

    fn check_member(
        &self,
        appid: &str,
        kind: &str,
        member: &str,
        value: &str,
        codes: &Codes,
    ) -> Result<(), Refusal> {
        let code = match member {
            "key" if value.is_empty() || value.len() > MAX_KEY => codes.key,
            "url" if value.is_empty() || value.len() > MAX_URL => codes.url,
            "url" if host(value).is_none() => codes.domain,
            "media_id" if value.is_empty() => codes.media,
            "media_id" if self.material(appid, value).is_none() => 40007,
            // Permanent articles, which it would take, can't be made any more.
            "media_id" if kind == "view_limited" => 40121,
            "article_id" if self.publication(appid, value).is_none() => 53600,
            "appid" if value.is_empty() => 40166,
            "appid" if !self.apps.get(appid).is_some_and(|app| app.linked.iter().any(|one| one == value)) => {
                45064
            }
            "pagepath" if value.is_empty() || value.len() > MAX_URL => 40165,
            _ => return Ok(()),
        };
        Err(refuse(code))
    }
}

/// The buttons below one; `None` if there is no such member.
fn below(button: &Value) -> Result<Option<&[Value]>, Refusal> {
    match button.get("sub_button") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(list)) => Ok(Some(list)),
        Some(_) => Err(refuse(47001)),
    }
}

fn name<'a>(button: &'a Value, codes: &Codes) -> Result<&'a str, Refusal> {
    let name = text(button, "name");
    if (1..=codes.name_bytes).contains(&name.len()) { Ok(name) } else { Err(refuse(codes.name)) }
}

/// The host of a web address.
pub(super) fn host(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok().filter(|url| ["http", "https"].contains(&url.scheme()))?;
    url.host_str().map(str::to_owned)
}
