//! placeholder until merged
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Body, Frame};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
/// e
#[derive(Clone, Default, Debug)]
pub struct Exchange(Arc<()>);
impl Exchange {
    /// b
    pub fn began(&self) {}
}
/// t
pub struct Tracked<B> {
    body: B,
    _e: Exchange,
}
impl<B> Tracked<B> {
    /// n
    pub fn new(body: B, e: Exchange) -> Self {
        Self { body, _e: e }
    }
}
impl<B: Body + Unpin> Body for Tracked<B> {
    type Data = B::Data;
    type Error = B::Error;
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }
}
/// b
pub struct Bare;
impl Bare {
    /// n
    pub fn new<S, F: Fn(StatusCode, Option<&str>) -> Bytes>(s: S, _e: Exchange, _f: F) -> S {
        s
    }
}
/// w
pub fn write_response(_r: Response<Full<Bytes>>) -> Bytes {
    Bytes::new()
}
