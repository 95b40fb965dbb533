//! The local URL that gets each message: as WeChat would send it, or as JSON.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::Request;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http_body_util::Full;
use serde_json::Value;
use url::Url;
use wechat::envelope::{self, Keys, Stamp};

use crate::clock::Clock;
use crate::delivery::sign;
use crate::entries::WebhookSecret;
use crate::limits::Limits;
use crate::net::{Client, collect, why};
use crate::random::Random;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// How a message is written.
#[derive(Debug)]
pub(super) enum Form {
    /// As WeChat would send it, signed with this token.
    Wechat(String),
    /// As JSON, signed if there is a secret.
    Json(Option<WebhookSecret>),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) client: Client,
    pub(super) limits: Limits,
    pub(super) url: Url,
    pub(super) form: Form,
}

/// What it said.
pub(super) struct Answer {
    /// HTTP status; 0: none came.
    pub(super) status: u16,
    /// Of a 2xx.
    pub(super) body: Bytes,
    /// Why none came.
    pub(super) why: String,
}

impl Answer {
    fn none(why: String) -> Self {
        Self { status: 0, body: Bytes::new(), why }
    }

    /// Whether the same message may be taken later.
    pub(super) fn is_passing(&self) -> bool {
        self.status == 0 || self.status >= 500
    }
}

impl Local {
    /// Sends `event` once, its attempt number `attempt`.
    pub(super) async fn send(&self, event: &Value, attempt: u32) -> Answer {
        let Some(request) = self.request(event, attempt) else {
            return Answer { status: 400, body: Bytes::new(), why: "?".to_owned() };
        };
        match tokio::time::timeout(PATIENCE, self.ask(request)).await {
            Ok(answer) => answer,
            Err(_) => Answer::none(format!("> {} s", PATIENCE.as_secs())),
        }
    }

    async fn ask(&self, request: Request<Full<Bytes>>) -> Answer {
        let answer = match self.client.send(request).await {
            Ok(answer) => answer,
            Err(error) => return Answer::none(why(&error).to_string()),
        };
        let (head, mut body) = answer.into_parts();
        let status = head.status.as_u16();
        match collect(&mut body, self.limits.reply, PATIENCE, |_| false).await {
            Ok(read) if head.status.is_success() && read.whole => {
                Answer { status, body: read.bytes, why: String::new() }
            }
            Ok(_) => Answer { status, body: Bytes::new(), why: String::new() },
            Err(cut) => Answer::none(cut.to_string()),
        }
    }

    fn request(&self, event: &Value, attempt: u32) -> Option<Request<Full<Bytes>>> {
        let data = &event["data"];
        let (appid, id) = (data["appid"].as_str()?, event["event_id"].as_str()?);
        let now = Clock::System.now_secs();
        let mut url = self.url.clone();
        let (headers, body) = match &self.form {
            Form::Wechat(token) => {
                let message = BASE64_STANDARD.decode(data["raw"].as_str()?).ok()?;
                let nonce = Random::System.letters(16);
                let stamp = Stamp { timestamp: now, nonce: &nonce, random: Random::System.bytes() };
                let push = envelope::push(&Keys { appid, token, key: None }, &message, &stamp);
                let query = match url.query().filter(|query| !query.is_empty()) {
                    Some(query) => format!("{query}&{}", push.query),
                    None => push.query,
                };
                url.set_query(Some(&query));
                (vec![(CONTENT_TYPE.as_str(), push.content_type.to_owned())], push.body)
            }
            Form::Json(secret) => {
                // As a route's receiver gets it.
                let mut event = event.clone();
                event.as_object_mut()?.shift_remove("event_id");
                let (body, name) = (event.to_string(), format!("evt_{id}"));
                let mut headers = vec![
                    (CONTENT_TYPE.as_str(), "application/json".to_owned()),
                    ("webhook-id", name.clone()),
                    ("webhook-timestamp", now.to_string()),
                ];
                if let Some(secret) = secret {
                    let signature = sign(secret, format!("{name}.{now}.{body}").as_bytes());
                    headers.push(("webhook-signature", signature));
                }
                (headers, body.into_bytes())
            }
        };
        let mut request = Request::post(url.as_str())
            .header(ACCEPT, "*/*")
            .header(USER_AGENT, concat!("wxgate/", env!("CARGO_PKG_VERSION")))
            .header("x-wxgate-event-id", id)
            .header("x-wxgate-appid", appid)
            .header("x-wxgate-attempt", attempt);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.body(Full::new(body.into())).ok()
    }
}
