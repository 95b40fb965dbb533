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
use crate::chinese::in_chinese;
use crate::world::{Filter, MAX_PATH, cut};
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Query, Request, State};
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

/// Longest body of a control call that carries no file: what it says is kept several times over.
const MAX_CONTROL: usize = 1 << 20;

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
        .route("/material/{media_id}", get(phone::file))
        .route("/reset", post(whole::reset))
        .route("/restore", post(whole::restore).layer(DefaultBodyLimit::max(whole::MAX_SNAPSHOT)))
        .route("/scan", post(act::scan))
        .route("/message", post(act::message))
        .route("/media/{media_id}", get(phone::file))
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
        let mut world = shared.world();
        let news = json!({"path": cut(&path, MAX_PATH), "status": answer.status().as_u16()});
        world.feed.add("control", &news);
        shared.weigh(world.bytes());
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

async fn nothing() -> Response {
    said(StatusCode::NOT_FOUND, "there is no such control call, or not by this method".to_owned())
}

/// What an answer says is wrong, in English.
#[derive(Clone, Debug)]
struct Said(String);

/// An answer that says what is wrong; [`in_language`] puts it into the caller's language.
pub(super) fn said(status: StatusCode, text: String) -> Response {
    let mut answer = (status, axum::Json(json!({"error": text}))).into_response();
    answer.extensions_mut().insert(Said(text));
    answer
}

/// What is wrong is said in Chinese, unless English is asked for.
pub(super) async fn in_language(request: Request, next: Next) -> Response {
    let is_english = facts::is_english(request.headers());
    let mut answer = next.run(request).await;
    match answer.extensions_mut().remove::<Said>() {
        Some(Said(text)) if !is_english => said(answer.status(), in_chinese(&text)),
        _ => answer,
    }
}

/// The call's members; no body is `{}`.
pub(super) fn members<T: DeserializeOwned>(body: &Bytes) -> Result<T, Wrong> {
    if body.trim_ascii_start().len() > MAX_CONTROL {
        return Err(Wrong(format!("a control call without a file has {} KiB at most", MAX_CONTROL >> 10)));
    }
    members_with_file(body)
}

/// Likewise of a call that carries a file, or the body of an answer.
pub(super) fn members_with_file<T: DeserializeOwned>(body: &Bytes) -> Result<T, Wrong> {
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
        said(StatusCode::BAD_REQUEST, self.0)
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
