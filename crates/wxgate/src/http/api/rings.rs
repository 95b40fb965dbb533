//! What went wrong lately: callbacks that were refused, calls that failed; and what became of an app's token.

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::HeaderMap;
use serde_json::{Value, json};

use super::{Api, PAGE, Refusal, limit, number, page, parameters, unknown};
use crate::http::wants_english;
use crate::lang::Words;
use crate::store::{Ring, RingQuery, RingRow};

impl Api {
    /// What this node gathered is there as well.
    pub(super) async fn ring(&self, query: RingQuery) -> Result<Vec<RingRow>, Refusal> {
        let Self { parts, .. } = self;
        parts.rings.flush(&parts.store).await?;
        Ok(parts.store.ring(query).await?)
    }

    async fn ring_page(
        &self,
        query: RingQuery,
        json: impl Fn(&RingRow) -> Value,
    ) -> Result<Response, Refusal> {
        let limit = query.limit;
        Ok(page(&self.ring(query).await?, limit, json, |row| row.id))
    }
}

/// `GET /refused`
pub(super) async fn refused(
    State(api): State<Api>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let mut query = RingQuery::newest(Ring::Refused, PAGE);
    for (name, value) in parameters(raw.as_deref().unwrap_or_default()) {
        match name.as_str() {
            "appid" => query.appid = Some(value),
            "ip" => query.who = Some(value),
            "cursor" => query.before = Some(number("cursor", &value)?),
            "limit" => query.limit = limit(&value)?,
            _ => return Err(unknown(&name, &["appid", "ip", "cursor", "limit"])),
        }
    }
    let english = wants_english(&headers);
    api.ring_page(query, |row| refused_json(row, english)).await
}

/// `GET /failures`
pub(super) async fn failures(State(api): State<Api>, RawQuery(raw): RawQuery) -> Result<Response, Refusal> {
    let mut query = RingQuery::newest(Ring::Failures, PAGE);
    for (name, value) in parameters(raw.as_deref().unwrap_or_default()) {
        match name.as_str() {
            "request_id" => query.request_id = Some(value),
            "errcode" => query.code = Some(number("errcode", &value)?),
            "appid" => query.appid = Some(value),
            "caller" => query.who = Some(value),
            "cursor" => query.before = Some(number("cursor", &value)?),
            "limit" => query.limit = limit(&value)?,
            _ => {
                let known = ["request_id", "errcode", "appid", "caller", "cursor", "limit"];
                return Err(unknown(&name, &known));
            }
        }
    }
    api.ring_page(query, failure_json).await
}

/// `GET /apps/{appid}/history`
pub(super) async fn history(
    State(api): State<Api>,
    Path(appid): Path<String>,
    RawQuery(raw): RawQuery,
) -> Result<Response, Refusal> {
    let mut query = RingQuery { appid: Some(appid), ..RingQuery::newest(Ring::History, PAGE) };
    for (name, value) in parameters(raw.as_deref().unwrap_or_default()) {
        match name.as_str() {
            "cursor" => query.before = Some(number("cursor", &value)?),
            "limit" => query.limit = limit(&value)?,
            _ => return Err(unknown(&name, &["cursor", "limit"])),
        }
    }
    api.ring_page(query, history_json).await
}

fn rest(row: &RingRow) -> Value {
    serde_json::from_str(&row.value).unwrap_or_default()
}

/// Null where it is "".
fn named(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

pub(super) fn refused_json(row: &RingRow, english: bool) -> Value {
    let rest = rest(row);
    let text = |name: &str| rest[name].as_str().unwrap_or_default().to_owned();
    let words = Words::new(text("zh"), text("en"));
    let [zh, en] = words.parts();
    let (reason, fix) = if english { en } else { zh };
    json!({
        "id": row.id, "at": row.at / 1000, "request_id": row.request_id, "appid": named(&row.appid), "ip": row.who,
        "mode": rest["mode"], "reason": reason, "fix": fix,
    })
}

pub(super) fn failure_json(row: &RingRow) -> Value {
    let rest = rest(row);
    json!({
        "id": row.id, "at": row.at / 1000, "request_id": row.request_id, "caller": named(&row.who),
        "appid": named(&row.appid), "api": rest["api"], "status": rest["status"], "errcode": row.code,
        "rid": rest["rid"], "ms": rest["ms"],
    })
}

fn history_json(row: &RingRow) -> Value {
    let rest = rest(row);
    json!({
        "at": row.at / 1000, "event": rest["event"], "errcode": Some(row.code).filter(|code| *code != 0),
        "ms": rest["ms"], "node": rest["node"],
    })
}
