//! `GET /metrics`, in the text format of Prometheus: what was counted since the start, and how things stand.

mod page;

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::CONTENT_TYPE;

use crate::handover::Reach;
use crate::metrics::{LOST, Name, SEVERAL, Tally};
use crate::parts::Parts;
use crate::problems::signs;
use crate::registry::App;
use crate::series;
use crate::shares::seats::Seats;
use crate::slots::CredentialKind;

use page::{Kind, Page};

/// Where it is.
pub(super) const METRICS: &str = "/metrics";

/// What is told from; `seats` are the connections of callers and the internet.
#[derive(Clone)]
struct Told {
    parts: Parts,
    reach: Reach,
    seats: Seats,
}

/// The path alone.
pub(super) fn router(parts: Parts, reach: Reach, seats: Seats) -> Router {
    Router::new().route(METRICS, get(answer)).with_state(Told { parts, reach, seats })
}

async fn answer(State(told): State<Told>) -> Response {
    let mut page = Page::default();
    let counted: BTreeMap<Name, Tally> = told.parts.metrics.all().into_iter().collect();
    process(&mut page, &told).await;
    apps(&mut page, &told);
    calls(&mut page, &counted);
    upstream(&mut page, &counted);
    differences(&mut page, &told.parts);
    messages(&mut page, &counted);
    routes(&mut page, &told.parts).await;
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page.text()).into_response()
}

async fn process(page: &mut Page, Told { parts, seats, .. }: &Told) {
    page.family("wxgate_build_info", Kind::Gauge, "1; its labels say what runs.");
    page.sample("", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.family("wxgate_open_connections", Kind::Gauge, "Connections of callers and the internet.");
    page.sample("", &[], seats.taken());
    page.family("wxgate_draining", Kind::Gauge, "1 from where the process is told to end.");
    page.sample("", &[], u8::from(parts.tasks.draining.is_cancelled()));
    let began = parts.clock.instant();
    let is_up = parts.store.ping().await.is_ok();
    let took = (parts.clock.instant() - began).as_secs_f64();
    page.family("wxgate_store_up", Kind::Gauge, "Whether the database takes writes.");
    page.sample("", &[], u8::from(is_up));
    page.family("wxgate_store_commit_seconds", Kind::Gauge, "How long the commit took that showed so.");
    page.sample("", &[], took);
}

fn apps(page: &mut Page, Told { parts, reach, .. }: &Told) {
    let live = parts.registry.live();
    let mut apps: Vec<_> = live.apps().collect();
    apps.sort_by(|a, b| a.appid.cmp(&b.appid));
    let (now, clock) = (parts.clock.ticks(), &parts.clock);
    page.family(
        "wxgate_app_up",
        Kind::Gauge,
        "0: it has no token and gets none, or WeChat refuses its calls.",
    );
    for app in &apps {
        page.sample("", &[("appid", &app.appid)], u8::from(!signs::is_down(app, reach, clock)));
    }
    page.family(
        "wxgate_app_ailing",
        Kind::Gauge,
        "1 for each code that WeChat refuses the app's calls with.",
    );
    for (app, errcode) in apps.iter().flat_map(|app| ailments(app)) {
        page.sample("", &[("appid", &app.appid), ("errcode", &errcode.to_string())], 1);
    }
    page.family("wxgate_token_expires_in_seconds", Kind::Gauge, "Of the app's access_token; 0: it is over.");
    for app in &apps {
        if let Some(token) = app.slots.of(CredentialKind::AccessToken).newest() {
            page.sample("", &[("appid", &app.appid)], (token.expires_at - now).max(0) / 1000);
        }
    }
    page.family(
        "wxgate_token_superseded_timestamp_seconds",
        Kind::Gauge,
        "When the app's access_token last died before its time: somebody else fetched one.",
    );
    for app in &apps {
        let at = app.slots.iter().filter_map(|slot| slot.superseded_at()).max();
        if let Some(at) = at {
            page.sample("", &[("appid", &app.appid)], clock.wall_at(at) / 1000);
        }
    }
}

fn ailments(app: &App) -> impl Iterator<Item = (&App, i64)> {
    let mut codes: Vec<i64> = app.slots.health().ailments().iter().map(|one| one.errcode).collect();
    codes.sort_unstable();
    codes.dedup();
    codes.into_iter().map(move |code| (app, code))
}

fn code(errcode: i64) -> String {
    match errcode {
        LOST => "lost".to_owned(),
        SEVERAL => "other".to_owned(),
        code => code.to_string(),
    }
}

fn calls(page: &mut Page, counted: &BTreeMap<Name, Tally>) {
    let (mut by_caller, mut all) = (BTreeMap::<_, u64>::new(), Tally::default());
    for (name, tally) in counted {
        if let Name::Calls(_, caller, end) = name {
            *by_caller.entry((caller, end)).or_default() += tally.n;
            all.merge(tally);
        }
    }
    page.family("wxgate_caller_requests_total", Kind::Counter, "Calls: by whom, and how they ended.");
    for ((caller, outcome), n) in by_caller {
        page.sample("", &[("caller", caller), ("outcome", outcome)], n);
    }
    page.family("wxgate_request_seconds", Kind::Histogram, "Calls: to the head of the answer.");
    page.histogram(&[], &all);
    page.family(
        "wxgate_requests_total",
        Kind::Counter,
        "Calls: for which app, of which path, with which code.",
    );
    for (name, tally) in counted {
        if let Name::Api(app, api, errcode) = name {
            page.sample("", &[("appid", app), ("api", api), ("errcode", &code(*errcode))], tally.n);
        }
    }
}

fn upstream(page: &mut Page, counted: &BTreeMap<Name, Tally>) {
    page.family("wxgate_token_refreshes_total", Kind::Counter, "Fetches of access_tokens.");
    for (name, tally) in counted {
        if let Name::Refreshes(app, outcome) = name {
            page.sample("", &[("appid", app), ("outcome", outcome)], tally.n);
        }
    }
    let mut all = Tally::default();
    page.family("wxgate_upstream_requests_total", Kind::Counter, "Requests to WeChat, and what it said.");
    for (name, tally) in counted {
        if let Name::Upstream(app, api, errcode) = name {
            page.sample("", &[("appid", app), ("api", api), ("errcode", &code(*errcode))], tally.n);
            all.merge(tally);
        }
    }
    page.family("wxgate_upstream_request_seconds", Kind::Histogram, "Requests to WeChat.");
    page.histogram(&[], &all);
}

/// How WeChat's answers look beside the sandbox's.
fn differences(page: &mut Page, parts: &Parts) {
    let counts = parts.differences.counts();
    page.family(
        "wxgate_answers_compared_total",
        Kind::Counter,
        "Answers of WeChat's whose form was compared with the sandbox's, if [wechat] compare is on.",
    );
    let outcomes = [
        ("alike", counts.alike),
        ("different", counts.different),
        ("unknown", counts.unknown),
        ("unread", counts.unread),
    ];
    for (outcome, n) in outcomes {
        page.sample("", &[("outcome", outcome)], n);
    }
    let mut by_api = BTreeMap::<&str, usize>::new();
    for found in parts.differences.found() {
        *by_api.entry(found.api).or_default() += 1;
    }
    page.family("wxgate_answer_differences", Kind::Gauge, "Differences that were found, by path.");
    for (api, n) in by_api {
        page.sample("", &[("api", api)], n);
    }
}

fn messages(page: &mut Page, counted: &BTreeMap<Name, Tally>) {
    page.family("wxgate_callbacks_total", Kind::Counter, "Callbacks, and what became of them.");
    for (name, tally) in counted {
        if let Name::Callbacks(app, outcome) = name {
            page.sample("", &[("appid", app), ("outcome", outcome)], tally.n);
        }
    }
    let mut by_route = BTreeMap::<_, Tally>::new();
    page.family("wxgate_deliveries_total", Kind::Counter, "Attempts to deliver, and what came of them.");
    for (name, tally) in counted {
        if let Name::Deliveries(route, outcome) = name {
            page.sample("", &[("route", route), ("outcome", outcome)], tally.n);
            by_route.entry(route).or_default().merge(tally);
        }
    }
    page.family("wxgate_delivery_seconds", Kind::Histogram, "Attempts to deliver.");
    for (route, tally) in by_route {
        page.histogram(&[("route", route)], &tally);
    }
}

/// How much waits isn't told where the database doesn't say.
async fn routes(page: &mut Page, parts: &Parts) {
    let now = parts.clock.now();
    page.family(
        "wxgate_route_failing_seconds",
        Kind::Gauge,
        "How long deliveries have failed; 0: they don't.",
    );
    for route in parts.registry.live().routes.iter() {
        let seconds = route.lane.failing().map_or(0, |failing| (now - failing.since).max(0) / 1000);
        page.sample("", &[("route", &route.entry.name)], seconds);
    }
    let stock = series::stock(parts).await.unwrap_or_default();
    page.family("wxgate_delivery_backlog", Kind::Gauge, "Deliveries that wait; counted to 100,000.");
    for (route, stock) in &stock {
        page.sample("", &[("route", route)], stock.waiting);
    }
    page.family("wxgate_dead_letters", Kind::Gauge, "Deliveries that were given up; counted to 100,000.");
    for (route, stock) in &stock {
        page.sample("", &[("route", route)], stock.dead);
    }
}
