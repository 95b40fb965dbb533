//! Passing a caller's own request on, with the app's credential in the place it left for it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LOCATION, CONTENT_TYPE, LOCATION, REFRESH};
use http::{HeaderMap, HeaderValue, Method, StatusCode, response};
use hyper::body::Incoming;
use secrecy::ExposeSecret as _;
use wechat::answer::errcode;
use wechat::catalog::Host;

use super::{CallError, Upstream, picture_type};
use crate::clock::Instant;
use crate::net::{Download, collect};
use crate::registry::App;
use crate::slots::Token;
use crate::tokens::{Said, TokenCall};
use crate::transport::{Lost, Payload, Transport};

/// A caller's request.
#[derive(Clone)]
pub struct PassRequest {
    /// Which of WeChat's hosts.
    pub host: Host,
    /// As the caller sent it.
    pub method: Method,
    /// The path alone: what is to blame if it refuses every token.
    pub path: String,
    /// Path and query, in parts.
    pub target: Vec<Part>,
    /// All but what HTTP itself needs.
    pub headers: HeaderMap,
    /// As the caller sent it.
    pub body: Payload,
    /// WeChat looks at the access_token there, so that a success proves that it lives.
    pub proves_token: bool,
}

impl fmt::Debug for PassRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PassRequest({} {})", self.method, self.path)
    }
}

/// A part of a path and query.
#[derive(Clone, PartialEq, Eq)]
pub enum Part {
    /// As the caller wrote it.
    Raw(String),
    /// The app's access_token.
    AccessToken,
    /// The app's AppSecret.
    Secret,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw(_) => "Raw",
            Self::AccessToken => "AccessToken",
            Self::Secret => "Secret",
        })
    }
}

/// WeChat's answer.
#[derive(Debug)]
pub struct PassAnswer {
    /// Status and headers.
    pub head: response::Parts,
    /// Still on its way, mostly.
    pub body: Download,
    /// WeChat's code in it, as far as it was looked at; 0 for success and for whatever wasn't.
    pub errcode: i64,
}

impl Upstream {
    /// Passes `request` on, which carries no access_token of ours: whatever comes back is the caller's.
    pub async fn pass_untouched(
        &self,
        app: Option<&App>,
        request: &PassRequest,
    ) -> Result<PassAnswer, CallError> {
        let exchange = Exchange { transport: &self.transport, app, request };
        let (answer, _) = exchange.once(None, self.transport.deadline()).await?;
        Ok(answer)
    }

    /// Passes `request` on as `app`. A dead access_token is replaced, and the request sent again if it can be.
    pub async fn pass(&self, app: &Arc<App>, request: &PassRequest) -> Result<PassAnswer, CallError> {
        let exchange = Exchange { transport: &self.transport, app: Some(app), request };
        Ok(self.tokens.healed(app, &exchange).await?)
    }
}

struct Exchange<'a> {
    transport: &'a Transport,
    app: Option<&'a App>,
    request: &'a PassRequest,
}

impl TokenCall for Exchange<'_> {
    type Answer = PassAnswer;

    fn path(&self) -> &str {
        &self.request.path
    }

    fn is_repeatable(&self) -> bool {
        !matches!(self.request.body, Payload::Stream(_))
    }

    async fn send(&self, token: &Token, deadline: Instant) -> Result<(PassAnswer, Said), Lost> {
        self.once(Some(token), deadline).await
    }
}

impl Exchange<'_> {
    async fn once(&self, token: Option<&Token>, deadline: Instant) -> Result<(PassAnswer, Said), Lost> {
        let PassRequest { host, method, target, headers, body, .. } = self.request;
        let secret = self.app.map(|app| app.entry.secret.expose_secret());
        let mut path = String::new();
        for part in target {
            path.push_str(match part {
                Part::Raw(text) => text,
                Part::AccessToken => token.map_or("", Token::expose),
                Part::Secret => secret.unwrap_or_default(),
            });
        }
        let answer = self.transport.pass(*host, method, &path, headers, body, deadline).await?;
        let (mut head, body) = answer.into_parts();
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Lost::after("HTTP 101", "应答是 HTTP 101"));
        }
        hide(&mut head.headers, &[token.map(Token::expose), secret]);
        if token.is_none() || head.status != StatusCode::OK {
            let body = Download::new(Bytes::new(), Some(body), self.transport.limits().silence);
            return Ok((PassAnswer { head, body, errcode: 0 }, Said::Nothing));
        }
        self.look(head, body).await
    }

    /// Reads the beginning of an answer: until it shows that it is no JSON object, or is longer than is held back, or
    /// ends.
    async fn look(&self, head: response::Parts, mut body: Incoming) -> Result<(PassAnswer, Said), Lost> {
        let limits = self.transport.limits();
        let is_other = |seen: &[u8]| seen.first().is_some_and(|first| *first != b'{');
        let seen = collect(&mut body, limits.look, limits.silence, is_other).await;
        let seen = seen.map_err(|cut| Lost::after(cut.to_string(), "应答没有收全"))?;
        let rest = (!seen.whole).then_some(body);
        let is_object = seen.bytes.starts_with(b"{");
        let error = (seen.whole && is_object).then(|| errcode(&seen.bytes)).flatten();
        let code = error.as_ref().map_or(0, |error| error.errcode);
        let said = match error {
            Some(error) if error.is_dead_token() => Said::Refused(error),
            None if self.request.proves_token && (is_object || is_media(&head.headers, &seen.bytes)) => {
                Said::Accepted
            }
            _ => Said::Nothing,
        };
        let body = Download::new(seen.bytes, rest, limits.silence);
        Ok((PassAnswer { head, body, errcode: code }, said))
    }
}

/// A broken edge speaks in pages; WeChat in objects, pictures and media.
fn is_media(headers: &HeaderMap, seen: &[u8]) -> bool {
    let media_type = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let is_typed = !seen.is_empty() && !media_type.is_empty() && !media_type.starts_with(b"text/");
    picture_type(seen).is_some() || is_typed
}

/// A redirect repeats what it was asked, credentials included: then it says nothing.
fn hide(headers: &mut HeaderMap, secrets: &[Option<&str>]) {
    for name in [LOCATION, CONTENT_LOCATION, REFRESH] {
        let shows = |value: &HeaderValue| {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            secrets.iter().flatten().any(|secret| text.contains(secret))
        };
        if headers.get_all(&name).iter().any(shows) {
            headers.remove(&name);
        }
    }
}
