//! `wxmsg` and `wxmsg/{appid}`: WeChat's callbacks. GET checks a URL, POST brings a message.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::Instant;

use super::{AtWork, RequestId, Unread, read, wants_english};
use crate::http::service;
use crate::inbox::{ANSWER_WITHIN, Answer, Inbox, Unanswered};
use crate::problem::{Code, Problem};

/// Where callbacks come in; an appid may follow after a slash.
pub const PATH: &str = "/v1/service/wx/wxmsg";
/// Largest message; WeChat's are a few KiB.
const MAX_BODY: usize = 1 << 20;
/// Of the 4.5 seconds, the body may take this much.
const BODY_WITHIN: Duration = Duration::from_millis(3500);
/// Callbacks at work at once; WeChat sends what is shed again.
const MAX_AT_WORK: usize = 4096;
/// The same for those whose query nobody signed.
const MAX_UNSIGNED: usize = 64;
const MAX_UNSIGNED_BODY: usize = 128 << 10;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Callbacks {
    inbox: Inbox,
    at_work: Arc<AtomicUsize>,
    unsigned: Arc<AtomicUsize>,
}

impl Callbacks {
    /// Over the inbox.
    pub fn new(inbox: Inbox) -> Self {
        Self { inbox, at_work: Arc::default(), unsigned: Arc::default() }
    }

    /// Whether `path` is a callback's.
    pub fn takes(path: &str) -> bool {
        path.strip_prefix(PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Answers one callback.
    pub async fn handle(&self, request: Request<Incoming>, id: RequestId) -> Response<Full<Bytes>> {
        let began = Instant::now();
        let (head, body) = request.into_parts();
        let query = head.uri.query().unwrap_or_default();
        let appid = head.uri.path().strip_prefix(PATH).and_then(|rest| rest.strip_prefix('/'));
        let appid = appid.filter(|appid| !appid.is_empty());
        if !matches!(head.method, Method::GET | Method::POST) {
            let zh = "回调只有 GET（验证地址）和 POST（接收消息）";
            let problem =
                Problem::new(Code::NotFound, zh, "callbacks are GET (to check the URL) or POST (a message)");
            let problem = Problem { allow: "GET, POST", ..problem.status(StatusCode::METHOD_NOT_ALLOWED) };
            return service::failure(&problem, id, wants_english(&head.headers));
        }
        let outcome = match self.inbox.check(query, appid) {
            Err(unanswered) => Err(unanswered),
            Ok(checked) => {
                // Whoever can't even sign the query has little room, so that WeChat has all of its own.
                let (count, most, limit) = match checked.is_signed() {
                    true => (&self.at_work, MAX_AT_WORK, MAX_BODY),
                    false => (&self.unsigned, MAX_UNSIGNED, MAX_UNSIGNED_BODY),
                };
                let Some(_place) = AtWork::enter(count, most) else {
                    return text(StatusCode::SERVICE_UNAVAILABLE, "overloaded: try again");
                };
                if head.method == Method::GET {
                    let echostr = self.inbox.verify_url(checked).await;
                    echostr.map(|echostr| Answer { body: echostr.into_bytes(), content_type: "text/plain" })
                } else {
                    match read(body, limit, began + BODY_WITHIN).await {
                        Ok(body) => self.inbox.receive(checked, body, began).await,
                        Err(Unread::TooLarge) => {
                            tracing::info!(request_id = id.as_str(), "回调被拒绝：超过 {limit} 字节");
                            return text(StatusCode::PAYLOAD_TOO_LARGE, "too large");
                        }
                        Err(Unread::Cut(why)) => Err(Unanswered::Refused(format!("the body was cut: {why}"))),
                    }
                }
            }
        };
        match outcome {
            Ok(answer) => {
                let mut response = Response::new(Full::new(Bytes::from(answer.body)));
                let headers = response.headers_mut();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
                headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
                response
            }
            // One text, whichever check failed.
            Err(Unanswered::Refused(why)) => {
                tracing::info!(request_id = id.as_str(), why, "回调被拒绝");
                text(StatusCode::FORBIDDEN, "refused")
            }
            Err(Unanswered::Store(error)) => {
                let ms = began.elapsed().as_millis();
                tracing::error!(request_id = id.as_str(), %error, ms, "消息没能存下，微信会重发");
                text(StatusCode::INTERNAL_SERVER_ERROR, "not stored: send it again")
            }
        }
    }
}

fn text(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

const _: () = assert!(BODY_WITHIN.as_millis() < ANSWER_WITHIN.as_millis());
