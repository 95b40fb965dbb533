//! Official accounts, mini programs, open-platform apps.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::tokens::Slot;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Official,
    Mini,
    Open,
}

impl Kind {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "official" => Some(Self::Official),
            "mini" => Some(Self::Mini),
            "open" => Some(Self::Open),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Official => "official",
            Self::Mini => "mini",
            Self::Open => "open",
        }
    }
}

/// How pushes are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Plain,
    Compat,
    Safe,
}

/// Where pushes go.
#[derive(Clone, Debug)]
pub(crate) struct Callback {
    pub(crate) url: String,
    pub(crate) mode: Mode,
    pub(crate) json: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) appid: String,
    pub(crate) secret: String,
    pub(crate) kind: Kind,
    pub(crate) original_id: String,
    pub(crate) callback_token: String,
    pub(crate) aes_key: String,
    /// Empty: any.
    pub(crate) ip_allow: Vec<IpAddr>,
    /// Seconds.
    pub(crate) token_ttl: i64,
    pub(crate) oauth_domains: Vec<String>,
    pub(crate) callback: Option<Callback>,
    pub(super) stable: Slot,
    pub(super) classic: Slot,
    pub(super) permanent_codes: u32,
    /// jsapi and wx_card: value and end, Unix milliseconds.
    pub(super) tickets: [Option<(String, i64)>; 2],
}

impl Account {
    pub(crate) fn new(appid: &str, secret: &str, kind: Kind) -> Self {
        let tail = appid.get(appid.len().saturating_sub(12)..).unwrap_or(appid);
        Self {
            appid: appid.to_owned(),
            secret: secret.to_owned(),
            kind,
            original_id: format!("gh_{tail}"),
            callback_token: "sandboxtoken".to_owned(),
            aes_key: "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG".to_owned(),
            ip_allow: Vec::new(),
            token_ttl: 7200,
            oauth_domains: Vec::new(),
            callback: None,
            stable: Slot::default(),
            classic: Slot::default(),
            permanent_codes: 0,
            tickets: [None, None],
        }
    }

    pub(super) fn first_three() -> [Self; 3] {
        let mut example = Self::new("wx3cc8fd6963e31a32", &"c3".repeat(16), Kind::Official);
        example.original_id = "gh_0000000000c3".to_owned();
        [
            Self::new("wx00000000000000a1", &"a1".repeat(16), Kind::Official),
            Self::new("wx00000000000000b2", &"b2".repeat(16), Kind::Mini),
            example,
        ]
    }

    pub(super) fn describe(&self) -> Value {
        json!({
            "appid": self.appid, "kind": self.kind.as_str(), "original_id": self.original_id,
            "token_ttl": self.token_ttl,
            "callback": self.callback.as_ref().map(|callback| &callback.url),
        })
    }
}
