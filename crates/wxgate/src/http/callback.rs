//! `wxmsg` and `wxmsg/{appid}`: WeChat's callbacks. GET checks a URL, POST brings a message.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use wechat::envelope::{Push, Query};

use super::problem::{bare_text, envelope, note};
use super::server::no_answer;
use super::{Reader, Unread, wants_english};
use crate::inbox::{Checked, Inbox, Receipt, Rejected};
use crate::lang::{Words, say};
use crate::net::Inbound;
use crate::outcome::{Counted, End, Outcome};
use crate::parts::Parts;
use crate::problem::{Code, Problem};
use crate::rings::Refusal;
use crate::shares::{For, Place, Room, Share};

/// Where callbacks come in; an appid may follow after a slash.
pub const PATH: &str = "/v1/service/wx/wxmsg";
/// What it is called in log and counters.
const API: &str = "wxmsg";

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Callbacks {
    parts: Parts,
    inbox: Inbox,
}

impl Callbacks {
    /// Over the inbox.
    pub fn new(parts: Parts, inbox: Inbox) -> Self {
        Self { parts, inbox }
    }

    /// Whether `path` is a callback's.
    pub fn takes(path: &str) -> bool {
        path.strip_prefix(PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The appid that a callback's path names.
    pub fn appid(path: &str) -> Option<&str> {
        path.strip_prefix(PATH)?.strip_prefix('/').filter(|appid| !appid.is_empty())
    }

    /// Answers one callback.
    pub async fn handle(&self, request: Request<Inbound>, outcome: &mut Outcome) -> Response<Full<Bytes>> {
        outcome.api = API.into();
        let (head, body) = request.into_parts();
        if !matches!(head.method, Method::GET | Method::POST) {
            let problem = wrong_method();
            note(outcome, &problem);
            return envelope(&problem, outcome.id, wants_english(&head.headers));
        }
        outcome.counted = Counted::Callback;
        let appid = Self::appid(head.uri.path());
        self.notice(appid, outcome);
        let query = head.uri.query().unwrap_or_default();
        let mut tried = Tried { app: self.app(appid), mode: mode(query, None) };
        let answer = match self.check(query, appid, outcome).await {
            Err(no) => Err(no),
            Ok(checked) => {
                tried.app = tried.app.or_else(|| checked.signed_by().map(|app| app.appid.clone()));
                match head.method {
                    Method::GET => self.verify(checked, outcome).await,
                    _ => self.receive(checked, (query, body), &mut tried, outcome).await,
                }
            }
        };
        match answer {
            Ok(receipt) => {
                if let Some(appid) = &receipt.appid {
                    self.parts.rings.callbacks.took(appid, outcome.at());
                }
                accepted(receipt)
            }
            Err(no) => no.answer(tried, outcome),
        }
    }

    /// The configured app of this AppID.
    fn app(&self, appid: Option<&str>) -> Option<Arc<str>> {
        Some(self.parts.registry.live().app(appid?)?.appid.clone())
    }

    /// Whose callback it says it is.
    fn notice(&self, appid: Option<&str>, outcome: &mut Outcome) {
        if let Some(app) = appid.and_then(|appid| self.parts.registry.live().app(appid).cloned()) {
            outcome.is_for(&app);
        }
    }

    async fn check(
        &self,
        query: &str,
        appid: Option<&str>,
        outcome: &mut Outcome,
    ) -> Result<Checked, Rejection> {
        let checked = if self.inbox.is_cheap(appid) {
            self.inbox.check(query, appid)?
        } else {
            // Nobody has shown anything yet.
            let _place = self.place(Room::Unsigned, &self.parts.shares.of(outcome.peer))?;
            self.inbox.check_aside(query.to_owned()).await?
        };
        if let Some(app) = checked.signed_by() {
            outcome.is_for(app);
            outcome.is_wechats(&app.share);
        }
        Ok(checked)
    }

    async fn verify(&self, checked: Checked, outcome: &Outcome) -> Result<Receipt, Rejection> {
        let _place = self.place(room(&checked), &self.share(&checked, outcome))?;
        let echostr = self.inbox.verify_url(checked).await?;
        Ok(Receipt { body: echostr.into_bytes(), content_type: "text/plain", appid: None })
    }

    async fn receive(
        &self,
        checked: Checked,
        (query, body): (&str, Inbound),
        tried: &mut Tried,
        outcome: &mut Outcome,
    ) -> Result<Receipt, Rejection> {
        let limits = &self.parts.limits;
        let limit = if checked.is_signed() { limits.body } else { limits.unsigned_body };
        let (began, share) = (outcome.began(), self.share(&checked, outcome));
        let reader = Reader::new(&self.parts, &share, body).until(began + limits.callback_body_time);
        let body = reader.whole(limit).await.map_err(|unread| match unread {
            Unread::TooLarge => Rejection::TooLarge(limit),
            Unread::Cut(why) => Rejection::Rejected(Rejected::Refused(Words::new(
                format!("消息体没有收全（{why}）：检查反向代理和网络；微信会再推"),
                format!("the body was cut ({why}): look at the proxy and the network; WeChat sends it again"),
            ))),
            Unread::NoRoom => Rejection::Overloaded,
        })?;
        let place = self.place(room(&checked), &share)?;
        let id = outcome.id.as_str();
        let taken = self.inbox.receive(checked, body.bytes.clone(), began, id, place).await;
        let receipt = taken.inspect_err(|_| tried.mode = mode(query, Some(&body.bytes)))?;
        outcome.appid = receipt.appid.clone().or(outcome.appid.take());
        Ok(receipt)
    }

    fn place(&self, room: Room, share: &Arc<Share>) -> Result<Place, Rejection> {
        self.parts.shares.take(room, 1, For::from(share)).map_err(|_| Rejection::Overloaded)
    }

    /// A signed callback counts for its app: WeChat pushes from few addresses.
    fn share(&self, checked: &Checked, outcome: &Outcome) -> Arc<Share> {
        checked.signed_by().map_or_else(|| self.parts.shares.of(outcome.peer), |app| app.share.clone())
    }
}

/// Whoever can't even sign the query has little room, so that WeChat has all of its own.
fn room(checked: &Checked) -> Room {
    if checked.is_signed() { Room::Callbacks } else { Room::Unsigned }
}

/// What a callback was taken for.
struct Tried {
    app: Option<Arc<str>>,
    mode: Option<&'static str>,
}

/// How a callback comes, as far as that shows: an encrypted one is in safe mode or the compatible one, as its body tells.
fn mode(query: &str, body: Option<&[u8]>) -> Option<&'static str> {
    let query = Query::parse(query).ok()?;
    let Some(body) = body else { return (query.encrypt_type != "aes").then_some("plain") };
    Some(Push::read(&query, body).mode().as_str())
}

/// Why a callback isn't answered with 200.
enum Rejection {
    Rejected(Rejected),
    TooLarge(usize),
    Overloaded,
}

impl From<Rejected> for Rejection {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl Rejection {
    /// One text, whichever check failed; why is in the log, and among what was refused.
    fn answer(self, tried: Tried, outcome: &mut Outcome) -> Response<Full<Bytes>> {
        outcome.end = End::Refused;
        outcome.words = say("回调被拒绝", "callback refused").into();
        let refuse = |why: Words, status, text: &'static str| {
            outcome.cause = Some(why.clone().said().into_owned());
            let Tried { app, mode } = tried;
            outcome.refusal = Some(Box::new(Refusal { app, mode, why }));
            bare_text(status, text)
        };
        match self {
            Self::Rejected(Rejected::Refused(why)) => refuse(why, StatusCode::FORBIDDEN, "refused"),
            Self::TooLarge(limit) => refuse(
                Words::new(
                    format!("消息体超过 {limit} 字节：不像微信发来的；没有签名的消息体上限更小"),
                    format!("the body is over {limit} bytes: hardly WeChat's; what isn't signed may be less"),
                ),
                StatusCode::PAYLOAD_TOO_LARGE,
                "too large",
            ),
            Self::Overloaded => refuse(
                Words::fixed(
                    "同时到达的回调太多：微信会再推；若常见，看后端和数据库慢在哪里",
                    "too many callbacks at once: WeChat sends it again; if it happens often, see whether a backend or the database is slow",
                ),
                StatusCode::SERVICE_UNAVAILABLE,
                "overloaded: try again",
            ),
            Self::Rejected(Rejected::Store(error)) => {
                outcome.end = End::Broken;
                outcome.words =
                    say("消息没能存下，微信会重发", "the message wasn't stored, WeChat sends it again")
                        .into();
                outcome.cause = Some(error.to_string());
                bare_text(StatusCode::INTERNAL_SERVER_ERROR, "not stored: send it again")
            }
            Self::Rejected(Rejected::Unanswered(appid)) => {
                outcome.end = End::Failed;
                outcome.words = say(
                    "后端还没有给出这个事件要的应答，微信会再推",
                    "the backend hasn't given the answer that this event wants: WeChat will send it again",
                )
                .into();
                outcome.appid = Some(appid);
                bare_text(StatusCode::INTERNAL_SERVER_ERROR, "no answer yet: send it again")
            }
            Self::Rejected(Rejected::Left(appid)) => {
                outcome.end = End::Done;
                outcome.words = say(
                    "后端还没有回复，留给微信的下一次请求",
                    "no reply yet: left to WeChat's next attempt",
                )
                .into();
                outcome.appid = Some(appid);
                no_answer()
            }
        }
    }
}

fn accepted(receipt: Receipt) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(receipt.body)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(receipt.content_type));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn wrong_method() -> Problem {
    let zh = "回调只有 GET（验证地址）和 POST（接收消息）";
    let problem =
        Problem::new(Code::NotFound, zh, "callbacks are GET (to check the URL) or POST (a message)");
    Problem { allow: "GET, POST", ..problem.status(StatusCode::METHOD_NOT_ALLOWED) }
}
