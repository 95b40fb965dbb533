//! Which headers pass: all but those that belong to one connection, and our own.

use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::admit::identify::X_API_KEY;
use crate::http::X_REQUEST_ID;

pub(super) const X_WX_APPID: HeaderName = HeaderName::from_static("x-wx-appid");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
/// A company's traces are none of WeChat's business.
const TRACES: [&str; 8] = [
    "traceparent",
    "tracestate",
    "baggage",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
];
/// What our own headers begin with.
const OURS: &str = "x-wxgate-";

/// The caller's headers as WeChat gets them.
pub(super) fn to_wechat(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    remove_hop_by_hop(&mut headers);
    // A browser's cookies are for whoever set them.
    for name in [HOST, CONTENT_LENGTH, EXPECT, AUTHORIZATION, COOKIE, X_API_KEY, X_WX_APPID] {
        headers.remove(name);
    }
    remove_ours(&mut headers);
    for name in TRACES {
        headers.remove(name);
    }
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers
}

/// WeChat's headers as the caller gets them. The length stays: the body passes unchanged.
pub(super) fn to_caller(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
    headers.remove(X_REQUEST_ID);
    remove_ours(headers);
}

fn remove_ours(headers: &mut HeaderMap) {
    let ours: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with(OURS)).cloned().collect();
    for name in ours {
        headers.remove(name);
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let known = [
        CONNECTION,
        KEEP_ALIVE,
        PROXY_CONNECTION,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    for name in named.into_iter().chain(known) {
        headers.remove(name);
    }
}
