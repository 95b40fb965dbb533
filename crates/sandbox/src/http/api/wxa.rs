//! Mini programs: codes and phone numbers.

use super::super::answer::{Answer, Content};
use super::super::call::{Call, text};
use super::Row;
use crate::picture::Picture;
use crate::refusal::{Refusal, refuse};
use crate::world::quota::{WXACODE_IN_ALL, WXACODE_MINUTE, WXACODE_UNCHECKED};
use crate::world::{App, CodeKind, Kind, World};
use serde_json::{Value, json};
use url::form_urlencoded;
use wechat::catalog;

pub(super) const HANDLERS: &[Row] = &[
    (&catalog::WXACODE, limited),
    (&catalog::WXA_QRCODE, square),
    (&catalog::WXACODE_UNLIMIT, code),
    (&catalog::PHONE_NUMBER, phone),
];

/// The mini program that makes codes.
fn mini<'a>(world: &'a World, appid: &str) -> Result<&'a App, Refusal> {
    world.apps.get(appid).filter(|app| app.kind == Kind::Mini).ok_or(refuse(45063))
}

/// An answer that shows a code: of what opens (`opens`, pairs), as the body wants it to look.
fn picture(world: &World, body: &Value, opens: &[(&str, &str)]) -> Result<Answer, Refusal> {
    let width = width(body)?;
    let ink = if flag(body, "auto_color", false)? { [0; 3] } else { line_color(body)? };
    let transparent = flag(body, "is_hyaline", false)? && world.quirks.is("hyaline", "png");
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(opens).finish();
    let text = format!("https://mp.weixin.qq.com/a/sandbox?{query}");
    let picture = Picture { text, width, ink, transparent };
    let content_type = if transparent { "image/png" } else { "image/jpeg" };
    Ok(Answer::new(content_type, Content::Picture(picture)))
}

fn environment(body: &Value) -> Result<&str, Refusal> {
    match body.get("env_version") {
        None | Some(Value::Null) => Ok("release"),
        Some(value) => value
            .as_str()
            .filter(|version| ["release", "trial", "develop"].contains(version))
            .ok_or(refuse(40097)),
    }
}

/// A parameter WeChat adds itself.
const RESERVED: &str = "scancode_time";

/// What a code opens, with its query: 1 to `most` characters. Whether the page exists isn't looked at.
fn path(body: &Value, most: usize) -> Result<&str, Refusal> {
    let path = body.get("path").and_then(Value::as_str).unwrap_or_default();
    if !(1..=most).contains(&path.chars().count()) {
        return Err(refuse(40159));
    }
    if path.contains(RESERVED) {
        return Err(refuse(85096));
    }
    Ok(path)
}

/// The code that an answer shows appears on the screen.
fn on_screen(world: &mut World, answer: Answer) -> Answer {
    if let Content::Picture(picture) = &answer.content {
        world.show_mini(&picture.text);
    }
    answer
}

/// `getwxacode`: 100,000 together with `square`, for good.
pub(super) fn limited(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    mini(world, appid)?;
    let body = call.json()?;
    let (path, environment) = (path(&body, 1024)?, environment(&body)?);
    let opens = [("appid", appid), ("path", path), ("env_version", environment)];
    let answer = picture(world, &body, &opens)?;
    let now = world.now;
    world.quotas.take(appid, WXACODE_IN_ALL, now)?;
    Ok(on_screen(world, answer))
}

/// `createwxaqrcode`: a square code of the published version, black on white.
pub(super) fn square(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    mini(world, appid)?;
    let body = call.json()?;
    let plain = json!({"width": body.get("width")});
    let answer = picture(world, &plain, &[("appid", appid), ("path", path(&body, 128)?)])?;
    let now = world.now;
    world.quotas.take(appid, WXACODE_IN_ALL, now)?;
    Ok(on_screen(world, answer))
}

pub(super) fn code(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let app = mini(world, appid)?;
    let body = call.json()?;
    let scene = scene(&body)?;
    let check_path = flag(&body, "check_path", true)?;
    let page = page(app, &body, check_path)?.to_owned();
    let opens = [("appid", appid), ("page", &page), ("scene", scene), ("env_version", environment(&body)?)];
    let answer = picture(world, &body, &opens)?;
    let now = world.now;
    world.quotas.take(appid, WXACODE_MINUTE, now)?;
    if !check_path {
        world.quotas.take(appid, WXACODE_UNCHECKED, now)?;
    }
    Ok(on_screen(world, answer))
}

/// 1 to 32 characters that need no encoding.
fn scene(body: &Value) -> Result<&str, Refusal> {
    let scene = body.get("scene").and_then(Value::as_str).ok_or(refuse(40169))?;
    if !(1..=32).contains(&scene.chars().count()) {
        return Err(refuse(40169));
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$&'()*+,/:;=?@-._~".contains(&b);
    if !scene.bytes().all(allowed) {
        return Err(refuse(40129));
    }
    Ok(scene)
}

/// Longest page path a code has room for.
const MAX_PAGE: usize = 128;

/// A published page, or any if that isn't to be checked; never with a leading slash or a query.
fn page<'a>(app: &'a App, body: &'a Value, check_path: bool) -> Result<&'a str, Refusal> {
    let page = match body.get("page") {
        None | Some(Value::Null) => "",
        Some(page) => page.as_str().ok_or(refuse(41030))?,
    };
    let page = if page.is_empty() { app.home() } else { page };
    if page.contains(RESERVED) {
        return Err(refuse(85096));
    }
    let malformed = page.starts_with('/') || page.contains('?') || page.len() > MAX_PAGE;
    if malformed || (check_path && !app.has_page(page)) {
        return Err(refuse(41030));
    }
    Ok(page)
}

fn flag(body: &Value, name: &str, default: bool) -> Result<bool, Refusal> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(default),
        Some(flag) => flag.as_bool().ok_or(refuse(40097)),
    }
}

/// Out of range is brought into it.
fn width(body: &Value) -> Result<u32, Refusal> {
    match body.get("width") {
        None | Some(Value::Null) => Ok(430),
        Some(width) => {
            let width = width.as_i64().ok_or(refuse(40097))?.clamp(280, 1280);
            Ok(u32::try_from(width).unwrap_or(430))
        }
    }
}

/// Members may be numbers or strings of digits.
fn line_color(body: &Value) -> Result<[u8; 3], Refusal> {
    let Some(color) = body.get("line_color").filter(|color| !color.is_null()) else {
        return Ok([0; 3]);
    };
    let part = |name: &str| match color.get(name) {
        None | Some(Value::Null) => Ok(0),
        Some(Value::String(digits)) => digits.parse().map_err(|_| refuse(40097)),
        Some(number) => number.as_u64().and_then(|number| u8::try_from(number).ok()).ok_or(refuse(40097)),
    };
    Ok([part("r")?, part("g")?, part("b")?])
}

pub(super) fn phone(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let body = call.json()?;
    let code = text(&body, "code");
    if code.is_empty() {
        return Err(refuse(41008));
    }
    let spent = world.spend_code(CodeKind::Phone, appid, code)?;
    let user = world.users.of(appid, &spent.openid).ok_or(refuse(40029))?;
    if !["", spent.openid.as_str()].contains(&text(&body, "openid")) {
        return Err(refuse(40003));
    }
    let country = if world.quirks.is("country_code", "number") { json!(86) } else { json!("86") };
    let info = json!({
        "phoneNumber": user.phone,
        "purePhoneNumber": user.phone,
        "countryCode": country,
        "watermark": {"timestamp": world.now_seconds(), "appid": appid},
    });
    let body = json!({"errcode": 0, "errmsg": "ok", "phone_info": info});
    Ok(Answer::json(&call.path, body))
}
