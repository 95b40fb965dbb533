//! The gateway as `listen` knows it: its stream of events, and what it is told.

use anyhow::bail;
use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode, request};
use http_body_util::Full;
use serde_json::{Value, json};
use url::Url;

use crate::lang::{Words, is_english};
use crate::limits::Limits;
use crate::net::{Answered, Client, collect, why};

/// An answer that takes longer doesn't come.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// See the module.
#[derive(Debug)]
pub(super) struct Gateway {
    client: Client,
    limits: Limits,
    /// Of the service API.
    base: Url,
    key: Option<HeaderValue>,
    /// What the stream is asked for.
    wanted: Vec<(&'static str, String)>,
}

/// What came of opening a stream.
pub(super) enum Opened {
    Stream(Answered),
    /// It may be had later.
    Later(Words),
    /// It won't.
    Refused(Words),
}

/// What came of a reply.
pub(super) enum Replied {
    Taken,
    Late,
    Refused(String),
    Failed(String),
}

impl Gateway {
    pub(super) fn new(
        client: Client,
        limits: Limits,
        gateway: &Url,
        key: Option<&str>,
        wanted: Vec<(&'static str, String)>,
    ) -> anyhow::Result<Self> {
        if !matches!(gateway.scheme(), "http" | "https") || !gateway.has_host() {
            bail!(Words::fixed(
                "--gateway 应是网关的地址，如 https://wx.example.com",
                "--gateway must be the gateway's URL, as https://wx.example.com",
            ));
        }
        let base = Url::parse(&format!("{}/v1/service/wx/", gateway.as_str().trim_end_matches('/')))?;
        let key = key.map(|key| HeaderValue::from_str(&format!("Bearer {key}")));
        let key = key.transpose().map_err(|_| {
            Words::fixed(
                "--key 里有密钥不会有的字符：整段重新复制",
                "--key has characters that no key has: copy it once more, whole",
            )
        })?;
        let key = key.map(|mut key| {
            key.set_sensitive(true);
            key
        });
        Ok(Self { client, limits, base, key, wanted })
    }

    /// Whose it is, for people.
    pub(super) fn place(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    fn request(&self, method: &str, path: &str) -> request::Builder {
        let url = self.base.join(path).unwrap_or_else(|_| self.base.clone());
        self.to(method, &url)
    }

    fn to(&self, method: &str, url: &Url) -> request::Builder {
        let language = if is_english() { "en" } else { "zh" };
        let mut request = Request::builder().method(method).uri(url.as_str());
        request = request.header(ACCEPT_LANGUAGE, language);
        match &self.key {
            Some(key) => request.header(AUTHORIZATION, key.clone()),
            None => request,
        }
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Answered>, Words> {
        let place = self.place();
        match tokio::time::timeout(PATIENCE, self.client.send(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                let why = why(&error);
                Err(Words::new(
                    format!("连不上 {place}：{}", why.zh),
                    format!("{place} can't be reached: {}", why.en),
                ))
            }
            Err(_) => Err(Words::new(format!("{place} 没有应答"), format!("{place} doesn't answer"))),
        }
    }

    /// What it said, as far as that is an answer of the service API.
    async fn read(&self, answer: Response<Answered>) -> (StatusCode, Value) {
        let (head, mut body) = answer.into_parts();
        let read = collect(&mut body, self.limits.body, PATIENCE, |_| false).await;
        let value = read.ok().and_then(|read| serde_json::from_slice(&read.bytes).ok());
        (head.status, value.unwrap_or_default())
    }

    /// Opens the stream after event `last`, if that is known.
    pub(super) async fn open(&self, last: Option<i64>) -> anyhow::Result<Opened> {
        let mut url = self.base.join("events")?;
        if !self.wanted.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.wanted);
        }
        let mut request = self.to("GET", &url).header(ACCEPT, "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let answer = match self.send(request.body(Full::default())?).await {
            Ok(answer) => answer,
            Err(words) => return Ok(Opened::Later(words)),
        };
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if answer.status() == StatusCode::OK && kind.starts_with("text/event-stream") {
            return Ok(Opened::Stream(answer.into_body()));
        }
        let (status, said) = self.read(answer).await;
        let place = self.place();
        let msg = said["ret"]["msg"].as_str().unwrap_or_default();
        let code = status.as_u16();
        let words = Words::new(
            format!("{place} 没有接受（HTTP {code}）：{msg}"),
            format!("{place} refuses it (HTTP {code}): {msg}"),
        );
        let passes = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        Ok(if passes || said["ret"]["retryable"] == true {
            Opened::Later(words)
        } else {
            Opened::Refused(words)
        })
    }

    /// Says that everything up to event `id` is done; false: to be said again.
    pub(super) async fn ack(&self, name: &str, id: i64) -> bool {
        let body = json!({"name": name, "id": id.to_string()}).to_string();
        let request = self.request("POST", "events/ack").header(CONTENT_TYPE, "application/json");
        let Ok(request) = request.body(Full::new(Bytes::from(body))) else { return true };
        match self.send(request).await {
            Ok(answer) => !self.read(answer).await.0.is_server_error(),
            Err(_) => false,
        }
    }

    /// Answers the user.
    pub(super) async fn reply(&self, id: i64, said: Bytes) -> Replied {
        let request = self.request("POST", &format!("events/{id}/reply"));
        let Ok(request) = request.body(Full::new(said)) else { return Replied::Late };
        let (status, said) = match self.send(request).await {
            Ok(answer) => self.read(answer).await,
            Err(words) => return Replied::Failed(words.to_string()),
        };
        let msg = said["ret"]["msg"].as_str().unwrap_or_default().to_owned();
        match status {
            StatusCode::OK if said["ret"]["code"] == 0 => Replied::Taken,
            StatusCode::CONFLICT => Replied::Late,
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => Replied::Refused(msg),
            _ => Replied::Failed(msg),
        }
    }
}
