//! The HTTP surfaces. `callers` is the one business systems reach, `admin` the one for operators;
//! [`server`] carries both. What every surface shares stands here.

pub mod admin;
pub mod callers;
pub mod identify;
pub mod server;
pub mod service;

use bytes::Bytes;
use http::header::ACCEPT_LANGUAGE;
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::{Either, Full};
use rand::RngExt as _;

/// A body: whole in memory, or an axum handler's.
pub type Body = Either<Full<Bytes>, axum::body::Body>;

/// `wxmsg_` and ten of `[a-z0-9]`: names one request in answer, header and log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// A fresh one.
    pub fn new() -> Self {
        const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        let mut id = *b"wxmsg_0000000000";
        let mut random: u64 = rand::rng().random();
        for place in &mut id[6..] {
            *place = LETTERS[(random % 36) as usize];
            random /= 36;
        }
        Self(id)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// As the value of `x-request-id`.
    pub fn header(self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether English is the first language of `Accept-Language`.
pub fn wants_english(headers: &HeaderMap) -> bool {
    let first = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let tag = first.split([',', ';']).next().unwrap_or_default().trim();
    tag.split('-').next().is_some_and(|language| language.eq_ignore_ascii_case("en"))
}

/// A whole answer as a [`Body`].
pub fn whole(response: Response<Full<Bytes>>) -> Response<Body> {
    response.map(Either::Left)
}

/// An axum answer as a [`Body`].
pub fn streamed(response: Response<axum::body::Body>) -> Response<Body> {
    response.map(Either::Right)
}
