//! Requests that two readers could understand differently: the way something is smuggled past one of them.

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderValue, Method, Request, Version};

use crate::problem::Words;

/// Why two readers could understand a request differently, if they could.
pub(super) fn ambiguous<B>(request: &Request<B>) -> Option<Words> {
    let headers = request.headers();
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().map(HeaderValue::as_bytes);
    let why = |zh: &'static str, en: &'static str| Some(Words::new(zh, en));
    if hosts.next().is_some() {
        return why("Host 出现了不止一次", "more than one Host");
    }
    if host.is_none() && request.version() > Version::HTTP_10 {
        return why("没有 Host", "no Host");
    }
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return why("这里不接受 CONNECT 和 TRACE", "CONNECT and TRACE are not for this server");
    }
    if headers.contains_key(UPGRADE) {
        return why("这里不切换到别的协议", "this server changes to no other protocol");
    }
    if request.version() < Version::HTTP_11 && headers.contains_key(TRANSFER_ENCODING) {
        return why("HTTP/1.0 没有 Transfer-Encoding", "HTTP/1.0 knows no Transfer-Encoding");
    }
    let codings: Vec<&[u8]> = headers.get_all(TRANSFER_ENCODING).iter().map(HeaderValue::as_bytes).collect();
    if !codings.is_empty() && (codings.len() > 1 || !codings[0].eq_ignore_ascii_case(b"chunked")) {
        return why("Transfer-Encoding 只能是 chunked", "no other Transfer-Encoding than chunked");
    }
    if headers.get_all(CONTENT_LENGTH).iter().count() > 1 {
        return why("Content-Length 出现了不止一次", "more than one Content-Length");
    }
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    if authority.is_some_and(|authority| host.is_some_and(|host| !host.eq_ignore_ascii_case(authority))) {
        return why("请求行里的主机与 Host 不同", "the request line names another host than Host");
    }
    None
}
