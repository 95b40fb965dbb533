//! Callbacks: sealed as the account says, posted, five seconds for an answer, three attempts in all.
//!
//! Their timestamps are the machine's, however far the sandbox's clock was moved: what is tested by them
//! is whether the receiver believes in fresh ones.

mod message;
mod reply;

pub(crate) use message::{Push, Subscription};

use crate::Shared;
use crate::sign;
use crate::world::{App, Attempt, By, Callback, Format, Mode, PushRecord, Random, Told, World};
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::error::Error;
use std::time::{Duration, Instant, SystemTime};
use url::form_urlencoded;

/// The client pushes go out by. Redirects aren't followed, as WeChat doesn't.
pub(crate) type Client = legacy::Client<HttpConnector, Full<Bytes>>;

/// How long a receiver has.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Attempts in all.
const ATTEMPTS: usize = 3;
/// Longest answer read, and kept in the log.
const MAX_REPLY: usize = 1 << 20;

pub(crate) fn client() -> Client {
    legacy::Client::builder(TokioExecutor::new()).build_http()
}

/// Sends a push, if its account has a callback, and keeps what came of it.
pub(crate) async fn deliver(shared: &Shared, push: Push) -> Option<PushRecord> {
    let number = begin(&mut shared.world(), &push)?;
    send(shared, push, number).await
}

/// Likewise what a user did: it stands in the chat, and what was answered does.
pub(crate) async fn act(shared: &Shared, push: Push) -> Option<PushRecord> {
    let number = {
        let mut world = shared.world();
        let number = begin(&mut world, &push);
        world.say(&push.appid, &push.openid, By::User, push.members(), number);
        number?
    };
    let record = send(shared, push, number).await?;
    show_reply(shared, &record);
    Some(record)
}

/// Sends a push's message once more, to where its account is told now.
pub(crate) async fn resend(shared: &Shared, number: u64) -> Result<PushRecord, String> {
    let (app, callback, record, mut chance) = {
        let mut world = shared.world();
        let old = world.pushes.find(number).ok_or_else(|| format!("push: there is no push {number}"))?;
        let PushRecord { appid, openid, message, .. } = old.clone();
        let app = world.app(&appid)?.clone();
        let callback = app.callback.clone().ok_or("push: its account has no callback address")?;
        if callback.format != Format::of(&message) {
            return Err("push: its account's format is another one now".to_owned());
        }
        let (seq, at, url) = (world.pushes.number(), world.now, callback.url.clone());
        let record = PushRecord { seq, at, url, attempts: Vec::new(), appid, openid, message };
        (app, callback, record, world.random.fork())
    };
    let record = attempts(shared, &app, &callback, record, &mut chance).await;
    show_reply(shared, &record);
    Ok(record)
}

/// What the user sees of the answer.
fn show_reply(shared: &Shared, record: &PushRecord) {
    let Some(last) = record.attempts.last() else { return };
    let (by, message) = match (&last.reply, &last.error) {
        (Some(reply), _) => (By::Reply, reply.as_str()),
        (None, Some(error)) => (By::Trouble, error.as_str()),
        (None, None) if last.status != 200 => (By::Trouble, ""),
        (None, None) => return,
    };
    shared.world().say(&record.appid, &record.openid, by, message.into(), Some(record.seq));
}

/// The number of a push that its account hears of.
fn begin(world: &mut World, push: &Push) -> Option<u64> {
    let arrives = arrives(world, push);
    let has_callback = world.apps.get(&push.appid).is_some_and(|app| app.callback.is_some());
    (arrives && has_callback).then(|| push.seq.unwrap_or_else(|| world.pushes.number()))
}

async fn send(shared: &Shared, mut push: Push, seq: u64) -> Option<PushRecord> {
    let (app, callback, at) = {
        let world = shared.world();
        let app = world.apps.get(&push.appid)?.clone();
        let callback = app.callback.clone()?;
        (app, callback, world.now)
    };
    let message = push.render(&app.original_id, now_seconds(), callback.format);
    let url = callback.url.clone();
    let record =
        PushRecord { seq, at, url, attempts: Vec::new(), appid: push.appid, openid: push.openid, message };
    Some(attempts(shared, &app, &callback, record, &mut push.chance).await)
}

/// All the attempts there are; those who watch see each. A reply may hand the user to customer service, which the account
/// is told as well.
async fn attempts(
    shared: &Shared,
    app: &App,
    callback: &Callback,
    mut record: PushRecord,
    chance: &mut Random,
) -> PushRecord {
    let fresh = {
        let mut world = shared.world();
        world.pushes.note(&record);
        world.feed.add("push", &record.news(false));
        world.quirks.is("retry_signature", "new")
    };
    let mut sealed = seal(chance, app, callback, &record.openid, &record.message);
    let told = loop {
        if fresh && !record.attempts.is_empty() {
            sealed = seal(chance, app, callback, &record.openid, &record.message);
        }
        let attempt = post(shared, app, callback, &sealed).await;
        let is_over = attempt.status == 200 || record.attempts.len() + 1 == ATTEMPTS;
        record.attempts.push(attempt);
        let mut world = shared.world();
        world.feed.add("push", &record.news(is_over));
        if is_over {
            world.pushes.add(record.clone());
            world.count_callback(&record);
            break transferred(&mut world, &record, callback.format);
        }
        world.pushes.note(&record);
    };
    if let Some(told) = told {
        let mut told = Push::of_session(&record.appid, &record.openid, &told);
        told.chance = chance.fork();
        Box::pin(deliver(shared, told)).await;
    }
    record
}

/// Whether an account hears of a message at all: not of those from its blacklist. What it hears is counted, and a worker
/// who serves the user hears it too.
fn arrives(world: &mut World, push: &Push) -> bool {
    let kind = push.member("MsgType");
    if kind == "event" {
        return true;
    }
    if world.is_blocked(&push.appid, &push.openid) {
        return false;
    }
    world.count_message(&push.appid, &push.openid, kind);
    let said = if kind == "text" { push.member("Content").to_owned() } else { format!("[{kind}]") };
    world.record_talk(&push.appid, &push.openid, None, &said);
    true
}

/// A reply may hand the user to customer service.
fn transferred(world: &mut World, record: &PushRecord, format: Format) -> Option<Told> {
    let reply = record.attempts.last()?.reply.as_deref()?;
    let account = reply::transfer(reply, format)?;
    world.transfer(&record.appid, &record.openid, account.as_deref())
}

/// What goes over the wire.
struct Sealed {
    query: String,
    body: String,
}

fn seal(chance: &mut Random, app: &App, callback: &Callback, openid: &str, message: &str) -> Sealed {
    let (timestamp, nonce) = (now_seconds().to_string(), nonce(chance));
    let token = app.callback_token.as_str();
    let mut query = form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("signature", &sign::signature(&[token, &timestamp, &nonce]))
        .append_pair("timestamp", &timestamp)
        .append_pair("nonce", &nonce)
        .append_pair("openid", openid);
    let body = if callback.mode == Mode::Plain {
        message.to_owned()
    } else {
        let encrypted = sign::encrypt(&app.aes_key, chance.bytes(), message, &app.appid);
        let parts = [token, &timestamp, &nonce, &encrypted];
        query.append_pair("encrypt_type", "aes").append_pair("msg_signature", &sign::signature(&parts));
        match callback.mode {
            Mode::Compat => message::with_envelope(message, &encrypted, callback.format),
            Mode::Safe | Mode::Plain => message::envelope(&app.original_id, &encrypted, callback.format),
        }
    };
    Sealed { query: query.finish(), body }
}

async fn post(shared: &Shared, app: &App, callback: &Callback, sealed: &Sealed) -> Attempt {
    let begin = Instant::now();
    let request = Request::post(with_query(&callback.url, &sealed.query))
        .header(header::CONTENT_TYPE, callback.format.content_type())
        .header(header::USER_AGENT, "Mozilla/4.0")
        .header(header::ACCEPT, "*/*")
        .header(header::PRAGMA, "no-cache")
        .body(Full::from(sealed.body.clone()));
    let answer = match request {
        Ok(request) => exchange(&shared.http, request).await,
        Err(e) => Err(e.to_string()),
    };
    let ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (query, sent) = (sealed.query.clone(), sealed.body.clone());
    match answer {
        Ok((status, body)) => {
            let (reply, error) = if status == 200 { reply::read(app, callback, &body) } else { (None, None) };
            Attempt { query, sent, status, body, ms, reply, error }
        }
        Err(error) => {
            Attempt { query, sent, status: 0, body: String::new(), ms, reply: None, error: Some(error) }
        }
    }
}

/// Verifies a callback address by GET, as WeChat does before it saves one.
pub(crate) async fn verify(shared: &Shared, app: &App, url: &str) -> Result<(), String> {
    let parsed = url::Url::parse(url).map_err(|e| format!("url: {e}"))?;
    if parsed.scheme() != "http" || !parsed.has_host() {
        return Err("url: must begin with http://".into());
    }
    let (nonce, echostr) = {
        let chance = &mut shared.world().random;
        (nonce(chance), chance.number(0..u64::MAX).to_string())
    };
    let timestamp = now_seconds().to_string();
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("signature", &sign::signature(&[&app.callback_token, &timestamp, &nonce]))
        .append_pair("timestamp", &timestamp)
        .append_pair("nonce", &nonce)
        .append_pair("echostr", &echostr)
        .finish();
    let request = Request::get(with_query(url, &query))
        .header(header::USER_AGENT, "Mozilla/4.0")
        .header(header::ACCEPT, "*/*")
        .body(Full::default())
        .map_err(|e| format!("url: {e}"))?;
    let (status, body) =
        exchange(&shared.http, request).await.map_err(|e| format!("url: verification failed: {e}"))?;
    if status != 200 || body != echostr {
        let body: String = body.chars().take(200).collect();
        return Err(format!("url: verification failed: HTTP {status} with {body:?} instead of the echostr"));
    }
    Ok(())
}

/// Status and body, within the five seconds.
async fn exchange(client: &Client, request: Request<Full<Bytes>>) -> Result<(u16, String), String> {
    let whole = async {
        let answer = client.request(request).await.map_err(|e| chain(&e))?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), MAX_REPLY).collect().await;
        let body = body.map_err(|e| chain(&*e))?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    };
    tokio::time::timeout(TIMEOUT, whole).await.unwrap_or_else(|_| Err("no answer within 5 s".to_owned()))
}

fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn with_query(url: &str, query: &str) -> String {
    let url = url.split('#').next().unwrap_or_default();
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{query}")
}

fn nonce(chance: &mut Random) -> String {
    chance.number(100_000_000..2_000_000_000).to_string()
}

/// The machine's clock: a push is always sent now.
#[expect(clippy::disallowed_methods, reason = "timestamps of pushes are the machine's by contract")]
fn now_seconds() -> i64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
