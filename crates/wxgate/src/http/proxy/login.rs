//! Web OAuth and mini-program login: the caller key in `secret` becomes the real secret, single-use
//! codes are answered again, and what carries no credential of ours is open to known networks.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use wechat::answer::errcode;
use wechat::catalog::Host;

use super::headers::{to_caller, to_wechat};
use super::refusal::Refusal;
use super::target::{Span, Target};
use super::{Asked, Proxy, is_gateway_token, passed, wants_other_credential};
use crate::admit::identify::{Shown, shown_key};
use crate::admit::{Allowed, Denied, Proof, Wish};
use crate::http::once::Unfinished;
use crate::http::{Body, whole};
use crate::net::{Inbound, collect};
use crate::outcome::Outcome;
use crate::registry::App;
use crate::registry::callers::Caller;
use crate::shares::{Place, Room};
use crate::traces::carried;
use crate::transport::Payload;
use crate::upstream::{CallError, Part, PassAnswer, PassRequest};

/// Why a code gave nothing: shared by all who came with it.
#[derive(Clone, Debug)]
pub(super) enum CodeError {
    Refused(Refusal),
    /// WeChat's own words.
    Said(Arc<WholeAnswer>),
}

/// An answer, whole.
pub(super) struct WholeAnswer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl fmt::Debug for WholeAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WholeAnswer({})", self.status)
    }
}

impl<T: Into<Refusal>> From<T> for CodeError {
    fn from(refused: T) -> Self {
        Self::Refused(refused.into())
    }
}

impl WholeAnswer {
    fn response(&self) -> Response<Body> {
        let mut response = Response::new(Full::new(self.body.clone()));
        *response.status_mut() = self.status;
        response.headers_mut().clone_from(&self.headers);
        whole(response)
    }

    /// To be kept: what a caller needs of a success.
    fn to_value(&self) -> Value {
        let media_type = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        json!({"content_type": media_type, "body": BASE64_STANDARD.encode(&self.body)})
    }

    fn from_value(value: &Value) -> Option<Self> {
        let body = BASE64_STANDARD.decode(value["body"].as_str()?).ok()?;
        let mut headers = HeaderMap::new();
        if let Some(Ok(media_type)) = value["content_type"].as_str().map(HeaderValue::from_str) {
            headers.insert(CONTENT_TYPE, media_type);
        }
        Some(Self { status: StatusCode::OK, headers, body: body.into() })
    }

    fn is_success(&self) -> bool {
        self.status == StatusCode::OK
            && errcode(&self.body).is_none()
            && wechat::answer::json(&self.body).is_some_and(|answer| answer["openid"].is_string())
    }
}

/// A login call that was admitted, with what its work needs to go on when its caller hangs up.
struct LoginCall {
    caller: Arc<Caller>,
    app: Arc<App>,
    request: PassRequest,
    place: Place,
    kept: Option<Place>,
}

impl Proxy {
    /// The calls that carry `secret`; the single-use code is in `parameter`, if they spend one.
    pub(super) async fn login(
        &self,
        asked: &Asked<'_>,
        body: Inbound,
        parameter: Option<&'static str>,
        outcome: &mut Outcome,
    ) -> Result<Response<Body>, Refusal> {
        let Asked { head, target, peer } = *asked;
        if head.method != Method::GET {
            // A form could carry the key where nobody replaces it.
            return Err(Refusal::only_get());
        }
        let (appid, secret) = (target.parameter("appid")?, target.parameter("secret")?);
        let shown = secret.as_ref().map(|span| span.value.clone()).unwrap_or_default();
        if parameter.is_none() && shown.is_empty() && shown_key(&head.headers) == Shown::Nothing {
            // SDKs show no secret there: the refresh_token is the user's own.
            return self.open(asked, Host::Api, outcome).await;
        }
        let door = &self.0.door;
        if let Some(span) = &appid {
            door.notice(&span.value, outcome);
        }
        let wish = Wish { path: Some(target.path), ..Wish::default() };
        let entered = door.enter(head, peer, Proof::Secret(&shown), wish, outcome);
        let caller = entered.map_err(|denied| match denied {
            Denied::NoKey => Refusal::no_secret(),
            denied => denied.into(),
        })?;
        asked.check_prefix(&caller)?;
        let caller = caller.caller;
        let headers = to_wechat(&head.headers);
        self.refuse_credentials(target, &headers, "secret")?;
        let given = appid.as_ref().map(|span| span.value.clone()).unwrap_or_default();
        let app = door.app(&caller, &asked.app(&given)?, outcome)?;
        let body = self.passable(&caller.share, body).await?;
        let kept = body.place;
        let request = PassRequest {
            caller: caller.name.clone(),
            host: Host::Api,
            method: head.method.clone(),
            path: target.path.to_owned(),
            target: credentials(asked, &app, appid, secret, parameter)?,
            headers,
            body: body.payload,
            proves_token: false,
        };
        let place = door.place(Room::Passed, &caller, &app)?;
        let code = match parameter {
            Some(parameter) => target.parameter(parameter)?.map(|span| span.value.into_owned()),
            None => None,
        };
        match code.filter(|code| !code.is_empty()) {
            Some(code) => self.spend(LoginCall { caller, app, request, place, kept }, code, outcome).await,
            None => {
                let answer = self.pass_untouched(Some(&caller), Some(&app), &request).await?;
                Ok(passed(answer, (place, kept)))
            }
        }
    }

    /// Spends a code, or gives the answer it got before.
    async fn spend(
        &self,
        call: LoginCall,
        code: String,
        outcome: &mut Outcome,
    ) -> Result<Response<Body>, Refusal> {
        let this = self.clone();
        // In a task of its own: the code is spent, whoever hangs up. The place goes with it.
        let work = self.0.parts.tasks.spawn(carried(async move {
            let LoginCall { caller, app, request, place, kept } = call;
            let identity = ["pass", &*app.appid, &request.path, &code];
            let exchange = this.exchange(&caller, &app, &request);
            let answer = this.0.once.run(&caller, &identity, exchange).await;
            drop((place, kept));
            answer
        }));
        let answer = work.await.ok().flatten().unwrap_or_else(|| Err(Unfinished.into()));
        match answer {
            Ok(kept) => {
                WholeAnswer::from_value(&kept).map(|answer| answer.response()).ok_or_else(Refusal::answer)
            }
            Err(CodeError::Said(answer)) => {
                let error = errcode(&answer.body);
                outcome.errcode = error.as_ref().map_or(0, |error| error.errcode);
                outcome.rid = error.as_ref().and_then(|error| error.rid()).map(Into::into);
                outcome.wx_errcode = Some(outcome.errcode).filter(|code| *code != 0);
                Ok(answer.response())
            }
            Err(CodeError::Refused(refusal)) => Err(refusal),
        }
    }

    /// WeChat's answer about a code, whole; a success to be kept.
    async fn exchange(
        &self,
        caller: &Arc<Caller>,
        app: &App,
        request: &PassRequest,
    ) -> Result<Value, CodeError> {
        let limits = &self.0.parts.limits;
        let PassAnswer { mut head, mut body, .. } =
            self.pass_untouched(Some(caller), Some(app), request).await?;
        let read = collect(&mut body, limits.body, limits.silence, |_| false).await;
        let read = read.ok().filter(|read| read.whole).ok_or_else(Refusal::answer)?;
        to_caller(&mut head.headers);
        head.headers.remove(CONTENT_LENGTH);
        let answer = WholeAnswer { status: head.status, headers: head.headers, body: read.bytes };
        if answer.is_success() { Ok(answer.to_value()) } else { Err(CodeError::Said(Arc::new(answer))) }
    }

    /// What carries no credential of ours: for addresses that some caller may call from.
    pub(super) async fn open(
        &self,
        asked: &Asked<'_>,
        host: Host,
        outcome: &mut Outcome,
    ) -> Result<Response<Body>, Refusal> {
        let Asked { head, target, peer } = *asked;
        if head.method != Method::GET {
            return Err(Refusal::only_get());
        }
        let door = &self.0.door;
        let caller = door.enter_open(head, peer, target.path, host == Host::Mp, outcome)?;
        if wants_other_credential(target) {
            return Err(Refusal::other_credential());
        }
        let headers = to_wechat(&head.headers);
        self.refuse_credentials(target, &headers, "")?;
        let place = door.place_of_stranger(outcome.peer)?;
        let request = PassRequest {
            caller: "-".into(),
            host,
            method: head.method.clone(),
            path: target.path.to_owned(),
            target: target.parts(our_token(target)?, Vec::new()),
            headers,
            body: Payload::Kept(Bytes::new()),
            proves_token: false,
        };
        Ok(passed(self.pass_untouched(caller.as_ref(), None, &request).await?, place))
    }

    /// A call that carries no access_token, which counts for `caller`.
    pub(super) async fn pass_untouched(
        &self,
        caller: Option<&Arc<Caller>>,
        app: Option<&App>,
        request: &PassRequest,
    ) -> Result<PassAnswer, Refusal> {
        let allowed = match caller {
            Some(caller) => self.0.door.allow(caller, &request.path).await?,
            None => Allowed::default(),
        };
        let answer = self.0.upstream.pass_untouched(app, request);
        Ok(allowed.spent_on(answer, CallError::is_unsent).await?)
    }
}

/// A gateway token, emptied: SDKs add theirs to every call, and it means nothing to WeChat.
fn our_token<'a>(target: &Target<'a>) -> Result<Vec<(Span<'a>, Part)>, Refusal> {
    let ours = target.parameter("access_token")?.filter(|token| is_gateway_token(&token.value));
    Ok(ours.map(|token| (token, Part::Raw(String::new()))).into_iter().collect())
}

/// Path and query with the real appid and secret in their places, or behind what is there.
fn credentials(
    asked: &Asked<'_>,
    app: &App,
    appid: Option<Span<'_>>,
    secret: Option<Span<'_>>,
    code: Option<&str>,
) -> Result<Vec<Part>, Refusal> {
    let app_id = Part::Raw(app.entry.appid.clone());
    let (mut replaced, mut added) = (our_token(asked.target)?, Vec::new());
    match appid {
        Some(span) if span.value.is_empty() => replaced.push((span, app_id)),
        Some(_) => {}
        None => added.push(("appid", app_id)),
    }
    match secret {
        Some(span) => replaced.push((span, Part::Secret)),
        // `refresh_token` takes no secret.
        None if code.is_none() => {}
        None => added.push(("secret", Part::Secret)),
    }
    Ok(asked.target.parts(replaced, added))
}
