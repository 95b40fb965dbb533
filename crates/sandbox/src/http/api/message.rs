//! Messages to users: template, subscription, customer service.

use super::super::answer::Answer;
use super::super::call::{Call, text};
use super::Row;
use crate::push::Push;
use crate::refusal::{Refusal, refuse, refuse_with};
use crate::world::quota::{CUSTOM_DAY, TEMPLATE_DAY};
use crate::world::{App, Kind, Message, TEMPLATE, World, check_values};
use serde_json::{Map, Value, json};
use wechat::catalog;

pub(super) const HANDLERS: &[Row] = &[
    (&catalog::TEMPLATE_SEND, template),
    (&catalog::TEMPLATE_LIST, templates),
    (&catalog::SUBSCRIBE_BIZSEND, bizsend),
    (&catalog::SUBSCRIBE_SEND, subscribe),
    (&catalog::CUSTOM_SEND, custom),
    (&catalog::CUSTOM_TYPING, typing),
];

/// The page every mini program has.
pub(super) const PAGE: &str = "pages/index/index";

pub(super) fn check_kind(world: &World, appid: &str, kind: Kind) -> Result<(), Refusal> {
    match world.apps.get(appid) {
        Some(app) if app.kind == kind => Ok(()),
        _ => Err(refuse(48001)),
    }
}

/// `touser`, who must be a user of this account.
fn recipient<'a>(world: &World, appid: &str, body: &'a Value) -> Result<&'a str, Refusal> {
    let openid = text(body, "touser");
    if openid.is_empty() {
        return Err(refuse(41009));
    }
    world.users.of(appid, openid).ok_or(refuse(40003))?;
    Ok(openid)
}

fn keywords(body: &Value) -> Result<&Map<String, Value>, Refusal> {
    body.get("data").and_then(Value::as_object).ok_or(refuse(47001))
}

fn sent(call: &Call, msgid: u64) -> Answer {
    Answer::json(&call.path, json!({"errcode": 0, "errmsg": "ok", "msgid": msgid}))
}

/// The mini program that a message opens must be one of the account's.
fn check_linked(world: &World, appid: &str, body: &Value) -> Result<(), Refusal> {
    let opened = body.pointer("/miniprogram/appid").and_then(Value::as_str).unwrap_or_default();
    let is_linked = |app: &App| app.linked.iter().any(|linked| linked == opened);
    match world.apps.get(appid) {
        Some(app) if opened.is_empty() || is_linked(app) => Ok(()),
        _ => Err(refuse(40013)),
    }
}

pub(super) fn template(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let openid = recipient(world, appid, &body)?;
    if text(&body, "template_id") != TEMPLATE {
        return Err(refuse(40037));
    }
    let data = keywords(&body)?;
    for (name, member) in data {
        let member = member.as_object().ok_or(refuse(47001))?;
        if member.get("value").is_none_or(Value::is_null) {
            return Err(refuse_with(47003, format!("argument invalid! data.{name}.value is empty")));
        }
    }
    if !world.users.of(appid, openid).is_some_and(|user| user.follows(appid)) {
        return Err(refuse(43004));
    }
    check_linked(world, appid, &body)?;
    let client_id = text(&body, "client_msg_id");
    let key = (appid.to_owned(), openid.to_owned(), client_id.to_owned());
    if !client_id.is_empty()
        && let Some(msgid) = world.sent_as(&key)
    {
        return Ok(sent(call, msgid));
    }
    let now = world.now;
    world.quotas.take(appid, TEMPLATE_DAY, now)?;
    let msgid = world.next_msgid();
    if !client_id.is_empty() {
        world.remember_client_id(key, msgid);
    }
    world.record_message(Message {
        appid: appid.to_owned(),
        path: catalog::TEMPLATE_SEND.path,
        touser: openid.to_owned(),
        template_id: TEMPLATE.to_owned(),
        data: Value::Object(data.clone()),
        msgid,
    });
    let finished = json!({"MsgID": msgid, "Status": "success"});
    let mut answer = sent(call, msgid);
    answer.pushes.push(Push::event(appid, openid, "TEMPLATESENDJOBFINISH", finished));
    Ok(answer)
}

pub(super) fn templates(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let template = json!({
        "template_id": TEMPLATE,
        "title": "沙箱通知",
        "primary_industry": "IT科技",
        "deputy_industry": "互联网|电子商务",
        "content": "{{keyword1.DATA}}\n{{keyword2.DATA}}",
        "example": "",
    });
    Ok(Answer::json(&call.path, json!({"template_list": [template]})))
}

pub(super) fn bizsend(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    subscription(world, call, appid, catalog::SUBSCRIBE_BIZSEND.path)
}

pub(super) fn subscribe(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Mini)?;
    let body = call.json()?;
    let page = text(&body, "page").split('?').next().unwrap_or_default();
    if !["", PAGE].contains(&page) {
        return Err(refuse(41030));
    }
    let states = ["", "developer", "trial", "formal"];
    let languages = ["", "zh_CN", "en_US", "zh_HK", "zh_TW"];
    if !states.contains(&text(&body, "miniprogram_state")) || !languages.contains(&text(&body, "lang")) {
        return Err(refuse(40097));
    }
    subscription(world, call, appid, catalog::SUBSCRIBE_SEND.path)
}

fn subscription(world: &mut World, call: &Call, appid: &str, path: &'static str) -> Result<Answer, Refusal> {
    let body = call.json()?;
    let openid = recipient(world, appid, &body)?;
    if text(&body, "template_id") != TEMPLATE {
        return Err(refuse(40037));
    }
    let data = keywords(&body)?;
    check_values(data)?;
    world.use_subscription(appid, openid, TEMPLATE)?;
    let msgid = world.next_msgid();
    world.record_message(Message {
        appid: appid.to_owned(),
        path,
        touser: openid.to_owned(),
        template_id: TEMPLATE.to_owned(),
        data: Value::Object(data.clone()),
        msgid,
    });
    Ok(sent(call, msgid))
}

pub(super) fn custom(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let body = call.json()?;
    let openid = recipient(world, appid, &body)?;
    let kind = text(&body, "msgtype");
    let known = [
        "text",
        "image",
        "voice",
        "video",
        "music",
        "news",
        "mpnewsarticle",
        "msgmenu",
        "wxcard",
        "miniprogrampage",
        "link",
    ];
    if !known.contains(&kind) {
        return Err(refuse(40008));
    }
    if !body.get(kind).is_some_and(Value::is_object) {
        return Err(refuse(47001));
    }
    let now = world.now;
    world.quotas.take(appid, CUSTOM_DAY, now)?;
    world.use_custom(appid, openid)?;
    let msgid = world.next_msgid();
    world.record_message(Message {
        appid: appid.to_owned(),
        path: catalog::CUSTOM_SEND.path,
        touser: openid.to_owned(),
        template_id: String::new(),
        data: body.clone(),
        msgid,
    });
    Ok(Answer::json(&call.path, json!({"errcode": 0, "errmsg": "ok"})))
}

pub(super) fn typing(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let body = call.json()?;
    recipient(world, appid, &body)?;
    if !["Typing", "CancelTyping"].contains(&text(&body, "command")) {
        return Err(refuse(45072));
    }
    Ok(Answer::json(&call.path, json!({"errcode": 0, "errmsg": "ok"})))
}
