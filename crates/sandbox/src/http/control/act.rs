//! Control calls by which a user does something, and WeChat tells the account.

use super::{Done, Reply, Wrong, members};
use crate::Shared;
use crate::push::{self, Push};
use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Customer-service messages a text from the user allows, and how long.
pub(super) const AFTER_TEXT: (i64, u32) = (48 * 3600, 5);
/// Likewise a scan, a follow, a menu click.
pub(super) const AFTER_TOUCH: (i64, u32) = (60, 3);

/// Sends a push to its end, even if whoever asked has gone, and answers with what came of it.
pub(super) async fn push(shared: &Arc<Shared>, push: Push) -> Reply {
    let sender = shared.clone();
    let work = async move {
        let stop = sender.stop.clone();
        stop.run_until_cancelled(push::act(&sender, push)).await.flatten()
    };
    let sent = shared.tasks.spawn(work).await.ok().flatten();
    Ok(Done(json!({"pushes": sent.into_iter().collect::<Vec<_>>()})))
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
        let since = world.now_seconds();
        let scene = Some(code.scene.clone());
        let user = world.users.of_mut(&code.appid, &asked.openid);
        let news = user.is_some_and(|user| user.follow(&code.appid, since, &scene));
        world.allow_custom(&code.appid, &asked.openid, AFTER_TOUCH.0, AFTER_TOUCH.1);
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
        world.allow_custom(&asked.appid, &asked.openid, AFTER_TEXT.0, AFTER_TEXT.1);
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
}

pub(super) async fn event(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    let asked: Happened = members(&body)?;
    if asked.event.is_empty() {
        return Err(Wrong("event must not be empty".to_owned()));
    }
    {
        let mut world = shared.world();
        world.user_of(&asked.appid, &asked.openid)?;
        let since = world.now_seconds();
        let user = world.users.of_mut(&asked.appid, &asked.openid);
        match (asked.event.as_str(), user) {
            ("subscribe", Some(user)) => {
                user.follow(&asked.appid, since, &None);
            }
            ("unsubscribe", Some(user)) => {
                user.following.remove(&asked.appid);
            }
            _ => {}
        }
        if ["subscribe", "SCAN", "CLICK"].contains(&asked.event.as_str()) {
            world.allow_custom(&asked.appid, &asked.openid, AFTER_TOUCH.0, AFTER_TOUCH.1);
        }
    }
    let key = json!({"EventKey": asked.key});
    push(&shared, Push::event(&asked.appid, &asked.openid, &asked.event, key)).await
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
        if let Some(user) = world.users.of_mut(&asked.appid, &asked.openid) {
            user.following.remove(&asked.appid);
        }
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
    shared.world().user_of(&asked.appid, &asked.openid)?;
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
