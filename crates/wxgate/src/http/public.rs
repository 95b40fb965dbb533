//! What the internet needs, and nothing else: callbacks, browsers that log in, and the files that
//! prove whose domain it is. `server.public_listen` serves this alone; `server.listen` serves it among the rest.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;

use super::{Body, RequestId, whole};
use crate::http::callback::Callbacks;
use crate::http::oauth::OAuth;
use crate::registry::Registry;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Public {
    registry: Registry,
    callbacks: Callbacks,
    oauth: OAuth,
}

impl Public {
    /// Over the callbacks and the logins.
    pub fn new(registry: Registry, callbacks: Callbacks, oauth: OAuth) -> Self {
        Self { registry, callbacks, oauth }
    }

    /// Whether `path` is ours, wherever else it may seem to belong.
    pub fn takes(path: &str) -> bool {
        Callbacks::takes(path) || OAuth::takes(path)
    }

    /// Answers a request that is for us; gives back one that isn't.
    pub async fn answer(
        &self,
        request: Request<Incoming>,
        id: RequestId,
    ) -> Result<Response<Body>, Request<Incoming>> {
        if Callbacks::takes(request.uri().path()) {
            return Ok(whole(self.callbacks.handle(request, id).await));
        }
        if OAuth::takes(request.uri().path()) {
            return Ok(whole(self.oauth.handle(request, id).await));
        }
        match self.verify_file(&request) {
            Some(text) => Ok(whole(plain(StatusCode::OK, text))),
            None => Err(request),
        }
    }

    /// The whole of `server.public_listen`.
    pub async fn handle(self, request: Request<Incoming>, id: RequestId) -> Response<Body> {
        self.answer(request, id)
            .await
            .unwrap_or_else(|_| whole(plain(StatusCode::NOT_FOUND, "not found".to_owned())))
    }

    fn verify_file(&self, request: &Request<Incoming>) -> Option<String> {
        let name = request.uri().path().strip_prefix('/')?;
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        if name.contains('/') || !is_read {
            return None;
        }
        self.registry.live().verify_files.get(name).cloned()
    }
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}
