//! Calls that other nodes hand over, because WeChat takes them from this one ([`crate::handover`]). To a stranger there is no
//! such path. Whoever called was admitted and is counted at the first node; here a call takes a place, and nothing else.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response};

use super::server::no_answer;
use super::{Body, Held, streamed, whole};
use crate::handover::{Asked, PATH, Received, Sealing};
use crate::lang::say;
use crate::net::{AnyBody, Inbound};
use crate::outcome::{End, Outcome};
use crate::parts::Parts;
use crate::shares::{For, Place, Room};
use crate::upstream::{CallError, Upstream};

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct NodeCalls {
    parts: Parts,
    upstream: Upstream,
    is_shared: bool,
}

impl NodeCalls {
    /// Composed from its parts.
    pub fn new(parts: Parts, upstream: Upstream) -> Self {
        let is_shared = parts.store.is_shared();
        Self { parts, upstream, is_shared }
    }

    /// Whether `path` may be for other nodes.
    pub fn takes(&self, path: &str) -> bool {
        self.is_shared && path == PATH
    }

    /// The call of a node that `request` is, if it is one. Boxed: other requests hold no room for it.
    pub fn call(&self, request: &Request<Inbound>) -> Option<Box<Received>> {
        let handover = self.upstream.tokens().handover();
        (*request.method() == Method::POST)
            .then(|| handover.receive(request.headers()))
            .flatten()
            .map(Box::new)
    }

    /// Makes the call. What can't be read gets no answer: whoever sent it knows that it was lost.
    pub async fn answer(&self, call: Box<Received>, body: Inbound, outcome: &mut Outcome) -> Response<Body> {
        outcome.api = PATH.into();
        outcome.is_a_nodes();
        let answer = match call.read(body).await {
            Ok((asked, sealing)) => self.make(asked, sealing, outcome).await,
            Err(why) => Err(why),
        };
        answer.unwrap_or_else(|why| {
            outcome.end = End::Failed;
            outcome.words =
                say("另一个节点转交的调用读不完整", "a call of another node can't be read").into();
            outcome.cause = Some(why);
            whole(no_answer())
        })
    }

    async fn make(
        &self,
        asked: Asked,
        sealing: Sealing,
        outcome: &mut Outcome,
    ) -> Result<Response<Body>, String> {
        let (from, caller) = (asked.from, asked.caller());
        outcome.words = say(
            format!("节点 {from} 为调用方 {caller} 转交"),
            format!("handed over by node {from} for the caller {caller}"),
        )
        .into();
        let app = self.parts.registry.live().app(asked.appid()).cloned();
        let Some(app) = app else { return Ok(refused(sealing, "it has no such app", outcome)) };
        outcome.appid = Some(app.appid.clone());
        let Ok(place) = self.parts.shares.take(Room::Passed, 1, For::from(&app.share)) else {
            return Ok(refused(sealing, "it has no place", outcome));
        };
        let Some((request, kept)) = asked.request(&app).await? else {
            return Ok(refused(sealing, "it has no room for the body", outcome));
        };
        let body = match self.upstream.pass_for_node(&app, &request).await {
            Ok(answer) => {
                outcome.errcode = answer.errcode;
                outcome.wx_errcode = Some(answer.errcode).filter(|code| *code != 0);
                sealing.answered(answer)
            }
            Err(error) => {
                outcome.end = End::Failed;
                outcome.cause = Some(reason(&error));
                sealing.failed(error)
            }
        };
        Ok(response(Held::new(body, (Some(place), kept))))
    }
}

fn refused(sealing: Sealing, why: &'static str, outcome: &mut Outcome) -> Response<Body> {
    outcome.end = End::Refused;
    outcome.cause = Some(why.to_owned());
    response(Held::new(sealing.not_taken(why), (None, None)))
}

fn response(body: Held<AnyBody, (Option<Place>, Option<Place>)>) -> Response<Body> {
    let mut response = Response::new(axum::body::Body::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    streamed(response)
}

/// For the log; WeChat's own words may hold anything.
fn reason(error: &CallError) -> String {
    match error {
        CallError::Refused(error) => error.errcode.to_string(),
        CallError::Lost(lost) => lost.why.to_string(),
        error => error.to_string(),
    }
}
