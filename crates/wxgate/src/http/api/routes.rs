//! Routes: their order, which of them a message takes and why, and whether a backend takes one.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};
use wechat::message::Message;

use super::changes::{members_of, missing};
use super::{Api, Refusal, bad, unknown, whole};
use crate::delivery::sample::{Sample, What, message_kind};
use crate::entries::{EntryKind, Verdict, verdicts};
use crate::http::wants_english;
use crate::lang::Words;
use crate::people::Actor;
use crate::registry::App;
use crate::rules::filter::Subject;
use crate::store::{EntryChange, EventQuery};

/// Whose a message is that nobody sent.
const NOBODY: &str = "o-wxgate-route-test";

impl Api {
    /// Every route, in the order in which they are tried.
    pub(super) fn routes(&self, english: bool) -> Vec<Value> {
        let mut items = self.listed(EntryKind::Route, english);
        let live = self.parts.registry.live();
        for (position, item) in items.iter_mut().enumerate() {
            item["position"] = position.into();
            item["paused"] = (item["paused"] == true || item["paused"] == "true").into();
            let route = item["name"].as_str().and_then(|name| live.routes.by_name(name));
            let failing = route.and_then(|route| route.lane.failing());
            item["failing_since"] = failing.map(|failing| failing.since / 1000).into();
        }
        items
    }
}

fn unprocessable(zh: &'static str, en: &'static str) -> Refusal {
    Refusal(StatusCode::UNPROCESSABLE_ENTITY, Words::fixed(zh, en))
}

/// The text under a key, "" where there is none.
fn text<'a>(members: &'a Map<String, Value>, key: &str) -> Result<&'a str, Refusal> {
    match members.get(key) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(bad(Words::new(format!("{key} 应是字符串"), format!("{key} must be a string")))),
    }
}

fn known(members: &Map<String, Value>, keys: &[&str]) -> Result<(), Refusal> {
    match members.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(other) => Err(unknown(other, keys)),
        None => Ok(()),
    }
}

/// `PUT /routes/order`: those made at run time, in the order in which they are tried from now on, behind the file's.
pub(super) async fn order(
    api: &Api,
    actor: &Actor,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let members = members_of(body).await?;
    known(&members, &["names"])?;
    let names: Option<Vec<&str>> = members
        .get("names")
        .and_then(Value::as_array)
        .and_then(|names| names.iter().map(Value::as_str).collect());
    let mut stored = api.parts.registry.stored();
    stored.retain(|entry| entry.kind == EntryKind::Route);
    let before: Vec<&str> = stored.iter().map(|entry| &*entry.name).collect();
    let sorted = |names: &[&str]| {
        let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        names.sort_unstable();
        names
    };
    let Some(names) = names.filter(|names| sorted(names) == sorted(&before)) else {
        return Err(unprocessable(
            "names 应恰好是运行时加的全部路由的名字，各一次（配置文件里的排在它们前面，顺序以文件为准）",
            "names must be the names of all routes made at run time, each once (those of the file stand before them, in the file's order)",
        ));
    };
    if names != before {
        let line = api.line(actor, "order", "routes".to_owned(), json!(before), json!(names));
        let moved = (1..).zip(&names).filter_map(|(position, name)| {
            let had = stored.iter().find(|entry| entry.name == **name)?;
            let (name, members) = (had.name.clone(), Some(had.members.clone()));
            Some(EntryChange { kind: EntryKind::Route, name, expected: had.revision, position, members })
        });
        api.make(moved.collect(), vec![line]).await?;
    }
    let items = api.routes(wants_english(headers));
    Ok(whole(&items))
}

/// A message that is tried, and whose it is.
struct Tried {
    appid: String,
    message: Message,
}

/// `POST /routes/test`: how a message stands to every route. It goes nowhere.
pub(super) async fn test(api: &Api, body: Body) -> Result<Response, Refusal> {
    let members = members_of(body).await?;
    let Tried { appid, message } = match members.get("event_id") {
        Some(id) => {
            known(&members, &["event_id"])?;
            kept(api, id).await?
        }
        None => made(api, &members)?,
    };
    let items = why(api, &appid, &message).ok_or_else(|| missing(EntryKind::App, &appid))?;
    Ok(whole(&items))
}

/// How a message stands to every route as they are now; `None`: its account isn't configured.
pub(super) fn why(api: &Api, appid: &str, message: &Message) -> Option<Vec<Value>> {
    let live = api.parts.registry.live();
    let app = live.app(appid)?;
    let subject = Subject::of(message);
    let routes = live.routes.iter().map(|route| &route.entry);
    Some(verdicts(routes, appid, &app.entry.tags, &subject).iter().map(verdict_json).collect())
}

/// A message that came once.
async fn kept(api: &Api, id: &Value) -> Result<Tried, Refusal> {
    let number = id.as_i64().or_else(|| id.as_str()?.parse().ok());
    let id =
        number.ok_or_else(|| bad(Words::fixed("event_id 应是整数", "event_id must be a whole number")))?;
    let query = EventQuery { id: Some(id), limit: 1, ..EventQuery::default() };
    let found = api.parts.store.events(query).await?;
    match (found.into_iter().next(), api.parts.store.event_body(id).await?) {
        (Some(event), Some(body)) => Ok(Tried { appid: event.appid, message: Message::read(&body) }),
        _ => Err(Refusal(
            StatusCode::NOT_FOUND,
            Words::new(format!("没有编号为 {id} 的消息"), format!("there is no message {id}")),
        )),
    }
}

/// A message as WeChat would write it.
fn made(api: &Api, members: &Map<String, Value>) -> Result<Tried, Refusal> {
    known(members, &["appid", "kind", "event", "scene", "openid", "msg_type", "event_id"])?;
    let (appid, event) = (text(members, "appid")?, text(members, "event")?);
    let (kind, msg_type) = (text(members, "kind")?, text(members, "msg_type")?);
    let is_event = match kind {
        "" => !event.is_empty() || msg_type == "event",
        "event" => true,
        "message" => false,
        _ => return Err(bad(Words::fixed("kind 应是 event 或 message", "kind must be event or message"))),
    };
    let what = match (is_event, event, msg_type) {
        (true, "", _) => {
            return Err(unprocessable(
                "缺少 event：事件名，如 SCAN",
                "event is missing: its name, like SCAN",
            ));
        }
        (true, event, "" | "event") => What::Event(event, text(members, "scene")?),
        (false, "", "") => What::Message("text", "test"),
        (false, "", msg_type) => {
            let kind = message_kind(msg_type).ok_or_else(|| {
                unprocessable(
                    "msg_type 应是 text、image、voice、video、shortvideo、location、link 或 miniprogrampage",
                    "msg_type must be text, image, voice, video, shortvideo, location, link or miniprogrampage",
                )
            })?;
            What::Message(kind, "test")
        }
        _ => {
            return Err(unprocessable(
                "消息没有 event，事件没有 msg_type",
                "a message has no event, and an event no msg_type",
            ));
        }
    };
    let live = api.parts.registry.live();
    let app = live.app(appid).ok_or_else(|| missing(EntryKind::App, appid))?;
    let from = Some(text(members, "openid")?).filter(|openid| !openid.is_empty()).unwrap_or(NOBODY);
    let xml = sample(app, from, what, api.parts.clock.now())?;
    Ok(Tried { appid: appid.to_owned(), message: Message::read(xml.as_bytes()) })
}

fn sample(app: &App, from: &str, what: What<'_>, at: i64) -> Result<String, Refusal> {
    let to = Some(&*app.entry.original_id).filter(|id| !id.is_empty()).unwrap_or("gh_000000000000");
    let xml = Sample { to, from, what, at }.xml();
    xml.map_err(|_| unprocessable("这样的消息写不出来", "there can be no such message"))
}

fn verdict_json(verdict: &Verdict<'_>) -> Value {
    let Verdict { route, matched, why, stopped_by, replies } = verdict;
    let why: Vec<Value> = why
        .iter()
        .map(|one| {
            let wanted = route.shown.get(one.list).cloned().unwrap_or_else(|| json!([]));
            json!({"cond": one.list, "ok": one.holds, "given": one.given, "wanted": wanted})
        })
        .collect();
    json!({
        "route": route.name, "matched": matched, "why": why, "stopped_by": stopped_by, "reply": replies,
        "paused": route.paused,
    })
}

/// `POST /routes/{name}/probe`: a signed message that nobody sent, once, to see whether the backend takes it.
pub(super) async fn probe(
    State(api): State<Api>,
    Path(name): Path<String>,
    Extension(actor): Extension<Actor>,
    body: Body,
) -> Result<Response, Refusal> {
    let members = members_of(body).await?;
    known(&members, &["appid"])?;
    let live = api.parts.registry.live().clone();
    let route = live.routes.by_name(&name).ok_or_else(|| missing(EntryKind::Route, &name))?;
    let asked = text(&members, "appid")?;
    let takes = |app: &&std::sync::Arc<App>| {
        (asked.is_empty() || *app.appid == *asked)
            && route.entry.filter.takes_app(&app.appid, &app.entry.tags)
    };
    let app = live.apps().filter(takes).min_by(|a, b| a.appid.cmp(&b.appid)).ok_or_else(|| {
        Refusal(
            StatusCode::CONFLICT,
            Words::fixed(
                "没有账号的消息会走这条路由：检查它的 apps",
                "no account's messages take this route: look at its apps",
            ),
        )
    })?;
    let xml = sample(app, NOBODY, What::Message("text", "wxgate probe"), api.parts.clock.now())?;
    let (sent, ms) = api.deliveries.probe(route, &app.entry, xml).await;
    let ok = sent.error.is_empty();
    let answer = json!({
        "ok": ok, "status": Some(sent.status).filter(|status| *status != 0), "ms": ms,
        "error": Some(sent.error).filter(|error| !error.is_empty()),
    });
    let line = api.line(&actor, "probe", format!("routes/{name}"), Value::Null, answer.clone());
    api.parts.store.keep_audit(line).await?;
    Ok(axum::Json(answer).into_response())
}
