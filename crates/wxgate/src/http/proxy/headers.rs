//! Which headers pass: all but those that belong to one connection, and our own.

use http::header::{ACCEPT_ENCODING, CONNECTION};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::admit::identify::X_API_KEY;
use crate::http::X_REQUEST_ID;

pub(super) const X_WX_APPID: HeaderName = HeaderName::from_static("x-wx-appid");

/// The caller's headers as WeChat gets them.
pub(super) fn to_wechat(headers: &HeaderMap) -> HeaderMap {
    let named = named(headers);
    let mut passing = HeaderMap::with_capacity(headers.len() + 1);
    for (name, value) in headers {
        let goes = is_of_connection(name) || is_for_us(name) || is_trace(name) || named.contains(name);
        if !goes && name != ACCEPT_ENCODING {
            passing.append(name, value.clone());
        }
    }
    passing.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    passing
}

/// WeChat's headers as the caller gets them. The length stays: the body passes unchanged.
pub(super) fn to_caller(headers: &mut HeaderMap) {
    let named = named(headers);
    let goes = |name: &&HeaderName| {
        is_of_connection(name) || is_ours(name) || *name == X_REQUEST_ID || named.contains(name)
    };
    let gone: Vec<HeaderName> = headers.keys().filter(goes).cloned().collect();
    for name in gone {
        headers.remove(name);
    }
}

/// Headers that `Connection` says are its own.
fn named(headers: &HeaderMap) -> Vec<HeaderName> {
    let lines = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).filter_map(|name| name.trim().parse().ok()).collect()
}

fn is_of_connection(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// What the caller says to us. A browser's cookies are for whoever set them.
fn is_for_us(name: &HeaderName) -> bool {
    let is_standard =
        matches!(name.as_str(), "host" | "content-length" | "expect" | "authorization" | "cookie");
    is_standard || *name == X_API_KEY || *name == X_WX_APPID || is_ours(name)
}

fn is_ours(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-wxgate-")
}

/// A company's traces are none of WeChat's business.
fn is_trace(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "traceparent"
            | "tracestate"
            | "baggage"
            | "b3"
            | "x-b3-traceid"
            | "x-b3-spanid"
            | "x-b3-parentspanid"
            | "x-b3-sampled"
    )
}
