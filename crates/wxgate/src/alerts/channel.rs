//! A channel: where people are told. Kept as a document, judged anew whenever it is read.

use std::sync::Arc;

use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};
use url::Url;

use crate::entries::{Secret, WebhookSecret};
use crate::lang::{Words, is_english};
use crate::rules::egress;
use crate::store::Document;

/// Names are no longer.
const LONGEST_NAME: usize = 64;
/// URLs and secrets are no longer.
const LONGEST: usize = 2_048;

/// Whose manner it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// 企业微信群机器人
    WeCom,
    /// 钉钉群机器人
    DingTalk,
    /// 飞书群机器人
    Feishu,
    /// Bark, on a phone.
    Bark,
    /// JSON to a program.
    Webhook,
}

impl ChannelKind {
    const ALL: [Self; 5] = [Self::WeCom, Self::DingTalk, Self::Feishu, Self::Bark, Self::Webhook];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::WeCom => "wecom",
            Self::DingTalk => "dingtalk",
            Self::Feishu => "feishu",
            Self::Bark => "bark",
            Self::Webhook => "webhook",
        }
    }

    /// Whether its messages can be signed.
    fn signs(self) -> bool {
        matches!(self, Self::DingTalk | Self::Feishu | Self::Webhook)
    }
}

/// Where people are told. Its URL is a secret: whoever has it can write there.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Names it.
    pub name: Arc<str>,
    /// In whose manner.
    pub kind: ChannelKind,
    /// Where to.
    pub url: Secret,
    /// What its messages are signed with.
    pub secret: Option<Secret>,
    /// The language it is told in.
    pub english: bool,
}

impl Channel {
    /// Judges what somebody wrote.
    pub fn read(members: &Map<String, Value>) -> Result<Self, Words> {
        const KEYS: [&str; 5] = ["name", "kind", "url", "secret", "lang"];
        if let Some(other) = members.keys().find(|key| !KEYS.contains(&key.as_str())) {
            let known = KEYS.join("、");
            return Err(Words::new(
                format!("没有 {other} 这个键：可用的有 {known}"),
                format!("there is no key {other}: there are {}", KEYS.join(", ")),
            ));
        }
        let text = |key: &str| members.get(key).and_then(Value::as_str).unwrap_or_default();
        let name = text("name");
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || name.chars().count() > LONGEST_NAME || !name.chars().all(is_plain) {
            return Err(Words::fixed(
                "name 是 1 到 64 个字母（含汉字）、数字、. _ -",
                "name is 1 to 64 letters, digits and . _ -",
            ));
        }
        let kind =
            ChannelKind::ALL.into_iter().find(|kind| kind.name() == text("kind")).ok_or(Words::fixed(
                "kind 只能是 wecom、dingtalk、feishu、bark、webhook",
                "kind must be wecom, dingtalk, feishu, bark or webhook",
            ))?;
        let english = match members.get("lang").and_then(Value::as_str) {
            None if members.get("lang").is_none_or(Value::is_null) => is_english(),
            Some("zh") => false,
            Some("en") => true,
            _ => return Err(Words::fixed("lang 只能是 zh 或 en", "lang must be zh or en")),
        };
        let secret = secret(kind, text("secret"))?;
        Ok(Self { name: name.into(), kind, url: url(text("url"))?, secret, english })
    }

    /// The channels among these documents; what can't be read any more is left out.
    pub fn of(documents: &[Document]) -> Vec<Self> {
        let channels = documents.iter().filter(|one| one.shelf == crate::store::Shelf::Channels);
        channels.filter_map(|one| Self::read(&one.members).ok()).collect()
    }
}

/// As people see it: without URL and secret.
pub fn shown(members: &Map<String, Value>) -> Value {
    let has = |key: &str| members.get(key).is_some_and(|value| !value.is_null());
    json!({
        "name": members.get("name"), "kind": members.get("kind"), "lang": members.get("lang"),
        "url": has("url"), "secret": has("secret"),
    })
}

fn url(text: &str) -> Result<Secret, Words> {
    let wrong = |why: &str| {
        Words::new(
            format!("url 不是可用的地址：从机器人的设置页整段复制（{why}）"),
            format!("url can't be used: copy all of it from the robot's page ({why})"),
        )
    };
    if text.len() > LONGEST {
        return Err(wrong("too long"));
    }
    let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    egress::check_url(&url).map_err(|error| Words::new(error.zh(), error.to_string()))?;
    Ok(Secret::from(text.to_owned()))
}

fn secret(kind: ChannelKind, text: &str) -> Result<Option<Secret>, Words> {
    if text.is_empty() {
        return Ok(None);
    }
    if !kind.signs() || text.len() > LONGEST {
        return Err(Words::fixed(
            "这种通道没有 secret：去掉它",
            "a channel of this kind has no secret: leave it out",
        ));
    }
    let secret = Secret::from(text.to_owned());
    if kind == ChannelKind::Webhook && WebhookSecret::parse(secret.expose_secret()).is_none() {
        return Err(Words::fixed(
            "webhook 的 secret 是 whsec_ 加 24 到 64 字节的 base64",
            "a webhook's secret is whsec_ and 24 to 64 bytes in base64",
        ));
    }
    Ok(Some(secret))
}
