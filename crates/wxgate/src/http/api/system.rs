//! The process and its neighbours: what runs where, reading the configuration again, a copy of the database, and finding things.

use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Api, Refusal, parameters, unknown, whole, wrong};
use crate::entries::EntryKind;
use crate::http::wants_english;
use crate::lang::{Words, say};
use crate::net::Spooled;
use crate::people::Actor;
use crate::store::{EventQuery, StoreError};

/// Of each kind that a search finds.
const FOUND: usize = 8;

/// `GET /nodes`
pub(super) async fn nodes(State(api): State<Api>) -> Result<Response, Refusal> {
    let (store, own) = (&api.parts.store, api.parts.store.node());
    let mut items: Vec<Value> = store
        .nodes(api.parts.clock.now())
        .await?
        .into_iter()
        .map(|node| {
            json!({
                "id": node.id, "version": node.version, "address": node.address, "routes": node.routes.len(),
                "self": node.id == own,
            })
        })
        .collect();
    if items.is_empty() {
        let routes = api.parts.registry.live().routes.iter().count();
        items.push(json!({
            "id": own, "version": env!("CARGO_PKG_VERSION"), "address": "", "routes": routes, "self": true,
        }));
    }
    Ok(whole(&items))
}

/// `GET /settings`: what this process runs with.
pub(super) async fn settings(State(api): State<Api>) -> Response {
    let live = api.parts.registry.live();
    let hours = |time: std::time::Duration| time.as_secs() / 3600;
    let retention = &live.retention;
    axum::Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "node": api.parts.store.node(),
        "store": {"kind": api.parts.store.kind(), "place": api.parts.store.place()},
        "admin_url": api.site.admin_url(),
        "public_url": api.site.public_url(),
        "listen": api.site.listen(),
        "retention_hours": {"events": hours(retention.events), "dead_letters": hours(retention.dead_letters)},
    }))
    .into_response()
}

/// `POST /reload`: reads the files again, as `wxgate reload` does.
pub(super) async fn reload(
    State(api): State<Api>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let Some(reloaded) = api.reloads.ask().await else {
        return Err(Refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            Words::fixed(
                "这个进程没有配置文件可读（wxgate demo），或正忙：稍后再试",
                "this process has no file to read (wxgate demo), or is busy: try again later",
            ),
        ));
    };
    let said = reloaded.words.of(wants_english(&headers)).to_owned();
    if !reloaded.done {
        return Err(Refusal(StatusCode::UNPROCESSABLE_ENTITY, reloaded.words));
    }
    let after = json!({"said": said});
    let line = actor.line(api.parts.clock.now(), "reload", "config".to_owned(), Value::Null, after.clone());
    api.parts.store.keep_audit(line).await?;
    Ok(axum::Json(json!({"ok": true, "said": said})).into_response())
}

/// `POST /backup`: a copy of the database as one file. Secrets in it are sealed; the master key isn't in it.
pub(super) async fn backup(
    State(api): State<Api>,
    Extension(actor): Extension<Actor>,
) -> Result<Response, Refusal> {
    let now = api.parts.clock.now();
    let file = match api.parts.store.copy(api.run_dir.to_path_buf()).await {
        Ok(Some(file)) => file,
        Ok(None) => {
            return Err(Refusal(
                StatusCode::CONFLICT,
                Words::fixed(
                    "数据库是 PostgreSQL：用 pg_dump 备份它（见 docs/scale.md）",
                    "the database is PostgreSQL: pg_dump makes the copy (see docs/scale.en.md)",
                ),
            ));
        }
        Err(error @ StoreError::Unavailable(_)) => {
            tracing::error!(%error, "{}", say("备份没有做成", "no copy of the database was made"));
            let words = Words::fixed(
                "备份没有做成（store.run_dir 的磁盘放得下数据库吗？）：原因见日志",
                "no copy was made (is there room for the database in store.run_dir?): the log says why",
            );
            return Err(Refusal(StatusCode::INSUFFICIENT_STORAGE, words));
        }
        Err(error) => return Err(error.into()),
    };
    let line = actor.line(now, "backup", "store".to_owned(), Value::Null, Value::Null);
    api.parts.store.keep_audit(line).await?;
    let spooled = Spooled::of(file).map_err(|error| StoreError::Unavailable(error.to_string().into()))?;
    let mut response = Body::new(spooled.body(CancellationToken::new())).into_response();
    let head = response.headers_mut();
    head.insert(CONTENT_TYPE, HeaderValue::from_static("application/vnd.sqlite3"));
    let name = format!("attachment; filename=\"wxgate-{}.db\"", now / 1000);
    if let Ok(name) = HeaderValue::from_str(&name) {
        head.insert(CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// `GET /search?q=`: apps, callers, routes, a message, a user's messages, a request, an error code.
pub(super) async fn search(State(api): State<Api>, RawQuery(raw): RawQuery) -> Result<Response, Refusal> {
    let mut q = String::new();
    for (name, value) in parameters(raw.as_deref().unwrap_or_default()) {
        match name.as_str() {
            "q" if value.len() <= 200 => value.trim().clone_into(&mut q),
            "q" => return Err(wrong("q", "最长 200 字节", "has 200 bytes at most")),
            _ => return Err(unknown(&name, &["q"])),
        }
    }
    let mut items = Vec::new();
    if q.is_empty() {
        return Ok(whole(&items));
    }
    let wanted = q.to_lowercase();
    items.extend(api.listing(move |api| entries_with(api, &wanted)).await);
    if let Ok(number) = q.parse::<i64>() {
        let query = EventQuery { id: Some(number), limit: 1, ..EventQuery::default() };
        for event in api.parts.store.events(query).await? {
            let what = if event.event.is_empty() { &event.msg_type } else { &event.event };
            items.push(item("event", &q, what, &format!("/events/{number}")));
        }
        if wechat::errcode::lookup(number).is_some() {
            items.push(item("errcode", &q, "", &format!("/errors/{number}")));
        }
    }
    let is_word = q.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if is_word && q.starts_with("wxmsg_") {
        items.push(item("request", &q, "", &format!("/failures?request_id={q}")));
    } else if is_word && q.len() == 28 {
        items.push(item("openid", &q, "", &format!("/events?openid={q}")));
    }
    Ok(whole(&items))
}

fn item(kind: &str, title: &str, subtitle: &str, link: &str) -> Value {
    json!({"kind": kind, "title": title, "subtitle": subtitle, "link": link})
}

/// Apps, callers and routes that have this in a name, in small letters.
fn entries_with(api: &Api, wanted: &str) -> Vec<Value> {
    let mut items = Vec::new();
    for (kind, name) in [(EntryKind::App, "app"), (EntryKind::Caller, "caller"), (EntryKind::Route, "route")]
    {
        let all = api.listed(kind, false);
        let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
        let found = all.iter().filter_map(|one| {
            let (title, label) = (text(one, kind.key()), text(one, "name"));
            let has = [&title, &label].iter().any(|text| text.to_lowercase().contains(wanted));
            let subtitle = if label == title { "" } else { &label };
            has.then(|| item(name, &title, subtitle, &format!("/{}/{title}", kind.list())))
        });
        items.extend(found.take(FOUND));
    }
    items
}
