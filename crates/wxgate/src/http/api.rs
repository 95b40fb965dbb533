//! The admin API, `/api/v1/*` on the operators' listener: what came in and what became of it, and
//! who calls what.
//! Opened by `Authorization: Bearer <WXGATE_ADMIN_TOKEN>`; without a token set it stays shut.

mod apply;
mod callers;
mod changes;
mod entries;
mod guard;
mod keys;
mod routes;
mod trials;

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Path, RawQuery, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use http::StatusCode;
use http::header::{HOST, ORIGIN};
use serde_json::{Value, json};
use wechat::message::Message;

use guard::Guard;

use crate::delivery::Deliveries;
use crate::entries::Secret;
use crate::lang::{Words, say};
use crate::parts::Parts;
use crate::store::{
    Attempt, Audit, AuditQuery, Delivery, DeliveryQuery, Event, EventQuery, Status, StoreError,
};
use crate::text;
use crate::upstream::Upstream;

/// Items a page, unless asked for others.
const PAGE: u32 = 50;
const MAX_PAGE: u32 = 500;

/// Its calls, for log and counters.
pub const PATHS: [&str; 7] = [
    "/api/v1/events",
    "/api/v1/deliveries",
    "/api/v1/callers",
    "/api/v1/apps",
    "/api/v1/routes",
    "/api/v1/audit",
    "/api/v1/apply",
];

/// Cheap to clone.
#[derive(Clone)]
pub struct Api {
    parts: Parts,
    deliveries: Deliveries,
    upstream: Upstream,
    guard: Arc<Guard>,
}

impl Api {
    /// Opened by `token`.
    pub fn new(parts: Parts, deliveries: Deliveries, upstream: Upstream, token: Option<&Secret>) -> Self {
        let guard = Guard::new(token, parts.limits.wrong_token_pause, parts.clock.clone());
        Self { parts, deliveries, upstream, guard: Arc::new(guard) }
    }

    /// The routes below `/api/v1`.
    pub(super) fn router(self) -> Router {
        Router::new()
            .route("/events", get(events))
            .route("/events/{id}", get(event))
            .route("/deliveries", get(deliveries))
            .route("/audit", get(audit))
            .route("/{list}", get(entries::list).post(entries::create))
            .route("/apply", post(apply::apply))
            .route("/callers/{name}/rotate", post(keys::rotate))
            .route("/routes/{name}/probe", post(routes::probe))
            .route("/apps/{appid}/check", post(trials::check))
            .route("/apps/{appid}/refresh", post(trials::refresh))
            .route(
                "/{list}/{name}",
                get(entries::one)
                    .patch(entries::update)
                    .delete(entries::end)
                    .post(entries::act)
                    .put(entries::act),
            )
            .fallback(async || refused(StatusCode::NOT_FOUND, NO_SUCH_CALL))
            .method_not_allowed_fallback(async || other_method())
            .layer(middleware::from_fn_with_state(self.clone(), only_admins))
            .with_state(self)
    }
}

/// A refusal on its way through the router: the surface says it in the language of the request.
#[derive(Clone, Debug)]
pub(super) struct Refused(pub(super) Words);

/// Why not.
struct Refusal(StatusCode, Words);

impl axum::response::IntoResponse for Refusal {
    fn into_response(self) -> Response {
        refused(self.0, self.1)
    }
}

/// Refuses with `words`.
pub(super) fn refused(status: StatusCode, words: Words) -> Response {
    (status, Extension(Refused(words))).into_response()
}

const NO_SUCH_CALL: Words = Words::fixed(
    "没有这个接口：现有 /api/v1 下的 apps、callers、routes（及其 /{名字}）、events、events/{id}、deliveries、audit、apply，全部见 docs/admin-api.md",
    "no such call: below /api/v1 there are apps, callers, routes (and /{name} of each), events, events/{id}, deliveries, audit, apply; docs/admin-api.en.md has all",
);

fn other_method() -> Response {
    refused(
        StatusCode::METHOD_NOT_ALLOWED,
        Words::fixed(
            "方法不对：可用的在应答的 Allow 头里",
            "another method: Allow in this answer's head has those that work",
        ),
    )
}

pub(super) fn only_get() -> Response {
    refused(StatusCode::METHOD_NOT_ALLOWED, Words::fixed("请用 GET", "use GET"))
}

/// Where a request to the admin side comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client(pub(super) IpAddr);

async fn only_admins(
    State(api): State<Api>,
    Extension(Client(client)): Extension<Client>,
    request: Request,
    next: Next,
) -> Response {
    match api.guard.admit(request.headers(), client).await {
        Ok(()) if writes_for_a_page(&request) => refused(
            StatusCode::FORBIDDEN,
            Words::fixed(
                "Origin 是别的网页：它不能改这里的东西",
                "Origin is another page's, which may change nothing here",
            ),
        ),
        Ok(()) => {
            let mut response = next.run(request).await;
            response.extensions_mut().insert(Admins);
            response
        }
        Err(refusal) => refusal,
    }
}

/// A web page of another origin wants to change something.
fn writes_for_a_page(request: &Request) -> bool {
    let headers = request.headers();
    let text = |name| headers.get(name).map(|value: &http::HeaderValue| value.to_str().unwrap_or("?"));
    let Some(origin) = text(ORIGIN).filter(|_| !request.method().is_safe()) else { return false };
    let own = text(HOST).unwrap_or_default();
    origin.split_once("://").is_none_or(|(_, host)| !host.eq_ignore_ascii_case(own))
}

/// In a response's extensions: an admin asked.
#[derive(Clone, Copy)]
pub(super) struct Admins;

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "{}", say("管理接口读不到数据库", "the admin API can't read the database"));
        let words = Words::fixed("读不到数据库：原因见日志", "the database can't be read: the log says why");
        Self(StatusCode::SERVICE_UNAVAILABLE, words)
    }
}

async fn events(State(api): State<Api>, RawQuery(raw): RawQuery) -> Result<Response, Refusal> {
    let mut query = EventQuery { limit: PAGE, ..EventQuery::default() };
    for (name, value) in parameters(raw.as_deref().unwrap_or_default()) {
        match name.as_str() {
            "appid" => query.appid = Some(value),
            "openid" => query.openid = Some(value),
            "event" => query.event = Some(value),
            "from" => query.from = Some(seconds("from", &value)?),
            "to" => query.to = Some(seconds("to", &value)?),
            "cursor" => query.before = Some(number("cursor", &value)?),
            "limit" => query.limit = limit(&value)?,
            _ => return Err(unknown(&name, &["appid", "openid", "event", "from", "to", "cursor", "limit"])),
        }
    }
    let limit = query.limit;
    let items = api.parts.store.events(query).await?;
    Ok(page(&items, limit, event_json, |event| event.id))
}

/// One event with its message.
async fn event(State(api): State<Api>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let missing = || {
        let words = Words::new(
            format!("没有编号为 {id} 的消息：可能已过保留期（retention.events）"),
            format!("there is no message {id}: it may be over its retention (retention.events)"),
        );
        refused(StatusCode::NOT_FOUND, words)
    };
    let Ok(number) = id.parse() else { return Ok(missing()) };
    let query = EventQuery { id: Some(number), limit: 1, ..EventQuery::default() };
    let found = api.parts.store.events(query).await?;
    let (Some(event), Some(body)) = (found.first(), api.parts.store.event_body(number).await?) else {
        return Ok(missing());
    };
    let mut item = event_json(event);
    item["message"] = Message::read(&body).into_value();
    Ok(axum::Json(item).into_response())
}

async fn deliveries(State(api): State<Api>, RawQuery(raw): RawQuery) -> Result<Response, Refusal> {
    let mut query = DeliveryQuery { limit: PAGE, ..DeliveryQuery::default() };
    for (name, value) in parameters(raw.as_deref().unwrap_or_default()) {
        match name.as_str() {
            "route" => query.route = Some(value),
            "status" => {
                let status = Status::parse(&value);
                let wrong = || {
                    bad(Words::fixed(
                        "参数 status 只能是 pending、delivered、dead",
                        "parameter status must be one of pending, delivered, dead",
                    ))
                };
                query.status = Some(status.ok_or_else(wrong)?);
            }
            "event_id" => query.event_id = Some(number("event_id", &value)?),
            "cursor" => query.before = Some(number("cursor", &value)?),
            "limit" => query.limit = limit(&value)?,
            _ => return Err(unknown(&name, &["route", "status", "event_id", "cursor", "limit"])),
        }
    }
    let limit = query.limit;
    let items = api.parts.store.deliveries(query).await?;
    Ok(page(&items, limit, delivery_json, |delivery| delivery.id))
}

/// The book of who changed what.
async fn audit(State(api): State<Api>, RawQuery(raw): RawQuery) -> Result<Response, Refusal> {
    let mut query = AuditQuery { limit: PAGE, ..AuditQuery::default() };
    for (name, value) in parameters(raw.as_deref().unwrap_or_default()) {
        match name.as_str() {
            "actor" => query.actor = Some(value),
            "target" => query.target = Some(value),
            "cursor" => query.before = Some(number("cursor", &value)?),
            "limit" => query.limit = limit(&value)?,
            _ => return Err(unknown(&name, &["actor", "target", "cursor", "limit"])),
        }
    }
    let limit = query.limit;
    let lines = api.parts.store.audit(query).await?;
    Ok(page(&lines, limit, audit_json, |line| line.id))
}

fn audit_json(line: &Audit) -> Value {
    let Audit { id, at, actor, role, ip, action, target, before, after } = line;
    json!({
        "id": id, "at": at / 1000, "actor": actor, "role": role, "ip": ip, "action": action, "target": target,
        "before": before, "after": after,
    })
}

/// `next` goes back as `cursor`.
fn page<T>(items: &[T], limit: u32, json: fn(&T) -> Value, id: fn(&T) -> i64) -> Response {
    let next = items.last().filter(|_| items.len() == limit as usize).map(|last| id(last).to_string());
    axum::Json(json!({"items": items.iter().map(json).collect::<Vec<_>>(), "next": next})).into_response()
}

fn event_json(event: &Event) -> Value {
    json!({
        "id": event.id,
        "appid": event.appid,
        "openid": event.openid,
        "msg_type": event.msg_type,
        "event": event.event,
        "received_at": event.received_at / 1000,
        "deliveries": event.deliveries.iter().map(delivery_json).collect::<Vec<_>>(),
    })
}

fn delivery_json(delivery: &Delivery) -> Value {
    let attempt = |attempt: &Attempt| json!({"at": attempt.at / 1000, "status": attempt.status, "ms": attempt.ms, "error": attempt.error});
    json!({
        "id": delivery.id,
        "event_id": delivery.event_id,
        "route": delivery.route,
        "status": delivery.status,
        "attempts": delivery.attempts.iter().map(attempt).collect::<Vec<_>>(),
        "next_at": delivery.next_at.map(|at| at / 1000),
    })
}

fn parameters(raw: &str) -> impl Iterator<Item = (String, String)> {
    text::pairs(raw.as_bytes()).into_owned()
}

fn number(name: &str, value: &str) -> Result<i64, Refusal> {
    value.parse().map_err(|_| wrong(name, "应是整数", "must be a whole number"))
}

/// Unix seconds, to milliseconds.
fn seconds(name: &str, value: &str) -> Result<i64, Refusal> {
    let seconds: Result<i64, _> = value.parse();
    seconds
        .map(|seconds| seconds.saturating_mul(1000))
        .map_err(|_| wrong(name, "应是 Unix 秒", "must be Unix seconds"))
}

fn limit(value: &str) -> Result<u32, Refusal> {
    let limit = value.parse().ok().filter(|limit| (1..=MAX_PAGE).contains(limit));
    limit.ok_or_else(|| {
        let (zh, en) = (format!("应在 1 到 {MAX_PAGE} 之间"), format!("must be between 1 and {MAX_PAGE}"));
        wrong("limit", &zh, &en)
    })
}

fn bad(words: Words) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, words)
}

/// The texts complete "参数 limit …" and "parameter limit …".
fn wrong(name: &str, zh: &str, en: &str) -> Refusal {
    bad(Words::new(format!("参数 {name} {zh}"), format!("parameter {name} {en}")))
}

fn unknown(name: &str, known: &[&str]) -> Refusal {
    bad(Words::new(
        format!("没有参数 {name}：可用的有 {}", known.join("、")),
        format!("there is no parameter {name}: there are {}", known.join(", ")),
    ))
}
