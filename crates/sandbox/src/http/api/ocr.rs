//! Documents read off pictures: what a picture shows is what a control call said of it.

use super::super::answer::Answer;
use super::super::call::Call;
use super::Row;
use super::media::file_part;
use super::security::is_web;
use crate::picture;
use crate::refusal::{Refusal, refuse};
use crate::sign;
use crate::world::{DOCUMENTS, World, quota};
use http::header;
use serde_json::{Map, Value, json};
use wechat::catalog;

pub(super) const HANDLERS: &[Row] = &[
    (&catalog::OCR_BANKCARD, document),
    (&catalog::OCR_BIZLICENSE, document),
    (&catalog::OCR_COMM, print),
    (&catalog::OCR_DRIVING, document),
    (&catalog::OCR_DRIVINGLICENSE, document),
    (&catalog::OCR_IDCARD, document),
    (&catalog::OCR_PLATENUM, document),
];

/// Longest picture.
const MAX_IMAGE: usize = 2 << 20;
/// Size of a picture that isn't here: it was given by its address.
const SIZE: (u32, u32) = (1280, 720);
/// Height of a line of print.
const LINE: usize = 32;

/// What a picture shows of `kind`, and its size. It comes by `img_url`, or as the file `img`.
fn see(
    world: &mut World,
    call: &Call,
    appid: &str,
    kind: &str,
) -> Result<(Option<Value>, (u32, u32)), Refusal> {
    let address = call.param("img_url");
    let (name, size) = if is_web(address) {
        (address.to_owned(), SIZE)
    } else if address.is_empty() && call.header(header::CONTENT_TYPE).starts_with("multipart/") {
        let part = file_part(call, "img").ok_or(refuse(41005))?;
        let size = picture::dimensions(&part.bytes).filter(|_| part.bytes.len() <= MAX_IMAGE);
        (sign::sha256_hex(&part.bytes), size.ok_or(refuse(101_002))?)
    } else {
        return Err(refuse(101_000));
    };
    if let Some(limit) = quota::of_day(&call.path) {
        let now = world.now;
        world.quotas.take(appid, limit, now)?;
    }
    let seen = world.look_at(&name);
    if !address.is_empty() && seen.missing {
        return Err(refuse(101_000));
    }
    Ok((seen.shows.get(kind).cloned(), size))
}

/// One kind of document: the members that the picture has, in WeChat's order.
pub(super) fn document(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let kind = call.path.rsplit('/').next().unwrap_or_default();
    let (shown, size) = see(world, call, appid, kind)?;
    let shown = shown.ok_or(refuse(101_001))?;
    let (_, members) = DOCUMENTS.iter().find(|(known, _)| *known == kind).ok_or(refuse(40066))?;
    let mut body = Map::new();
    body.insert("errcode".to_owned(), 0.into());
    body.insert("errmsg".to_owned(), "ok".into());
    if kind == "idcard" {
        // A card's back has its term, its front everything else.
        let side = if shown.get("valid_date").is_some() { "Back" } else { "Front" };
        body.insert("type".to_owned(), side.into());
    }
    for name in *members {
        if let Some(value) = shown.get(*name) {
            body.insert(as_told(world, kind, name).to_owned(), value.clone());
        }
    }
    let whole = json!({"pos": frame(0, 0, size.0, size.1)});
    match kind {
        "bizlicense" => {
            body.insert("cert_position".to_owned(), whole);
            body.insert("img_size".to_owned(), image_size(size));
        }
        "driving" => {
            body.insert("card_position_front".to_owned(), whole);
            body.insert("img_size".to_owned(), image_size(size));
        }
        _ => {}
    }
    Ok(Answer::json(&call.path, Value::Object(body)))
}

/// The number of a bank card has two names: in the page's table one, in its examples the other.
fn as_told<'a>(world: &World, kind: &str, name: &'a str) -> &'a str {
    if kind == "bankcard" && world.quirks.is("bankcard_number", "id") { "id" } else { name }
}

/// Print of any kind: its lines, one below the other.
pub(super) fn print(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let (shown, size) = see(world, call, appid, "comm")?;
    let lines = shown.as_ref().and_then(Value::as_array).into_iter().flatten();
    let items = lines.enumerate().map(|(at, line)| {
        let top = u32::try_from(at * LINE).unwrap_or(u32::MAX);
        json!({"text": line, "pos": frame(0, top, size.0, top.saturating_add(LINE as u32))})
    });
    let items: Vec<Value> = items.collect();
    let body = json!({"errcode": 0, "errmsg": "ok", "items": items, "img_size": image_size(size)});
    Ok(Answer::json(&call.path, body))
}

fn image_size((w, h): (u32, u32)) -> Value {
    json!({"w": w, "h": h})
}

/// Four corners.
fn frame(left: u32, top: u32, right: u32, bottom: u32) -> Value {
    let corner = |x: u32, y: u32| json!({"x": x, "y": y});
    json!({
        "left_top": corner(left, top),
        "right_top": corner(right, top),
        "right_bottom": corner(right, bottom),
        "left_bottom": corner(left, bottom),
    })
}
