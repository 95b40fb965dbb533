//! `[[apps]]` and `[[callers]]`, from the main file and from included ones.

use std::collections::HashMap;

use ipnet::IpNet;
use secrecy::ExposeSecret as _;
use toml::Value;
use wechat::crypt::AesKey;

use super::reader::Reader;
use super::routes::{RouteEntry, route};
use super::sections::networks;
use super::{Config, Problem, Secret};
use crate::rules::redirects::Redirects;
use crate::rules::rights::{ApiPatterns, AppPatterns};

/// What an app is to WeChat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 公众号
    Official,
    /// 小程序
    Mini,
    /// 网站应用 or 移动应用: OAuth only, no access_token.
    Open,
}

impl Kind {
    /// As written in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Official => "official",
            Self::Mini => "mini",
            Self::Open => "open",
        }
    }
}

/// Which endpoint an app's access_token comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenMode {
    /// `/cgi-bin/stable_token`
    Stable,
    /// `/cgi-bin/token`
    Classic,
}

/// One `[[apps]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct AppEntry {
    /// WeChat's AppID.
    pub appid: String,
    /// What it is.
    pub kind: Kind,
    /// For people.
    pub name: String,
    /// For `tag:NAME` in callers and routes.
    pub tags: Vec<String>,
    /// AppSecret.
    pub secret: Secret,
    /// Where its token comes from.
    pub token_mode: TokenMode,
    /// 原始 ID, `gh_…`; may be empty.
    pub original_id: String,
    /// What its callbacks are signed with, the current token first; none: it refuses callbacks.
    pub callback_tokens: Vec<Secret>,
    /// What its callbacks are encrypted with, the current key first; none: plain mode.
    pub aes_keys: Vec<AesKey>,
    /// With a key: unencrypted messages are good as well.
    pub allow_plain: bool,
    /// Where `oauth/start` may send a browser back.
    pub oauth_redirects: Redirects,
}

impl AppEntry {
    /// With every other key at its default.
    pub fn new(appid: String, kind: Kind, secret: Secret) -> Self {
        Self {
            appid,
            kind,
            name: String::new(),
            tags: Vec::new(),
            secret,
            token_mode: TokenMode::Stable,
            original_id: String::new(),
            callback_tokens: Vec::new(),
            aes_keys: Vec::new(),
            allow_plain: false,
            oauth_redirects: Redirects::default(),
        }
    }
}

/// One `[[callers]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct CallerEntry {
    /// For logs and audits.
    pub name: String,
    /// Absent: whoever calls without a key from `networks`.
    pub key: Option<Secret>,
    /// Still accepted while services change over.
    pub previous_key: Option<Secret>,
    /// Which apps it may use.
    pub apps: AppPatterns,
    /// Which paths it may call.
    pub apis: ApiPatterns,
    /// Where it may come from; empty: anywhere.
    pub networks: Vec<IpNet>,
    /// Requests a second; 0: no limit.
    pub rate: u32,
    /// May read the real access_token.
    pub export_token: bool,
}

/// Gathers entries over several files, then looks at them together.
#[derive(Default)]
pub(super) struct Lists {
    apps: Vec<(String, AppEntry)>,
    callers: Vec<(String, CallerEntry)>,
    routes: Vec<(String, RouteEntry)>,
}

impl Lists {
    pub(super) fn read(&mut self, root: &mut Reader<'_>, label: &str, problems: &mut Vec<Problem>) {
        for (index, reader) in root.list("apps", label).into_iter().enumerate() {
            self.apps.push((format!("{label}apps[{index}]"), app(reader, problems)));
        }
        for (index, reader) in root.list("callers", label).into_iter().enumerate() {
            self.callers.push((format!("{label}callers[{index}]"), caller(reader, problems)));
        }
        for (index, reader) in root.list("routes", label).into_iter().enumerate() {
            self.routes.push((format!("{label}routes[{index}]"), route(reader, problems)));
        }
    }

    /// Looks at what only all of them together show.
    pub(super) fn finish(self, config: &mut Config, problems: &mut Vec<Problem>) {
        unique("appid", self.apps.iter().map(|(place, app)| (place, &app.appid)), problems);
        unique("original_id", self.apps.iter().map(|(place, app)| (place, &app.original_id)), problems);
        unique("name", self.callers.iter().map(|(place, caller)| (place, &caller.name)), problems);
        unique("name", self.routes.iter().map(|(place, route)| (place, &route.name)), problems);
        let mut keys = HashMap::new();
        for (place, caller) in &self.callers {
            for key in [&caller.key, &caller.previous_key].into_iter().flatten() {
                let first = keys.entry(key.expose_secret()).or_insert(place);
                if *first != place {
                    problems.push(Problem {
                        key: format!("{place}.key"),
                        text: format!("与 {first} 的密钥相同：每个调用方用自己的密钥（wxgate key new）"),
                    });
                }
            }
        }
        config.apps = self.apps.into_iter().map(|(_, app)| app).collect();
        config.callers = self.callers.into_iter().map(|(_, caller)| caller).collect();
        config.routes = self.routes.into_iter().map(|(_, route)| route).collect();
    }
}

/// Complains about a value that two entries have; empty ones don't count.
fn unique<'a>(
    key: &str,
    values: impl Iterator<Item = (&'a String, &'a String)>,
    problems: &mut Vec<Problem>,
) {
    let mut seen = HashMap::new();
    for (place, value) in values.filter(|(_, value)| !value.is_empty()) {
        let first = seen.entry(value).or_insert(place);
        if *first != place {
            problems
                .push(Problem { key: format!("{place}.{key}"), text: format!("{value} 与 {first} 重复") });
        }
    }
}

fn app(mut s: Reader<'_>, problems: &mut Vec<Problem>) -> AppEntry {
    let appid = s.string("appid", "");
    if appid.is_empty() || appid.len() > 64 || !appid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    {
        s.problem("appid", "应是公众平台上的 AppID，如 \"wx3cc8fd6963e31a32\"");
    }
    if !s.has("kind") {
        s.problem("kind", "缺少：公众号写 \"official\"，小程序写 \"mini\"，网站/移动应用写 \"open\"");
    }
    let kind = s.choice("kind", &[("official", Kind::Official), ("mini", Kind::Mini), ("open", Kind::Open)]);
    let name = s.string("name", "");
    let tags = s.strings("tags", &[]);
    let had_secret = s.has("secret");
    let before = s.problems();
    let secret = s.secret("secret");
    if secret.is_none() && (!had_secret || s.problems() == before) {
        s.problem("secret", "缺少 AppSecret：写值本身，或 \"env:变量名\"、\"file:路径\"");
    }
    let token_mode =
        s.choice("token_mode", &[("stable", TokenMode::Stable), ("classic", TokenMode::Classic)]);
    let original_id = s.string("original_id", "");
    let callback_tokens =
        pair(&mut s, "callback_token", "previous_callback_token", |text| Some(text.clone()));
    let aes_keys =
        pair(&mut s, "aes_key", "previous_aes_key", |text| AesKey::parse(text.expose_secret()).ok());
    let allow_plain = s.bool("allow_plain", false);
    let texts = s.strings("oauth_redirects", &[]);
    let oauth_redirects = Redirects::parse(&texts).unwrap_or_else(|wrong| {
        s.problem("oauth_redirects", wrong);
        Redirects::default()
    });
    s.finish(problems);
    AppEntry {
        appid,
        kind,
        name,
        tags,
        secret: secret.unwrap_or_default(),
        token_mode,
        original_id,
        callback_tokens,
        aes_keys,
        allow_plain,
        oauth_redirects,
    }
}

/// The current secret and the one before it, in this order.
fn pair<T>(
    s: &mut Reader<'_>,
    key: &'static str,
    previous: &'static str,
    parse: impl Fn(&Secret) -> Option<T>,
) -> Vec<T> {
    let before = s.problems();
    let secrets = [(key, s.secret(key)), (previous, s.secret(previous))];
    if secrets[0].1.is_none() && secrets[1].1.is_some() && s.problems() == before {
        s.problem(previous, format!("只有 {previous} 而没有 {key}：轮换期间两者都要写"));
    }
    let mut found = Vec::new();
    for (name, secret) in secrets {
        match secret.as_ref().map(&parse) {
            Some(Some(value)) => found.push(value),
            Some(None) => s.problem(name, "应是公众平台上的 EncodingAESKey：43 个字母和数字"),
            None => {}
        }
    }
    found
}

fn caller(mut s: Reader<'_>, problems: &mut Vec<Problem>) -> CallerEntry {
    let name = s.string("name", "");
    if name.is_empty() {
        s.problem("name", "缺少：给调用方起个名字，日志里用它");
    }
    if name == "anonymous" {
        s.problem("name", "anonymous 是 auth.mode = \"off\" 时无密钥调用方的名字，请换一个");
    }
    let before = s.problems();
    let key = key(&mut s, "key");
    let keyless = key.is_none() && s.problems() == before;
    let previous_key = self::key(&mut s, "previous_key");
    let apps = patterns(&mut s, "apps", "[\"*\"]、[\"tag:prod\"] 或 [\"wx…\"]", AppPatterns::parse);
    let apis = patterns(&mut s, "apis", "[\"*\"] 或 [\"/v1/service/wx/*\"]", ApiPatterns::parse);
    let networks = networks(&mut s, "networks");
    if keyless && networks.is_empty() {
        s.problem(
            "networks",
            "没有密钥（key = \"\"）的调用方必须写明来源网段，如 [\"127.0.0.0/8\", \"10.0.0.0/8\"]",
        );
    }
    let rate = s.integer("rate", 0);
    let export_token = s.bool("export_token", false);
    s.later("may_reply", &Value::Boolean(false));
    s.finish(problems);
    CallerEntry { name, key, previous_key, apps, apis, networks, rate, export_token }
}

fn key(s: &mut Reader<'_>, name: &'static str) -> Option<Secret> {
    let key = s.secret(name)?;
    if is_key(key.expose_secret()) {
        return Some(key);
    }
    s.problem(name, "应是 24 到 128 个 [A-Za-z0-9_-] 字符：用 `wxgate key new` 生成");
    None
}

/// Whether `text` has the shape of a caller key.
pub fn is_key(text: &str) -> bool {
    (24..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn patterns<T: Default>(
    s: &mut Reader<'_>,
    key: &'static str,
    example: &str,
    parse: impl Fn(&[String]) -> Result<T, String>,
) -> T {
    if !s.has(key) {
        s.problem(key, format!("缺少：如 {example}"));
        return T::default();
    }
    let texts = s.strings(key, &[]);
    match parse(&texts) {
        Ok(patterns) => patterns,
        Err(wrong) => {
            s.problem(key, format!("\"{wrong}\" 不是有效的模式：如 {example}"));
            T::default()
        }
    }
}
