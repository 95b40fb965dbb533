//! A mini-program user's session key and what depends on it; the unionid of one who paid.

use super::super::answer::Answer;
use super::super::call::{Call, text};
use super::{Row, check_kind};
use crate::refusal::{Refusal, refuse};
use crate::world::quota::RESET_SESSION_MINUTE;
use crate::world::{Kind, World};
use serde_json::{Value, json};
use wechat::catalog;

pub(super) const HANDLERS: &[Row] = &[
    (&catalog::CHECK_SESSION, check),
    (&catalog::RESET_SESSION, reset),
    (&catalog::USER_ENCRYPT_KEY, encrypt_key),
    (&catalog::CHECK_ENCRYPTED, check_encrypted),
    (&catalog::PAID_UNIONID, paid_unionid),
];

/// The user of the call, whose session key it knows.
fn signed<'a>(world: &World, call: &'a Call, appid: &str) -> Result<&'a str, Refusal> {
    check_kind(world, appid, Kind::Mini)?;
    let openid = user(world, call, appid)?;
    world.check_session(appid, openid, call.param("signature"), call.param("sig_method"))?;
    Ok(openid)
}

fn user<'a>(world: &World, call: &'a Call, appid: &str) -> Result<&'a str, Refusal> {
    let openid = call.param("openid");
    if openid.is_empty() {
        return Err(refuse(41009));
    }
    world.users.of(appid, openid).ok_or(refuse(40003))?;
    Ok(openid)
}

/// A key that has ended is a wrong one here: the page knows 87009 only.
pub(super) fn check(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let known = signed(world, call, appid);
    known.map_err(|refusal| if refusal.code == 87007 { refuse(87009) } else { refusal })?;
    Ok(Answer::json(&call.path, json!({"errcode": 0, "errmsg": "ok"})))
}

pub(super) fn reset(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let openid = signed(world, call, appid)?;
    let now = world.now;
    world.quotas.take(appid, RESET_SESSION_MINUTE, now)?;
    let key = world.reset_session(appid, openid);
    let body = json!({"errcode": 0, "errmsg": "ok", "openid": openid, "session_key": key});
    Ok(Answer::json(&call.path, body))
}

pub(super) fn encrypt_key(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let openid = signed(world, call, appid)?;
    let keys = world.encrypt_keys(appid, openid);
    let views = keys.iter().map(|key| {
        json!({
            "encrypt_key": key.key,
            "version": key.version,
            "expire_in": key.left(world.now),
            "iv": key.iv,
            "create_time": key.made.div_euclid(1000),
        })
    });
    let body = json!({"errcode": 0, "errmsg": "ok", "key_info_list": views.collect::<Vec<Value>>()});
    Ok(Answer::json(&call.path, body))
}

/// Whether WeChat sealed what has this SHA-256; `vaild` is its own spelling.
pub(super) fn check_encrypted(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Mini)?;
    let body = call.json()?;
    let hash = text(&body, "encrypted_msg_hash");
    if hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(refuse(40097));
    }
    let at = world.sealed_at(appid, hash).ok_or(refuse(1))?;
    let body = json!({"errcode": 0, "errmsg": "ok", "vaild": true, "create_time": at});
    Ok(Answer::json(&call.path, body))
}

/// Of a payment within five minutes: one by its number, one by merchant and order, or any.
pub(super) fn paid_unionid(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Mini)?;
    let openid = user(world, call, appid)?;
    let user = world.users.of(appid, openid).ok_or(refuse(40003))?;
    let unionid = world.unionid(appid, user).ok_or(refuse(89002))?;
    let (transaction, merchant, order) =
        (call.param("transaction_id"), call.param("mch_id"), call.param("out_trade_no"));
    let has_paid = world.has_paid(appid, openid, |paid| match (transaction, merchant, order) {
        ("", "", "") => true,
        ("", ..) => paid.mch_id == merchant && paid.out_trade_no == order,
        _ => paid.transaction_id == transaction,
    });
    if !has_paid {
        return Err(refuse(89300));
    }
    Ok(Answer::json(&call.path, json!({"unionid": unionid, "errcode": 0, "errmsg": "ok"})))
}
