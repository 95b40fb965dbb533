//! The callers' listener, dispatched by hand: the service API, what the internet may reach, and everything else to WeChat.

use crate::net::Inbound;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;

use super::problem::{Unhandled, text};
use super::server::Surface;
use super::{Body, PREFIX, wants_english, whole};
use crate::http::proxy::Proxy;
use crate::http::public::Public;
use crate::http::service::{self, Service};
use crate::lang::Words;
use crate::outcome::Outcome;

const INDEX: Words = Words::fixed(
    concat!(
        "wxgate ",
        env!("CARGO_PKG_VERSION"),
        "\n接口文档：/v1/service/wx/openapi.json\n健康检查：/healthz /readyz（详情在 server.admin_listen）\n"
    ),
    concat!(
        "wxgate ",
        env!("CARGO_PKG_VERSION"),
        "\nAPI: /v1/service/wx/openapi.json\nhealth: /healthz /readyz (in detail on server.admin_listen)\n"
    ),
);

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct CallersSurface {
    service: Service,
    public: Public,
    proxy: Proxy,
}

impl CallersSurface {
    /// Over the service API, what the internet may reach, and the pass-through.
    pub fn new(service: Service, public: Public, proxy: Proxy) -> Self {
        Self { service, public, proxy }
    }
}

impl Surface for CallersSurface {
    const NAME: &'static str = "callers";

    async fn handle(self, mut request: Request<Inbound>, outcome: &mut Outcome) -> Response<Body> {
        let peer = self.public.arrives(&mut request, outcome);
        let path = request.uri().path();
        if path.starts_with(PREFIX) && !Public::takes(path) {
            let (head, body) = request.into_parts();
            return whole(self.service.handle(&head, body, peer, outcome).await);
        }
        if path == "/" && matches!(*request.method(), Method::GET | Method::HEAD) {
            outcome.api = "/".into();
            return whole(text(StatusCode::OK, INDEX.of(wants_english(request.headers())).to_owned()));
        }
        match self.public.answer(request, outcome).await {
            Ok(response) => response,
            Err(request) => self.proxy.handle(request, peer, outcome).await,
        }
    }

    fn refuse(&self, refused: &Unhandled<'_>, outcome: &mut Outcome) -> Response<Full<Bytes>> {
        match refused.path {
            Some(path) if Public::takes(path) => self.public.refuse(refused, outcome),
            Some(path) if path.starts_with(PREFIX) => service::refuse(refused, outcome),
            Some(path) if path.starts_with('/') => crate::http::proxy::refuse(refused, outcome),
            _ => text(
                refused.status,
                format!("{}\n{}\n", refused.words.of(refused.english), outcome.id.as_str()),
            ),
        }
    }
}
