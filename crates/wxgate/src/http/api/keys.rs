//! Callers' keys: made here, shown once, and changed without a moment in which neither works.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use super::changes::{expected, found, members_of, shown_line, with_revision};
use super::{Api, Refusal, bad, unknown};
use crate::entries::{EntryKind, new_key};
use crate::lang::Words;
use crate::people::Actor;
use crate::random::Random;
use crate::store::EntryChange;

/// A caller that is made without a word about its key gets one: the key. `""` is for callers who need none.
pub(super) fn given(members: &mut Map<String, Value>, random: &Random) -> Option<String> {
    if members.get("key").is_some_and(|key| !key.is_null()) {
        return None;
    }
    let key = new_key(random);
    members.insert("key".to_owned(), key.as_str().into());
    Some(key)
}

/// What shows a key isn't kept by anybody in between.
pub(super) fn unkept(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `POST /callers/{name}/rotate`: another key, and the one of now beside it until somebody takes it away.
pub(super) async fn rotate(
    State(api): State<Api>,
    Path(name): Path<String>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let is_forced = forced(&members_of(body).await?)?;
    let had = found(&api, EntryKind::Caller, &name)?;
    let text = |key: &str| had.members.get(key).and_then(Value::as_str).filter(|key| !key.is_empty());
    let Some(old) = text("key") else {
        let words = Words::fixed(
            "这个调用方没有密钥（key = \"\"）：用 PATCH 给它一个，或另建一个",
            "this caller has no key (key = \"\"): PATCH gives it one, or make another caller",
        );
        return Err(Refusal(StatusCode::CONFLICT, words));
    };
    if text("previous_key").is_some() && !is_forced {
        let words = Words::fixed(
            "上一次换下的密钥（previous_key）还在：看它什么时候用过，先 PATCH {\"previous_key\": null} 结束它；或带上 {\"force\": true}，它立即失效",
            "the key that was changed before (previous_key) is still there: see when it was used, and end it by PATCH {\"previous_key\": null} first; or say {\"force\": true}, which ends it at once",
        );
        return Err(Refusal(StatusCode::CONFLICT, words));
    }
    let key = new_key(&api.parts.random);
    let mut members = had.members.clone();
    members.insert("previous_key".to_owned(), old.into());
    members.insert("key".to_owned(), key.as_str().into());
    let line = shown_line(&api, &actor, "rotate", &had, Some(&members));
    let expected = expected(&headers)?.unwrap_or(had.revision);
    let change =
        EntryChange { kind: had.kind, name, expected, position: had.position, members: Some(members) };
    let revision = api.make(vec![change], vec![line]).await?;
    Ok(unkept(with_revision(StatusCode::OK, &json!({"key": key}), revision)))
}

fn forced(members: &Map<String, Value>) -> Result<bool, Refusal> {
    if let Some(other) = members.keys().find(|key| *key != "force") {
        return Err(unknown(other, &["force"]));
    }
    match members.get("force") {
        None => Ok(false),
        Some(Value::Bool(force)) => Ok(*force),
        Some(_) => Err(bad(Words::fixed("force 应是 true 或 false", "force must be true or false"))),
    }
}
