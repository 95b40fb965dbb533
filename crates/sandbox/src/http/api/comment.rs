//! What readers say of articles.

use super::super::answer::Answer;
use super::super::call::{Call, number, text};
use super::{Row, check_kind};
use crate::refusal::{Refusal, refuse};
use crate::world::{Comments, Kind, World};
use serde_json::{Value, json};
use wechat::catalog;

pub(super) const HANDLERS: &[Row] = &[
    (&catalog::COMMENT_OPEN, open),
    (&catalog::COMMENT_CLOSE, close),
    (&catalog::COMMENT_LIST, list),
    (&catalog::COMMENT_ELECT, elect),
    (&catalog::COMMENT_UNELECT, unelect),
    (&catalog::COMMENT_DELETE, delete),
    (&catalog::COMMENT_REPLY, reply),
    (&catalog::COMMENT_UNREPLY, unreply),
];

/// The comments on the article that the call names, if its account may have any.
fn comments<'a>(world: &'a mut World, body: &Value, appid: &str) -> Result<&'a mut Comments, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let msg_data_id = number(body, "msg_data_id").ok_or(refuse(88001))?;
    let index = match body.get("index") {
        None | Some(Value::Null) => 0,
        Some(_) => {
            number(body, "index").and_then(|index| usize::try_from(index).ok()).ok_or(refuse(88001))?
        }
    };
    world.comments(appid, msg_data_id, index)
}

fn open(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    comments(world, &call.json()?, appid)?.is_open = true;
    Ok(Answer::ok(&call.path))
}

fn close(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    comments(world, &call.json()?, appid)?.is_open = false;
    Ok(Answer::ok(&call.path))
}

fn list(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let body = call.json()?;
    let most = if world.quirks.is("comment_page", "50") { 50 } else { 49 };
    let found = comments(world, &body, appid)?;
    let size = |name: &str| number(&body, name).and_then(|size| usize::try_from(size).ok());
    let count = size("count").filter(|count| (1..=most).contains(count)).ok_or(refuse(88010))?;
    let begin = size("begin").ok_or(refuse(47001))?;
    let kind = number(&body, "type").filter(|kind| *kind <= 2).ok_or(refuse(47001))?;
    let (total, page) = found.page(kind, begin, count);
    Ok(Answer::json(&call.path, json!({"errcode": 0, "errmsg": "ok", "total": total, "comment": page})))
}

/// Does something to the comment that the call names.
fn change(
    world: &mut World,
    call: &Call,
    appid: &str,
    what: impl Fn(&mut Comments, &Value, u64, i64) -> Result<(), Refusal>,
) -> Result<Answer, Refusal> {
    let body = call.json()?;
    let now = world.now_seconds();
    let found = comments(world, &body, appid)?;
    let id = number(&body, "user_comment_id").ok_or(refuse(88008))?;
    what(found, &body, id, now)?;
    Ok(Answer::ok(&call.path))
}

fn elect(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    change(world, call, appid, |comments, _, id, _| comments.elect(id, true))
}

fn unelect(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    change(world, call, appid, |comments, _, id, _| comments.elect(id, false))
}

fn delete(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    change(world, call, appid, |comments, _, id, _| comments.remove(id))
}

fn reply(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    change(world, call, appid, |comments, body, id, now| comments.reply(id, text(body, "content"), now))
}

fn unreply(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    change(world, call, appid, |comments, _, id, _| comments.unreply(id))
}
