//! The service API, `/v1/service/wx/*`: JSON in, `{"ret": …, "body": …}` out.
//!
//! [`table`] says what exists, what it takes and which function answers; [`Service::handle`] is the one way a request
//! goes: find the endpoint, admit the caller, read and check the parameters, find the app, take a place, run, answer.

mod batch;
mod codes;
mod failure;
mod fields;
mod find;
mod kinds;
mod malformed;
mod messages;
pub mod openapi;
mod param;
mod results;
mod streams;
mod table;
mod token;
mod users;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, request};
use http_body_util::Full;
use serde_json::Value;
use wechat::catalog::Endpoint;

use super::body::Kept;
use super::once::{Once, Unfinished};
use super::problem::{Envelope, Ret, Unhandled, envelope, json_response, note, unhandled};
use super::{Body, PREFIX, Reader, Unread, streamed, wants_english, whole};
use crate::admit::{Denied, Door, Entered, Proof, Wish};
use crate::feed::Feed;
use crate::jobs::Jobs;
use crate::net::Inbound;
use crate::outcome::{Counted, Outcome};
use crate::parts::Parts;
use crate::problem::{Code, Problem};
use crate::registry::App;
use crate::registry::callers::Caller;
use crate::shares::{Place, Room};
use crate::transport::Lost;
use crate::upstream::{CallError, Upstream};

use fields::{Fields, Given};
use table::{Operation, Own, Takes};

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Service(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Parts,
    door: Door,
    upstream: Upstream,
    jobs: Jobs,
    feed: Feed,
    once: Once<Problem>,
}

/// One understood request, on its way to its function.
#[derive(Debug)]
struct Call {
    operation: &'static Operation,
    caller: Arc<Caller>,
    app: Arc<App>,
    fields: Fields,
    /// `Accept: image/*`
    wants_picture: bool,
    /// English is the caller's first language.
    english: bool,
    /// Taken until the work is done.
    _place: Place,
    /// What its parameters take up.
    _kept: Option<Place>,
}

/// A call that is for no single app.
#[derive(Debug)]
struct Alone {
    entered: Entered,
    /// Where the client is.
    address: IpAddr,
    /// Of the endpoint.
    path: &'static str,
    fields: Fields,
    /// What its path names; else "".
    segment: String,
    headers: HeaderMap,
    body: Bytes,
    /// A body that is read as it comes.
    lines: Option<Inbound>,
}

impl Alone {
    /// A header's value; "?" if nobody can read it.
    fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).map(|value| value.to_str().unwrap_or("?").to_owned())
    }
}

impl From<Unfinished> for Problem {
    fn from(_: Unfinished) -> Self {
        let (zh, en) = ("先到的同一请求没有完成", "the same request before this one did not finish");
        Self::new(Code::Internal, zh, en)
    }
}

/// What an endpoint gives.
enum Success {
    /// The members of `body`.
    Body(Value),
    /// Something else than JSON, with its media type.
    Bytes(&'static str, Bytes),
    /// Events, for as long as there is somebody who reads them.
    Stream(axum::body::Body),
}

impl Service {
    /// Composed from its parts.
    pub fn new(parts: Parts, door: Door, upstream: Upstream, (jobs, feed): (Jobs, Feed)) -> Self {
        let once = Once::new(&parts);
        Self(Arc::new(Inner { parts, door, upstream, jobs, feed, once }))
    }

    /// Answers a request below [`PREFIX`]; `peer` is who connected.
    pub async fn handle(
        &self,
        head: &request::Parts,
        body: Inbound,
        peer: IpAddr,
        outcome: &mut Outcome,
    ) -> Response<Body> {
        match self.answer(head, body, peer, outcome).await {
            Ok(Success::Body(body)) => {
                let ret = Ret { msg: "OK", request_id: outcome.id.as_str(), ..Ret::default() };
                whole(json_response(StatusCode::OK, &Envelope { ret, body: &body }))
            }
            Ok(Success::Bytes(media_type, bytes)) => {
                let mut response = Response::new(Full::new(bytes));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
                whole(response)
            }
            Ok(Success::Stream(events)) => {
                let mut response = Response::new(events);
                let headers = response.headers_mut();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
                streamed(response)
            }
            Err(problem) => {
                note(outcome, &problem);
                whole(envelope(&problem, outcome.id, wants_english(&head.headers)))
            }
        }
    }

    async fn answer(
        &self,
        head: &request::Parts,
        body: Inbound,
        peer: IpAddr,
        outcome: &mut Outcome,
    ) -> Result<Success, Problem> {
        let path = head.uri.path();
        let name = path.strip_prefix(PREFIX).unwrap_or_default();
        let operation = find::find(name, &head.method)?;
        outcome.api = operation.path().into();
        if operation.is_document() {
            let document = openapi::document(super::wants_english(&head.headers));
            return Ok(Success::Bytes("application/json", Bytes::from_static(document.as_bytes())));
        }
        outcome.counted = Counted::Call;
        let door = &self.0.door;
        let wish = Wish { path: Some(path), exports_token: operation.exports_token, ..Wish::default() };
        let entered = door.enter(head, peer, Proof::Headers, wish, outcome)?;
        if let Some(own) = &operation.own {
            return Box::pin(self.alone(operation, own, head, body, entered, outcome)).await;
        }
        let Some(run) = operation.run else {
            return Err(Problem::internal("an endpoint without a function"));
        };
        let caller = entered.caller;
        let (given, kept) = match head.method {
            Method::GET => (Given::from_query(head.uri.query().unwrap_or_default()), None),
            _ => {
                let Kept { bytes, place } = self.read(&caller, body).await?;
                (Given::from_body(&bytes)?, place)
            }
        };
        let fields = given.check(operation.params, operation.app_of.is_none())?;
        (operation.check)(&fields)?;
        fields.refuse(|text| door.shows_credential(text.as_bytes()))?;
        let (app, _place) = match operation.app_of {
            None => {
                let app = door.app(&caller, fields.appid(), outcome)?;
                kinds::check(operation, &app, &caller, &self.0.parts.registry.live())?;
                let place = door.place(operation.room, &caller, &app)?;
                (app, place)
            }
            // To find it is work already.
            Some(app_of) => {
                let place = door.place_alone(operation.room, &caller)?;
                let appid = app_of(self, &caller, &fields).await?;
                (door.app(&caller, &appid, outcome)?, place)
            }
        };
        outcome.waits_from = (operation.room == Room::Long).then(|| self.0.parts.clock.instant());
        let (wants_picture, english, _kept) = (wants_picture(head), wants_english(&head.headers), kept);
        run(self.clone(), Call { operation, caller, app, fields, wants_picture, english, _place, _kept })
            .await
    }

    /// A call that is for no single app; it may name one.
    async fn alone(
        &self,
        operation: &'static Operation,
        own: &'static Own,
        head: &request::Parts,
        body: Inbound,
        entered: Entered,
        outcome: &mut Outcome,
    ) -> Result<Success, Problem> {
        let (mut bytes, mut lines, mut _kept) = (Bytes::new(), None, None);
        let given = match own.takes {
            Takes::Query | Takes::Lines => {
                lines = Some(body).filter(|_| own.takes == Takes::Lines);
                Given::from_query(head.uri.query().unwrap_or_default())
            }
            Takes::Json | Takes::Raw => {
                let kept = self.read(&entered.caller, body).await?;
                (bytes, _kept) = (kept.bytes, kept.place);
                if own.takes == Takes::Raw { Given::nothing() } else { Given::from_body(&bytes)? }
            }
        };
        let fields = given.check_alone(operation.params)?;
        (operation.check)(&fields)?;
        // Lines may name others.
        if !fields.appid().is_empty() && own.takes != Takes::Lines {
            self.0.door.app(&entered.caller, fields.appid(), outcome)?;
        }
        let path = head.uri.path();
        let segment = operation.segment(path.strip_prefix(PREFIX).unwrap_or_default()).to_owned();
        let (address, path, headers) = (outcome.peer, operation.path(), head.headers.clone());
        (own.run)(
            self.clone(),
            Alone { entered, address, path, fields, segment, headers, body: bytes, lines },
        )
        .await
    }

    /// A JSON call to WeChat, with the caller's problem if it fails.
    async fn ask(
        &self,
        call: &Call,
        endpoint: &Endpoint,
        query: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> Result<Value, Problem> {
        let allowed = self.0.door.allow(&call.caller, endpoint.path).await?;
        let answer = self.0.upstream.json(&call.caller.name, &call.app, endpoint, query, body);
        let answer = allowed.spent_on(answer, CallError::is_unsent).await;
        answer.map_err(|failure| failure::problem(call, endpoint, failure))
    }

    async fn read(&self, caller: &Caller, body: Inbound) -> Result<Kept, Problem> {
        let Parts { clock, limits, .. } = &self.0.parts;
        let read = Reader::new(&self.0.parts, &caller.share, body).whole(limits.body).await;
        let mut kept = read.map_err(|unread| match unread {
            Unread::TooLarge => too_large(limits.body),
            Unread::Cut(cause) => {
                Problem::new(Code::Json, "请求体没有收全", "the request body was cut or came too slowly")
                    .cause(&cause)
            }
            Unread::NoRoom => Denied::Overloaded.into(),
        })?;
        if let Some(place) = &mut kept.place {
            let deadline = clock.instant() + limits.budget_time;
            if !place.grow(made_of(&kept.bytes), clock, deadline).await {
                return Err(Denied::Overloaded.into());
            }
        }
        Ok(kept)
    }
}

/// Bytes of what is made of a body, beside its texts: a value takes up many more than the two that it may be written in.
fn made_of(body: &[u8]) -> usize {
    const VALUE: usize = 64;
    body.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{' | b':')).count() * VALUE
}

/// WeChat answered without an errcode, and without what it documents.
fn incomplete(call: &Call, endpoint: &Endpoint) -> Problem {
    let lost = Lost::after("the answer lacks documented members", "应答缺少文档里的成员");
    failure::problem(call, endpoint, CallError::Lost(lost))
}

fn too_large(most: usize) -> Problem {
    let (zh, en) = (format!("请求体超过 {most} 字节"), format!("the request body is over {most} bytes"));
    Problem::new(Code::Parameter, zh, en).status(StatusCode::PAYLOAD_TOO_LARGE)
}

fn wants_picture(head: &request::Parts) -> bool {
    let ranges = head.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    ranges
        .flat_map(|value| value.split(','))
        .any(|range| range.trim().to_ascii_lowercase().starts_with("image/"))
}

/// Says no in the service API's shape where no handler could.
pub fn refuse(refused: &Unhandled<'_>, outcome: &mut Outcome) -> Response<Full<Bytes>> {
    let problem = unhandled(refused);
    note(outcome, &problem);
    envelope(&problem, outcome.id, refused.english)
}
