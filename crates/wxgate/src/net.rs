//! The one outgoing HTTP client: one connector, one pool. Redirects are never followed and proxy
//! variables of the environment are ignored.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::{self, Error};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use url::Url;

/// A host that doesn't answer a SYN in this time is tried no longer: the next one may.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// WeChat's edge closes idle connections after about a minute; be first.
const IDLE: Duration = Duration::from_secs(45);

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client(legacy::Client<HttpsConnector<Dialer>, Full<Bytes>>);

impl Client {
    /// `proxy`: `http://[user:password@]host:port`, spoken to by CONNECT.
    pub fn new(proxy: Option<&Url>) -> anyhow::Result<Self> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_keepalive(Some(Duration::from_secs(60)));
        let dialer = match proxy {
            None => Dialer::Direct(tcp),
            Some(url) => Dialer::Proxied(tunnel(url, tcp)?),
        };
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(crate::tls::provider())?
            .https_or_http()
            .enable_http1()
            .wrap_connector(dialer);
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(256)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Self(client))
    }

    /// Sends `request`; the answer's body is still to be read. The error never names the URL.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Error> {
        self.0.request(request).await
    }
}

fn tunnel(proxy: &Url, tcp: HttpConnector) -> anyhow::Result<Tunnel<HttpConnector>> {
    use base64::Engine as _;
    let port = proxy.port_or_known_default().unwrap_or(80);
    let uri: Uri = format!("http://{}:{port}", proxy.host_str().unwrap_or_default()).parse()?;
    let tunnel = Tunnel::new(uri, tcp);
    if proxy.username().is_empty() {
        return Ok(tunnel);
    }
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pair = format!("{}:{}", decode(proxy.username()), decode(proxy.password().unwrap_or_default()));
    let value = format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(pair));
    let mut value = HeaderValue::try_from(value)?;
    value.set_sensitive(true);
    Ok(tunnel.with_auth(value))
}

/// How a TCP stream to a host is had.
#[derive(Clone, Debug)]
pub enum Dialer {
    /// By connecting to it.
    Direct(HttpConnector),
    /// Through the configured proxy.
    Proxied(Tunnel<HttpConnector>),
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl tower::Service<Uri> for Dialer {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Self::Direct(tcp) => tcp.poll_ready(cx).map_err(BoxError::from),
            Self::Proxied(tunnel) => tunnel.poll_ready(cx).map_err(BoxError::from),
        }
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        match self {
            Self::Direct(tcp) => {
                let stream = tcp.call(uri);
                Box::pin(async { Ok(stream.await?) })
            }
            Self::Proxied(tunnel) => {
                let stream = tunnel.call(uri);
                Box::pin(async { Ok(stream.await?) })
            }
        }
    }
}
