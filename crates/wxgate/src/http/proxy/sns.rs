//! Web OAuth and mini-program login: the caller key in `secret` becomes the real secret, single-use
//! codes are answered again, and what carries no credential of ours is open to known networks.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};
use wechat::catalog::Host;

use super::headers::{to_caller, to_wechat};
use super::refusal::Refusal;
use super::target::Target;
use super::{Proxy, by_secret, named_app, passed, payload};
use crate::admit::identify::{Denied, Shown, shown_key};
use crate::http::once::Unfinished;
use crate::http::{Body, whole};
use crate::keys::TOKEN_PREFIX;
use crate::registry::App;
use crate::transport::Payload;
use crate::upstream::{Passed, Passing, Piece};

/// Requests a second from one address, of what needs no credential of ours.
const OPEN_RATE: u32 = 20;
/// Addresses remembered at once.
const MAX_ADDRESSES: usize = 16_384;
/// Largest answer about a code.
const MAX_ANSWER: usize = 1 << 20;

/// Why a code gave nothing: shared by all who came with it.
#[derive(Clone, Debug)]
pub(super) enum Unanswered {
    Refused(Refusal),
    /// WeChat's own words.
    Said(Arc<Answer>),
}

/// An answer, whole.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl<T: Into<Refusal>> From<T> for Unanswered {
    fn from(refused: T) -> Self {
        Self::Refused(refused.into())
    }
}

impl Answer {
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
            && wechat::answer::errcode(&self.body).is_none()
            && serde_json::from_slice::<Value>(&self.body).is_ok_and(|answer| answer["openid"].is_string())
    }
}

impl Proxy {
    /// The calls that carry `secret`.
    pub(super) async fn sns(
        &self,
        head: request::Parts,
        body: Incoming,
        target: &Target<'_>,
        peer: IpAddr,
    ) -> Result<Response<Body>, Refusal> {
        if head.method != Method::GET {
            // A form could carry the key where nobody replaces it.
            return Err(Refusal::only_get());
        }
        let (appid, secret) = (target.parameter("appid")?, target.parameter("secret")?);
        let shown = secret.as_ref().map(|place| place.value.clone()).unwrap_or_default();
        let is_refresh = target.path == "/sns/oauth2/refresh_token";
        if is_refresh && shown.is_empty() && shown_key(&head.headers) == Shown::Nothing {
            // SDKs show no secret there: the refresh_token is the user's own.
            return self.open(head, target, peer, Host::Api).await;
        }
        let identity = {
            let live = self.0.registry.live();
            let caller = by_secret(&self.0.gatekeeper, &shown, &head, peer, &live.callers);
            let (caller, _) = caller.map_err(|refusal| match refusal.errcode {
                41001 => Refusal::missing(41004, "appsecret missing", "secret（填 wxgate 的调用方密钥）"),
                _ => refusal,
            })?;
            let asked = appid.as_ref().map(|place| place.value.clone()).filter(|appid| !appid.is_empty());
            let named = named_app(&head, target)?;
            if matches!((&asked, &named), (Some(a), Some(b)) if a != b) {
                return Err(Refusal::disagree());
            }
            let appid = asked.or(named).ok_or_else(|| Refusal::missing(41002, "appid missing", "appid"))?;
            if !caller.apis.allows(target.path) {
                return Err(Refusal::forbidden_api(&caller.name, target.path));
            }
            self.admit(&live, caller.clone(), &appid, target.path)?
        };
        let place = self.place()?;
        let app_id = Piece::Raw(identity.app.entry.appid.clone());
        let (mut replaced, mut added) = (Vec::new(), Vec::new());
        match appid {
            Some(place) if place.value.is_empty() => replaced.push((place, app_id)),
            Some(_) => {}
            None => added.push(("appid", app_id)),
        }
        match secret {
            Some(place) => replaced.push((place, Piece::Secret)),
            // WeChat asks for none there.
            None if is_refresh => {}
            None => added.push(("secret", Piece::Secret)),
        }
        let call = Passing {
            host: Host::Api,
            method: head.method,
            path: target.pieces(replaced, added),
            headers: to_wechat(head.headers),
            body: payload(body).await?,
            proves_token: false,
        };
        let code_name = if target.path == "/sns/jscode2session" { "js_code" } else { "code" };
        let code = target.parameter(code_name)?.map(|place| place.value).filter(|code| !code.is_empty());
        let (Some(code), false) = (code, is_refresh) else {
            return Ok(passed(self.0.upstream.pass_untouched(Some(&identity.app), &call).await?, place));
        };
        let this = self.clone();
        let path = target.path.to_owned();
        // In a task of its own: the code is spent, whoever hangs up.
        let work = self.0.tasks.spawn(async move {
            let app = identity.app;
            let owner = ["pass", &identity.caller.name, &app.entry.appid, &path, &code];
            let answer = this.0.once.run(&owner, this.exchange(&app, &call)).await;
            drop(place);
            answer
        });
        let answer = work.await.ok().flatten().unwrap_or_else(|| Err(Unfinished.into()));
        match answer {
            Ok(kept) => Answer::from_value(&kept).map(|answer| answer.response()).ok_or_else(Refusal::body),
            Err(Unanswered::Said(answer)) => Ok(answer.response()),
            Err(Unanswered::Refused(refusal)) => Err(refusal),
        }
    }

    /// WeChat's answer about a code, whole; a success to be kept.
    async fn exchange(&self, app: &App, call: &Passing) -> Result<Value, Unanswered> {
        let Passed { mut head, body } = self.0.upstream.pass_untouched(Some(app), call).await?;
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        let body = body.map_err(|_| Unanswered::Refused(Refusal::body()))?.to_bytes();
        to_caller(&mut head.headers);
        head.headers.remove(http::header::CONTENT_LENGTH);
        let answer = Answer { status: head.status, headers: head.headers, body };
        if answer.is_success() { Ok(answer.to_value()) } else { Err(Unanswered::Said(Arc::new(answer))) }
    }

    /// What carries no credential of ours: for addresses that some caller may call from.
    pub(super) async fn open(
        &self,
        head: request::Parts,
        target: &Target<'_>,
        peer: IpAddr,
        host: Host,
    ) -> Result<Response<Body>, Refusal> {
        if head.method != Method::GET {
            return Err(Refusal::only_get());
        }
        let keeper = &self.0.gatekeeper;
        {
            let live = self.0.registry.live();
            match shown_key(&head.headers) {
                // Whoever has a key shows it everywhere.
                Shown::Key(key) => drop(keeper.by_key(key, &head, peer, &live.callers)?),
                Shown::Unreadable => return Err(Denied::Unreadable.into()),
                Shown::Nothing => keeper.check_page(&head)?,
            }
            let address = keeper.address(&head.headers, peer).ok_or_else(Refusal::forbidden_address)?;
            if !live.callers.admit(address) {
                return Err(Refusal::forbidden_address());
            }
            if !self.0.open.take(address, self.0.clock.now()) {
                return Err(Refusal::over_rate());
            }
            self.refuse_credentials(target, &live.callers)?;
        }
        // SDKs add theirs to every call; it means nothing to WeChat.
        let ours = target.parameter("access_token")?.filter(|token| token.value.starts_with(TOKEN_PREFIX));
        let emptied = ours.map(|token| (token, Piece::Raw(String::new())));
        let place = self.0.strangers.clone().try_acquire_owned().map_err(|_| Refusal::overloaded())?;
        let call = Passing {
            host,
            method: head.method,
            path: target.pieces(emptied.into_iter().collect(), Vec::new()),
            headers: to_wechat(head.headers),
            body: Payload::Kept(Bytes::new()),
            proves_token: false,
        };
        Ok(passed(self.0.upstream.pass_untouched(None, &call).await?, place))
    }
}

/// How many open requests each address made this second.
#[derive(Debug, Default)]
pub(super) struct OpenRates(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    second: i64,
    counts: HashMap<IpAddr, u32>,
}

impl OpenRates {
    /// Takes one at `now` (Unix milliseconds); false when the address has used its own up.
    fn take(&self, address: IpAddr, now: i64) -> bool {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if window.second != now / 1000 {
            window.second = now / 1000;
            window.counts.clear();
        }
        let address = neighbourhood(address);
        if window.counts.len() >= MAX_ADDRESSES && !window.counts.contains_key(&address) {
            return false;
        }
        let count = window.counts.entry(address).or_default();
        *count += 1;
        *count <= OPEN_RATE
    }
}

/// Who has one IPv6 address has the 2^64 beside it.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}
