//! One-time subscription messages: a page on which the user allows one, and the message.

use super::super::answer::Answer;
use super::super::call::{Call, text};
use super::super::oauth;
use super::message::{check_linked, opens};
use super::tag::number;
use super::{Row, check_kind};
use crate::refusal::{Refusal, refuse, refuse_with};
use crate::world::{Kind, MAX_SCENE, Message, TEMPLATE, World};
use http::header;
use serde_json::{Value, json};
use wechat::catalog;

pub(super) const HANDLERS: &[Row] =
    &[(&catalog::SUBSCRIBE_MSG_PAGE, page), (&catalog::TEMPLATE_SUBSCRIBE, send)];

/// Longest title and text of a message, in characters.
const MAX_TITLE: usize = 15;
const MAX_TEXT: usize = 200;
/// Longest `reserved`.
const MAX_RESERVED: usize = 128;

fn page(world: &mut World, call: &Call, _: &str) -> Result<Answer, Refusal> {
    Ok(consent(world, call).unwrap_or_else(|error| oauth::error_page(call, error)))
}

fn consent(world: &mut World, call: &Call) -> Result<Answer, oauth::PageError> {
    let app = world.apps.get(call.param("appid")).filter(|app| app.kind == Kind::Official);
    let app = app.ok_or((40013, "invalid appid"))?;
    let appid = app.appid.clone();
    if call.param("action") != "get_confirm" {
        return Err((10002, "action must be get_confirm"));
    }
    let scene = call.param("scene").parse::<u32>().ok().filter(|scene| *scene <= MAX_SCENE);
    let scene = scene.ok_or((10002, "scene: 0 to 10000"))?;
    if call.param("template_id") != TEMPLATE {
        return Err((40037, "invalid template_id"));
    }
    let (back, reserved) = (call.param("redirect_url"), call.param("reserved"));
    if !oauth::may_return_to(app, back) {
        return Err((10003, "redirect_url 域名与后台配置不一致"));
    }
    if reserved.len() > MAX_RESERVED || !reserved.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err((10002, "reserved takes at most 128 letters and digits"));
    }
    let is_no = call.param("sandbox_consent") == "deny";
    let user = match call.param("sandbox_user") {
        "" if is_no => oauth::remembered(world, call).or_else(|| world.users.first()),
        "" => return Ok(ask(world, call, &appid)),
        name => world.users.find(name),
    };
    let user = user.ok_or((10002, "sandbox_user: there is no such user"))?;
    let (id, openid) = (user.id.clone(), user.openid(&appid).to_owned());
    if !is_no {
        world.allow_once(&appid, &openid, scene);
    }
    let to = oauth::with_query(
        back,
        &[
            ("openid", &openid),
            ("template_id", TEMPLATE),
            ("action", if is_no { "cancel" } else { "confirm" }),
            ("scene", call.param("scene")),
            ("reserved", reserved),
        ],
    );
    Ok(Answer::redirect(to).with_header(header::SET_COOKIE, &oauth::cookie(&id, &call.link("/mp"))))
}

fn ask(world: &World, call: &Call, appid: &str) -> Answer {
    let question = oauth::Question {
        about: ("一次性订阅", "One message"),
        wants: ("给你发送一条消息：", "It may send one message to:"),
        what: call.param("scene"),
    };
    oauth::ask(world, call, appid, &question)
}

fn send(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let openid = text(&body, "touser");
    if openid.is_empty() {
        return Err(refuse(41009));
    }
    world.users.of(appid, openid).ok_or(refuse(40003))?;
    if text(&body, "template_id") != TEMPLATE {
        return Err(refuse(40037));
    }
    let scene = number(&body, "scene")?;
    let title = text(&body, "title").chars().count();
    if !(1..=MAX_TITLE).contains(&title) {
        return Err(refuse(40062));
    }
    let content = body.pointer("/data/content/value").and_then(Value::as_str).unwrap_or_default();
    let is_empty = content.is_empty();
    if is_empty || content.chars().count() > MAX_TEXT {
        let what = if is_empty { "is empty" } else { "invalid" };
        return Err(refuse_with(47003, format!("argument invalid! data.content.value {what}")));
    }
    check_linked(world, appid, &body)?;
    world.check_not_blocked(appid, openid)?;
    world.check_once(appid, openid, scene)?;
    world.use_once(appid, openid, scene);
    let msgid = world.next_msgid();
    let card = Message {
        appid: appid.to_owned(),
        path: catalog::TEMPLATE_SUBSCRIBE.path,
        touser: openid.to_owned(),
        template_id: TEMPLATE.to_owned(),
        data: body["data"].clone(),
        msgid,
    };
    world.record_card(card, opens(&body));
    Ok(Answer::json(&call.path, json!({"errcode": 0, "errmsg": "ok"})))
}
