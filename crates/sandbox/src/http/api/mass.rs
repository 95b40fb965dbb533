//! Messages to many followers.

use super::super::answer::Answer;
use super::super::call::{Call, number, text};
use super::publish::operator;
use super::{Row, check_kind};
use crate::push::Push;
use crate::refusal::{Refusal, refuse};
use crate::sign::sha1_hex;
use crate::world::quota::{MASS_DAY, MASS_MINUTE, MASS_PREVIEW_DAY};
use crate::world::{Job, Kind, MASS_SUCCESS, Message, Publication, World};
use serde_json::{Value, json};
use wechat::catalog;

pub(super) const HANDLERS: &[Row] = &[
    (&catalog::MASS_SENDALL, send_all),
    (&catalog::MASS_SEND, send),
    (&catalog::MASS_PREVIEW, preview),
    (&catalog::MASS_DELETE, delete),
    (&catalog::MASS_GET, get),
    (&catalog::MASS_SPEED_GET, speed),
    (&catalog::MASS_SPEED_SET, set_speed),
];

/// Receivers of a list.
const MAX_LIST: usize = 10_000;
/// Pictures of a message.
const MAX_PICTURES: usize = 20;
/// Bytes of a text; no page names a number, this is the one of customer service.
const MAX_TEXT: usize = 2048;
const MAX_CLIENT_ID: usize = 64;
/// Receivers in whose chats one message is shown.
const MAX_SHOWN: usize = 10_000;
/// Ten thousands a minute, by speed.
const SPEEDS: [u64; 5] = [80, 60, 45, 30, 10];

/// Whom a message is for.
struct Target {
    openids: Vec<String>,
    /// Everybody, of which there are few messages a month.
    is_all: bool,
    /// Given one by one.
    is_list: bool,
}

fn send_all(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let filter = body.get("filter").filter(|filter| filter.is_object()).ok_or(refuse(47001))?;
    let is_all = filter.get("is_to_all").is_some_and(|all| all == true || all == 1);
    let openids = if is_all {
        world.followers(appid)
    } else {
        let tag = number(filter, "tag_id").or(number(filter, "group_id"));
        world.tagged(appid, tag.and_then(|tag| u32::try_from(tag).ok()).ok_or(refuse(40152))?)?
    };
    run(world, call, appid, &body, Target { openids, is_all, is_list: false })
}

fn send(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let list = body.get("touser").and_then(Value::as_array).ok_or(refuse(40031))?;
    if list.len() < 2 {
        return Err(refuse(40130));
    }
    if list.len() > MAX_LIST {
        return Err(refuse(40032));
    }
    let mut openids: Vec<String> = Vec::with_capacity(list.len());
    for openid in list {
        let openid = openid.as_str().filter(|openid| world.users.of(appid, openid).is_some());
        openids.push(openid.ok_or(refuse(40031))?.to_owned());
    }
    openids.sort();
    openids.dedup();
    run(world, call, appid, &body, Target { openids, is_all: false, is_list: true })
}

/// What stops the same message twice: given, or of whom it is for and what it says.
fn client_id(body: &Value) -> Result<String, Refusal> {
    let given = text(body, "clientmsgid");
    if given.len() > MAX_CLIENT_ID {
        return Err(refuse(45067));
    }
    if !given.is_empty() {
        return Ok(given.to_owned());
    }
    let kind = text(body, "msgtype");
    let said = [body.get("filter"), body.get("touser"), body.get(kind), body.get("images")];
    Ok(sha1_hex(json!([kind, said]).to_string().as_bytes()))
}

fn run(world: &mut World, call: &Call, appid: &str, body: &Value, target: Target) -> Result<Answer, Refusal> {
    let client_id = client_id(body)?;
    if let Some(msg_id) = world.mass_sent_as(appid, &client_id) {
        // The only refusal that says more than why, and without a rid.
        let body = json!({"errcode": 45065, "errmsg": "clientmsgid exist", "msg_id": msg_id});
        return Ok(Answer::json(&call.path, body));
    }
    let mut content = content(world, appid, body)?;
    let kind = text(body, "msgtype");
    let now = world.now;
    world.quotas.take(appid, MASS_MINUTE, now)?;
    world.quotas.take(appid, MASS_DAY, now)?;
    if target.is_all {
        world.use_mass(appid)?;
    }
    let status = world.mass_status(appid);
    let mut job = Job::new(world.next_mass_id(target.is_list), kind, client_id, &status);
    let msg_id = job.msg_id;
    let articles = match kind {
        // Of a message that fails the draft stays one.
        "mpnews" if status == MASS_SUCCESS => {
            let draft = world.take_draft(appid, text(&body["mpnews"], "media_id"))?;
            Some(world.publish(appid, draft, true))
        }
        _ => None,
    };
    if let Some(articles) = &articles {
        content["news"] = shown(&articles.items(false));
        job.msg_data_id = Some(articles.msg_data_id);
    }
    let total = target.openids.len();
    let reached = if status == MASS_SUCCESS { world.reach(appid, target.openids) } else { Vec::new() };
    if let Some(articles) = &articles {
        world.note_target(appid, articles.publish_id, reached.len());
    }
    let path = if target.is_list { catalog::MASS_SEND.path } else { catalog::MASS_SENDALL.path };
    for openid in reached.iter().take(MAX_SHOWN) {
        record(world, appid, path, openid, &content, msg_id);
    }
    let mut sent = json!({"errcode": 0, "errmsg": "send job submission success", "msg_id": msg_id});
    if let Some(msg_data_id) = job.msg_data_id {
        sent["msg_data_id"] = msg_data_id.into();
    }
    world.keep_mass(appid, job);
    let mut answer = Answer::json(&call.path, sent);
    let event = finished(msg_id, &status, total, reached.len(), articles.as_ref());
    answer.pushes.push(Push::event(appid, &operator(world, appid), "MASSSENDJOBFINISH", event));
    Ok(answer)
}

fn finished(
    msg_id: u64,
    status: &str,
    total: usize,
    reached: usize,
    articles: Option<&Publication>,
) -> Value {
    let urls = articles.map_or_else(Vec::new, |articles| articles.urls("ArticleIdx", "ArticleUrl"));
    let list = if urls.is_empty() { json!({}) } else { json!({"item": urls}) };
    json!({
        "MsgID": msg_id,
        "Status": status,
        "TotalCount": total,
        "FilterCount": reached,
        "SentCount": reached,
        "ErrorCount": 0,
        "CopyrightCheckResult": {"Count": 0, "ResultList": {}, "CheckState": 1},
        "ArticleUrlResult": {"Count": urls.len(), "ResultList": list},
    })
}

/// Articles as a chat shows them: as customer service sends them.
pub(super) fn shown(items: &[Value]) -> Value {
    let one = |item: &Value| {
        json!({
            "title": item["title"],
            "description": item["digest"],
            "url": item["url"],
            "picurl": item["thumb_url"],
        })
    };
    json!({"articles": items.iter().map(one).collect::<Vec<_>>()})
}

fn record(world: &mut World, appid: &str, path: &'static str, openid: &str, content: &Value, msgid: u64) {
    world.record_message(Message {
        appid: appid.to_owned(),
        path,
        touser: openid.to_owned(),
        template_id: String::new(),
        data: content.clone(),
        msgid,
    });
}

/// What a message says, by itself: `msgtype` and the member of that name.
fn content(world: &World, appid: &str, body: &Value) -> Result<Value, Refusal> {
    let kind = text(body, "msgtype");
    let name = match kind {
        "image" if body.get("images").is_some() => "images",
        // mass/send calls it a video, and its member otherwise.
        "video" if body.get("mpvideo").is_some() => "mpvideo",
        "text" | "mpnews" | "image" | "voice" | "music" | "mpvideo" | "video" | "wxcard" => kind,
        _ => return Err(refuse(40008)),
    };
    let said = body.get(name).filter(|said| said.is_object()).ok_or(refuse(47001))?;
    let has_media = |media_id: &str| world.has_media(appid, media_id);
    let code = match name {
        "text" if text(said, "content").is_empty() => Some(44004),
        "text" if text(said, "content").len() > MAX_TEXT => Some(45002),
        "mpnews" => world.check_draft(appid, text(said, "media_id")).err().map(|refusal| refusal.code),
        "images" => {
            let list = said.get("media_ids").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let is_known = |one: &Value| one.as_str().is_some_and(has_media);
            match list.len() {
                1..=MAX_PICTURES => (!list.iter().all(is_known)).then_some(40007),
                0 => Some(40007),
                _ => Some(40215),
            }
        }
        "text" | "music" => None,
        // Cards can't be sent to many any more.
        "wxcard" => Some(45113),
        _ => (!has_media(text(said, "media_id"))).then_some(40007),
    };
    if let Some(code) = code {
        return Err(refuse(code));
    }
    let mut content = json!({"msgtype": kind, name: said});
    if name == "images" {
        // A chat shows the first.
        content["image"] = json!({"media_id": said["media_ids"][0]});
    }
    Ok(content)
}

/// To one follower, who is named by openid or by WeChat name; a draft stays one.
fn preview(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let openid = match (text(&body, "towxname"), text(&body, "touser")) {
        ("", "") => return Err(refuse(41009)),
        ("", openid) => world.users.of(appid, openid).ok_or(refuse(40003))?.openid(appid).to_owned(),
        // If both are given, this one counts.
        (name, _) => world.users.find(name).ok_or(refuse(40132))?.openid(appid).to_owned(),
    };
    world.check_not_blocked(appid, &openid)?;
    if !world.takes_mass(appid, &openid) {
        return Err(refuse(43004));
    }
    let mut content = content(world, appid, &body)?;
    let now = world.now;
    world.quotas.take(appid, MASS_PREVIEW_DAY, now)?;
    if let Ok(draft) = world.draft(appid, text(&content["mpnews"], "media_id")) {
        content["news"] = shown(&draft.items(false));
    }
    let msg_id = world.next_mass_id(true);
    record(world, appid, catalog::MASS_PREVIEW.path, &openid, &content, msg_id);
    Ok(Answer::json(&call.path, json!({"errcode": 0, "errmsg": "preview success", "msg_id": msg_id})))
}

/// Takes articles away, by message or by address; what was received stays. Only articles and videos can be taken away.
fn delete(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let Some(msg_id) = number(&body, "msg_id").filter(|msg_id| *msg_id > 0) else {
        let url = text(&body, "url");
        let own = world.publications_mut(appid).iter_mut().filter(|publication| publication.is_mass);
        let mut printed = own.flat_map(|publication| &mut publication.printed);
        let found = printed.find(|printed| !url.is_empty() && printed.url == url).ok_or(refuse(40059))?;
        found.is_deleted = true;
        return Ok(Answer::ok(&call.path));
    };
    let number = number(&body, "article_idx").and_then(|at| usize::try_from(at).ok()).unwrap_or_default();
    let job = world.mass_job(appid, msg_id)?;
    match job.msg_data_id {
        None if job.kind.ends_with("video") => job.is_deleted = true,
        None => return Err(refuse(40008)),
        Some(msg_data_id) => {
            let mut own = world.publications_mut(appid).iter_mut();
            let found = own.find(|publication| publication.msg_data_id == msg_data_id);
            found.ok_or(refuse(40059))?.remove(number)?;
        }
    }
    Ok(Answer::ok(&call.path))
}

fn get(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let msg_id = number(&call.json()?, "msg_id").ok_or(refuse(40059))?;
    let job = world.mass_job(appid, msg_id)?.clone();
    let own = world.publications(appid).iter();
    let mut articles = own.filter(|publication| Some(publication.msg_data_id) == job.msg_data_id);
    let is_gone = job.is_deleted || articles.next().is_some_and(Publication::is_gone);
    let status = match job.status.as_str() {
        _ if is_gone => "DELETE",
        MASS_SUCCESS => "SEND_SUCCESS",
        _ => "SEND_FAIL",
    };
    Ok(Answer::json(&call.path, json!({"msg_id": msg_id, "msg_status": status})))
}

/// The page says 30 of speed 3 in its table, and 15 in its example.
fn speed(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let speed = world.mass_speed(appid);
    let real = usize::try_from(speed).ok().and_then(|at| SPEEDS.get(at));
    Ok(Answer::json(&call.path, json!({"speed": speed, "realspeed": real})))
}

fn set_speed(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let given = body.get("speed").filter(|speed| !speed.is_null()).ok_or(refuse(45084))?;
    let speed =
        given.as_u64().filter(|speed| (0..SPEEDS.len() as u64).contains(speed)).ok_or(refuse(45083))?;
    world.set_mass_speed(appid, speed);
    Ok(Answer::ok(&call.path))
}
