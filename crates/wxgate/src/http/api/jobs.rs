//! Work that goes on by itself: replays of a selection, and batches of messages; how each stands, and stopping it.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::changes::members_of;
use super::{Api, PAGE, Refusal, bad, limit, number, page, parameters, unknown, wrong};
use crate::jobs::{FASTEST, RATE, Selection};
use crate::lang::Words;
use crate::people::Actor;
use crate::store::{Added, Job, JobKind, JobState, NewJob, Status};

/// Deliveries that are named at most.
const NAMED: usize = 10_000;

const MEMBERS: [&str; 4] = ["filter", "ids", "rate", "dry_run"];
const FILTER: [&str; 9] =
    ["route", "status", "error_status", "error", "from", "to", "appid", "openid", "event"];

/// What a replay is asked for.
struct Wanted {
    selection: Selection,
    /// The selection as it was asked for.
    shown: Value,
    rate: u32,
    is_dry: bool,
}

/// `POST /replay`: a selection of deliveries is sent once more, or counted.
pub(super) async fn replay(
    State(api): State<Api>,
    Extension(actor): Extension<Actor>,
    body: Body,
) -> Result<Response, Refusal> {
    let wanted = wanted(&members_of(body).await?)?;
    let now = api.parts.clock.now();
    let found = api.jobs.count(&wanted.selection, now).await?;
    if wanted.is_dry {
        let (oldest, newest) = found.span.map(|(first, last)| (first / 1000, last / 1000)).unzip();
        return Ok(axum::Json(json!({
            "count": found.count, "oldest": oldest, "newest": newest, "skipped": found.skipped,
        }))
        .into_response());
    }
    let new = NewJob {
        kind: JobKind::Replay,
        caller: actor.name.clone(),
        again: None,
        rate: wanted.rate,
        total: Some(found.count),
        value: json!(wanted.selection).to_string().into_bytes(),
        until: now,
    };
    let (Added::New(id) | Added::Known(id)) = api.parts.store.add_job(new, &api.parts.random, now).await?;
    let after = json!({"filter": wanted.shown, "total": found.count, "rate": wanted.rate});
    let line = actor.line(now, "replay", format!("jobs/{id}"), Value::Null, after);
    if let Err(error) = api.parts.store.keep_audit(line).await {
        // What stands in no book isn't done.
        let _ = api.parts.store.stop_job(id, now, api.jobs.forgotten_at(now)).await;
        return Err(error.into());
    }
    api.jobs.look();
    let body = json!({"job_id": id.to_string(), "total": found.count});
    Ok((StatusCode::ACCEPTED, axum::Json(body)).into_response())
}

/// `GET /jobs`
pub(super) async fn list(State(api): State<Api>, RawQuery(raw): RawQuery) -> Result<Response, Refusal> {
    let (mut before, mut most) = (None, PAGE);
    for (name, value) in parameters(raw.as_deref().unwrap_or_default()) {
        match name.as_str() {
            "cursor" => before = Some(number("cursor", &value)?),
            "limit" => most = limit(&value)?,
            _ => return Err(unknown(&name, &["cursor", "limit"])),
        }
    }
    let jobs = api.parts.store.jobs(before, most).await?;
    Ok(page(&jobs, most, job_json, |job| job.id))
}

/// `GET /jobs/{id}`
pub(super) async fn one(State(api): State<Api>, Path(id): Path<String>) -> Result<Response, Refusal> {
    Ok(axum::Json(job_json(&found(&api, &id).await?)).into_response())
}

/// `POST /jobs/{id}/stop`: nothing more of it is begun.
pub(super) async fn stop(
    State(api): State<Api>,
    Path(id): Path<String>,
    Extension(actor): Extension<Actor>,
) -> Result<Response, Refusal> {
    let job = found(&api, &id).await?;
    let now = api.parts.clock.now();
    if job.state == JobState::AtWork {
        let line = actor.line(now, "stop", format!("jobs/{}", job.id), Value::Null, Value::Null);
        api.parts.store.keep_audit(line).await?;
        api.parts.store.stop_job(job.id, now, api.jobs.forgotten_at(now)).await?;
        api.jobs.look();
    }
    Ok(axum::Json(job_json(&found(&api, &id).await?)).into_response())
}

async fn found(api: &Api, id: &str) -> Result<Job, Refusal> {
    let job = match id.parse() {
        Ok(id) => api.parts.store.job(id).await?,
        Err(_) => None,
    };
    job.ok_or_else(|| {
        let words = Words::new(
            format!("没有编号为 {id} 的任务：可能已过保留期（retention.events）"),
            format!("there is no job {id}: it may be over its retention (retention.events)"),
        );
        Refusal(StatusCode::NOT_FOUND, words)
    })
}

fn job_json(job: &Job) -> Value {
    let waiting = job.total - job.good - job.bad - job.lost;
    let mut shown = json!({
        "id": job.id.to_string(),
        "kind": job.kind.as_str(),
        "status": job.state.as_str(),
        "total": job.total,
        "waiting": waiting.max(0),
        "rate": job.rate,
        "made_at": job.made_at / 1000,
        "ended_at": job.ended_at.map(|at| at / 1000),
        "actor": job.caller,
    });
    match job.kind {
        JobKind::Replay => {
            let selection: Selection = serde_json::from_slice(&job.value).unwrap_or_default();
            shown["delivered"] = job.good.into();
            shown["failed"] = (job.bad + job.lost).into();
            shown["filter"] = filter_json(&selection);
        }
        JobKind::Send => {
            shown["sent"] = job.good.into();
            shown["failed"] = job.bad.into();
            shown["unknown"] = job.lost.into();
            shown["filter"] = Value::Null;
        }
    }
    shown
}

/// As it is asked for; of deliveries that are named their number.
fn filter_json(selection: &Selection) -> Value {
    if let Some(ids) = &selection.ids {
        return json!({"ids": ids.len()});
    }
    let status = if selection.delivered { Status::Delivered } else { Status::Dead };
    let members = [
        ("route", json!(selection.route)),
        ("status", json!(status)),
        ("error_status", json!(selection.error_status)),
        ("error", json!(selection.error)),
        ("from", json!(selection.from.map(|at| at / 1000))),
        ("to", json!(selection.to.map(|at| at / 1000))),
        ("appid", json!(selection.appid)),
        ("openid", json!(selection.openid)),
        ("event", json!(selection.event)),
    ];
    let given = members.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(given.map(|(name, value)| (name.to_owned(), value)).collect())
}

fn wanted(members: &Map<String, Value>) -> Result<Wanted, Refusal> {
    if let Some(other) = members.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
        return Err(unknown(other, &MEMBERS));
    }
    let given = |name: &str| members.get(name).filter(|value| !value.is_null());
    let selection = match (given("filter"), given("ids")) {
        (Some(Value::Object(filter)), None) => selected(filter)?,
        (None, Some(ids)) => Selection { ids: Some(named(ids)?), ..Selection::default() },
        _ => {
            return Err(bad(Words::fixed(
                "filter（对象）和 ids（投递编号的数组）给且只给一个；要全部死信就写 \"filter\": {}",
                "give one of filter (an object) and ids (an array of deliveries' numbers); for every dead letter write \"filter\": {}",
            )));
        }
    };
    let rate = match given("rate") {
        None => RATE,
        Some(rate) => {
            let rate = rate.as_u64().and_then(|rate| u32::try_from(rate).ok());
            rate.filter(|rate| (1..=FASTEST).contains(rate)).ok_or_else(|| {
                wrong("rate", "应是 1 到 1000 的整数", "must be a whole number from 1 to 1000")
            })?
        }
    };
    let is_dry = match given("dry_run") {
        None => false,
        Some(Value::Bool(is_dry)) => *is_dry,
        Some(_) => return Err(wrong("dry_run", "应是 true 或 false", "must be true or false")),
    };
    let shown = filter_json(&selection);
    Ok(Wanted { selection, shown, rate, is_dry })
}

fn named(ids: &Value) -> Result<Vec<i64>, Refusal> {
    let ids = ids.as_array().filter(|ids| !ids.is_empty() && ids.len() <= NAMED);
    let number = |id: &Value| id.as_i64().or_else(|| id.as_str()?.parse().ok());
    let ids: Option<Vec<i64>> = ids.and_then(|ids| ids.iter().map(number).collect());
    let mut ids = ids.ok_or_else(|| {
        wrong(
            "ids",
            "应是 1 到 10000 个投递编号的数组",
            "must be an array of 1 to 10,000 deliveries' numbers",
        )
    })?;
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

fn selected(filter: &Map<String, Value>) -> Result<Selection, Refusal> {
    let mut selection = Selection::default();
    for (name, value) in filter.iter().filter(|(_, value)| !value.is_null()) {
        let text = || {
            let text = value.as_str().map(|text| text.replace('\0', "\u{fffd}"));
            text.ok_or_else(|| wrong(name, "应是字符串", "must be a string"))
        };
        let whole = || {
            let digits = || value.as_str().and_then(|text| text.parse().ok());
            let number = value.as_i64().or_else(digits);
            number.ok_or_else(|| wrong(name, "应是整数", "must be a whole number"))
        };
        match name.as_str() {
            "route" => selection.route = Some(text()?),
            "error" => selection.error = Some(text()?),
            "appid" => selection.appid = Some(text()?),
            "openid" => selection.openid = Some(text()?),
            "event" => selection.event = Some(text()?.to_ascii_lowercase()),
            "from" => selection.from = Some(whole()?.saturating_mul(1000)),
            "to" => selection.to = Some(whole()?.saturating_mul(1000)),
            "error_status" => {
                let status = u16::try_from(whole()?).ok();
                let status =
                    status.ok_or_else(|| wrong(name, "应是 HTTP 状态码", "must be an HTTP status"))?;
                selection.error_status = Some(status);
            }
            "status" => match Status::parse(&text()?) {
                Some(Status::Dead) => selection.delivered = false,
                Some(Status::Delivered) => selection.delivered = true,
                _ => return Err(wrong(name, "只能是 dead 或 delivered", "must be dead or delivered")),
            },
            _ => return Err(unknown(name, &FILTER)),
        }
    }
    Ok(selection)
}
