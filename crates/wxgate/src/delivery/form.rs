//! Writing a delivery: as WeChat itself would have sent it, or as Standard Webhooks 1.0.0.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::Mac as _;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderName, USER_AGENT};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use url::Url;
use wechat::envelope::{self, Stamp};
use wechat::message::Message;

use super::Courier;
use crate::entries::{AppEntry, Form, RouteEntry, Seal, WebhookSecret};
use crate::store::Claimed;

const EVENT_ID: HeaderName = HeaderName::from_static("x-wxgate-event-id");
const APPID: HeaderName = HeaderName::from_static("x-wxgate-appid");
const ATTEMPT: HeaderName = HeaderName::from_static("x-wxgate-attempt");
/// A user's text may have left its field: see [`Message::is_suspect`].
const SUSPECT: HeaderName = HeaderName::from_static("x-wxgate-suspect");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// A POST, ready to go.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// Where to.
    pub(super) url: Url,
    /// All but what HTTP itself needs.
    pub(super) headers: Vec<(HeaderName, String)>,
    /// The body.
    pub(super) body: Vec<u8>,
}

/// Writes `claimed` for `route`, signed now. The error is for the record.
pub(super) fn write(
    courier: &Courier<'_>,
    route: &RouteEntry,
    claimed: &Claimed,
    app: Option<&AppEntry>,
) -> Result<Outgoing, String> {
    let now = courier.clock.now_secs();
    let url = route.target.url(&claimed.appid).map_err(|error| format!("target: {error}"))?;
    let message = Message::read(&claimed.body);
    let is_suspect = message.is_suspect();
    let mut outgoing = match &route.form {
        Form::Wechat { token, seal } => {
            let token = token.as_ref().or_else(|| app?.callback_tokens.first());
            let token = token.ok_or("the app has no callback_token any more, and the route no token")?;
            let key = match seal {
                Seal::Plain => None,
                Seal::App => app.and_then(|app| app.aes_keys.first()),
                Seal::Own(key) => Some(key),
            };
            let account = envelope::Keys { appid: &claimed.appid, token: token.expose_secret(), key };
            let stamp =
                Stamp { timestamp: now, nonce: &courier.keys.nonce(), random: courier.random.bytes() };
            wechat_form(url, &account, &claimed.body, &stamp)
        }
        Form::Json(secrets) => json_form(url, secrets, claimed, message, now),
    };
    outgoing.headers.extend([
        (ACCEPT, "*/*".to_owned()),
        (ACCEPT_ENCODING, "identity".to_owned()),
        (USER_AGENT, concat!("wxgate/", env!("CARGO_PKG_VERSION")).to_owned()),
        (EVENT_ID, claimed.event_id.to_string()),
        (APPID, claimed.appid.clone()),
        (ATTEMPT, claimed.attempt.to_string()),
    ]);
    if let Some(traceparent) = &courier.traceparent {
        outgoing.headers.push((TRACEPARENT, traceparent.clone()));
    }
    if is_suspect {
        outgoing.headers.push((SUSPECT, "1".to_owned()));
    }
    Ok(outgoing)
}

fn wechat_form(url: Url, keys: &envelope::Keys<'_>, message: &[u8], stamp: &Stamp<'_>) -> Outgoing {
    let push = envelope::push(keys, message, stamp);
    let mut url = url;
    let query = match url.query().filter(|query| !query.is_empty()) {
        Some(query) => format!("{query}&{}", push.query),
        None => push.query,
    };
    url.set_query(Some(&query));
    Outgoing { url, headers: vec![(CONTENT_TYPE, push.content_type.to_owned())], body: push.body }
}

fn json_form(url: Url, secrets: &[WebhookSecret], claimed: &Claimed, message: Message, now: i64) -> Outgoing {
    let body = payload(claimed, message).to_string();
    let signed = format!("{}.{now}.{body}", claimed.event_name);
    let signatures: Vec<String> = secrets.iter().map(|secret| sign(secret, signed.as_bytes())).collect();
    let headers = vec![
        (CONTENT_TYPE, "application/json".to_owned()),
        (WEBHOOK_ID, claimed.event_name.clone()),
        (WEBHOOK_TIMESTAMP, now.to_string()),
        (WEBHOOK_SIGNATURE, signatures.join(" ")),
    ];
    Outgoing { url, headers, body: body.into_bytes() }
}

/// The signature of `text`, as Standard Webhooks has it.
pub fn sign(secret: &WebhookSecret, text: &[u8]) -> String {
    let mut mac = <hmac::Hmac<sha2::Sha256> as hmac::KeyInit>::new_from_slice(secret.bytes())
        .expect("HMAC takes keys of any length");
    mac.update(text);
    format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}

/// The object that receivers of JSON get.
pub fn payload(claimed: &Claimed, message: Message) -> Value {
    let when = if message.create_time() > 0 { message.create_time() } else { claimed.received_at / 1000 };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let kind: String = message.kind().chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let raw = message.is_malformed().then(|| BASE64_STANDARD.encode(&claimed.body));
    let mut payload = json!({
        "type": format!("wechat.{kind}"),
        "timestamp": rfc3339(when),
        "data": {
            "appid": claimed.appid,
            "openid": message.from_user(),
            "msg_type": message.msg_type(),
            "event": message.event(),
            "event_key": message.event_key(),
            "scene": message.scene(),
            "ticket": message.ticket(),
            "msg_id": message.msg_id(),
            "content": message.content(),
            "create_time": message.create_time(),
            "message": message.into_value(),
        },
    });
    if let Some(raw) = raw {
        payload["data"]["raw"] = raw.into();
    }
    payload
}

fn rfc3339(seconds: i64) -> String {
    // Beyond the year 9999 there is no such text.
    let seconds = u64::try_from(seconds).unwrap_or_default().min(253_402_300_799);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vector_of_standard_webhooks() {
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = b"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": 2432232314}";
        assert_eq!(sign(&secret, signed), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn members_are_strings_and_empty_where_absent() {
        let xml = b"<xml><ToUserName>gh_1</ToUserName><FromUserName>o1</FromUserName>\
            <CreateTime>1409735668</CreateTime><MsgType>event</MsgType><Event>SCAN</Event>\
            <EventKey>login_1</EventKey><Ticket>t</Ticket></xml>";
        let claimed = Claimed {
            id: 1,
            round: 0,
            attempt: 1,
            event_id: 1,
            event_name: String::new(),
            appid: "wx1".to_owned(),
            received_at: 5,
            body: xml.to_vec(),
        };
        let payload = payload(&claimed, Message::read(xml));
        assert_eq!(payload["type"], "wechat.event.scan");
        assert_eq!(payload["timestamp"], "2014-09-03T09:14:28Z");
        let data = &payload["data"];
        for (name, expected) in [
            ("appid", "wx1"),
            ("openid", "o1"),
            ("msg_type", "event"),
            ("event", "SCAN"),
            ("event_key", "login_1"),
            ("scene", "login_1"),
            ("ticket", "t"),
            ("msg_id", ""),
            ("content", ""),
        ] {
            assert_eq!(data[name], expected, "{name}");
        }
        assert_eq!(data["create_time"], 1_409_735_668);
        assert_eq!(data["message"]["CreateTime"], "1409735668", "XML leaves are strings");
    }
}
