//! Health for balancers, on the listeners that callers and the internet reach: a status without a body. What is amiss in
//! detail is the admin side's to tell.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::ALLOW;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use tokio::sync::Mutex;

use crate::clock::Instant;
use crate::parts::Parts;
use crate::text;

/// The process lives.
pub const HEALTHZ: &str = "/healthz";
/// It may get traffic.
pub const READYZ: &str = "/readyz";

/// So long it is believed what was found out about the store: whoever asks here is a stranger.
const BELIEVED: Duration = Duration::from_secs(1);

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Health {
    parts: Parts,
    /// When the store was asked last, and whether it took a write.
    store: Arc<Mutex<Option<(Instant, bool)>>>,
}

impl Health {
    /// Over what health looks at.
    pub fn new(parts: Parts) -> Self {
        Self { parts, store: Arc::default() }
    }

    /// Which of its paths `path` is.
    pub fn takes(path: &str) -> Option<&'static str> {
        [HEALTHZ, READYZ].into_iter().find(|own| *own == path)
    }

    /// Answers a balancer: 200 or 503, and nothing else.
    pub async fn handle<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::default());
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        } else if request.uri().path() == READYZ && !self.is_ready(request.uri().query()).await {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        response
    }

    async fn is_ready(&self, query: Option<&str>) -> bool {
        if self.parts.tasks.draining.is_cancelled() {
            return false;
        }
        if !is_for_callbacks(query) {
            return true;
        }
        let mut known = self.store.lock().await;
        let now = self.parts.clock.instant();
        if let Some((at, took)) = *known
            && now - at < BELIEVED
        {
            return took;
        }
        let took = self.parts.store.ping().await.is_ok();
        *known = Some((now, took));
        took
    }
}

/// Whether `query` asks if callbacks can be taken, which need the store.
pub fn is_for_callbacks(query: Option<&str>) -> bool {
    text::pairs(query.unwrap_or_default().as_bytes())
        .any(|(name, value)| name == "for" && value == "callbacks")
}
