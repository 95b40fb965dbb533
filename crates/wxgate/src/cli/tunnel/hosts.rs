//! Which hosts are WeChat's, which may be reached besides, and that all others may not.

use wechat::catalog;

use crate::lang::say;

/// A host that may be reached though it isn't WeChat's, at one port or at any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Allowed {
    host: String,
    port: Option<u16>,
}

/// What becomes of a request for a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It is WeChat's.
    Ours,
    /// It is passed on, unseen.
    Allowed,
    Refused,
}

/// Where WeChat has its pictures. A sandbox has those that it made links to; a gateway has none.
pub(super) const PICTURES: &str = "mmbiz.qpic.cn";

/// See the module.
pub(super) struct Hosts {
    names: Vec<&'static str>,
    allowed: Vec<Allowed>,
}

impl Hosts {
    pub(super) fn new(allowed: Vec<Allowed>, is_sandbox: bool) -> Self {
        let known = catalog::HOSTS.iter().flat_map(|(_, names)| names.iter().copied());
        Self { names: known.chain(is_sandbox.then_some(PICTURES)).collect(), allowed }
    }

    /// Every name of WeChat's.
    pub(super) fn names(&self) -> &[&'static str] {
        &self.names
    }

    pub(super) fn way(&self, host: &str, port: u16) -> Way {
        let host = plain(host);
        // Even if somebody allows them: the real ones are never reached.
        if self.names.contains(&host.as_str()) && matches!(port, 80 | 443) {
            return Way::Ours;
        }
        let is_it = |one: &&Allowed| one.host == host && one.port.is_none_or(|only| only == port);
        if self.allowed.iter().any(|one| is_it(&one)) { Way::Allowed } else { Way::Refused }
    }
}

/// A name as it is compared: names have no case, and a dot at the end changes nothing.
fn plain(host: &str) -> String {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// A host, with a port behind it or not; an IPv6 address that has one stands in brackets.
pub(super) fn allowed(text: &str) -> Result<Allowed, &'static str> {
    let wrong = say(
        "应是主机或 主机:端口，如 example.com:443",
        "it must be a host or HOST:PORT, like example.com:443",
    );
    let is_bare = text.parse::<std::net::Ipv6Addr>().is_ok();
    let (host, port) = match text.rsplit_once(':').filter(|_| !is_bare && !text.ends_with(']')) {
        Some((host, port)) => (host, Some(port.parse().map_err(|_| wrong)?)),
        None => (text, None),
    };
    let host = plain(host);
    let is_of_hosts = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || !host.chars().all(is_of_hosts) || port == Some(0) {
        return Err(wrong);
    }
    Ok(Allowed { host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(allow: &[&str]) -> Hosts {
        Hosts::new(allow.iter().map(|text| allowed(text).unwrap()).collect(), true)
    }

    #[test]
    fn pictures_are_a_sandboxs_and_no_gateways() {
        assert_eq!(hosts(&[]).way("mmbiz.qpic.cn", 443), Way::Ours);
        let behind_a_gateway = |allow: &str| {
            let allow = allowed(allow).unwrap();
            Hosts::new(vec![allow], false).way("mmbiz.qpic.cn", 443)
        };
        assert_eq!(behind_a_gateway("example.com"), Way::Refused);
        assert_eq!(behind_a_gateway("mmbiz.qpic.cn"), Way::Allowed);
        for name in ["qpic.cn", "mmbiz2.qpic.cn", "mmbiz.qpic.cn.evil.com"] {
            assert_eq!(hosts(&[]).way(name, 443), Way::Refused, "{name}");
        }
    }

    #[test]
    fn wechats_hosts_are_ours_at_the_ports_that_it_has() {
        let hosts = hosts(&[]);
        for name in [
            "api.weixin.qq.com",
            "mp.weixin.qq.com",
            "OPEN.weixin.qq.com",
            "file.api.weixin.qq.com",
            "hk.api.weixin.qq.com.",
        ] {
            assert_eq!(hosts.way(name, 443), Way::Ours, "{name}");
            assert_eq!(hosts.way(name, 80), Way::Ours, "{name}");
            assert_eq!(hosts.way(name, 8443), Way::Refused, "{name}");
        }
    }

    #[test]
    fn whatever_merely_looks_like_wechat_is_refused() {
        let hosts = hosts(&["example.com"]);
        for name in [
            "weixin.qq.com",
            "qq.com",
            "evil-api.weixin.qq.com",
            "api.weixin.qq.com.evil.com",
            "xapi.weixin.qq.com",
            "api.mch.weixin.qq.com",
            "qyapi.weixin.qq.com",
            "localhost",
            "127.0.0.1",
            "::1",
            "",
            ".",
            "sub.example.com",
            "example.com.evil.com",
            "xexample.com",
        ] {
            assert_eq!(hosts.way(name, 443), Way::Refused, "{name}");
        }
    }

    #[test]
    fn what_is_allowed_is_allowed_at_its_port_or_at_any() {
        let hosts = hosts(&["Example.com", "one.example.com:8443", "10.1.2.3:80", "[::1]:80", "fd00::1"]);
        assert_eq!(hosts.way("example.COM", 1), Way::Allowed);
        assert_eq!(hosts.way("one.example.com", 8443), Way::Allowed);
        assert_eq!(hosts.way("one.example.com", 443), Way::Refused);
        assert_eq!(hosts.way("10.1.2.3", 80), Way::Allowed);
        assert_eq!(hosts.way("[::1]", 80), Way::Allowed);
        assert_eq!(hosts.way("[::1]", 81), Way::Refused);
        assert_eq!(hosts.way("[fd00::1]", 443), Way::Allowed);
    }

    #[test]
    fn what_is_no_host_is_no_host() {
        for wrong in [
            "",
            ":443",
            "example.com:",
            "example.com:0",
            "example.com:70000",
            "https://example.com",
            "*",
            "a b",
            "a/b",
        ] {
            assert!(allowed(wrong).is_err(), "{wrong}");
        }
    }
}
