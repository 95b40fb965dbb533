//! The world of a test: a sandbox and a gateway on one manual clock, and a client.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sandbox::Sandbox;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use wxgate::clock::{Clock, ManualClock};
use wxgate::config;
use wxgate::entries::{Environment, Mistakes};
use wxgate::gateway::{Listeners, Running, World};
use wxgate::limits::Limits;

use crate::signed::Callback;

pub(crate) const ADMIN_TOKEN: &str = "admin-token-of-the-tests";
pub(crate) const OFFICIAL: &str = "wx00000000000000a1";
pub(crate) const MINI: &str = "wx00000000000000b2";
pub(crate) const EXAMPLE: &str = "wx3cc8fd6963e31a32";
pub(crate) const EXAMPLE_CODE: &str = "031pdDGa1FvFCI0lWyIa1Y0nJC0pdDGt";
pub(crate) const TEMPLATE: &str = "sandbox-template-00000000000000000000000001";

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {:?}", self.body))
    }

    /// `ret.code`
    pub(crate) fn code(&self) -> u64 {
        self.json()["ret"]["code"].as_u64().expect("ret.code")
    }

    pub(crate) fn ret(&self) -> Value {
        self.json()["ret"].clone()
    }

    /// The `body` of a success.
    pub(crate) fn ok(&self) -> Value {
        let json = self.json();
        assert_eq!((self.status, &json["ret"]["code"]), (StatusCode::OK, &json!(0)), "{json}");
        assert_eq!(json["ret"]["msg"], "OK");
        assert_eq!(self.headers["x-request-id"], json["ret"]["request_id"].as_str().unwrap());
        json["body"].clone()
    }

    /// A documented failure: its code, retryable and WeChat's code (0: WeChat did not answer).
    pub(crate) fn fails(&self, code: u64, retryable: bool, wx_errcode: i64) -> Value {
        let json = self.json();
        let ret = &json["ret"];
        let got = (
            ret["code"].as_u64().unwrap(),
            ret["retryable"].as_bool().unwrap(),
            ret["wx_errcode"].as_i64().unwrap_or(0),
        );
        assert_eq!(got, (code, retryable, wx_errcode), "{json}");
        assert_eq!(json["body"], Value::Null);
        assert_eq!(self.headers["x-request-id"], ret["request_id"].as_str().unwrap());
        let msg = ret["msg"].as_str().unwrap();
        assert!(msg.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "not Chinese: {msg}");
        if wx_errcode != 0 {
            assert!(ret["wx_errmsg"].is_string() && ret["wx_rid"].is_string(), "{json}");
        }
        ret.clone()
    }
}

/// A client that keeps connections.
#[derive(Clone)]
pub(crate) struct Http(Client<HttpConnector, Full<Bytes>>);

impl Http {
    pub(crate) fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Reply, String> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let response = self.0.request(request).await.map_err(|e| format!("{e:?}"))?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|e| format!("{e:?}"))?.to_bytes();
        Ok(Reply { status: head.status, headers: head.headers, body })
    }
}

/// A second gateway beside a test's own, on its clock.
pub(crate) struct Beside {
    running: Running,
    /// Where its relative paths begin.
    folder: PathBuf,
    /// Its folder, if that is its own, for as long as it runs.
    _own: Option<tempfile::TempDir>,
}

impl Beside {
    async fn start(clock: Arc<ManualClock>, text: &str, folder: &Path) -> anyhow::Result<Self> {
        let config = config::parse(text, "beside.toml", folder, &Environment::default())?;
        let listeners = Listeners::bind(&config.server).await?;
        let running = wxgate::gateway::start(config, Clock::Manual(clock), listeners).await?;
        Ok(Self { running, folder: folder.to_owned(), _own: None })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.running.address())
    }

    pub(crate) fn admin_url(&self) -> String {
        format!("http://{}", self.running.admin_address())
    }

    /// To reload it.
    pub(crate) fn gateway(&mut self) -> &mut Running {
        &mut self.running
    }

    /// Another configuration for it.
    pub(crate) fn config(&self, text: &str) -> Result<config::Config, Mistakes> {
        config::parse(text, "beside.toml", &self.folder, &Environment::default())
    }

    pub(crate) async fn stop(self) {
        Box::pin(self.running.stop()).await;
    }
}

/// How long a disk that is busy may take to end a gateway.
const BUSY: Duration = Duration::from_secs(10);

const EXPORTER: &str = "key_exporter_0123456789abcdef";

/// See the module.
pub(crate) struct TestApp {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) sandbox: Sandbox,
    pub(crate) http: Http,
    /// What the gateway gets from outside, from its next start on.
    pub(crate) world: World,
    gateway: Option<Running>,
    text: String,
    pub(crate) dir: tempfile::TempDir,
}

impl TestApp {
    /// The sandbox's three accounts, no keys needed.
    pub(crate) async fn start() -> Self {
        Self::configured("[auth]\nmode = \"off\"").await
    }

    /// With this configuration besides listeners, store, WeChat's bases and the three accounts.
    pub(crate) async fn configured(more: &str) -> Self {
        Self::configured_with(more, "timeout = \"10s\"").await
    }

    /// Likewise, within these bounds.
    pub(crate) async fn limited(more: &str, limits: Limits) -> Self {
        let mut app = Self::configured(more).await;
        app.world.limits = limits;
        app.restart().await;
        app
    }

    /// With an account `wxd` of its own in this token mode, and a caller who sees its token: see [`TestApp::exported`].
    pub(crate) async fn exporting(mode: &str) -> Self {
        let secret = "e5".repeat(16);
        let app = Self::configured(&format!(
            "[auth]\nmode = \"off\"\n[[apps]]\nappid = \"wxd\"\nkind = \"official\"\nsecret = \"{secret}\"\ntoken_mode = \"{mode}\"\n\
             [[callers]]\nname = \"exporter\"\nkey = \"{EXPORTER}\"\napps = [\"*\"]\napis = [\"*\"]\nexport_token = true\n"
        ))
        .await;
        app.control("apps", json!({"appid": "wxd", "secret": secret, "kind": "official"})).await;
        app
    }

    /// `wxd`'s token, with what belongs to it.
    pub(crate) async fn exported(&self) -> Value {
        self.get("/v1/service/wx/token?appid=wxd", &[("x-api-key", EXPORTER)]).await.ok()
    }

    /// Likewise, with lines for `[wechat]`.
    pub(crate) async fn configured_with(more: &str, wechat: &str) -> Self {
        // Callbacks carry the machine's time: begin with that.
        let clock = ManualClock::at(Clock::System.now());
        let now = clock.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // WeChat's clock is right, however the gateway's is set.
        let sandbox = Sandbox::start(listener, Arc::new(move || now.ticks()));
        let url = sandbox.url();
        let text = format!(
            "{}{}{}\n{more}\n[wechat]\napi_base = \"{url}\"\nmp_base = \"{url}\"\nopen_base = \"{url}\"\n{wechat}\n",
            r#"
            [server]
            listen = "127.0.0.1:0"
            admin_listen = "127.0.0.1:0"
            shutdown_grace = "5s"
            "#,
            crate::database::store(),
            r#"
            [[apps]]
            appid = "wx00000000000000a1"
            kind = "official"
            tags = ["prod"]
            secret = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"
            original_id = "gh_0000000000a1"
            callback_token = "sandboxtoken"
            aes_key = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
            [[apps]]
            appid = "wx00000000000000b2"
            kind = "mini"
            secret = "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2"
            original_id = "gh_0000000000b2"
            callback_token = "sandboxtoken"
            aes_key = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
            [[apps]]
            appid = "wx3cc8fd6963e31a32"
            kind = "official"
            secret = "c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3"
            original_id = "gh_0000000000c3"
            callback_token = "sandboxtoken"
            "#
        );
        let dir = tempfile::tempdir().unwrap();
        let world = World::from(Clock::Manual(clock.clone()));
        let mut app = Self { clock, sandbox, http: Http::new(), world, gateway: None, text, dir };
        app.begin().await;
        app
    }

    pub(crate) fn config(&self, text: &str) -> Result<config::Config, Mistakes> {
        let environment = [("WXGATE_ADMIN_TOKEN".to_owned(), ADMIN_TOKEN.to_owned())];
        config::parse(text, "test.toml", self.dir.path(), &Environment::from(environment))
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    async fn begin(&mut self) {
        let began = Instant::now();
        self.gateway = Some(loop {
            let config = self.config(&self.text).unwrap();
            let listeners = Listeners::bind(&config.server).await.unwrap();
            match Box::pin(wxgate::gateway::start(config, self.world.clone(), listeners)).await {
                // The gateway before, whose stop is bounded, is still at its last commit: a process would have ended.
                Err(error) if error.to_string().contains("正在使用") && began.elapsed() < BUSY => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                started => break started.unwrap(),
            }
        });
    }

    pub(crate) fn gateway(&mut self) -> &mut Running {
        self.gateway.as_mut().unwrap()
    }

    pub(crate) async fn stop(&mut self) {
        // Idle connections of our own would only make the gateway wait politely.
        self.http = Http::new();
        if let Some(stop) = self.gateway.take().map(Running::stop) {
            Box::pin(stop).await;
        }
    }

    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.begin().await;
    }

    /// Stops, and starts with another configuration.
    pub(crate) async fn restart_with(&mut self, text: &str) {
        self.stop().await;
        self.text = text.to_owned();
        self.begin().await;
    }

    /// A second gateway on this test's clock, with another configuration and a folder of its own. The
    /// environment is empty: it has no admin token.
    pub(crate) async fn beside(&self, text: &str) -> Beside {
        let dir = tempfile::tempdir().unwrap();
        let beside = Beside::start(self.clock.clone(), text, dir.path()).await.unwrap();
        Beside { _own: Some(dir), ..beside }
    }

    /// Likewise in this test's folder, whose database only one of them may have open.
    pub(crate) async fn beside_here(&self, text: &str) -> anyhow::Result<Beside> {
        Beside::start(self.clock.clone(), text, self.dir.path()).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.gateway.as_ref().unwrap().address())
    }

    pub(crate) fn admin_url(&self) -> String {
        format!("http://{}", self.gateway.as_ref().unwrap().admin_address())
    }

    /// A service call; `source` is added.
    pub(crate) async fn call(&self, name: &str, body: Value) -> Reply {
        self.call_with(name, &[], body).await
    }

    pub(crate) async fn call_with(&self, name: &str, headers: &[(&str, &str)], mut body: Value) -> Reply {
        if body.get("source").is_none() {
            body["source"] = "test".into();
        }
        let url = format!("{}/v1/service/wx/{name}", self.url());
        self.http.send(Method::POST, &url, headers, body.to_string()).await.unwrap()
    }

    /// A call that needs the access_token.
    pub(crate) async fn qr_code(&self, appid: &str) -> Reply {
        self.call("getwxqrcode", json!({"appid": appid, "scene": "s"})).await
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.http.send(Method::GET, &format!("{}{path}", self.url()), headers, "").await.unwrap()
    }

    pub(crate) async fn admin(&self, path: &str) -> Reply {
        self.http.send(Method::GET, &format!("{}{path}", self.admin_url()), &[], "").await.unwrap()
    }

    /// The admin API, as an admin.
    pub(crate) async fn api(&self, path: &str) -> Value {
        let url = format!("{}/api/v1/{path}", self.admin_url());
        let bearer = format!("Bearer {ADMIN_TOKEN}");
        let reply = self.http.send(Method::GET, &url, &[("authorization", &bearer)], "").await.unwrap();
        assert_eq!(reply.status, StatusCode::OK, "{path}: {:?}", reply.body);
        reply.json()
    }

    /// What came in, newest first.
    pub(crate) async fn events(&self) -> Vec<Value> {
        self.api("events?limit=500").await["items"].as_array().unwrap().clone()
    }

    /// What became of it, newest first.
    pub(crate) async fn deliveries(&self, filter: &str) -> Vec<Value> {
        self.api(&format!("deliveries?limit=500&{filter}")).await["items"].as_array().unwrap().clone()
    }

    /// Until nothing waits to be delivered.
    pub(crate) async fn all_delivered(&self) {
        self.until("everything is delivered", async || self.deliveries("status=pending").await.is_empty())
            .await;
    }

    /// Unix seconds.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now() / 1000
    }

    /// Sends a callback; `appid` goes into the path.
    pub(crate) async fn callback(&self, appid: Option<&str>, callback: &Callback) -> Reply {
        let appid = appid.map(|appid| format!("/{appid}")).unwrap_or_default();
        let url = format!("{}/v1/service/wx/wxmsg{appid}?{}", self.url(), callback.query);
        self.http
            .send(Method::POST, &url, &[("content-type", "text/xml")], callback.body.clone())
            .await
            .unwrap()
    }

    /// Points the sandbox's callbacks of `appid` here.
    pub(crate) async fn subscribe(&self, appid: &str, mode: &str, format: &str) {
        let url = format!("{}/v1/service/wx/wxmsg/{appid}", self.url());
        self.control("callback", json!({"appid": appid, "url": url, "mode": mode, "format": format})).await;
    }

    /// A control call of the sandbox.
    pub(crate) async fn control(&self, name: &str, body: Value) -> Value {
        let url = format!("{}/sandbox/{name}", self.sandbox.url());
        let reply = self.http.send(Method::POST, &url, &[], body.to_string()).await.unwrap();
        assert_eq!(reply.status, StatusCode::OK, "{name}: {:?}", reply.body);
        if reply.body.is_empty() { Value::Null } else { reply.json() }
    }

    /// A scripted fault, until reset.
    pub(crate) async fn fault(&self, path: &str, fault: Value) {
        self.faults(path, fault, 0).await;
    }

    /// A scripted fault, so many times.
    pub(crate) async fn faults(&self, path: &str, mut fault: Value, times: u32) {
        fault["path"] = path.into();
        fault["times"] = times.into();
        self.control("fault", fault).await;
    }

    pub(crate) async fn state(&self) -> Value {
        let url = format!("{}/sandbox/state", self.sandbox.url());
        self.http.send(Method::GET, &url, &[], "").await.unwrap().json()
    }

    /// How often WeChat was called at `path`, for `appid` if given.
    pub(crate) async fn calls(&self, path: &str, appid: Option<&str>) -> usize {
        let state = self.state().await;
        let calls = state["calls"].as_array().unwrap().iter();
        calls.filter(|call| call["path"] == path && appid.is_none_or(|appid| call["appid"] == appid)).count()
    }

    /// Token calls of both kinds.
    pub(crate) async fn token_calls(&self, appid: Option<&str>) -> usize {
        self.calls("/cgi-bin/stable_token", appid).await + self.calls("/cgi-bin/token", appid).await
    }

    /// A new user's openid for `appid`.
    pub(crate) async fn user(&self, appid: &str) -> String {
        let user = self.control("users", json!({})).await;
        user["openids"][appid].as_str().unwrap().to_owned()
    }

    pub(crate) async fn code(&self, kind: &str, appid: &str, openid: &str) -> String {
        let mut body = json!({"appid": appid, "openid": openid});
        if kind == "oauth" {
            body["scope"] = "snsapi_userinfo".into();
        }
        let given = self.control(&format!("{kind}/code"), body).await;
        given["code"].as_str().unwrap().to_owned()
    }

    /// Lets what waits for the moved clock run.
    pub(crate) async fn advance(&self, by: Duration) {
        self.clock.advance(by);
        tokio::task::yield_now().await;
    }

    /// Waits (in real time, bounded) until `holds`.
    pub(crate) async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        for _ in 0..500 {
            if holds().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never: {what}");
    }
}

/// Counts by key.
pub(crate) fn tally<T: Eq + std::hash::Hash>(items: impl IntoIterator<Item = T>) -> HashMap<T, usize> {
    let mut counts = HashMap::new();
    for item in items {
        *counts.entry(item).or_default() += 1;
    }
    counts
}
