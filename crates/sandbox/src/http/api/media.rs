//! Temporary media: a multipart upload, and the same bytes back.

use super::super::answer::{Answer, Content};
use super::super::call::Call;
use super::Row;
use crate::refusal::{Refusal, refuse};
use crate::world::quota::MEDIA_DAY;
use crate::world::{File, World};
use bytes::Bytes;
use http::header;
use serde_json::json;
use wechat::catalog;

pub(super) const HANDLERS: &[Row] = &[(&catalog::MEDIA_UPLOAD, upload), (&catalog::MEDIA_GET, get)];

/// What may be uploaded: kind, most bytes, how the name may end.
const KINDS: [(&str, usize, &[&str]); 4] = [
    ("image", 10 << 20, &["bmp", "gif", "jpeg", "jpg", "png"]),
    ("voice", 2 << 20, &["amr", "mp3"]),
    ("video", 10 << 20, &["mp4"]),
    ("thumb", 64 << 10, &["jpeg", "jpg"]),
];

pub(super) fn upload(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let asked = call.param("type");
    let (kind, most, suffixes) = KINDS.into_iter().find(|(kind, ..)| *kind == asked).ok_or(refuse(40004))?;
    let part = file_part(call, "media").ok_or(refuse(41005))?;
    if part.bytes.is_empty() {
        return Err(refuse(44001));
    }
    let suffix = part.suffix().filter(|suffix| suffixes.contains(&suffix.as_str())).ok_or(refuse(40005))?;
    if !may_be(kind, &part.bytes) {
        return Err(refuse(40005));
    }
    if part.bytes.len() > most {
        return Err(refuse(40006));
    }
    let now = world.now;
    world.quotas.take(appid, MEDIA_DAY, now)?;
    let file = File { kind: kind.to_owned(), suffix, content_type: part.content_type, bytes: part.bytes };
    let media_id = world.keep_media(appid, file);
    let member = if kind == "thumb" { "thumb_media_id" } else { "media_id" };
    let body = json!({"type": kind, member: media_id, "created_at": world.now_seconds()});
    Ok(Answer::json(&call.path, body))
}

/// Whether bytes may be of this kind: a picture is known by how it begins, a recording by not being something else.
fn may_be(kind: &str, bytes: &[u8]) -> bool {
    const VOICES: [&[u8]; 5] = [b"#!AMR", b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"];
    let is_image = picture(bytes).is_some();
    match kind {
        "voice" => !is_image && !is_film(bytes),
        "video" => !is_image && !VOICES.iter().any(|mark| bytes.starts_with(mark)),
        _ => is_image,
    }
}

/// The type of a picture, by how it begins.
pub(super) fn picture(bytes: &[u8]) -> Option<&'static str> {
    const MARKS: [(&[u8], &str); 4] = [
        (b"\x89PNG", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF8", "image/gif"),
        (b"BM", "image/bmp"),
    ];
    MARKS.iter().find(|(mark, _)| bytes.starts_with(mark)).map(|(_, kind)| *kind)
}

/// Whether bytes begin as a film does.
pub(super) fn is_film(bytes: &[u8]) -> bool {
    bytes.get(4..8) == Some(b"ftyp")
}

/// The file; of a video where it is.
pub(super) fn get(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let media_id = call.param("media_id");
    let file = world.media(appid, media_id).ok_or(refuse(40007))?;
    if file.kind == "video" {
        let body = json!({"video_url": call.url(&format!("/sandbox/media/{media_id}"))});
        return Ok(Answer::json(&call.path, body));
    }
    let disposition = format!("attachment; filename=\"{media_id}.{}\"", file.suffix);
    Ok(Answer::new(&file.content_type, Content::Bytes(file.bytes.clone()))
        .with_header(header::CONTENT_DISPOSITION, &disposition)
        .with_header(header::CACHE_CONTROL, "no-cache, must-revalidate"))
}

pub(super) struct Part {
    pub(super) name: String,
    pub(super) content_type: String,
    pub(super) bytes: Bytes,
}

impl Part {
    /// What stands behind the last dot of its name, in lower case.
    pub(super) fn suffix(&self) -> Option<String> {
        self.name.rsplit_once('.').map(|(_, suffix)| suffix.to_ascii_lowercase())
    }
}

/// The file `field` of a multipart body; it must have a file name.
pub(super) fn file_part(call: &Call, field: &str) -> Option<Part> {
    part(call, field).filter(|part| !part.name.is_empty())
}

/// Longest boundary of a multipart body (RFC 2046, 5.1.1).
const MAX_BOUNDARY: usize = 70;

/// A field of a multipart body; without a file name if it is no file.
pub(super) fn part(call: &Call, field: &str) -> Option<Part> {
    let content_type = call.header(header::CONTENT_TYPE);
    let (_, boundary) = content_type.split_once("boundary=")?;
    let boundary = boundary.split(';').next()?.trim().trim_matches('"');
    if !(1..=MAX_BOUNDARY).contains(&boundary.len()) {
        return None;
    }
    let delimiter = format!("--{boundary}");
    let mut rest = find(&call.body, delimiter.as_bytes())? + delimiter.len();
    loop {
        let part = &call.body[rest..];
        let part = part.strip_prefix(b"\r\n")?;
        let head = find(part, b"\r\n\r\n")?;
        let begin = call.body.len() - part.len() + head + 4;
        let length = find(&call.body[begin..], format!("\r\n{delimiter}").as_bytes())?;
        let headers = String::from_utf8_lossy(&part[..head]);
        if attribute(&headers, "name") == Some(field) {
            return Some(Part {
                name: attribute(&headers, "filename")
                    .unwrap_or_default()
                    .chars()
                    .filter(|c| c.is_ascii_graphic() && *c != '"')
                    .collect(),
                content_type: line(&headers, "content-type:")
                    .unwrap_or("application/octet-stream")
                    .to_owned(),
                bytes: call.body.slice(begin..begin + length),
            });
        }
        rest = begin + length + 2 + delimiter.len();
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// An attribute of the part's Content-Disposition, quoted or not.
fn attribute<'a>(headers: &'a str, name: &str) -> Option<&'a str> {
    let disposition = line(headers, "content-disposition:")?;
    disposition.split(';').find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then(|| value.trim_matches('"'))
    })
}

fn line<'a>(headers: &'a str, name: &str) -> Option<&'a str> {
    headers.lines().find_map(|line| {
        let (head, value) = line.split_at_checked(name.len())?;
        head.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
