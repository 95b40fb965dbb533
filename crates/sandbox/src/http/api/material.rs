//! Permanent media, and pictures for articles.

use super::super::answer::{Answer, Content};
use super::super::call::{Call, number, text};
use super::media::{Part, file_part, is_film, part, picture};
use super::{Row, check_kind};
use crate::refusal::{Refusal, refuse};
use crate::world::{Kind, Material, MaterialKind, World};
use bytes::Bytes;
use http::header;
use serde_json::{Value, json};
use wechat::catalog;

pub(super) const HANDLERS: &[Row] = &[
    (&catalog::MEDIA_UPLOADIMG, upload_picture),
    (&catalog::MATERIAL_ADD, add),
    (&catalog::MATERIAL_GET, get),
    (&catalog::MATERIAL_DELETE, delete),
    (&catalog::MATERIAL_LIST, list),
    (&catalog::MATERIAL_COUNT, count),
    (&catalog::MATERIAL_ADD_NEWS, withdrawn),
    (&catalog::MATERIAL_UPDATE_NEWS, withdrawn),
];

/// A picture for an article is smaller, in bytes.
const MAX_PICTURE: usize = 1 << 20;

/// What may be kept: most bytes, the code beyond, how the name may end.
const fn rule(kind: MaterialKind) -> (usize, i64, &'static [&'static str]) {
    match kind {
        MaterialKind::Image => (10 << 20, 40009, &["bmp", "png", "jpeg", "jpg", "gif"]),
        MaterialKind::Voice => (2 << 20, 40010, &["mp3", "wma", "wav", "amr"]),
        MaterialKind::Video => (10 << 20, 40011, &["mp4"]),
        MaterialKind::Thumb => (64 << 10, 40012, &["jpg", "jpeg"]),
    }
}

/// Whether the bytes may be what the call says: pictures are known by how they begin, the others by not being one.
fn content_type(kind: MaterialKind, part: &Part) -> Option<String> {
    let is_known = rule(kind).2.contains(&part.suffix()?.as_str());
    let picture = picture(&part.bytes);
    match kind.listed() {
        _ if !is_known => None,
        MaterialKind::Image => picture.filter(|is| kind != MaterialKind::Thumb || *is == "image/jpeg"),
        _ if picture.is_some() => None,
        MaterialKind::Video => Some("video/mp4"),
        _ => Some("audio/mpeg").filter(|_| !is_film(&part.bytes)),
    }
    .map(str::to_owned)
}

fn upload_picture(world: &mut World, call: &Call, _: &str) -> Result<Answer, Refusal> {
    let part = file_part(call, "media").ok_or(refuse(41005))?;
    if part.bytes.is_empty() {
        return Err(refuse(44001));
    }
    let kind = content_type(MaterialKind::Image, &part);
    let kind =
        kind.filter(|kind| ["image/png", "image/jpeg"].contains(&kind.as_str())).ok_or(refuse(40005))?;
    if part.bytes.len() >= MAX_PICTURE {
        return Err(refuse(40009));
    }
    // A copy: the part holds on to the whole body.
    let url = world.hang(&kind, Bytes::copy_from_slice(&part.bytes));
    Ok(Answer::json(&call.path, json!({"url": url, "errcode": 0, "errmsg": "ok"})))
}

fn add(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let kind = MaterialKind::of(call.param("type")).ok_or(refuse(40004))?;
    let file = file_part(call, "media").ok_or(refuse(41005))?;
    if file.bytes.is_empty() {
        return Err(refuse(44001));
    }
    let content_type = content_type(kind, &file).ok_or(refuse(40005))?;
    let (most, code, _) = rule(kind);
    if file.bytes.len() > most {
        return Err(refuse(code));
    }
    let description = match part(call, "description") {
        Some(part) => serde_json::from_slice(&part.bytes).map_err(|_| refuse(47001))?,
        None => Value::Null,
    };
    let said = |name: &str| {
        let is_video = kind == MaterialKind::Video;
        if is_video { text(&description, name).to_owned() } else { String::new() }
    };
    let material = Material {
        media_id: String::new(),
        kind,
        name: file.name,
        content_type,
        url: String::new(),
        title: said("title"),
        description: said("introduction"),
        updated: 0,
        // A copy: the part holds on to the whole body.
        bytes: Bytes::copy_from_slice(&file.bytes),
    };
    let kept = world.keep_material(appid, material)?;
    let mut body = json!({"media_id": kept.media_id});
    if !kept.url.is_empty() {
        body["url"] = kept.url.into();
    }
    Ok(Answer::json(&call.path, body))
}

/// Where the file of a video could be fetched.
fn video_url(call: &Call, material: &Material) -> String {
    call.url(&format!("/sandbox/material/{}", material.media_id))
}

fn get(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let kept = world.material(appid, text(&body, "media_id")).ok_or(refuse(40007))?;
    if kept.kind == MaterialKind::Video {
        let body = json!({
            "title": kept.title,
            "description": kept.description,
            "down_url": video_url(call, kept),
        });
        return Ok(Answer::json(&call.path, body));
    }
    let disposition = format!("attachment; filename=\"{}\"", kept.name);
    Ok(Answer::new(&kept.content_type, Content::Bytes(kept.bytes.clone()))
        .with_header(header::CONTENT_DISPOSITION, &disposition))
}

fn delete(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    world.remove_material(appid, text(&call.json()?, "media_id"))?;
    Ok(Answer::ok(&call.path))
}

fn list(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let kind = match text(&body, "type") {
        // None can be made any more.
        "news" => None,
        "thumb" => return Err(refuse(40004)),
        named => Some(MaterialKind::of(named).ok_or(refuse(40004))?),
    };
    let count = number(&body, "count").filter(|count| (1..=20).contains(count)).ok_or(refuse(40097))?;
    let size = |number: u64| usize::try_from(number).map_err(|_| refuse(40097));
    let (offset, count) = (size(number(&body, "offset").ok_or(refuse(40097))?)?, size(count)?);
    let own = world.materials(appid).iter().rev();
    let listed: Vec<&Material> = own.filter(|kept| Some(kept.kind.listed()) == kind).collect();
    let items = listed.iter().skip(offset).take(count).map(|kept| {
        let mut item = json!({"media_id": kept.media_id, "name": kept.name, "update_time": kept.updated});
        if !kept.url.is_empty() {
            item["url"] = kept.url.as_str().into();
        }
        item
    });
    let items: Vec<Value> = items.collect();
    let body = json!({"total_count": listed.len(), "item_count": items.len(), "item": items});
    Ok(Answer::json(&call.path, body))
}

fn count(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let own = world.materials(appid);
    let count = |kind: MaterialKind| own.iter().filter(|kept| kept.kind.listed() == kind).count();
    let body = json!({
        "voice_count": count(MaterialKind::Voice),
        "video_count": count(MaterialKind::Video),
        "image_count": count(MaterialKind::Image),
        "news_count": 0,
    });
    Ok(Answer::json(&call.path, body))
}

/// Drafts have replaced permanent articles.
fn withdrawn(world: &mut World, _: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    Err(refuse(45106))
}
