//! How surfaces say no: the service API's envelope, plain text, problem+json; and which code a [`Denied`] has.

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use serde_json::json;

use crate::admit::Denied;
use crate::lang::say;
use crate::outcome::{End, Outcome, RequestId};
use crate::problem::{Code, Problem, Words};
use crate::store::StoreError;

/// When whoever was over a rate, or found no place, may come again: rates are averaged over a second.
pub const RETRY_SOON: HeaderValue = HeaderValue::from_static("1");

/// A request that reached no handler, or whose handler broke.
#[derive(Debug)]
pub struct Unhandled<'a> {
    /// The status that belongs to it.
    pub status: StatusCode,
    /// Its path, as far as it can be known.
    pub path: Option<&'a str>,
    /// Two readers could understand it differently.
    pub is_ambiguous: bool,
    /// What is wrong and what to do.
    pub words: Words,
    /// In which language.
    pub english: bool,
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let (zh, en) =
            ("数据库暂时不可用，稍后重试", "the database is unavailable at this moment: try again later");
        Self::new(Code::Store, zh, en).cause(&error)
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let code = match denied.like() {
            Denied::Unreadable
            | Denied::UnknownKey
            | Denied::WrongSecret { .. }
            | Denied::NoKey
            | Denied::Forwarded
            | Denied::DeadToken
            | Denied::KeyAsToken
            | Denied::Ended { .. } => Code::Unauthenticated,
            Denied::WebPage(_)
            | Denied::OldHttp
            | Denied::Prefix
            | Denied::Disagree
            | Denied::Network { .. }
            | Denied::Api { .. }
            | Denied::OnlyByName { .. }
            | Denied::Export { .. }
            | Denied::App { .. }
            | Denied::Address => Code::Forbidden,
            Denied::Rate { .. } | Denied::OpenRate | Denied::Quota { .. } => Code::Limited,
            Denied::QuotaUnknown { .. } => Code::Store,
            Denied::UnknownApp { .. } => Code::App,
            Denied::Busy { .. } | Denied::Overloaded => Code::Overloaded,
        };
        let words = denied.words();
        let mut problem = Self::new(code, words.zh, words.en);
        problem.again_in = denied.again_in();
        match denied {
            Denied::Quota { is_daily, .. } => {
                Self { retryable: !is_daily, ..problem.status(StatusCode::TOO_MANY_REQUESTS) }
            }
            Denied::Rate { .. } | Denied::OpenRate => problem.status(StatusCode::TOO_MANY_REQUESTS),
            Denied::Unreadable => problem.cause(say("凭据读不出来", "unreadable credential")),
            Denied::UnknownKey => problem.cause(say("没有这把密钥", "unknown key")),
            Denied::NoKey => problem.cause(say("没有密钥", "no key")),
            Denied::Forwarded => problem.cause(say(
                "没有密钥，又由不受信任的代理转发",
                "no key, and forwarded by an untrusted proxy",
            )),
            _ => problem,
        }
    }
}

/// What a request that no handler could answer is told.
pub fn unhandled(refused: &Unhandled<'_>) -> Problem {
    let code = if refused.status.is_server_error() { Code::Internal } else { Code::Parameter };
    Problem::new(code, refused.words.zh.clone(), refused.words.en.clone()).status(refused.status)
}

/// Notes in `outcome` that the request ended with `problem`.
pub fn note(outcome: &mut Outcome, problem: &Problem) {
    outcome.end = match problem.code {
        Code::Internal | Code::Store => End::Broken,
        Code::Token | Code::Unreachable => End::Failed,
        _ if problem.wechat.is_some() => End::Failed,
        _ => End::Refused,
    };
    outcome.errcode = i64::from(problem.code as u32);
    outcome.wx_errcode = problem.wechat.as_ref().map(|error| error.errcode);
    outcome.rid = problem.wechat.as_ref().and_then(|error| error.rid()).map(Into::into);
    outcome.words = problem.words.clone().said();
    outcome.cause.clone_from(&problem.cause);
}

/// What every answer of the service API is.
#[derive(Debug, Serialize)]
pub struct Envelope<'a, B> {
    /// How it went.
    pub ret: Ret<'a>,
    /// What was asked for; null where there is nothing.
    pub body: B,
}

/// How a service call went. What is absent isn't written.
#[derive(Debug, Default, Serialize)]
pub struct Ret<'a> {
    /// 0 for success.
    pub code: u32,
    /// For people.
    pub msg: &'a str,
    /// Names the request.
    pub request_id: &'a str,
    /// Whether the same call may succeed later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
    /// WeChat's own code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wx_errcode: Option<i64>,
    /// WeChat's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wx_errmsg: Option<&'a str>,
    /// What WeChat's support asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wx_rid: Option<&'a str>,
}

/// A failed service call's answer.
pub fn envelope(problem: &Problem, id: RequestId, english: bool) -> Response<Full<Bytes>> {
    let wechat = problem.wechat.as_ref();
    let ret = Ret {
        code: problem.code as u32,
        msg: problem.words.of(english),
        request_id: id.as_str(),
        retryable: Some(problem.retryable),
        wx_errcode: wechat.map(|error| error.errcode),
        wx_errmsg: wechat.map(|error| &*error.errmsg),
        wx_rid: wechat.map(|error| error.rid().unwrap_or_default()),
    };
    let mut response = json_response(problem.status, &Envelope { ret, body: () });
    let headers = response.headers_mut();
    match problem.status {
        StatusCode::UNAUTHORIZED => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            headers.insert(ALLOW, HeaderValue::from_static(problem.allow));
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(RETRY_AFTER, problem.again_in.map_or(RETRY_SOON, HeaderValue::from));
        }
        _ => {}
    }
    response
}

/// JSON with the usual media type.
pub fn json_response(status: StatusCode, body: &impl Serialize) -> Response<Full<Bytes>> {
    json_bytes(status, written(body))
}

/// JSON, as a body.
pub fn written(value: &impl Serialize) -> Bytes {
    // What has texts for names can always be written.
    serde_json::to_vec(value).unwrap_or_default().into()
}

/// The same of what is written already.
pub fn json_bytes(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// A text for machines: no charset, as WeChat's own server would answer.
pub fn bare_text(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// A text for people.
pub fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

/// RFC 9457.
pub fn problem_json(status: StatusCode, detail: &str) -> Response<Full<Bytes>> {
    let body = json!({"status": status.as_u16(), "title": status.canonical_reason(), "detail": detail});
    let mut response = json_response(status, &body);
    let media_type = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}

/// Ends the connection after `response`.
pub fn closing<B>(mut response: Response<B>) -> Response<B> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
