//! Passing a caller's own request on, with the app's credential in the place it left for it.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LOCATION, CONTENT_TYPE, LOCATION, REFRESH};
use http::{HeaderMap, HeaderValue, Method, StatusCode, response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use secrecy::ExposeSecret as _;
use tokio::time::{Instant, timeout};
use wechat::answer::ApiError;
use wechat::catalog::Host;

use super::{Failure, Upstream, picture_type};
use crate::net::{Download, STALL};
use crate::registry::App;
use crate::slots::{Kind, Token, refuses_token};
use crate::transport::{Lost, Payload, causes};

/// An answer is held back for a look only up to this length.
const LOOK: usize = 4096;

/// With less time left a call isn't repeated: nobody would know what came of it.
const TOO_LATE: Duration = Duration::from_millis(200);

/// A caller's request.
#[derive(Clone, Debug)]
pub struct Passing {
    /// Which of WeChat's hosts.
    pub host: Host,
    /// As the caller sent it.
    pub method: Method,
    /// Path and query, in pieces.
    pub path: Vec<Piece>,
    /// All but what HTTP itself needs.
    pub headers: HeaderMap,
    /// As the caller sent it.
    pub body: Payload,
    /// WeChat looks at the access_token there, so that a success proves that it lives.
    pub proves_token: bool,
}

/// A piece of a path and query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// As the caller wrote it.
    Raw(String),
    /// The app's access_token.
    AccessToken,
    /// The app's AppSecret.
    Secret,
}

/// WeChat's answer.
#[derive(Debug)]
pub struct Passed {
    /// Status and headers.
    pub head: response::Parts,
    /// Still on its way, mostly.
    pub body: Download,
}

/// Why there is none.
#[derive(Clone, Debug)]
pub enum Unpassed {
    /// As with every call.
    Failed(Failure),
    /// The access_token was refused and replaced, but the body is gone, or the time: the caller may
    /// send it again.
    Again,
}

impl From<Failure> for Unpassed {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Lost> for Unpassed {
    fn from(lost: Lost) -> Self {
        Self::Failed(Failure::Lost(lost))
    }
}

/// What a look at an answer shows.
enum Verdict {
    /// WeChat refused the access_token.
    Refused(ApiError),
    /// It did what it was asked.
    Accepted,
    /// Something else: another error, or no word of WeChat's at all.
    Unclear,
}

impl Upstream {
    /// Passes `call` on, which carries no access_token of ours: whatever comes back is the caller's.
    pub async fn pass_untouched(&self, app: Option<&App>, call: &Passing) -> Result<Passed, Unpassed> {
        let deadline = self.transport.deadline();
        let (passed, _) = self.pass_once(app, call, None, deadline).await?;
        Ok(passed)
    }

    /// Passes `call` on as `app`. A refusal of the access_token is cured at most once.
    pub async fn pass(&self, app: &Arc<App>, call: &Passing) -> Result<Passed, Unpassed> {
        let token = self.tokens.get(app, Kind::AccessToken).await.map_err(Failure::Token)?;
        // The clock of `wechat.timeout` covers the repetition as well.
        let deadline = self.transport.deadline();
        let (passed, verdict) = self.pass_once(Some(app), call, Some(&token), deadline).await?;
        let Verdict::Refused(error) = verdict else {
            if let Verdict::Accepted = verdict {
                token.accepted(self.clock.now());
            }
            return Ok(passed);
        };
        drop(passed);
        let replaced = self.tokens.replace(app, Kind::AccessToken, &token).await.map_err(Failure::Token)?;
        let Some(fresh) = replaced.token() else { return Err(Failure::Refused(error).into()) };
        let is_late = deadline.saturating_duration_since(Instant::now()) < TOO_LATE;
        if is_late || matches!(call.body, Payload::Stream(_)) {
            return Err(Unpassed::Again);
        }
        let (passed, verdict) = self.pass_once(Some(app), call, Some(fresh), deadline).await?;
        match verdict {
            Verdict::Refused(error) => return Err(Failure::Refused(error).into()),
            Verdict::Accepted => {
                fresh.accepted(self.clock.now());
                self.tokens.died_early(app, Kind::AccessToken, &token, &replaced);
            }
            Verdict::Unclear => {}
        }
        Ok(passed)
    }

    async fn pass_once(
        &self,
        app: Option<&App>,
        call: &Passing,
        token: Option<&Token>,
        deadline: Instant,
    ) -> Result<(Passed, Verdict), Unpassed> {
        let mut path = String::new();
        for piece in &call.path {
            path.push_str(match piece {
                Piece::Raw(text) => text,
                Piece::AccessToken => token.map_or("", Token::expose),
                Piece::Secret => app.map_or("", |app| app.entry.secret.expose_secret()),
            });
        }
        let answer =
            self.transport.pass(call.host, &call.method, &path, &call.headers, &call.body, deadline).await?;
        let (mut head, body) = answer.into_parts();
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Lost::after("HTTP 101", "应答是 HTTP 101").into());
        }
        let secret = app.map(|app| app.entry.secret.expose_secret());
        hide(&mut head.headers, &[token.map(Token::expose), secret]);
        if token.is_none() || head.status != StatusCode::OK {
            return Ok((Passed { head, body: Download::new(Bytes::new(), Some(body)) }, Verdict::Unclear));
        }
        let (seen, rest) = look(body).await?;
        let verdict = judge(call, &head.headers, &seen, rest.is_none());
        Ok((Passed { head, body: Download::new(seen, rest) }, verdict))
    }
}

/// Reads the beginning of an answer: until it shows that it is no JSON object, or is longer than is
/// held back, or ends.
async fn look(mut body: Incoming) -> Result<(Bytes, Option<Incoming>), Lost> {
    let mut seen = BytesMut::new();
    loop {
        match timeout(STALL, body.frame()).await {
            Err(_) => return Err(Lost::after("the answer stalled", "应答没有收全")),
            Ok(Some(Err(error))) => {
                return Err(Lost::after(format!("the answer was cut: {}", causes(&error)), "应答没有收全"));
            }
            Ok(None) => return Ok((seen.freeze(), None)),
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    seen.extend_from_slice(&data);
                }
            }
        }
        let is_json = seen.first().is_none_or(|first| *first == b'{');
        if !is_json || seen.len() > LOOK {
            return Ok((seen.freeze(), Some(body)));
        }
    }
}

fn judge(call: &Passing, headers: &HeaderMap, seen: &[u8], whole: bool) -> Verdict {
    let is_object = seen.starts_with(b"{");
    if whole && is_object && seen.len() <= LOOK {
        match wechat::answer::errcode(seen) {
            Some(error) if refuses_token(&error) => return Verdict::Refused(error),
            Some(_) => return Verdict::Unclear,
            None => {}
        }
    }
    // A broken edge speaks in pages; WeChat in objects, pictures and media.
    let media_type = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let is_media = !seen.is_empty() && !media_type.is_empty() && !media_type.starts_with(b"text/");
    let is_said = is_object || picture_type(seen).is_some() || is_media;
    if call.proves_token && is_said { Verdict::Accepted } else { Verdict::Unclear }
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
