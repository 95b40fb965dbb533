//! A caller: a program of the company that calls WeChat through wxgate.

use ipnet::IpNet;
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};

use super::origin::Origin;
use super::quota::{Quota, quotas};
use super::secret::Secret;
use super::table::Table;
use crate::random::Random;
use crate::rules::rights::{ApiPatterns, AppPatterns};

/// One caller's settings.
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
    /// Requests at work at once; 0: no limit of its own.
    pub concurrency: u32,
    /// May read the real access_token.
    pub export_token: bool,
    /// May answer users from an event stream.
    pub may_reply: bool,
    /// From then on it is nobody any more; Unix milliseconds.
    pub expires_at: Option<i64>,
    /// What it may send in a while; each that a call's path fits counts it.
    pub quotas: Vec<Quota>,
    /// Who set it up.
    pub origin: Origin,
    /// As it was written, without secrets.
    pub shown: Map<String, Value>,
}

/// Judges `s`; mistakes are written down in it.
pub(super) fn caller(s: &mut Table<'_>, origin: Origin) -> CallerEntry {
    let name = super::name(s);
    if name.is_empty() {
        s.mistake(
            "name",
            "缺少：给调用方起个名字，日志里用它",
            "missing: give the caller a name, which the log uses",
        );
    }
    if name == "anonymous" {
        s.mistake(
            "name",
            "anonymous 是 auth.mode = \"off\" 时无密钥调用方的名字，请换一个",
            "anonymous is whoever calls without a key when auth.mode is \"off\": choose another name",
        );
    }
    let before = s.mistakes();
    let key = key(s, "key");
    let keyless = key.is_none() && s.mistakes() == before;
    let previous_key = self::key(s, "previous_key");
    let apps = patterns(s, "apps", &["[\"*\"]", "[\"tag:prod\"]", "[\"wx…\"]"], AppPatterns::parse);
    let apis = patterns(s, "apis", &["[\"*\"]", "[\"/v1/service/wx/*\"]"], ApiPatterns::parse);
    let networks = s.networks("networks");
    if keyless && networks.is_empty() {
        s.mistake(
            "networks",
            "没有密钥（key = \"\"）的调用方必须写明来源网段，如 [\"127.0.0.0/8\", \"10.0.0.0/8\"]",
            "a caller without a key (key = \"\") needs the networks it comes from, like [\"127.0.0.0/8\", \"10.0.0.0/8\"]",
        );
    }
    let rate = s.integer("rate", 0);
    let concurrency = s.integer("concurrency", 0);
    let export_token = s.bool("export_token", false);
    let expires_at = s.moment("expires_at");
    let quotas = quotas(s);
    let may_reply = s.bool("may_reply", false);
    CallerEntry {
        name,
        key,
        previous_key,
        apps,
        apis,
        networks,
        rate,
        concurrency,
        export_token,
        may_reply,
        expires_at,
        quotas,
        origin,
        shown: Map::new(),
    }
}

fn key(s: &mut Table<'_>, name: &'static str) -> Option<Secret> {
    let key = s.secret(name)?;
    if is_key(key.expose_secret()) {
        return Some(key);
    }
    s.mistake(
        name,
        "应是 24 到 128 个 [A-Za-z0-9_-] 字符：用 `wxgate key new` 生成",
        "must be 24 to 128 characters of [A-Za-z0-9_-]: `wxgate key new` makes one",
    );
    None
}

/// A fresh key: `wxk_` and 40 letters and digits, 238 bits.
pub fn new_key(random: &Random) -> String {
    format!("wxk_{}", random.letters(40))
}

/// No caller key is shorter.
pub const SHORTEST_KEY: usize = 24;

/// Whether `text` has the shape of a caller key.
pub fn is_key(text: &str) -> bool {
    (SHORTEST_KEY..=128).contains(&text.len()) && text.bytes().all(is_of_keys)
}

/// Whether caller keys and gateway tokens are made of it.
pub fn is_of_keys(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn patterns<T: Default>(
    s: &mut Table<'_>,
    key: &'static str,
    examples: &[&str],
    parse: impl Fn(&[String]) -> Result<T, String>,
) -> T {
    let (zh, en) = (examples.join("、"), examples.join(", "));
    if !s.has(key) {
        s.mistake(key, format!("缺少：如 {zh}"), format!("missing: for example {en}"));
        return T::default();
    }
    let texts = s.strings(key, &[]);
    match parse(&texts) {
        Ok(patterns) => patterns,
        Err(wrong) => {
            s.mistake(
                key,
                format!("\"{wrong}\" 不是有效的模式：如 {zh}"),
                format!("\"{wrong}\" is no pattern; such are {en}"),
            );
            T::default()
        }
    }
}
