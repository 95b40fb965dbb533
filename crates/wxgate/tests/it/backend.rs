//! A backend that messages are delivered to: keeps what it got and answers as it is told.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use wechat::message::Message;

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// As the message it brought, in the clear.
    pub(crate) fn message(&self) -> Message {
        Message::parse(&self.body).unwrap()
    }
}

/// What a backend does with a request.
#[derive(Clone, Debug)]
pub(crate) struct Does {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
    /// Before the answer's head.
    pub(crate) after: Duration,
    /// After the body comes a blank every so often, without end.
    pub(crate) drips: Option<Duration>,
}

pub(crate) fn says(status: u16, body: impl Into<Bytes>) -> Does {
    Does { status, headers: Vec::new(), body: body.into(), after: Duration::ZERO, drips: None }
}

impl Does {
    pub(crate) fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn drips(self, every: Duration) -> Self {
        Self { drips: Some(every), ..self }
    }
}

type Behaviour = Box<dyn Fn(&Got) -> Does + Send>;

/// See the module.
#[derive(Clone)]
pub(crate) struct Backend {
    pub(crate) url: String,
    got: Arc<Mutex<Vec<Got>>>,
    behaviour: Arc<Mutex<Behaviour>>,
}

impl Backend {
    /// One that answers `success`.
    pub(crate) async fn start() -> Self {
        Self::at(0).await
    }

    /// The same on this port.
    pub(crate) async fn at(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let behaviour: Behaviour = Box::new(|_| says(200, "success"));
        let this = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            got: Arc::default(),
            behaviour: Arc::new(Mutex::new(behaviour)),
        };
        let server = this.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                let service = service_fn(move |request| server.clone().answer(request));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        this
    }

    pub(crate) fn does(&self, behaviour: impl Fn(&Got) -> Does + Send + 'static) {
        *self.behaviour.lock().unwrap() = Box::new(behaviour);
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.got.lock().unwrap().len()
    }

    async fn answer(
        self,
        request: Request<Incoming>,
    ) -> Result<Response<UnsyncBoxBody<Bytes, Infallible>>, hyper::Error> {
        let (head, body) = request.into_parts();
        let got = Got {
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body: body.collect().await?.to_bytes(),
        };
        let does = (self.behaviour.lock().unwrap())(&got);
        self.got.lock().unwrap().push(got);
        tokio::time::sleep(does.after).await;
        let mut response = Response::builder().status(does.status);
        for (name, value) in does.headers {
            response = response.header(name, value);
        }
        let body = match does.drips {
            None => Full::new(does.body).boxed_unsync(),
            Some(every) => {
                let first = Some(does.body);
                let frames = futures_util::stream::unfold(first, move |first| async move {
                    let frame = match first {
                        Some(first) => first,
                        None => {
                            tokio::time::sleep(every).await;
                            Bytes::from_static(&[b' '; 1024])
                        }
                    };
                    Some((Ok(Frame::data(frame)), None))
                });
                StreamBody::new(frames).boxed_unsync()
            }
        };
        Ok(response.body(body).unwrap())
    }
}
