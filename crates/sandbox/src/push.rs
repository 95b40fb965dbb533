//! Pushes to the accounts' servers: plain, compatible and safe mode, XML and JSON; five seconds,
//! three attempts.

use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use bytes::Bytes;
use http::Request;
use http::header::{ACCEPT, CONTENT_TYPE, PRAGMA, USER_AGENT};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rand::RngExt as _;
use serde_json::{Map, Value, json};

use crate::Shared;
use crate::sign;
use crate::world::{Account, Callback, Mode};

const PATIENCE: Duration = Duration::from_secs(5);
const ATTEMPTS: usize = 3;
/// Most of an answer that is read.
const MAX_ANSWER: usize = 64 << 10;

pub(crate) type Client = legacy::Client<HttpConnector, Full<Bytes>>;

pub(crate) fn client() -> Client {
    legacy::Client::builder(TokioExecutor::new()).build_http()
}

/// The machine's time: pushes carry it whatever the sandbox's clock says.
#[expect(clippy::disallowed_methods, reason = "the timestamps of pushes stay the machine's")]
fn machine_secs() -> u64 {
    std::time::SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn nonce() -> String {
    rand::rng().random_range(100_000_000..2_000_000_000u32).to_string()
}

/// An event of a user.
pub(crate) async fn event(
    shared: &Arc<Shared>,
    appid: &str,
    openid: &str,
    event: &str,
    fields: &[(&str, Value)],
) -> Vec<Value> {
    let mut all = vec![("MsgType", json!("event")), ("Event", json!(event))];
    all.extend(fields.iter().map(|(name, value)| (*name, value.clone())));
    message(shared, appid, openid, &all).await
}

/// Any message of a user; returns the pushes it made, which is none without a callback.
pub(crate) async fn message(
    shared: &Arc<Shared>,
    appid: &str,
    openid: &str,
    fields: &[(&str, Value)],
) -> Vec<Value> {
    let account = shared.world().accounts.get(appid).cloned();
    let Some((account, callback)) =
        account.and_then(|account| account.callback.clone().map(|callback| (account, callback)))
    else {
        return Vec::new();
    };
    let mut message = Map::new();
    message.insert("ToUserName".to_owned(), account.original_id.as_str().into());
    message.insert("FromUserName".to_owned(), openid.into());
    message.insert("CreateTime".to_owned(), machine_secs().into());
    message.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    let push = deliver(shared, &account, &callback, openid, &message).await;
    shared.world().record_push(push.clone());
    vec![push]
}

/// One signed form of a message.
struct Signed {
    query: String,
    body: String,
}

async fn deliver(
    shared: &Arc<Shared>,
    account: &Account,
    callback: &Callback,
    openid: &str,
    message: &Map<String, Value>,
) -> Value {
    let plain = render(callback.json, message);
    let resign = shared.world().quirks.new_retry_signature;
    let mut signed = sign_push(account, callback, openid, message, &plain);
    let mut attempts = Vec::new();
    for attempt in 0..ATTEMPTS {
        if attempt > 0 && resign {
            signed = sign_push(account, callback, openid, message, &plain);
        }
        let (record, done) = attempt_push(shared, account, callback, &signed).await;
        attempts.push(record);
        if done {
            break;
        }
    }
    json!({"url": callback.url, "appid": account.appid, "attempts": attempts})
}

async fn attempt_push(
    shared: &Shared,
    account: &Account,
    callback: &Callback,
    signed: &Signed,
) -> (Value, bool) {
    let began = Instant::now();
    let joint = if callback.url.contains('?') { '&' } else { '?' };
    let media_type = if callback.json { "application/json" } else { "text/xml" };
    let request = Request::post(format!("{}{joint}{}", callback.url, signed.query))
        .header(CONTENT_TYPE, media_type)
        .header(USER_AGENT, "Mozilla/4.0")
        .header(ACCEPT, "*/*")
        .header(PRAGMA, "no-cache")
        .body(Full::new(Bytes::from(signed.body.clone())));
    let Ok(request) = request else {
        return (json!({"status": 0, "body": "the callback url is no URL", "ms": 0}), true);
    };
    let exchange = async {
        let response = shared.client.request(request).await.map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_ANSWER)
            .collect()
            .await
            .map_err(|error| error.to_string())?;
        Ok::<_, String>((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
    };
    let outcome = tokio::time::timeout(PATIENCE, exchange).await;
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    match outcome {
        Ok(Ok((status, body))) => {
            let mut record = json!({"status": status, "body": body, "ms": ms});
            if status == 200 && !matches!(body.as_str(), "" | "success") {
                record["reply"] =
                    open_reply(account, callback, &body).unwrap_or_else(|wrong| json!({"error": wrong}));
            }
            (record, status == 200)
        }
        Ok(Err(error)) => (json!({"status": 0, "body": error, "ms": ms}), false),
        Err(_) => (json!({"status": 0, "body": "no answer within 5 s", "ms": ms}), false),
    }
}

fn render(as_json: bool, message: &Map<String, Value>) -> String {
    if as_json {
        return Value::Object(message.clone()).to_string();
    }
    let mut xml = String::from("<xml>");
    for (name, value) in message {
        match value {
            Value::String(text) => xml.push_str(&format!("<{name}>{}</{name}>\n", cdata(text))),
            other => xml.push_str(&format!("<{name}>{other}</{name}>\n")),
        }
    }
    xml.push_str("</xml>");
    xml
}

fn cdata(text: &str) -> String {
    format!("<![CDATA[{}]]>", text.replace("]]>", "]]]]><![CDATA[>"))
}

fn sign_push(
    account: &Account,
    callback: &Callback,
    openid: &str,
    message: &Map<String, Value>,
    plain: &str,
) -> Signed {
    let (timestamp, nonce) = (machine_secs().to_string(), nonce());
    let token = account.callback_token.as_str();
    let signature = sign::signature(&[token, &timestamp, &nonce]);
    let mut query = format!("signature={signature}&timestamp={timestamp}&nonce={nonce}&openid={openid}");
    if callback.mode == Mode::Plain {
        return Signed { query, body: plain.to_owned() };
    }
    let random: [u8; 16] = rand::rng().random::<[u8; 16]>().map(|byte| b'a' + byte % 26);
    let encrypt =
        sign::encrypt(&account.aes_key, random, plain.as_bytes(), &account.appid).unwrap_or_default();
    let msg_signature = sign::signature(&[token, &timestamp, &nonce, &encrypt]);
    query.push_str(&format!("&encrypt_type=aes&msg_signature={msg_signature}"));
    let mut fields = match callback.mode {
        Mode::Compat => message.clone(),
        Mode::Plain | Mode::Safe => {
            Map::from_iter([("ToUserName".to_owned(), account.original_id.as_str().into())])
        }
    };
    fields.insert("Encrypt".to_owned(), encrypt.into());
    Signed { query, body: render(callback.json, &fields) }
}

/// What a passive reply says, decrypted and checked as WeChat does before the user sees it.
fn open_reply(account: &Account, callback: &Callback, body: &str) -> Result<Value, String> {
    let field = |name: &str| -> Option<String> {
        if callback.json {
            let value: Value = serde_json::from_str(body).ok()?;
            return match &value[name] {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            };
        }
        let after = body.split_once(&format!("<{name}>"))?.1;
        let inner = after.split_once(&format!("</{name}>"))?.0.trim();
        let text = inner.strip_prefix("<![CDATA[").and_then(|inner| inner.strip_suffix("]]>"));
        Some(text.unwrap_or(inner).to_owned())
    };
    let plain = |text: String| Ok(json!({"encrypted": false, "message": text}));
    let Some(encrypt) = field("Encrypt") else {
        return if callback.mode == Mode::Plain {
            plain(body.to_owned())
        } else {
            Err("the reply is not encrypted".to_owned())
        };
    };
    let (timestamp, nonce) = (field("TimeStamp").unwrap_or_default(), field("Nonce").unwrap_or_default());
    let expected = sign::signature(&[&account.callback_token, &timestamp, &nonce, &encrypt]);
    if field("MsgSignature").as_deref() != Some(expected.as_str()) {
        return Err("MsgSignature is wrong".to_owned());
    }
    let (message, receive_id) =
        sign::decrypt(&account.aes_key, &encrypt).ok_or("the reply does not decrypt")?;
    if receive_id != account.appid {
        return Err(format!("the reply is for {receive_id}"));
    }
    Ok(json!({"encrypted": true, "message": String::from_utf8_lossy(&message)}))
}

/// Sets nothing, but asks `url` to prove itself as WeChat does: it must echo the bare `echostr`.
pub(crate) async fn verify(shared: &Shared, token: &str, url: &str) -> Result<(), String> {
    let (timestamp, nonce, echo) = (machine_secs().to_string(), nonce(), nonce());
    let signature = sign::signature(&[token, &timestamp, &nonce]);
    let joint = if url.contains('?') { '&' } else { '?' };
    let uri = format!("{url}{joint}signature={signature}&timestamp={timestamp}&nonce={nonce}&echostr={echo}");
    let request = Request::get(uri).header(USER_AGENT, "Mozilla/4.0").body(Full::default());
    let request = request.map_err(|error| format!("the url is no URL: {error}"))?;
    let exchange = async {
        let response = shared.client.request(request).await.map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_ANSWER)
            .collect()
            .await
            .map_err(|error| error.to_string())?;
        Ok::<_, String>((status, body.to_bytes()))
    };
    match tokio::time::timeout(PATIENCE, exchange).await {
        Err(_) => Err("no answer within 5 s".to_owned()),
        Ok(Err(error)) => Err(error),
        Ok(Ok((200, body))) if body == echo.as_bytes() => Ok(()),
        Ok(Ok((status, body))) => {
            let body = String::from_utf8_lossy(&body).chars().take(200).collect::<String>();
            Err(format!("answered {status} {body:?} instead of the bare echostr"))
        }
    }
}
