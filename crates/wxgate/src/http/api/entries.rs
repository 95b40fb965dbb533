//! Apps, callers and routes: what there is, from the file and from the store; what is made at run time is made, changed and
//! ended here, and lives on every node within two seconds.
//!
//! A list is told by its name, so that the three kinds share every call. A change names what it changes by `If-Match`, where
//! somebody might have changed it meanwhile.

use std::collections::HashMap;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{ALLOW, LOCATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::changes::{
    MOST, expected, found, in_a_file, missing, not_an_object, read, shown_line, target, with_revision,
};
use super::{
    Api, NO_SUCH_CALL, Refusal, figures, keys, limit, other_method, parameters, routes, trials, unknown,
    whole,
};
use crate::entries::{EntryKind, without_secrets};
use crate::http::wants_english;
use crate::lang::Words;
use crate::people::Actor;
use crate::store::EntryChange;

/// What the list of a path holds.
fn kind_of(list: &str) -> Result<EntryKind, Refusal> {
    let kind = EntryKind::ALL.into_iter().find(|kind| kind.list() == list);
    kind.ok_or(Refusal(StatusCode::NOT_FOUND, NO_SUCH_CALL))
}

impl Api {
    /// All of a kind with what is known of each.
    async fn all(&self, kind: EntryKind, english: bool) -> Vec<Value> {
        let windows = if kind == EntryKind::Caller { self.windows().await } else { None };
        self.listing(move |api| match kind {
            EntryKind::Caller => api.callers(english, &windows),
            EntryKind::Route => api.routes(english),
            EntryKind::App => {
                let mut items = api.listed(kind, english);
                items.iter_mut().for_each(|item| api.with_state(item, english));
                items
            }
        })
        .await
    }

    /// There may be thousands of entries: lists are made one at a time, on a thread of their own, so that no call waits for them.
    pub(super) async fn listing<T: Default + Send + 'static>(
        &self,
        list: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> T {
        let Ok(_turn) = self.lists.acquire().await else { return T::default() };
        let this = self.clone();
        self.parts.tasks.beside_requests(move || list(&this)).await.unwrap_or_default()
    }

    /// One of a kind as it is listed.
    async fn item(&self, kind: EntryKind, name: &str, english: bool) -> Option<Value> {
        self.all(kind, english).await.into_iter().find(|item| item[kind.key()] == *name)
    }
}

/// Which of a list are wanted.
#[derive(Debug, Default)]
struct Wanted {
    /// In a name, an AppID or a target, in small letters.
    q: String,
    tag: Option<String>,
    /// Of an account's token.
    state: Option<String>,
    /// Those after the one of this name.
    cursor: Option<String>,
    /// All, if it isn't said.
    limit: Option<usize>,
}

impl Wanted {
    fn parse(raw: &str, kind: EntryKind) -> Result<Self, Refusal> {
        const KNOWN: [&str; 5] = ["q", "limit", "cursor", "tag", "state"];
        let known = if kind == EntryKind::App { &KNOWN[..] } else { &KNOWN[..3] };
        let mut wanted = Self::default();
        for (name, value) in parameters(raw) {
            if !known.contains(&name.as_str()) {
                return Err(unknown(&name, known));
            }
            match name.as_str() {
                "q" => wanted.q = value.trim().to_lowercase(),
                "tag" => wanted.tag = Some(value),
                "state" => wanted.state = Some(value),
                "cursor" => wanted.cursor = Some(value),
                _ => wanted.limit = Some(limit(&value)? as usize),
            }
        }
        Ok(wanted)
    }

    fn takes(&self, kind: EntryKind, item: &Value) -> bool {
        let says = |key: &str| item[key].as_str().is_some_and(|text| text.to_lowercase().contains(&self.q));
        let has =
            |tag: &String| item["tags"].as_array().is_some_and(|tags| tags.iter().any(|one| *one == **tag));
        (self.q.is_empty() || [kind.key(), "name", "target"].into_iter().any(says))
            && self.tag.as_ref().is_none_or(has)
            && self.state.as_ref().is_none_or(|state| item["credential"]["state"] == **state)
    }

    /// Those that are wanted, and where the next page begins.
    fn of(&self, kind: EntryKind, items: Vec<Value>) -> (Vec<Value>, Option<String>) {
        let key = |item: &Value| item[kind.key()].as_str().unwrap_or_default().to_owned();
        let begin = match &self.cursor {
            Some(cursor) => {
                items.iter().position(|item| key(item) == *cursor).map_or(items.len(), |at| at + 1)
            }
            None => 0,
        };
        let mut items: Vec<Value> =
            items.into_iter().skip(begin).filter(|item| self.takes(kind, item)).collect();
        let most = self.limit.unwrap_or(usize::MAX);
        let next = items.get(most).and_then(|_| items.get(most - 1)).map(key);
        items.truncate(most);
        (items, next)
    }
}

/// `GET /{list}`
pub(super) async fn list(
    State(api): State<Api>,
    Path(list): Path<String>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let kind = kind_of(&list)?;
    let wanted = Wanted::parse(raw.as_deref().unwrap_or_default(), kind)?;
    let (mut items, next) = wanted.of(kind, api.all(kind, wants_english(&headers)).await);
    figures::add(&api.parts, kind, &mut items).await?;
    Ok(axum::Json(json!({"items": items, "next": next})).into_response())
}

/// `GET /{list}/{name}`
pub(super) async fn one(
    State(api): State<Api>,
    Path((list, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let kind = kind_of(&list)?;
    let mut item =
        api.item(kind, &name, wants_english(&headers)).await.ok_or_else(|| missing(kind, &name))?;
    if kind == EntryKind::App {
        api.with_callbacks(&mut item).await?;
    }
    figures::add(&api.parts, kind, std::slice::from_mut(&mut item)).await?;
    let revision = item["revision"].as_i64().unwrap_or_default();
    Ok(with_revision(StatusCode::OK, &item, revision))
}

/// `POST /{list}`: one, or an array of which all are made or none.
pub(super) async fn create(
    State(api): State<Api>,
    Path(list): Path<String>,
    Extension(actor): Extension<Actor>,
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
        book.push(api.line(&actor, "create", target(kind, &name), Value::Null, after));
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
        return Ok(keys::unkept((StatusCode::CREATED, whole(&items)).into_response()));
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
    Extension(actor): Extension<Actor>,
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
    let line = shown_line(&api, &actor, "update", &had, Some(&members));
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
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let kind = kind_of(&list)?;
    let had = found(&api, kind, &name)?;
    let line = shown_line(&api, &actor, "delete", &had, None);
    let expected = expected(&headers)?.unwrap_or(had.revision);
    let change = EntryChange { kind, name, expected, position: had.position, members: None };
    api.make(vec![change], vec![line]).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What is done to a list as a whole: `PUT /routes/order`, `POST /routes/test`, `POST /apps/check`. Entries may have such names.
pub(super) async fn act(
    State(api): State<Api>,
    Path((list, name)): Path<(String, String)>,
    Extension(actor): Extension<Actor>,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    kind_of(&list)?;
    match (method, &*list, &*name) {
        (Method::PUT, "routes", "order") => routes::order(&api, &actor, &headers, body).await,
        (Method::POST, "routes", "test") => routes::test(&api, body).await,
        (Method::POST, "apps", "check") => trials::try_new(&api, &headers, body).await,
        _ => {
            let mut response = other_method();
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET,HEAD,PATCH,DELETE"));
            Ok(response)
        }
    }
}
