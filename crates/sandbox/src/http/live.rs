//! `GET /sandbox/live`: calls and pushes as they happen, as server-sent events.

use super::control::said;
use crate::Shared;
use crate::start::Start;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::Value;
use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How soon news reach whoever watches.
const TICK: Duration = Duration::from_millis(100);
/// How often something is sent though nothing happens, so that both sides know of each other.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Who may read at once, of all worlds together.
const MAX_READERS: usize = 200;

/// One who reads. It holds no world: a stream ends with its world.
struct Reader {
    world: Weak<Shared>,
    _place: Place,
    /// The last that was sent.
    after: Option<u64>,
}

/// One of the places there are for readers.
struct Place(Arc<Start>);

impl Place {
    fn take(start: &Arc<Start>) -> Option<Self> {
        let place = Self(start.clone());
        (start.readers.fetch_add(1, Ordering::Relaxed) < MAX_READERS).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Reader {
    /// What comes next, when it comes; nothing any more when the world has ended.
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            let seen = self.after.unwrap_or_default();
            let (last, news, missed) = {
                let world = self.world.upgrade()?;
                let world = world.world();
                let (last, news) = world.feed.since(seen);
                (last, news, world.feed.missed(seen))
            };
            // Whoever comes first is told at once that the line stands.
            if !news.is_empty() || self.after.is_none() {
                let mut event = Event::default();
                if self.after.is_some() && missed > 0 {
                    event = event.comment(format!("behind: {missed} news are forgotten"));
                }
                let event = event.id(last.to_string()).data(Value::Array(news).to_string());
                self.after = Some(last);
                return Some((Ok(event), self));
            }
            tokio::time::sleep(TICK).await;
        }
    }
}

/// First what is kept, or what came after `Last-Event-ID`; then what happens. An event is a list of news.
pub(super) async fn live(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let Some(place) = Place::take(&shared.start) else {
        return said(StatusCode::SERVICE_UNAVAILABLE, format!("there are {MAX_READERS} readers already"));
    };
    let after = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let reader = Reader { world: Arc::downgrade(&shared), _place: place, after };
    let answer =
        Sse::new(stream::unfold(reader, Reader::next)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    // A proxy in between must pass on what there is.
    ([(HeaderName::from_static("x-accel-buffering"), "no")], answer).into_response()
}
