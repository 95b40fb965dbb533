//! The control API under `/sandbox`: JSON in and out; a mistake is 400 and says what is wrong.

use std::net::IpAddr;
use std::sync::Arc;

use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{Call, Reply};
use crate::world::{Account, Callback, CodeKind, Fault, Kind, Mode, World};
use crate::{Shared, push};

type Outcome = Result<Value, String>;

pub(super) async fn answer(shared: &Arc<Shared>, name: &str, call: &Call) -> Reply {
    let outcome = if name == "state" {
        if call.method == Method::GET { Ok(shared.world().state()) } else { Err("use GET".to_owned()) }
    } else if call.method != Method::POST {
        Err("use POST".to_owned())
    } else {
        posted(shared, name, call).await
    };
    match outcome {
        Ok(value) => Reply::new("application/json", value.to_string()),
        Err(error) => {
            Reply { status: 400, ..Reply::new("application/json", json!({"error": error}).to_string()) }
        }
    }
}

async fn posted(shared: &Arc<Shared>, name: &str, call: &Call) -> Outcome {
    let body: Value = match call.body.trim_ascii() {
        b"" => json!({}),
        body => serde_json::from_slice(body).map_err(|error| format!("the body is no JSON: {error}"))?,
    };
    let done = || Ok(json!({"ok": true}));
    match name {
        "apps" => put_account(&mut shared.world(), read(body)?),
        "reset" => {
            shared.world().reset();
            done()
        }
        "users" => {
            let asked: NewUser = read(body)?;
            let mut world = shared.world();
            let user = world.add_user(asked.nickname.as_deref());
            Ok(json!({
                "user": user.id, "nickname": user.nickname, "unionid": user.unionid, "openids": user.openids,
            }))
        }
        "callback" => set_callback(shared, read(body)?).await,
        "oauth/code" => {
            let asked: OauthCode = read(body)?;
            if !matches!(asked.scope.as_str(), "snsapi_base" | "snsapi_userinfo" | "snsapi_login") {
                return Err("scope is snsapi_base, snsapi_userinfo or snsapi_login".to_owned());
            }
            code(shared, &asked.appid, &asked.openid, CodeKind::Oauth(asked.scope))
        }
        "login/code" | "phone/code" => {
            let asked: Person = read(body)?;
            let kind = if name == "login/code" { CodeKind::Login } else { CodeKind::Phone };
            code(shared, &asked.appid, &asked.openid, kind)
        }
        "subscribe" => {
            let asked: Allow = read(body)?;
            let mut world = shared.world();
            known_user(&world, &asked.appid, &asked.openid)?;
            world.allow(&asked.openid, &asked.template_id, asked.count);
            done()
        }
        "scan" => scan(shared, read(body)?).await,
        "message" => {
            let asked: Text = read(body)?;
            known_user(&shared.world(), &asked.appid, &asked.openid)?;
            let id: u64 = rand::RngExt::random_range(
                &mut rand::rng(),
                6_000_000_000_000_000_000..7_000_000_000_000_000_000,
            );
            let fields = [("MsgType", json!("text")), ("Content", json!(asked.text)), ("MsgId", json!(id))];
            pushes(&push::message(shared, &asked.appid, &asked.openid, &fields).await)
        }
        "event" => {
            let asked: Event = read(body)?;
            follow_by_event(&mut shared.world(), &asked)?;
            let fields = [("EventKey", json!(asked.key))];
            pushes(&push::event(shared, &asked.appid, &asked.openid, &asked.event, &fields).await)
        }
        "unfollow" => {
            let asked: Person = read(body)?;
            {
                let mut world = shared.world();
                known_user(&world, &asked.appid, &asked.openid)?;
                if let Some(user) = world.user_mut(&asked.appid, &asked.openid) {
                    user.follows.remove(&asked.appid);
                }
            }
            let fields = [("EventKey", json!(""))];
            pushes(&push::event(shared, &asked.appid, &asked.openid, "unsubscribe", &fields).await)
        }
        "token/expire" => {
            let asked: Appid = read(body)?;
            let mut world = shared.world();
            known_account(&world, &asked.appid)?;
            world.expire(&asked.appid);
            done()
        }
        "token/rotate" => {
            let asked: Rotate = read(body)?;
            let stable = match asked.mode.as_deref() {
                None | Some("stable") => true,
                Some("classic") => false,
                Some(_) => return Err("mode is stable or classic".to_owned()),
            };
            let mut world = shared.world();
            known_account(&world, &asked.appid)?;
            world.rotate(&asked.appid, stable, asked.hard);
            done()
        }
        "fault" => {
            let fault: Fault = read(body)?;
            let mut world = shared.world();
            if world.faults.len() >= 1000 {
                return Err("1000 faults are scripted already: reset".to_owned());
            }
            world.faults.push(fault);
            done()
        }
        "clock" => {
            let asked: Clock = read(body)?;
            let mut world = shared.world();
            world.move_clock(asked.advance_seconds);
            Ok(json!({"now": world.now_secs()}))
        }
        "quirks" => {
            let values: Map<String, Value> = read(body)?;
            shared.world().quirks.set(&values)?;
            done()
        }
        _ => Err(format!("no control call {name}: GET / lists them")),
    }
}

fn read<T: DeserializeOwned>(body: Value) -> Result<T, String> {
    serde_json::from_value(body).map_err(|error| error.to_string())
}

fn pushes(pushes: &[Value]) -> Outcome {
    Ok(json!({"pushes": pushes}))
}

fn known_account<'a>(world: &'a World, appid: &str) -> Result<&'a Account, String> {
    world.accounts.get(appid).ok_or_else(|| format!("no account {appid}"))
}

fn known_user(world: &World, appid: &str, openid: &str) -> Result<(), String> {
    known_account(world, appid)?;
    world.user(appid, openid).map(drop).ok_or_else(|| format!("no user {openid} of {appid}"))
}

fn code(shared: &Shared, appid: &str, openid: &str, kind: CodeKind) -> Outcome {
    let mut world = shared.world();
    known_user(&world, appid, openid)?;
    Ok(json!({"code": world.make_code(appid, openid, kind)}))
}

#[derive(Deserialize)]
struct NewUser {
    nickname: Option<String>,
}

#[derive(Deserialize)]
struct Appid {
    appid: String,
}

#[derive(Deserialize)]
struct Person {
    appid: String,
    openid: String,
}

#[derive(Deserialize)]
struct OauthCode {
    appid: String,
    openid: String,
    scope: String,
}

#[derive(Deserialize)]
struct Allow {
    appid: String,
    openid: String,
    template_id: String,
    count: u32,
}

#[derive(Deserialize)]
struct Text {
    appid: String,
    openid: String,
    text: String,
}

#[derive(Deserialize)]
struct Event {
    appid: String,
    openid: String,
    event: String,
    #[serde(default)]
    key: String,
}

#[derive(Deserialize)]
struct Rotate {
    appid: String,
    mode: Option<String>,
    #[serde(default)]
    hard: bool,
}

#[derive(Deserialize)]
struct Clock {
    advance_seconds: i64,
}

#[derive(Deserialize)]
struct Scan {
    ticket: String,
    openid: String,
}

#[derive(Deserialize)]
struct NewAccount {
    appid: String,
    secret: String,
    kind: String,
    callback_token: Option<String>,
    aes_key: Option<String>,
    ip_allow: Option<Vec<IpAddr>>,
    token_ttl: Option<i64>,
    oauth_domains: Option<Vec<String>>,
}

/// Another account, or new settings of one that is there; its tokens stay.
fn put_account(world: &mut World, asked: NewAccount) -> Outcome {
    let kind = Kind::parse(&asked.kind).ok_or("kind is official, mini or open")?;
    if asked.appid.is_empty() || asked.secret.is_empty() {
        return Err("appid and secret must not be empty".to_owned());
    }
    if asked.token_ttl.is_some_and(|ttl| !(1..=86_400).contains(&ttl)) {
        return Err("token_ttl is 1 to 86400 seconds".to_owned());
    }
    let account = world
        .accounts
        .entry(asked.appid.clone())
        .or_insert_with(|| Account::new(&asked.appid, &asked.secret, kind));
    account.secret = asked.secret;
    account.kind = kind;
    if let Some(token) = asked.callback_token {
        account.callback_token = token;
    }
    if let Some(key) = asked.aes_key {
        account.aes_key = key;
    }
    if let Some(addresses) = asked.ip_allow {
        account.ip_allow = addresses;
    }
    if let Some(ttl) = asked.token_ttl {
        account.token_ttl = ttl;
    }
    if let Some(domains) = asked.oauth_domains {
        account.oauth_domains = domains;
    }
    let original_id = account.original_id.clone();
    world.give_openids(&asked.appid);
    Ok(json!({"appid": asked.appid, "original_id": original_id}))
}

#[derive(Deserialize)]
struct NewCallback {
    appid: String,
    url: String,
    mode: String,
    format: Option<String>,
}

async fn set_callback(shared: &Arc<Shared>, asked: NewCallback) -> Outcome {
    let mode = match asked.mode.as_str() {
        "plain" => Mode::Plain,
        "compat" => Mode::Compat,
        "safe" => Mode::Safe,
        _ => return Err("mode is plain, compat or safe".to_owned()),
    };
    let json = match asked.format.as_deref() {
        None | Some("xml") => false,
        Some("json") => true,
        Some(_) => return Err("format is xml or json".to_owned()),
    };
    let token = {
        let world = shared.world();
        let account = known_account(&world, &asked.appid)?;
        if json && account.kind != Kind::Mini {
            return Err("only mini programs have their messages in JSON".to_owned());
        }
        account.callback_token.clone()
    };
    push::verify(shared, &token, &asked.url)
        .await
        .map_err(|why| format!("the verification failed: {why}"))?;
    if let Some(account) = shared.world().accounts.get_mut(&asked.appid) {
        account.callback = Some(Callback { url: asked.url, mode, json });
    }
    Ok(json!({"ok": true}))
}

async fn scan(shared: &Arc<Shared>, asked: Scan) -> Outcome {
    let (appid, event, key) = {
        let mut world = shared.world();
        let now = world.now();
        let ticket = world.tickets.get(&asked.ticket).cloned().ok_or("no such ticket")?;
        if ticket.expires_at.is_some_and(|end| end <= now) {
            return Err("the code has expired".to_owned());
        }
        known_user(&world, &ticket.appid, &asked.openid)?;
        let is_new = world
            .user_mut(&ticket.appid, &asked.openid)
            .is_some_and(|user| user.follows.insert(ticket.appid.clone()));
        if is_new {
            (ticket.appid, "subscribe", format!("qrscene_{}", ticket.scene))
        } else {
            (ticket.appid, "SCAN", ticket.scene)
        }
    };
    let fields = [("EventKey", json!(key)), ("Ticket", json!(asked.ticket))];
    pushes(&push::event(shared, &appid, &asked.openid, event, &fields).await)
}

fn follow_by_event(world: &mut World, asked: &Event) -> Result<(), String> {
    known_user(world, &asked.appid, &asked.openid)?;
    if let Some(user) = world.user_mut(&asked.appid, &asked.openid) {
        match asked.event.as_str() {
            "subscribe" => drop(user.follows.insert(asked.appid.clone())),
            "unsubscribe" => drop(user.follows.remove(&asked.appid)),
            _ => {}
        }
    }
    Ok(())
}
