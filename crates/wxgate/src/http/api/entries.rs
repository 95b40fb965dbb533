//! Apps, callers and routes: what there is, from the file and from the store; what is made at run time is made, changed and
//! ended here, and lives on every node within two seconds.
//!
//! A list is told by its name, so that the three kinds share every call. A change names what it changes by `If-Match`, where
//! somebody might have changed it meanwhile.

use std::collections::HashMap;

use axum::Extension;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{ALLOW, ETAG, IF_MATCH, LOCATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{Api, Client, NO_SUCH_CALL, Refusal, keys, other_method, routes, trials};
use crate::entries::{self, EntryKind, Origin, without_secrets};
use crate::http::wants_english;
use crate::lang::{Words, say};
use crate::store::{Audit, EntryChange, StoredEntry};
use crate::stored;

/// A body is no longer.
const LONGEST: usize = 1 << 20;
/// Entries in one request.
pub(super) const MOST: usize = 1_000;

/// What the list of a path holds.
fn kind_of(list: &str) -> Result<EntryKind, Refusal> {
    let kind = EntryKind::ALL.into_iter().find(|kind| kind.list() == list);
    kind.ok_or(Refusal(StatusCode::NOT_FOUND, NO_SUCH_CALL))
}

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
        let stored_as = |name: &str| stored.iter().find(|entry| entry.name == name);
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

    /// All of a kind with what is known of each.
    async fn all(&self, kind: EntryKind, english: bool) -> Vec<Value> {
        match kind {
            EntryKind::Caller => self.callers(english).await,
            EntryKind::Route => self.routes(english),
            EntryKind::App => self.listed(kind, english),
        }
    }

    /// One of a kind as it is listed.
    async fn item(&self, kind: EntryKind, name: &str, english: bool) -> Option<Value> {
        self.all(kind, english).await.into_iter().find(|item| item[kind.key()] == *name)
    }

    /// Judges what would be stored.
    pub(super) fn fits(&self, changes: &[EntryChange]) -> Result<(), Refusal> {
        let mut next = self.parts.registry.stored();
        for change in changes {
            next.retain(|entry| entry.kind != change.kind || entry.name != change.name);
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
        let is_new =
            |name: &str, kind| changes.iter().any(|change| change.kind == kind && change.name == name);
        match self.parts.registry.aside_of(&next).into_iter().find(|aside| is_new(&aside.name, aside.kind)) {
            Some(aside) => Err(Refusal(StatusCode::CONFLICT, aside.why)),
            None => Ok(()),
        }
    }

    /// Judges what would be stored, and stores it.
    pub(super) async fn make(&self, changes: Vec<EntryChange>, book: Vec<Audit>) -> Result<i64, Refusal> {
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
        client: Client,
        action: &str,
        target: String,
        before: Value,
        after: Value,
    ) -> Audit {
        Audit {
            id: 0,
            at: self.parts.clock.now(),
            actor: "token".to_owned(),
            role: "admin".to_owned(),
            ip: client.0.to_string(),
            action: action.to_owned(),
            target,
            before,
            after,
        }
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

fn in_a_file(place: &str) -> Refusal {
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

async fn read(body: Body) -> Result<Value, Refusal> {
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
    client: Client,
    action: &str,
    had: &StoredEntry,
    after: Option<&Map<String, Value>>,
) -> Audit {
    let shown = |members: &Map<String, Value>| Value::Object(without_secrets(members));
    let after = after.map_or(Value::Null, shown);
    api.line(client, action, target(had.kind, &had.name), shown(&had.members), after)
}

fn not_an_object() -> Refusal {
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

/// `GET /{list}`
pub(super) async fn list(
    State(api): State<Api>,
    Path(list): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let kind = kind_of(&list)?;
    let english = wants_english(&headers);
    let items = api.all(kind, english).await;
    Ok(axum::Json(json!({"items": items, "next": null})).into_response())
}

/// `GET /{list}/{name}`
pub(super) async fn one(
    State(api): State<Api>,
    Path((list, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let kind = kind_of(&list)?;
    let item = api.item(kind, &name, wants_english(&headers)).await.ok_or_else(|| missing(kind, &name))?;
    let revision = item["revision"].as_i64().unwrap_or_default();
    Ok(with_revision(StatusCode::OK, &item, revision))
}

/// `POST /{list}`: one, or an array of which all are made or none.
pub(super) async fn create(
    State(api): State<Api>,
    Path(list): Path<String>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let kind = kind_of(&list)?;
    let (wanted, is_list) = match read(body).await? {
        Value::Array(all) => (all, true),
        one => (vec![one], false),
    };
    if wanted.is_empty() || wanted.len() > MOST {
        let words = Words::new(format!("一次 1 到 {MOST} 个"), format!("1 to {MOST} at once"));
        return Err(Refusal(StatusCode::BAD_REQUEST, words));
    }
    let (mut changes, mut book, mut names) = (Vec::new(), Vec::new(), Vec::new());
    let mut given = HashMap::new();
    let in_files = api.in_files(kind);
    let last = api.parts.registry.stored().iter().map(|entry| entry.position).max().unwrap_or_default();
    for (position, one) in (last + 1..).zip(wanted) {
        let Value::Object(mut members) = one else { return Err(not_an_object()) };
        let name = members.get(kind.key()).and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(place) = in_files.get(&name) {
            return Err(in_a_file(place));
        }
        if kind == EntryKind::Caller {
            given.extend(keys::given(&mut members, &api.parts.random).map(|key| (name.clone(), key)));
        }
        let after = Value::Object(without_secrets(&members));
        book.push(api.line(client, "create", target(kind, &name), Value::Null, after));
        changes.push(EntryChange { kind, name: name.clone(), expected: 0, position, members: Some(members) });
        names.push(name);
    }
    let revision = api.make(changes, book).await?;
    // In the order they were sent in.
    let mut listed = api.all(kind, wants_english(&headers)).await;
    let made = |name: &String| {
        let at = listed.iter().position(|item| item[kind.key()] == **name)?;
        let mut item = listed.swap_remove(at);
        if let Some(key) = given.get(name) {
            // Here, and never again.
            item["key"] = key.as_str().into();
        }
        Some(item)
    };
    let items: Vec<Value> = names.iter().filter_map(made).collect();
    if is_list {
        let made = axum::Json(json!({"items": items, "next": null}));
        return Ok(keys::unkept((StatusCode::CREATED, made).into_response()));
    }
    let mut response =
        with_revision(StatusCode::CREATED, &items.into_iter().next().unwrap_or_default(), revision);
    if let Ok(place) = HeaderValue::from_str(&format!("/api/v1/{list}/{}", names[0])) {
        response.headers_mut().insert(LOCATION, place);
    }
    Ok(keys::unkept(response))
}

/// `PATCH /{list}/{name}`: the keys that are given; null takes a key away. A secret that isn't given stays.
pub(super) async fn update(
    State(api): State<Api>,
    Path((list, name)): Path<(String, String)>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let kind = kind_of(&list)?;
    let Value::Object(patch) = read(body).await? else { return Err(not_an_object()) };
    let had = found(&api, kind, &name)?;
    let mut members = had.members.clone();
    for (key, value) in patch {
        match value {
            Value::Null => drop(members.remove(&key)),
            value => drop(members.insert(key, value)),
        }
    }
    if members.get(kind.key()).and_then(Value::as_str) != Some(&name) {
        let key = kind.key();
        let words = Words::new(
            format!("{key} 不能改：另建一个，再删掉这个"),
            format!("{key} can't be changed: make another, then delete this one"),
        );
        return Err(Refusal(StatusCode::UNPROCESSABLE_ENTITY, words));
    }
    let line = shown_line(&api, client, "update", &had, Some(&members));
    let expected = expected(&headers)?.unwrap_or(had.revision);
    let change =
        EntryChange { kind, name: name.clone(), expected, position: had.position, members: Some(members) };
    let revision = api.make(vec![change], vec![line]).await?;
    let item = api.item(kind, &name, wants_english(&headers)).await.unwrap_or_default();
    Ok(with_revision(StatusCode::OK, &item, revision))
}

/// `DELETE /{list}/{name}`
pub(super) async fn end(
    State(api): State<Api>,
    Path((list, name)): Path<(String, String)>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let kind = kind_of(&list)?;
    let had = found(&api, kind, &name)?;
    let line = shown_line(&api, client, "delete", &had, None);
    let expected = expected(&headers)?.unwrap_or(had.revision);
    let change = EntryChange { kind, name, expected, position: had.position, members: None };
    api.make(vec![change], vec![line]).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What is stored under this name; what stands in a file is read-only.
pub(super) fn found(api: &Api, kind: EntryKind, name: &str) -> Result<StoredEntry, Refusal> {
    let refusal = || match api.in_files(kind).get(name) {
        Some(place) => in_a_file(place),
        None => missing(kind, name),
    };
    api.stored(kind, name).ok_or_else(refusal)
}

/// What is done to a list as a whole: `PUT /routes/order`, `POST /routes/test`, `POST /apps/check`. Entries may have such names.
pub(super) async fn act(
    State(api): State<Api>,
    Path((list, name)): Path<(String, String)>,
    Extension(client): Extension<Client>,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    kind_of(&list)?;
    match (method, &*list, &*name) {
        (Method::PUT, "routes", "order") => routes::order(&api, client, &headers, body).await,
        (Method::POST, "routes", "test") => routes::test(&api, body).await,
        (Method::POST, "apps", "check") => trials::try_new(&api, &headers, body).await,
        _ => {
            let mut response = other_method();
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET,HEAD,PATCH,DELETE"));
            Ok(response)
        }
    }
}
