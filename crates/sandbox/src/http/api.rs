//! WeChat's own paths: which exist, what every call must show, and how its answer is logged.

mod account;
mod comment;
mod custom;
mod datacube;
mod draft;
mod kf;
mod link;
mod mass;
mod material;
mod media;
mod menu;
mod message;
mod ocr;
mod once;
mod publish;
mod qr;
mod security;
mod session;
mod sns;
mod tag;
mod template;
mod token;
mod user;
mod wxa;

use super::answer::{Answer, Content};
use super::call::Call;
use super::oauth;
use crate::faults::{Cut, Fault};
use crate::refusal::{Refusal, refuse, refuse_with};
use crate::world::quota::Limit;
use crate::world::{Entry, Kind, Refused, World};
use crate::{Shared, push};
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, header};
use serde_json::json;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
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
    custom::HANDLERS,
    wxa::HANDLERS,
    link::HANDLERS,
    media::HANDLERS,
    ocr::HANDLERS,
    security::HANDLERS,
    session::HANDLERS,
    account::HANDLERS,
    datacube::HANDLERS,
    kf::HANDLERS,
    once::HANDLERS,
    tag::HANDLERS,
    template::HANDLERS,
    menu::HANDLERS,
    material::HANDLERS,
    draft::HANDLERS,
    publish::HANDLERS,
    mass::HANDLERS,
    comment::HANDLERS,
    &[(&catalog::OAUTH_AUTHORIZE, oauth::authorize), (&catalog::QRCONNECT, oauth::qrconnect)],
];

/// An account of another kind may not call this.
fn check_kind(world: &World, appid: &str, kind: Kind) -> Result<(), Refusal> {
    match world.apps.get(appid) {
        Some(app) if app.kind == kind => Ok(()),
        _ => Err(refuse(48001)),
    }
}

/// Uses each of these limits once.
fn take_all(world: &mut World, appid: &str, limits: &[Limit]) -> Result<(), Refusal> {
    limits.iter().try_for_each(|limit| world.quotas.take(appid, *limit, world.now))
}

/// How long after its cause a callback is sent.
const PUSH_DELAY: Duration = Duration::from_millis(100);

/// Any request that is neither the home page nor a control call.
pub(super) async fn wechat(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    let call = Call::read(request).await;
    let (fault, delay, life, seq, mut answer) = {
        let world = &mut *shared.world();
        let appid = appid_of(world, &call);
        let fault = match call.stopped {
            Some(_) => None,
            None => world.faults.take(&call.path, &appid, |openid| call.concerns(openid), &mut world.random),
        };
        let delay = fault.as_ref().map_or(Duration::ZERO, |fault| fault.delay(&mut world.random));
        let (seq, mut answer) = answer(world, call, appid, fault.as_ref());
        // What they draw, and their number, must not depend on when they are sent.
        for push in &mut answer.pushes {
            (push.chance, push.seq) = (world.random.fork(), Some(world.pushes.number()));
        }
        (fault, delay, world.life.clone(), seq, answer)
    };
    for push in std::mem::take(&mut answer.pushes) {
        let (sender, life) = (shared.clone(), life.clone());
        let send = async move {
            tokio::time::sleep(PUSH_DELAY).await;
            if let Some(record) = push::deliver(&sender, push).await {
                sender.world().calls.pushed(seq, record);
            }
        };
        shared.spawn(async move {
            life.run_until_cancelled(send).await;
        });
    }
    let cut = fault.as_ref().and_then(|fault| fault.cut);
    let sent = answer.make(cut).await;
    note(&shared, &life, seq, sent);
    tokio::time::sleep(delay).await;
    answer.send(cut).await
}

/// Keeps what was sent with its call, unless the world began anew meanwhile.
fn note(shared: &Shared, life: &CancellationToken, seq: u64, sent: Bytes) {
    let mut world = shared.world();
    if !life.is_cancelled() {
        world.calls.answered(seq, sent);
    }
    shared.weigh(world.bytes());
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
    if let Some(receipt) = fault.and_then(|fault| fault.receipt.as_deref()) {
        answer.pushes.iter_mut().for_each(|push| push.came_to(receipt));
    }
    if let Some(content_type) = fault.and_then(|fault| fault.content_type.clone()) {
        answer.content_type = content_type;
    }
    let (status, errcode) = match cut {
        Some(Cut::Before) => (0, -1),
        Some(Cut::After) => (0, answer.errcode()),
        Some(Cut::Half) | None => (answer.status, answer.errcode()),
    };
    if let Some(rid) = answer.rid() {
        world.remember_rid(&rid, refused_call(&call, &appid, &answer, world.now));
    }
    let at = world.now_seconds();
    let news = json!({
        "at": world.now, "appid": appid, "method": call.method.as_str(), "path": call.path, "status": status,
        "errcode": errcode,
    });
    let seq = world.calls.add(errcode, entry(call, appid, at, status));
    world.feed.call(seq, news);
    (seq, answer)
}

/// Bytes of a refused call's body that are worth a look.
const MAX_REMEMBERED: usize = 8_192;

/// A refused call, for whoever looks its rid up.
fn refused_call(call: &Call, appid: &str, answer: &Answer, at: i64) -> Refused {
    Refused {
        appid: appid.to_owned(),
        path: call.path.clone(),
        at,
        cost_in_ms: 0,
        query: call.raw_query.clone(),
        body: String::from_utf8_lossy(&call.body[..call.body.len().min(MAX_REMEMBERED)]).into_owned(),
        answer: answer.text(),
        client_ip: call.peer.to_canonical().to_string(),
    }
}

/// A call for the journal; its number and its answer are still to come. Its texts are copied: what came from the
/// connection holds on to more than it shows.
fn entry(call: Call, appid: String, at: i64, status: u16) -> Entry {
    Entry {
        seq: 0,
        at,
        appid,
        method: call.method.to_string(),
        path: call.path,
        query: call.raw_query,
        headers: call.headers.iter().filter_map(shown).collect(),
        body: Bytes::copy_from_slice(&call.body),
        status,
        answer: Bytes::new(),
        pushed: Vec::new(),
    }
}

/// A header as the journal has it. A browser sends the cookies of every port of this machine: what this sandbox's own pages
/// and the gateway's console set is nobody's business.
fn shown((name, value): (&HeaderName, &HeaderValue)) -> Option<(String, String)> {
    let mut text = String::from_utf8_lossy(value.as_bytes()).into_owned();
    if name == header::COOKIE {
        let is_private = |pair: &str| {
            let name = pair.trim_start();
            ["sandbox_user=", "wxgate_", "__Host-wxgate_"].iter().any(|private| name.starts_with(private))
        };
        text = text.split(';').filter(|pair| !is_private(pair)).collect::<Vec<_>>().join(";");
        if text.trim().is_empty() {
            return None;
        }
    }
    Some((name.to_string(), text))
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
    let found = HANDLERS.iter().copied().flatten().find(|(known, _)| known.path == call.path);
    let Some((endpoint, handler)) = found else {
        // A token that is given must work even so: whoever brings a dead one is told as by any API.
        if !call.param("access_token").is_empty() && !call.path.starts_with("/sns/") {
            authenticate(world, call)?;
        }
        return Ok(Answer::not_simulated());
    };
    let appid = match endpoint.auth {
        Auth::AccessToken => authenticate(world, call)?,
        Auth::Secret | Auth::UserToken | Auth::None => String::new(),
    };
    // Where it documents GET, WeChat takes a POST as well.
    if endpoint.method == catalog::Method::Post && call.method != Method::POST {
        return Err(refuse(43002));
    }
    check_escapes(world, call)?;
    handler(world, call, &appid)
}

/// `\u` in a JSON body: menus never take it, and how much else doesn't, the sources don't agree about.
fn check_escapes(world: &World, call: &Call) -> Result<(), Refusal> {
    match call.has_unicode_escape() {
        true if call.path.starts_with("/cgi-bin/menu/") => Err(refuse(40033)),
        true if world.quirks.is("u_escapes", "refuse") => Err(refuse(47002)),
        _ => Ok(()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The paths that a row of the manual's table names: one without a `/` before it has the last one's folder.
    fn listed(row: &str) -> impl Iterator<Item = String> {
        let names = row.split('|').nth(2).unwrap_or_default().split('`').skip(1).step_by(2);
        names.scan(String::new(), |folder, name| {
            let path = if name.starts_with('/') { name.to_owned() } else { format!("{folder}/{name}") };
            *folder = path.rsplit_once('/')?.0.to_owned();
            Some(path)
        })
    }

    #[test]
    fn the_manual_lists_what_is_simulated() {
        for manual in
            [include_str!("../../../../docs/sandbox.md"), include_str!("../../../../docs/sandbox.en.md")]
        {
            // Of three cells: the others are control calls.
            let rows = manual.lines().filter(|line| line.starts_with("| ") && line.matches('|').count() == 4);
            let listed: BTreeSet<String> = rows.flat_map(listed).collect();
            let known = || HANDLERS.iter().copied().flatten().map(|(endpoint, _)| endpoint.path);
            let missing: Vec<_> = known().filter(|path| !listed.contains(*path)).collect();
            assert!(missing.is_empty(), "{missing:?}");
            let of_wechat = |path: &&String| {
                ["/cgi-bin/", "/wxa/", "/wxaapi/", "/cv/", "/datacube/", "/customservice/"]
                    .iter()
                    .any(|folder| path.starts_with(folder))
            };
            let more: Vec<_> =
                listed.iter().filter(of_wechat).filter(|path| !known().any(|known| known == *path)).collect();
            assert!(more.is_empty(), "{more:?}");
        }
    }
}
