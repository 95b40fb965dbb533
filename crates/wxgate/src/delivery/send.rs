//! One attempt.

use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use flate2::read::{GzDecoder, ZlibDecoder};
use http::HeaderValue;
use http::header::{CONTENT_ENCODING, RETRY_AFTER, SET_COOKIE};
use http_body_util::Full;

use super::Courier;
use super::form::Outgoing;
use crate::lang::say;
use crate::net::{self, causes, collect};

/// An answer nobody waits for is read this long, so that its connection can be used again.
const COURTESY: Duration = Duration::from_millis(500);
/// Bytes kept of the head of an answer that failed, and of its body.
const MAX_HEAD: usize = 1024;
const MAX_BODY: usize = 1024;
/// Longest error kept.
const MAX_ERROR: usize = 300;

/// How an attempt went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// HTTP status; 0: no answer.
    pub status: u16,
    /// Why it failed; "" if it didn't. Holds no URL.
    pub error: String,
    /// `Retry-After`
    pub retry_after: Option<String>,
    /// Of one that failed: the head, and the begin of the body.
    pub answer: Vec<u8>,
}

impl Sent {
    /// Whether it arrived.
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether it failed for a backend that is broken: no answer, one of its own trouble, or too much for it.
    pub(super) fn is_broken(&self) -> bool {
        self.status == 0 || self.status == 429 || self.status >= 500
    }

    /// Without an answer.
    pub(super) fn failed(why: impl Into<String>) -> Self {
        let mut error: String = why.into();
        error.truncate(error.floor_char_boundary(MAX_ERROR));
        Self { status: 0, error, retry_after: None, answer: Vec::new() }
    }
}

/// Posts `outgoing`. The answer's head has to come within `timeout`. The body of a 2xx is there if `listens`, unless it is too
/// long, too slow or cut.
pub(super) async fn send(
    courier: &Courier<'_>,
    outgoing: Outgoing,
    timeout: Duration,
    listens: bool,
) -> (Sent, Option<Bytes>) {
    let failed = |why: String| (Sent::failed(why), None);
    let clock = courier.clock;
    let deadline = clock.instant() + timeout;
    let request = match outgoing.request() {
        Ok(request) => request,
        Err(error) => return failed(format!("the request can't be written: {error}")),
    };
    let response = match clock.by(deadline, courier.client.send(request)).await {
        Some(Ok(response)) => response,
        Some(Err(error)) => {
            return failed(match net::forbidden(&error) {
                Some(reason) => super::forbidden(reason),
                None => causes(&error),
            });
        }
        None => return failed(format!("no answer within {timeout:?}")),
    };
    let (head, body) = response.into_parts();
    let status = head.status;
    let retry_after = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut answer = Vec::new();
    let said = if listens && status.is_success() {
        let body = clock.by(deadline, read(courier, body)).await.flatten();
        body.and_then(|body| plain(head.headers.get(CONTENT_ENCODING), body, courier.limits.reply))
    } else {
        let body = clock.by(deadline.min(clock.instant() + COURTESY), read(courier, body)).await.flatten();
        if !status.is_success() {
            answer = shown(&head, &body.unwrap_or_default());
        }
        None
    };
    let error = match status {
        _ if status.is_success() => String::new(),
        _ if status.is_redirection() => format!("HTTP {}: redirects are not followed", status.as_u16()),
        _ => format!("HTTP {}", status.as_u16()),
    };
    (Sent { status: status.as_u16(), error, retry_after, answer }, said)
}

/// An answer for people, cut short. What a backend tells a browser to keep isn't theirs.
fn shown(head: &http::response::Parts, body: &[u8]) -> Vec<u8> {
    let mut shown = format!("{:?} {}\n", head.version, head.status).into_bytes();
    for (name, value) in head.headers.iter().filter(|(name, _)| *name != SET_COOKIE) {
        if shown.len() + name.as_str().len() + value.len() > MAX_HEAD {
            break;
        }
        shown.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"].concat());
    }
    shown.push(b'\n');
    shown.extend(&body[..body.len().min(MAX_BODY)]);
    shown
}

async fn read(courier: &Courier<'_>, mut body: net::Answered) -> Option<Bytes> {
    let limits = courier.limits;
    let read = collect(&mut body, limits.reply, limits.silence, |_| false).await.ok()?;
    read.whole.then_some(read.bytes)
}

/// What a backend said, which may be compressed although it was asked not to; `None` if it can't be read, or is over `most`
/// bytes.
fn plain(coding: Option<&HeaderValue>, body: Bytes, most: usize) -> Option<Bytes> {
    let coding =
        coding.map_or(Ok("identity"), HeaderValue::to_str).unwrap_or("?").trim().to_ascii_lowercase();
    let reader: &mut dyn Read = match coding.as_str() {
        "identity" | "" => return Some(body),
        "gzip" | "x-gzip" => &mut GzDecoder::new(&body[..]),
        "deflate" => &mut ZlibDecoder::new(&body[..]),
        _ => {
            tracing::warn!(
                coding,
                "{}",
                say(
                    "后端的应答用了读不懂的压缩，当作没有回复：按 Accept-Encoding: identity 不要压缩",
                    "a backend's answer is compressed in a way that nobody here reads and counts as none: don't compress, as Accept-Encoding: identity asks",
                )
            );
            return None;
        }
    };
    let mut plain = Vec::new();
    reader.take(most as u64 + 1).read_to_end(&mut plain).ok()?;
    (plain.len() <= most).then(|| plain.into())
}

impl Outgoing {
    fn request(self) -> Result<http::Request<Full<Bytes>>, http::Error> {
        let mut request = http::Request::post(self.url.as_str());
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(Bytes::from(self.body)))
    }
}
