//! `/sns`: web OAuth and mini-program login.

use super::super::answer::Answer;
use super::super::call::Call;
use super::Row;
use super::token::check_secret;
use crate::refusal::{Refusal, refuse};
use crate::world::{CodeKind, World};
use serde_json::{Value, json};
use wechat::catalog;

pub(super) const HANDLERS: &[Row] = &[
    (&catalog::OAUTH_ACCESS_TOKEN, access_token),
    (&catalog::OAUTH_REFRESH_TOKEN, refresh_token),
    (&catalog::SNS_USERINFO, userinfo),
    (&catalog::SNS_AUTH, auth),
    (&catalog::JSCODE2SESSION, session),
];

pub(super) fn access_token(world: &mut World, call: &Call, _: &str) -> Result<Answer, Refusal> {
    let (appid, code) = (call.param("appid"), call.param("code"));
    check_exchange(world, call, code)?;
    let spent = world.spend_code(CodeKind::OAuth, appid, code)?;
    let grant = world.grant(appid, spent.openid, spent.scope);
    let mut body = json!({
        "access_token": grant.token,
        "expires_in": 7200,
        "refresh_token": grant.refresh_token,
        "openid": grant.openid,
        "scope": grant.scope,
    });
    if world.users.of(appid, &grant.openid).is_some_and(|user| user.snapshot) {
        body["is_snapshotuser"] = 1.into();
    }
    if grant.scope != "snsapi_base"
        && let Some(user) = world.users.of(appid, &grant.openid)
        && let Some(unionid) = world.unionid(appid, user)
    {
        body["unionid"] = Value::from(unionid);
    }
    Ok(Answer::json(&call.path, body))
}

/// What both exchanges of a code check first.
fn check_exchange(world: &World, call: &Call, code: &str) -> Result<(), Refusal> {
    let (appid, secret) = (call.param("appid"), call.param("secret"));
    check_secret(world, appid, secret)?;
    if call.param("grant_type") != "authorization_code" {
        return Err(refuse(40002));
    }
    if code.is_empty() {
        return Err(refuse(41008));
    }
    Ok(())
}

pub(super) fn refresh_token(world: &mut World, call: &Call, _: &str) -> Result<Answer, Refusal> {
    let (appid, token) = (call.param("appid"), call.param("refresh_token"));
    if appid.is_empty() {
        return Err(refuse(41002));
    }
    if !world.apps.contains_key(appid) {
        return Err(refuse(40013));
    }
    if call.param("grant_type") != "refresh_token" {
        return Err(refuse(40002));
    }
    if token.is_empty() {
        return Err(refuse(41003));
    }
    let grant = world.renew(appid, token)?;
    let body = json!({
        "access_token": grant.token,
        "expires_in": 7200,
        "refresh_token": grant.refresh_token,
        "openid": grant.openid,
        "scope": grant.scope,
    });
    Ok(Answer::json(&call.path, body))
}

pub(super) fn userinfo(world: &mut World, call: &Call, _: &str) -> Result<Answer, Refusal> {
    let openid = call.param("openid");
    let grant = world.check_grant(call.param("access_token"), openid)?;
    if grant.scope == "snsapi_base" {
        return Err(refuse(48001));
    }
    let user = world.users.of(&grant.appid, openid).ok_or(refuse(40003))?;
    let mut body = json!({
        "openid": openid,
        "nickname": user.nickname,
        "sex": 0,
        "language": "",
        "city": "",
        "province": "",
        "country": "",
        "headimgurl": format!("https://thirdwx.qlogo.cn/mmopen/vi_32/{}/132", user.unionid),
        "privilege": [],
    });
    if let Some(unionid) = world.unionid(&grant.appid, user) {
        body["unionid"] = Value::from(unionid);
    }
    Ok(Answer::json(&call.path, body))
}

pub(super) fn auth(world: &mut World, call: &Call, _: &str) -> Result<Answer, Refusal> {
    world.check_grant(call.param("access_token"), call.param("openid"))?;
    Ok(Answer::json(&call.path, json!({"errcode": 0, "errmsg": "ok"})))
}

pub(super) fn session(world: &mut World, call: &Call, _: &str) -> Result<Answer, Refusal> {
    let (appid, code) = (call.param("appid"), call.param("js_code"));
    check_exchange(world, call, code)?;
    let spent = world.spend_code(CodeKind::Login, appid, code)?;
    let key = world.log_in(appid, &spent.openid);
    let user = world.users.of(appid, &spent.openid).ok_or(refuse(40029))?;
    let mut body = json!({
        "session_key": key,
        "openid": spent.openid,
    });
    if let Some(unionid) = world.unionid(appid, user) {
        body["unionid"] = Value::from(unionid);
    }
    Ok(Answer::json(&call.path, body))
}
