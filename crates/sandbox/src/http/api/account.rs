//! What an account asks about calls, callbacks and users, and texts it leaves with WeChat.

use super::super::answer::{Answer, Content};
use super::super::call::{Call, text};
use super::super::probe::Probe;
use super::tag::number;
use super::{Row, check_kind};
use crate::refusal::{Refusal, refuse, refuse_with};
use crate::world::{Kind, World};
use serde_json::{Value, json};
use std::net::IpAddr;
use url::Url;
use wechat::catalog;

pub(super) const HANDLERS: &[Row] = &[
    (&catalog::RID_GET, rid),
    (&catalog::CALLBACK_CHECK, check),
    (&catalog::SHORTEN_GEN, shorten),
    (&catalog::SHORTEN_FETCH, fetch),
    (&catalog::USER_RISK, risk),
    (&catalog::CHANGE_OPENID, change),
];

fn rid(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let body = call.json()?;
    let refused = world.rid(appid, text(&body, "rid"))?;
    let request = json!({
        "invoke_time": refused.at.div_euclid(1000),
        "cost_in_ms": refused.cost_in_ms,
        "request_url": refused.query,
        "request_body": refused.body,
        "response_body": refused.answer,
        "client_ip": refused.client_ip,
    });
    Ok(Answer::json(&call.path, json!({"errcode": 0, "errmsg": "ok", "request": request})))
}

/// Looks up the callback's host and reaches for it, when the answer goes out.
fn check(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let body = call.json()?;
    let action = text(&body, "action");
    if !["dns", "ping", "all"].contains(&action) {
        return Err(refuse(40202));
    }
    let operator = text(&body, "check_operator");
    if !["CHINANET", "UNICOM", "CAP", "DEFAULT"].contains(&operator) {
        return Err(refuse(40203));
    }
    let callback = world.apps.get(appid).and_then(|app| app.callback.as_ref());
    let url = callback.and_then(|callback| Url::parse(&callback.url).ok()).ok_or(refuse(40201))?;
    let host = url.host_str().ok_or(refuse(40201))?;
    let probe = Probe {
        host: host.trim_matches(['[', ']']).to_owned(),
        port: url.port_or_known_default().unwrap_or(80),
        lists_addresses: action != "ping",
        reaches: action != "dns",
        operator: if operator == "DEFAULT" { "CAP" } else { operator }.to_owned(),
    };
    let mut answer = Answer::json(&call.path, Value::Null);
    answer.content = Content::Probe(probe);
    Ok(answer)
}

fn shorten(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let body = call.json()?;
    let long = text(&body, "long_data");
    if long.is_empty() {
        return Err(refuse_with(47003, "argument invalid! long_data is empty".to_owned()));
    }
    let seconds = match body.get("expire_seconds") {
        None | Some(Value::Null) => None,
        Some(seconds) => Some(seconds.as_i64().ok_or(refuse(47001))?),
    };
    let key = world.shorten(appid, long, seconds)?;
    Ok(Answer::json(&call.path, json!({"errcode": 0, "errmsg": "ok", "short_key": key})))
}

fn fetch(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let body = call.json()?;
    let key = text(&body, "short_key");
    if key.is_empty() {
        return Err(refuse_with(47003, "argument invalid! short_key is empty".to_owned()));
    }
    let long = world.long(appid, key)?;
    let left = (long.expires - world.now + 999) / 1000;
    let answer = json!({
        "errcode": 0, "errmsg": "ok",
        "long_data": long.text, "create_time": long.made, "expire_seconds": left,
    });
    Ok(Answer::json(&call.path, answer))
}

/// The risk of a mini program's user, 0 to 4: whoever is on the blacklist of an official account is of the worst.
fn risk(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Mini)?;
    let body = call.json()?;
    if text(&body, "appid") != appid {
        return Err(refuse(40013));
    }
    let openid = text(&body, "openid");
    world.check_visitor(appid, openid)?;
    // 0: registration, 1: marketing, 2: what users write.
    if number(&body, "scene")? > 2 {
        return Err(refuse(40129));
    }
    if text(&body, "client_ip").parse::<IpAddr>().is_err() {
        return Err(refuse(40097));
    }
    let user = world.users.of(appid, openid).ok_or(refuse(40003))?;
    let is_bad = user.openids.iter().any(|(appid, openid)| world.is_blocked(appid, openid));
    let number = world.random.number(100_000..1_000_000_000);
    // "unoin" is WeChat's own spelling.
    let answer = json!({
        "errcode": 0, "errmsg": "getuserriskrank succ",
        "risk_rank": if is_bad { 4 } else { 0 }, "unoin_id": number,
    });
    Ok(Answer::json(&call.path, answer))
}

/// Openids asked for at once.
const MAX_CHANGED: usize = 100;

/// Openids of an account that was merged into this one: any other official account counts as one.
fn change(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    // The page says the original id and shows one, calls that worked had the AppID.
    let from = text(&body, "from_appid");
    let old = world.apps.values().find(|app| app.appid == from || app.original_id == from);
    let old = old.filter(|app| app.kind == Kind::Official && app.appid != appid).ok_or(refuse(63178))?;
    let openids = body.get("openid_list").and_then(Value::as_array).ok_or(refuse(63182))?;
    if openids.is_empty() {
        return Err(refuse(63182));
    }
    if openids.len() > MAX_CHANGED {
        return Err(refuse(40032));
    }
    let changed = openids.iter().map(|openid| {
        let user = openid.as_str().and_then(|openid| world.users.of(&old.appid, openid));
        match user.filter(|user| user.follows(&old.appid)) {
            Some(user) => json!({"ori_openid": openid, "new_openid": user.openid(appid), "err_msg": "ok"}),
            None => json!({"ori_openid": openid, "err_msg": "ori_openid error"}),
        }
    });
    let changed: Vec<Value> = changed.collect();
    Ok(Answer::json(&call.path, json!({"errcode": 0, "errmsg": "ok", "result_list": changed})))
}
