//! Carries a surface: accepts connections, speaks HTTP/1.1 by hyper directly (half the memory of `axum::serve`, and a time
//! limit on reading heads), gives every request its id, writes its outcome down once, and stops without cutting anyone
//! off.

use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::Either;
use http::header::{ACCEPT_LANGUAGE, CONNECTION};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ambiguous::ambiguous;
use super::bare::{Answers, Bare, Known, write_response};
use super::problem::{Unhandled, closing};
use super::{Body, Held, X_REQUEST_ID, folded, is_english, whole};
use crate::clock::Clock;
use crate::lang::say;
use crate::limits::Limits;
use crate::net::{Inbound, Lingering, Stalling};
use crate::outcome::{End, Outcome, Recorder, RequestId};
use crate::problem::Words;
use crate::random::Random;
use crate::registry::callers::contains;
use crate::shares::seats::{Seat, Seats};
use crate::traces::within;
use crate::workers::Workers;

/// In a response's extensions: the connection is closed without it.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("left without an answer")]
struct NoAnswer;

/// A response that is never written: its connection is closed instead. The status is for the log.
pub fn no_answer() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::from_u16(NOT_ANSWERED).unwrap_or(StatusCode::NO_CONTENT);
    response.extensions_mut().insert(NoAnswer);
    response
}

/// TLS settings that a reload may swap; empty: plain HTTP.
pub type Tls = Arc<ArcSwapOption<ServerConfig>>;

/// The status of a request whose client hung up before its answer, in the log.
const HUNG_UP: u16 = 499;
/// And of one that gets none on purpose.
const NOT_ANSWERED: u16 = 444;
/// After `accept` failed, most often for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// So long requests of open connections are still read once the listener is closed.
const LAST_REQUESTS: Duration = Duration::from_millis(100);

/// What is reached through a listener.
pub trait Surface: Send + Sync + 'static {
    /// For the log.
    const NAME: &'static str;

    /// Answers one request; what it learns of it goes into `outcome`.
    fn handle(
        &self,
        request: Request<Inbound>,
        outcome: &mut Outcome,
    ) -> impl Future<Output = Response<Body>> + Send;

    /// Says no where no handler could, in the shape of whatever the path belongs to, and notes that in `outcome`.
    fn refuse(&self, refused: &Unhandled<'_>, outcome: &mut Outcome) -> Response<Full<Bytes>>;
}

/// What every listener of a gateway needs.
#[derive(Clone, Debug)]
pub struct Carrier {
    /// Bounds.
    pub limits: Arc<Limits>,
    /// Time.
    pub clock: Clock,
    /// Request ids.
    pub random: Random,
    /// Where outcomes go.
    pub recorder: Recorder,
    /// Connections, which listeners may share.
    pub seats: Seats,
    /// Whose connections are nobody's until they say whose request they bring.
    pub trusted_proxies: Arc<[IpNet]>,
    /// Where connections are served.
    pub workers: Workers,
    /// While it is cancelled, every answer asks the client to close.
    pub draining: CancellationToken,
}

/// A running listener.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    closing: CancellationToken,
    tracker: TaskTracker,
}

impl Server {
    /// Serves `surface` on `listener`.
    pub fn start<S: Surface>(
        listener: TcpListener,
        tls: Tls,
        carrier: Carrier,
        surface: S,
    ) -> std::io::Result<Self> {
        let server = Self {
            address: listener.local_addr()?,
            closing: CancellationToken::new(),
            tracker: TaskTracker::new(),
        };
        let (closing, tracker) = (server.closing.clone(), server.tracker.clone());
        let connections = Arc::new(Connections { tls, carrier, closing, tracker, surface });
        server.tracker.spawn(connections.accept(listener));
        Ok(server)
    }

    /// Stops accepting, lets every request at work finish, and returns when all are done.
    pub async fn close(&self) {
        self.closing.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Whether no connection is open.
    pub fn is_idle(&self) -> bool {
        self.tracker.len() <= 1
    }
}

struct Connections<S> {
    tls: Tls,
    carrier: Carrier,
    closing: CancellationToken,
    tracker: TaskTracker,
    surface: S,
}

impl<S: Surface> Connections<S> {
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                biased;
                accepted = listener.accept() => accepted,
                () = self.closing.cancelled() => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let peer = peer.ip();
                    let address = (!contains(&self.carrier.trusted_proxies, peer)).then_some(peer);
                    let sitting = tokio::select! {
                        sitting = self.carrier.seats.take(address) => sitting,
                        () = self.closing.cancelled() => return,
                    };
                    let this = self.clone();
                    self.carrier.workers.serve(&self.tracker, stream, move |stream| async move {
                        let seat = sitting.seat().clone();
                        tokio::select! {
                            () = this.connection(stream, peer, &seat) => {}
                            () = seat.must_leave() => tracing::debug!(%peer, "{}", say("它的位置让给了别人", "its place was needed")),
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "{}", say("接受连接失败（常见原因：打开的文件太多，调高 ulimit -n）", "a connection couldn't be accepted (too many open files, most often: raise ulimit -n)"));
                    self.carrier.clock.pause(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, peer: IpAddr, seat: &Arc<Seat>) {
        // Small answers must not wait for the client's acknowledgement of the last one.
        let _ = stream.set_nodelay(true);
        let limits = self.carrier.limits.clone();
        let stream = Stalling::new(stream, limits.silence);
        let stream = Lingering::new(stream, limits.clone(), self.carrier.draining.clone());
        match self.tls.load_full() {
            None => self.serve(stream, peer, seat).await,
            Some(config) => {
                // Boxed, here and below: what has no TLS has no room for it either.
                let handshake = Box::pin(TlsAcceptor::from(config).accept(stream));
                match tokio::time::timeout(limits.handshake_time, handshake).await {
                    Ok(Ok(stream)) => Box::pin(self.serve(stream, peer, seat)).await,
                    Ok(Err(error)) => {
                        tracing::debug!(%peer, %error, "{}", say("TLS 握手失败", "the TLS handshake failed"))
                    }
                    Err(_) => {
                        tracing::debug!(%peer, "{}", say("TLS 握手超时", "the TLS handshake took too long"))
                    }
                }
            }
        }
    }

    async fn serve(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: IpAddr,
        seat: &Arc<Seat>,
    ) {
        let answers = Answers::default();
        let (this, refusing) = (self.clone(), self.clone());
        let stream = Bare::new(stream, answers.clone(), move |status, known: Known<'_>| {
            refusing.bare(status, known, peer)
        });
        let service = service_fn(move |request| {
            let (this, open, seat) = (this.clone(), answers.began(), seat.clone());
            // Hyper keeps room for one as long as the connection lives.
            Box::pin(async move {
                let kept = (open, seat.begins());
                let answer = this.answer(request, peer, seat).await;
                match answer.extensions().get::<NoAnswer>() {
                    Some(none) => Err(*none),
                    None => Ok(answer.map(|body| Held::new(body, kept))),
                }
            })
        });
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.carrier.limits.head_time)
            .max_buf_size(self.carrier.limits.head)
            .max_header_size(self.carrier.limits.head);
        // Boxed: where it is moved about it would be there more than once.
        let mut connection = Box::pin(builder.serve_connection(TokioIo::new(stream), service));
        // The connection first: a request that has arrived is answered before the end is announced.
        let outcome = tokio::select! {
            biased;
            outcome = connection.as_mut() => outcome,
            () = self.closing.cancelled() => {
                // What was on its way when the listener closed is answered still.
                match tokio::time::timeout(LAST_REQUESTS, connection.as_mut()).await {
                    Ok(outcome) => outcome,
                    Err(_) => {
                        connection.as_mut().graceful_shutdown();
                        connection.await
                    }
                }
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(%peer, %error, "{}", say("连接结束", "the connection ended"));
        }
    }

    fn begin(&self, peer: IpAddr, seat: Option<Arc<Seat>>) -> Recording<'_> {
        let Carrier { clock, random, recorder, .. } = &self.carrier;
        let outcome = Outcome::new(RequestId::new(random), peer, S::NAME, clock, seat);
        Recording { outcome, recorder, status: HUNG_UP }
    }

    async fn answer(&self, request: Request<Incoming>, peer: IpAddr, seat: Arc<Seat>) -> Response<Body> {
        let mut recording = self.begin(peer, Some(seat));
        // For what no handler answers: shared, not copied.
        let (uri, language) = (request.uri().clone(), request.headers().get(ACCEPT_LANGUAGE).cloned());
        let no = |status, words, is_ambiguous| {
            let said = language.as_ref().and_then(|said| said.to_str().ok());
            Unhandled {
                status,
                path: Some(uri.path()),
                is_ambiguous,
                words,
                english: said.is_some_and(is_english),
            }
        };
        let (head, body) = request.into_parts();
        let (body, fate) = Inbound::new(body);
        let request = Request::from_parts(head, body);
        let trace = self.carrier.recorder.trace(&mut recording.outcome, request.headers());
        let mut response = match ambiguous(&request) {
            Some(words) => {
                let no = no(StatusCode::BAD_REQUEST, words, true);
                whole(closing(self.refuse(&no, &mut recording.outcome)))
            }
            None => {
                // Boxed: what is moved about within a connection stays small.
                let handled = Box::pin(self.surface.handle(request, &mut recording.outcome));
                let handled = match trace {
                    None => Either::Left(handled),
                    Some(trace) => Either::Right(within(trace, handled)),
                };
                AssertUnwindSafe(handled).catch_unwind().await.unwrap_or_else(|_| {
                    let words = Words::new(
                        "处理请求时崩溃，请凭 request_id 查看日志并报告",
                        "a crash: look up the request_id in the log and report it",
                    );
                    let no = no(StatusCode::INTERNAL_SERVER_ERROR, words, false);
                    whole(self.refuse(&no, &mut recording.outcome))
                })
            }
        };
        let closes = !fate.leaves_nothing().await || self.carrier.draining.is_cancelled();
        self.finish(&mut response, recording.outcome.id, closes);
        recording.status = response.status().as_u16();
        response
    }

    /// What hyper refuses by itself.
    fn bare(&self, status: StatusCode, known: Known<'_>, peer: IpAddr) -> Bytes {
        let mut recording = self.begin(peer, None);
        let words = match status {
            StatusCode::URI_TOO_LONG => Words::new("请求地址太长", "the request's URL is too long"),
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                Words::new("请求头太大", "the request's headers are too large")
            }
            _ => Words::new(
                "请求不是合法的 HTTP/1.1：检查地址里有没有未编码的字符、请求头和长度写得对不对",
                "the request is no valid HTTP/1.1: look for characters in the URL that should be encoded, and at its headers and length",
            ),
        };
        let Known { path, is_ambiguous, language } = known;
        let folded = path.and_then(folded);
        let path = folded.as_deref().or(path);
        let english = language.is_some_and(is_english);
        let told = if language.is_none() { words.both() } else { words.clone() };
        let refused = Unhandled { status, path, is_ambiguous, words: told, english };
        let mut response = self.refuse(&refused, &mut recording.outcome);
        recording.outcome.words = words.said();
        self.finish(&mut response, recording.outcome.id, true);
        recording.status = response.status().as_u16();
        write_response(&response.map(|body| body.into_inner().unwrap_or_default()))
    }

    fn refuse(&self, refused: &Unhandled<'_>, outcome: &mut Outcome) -> Response<Full<Bytes>> {
        outcome.end = if refused.status.is_server_error() { End::Broken } else { End::Refused };
        outcome.words = refused.words.clone().said();
        self.surface.refuse(refused, outcome)
    }

    fn finish<B>(&self, response: &mut Response<B>, id: RequestId, closes: bool) {
        response.headers_mut().insert(X_REQUEST_ID, id.header());
        if closes {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// Writes an outcome down when it is dropped, so that a request whose client hung up leaves its line as well.
struct Recording<'a> {
    outcome: Outcome,
    recorder: &'a Recorder,
    status: u16,
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        self.recorder.record(&self.outcome, self.status);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::callers::CallersSurface;

    type Callers = Arc<Connections<CallersSurface>>;

    fn size<A, F>(_: impl FnOnce(A) -> F) -> usize {
        size_of::<F>()
    }

    /// What each open connection and each request at work holds beside hyper's buffers.
    #[test]
    fn futures_stay_small() {
        let connection = size(|(this, stream, seat): (Callers, TcpStream, &'static Arc<Seat>)| {
            this.connection(stream, IpAddr::from([127, 0, 0, 1]), seat)
        });
        let answer = size(|(this, request, seat): (&'static Callers, Request<Incoming>, Arc<Seat>)| {
            this.answer(request, IpAddr::from([127, 0, 0, 1]), seat)
        });
        let handled = size(
            |(surface, request, outcome): (
                &'static CallersSurface,
                Request<Inbound>,
                &'static mut Outcome,
            )| surface.handle(request, outcome),
        );
        assert!(connection <= 2048 && answer <= 1600 && handled <= 2048, "{connection} {answer} {handled}");
    }
}
