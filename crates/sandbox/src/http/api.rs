//! WeChat's endpoints: which credential a call needs, what its body must be, who answers.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use wechat::catalog::{self, Auth, Endpoint};
use wechat::errcode;

use super::{Call, JSON, Reply};
use crate::world::{CodeKind, Kind, Outcome, Refusal, World, is_eternal};
use crate::{Shared, picture, push};

pub(super) fn answer(shared: &Arc<Shared>, call: &Call) -> Reply {
    let mut appid = None;
    let outcome = dispatch(shared, call, &mut appid);
    let mut reply = match outcome {
        Ok(reply) => reply,
        Err(refusal) => self::refusal(&shared.world(), &call.path, &refusal),
    };
    reply.appid = appid;
    reply
}

/// An error as WeChat words it: `/sns/` as text with a comma, everything else as JSON.
pub(super) fn refusal(world: &World, path: &str, refusal: &Refusal) -> Reply {
    let text = refusal.text.as_deref().unwrap_or_else(|| errcode::text(refusal.code));
    let rid = world.rid();
    let (content_type, errmsg) = if path.starts_with("/sns/") {
        ("text/plain", format!("{text}, rid: {rid}"))
    } else {
        (JSON, format!("{text} rid: {rid}"))
    };
    let body = json!({"errcode": refusal.code, "errmsg": errmsg});
    Reply { errcode: refusal.code, ..Reply::new(content_type, body.to_string()) }
}

/// What the sandbox plays; anything else is `invalid url`.
fn is_played(endpoint: &Endpoint) -> bool {
    matches!(
        endpoint.path,
        "/cgi-bin/token"
            | "/cgi-bin/stable_token"
            | "/cgi-bin/ticket/getticket"
            | "/cgi-bin/user/info"
            | "/cgi-bin/get_api_domain_ip"
            | "/cgi-bin/getcallbackip"
            | "/cgi-bin/qrcode/create"
            | "/cgi-bin/showqrcode"
            | "/cgi-bin/message/template/send"
            | "/cgi-bin/message/subscribe/bizsend"
            | "/cgi-bin/message/subscribe/send"
            | "/wxa/getwxacodeunlimit"
            | "/wxa/business/getuserphonenumber"
            | "/sns/oauth2/access_token"
            | "/sns/oauth2/refresh_token"
            | "/sns/userinfo"
            | "/sns/auth"
            | "/sns/jscode2session"
    )
}

fn dispatch(shared: &Arc<Shared>, call: &Call, appid: &mut Option<String>) -> Outcome<Reply> {
    let endpoint = catalog::by_path(&call.path).filter(|endpoint| is_played(endpoint));
    let endpoint = endpoint.ok_or(Refusal::from(40066))?;
    match (endpoint.method, &call.method) {
        (catalog::Method::Get, &Method::GET) | (catalog::Method::Post, &Method::POST) => {}
        (catalog::Method::Get, _) => return Err(43001.into()),
        (catalog::Method::Post, _) => return Err(43002.into()),
    }
    let mut world = shared.world();
    if endpoint.auth == Auth::AccessToken {
        let account = world.check_token(call.query("access_token"), call.peer)?;
        *appid = Some(account.appid.clone());
    }
    let request = match endpoint.method {
        catalog::Method::Get => Value::Null,
        catalog::Method::Post => posted(&call.body)?,
    };
    let own = appid.clone().unwrap_or_default();
    let q = |name: &str| call.query(name);
    let text = |name: &str| request[name].as_str().unwrap_or_default();
    let json = |value: Value| Ok(Reply::json(&value));
    let sns = |value: Value| Ok(Reply::new("text/plain", value.to_string()));
    match endpoint.path {
        "/cgi-bin/token" => json(world.classic_token(q("grant_type"), q("appid"), q("secret"), call.peer)?),
        "/cgi-bin/stable_token" => {
            *appid = Some(text("appid").to_owned());
            let force = request["force_refresh"].as_bool().unwrap_or_default();
            json(world.stable_token(text("grant_type"), text("appid"), text("secret"), force, call.peer)?)
        }
        "/cgi-bin/ticket/getticket" => json(world.ticket(&own, q("type"))?),
        "/cgi-bin/user/info" => json(world.follower_info(&own, q("openid"))?),
        "/cgi-bin/get_api_domain_ip" | "/cgi-bin/getcallbackip" => json(json!({"ip_list": ["127.0.0.1"]})),
        "/cgi-bin/qrcode/create" => json(world.create_qr(&own, &request)?),
        "/cgi-bin/showqrcode" => Ok(match world.tickets.get(q("ticket")) {
            Some(ticket) => Reply::new("image/jpg", picture::of(&ticket.url, 430, false)),
            None => Reply::status(404),
        }),
        "/cgi-bin/message/template/send" => {
            let sent = world.send_template(&own, &call.path, &request)?;
            drop(world);
            if sent.is_new {
                let (inner, openid) = (shared.clone(), sent.openid);
                shared.tracker.spawn(async move {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    let fields = [("MsgID", json!(sent.msgid)), ("Status", json!("success"))];
                    push::event(&inner, &own, &openid, "TEMPLATESENDJOBFINISH", &fields).await;
                });
            }
            json(sent.answer)
        }
        "/cgi-bin/message/subscribe/bizsend" => {
            json(world.send_subscribe(&own, &call.path, Kind::Official, &request)?)
        }
        "/cgi-bin/message/subscribe/send" => {
            json(world.send_subscribe(&own, &call.path, Kind::Mini, &request)?)
        }
        "/wxa/getwxacodeunlimit" => {
            only_mini(&world, &own)?;
            let (content, width) = world.wxa_code(&own, &request)?;
            let png = request["is_hyaline"].as_bool().unwrap_or_default() && !world.quirks.hyaline_jpeg;
            drop(world);
            let media_type = if png { "image/png" } else { "image/jpeg" };
            Ok(Reply::new(media_type, picture::of(&content, width, png)))
        }
        "/wxa/business/getuserphonenumber" => {
            if !is_eternal(&own, text("code"), &CodeKind::Phone) {
                only_mini(&world, &own)?;
            }
            json(world.phone_number(&own, text("code"), request["openid"].as_str())?)
        }
        "/sns/oauth2/access_token" => {
            sns(world.oauth_token(q("appid"), q("secret"), q("code"), q("grant_type"))?)
        }
        "/sns/oauth2/refresh_token" => {
            sns(world.oauth_refresh(q("appid"), q("grant_type"), q("refresh_token"))?)
        }
        "/sns/userinfo" => sns(world.user_info(q("access_token"), q("openid"))?),
        "/sns/auth" => sns(world.user_auth(q("access_token"), q("openid"))?),
        "/sns/jscode2session" => {
            sns(world.session(q("appid"), q("secret"), q("js_code"), q("grant_type"))?)
        }
        _ => Err(40066.into()),
    }
}

fn only_mini(world: &World, appid: &str) -> Outcome<()> {
    match world.accounts.get(appid) {
        Some(account) if account.kind == Kind::Mini => Ok(()),
        _ => Err(45063.into()),
    }
}

/// A POST's body: never empty, no `\u` escapes of text, JSON.
fn posted(body: &[u8]) -> Outcome<Value> {
    if body.is_empty() {
        return Err(44002.into());
    }
    if has_unicode_escape(body) {
        return Err(47002.into());
    }
    match serde_json::from_slice(body) {
        Ok(value @ Value::Object(_)) => Ok(value),
        _ => Err(47001.into()),
    }
}

/// `\uXXXX` for anything but a control character, which JSON can write in no other way.
fn has_unicode_escape(body: &[u8]) -> bool {
    let mut bytes = body.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        if *byte == b'\\' {
            let Some((_, next)) = bytes.next() else {
                return false;
            };
            if *next == b'u' && !body[at..].starts_with(b"\\u00") {
                return true;
            }
        }
    }
    false
}
