//! The pass-through: everything on the callers' listener that is no service of ours goes to WeChat
//! as it came, with the real credential in place of the gateway's. An SDK is pointed here by its
//! host name and a caller key, nothing else.
//!
//! [`target`] understands the request line, [`headers`] says what passes, [`token`] answers the token
//! calls, [`sns`] the calls of web OAuth and mini-program login, [`refusal`] says no in WeChat's manner.

mod headers;
mod refusal;
mod sns;
mod target;
mod token;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, Request, Response, request};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use wechat::catalog::{self, Host};

use super::once::Once;
use super::{Body, RequestId, streamed, whole};
use crate::admit::identify::{Denied, Gatekeeper, Shown, shown_key};
use crate::clock::Clock;
use crate::keys::{Keys, TOKEN_PREFIX};
use crate::net::{STALL, Upload};
use crate::registry::callers::{Caller, Callers};
use crate::registry::{App, Live, Registry};
use crate::store::Store;
use crate::tasks::Tasks;
use crate::transport::Payload;
use crate::upstream::{Passed, Passing, Piece, Upstream};

use refusal::Refusal;
use target::Target;

/// A body up to this length is kept, so that a call can be repeated after its token was healed.
const KEPT: usize = 1 << 20;
/// A body that is kept has to arrive in this time.
const BODY_TIMEOUT: Duration = Duration::from_secs(300);
/// Requests on their way at once; more are shed.
const MAX_AT_WORK: usize = 4096;
/// The same for those who have shown no credential.
const MAX_STRANGERS: usize = 256;
/// What concerns every caller of an app: only for those whose `apis` name it to the letter.
const ONLY_BY_NAME: [&str; 2] = ["/cgi-bin/clear_quota", "/cgi-bin/openapi/rid/get"];

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Proxy(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    upstream: Upstream,
    gatekeeper: Gatekeeper,
    keys: Keys,
    clock: Clock,
    tasks: Tasks,
    once: Once<sns::Unanswered>,
    open: sns::OpenRates,
    /// For those whom we know.
    at_work: Arc<Semaphore>,
    /// For those who have shown nothing, or need not.
    strangers: Arc<Semaphore>,
}

/// Who calls, and as which app.
struct Identity {
    caller: Arc<Caller>,
    app: Arc<App>,
}

impl Proxy {
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
            once: Once::new(store, keys.clone(), clock.clone()),
            keys,
            clock,
            tasks,
            open: sns::OpenRates::default(),
            at_work: Arc::new(Semaphore::new(MAX_AT_WORK)),
            strangers: Arc::new(Semaphore::new(MAX_STRANGERS)),
        }))
    }

    /// Answers one request; `peer` is who connected.
    pub async fn handle(self, request: Request<Incoming>, peer: IpAddr, id: RequestId) -> Response<Body> {
        let path = known_path(request.uri().path());
        match self.answer(request, peer).await {
            Ok(response) => response,
            Err(refusal) => {
                let (errcode, words) = (refusal.errcode, refusal.words());
                tracing::info!(request_id = id.as_str(), path, errcode, "{words}");
                whole(refusal.response(id))
            }
        }
    }

    async fn answer(&self, request: Request<Incoming>, peer: IpAddr) -> Result<Response<Body>, Refusal> {
        let (head, body) = request.into_parts();
        let uri = head.uri.clone();
        let target = Target::parse(uri.path(), uri.query())?;
        match target.path {
            "/cgi-bin/token" | "/cgi-bin/stable_token" => self.token(&head, body, &target, peer).await,
            "/sns/oauth2/access_token" | "/sns/oauth2/refresh_token" | "/sns/jscode2session" => {
                self.sns(head, body, &target, peer).await
            }
            "/sns/userinfo" | "/sns/auth" => self.open(head, &target, peer, Host::Api).await,
            "/cgi-bin/showqrcode" if head.method == Method::GET => {
                self.open(head, &target, peer, Host::Mp).await
            }
            _ => self.pass(head, body, &target, peer).await,
        }
    }

    /// Everything that needs the app's access_token.
    async fn pass(
        &self,
        head: request::Parts,
        body: Incoming,
        target: &Target<'_>,
        peer: IpAddr,
    ) -> Result<Response<Body>, Refusal> {
        let shown = target.parameter("access_token")?;
        let token = shown.as_ref().map(|place| place.value.as_str()).filter(|value| !value.is_empty());
        let identity = {
            let live = self.0.registry.live();
            let (caller, appid) = match token {
                Some(token) => self.by_token(token, &head, target, peer, &live.callers)?,
                None => {
                    let caller = self.0.gatekeeper.identify(&head, peer, &live.callers)?.clone();
                    (caller, named_app(&head, target)?.ok_or_else(Refusal::no_credential)?)
                }
            };
            if !caller.apis.allows(target.path) {
                return Err(Refusal::forbidden_api(&caller.name, target.path));
            }
            if is_only_by_name(target.path) && !caller.apis.names(target.path) {
                return Err(Refusal::only_by_name(&caller.name, target.path));
            }
            self.refuse_credentials(target, &live.callers)?;
            self.admit(&live, caller, &appid, target.path)?
        };
        let place = self.place()?;
        if let Some(kind) = token::managed_ticket(target)? {
            return self.ticket(&identity.app, kind).await;
        }
        let path = match shown {
            Some(place) => target.pieces(vec![(place, Piece::AccessToken)], Vec::new()),
            None => target.pieces(Vec::new(), vec![("access_token", Piece::AccessToken)]),
        };
        let call = Passing {
            host: Host::Api,
            method: head.method,
            path,
            headers: headers::to_wechat(head.headers),
            body: payload(body).await?,
            proves_token: catalog::by_path(target.path)
                .is_some_and(|known| known.auth == catalog::Auth::AccessToken),
        };
        Ok(passed(self.0.upstream.pass(&identity.app, &call).await?, place))
    }

    /// Whom a gateway token speaks for, if nothing beside it says otherwise.
    fn by_token(
        &self,
        token: &str,
        head: &request::Parts,
        target: &Target<'_>,
        peer: IpAddr,
        callers: &Callers,
    ) -> Result<(Arc<Caller>, String), Refusal> {
        let keeper = &self.0.gatekeeper;
        let grant = self.0.keys.granted(token, self.0.clock.now());
        let grant = grant.ok_or_else(Refusal::dead_token)?;
        let (caller, keyless) = callers.by_holder(&grant.holder).ok_or_else(Refusal::dead_token)?;
        match shown_key(&head.headers) {
            Shown::Nothing => {}
            Shown::Unreadable => return Err(Refusal::disagree()),
            Shown::Key(key) => {
                if !callers.by_key(key).is_some_and(|other| Arc::ptr_eq(other, caller)) {
                    return Err(Refusal::disagree());
                }
            }
        }
        if named_app(head, target)?.is_some_and(|appid| appid != grant.appid) {
            return Err(Refusal::disagree());
        }
        keeper.check_network(caller, head, peer)?;
        if keyless {
            keeper.check_keyless(head, peer)?;
        }
        Ok((caller.clone(), grant.appid))
    }

    /// A place among those whom we know, until their answer is through.
    fn place(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        self.0.at_work.clone().try_acquire_owned().map_err(|_| Refusal::overloaded())
    }

    /// What is ours stands nowhere but where it is replaced.
    fn refuse_credentials(&self, target: &Target<'_>, callers: &Callers) -> Result<(), Refusal> {
        let is_key = |value: &str| crate::entries::is_key(value) && callers.by_key(value).is_some();
        let is_token = |name: &str, value: &str| {
            let is_held = || self.0.keys.granted(value, self.0.clock.now()).is_some();
            name != "access_token" && value.starts_with(TOKEN_PREFIX) && is_held()
        };
        match target.values().any(|(name, value)| is_key(&value) || is_token(&name, &value)) {
            true => Err(Refusal::key_in_parameter()),
            false => Ok(()),
        }
    }

    /// Whether `caller` may use the app now; counts the call.
    fn admit(&self, live: &Live, caller: Arc<Caller>, appid: &str, path: &str) -> Result<Identity, Refusal> {
        let now = self.0.clock.now();
        if !caller.take(now) {
            return Err(Refusal::over_rate());
        }
        let app = live.app(appid).cloned();
        let tags = app.as_ref().map_or(&[][..], |app| &app.entry.tags);
        if !caller.apps.matches(appid, tags) {
            return Err(Refusal::forbidden_app(&caller.name, appid));
        }
        let app = app.ok_or_else(|| Refusal::unknown_app(appid))?;
        caller.usage.count(known_path(path), now);
        Ok(Identity { caller, app })
    }
}

/// The app that prefix or header name.
fn named_app(head: &request::Parts, target: &Target<'_>) -> Result<Option<String>, Refusal> {
    let mut names = head.headers.get_all(headers::X_WX_APPID).iter().map(HeaderValue::to_str);
    let header = names.next().transpose().map_err(|_| Refusal::disagree())?.map(str::trim);
    let header = header.filter(|appid| !appid.is_empty());
    if names.next().is_some() || matches!((header, target.appid), (Some(a), Some(b)) if a != b) {
        return Err(Refusal::disagree());
    }
    Ok(header.or(target.appid).map(str::to_owned))
}

fn is_only_by_name(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    path.starts_with(ONLY_BY_NAME[0]) || path == ONLY_BY_NAME[1]
}

/// The path if it is one of WeChat's that we know; callers may write anything there.
fn known_path(path: &str) -> &'static str {
    catalog::by_path(path).map_or("other", |endpoint| endpoint.path)
}

/// The body, kept if it is short.
async fn payload(mut body: Incoming) -> Result<Payload, Refusal> {
    let mut kept = BytesMut::new();
    let read = async {
        loop {
            match timeout(STALL, body.frame()).await {
                Err(_) | Ok(Some(Err(_))) => return Err(Refusal::body()),
                Ok(None) => return Ok(true),
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        kept.extend_from_slice(&data);
                    }
                }
            }
            if kept.len() > KEPT {
                return Ok(false);
            }
        }
    };
    let is_whole = timeout(BODY_TIMEOUT, read).await.map_err(|_| Refusal::body())??;
    let kept = kept.freeze();
    Ok(if is_whole { Payload::Kept(kept) } else { Payload::Stream(Upload::new(kept, body)) })
}

/// WeChat's answer as the caller gets it.
fn passed(answer: Passed, place: OwnedSemaphorePermit) -> Response<Body> {
    let Passed { mut head, body } = answer;
    headers::to_caller(&mut head.headers);
    head.extensions.clear();
    head.version = http::Version::HTTP_11;
    streamed(Response::from_parts(head, axum::body::Body::new(body.holding(place))))
}

fn json_answer(body: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(http_body_util::Full::new(Bytes::from(body.to_string())));
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    whole(response)
}

/// A token call's caller: by the key in `secret`, by the headers, or without a key.
fn by_secret<'a>(
    keeper: &Gatekeeper,
    secret: &str,
    head: &request::Parts,
    peer: IpAddr,
    callers: &'a Callers,
) -> Result<(&'a Arc<Caller>, Option<String>), Refusal> {
    if secret.is_empty() {
        return match shown_key(&head.headers) {
            Shown::Unreadable => Err(Denied::Unreadable.into()),
            Shown::Key(key) => Ok((keeper.by_key(key, head, peer, callers)?, Some(key.to_owned()))),
            Shown::Nothing => Ok((keeper.without_key(head, peer, callers)?, None)),
        };
    }
    match keeper.by_key(secret, head, peer, callers) {
        Ok(caller) => Ok((caller, Some(secret.to_owned()))),
        // With `auth.mode = "off"` any secret will do.
        Err(Denied::UnknownKey) if callers.is_open() => Ok((keeper.without_key(head, peer, callers)?, None)),
        Err(Denied::UnknownKey) => Err(Refusal::wrong_key()),
        Err(denied) => Err(denied.into()),
    }
}
