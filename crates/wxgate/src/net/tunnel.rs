//! Streams through an HTTP proxy, by CONNECT.

use std::pin::pin;

use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHORIZATION, USER_AGENT};
use http::uri::Scheme;
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::ServiceExt as _;

use super::{BoxError, Resolver};
use crate::entries::Proxy;

/// Why a proxy gave no stream. None of them names its user or password.
#[derive(Debug, thiserror::Error)]
pub(super) enum TunnelError {
    #[error("the proxy {proxy} can't be reached")]
    Unreachable { proxy: String, source: BoxError },
    #[error("the proxy {proxy} refused: HTTP {status}")]
    Refused { proxy: String, status: StatusCode },
    #[error("the proxy {proxy} did not answer as an HTTP proxy")]
    Broken { proxy: String, source: BoxError },
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Tunnel {
    proxy: Proxy,
    tcp: HttpConnector<Resolver>,
}

impl Tunnel {
    pub(super) fn new(proxy: Proxy, tcp: HttpConnector<Resolver>) -> Self {
        Self { proxy, tcp }
    }

    /// A stream to the host of `uri`.
    pub(super) async fn connect(self, uri: Uri) -> Result<TcpStream, BoxError> {
        let name = || self.proxy.name().to_owned();
        let stream = self.tcp.clone().oneshot(self.proxy.uri.clone()).await;
        let stream =
            stream.map_err(|error| TunnelError::Unreachable { proxy: name(), source: error.into() })?;
        let broken = |error: hyper::Error| TunnelError::Broken { proxy: name(), source: error.into() };
        let (mut sender, connection) = http1::handshake(stream).await.map_err(broken)?;
        let request = self.request(&uri)?;
        let asked = async move {
            let answer = sender.send_request(request).await.map_err(broken)?;
            if !answer.status().is_success() {
                return Err(TunnelError::Refused { proxy: name(), status: answer.status() });
            }
            hyper::upgrade::on(answer).await.map_err(broken)
        };
        let (mut asked, mut connection) = (pin!(asked), pin!(connection.with_upgrades()));
        let upgraded = tokio::select! {
            biased;
            upgraded = &mut asked => upgraded,
            // What went wrong there, the request is told as well.
            _ = &mut connection => asked.await,
        };
        let parts = upgraded?.downcast::<TokioIo<TcpStream>>();
        let parts = parts.map_err(|_| "the proxy's stream is of another kind")?;
        if !parts.read_buf.is_empty() {
            return Err("the proxy sent something before the tunnel was used".into());
        }
        Ok(parts.io.into_inner())
    }

    fn request(&self, uri: &Uri) -> Result<Request<Empty<Bytes>>, BoxError> {
        let default = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
        let host = uri.host().ok_or("the URL has no host")?;
        let target = format!("{host}:{}", uri.port_u16().unwrap_or(default));
        let mut request = Request::builder()
            .method(Method::CONNECT)
            .uri(target.as_str())
            .header(HOST, target.as_str())
            .header(USER_AGENT, HeaderValue::from_static(concat!("wxgate/", env!("CARGO_PKG_VERSION"))));
        if let Some(authorization) = &self.proxy.authorization {
            request = request.header(PROXY_AUTHORIZATION, authorization);
        }
        Ok(request.body(Empty::new())?)
    }
}
