//! An HTTP proxy on the way to WeChat.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use secrecy::ExposeSecret as _;
use url::Url;

use super::table::Table;
use crate::tls::Authorities;

/// A proxy that is spoken to by CONNECT.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// `http://host:port`
    pub uri: Uri,
    /// `Proxy-Authorization`
    pub authorization: Option<HeaderValue>,
}

impl Proxy {
    /// Reads `http://[user:password@]host:port`.
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok().filter(|url| url.scheme() == "http" && url.has_host())?;
        let port = url.port_or_known_default().unwrap_or(80);
        let uri = format!("http://{}:{port}", url.host_str()?).parse().ok()?;
        if url.username().is_empty() {
            return Some(Self { uri, authorization: None });
        }
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let pair = format!("{}:{}", decoded(url.username()), decoded(url.password().unwrap_or_default()));
        let mut value = HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(pair))).ok()?;
        value.set_sensitive(true);
        Some(Self { uri, authorization: Some(value) })
    }

    /// The key `proxy` of a table.
    pub fn read(s: &mut Table<'_>) -> Option<Self> {
        let text = s.secret("proxy")?;
        let proxy = Self::parse(text.expose_secret());
        if proxy.is_none() {
            let en = "must be http://[user:password@]host:port";
            s.mistake("proxy", "应是 http://[用户:密码@]主机:端口", en);
        }
        proxy
    }

    /// The key `ca_file` of a table: whose certificates are trusted besides everybody's, those of a proxy that opens TLS say.
    pub fn authorities(s: &mut Table<'_>) -> Authorities {
        let Some(path) = s.path("ca_file") else { return Authorities::default() };
        Authorities::read(&path).unwrap_or_else(|error| {
            s.mistake("ca_file", error.zh, error.en);
            Authorities::default()
        })
    }

    /// `host:port`, for people.
    pub fn name(&self) -> &str {
        self.uri.authority().map_or("", |authority| authority.as_str())
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({})", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_are_decoded_and_shown_nowhere() {
        let proxy = Proxy::parse("http://user:p%40ss@10.0.0.1:3128").unwrap();
        assert_eq!(
            (proxy.name(), proxy.uri.to_string().as_str()),
            ("10.0.0.1:3128", "http://10.0.0.1:3128/")
        );
        // user:p@ss
        assert_eq!(proxy.authorization.as_ref().unwrap(), "Basic dXNlcjpwQHNz");
        assert!(!format!("{proxy:?} {:?}", proxy.authorization).contains("dXNl"));
        assert_eq!(Proxy::parse("http://proxy").unwrap().name(), "proxy:80");
        for wrong in ["", "proxy:3128", "socks5://proxy:1080", "https://proxy", "http://", "10.0.0.1"] {
            assert!(Proxy::parse(wrong).is_none(), "{wrong}");
        }
    }
}
