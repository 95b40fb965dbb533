//! The callers' listener, dispatched by hand: the service API, what the internet may reach, and everything else to WeChat.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;

use super::problem::{Unhandled, envelope, note, text};
use super::server::Surface;
use super::{Body, PREFIX, wants_english, whole};
use crate::http::node::NodeCalls;
use crate::http::proxy::Proxy;
use crate::http::public::Public;
use crate::http::service::{self, Service};
use crate::lang::Words;
use crate::net::Inbound;
use crate::outcome::Outcome;
use crate::problem::{Code, Problem};

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

const MISPLACED: Words = Words::fixed(
    "没有这个路径：wxgate 的接口和回调都在 /v1/service/wx/ 下（检查拼写，以及前面的代理有没有多加或少去掉前缀）",
    "no such path: what wxgate serves is below /v1/service/wx/ (look at the spelling, and at a prefix that a proxy in front adds or leaves)",
);

/// Whether a path means what is ours, and misses it. WeChat has none of the kind.
fn is_misplaced(path: &str) -> bool {
    const MEANT: &str = "/v1/service";
    let bytes = path.as_bytes();
    !path.starts_with(PREFIX)
        && bytes.windows(MEANT.len()).any(|window| window.eq_ignore_ascii_case(MEANT.as_bytes()))
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct CallersSurface {
    service: Service,
    public: Public,
    proxy: Proxy,
    nodes: NodeCalls,
}

impl CallersSurface {
    /// Over the service API, what the internet may reach, the pass-through, and other nodes' calls.
    pub fn new(service: Service, public: Public, proxy: Proxy, nodes: NodeCalls) -> Self {
        Self { service, public, proxy, nodes }
    }
}

impl Surface for CallersSurface {
    const NAME: &'static str = "callers";

    async fn handle(&self, mut request: Request<Inbound>, outcome: &mut Outcome) -> Response<Body> {
        let peer = self.public.arrives(&mut request, outcome);
        let path = request.uri().path();
        if path.starts_with(PREFIX) && !Public::takes(path) {
            let (head, body) = request.into_parts();
            return Box::pin(self.service.handle(&head, body, peer, outcome)).await;
        }
        if path == "/" && matches!(*request.method(), Method::GET | Method::HEAD) {
            outcome.api = "/".into();
            return whole(text(StatusCode::OK, INDEX.of(wants_english(request.headers())).to_owned()));
        }
        if is_misplaced(path) {
            // Never 200, which WeChat would take for an answer to its callback.
            let english = wants_english(request.headers());
            let problem = Problem::new(Code::NotFound, MISPLACED.zh, MISPLACED.en);
            note(outcome, &problem);
            return whole(envelope(&problem, outcome.id, english));
        }
        if self.nodes.takes(path)
            && let Some(call) = self.nodes.call(&request)
        {
            return Box::pin(self.nodes.answer(call, request.into_body(), outcome)).await;
        }
        match self.public.answer(request, outcome).await {
            Ok(response) => response,
            Err(request) => self.proxy.handle(request, peer, outcome).await,
        }
    }

    fn refuse(&self, refused: &Unhandled<'_>, outcome: &mut Outcome) -> Response<Full<Bytes>> {
        match refused.path {
            Some(path) if Public::takes(path) => self.public.refuse(refused, outcome),
            Some(path) if path.starts_with(PREFIX) || is_misplaced(path) => service::refuse(refused, outcome),
            Some(path) if path.starts_with('/') => crate::http::proxy::refuse(refused, outcome),
            _ => text(
                refused.status,
                format!("{}\n{}\n", refused.words.of(refused.english), outcome.id.as_str()),
            ),
        }
    }
}
