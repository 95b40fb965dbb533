//! The operators' listener: is the process alive, may it get traffic, what is amiss; the admin API.

use std::net::IpAddr;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::api::Api;
use super::{Body, RequestId, streamed};
use crate::clock::Clock;
use crate::http::service::openapi;
use crate::registry::Registry;
use crate::slots::{Kind, Trouble};
use crate::store::Store;
use crate::tasks::Tasks;

/// A token that died early is shown this long.
const SUPERSEDED_SHOWN_MS: i64 = 24 * 3600 * 1000;

/// A failure that nobody has tried to overcome since is shown this long.
const TROUBLE_SHOWN_MS: i64 = 10 * 60 * 1000;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Surface(Router);

#[derive(Clone)]
struct Health {
    registry: Registry,
    store: Store,
    clock: Clock,
    tasks: Tasks,
}

impl Surface {
    /// Over what health looks at.
    pub fn new(registry: Registry, store: Store, clock: Clock, tasks: Tasks, api: Api) -> Self {
        let router = Router::new()
            .route("/healthz", get(async || axum::Json(json!({"status": "ok"}))))
            .route("/readyz", get(ready))
            .route("/openapi.json", get(async || ([(CONTENT_TYPE, "application/json")], openapi::DOCUMENT)))
            .fallback(async || {
                problem_json(
                    StatusCode::NOT_FOUND,
                    "没有这个路径：本端口提供 /healthz、/readyz、/openapi.json、/api/v1/events、/api/v1/deliveries、/api/v1/callers",
                )
            })
            .method_not_allowed_fallback(async || problem_json(StatusCode::METHOD_NOT_ALLOWED, "请用 GET"))
            .with_state(Health { registry, store, clock, tasks })
            .nest("/api/v1", api.router());
        Self(router)
    }

    /// Answers one request.
    pub async fn handle(
        self,
        request: Request<Incoming>,
        _peer: IpAddr,
        _id: RequestId,
    ) -> http::Response<Body> {
        match self.0.oneshot(request.map(axum::body::Body::new)).await {
            Ok(response) => streamed(response),
            Err(never) => match never {},
        }
    }
}

pub(super) fn problem_json(status: StatusCode, detail: &str) -> Response {
    let body = json!({"status": status.as_u16(), "title": status.canonical_reason(), "detail": detail});
    (status, [(CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}

/// 503 only while draining (or, asked for callbacks, without a store): no single app's token, nor
/// WeChat being down, makes a node unready.
async fn ready(State(health): State<Health>, RawQuery(query): RawQuery) -> Response {
    let draining = health.tasks.draining.is_cancelled();
    let store = health.store.ping().await;
    let mut tokens = Vec::new();
    let (mut total, mut down) = (0, 0);
    for app in health.registry.live().apps() {
        total += 1;
        let mut is_down = false;
        for slot in app.slots.iter() {
            if let Some(at) = slot.superseded_at().filter(|at| health.clock.now() - at < SUPERSEDED_SHOWN_MS)
            {
                tokens.push(json!({"appid": &*slot.appid, "event": "superseded", "at": at / 1000}));
            }
            let is_fresh = |trouble: &Trouble| health.clock.now() - trouble.retry_at < TROUBLE_SHOWN_MS;
            if let Some(trouble) = slot.trouble().filter(is_fresh) {
                is_down |= slot.kind == Kind::AccessToken && slot.live(health.clock.now()).is_none();
                tokens.push(failing(&slot.appid, slot.kind, &trouble));
            }
        }
        down += u32::from(is_down);
    }
    let status = if draining {
        "draining"
    } else if store.is_err() {
        "degraded"
    } else {
        "ok"
    };
    let checks = json!({
        "store": match &store {
            Ok(()) => json!({"status": "ok"}),
            Err(error) => json!({"status": "failed", "error": error.to_string()}),
        },
        "tokens": tokens,
    });
    let query = query.unwrap_or_default();
    let for_callbacks = query.split('&').any(|pair| pair == "for=callbacks");
    let unready = draining || (for_callbacks && store.is_err());
    let code = if unready { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let body = json!({"status": status, "checks": checks, "apps": {"total": total, "down": down}});
    (code, axum::Json(body)).into_response()
}

fn failing(appid: &str, kind: Kind, trouble: &Trouble) -> Value {
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
