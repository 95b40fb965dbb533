//! Control calls about the whole world: back to the start, kept as JSON, brought back.

use super::{Done, Reply, Wrong, members};
use crate::Shared;
use crate::world::World;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// Longest snapshot taken back: all that a world keeps, files in base64, is below that.
pub(super) const MAX_SNAPSHOT: usize = 1 << 30;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reset {
    /// Of the new world, instead of the sandbox's own.
    seed: Option<u64>,
}

pub(super) async fn reset(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    let asked: Reset = members(&body)?;
    shared.put(shared.start.world(&shared.name, asked.seed, (shared.now)()));
    Ok(Done(json!({"ok": true})))
}

pub(super) async fn snapshot(State(shared): State<Arc<Shared>>) -> Response {
    let body = shared.world().snapshot();
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// A snapshot that is broken changes nothing.
pub(super) async fn restore(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    let world = World::restored(&body, (shared.now)()).map_err(Wrong)?;
    shared.put(world);
    Ok(Done(json!({"ok": true})))
}
