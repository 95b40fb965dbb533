//! An app: one WeChat account.

use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};
use wechat::crypt::AesKey;

use super::origin::Origin;
use super::proxy::Proxy;
use super::secret::Secret;
use super::table::Table;
use crate::rules::redirects::Redirects;
use crate::text;

/// What an app is to WeChat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountKind {
    /// 公众号
    Official,
    /// 小程序
    Mini,
    /// 网站应用 or 移动应用: OAuth only, no access_token.
    Open,
}

impl AccountKind {
    /// As written in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Official => "official",
            Self::Mini => "mini",
            Self::Open => "open",
        }
    }

    /// Whether it has an access_token, and with it an API.
    pub fn has_token(self) -> bool {
        self != Self::Open
    }

    /// Whether WeChat pushes its messages.
    pub fn has_callbacks(self) -> bool {
        self != Self::Open
    }

    /// Whether users log in to web pages with it.
    pub fn has_web_oauth(self) -> bool {
        self != Self::Mini
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

/// One app's settings.
#[derive(Clone, Debug, PartialEq)]
pub struct AppEntry {
    /// WeChat's AppID.
    pub appid: String,
    /// What it is.
    pub kind: AccountKind,
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
    /// The way to WeChat for this app alone; none: as everybody's.
    pub proxy: Option<Proxy>,
    /// Where `oauth/start` may send a browser back.
    pub oauth_redirects: Redirects,
    /// Who set it up.
    pub origin: Origin,
    /// As it was written, without secrets.
    pub shown: Map<String, Value>,
}

impl AppEntry {
    /// With every other key at its default.
    pub fn new(appid: String, kind: AccountKind, secret: Secret) -> Self {
        Self {
            appid,
            kind,
            name: String::new(),
            tags: Vec::new(),
            secret,
            token_mode: TokenMode::Stable,
            original_id: String::new(),
            shown: Map::new(),
            callback_tokens: Vec::new(),
            aes_keys: Vec::new(),
            allow_plain: false,
            proxy: None,
            oauth_redirects: Redirects::default(),
            origin: Origin::default(),
        }
    }
}

/// Judges `s`; mistakes are written down in it.
pub(super) fn app(s: &mut Table<'_>, origin: Origin) -> AppEntry {
    let appid = appid(s);
    if !s.has("kind") {
        s.mistake(
            "kind",
            "缺少：公众号写 \"official\"，小程序写 \"mini\"，网站/移动应用写 \"open\"",
            "missing: \"official\" for an official account, \"mini\" for a mini program, \"open\" for a website or mobile app",
        );
    }
    let kind = s.choice(
        "kind",
        &[("official", AccountKind::Official), ("mini", AccountKind::Mini), ("open", AccountKind::Open)],
    );
    let name = s.string("name", "");
    let tags = s.strings("tags", &[]);
    let secret = secret(s);
    let token_mode =
        s.choice("token_mode", &[("stable", TokenMode::Stable), ("classic", TokenMode::Classic)]);
    let original_id = s.string("original_id", "");
    let callback_tokens = pair(s, "callback_token", "previous_callback_token", |text| Some(text.clone()));
    let aes_keys = pair(s, "aes_key", "previous_aes_key", |text| AesKey::parse(text.expose_secret()).ok());
    let allow_plain = s.bool("allow_plain", false);
    let proxy = Proxy::read(s);
    let texts = s.strings("oauth_redirects", &[]);
    let oauth_redirects = Redirects::parse(&texts).unwrap_or_else(|wrong| {
        s.mistake("oauth_redirects", wrong.zh, wrong.en);
        Redirects::default()
    });
    AppEntry {
        appid,
        kind,
        name,
        tags,
        secret,
        token_mode,
        original_id,
        callback_tokens,
        aes_keys,
        allow_plain,
        proxy,
        oauth_redirects,
        origin,
        shown: Map::new(),
    }
}

/// The AppSecret, which must be there.
fn secret(s: &mut Table<'_>) -> Secret {
    let had_secret = s.has("secret");
    let before = s.mistakes();
    let secret = s.secret("secret");
    if secret.is_none() && (!had_secret || s.mistakes() == before) {
        s.mistake(
            "secret",
            "缺少 AppSecret：写值本身，或 \"env:变量名\"、\"file:路径\"",
            "the AppSecret is missing: write it itself, or \"env:NAME\", or \"file:PATH\"",
        );
    }
    secret.unwrap_or_default()
}

fn appid(s: &mut Table<'_>) -> String {
    let appid = s.string("appid", "");
    if appid.is_empty() || appid.len() > 64 || !appid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    {
        let odd = text::odd_character(&appid);
        let (zh, en) = odd.map_or_else(Default::default, |odd| {
            (format!("里有{}：去掉它；", odd.zh), format!("holds {}: take it out; it ", odd.en))
        });
        s.mistake(
            "appid",
            format!("{zh}应是公众平台上的 AppID，如 \"wx3cc8fd6963e31a32\""),
            format!("{en}must be the AppID from mp.weixin.qq.com, like \"wx3cc8fd6963e31a32\""),
        );
    }
    appid
}

/// The current secret and the one before it, in this order.
fn pair<T>(
    s: &mut Table<'_>,
    key: &'static str,
    previous: &'static str,
    parse: impl Fn(&Secret) -> Option<T>,
) -> Vec<T> {
    let before = s.mistakes();
    let secrets = [(key, s.secret(key)), (previous, s.secret(previous))];
    if secrets[0].1.is_none() && secrets[1].1.is_some() && s.mistakes() == before {
        s.mistake(
            previous,
            format!("只有 {previous} 而没有 {key}：轮换期间两者都要写"),
            format!("{previous} without {key}: while they change over, write both"),
        );
    }
    let mut found = Vec::new();
    for (name, secret) in secrets {
        match secret.as_ref().map(&parse) {
            Some(Some(value)) => found.push(value),
            Some(None) => s.mistake(
                name,
                "应是公众平台上的 EncodingAESKey：43 个字母和数字",
                "must be the EncodingAESKey from mp.weixin.qq.com: 43 letters and digits",
            ),
            None => {}
        }
    }
    found
}
