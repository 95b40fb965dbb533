//! Carries a surface: accepts connections, speaks HTTP/1.1 by hyper directly (half the memory of
//! `axum::serve`, and a time limit on reading heads), gives every request its id, and stops
//! without cutting anyone off.

use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures_util::FutureExt as _;
use http::header::CONNECTION;
use http::{HeaderName, HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Body, RequestId, whole};
use crate::http::service;
use crate::net::Stalling;
use crate::problem::Problem;

/// A client gets this long to send a request's head, the first and every later one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
const TLS_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest request head.
const MAX_HEAD: usize = 64 << 10;
/// Most connections at once; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 16_384;

/// TLS settings that a reload may swap; empty: plain HTTP.
pub type Tls = Arc<ArcSwapOption<ServerConfig>>;

/// A running listener.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    closing: CancellationToken,
    tracker: TaskTracker,
}

impl Server {
    /// Serves `handle` on `listener`. While `draining`, every answer asks the client to close.
    pub fn start<H, F>(
        listener: TcpListener,
        tls: Tls,
        draining: CancellationToken,
        handle: H,
    ) -> std::io::Result<Self>
    where
        H: Fn(Request<Incoming>, IpAddr, RequestId) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let server = Self {
            address: listener.local_addr()?,
            closing: CancellationToken::new(),
            tracker: TaskTracker::new(),
        };
        let connections = Connections {
            tls,
            draining,
            closing: server.closing.clone(),
            tracker: server.tracker.clone(),
            handle,
        };
        server.tracker.spawn(connections.accept(listener));
        Ok(server)
    }

    /// Stops accepting, lets every request at work finish, and returns when all are done.
    pub async fn close(&self) {
        self.closing.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Whether any connection is open.
    pub fn is_idle(&self) -> bool {
        self.tracker.len() <= 1
    }
}

#[derive(Clone)]
struct Connections<H> {
    tls: Tls,
    draining: CancellationToken,
    closing: CancellationToken,
    tracker: TaskTracker,
    handle: H,
}

impl<H, F> Connections<H>
where
    H: Fn(Request<Incoming>, IpAddr, RequestId) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    async fn accept(self, listener: TcpListener) {
        let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(place) = room.clone().acquire_owned().await else {
                return;
            };
            let accepted = tokio::select! {
                biased;
                accepted = listener.accept() => accepted,
                () = self.closing.cancelled() => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let this = self.clone();
                    self.tracker.spawn(async move {
                        this.connection(stream, peer.ip()).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "接受连接失败（常见原因：打开的文件太多，调高 ulimit -n）");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn connection(self, stream: TcpStream, peer: IpAddr) {
        // Small answers must not wait for the client's acknowledgement of the last one.
        let _ = stream.set_nodelay(true);
        let stream = Stalling::new(stream);
        match self.tls.load_full() {
            None => self.serve(stream, peer).await,
            Some(config) => {
                let handshake = TlsAcceptor::from(config).accept(stream);
                match tokio::time::timeout(TLS_TIMEOUT, handshake).await {
                    Ok(Ok(stream)) => self.serve(stream, peer).await,
                    Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
                    Err(_) => tracing::debug!(%peer, "TLS handshake timed out"),
                }
            }
        }
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: IpAddr) {
        let closing = self.closing.clone();
        let service = service_fn(move |request| {
            let this = self.clone();
            async move { Ok::<_, std::convert::Infallible>(this.answer(request, peer).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        // The connection first: a request that has arrived is answered before the end is announced.
        let outcome = tokio::select! {
            biased;
            outcome = connection.as_mut() => outcome,
            () = closing.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(%peer, %error, "connection ended");
        }
    }

    async fn answer(&self, request: Request<Incoming>, peer: IpAddr) -> Response<Body> {
        const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
        let id = RequestId::new();
        let answer = AssertUnwindSafe((self.handle)(request, peer, id)).catch_unwind().await;
        let mut response = answer.unwrap_or_else(|_| {
            tracing::error!(request_id = id.as_str(), "处理请求时崩溃（panic），请报告");
            whole(service::failure(&Problem::internal("panic"), id, false))
        });
        response.headers_mut().insert(X_REQUEST_ID, id.header());
        if self.draining.is_cancelled() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
