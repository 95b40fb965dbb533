//! Requests that two readers could understand differently: the way something is smuggled past one of them.

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version};

use crate::problem::Words;

/// Why two readers could understand a request differently, if they could.
pub(super) fn ambiguous<B>(request: &Request<B>) -> Option<Words> {
    let headers = request.headers();
    let host = headers.get(HOST).map(HeaderValue::as_bytes);
    let why = |zh: &'static str, en: &'static str| Some(Words::new(zh, en));
    if is_doubled(headers, &HOST) {
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
    if let Some(coding) = headers.get(TRANSFER_ENCODING)
        && (!coding.as_bytes().eq_ignore_ascii_case(b"chunked") || is_doubled(headers, &TRANSFER_ENCODING))
    {
        return why("Transfer-Encoding 只能是 chunked", "no other Transfer-Encoding than chunked");
    }
    if is_doubled(headers, &CONTENT_LENGTH) {
        return why("Content-Length 出现了不止一次", "more than one Content-Length");
    }
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    if authority.is_some_and(|authority| host.is_some_and(|host| !host.eq_ignore_ascii_case(authority))) {
        return why("请求行里的主机与 Host 不同", "the request line names another host than Host");
    }
    None
}

fn is_doubled(headers: &HeaderMap, name: &HeaderName) -> bool {
    // As many names as lines: none is there twice.
    headers.len() != headers.keys_len() && headers.get_all(name).iter().nth(1).is_some()
}
