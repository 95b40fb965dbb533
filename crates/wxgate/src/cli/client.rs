//! Speaking to a wxgate that runs somewhere, from the command line.

use std::path::Path;

use anyhow::bail;
use bytes::Bytes;
use http::header::{ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{Either, Full};
use serde_json::Value;
use url::Url;

use crate::lang::{Words, is_english};
use crate::limits::Limits;
use crate::net::{Client, RequestBody, collect, why};
use crate::tls::Authorities;

/// A wxgate's admin or service API, and the token or key that opens it.
pub(super) struct Server {
    client: Client,
    url: Url,
    token: HeaderValue,
    /// How the token or key is given, for whoever gave a wrong one.
    given_by: &'static str,
    pub(super) limits: Limits,
}

/// What it answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// `null` if it wasn't JSON.
    pub(super) body: Value,
}

impl Server {
    pub(super) fn new(
        url: Url,
        ca_file: Option<&Path>,
        token: &str,
        given_by: &'static str,
    ) -> anyhow::Result<Self> {
        let authorities = match ca_file {
            Some(file) => Authorities::read(file)?,
            None => Authorities::default(),
        };
        let limits = Limits::default();
        let client = Client::new(None, authorities.client_config()?, &limits, 1);
        let mut token = HeaderValue::from_str(&format!("Bearer {token}"))?;
        token.set_sensitive(true);
        Ok(Self { client, url, token, given_by, limits })
    }

    /// Where it is, for people.
    pub(super) fn place(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// A call of the admin API, below `/api/v1/`; `null` is sent as no body. What is refused is an error.
    pub(super) async fn admin(&self, method: Method, path: &str, body: Value) -> anyhow::Result<Value> {
        let Answer { status, body } = self.ask(method, &format!("api/v1/{path}"), body).await?;
        if status.is_success() {
            return Ok(body);
        }
        bail!(self.refusal(status, &body))
    }

    /// What it says no with, in either API's shape; and what to look at if it knows the token or key not.
    pub(super) fn refusal(&self, status: StatusCode, body: &Value) -> Words {
        let place = self.place();
        let code = body["ret"]["code"].as_i64();
        let (zh, en) = code.map(|code| (format!("，{code}"), format!(", {code}"))).unwrap_or_default();
        let said = body["ret"]["msg"].as_str().or(body["detail"].as_str()).unwrap_or_default();
        let by = self.given_by;
        let (look_zh, look_en) = match status {
            StatusCode::UNAUTHORIZED => (format!("（{by}）"), format!(" ({by})")),
            _ => (String::new(), String::new()),
        };
        let status = status.as_u16();
        Words::new(
            format!("{place} 没有接受（HTTP {status}{zh}）：{said}{look_zh}"),
            format!("{place} refuses it (HTTP {status}{en}): {said}{look_en}"),
        )
    }

    /// A call with a body of JSON, or none for `null`. Only what kept an answer from coming is an error.
    pub(super) async fn ask(&self, method: Method, path: &str, body: Value) -> Result<Answer, Words> {
        let bytes = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        self.pass(method, path, "application/json", &[], Either::Left(Full::new(bytes))).await
    }

    /// The same with any body, and headers.
    pub(super) async fn pass(
        &self,
        method: Method,
        path: &str,
        kind: &'static str,
        headers: &[(&'static str, &str)],
        body: RequestBody,
    ) -> Result<Answer, Words> {
        let place = self.place();
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/{path}", self.url.as_str().trim_end_matches('/')))
            .header(AUTHORIZATION, self.token.clone())
            .header(ACCEPT_LANGUAGE, if is_english() { "en" } else { "zh" })
            .header(CONTENT_TYPE, kind);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(body).map_err(|error| Words::new(error.to_string(), error.to_string()))?;
        let answer = self.client.pass(request).await.map_err(|error| {
            let why = why(&error);
            Words::new(format!("连不上 {place}：{}", why.zh), format!("{place} can't be reached: {}", why.en))
        })?;
        let (head, mut body) = answer.into_parts();
        let read = collect(&mut body, self.limits.answer, self.limits.silence, |_| false).await;
        let read = read.map_err(|cut| {
            Words::new(
                format!("{place} 的应答断了：{cut}"),
                format!("the answer of {place} broke off: {cut}"),
            )
        })?;
        Ok(Answer { status: head.status, body: serde_json::from_slice(&read.bytes).unwrap_or_default() })
    }
}

/// An id, which may be a number or a text.
pub(super) fn id_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
