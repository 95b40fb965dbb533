//! What an official account keeps of its users: tags, remarks, the blacklist.

use super::super::answer::Answer;
use super::super::call::{self, Call, text};
use super::{Row, check_kind};
use crate::refusal::{Refusal, refuse};
use crate::world::quota::{REMARK_DAY, TAG_DAY};
use crate::world::{Kind, World};
use serde_json::{Value, json};
use wechat::catalog;

pub(super) const HANDLERS: &[Row] = &[
    (&catalog::TAGS_CREATE, create),
    (&catalog::TAGS_GET, list),
    (&catalog::TAGS_UPDATE, update),
    (&catalog::TAGS_DELETE, delete),
    (&catalog::TAGS_OF_USER, of_user),
    (&catalog::TAG_MEMBERS, members),
    (&catalog::TAGS_TAG, tag),
    (&catalog::TAGS_UNTAG, untag),
    (&catalog::BLACKLIST_GET, blacklist),
    (&catalog::BLACKLIST_ADD, block),
    (&catalog::BLACKLIST_REMOVE, unblock),
    (&catalog::USER_REMARK, remark),
];

/// Users tagged at once.
const MAX_TAGGED: usize = 50;
/// Users put on the blacklist, or taken off it, at once.
const MAX_BLOCKED: usize = 20;
/// Openids a page.
const PAGE: usize = 10_000;

/// A number that may come as a text of digits, as SDKs of some languages send it.
pub(super) fn number(body: &Value, name: &str) -> Result<u32, Refusal> {
    call::number(body, name).and_then(|number| u32::try_from(number).ok()).ok_or(refuse(47001))
}

/// The member `tag` of a call.
fn tag_of(body: &Value) -> Result<&Value, Refusal> {
    body.get("tag").filter(|tag| tag.is_object()).ok_or(refuse(47001))
}

fn name_of(tag: &Value) -> Result<&str, Refusal> {
    tag.get("name").and_then(Value::as_str).ok_or(refuse(47001))
}

fn create(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let name = name_of(tag_of(&body)?)?;
    let now = world.now;
    world.quotas.take(appid, TAG_DAY, now)?;
    let tag = world.create_tag(appid, name)?;
    Ok(Answer::json(&call.path, json!({"tag": {"id": tag.id, "name": tag.name}})))
}

fn list(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let tags = world.tags(appid).into_iter();
    let tags = tags.map(|(tag, count)| json!({"id": tag.id, "name": tag.name, "count": count}));
    Ok(Answer::json(&call.path, json!({"tags": tags.collect::<Vec<_>>()})))
}

fn update(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let tag = tag_of(&body)?;
    world.rename_tag(appid, number(tag, "id")?, name_of(tag)?)?;
    Ok(Answer::ok(&call.path))
}

fn delete(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    world.delete_tag(appid, number(tag_of(&body)?, "id")?)?;
    Ok(Answer::ok(&call.path))
}

fn of_user(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let openid = text(&body, "openid");
    world.check_follower(appid, openid)?;
    Ok(Answer::json(&call.path, json!({"tagid_list": world.tags_of(appid, openid)})))
}

/// The page of a list that follows an openid: with the first of it as index and the openids.
fn page<'a>(all: &'a [String], after: &str) -> Result<&'a [String], Refusal> {
    let from = match after {
        "" => 0,
        last => 1 + all.iter().position(|openid| openid == last).ok_or(refuse(40003))?,
    };
    Ok(&all[from..all.len().min(from + PAGE)])
}

fn members(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let all = world.tag_members(appid, number(&body, "tagid")?)?;
    let page = page(&all, text(&body, "next_openid"))?;
    let last = page.last().map_or("", String::as_str);
    Ok(Answer::json(&call.path, json!({"count": page.len(), "data": {"openid": page}, "next_openid": last})))
}

/// The openids of a call: at least one, at most so many.
fn openids(body: &Value, most: usize) -> Result<Vec<&str>, Refusal> {
    let list = body.get("openid_list").and_then(Value::as_array).ok_or(refuse(47001))?;
    if !(1..=most).contains(&list.len()) {
        return Err(refuse(40032));
    }
    list.iter().map(|openid| openid.as_str().ok_or(refuse(40003))).collect()
}

fn tag(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    set_tag(world, call, appid, true)
}

fn untag(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    set_tag(world, call, appid, false)
}

fn set_tag(world: &mut World, call: &Call, appid: &str, is_given: bool) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let id = number(&body, "tagid")?;
    world.tag(appid, &openids(&body, MAX_TAGGED)?, id, is_given)?;
    Ok(Answer::ok(&call.path))
}

fn blacklist(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let all = world.blacklist(appid);
    let page = page(&all, text(&body, "begin_openid"))?;
    let last = page.last().map_or("", String::as_str);
    let mut answer = json!({"total": all.len(), "count": page.len()});
    if !page.is_empty() {
        answer["data"] = json!({"openid": page});
    }
    answer["next_openid"] = last.into();
    Ok(Answer::json(&call.path, answer))
}

fn block(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    set_blocked(world, call, appid, true)
}

fn unblock(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    set_blocked(world, call, appid, false)
}

fn set_blocked(world: &mut World, call: &Call, appid: &str, is_blocked: bool) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    world.block(appid, &openids(&body, MAX_BLOCKED)?, is_blocked)?;
    Ok(Answer::ok(&call.path))
}

fn remark(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let remark = body.get("remark").and_then(Value::as_str).ok_or(refuse(47001))?;
    let now = world.now;
    world.quotas.take(appid, REMARK_DAY, now)?;
    world.set_remark(appid, text(&body, "openid"), remark)?;
    Ok(Answer::ok(&call.path))
}
