//! What the internet needs, and nothing else: callbacks, browsers that log in, and the files that
//! prove whose domain it is. `server.public_listen` serves this alone; `server.listen` serves it among the rest.

use std::net::IpAddr;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;

use super::problem::{Unhandled, bare_text};
use super::server::Surface;
use super::{Body, fold_slashes, whole};
use crate::admit::Door;
use crate::http::callback::Callbacks;
use crate::http::health::Health;
use crate::http::oauth::{self, OAuth};
use crate::lang::say;
use crate::net::Inbound;
use crate::outcome::{End, Outcome};
use crate::parts::Parts;
use crate::registry::Registry;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Public {
    door: Door,
    registry: Registry,
    health: Health,
    callbacks: Callbacks,
    oauth: OAuth,
}

impl Public {
    /// Over health, the callbacks and the logins.
    pub fn new(door: Door, parts: &Parts, callbacks: Callbacks, oauth: OAuth) -> Self {
        let (registry, health) = (parts.registry.clone(), Health::new(parts.clone()));
        Self { door, registry, health, callbacks, oauth }
    }

    /// Whether `path` is ours, wherever else it may seem to belong.
    pub fn takes(path: &str) -> bool {
        Callbacks::takes(path) || OAuth::takes(path)
    }

    /// What a surface does first: paths as proxies leave them are folded, and the client behind trusted ones is noted.
    /// Gives who connected.
    pub fn arrives<B>(&self, request: &mut Request<B>, outcome: &mut Outcome) -> IpAddr {
        fold_slashes(request);
        let peer = outcome.peer;
        self.door.locate(request.headers(), outcome);
        peer
    }

    /// Answers a request that is for us; gives back one that isn't.
    pub async fn answer(
        &self,
        request: Request<Inbound>,
        outcome: &mut Outcome,
    ) -> Result<Response<Body>, Request<Inbound>> {
        if let Some(own) = Health::takes(request.uri().path()) {
            outcome.api = own.into();
            return Ok(whole(Box::pin(self.health.handle(&request)).await));
        }
        if Callbacks::takes(request.uri().path()) {
            self.notice(request.uri().path(), outcome);
            return Ok(whole(Box::pin(self.callbacks.handle(request, outcome)).await));
        }
        if OAuth::takes(request.uri().path()) {
            return Ok(whole(Box::pin(self.oauth.handle(request, outcome)).await));
        }
        match self.verify_file(&request) {
            Some(file) => {
                outcome.api = "verify_file".into();
                Ok(whole(bare_text(StatusCode::OK, file)))
            }
            None => Err(request),
        }
    }

    /// A refused callback names its app as well.
    fn notice(&self, path: &str, outcome: &mut Outcome) {
        if let Some(appid) = Callbacks::appid(path) {
            self.door.notice(appid, outcome);
        }
    }

    fn verify_file(&self, request: &Request<Inbound>) -> Option<String> {
        let name = request.uri().path().strip_prefix('/')?;
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        if name.contains('/') || !is_read {
            return None;
        }
        self.registry.live().verify_files.get(name).cloned()
    }
}

impl Surface for Public {
    const NAME: &'static str = "public";

    async fn handle(&self, mut request: Request<Inbound>, outcome: &mut Outcome) -> Response<Body> {
        self.arrives(&mut request, outcome);
        match self.answer(request, outcome).await {
            Ok(response) => response,
            Err(_) => {
                outcome.end = End::Refused;
                outcome.words = say("没有这个路径", "no such path").into();
                whole(bare_text(StatusCode::NOT_FOUND, "not found"))
            }
        }
    }

    fn refuse(&self, refused: &Unhandled<'_>, outcome: &mut Outcome) -> Response<Full<Bytes>> {
        match refused.path {
            Some(path) if OAuth::takes(path) => oauth::refuse(refused, outcome),
            path => {
                self.notice(path.unwrap_or_default(), outcome);
                let is_callback = path.is_some_and(Callbacks::takes) && refused.status.is_client_error();
                let status = if is_callback { StatusCode::FORBIDDEN } else { refused.status };
                bare_text(status, format!("refused {}\n", outcome.id.as_str()))
            }
        }
    }
}
