//! Drafts that are published without telling the followers.

use super::super::answer::Answer;
use super::super::call::{Call, number, text};
use super::draft::page;
use super::{Row, check_kind};
use crate::push::Push;
use crate::refusal::{Refusal, refuse};
use crate::world::{Kind, Publication, World};
use serde_json::{Value, json};
use wechat::catalog;

pub(super) const HANDLERS: &[Row] = &[
    (&catalog::PUBLISH_SUBMIT, submit),
    (&catalog::PUBLISH_GET, get),
    (&catalog::PUBLISH_DELETE, delete),
    (&catalog::PUBLISH_ARTICLE, article),
    (&catalog::PUBLISH_LIST, list),
];

/// `publish_status`: success; after success the account deleted all of it.
const SUCCESS: u8 = 0;
const DELETED: u8 = 5;

fn submit(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let media_id = text(&body, "media_id");
    world.check_draft(appid, media_id)?;
    if let Some((publish_id, failure)) = world.fail_submission(appid) {
        // The draft stays one.
        let mut info = json!({"publish_id": publish_id, "publish_status": failure.publish_status});
        if !failure.fail_idx.is_empty() {
            info["fail_idx"] = json!(failure.fail_idx);
        }
        return Ok(submitted(world, call, appid, (publish_id, 0), json!({"PublishEventInfo": info})));
    }
    let draft = world.take_draft(appid, media_id)?;
    let done = world.publish(appid, draft, false);
    let info = json!({
        "publish_id": done.publish_id,
        "publish_status": SUCCESS,
        "article_id": done.article_id,
        "article_detail": detail(&done),
    });
    let event = json!({"PublishEventInfo": info});
    Ok(submitted(world, call, appid, (done.publish_id, done.msg_data_id), event))
}

/// The answer, in which the ids (of the submission, of what was published) are texts, and the push.
fn submitted(world: &World, call: &Call, appid: &str, ids: (u64, u64), event: Value) -> Answer {
    let (publish_id, msg_data_id) = ids;
    let mut body = json!({"errcode": 0, "errmsg": "ok", "publish_id": publish_id.to_string()});
    if msg_data_id > 0 {
        body["msg_data_id"] = msg_data_id.to_string().into();
    }
    let mut answer = Answer::json(&call.path, body);
    answer.pushes.push(Push::event(appid, &operator(world, appid), "PUBLISHJOBFINISH", event));
    answer
}

/// Whom such a push is from: somebody of the account itself, whom WeChat shows by an openid.
pub(super) fn operator(world: &World, appid: &str) -> String {
    world.users.first().map_or_else(String::new, |user| user.openid(appid).to_owned())
}

fn detail(publication: &Publication) -> Value {
    let items = publication.urls("idx", "article_url");
    json!({"count": items.len(), "item": items})
}

fn get(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let publish_id = number(&call.json()?, "publish_id").ok_or(refuse(40097))?;
    if let Some(failure) = world.failed_submission(appid, publish_id) {
        let mut body =
            json!({"publish_id": publish_id.to_string(), "publish_status": failure.publish_status});
        body["fail_idx"] = json!(failure.fail_idx);
        return Ok(Answer::json(&call.path, body));
    }
    let mut own = world.publications(appid).iter().filter(|publication| !publication.is_mass);
    let found = own.find(|publication| publication.publish_id == publish_id).ok_or(refuse(40097))?;
    let is_gone = found.is_gone();
    let mut body = json!({
        "publish_id": found.publish_id.to_string(),
        "publish_status": if is_gone { DELETED } else { SUCCESS },
    });
    if !is_gone {
        body["article_id"] = found.article_id.as_str().into();
        body["article_detail"] = detail(found);
    }
    body["fail_idx"] = json!([]);
    Ok(Answer::json(&call.path, body))
}

/// The articles under an article_id; 53600 if there are none, or none any more.
fn named<'a>(world: &'a World, appid: &str, article_id: &str) -> Result<&'a Publication, Refusal> {
    world.publication(appid, article_id).ok_or(refuse(53600))
}

fn delete(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let publish_id = named(world, appid, text(&body, "article_id"))?.publish_id;
    let index = number(&body, "index").and_then(|index| usize::try_from(index).ok()).unwrap_or_default();
    let own = world.publications_mut(appid).iter_mut();
    for publication in own.filter(|publication| publication.publish_id == publish_id) {
        publication.remove(index)?;
    }
    Ok(Answer::ok(&call.path))
}

fn article(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let items = named(world, appid, text(&body, "article_id"))?.items(true);
    Ok(Answer::json(&call.path, json!({"news_item": items})))
}

/// What went out as a mass message isn't among them.
fn list(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let with_content = number(&body, "no_content") != Some(1);
    let is_listed = |publication: &&Publication| !publication.is_mass && !publication.is_gone();
    let all: Vec<&Publication> = world.publications(appid).iter().rev().filter(is_listed).collect();
    let page = page(&body, all.into_iter(), |publication| {
        let content = json!({
            "news_item": publication.items(with_content),
            "create_time": publication.at,
            "update_time": publication.at,
        });
        json!({"article_id": publication.article_id, "content": content, "update_time": publication.at})
    })?;
    Ok(Answer::json(&call.path, page))
}
