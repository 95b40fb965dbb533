//! Connections to hosts, kept between requests. A connection goes back with the last byte of its answer, before whoever reads
//! the answer knows that it ended, and nobody connects while one is free: there are never more connections than there were
//! requests at once.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, HeaderValue};
use http::uri::{self, Authority, Scheme};
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use tokio::time::Instant;
use tower::ServiceExt as _;

use super::{BoxError, Connector, RequestBody};

type Sender = http1::SendRequest<RequestBody>;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// Nothing was sent: no connection could be made.
    #[error("no connection")]
    Connect(#[source] BoxError),
    /// It may have been received.
    #[error("no answer")]
    Sent(#[source] hyper::Error),
}

impl Unanswered {
    /// Whether nothing was sent.
    pub fn is_connect(&self) -> bool {
        matches!(self, Self::Connect(_))
    }
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub(super) struct Pool(Arc<Inner>);

struct Inner {
    connector: Connector,
    kept: Mutex<Kept>,
    /// So long one is kept without a request.
    rest: Duration,
    /// So many for a host.
    most: usize,
}

#[derive(Default)]
struct Kept {
    /// By host; the one that came back last is the last.
    free: HashMap<Host, Vec<Free>>,
    /// Somebody closes those that rest for too long.
    is_swept: bool,
}

/// Whom a connection leads to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Host(Scheme, Authority);

struct Free {
    sender: Sender,
    since: Instant,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}

impl Pool {
    pub(super) fn new(connector: Connector, rest: Duration, most: usize) -> Self {
        Self(Arc::new(Inner { connector, kept: Mutex::default(), rest, most }))
    }

    /// Sends `request`; the answer's body is still to be read.
    pub(super) async fn request(
        &self,
        request: Request<RequestBody>,
    ) -> Result<Response<Answered>, Unanswered> {
        let (host, mut request) = addressed(request).map_err(Unanswered::Connect)?;
        loop {
            let (mut sender, is_new) = match self.0.take(&host) {
                Some(sender) => (sender, false),
                None => (self.0.connect(&host).await?, true),
            };
            if let Err(error) = sender.ready().await {
                if is_new {
                    return Err(Unanswered::Connect(error.into()));
                }
                continue;
            }
            match sender.try_send_request(request).await {
                Ok(answer) => {
                    let home = Home { pool: self.0.clone(), host, sender };
                    return Ok(answer.map(|body| Answered::new(body, home)));
                }
                Err(mut error) => match error.take_message() {
                    // It ended while it was free: nothing of the request went out.
                    Some(unsent) if !is_new => request = unsent,
                    _ => return Err(Unanswered::Sent(error.into_error())),
                },
            }
        }
    }
}

impl Inner {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_fit(&self, one: &Free) -> bool {
        !one.sender.is_closed() && one.since.elapsed() < self.rest
    }

    /// The one that was free last and still lives.
    fn take(&self, host: &Host) -> Option<Sender> {
        let mut kept = self.kept();
        let free = kept.free.get_mut(host)?;
        while let Some(one) = free.pop() {
            if self.is_fit(&one) {
                return Some(one.sender);
            }
        }
        None
    }

    fn put(self: Arc<Self>, host: Host, sender: Sender) {
        let mut kept = self.kept();
        let free = kept.free.entry(host).or_default();
        if free.len() >= self.most {
            free.remove(0);
        }
        free.push(Free { sender, since: Instant::now() });
        if !std::mem::replace(&mut kept.is_swept, true) {
            #[expect(clippy::disallowed_methods, reason = "it ends with the pool, and nobody waits for it")]
            tokio::spawn(sweep(self.rest, Arc::downgrade(&self)));
        }
    }

    async fn connect(&self, Host(scheme, authority): &Host) -> Result<Sender, Unanswered> {
        let uri = Uri::builder().scheme(scheme.clone()).authority(authority.clone()).path_and_query("/");
        let uri = uri.build().map_err(|error| Unanswered::Connect(error.into()))?;
        let stream = self.connector.clone().oneshot(uri).await.map_err(Unanswered::Connect)?;
        let made = http1::handshake(stream).await;
        let (sender, connection) = made.map_err(|error| Unanswered::Connect(error.into()))?;
        #[expect(clippy::disallowed_methods, reason = "it ends with its sender, and nobody waits for it")]
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// Closes what rests for too long, until nothing is left.
async fn sweep(rest: Duration, pool: Weak<Inner>) {
    loop {
        tokio::time::sleep(rest).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut kept = pool.kept();
        kept.free.retain(|_, free| {
            free.retain(|one| pool.is_fit(one));
            !free.is_empty()
        });
        if kept.free.is_empty() {
            kept.is_swept = false;
            return;
        }
    }
}

/// `request` as it is written to a connection, and whom it goes to.
fn addressed<B>(request: Request<B>) -> Result<(Host, Request<B>), BoxError> {
    let (mut head, body) = request.into_parts();
    let uri::Parts { scheme, authority, path_and_query, .. } = head.uri.into_parts();
    let (Some(scheme), Some(authority)) = (scheme, authority) else {
        return Err("the URL has no host".into());
    };
    let default = if scheme == Scheme::HTTPS { 443 } else { 80 };
    let name = match authority.port_u16() {
        Some(port) if port != default => authority.as_str().rsplit('@').next().unwrap_or_default(),
        _ => authority.host(),
    };
    head.headers.entry(HOST).or_insert(HeaderValue::from_str(name)?);
    let mut origin = uri::Parts::default();
    origin.path_and_query = path_and_query;
    head.uri = Uri::from_parts(origin)?;
    Ok((Host(scheme, authority), Request::from_parts(head, body)))
}

/// Where a connection goes back to.
struct Home {
    pool: Arc<Inner>,
    host: Host,
    sender: Sender,
}

/// An answer's body. Dropped before its end it takes its connection along.
pub struct Answered {
    body: Incoming,
    home: Option<Home>,
}

impl fmt::Debug for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answered").field("body", &self.body).finish_non_exhaustive()
    }
}

impl Answered {
    fn new(body: Incoming, home: Home) -> Self {
        let mut answer = Self { body, home: Some(home) };
        if answer.body.is_end_stream() {
            answer.end();
        }
        answer
    }

    /// Gives the connection back: nothing more comes.
    fn end(&mut self) {
        if let Some(Home { pool, host, sender }) = self.home.take() {
            pool.put(host, sender);
        }
    }
}

impl Body for Answered {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Err(_)) => self.home = None,
            Some(Ok(_)) if !self.body.is_end_stream() => {}
            Some(Ok(_)) | None => self.end(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full};
    use hyper_util::client::legacy::connect::HttpConnector;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;
    use tokio::task::JoinSet;

    use super::*;
    use crate::limits::Limits;
    use crate::net::{Client, Dialer, Resolver};
    use crate::tls::Authorities;

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn one_connection_serves_one_after_the_other_and_is_closed_when_it_rests() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, mut told) = mpsc::unbounded_channel();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tell.send("opened").unwrap();
                let mut buffer = [0; 1024];
                while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
                }
                tell.send("closed").unwrap();
            }
        });
        let tls = Authorities::default().client_config().unwrap();
        let dialer = Dialer::Direct(HttpConnector::new_with_resolver(Resolver::machine()));
        let rest = Duration::from_millis(300);
        let client = Client::over(dialer, tls, rest, 8, &Limits::default(), 1);
        let ask = || async {
            let request = Request::get(format!("http://{address}/")).body(Full::default()).unwrap();
            let sent = tokio::time::timeout(SOON, client.send(request));
            let answer = sent.await.expect("one connection is enough").unwrap();
            assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok");
        };
        for _ in 0..5 {
            ask().await;
        }
        for expected in ["opened", "closed"] {
            let told = tokio::time::timeout(SOON, told.recv()).await.expect("soon");
            assert_eq!(told, Some(expected));
        }
        ask().await;
        assert_eq!(told.recv().await, Some("opened"), "and the next one opens another");
    }

    #[tokio::test]
    async fn a_request_to_nowhere_is_not_sent() {
        let tls = Authorities::default().client_config().unwrap();
        let client = Client::new(None, tls, &Limits::default(), 1);
        let error = client.send(Request::get("/path").body(Full::default()).unwrap()).await.unwrap_err();
        assert!(error.is_connect(), "{error:?}");
    }
}
