//! By which names a listener may be reached. A name that an attacker points at us must not let a web page of his read our
//! answers.

use http::header::HOST;
use http::request;
use url::{Host, Url};

use crate::config;

/// Names besides addresses and localhost.
#[derive(Clone, Debug)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// Of calls without a key: `public_url`'s and `hosts`.
    pub fn of_callers(server: &config::Server) -> Self {
        Self::new(server.public_url.as_ref(), &server.hosts)
    }

    /// Of the admin side: `admin_url`'s and `hosts`.
    pub fn of_admin(server: &config::Server) -> Self {
        Self::new(server.admin_url.as_ref(), &server.hosts)
    }

    pub(super) fn new(own: Option<&Url>, others: &[String]) -> Self {
        let own = own.and_then(Url::host_str).map(str::to_owned);
        Self(others.iter().map(|host| host.to_ascii_lowercase()).chain(own).collect())
    }

    /// Where the request came to, if that is an address, localhost or one of these names.
    pub fn allowed(&self, head: &request::Parts, scheme: &str) -> Option<Url> {
        host(head, scheme).filter(|url| match url.host() {
            Some(Host::Ipv4(_) | Host::Ipv6(_)) => true,
            Some(Host::Domain(name)) => name == "localhost" || self.0.iter().any(|host| host == name),
            None => false,
        })
    }
}

/// The host that the request names, as a URL's of `scheme`; `None`: none, or nothing that is one.
pub fn host(head: &request::Parts, scheme: &str) -> Option<Url> {
    let authority = named(head)?;
    if authority.is_empty() || authority.contains(['@', '/', '?', '#', '\\']) {
        return None;
    }
    Url::parse(&format!("{scheme}://{authority}/")).ok()
}

/// The port that the request names, if it names one.
pub fn port(head: &request::Parts) -> Option<u16> {
    named(head)?.rsplit_once(':').and_then(|(_, port)| port.parse().ok())
}

/// The host and port that the request names, once, as written.
pub fn named(head: &request::Parts) -> Option<&str> {
    let mut given = head.headers.get_all(HOST).iter();
    match (head.uri.authority(), given.next(), given.next()) {
        (Some(authority), _, None) => Some(authority.as_str()),
        (None, Some(host), None) => host.to_str().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_localhost_and_the_named_ones_are_ours() {
        let hosts = Hosts(vec!["wx-admin.example.com".to_owned()]);
        let allowed = |host: &str| {
            let request = http::Request::builder().uri("/").header("host", host).body(()).unwrap();
            hosts.allowed(&request.into_parts().0, "http").is_some()
        };
        for host in ["127.0.0.1:36013", "[::1]:36013", "10.1.2.3", "LOCALHOST:1", "wx-admin.example.com"] {
            assert!(allowed(host), "{host}");
        }
        for host in
            ["", "evil.example.com", "localhost.evil.com", "a@127.0.0.1", "wx-admin.example.com.evil.com"]
        {
            assert!(!allowed(host), "{host}");
        }
    }
}
