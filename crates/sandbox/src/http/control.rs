//! The control calls under `/sandbox`: what a test, or the demo's page, makes the world do.

mod act;
mod content;
mod kf;
mod mini;
mod phone;
mod set;
mod whole;

use super::call::MAX_BODY;
use super::{facts, live, origin, page};
use crate::Shared;
use crate::world::Filter;
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{delete, get, post};
use http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::Arc;

/// What is wrong with a control call: 400 and a sentence.
#[derive(Debug)]
pub(super) struct Wrong(pub(super) String);

impl From<String> for Wrong {
    fn from(text: String) -> Self {
        Self(text)
    }
}

pub(super) use phone::shown;

pub(super) type Reply = Result<Done, Wrong>;

/// A JSON answer.
#[derive(Debug)]
pub(super) struct Done(pub(super) Value);

pub(super) fn router(shared: Arc<Shared>) -> Router<Arc<Shared>> {
    Router::new()
        .route("/apps", post(set::apps))
        .route("/users", post(set::users).get(phone::users))
        .route("/callback", post(set::callback))
        .route("/oauth/code", post(set::oauth_code))
        .route("/phone/code", post(set::phone_code))
        .route("/login/code", post(set::login_code))
        .route("/open", post(mini::open))
        .route("/pay", post(mini::pay))
        .route("/phone/sealed", post(mini::sealed_phone))
        .route("/pictures", post(mini::picture))
        .route("/words", post(mini::word))
        .route("/subscribe", post(set::subscribe))
        .route("/templates", get(content::templates))
        .route("/token/expire", post(set::expire))
        .route("/token/rotate", post(set::rotate))
        .route("/fault", post(set::fault))
        .route("/faults", get(set::faults))
        .route("/faults/{id}", delete(set::remove_fault))
        .route("/calls", get(calls).delete(forget_calls))
        .route("/clock", post(set::clock))
        .route("/quota", post(set::quota))
        .route("/quirks", post(set::quirks))
        .route("/menu", get(content::menu))
        .route("/outcome", post(content::outcome))
        .route("/platform", post(content::platform))
        .route("/comment", post(content::comment))
        .route("/material/{media_id}", get(content::material))
        .route("/reset", post(whole::reset))
        .route("/restore", post(whole::restore).layer(DefaultBodyLimit::max(whole::MAX_SNAPSHOT)))
        .route("/scan", post(act::scan))
        .route("/message", post(act::message))
        .route("/media/{media_id}", get(media))
        .route("/event", post(act::event))
        .route("/unfollow", post(act::unfollow))
        .route("/kf", post(kf::act))
        .route("/push", post(act::any))
        .route("/snapshot", get(whole::snapshot))
        .route("/state", get(state))
        .merge(of_the_page())
        .fallback(nothing)
        .method_not_allowed_fallback(nothing)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(shared, tell))
        .layer(middleware::from_fn(origin::own))
}

/// What the page with the phone asks besides.
fn of_the_page() -> Router<Arc<Shared>> {
    Router::new()
        .route("/act", post(phone::act))
        .route("/chats", get(phone::chats))
        .route("/code", get(phone::code))
        .route("/code/read", post(phone::read))
        .route("/codes", get(phone::codes).post(phone::make_code))
        .route("/codes/{seq}", get(phone::picture))
        .route("/errors/{code}", get(phone::error))
        .route("/facts", get(facts::json))
        .route("/files", post(phone::keep_file))
        .route("/files/{media_id}", get(phone::file))
        .route("/hold", post(phone::hold))
        .route("/live", get(live::live))
        .route("/pushes/{seq}", get(phone::sent))
        .route("/resend", post(phone::resend))
}

/// Whoever watches learns that a control call may have changed something.
async fn tell(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let is_change = !request.method().is_safe();
    let path = request.uri().path().to_owned();
    let answer = next.run(request).await;
    if is_change {
        shared.world().feed.add("control", &json!({"path": path, "status": answer.status().as_u16()}));
    }
    answer
}

async fn state(State(shared): State<Arc<Shared>>) -> Response {
    let body = shared.world().state();
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// The journal; a browser that wants a page gets the one that shows it.
async fn calls(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Response, Wrong> {
    if page::is_for_people(&headers) {
        return Ok(Redirect::temporary("../?view=journal").into_response());
    }
    let Query(filter) = filter.map_err(|wrong| Wrong(wrong.body_text()))?;
    Ok(Done(json!({"calls": shared.world().calls.list(&filter)})).into_response())
}

async fn forget_calls(State(shared): State<Arc<Shared>>) -> Done {
    shared.world().calls.clear();
    Done(json!({"ok": true}))
}

/// A video, whose address `media/get` tells.
async fn media(State(shared): State<Arc<Shared>>, Path(media_id): Path<String>) -> Response {
    match shared.world().any_media(&media_id).cloned() {
        Some(file) => phone::shown(&file.content_type, file.bytes),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn nothing() -> Response {
    let error = json!({"error": "there is no such control call, or not by this method"});
    (StatusCode::NOT_FOUND, axum::Json(error)).into_response()
}

/// The call's members; no body is `{}`.
pub(super) fn members<T: DeserializeOwned>(body: &Bytes) -> Result<T, Wrong> {
    let body = if body.trim_ascii().is_empty() { b"{}" } else { &body[..] };
    serde_json::from_slice(body).map_err(|e| Wrong(e.to_string()))
}

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        let error = json!({"error": self.0});
        (StatusCode::BAD_REQUEST, axum::Json(error)).into_response()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_manual_has_every_call() {
        let routes = include_str!("control.rs").split(".route(\"/").skip(1);
        for manual in
            [include_str!("../../../../docs/sandbox.md"), include_str!("../../../../docs/sandbox.en.md")]
        {
            let calls: String = manual.lines().filter(|line| line.starts_with("| `")).collect();
            for (name, handlers) in routes.clone().filter_map(|route| route.split_once('"')) {
                for (method, word) in [("get(", "GET"), ("post(", "POST"), ("delete(", "DELETE")] {
                    let handlers = handlers.lines().next().unwrap_or_default();
                    let is_there =
                        calls.contains(&format!("`{word} {name}`")) || calls.contains(&format!("`{name}`"));
                    assert!(is_there || !handlers.contains(method), "{word} {name}");
                }
            }
        }
    }
}
