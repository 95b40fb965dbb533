//! Whether a page of somebody else's asks.

use super::control::said;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, StatusCode, header};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Control calls that change something are refused to pages of other origins. Tools and SDKs name none.
pub(super) async fn own(request: Request, next: Next) -> Response {
    if !request.method().is_safe() && is_foreign(request.headers()) {
        let error = "Origin: a page of another origin may not change the sandbox";
        return said(StatusCode::FORBIDDEN, error.to_owned());
    }
    next.run(request).await
}

/// On an address that only this machine reaches, pages and control calls are for whoever asks for this machine: a name of
/// somebody else's that leads here is a web page that wants in (DNS rebinding).
pub(super) async fn named(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_ours =
        path == "/" || path == "/sandbox" || ["/sandbox/", "/q/"].iter().any(|own| path.starts_with(own));
    let host = request.headers().get(header::HOST).map(|host| host.to_str().unwrap_or("?"));
    if is_ours && host.is_some_and(|host| !is_this_machine(host)) {
        let error = "Host: the sandbox listens on this machine alone: ask for 127.0.0.1 or localhost, or --listen on another address";
        return said(StatusCode::FORBIDDEN, error.to_owned());
    }
    next.run(request).await
}

/// An address, a name without a dot, one below `localhost`, or WeChat's, by which proxies ask.
fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => return rest.split_once(']').is_some_and(|(ip, _)| ip.parse::<Ipv6Addr>().is_ok()),
        None => host.split_once(':').map_or(host, |(name, _)| name).to_ascii_lowercase(),
    };
    let below = |domain: &str| name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    !name.contains('.')
        || name.parse::<Ipv4Addr>().is_ok()
        || below("localhost")
        || below("weixin.qq.com")
        || name == "weixin.qq.com"
}

/// Whether another site's page makes a browser ask.
pub(super) fn is_cross_site(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site")
}

/// An Origin must be the very host and port that is asked.
fn is_foreign(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok();
    let origin = origin.and_then(|origin| {
        let (scheme, host) = origin.split_once("://")?;
        ["http", "https"].contains(&scheme).then_some(host)
    });
    match (origin, host) {
        (Some(origin), Some(host)) => !origin.eq_ignore_ascii_case(host),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_somebody_elses_is_not_this_machine() {
        let ours = [
            "127.0.0.1:36080",
            "localhost",
            "LOCALHOST:1",
            "t1.localhost:36080",
            "[::1]:36080",
            "sandbox:36080",
            "api.weixin.qq.com",
        ];
        for host in ours {
            assert!(is_this_machine(host), "{host}");
        }
        for host in [
            "evil.com:36080",
            "evil.com",
            "localhost.evil.com",
            "xweixin.qq.com",
            "127.0.0.1.evil.com",
            "[::1.evil]",
            "?.",
        ] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
