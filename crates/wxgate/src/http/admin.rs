//! The operators' listener: is the process alive, may it get traffic, what is amiss; the admin API.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::api::{self, Api, Client, Refused, document};
use super::console;
use super::health::{HEALTHZ, Health, READYZ, is_for_callbacks};
use super::metrics::{self, METRICS};
use super::problem::{Unhandled, problem_json};
use super::server::Surface;
use super::{Body, streamed, wants_english};
use crate::admit::Door;
use crate::admit::hosts::Hosts;
use crate::config;
use crate::handover::Reach;
use crate::lang::Words;
use crate::net::Inbound;
use crate::outcome::{End, OTHER, Outcome};
use crate::parts::Parts;
use crate::places;
use crate::problems::MOST_COUNTED;
use crate::problems::signs::{self, SPENT, Sign};
use crate::registry::App;
use crate::shares::seats::Seats;
use crate::store::StoreError;

/// The admin API's document.
const OPENAPI: &str = "/openapi.json";
/// What is served besides the admin API.
const PATHS: [&str; 4] = [HEALTHZ, READYZ, METRICS, OPENAPI];

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Admin(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    router: Router,
    door: Door,
    hosts: Hosts,
}

impl Admin {
    /// Over what health looks at; callers and the internet connect to `seats`.
    pub fn new(
        parts: Parts,
        reach: Reach,
        api: Api,
        seats: Seats,
        door: Door,
        server: &config::Server,
    ) -> Self {
        const KNOWN: Words = Words::fixed(
            "没有这个路径：本端口提供 /（控制台，用浏览器打开）、/healthz、/readyz、/metrics、/openapi.json、/api/v1/*",
            "no such path: this port has / (the console, for browsers), /healthz, /readyz, /metrics, /openapi.json, /api/v1/*",
        );
        let router = Router::new()
            .route(HEALTHZ, get(async || axum::Json(json!({"status": "ok"}))))
            .route(READYZ, get(ready))
            .route(OPENAPI, get(openapi))
            .fallback(async |request: axum::extract::Request| {
                let (head, _) = request.into_parts();
                console::answer(&head).unwrap_or_else(|| api::refused(StatusCode::NOT_FOUND, KNOWN))
            })
            .method_not_allowed_fallback(async || api::only_get())
            .with_state(Looked { parts: parts.clone(), reach: reach.clone() })
            .merge(metrics::router(parts, reach, seats))
            .nest("/api/v1", api.router());
        Self(Arc::new(Inner { router, door, hosts: Hosts::of_admin(server) }))
    }
}

impl Surface for Admin {
    const NAME: &'static str = "admin";

    async fn handle(&self, request: Request<Inbound>, outcome: &mut Outcome) -> http::Response<Body> {
        let (mut head, body) = request.into_parts();
        let known = PATHS.into_iter().chain(document::paths()).find(|known| *known == head.uri.path());
        outcome.api = known.unwrap_or(OTHER).into();
        self.0.door.locate(&head.headers, outcome);
        let english = wants_english(&head.headers);
        let is_ours =
            Health::takes(head.uri.path()).is_some() || self.0.hosts.allowed(&head, "http").is_some();
        let response = if is_ours {
            head.extensions.insert(Client(outcome.peer));
            let request = Request::from_parts(head, axum::body::Body::new(body));
            match self.0.router.clone().oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        } else {
            api::refused(StatusCode::FORBIDDEN, FOREIGN_HOST)
        };
        if response.extensions().get::<api::Admins>().is_some() {
            outcome.is_an_admins();
        }
        if response.status().is_client_error() {
            outcome.end = End::Refused;
        }
        streamed(in_words(response, english))
    }

    fn refuse(&self, refused: &Unhandled<'_>, _: &mut Outcome) -> http::Response<Full<Bytes>> {
        problem_json(refused.status, refused.words.of(refused.english))
    }
}

const FOREIGN_HOST: Words = Words::fixed(
    "这个主机名不是管理端口的：用 IP 地址或 localhost 访问，或把它写进 server.admin_url 或 server.hosts",
    "this host name is none of the admin side's: use an IP address or localhost, or write it in server.admin_url or server.hosts",
);

/// A refusal gets its body here, in the language of the request.
fn in_words(mut response: Response, english: bool) -> Response {
    let Some(Refused(words)) = response.extensions_mut().remove::<Refused>() else { return response };
    let told = problem_json(response.status(), words.of(english)).map(axum::body::Body::new);
    let (mut head, body) = told.into_parts();
    let own: HeaderMap = std::mem::take(response.headers_mut());
    for name in [ALLOW, RETRY_AFTER, WWW_AUTHENTICATE] {
        if let Some(value) = own.get(&name) {
            head.headers.insert(name, value.clone());
        }
    }
    Response::from_parts(head, body)
}

async fn openapi(headers: HeaderMap) -> Response {
    ([(CONTENT_TYPE, "application/json")], document::document(wants_english(&headers))).into_response()
}

/// What readiness is told from.
#[derive(Clone, Debug)]
struct Looked {
    parts: Parts,
    reach: Reach,
}

/// 503 only while draining (or, asked for callbacks, without a store): no single app's token, nor
/// WeChat being down, makes a node unready.
async fn ready(State(looked): State<Looked>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let Looked { parts, reach } = looked;
    let draining = parts.tasks.draining.is_cancelled();
    let store = parts.store.ping().await;
    let english = wants_english(&headers);
    let (mut tokens, mut apps) = (Vec::new(), Vec::new());
    let (mut total, mut down) = (0, 0);
    for app in parts.registry.live().apps() {
        let signs = signs::of(app, &reach, &parts.clock);
        total += 1;
        down += u32::from(signs.iter().any(Sign::is_down));
        for sign in &signs {
            let list = if matches!(sign, Sign::Ails { .. }) { &mut apps } else { &mut tokens };
            list.push(told(app, sign, english));
        }
    }
    let status = match (draining, &store) {
        (true, _) => "draining",
        (false, Err(_)) => "degraded",
        (false, Ok(())) => "ok",
    };
    let routes = failing_routes(&parts).await;
    let checks = json!({"store": store_check(&store), "tokens": tokens, "apps": apps, "routes": routes});
    let unready = draining || (is_for_callbacks(query.as_deref()) && store.is_err());
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

/// The routes whose deliveries fail, and how many of them wait.
async fn failing_routes(parts: &Parts) -> Vec<Value> {
    let failing: Vec<(String, i64)> = parts
        .registry
        .live()
        .routes
        .iter()
        .filter_map(|route| Some((route.entry.name.clone(), route.lane.failing()?.since)))
        .collect();
    let mut shown = Vec::new();
    for (route, since) in failing {
        let waiting = parts.store.backlog(&route, MOST_COUNTED).await.ok();
        shown.push(json!({"route": route, "waiting": waiting, "failing_since": since / 1000}));
    }
    shown
}

/// What is amiss with an account, as programs read it.
fn told(app: &App, sign: &Sign, english: bool) -> Value {
    let appid = &*app.appid;
    match sign {
        Sign::Superseded { at } => json!({"appid": appid, "event": "superseded", "at": at / 1000}),
        Sign::Spent { kind, since, until } => json!({
            "appid": appid, "event": "failing", "kind": kind.as_str(),
            "at": since / 1000, "retry_at": until / 1000, "wx_errcode": 40001,
            "error": "the access_token is dead, and was replaced too often to be replaced just now",
            "advice": SPENT.of(english),
        }),
        Sign::Troubled { kind, since, retry_at, error, .. } => {
            let mut entry = json!({
                "appid": appid, "event": "failing", "kind": kind.as_str(), "at": since / 1000,
                "retry_at": retry_at / 1000, "error": error.to_string(),
            });
            if let Some(refused) = error.refusal() {
                entry["wx_errcode"] = refused.errcode.into();
                entry["advice"] = places::advice(&app.entry, refused).of(english).into();
                entry["ip"] = refused.refused_ip().into();
            }
            entry
        }
        Sign::Ails { errcode, ip, since, fix, .. } => json!({
            "appid": appid, "errcode": errcode, "ip": ip, "since": since / 1000, "fix": fix.of(english),
        }),
    }
}
