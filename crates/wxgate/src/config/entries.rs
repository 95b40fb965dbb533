//! `[[apps]]` and `[[callers]]`, from the main file and from included ones.

use std::collections::HashMap;

use ipnet::IpNet;
use secrecy::{ExposeSecret as _, SecretString};
use toml::Value;

use super::Problem;
use super::reader::Reader;
use super::sections::{networks, same_secret};
use crate::rights::{ApiPatterns, AppPatterns};

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
#[derive(Clone, Debug)]
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
    pub secret: SecretString,
    /// Where its token comes from.
    pub token_mode: TokenMode,
}

impl PartialEq for AppEntry {
    fn eq(&self, other: &Self) -> bool {
        (&self.appid, self.kind, &self.name, &self.tags, self.token_mode)
            == (&other.appid, other.kind, &other.name, &other.tags, other.token_mode)
            && same_secret(Some(&self.secret), Some(&other.secret))
    }
}

/// One `[[callers]]`.
#[derive(Clone, Debug)]
pub struct CallerEntry {
    /// For logs and audits.
    pub name: String,
    /// Absent: whoever calls without a key from `networks`.
    pub key: Option<SecretString>,
    /// Still accepted while services change over.
    pub previous_key: Option<SecretString>,
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

impl PartialEq for CallerEntry {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.apps, &self.apis, &self.networks, self.rate, self.export_token)
            == (&other.name, &other.apps, &other.apis, &other.networks, other.rate, other.export_token)
            && same_secret(self.key.as_ref(), other.key.as_ref())
            && same_secret(self.previous_key.as_ref(), other.previous_key.as_ref())
    }
}

/// Gathers entries over several files, then looks at them together.
#[derive(Default)]
pub(super) struct Lists {
    apps: Vec<(String, AppEntry)>,
    callers: Vec<(String, CallerEntry)>,
}

impl Lists {
    pub(super) fn read(&mut self, root: &mut Reader<'_>, label: &str, problems: &mut Vec<Problem>) {
        for (index, reader) in root.list("apps", label).into_iter().enumerate() {
            self.apps.push((format!("{label}apps[{index}]"), app(reader, problems)));
        }
        for (index, reader) in root.list("callers", label).into_iter().enumerate() {
            self.callers.push((format!("{label}callers[{index}]"), caller(reader, problems)));
        }
        root.later("routes", &Value::Array(Vec::new()));
    }

    pub(super) fn finish(self, problems: &mut Vec<Problem>) -> (Vec<AppEntry>, Vec<CallerEntry>) {
        let mut seen = HashMap::new();
        for (place, app) in &self.apps {
            let first = seen.entry(&app.appid).or_insert(place);
            if *first != place && !app.appid.is_empty() {
                problems.push(Problem {
                    key: format!("{place}.appid"),
                    text: format!("{} 与 {first} 重复", app.appid),
                });
            }
        }
        let mut names = HashMap::new();
        let mut keys = HashMap::new();
        for (place, caller) in &self.callers {
            let first = names.entry(&caller.name).or_insert(place);
            if *first != place && !caller.name.is_empty() {
                problems.push(Problem {
                    key: format!("{place}.name"),
                    text: format!("{} 与 {first} 重复", caller.name),
                });
            }
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
        (
            self.apps.into_iter().map(|(_, app)| app).collect(),
            self.callers.into_iter().map(|(_, caller)| caller).collect(),
        )
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
    let empty = Value::String(String::new());
    for key in ["original_id", "callback_token", "previous_callback_token", "aes_key", "previous_aes_key"] {
        s.later(key, &empty);
    }
    s.later("allow_plain", &Value::Boolean(false));
    s.later("oauth_redirects", &Value::Array(Vec::new()));
    s.finish(problems);
    AppEntry { appid, kind, name, tags, secret: secret.unwrap_or_default(), token_mode }
}

fn caller(mut s: Reader<'_>, problems: &mut Vec<Problem>) -> CallerEntry {
    let name = s.string("name", "");
    if name.is_empty() {
        s.problem("name", "缺少：给调用方起个名字，日志里用它");
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

fn key(s: &mut Reader<'_>, name: &'static str) -> Option<SecretString> {
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
