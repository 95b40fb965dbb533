//! Who is calling? A key, or, for those who need none, where the call comes from and that no web
//! page made it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::header::{AUTHORIZATION, FORWARDED, HeaderName, ORIGIN, REFERER, VIA};
use http::{HeaderMap, Version, request};
use ipnet::IpNet;
use url::Url;

use super::denied::Denied;
use super::hosts::Hosts;
use crate::config;
use crate::registry::callers::{Caller, Callers, contains};

pub const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// What identification needs to know of `[server]`.
#[derive(Clone, Debug)]
pub struct Gatekeeper {
    trusted_proxies: Vec<IpNet>,
    hosts: Hosts,
    public_url: Option<Url>,
    /// What the callers' listener speaks.
    scheme: &'static str,
}

/// What a request shows of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shown<'a> {
    /// No key.
    Nothing,
    /// This one.
    Key(&'a str),
    /// Something that is no key: never taken for nothing.
    Unreadable,
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Unreadable => "Unreadable",
            Self::Key(_) => "Key",
        })
    }
}

impl Gatekeeper {
    /// From `[server]`.
    pub fn new(server: &config::Server) -> Self {
        Self {
            trusted_proxies: server.trusted_proxies.clone(),
            hosts: Hosts::of_callers(server),
            public_url: server.public_url.clone(),
            scheme: if server.tls.is_some() { "https" } else { "http" },
        }
    }

    /// Who needs no key from there.
    pub fn without_key<'a>(
        &self,
        head: &request::Parts,
        peer: IpAddr,
        callers: &'a Callers,
        now: i64,
    ) -> Result<&'a Arc<Caller>, Denied> {
        self.refuse_strangers(head, peer)?;
        let address = self.address(&head.headers, peer);
        address.and_then(|address| callers.without_key(address, now)).ok_or(Denied::NoKey)
    }

    /// Whether `caller` may call from there.
    pub fn check_network(
        &self,
        caller: &Arc<Caller>,
        head: &request::Parts,
        peer: IpAddr,
    ) -> Result<(), Denied> {
        let address = self.address(&head.headers, peer);
        if caller.may_come_from(address) {
            return Ok(());
        }
        Err(Denied::Network { caller: caller.clone(), address })
    }

    /// What no call without a key may be: passed on by a stranger, or made by a web page.
    pub fn check_keyless(&self, head: &request::Parts, peer: IpAddr) -> Result<(), Denied> {
        self.refuse_strangers(head, peer)?;
        // What nginx and its like speak unless they are told otherwise, with none of the headers that would tell.
        if head.version < Version::HTTP_11 {
            return Err(Denied::OldHttp);
        }
        self.refuse_web_pages(head)
    }

    /// Whether a web page of another site made this call, by what browsers say of it.
    pub fn check_page(&self, head: &request::Parts) -> Result<(), Denied> {
        let says = [ORIGIN, REFERER, SEC_FETCH_SITE, SEC_FETCH_MODE];
        if says.iter().any(|name| head.headers.contains_key(name)) {
            self.refuse_web_pages(head)
        } else {
            Ok(())
        }
    }

    fn refuse_strangers(&self, head: &request::Parts, peer: IpAddr) -> Result<(), Denied> {
        if self.came_through_a_stranger(&head.headers, peer) { Err(Denied::Forwarded) } else { Ok(()) }
    }

    /// The client's address: the peer's, or what trusted proxies say. `None` if they talk nonsense.
    pub fn address(&self, headers: &HeaderMap, peer: IpAddr) -> Option<IpAddr> {
        if !contains(&self.trusted_proxies, peer) {
            return Some(peer);
        }
        let mut address = peer;
        for value in headers.get_all(X_FORWARDED_FOR).iter().rev() {
            for hop in value.to_str().ok()?.rsplit(',') {
                address = hop.trim().parse().ok()?;
                if !contains(&self.trusted_proxies, address) {
                    return Some(address);
                }
            }
        }
        Some(address)
    }

    fn came_through_a_stranger(&self, headers: &HeaderMap, peer: IpAddr) -> bool {
        let forwarded = [X_FORWARDED_FOR, FORWARDED, X_REAL_IP, VIA];
        forwarded.iter().any(|name| headers.contains_key(name)) && !contains(&self.trusted_proxies, peer)
    }

    /// No web page may use the gateway: neither from another site, nor by a name that an attacker
    /// points at us.
    fn refuse_web_pages(&self, head: &request::Parts) -> Result<(), Denied> {
        let headers = &head.headers;
        let says = |name: &HeaderName, values: [&[u8]; 2]| {
            headers.get_all(name).iter().any(|value| values.contains(&value.as_bytes()))
        };
        if says(&SEC_FETCH_SITE, [b"cross-site", b"same-site"]) {
            return Err(Denied::WebPage("Sec-Fetch-Site"));
        }
        // An image, a script, a frame or an address typed in; Node's own fetch says `cors`.
        if says(&SEC_FETCH_MODE, [b"no-cors", b"navigate"]) {
            return Err(Denied::WebPage("Sec-Fetch-Mode"));
        }
        let host = self.hosts.allowed(head, self.scheme).ok_or(Denied::WebPage("Host"))?;
        let is_ours = |origin: &Url| {
            let same = origin.origin() == host.origin();
            let public = self.public_url.as_ref().is_some_and(|url| url.origin() == origin.origin());
            same || public
        };
        for (name, said) in [(ORIGIN, "Origin"), (REFERER, "Referer")] {
            for page in headers.get_all(name) {
                let page = page.to_str().ok().and_then(|text| Url::parse(text).ok());
                if !page.as_ref().is_some_and(is_ours) {
                    return Err(Denied::WebPage(said));
                }
            }
        }
        Ok(())
    }
}

/// What the headers show of a key.
pub fn shown_key(headers: &HeaderMap) -> Shown<'_> {
    let mut shown = Shown::Nothing;
    let bearer = headers.get_all(AUTHORIZATION).iter().map(|value| {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    let plain = headers.get_all(X_API_KEY).iter().map(|value| value.to_str().ok().map(str::trim));
    for key in bearer.chain(plain) {
        let next = key.filter(|key| !key.is_empty()).map_or(Shown::Unreadable, Shown::Key);
        shown = match shown {
            Shown::Nothing => next,
            same if same == next => same,
            _ => Shown::Unreadable,
        };
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeper() -> Gatekeeper {
        let public_url = Url::parse("https://wx.example.com").unwrap();
        Gatekeeper {
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            hosts: Hosts::new(Some(&public_url), &["wx-proxy".to_owned()]),
            public_url: Some(public_url),
            scheme: "http",
        }
    }

    fn head(headers: &[(&str, &str)]) -> request::Parts {
        let mut request = http::Request::builder().uri("/v1/service/wx/getwxuserinfo");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn no_web_page_may_use_the_gateway_and_every_backend_may() {
        let cases: &[(&[(&str, &str)], bool)] = &[
            (&[("host", "127.0.0.1:36012")], true),
            (&[("host", "[::1]:36012")], true),
            (&[("host", "LOCALHOST")], true),
            (&[("host", "wx-proxy:36012")], true),
            (&[("host", "wx.example.com")], true),
            (&[("host", "evil.example.com")], false),
            (&[("host", "localhost.evil.com")], false),
            (&[("host", "localhost:80@evil.com")], false),
            (&[("host", "")], false),
            (&[], false),
            (&[("host", "127.0.0.1"), ("host", "evil.com")], false),
            (&[("host", "127.0.0.1:1"), ("origin", "http://127.0.0.1:1")], true),
            (&[("host", "127.0.0.1:1"), ("origin", "http://127.0.0.1:2")], false),
            (&[("host", "127.0.0.1"), ("origin", "http://127.0.0.1")], true),
            (&[("host", "127.0.0.1"), ("origin", "https://127.0.0.1")], false),
            (&[("host", "127.0.0.1:1"), ("origin", "null")], false),
            (&[("host", "127.0.0.1:1"), ("origin", "https://evil.com")], false),
            (&[("host", "127.0.0.1:1"), ("origin", "https://wx.example.com")], true),
            (&[("host", "127.0.0.1:1"), ("sec-fetch-site", "cross-site")], false),
            (&[("host", "127.0.0.1:1"), ("sec-fetch-site", "same-site")], false),
            (&[("host", "127.0.0.1:1"), ("sec-fetch-site", "same-origin")], true),
            (&[("host", "127.0.0.1:1"), ("sec-fetch-site", "none")], true),
            (&[("host", "127.0.0.1:1"), ("sec-fetch-mode", "cors")], true),
            (&[("host", "127.0.0.1:1"), ("sec-fetch-mode", "no-cors")], false),
            (&[("host", "127.0.0.1:1"), ("sec-fetch-mode", "navigate")], false),
            (&[("host", "127.0.0.1:1"), ("referer", "http://127.0.0.1:1/page?a=b")], true),
            (&[("host", "127.0.0.1:1"), ("referer", "https://wx.example.com/page")], true),
            (&[("host", "127.0.0.1:1"), ("referer", "http://127.0.0.1:2/")], false),
            (&[("host", "127.0.0.1:1"), ("referer", "https://evil.com/")], false),
            (&[("host", "127.0.0.1:1"), ("referer", "")], false),
        ];
        for (headers, allowed) in cases {
            assert_eq!(keeper().refuse_web_pages(&head(headers)).is_ok(), *allowed, "{headers:?}");
        }
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let address = |peer: &str, forwarded: &[&str]| {
            let headers: Vec<(&str, &str)> =
                forwarded.iter().map(|value| ("x-forwarded-for", *value)).collect();
            keeper().address(&head(&headers).headers, peer.parse().unwrap()).map(|ip| ip.to_string())
        };
        assert_eq!(address("8.8.8.8", &["1.1.1.1"]).unwrap(), "8.8.8.8");
        assert_eq!(address("10.0.0.1", &["1.1.1.1"]).unwrap(), "1.1.1.1");
        assert_eq!(address("10.0.0.1", &["6.6.6.6, 1.1.1.1, 10.2.2.2"]).unwrap(), "1.1.1.1");
        assert_eq!(address("10.0.0.1", &["6.6.6.6", "1.1.1.1"]).unwrap(), "1.1.1.1");
        assert_eq!(address("10.0.0.1", &["evil"]), None);
        assert_eq!(address("10.0.0.1", &[]).unwrap(), "10.0.0.1");
    }

    #[test]
    fn a_wrong_key_is_never_taken_for_none() {
        let shown = |headers: &[(&str, &str)]| match shown_key(&head(headers).headers) {
            Shown::Nothing => "nothing".to_owned(),
            Shown::Key(key) => key.to_owned(),
            Shown::Unreadable => "unreadable".to_owned(),
        };
        assert_eq!(shown(&[]), "nothing");
        assert_eq!(shown(&[("authorization", "Bearer abc")]), "abc");
        assert_eq!(shown(&[("authorization", "bearer abc"), ("x-api-key", "abc")]), "abc");
        for wrong in [
            &[("authorization", "Bearer ")][..],
            &[("authorization", "Basic abc")],
            &[("authorization", "abc")],
            &[("x-api-key", "")],
            &[("authorization", "Bearer abc"), ("x-api-key", "abd")],
            &[("authorization", "Bearer abc"), ("authorization", "Basic abc")],
        ] {
            assert_eq!(shown(wrong), "unreadable", "{wrong:?}");
        }
    }
}
