//! Content checks of texts, pictures and sounds.

use super::super::answer::Answer;
use super::super::call::{Call, text, without_escapes};
use super::media::file_part;
use super::{Row, check_kind, take_all};
use crate::picture;
use crate::push::Push;
use crate::refusal::{Refusal, refuse, rid};
use crate::sign;
use crate::world::quota::{
    IMG_CHECK_DAY, IMG_CHECK_MINUTE, MEDIA_CHECK_DAY, MEDIA_CHECK_MINUTE, MSG_CHECK_DAY, MSG_CHECK_MINUTE,
};
use crate::world::{Kind, Suggest, Verdict, World};
use http::header;
use serde_json::{Value, json};
use wechat::catalog;

pub(super) const HANDLERS: &[Row] = &[
    (&catalog::MSG_SEC_CHECK, message),
    (&catalog::IMG_SEC_CHECK, image),
    (&catalog::MEDIA_CHECK_ASYNC, media),
];

/// Longest text: characters of version 2, bytes of version 1.
const MAX_TEXT: usize = 2_500;
const MAX_TEXT_V1: usize = 500 << 10;
/// Longest picture; its most pixels as the page says, and as somebody tried.
const MAX_IMAGE: usize = 1 << 20;
const MAX_PIXELS: (u32, u32) = (750, 1334);
const TRIED_PIXELS: (u32, u32) = (4000, 4000);
/// How sure the model is, always.
const PROBABILITY: u32 = 90;

/// A number, which may be written as a text.
fn number(body: &Value, name: &str) -> Result<Option<i64>, Refusal> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(digits)) => digits.parse().map(Some).map_err(|_| refuse(47001)),
        Some(number) => number.as_i64().map(Some).ok_or(refuse(47001)),
    }
}

/// Whether the second version is asked, and then by a scene of 1 to 4 and a user who was just there.
fn is_second(world: &World, appid: &str, body: &Value) -> Result<bool, Refusal> {
    match number(body, "version")? {
        None | Some(1) => return Ok(false),
        Some(2) => {}
        Some(_) => return Err(refuse(47001)),
    }
    let scene = number(body, "scene")?.ok_or(refuse(47001))?;
    if !(1..=4).contains(&scene) {
        return Err(refuse(40129));
    }
    let openid = body.get("openid").and_then(Value::as_str).ok_or(refuse(47001))?;
    world.check_visitor(appid, openid)?;
    Ok(true)
}

/// An `access_token` in the body is a mistake, and so is a missing text. `\u` escapes are no text: WeChat takes them
/// for what they look like.
pub(super) fn message(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Mini)?;
    let body =
        if world.quirks.is("u_escapes", "refuse") { call.json()? } else { without_escapes(&call.body)? };
    if body.get("access_token").is_some() {
        return Err(refuse(47001));
    }
    let second = is_second(world, appid, &body)?;
    let content = body.get("content").and_then(Value::as_str).ok_or(refuse(47001))?;
    if content.is_empty() {
        return Err(refuse(44002));
    }
    let is_short = if second { content.chars().count() <= MAX_TEXT } else { content.len() <= MAX_TEXT_V1 };
    if !is_short {
        return Err(refuse(45002));
    }
    take_all(world, appid, &[MSG_CHECK_MINUTE, MSG_CHECK_DAY])?;
    let parts = if second { ["content", "title", "nickname", "signature"].as_slice() } else { &["content"] };
    let texts: Vec<&str> = parts.iter().map(|name| text(&body, name)).collect();
    let judged = world.judge_text(appid, &texts.join("\n"));
    let verdict = judged.verdict();
    if !second {
        return if verdict.suggest == Suggest::Risky { Err(refuse(87014)) } else { Ok(fine(call)) };
    }
    let mut detail: Vec<Value> = judged
        .words
        .iter()
        .map(|(word, Verdict { suggest, label })| {
            json!({"strategy": "keyword", "errcode": 0, "suggest": suggest, "label": label, "keyword": word})
        })
        .collect();
    if detail.is_empty() {
        detail.push(json!({"strategy": "keyword", "errcode": 0}));
    }
    detail.push(by_model(judged.model));
    Ok(Answer::json(
        &call.path,
        json!({"errcode": 0, "errmsg": "ok", "detail": detail, "trace_id": rid(world), "result": verdict}),
    ))
}

fn fine(call: &Call) -> Answer {
    Answer::json(&call.path, json!({"errcode": 0, "errmsg": "ok"}))
}

fn by_model(Verdict { suggest, label }: Verdict) -> Value {
    json!({
        "strategy": "content_model", "errcode": 0, "suggest": suggest, "label": label, "prob": PROBABILITY,
    })
}

/// The file `media`: PNG, JPEG or GIF.
pub(super) fn image(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Mini)?;
    // A body of JSON is what WeChat calls misformed, as a captured answer shows.
    if call.header(header::CONTENT_TYPE).contains("json") {
        return Err(refuse(47001));
    }
    let part = file_part(call, "media").ok_or(refuse(41005))?;
    if part.bytes.is_empty() {
        return Err(refuse(44001));
    }
    if part.bytes.len() > MAX_IMAGE {
        return Err(refuse(40006));
    }
    let (width, height) = picture::dimensions(&part.bytes).ok_or(refuse(40137))?;
    let most = if world.quirks.is("img_check_pixels", "4000") { TRIED_PIXELS } else { MAX_PIXELS };
    if width > most.0 || height > most.1 {
        return Err(refuse(40009));
    }
    take_all(world, appid, &[IMG_CHECK_MINUTE, IMG_CHECK_DAY])?;
    let known = world.look_at(&sign::sha256_hex(&part.bytes));
    let words = format!("{} {}", part.name, String::from_utf8_lossy(&part.bytes));
    if known.judge(&words).suggest == Suggest::Risky {
        return Err(refuse(87014));
    }
    Ok(fine(call))
}

/// What WeChat says when it can't load a picture.
const NOT_LOADED: (i64, &str) = (-1008, "下载错误,请检查媒体链接是否有效");

/// A picture or a sound by its address; what comes of it is pushed.
pub(super) fn media(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Mini)?;
    let body = call.json()?;
    let address = text(&body, "media_url");
    if address.is_empty() {
        return Err(refuse(47001));
    }
    if !matches!(number(&body, "media_type")?, Some(1 | 2)) {
        return Err(refuse(40004));
    }
    let second = is_second(world, appid, &body)?;
    take_all(world, appid, &[MEDIA_CHECK_MINUTE, MEDIA_CHECK_DAY])?;
    let known = world.look_at(address);
    let is_loaded = !known.missing && is_web(address);
    let verdict = known.judge(address);
    let trace = rid(world);
    let members = match (second, is_loaded) {
        (true, true) => json!({
            "appid": appid, "trace_id": trace, "version": 2, "detail": [by_model(verdict)],
            "errcode": 0, "errmsg": "ok", "result": verdict,
        }),
        (true, false) => json!({
            "appid": appid, "trace_id": trace, "version": 2, "detail": [],
            "errcode": NOT_LOADED.0, "errmsg": NOT_LOADED.1,
            "result": {"suggest": Suggest::Pass, "label": 0},
        }),
        (false, _) => json!({
            "isrisky": i64::from(is_loaded && verdict.suggest == Suggest::Risky),
            "extra_info_json": "",
            "appid": appid,
            "trace_id": trace,
            // A number without a sign there.
            "status_code": if is_loaded { 0 } else { 4_294_966_288_i64 },
        }),
    };
    let mut answer = Answer::json(&call.path, json!({"errcode": 0, "errmsg": "ok", "trace_id": trace}));
    let from = World::content_service(appid);
    answer.pushes.push(Push::event(appid, &from, "wxa_media_check", members));
    Ok(answer)
}

/// Whether an address is one that can be loaded from.
pub(super) fn is_web(address: &str) -> bool {
    url::Url::parse(address).is_ok_and(|url| ["http", "https"].contains(&url.scheme()) && url.has_host())
}
