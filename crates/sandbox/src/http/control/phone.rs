//! Control calls of the page with the phone: who there is, what they see, codes on the screen, pictures, and whatever else
//! a person does with a phone.

use super::act::{check_message, push};
use super::{Done, Reply, Wrong, members, members_with_file, said};
use crate::Shared;
use crate::http::oauth;
use crate::http::worlds::Below;
use crate::picture::{self, Picture};
use crate::push::{self as sending, Push};
use crate::world::{File, Kind, Scene, Shown};
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{AppendHeaders, IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use tokio::sync::Semaphore;

type Held = State<Arc<Shared>>;
type Asked<T> = Result<Query<T>, QueryRejection>;

fn asked<T>(query: Asked<T>) -> Result<T, Wrong> {
    query.map(|Query(asked)| asked).map_err(|wrong| Wrong(wrong.body_text()))
}

pub(super) async fn users(State(shared): Held) -> Done {
    Done(shared.world().people())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Whose {
    user: String,
}

/// What a user's phone shows.
pub(super) async fn chats(State(shared): Held, query: Asked<Whose>) -> Reply {
    let Whose { user } = asked(query)?;
    let phone = shared.world().phone(&user);
    phone.map(Done).ok_or_else(|| Wrong(format!("user: there is no user {user:?}")))
}

/// From now on pages of WeChat's are opened by this user unless they ask.
pub(super) async fn hold(State(shared): Held, below: Below, body: Bytes) -> Result<Response, Wrong> {
    let Whose { user } = members(&body)?;
    let world = shared.world();
    let user = world.users.find(&user).ok_or_else(|| Wrong(format!("user: there is no user {user:?}")))?;
    let answer = Done(json!({"user": user.id})).into_response();
    let cookies =
        ["/connect", "/mp"].map(|path| (header::SET_COOKIE, oauth::cookie(&user.id, &below.link(path))));
    Ok((AppendHeaders(cookies), answer).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Most {
    #[serde(default = "most")]
    limit: usize,
}

fn most() -> usize {
    50
}

/// The codes on the screen, the newest first.
pub(super) async fn codes(State(shared): Held, query: Asked<Most>) -> Reply {
    let Most { limit } = asked(query)?;
    let world = shared.world();
    Ok(Done(json!({"codes": world.screen.newest(limit), "now": world.now})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCode {
    appid: String,
    /// Made up if there is none.
    scene: Option<String>,
    /// `None`: a code that stays.
    seconds: Option<u32>,
}

/// A code made by hand, as the account's backend makes one.
pub(super) async fn make_code(State(shared): Held, body: Bytes) -> Reply {
    let NewCode { appid, scene, seconds } = members(&body)?;
    let mut world = shared.world();
    if world.app(&appid)?.kind != Kind::Official {
        return Err(Wrong("appid: only official accounts have such codes".to_owned()));
    }
    let scene = scene.unwrap_or_else(|| format!("scan_{}", world.random.alphanumeric(4)));
    if !(1..=64).contains(&scene.chars().count()) {
        return Err(Wrong("scene: 1 to 64 characters".to_owned()));
    }
    if seconds.is_some_and(|seconds| !(1..=crate::world::MAX_SECONDS).contains(&i64::from(seconds))) {
        return Err(Wrong("seconds: 1 to 2592000".to_owned()));
    }
    let made = world.make_qr(&appid, Scene::Text(scene), seconds.map(i64::from));
    let code = made.map_err(|refusal| Wrong(format!("WeChat refuses it: {}", refusal.code)))?;
    world.show_ticket(&code.ticket);
    Ok(Done(json!({"ticket": code.ticket, "url": code.url})))
}

/// Edge of the pictures on the screen.
const WIDTH: u32 = 430;

/// The picture of a code on the screen.
pub(super) async fn picture(State(shared): Held, Path(seq): Path<String>) -> Result<Response, Wrong> {
    let shown = seq.parse().ok().and_then(|seq| shared.world().screen.number(seq).cloned());
    let Shown { url, .. } = shown.ok_or_else(|| Wrong(format!("there is no code {seq:?} on the screen")))?;
    let draw = move || picture::draw(&Picture::plain(url, WIDTH)).unwrap_or_default();
    let drawn = tokio::task::spawn_blocking(draw).await.unwrap_or_default();
    Ok(([(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "max-age=3600")], drawn)
        .into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pasted {
    text: String,
}

fn resolve(shared: &Shared, text: &str) -> Reply {
    let code = shared.world().read_code(text);
    let code = code.ok_or_else(|| Wrong(format!("text: no code says {text:?}")))?;
    Ok(Done(json!({"code": code, "text": text})))
}

/// Which code is meant by what was pasted.
pub(super) async fn code(State(shared): Held, query: Asked<Pasted>) -> Reply {
    resolve(&shared, &asked(query)?.text)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Photo {
    body_base64: String,
}

fn decode(body_base64: &str) -> Result<Vec<u8>, Wrong> {
    BASE64_STANDARD.decode(body_base64).map_err(|e| Wrong(format!("body_base64: {e}")))
}

/// One picture is read at a time: it may take a core for seconds.
static READER: Semaphore = Semaphore::const_new(1);

/// Reads the code in a picture (PNG or JPEG).
pub(super) async fn read(State(shared): Held, body: Bytes) -> Reply {
    let Photo { body_base64 } = members_with_file(&body)?;
    let bytes = decode(&body_base64)?;
    let turn = READER.acquire().await.map_err(|e| Wrong(e.to_string()))?;
    let read = tokio::task::spawn_blocking(move || picture::read(&bytes)).await.ok().flatten();
    drop(turn);
    let text = read.ok_or_else(|| Wrong("body_base64: no code can be read in this picture".to_owned()))?;
    resolve(&shared, &text)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewFile {
    appid: String,
    content_type: String,
    #[serde(default)]
    name: String,
    body_base64: String,
}

/// A file on the phone that a message is about to carry: its media_id, and where it is.
pub(super) async fn keep_file(State(shared): Held, below: Below, headers: HeaderMap, body: Bytes) -> Reply {
    let NewFile { appid, content_type, name, body_base64 } = members_with_file(&body)?;
    let kind = kind_of(&content_type);
    let kind = kind.ok_or_else(|| Wrong("content_type: image/…, audio/… or video/…".to_owned()))?.to_owned();
    let bytes = decode(&body_base64)?;
    let mut world = shared.world();
    world.app(&appid)?;
    let by_type = content_type.rsplit('/').next().unwrap_or_default();
    let suffix = name.rsplit_once('.').map_or(by_type, |(_, suffix)| suffix);
    let suffix = suffix.chars().filter(char::is_ascii_alphanumeric).collect();
    let media_id = world.keep_media(&appid, File { kind, suffix, content_type, bytes: bytes.into() });
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1:36080");
    let url = format!("http://{host}{}?appid={appid}", below.link(&format!("/sandbox/files/{media_id}")));
    Ok(Done(json!({"media_id": media_id, "url": url})))
}

/// What a browser may show and hear; no SVG, which could be a page of its own.
fn kind_of(content_type: &str) -> Option<&'static str> {
    let content_type = content_type.to_ascii_lowercase();
    let kinds = [("image/", "image"), ("audio/", "voice"), ("video/", "video")];
    let (_, kind) = kinds.iter().find(|(known, _)| content_type.starts_with(known))?;
    let is_plain =
        !content_type.starts_with("image/svg") && content_type.bytes().all(|b| b.is_ascii_graphic());
    is_plain.then_some(*kind)
}

/// Bytes as a browser may have them: never as a page of this host's.
pub(in crate::http) fn shown(content_type: &str, bytes: Bytes) -> Response {
    let kind = kind_of(content_type).map_or("application/octet-stream", |_| content_type);
    let head = [
        (header::CONTENT_TYPE, kind),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
    ];
    (head, bytes).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Owner {
    /// Whose it must be.
    appid: Option<String>,
}

/// A file by its media_id, temporary or permanent: what a chat shows, and where the addresses of videos lead.
pub(super) async fn file(
    State(shared): Held,
    Path(media_id): Path<String>,
    query: Asked<Owner>,
) -> Result<Response, Wrong> {
    let Owner { appid } = asked(query)?;
    let found = shared.world().file(appid.as_deref(), &media_id);
    Ok(match found {
        Some((content_type, bytes)) => shown(&content_type, bytes),
        None => said(StatusCode::NOT_FOUND, format!("there is no file {media_id:?}, or no longer")),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Did {
    appid: String,
    openid: String,
    message: Map<String, Value>,
}

/// A message of any kind, or an event: with a MsgId where WeChat gives one, and the account may write for a while.
pub(super) async fn act(State(shared): Held, body: Bytes) -> Reply {
    let Did { appid, openid, mut message } = members(&body)?;
    check_message(&message)?;
    {
        let mut world = shared.world();
        world.user_of(&appid, &openid)?;
        let text = |name: &str| message.get(name).and_then(Value::as_str);
        let event = (text("MsgType") == Some("event")).then(|| text("Event").unwrap_or_default().to_owned());
        world.user_did(&appid, &openid, event.as_deref());
        if event.is_none() {
            let msgid = world.next_msgid();
            message.entry("MsgId").or_insert_with(|| msgid.into());
        }
    }
    push(&shared, Push::new(&appid, &openid, message)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Again {
    push: u64,
}

/// The same message once more, freshly signed.
pub(super) async fn resend(State(shared): Held, body: Bytes) -> Reply {
    let Again { push } = members(&body)?;
    let (sender, life) = (shared.clone(), shared.world().life.clone());
    let work = async move {
        let stop = sender.stop.clone();
        let sent = life.run_until_cancelled(sending::resend(&sender, push));
        stop.run_until_cancelled(sent).await.flatten()
    };
    let sent = shared.tasks.spawn(work).await.ok().flatten();
    let sent = sent.unwrap_or_else(|| Err("the world ended".to_owned()))?;
    Ok(Done(json!({"pushes": [sent]})))
}

/// A push, whole, under way or over.
pub(super) async fn sent(State(shared): Held, Path(seq): Path<String>) -> Reply {
    let world = shared.world();
    let found = seq.parse().ok().and_then(|seq| world.pushes.find(seq));
    found.map(|push| Done(json!(push))).ok_or_else(|| Wrong(format!("there is no push {seq:?}")))
}

/// What an errcode means.
pub(super) async fn error(Path(code): Path<String>) -> Reply {
    let row = code.parse().ok().and_then(wechat::errcode::lookup);
    let row = row.ok_or_else(|| Wrong(format!("no table knows {code:?}")))?;
    Ok(Done(
        json!({"code": row.code, "text": row.text, "official": row.official, "zh": row.zh, "en": row.en}),
    ))
}
