//! The callers' listener, dispatched by hand: the service API, what the internet may reach, and everything else to WeChat.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::Full;
use hyper::body::Incoming;

use super::problem::{Unhandled, closing, text};
use super::server::Surface;
use super::{Body, PREFIX, wants_english, whole};
use crate::admit::Door;
use crate::http::proxy::Proxy;
use crate::http::public::Public;
use crate::http::service::{self, Service};
use crate::outcome::{End, Outcome};
use crate::problem::Words;

const INDEX: &str = concat!(
    "wxgate ",
    env!("CARGO_PKG_VERSION"),
    "\n接口文档 API: /v1/service/wx/openapi.json\n健康检查 health: server.admin_listen /healthz /readyz\n"
);

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Callers {
    door: Door,
    service: Service,
    public: Public,
    proxy: Proxy,
}

impl Callers {
    /// Over the service API, what the internet may reach, and the pass-through.
    pub fn new(door: Door, service: Service, public: Public, proxy: Proxy) -> Self {
        Self { door, service, public, proxy }
    }
}

impl Surface for Callers {
    const NAME: &'static str = "callers";

    async fn handle(self, request: Request<Incoming>, outcome: &mut Outcome) -> Response<Body> {
        if let Some(why) = ambiguous(&request) {
            outcome.end = End::Refused;
            outcome.words = why.zh.clone();
            let (path, english) = (request.uri().path(), wants_english(request.headers()));
            let refused = Unhandled {
                status: StatusCode::BAD_REQUEST,
                path: Some(path),
                is_odd_url: false,
                words: why,
                english,
            };
            let mut answer = self.refuse(&refused, outcome);
            *answer.status_mut() = StatusCode::BAD_REQUEST;
            return whole(closing(answer));
        }
        let path = request.uri().path();
        if path.starts_with(PREFIX) && !Public::takes(path) {
            let (head, body) = request.into_parts();
            let peer = outcome.peer;
            outcome.peer = self.door.address(&head, peer).unwrap_or(peer);
            return whole(self.service.handle(&head, body, peer, outcome).await);
        }
        if path == "/" && matches!(*request.method(), Method::GET | Method::HEAD) {
            outcome.api = "/".into();
            return whole(text(StatusCode::OK, INDEX));
        }
        match self.public.answer(request, outcome).await {
            Ok(response) => response,
            Err(request) => self.proxy.handle(request, outcome).await,
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

/// Why two readers could understand a request differently, if they could.
fn ambiguous(request: &Request<Incoming>) -> Option<Words> {
    let headers = request.headers();
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().map(HeaderValue::as_bytes);
    let why = |zh: &'static str, en: &'static str| Some(Words::new(zh, en));
    if hosts.next().is_some() {
        return why("Host 出现了不止一次", "more than one Host");
    }
    if host.is_none() && request.version() > Version::HTTP_10 {
        return why("没有 Host", "no Host");
    }
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return why("这里不接受 CONNECT 和 TRACE", "CONNECT and TRACE are not for this server");
    }
    if headers.contains_key(UPGRADE) {
        return why("这里不切换到别的协议", "this server changes to no other protocol");
    }
    if request.version() < Version::HTTP_11 && headers.contains_key(TRANSFER_ENCODING) {
        return why("HTTP/1.0 没有 Transfer-Encoding", "HTTP/1.0 knows no Transfer-Encoding");
    }
    let codings: Vec<&[u8]> = headers.get_all(TRANSFER_ENCODING).iter().map(HeaderValue::as_bytes).collect();
    if !codings.is_empty() && (codings.len() > 1 || !codings[0].eq_ignore_ascii_case(b"chunked")) {
        return why("Transfer-Encoding 只能是 chunked", "no other Transfer-Encoding than chunked");
    }
    if headers.get_all(CONTENT_LENGTH).iter().count() > 1 {
        return why("Content-Length 出现了不止一次", "more than one Content-Length");
    }
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    if authority.is_some_and(|authority| host.is_some_and(|host| !host.eq_ignore_ascii_case(authority))) {
        return why("请求行里的主机与 Host 不同", "the request line names another host than Host");
    }
    None
}
