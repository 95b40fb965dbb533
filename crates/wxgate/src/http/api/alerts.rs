//! What is amiss, and who is told of it.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::header::IF_MATCH;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use super::changes::{not_an_object, read};
use super::{Api, PAGE, Refusal, limit, parameters, unknown, whole, wrong};
use crate::alerts::{Channel, shown};
use crate::http::wants_english;
use crate::lang::{Words, say};
use crate::people::Actor;
use crate::problems::Problem;
use crate::store::{Document, DocumentChange, Shelf};
use crate::stored;

/// Somebody may want silence for so long at most: seconds.
const LONGEST_SILENCE: i64 = 30 * 86_400;
/// Channels there may be.
const MOST: usize = 50;

fn with(problem: &Problem, muted_until: i64, node: i32, english: bool) -> Value {
    let mut item = problem.json(english);
    item["muted_until"] = json!(Some(muted_until / 1000).filter(|at| *at > 0));
    item["node"] = node.into();
    item
}

impl Api {
    /// What is amiss on any node, the worst first.
    pub(super) async fn problems(&self, english: bool) -> Result<Vec<Value>, Refusal> {
        let now = self.parts.clock.now();
        let muted = |until: i64| if until > now { until } else { 0 };
        let open = self.alerts.now().await?;
        Ok(open.iter().map(|(problem, until, node)| with(problem, muted(*until), *node, english)).collect())
    }
}

/// `GET /alerts`
pub(super) async fn list(
    State(api): State<Api>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (mut before, mut most) = (None, PAGE);
    for (name, value) in parameters(raw.as_deref().unwrap_or_default()) {
        match name.as_str() {
            "cursor" => before = Some(cursor(&value)?),
            "limit" => most = limit(&value)?,
            _ => return Err(unknown(&name, &["cursor", "limit"])),
        }
    }
    let english = wants_english(&headers);
    let now = api.problems(english).await?;
    let past = api.alerts.past(before, most).await?;
    let next = past
        .last()
        .filter(|_| past.len() == most as usize)
        .map(|(_, row)| format!("{}.{}.{}", row.ended_at.unwrap_or_default(), row.node, row.id));
    let items: Vec<Value> = past.iter().map(|(problem, row)| with(problem, 0, row.node, english)).collect();
    Ok(axum::Json(json!({"now": now, "items": items, "next": next})).into_response())
}

/// When it ended, by which node, which.
fn cursor(text: &str) -> Result<(i64, i32, String), Refusal> {
    let mut parts = text.splitn(3, '.');
    let mut next = || parts.next().unwrap_or_default();
    let (at, node, id) = (next().parse().ok(), next().parse().ok(), next().to_owned());
    at.zip(node)
        .map(|(at, node)| (at, node, id))
        .ok_or_else(|| wrong("cursor", "应是上一页的 next", "must be the next of the page before"))
}

/// `POST /alerts/{id}/mute`
pub(super) async fn mute(
    State(api): State<Api>,
    Path(id): Path<String>,
    Extension(actor): Extension<Actor>,
    body: Body,
) -> Result<Response, Refusal> {
    let asked = read(body).await?;
    let seconds = asked["seconds"].as_i64().filter(|seconds| (0..=LONGEST_SILENCE).contains(seconds));
    let seconds = seconds.ok_or_else(|| {
        let most = LONGEST_SILENCE;
        wrong("seconds", &format!("应在 0 到 {most} 之间"), &format!("must be between 0 and {most}"))
    })?;
    let (now, id) = (api.parts.clock.now(), id.replace('\0', "\u{fffd}"));
    let until = if seconds == 0 { 0 } else { now + seconds * 1000 };
    // What this node has just seen may be muted.
    api.alerts.now().await?;
    // First: what isn't in the book isn't done.
    let line = actor.line(now, "mute", format!("alerts/{id}"), Value::Null, json!({"seconds": seconds}));
    api.parts.store.keep_audit(line).await?;
    if !api.parts.store.mute_alert(&id, until).await? {
        let words = Words::new(
            format!("没有 {id} 这个问题，或已恢复"),
            format!("there is no problem {id}, or it is over"),
        );
        return Err(Refusal(StatusCode::NOT_FOUND, words));
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

impl Api {
    fn channel_documents(&self) -> Vec<Document> {
        let all = self.parts.registry.documents.load();
        all.iter().filter(|one| one.shelf == Shelf::Channels).cloned().collect()
    }

    fn channel_document(&self, name: &str) -> Result<Document, Refusal> {
        let found = self.channel_documents().into_iter().find(|one| one.name == name);
        found.ok_or_else(|| {
            let words = Words::new(format!("没有通道 {name}"), format!("there is no channel {name}"));
            Refusal(StatusCode::NOT_FOUND, words)
        })
    }

    fn channel_json(&self, document: &Document, english: bool) -> Value {
        let mut item = shown(&document.members);
        let last = self.alerts.last(&document.name);
        item["revision"] = document.revision.into();
        item["last_at"] = json!(last.as_ref().map(|(at, _)| at / 1000));
        item["last_error"] =
            json!(last.and_then(|(_, error)| error).map(|error| error.of(english).to_owned()));
        item
    }

    /// Stores a channel, or ends it.
    async fn keep_channel(
        &self,
        actor: &Actor,
        action: &str,
        had: Option<&Document>,
        (name, members): (&str, Option<Map<String, Value>>),
    ) -> Result<(), Refusal> {
        let before = had.map(|had| shown(&had.members)).unwrap_or_default();
        let after = members.as_ref().map(shown).unwrap_or_default();
        let line = actor.line(self.parts.clock.now(), action, format!("channels/{name}"), before, after);
        let expected = had.map_or(0, |had| had.revision);
        let change = DocumentChange { shelf: Shelf::Channels, name: name.to_owned(), expected, members };
        match stored::change_documents(&self.parts, vec![change], vec![line]).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(Refusal(
                StatusCode::CONFLICT,
                Words::fixed(
                    "已有同名的通道，或它刚被别人改过：重新读取再改",
                    "there is one of this name, or somebody has just changed it: read it again",
                ),
            )),
            Err(error) => {
                tracing::error!(%error, "{}", say("告警通道存不进数据库", "a channel can't be written to the database"));
                let words = Words::fixed("没有存下：原因见日志", "it isn't stored: the log says why");
                Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, words))
            }
        }
    }
}

fn judged(members: &Map<String, Value>) -> Result<Channel, Refusal> {
    Channel::read(members).map_err(|why| Refusal(StatusCode::UNPROCESSABLE_ENTITY, why))
}

/// `GET /channels`
pub(super) async fn channels(State(api): State<Api>, headers: HeaderMap) -> Response {
    let english = wants_english(&headers);
    let items: Vec<Value> =
        api.channel_documents().iter().map(|one| api.channel_json(one, english)).collect();
    whole(&items)
}

/// `POST /channels`
pub(super) async fn add_channel(
    State(api): State<Api>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let Value::Object(members) = read(body).await? else { return Err(not_an_object()) };
    let channel = judged(&members)?;
    if api.channel_documents().len() >= MOST {
        let words = Words::new(format!("最多 {MOST} 个通道"), format!("there may be {MOST} channels"));
        return Err(Refusal(StatusCode::CONFLICT, words));
    }
    api.keep_channel(&actor, "create", None, (&channel.name, Some(members))).await?;
    let made = api.channel_document(&channel.name)?;
    Ok((StatusCode::CREATED, axum::Json(api.channel_json(&made, wants_english(&headers)))).into_response())
}

/// `PATCH /channels/{name}`: the keys that are given; null takes a key away.
pub(super) async fn edit_channel(
    State(api): State<Api>,
    Path(name): Path<String>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let Value::Object(patch) = read(body).await? else { return Err(not_an_object()) };
    let had = as_expected(api.channel_document(&name)?, &headers)?;
    let mut members = had.members.clone();
    for (key, value) in patch {
        match value {
            Value::Null => drop(members.remove(&key)),
            value => drop(members.insert(key, value)),
        }
    }
    if *judged(&members)?.name != *name {
        let words = Words::fixed(
            "name 不能改：另建一个，再删掉这个",
            "name can't be changed: make another, then delete this one",
        );
        return Err(Refusal(StatusCode::UNPROCESSABLE_ENTITY, words));
    }
    api.keep_channel(&actor, "update", Some(&had), (&name, Some(members))).await?;
    let made = api.channel_document(&name)?;
    Ok(axum::Json(api.channel_json(&made, wants_english(&headers))).into_response())
}

/// `DELETE /channels/{name}`
pub(super) async fn end_channel(
    State(api): State<Api>,
    Path(name): Path<String>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let had = as_expected(api.channel_document(&name)?, &headers)?;
    api.keep_channel(&actor, "delete", Some(&had), (&name, None)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Unless somebody has changed it since it was read.
fn as_expected(had: Document, headers: &HeaderMap) -> Result<Document, Refusal> {
    let expected = headers.get(IF_MATCH).and_then(|value| value.to_str().ok());
    let is_it = |text: &str| text == "*" || text.trim_matches('"').parse() == Ok(had.revision);
    if expected.is_none_or(is_it) {
        return Ok(had);
    }
    let words = Words::fixed("它刚被别人改过：重新读取再改", "somebody has just changed it: read it again");
    Err(Refusal(StatusCode::PRECONDITION_FAILED, words))
}

/// `POST /channels/{name}/test`
pub(super) async fn test_channel(
    State(api): State<Api>,
    Path(name): Path<String>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let channel = judged(&api.channel_document(&name)?.members)?;
    let now = api.parts.clock.now();
    let line = actor.line(now, "test", format!("channels/{name}"), Value::Null, Value::Null);
    api.parts.store.keep_audit(line).await?;
    let sent = api.alerts.test(&channel).await;
    let error = sent.error.as_ref().map(|error| error.of(wants_english(&headers)));
    Ok(axum::Json(json!({"ok": error.is_none(), "status": sent.status, "error": error})).into_response())
}
