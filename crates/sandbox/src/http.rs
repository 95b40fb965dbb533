//! The HTTP skin: WeChat's own paths, the OAuth pages, the control calls.
//!
//! hyper is driven directly, with an axum router inside, because a scripted fault may close a connection
//! without an answer, which no router can.

mod answer;
mod api;
mod call;
mod control;
mod facts;
mod live;
mod oauth;
mod origin;
mod page;
mod probe;
mod setup;
mod worlds;

pub(crate) use worlds::Worlds;

use crate::Shared;
use answer::Closed;
use axum::Router;
use axum::middleware::from_fn;
use axum::routing::get;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

/// Paths of WeChat's that do something.
pub(crate) fn simulated() -> impl Iterator<Item = &'static str> {
    api::HANDLERS.iter().copied().flatten().map(|(endpoint, _)| endpoint.path)
}

/// Every route of a world.
fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(page::home))
        .route("/q/{id}", get(page::scanned))
        .route("/_/{digest}/{*name}", get(page::file))
        .nest("/sandbox", control::router(shared.clone()))
        .fallback(api::wechat)
        .with_state(shared)
}

/// Accepts connections until the sandbox stops.
pub(crate) async fn serve(listener: TcpListener, worlds: Arc<Worlds>) {
    let shared = worlds.first().clone();
    let mut router = worlds::router(worlds);
    if listener.local_addr().is_ok_and(|addr| addr.ip().is_loopback()) {
        router = router.layer(from_fn(origin::named));
    }
    while let Some(accepted) = shared.stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, peer)) => shared.spawn(connection(stream, peer, router.clone())),
            // Out of descriptors, say: others may come back.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, router: Router) {
    // Small answers go out at once; a stream that refuses is about to fail anyway.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let router = router.clone();
        async move {
            let answer = router.oneshot(request).await.map_err(|never| match never {})?;
            match answer.extensions().get::<Closed>() {
                Some(closed) => Err(*closed),
                None => Ok(answer),
            }
        }
    });
    // A connection ends in an error when a fault cut it, or the client did: nobody is left to tell.
    let _ended =
        http1::Builder::new().header_read_timeout(None).serve_connection(TokioIo::new(stream), service).await;
}
