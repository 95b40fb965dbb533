//! The callers' listener, dispatched by hand: the service API, what the internet may reach, and
//! everything else to WeChat.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::Full;
use hyper::body::Incoming;

use super::{Body, RequestId, whole};
use crate::http::proxy::Proxy;
use crate::http::public::Public;
use crate::http::service::{self, Service};

const INDEX: &str = concat!(
    "wxgate ",
    env!("CARGO_PKG_VERSION"),
    "\n接口文档 API: /v1/service/wx/openapi.json\n健康检查 health: server.admin_listen /healthz /readyz\n"
);

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Surface {
    service: Service,
    public: Public,
    proxy: Proxy,
}

impl Surface {
    /// Over the service API, what the internet may reach, and the pass-through.
    pub fn new(service: Service, public: Public, proxy: Proxy) -> Self {
        Self { service, public, proxy }
    }

    /// Answers one request.
    pub async fn handle(self, request: Request<Incoming>, peer: IpAddr, id: RequestId) -> Response<Body> {
        if let Some(why) = ambiguous(&request) {
            tracing::info!(request_id = id.as_str(), why, "请求有歧义，拒绝");
            return whole(text(StatusCode::BAD_REQUEST, why));
        }
        let path = request.uri().path();
        if path.starts_with(service::PREFIX) && !Public::takes(path) {
            let (head, body) = request.into_parts();
            return whole(self.service.handle(&head, body, peer, id).await);
        }
        if path == "/" && matches!(*request.method(), Method::GET | Method::HEAD) {
            return whole(text(StatusCode::OK, INDEX));
        }
        match self.public.answer(request, id).await {
            Ok(response) => response,
            Err(request) => self.proxy.handle(request, peer, id).await,
        }
    }
}

/// Why two readers could understand a request differently, if they could.
fn ambiguous(request: &Request<Incoming>) -> Option<&'static str> {
    let headers = request.headers();
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().map(HeaderValue::as_bytes);
    if hosts.next().is_some() {
        return Some("more than one Host\n");
    }
    if host.is_none() && request.version() > Version::HTTP_10 {
        return Some("no Host\n");
    }
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Some("CONNECT and TRACE are not for this server\n");
    }
    if headers.contains_key(UPGRADE) {
        return Some("this server changes to no other protocol\n");
    }
    if request.version() < Version::HTTP_11 && headers.contains_key(TRANSFER_ENCODING) {
        return Some("HTTP/1.0 knows no Transfer-Encoding\n");
    }
    let codings: Vec<&[u8]> = headers.get_all(TRANSFER_ENCODING).iter().map(HeaderValue::as_bytes).collect();
    if !codings.is_empty() && (codings.len() > 1 || !codings[0].eq_ignore_ascii_case(b"chunked")) {
        return Some("no other Transfer-Encoding than chunked\n");
    }
    if headers.get_all(CONTENT_LENGTH).iter().count() > 1 {
        return Some("more than one Content-Length\n");
    }
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    if authority.is_some_and(|authority| host.is_some_and(|host| !host.eq_ignore_ascii_case(authority))) {
        return Some("the request line names another host than Host\n");
    }
    None
}

fn text(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if status == StatusCode::BAD_REQUEST {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
