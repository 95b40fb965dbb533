//! The service API, `/v1/service/wx/*`: JSON in, `{"ret": …, "body": …}` out.
//!
//! [`table`] says what exists and what it takes; [`Service::handle`] is the one way a request goes: find
//! the endpoint, know the caller, read and check the parameters, find the app, run, answer.

mod codes;
mod fields;
mod messages;
pub mod openapi;
mod outcome;
mod table;
mod token;
mod users;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode, request};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::admit::identify::{self, Gatekeeper};
use crate::clock::Clock;
use crate::http::once::{Once, Unfinished};
use crate::http::{AtWork, RequestId, Unread, wants_english};
use crate::keys::Keys;
use crate::problem::{Code, Problem};
use crate::registry::callers::Caller;
use crate::registry::{App, Registry};
use crate::store::Store;
use crate::tasks::Tasks;
use crate::upstream::Upstream;

use fields::Fields;
use table::{Endpoint, Run};

/// Where the service API lives.
pub const PREFIX: &str = "/v1/service/wx/";
/// Largest request body.
const MAX_BODY: usize = 1 << 20;
/// A request's body has to arrive in this time.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Requests at work at once; more are shed.
const MAX_AT_WORK: usize = 4096;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Service(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    upstream: Upstream,
    gatekeeper: Gatekeeper,
    clock: Clock,
    tasks: Tasks,
    once: Once<Problem>,
    at_work: AtomicUsize,
}

/// One understood request, on its way to its endpoint.
#[derive(Clone, Debug)]
struct Call {
    endpoint: &'static Endpoint,
    caller: Arc<Caller>,
    app: Arc<App>,
    fields: Fields,
    /// `Accept: image/*`
    wants_picture: bool,
}

impl From<Unfinished> for Problem {
    fn from(_: Unfinished) -> Self {
        let (zh, en) = ("先到的同一请求没有完成", "the same request before this one did not finish");
        Self::new(Code::Internal, zh, en)
    }
}

/// What an endpoint gives.
enum Done {
    /// The members of `body`.
    Body(Value),
    /// Something else than JSON, with its media type.
    Bytes(&'static str, Bytes),
}

impl Service {
    /// Composed from its parts.
    pub fn new(
        registry: Registry,
        upstream: Upstream,
        gatekeeper: Gatekeeper,
        store: Store,
        keys: Keys,
        clock: Clock,
        tasks: Tasks,
    ) -> Self {
        Self(Arc::new(Inner {
            registry,
            upstream,
            gatekeeper,
            once: Once::new(store, keys, clock.clone()),
            clock,
            tasks,
            at_work: AtomicUsize::new(0),
        }))
    }

    /// Answers a request below [`PREFIX`]; `peer` is who connected.
    pub async fn handle(
        &self,
        head: &request::Parts,
        body: Incoming,
        peer: std::net::IpAddr,
        id: RequestId,
    ) -> Response<Full<Bytes>> {
        let english = wants_english(&head.headers);
        match self.answer(head, body, peer).await {
            Ok(Done::Body(body)) => {
                let ret = json!({"code": 0, "msg": "OK", "request_id": id.as_str()});
                json_response(StatusCode::OK, &json!({"ret": ret, "body": body}))
            }
            Ok(Done::Bytes(media_type, bytes)) => {
                let mut response = Response::new(Full::new(bytes));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
                response
            }
            Err(problem) => {
                // A path that is none of ours may hold anything.
                let path = if problem.code == Code::NotFound { "?" } else { head.uri.path() };
                log(&problem, path, id);
                failure(&problem, id, english)
            }
        }
    }

    async fn answer(
        &self,
        head: &request::Parts,
        body: Incoming,
        peer: std::net::IpAddr,
    ) -> Result<Done, Problem> {
        let path = head.uri.path();
        let endpoint = table::find(path.strip_prefix(PREFIX).unwrap_or_default(), &head.method)?;
        let Some(run) = endpoint.run else {
            return Ok(Done::Bytes("application/json", Bytes::from_static(openapi::DOCUMENT.as_bytes())));
        };
        let live = self.0.registry.live();
        let caller = self.0.gatekeeper.identify(head, peer, &live.callers)?.clone();
        drop(live);
        if !caller.apis.allows(path) {
            return Err(identify::forbidden_api(&caller.name, path));
        }
        if endpoint.exports_token && !caller.export_token {
            return Err(identify::forbidden_export(&caller.name));
        }
        if !caller.take(self.0.clock.now()) {
            return Err(identify::over_rate(&caller.name));
        }
        caller.usage.count(endpoint.path(), self.0.clock.now());
        let fields = if head.method == http::Method::GET {
            Fields::from_query(head.uri.query().unwrap_or_default())
        } else {
            Fields::from_body(&read(body).await?)?
        };
        // Only now: a body that never arrives must not keep others out.
        let _at_work = AtWork::enter(&self.0.at_work, MAX_AT_WORK).ok_or_else(overloaded)?;
        let fields = fields.check(endpoint)?;
        match run {
            Run::Template => drop(messages::template_message(&fields)?),
            Run::Subscribe => drop(messages::receiver(&fields)?),
            Run::JsSdk => drop(token::signed_url(&fields)?),
            _ => {}
        }
        let live = self.0.registry.live();
        let appid = fields.appid();
        let app = live.app(appid).cloned();
        let tags = app.as_ref().map_or(&[][..], |app| &app.entry.tags);
        if !caller.apps.matches(appid, tags) {
            return Err(identify::forbidden_app(&caller.name, appid));
        }
        drop(live);
        let Some(app) = app else {
            return Err(outcome::unknown_app(fields.appid()));
        };
        let wants_picture =
            head.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).any(|value| {
                value.to_ascii_lowercase().split(',').any(|range| range.trim().starts_with("image/"))
            });
        let call = Call { endpoint, caller, app, fields, wants_picture };
        match run {
            Run::UserInfo => self.once(call, Self::user_info).await,
            Run::Session => self.once(call, Self::session).await,
            Run::Phone => self.once(call, Self::phone).await,
            Run::QrCode => self.qr_code(&call).await,
            Run::WxaCode => self.wxa_code(&call).await,
            Run::Template => self.template_message(&call).await,
            Run::Subscribe => self.subscribe_message(&call).await,
            Run::JsSdk => self.js_sdk(&call).await,
            Run::Token => self.token(&call).await,
            Run::TokenRefresh => self.token_refresh(&call).await,
        }
    }
}

async fn read(body: Incoming) -> Result<Bytes, Problem> {
    let deadline = tokio::time::Instant::now() + BODY_TIMEOUT;
    super::read(body, MAX_BODY, deadline).await.map_err(|unread| match unread {
        Unread::TooLarge => too_large(),
        Unread::Cut(cause) => {
            Problem::new(Code::Json, "请求体没有收全", "the request body was cut or came too slowly")
                .cause(&cause)
        }
    })
}

fn too_large() -> Problem {
    let (zh, en) =
        (format!("请求体超过 {MAX_BODY} 字节"), format!("the request body is over {MAX_BODY} bytes"));
    Problem::new(Code::Parameter, zh, en).status(StatusCode::PAYLOAD_TOO_LARGE)
}

fn overloaded() -> Problem {
    Problem::new(
        Code::Overloaded,
        "wxgate 正在处理的请求太多：稍后重试；常见原因是微信应答变慢",
        "too many requests at once: retry later; usually WeChat has become slow",
    )
}

fn log(problem: &Problem, path: &str, id: RequestId) {
    let code = problem.code as u32;
    let wx_errcode = problem.wechat.as_ref().map(|error| error.errcode);
    let cause = problem.cause.as_deref();
    if problem.code == Code::Internal {
        tracing::error!(request_id = id.as_str(), path, code, cause, "{}", problem.zh);
    } else {
        tracing::info!(request_id = id.as_str(), path, code, wx_errcode, cause, "{}", problem.zh);
    }
}

/// A failed call's answer.
pub fn failure(problem: &Problem, id: RequestId, english: bool) -> Response<Full<Bytes>> {
    let msg = if english { &problem.en } else { &problem.zh };
    let mut ret = json!({
        "code": problem.code as u32, "msg": msg, "request_id": id.as_str(), "retryable": problem.retryable,
    });
    if let Some(error) = &problem.wechat {
        ret["wx_errcode"] = error.errcode.into();
        ret["wx_errmsg"] = error.errmsg.as_str().into();
        ret["wx_rid"] = error.rid().unwrap_or_default().into();
    }
    let mut response = json_response(problem.status, &json!({"ret": ret, "body": null}));
    let headers = response.headers_mut();
    match problem.status {
        StatusCode::UNAUTHORIZED => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            headers.insert(ALLOW, HeaderValue::from_static(problem.allow));
        }
        _ => {}
    }
    response
}

fn json_response(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
