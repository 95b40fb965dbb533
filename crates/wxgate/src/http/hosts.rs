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
    /// Of the admin side: `admin_url`'s and `hosts`.
    pub fn of_admin(server: &config::Server) -> Self {
        let own = server.admin_url.as_ref().and_then(Url::host_str).map(str::to_owned);
        Self(server.hosts.iter().map(|host| host.to_ascii_lowercase()).chain(own).collect())
    }

    /// Whether the request came to an address, to localhost or to one of these names.
    pub fn allow(&self, head: &request::Parts) -> bool {
        host(head).is_some_and(|url| match url.host() {
            Some(Host::Ipv4(_) | Host::Ipv6(_)) => true,
            Some(Host::Domain(name)) => name == "localhost" || self.0.iter().any(|host| host == name),
            None => false,
        })
    }
}

/// The host that the request names, as a URL's; `None`: none, or nothing that is one.
pub fn host(head: &request::Parts) -> Option<Url> {
    let authority = named(head)?;
    if authority.is_empty() || authority.contains(['@', '/', '?', '#', '\\']) {
        return None;
    }
    Url::parse(&format!("http://{authority}/")).ok()
}

/// The port that the request names, if it names one.
pub fn port(head: &request::Parts) -> Option<u16> {
    named(head)?.rsplit_once(':').and_then(|(_, port)| port.parse().ok())
}

/// The host and port that the request names, as written.
pub fn named(head: &request::Parts) -> Option<&str> {
    match head.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => head.headers.get(HOST)?.to_str().ok(),
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
            hosts.allow(&request.into_parts().0)
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
