//! The HTTP surfaces. `callers` is the one business systems reach, `public` the part of it that the internet may reach,
//! `admin` the one for operators; [`server`] carries them. What they share stands here and in [`problem`].

pub mod admin;
mod ambiguous;
pub mod api;
pub mod bare;
mod body;
pub mod callback;
pub mod callers;
mod console;
pub mod health;
mod metrics;
pub mod node;
pub mod oauth;
mod once;
pub mod problem;
pub mod proxy;
pub mod public;
pub mod server;
pub mod service;

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::ACCEPT_LANGUAGE;
use http::{HeaderMap, HeaderName, Request, Response, Uri};
use http_body_util::{Either, Full};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

pub(crate) use body::{Reader, Unread};

/// Where the service API lives, and what the internet reaches of it.
pub const PREFIX: &str = "/v1/service/wx/";

/// Names the request in every answer, and in the log.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A body: whole in memory, or on its way.
pub type Body = Either<Full<Bytes>, axum::body::Body>;

/// The path of what is ours without the doubled and trailing slashes that proxies in front add; `None`: it has none, or
/// isn't ours.
pub(crate) fn folded(path: &str) -> Option<String> {
    if !(path.as_bytes().windows(2).any(|two| two == b"//")
        || (path.starts_with(PREFIX) && path.ends_with('/')))
    {
        return None;
    }
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    Some(format!("/{}", segments.join("/"))).filter(|folded| folded.starts_with(PREFIX))
}

/// Folds the slashes of a request's path, see [`folded`].
pub fn fold_slashes<B>(request: &mut Request<B>) {
    let Some(mut folded) = folded(request.uri().path()) else { return };
    if let Some(query) = request.uri().query() {
        folded = format!("{folded}?{query}");
    }
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = folded.parse().ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

/// Whether English is the first language of `Accept-Language`.
pub fn wants_english(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).is_some_and(is_english)
}

/// Whether English is the first of `languages`, an `Accept-Language`.
fn is_english(languages: &str) -> bool {
    let tag = languages.split([',', ';']).next().unwrap_or_default().trim();
    tag.split('-').next().is_some_and(|language| language.eq_ignore_ascii_case("en"))
}

/// A whole answer as a [`Body`].
pub fn whole(response: Response<Full<Bytes>>) -> Response<Body> {
    response.map(Either::Left)
}

/// An answer that is on its way as a [`Body`].
pub fn streamed(response: Response<axum::body::Body>) -> Response<Body> {
    response.map(Either::Right)
}

/// A body that keeps something (a place at work, say) until its last byte is through.
#[derive(Debug)]
pub struct Held<B, P> {
    body: B,
    _kept: P,
}

impl<B, P> Held<B, P> {
    /// Keeps `kept` with `body`.
    pub fn new(body: B, kept: P) -> Self {
        Self { body, _kept: kept }
    }
}

impl<B: HttpBody + Unpin, P: Unpin> HttpBody for Held<B, P> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
