//! A sandbox on a hand-moved clock, and a client.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sandbox::Sandbox;
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(crate) const OFFICIAL: &str = "wx00000000000000a1";
pub(crate) const MINI: &str = "wx00000000000000b2";

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {:?}", self.body))
    }

    pub(crate) fn errcode(&self) -> i64 {
        self.json()["errcode"].as_i64().unwrap_or(0)
    }
}

pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    now: Arc<AtomicI64>,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl World {
    pub(crate) async fn start() -> Self {
        let now = Arc::new(AtomicI64::new(1_795_305_600_000));
        let clock = now.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, Arc::new(move || clock.load(Ordering::Relaxed)));
        Self { sandbox, now, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    pub(crate) fn advance(&self, secs: i64) {
        self.now.fetch_add(secs * 1000, Ordering::Relaxed);
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: &str) -> Result<Reply, String> {
        let uri = format!("{}{path}", self.sandbox.url());
        let request =
            Request::builder().method(method).uri(uri).body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        let response = self.client.request(request).await.map_err(|error| format!("{error:?}"))?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| format!("{error:?}"))?.to_bytes();
        Ok(Reply { status: head.status.as_u16(), headers: head.headers, body })
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, "").await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, &body.to_string()).await.unwrap()
    }

    pub(crate) async fn control(&self, name: &str, body: Value) -> Value {
        let reply = self.post(&format!("/sandbox/{name}"), body).await;
        assert_eq!(reply.status, 200, "{name}: {:?}", reply.body);
        reply.json()
    }

    pub(crate) async fn state(&self) -> Value {
        self.get("/sandbox/state").await.json()
    }

    pub(crate) async fn classic(&self) -> Value {
        let secret = "a1".repeat(16);
        self.get(&format!("/cgi-bin/token?grant_type=client_credential&appid={OFFICIAL}&secret={secret}"))
            .await
            .json()
    }

    pub(crate) async fn stable_of(&self, appid: &str, force: bool) -> Value {
        let secret = if appid == MINI { "b2" } else { "a1" }.repeat(16);
        let body = json!({"grant_type": "client_credential", "appid": appid, "secret": secret, "force_refresh": force});
        self.post("/cgi-bin/stable_token", body).await.json()
    }

    pub(crate) async fn stable(&self, force: bool) -> Value {
        self.stable_of(OFFICIAL, force).await
    }

    /// What a business call with this token answers.
    pub(crate) async fn try_token(&self, token: &Value) -> i64 {
        let token = token["access_token"].as_str().unwrap();
        self.get(&format!("/cgi-bin/getcallbackip?access_token={token}")).await.errcode()
    }

    pub(crate) async fn token(&self, appid: &str) -> String {
        self.stable_of(appid, false).await["access_token"].as_str().unwrap().to_owned()
    }
}
