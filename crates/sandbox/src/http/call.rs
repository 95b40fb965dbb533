//! A call to WeChat as plain data.

use super::worlds::Below;
use crate::refusal::{Refusal, refuse};
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Collected, Limited};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use url::form_urlencoded;

/// Longest body taken.
pub(super) const MAX_BODY: usize = 20 << 20;

/// One request.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// What stands before the path in the caller's world; see [`Self::link`].
    pub(crate) below: Below,
    /// WeChat's own.
    pub(crate) path: String,
    /// Parameters of the query, and after them those of a form in the body.
    pub(crate) query: Vec<(String, String)>,
    /// The query as it came.
    pub(crate) raw_query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) peer: IpAddr,
    /// WeChat's edge lets it not through, with this status: a body without a length (412), or one that is too long (413).
    pub(crate) stopped: Option<StatusCode>,
}

impl Call {
    pub(super) async fn read(request: Request<Body>) -> Self {
        let (head, body) = request.into_parts();
        let peer = head.extensions.get::<SocketAddr>().map(SocketAddr::ip);
        let has_no_length =
            head.method == Method::POST && head.headers.contains_key(header::TRANSFER_ENCODING);
        // Read even if it is refused: else the client may not see the answer.
        let body = Limited::new(body, MAX_BODY).collect().await.map(Collected::to_bytes).ok();
        let raw_query = head.uri.query().unwrap_or_default();
        let mut query: Vec<_> = form_urlencoded::parse(raw_query.as_bytes()).into_owned().collect();
        let form = body.as_ref().filter(|body| is_form(&head.headers, body));
        query.extend(form.into_iter().flat_map(|body| form_urlencoded::parse(body).into_owned()));
        Self {
            method: head.method,
            below: head.extensions.get::<Below>().cloned().unwrap_or_default(),
            path: head.uri.path().to_owned(),
            query,
            raw_query: raw_query.to_owned(),
            headers: head.headers,
            peer: peer.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            stopped: has_no_length
                .then_some(StatusCode::PRECONDITION_FAILED)
                .or_else(|| body.is_none().then_some(StatusCode::PAYLOAD_TOO_LARGE)),
            body: body.unwrap_or_default(),
        }
    }

    /// Whether the call is about a user: in its query, or in its body as receiver.
    pub(crate) fn concerns(&self, openid: &str) -> bool {
        let in_body = || {
            let body: Option<Value> = serde_json::from_slice(&self.body).ok();
            body.is_some_and(|body| {
                let is_meant = |value: &Value| match value {
                    Value::Array(list) => list.iter().any(|one| one == openid),
                    one => one == openid,
                };
                ["touser", "openid", "openid_list"].iter().any(|name| body.get(name).is_some_and(is_meant))
            })
        };
        self.param("openid") == openid || in_body()
    }

    /// A path on this host that leads into the world the call came from.
    pub(crate) fn link(&self, path: &str) -> String {
        self.below.link(path)
    }

    /// Likewise a whole URL.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{}", self.header(header::HOST), self.link(path))
    }

    /// A parameter of the query, or of a form; empty if absent.
    pub(crate) fn param(&self, name: &str) -> &str {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }

    pub(crate) fn header(&self, name: header::HeaderName) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }

    /// The body, which must be a JSON object.
    pub(crate) fn json(&self) -> Result<Value, Refusal> {
        if self.body.trim_ascii().is_empty() {
            return Err(refuse(44002));
        }
        serde_json::from_slice(&self.body).ok().filter(Value::is_object).ok_or(refuse(47001))
    }

    /// Whether the body is JSON with a `\u` escape.
    pub(crate) fn has_unicode_escape(&self) -> bool {
        let is_json = matches!(self.body.trim_ascii_start().first(), Some(b'{' | b'['));
        is_json && has_unicode_escape(&self.body)
    }
}

/// Whether a body is a form; curl says so of JSON, too.
fn is_form(headers: &HeaderMap, body: &[u8]) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    content_type.starts_with(b"application/x-www-form-urlencoded")
        && !body.trim_ascii_start().starts_with(b"{")
}

/// Whether a JSON text has a `\u` escape; `\\u` is none.
fn has_unicode_escape(json: &[u8]) -> bool {
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        if *byte == b'\\' && bytes.next() == Some(&b'u') {
            return true;
        }
    }
    false
}

/// A JSON object whose `\u` escapes stand for themselves: for those that read bodies so.
pub(crate) fn without_escapes(body: &[u8]) -> Result<Value, Refusal> {
    if body.trim_ascii().is_empty() {
        return Err(refuse(44002));
    }
    let mut plain = Vec::with_capacity(body.len());
    let mut bytes = body.iter();
    while let Some(byte) = bytes.next() {
        plain.push(*byte);
        if *byte == b'\\'
            && let Some(escaped) = bytes.next()
        {
            if *escaped == b'u' {
                plain.push(b'\\');
            }
            plain.push(*escaped);
        }
    }
    serde_json::from_slice(&plain).ok().filter(Value::is_object).ok_or(refuse(47001))
}

/// A text member; empty if absent or of another type.
pub(crate) fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A number, or digits in a text; `None` if absent or anything else.
pub(crate) fn number(body: &Value, name: &str) -> Option<u64> {
    match body.get(name)? {
        Value::String(digits) => digits.parse().ok(),
        number => number.as_u64(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_that_stand_for_themselves() {
        let read = |json: &str| without_escapes(json.as_bytes()).map(|body| text(&body, "a").to_owned());
        assert_eq!(read(r#"{"a":"\u4e2d\n\\u4e2d"}"#), Ok("\\u4e2d\n\\u4e2d".to_owned()));
        assert_eq!(read(""), Err(refuse(44002)));
        assert_eq!(read("[]"), Err(refuse(47001)));
    }

    #[test]
    fn unicode_escapes() {
        assert!(has_unicode_escape(br#"{"a":"\u4e2d"}"#));
        assert!(has_unicode_escape(br#"{"a":"\\\u4e2d"}"#));
        assert!(!has_unicode_escape(br#"{"a":"\\u4e2d \" \n"}"#));
        assert!(!has_unicode_escape("{\"a\":\"中\"}".as_bytes()));
    }
}
