//! Followers of an official account.

use super::super::answer::Answer;
use super::super::call::{Call, text};
use super::{Row, check_kind};
use crate::refusal::{Refusal, refuse};
use crate::world::quota::{USER_GET_DAY, USER_INFO_DAY};
use crate::world::{Kind, Scene, World};
use serde_json::{Value, json};
use wechat::catalog;

pub(super) const HANDLERS: &[Row] =
    &[(&catalog::USER_INFO, info), (&catalog::USER_INFO_BATCHGET, infos), (&catalog::USER_GET, followers)];

pub(super) fn info(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let now = world.now;
    world.quotas.take(appid, USER_INFO_DAY, now)?;
    let body = view(world, appid, call.param("openid"), call.param("lang"))?;
    Ok(Answer::json(&call.path, body))
}

pub(super) fn infos(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let list = body.get("user_list").and_then(Value::as_array);
    let list = list.filter(|list| !list.is_empty()).ok_or(refuse(40031))?;
    if list.len() > 100 {
        return Err(refuse(40032));
    }
    let views = list.iter().map(|asked| view(world, appid, text(asked, "openid"), text(asked, "lang")));
    let views = views.collect::<Result<Vec<_>, _>>()?;
    Ok(Answer::json(&call.path, json!({"user_info_list": views})))
}

fn view(world: &World, appid: &str, openid: &str, lang: &str) -> Result<Value, Refusal> {
    if openid.is_empty() {
        return Err(refuse(41009));
    }
    let user = world.users.of(appid, openid).ok_or(refuse(40003))?;
    let Some(following) = user.following.get(appid) else {
        return Ok(json!({"subscribe": 0, "openid": openid, "tagid_list": []}));
    };
    let (number, string, how) = match &following.scene {
        Some(Scene::Number(number)) => (*number, "", "ADD_SCENE_QR_CODE"),
        Some(Scene::Text(text)) => (0, text.as_str(), "ADD_SCENE_QR_CODE"),
        None => (0, "", "ADD_SCENE_SEARCH"),
    };
    let mut body = json!({
        "subscribe": 1,
        "openid": openid,
        "nickname": "",
        "sex": 0,
        "language": if lang.is_empty() { "zh_CN" } else { lang },
        "city": "",
        "province": "",
        "country": "",
        "headimgurl": "",
        "subscribe_time": following.since,
        "remark": world.remark_of(appid, openid),
        // Of the groups that tags replaced: 0 next to tags, too, in the page's example.
        "groupid": 0,
        "tagid_list": world.tags_of(appid, openid),
        "subscribe_scene": how,
        "qr_scene": number,
        "qr_scene_str": string,
    });
    if let Some(unionid) = world.unionid(appid, user) {
        body["unionid"] = Value::from(unionid);
    }
    Ok(body)
}

/// Ten thousand a page.
const PAGE: usize = 10_000;

pub(super) fn followers(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let now = world.now;
    world.quotas.take(appid, USER_GET_DAY, now)?;
    let all: Vec<&str> =
        world.users.all.iter().filter(|user| user.follows(appid)).map(|user| user.openid(appid)).collect();
    let from = match call.param("next_openid") {
        "" => 0,
        last => 1 + all.iter().position(|openid| *openid == last).ok_or(refuse(40003))?,
    };
    let page = &all[from..all.len().min(from + PAGE)];
    let mut body = json!({"total": all.len(), "count": page.len()});
    if let Some(last) = page.last() {
        body["data"] = json!({"openid": page});
        body["next_openid"] = Value::from(*last);
    } else {
        body["next_openid"] = Value::from("");
    }
    Ok(Answer::json(&call.path, body))
}
