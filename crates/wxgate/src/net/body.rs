//! Bodies that pass through as they come, and end when no byte moves for too long.

use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Either};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;

use super::pool::Answered;
use crate::limits::Limits;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body from wherever.
pub type AnyBody = UnsyncBoxBody<Bytes, BoxError>;

/// How slowly a body may come: at a rate, but for some time of grace. Only waiting for its sender counts.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    grace: Duration,
    /// Bytes a second.
    rate: usize,
    came: usize,
    waited: Duration,
}

impl Pace {
    /// As `limits` say.
    pub fn new(limits: &Limits) -> Self {
        let Limits { body_grace: grace, body_rate: rate, .. } = *limits;
        Self { grace, rate, came: 0, waited: Duration::ZERO }
    }

    /// How long the next byte may be waited for.
    pub fn left(&self) -> Duration {
        let earned = Duration::from_millis((self.came as u64).saturating_mul(1000) / self.rate.max(1) as u64);
        (self.grace + earned).saturating_sub(self.waited)
    }

    /// So many bytes came after so long a wait.
    pub fn came(&mut self, bytes: usize, waited: Duration) {
        self.came += bytes;
        self.waited += waited;
    }
}

/// What comes, with a limit on silence, and a request's with one on its slowness.
struct Watched<B> {
    body: B,
    silence: Duration,
    pace: Option<Pace>,
    /// Runs while a byte is waited for, since then.
    timer: Option<(Pin<Box<Sleep>>, Instant)>,
}

impl<B> Watched<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    fn new(body: B, silence: Duration, pace: Option<Pace>) -> Self {
        Self { body, silence, pace, timer: None }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            let waited = self.timer.take().map_or(Duration::ZERO, |(_, since)| since.elapsed());
            if let (Some(pace), Some(Ok(frame))) = (&mut self.pace, &frame) {
                pace.came(frame.data_ref().map_or(0, Bytes::len), waited);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let patience = self.pace.map_or(self.silence, |pace| pace.left().min(self.silence));
        let fresh = || (Box::pin(tokio::time::sleep(patience)), Instant::now());
        let (timer, _) = self.timer.get_or_insert_with(fresh);
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Some(Err(Error::new(ErrorKind::TimedOut, "no byte for too long").into())))
    }
}

/// A request's body on its way to WeChat: what was read of it already, and the rest. A copy is the
/// same body: only one may be sent, and another only if nothing of it was.
#[derive(Clone)]
pub struct Upload {
    source: Arc<Mutex<Source>>,
    sent: CancellationToken,
}

struct Source {
    head: Option<Bytes>,
    rest: Watched<AnyBody>,
    ended: bool,
}

impl Upload {
    /// `head` was read already; the rest ends when no byte of it comes for `silence`, or when it falls behind `pace`.
    pub fn new<B>(head: Bytes, rest: B, silence: Duration, pace: Pace) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let rest = Watched::new(rest.map_err(Into::into).boxed_unsync(), silence, Some(pace));
        let source = Source { head: Some(head), rest, ended: false };
        Self { source: Arc::new(Mutex::new(source)), sent: CancellationToken::new() }
    }

    /// Cancelled once all of it is on its way.
    pub fn sent(&self) -> CancellationToken {
        self.sent.clone()
    }

    /// Something of it was taken: nobody else can send all of it.
    pub fn is_touched(&self) -> bool {
        self.source().head.is_none()
    }

    fn source(&self) -> std::sync::MutexGuard<'_, Source> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Upload")
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut source = self.source();
        let frame = match source.head.take().filter(|head| !head.is_empty()) {
            Some(head) => Some(Ok(Frame::data(head))),
            None => ready!(source.rest.poll_frame(cx)),
        };
        source.ended = frame.is_none() || source.rest.body.is_end_stream();
        if source.ended {
            self.sent.cancel();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let source = self.source();
        source.ended || (source.head.is_none() && source.rest.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let source = self.source();
        with_head(source.rest.body.size_hint(), source.head.as_ref().map_or(0, Bytes::len))
    }
}

/// An answer's body on its way to the caller: what was looked at already, and the rest.
pub struct Download {
    head: Option<Bytes>,
    rest: Option<Watched<Either<Answered, AnyBody>>>,
}

impl Download {
    /// `head` was read already; without a `rest` it is all there is. It ends when no byte comes for `silence`.
    pub fn new(head: Bytes, rest: Option<Answered>, silence: Duration) -> Self {
        Self { head: Some(head), rest: rest.map(|rest| Watched::new(Either::Left(rest), silence, None)) }
    }

    /// All of it, if it is here and nobody has read it.
    pub fn whole(&mut self) -> Option<Bytes> {
        if self.rest.is_none() { self.head.take() } else { None }
    }

    /// The same of an answer that another node got.
    pub fn opened<B>(head: Bytes, rest: B, silence: Duration) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let rest = Either::Right(rest.map_err(Into::into).boxed_unsync());
        Self { head: Some(head), rest: Some(Watched::new(rest, silence, None)) }
    }
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Download")
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(head) = self.head.take().filter(|head| !head.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(head))));
        }
        match &mut self.rest {
            Some(rest) => rest.poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.head.as_ref().is_none_or(Bytes::is_empty)
            && self.rest.as_ref().is_none_or(|rest| rest.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), |rest| rest.body.size_hint());
        with_head(rest, self.head.as_ref().map_or(0, Bytes::len))
    }
}

fn with_head(rest: SizeHint, head: usize) -> SizeHint {
    let mut hint = SizeHint::new();
    hint.set_lower(rest.lower() + head as u64);
    if let Some(upper) = rest.upper() {
        hint.set_upper(upper + head as u64);
    }
    hint
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_keeps_up_with_its_rate_and_only_its_own_time_counts() {
        let seconds = Duration::from_secs;
        let limits = Limits { body_grace: seconds(5), body_rate: 1024, ..Limits::default() };
        let mut pace = Pace::new(&limits);
        assert_eq!(pace.left(), seconds(5));
        pace.came(1, seconds(4));
        assert!(pace.left() < seconds(2));
        pace.came(10 << 10, seconds(1));
        assert!(pace.left() > seconds(9));
        pace.came(0, seconds(100));
        assert_eq!(pace.left(), Duration::ZERO);
    }
}
