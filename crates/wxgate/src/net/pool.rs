//! Connections to hosts, kept between requests. A connection goes back with the last byte of its answer, before whoever reads
//! the answer knows that it ended, and nobody connects while one is free: there are never more connections than there were
//! requests at once.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
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
    free: Mutex<HashMap<Host, Vec<Free>>>,
    /// So long one is kept without a request.
    rest: Duration,
    /// So many for a host.
    most: usize,
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
        Self(Arc::new(Inner { connector, free: Mutex::default(), rest, most }))
    }

    /// Sends `request`; the answer's body is still to be read.
    pub(super) async fn request(
        &self,
        request: Request<RequestBody>,
    ) -> Result<Response<Answered>, Unanswered> {
        let uri = request.uri().clone();
        let (host, mut request) = addressed(request).map_err(|error| Unanswered::Connect(error.into()))?;
        loop {
            let (mut sender, is_new) = match self.0.take(&host) {
                Some(sender) => (sender, false),
                None => (self.0.connect(&uri).await?, true),
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
    /// The one that was free last and still lives.
    fn take(&self, host: &Host) -> Option<Sender> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let of_host = free.get_mut(host)?;
        while let Some(Free { sender, since }) = of_host.pop() {
            if !sender.is_closed() && since.elapsed() < self.rest {
                return Some(sender);
            }
        }
        // Hosts of deliveries come and go.
        free.remove(host);
        None
    }

    fn put(&self, host: Host, sender: Sender) {
        if sender.is_closed() {
            return;
        }
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let of_host = free.entry(host).or_default();
        // The oldest first: those that rest for too long, or were closed.
        let gone = |one: &Free| one.sender.is_closed() || one.since.elapsed() >= self.rest;
        of_host.drain(..of_host.iter().take_while(|one| gone(one)).count());
        if of_host.len() < self.most {
            of_host.push(Free { sender, since: Instant::now() });
        }
    }

    async fn connect(&self, uri: &Uri) -> Result<Sender, Unanswered> {
        let stream = self.connector.clone().oneshot(uri.clone()).await.map_err(Unanswered::Connect)?;
        let made = http1::handshake(stream).await;
        let (sender, connection) = made.map_err(|error| Unanswered::Connect(error.into()))?;
        #[expect(clippy::disallowed_methods, reason = "it ends with its sender, and nobody waits for it")]
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// `request` as it is written to a connection, and whom it goes to.
fn addressed<B>(request: Request<B>) -> http::Result<(Host, Request<B>)> {
    let (mut head, body) = request.into_parts();
    let uri::Parts { scheme, authority, path_and_query, .. } = head.uri.into_parts();
    let scheme = scheme.unwrap_or(Scheme::HTTP);
    let authority = authority.unwrap_or_else(|| Authority::from_static("localhost"));
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
        answer.went_home();
        answer
    }

    /// Gives the connection back if nothing more comes.
    fn went_home(&mut self) {
        if self.body.is_end_stream()
            && let Some(Home { pool, host, sender }) = self.home.take()
        {
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
            Some(Ok(_)) => self.went_home(),
            None => {
                if let Some(Home { pool, host, sender }) = self.home.take() {
                    pool.put(host, sender);
                }
            }
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
