//! The operators' listener: is the process alive, may it get traffic, what is amiss; the admin API.

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::api::{self, Api};
use super::problem::{Unhandled, problem_json};
use super::server::Surface;
use super::{Body, streamed};
use crate::http::service::openapi;
use crate::outcome::{End, OTHER, Outcome};
use crate::parts::Parts;
use crate::registry::App;
use crate::slots::{CredentialKind, Trouble};
use crate::store::StoreError;
use crate::text;

/// A token that died early is shown this long.
const SUPERSEDED_SHOWN_MS: i64 = 24 * 3600 * 1000;
/// A failure that nobody has tried to overcome since is shown this long.
const TROUBLE_SHOWN_MS: i64 = 10 * 60 * 1000;

/// What is served besides the admin API.
const PATHS: [&str; 3] = ["/healthz", "/readyz", "/openapi.json"];

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Admin(Router);

impl Admin {
    /// Over what health looks at.
    pub fn new(parts: Parts, api: Api) -> Self {
        const KNOWN: &str = "没有这个路径：本端口提供 /healthz、/readyz、/openapi.json、/api/v1/events、/api/v1/deliveries、/api/v1/callers";
        let router = Router::new()
            .route("/healthz", get(async || axum::Json(json!({"status": "ok"}))))
            .route("/readyz", get(ready))
            .route("/openapi.json", get(async || ([(CONTENT_TYPE, "application/json")], openapi::DOCUMENT)))
            .fallback(async || problem_json(StatusCode::NOT_FOUND, KNOWN).into_response())
            .method_not_allowed_fallback(async || api::only_get())
            .with_state(parts)
            .nest("/api/v1", api.router());
        Self(router)
    }
}

impl Surface for Admin {
    const NAME: &'static str = "admin";

    async fn handle(self, request: Request<Incoming>, outcome: &mut Outcome) -> http::Response<Body> {
        let path = request.uri().path();
        let known = PATHS.into_iter().chain(api::PATHS).find(|known| *known == path);
        outcome.api = known.unwrap_or(OTHER).into();
        let response = match self.0.oneshot(request.map(axum::body::Body::new)).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        if response.status().is_client_error() {
            outcome.end = End::Refused;
        }
        streamed(response)
    }

    fn refuse(&self, refused: &Unhandled<'_>, _: &mut Outcome) -> http::Response<Full<Bytes>> {
        problem_json(refused.status, refused.words.of(refused.english))
    }
}

/// 503 only while draining (or, asked for callbacks, without a store): no single app's token, nor
/// WeChat being down, makes a node unready.
async fn ready(State(parts): State<Parts>, RawQuery(query): RawQuery) -> Response {
    let draining = parts.tasks.draining.is_cancelled();
    let store = parts.store.ping().await;
    let now = parts.clock.now();
    let mut tokens = Vec::new();
    let (mut total, mut down) = (0, 0);
    for app in parts.registry.live().apps() {
        total += 1;
        down += u32::from(look_at(app, now, &mut tokens));
    }
    let status = match (draining, &store) {
        (true, _) => "draining",
        (false, Err(_)) => "degraded",
        (false, Ok(())) => "ok",
    };
    let checks = json!({"store": store_check(&store), "tokens": tokens});
    let for_callbacks = text::pairs(query.unwrap_or_default().as_bytes())
        .any(|(name, value)| name == "for" && value == "callbacks");
    let unready = draining || (for_callbacks && store.is_err());
    let code = if unready { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let body = json!({"status": status, "checks": checks, "apps": {"total": total, "down": down}});
    (code, axum::Json(body)).into_response()
}

fn store_check(store: &Result<(), StoreError>) -> Value {
    match store {
        Ok(()) => json!({"status": "ok"}),
        Err(error) => json!({"status": "failed", "error": error.to_string()}),
    }
}

/// Adds what is amiss with an app's values to `tokens`; whether it has no token at all.
fn look_at(app: &App, now: i64, tokens: &mut Vec<Value>) -> bool {
    let mut is_down = false;
    for slot in app.slots.iter() {
        if let Some(at) = slot.superseded_at().filter(|at| now - at < SUPERSEDED_SHOWN_MS) {
            tokens.push(json!({"appid": &*slot.appid, "event": "superseded", "at": at / 1000}));
        }
        if let Some((since, until)) = slot.spent() {
            is_down = true;
            tokens.push(json!({
                "appid": &*slot.appid, "event": "failing", "kind": slot.kind.as_str(),
                "at": since / 1000, "retry_at": until / 1000, "wx_errcode": 40001,
                "error": "the access_token is dead, and was replaced too often to be replaced just now",
                "advice": "有别的程序在刷新这个账号的 access_token：找到它，改为经由 wxgate 调用",
            }));
        }
        let is_fresh = |trouble: &Trouble| now - trouble.retry_at < TROUBLE_SHOWN_MS;
        if let Some(trouble) = slot.trouble().filter(is_fresh) {
            is_down |= slot.kind == CredentialKind::AccessToken && slot.live(now).is_none();
            tokens.push(failing(&slot.appid, slot.kind, &trouble));
        }
    }
    is_down
}

fn failing(appid: &str, kind: CredentialKind, trouble: &Trouble) -> Value {
    let mut entry = json!({
        "appid": appid, "event": "failing", "kind": kind.as_str(),
        "at": trouble.since / 1000, "retry_at": trouble.retry_at / 1000,
        "error": trouble.error.to_string(),
    });
    if let Some(error) = trouble.error.refusal() {
        entry["wx_errcode"] = error.errcode.into();
        entry["advice"] = error.entry().map_or("", |entry| entry.zh).into();
        entry["ip"] = error.refused_ip().into();
    }
    entry
}
