//! An upstream that answers when it is told to: as WeChat or as a backend, it is as slow as a test needs it.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use wxgate::limits::Limits;

use crate::app::{MINI, OFFICIAL, Reply, TestApp};

/// Anybody may call.
pub(crate) const OPEN: &str = "[auth]\nmode = \"off\"";

/// A bound that a test made as short as this.
pub(crate) const SHORT: Duration = Duration::from_millis(200);
/// Less than any bound at its default.
const SOON: Duration = Duration::from_millis(2500);

/// What `work` gives, which is not kept waiting by a bound at its default.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, work).await.expect("it is over soon")
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// See the module.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) url: String,
    arrived: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
    /// What comes at once of an answer, and what is held back; if nothing comes at once, neither does the head.
    says: Arc<Mutex<(Bytes, Bytes)>>,
}

impl Held {
    /// It holds back all it says, which is a session.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let session = Bytes::from_static(br#"{"openid":"o","session_key":"k"}"#);
        let this = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            arrived: Arc::default(),
            gate: Arc::new(Semaphore::new(0)),
            says: Arc::new(Mutex::new((Bytes::new(), session))),
        };
        let server = this.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                let service = service_fn(move |request| server.clone().answer(request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        this
    }

    /// A gateway within `limits` whose WeChat this is.
    pub(crate) async fn as_wechat(&self, more: &str, limits: Limits) -> TestApp {
        let mut app = TestApp::limited(more, limits).await;
        let text = app.text().replace(&app.sandbox.url(), &self.url);
        app.restart_with(&text).await;
        app
    }

    pub(crate) fn says(&self, first: impl Into<Bytes>, rest: impl Into<Bytes>) {
        *self.says.lock().unwrap() = (first.into(), rest.into());
    }

    /// Lets so many answers go, the next ones too.
    pub(crate) fn release(&self, count: usize) {
        self.gate.add_permits(count);
    }

    /// Waits until `call` is here, one of so many in all.
    pub(crate) async fn gets(&self, count: usize, call: impl Future<Output = Reply>) {
        let arrived = async {
            while self.arrived.load(Ordering::SeqCst) < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            reply = call => panic!("it is not held: {:?}", reply.body),
            () = arrived => {}
        }
    }

    pub(crate) fn arrived(&self) -> usize {
        self.arrived.load(Ordering::SeqCst)
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
        if request.uri().path() == "/cgi-bin/stable_token" {
            let token = Bytes::from_static(br#"{"access_token":"t","expires_in":7200}"#);
            return Ok(Response::new(Full::new(token).boxed_unsync()));
        }
        request.into_body().collect().await?;
        let (first, rest) = self.says.lock().unwrap().clone();
        self.arrived.fetch_add(1, Ordering::SeqCst);
        let pass = async move || self.gate.acquire().await.unwrap().forget();
        if first.is_empty() {
            pass().await;
            return Ok(Response::new(Full::new(rest).boxed_unsync()));
        }
        let later = stream::once(Box::pin(async move {
            pass().await;
            rest
        }));
        let frames = stream::StreamExt::chain(stream::iter([first]), later);
        let frames = stream::StreamExt::map(frames, |data| Ok(Frame::data(data)));
        Ok(Response::new(StreamBody::new(frames).boxed_unsync()))
    }
}

/// A service call; one code is asked for once.
pub(crate) async fn session(app: &TestApp, headers: &[(&str, &str)], code: &str) -> Reply {
    app.call_with("code2session", headers, serde_json::json!({"appid": MINI, "code": code})).await
}

/// A call to be passed on.
pub(crate) async fn users(app: &TestApp, headers: &[(&str, &str)]) -> Reply {
    app.get("/cgi-bin/user/get", &[headers, &[("x-wx-appid", OFFICIAL)]].concat()).await
}
