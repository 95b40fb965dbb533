//! The callers' listener: what is hot is dispatched here by hand, everything else falls to an axum
//! router.

use std::net::IpAddr;

use axum::Router;
use axum::response::IntoResponse as _;
use axum::routing::get;
use http::{Request, Response};
use hyper::body::Incoming;
use tower::ServiceExt as _;

use super::{Body, RequestId, streamed, wants_english, whole};
use crate::http::callback::Callbacks;
use crate::http::public::Public;
use crate::http::service::{self, Service};
use crate::problem::{Code, Problem};

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Surface {
    service: Service,
    public: Public,
    rest: Router,
}

impl Surface {
    /// Over the service API, and what the internet may reach.
    pub fn new(service: Service, public: Public) -> Self {
        Self {
            service,
            public,
            rest: Router::new()
                .route("/", get(index))
                .fallback(not_found)
                .method_not_allowed_fallback(not_found),
        }
    }

    /// Answers one request.
    pub async fn handle(self, request: Request<Incoming>, peer: IpAddr, id: RequestId) -> Response<Body> {
        let path = request.uri().path();
        if path.starts_with(service::PREFIX) && !Callbacks::takes(path) {
            let (head, body) = request.into_parts();
            return whole(self.service.handle(&head, body, peer, id).await);
        }
        let request = match self.public.answer(request, id).await {
            Ok(response) => return response,
            Err(request) => request,
        };
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(id);
        match self.rest.oneshot(request).await {
            Ok(response) => streamed(response),
            Err(never) => match never {},
        }
    }
}

async fn index() -> &'static str {
    concat!(
        "wxgate ",
        env!("CARGO_PKG_VERSION"),
        "\n接口文档 API: /v1/service/wx/openapi.json\n健康检查 health: server.admin_listen /healthz /readyz\n"
    )
}

async fn not_found(request: axum::extract::Request) -> axum::response::Response {
    let id = request.extensions().get::<RequestId>().copied().unwrap_or_default();
    let problem = Problem::new(
        Code::NotFound,
        "没有这个路径：服务接口在 /v1/service/wx/ 之下，列表见 /v1/service/wx/openapi.json",
        "no such path: the service API is below /v1/service/wx/, listed in /v1/service/wx/openapi.json",
    );
    service::failure(&problem, id, wants_english(request.headers()))
        .map(axum::body::Body::new)
        .into_response()
}
