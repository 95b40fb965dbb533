//! One attempt.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::RETRY_AFTER;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::form::Outgoing;
use crate::net::{self, Client};
use crate::transport::causes;

/// Longest answer read.
const MAX_ANSWER: usize = 64 << 10;
/// An answer nobody waits for is read this long, so that its connection can be used again.
const COURTESY: Duration = Duration::from_millis(500);
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
}

impl Sent {
    /// Without an answer.
    pub(super) fn failed(why: impl Into<String>) -> Self {
        let mut error: String = why.into();
        error.truncate(error.floor_char_boundary(MAX_ERROR));
        Self { status: 0, error, retry_after: None }
    }
}

/// Posts `outgoing`. The answer's head has to come within `timeout`. `answer` is told the body of a
/// 2xx as soon as it is there: `None` if it is too long, too slow or cut.
pub(super) async fn send(
    client: &Client,
    outgoing: Outgoing,
    timeout: Duration,
    answer: Option<oneshot::Sender<Option<Bytes>>>,
) -> Sent {
    let deadline = Instant::now() + timeout;
    let request = match outgoing.request() {
        Ok(request) => request,
        Err(error) => return Sent::failed(format!("the request can't be written: {error}")),
    };
    let response = match timeout_at(deadline, client.send(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            return Sent::failed(match net::forbidden(&error) {
                Some(reason) => super::forbidden(reason),
                None => causes(&error),
            });
        }
        Err(_) => return Sent::failed(format!("no answer within {timeout:?}")),
    };
    let (head, body) = response.into_parts();
    let status = head.status;
    let retry_after = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    match answer {
        Some(answer) if status.is_success() => {
            let body = timeout_at(deadline, read(body)).await.ok().flatten();
            // Whoever asked may have stopped waiting: it was delivered all the same.
            let _ = answer.send(body);
        }
        _ => drop(timeout_at(deadline.min(Instant::now() + COURTESY), read(body)).await),
    }
    let error = match status {
        _ if status.is_success() => String::new(),
        _ if status.is_redirection() => format!("HTTP {}: redirects are not followed", status.as_u16()),
        _ => format!("HTTP {}", status.as_u16()),
    };
    Sent { status: status.as_u16(), error, retry_after }
}

async fn read(mut body: Incoming) -> Option<Bytes> {
    let mut gathered = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.ok()?.into_data() {
            if gathered.len() + data.len() > MAX_ANSWER {
                return None;
            }
            gathered.extend_from_slice(&data);
        }
    }
    Some(gathered.freeze())
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
