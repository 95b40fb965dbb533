//! What the Rust yardsticks share: a current-thread hyper server, as fast as hyper gets ([`serve`]), the same over TLS
//! ([`tls`]), and a load of requests ([`load`]).

pub mod load;
pub mod tls;
pub mod wire;

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Serves `answer` at `address`, for ever, on one thread.
pub fn serve<F>(address: SocketAddr, answer: F) -> std::io::Result<()>
where
    F: Fn(Request<Incoming>) -> Response<Full<Bytes>> + Clone + 'static,
{
    each_connection(address, move |stream| speak(stream, answer.clone()))
}

/// Runs `connection` for each that comes to `address`, for ever, on one thread.
fn each_connection<F, C>(address: SocketAddr, connection: F) -> std::io::Result<()>
where
    F: Fn(TcpStream) -> C,
    C: Future<Output: 'static> + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        let listener = tokio::net::TcpListener::bind(address).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::task::spawn_local(connection(stream));
        }
    })
}

/// HTTP on one connection: hyper's own future and nothing around it, for the plain server is a limit, in memory as well.
fn speak<S, F>(stream: S, answer: F) -> impl Future<Output = hyper::Result<()>>
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Fn(Request<Incoming>) -> Response<Full<Bytes>>,
{
    let service = service_fn(move |request| {
        let response = answer(request);
        async move { Ok::<_, Infallible>(response) }
    });
    http1::Builder::new().serve_connection(TokioIo::new(stream), service)
}

/// JSON, with a length.
pub fn json(body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    let json = hyper::header::HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
    response
}
