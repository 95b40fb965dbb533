//! Answers as plain data, and how they go out, whole or cut.

use super::probe::Probe;
use crate::faults::Cut;
use crate::picture::{self, Picture};
use crate::push::Push;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use std::io;
use std::time::Duration;

/// What an answer carries.
#[derive(Debug)]
pub(crate) enum Content {
    Json(Value),
    Page(String),
    Redirect(String),
    /// Drawn when it goes out: not under the world's lock.
    Picture(Picture),
    /// Looked up when it goes out.
    Probe(Probe),
    Bytes(Bytes),
}

/// An answer to a call.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) headers: Vec<(header::HeaderName, String)>,
    pub(crate) content: Content,
    /// Callbacks that follow shortly after.
    pub(crate) pushes: Vec<Push>,
}

impl Answer {
    pub(crate) fn new(content_type: &str, content: Content) -> Self {
        Self {
            status: 200,
            content_type: content_type.to_owned(),
            headers: Vec::new(),
            content,
            pushes: Vec::new(),
        }
    }

    /// JSON under the content type that WeChat gives it at this path; `text/plain` under `/sns`.
    pub(crate) fn json(path: &str, body: Value) -> Self {
        let content_type =
            if path.starts_with("/sns/") { "text/plain" } else { "application/json; encoding=utf-8" };
        Self::new(content_type, Content::Json(body))
    }

    /// `{"errcode":0,"errmsg":"ok"}`
    pub(crate) fn ok(path: &str) -> Self {
        Self::json(path, json!({"errcode": 0, "errmsg": "ok"}))
    }

    pub(crate) fn page(html: String) -> Self {
        Self::new("text/html; charset=utf-8", Content::Page(html))
    }

    pub(crate) fn redirect(to: String) -> Self {
        let mut answer = Self::new("text/html; charset=utf-8", Content::Redirect(to));
        answer.status = 302;
        answer
    }

    pub(crate) fn with_header(mut self, name: header::HeaderName, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// For the log: the body's errcode; 0 if it has none; -1 for an error of the edge.
    pub(crate) fn errcode(&self) -> i64 {
        let without = if self.status >= 500 { -1 } else { 0 };
        let code = |body: &Value| body.get("errcode").and_then(Value::as_i64);
        let found = match &self.content {
            Content::Json(body) => code(body),
            Content::Bytes(bytes) if bytes.starts_with(b"{") => {
                serde_json::from_slice(bytes).ok().as_ref().and_then(code)
            }
            _ => None,
        };
        found.unwrap_or(without)
    }

    /// What it says in words, if it is WeChat's JSON.
    pub(crate) fn errmsg(&self) -> Option<&str> {
        let Content::Json(body) = &self.content else { return None };
        body.get("errmsg")?.as_str()
    }

    /// The `rid` that a refusal carries.
    pub(crate) fn rid(&self) -> Option<String> {
        wechat::errcode::rid(self.errmsg()?).map(str::to_owned)
    }

    /// A JSON answer as it goes out; empty if it is another.
    pub(crate) fn text(&self) -> String {
        match &self.content {
            Content::Json(body) => body.to_string(),
            _ => String::new(),
        }
    }

    /// What the edge in front of WeChat says by itself: a page, and nothing at all to a body without a length.
    pub(crate) fn edge(status: u16) -> Self {
        let mut answer = match status {
            412 => Self::new("", Content::Bytes(Bytes::new())),
            _ => Self::page(EDGE_PAGE.to_owned()),
        };
        answer.status = status;
        answer
    }

    /// What no API of WeChat's says: this one can be called there, and not here.
    pub(crate) fn not_simulated() -> Self {
        let text = "This API is not simulated by the sandbox: docs/sandbox.md lists those that are.\n\
                    沙箱没有模拟这个接口：已模拟的见 docs/sandbox.md。\n";
        let mut answer = Self::new("text/plain; charset=utf-8", Content::Page(text.to_owned()));
        answer.status = 501;
        answer
    }

    /// Makes the body, which takes time if it is a picture, and says what of it goes out.
    pub(super) async fn make(&mut self, cut: Option<Cut>) -> Bytes {
        if !matches!(self.content, Content::Redirect(_)) {
            let content = std::mem::replace(&mut self.content, Content::Bytes(Bytes::new()));
            self.content = Content::Bytes(content.into_bytes().await);
        }
        match (&self.content, cut) {
            (Content::Bytes(bytes), None) => bytes.clone(),
            (Content::Bytes(bytes), Some(Cut::Half)) => first_half(bytes),
            _ => Bytes::new(),
        }
    }

    /// As an HTTP response, cut as asked.
    pub(super) async fn send(self, cut: Option<Cut>) -> Response {
        let mut response = Response::new(Body::empty());
        if matches!(cut, Some(Cut::Before | Cut::After)) {
            response.extensions_mut().insert(Closed);
            return response;
        }
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let headers = response.headers_mut();
        let mut set = |name, value: &str| {
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                headers.append(name, value);
            }
        };
        if !self.content_type.is_empty() {
            set(header::CONTENT_TYPE, &self.content_type);
        }
        for (name, value) in &self.headers {
            set(name.clone(), value);
        }
        if let Content::Redirect(to) = &self.content {
            set(header::LOCATION, to);
        }
        let bytes = self.content.into_bytes().await;
        *response.body_mut() = match cut {
            Some(Cut::Half) => {
                response.headers_mut().insert(header::CONTENT_LENGTH, bytes.len().into());
                half(&bytes)
            }
            _ => Body::from(bytes),
        };
        response
    }
}

impl Content {
    async fn into_bytes(self) -> Bytes {
        match self {
            Self::Json(body) => body.to_string().into(),
            Self::Page(html) => html.into(),
            Self::Redirect(_) => Bytes::new(),
            Self::Bytes(bytes) => bytes,
            Self::Probe(probe) => probe.look().await.to_string().into(),
            Self::Picture(asked) => {
                // Drawing takes milliseconds: not on a thread that serves connections.
                let drawn = tokio::task::spawn_blocking(move || picture::draw(&asked)).await;
                drawn.ok().flatten().unwrap_or_default().into()
            }
        }
    }
}

const EDGE_PAGE: &str = "<html><head><title>Error</title></head><body><center><h1>Error</h1></center><hr><center>nginx</center></body></html>";

/// Instead of an answer: close the connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut by a scripted fault")
    }
}

impl std::error::Error for Closed {}

fn first_half(bytes: &Bytes) -> Bytes {
    bytes.slice(..bytes.len() / 2)
}

/// The first half of a body, then a broken connection. The pause lets the half reach the client.
fn half(bytes: &Bytes) -> Body {
    let first = first_half(bytes);
    let broken = stream::once(async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(io::Error::other(Closed))
    });
    Body::from_stream(stream::iter([Ok(first)]).chain(broken))
}
