//! Customer-service messages, and the typing state.

use super::super::answer::Answer;
use super::super::call::{Call, text};
use super::message::recipient;
use super::{Row, kf, mass};
use crate::refusal::{Refusal, refuse};
use crate::world::quota::CUSTOM_DAY;
use crate::world::{Message, World};
use serde_json::{Value, json};
use wechat::catalog;

pub(super) const HANDLERS: &[Row] = &[(&catalog::CUSTOM_SEND, send), (&catalog::CUSTOM_TYPING, typing)];

const KINDS: [&str; 12] = [
    "text",
    "image",
    "voice",
    "video",
    "music",
    "news",
    "mpnews",
    "mpnewsarticle",
    "msgmenu",
    "wxcard",
    "miniprogrampage",
    "link",
];

/// What is wrong with a message is said before what the user did is used up.
fn send(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let body = call.json()?;
    let openid = recipient(world, appid, &body)?;
    let kind = text(&body, "msgtype");
    if !KINDS.contains(&kind) {
        return Err(refuse(40008));
    }
    let content = body.get(kind).filter(|content| content.is_object()).ok_or(refuse(47001))?;
    check_content(world, appid, kind, content)?;
    world.check_not_blocked(appid, openid)?;
    let worker = kf::sender(world, appid, &body)?;
    let now = world.now;
    world.quotas.take(appid, CUSTOM_DAY, now)?;
    world.use_custom(appid, openid)?;
    if let Some(worker) = worker {
        let said = content.get("content").and_then(Value::as_str);
        let said = said.map_or_else(|| format!("[{kind}]"), str::to_owned);
        world.record_talk(appid, openid, Some(worker), &said);
    }
    let mut data = body.clone();
    if kind == "mpnewsarticle"
        && let Some(published) = world.publication(appid, text(content, "article_id"))
    {
        // A chat shows it as an article.
        data["news"] = mass::shown(&published.items(false));
    }
    let msgid = world.next_msgid();
    world.record_message(Message {
        appid: appid.to_owned(),
        path: catalog::CUSTOM_SEND.path,
        touser: openid.to_owned(),
        template_id: String::new(),
        data,
        msgid,
    });
    Ok(Answer::json(&call.path, json!({"errcode": 0, "errmsg": "ok"})))
}

/// Longest text, in bytes.
const MAX_TEXT: usize = 2048;

fn check_content(world: &World, appid: &str, kind: &str, content: &Value) -> Result<(), Refusal> {
    let media = |name: &str| match world.has_media(appid, text(content, name)) {
        true => Ok(()),
        false => Err(refuse(40007)),
    };
    match kind {
        "text" => match text(content, "content").len() {
            0 => Err(refuse(44004)),
            1..=MAX_TEXT => Ok(()),
            _ => Err(refuse(45002)),
        },
        "image" | "voice" | "mpnews" => media("media_id"),
        "video" if text(content, "thumb_media_id").is_empty() => media("media_id"),
        "video" => media("media_id").and_then(|()| media("thumb_media_id")),
        "music" | "miniprogrampage" => media("thumb_media_id"),
        "news" => match content.get("articles").and_then(Value::as_array).map_or(0, Vec::len) {
            0 => Err(refuse(44003)),
            1 => Ok(()),
            _ => Err(refuse(45008)),
        },
        _ => Ok(()),
    }
}

fn typing(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let body = call.json()?;
    recipient(world, appid, &body)?;
    if !["Typing", "CancelTyping"].contains(&text(&body, "command")) {
        return Err(refuse(45072));
    }
    Ok(Answer::json(&call.path, json!({"errcode": 0, "errmsg": "ok"})))
}
