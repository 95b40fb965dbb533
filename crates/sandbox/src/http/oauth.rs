//! The pages of `open.weixin.qq.com`: a user meets them, chooses who to be, and is sent back with
//! a code.

use std::sync::Arc;

use url::Url;

use super::{Call, Reply, page};
use crate::Shared;
use crate::world::{Account, CodeKind, Kind, World};

/// WeChat matches the link by a strict pattern: these names, in this order.
const ORDER: [&str; 5] = ["appid", "redirect_uri", "response_type", "scope", "state"];

pub(super) fn answer(shared: &Arc<Shared>, call: &Call) -> Reply {
    let mut world = shared.world();
    match authorize(&mut world, call) {
        Ok(reply) => reply,
        Err((errcode, why)) => Reply { errcode, ..Reply::page(page::oauth_error(errcode, &why)) },
    }
}

fn authorize(world: &mut World, call: &Call) -> Result<Reply, (i64, String)> {
    let is_qr = match call.path.as_str() {
        "/connect/oauth2/authorize" => false,
        "/connect/qrconnect" => true,
        _ => return Err((40066, "没有这个页面".to_owned())),
    };
    let names: Vec<&str> =
        call.query.iter().map(|(name, _)| name.as_str()).filter(|name| ORDER.contains(name)).collect();
    let in_order = names == ORDER || names == ORDER[..4];
    if !in_order {
        return Err((10_002, format!("链接的参数应依次是 {}", ORDER.join(", "))));
    }
    let account = world.accounts.get(call.query("appid")).ok_or((40013, "没有这个 appid".to_owned()))?;
    let scope = call.query("scope");
    let fits = match scope {
        "snsapi_base" | "snsapi_userinfo" => !is_qr && account.kind == Kind::Official,
        "snsapi_login" => is_qr && account.kind == Kind::Open,
        _ => false,
    };
    if !fits {
        return Err((10_005, format!("这个账号没有 {scope} 权限")));
    }
    let state = call.query("state");
    if state.len() > 128 || !state.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err((10_002, "state 只能是 128 个以内的字母和数字".to_owned()));
    }
    let target = Url::parse(call.query("redirect_uri")).ok().filter(|target| is_authorised(account, target));
    let target = target.ok_or((10_003, "redirect_uri 域名与后台配置不一致".to_owned()))?;
    let appid = account.appid.clone();

    let cookie = call.cookie.split(';').find_map(|pair| pair.trim().strip_prefix("sandbox_user="));
    let chosen = Some(call.query("sandbox_user")).filter(|user| !user.is_empty());
    let silent = scope == "snsapi_base";
    let user = match (chosen, cookie, silent) {
        (Some(user), _, _) => user.to_owned(),
        (None, Some(user), true) => user.to_owned(),
        (None, None, true) => world.users.first().map(|user| user.id.clone()).unwrap_or_default(),
        (None, _, false) => return Ok(Reply::page(page::consent(world, &appid, scope, &call.raw_query))),
    };
    if user == "refuse" {
        return Ok(Reply::redirect(back(target, None, state)));
    }
    let user = world.users.iter().find(|one| one.id == user).ok_or((10_000, "没有这个用户".to_owned()))?;
    let openid = user.openids.get(&appid).cloned().unwrap_or_default();
    let code = world.make_code(&appid, &openid, CodeKind::Oauth(scope.to_owned()));
    Ok(Reply { appid: Some(appid), ..Reply::redirect(back(target, Some(&code), state)) })
}

/// The whole host must be listed; loopback always is.
fn is_authorised(account: &Account, target: &Url) -> bool {
    let Some(host) = target.host_str() else {
        return false;
    };
    let loopback = host == "localhost" || host == "[::1]" || host.starts_with("127.");
    matches!(target.scheme(), "http" | "https")
        && (loopback || account.oauth_domains.iter().any(|domain| domain == host))
}

fn back(mut target: Url, code: Option<&str>, state: &str) -> String {
    if let Some(code) = code {
        target.query_pairs_mut().append_pair("code", code);
    }
    target.query_pairs_mut().append_pair("state", state);
    target.into()
}
