//! A backend that gets callbacks: answers as it is told, and keeps what it got.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, Method};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

/// One callback as it came.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) query: String,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
}

impl Got {
    pub(crate) fn param(&self, name: &str) -> String {
        let pairs: HashMap<String, String> =
            url::form_urlencoded::parse(self.query.as_bytes()).into_owned().collect();
        pairs.get(name).cloned().unwrap_or_default()
    }
}

type Answer = Box<dyn Fn(&Got, usize) -> (u16, String, Duration) + Send>;

struct Inner {
    got: Vec<Got>,
    answer: Answer,
}

pub(crate) struct Receiver {
    pub(crate) url: String,
    inner: Arc<Mutex<Inner>>,
    _server: AbortOnDropHandle<()>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/wx?own=1", listener.local_addr().unwrap());
        let answer: Answer = Box::new(|_, _| (200, "success".to_owned(), Duration::ZERO));
        let inner = Arc::new(Mutex::new(Inner { got: Vec::new(), answer }));
        let router = Router::new().fallback(receive).with_state(inner.clone());
        let server = TaskTracker::new().spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, inner, _server: AbortOnDropHandle::new(server) }
    }

    /// What it answers from now on: status, body, delay, by callback and its number.
    pub(crate) fn answers(&self, answer: impl Fn(&Got, usize) -> (u16, String, Duration) + Send + 'static) {
        self.inner.lock().unwrap().answer = Box::new(answer);
    }

    /// What it got since it was asked last.
    pub(crate) fn take(&self) -> Vec<Got> {
        std::mem::take(&mut self.inner.lock().unwrap().got)
    }
}

async fn receive(
    State(inner): State<Arc<Mutex<Inner>>>,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> (axum::http::StatusCode, String) {
    let got = Got {
        query: query.unwrap_or_default(),
        content_type: headers.get("content-type").map_or("", |v| v.to_str().unwrap()).to_owned(),
        body,
    };
    if method == Method::GET {
        return (axum::http::StatusCode::OK, got.param("echostr"));
    }
    let (status, text, delay) = {
        let mut inner = inner.lock().unwrap();
        inner.got.push(got.clone());
        (inner.answer)(&got, inner.got.len())
    };
    tokio::time::sleep(delay).await;
    (axum::http::StatusCode::from_u16(status).unwrap(), text)
}
