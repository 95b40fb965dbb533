//! Mini programs: codes and phone numbers.

use super::super::answer::{Answer, Content};
use super::super::call::{Call, text};
use super::Row;
use super::message::PAGE;
use crate::picture::Picture;
use crate::refusal::{Refusal, refuse};
use crate::world::quota::{WXACODE_MINUTE, WXACODE_UNCHECKED};
use crate::world::{CodeKind, Kind, World};
use serde_json::{Value, json};
use url::form_urlencoded;
use wechat::catalog;

pub(super) const HANDLERS: &[Row] = &[(&catalog::WXACODE_UNLIMIT, code), (&catalog::PHONE_NUMBER, phone)];

pub(super) fn code(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    if world.apps.get(appid).is_none_or(|app| app.kind != Kind::Mini) {
        return Err(refuse(45063));
    }
    let body = call.json()?;
    let scene = scene(&body)?;
    let check_path = flag(&body, "check_path", true)?;
    let page = page(&body, check_path)?;
    let environment = match body.get("env_version") {
        None | Some(Value::Null) => "release",
        Some(value) => value
            .as_str()
            .filter(|version| ["release", "trial", "develop"].contains(version))
            .ok_or(refuse(40097))?,
    };
    let width = width(&body)?;
    let ink = if flag(&body, "auto_color", false)? { [0; 3] } else { line_color(&body)? };
    let transparent = flag(&body, "is_hyaline", false)? && world.quirks.is("hyaline", "png");
    let now = world.now;
    world.quotas.take(appid, WXACODE_MINUTE, now)?;
    if !check_path {
        world.quotas.take(appid, WXACODE_UNCHECKED, now)?;
    }
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("appid", appid)
        .append_pair("page", page)
        .append_pair("scene", scene)
        .append_pair("env_version", environment)
        .finish();
    let text = format!("https://mp.weixin.qq.com/a/sandbox?{query}");
    world.show_mini(&text);
    let picture = Picture { text, width, ink, transparent };
    let content_type = if transparent { "image/png" } else { "image/jpeg" };
    Ok(Answer::new(content_type, Content::Picture(picture)))
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
fn page(body: &Value, check_path: bool) -> Result<&str, Refusal> {
    let page = match body.get("page") {
        None | Some(Value::Null) => PAGE,
        Some(page) => page.as_str().ok_or(refuse(41030))?,
    };
    let page = if page.is_empty() { PAGE } else { page };
    let malformed = page.starts_with('/') || page.contains('?') || page.len() > MAX_PAGE;
    if malformed || (check_path && page != PAGE) {
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
