//! The outgoing HTTP client: one connector, one pool; guarded, it connects only where [`Egress`] allows.
//! Redirects are never followed and proxy variables of the environment are ignored.

mod body;
mod collect;
mod inbound;
mod linger;
mod pool;
mod resolver;
mod spool;
mod stall;
mod tunnel;
mod why;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, Response, Uri};
use http_body_util::{Either, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;

pub use body::{AnyBody, Download, Pace, Upload};
pub use collect::{Collected, Cut, causes, collect, piece};
pub use inbound::Inbound;
pub use linger::Lingering;
pub use pool::{Answered, Unanswered};
pub use resolver::{Lookup, Resolver};
pub use spool::{Spool, Spooled, SpooledBody};
pub use stall::Stalling;
pub use tunnel::Tunnel;
pub use why::{is_no_http, why};

use crate::entries::Proxy;
use crate::limits::Limits;
use crate::rules::egress::{Egress, Forbidden};
use crate::workers;

use pool::Pool;

/// WeChat's edge closes idle connections after about a minute; be first.
const IDLE: Duration = Duration::from_secs(45);
/// The rules are asked for every new connection: let none be kept for long.
const GUARDED_IDLE: Duration = Duration::from_secs(10);
/// Each worker has a pool of connections of its own. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client(Arc<[Pool]>);

/// How a stream to a host is had, with TLS where that is wanted.
type Connector = Timed<HttpsConnector<Dial>>;

/// A request's body: whole in memory, passed on as it comes, or in a file.
pub type RequestBody = Either<Full<Bytes>, Either<Upload, SpooledBody>>;

impl Client {
    /// Connects anywhere, by `proxy` if there is one; with so many pools.
    pub fn new(proxy: Option<&Proxy>, tls: ClientConfig, limits: &Limits, pools: usize) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(Resolver::machine());
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(limits.dial_time));
        tcp.set_keepalive(Some(Duration::from_secs(60)));
        let dialer = match proxy {
            None => Dialer::Direct(tcp),
            Some(proxy) => Dialer::Proxied(Tunnel::new(proxy.clone(), tcp)),
        };
        Self::over(dialer, tls, IDLE, 256, limits, pools)
    }

    /// Connects only where `egress` allows: every address of a host is judged, for every connection, and only
    /// what was judged is connected to. Ask [`forbidden`] whether that is why a request failed.
    pub fn guarded(
        egress: Egress,
        resolver: Resolver,
        loopback_allowed: bool,
        tls: ClientConfig,
        limits: &Arc<Limits>,
    ) -> Self {
        let guard = Guard { egress, resolver, loopback_allowed, limits: limits.clone() };
        Self::over(Dialer::Guarded(guard), tls, GUARDED_IDLE, 8, limits, 1)
    }

    fn over(
        dialer: Dialer,
        tls: ClientConfig,
        idle: Duration,
        max_idle_per_host: usize,
        limits: &Limits,
        pools: usize,
    ) -> Self {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(Dial { dialer, silence: limits.silence });
        let connector = Timed { connector, limit: limits.connect_time };
        let pool = |_| Pool::new(connector.clone(), idle, max_idle_per_host);
        Self((0..pools.max(1)).map(pool).collect())
    }

    /// Sends `request`; the answer's body is still to be read. The error never names the URL.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Answered>, Unanswered> {
        self.pass(request.map(Either::Left)).await
    }

    /// The same with a body that may still be on its way.
    pub async fn pass(&self, request: Request<RequestBody>) -> Result<Response<Answered>, Unanswered> {
        // Boxed: it is large, and stands in the future of every call.
        Box::pin(self.0[workers::index() % self.0.len()].request(request)).await
    }
}

/// The address the rules refused, if that is why nothing was sent.
pub fn forbidden(error: &Unanswered) -> Option<&Forbidden> {
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        if let Some(forbidden) = cause.downcast_ref() {
            return Some(forbidden);
        }
        next = cause.source();
    }
    None
}

/// Ends a connection's making, the TLS handshake and the proxy's CONNECT included, when it takes too
/// long. Nothing was sent by then, so another host may be tried.
#[derive(Clone, Debug)]
pub struct Timed<C> {
    connector: C,
    limit: Duration,
}

impl<C> tower::Service<Uri> for Timed<C>
where
    C: tower::Service<Uri, Error = BoxError>,
    C::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let made = tokio::time::timeout(self.limit, self.connector.call(uri));
        Box::pin(async { made.await.map_err(|_| too_slow("the connection took too long to be made"))? })
    }
}

/// How a TCP stream to a host is had.
#[derive(Clone, Debug)]
pub enum Dialer {
    /// By connecting to it.
    Direct(HttpConnector<Resolver>),
    /// Through the configured proxy.
    Proxied(Tunnel),
    /// By connecting to it where the rules allow.
    Guarded(Guard),
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Connects to hosts whose every address may be connected to.
#[derive(Clone, Debug)]
pub struct Guard {
    egress: Egress,
    resolver: Resolver,
    loopback_allowed: bool,
    limits: Arc<Limits>,
}

impl Guard {
    async fn connect(self, uri: Uri) -> Result<TcpStream, BoxError> {
        let host = uri.host().ok_or_else(|| io::Error::other("the URL has no host"))?;
        let default = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
        let found = self.resolver.resolve(host, uri.port_u16().unwrap_or(default));
        let addresses = tokio::time::timeout(self.limits.resolve_time, found).await;
        let addresses = addresses.map_err(|_| too_slow("the host's name took too long to be resolved"))??;
        // A name that mixes good and forbidden addresses is an attack: none of them is used.
        for address in &addresses {
            self.egress.check(*address, self.loopback_allowed)?;
        }
        let mut last = io::Error::other("the host has no address");
        for address in addresses.into_iter().take(self.limits.addresses) {
            match tokio::time::timeout(self.limits.dial_time, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Ok(Err(error)) => last = error,
                Err(_) => last = too_slow("the host did not answer in time"),
            }
        }
        Err(last.into())
    }
}

fn too_slow(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

/// A dialer whose streams end when a write waits too long.
#[derive(Clone, Debug)]
pub struct Dial {
    dialer: Dialer,
    silence: Duration,
}

impl tower::Service<Uri> for Dial {
    type Response = TokioIo<Stalling<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match &mut self.dialer {
            Dialer::Direct(tcp) => tcp.poll_ready(cx).map_err(BoxError::from),
            Dialer::Proxied(_) | Dialer::Guarded(_) => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let silence = self.silence;
        let stalling =
            move |stream: TokioIo<TcpStream>| TokioIo::new(Stalling::new(stream.into_inner(), silence));
        match &mut self.dialer {
            Dialer::Direct(tcp) => {
                let stream = tcp.call(uri);
                Box::pin(async move { Ok(stalling(stream.await?)) })
            }
            Dialer::Proxied(tunnel) => {
                let stream = tunnel.clone().connect(uri);
                Box::pin(async move { Ok(stalling(TokioIo::new(stream.await?))) })
            }
            Dialer::Guarded(guard) => {
                let stream = guard.clone().connect(uri);
                Box::pin(async move { Ok(stalling(TokioIo::new(stream.await?))) })
            }
        }
    }
}
