//! How WeChat's answers differ from the sandbox's, as this node saw them.

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::{Api, Refusal};
use crate::differences::{Counts, Found};
use crate::people::Actor;

fn json_of(found: &Found) -> Value {
    let Found { api, difference, count, first_at, last_at } = found;
    json!({
        "api": api, "place": difference.place, "what": difference.what.name(), "known": difference.known,
        "seen": difference.seen, "count": count, "first_at": first_at / 1000, "last_at": last_at / 1000,
    })
}

/// `GET /differences`
pub(super) async fn list(State(api): State<Api>) -> Response {
    let differences = &api.parts.differences;
    let Counts { alike, different, unknown, unread, forgotten } = differences.counts();
    let items: Vec<Value> = differences.found().iter().map(json_of).collect();
    axum::Json(json!({
        "on": differences.is_on(), "alike": alike, "different": different, "unknown": unknown, "unread": unread,
        "forgotten": forgotten, "items": items, "next": null,
    }))
    .into_response()
}

/// `DELETE /differences`
pub(super) async fn forget(
    State(api): State<Api>,
    Extension(actor): Extension<Actor>,
) -> Result<Response, Refusal> {
    let count = api.parts.differences.found().len();
    let now = api.parts.clock.now();
    // First: what isn't in the book isn't done.
    let line = actor.line(now, "forget", "differences".to_owned(), json!({"count": count}), Value::Null);
    api.parts.store.keep_audit(line).await?;
    api.parts.differences.forget();
    Ok(StatusCode::NO_CONTENT.into_response())
}
