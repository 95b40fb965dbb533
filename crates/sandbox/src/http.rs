//! The HTTP skin: one listener for api, mp and open hosts and for the control API. hyper is driven
//! by hand, so that a scripted fault can cut a connection.

mod api;
mod control;
mod oauth;
mod page;

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::Shared;
use crate::world::{Cut, Fault};

const MAX_BODY: usize = 20 << 20;
/// WeChat's own spelling.
const JSON: &str = "application/json; encoding=utf-8";

type Body = BoxBody<Bytes, io::Error>;

/// A request, read whole.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) raw_query: String,
    pub(crate) cookie: String,
    pub(crate) wants_english: bool,
    pub(crate) body: Bytes,
    pub(crate) peer: IpAddr,
}

impl Call {
    /// The first value of a query parameter; "" if there is none.
    pub(crate) fn query(&self, name: &str) -> &str {
        self.query.iter().find(|(one, _)| one == name).map_or("", |(_, value)| value)
    }
}

/// An answer before it is put on the wire.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
    pub(crate) location: Option<String>,
    /// For the log of calls.
    pub(crate) errcode: i64,
    pub(crate) appid: Option<String>,
}

impl Reply {
    pub(crate) fn new(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status: 200, content_type, body: body.into(), location: None, errcode: 0, appid: None }
    }

    pub(crate) fn json(value: &Value) -> Self {
        Self::new(JSON, value.to_string())
    }

    pub(crate) fn status(status: u16) -> Self {
        Self { status, ..Self::new("text/html; charset=utf-8", "") }
    }

    pub(crate) fn page(html: String) -> Self {
        Self::new("text/html; charset=utf-8", html)
    }

    pub(crate) fn redirect(to: String) -> Self {
        Self { location: Some(to), ..Self::status(302) }
    }

    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(whole(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if self.content_type == "image/jpg" {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=604800"));
        }
        if let Some(location) = self.location.and_then(|location| HeaderValue::try_from(location).ok()) {
            headers.insert(LOCATION, location);
        }
        response
    }
}

fn whole(body: Bytes) -> Body {
    Full::new(body).map_err(|never: Infallible| match never {}).boxed()
}

/// The connection ends without an answer.
#[derive(Debug)]
struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut by a scripted fault")
    }
}

impl std::error::Error for Dropped {}

/// Accepts until the sandbox stops.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stopping.cancelled() => return,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Only speed is lost if it can't be set.
        let _ = stream.set_nodelay(true);
        let inner = shared.clone();
        let service = service_fn(move |request| answer(inner.clone(), request, peer.ip()));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        let stopping = shared.stopping.clone();
        shared.tracker.spawn(async move {
            // A broken connection is the client's business.
            let _ = stopping.run_until_cancelled(connection).await;
        });
    }
}

async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
    peer: IpAddr,
) -> Result<Response<Body>, Dropped> {
    let (head, body) = request.into_parts();
    let header = |name: &str| {
        head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let raw_query = head.uri.query().unwrap_or_default().to_owned();
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        return Ok(Reply::status(413).into_response());
    };
    let call = Call {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: url::form_urlencoded::parse(raw_query.as_bytes()).into_owned().collect(),
        raw_query,
        cookie: header("cookie"),
        wants_english: header("accept-language").to_lowercase().starts_with("en"),
        body: body.to_bytes(),
        peer,
    };
    if call.path == "/" {
        let page = page::front(&shared.world(), call.wants_english);
        return Ok(Reply::page(page).into_response());
    }
    if let Some(name) = call.path.strip_prefix("/sandbox/") {
        return Ok(control::answer(&shared, name, &call).await.into_response());
    }
    // In a task of its own: WeChat does what it was asked even if the client hangs up.
    let tracker = shared.tracker.clone();
    tracker.spawn(play(shared, call)).await.unwrap_or(Err(Dropped))
}

/// Answers as WeChat does, or as a fault has it, and notes the call.
async fn play(shared: Arc<Shared>, call: Call) -> Result<Response<Body>, Dropped> {
    let named = named_appid(&shared, &call);
    let (sequence, fault) = {
        let mut world = shared.world();
        (world.begin_call(named.as_deref(), &call.path), world.take_fault(&call.path))
    };
    let Some(fault) = fault else {
        return Ok(process(&shared, &call, sequence, None).into_response());
    };
    if let Some(delay) = fault.delay_ms {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    if fault.cut == Some(Cut::Before) {
        return Err(Dropped);
    }
    let scripted = scripted(&shared, &call, &fault);
    let content_type = fault.content_type.as_deref().and_then(|value| HeaderValue::from_str(value).ok());
    let reply = process(&shared, &call, sequence, scripted);
    if fault.cut == Some(Cut::After) {
        return Err(Dropped);
    }
    let body = reply.body.clone();
    let mut response = reply.into_response();
    if let Some(value) = content_type {
        response.headers_mut().insert(CONTENT_TYPE, value);
    }
    if fault.cut == Some(Cut::Half) {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        *response.body_mut() = half(&body);
    }
    Ok(response)
}

fn process(shared: &Arc<Shared>, call: &Call, sequence: u64, instead: Option<Reply>) -> Reply {
    let reply = instead.unwrap_or_else(|| {
        if call.path.starts_with("/connect/") {
            oauth::answer(shared, call)
        } else {
            api::answer(shared, call)
        }
    });
    shared.world().end_call(sequence, reply.appid.as_deref(), reply.status, reply.errcode);
    reply
}

/// Whose call it is, by its appid or its token.
fn named_appid(shared: &Shared, call: &Call) -> Option<String> {
    if !call.query("appid").is_empty() {
        return Some(call.query("appid").to_owned());
    }
    let token = call.query("access_token");
    if !token.is_empty() {
        return shared.world().token_owner(token);
    }
    let body: Value = serde_json::from_slice(&call.body).ok()?;
    body["appid"].as_str().map(str::to_owned)
}

/// The first half, then the end of the connection.
fn half(body: &Bytes) -> Body {
    let first = body.slice(..body.len() / 2);
    let frames = stream::unfold(Some(first), |state| async move {
        match state {
            Some(first) => Some((Ok(Frame::data(first)), None)),
            None => {
                // Let the half reach the wire before the cut.
                tokio::time::sleep(Duration::from_millis(20)).await;
                Some((Err(io::Error::other(Dropped)), None))
            }
        }
    });
    StreamBody::new(frames).boxed()
}

fn scripted(shared: &Shared, call: &Call, fault: &Fault) -> Option<Reply> {
    let mut reply = match (fault.errcode, &fault.body, fault.status) {
        (Some(errcode), _, _) => api::refusal(&shared.world(), &call.path, &errcode.into()),
        (None, Some(Value::String(text)), _) => Reply::new(JSON, text.clone()),
        (None, Some(body), _) => Reply::json(body),
        (None, None, Some(_)) => Reply::page("<html><body><h1>Bad Gateway</h1></body></html>".to_owned()),
        (None, None, None) => return None,
    };
    reply.status = fault.status.unwrap_or(reply.status);
    Some(reply)
}
