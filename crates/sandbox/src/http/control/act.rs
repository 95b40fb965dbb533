//! Control calls by which a user does something, and WeChat tells the account.

use super::set::check_subscription;
use super::{Done, Reply, Wrong, members};
use crate::Shared;
use crate::push::{self, Push, Subscription};
use crate::world::{Kind, PushRecord, World};
use axum::body::Bytes;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What a user did stands in the chat, and the account is told; as [`tell`].
pub(super) async fn push(shared: &Arc<Shared>, push: Push) -> Reply {
    send(shared, push, true).await
}

/// Sends a push to its end, even if whoever asked has gone, and answers with what came of it.
pub(super) async fn tell(shared: &Arc<Shared>, push: Push) -> Reply {
    send(shared, push, false).await
}

async fn send(shared: &Arc<Shared>, mut push: Push, is_act: bool) -> Reply {
    let sender = shared.clone();
    let life = {
        let mut world = shared.world();
        push.chance = world.random.fork();
        world.life.clone()
    };
    let work = async move {
        let stop = sender.stop.clone();
        let sent = async {
            if is_act { push::act(&sender, push).await } else { push::deliver(&sender, push).await }
        };
        stop.run_until_cancelled(life.run_until_cancelled(sent)).await.flatten().flatten()
    };
    let sent = shared.tasks.spawn(work).await.ok().flatten();
    Ok(Done(json!({"pushes": sent.iter().map(PushRecord::told).collect::<Vec<_>>()})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scan {
    ticket: String,
    openid: String,
}

pub(super) async fn scan(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    let asked: Scan = members(&body)?;
    let scanned = {
        let mut world = shared.world();
        let code = world.qr.by_ticket.get(&asked.ticket).cloned();
        let code = code.ok_or_else(|| Wrong("ticket: there is no such code".to_owned()))?;
        if code.expires.is_some_and(|at| world.now >= at) {
            return Err(Wrong("ticket: the code has expired".to_owned()));
        }
        world.user_of(&code.appid, &asked.openid)?;
        let news = world.follow(&code.appid, &asked.openid, &Some(code.scene.clone()));
        world.user_did(&code.appid, &asked.openid, Some("SCAN"));
        Push::scan(&code.appid, &asked.openid, news, &code.scene, &code.ticket)
    };
    push(&shared, scanned).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    appid: String,
    openid: String,
    text: String,
}

pub(super) async fn message(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    let asked: Said = members(&body)?;
    let said = {
        let mut world = shared.world();
        world.user_of(&asked.appid, &asked.openid)?;
        world.user_did(&asked.appid, &asked.openid, None);
        let msgid = world.next_msgid();
        Push::text(&asked.appid, &asked.openid, &asked.text, msgid)
    };
    push(&shared, said).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Happened {
    appid: String,
    openid: String,
    event: String,
    #[serde(default)]
    key: String,
    /// Of what the user says about subscription messages.
    #[serde(default)]
    list: Vec<Decided>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decided {
    template_id: String,
    status: Status,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Accept,
    Reject,
}

pub(super) async fn event(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    let asked: Happened = members(&body)?;
    if asked.event.is_empty() {
        return Err(Wrong("event must not be empty".to_owned()));
    }
    let happened = {
        let mut world = shared.world();
        world.user_of(&asked.appid, &asked.openid)?;
        world.user_did(&asked.appid, &asked.openid, Some(&asked.event));
        about(&mut world, &asked)?
    };
    push(&shared, happened).await
}

/// What the account is told of it.
fn about(world: &mut World, asked: &Happened) -> Result<Push, Wrong> {
    let Happened { appid, openid, event, key, list } = asked;
    if !list.is_empty() {
        let kind = Subscription::of(event).filter(|kind| !matches!(kind, Subscription::Sent));
        let kind = kind.ok_or_else(|| Wrong(format!("list: {event} has none")))?;
        return answered(world, asked, kind);
    }
    // Who enters a session comes from somewhere instead of choosing something.
    let name = if event == "user_enter_tempsession" { "SessionFrom" } else { "EventKey" };
    Ok(Push::event(appid, openid, event, json!({name: key})))
}

/// The user says yes or no to messages of some templates; a no in the settings ends what was allowed before.
fn answered(world: &mut World, asked: &Happened, kind: Subscription) -> Result<Push, Wrong> {
    let Happened { appid, openid, list, .. } = asked;
    for one in list {
        check_subscription(world, appid, &one.template_id)?;
    }
    // Where it was asked: in a mini program, or on a web page.
    let scene = if world.app(appid)?.kind == Kind::Mini { 0 } else { 1 };
    let items = list.iter().map(|Decided { template_id, status }| {
        let mut item = json!({"TemplateId": template_id, "SubscribeStatusString": status});
        match (kind, status) {
            (Subscription::Popup, Status::Accept) => {
                world.allow_subscription(appid, openid, template_id, 1);
            }
            (Subscription::Change, Status::Reject) => world.end_subscription(appid, openid, template_id),
            _ => {}
        }
        if matches!(kind, Subscription::Popup) {
            item["PopupScene"] = scene.into();
        }
        item
    });
    let items = items.collect();
    Ok(Push::subscription(appid, openid, kind, items))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Left {
    appid: String,
    openid: String,
}

pub(super) async fn unfollow(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    let asked: Left = members(&body)?;
    {
        let mut world = shared.world();
        world.user_of(&asked.appid, &asked.openid)?;
        world.user_did(&asked.appid, &asked.openid, Some("unsubscribe"));
    }
    let key = json!({"EventKey": ""});
    push(&shared, Push::event(&asked.appid, &asked.openid, "unsubscribe", key)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    appid: String,
    openid: String,
    message: Map<String, Value>,
}

/// Any message at all, every member as given.
pub(super) async fn any(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    let asked: Sent = members(&body)?;
    check_message(&asked.message)?;
    {
        let mut world = shared.world();
        world.user_of(&asked.appid, &asked.openid)?;
        let text = |name: &str| asked.message.get(name).and_then(Value::as_str);
        let event = (text("MsgType") == Some("event")).then(|| text("Event").unwrap_or_default());
        world.user_did(&asked.appid, &asked.openid, event);
    }
    push(&shared, Push::new(&asked.appid, &asked.openid, asked.message)).await
}

/// A message must have a type, and names that XML can have.
pub(super) fn check_message(message: &Map<String, Value>) -> Result<(), Wrong> {
    if !message.get("MsgType").is_some_and(Value::is_string) {
        return Err(Wrong("message.MsgType must be a text".to_owned()));
    }
    match wrong_name(message) {
        Some(name) => Err(Wrong(format!("message: {name:?} can't be an element's name"))),
        None => Ok(()),
    }
}

/// A member's name that would break the XML.
fn wrong_name(members: &Map<String, Value>) -> Option<&str> {
    let fits = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
    };
    members.iter().find_map(|(name, value)| match value {
        _ if !fits(name) => Some(name.as_str()),
        Value::Object(inner) => wrong_name(inner),
        Value::Array(list) => list.iter().filter_map(Value::as_object).find_map(wrong_name),
        _ => None,
    })
}
