//! A request's body, and whether it was read to its end. What isn't stands between an answer and the next request on its
//! connection: a client that isn't told of the end writes into a connection that is being closed and loses its answer.

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

/// A body that nobody read is read away if it is no longer and has arrived already.
const SHORT: u64 = 16 << 10;
/// Its pieces, and the connection's turns that they may take.
const TURNS: usize = 8;

/// A request's body as handlers get it.
pub struct Inbound {
    /// `None`: dropped.
    body: Option<Incoming>,
    fate: Fate,
}

/// What became of an [`Inbound`], for who writes the answer.
#[derive(Debug)]
pub struct Fate(Option<Arc<Mutex<State>>>);

#[derive(Debug)]
enum State {
    /// It is being read, or may still be; or it broke.
    Out,
    /// It broke: nothing that follows can be understood.
    Broken,
    /// It came back.
    Left(Incoming),
    Read,
}

impl Inbound {
    /// `body`, and where to learn what becomes of it.
    pub fn new(body: Incoming) -> (Self, Fate) {
        let state = (!body.is_end_stream()).then(|| Arc::new(Mutex::new(State::Out)));
        (Self { body: Some(body), fate: Fate(state.clone()) }, Fate(state))
    }
}

impl Fate {
    fn state(&self) -> Option<MutexGuard<'_, State>> {
        self.0.as_ref().map(|state| state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn is_now(&self, fate: State) {
        if let Some(mut state) = self.state() {
            *state = fate;
        }
    }

    /// Whether the next request may follow on the connection. A short body that has arrived is read away for that, but
    /// nothing is waited for.
    pub async fn leaves_nothing(self) -> bool {
        let left = match self.state().map(|mut state| std::mem::replace(&mut *state, State::Out)) {
            None | Some(State::Read) => return true,
            Some(State::Out | State::Broken) => return false,
            Some(State::Left(body)) => body,
        };
        if left.size_hint().lower() > SHORT {
            return false;
        }
        let mut left = left;
        let mut room = SHORT;
        for _ in 0..TURNS {
            match left.frame().now_or_never() {
                // Hyper reads on in its next turn.
                None => tokio::task::yield_now().await,
                Some(None) => return true,
                Some(Some(Err(_))) => return false,
                Some(Some(Ok(frame))) => {
                    let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                    let Some(rest) = room.checked_sub(length) else { return false };
                    room = rest;
                }
            }
            if left.is_end_stream() {
                return true;
            }
        }
        false
    }
}

impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inbound")
    }
}

impl Drop for Inbound {
    fn drop(&mut self) {
        let is_over = self.fate.state().is_none_or(|state| matches!(*state, State::Read | State::Broken));
        if let Some(body) = self.body.take().filter(|_| !is_over) {
            self.fate.is_now(State::Left(body));
        }
    }
}

impl Body for Inbound {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = pin!(body).poll_frame(cx);
        if matches!(frame, Poll::Ready(Some(Err(_)))) {
            self.fate.is_now(State::Broken);
        } else if matches!(frame, Poll::Ready(None)) || (frame.is_ready() && self.is_end_stream()) {
            self.fate.is_now(State::Read);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
