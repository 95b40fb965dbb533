//! What calls about apps, callers and routes share: what there is, where it stands, and the one way in which it is changed.

use std::collections::{HashMap, HashSet};

use axum::body::{Body, to_bytes};
use axum::response::{IntoResponse as _, Response};
use http::header::{ETAG, IF_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, Value};

use super::masked::without_query;
use super::{Api, Refusal};
use crate::entries::{self, Aside, EntryKind, Origin, without_secrets};
use crate::lang::{Words, say};
use crate::people::Actor;
use crate::store::{Audit, EntryChange, StoredEntry};
use crate::stored;

/// A body is no longer.
const LONGEST: usize = 1 << 20;
/// Entries in one request.
pub(super) const MOST: usize = 1_000;

/// An entry for people: its keys without secrets, who set it up, and where.
struct Shown {
    name: String,
    members: Map<String, Value>,
    origin: Origin,
}

impl Api {
    /// Every entry of a kind that is in use, in order.
    fn shown(&self, kind: EntryKind) -> Vec<Shown> {
        let all = self.parts.registry.entries();
        let of = |name: String, members, origin| Shown { name, members, origin };
        match kind {
            EntryKind::App => all.apps.into_iter().map(|app| of(app.appid, app.shown, app.origin)).collect(),
            EntryKind::Caller => {
                all.callers.into_iter().map(|one| of(one.name, one.shown, one.origin)).collect()
            }
            EntryKind::Route => {
                all.routes.into_iter().map(|one| of(one.name, one.shown, one.origin)).collect()
            }
        }
    }

    /// All of a kind, those that aren't in use last.
    pub(super) fn listed(&self, kind: EntryKind, english: bool) -> Vec<Value> {
        let stored: Vec<StoredEntry> =
            self.parts.registry.stored().into_iter().filter(|entry| entry.kind == kind).collect();
        let by_name: HashMap<&str, &StoredEntry> =
            stored.iter().map(|entry| (entry.name.as_str(), entry)).collect();
        let stored_as = |name: &str| by_name.get(name).copied();
        let mut items: Vec<Value> = Vec::new();
        for Shown { name, members, origin } in self.shown(kind) {
            let mut item = Value::Object(members);
            match origin {
                Origin::File { file, place } => {
                    item["origin"] = "file".into();
                    item["file"] = format!("{file}:{place}").into();
                }
                _ => {
                    item["origin"] = "store".into();
                    item["revision"] = stored_as(&name).map_or(0, |entry| entry.revision).into();
                }
            }
            items.push(item);
        }
        for aside in self.parts.registry.aside().into_iter().filter(|aside| aside.kind == kind) {
            let Some(entry) = stored_as(&aside.name) else { continue };
            let mut item = Value::Object(without_secrets(&entry.members));
            item["origin"] = "store".into();
            item["revision"] = entry.revision.into();
            item["unused"] = aside.why.of(english).into();
            items.push(item);
        }
        items
    }

    fn stored(&self, kind: EntryKind, name: &str) -> Option<StoredEntry> {
        self.parts.registry.stored().into_iter().find(|entry| entry.kind == kind && entry.name == name)
    }

    /// Those that stand in files, each with where.
    pub(super) fn in_files(&self, kind: EntryKind) -> HashMap<String, String> {
        let place = |shown: Shown| match shown.origin {
            Origin::File { file, place } => Some((shown.name, format!("{file}:{place}"))),
            _ => None,
        };
        self.shown(kind).into_iter().filter_map(place).collect()
    }

    /// Judges what would be stored.
    pub(super) fn fits(&self, changes: &[EntryChange]) -> Result<(), Refusal> {
        let changed: HashSet<(EntryKind, &str)> =
            changes.iter().map(|change| (change.kind, change.name.as_str())).collect();
        let mut next = self.parts.registry.stored();
        next.retain(|entry| !changed.contains(&(entry.kind, entry.name.as_str())));
        for change in changes {
            if let Some(members) = &change.members {
                entries::judge(change.kind, members).map_err(|wrong| {
                    Refusal(StatusCode::UNPROCESSABLE_ENTITY, entries::in_a_line(&wrong.0))
                })?;
                next.push(StoredEntry {
                    kind: change.kind,
                    name: change.name.clone(),
                    revision: 0,
                    position: change.position,
                    members: members.clone(),
                    changed_at: 0,
                });
            }
        }
        let is_new = |aside: &Aside| changed.contains(&(aside.kind, aside.name.as_str()));
        match self.parts.registry.aside_of(&next).into_iter().find(is_new) {
            Some(aside) => Err(Refusal(StatusCode::CONFLICT, aside.why)),
            None => Ok(()),
        }
    }

    /// Judges what would be stored, and stores it.
    pub(super) async fn make(&self, changes: Vec<EntryChange>, book: Vec<Audit>) -> Result<i64, Refusal> {
        // One at a time: what fits now is what is stored.
        let _turn = self.making.lock().await;
        self.fits(&changes)?;
        match stored::change(&self.parts, changes, book).await {
            Ok(Some(revision)) => Ok(revision),
            Ok(None) => Err(Refusal(
                StatusCode::PRECONDITION_FAILED,
                Words::fixed(
                    "它刚被别人改过（或已经有了、已经没有了）：重新读取，再改",
                    "somebody has just changed, made or ended it: read it again, then change it",
                ),
            )),
            Err(error) => {
                tracing::error!(%error, "{}", say("管理接口写不进数据库", "the admin API can't write to the database"));
                let words = Words::fixed(
                    "没有存下：原因见日志，稍后再试",
                    "it isn't stored: the log says why, try again later",
                );
                Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, words))
            }
        }
    }

    pub(super) fn line(
        &self,
        actor: &Actor,
        action: &str,
        target: String,
        before: Value,
        after: Value,
    ) -> Audit {
        let kept = |mut entry: Value| {
            if let Some(Value::String(url)) = entry.get_mut("target") {
                *url = without_query(url);
            }
            entry
        };
        actor.line(self.parts.clock.now(), action, target, kept(before), kept(after))
    }
}

pub(super) fn target(kind: EntryKind, name: &str) -> String {
    format!("{}/{name}", kind.list())
}

pub(super) fn missing(kind: EntryKind, name: &str) -> Refusal {
    let list = kind.list();
    Refusal(
        StatusCode::NOT_FOUND,
        Words::new(format!("{list} 里没有 {name}"), format!("there is no {name} in {list}")),
    )
}

pub(super) fn in_a_file(place: &str) -> Refusal {
    Refusal(
        StatusCode::CONFLICT,
        Words::new(
            format!("它在配置文件里（{place}），这里只读：改文件后运行 wxgate reload"),
            format!(
                "it stands in a file ({place}) and is read-only here: change the file, then run wxgate reload"
            ),
        ),
    )
}

/// What is stored under this name; what stands in a file is read-only.
pub(super) fn found(api: &Api, kind: EntryKind, name: &str) -> Result<StoredEntry, Refusal> {
    let refusal = || match api.in_files(kind).get(name) {
        Some(place) => in_a_file(place),
        None => missing(kind, name),
    };
    api.stored(kind, name).ok_or_else(refusal)
}

pub(super) async fn read(body: Body) -> Result<Value, Refusal> {
    let bytes = to_bytes(body, LONGEST).await.map_err(|_| too_long())?;
    serde_json::from_slice(&bytes).map_err(|_| not_an_object())
}

fn too_long() -> Refusal {
    Refusal(StatusCode::PAYLOAD_TOO_LARGE, Words::fixed("请求体超过 1 MiB", "the body is over 1 MiB"))
}

/// The members of an object; of no body none.
pub(super) async fn members_of(body: Body) -> Result<Map<String, Value>, Refusal> {
    let bytes = to_bytes(body, LONGEST).await.map_err(|_| too_long())?;
    if bytes.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(&bytes).map_err(|_| not_an_object())
}

/// A line of the book about an entry that becomes `after`.
pub(super) fn shown_line(
    api: &Api,
    actor: &Actor,
    action: &str,
    had: &StoredEntry,
    after: Option<&Map<String, Value>>,
) -> Audit {
    let shown = |members: &Map<String, Value>| Value::Object(without_secrets(members));
    let after = after.map_or(Value::Null, shown);
    api.line(actor, action, target(had.kind, &had.name), shown(&had.members), after)
}

pub(super) fn not_an_object() -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, Words::fixed("请求体应是 JSON 对象", "the body must be a JSON object"))
}

pub(super) fn with_revision(status: StatusCode, item: &Value, revision: i64) -> Response {
    let mut response = (status, axum::Json(item)).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{revision}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// The revision that `If-Match` names; `None`: whichever there is.
pub(super) fn expected(headers: &HeaderMap) -> Result<Option<i64>, Refusal> {
    let Some(value) = headers.get(IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    if text == "*" {
        return Ok(None);
    }
    text.trim_matches('"').parse().map(Some).map_err(|_| {
        let words =
            Words::fixed("If-Match 应是读到它时的 ETag", "If-Match must be the ETag that it was read with");
        Refusal(StatusCode::BAD_REQUEST, words)
    })
}
