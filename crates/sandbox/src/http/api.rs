//! WeChat's own paths: which exist, what every call must show, and how its answer is logged.

mod media;
mod message;
mod qr;
mod sns;
mod token;
mod user;
mod wxa;

use super::answer::{Answer, Content};
use super::call::Call;
use super::oauth;
use crate::faults::{Cut, Fault};
use crate::refusal::{Refusal, refuse, refuse_with};
use crate::world::{Entry, World};
use crate::{Shared, push};
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, Method, Request};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use wechat::catalog::{self, Auth, Endpoint};

/// What an endpoint does with a call; the AppID is that of its access_token, else empty.
type Handler = fn(&mut World, &Call, &str) -> Result<Answer, Refusal>;
/// An endpoint and what it does.
type Row = (&'static Endpoint, Handler);

/// Endpoints that do something, by family; others aren't simulated.
pub(super) const HANDLERS: &[&[Row]] = &[
    token::HANDLERS,
    sns::HANDLERS,
    user::HANDLERS,
    qr::HANDLERS,
    message::HANDLERS,
    wxa::HANDLERS,
    media::HANDLERS,
    &[(&catalog::OAUTH_AUTHORIZE, oauth::authorize), (&catalog::QRCONNECT, oauth::qrconnect)],
];

/// How long after its cause a callback is sent.
const PUSH_DELAY: Duration = Duration::from_millis(100);

/// Any request that is neither the home page nor a control call.
pub(super) async fn wechat(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    let call = Call::read(request).await;
    let (fault, seq, mut answer) = {
        let world = &mut *shared.world();
        let appid = appid_of(world, &call);
        let fault = match call.stopped {
            Some(_) => None,
            None => world.faults.take(&call.path, &appid, |openid| call.concerns(openid), &mut world.random),
        };
        let (seq, answer) = answer(world, call, appid, fault.as_ref());
        (fault, seq, answer)
    };
    for push in std::mem::take(&mut answer.pushes) {
        let sender = shared.clone();
        shared.spawn(async move {
            tokio::time::sleep(PUSH_DELAY).await;
            if let Some(record) = push::deliver(&sender, push).await {
                sender.world().calls.pushed(seq, record);
            }
        });
    }
    let cut = fault.as_ref().and_then(|fault| fault.cut);
    let sent = answer.make(cut).await;
    shared.world().calls.answered(seq, sent);
    if let Some(fault) = fault {
        tokio::time::sleep(fault.delay()).await;
    }
    answer.send(cut).await
}

/// Answers and logs one call, which gets a number. A fault that scripts the answer, or cuts the connection before it,
/// keeps the call from happening.
fn answer(world: &mut World, call: Call, appid: String, fault: Option<&Fault>) -> (u64, Answer) {
    let cut = fault.and_then(|fault| fault.cut);
    let mut answer = match (fault, call.stopped) {
        (_, Some(status)) => Answer::edge(status.as_u16()),
        (Some(fault), _) if cut == Some(Cut::Before) => {
            scripted(world, &call, fault).unwrap_or_else(|| Answer::edge(502))
        }
        (Some(fault), _) => scripted(world, &call, fault).unwrap_or_else(|| handle(world, &call)),
        (None, _) => handle(world, &call),
    };
    if let Some(content_type) = fault.and_then(|fault| fault.content_type.clone()) {
        answer.content_type = content_type;
    }
    let (status, errcode) = match cut {
        Some(Cut::Before) => (0, -1),
        Some(Cut::After) => (0, answer.errcode()),
        Some(Cut::Half) | None => (answer.status, answer.errcode()),
    };
    let at = world.now_seconds();
    let seq = world.calls.add(errcode, entry(call, appid, at, status));
    (seq, answer)
}

/// A call for the journal; its number and its answer are still to come. Its texts are copied: what came from the
/// connection holds on to more than it shows.
fn entry(call: Call, appid: String, at: i64, status: u16) -> Entry {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Entry {
        seq: 0,
        at,
        appid,
        method: call.method.to_string(),
        path: call.path,
        query: call.raw_query,
        headers: call.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: Bytes::copy_from_slice(&call.body),
        status,
        answer: Bytes::new(),
        pushed: Vec::new(),
    }
}

/// The answer a fault dictates, if it does.
fn scripted(world: &mut World, call: &Call, fault: &Fault) -> Option<Answer> {
    let mut answer = match (fault.body_bytes(), fault.errcode, fault.status) {
        (Some(body), ..) => Answer::new("application/json; encoding=utf-8", Content::Bytes(body)),
        (None, Some(code), _) => refused(world, call, &Refusal { code, text: fault.errmsg.clone() }),
        (None, None, Some(status)) => Answer::edge(status),
        (None, None, None) => return None,
    };
    answer.status = fault.status.unwrap_or(200);
    Some(answer)
}

fn refused(world: &mut World, call: &Call, refusal: &Refusal) -> Answer {
    Answer::json(&call.path, refusal.body(&call.path, world))
}

fn handle(world: &mut World, call: &Call) -> Answer {
    route(world, call).unwrap_or_else(|refusal| refused(world, call, &refusal))
}

fn route(world: &mut World, call: &Call) -> Result<Answer, Refusal> {
    let endpoint = catalog::by_path(&call.path).ok_or(refuse(40066))?;
    let appid = match endpoint.auth {
        Auth::AccessToken => authenticate(world, call)?,
        Auth::Secret | Auth::UserToken | Auth::None => String::new(),
    };
    match endpoint.method {
        catalog::Method::Get if call.method != Method::GET => return Err(refuse(43001)),
        catalog::Method::Post if call.method != Method::POST => return Err(refuse(43002)),
        _ => {}
    }
    let found = HANDLERS.iter().copied().flatten().find(|(known, _)| known.path == endpoint.path);
    let (_, handler) = found.ok_or(refuse(48001))?;
    handler(world, call, &appid)
}

/// The account of the call's access_token, which must work, from an address that may use it: whether the list binds
/// more than calls with the secret, nobody could confirm for every account.
fn authenticate(world: &World, call: &Call) -> Result<String, Refusal> {
    let appid = world.check_token(call.param("access_token"))?;
    if world.quirks.is("ip_scope", "all") {
        check_address(world, &appid, call)?;
    }
    Ok(appid)
}

fn check_address(world: &World, appid: &str, call: &Call) -> Result<(), Refusal> {
    if world.apps.get(appid).is_none_or(|app| app.admits(call.peer)) {
        return Ok(());
    }
    let text = match call.peer.to_canonical() {
        IpAddr::V4(ip) => format!("invalid ip {ip} ipv6 ::ffff:{ip}, not in whitelist"),
        IpAddr::V6(ip) => format!("invalid ip {ip} ipv6 {ip}, not in whitelist"),
    };
    Err(refuse_with(40164, text))
}

/// Whose call it is, for the log; empty if it doesn't tell.
fn appid_of(world: &World, call: &Call) -> String {
    let token = call.param("access_token");
    let by_token = world.tokens.appid(token).or_else(|| world.grants.appid(token));
    let ticket = || world.qr.by_ticket.get(call.param("ticket"));
    if let Some(appid) = by_token {
        appid.to_owned()
    } else if !call.param("appid").is_empty() {
        call.param("appid").to_owned()
    } else if let Some(code) = ticket() {
        code.appid.clone()
    } else {
        token::appid_in_body(call)
    }
}
