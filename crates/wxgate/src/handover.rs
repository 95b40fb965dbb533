//! Calls that this node may not make: another node that shares the database makes them. WeChat's IP allow-list binds every
//! call of an account, so a node whose address isn't listed hands that app's calls, before a token is in them, to a node that
//! WeChat takes them from. The sender is [`Handover::send`], the receiver [`Handover::receive`]; what goes between them is
//! sealed ([`frames`]). Who may make them is known by [`reach`].
//!
//! A node that can't be connected to is passed over. Once a byte was sent, the call may have been made: it goes to nobody
//! else.

mod call;
mod frames;
mod heads;
mod reach;
mod receive;
mod sealed;
mod taken;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{Either, Full};
use tokio_util::sync::CancellationToken;

pub use call::{CallError, Part, PassAnswer, PassRequest};
pub use reach::Reach;
pub use receive::{Asked, Received, Sealing};

use frames::{Opener, Opening, Sealer, Way};
use heads::{AnswerHead, CallHead};
use sealed::{Opened, Sealed};
use taken::Taken;

use crate::lang::say;
use crate::net::{self, Answered, Client, Download, Pace, RequestBody, Upload, causes, why};
use crate::parts::Parts;
use crate::registry::App;
use crate::store::Node;
use crate::transport::{Lost, Payload};

/// Where nodes take each other's calls.
pub const PATH: &str = "/_node/call";
/// The call's first frame.
const LINE: HeaderName = HeaderName::from_static("x-wxgate-node");
/// A node that can't be connected to is passed over for so many ticks, while another is left.
const REST: i64 = 5_000;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handover(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Parts,
    client: Client,
    reach: Reach,
    taken: Taken,
    /// Until when nodes rest, in ticks.
    resting: Mutex<HashMap<i32, i64>>,
}

/// Nothing was done: the next node may be asked.
struct NotTaken(String);

impl Handover {
    /// `client` connects to the other nodes.
    pub fn new(parts: Parts, client: Client) -> Self {
        let reach = Reach::new(parts.clone());
        Self(Arc::new(Inner { parts, client, reach, taken: Taken::default(), resting: Mutex::default() }))
    }

    /// Who can reach WeChat.
    pub fn reach(&self) -> &Reach {
        &self.0.reach
    }

    /// Tells the other nodes and listens to them, until the stop begins.
    pub async fn run(self) {
        self.0.reach.clone().run().await;
    }

    /// Has another node make the call. `None`: none takes it, and nothing was done.
    pub async fn send(&self, app: &App, request: &PassRequest) -> Option<Result<PassAnswer, CallError>> {
        for node in self.awake(self.0.reach.candidates(&app.appid)) {
            match self.ask(&node, app, request).await {
                Ok(answer) => return Some(answer),
                Err(NotTaken(why)) => self.rests(&node, app, &why),
            }
            if request.is_touched() {
                return Some(Err(gone().into()));
            }
        }
        None
    }

    /// Those of `nodes` that don't rest, or all.
    fn awake(&self, nodes: Vec<Arc<Node>>) -> Vec<Arc<Node>> {
        let now = self.0.parts.clock.ticks();
        let mut resting = self.0.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.retain(|_, until| *until > now);
        let awake: Vec<_> = nodes.iter().filter(|node| !resting.contains_key(&node.id)).cloned().collect();
        if awake.is_empty() { nodes } else { awake }
    }

    fn rests(&self, node: &Node, app: &App, why: &str) {
        let until = self.0.parts.clock.ticks() + REST;
        self.0.resting.lock().unwrap_or_else(PoisonError::into_inner).insert(node.id, until);
        tracing::warn!(
            appid = %app.appid, node = node.id, address = %node.address, %why, "{}",
            say("另一个节点没有接手调用", "another node didn't take a call over")
        );
    }

    /// Hands the call to `node`.
    async fn ask(
        &self,
        node: &Node,
        app: &App,
        request: &PassRequest,
    ) -> Result<Result<PassAnswer, CallError>, NotTaken> {
        let Parts { store, keys, clock, random, .. } = &self.0.parts;
        let time = store.common_time(clock.now());
        let opening = Opening { from: store.node(), time, nonce: random.bytes() };
        let (line, sealer) = opening.line(keys, node.id);
        let (body, sent) = self.sealed(app, request, sealer);
        let call = Request::builder()
            .method(Method::POST)
            .uri(format!("{}{PATH}", node.address))
            .header(LINE, line)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))
            .body(body)
            .map_err(|error| NotTaken(error.to_string()))?;
        let answer = tokio::select! {
            biased;
            answer = self.0.client.pass(call) => answer,
            () = self.late(app, sent) => return Ok(Err(lost("the other node did not answer in time"))),
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => return Err(NotTaken(why(&error).said().into())),
            Err(error) => return Ok(Err(lost(&causes(&error)))),
        };
        if is_a_strangers(&answer) {
            // To whoever isn't that node, the call is an unknown path.
            let why = "whoever answers there isn't that node: check its [cluster] advertise";
            return Err(NotTaken(why.to_owned()));
        }
        let opener = opening.opener(keys, node.id, Way::Answer);
        let (head, first, mut body) = match self.head(answer, opener).await {
            Ok(read) => read,
            Err(why) => return Ok(Err(lost(&why))),
        };
        match head {
            AnswerHead::Answered { status, headers, errcode } => {
                let head = AnswerHead::parts(status, &headers);
                let answer = head.map(|head| self.answered(request, head, errcode, first, body));
                Ok(answer.ok_or_else(|| lost("the answer can't be read")))
            }
            AnswerHead::Failed(failed) => Ok(Err(match end(&mut body, self.0.parts.limits.silence).await {
                Ok(()) => failed.into(),
                Err(why) => lost(&why),
            })),
            AnswerHead::NotTaken { why } => Err(NotTaken(why)),
        }
    }

    /// Returns when the answer is late: an answer is waited for from when all is on its way.
    async fn late(&self, app: &App, sent: Option<CancellationToken>) {
        if let Some(sent) = sent {
            sent.cancelled().await;
        }
        self.0.parts.clock.pause(app.transport.timeout()).await;
    }

    /// The call as it goes to the other node; of a body that isn't in memory also what tells when all of it is on its way.
    fn sealed(
        &self,
        app: &App,
        request: &PassRequest,
        mut sealer: Sealer,
    ) -> (RequestBody, Option<CancellationToken>) {
        let head = |length| heads::written(&CallHead::of(&app.appid, request, length));
        match &request.body {
            Payload::Kept(body) => {
                let whole = [&head(body.len() as u64), &body[..]].concat();
                (Either::Left(Full::new(sealer.rest(&whole))), None)
            }
            Payload::Stream(upload) => {
                let head = head(length(upload));
                self.streamed(Sealed::new(sealer, &head, upload.clone()))
            }
            Payload::Spooled(file) => {
                let body = file.body(CancellationToken::new());
                let head = head(length(&body));
                self.streamed(Sealed::new(sealer, &head, body))
            }
        }
    }

    fn streamed<B>(&self, body: Sealed<B>) -> (RequestBody, Option<CancellationToken>)
    where
        Sealed<B>: Body<Data = Bytes, Error = Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
    {
        let limits = &self.0.parts.limits;
        let upload = Upload::new(Bytes::new(), body, limits.silence, Pace::new(limits));
        let sent = upload.sent();
        (Either::Right(Either::Left(upload)), Some(sent))
    }

    /// The other node's answer: its head, what came behind that, and the rest; or why it is none.
    async fn head(
        &self,
        answer: Response<Answered>,
        opener: Opener,
    ) -> Result<(AnswerHead, Bytes, Opened<Answered>), String> {
        if answer.status() != StatusCode::OK {
            return Err(format!("the other node answered HTTP {}", answer.status().as_u16()));
        }
        let mut body = Opened::new(opener, answer.into_body());
        let (head, first) = head(&mut body, self.0.parts.limits.silence).await?;
        let head = serde_json::from_slice(&head).map_err(|error| error.to_string())?;
        Ok((head, first, body))
    }

    /// WeChat's answer to `request`.
    fn answered(
        &self,
        request: &PassRequest,
        (status, headers): (StatusCode, HeaderMap),
        errcode: i64,
        first: Bytes,
        mut body: Opened<Answered>,
    ) -> PassAnswer {
        let mut head = Response::new(()).into_parts().0;
        (head.status, head.headers) = (status, headers);
        if request.method != Method::HEAD {
            let length = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
            let left = length.and_then(|length| length.parse::<u64>().ok()?.checked_sub(first.len() as u64));
            body.left = left;
        }
        PassAnswer {
            head,
            body: Download::opened(first, body, self.0.parts.limits.silence),
            errcode,
            rid: None,
        }
    }
}

/// An answer that no node makes to a call: of another port, another node, another program.
fn is_a_strangers(answer: &Response<Answered>) -> bool {
    let content_type =
        answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_known =
        matches!(answer.status(), StatusCode::OK | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED);
    is_known && (content_type.contains("json") || content_type.starts_with("text/"))
}

fn length(body: &impl Body) -> u64 {
    body.size_hint().exact().unwrap_or_default()
}

/// No node made the call, and its body went by.
pub(crate) fn gone() -> Lost {
    Lost::before(
        "this node's address isn't in WeChat's allow-list, and the body is gone; the same call goes by another node now",
        "本节点的 IP 不在微信的白名单里，而请求体已经用掉；再发一次就由别的节点发出",
    )
}

fn lost(why: &str) -> CallError {
    let why = format!("handed over to another node: {why}");
    CallError::Lost(Lost::after(why, "调用已交给另一个节点，没有收到应答"))
}

/// The head that `body` begins with, and what came behind it.
async fn head<B>(body: &mut Opened<B>, silence: std::time::Duration) -> Result<(Bytes, Bytes), String>
where
    Opened<B>: Body<Data = Bytes, Error = Box<dyn std::error::Error + Send + Sync>> + Unpin,
{
    let mut came = Vec::new();
    loop {
        let piece = net::piece(body, silence).await.map_err(|cut| cut.to_string())?;
        came.extend_from_slice(&piece.ok_or("the head is cut")?);
        let Some(begin) = came.first_chunk() else { continue };
        let length = heads::length(*begin).ok_or("the head is too long")?;
        if came.len() >= length {
            let came = Bytes::from(came);
            return Ok((came.slice(4..length), came.slice(length..)));
        }
    }
}

/// Reads to the end, where nothing but that follows.
async fn end<B>(body: &mut Opened<B>, silence: std::time::Duration) -> Result<(), String>
where
    Opened<B>: Body<Data = Bytes, Error = Box<dyn std::error::Error + Send + Sync>> + Unpin,
{
    match net::piece(body, silence).await.map_err(|cut| cut.to_string())? {
        None => Ok(()),
        Some(_) => Err("more came than there is".to_owned()),
    }
}
