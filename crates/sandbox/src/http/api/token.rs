//! access_token, tickets, quotas: what an account does with its secret.

use super::super::answer::Answer;
use super::super::call::{Call, text};
use super::Row;
use super::check_address;
use crate::refusal::{Refusal, refuse};
use crate::world::quota::{self, CLEAR};
use crate::world::{Kind, World};
use serde_json::{Value, json};
use wechat::catalog;

pub(super) const HANDLERS: &[Row] = &[
    (&catalog::TOKEN, classic),
    (&catalog::STABLE_TOKEN, stable),
    (&catalog::GET_TICKET, ticket),
    (&catalog::CLEAR_QUOTA, clear_quota),
    (&catalog::CLEAR_QUOTA_V2, clear_quota_by_secret),
    (&catalog::QUOTA_CLEAR, clear_one),
    (&catalog::QUOTA_GET, quota),
    (&catalog::API_DOMAIN_IP, addresses),
    (&catalog::CALLBACK_IP, addresses),
];

/// An AppID and its secret, which must fit.
pub(super) fn check_secret(world: &World, appid: &str, secret: &str) -> Result<(), Refusal> {
    if appid.is_empty() {
        return Err(refuse(41002));
    }
    if secret.is_empty() {
        return Err(refuse(41004));
    }
    let app = world.apps.get(appid).ok_or(refuse(40013))?;
    if app.secret != secret {
        return Err(refuse(40125));
    }
    Ok(())
}

/// What both token calls check.
fn check(world: &World, call: &Call, grant: &str, appid: &str, secret: &str) -> Result<(), Refusal> {
    if !appid.is_empty() && !secret.is_empty() && grant != "client_credential" {
        return Err(refuse(40002));
    }
    check_secret(world, appid, secret)?;
    check_address(world, appid, call)?;
    match world.apps.get(appid).map(|app| app.kind) {
        Some(Kind::Open) => Err(refuse(50004)),
        _ => Ok(()),
    }
}

pub(super) fn classic(world: &mut World, call: &Call, _: &str) -> Result<Answer, Refusal> {
    let appid = call.param("appid");
    check(world, call, call.param("grant_type"), appid, call.param("secret"))?;
    let issued = world.classic_token(appid)?;
    let body = json!({"access_token": issued.token, "expires_in": issued.expires_in});
    Ok(Answer::json(&call.path, body))
}

pub(super) fn stable(world: &mut World, call: &Call, _: &str) -> Result<Answer, Refusal> {
    let body = call.json()?;
    let appid = text(&body, "appid");
    check(world, call, text(&body, "grant_type"), appid, text(&body, "secret"))?;
    let force = match body.get("force_refresh") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(force)) => *force,
        Some(_) => return Err(refuse(47001)),
    };
    let issued = world.stable_token(appid, force)?;
    let body = json!({"access_token": issued.token, "expires_in": issued.expires_in});
    Ok(Answer::json(&call.path, body))
}

/// The AppID of a call that carries it in its body.
pub(super) fn appid_in_body(call: &Call) -> String {
    let has_one = [catalog::STABLE_TOKEN.path, catalog::CLEAR_QUOTA_V2.path].contains(&call.path.as_str());
    let body: Option<Value> = has_one.then(|| serde_json::from_slice(&call.body).ok()).flatten();
    body.map(|body| text(&body, "appid").to_owned()).unwrap_or_default()
}

pub(super) fn ticket(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let kind = call.param("type");
    if !["jsapi", "wx_card"].contains(&kind) {
        return Err(refuse(40097));
    }
    if world.apps.get(appid).is_some_and(|app| app.kind != Kind::Official) {
        return Err(refuse(48001));
    }
    let (ticket, expires_in) = world.ticket(appid, kind);
    let body = json!({"errcode": 0, "errmsg": "ok", "ticket": ticket, "expires_in": expires_in});
    Ok(Answer::json(&call.path, body))
}

pub(super) fn clear_quota(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let body = call.json()?;
    if text(&body, "appid") != appid {
        return Err(refuse(40013));
    }
    clear(world, call, appid)
}

pub(super) fn clear_quota_by_secret(world: &mut World, call: &Call, _: &str) -> Result<Answer, Refusal> {
    // SDKs send both in the query, the documentation in the body.
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let either = |name| match call.param(name) {
        "" => text(&body, name),
        value => value,
    };
    let appid = either("appid");
    check_secret(world, appid, either("appsecret"))?;
    check_address(world, appid, call)?;
    clear(world, call, appid)
}

fn clear(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let now = world.now;
    world.quotas.take(appid, CLEAR, now)?;
    world.quotas.clear(appid);
    Ok(Answer::json(&call.path, json!({"errcode": 0, "errmsg": "ok"})))
}

/// Clears one endpoint's counter, which WeChat does for shops' only (`/channels/ec/…`): no account here is one.
fn clear_one(_: &mut World, call: &Call, _: &str) -> Result<Answer, Refusal> {
    let body = call.json()?;
    let path = text(&body, "cgi_path");
    let is_known =
        path.starts_with("/channels/ec/") || catalog::by_path(path).is_some_and(|known| known.path == path);
    Err(refuse(if is_known { 76022 } else { 76021 }))
}

/// What is left of an endpoint's quotas. Those of `/sns` are told nobody; what has no limit here has zeros.
pub(super) fn quota(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let body = call.json()?;
    let path = text(&body, "cgi_path");
    let known = catalog::by_path(path).filter(|known| known.path == path && !path.starts_with("/sns/"));
    let known = known.ok_or(refuse(76021))?;
    let limits = quota::OF_PATHS.iter().find(|(path, ..)| *path == known.path);
    let (day, minute) = limits.map_or((None, None), |(_, day, minute)| (*day, *minute));
    let most = day.map_or(0, |day| world.quotas.most(appid, day));
    let used = day.map_or(0, |day| world.quotas.used(appid, day, world.now));
    let mut answer = json!({
        "errcode": 0, "errmsg": "ok",
        "quota": {"daily_limit": most, "used": used, "remain": most.saturating_sub(used)},
    });
    if let Some(minute) = minute {
        let most = world.quotas.most(appid, minute);
        answer["rate_limit"] = json!({"call_count": most, "refresh_second": 60});
    }
    Ok(Answer::json(&call.path, answer))
}

/// WeChat's own addresses, which here are this machine.
pub(super) fn addresses(_: &mut World, call: &Call, _: &str) -> Result<Answer, Refusal> {
    Ok(Answer::json(&call.path, json!({"ip_list": ["127.0.0.1"]})))
}
