//! What came in and what became of it.

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::{Value, json};
use wechat::message::Message;

use super::{
    Api, PAGE, Refusal, bad, limit, number, page, parameters, refused, routes, seconds, unknown, whole, wrong,
};
use crate::lang::Words;
use crate::store::{Attempt, DeadGroup, Delivery, DeliveryQuery, Event, EventQuery, GroupQuery, Status};

/// `GET /events`
pub(super) async fn events(State(api): State<Api>, RawQuery(raw): RawQuery) -> Result<Response, Refusal> {
    let mut query = EventQuery { limit: PAGE, ..EventQuery::default() };
    for (name, value) in parameters(raw.as_deref().unwrap_or_default()) {
        match name.as_str() {
            "appid" => query.appid = Some(value),
            "openid" => query.openid = Some(value),
            "event" => query.event = Some(value),
            "route" => query.route = Some(value),
            "status" => query.status = Some(status(&value)?),
            "from" => query.from = Some(seconds("from", &value)?),
            "to" => query.to = Some(seconds("to", &value)?),
            "cursor" => query.before = Some(number("cursor", &value)?),
            "limit" => query.limit = limit(&value)?,
            _ => {
                return Err(unknown(
                    &name,
                    &["appid", "openid", "event", "route", "status", "from", "to", "cursor", "limit"],
                ));
            }
        }
    }
    let limit = query.limit;
    let items = api.parts.store.events(query).await?;
    Ok(page(&items, limit, event_json, |event| event.id))
}

/// `GET /events/{id}`: one with its message.
pub(super) async fn event(State(api): State<Api>, Path(id): Path<String>) -> Result<Response, Refusal> {
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
    let message = Message::read(&body);
    item["why"] = routes::why(&api, &event.appid, &message).unwrap_or_default().into();
    item["message"] = message.into_value();
    item["raw"] = String::from_utf8_lossy(&body).into();
    Ok(axum::Json(item).into_response())
}

/// `GET /deliveries`
pub(super) async fn deliveries(State(api): State<Api>, RawQuery(raw): RawQuery) -> Result<Response, Refusal> {
    let mut query = DeliveryQuery { limit: PAGE, ..DeliveryQuery::default() };
    for (name, value) in parameters(raw.as_deref().unwrap_or_default()) {
        match name.as_str() {
            "route" => query.route = Some(value),
            "status" => query.status = Some(status(&value)?),
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

/// `GET /deliveries/groups`: dead letters by route and failure.
pub(super) async fn groups(State(api): State<Api>, RawQuery(raw): RawQuery) -> Result<Response, Refusal> {
    let mut query = GroupQuery::default();
    for (name, value) in parameters(raw.as_deref().unwrap_or_default()) {
        match name.as_str() {
            "status" if status(&value)? == Status::Dead => {}
            "status" => return Err(wrong("status", "只能是 dead", "must be dead")),
            "route" => query.route = Some(value),
            "from" => query.from = Some(seconds("from", &value)?),
            "to" => query.to = Some(seconds("to", &value)?),
            _ => return Err(unknown(&name, &["status", "route", "from", "to"])),
        }
    }
    let groups = api.parts.store.dead_groups(query).await?;
    let group = |group: &DeadGroup| {
        let DeadGroup { route, status, error, count, oldest, newest } = group;
        json!({
            "route": route, "status": status, "error": error, "count": count,
            "oldest": oldest / 1000, "newest": newest / 1000,
        })
    };
    Ok(whole(&groups.iter().map(group).collect::<Vec<_>>()))
}

fn status(value: &str) -> Result<Status, Refusal> {
    Status::parse(value).ok_or_else(|| {
        bad(Words::fixed(
            "参数 status 只能是 pending、delivered、dead",
            "parameter status must be one of pending, delivered, dead",
        ))
    })
}

/// As lists and live pages show it.
pub(super) fn event_json(event: &Event) -> Value {
    json!({
        "id": event.id,
        "appid": event.appid,
        "openid": event.openid,
        "msg_type": event.msg_type,
        "event": event.event,
        "scene": event.scene,
        "received_at": event.received_at / 1000,
        "received_ms": event.received_at,
        "request_id": event.came.request_id,
        "mode": event.came.mode,
        "crypt": event.came.key,
        "deliveries": event.deliveries.iter().map(delivery_json).collect::<Vec<_>>(),
    })
}

fn delivery_json(delivery: &Delivery) -> Value {
    let attempt = |attempt: &Attempt| {
        let Attempt { at, status, ms, error, answer } = attempt;
        let mut shown = json!({"at": at / 1000, "status": status, "ms": ms, "error": error});
        if !answer.is_empty() {
            shown["answer"] = String::from_utf8_lossy(answer).into();
        }
        shown
    };
    json!({
        "id": delivery.id,
        "event_id": delivery.event_id,
        "route": delivery.route,
        "status": delivery.status,
        "attempts": delivery.attempts.iter().map(attempt).collect::<Vec<_>>(),
        "next_at": delivery.next_at.map(|at| at / 1000),
    })
}
