//! The one host that logins pass through: cookies stay with the host that set them, and WeChat sends browsers back to
//! `server.public_url`.

use std::sync::atomic::{AtomicI64, Ordering};

use http::request;
use url::Url;

use crate::admit::hosts;
use crate::lang::say;

/// Marks a browser that was sent to the public address before.
const SENT: &str = "wxr";
/// The log hears of a proxy that hides the host once in this time.
const WARN_EVERY_MS: i64 = 60_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Home {
    public: Url,
    warned: AtomicI64,
}

impl Home {
    pub(super) fn new(public: &Url) -> Self {
        Self { public: public.clone(), warned: AtomicI64::new(i64::MIN) }
    }

    /// Where a browser that begins a login elsewhere has to begin it; `None`: here. It is sent once: if it comes to another
    /// host even then, a proxy hides which, and the login goes on.
    pub(super) fn elsewhere(&self, head: &request::Parts, now: i64) -> Option<String> {
        if self.is_here(head) {
            return None;
        }
        let query = head.uri.query().unwrap_or_default();
        if query.split('&').any(|pair| pair == "wxr=1") {
            self.warn(now);
            return None;
        }
        let mut there = self.public.clone();
        there.set_path(&format!("{}{}", self.public.path().trim_end_matches('/'), head.uri.path()));
        there.set_query(Some(&format!("{query}&{SENT}=1")));
        there.set_fragment(None);
        Some(there.into())
    }

    /// Cookies ignore ports, but those for HTTPS don't come back over another port's plain HTTP. Proxies leave ports out.
    fn is_here(&self, head: &request::Parts) -> bool {
        let Some(host) = hosts::host(head, "http") else { return false };
        let port = hosts::port(head).filter(|_| self.public.scheme() == "https");
        let is_port = port.is_none_or(|port| Some(port) == self.public.port_or_known_default());
        host.host_str() == self.public.host_str() && is_port
    }

    fn warn(&self, now: i64) {
        let last = self.warned.load(Ordering::Relaxed);
        if now.saturating_sub(last) < WARN_EVERY_MS {
            return;
        }
        let first = self.warned.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if first {
            tracing::warn!(
                public_url = %self.public, "{}",
                say(
                    "登录从 public_url 进来，Host 却是别的：反向代理没有把 Host 传过来，登录可能在同意之后失败。nginx：proxy_set_header Host $host;",
                    "a login came by public_url with another Host: the proxy doesn't pass Host on, and logins may fail after consent. nginx: proxy_set_header Host $host;",
                )
            );
        }
    }
}
