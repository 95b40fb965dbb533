//! Links that open a mini program: made, and looked up again.

use super::super::answer::Answer;
use super::super::call::{Call, text};
use super::{Row, take_all};
use crate::refusal::{Refusal, refuse};
use crate::world::quota::{
    LINK_DAY, LINK_VISITS, Limit, NFC_SECOND, SCHEME_SECOND, SHORTLINK_DAY, SHORTLINK_PERMANENT,
    URLLINK_SECOND,
};
use crate::world::{App, Kind, Link, LinkKind, Suggest, Target, World, without_query};
use serde_json::{Value, json};
use url::form_urlencoded;
use wechat::catalog;

pub(super) const HANDLERS: &[Row] = &[
    (&catalog::GENERATE_SCHEME, scheme),
    (&catalog::QUERY_SCHEME, query_scheme),
    (&catalog::GENERATE_NFC_SCHEME, nfc),
    (&catalog::GENERATE_URLLINK, url_link),
    (&catalog::QUERY_URLLINK, query_url_link),
    (&catalog::GENERATE_SHORTLINK, short),
];

/// Longest life of a link, and what it has unless it is given another: 30 days, in seconds.
const MAX_LIFE: i64 = 30 * 86_400;
/// Longest query, and longest page of a short link.
const MAX_QUERY: usize = 1024;
/// Longest title of a short link.
const MAX_TITLE: usize = 20;

fn mini<'a>(world: &'a World, appid: &str) -> Result<&'a App, Refusal> {
    world.apps.get(appid).filter(|app| app.kind == Kind::Mini).ok_or(refuse(48001))
}

/// What `body` wants opened: path, query and version.
fn target(world: &World, appid: &str, body: &Value) -> Result<Target, Refusal> {
    let app = mini(world, appid)?;
    if app.pages.is_empty() {
        return Err(refuse(85079));
    }
    let member = |name: &str, code| match body.get(name) {
        None | Some(Value::Null) => Ok(""),
        Some(value) => value.as_str().ok_or(refuse(code)),
    };
    // The examples of the documentation begin with a slash, the pages of app.json don't.
    let path = member("path", 40165)?;
    if !path.is_empty() && !app.has_page(path.strip_prefix('/').unwrap_or(path)) {
        return Err(refuse(40165));
    }
    let query = member("query", 40212)?;
    if !is_query(query) {
        return Err(refuse(40212));
    }
    let env_version = match member("env_version", 85402)? {
        "" => "release",
        version @ ("release" | "trial" | "develop") => version,
        _ => return Err(refuse(85402)),
    };
    Ok(Target {
        appid: appid.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        env_version: env_version.to_owned(),
    })
}

fn is_query(query: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$&'()*+,/:;=?@-._~%".contains(&b);
    query.len() <= MAX_QUERY && query.bytes().all(allowed)
}

/// When a link ends, in Unix seconds: at a time (`expire_type` 0) or after some days (1), in thirty days at most, and
/// then if it isn't said.
fn expiry(body: &Value, now: i64) -> Result<i64, Refusal> {
    let number = |name: &str| match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or(refuse(47001)),
    };
    let (time, days) = (number("expire_time")?, number("expire_interval")?);
    let by_days = match number("expire_type")? {
        None | Some(0) => false,
        Some(1) => true,
        Some(_) => return Err(refuse(40097)),
    };
    // Gone from the documentation, and still sent: without it, or with false, thirty days.
    let expires = match body.get("is_expire") {
        None | Some(Value::Null) => by_days || time.is_some(),
        Some(flag) => flag.as_bool().ok_or(refuse(47001))?,
    };
    let end = match (expires, by_days) {
        (false, _) => Some(now + MAX_LIFE),
        (true, true) => days.filter(|days| (1..=30).contains(days)).map(|days| now + days * 86_400),
        (true, false) => time.filter(|time| (now + 60..=now + MAX_LIFE).contains(time)),
    };
    end.ok_or(refuse(85401))
}

/// `jump_wxa`; an absent one opens the home page.
fn jump(body: &Value) -> Result<&Value, Refusal> {
    match body.get("jump_wxa") {
        None | Some(Value::Null) => Ok(&Value::Null),
        Some(jump) => Some(jump).filter(|jump| jump.is_object()).ok_or(refuse(47001)),
    }
}

fn made(call: &Call, member: &str, link: String) -> Answer {
    let mut body = json!({"errcode": 0, "errmsg": "ok"});
    body[member] = link.into();
    Answer::json(&call.path, body)
}

pub(super) fn scheme(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let body = call.json()?;
    let target = target(world, appid, jump(&body)?)?;
    let expires = expiry(&body, world.now_seconds())?;
    take_all(world, appid, &[SCHEME_SECOND, LINK_DAY])?;
    let link = world.make_link(LinkKind::Scheme, target, expires, "", Value::Null);
    Ok(made(call, "openlink", link))
}

/// Of a device's model, which here is any; it never ends.
pub(super) fn nfc(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let body = call.json()?;
    let target = target(world, appid, jump(&body)?)?;
    if text(&body, "model_id").is_empty() {
        return Err(refuse(9_800_003));
    }
    take_all(world, appid, &[NFC_SECOND, LINK_DAY])?;
    let link = world.make_link(LinkKind::Nfc, target, 0, "", Value::Null);
    Ok(made(call, "openlink", link))
}

pub(super) fn url_link(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let body = call.json()?;
    let target = target(world, appid, &body)?;
    let expires = expiry(&body, world.now_seconds())?;
    let cloud = cloud_base(&body)?;
    take_all(world, appid, &[URLLINK_SECOND, LINK_DAY])?;
    let link = world.make_link(LinkKind::Url, target, expires, "", cloud);
    Ok(made(call, "url_link", link))
}

/// The page of a cloud environment between link and mini program. `doamin` is WeChat's own spelling of what it gives
/// back.
fn cloud_base(body: &Value) -> Result<Value, Refusal> {
    let asked = match body.get("cloud_base") {
        None | Some(Value::Null) => &Value::Null,
        Some(cloud) if !text(cloud, "env").is_empty() => cloud,
        Some(_) => return Err(refuse(47001)),
    };
    if !is_query(text(asked, "query")) {
        return Err(refuse(40212));
    }
    Ok(json!({
        "env": text(asked, "env"),
        "doamin": text(asked, "domain"),
        "path": text(asked, "path"),
        "query": text(asked, "query"),
        "resource_appid": text(asked, "resource_appid"),
    }))
}

pub(super) fn short(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let body = call.json()?;
    let app = mini(world, appid)?;
    let page = text(&body, "page_url");
    let (path, query) = page.split_once('?').unwrap_or((page, ""));
    if page.len() > MAX_QUERY || !app.has_page(path.strip_prefix('/').unwrap_or(path)) {
        return Err(refuse(40066));
    }
    let title = match body.get("page_title") {
        None | Some(Value::Null) => "",
        Some(title) => title.as_str().ok_or(refuse(40225))?,
    };
    if world.judge_text(appid, title).verdict().suggest == Suggest::Risky {
        return Err(refuse(40225));
    }
    let is_permanent = match body.get("is_permanent") {
        None | Some(Value::Null) => false,
        Some(flag) => flag.as_bool().ok_or(refuse(47001))?,
    };
    let title = match title.char_indices().nth(MAX_TITLE) {
        Some((end, _)) => format!("{}...", &title[..end]),
        None => title.to_owned(),
    };
    let target = Target {
        appid: appid.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        env_version: "release".to_owned(),
    };
    let expires = if is_permanent { 0 } else { world.now_seconds() + MAX_LIFE };
    let limits: &[Limit] =
        if is_permanent { &[SHORTLINK_DAY, SHORTLINK_PERMANENT] } else { &[SHORTLINK_DAY] };
    take_all(world, appid, limits)?;
    let link = world.make_link(LinkKind::Short, target, expires, &title, Value::Null);
    Ok(made(call, "link", link))
}

pub(super) fn query_scheme(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let body = call.json()?;
    let app = mini(world, appid)?;
    if asks_for_visits(&body)? {
        return Ok(visits(world, call, appid));
    }
    let scheme = text(&body, "scheme");
    let info = match plain_scheme(scheme) {
        Some(target) => plain_info(app, &target)?,
        None => info(find(world, appid, scheme, &[LinkKind::Scheme, LinkKind::Nfc])?, scheme),
    };
    Ok(Answer::json(&call.path, json!({"errcode": 0, "errmsg": "ok", "scheme_info": info})))
}

pub(super) fn query_url_link(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let body = call.json()?;
    mini(world, appid)?;
    if asks_for_visits(&body)? {
        return Ok(visits(world, call, appid));
    }
    let asked = text(&body, "url_link");
    let link = find(world, appid, asked, &[LinkKind::Url])?;
    let mut info = info(link, asked);
    info["cloud_base"] = link.cloud_base.clone();
    Ok(Answer::json(&call.path, json!({"errcode": 0, "errmsg": "ok", "url_link_info": info})))
}

/// `query_type`: 0 asks what a link is, 1 how often links may still be opened today.
fn asks_for_visits(body: &Value) -> Result<bool, Refusal> {
    match body.get("query_type") {
        None | Some(Value::Null) => Ok(false),
        Some(kind) => match kind.as_i64() {
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            _ => Err(refuse(40097)),
        },
    }
}

fn visits(world: &World, call: &Call, appid: &str) -> Answer {
    let most = world.quotas.most(appid, LINK_VISITS);
    let left = most.saturating_sub(world.quotas.used(appid, LINK_VISITS, world.now));
    let quota = json!({"remain_visit_quota": left});
    Answer::json(&call.path, json!({"errcode": 0, "errmsg": "ok", "quota_info": quota}))
}

/// A link of this account that still works.
fn find<'a>(world: &'a World, appid: &str, text: &str, kinds: &[LinkKind]) -> Result<&'a Link, Refusal> {
    let is_alive = |link: &&Link| link.expire_time == 0 || world.now_seconds() < link.expire_time;
    let link = world.links.find(text).filter(|link| link.target.appid == appid && kinds.contains(&link.kind));
    link.filter(is_alive).ok_or(refuse(85403))
}

/// What a link is; what the developer hung on it goes before its own query.
fn info(link: &Link, asked: &str) -> Value {
    let Target { appid, path, query, env_version } = &link.target;
    json!({
        "appid": appid,
        "path": path,
        "query": without_query(asked).1.as_ref().unwrap_or(query),
        "create_time": link.create_time,
        "expire_time": link.expire_time,
        "env_version": env_version,
    })
}

/// `weixin://dl/business/?appid=…&path=…&query=…&env_version=…`: what anybody writes by hand. The query need not be
/// encoded.
fn plain_scheme(scheme: &str) -> Option<Target> {
    let rest = scheme.strip_prefix("weixin://dl/business/?appid=")?;
    let (rest, version) = rest.rsplit_once("&env_version=").unwrap_or((rest, "release"));
    let (rest, query) = rest.split_once("&query=").unwrap_or((rest, ""));
    let (appid, path) = rest.split_once("&path=")?;
    let decoded = |text: &str| {
        let whole = text.replace('&', "%26").replace('=', "%3D").replace('+', "%2B");
        let mut pairs = form_urlencoded::parse(whole.as_bytes());
        pairs.next().map_or_else(String::new, |(name, _)| name.into_owned())
    };
    Some(Target {
        appid: decoded(appid),
        path: decoded(path),
        query: decoded(query),
        env_version: version.to_owned(),
    })
}

fn plain_info(app: &App, target: &Target) -> Result<Value, Refusal> {
    let Target { appid, path, query, env_version } = target;
    if *appid != app.appid {
        return Err(refuse(85405));
    }
    if !app.has_page(path) {
        return Err(refuse(40165));
    }
    if !is_query(query) {
        return Err(refuse(40212));
    }
    if !["release", "trial", "develop"].contains(&env_version.as_str()) {
        return Err(refuse(85402));
    }
    Ok(json!({"appid": appid, "path": path, "query": query, "env_version": env_version}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_schemes() {
        // The example of the official page of queryscheme.
        let target =
            plain_scheme("weixin://dl/business/?appid=wx1&path=a/b&query=a=1&b=2&env_version=trial").unwrap();
        assert_eq!((target.appid.as_str(), target.path.as_str()), ("wx1", "a/b"));
        assert_eq!((target.query.as_str(), target.env_version.as_str()), ("a=1&b=2", "trial"));
        let target = plain_scheme("weixin://dl/business/?appid=wx1&path=a%2Fb&query=a%3D1%2B1").unwrap();
        assert_eq!((target.path.as_str(), target.query.as_str()), ("a/b", "a=1+1"));
        assert!(plain_scheme("weixin://dl/business/?t=XTSkBZlzqmn").is_none());
    }

    #[test]
    fn when_links_end() {
        const NOW: i64 = 1_000_000;
        let end = |body: Value| expiry(&body, NOW).map_err(|refusal| refusal.code);
        let month = Ok(NOW + MAX_LIFE);
        assert_eq!(end(json!({})), month);
        assert_eq!(end(json!({"is_expire": false, "expire_time": 5})), month);
        assert_eq!(end(json!({"expire_time": NOW + 60})), Ok(NOW + 60));
        assert_eq!(end(json!({"expire_type": 0, "expire_time": NOW + MAX_LIFE})), month);
        assert_eq!(end(json!({"is_expire": true, "expire_type": 1, "expire_interval": 30})), month);
        assert_eq!(end(json!({"expire_type": 1, "expire_interval": 1})), Ok(NOW + 86_400));
        for wrong in [
            json!({"expire_time": NOW + 59}),
            json!({"expire_time": NOW + MAX_LIFE + 1}),
            json!({"is_expire": true}),
            json!({"expire_type": 1}),
            json!({"expire_type": 1, "expire_interval": 31}),
            json!({"expire_type": 1, "expire_interval": 0}),
        ] {
            assert_eq!(end(wrong.clone()), Err(85401), "{wrong}");
        }
        assert_eq!(end(json!({"expire_type": 2})), Err(40097));
        assert_eq!(end(json!({"expire_time": "soon"})), Err(47001));
    }
}
