//! The pass-through: everything on the callers' listener that is no service of ours goes to WeChat
//! as it came, with the real credential in place of the gateway's. An SDK is pointed here by its
//! host name and a caller key, nothing else.
//!
//! [`target`] understands the request line, [`headers`] says what passes, [`token`] answers the token
//! calls, [`login`] those of web OAuth and mini-program login, [`refusal`] says no in WeChat's manner. Which path is
//! treated how stands in WeChat's catalogue ([`wechat::catalog::Treat`]).

mod headers;
mod login;
mod refusal;
mod target;
mod token;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, request};
use http_body_util::Full;
use wechat::catalog::{self, Auth, Endpoint, Host, Treat};

use super::body::Passable;
use super::once::Once;
use super::problem::{Unhandled, json_response};
use super::{Body, Held, Reader, Unread, streamed, wants_english, whole};
use crate::admit::identify::{Shown, shown_key};
use crate::admit::{Denied, Door, Entered, Proof, Wish};
use crate::entries::is_of_keys;
use crate::keys::TOKEN_PREFIX;
use crate::limits::Limits;
use crate::net::{Inbound, Spool};
use crate::outcome::{Counted, OTHER, Outcome};
use crate::parts::Parts;
use crate::shares::{Room, Share};
use crate::upstream::{CallError, Part, PassAnswer, PassRequest, Upstream};

use refusal::Refusal;
use target::{Span, Target};

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Proxy(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Parts,
    door: Door,
    upstream: Upstream,
    once: Once<login::CodeError>,
    spool: Spool,
}

/// A request that was understood, and who made the connection.
struct Asked<'a> {
    head: &'a request::Parts,
    target: &'a Target<'a>,
    peer: IpAddr,
}

impl Proxy {
    /// Composed from its parts.
    pub fn new(parts: Parts, door: Door, upstream: Upstream, spool: Spool) -> Self {
        let once = Once::new(&parts);
        Self(Arc::new(Inner { parts, door, upstream, once, spool }))
    }

    /// Answers one request; `peer` is who connected.
    pub async fn handle(
        &self,
        request: Request<Inbound>,
        peer: IpAddr,
        outcome: &mut Outcome,
    ) -> Response<Body> {
        let (head, body) = request.into_parts();
        match self.answer(&head, body, peer, outcome).await {
            Ok(response) => response,
            Err(refusal) => {
                refusal.note(outcome);
                whole(refusal.response(outcome.id, wants_english(&head.headers)))
            }
        }
    }

    async fn answer(
        &self,
        head: &request::Parts,
        body: Inbound,
        peer: IpAddr,
        outcome: &mut Outcome,
    ) -> Result<Response<Body>, Refusal> {
        let target = Target::parse(head.uri.path(), head.uri.query())?;
        let known = target.known;
        outcome.api = known.map_or(OTHER, |known| known.path).into();
        outcome.counted = Counted::Call;
        let asked = Asked { head, target: &target, peer };
        // Boxed, all but the most frequent: it shall not be moved about in room for the others.
        match known.map(|known| (known.treat, known.host)) {
            Some((Treat::Token, _)) => self.token(&asked, body, outcome).await,
            Some((Treat::Code(parameter), _)) => {
                Box::pin(self.login(&asked, body, Some(parameter), outcome)).await
            }
            Some((Treat::Refresh, _)) => Box::pin(self.login(&asked, body, None, outcome)).await,
            Some((Treat::Open, host)) if host == Host::Api || head.method == Method::GET => {
                Box::pin(self.open(&asked, host, outcome)).await
            }
            Some((Treat::Secret, _)) => Box::pin(self.with_secret(&asked, body, outcome)).await,
            // Users' own tokens are shown there, never an account's.
            None if target.path.starts_with("/sns/") => Box::pin(self.open(&asked, Host::Api, outcome)).await,
            // `mp.` paths are open for GET only, as they are documented; any other method goes as a plain call.
            Some((Treat::Open | Treat::Plain | Treat::Ticket | Treat::Page, _)) | None => {
                Box::pin(self.pass(&asked, body, known, outcome)).await
            }
        }
    }

    /// Everything that needs the app's access_token.
    async fn pass(
        &self,
        asked: &Asked<'_>,
        body: Inbound,
        known: Option<&Endpoint>,
        outcome: &mut Outcome,
    ) -> Result<Response<Body>, Refusal> {
        let Asked { head, target, peer } = *asked;
        let Inner { door, upstream, .. } = &*self.0;
        let shown = target.parameter("access_token")?;
        let token = shown.as_ref().map(|span| &*span.value).filter(|value| !value.is_empty());
        let proof = token.map_or(Proof::Headers, Proof::Token);
        let by_name = catalog::by_name_only(target.path);
        let wish = Wish { path: Some(target.path), by_name, ..Wish::default() };
        let named = asked.named_app();
        if let Ok(Some(named)) = &named {
            door.notice(named, outcome);
        }
        let entered = door.enter(head, peer, proof, wish, outcome)?;
        let headers = headers::to_wechat(&head.headers);
        self.refuse_credentials(target, &headers, "")?;
        if known.is_none() && is_plain_path(target.path) {
            outcome.api = target.path.to_owned().into();
        }
        asked.check_prefix(&entered)?;
        if wants_other_credential(target) {
            return Err(Refusal::other_credential());
        }
        let appid = agreed(entered.appid, named?)?;
        let no_app = || {
            let has_key = shown_key(&head.headers) != Shown::Nothing;
            Refusal::no_app_named(door.first_app(&entered.caller).as_deref(), has_key)
        };
        let appid = appid.ok_or_else(no_app)?;
        let app = door.app(&entered.caller, &appid, outcome)?;
        if let Some(kind) = token::managed_ticket(target, known)? {
            let _place = door.place(Room::Passed, &entered.caller, &app)?;
            return self.ticket(&app, kind).await;
        }
        let parts = with_token(target, shown);
        let body = self.passable(&entered.caller.share, body).await?;
        let place = door.place(Room::Passed, &entered.caller, &app)?;
        let request = PassRequest {
            caller: entered.caller.name.clone(),
            host: Host::Api,
            method: head.method.clone(),
            path: target.path.to_owned(),
            target: parts,
            headers,
            body: body.payload,
            proves_token: known.is_some_and(|known| known.auth == Auth::AccessToken),
        };
        let allowed = door.allow(&entered.caller, target.path).await?;
        let answer = allowed.spent_on(upstream.pass(&app, &request), CallError::is_unsent).await;
        let answer = answer.map_err(|error| Refusal::call(error, &app.entry))?;
        outcome.wx_errcode = Some(answer.errcode).filter(|code| *code != 0);
        outcome.errcode = answer.errcode;
        outcome.rid.clone_from(&answer.rid);
        Ok(passed(answer, (place, body.place)))
    }

    /// No caller key stands in path, query or headers but in the parameter `place`, and no gateway token but as
    /// `access_token`. Bodies aren't looked at.
    fn refuse_credentials(
        &self,
        target: &Target<'_>,
        passing: &HeaderMap,
        place: &str,
    ) -> Result<(), Refusal> {
        let door = &self.0.door;
        let shows = |text: &[u8]| door.shows_credential(text);
        let is_shown = |(name, value): (Cow<'_, str>, Cow<'_, str>)| {
            // As every call has it.
            if name == "access_token" && is_gateway_token(&value) {
                return false;
            }
            let value = value.as_bytes();
            shows(name.as_bytes()) || if name == place { door.shows_token(value) } else { shows(value) }
        };
        if (target.known.is_none() && shows(target.path.as_bytes())) || target.values().any(is_shown) {
            return Err(Refusal::shown_credential(None));
        }
        let mut headers = passing.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        match headers.find(|(name, value)| shows(name.as_bytes()) || shows(value)) {
            Some((name, _)) if shows(name.as_bytes()) => Err(Refusal::shown_credential(None)),
            Some((name, _)) => Err(Refusal::shown_credential(Some(name))),
            None => Ok(()),
        }
    }

    /// The body as it goes on, with the length that WeChat wants.
    async fn passable(&self, by: &Arc<Share>, body: Inbound) -> Result<Passable, Refusal> {
        let Inner { parts, spool, .. } = &*self.0;
        Reader::new(parts, by, body)
            .passable(spool)
            .await
            .map_err(|unread| unread_body(&unread, &parts.limits))
    }
}

/// Path and query with the app's access_token in the place of the caller's, or behind what is there.
fn with_token<'a>(target: &Target<'a>, shown: Option<Span<'a>>) -> Vec<Part> {
    match shown {
        Some(span) => target.parts(vec![(span, Part::AccessToken)], Vec::new()),
        None => target.parts(Vec::new(), vec![("access_token", Part::AccessToken)]),
    }
}

/// Whether `value` is one as it was issued, and nothing besides.
fn is_gateway_token(value: &str) -> bool {
    value.starts_with(TOKEN_PREFIX) && value.bytes().all(is_of_keys)
}

/// A body that couldn't be read.
fn unread_body(unread: &Unread, limits: &Limits) -> Refusal {
    match unread {
        Unread::TooLarge => Refusal::too_large(limits.collected),
        Unread::Cut(_) => Refusal::body(),
        Unread::NoRoom => Denied::Overloaded.into(),
    }
}

impl Asked<'_> {
    /// The app that the parameter `given` names, or prefix and header where that is "".
    fn app(&self, given: &str) -> Result<Arc<str>, Refusal> {
        let given = Some(given).filter(|given| !given.is_empty()).map(Arc::from);
        agreed(given, self.named_app()?)?.ok_or_else(Refusal::no_appid)
    }

    /// Without a key a prefix names no app: any web page could ask so. Nobody but us gives a gateway token.
    fn check_prefix(&self, entered: &Entered) -> Result<(), Denied> {
        match entered.keyless && entered.appid.is_none() && self.target.appid.is_some() {
            true => Err(Denied::Prefix),
            false => Ok(()),
        }
    }

    /// The app that prefix or header name.
    fn named_app(&self) -> Result<Option<Arc<str>>, Refusal> {
        let disagree = || Refusal::from(Denied::Disagree);
        let mut names = self.head.headers.get_all(headers::X_WX_APPID).iter().map(HeaderValue::as_bytes);
        // What nobody sees in it is told by name, as in a parameter.
        let header = names.next().map(String::from_utf8_lossy);
        let header = header.as_ref().map(|appid| appid.trim_ascii()).filter(|appid| !appid.is_empty());
        if names.next().is_some() || matches!((header, self.target.appid), (Some(a), Some(b)) if a != b) {
            return Err(disagree());
        }
        Ok(header.or(self.target.appid).map(Arc::from))
    }
}

/// The app that two places name, which must not differ.
fn agreed(one: Option<Arc<str>>, other: Option<Arc<str>>) -> Result<Option<Arc<str>>, Refusal> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => Err(Denied::Disagree.into()),
        (one, other) => Ok(one.or(other)),
    }
}

/// Whether a path that nobody knows may stand in log and counters: nothing but words.
fn is_plain_path(path: &str) -> bool {
    // Versions have digits; secrets and openids have more of them.
    let is_word = |segment: &str| {
        segment.len() <= 32
            && segment.bytes().filter(u8::is_ascii_digit).count() <= 3
            && segment
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'))
    };
    path.len() <= 100 && path.split('/').all(is_word)
}

fn ends_so(name: &str) -> bool {
    const END: &str = "_access_token";
    let (name, end) = (name.as_bytes(), END.as_bytes());
    name.len() >= end.len() && name[name.len() - end.len()..].eq_ignore_ascii_case(end)
}

/// Paths and parameters that carry a credential which isn't ours to give: a refusal of that says nothing about ours.
fn wants_other_credential(target: &Target<'_>) -> bool {
    let is_other = |(name, _): (Cow<'_, str>, Cow<'_, str>)| ends_so(&name);
    catalog::wants_other_credential(target.path) || target.values().any(is_other)
}

/// WeChat's answer as the caller gets it; `kept`, its place, is given back when the last byte is through.
fn passed<P: Send + Unpin + 'static>(answer: PassAnswer, kept: P) -> Response<Body> {
    let PassAnswer { mut head, body, .. } = answer;
    headers::to_caller(&mut head.headers);
    head.extensions.clear();
    head.version = http::Version::HTTP_11;
    streamed(Response::from_parts(head, axum::body::Body::new(Held::new(body, kept))))
}

fn answered(body: &serde_json::Value) -> Response<Body> {
    whole(json_response(StatusCode::OK, body))
}

/// Says no in WeChat's shape where no handler could: with HTTP 200, as every refusal here. What two readers could understand
/// differently is none: whoever stands in front has to see that.
pub fn refuse(refused: &Unhandled<'_>, outcome: &mut Outcome) -> Response<Full<Bytes>> {
    let refusal = Refusal::malformed(refused);
    refusal.note(outcome);
    let mut response = refusal.response(outcome.id, refused.english);
    if refused.is_ambiguous || refused.status.is_server_error() {
        *response.status_mut() = refused.status;
    }
    response
}
