//! `GET /sandbox/live`: calls and pushes as they happen, as server-sent events.

use crate::Shared;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::{HeaderMap, HeaderName};
use serde_json::Value;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// How soon news reach whoever watches.
const TICK: Duration = Duration::from_millis(100);
/// How often something is sent though nothing happens, so that both sides know of each other.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// First what is kept, or what came after `Last-Event-ID`; then what happens. An event is a list of news.
pub(super) async fn live(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let after: Option<u64> = seen;
    let news = stream::unfold((shared, after), |(shared, after)| async move {
        loop {
            let (last, news) = shared.world().feed.since(after.unwrap_or_default());
            // Whoever comes first is told at once that the line stands.
            if !news.is_empty() || after.is_none() {
                let event = Event::default().id(last.to_string()).data(Value::Array(news).to_string());
                return Some((Ok::<_, Infallible>(event), (shared, Some(last))));
            }
            tokio::time::sleep(TICK).await;
        }
    });
    let answer = Sse::new(news).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    // A proxy in between must pass on what there is.
    ([(HeaderName::from_static("x-accel-buffering"), "no")], answer).into_response()
}
