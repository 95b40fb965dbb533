//! The draft box.

use super::super::answer::Answer;
use super::super::call::{Call, number, text};
use super::{Row, check_kind};
use crate::refusal::{Refusal, refuse};
use crate::world::{Kind, World};
use serde_json::{Value, json};
use wechat::catalog;

pub(super) const HANDLERS: &[Row] = &[
    (&catalog::DRAFT_ADD, add),
    (&catalog::DRAFT_GET, get),
    (&catalog::DRAFT_DELETE, delete),
    (&catalog::DRAFT_UPDATE, update),
    (&catalog::DRAFT_COUNT, count),
    (&catalog::DRAFT_LIST, list),
    (&catalog::DRAFT_SWITCH, switch),
];

fn add(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let articles = body.get("articles").and_then(Value::as_array).ok_or(refuse(47001))?;
    let media_id = world.keep_draft(appid, articles)?;
    Ok(Answer::json(&call.path, json!({"media_id": media_id})))
}

fn get(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let draft = world.draft(appid, text(&body, "media_id"))?;
    Ok(Answer::json(&call.path, draft.view(true)))
}

fn delete(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    world.take_draft(appid, text(&call.json()?, "media_id"))?;
    Ok(Answer::ok(&call.path))
}

fn update(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let article = body.get("articles").filter(|article| article.is_object()).ok_or(refuse(47001))?;
    let index = number(&body, "index").and_then(|index| usize::try_from(index).ok()).ok_or(refuse(40114))?;
    world.change_draft(appid, text(&body, "media_id"), index, article)?;
    Ok(Answer::ok(&call.path))
}

fn count(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    Ok(Answer::json(&call.path, json!({"total_count": world.drafts(appid).len()})))
}

fn list(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let with_content = number(&body, "no_content") != Some(1);
    let all = world.drafts(appid).iter().rev();
    let page = page(&body, all, |draft| {
        json!({
            "media_id": draft.media_id,
            "content": draft.view(with_content),
            "update_time": draft.updated,
        })
    })?;
    Ok(Answer::json(&call.path, page))
}

/// Every account has had the draft box since 2022.
fn switch(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    Ok(Answer::json(&call.path, json!({"errcode": 0, "errmsg": "ok", "is_open": 1})))
}

/// A page of a list: `offset`, and 1 to 20 of them.
pub(super) fn page<T>(
    body: &Value,
    all: impl ExactSizeIterator<Item = T>,
    view: impl Fn(T) -> Value,
) -> Result<Value, Refusal> {
    let offset =
        number(body, "offset").and_then(|offset| usize::try_from(offset).ok()).ok_or(refuse(40097))?;
    let count = number(body, "count").and_then(|count| usize::try_from(count).ok()).ok_or(refuse(40097))?;
    if !(1..=20).contains(&count) {
        return Err(refuse(40097));
    }
    let total = all.len();
    let items: Vec<Value> = all.skip(offset).take(count).map(view).collect();
    Ok(json!({"item": items, "total_count": total, "item_count": items.len()}))
}
