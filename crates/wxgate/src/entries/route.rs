//! A route: which messages go where, and how.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};
use url::Url;
use wechat::crypt::AesKey;

use super::origin::Origin;
use super::secret::{Secret, WebhookSecret};
use super::table::Table;
use crate::lang::Words;
use crate::rules::egress;
use crate::rules::filter::Filter;

/// WeChat waits five seconds for a passive reply; what is left pays for the way.
pub const WAIT_OF_ONE: Duration = Duration::from_millis(4500);
/// It asks three times.
const LONGEST_REPLY_WAIT: Duration = Duration::from_secs(14);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(120);
const LONGEST_RETRY: Duration = Duration::from_secs(30 * 86400);
const MOST_RETRIES: usize = 100;

/// One route's settings.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteEntry {
    /// For logs, and the name its deliveries are kept under.
    pub name: String,
    /// Which messages it takes.
    pub filter: Filter,
    /// Where they go.
    pub target: Target,
    /// How they are written and signed.
    pub form: Form,
    /// This backend's answer becomes the passive reply.
    pub reply: Option<Replying>,
    /// What matched here goes to no later route.
    pub stop: bool,
    /// Nothing goes out: what it takes is kept and waits.
    pub paused: bool,
    /// Of each user's messages one goes at a time, in the order in which they came.
    pub ordered: bool,
    /// Most requests at once.
    pub concurrency: u32,
    /// How long the backend may take.
    pub timeout: Duration,
    /// Waits before each further attempt.
    pub retry: Vec<Duration>,
    /// Who set it up.
    pub origin: Origin,
    /// As it was written, without secrets.
    pub shown: Map<String, Value>,
}

/// How a backend's answer becomes the passive reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replying {
    /// How long it is waited for. Over [`WAIT_OF_ONE`], WeChat's first attempts are left without an answer.
    pub wait: Duration,
    /// Any document goes back as it is.
    pub is_raw: bool,
    /// An answer that comes too late goes as a customer-service message.
    pub goes_late: bool,
}

/// A URL in which `{appid}` is filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(String);

/// See [`RouteEntry::form`].
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    /// As WeChat itself would send it.
    Wechat {
        /// Signs; absent: the app's own callback token.
        token: Option<Secret>,
        /// Whether it is encrypted.
        seal: Seal,
    },
    /// Standard Webhooks, signed with each of these.
    Json(Vec<WebhookSecret>),
}

/// What a delivery is encrypted with.
#[derive(Clone, Debug, PartialEq)]
pub enum Seal {
    /// Nothing.
    Plain,
    /// The key the app shares with WeChat, if it has one.
    App,
    /// One of its own.
    Own(AesKey),
}

impl Target {
    fn parse(text: &str) -> Result<Self, Words> {
        let target = Self(text.to_owned());
        let url = target.url("wx0000000000000000");
        let url = url.map_err(|error| Words::new(error.to_string(), error.to_string()))?;
        egress::check_url(&url).map_err(|error| Words::new(error.zh(), error.to_string()))?;
        Ok(target)
    }

    /// The URL for an app.
    pub fn url(&self, appid: &str) -> Result<Url, url::ParseError> {
        Url::parse(&self.0.replace("{appid}", appid))
    }
}

/// Judges `s`; mistakes are written down in it.
pub(super) fn route(s: &mut Table<'_>, origin: Origin) -> RouteEntry {
    let name = super::name(s);
    if name.is_empty() {
        s.mistake(
            "name",
            "缺少：给路由起个名字，日志和投递记录里用它",
            "missing: give the route a name, which log and deliveries use",
        );
    }
    let lists = ["apps", "events", "openids", "scenes"].map(|key| s.strings(key, &[]));
    let filter = Filter::parse(&lists).unwrap_or_else(|(key, wrong)| {
        s.mistake(
            key,
            format!("\"{wrong}\" 不是有效的模式：见 `wxgate config default` 里的例子"),
            format!("\"{wrong}\" is no pattern: `wxgate config default` has examples"),
        );
        Filter::default()
    });
    let target = target(s);
    let form = if s.choice("format", &[("wechat", false), ("json", true)]) { json(s) } else { wechat(s) };
    let reply = replying(s);
    let stop = s.bool("stop", false);
    let paused = s.bool("paused", false);
    let ordered = s.bool("ordered", false);
    if ordered && reply.is_some() {
        s.mistake(
            "ordered",
            "不能与 reply 同用：被动回复要在几秒内给出，不能排队",
            "doesn't go with reply: a passive reply is wanted within seconds, and can't wait for its turn",
        );
    }
    let concurrency = s.integer("concurrency", 8);
    if !(1..=1024).contains(&concurrency) {
        s.mistake("concurrency", "应在 1 到 1024 之间", "must be between 1 and 1024");
    }
    let timeout = s.duration("timeout", "15s");
    if timeout.is_zero() || timeout > LONGEST_TIMEOUT {
        s.mistake("timeout", "应在 1ms 到 120s 之间", "must be between 1ms and 120s");
    }
    let retry = s.durations("retry", &["5s", "30s", "2m", "10m", "1h", "3h", "6h", "12h", "24h"]);
    if retry.len() > MOST_RETRIES || retry.iter().any(|wait| *wait > LONGEST_RETRY) {
        s.mistake("retry", "最多 100 次，每次最多等 30d", "at most 100 times, each after 30d at most");
    }
    RouteEntry {
        name,
        filter,
        target,
        form,
        reply,
        stop,
        paused,
        ordered,
        concurrency,
        timeout,
        retry,
        origin,
        shown: Map::new(),
    }
}

fn replying(s: &mut Table<'_>) -> Option<Replying> {
    let is_raw = s.switch("reply", "raw");
    let wait = s.duration("reply_wait", "4.5s");
    if wait.is_zero() || wait > LONGEST_REPLY_WAIT {
        s.mistake(
            "reply_wait",
            "应大于 0，最多 \"14s\"：微信问三次，每次等 5 秒",
            "must be over 0 and at most \"14s\": WeChat asks three times and waits five seconds each",
        );
    }
    let goes_late = s.choice("late_reply", &[("", false), ("custom", true)]);
    if goes_late && is_raw != Some(false) {
        s.mistake(
            "late_reply",
            "需要 reply = true：迟到的是给用户的回复（\"raw\" 的应答不是）",
            "needs reply = true: what comes late is a reply to a user, which what \"raw\" gives back isn't",
        );
    }
    is_raw.map(|is_raw| Replying { wait, is_raw, goes_late })
}

fn target(s: &mut Table<'_>) -> Target {
    let text = s.string("target", "");
    Target::parse(&text).unwrap_or_else(|error| {
        let zh = "应是 http(s) 地址，如 \"http://10.0.0.5:8080/wx\"";
        let en = "must be an http(s) URL, like \"http://10.0.0.5:8080/wx\"";
        match text.is_empty() {
            true => s.mistake("target", format!("缺少：{zh}"), format!("missing: {en}")),
            false => s.mistake("target", format!("{zh}：{}", error.zh), format!("{en}: {}", error.en)),
        }
        Target(String::new())
    })
}

fn wechat(s: &mut Table<'_>) -> Form {
    for key in ["secret", "previous_secret"] {
        if s.secret(key).is_some() {
            s.mistake(
                key,
                "只用于 format = \"json\"；format = \"wechat\" 用 token 签名",
                "is for format = \"json\" only; format = \"wechat\" signs with token",
            );
        }
    }
    let token = s.secret("token");
    let seal = match s.secret("aes_key") {
        None => Seal::Plain,
        Some(text) if text.expose_secret() == "app" => Seal::App,
        Some(text) => AesKey::parse(text.expose_secret()).map_or_else(
            |_| {
                s.mistake(
                    "aes_key",
                    "应是 43 个字母和数字的 EncodingAESKey，或 \"app\"（用公众号自己的），或空（不加密）",
                    "must be an EncodingAESKey of 43 letters and digits, or \"app\" (the account's own), or empty (not encrypted)",
                );
                Seal::Plain
            },
            Seal::Own,
        ),
    };
    Form::Wechat { token, seal }
}

fn json(s: &mut Table<'_>) -> Form {
    for key in ["token", "aes_key"] {
        if s.secret(key).is_some() {
            s.mistake(
                key,
                "只用于 format = \"wechat\"；format = \"json\" 用 secret 签名",
                "is for format = \"wechat\" only; format = \"json\" signs with secret",
            );
        }
    }
    let zh = "应是 Standard Webhooks 密钥：\"whsec_\" 加 24 到 64 字节的 base64，如 echo whsec_$(openssl rand -base64 32)";
    let en = "must be a Standard Webhooks secret: \"whsec_\" and 24 to 64 bytes in base64, as from echo whsec_$(openssl rand -base64 32)";
    let mut secrets = Vec::new();
    for key in ["secret", "previous_secret"] {
        let before = s.mistakes();
        match s.secret(key) {
            Some(text) => match WebhookSecret::parse(text.expose_secret()) {
                Some(secret) => secrets.push(secret),
                None => s.mistake(key, zh, en),
            },
            None if key == "secret" && s.mistakes() == before => {
                s.mistake(key, format!("缺少：{zh}"), format!("missing: {en}"));
            }
            None => {}
        }
    }
    Form::Json(secrets)
}
