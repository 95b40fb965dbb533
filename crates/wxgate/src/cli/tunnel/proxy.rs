//! The proxy itself: CONNECT, and requests with whole URLs. For WeChat's hosts it ends TLS; to a host that was allowed it is a
//! blind tunnel; every other is refused with a text that says how to allow it.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::uri::Scheme;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::authority::Authority;
use super::hosts::{Hosts, Way};
use super::peer;
use super::relay::Relay;
use crate::cli::run::notice;
use crate::lang::{Words, say};
use crate::limits::Limits;
use crate::net::{AnyBody, Unanswered, why};
use crate::tasks::Tasks;

/// Connections at once; more wait until one has ended.
const CONNECTIONS: usize = 1024;
/// A tunnel in which nothing moves for so long is closed.
const IDLE: Duration = Duration::from_secs(600);
/// Bytes that a tunnel holds, in each direction.
const PIECE: usize = 16 << 10;
/// Refused hosts that are told of, each once.
const TOLD: usize = 64;

/// A place among the connections, for as long as anything of one goes on.
type Place = Arc<OwnedSemaphorePermit>;
/// What is left when a connection can't go on: it is closed without an answer, as what it led to was.
type Closed = Unanswered;

/// See the module.
pub(super) struct Proxy {
    hosts: Hosts,
    relay: Relay,
    tls: TlsAcceptor,
    tasks: Tasks,
    places: Arc<Semaphore>,
    told: Mutex<BTreeSet<String>>,
}

impl Proxy {
    pub(super) fn new(hosts: Hosts, relay: Relay, authority: &Authority, tasks: Tasks) -> Self {
        let tls = TlsAcceptor::from(authority.server.clone());
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        Self { hosts, relay, tls, tasks, places, told: Mutex::default() }
    }

    /// Accepts connections for as long as the run lasts.
    pub(super) async fn serve(self: Arc<Self>, listener: TcpListener) {
        // Never closed.
        while let Ok(place) = self.places.clone().acquire_owned().await {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    self.tasks.spawn(self.clone().connection(stream, peer, Arc::new(place)));
                }
                // Out of files, say: others may come free.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, place: Place) {
        let Ok(own) = stream.local_addr() else { return };
        // Whoever else is on this machine could call WeChat here with our key.
        if stream.set_nodelay(true).is_err() || !peer::is_own(peer, own) {
            return;
        }
        let service = service_fn(|request| self.clone().asked(request, place.clone()));
        let connection = builder(self.relay.limits()).serve_connection(TokioIo::new(stream), service);
        // It ends in an error when the client does: nobody is left to tell.
        let _ended = connection.with_upgrades().await;
    }

    /// What a client asks of a proxy.
    async fn asked(
        self: Arc<Self>,
        mut request: Request<Incoming>,
        place: Place,
    ) -> Result<Response<AnyBody>, Closed> {
        let Some((host, port)) = target(request.uri()) else { return Ok(no_proxy_request()) };
        let way = self.hosts.way(&host, port);
        let is_tunnel = request.method() == Method::CONNECT;
        match way {
            Way::Refused => Ok(self.refuse(&host, port)),
            Way::Ours if is_tunnel => {
                let upgrade = hyper::upgrade::on(&mut request);
                self.tasks.spawn(self.clone().inside(upgrade, host, port, place));
                Ok(Response::new(empty()))
            }
            Way::Allowed if is_tunnel => Ok(self.tunnel(request, &host, port, place).await),
            Way::Ours => self.answer(&host, request).await,
            Way::Allowed => {
                let answer = Box::pin(self.relay.pass_on(request)).await;
                or_unreachable(answer, &format!("{host}:{port}"))
            }
        }
    }

    /// The connection to a host of WeChat's, behind CONNECT.
    async fn inside(self: Arc<Self>, upgrade: OnUpgrade, host: String, port: u16, _place: Place) {
        let Ok(stream) = upgrade.await else { return };
        let stream = TokioIo::new(stream);
        if port == 80 {
            return self.wechat(stream, host).await;
        }
        let handshake = self.tls.accept(stream);
        if let Ok(Ok(stream)) = timeout(self.relay.limits().handshake_time, handshake).await {
            self.wechat(stream, host).await;
        }
    }

    /// Answers as WeChat, by the relay.
    async fn wechat(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        host: String,
    ) {
        let host = &*host;
        let service = service_fn(|request| {
            let this = self.clone();
            async move { this.answer(host, request).await }
        });
        let _ended = builder(self.relay.limits()).serve_connection(TokioIo::new(stream), service).await;
    }

    async fn answer(&self, host: &str, request: Request<Incoming>) -> Result<Response<AnyBody>, Closed> {
        let answer = Box::pin(self.relay.pass(host, request)).await;
        or_unreachable(answer, self.relay.place())
    }

    /// A stream to a host that was allowed; nothing is read in it.
    async fn tunnel(
        &self,
        mut request: Request<Incoming>,
        host: &str,
        port: u16,
        place: Place,
    ) -> Response<AnyBody> {
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let connect = TcpStream::connect((name, port));
        let there = match timeout(self.relay.limits().connect_time, connect).await {
            Ok(Ok(there)) => there,
            Ok(Err(error)) => return unreachable(&format!("{host}:{port}"), &same(&error.to_string())),
            Err(_) => {
                return unreachable(&format!("{host}:{port}"), &Words::fixed("超时", "it took too long"));
            }
        };
        let upgrade = hyper::upgrade::on(&mut request);
        self.tasks.spawn(async move {
            // It ends when either end does.
            let _ended = between(upgrade, there).await;
            drop(place);
        });
        Response::new(empty())
    }

    /// Says no, and once on standard error, for most SDKs show nobody what a proxy says.
    fn refuse(&self, host: &str, port: u16) -> Response<AnyBody> {
        let words = refusal(host, port);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < TOLD && told.insert(format!("{host}:{port}")) {
            notice(&format!("wxgate run{}{words}", say("：", ": ")));
        }
        text(StatusCode::FORBIDDEN, &words)
    }
}

fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_buf_size(limits.head)
        .max_header_size(limits.head);
    builder
}

/// The host and port that a proxy is asked for; `None`: it is asked as if it were a server itself.
fn target(uri: &Uri) -> Option<(String, u16)> {
    let authority = uri.authority()?;
    let default = if uri.scheme() == Some(&Scheme::HTTP) { 80 } else { 443 };
    Some((authority.host().to_owned(), authority.port_u16().unwrap_or(default)))
}

/// Carries bytes both ways until one end has had enough, or both are silent for too long.
async fn between(upgrade: OnUpgrade, there: TcpStream) -> io::Result<()> {
    let here: Upgraded = upgrade.await.map_err(io::Error::other)?;
    let (mut from_here, mut to_here) = tokio::io::split(TokioIo::new(here));
    let (mut from_there, mut to_there) = there.into_split();
    let moved = AtomicUsize::new(0);
    tokio::try_join!(
        pump(&mut from_here, &mut to_there, &moved),
        pump(&mut from_there, &mut to_here, &moved),
    )?;
    Ok(())
}

/// One way; `moved` tells either of the other's pieces.
async fn pump(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    moved: &AtomicUsize,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let before = moved.load(Ordering::Relaxed);
        match timeout(IDLE, from.read(&mut piece)).await {
            Ok(read) => match read? {
                0 => return to.shutdown().await,
                length => {
                    moved.fetch_add(1, Ordering::Relaxed);
                    timeout(IDLE, to.write_all(&piece[..length])).await??;
                }
            },
            Err(idle) if moved.load(Ordering::Relaxed) == before => return Err(idle.into()),
            Err(_) => {}
        }
    }
}

/// An answer that couldn't be had is told; one that broke off breaks off here as well.
fn or_unreachable(
    answer: Result<Response<AnyBody>, Unanswered>,
    place: &str,
) -> Result<Response<AnyBody>, Closed> {
    match answer {
        Err(error) if error.is_connect() => Ok(unreachable(place, &why(&error))),
        answer => answer,
    }
}

fn unreachable(place: &str, why: &Words) -> Response<AnyBody> {
    let words =
        Words::new(format!("连不上 {place}：{}", why.zh), format!("{place} can't be reached: {}", why.en));
    text(StatusCode::BAD_GATEWAY, &words)
}

fn refusal(host: &str, port: u16) -> Words {
    Words::new(
        format!("不让访问 {host}:{port}，这里只有微信的域名：确要访问就加上 --allow {host}:{port}"),
        format!(
            "{host}:{port} isn't WeChat's, so it is refused: to let it through, give --allow {host}:{port}"
        ),
    )
}

fn no_proxy_request() -> Response<AnyBody> {
    let words = Words::fixed(
        "这是 wxgate run 的代理，只给它运行的命令用",
        "this is the proxy of wxgate run, for the command that it runs",
    );
    text(StatusCode::BAD_REQUEST, &words)
}

fn same(words: &str) -> Words {
    Words::new(words.to_owned(), words.to_owned())
}

fn text(status: StatusCode, words: &Words) -> Response<AnyBody> {
    let body = Full::new(Bytes::from(format!("{words}\n"))).map_err(|never: Infallible| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert("x-wxgate-error", HeaderValue::from_static("1"));
    answer
}

fn empty() -> AnyBody {
    Full::default().map_err(|never: Infallible| match never {}).boxed_unsync()
}
