//! Control calls that set the scene: accounts, users, codes, tokens, faults, the clock.

use super::{Done, Reply, Wrong, members, members_with_file};
use crate::Shared;
use crate::faults::Fault;
use crate::push;
use crate::world::{AppSettings, Callback, CodeKind, Format, Kept, Kind, MAX_OFFSET, Mode, Purpose, World};
use axum::body::Bytes;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The sandbox, as every call gets it.
type Held = State<Arc<Shared>>;

fn fine() -> Reply {
    Ok(Done(json!({"ok": true})))
}

pub(super) async fn apps(State(shared): Held, body: Bytes) -> Reply {
    let app = members::<AppSettings>(&body)?.into_app()?;
    let view = app.view();
    let mut world = shared.world();
    world.check_room_for(&app)?;
    world.put_app(app);
    Ok(Done(view))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUser {
    nickname: Option<String>,
    /// A virtual account, as of a page that is shown as a snapshot.
    #[serde(default)]
    snapshot: bool,
}

pub(super) async fn users(State(shared): Held, body: Bytes) -> Reply {
    let asked: NewUser = members(&body)?;
    let mut world = shared.world();
    let number = world.users.all.len() + 1;
    let user = world.add_user(asked.nickname.unwrap_or_else(|| format!("用户{number}")), asked.snapshot);
    Ok(Done(json!({
        "user": user.id, "nickname": user.nickname, "unionid": user.unionid, "openids": user.openids,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCallback {
    appid: String,
    url: String,
    mode: Mode,
    #[serde(default)]
    format: Format,
    /// Whether the address is asked first; a file of the start may be read before it answers.
    #[serde(default = "yes")]
    verify: bool,
}

/// Longest callback address.
const MAX_URL: usize = 2_048;

fn yes() -> bool {
    true
}

pub(super) async fn callback(State(shared): Held, body: Bytes) -> Reply {
    let asked: NewCallback = members(&body)?;
    let app = shared.world().app(&asked.appid)?.clone();
    if app.kind == Kind::Open {
        return Err(Wrong("appid: a website has no callbacks".to_owned()));
    }
    if asked.url.len() > MAX_URL {
        return Err(Wrong(format!("url: at most {MAX_URL} bytes")));
    }
    if !asked.url.is_empty() && asked.verify {
        push::verify(&shared, &app, &asked.url).await?;
    }
    let mut world = shared.world();
    if let Some(app) = world.apps.get_mut(&asked.appid) {
        // An empty address: no callbacks any more.
        app.callback = (!asked.url.is_empty()).then_some(Callback {
            url: asked.url,
            mode: asked.mode,
            format: asked.format,
        });
    }
    fine()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCode {
    appid: String,
    openid: String,
    /// Of an OAuth code.
    #[serde(default)]
    scope: String,
}

fn give(shared: &Shared, kind: CodeKind, asked: &NewCode) -> Reply {
    let mut world = shared.world();
    world.user_of(&asked.appid, &asked.openid)?;
    if !kind.is_of(world.app(&asked.appid)?.kind) {
        return Err(Wrong("appid: this kind of account has no such codes".to_owned()));
    }
    if kind != CodeKind::OAuth {
        // Only a page of the mini program gets such a code.
        world.visit(&asked.appid, &asked.openid);
    }
    let code = world.give_code(kind, &asked.appid, &asked.openid, &asked.scope);
    Ok(Done(json!({"code": code})))
}

pub(super) async fn oauth_code(State(shared): Held, body: Bytes) -> Reply {
    let mut asked: NewCode = members(&body)?;
    if asked.scope.is_empty() {
        "snsapi_userinfo".clone_into(&mut asked.scope);
    }
    if !["snsapi_base", "snsapi_userinfo", "snsapi_login"].contains(&asked.scope.as_str()) {
        return Err(Wrong("scope: snsapi_base, snsapi_userinfo or snsapi_login".to_owned()));
    }
    give(&shared, CodeKind::OAuth, &asked)
}

pub(super) async fn phone_code(State(shared): Held, body: Bytes) -> Reply {
    give(&shared, CodeKind::Phone, &members(&body)?)
}

pub(super) async fn login_code(State(shared): Held, body: Bytes) -> Reply {
    give(&shared, CodeKind::Login, &members(&body)?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Consent {
    appid: String,
    openid: String,
    template_id: String,
    count: u64,
}

/// A template of the account whose messages a user may allow.
pub(super) fn check_subscription(world: &World, appid: &str, id: &str) -> Result<(), Wrong> {
    let found = world.templates.find(appid, id, Purpose::Subscription);
    found
        .map(|_| ())
        .ok_or_else(|| Wrong(format!("template_id: {appid} has no subscription template {id:?}")))
}

pub(super) async fn subscribe(State(shared): Held, body: Bytes) -> Reply {
    let asked: Consent = members(&body)?;
    let mut world = shared.world();
    world.user_of(&asked.appid, &asked.openid)?;
    check_subscription(&world, &asked.appid, &asked.template_id)?;
    let credits = world.allow_subscription(&asked.appid, &asked.openid, &asked.template_id, asked.count);
    Ok(Done(json!({"count": credits})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    appid: String,
    #[serde(default)]
    mode: Kept,
    #[serde(default)]
    hard: bool,
}

/// An account that has access_tokens.
fn check_tokens(world: &World, appid: &str) -> Result<(), Wrong> {
    match world.app(appid)?.kind {
        Kind::Official | Kind::Mini => Ok(()),
        Kind::Open => Err(Wrong("appid: a website has no access_token".to_owned())),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    appid: String,
}

pub(super) async fn expire(State(shared): Held, body: Bytes) -> Reply {
    let asked: Named = members(&body)?;
    let mut world = shared.world();
    check_tokens(&world, &asked.appid)?;
    world.expire_tokens(&asked.appid);
    fine()
}

pub(super) async fn rotate(State(shared): Held, body: Bytes) -> Reply {
    let asked: Rotation = members(&body)?;
    let mut world = shared.world();
    check_tokens(&world, &asked.appid)?;
    world.rotate_token(&asked.appid, asked.mode, asked.hard);
    fine()
}

pub(super) async fn fault(State(shared): Held, body: Bytes) -> Reply {
    let fault: Fault = members_with_file(&body)?;
    let id = shared.world().faults.add(fault)?;
    Ok(Done(json!({"id": id})))
}

pub(super) async fn faults(State(shared): Held) -> Done {
    Done(json!({"faults": shared.world().faults.list()}))
}

pub(super) async fn remove_fault(State(shared): Held, Path(id): Path<String>) -> Reply {
    let is_removed = id.parse().is_ok_and(|id| shared.world().faults.remove(id));
    if !is_removed {
        return Err(Wrong(format!("id: there is no fault {id:?}")));
    }
    fine()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_seconds: i64,
}

pub(super) async fn clock(State(shared): Held, body: Bytes) -> Reply {
    let asked: Advance = members(&body)?;
    let mut world = shared.world();
    let offset = world.offset.saturating_add(asked.advance_seconds.saturating_mul(1000));
    if offset.saturating_abs() > MAX_OFFSET {
        return Err(Wrong("advance_seconds: more than a century".to_owned()));
    }
    let by = offset - world.offset;
    world.offset = offset;
    world.now += by;
    Ok(Done(json!({"now": world.now, "offset_seconds": offset / 1000})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewQuota {
    appid: String,
    api: String,
    limit: u32,
}

pub(super) async fn quota(State(shared): Held, body: Bytes) -> Reply {
    let asked: NewQuota = members(&body)?;
    let mut world = shared.world();
    world.app(&asked.appid)?;
    world.quotas.set(&asked.appid, &asked.api, asked.limit)?;
    fine()
}

pub(super) async fn quirks(State(shared): Held, body: Bytes) -> Reply {
    let asked: Map<String, Value> = members(&body)?;
    let mut world = shared.world();
    for (name, value) in &asked {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        world.quirks.set(name, &value)?;
    }
    Ok(Done(json!(world.quirks)))
}
