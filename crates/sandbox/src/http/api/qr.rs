//! Parametric QR codes: making one, and its picture.

use super::super::answer::{Answer, Content};
use super::super::call::{Call, text};
use super::{Row, check_kind};
use crate::picture::Picture;
use crate::refusal::{Refusal, refuse};
use crate::world::{Kind, MAX_SECONDS, Scene, World};
use http::header;
use serde_json::{Value, json};
use wechat::catalog;

pub(super) const HANDLERS: &[Row] = &[(&catalog::QRCODE_CREATE, create), (&catalog::SHOWQRCODE, show)];

/// Life of a temporary code that names none, in seconds.
const DEFAULT_SECONDS: i64 = 60;

pub(super) fn create(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = read(call)?;
    let (permanent, by_text) = match text(&body, "action_name") {
        "QR_SCENE" => (false, false),
        "QR_STR_SCENE" => (false, true),
        "QR_LIMIT_SCENE" => (true, false),
        "QR_LIMIT_STR_SCENE" => (true, true),
        _ => return Err(refuse(40052)),
    };
    let scene = body.pointer("/action_info/scene").filter(|scene| scene.is_object()).ok_or(refuse(40053))?;
    let scene = if by_text { scene_text(scene, permanent)? } else { scene_number(scene, permanent)? };
    let seconds = (!permanent).then(|| seconds(&body)).transpose()?;
    let code = world.make_qr(appid, scene, seconds)?;
    world.show_ticket(&code.ticket);
    let mut body = json!({"ticket": code.ticket});
    if let Some(seconds) = seconds {
        body["expire_seconds"] = seconds.into();
    }
    body["url"] = code.url.into();
    Ok(Answer::json(&call.path, body))
}

/// The body; WeChat reads quotes of the wrong kind, and then finds no action by that name.
fn read(call: &Call) -> Result<Value, Refusal> {
    call.json().map_err(|refusal| {
        let text = String::from_utf8_lossy(&call.body).replace('\'', "\"");
        let is_misquoted = call.body.contains(&b'\'') && serde_json::from_str::<Value>(&text).is_ok();
        if is_misquoted { refuse(40052) } else { refusal }
    })
}

/// 1 to 64 characters; a number is as good as its digits.
fn scene_text(scene: &Value, permanent: bool) -> Result<Scene, Refusal> {
    let text = match scene.get("scene_str").ok_or(refuse(40053))? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(refuse(40129)),
    };
    match text.chars().count() {
        1..=64 => Ok(Scene::Text(text)),
        65.. if permanent => Err(refuse(40053)),
        _ => Err(refuse(40129)),
    }
}

fn scene_number(scene: &Value, permanent: bool) -> Result<Scene, Refusal> {
    let most = if permanent { 100_000 } else { u32::MAX };
    let number = scene.get("scene_id").ok_or(refuse(40053))?;
    number
        .as_u64()
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| (1..=most).contains(number))
        .map(Scene::Number)
        .ok_or(refuse(40129))
}

/// At most thirty days; more is cut down to that.
fn seconds(body: &Value) -> Result<i64, Refusal> {
    match body.get("expire_seconds") {
        None | Some(Value::Null) => Ok(DEFAULT_SECONDS),
        Some(seconds) => match seconds.as_i64().ok_or(refuse(47001))? {
            ..=0 => Ok(DEFAULT_SECONDS),
            seconds => Ok(seconds.min(MAX_SECONDS)),
        },
    }
}

/// Edge of the picture.
const WIDTH: u32 = 430;

pub(super) fn show(world: &mut World, call: &Call, _: &str) -> Result<Answer, Refusal> {
    let Some(code) = world.qr.by_ticket.get(call.param("ticket")) else {
        let mut answer = Answer::page("<html><body>404 Not Found</body></html>".to_owned());
        answer.status = 404;
        return Ok(answer);
    };
    let picture = Picture::plain(code.url.clone(), WIDTH);
    // "image/jpg" is what WeChat says.
    Ok(Answer::new("image/jpg", Content::Picture(picture))
        .with_header(header::CACHE_CONTROL, "max-age=604800"))
}
