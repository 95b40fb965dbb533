//! The HTTP surfaces. `callers` is the one business systems reach, `public` the part of it that the
//! internet may reach, `admin` the one for operators; [`server`] carries them. What every surface
//! shares stands here.

pub mod admin;
pub mod api;
pub mod bare;
pub mod callback;
pub mod callers;
pub mod oauth;
mod once;
pub mod proxy;
pub mod public;
pub mod server;
pub mod service;

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::header::ACCEPT_LANGUAGE;
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::{BodyExt as _, Either, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use rand::RngExt as _;
use tokio::time::{Instant, timeout_at};

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

/// Why a request's body isn't there.
enum Unread {
    TooLarge,
    /// Cut off, or not there in time.
    Cut(String),
}

/// The whole body, if it is no longer than `limit` and there by `deadline`.
async fn read(body: Incoming, limit: usize, deadline: Instant) -> Result<Bytes, Unread> {
    if body.size_hint().lower() > limit as u64 {
        return Err(Unread::TooLarge);
    }
    match timeout_at(deadline, Limited::new(body, limit).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Unread::TooLarge),
        Ok(Err(error)) => Err(Unread::Cut(error.to_string())),
        Err(_) => Err(Unread::Cut("too slow".to_owned())),
    }
}

/// Counts a request while it is at work.
struct AtWork<'a>(&'a AtomicUsize);

impl<'a> AtWork<'a> {
    /// `None`: there are `most` already.
    fn enter(count: &'a AtomicUsize, most: usize) -> Option<Self> {
        let guard = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < most).then_some(guard)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
