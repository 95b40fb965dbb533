//! The admin API, `/api/v1/*` on the operators' listener: what came in and what became of it, and
//! who calls what. Opened by `Authorization: Bearer <WXGATE_ADMIN_TOKEN>`, or to whoever has logged in.

mod accounts;
mod alerts;
mod apply;
mod audit;
mod callers;
mod changes;
mod differences;
pub mod document;
mod entries;
mod errors;
mod events;
mod figures;
mod guard;
mod jobs;
mod keys;
mod live;
mod masked;
mod overview;
mod quotas;
mod replay;
mod rings;
mod routes;
mod series;
mod session;
mod system;
mod trials;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, patch, post};
use axum::{Extension, Router};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use guard::Guard;
use live::Feed;
use session::Site;

use crate::alerts::Alerts;
use crate::config::Config;
use crate::delivery::Deliveries;
use crate::jobs::Jobs;
use crate::lang::{Words, say};
use crate::parts::Parts;
use crate::people::{People, Role};
use crate::reloads::Reloads;
use crate::store::StoreError;
use crate::text;
use crate::upstream::Upstream;
use crate::wx_quotas::WxQuotas;

/// Items a page, unless asked for others.
const PAGE: u32 = 50;
const MAX_PAGE: u32 = 500;

/// What it works with.
#[derive(Debug)]
pub struct Tools {
    /// Who may log in.
    pub people: People,
    /// Where a reload is asked for.
    pub reloads: Reloads,
    /// For samples.
    pub deliveries: Deliveries,
    /// Streams of messages.
    pub feed: crate::feed::Feed,
    /// For trials.
    pub upstream: Upstream,
    /// Who is told.
    pub alerts: Alerts,
    /// What is left of WeChat's quotas.
    pub wx_quotas: WxQuotas,
    /// Replays and batches.
    pub jobs: Jobs,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Api {
    parts: Parts,
    deliveries: Deliveries,
    streams: crate::feed::Feed,
    upstream: Upstream,
    guard: Arc<Guard>,
    people: People,
    site: Arc<Site>,
    reloads: Reloads,
    alerts: Alerts,
    wx_quotas: WxQuotas,
    jobs: Jobs,
    feed: Arc<Feed>,
    /// A turn to make a list of entries.
    lists: Arc<tokio::sync::Semaphore>,
    /// Held by whoever changes entries.
    making: Arc<tokio::sync::Mutex<()>>,
    /// Where a copy of the database is made.
    run_dir: Arc<std::path::Path>,
}

impl Api {
    /// Opened by the admin token, and to people who log in, on the listener with this `port`; callers connect to `listen`.
    pub fn new(parts: Parts, tools: Tools, config: &Config, (port, listen): (u16, SocketAddr)) -> Self {
        let token = config.admin_token.as_ref();
        let guard = Guard::new(token, parts.limits.wrong_token_pause, parts.clock.clone());
        let Tools { people, reloads, deliveries, feed, upstream, alerts, wx_quotas, jobs } = tools;
        Self {
            parts,
            deliveries,
            streams: feed,
            upstream,
            guard: Arc::new(guard),
            people,
            site: Arc::new(Site::new(port, listen, &config.server)),
            reloads,
            alerts,
            wx_quotas,
            jobs,
            feed: Arc::default(),
            lists: Arc::new(tokio::sync::Semaphore::new(1)),
            making: Arc::default(),
            run_dir: config.store.run_dir().into(),
        }
    }

    /// The routes below `/api/v1`.
    pub(super) fn router(self) -> Router {
        let open = Router::new()
            .route("/setup", get(session::setup).post(session::set_up))
            .route("/session", post(session::log_in));
        let closed = Router::new()
            .route("/session", get(session::session).delete(session::log_out))
            .route("/users", get(session::users).post(session::add_user))
            .route("/users/{name}", patch(session::edit_user).delete(session::end_user))
            .route("/overview", get(overview::overview))
            .route("/series", get(series::series))
            .route("/events", get(events::events))
            .route("/events/{id}", get(events::event))
            .route("/events/{id}/replay", post(replay::event))
            .route("/deliveries", get(events::deliveries))
            .route("/deliveries/groups", get(events::groups))
            .route("/replay", post(jobs::replay))
            .route("/jobs", get(jobs::list))
            .route("/jobs/{id}", get(jobs::one))
            .route("/jobs/{id}/stop", post(jobs::stop))
            .route("/audit", get(audit::audit))
            .route("/live", get(live::live))
            .route("/nodes", get(system::nodes))
            .route("/settings", get(system::settings))
            .route("/search", get(system::search))
            .route("/reload", post(system::reload))
            .route("/backup", post(system::backup))
            .route("/refused", get(rings::refused))
            .route("/failures", get(rings::failures))
            .route("/differences", get(differences::list).delete(differences::forget))
            .route("/errors", get(errors::list))
            .route("/errors/{code}", get(errors::one))
            .route("/apps/{appid}/history", get(rings::history))
            .route("/alerts", get(alerts::list))
            .route("/alerts/{id}/mute", post(alerts::mute))
            .route("/channels", get(alerts::channels).post(alerts::add_channel))
            .route("/channels/{name}", patch(alerts::edit_channel).delete(alerts::end_channel))
            .route("/channels/{name}/test", post(alerts::test_channel))
            .route("/quota", get(quotas::list))
            .route("/quota/ask", post(quotas::ask))
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
            .layer(middleware::from_fn_with_state(self.clone(), only_those_who_may));
        open.merge(closed).method_not_allowed_fallback(async || other_method()).with_state(self)
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
    "没有这个接口：/api/v1 下有哪些，见本端口的 /openapi.json",
    "no such call: /openapi.json on this port has those below /api/v1",
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

/// What viewers don't get to see at all.
const FOR_ADMINS: [&str; 3] = ["/users", "/channels", "/backup"];

async fn only_those_who_may(
    State(api): State<Api>,
    Extension(client): Extension<Client>,
    mut request: Request,
    next: Next,
) -> Response {
    let actor = match session::actor(&api, request.headers(), request.method(), client).await {
        Ok(actor) => actor,
        Err(refusal) => return refusal,
    };
    let path = request.uri().path();
    let is_private = FOR_ADMINS.iter().any(|private| path.starts_with(private));
    // Ending one's own session, and a trial that changes nothing.
    let is_harmless =
        [(&Method::DELETE, "/session"), (&Method::POST, "/routes/test")].contains(&(request.method(), path));
    let is_viewer = actor.role == Role::Viewer;
    if is_viewer && (is_private || !(is_harmless || request.method().is_safe())) {
        return refused(
            StatusCode::FORBIDDEN,
            Words::fixed(
                "只读用户（viewer）不能这样做：请管理员来",
                "a viewer may not do this: ask an admin",
            ),
        );
    }
    request.extensions_mut().insert(actor);
    let mut response = next.run(request).await;
    if is_viewer {
        response = masked::for_viewers(response).await;
    }
    response.extensions_mut().insert(Admins);
    response
}

/// In a response's extensions: somebody asked who may.
#[derive(Clone, Copy)]
pub(super) struct Admins;

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "{}", say("管理接口读不到数据库", "the admin API can't read the database"));
        let words = Words::fixed("读不到数据库：原因见日志", "the database can't be read: the log says why");
        Self(StatusCode::SERVICE_UNAVAILABLE, words)
    }
}

/// `next` goes back as `cursor`.
fn page<T>(items: &[T], limit: u32, json: impl Fn(&T) -> Value, id: fn(&T) -> i64) -> Response {
    let next = items.last().filter(|_| items.len() == limit as usize).map(|last| id(last).to_string());
    axum::Json(json!({"items": items.iter().map(json).collect::<Vec<_>>(), "next": next})).into_response()
}

/// A list that is no longer than this.
fn whole(items: &[Value]) -> Response {
    axum::Json(json!({"items": items, "next": null})).into_response()
}

fn parameters(raw: &str) -> impl Iterator<Item = (String, String)> {
    // No text in a database has a NUL: whoever looks for one finds nothing.
    let without = |text: String| if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text };
    text::pairs(raw.as_bytes()).into_owned().map(move |(name, value)| (name, without(value)))
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
