//! Accounts: official accounts, mini programs, websites.

use super::kept::base64;
use super::lately::{OVERHEAD, Weighs};
use crate::sign;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// What an account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// 公众号, a verified service account.
    Official,
    /// 小程序
    Mini,
    /// 网站应用: web login only.
    Open,
}

/// How callbacks are sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    Plain,
    Compat,
    Safe,
}

/// How callbacks are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    #[default]
    Xml,
    Json,
}

/// Where callbacks go.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Callback {
    pub(crate) url: String,
    pub(crate) mode: Mode,
    pub(crate) format: Format,
}

/// One account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct App {
    pub(crate) appid: String,
    pub(crate) secret: String,
    pub(crate) kind: Kind,
    pub(crate) original_id: String,
    pub(crate) callback_token: String,
    #[serde(with = "base64")]
    pub(crate) aes_key: [u8; 32],
    /// The key as it was given.
    pub(crate) encoding_aes_key: String,
    /// Addresses that may call; empty: any.
    pub(crate) ip_allow: Vec<IpNet>,
    /// Life of an access_token, seconds.
    pub(crate) token_ttl: i64,
    /// Hosts OAuth may send a browser back to; loopback always is one.
    pub(crate) oauth_domains: Vec<String>,
    /// Bound to an open platform: it learns unionids.
    pub(crate) bound: bool,
    /// Mini programs that its messages may open.
    pub(crate) linked: Vec<String>,
    /// Pages of the published version, the home page first; none: nothing is published.
    pub(crate) pages: Vec<String>,
    pub(crate) callback: Option<Callback>,
}

/// What `POST /sandbox/apps` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppSettings {
    appid: String,
    secret: String,
    kind: Kind,
    original_id: Option<String>,
    callback_token: Option<String>,
    aes_key: Option<String>,
    #[serde(default)]
    ip_allow: Vec<String>,
    token_ttl: Option<i64>,
    #[serde(default)]
    oauth_domains: Vec<String>,
    bound: Option<bool>,
    #[serde(default)]
    linked: Vec<String>,
    pages: Option<Vec<String>>,
}

/// The callback settings an account has unless it is given others.
const CALLBACK_TOKEN: &str = "sandboxtoken";
const AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
const TOKEN_TTL: i64 = 7200;
/// The page every mini program has unless it is given others.
const PAGE: &str = "pages/index/index";
/// Most pages, domains, addresses and mini programs an account has.
const MAX_PAGES: usize = 1_000;
/// Lives a token may have, in seconds.
const TTLS: RangeInclusive<i64> = 1..=31_536_000;
/// Longest text among its settings, in bytes.
const MAX_TEXT: usize = 512;

impl Weighs for App {
    fn weight(&self) -> usize {
        let lists = [&self.oauth_domains, &self.linked, &self.pages];
        let texts = lists.into_iter().flatten().map(|text| OVERHEAD + text.len()).sum::<usize>();
        let callback = self.callback.as_ref().map_or(0, |callback| callback.url.len());
        16 * OVERHEAD + texts + callback + OVERHEAD * self.ip_allow.len() + self.original_id.len()
    }
}

impl AppSettings {
    /// An account can't have settings without end.
    fn check_lengths(&self) -> Result<(), String> {
        let plain =
            [Some(&self.appid), Some(&self.secret), self.original_id.as_ref(), self.callback_token.as_ref()];
        let lists = [&self.ip_allow, &self.oauth_domains, &self.linked];
        if lists.iter().any(|list| list.len() > MAX_PAGES) {
            return Err(format!("ip_allow, oauth_domains, linked: at most {MAX_PAGES} of each"));
        }
        let mut texts =
            plain.into_iter().flatten().chain(lists.into_iter().flatten()).chain(self.pages.iter().flatten());
        match texts.find(|text| text.len() > MAX_TEXT) {
            Some(text) => Err(format!(
                "{:?}…: a setting has at most {MAX_TEXT} bytes",
                text.chars().take(20).collect::<String>()
            )),
            None => Ok(()),
        }
    }

    /// The account, or what is wrong.
    pub(crate) fn into_app(self) -> Result<App, String> {
        if self.appid.is_empty() || self.secret.is_empty() {
            return Err("appid and secret must not be empty".into());
        }
        self.check_lengths()?;
        let key = self.aes_key.filter(|key| !key.is_empty());
        let encoding_aes_key = key.unwrap_or_else(|| AES_KEY.to_owned());
        let aes_key = sign::key(&encoding_aes_key);
        let token_ttl = self.token_ttl.unwrap_or(TOKEN_TTL);
        if !TTLS.contains(&token_ttl) {
            return Err("token_ttl: 1 to 31536000 seconds".into());
        }
        let pages = self.pages.unwrap_or_else(|| vec![PAGE.to_owned()]);
        let is_page =
            |page: &String| !page.is_empty() && !page.starts_with('/') && !page.contains(['?', '#']);
        if pages.len() > MAX_PAGES || !pages.iter().all(is_page) {
            return Err(format!("pages: at most {MAX_PAGES}, without a leading slash or a query"));
        }
        let ip_allow = self.ip_allow.iter().map(|text| net(text));
        Ok(App {
            original_id: self.original_id.unwrap_or_else(|| original_id(&self.appid)),
            appid: self.appid,
            secret: self.secret,
            kind: self.kind,
            callback_token: self.callback_token.unwrap_or_else(|| CALLBACK_TOKEN.to_owned()),
            aes_key: aes_key.ok_or("aes_key: 43 characters out of A-Z, a-z, 0-9")?,
            encoding_aes_key,
            ip_allow: ip_allow.collect::<Result<_, _>>()?,
            token_ttl,
            oauth_domains: self.oauth_domains,
            bound: self.bound.unwrap_or(true),
            linked: self.linked,
            pages,
            callback: None,
        })
    }
}

impl App {
    /// What a snapshot's account may not have; it is known by this AppID.
    pub(super) fn check(&self, appid: &str) -> Result<(), String> {
        if self.appid != appid || !TTLS.contains(&self.token_ttl) {
            return Err(format!("world.apps.{appid}: its appid, or its token_ttl, is impossible"));
        }
        Ok(())
    }

    /// Whether the published version has this page.
    pub(crate) fn has_page(&self, path: &str) -> bool {
        self.pages.iter().any(|page| page == path)
    }

    /// What people call it, in Chinese and in English: nobody can give one a name here. The page with the phone does likewise.
    pub(crate) fn name(&self) -> (String, String) {
        let names = match self.appid.as_str() {
            "wx00000000000000a1" => ("沙箱公众号", "Sandbox Official"),
            MINI => ("沙箱小程序", "Sandbox Mini"),
            "wx3cc8fd6963e31a32" => ("示例公众号", "Example Official"),
            appid => {
                let letters: Vec<char> = appid.chars().collect();
                let tail = String::from_iter(&letters[letters.len().saturating_sub(4)..]);
                let (zh, en) = match self.kind {
                    Kind::Official => ("公众号", "official account"),
                    Kind::Mini => ("小程序", "mini program"),
                    Kind::Open => ("网站应用", "website"),
                };
                return (format!("{zh} {tail}"), format!("{en} {tail}"));
            }
        };
        (names.0.to_owned(), names.1.to_owned())
    }

    /// The page that opens where none is named.
    pub(crate) fn home(&self) -> &str {
        self.pages.first().map_or(PAGE, String::as_str)
    }

    /// Whether this address may use the account's token.
    pub(crate) fn admits(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.ip_allow.is_empty() || self.ip_allow.iter().any(|net| net.contains(&ip))
    }
}

fn net(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    address
        .or_else(|_| text.parse::<IpNet>())
        .map_err(|_| format!("ip_allow: {text:?} is neither an address nor a CIDR"))
}

fn original_id(appid: &str) -> String {
    match appid {
        "wx3cc8fd6963e31a32" => "gh_0000000000c3".to_owned(),
        _ => {
            let letters: Vec<char> = appid.chars().collect();
            let tail = &letters[letters.len().saturating_sub(12)..];
            format!("gh_{}", String::from_iter(tail))
        }
    }
}

/// The mini program of the start.
const MINI: &str = "wx00000000000000b2";

/// The three accounts that exist from the start.
pub(super) fn standing() -> Vec<App> {
    [
        ("wx00000000000000a1", Kind::Official, "a1"),
        (MINI, Kind::Mini, "b2"),
        ("wx3cc8fd6963e31a32", Kind::Official, "c3"),
    ]
    .into_iter()
    .filter_map(|(appid, kind, secret)| {
        let settings = AppSettings {
            appid: appid.to_owned(),
            secret: secret.repeat(16),
            kind,
            original_id: None,
            callback_token: None,
            aes_key: None,
            ip_allow: Vec::new(),
            token_ttl: None,
            oauth_domains: Vec::new(),
            bound: None,
            linked: if kind == Kind::Official { vec![MINI.to_owned()] } else { Vec::new() },
            pages: None,
        };
        settings.into_app().ok()
    })
    .collect()
}
