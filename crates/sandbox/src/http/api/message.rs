//! Messages to users by templates: template and subscription messages.

use super::super::answer::Answer;
use super::super::call::{Call, text};
use super::{Row, check_kind};
use crate::push::{Push, Subscription};
use crate::refusal::{Refusal, refuse};
use crate::sign::sha256_hex;
use crate::world::quota::TEMPLATE_DAY;
use crate::world::{App, Kind, Message, Purpose, Template, World};
use serde_json::{Map, Value, json};
use wechat::catalog;

pub(super) const HANDLERS: &[Row] = &[
    (&catalog::TEMPLATE_SEND, template),
    (&catalog::TEMPLATE_LIST, templates),
    (&catalog::SUBSCRIBE_BIZSEND, bizsend),
    (&catalog::SUBSCRIBE_SEND, subscribe),
];

/// `touser`, who must be a user of this account.
pub(super) fn recipient<'a>(world: &World, appid: &str, body: &'a Value) -> Result<&'a str, Refusal> {
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
pub(super) fn check_linked(world: &World, appid: &str, body: &Value) -> Result<(), Refusal> {
    let opened = body.pointer("/miniprogram/appid").and_then(Value::as_str).unwrap_or_default();
    let is_linked = |app: &App| app.linked.iter().any(|linked| linked == opened);
    match world.apps.get(appid) {
        Some(app) if opened.is_empty() || is_linked(app) => Ok(()),
        _ => Err(refuse(40013)),
    }
}

/// What a tap on the message opens.
pub(super) fn opens(body: &Value) -> Value {
    let given = ["title", "url", "page", "miniprogram"].into_iter().filter_map(|name| {
        let value = body.get(name).filter(|value| value.is_object() || value.is_string())?;
        Some((name.to_owned(), value.clone()))
    });
    let given: Map<String, Value> = given.collect();
    if given.is_empty() { Value::Null } else { Value::Object(given) }
}

pub(super) fn template(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let openid = recipient(world, appid, &body)?;
    let template_id = text(&body, "template_id");
    if template_id.is_empty() {
        return Err(refuse(40036));
    }
    let template = world.templates.find(appid, template_id, Purpose::Message).ok_or(refuse(40037))?;
    let data = keywords(&body)?;
    template.check(Purpose::Message, data)?;
    if !world.users.of(appid, openid).is_some_and(|user| user.follows(appid)) {
        return Err(refuse(43004));
    }
    world.check_not_blocked(appid, openid)?;
    check_linked(world, appid, &body)?;
    let client_id = text(&body, "client_msg_id");
    // Nobody says how long it may be: a long one is remembered by its hash.
    let known_by = if client_id.len() > 64 { sha256_hex(client_id.as_bytes()) } else { client_id.to_owned() };
    let key = (appid.to_owned(), openid.to_owned(), known_by);
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
    let card = Message {
        appid: appid.to_owned(),
        path: catalog::TEMPLATE_SEND.path,
        touser: openid.to_owned(),
        template_id: template_id.to_owned(),
        data: Value::Object(data.clone()),
        msgid,
    };
    world.record_card(card, opens(&body));
    let finished = json!({"MsgID": msgid, "Status": "success"});
    let mut answer = sent(call, msgid);
    answer.pushes.push(Push::event(appid, openid, "TEMPLATESENDJOBFINISH", finished));
    Ok(answer)
}

/// A template as the list has it. Those of the category library are of no industry.
fn view(template: &Template) -> Value {
    let (first, second) =
        if template.tid.is_some() { ("", "") } else { ("IT科技", "互联网|电子商务") };
    json!({
        "template_id": template.id,
        "title": template.title,
        "primary_industry": first,
        "deputy_industry": second,
        "content": template.content,
        "example": template.example,
    })
}

pub(super) fn templates(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let templates = world.templates.of(appid).iter().filter(|template| template.is_for(Purpose::Message));
    let list: Vec<Value> = templates.map(view).collect();
    Ok(Answer::json(&call.path, json!({"template_list": list})))
}

pub(super) fn bizsend(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    subscription(world, call, appid, catalog::SUBSCRIBE_BIZSEND.path)
}

pub(super) fn subscribe(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Mini)?;
    let body = call.json()?;
    let page = text(&body, "page").split('?').next().unwrap_or_default();
    let is_published =
        world.apps.get(appid).is_some_and(|app| app.has_page(page.strip_prefix('/').unwrap_or(page)));
    if !page.is_empty() && !is_published {
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
    let template_id = text(&body, "template_id");
    let template = world.templates.find(appid, template_id, Purpose::Subscription).ok_or(refuse(40037))?;
    let data = keywords(&body)?;
    template.check(Purpose::Subscription, data)?;
    world.use_subscription(appid, openid, template_id)?;
    let msgid = world.next_msgid();
    let card = Message {
        appid: appid.to_owned(),
        path,
        touser: openid.to_owned(),
        template_id: template_id.to_owned(),
        data: Value::Object(data.clone()),
        msgid,
    };
    world.record_card(card, opens(&body));
    let mut answer = sent(call, msgid);
    if world.quirks.is("subscribe_msgid", "absent") {
        answer = Answer::json(&call.path, json!({"errcode": 0, "errmsg": "ok"}));
    }
    let finished =
        json!({"TemplateId": template_id, "MsgID": msgid, "ErrorCode": 0, "ErrorStatus": "success"});
    answer.pushes.push(Push::subscription(appid, openid, Subscription::Sent, vec![finished]));
    Ok(answer)
}
