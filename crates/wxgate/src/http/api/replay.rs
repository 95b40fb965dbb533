//! Sending again what was sent, or given up.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::changes::members_of;
use super::{Api, MAX_PAGE, Refusal, bad, unknown};
use crate::lang::Words;
use crate::people::Actor;
use crate::store::{Delivery, DeliveryQuery, Status};

/// `POST /events/{id}/replay`: its deliveries that have ended begin anew, all of them or those of `routes`.
pub(super) async fn event(
    State(api): State<Api>,
    Path(id): Path<String>,
    Extension(actor): Extension<Actor>,
    body: Body,
) -> Result<Response, Refusal> {
    let wanted = routes(&members_of(body).await?)?;
    let found = match id.parse() {
        Ok(id) => {
            let query = DeliveryQuery { event_id: Some(id), limit: MAX_PAGE, ..DeliveryQuery::default() };
            api.parts.store.deliveries(query).await?
        }
        Err(_) => Vec::new(),
    };
    if found.is_empty() {
        return without_route(&api, &actor, &id, wanted.is_none()).await;
    }
    let live = api.parts.registry.live().clone();
    if let Some(name) = wanted.iter().flatten().find(|name| !found.iter().any(|one| one.route == **name)) {
        return Err(conflict(
            format!("这条消息没有发给过 {name}：只能重放给当时的路由"),
            format!("this message didn't go to {name}: it can go again only where it went"),
        ));
    }
    let is_wanted = |one: &&Delivery| wanted.as_ref().is_none_or(|names| names.contains(&one.route));
    let (ended, waiting): (Vec<&Delivery>, Vec<&Delivery>) =
        found.iter().filter(is_wanted).partition(|one| one.status != Status::Pending);
    if let Some(gone) = ended.iter().find(|one| live.routes.by_name(&one.route).is_none()) {
        let name = &gone.route;
        return Err(conflict(
            format!("路由 {name} 已经没有了：先建回来，或在 routes 里只写还有的"),
            format!("the route {name} is no more: make it again, or name in `routes` those that there are"),
        ));
    }
    let names = |all: &[&Delivery]| all.iter().map(|one| one.route.clone()).collect::<Vec<_>>();
    let (queued, waiting) = (names(&ended), names(&waiting));
    let now = api.parts.clock.now();
    let line =
        actor.line(now, "replay", format!("events/{id}"), Value::Null, json!({"routes": queued.clone()}));
    api.parts.store.keep_audit(line).await?;
    // For whoever reads a stream: once, to however many routes it goes.
    if let Some(first) = ended.first() {
        api.streams.replayed(vec![first.event_id]).await?;
    }
    for one in ended {
        // Somebody else may have done so at this moment.
        api.parts.store.replay(one.id, now).await?;
        if let Some(route) = live.routes.by_name(&one.route) {
            route.lane.try_now(api.parts.clock.ticks());
        }
    }
    Ok((StatusCode::ACCEPTED, axum::Json(json!({"queued": queued, "waiting": waiting}))).into_response())
}

/// A message that went by no route goes to whoever reads a stream, if it is meant for all.
async fn without_route(api: &Api, actor: &Actor, id: &str, for_all: bool) -> Result<Response, Refusal> {
    let number = id.parse().ok().filter(|_| for_all);
    let found = match number {
        Some(number) => api.parts.store.stream_event(number).await?,
        None => None,
    };
    let Some(event) = found else {
        let words = Words::new(
            format!("编号为 {id} 的消息没有投递过：没有这条消息，或当时没有路由要它"),
            format!("the message {id} was delivered to nobody: there is none, or no route took it"),
        );
        return Err(Refusal(StatusCode::NOT_FOUND, words));
    };
    let now = api.parts.clock.now();
    let line = actor.line(now, "replay", format!("events/{id}"), Value::Null, json!({"routes": []}));
    api.parts.store.keep_audit(line).await?;
    api.streams.replayed(vec![event.claimed.event_id]).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(json!({"queued": [], "waiting": []}))).into_response())
}

fn conflict(zh: String, en: String) -> Refusal {
    Refusal(StatusCode::CONFLICT, Words::new(zh, en))
}

/// The routes that are named; `None`: all of them.
fn routes(members: &Map<String, Value>) -> Result<Option<Vec<String>>, Refusal> {
    if let Some(other) = members.keys().find(|key| *key != "routes") {
        return Err(unknown(other, &["routes"]));
    }
    let names = match members.get("routes") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(names)) if !names.is_empty() => names,
        Some(_) => return Err(no_names()),
    };
    let names = names.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
    names.map(Some).ok_or_else(no_names)
}

fn no_names() -> Refusal {
    bad(Words::fixed(
        "routes 应是路由名的数组，不写就是全部",
        "routes must be an array of routes' names; without it all of them are meant",
    ))
}
