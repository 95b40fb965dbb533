//! What a fault needs around it: WeChat that sends and remembers, a backend that receives and
//! remembers, and between them `wxgate serve` as a process that can be killed and started again.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wechat::crypt::AesKey;
use wechat::envelope::{self, Keys, Stamp};
use wechat::message::Message;
use wxgate::clock::Clock;

pub(crate) const APPID: &str = "wx00000000000000a1";
const TOKEN: &str = "token-of-the-callbacks";
const AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
const ADMIN_TOKEN: &str = "admin-token-of-the-fault-tests";

/// WeChat waits this long for an answer.
pub(crate) const WECHAT_WAITS: Duration = Duration::from_secs(5);
/// `server.shutdown_grace` of every gateway here.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
/// Connections WeChat holds at most.
const CONCURRENT: usize = 16;

/// Every fifth message wants a reply.
pub(crate) fn wants_reply(n: u64) -> bool {
    n.is_multiple_of(5)
}

/// Message `n`: its sender's openid is `o<n>`.
fn message(n: u64) -> String {
    // The same each time it comes: WeChat repeats a message as it was.
    static MADE: LazyLock<i64> = LazyLock::new(|| Clock::System.now_secs());
    let made = *MADE;
    let rest = if wants_reply(n) {
        "<MsgType>event</MsgType><Event>CLICK</Event><EventKey>ask</EventKey>".to_owned()
    } else {
        format!("<MsgType>text</MsgType><Content>message {n}</Content><MsgId>{n}</MsgId>")
    };
    format!(
        "<xml><ToUserName>gh_0000000000a1</ToUserName><FromUserName>o{n}</FromUserName>\
         <CreateTime>{made}</CreateTime>{rest}</xml>"
    )
}

pub(crate) fn number(openid: &str) -> u64 {
    openid.strip_prefix('o').and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("not ours: {openid}"))
}

/// What WeChat got for the messages of one stretch of time.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// HTTP 200.
    pub(crate) acknowledged: BTreeSet<u64>,
    /// HTTP 500.
    pub(crate) refused: BTreeSet<u64>,
    /// No answer.
    pub(crate) cut: BTreeSet<u64>,
    /// The longest an answer took.
    pub(crate) slowest: Duration,
}

impl Tally {
    pub(crate) fn sent(&self) -> usize {
        self.acknowledged.len() + self.refused.len() + self.cut.len()
    }

    /// What WeChat sends again.
    pub(crate) fn unanswered(&self) -> Vec<u64> {
        self.refused.union(&self.cut).copied().collect()
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { acknowledged, refused, cut, slowest } = self;
        let [acknowledged, refused, cut] = [acknowledged, refused, cut].map(BTreeSet::len);
        write!(
            f,
            "sent {:4}, acknowledged {acknowledged:4}, HTTP 500 {refused:4}, cut {cut:3}, slowest answer {:4} ms",
            self.sent(),
            slowest.as_millis()
        )
    }
}

/// A client that keeps connections.
type Http = Client<HttpConnector, Full<Bytes>>;

async fn exchange(http: &Http, request: Request<Full<Bytes>>) -> Option<(StatusCode, Bytes)> {
    let response = http.request(request).await.ok()?;
    let status = response.status();
    Some((status, response.into_body().collect().await.ok()?.to_bytes()))
}

/// Sends messages, in safe and in plain mode by turns, each with a signature of its own.
#[derive(Clone)]
pub(crate) struct WeChat {
    http: Http,
    url: String,
    next: Arc<AtomicU64>,
    /// Every message ever acknowledged.
    acknowledged: Arc<Mutex<BTreeSet<u64>>>,
}

impl WeChat {
    /// The numbers of `count` new messages.
    pub(crate) fn new_messages(&self, count: u64) -> Vec<u64> {
        let first = self.next.fetch_add(count, Ordering::Relaxed);
        (first..first + count).collect()
    }

    pub(crate) fn acknowledged(&self) -> BTreeSet<u64> {
        self.acknowledged.lock().unwrap().clone()
    }

    /// The status of the answer, if one came. `success`, or a reply, comes with 200 and nothing else.
    async fn push(&self, n: u64) -> Option<StatusCode> {
        let aes_key = AesKey::parse(AES_KEY).unwrap();
        let key = n.is_multiple_of(2).then_some(&aes_key);
        let nonce = rand::random::<u64>().to_string();
        let stamp = Stamp { timestamp: Clock::System.now_secs(), nonce: &nonce, random: rand::random() };
        let sent = envelope::push(&Keys { appid: APPID, token: TOKEN, key }, message(n).as_bytes(), &stamp);
        let request = Request::post(format!("{}?{}", self.url, sent.query))
            .header("content-type", sent.content_type)
            .body(Full::from(sent.body))
            .unwrap();
        let (status, body) = exchange(&self.http, request).await?;
        let is_reply = wants_reply(n) && body.starts_with(b"<xml>");
        assert_eq!(status.is_success(), &body[..] == b"success" || is_reply, "{status}: {body:?}");
        if status.is_success() {
            self.acknowledged.lock().unwrap().insert(n);
        }
        Some(status)
    }

    /// Sends `numbers`, `rate` a second; ends when each has its answer or has lost its connection.
    pub(crate) async fn send(&self, numbers: impl IntoIterator<Item = u64>, rate: u64) -> Tally {
        self.send_until(&CancellationToken::new(), numbers, rate).await
    }

    /// Likewise, but sends no more once `enough` is cancelled.
    pub(crate) async fn send_until(
        &self,
        enough: &CancellationToken,
        numbers: impl IntoIterator<Item = u64>,
        rate: u64,
    ) -> Tally {
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / u32::try_from(rate).unwrap());
        let room = Arc::new(Semaphore::new(CONCURRENT));
        let mut sending = JoinSet::new();
        for n in numbers {
            ticks.tick().await;
            let place = room.clone().acquire_owned().await.unwrap();
            if enough.is_cancelled() {
                break;
            }
            let this = self.clone();
            sending.spawn(async move {
                let began = Instant::now();
                let status = this.push(n).await;
                drop(place);
                (n, status, began.elapsed())
            });
        }
        let mut tally = Tally::default();
        while let Some(sent) = sending.join_next().await {
            let (n, status, took) = sent.unwrap();
            match status {
                Some(StatusCode::OK) => tally.acknowledged.insert(n),
                Some(StatusCode::INTERNAL_SERVER_ERROR) => tally.refused.insert(n),
                Some(other) => panic!("message {n}: {other}"),
                None => tally.cut.insert(n),
            };
            if status.is_some() {
                tally.slowest = tally.slowest.max(took);
            }
        }
        tally
    }
}

/// Answers `/all` and `/asks`, and remembers what it answered.
#[derive(Clone, Default)]
pub(crate) struct Backend {
    /// How often each message came, by path.
    seen: Arc<Mutex<HashMap<(String, u64), usize>>>,
    pause_ms: Arc<AtomicU64>,
}

impl Backend {
    /// From now on every answer takes this long; what is cut before has not arrived.
    pub(crate) fn pause(&self, pause: Duration) {
        self.pause_ms.store(pause.as_millis().try_into().unwrap(), Ordering::Relaxed);
    }

    /// Deliveries, duplicates apart: a message that wants a reply goes to both paths.
    pub(crate) fn distinct(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub(crate) fn duplicates(&self) -> usize {
        self.seen.lock().unwrap().values().map(|times| times - 1).sum()
    }

    pub(crate) fn has(&self, n: u64) -> bool {
        let seen = self.seen.lock().unwrap();
        let at = |path: &str| seen.contains_key(&(path.to_owned(), n));
        at("/all") && (!wants_reply(n) || at("/asks"))
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let n = number(&Message::parse(&body).unwrap().from_user());
        tokio::time::sleep(Duration::from_millis(self.pause_ms.load(Ordering::Relaxed))).await;
        *self.seen.lock().unwrap().entry((path.clone(), n)).or_default() += 1;
        let reply =
            if path == "/asks" { "<xml><MsgType>text</MsgType><Content>hi</Content></xml>" } else { "" };
        Ok(Response::new(Full::from(reply)))
    }

    async fn serve(self, listener: TcpListener) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let this = self.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| this.clone().answer(request));
                // A killed gateway ends its connections in every state.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    }
}

/// See the module.
pub(crate) struct World {
    pub(crate) wechat: WeChat,
    pub(crate) backend: Backend,
    http: Http,
    dir: tempfile::TempDir,
    admin: String,
    gateway: Option<Gateway>,
}

/// Killed when the test ends, however it ends.
struct Gateway(Child);

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A free port; another process might take it, but hardly in the same second.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn wxgate(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wxgate"));
    command.env_clear().env("WXGATE_ADMIN_TOKEN", ADMIN_TOKEN).current_dir(dir);
    command
}

impl World {
    /// A gateway is configured but not started. It reaches no WeChat.
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        let backend = Backend::default();
        tokio::spawn(backend.clone().serve(listener));
        let routes = format!(
            r#"
            [[routes]]
            name = "asks"
            events = ["CLICK"]
            target = "http://{target}/asks"
            reply = true
            reply_wait = "2s"
            [[routes]]
            name = "all"
            target = "http://{target}/all"
            retry = ["1s", "1s", "1s", "1s", "1s", "5s", "5s", "5s", "5s", "5s"]
            "#
        );
        Self { backend, ..Self::with(&routes, "http://127.0.0.1:9") }
    }

    /// Likewise, with other routes, and against this WeChat.
    pub(crate) fn with(routes: &str, wechat: &str) -> Self {
        let [url, admin] = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
        let config = format!(
            r#"
            [server]
            listen = "{url}"
            admin_listen = "{admin}"
            shutdown_grace = "{}s"
            [store]
            url = "sqlite:wxgate.db"
            [auth]
            mode = "off"
            [wechat]
            api_base = "{wechat}"
            [[apps]]
            appid = "{APPID}"
            kind = "official"
            secret = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"
            callback_token = "{TOKEN}"
            aes_key = "{AES_KEY}"
            allow_plain = true
            {routes}
            "#,
            GRACE.as_secs()
        );
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("wxgate.toml"), config).unwrap();
        let http: Http = Client::builder(TokioExecutor::new()).build_http();
        Self {
            wechat: WeChat {
                http: http.clone(),
                url: format!("http://{url}/v1/service/wx/wxmsg/{APPID}"),
                next: Arc::new(AtomicU64::new(1)),
                acknowledged: Arc::default(),
            },
            backend: Backend::default(),
            http,
            dir,
            admin,
            gateway: None,
        }
    }

    /// Kilobytes that the gateway holds; 0: it doesn't run.
    pub(crate) fn resident(&self) -> u64 {
        let Some(gateway) = &self.gateway else { return 0 };
        let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.0.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
    }

    /// A request to the callers' listener, or to whoever `url` names.
    pub(crate) async fn send(&self, method: Method, url: &str, body: impl Into<Bytes>) -> Option<Value> {
        let own = self.wechat.url.split("/v1/").next().unwrap();
        let url = if url.starts_with('/') { format!("{own}{url}") } else { url.to_owned() };
        let request = Request::builder().method(method).uri(url).body(Full::new(body.into())).unwrap();
        let (status, body) = exchange(&self.http, request).await?;
        assert_eq!(status, StatusCode::OK, "{body:?}");
        Some(serde_json::from_slice(&body).unwrap_or_default())
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.dir.path().join("wxgate.db")
    }

    /// Starts the gateway and waits until it is ready.
    pub(crate) async fn start(&mut self) {
        self.start_with(None).await;
    }

    /// Likewise, on a disk that `faults` can break.
    pub(crate) async fn start_with(&mut self, faults: Option<&Faults>) {
        let log =
            std::fs::File::options().create(true).append(true).open(self.dir.path().join("log")).unwrap();
        let mut command = wxgate(self.dir.path());
        if let Some(faults) = faults {
            command.env("LD_PRELOAD", faults.shim()).env("FAULT_FILE", faults.file());
        }
        let child = command.arg("serve").stdin(Stdio::null()).stderr(log).spawn().unwrap();
        self.gateway = Some(Gateway(child));
        let end = Instant::now() + Duration::from_secs(20);
        while self.get("/readyz").await.is_none() {
            let ended = self.gateway.as_mut().and_then(|gateway| gateway.0.try_wait().unwrap());
            assert!(ended.is_none() && Instant::now() < end, "not ready ({ended:?})\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn log(&self) -> String {
        let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap();
        log.lines().rev().take(20).collect::<Vec<_>>().join("\n")
    }

    /// kill -9
    pub(crate) fn kill(&mut self) {
        drop(self.gateway.take());
    }

    /// SIGTERM; how it ended, and after how long.
    pub(crate) async fn stop(&mut self) -> (ExitStatus, Duration) {
        let mut gateway = self.gateway.take().unwrap();
        let began = Instant::now();
        let sent = Command::new("kill").args(["-TERM", &gateway.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
        loop {
            if let Some(status) = gateway.0.try_wait().unwrap() {
                return (status, began.elapsed());
            }
            assert!(began.elapsed() < Duration::from_secs(60), "runs on after SIGTERM\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What the admin side answers; nothing while nobody listens.
    pub(crate) async fn get(&self, path: &str) -> Option<(StatusCode, Value)> {
        let request = Request::builder()
            .method(Method::GET)
            .uri(format!("http://{}{path}", self.admin))
            .header("authorization", format!("Bearer {ADMIN_TOKEN}"))
            .body(Full::default())
            .unwrap();
        let (status, body) = exchange(&self.http, request).await?;
        Some((status, serde_json::from_slice(&body).unwrap()))
    }

    pub(crate) async fn items(&self, list: &str) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let (status, mut page) = self.get(&format!("/api/v1/{list}limit=500{cursor}")).await.unwrap();
            assert_eq!(status, StatusCode::OK, "{page}");
            items.append(page["items"].as_array_mut().unwrap());
            let Some(next) = page["next"].as_str() else { return items };
            cursor = format!("&cursor={next}");
        }
    }

    /// Returns how long it took until nothing was pending.
    pub(crate) async fn nothing_pending(&self, limit: Duration) -> Duration {
        let began = Instant::now();
        loop {
            let pending = self.items("deliveries?status=pending&").await;
            if pending.is_empty() {
                return began.elapsed();
            }
            let (count, first) = (pending.len(), &pending[0]);
            assert!(began.elapsed() < limit, "{count} still pending: {first}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Once nothing is pending: what was acknowledged was delivered to every route, and is listed.
    /// `wxgate check` finds the database whole.
    pub(crate) async fn nothing_lost(&self) {
        self.nothing_pending(Duration::from_secs(60)).await;
        assert!(self.items("deliveries?status=dead&").await.is_empty(), "nothing is given up");
        let kept: BTreeSet<u64> = self
            .items("events?")
            .await
            .iter()
            .map(|event| number(event["openid"].as_str().unwrap()))
            .collect();
        let acknowledged = self.wechat.acknowledged();
        let undelivered: Vec<_> = acknowledged.iter().filter(|n| !self.backend.has(**n)).collect();
        let unkept: Vec<_> = acknowledged.difference(&kept).collect();
        println!(
            "all: acknowledged {}, deliveries {}, kept {}, duplicates {}, lost {}",
            acknowledged.len(),
            self.backend.distinct(),
            kept.len(),
            self.backend.duplicates(),
            undelivered.len()
        );
        assert!(undelivered.is_empty() && unkept.is_empty(), "lost: {undelivered:?}, not kept: {unkept:?}");
        let check = wxgate(self.dir.path()).args(["check", "--config", "wxgate.toml"]).output().unwrap();
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
    }

    /// Sends new messages until one is acknowledged.
    pub(crate) async fn works_again(&self) -> Duration {
        let began = Instant::now();
        while self.wechat.send(self.wechat.new_messages(1), 50).await.acknowledged.is_empty() {
            assert!(began.elapsed() < WECHAT_WAITS, "still refuses after the fault\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        began.elapsed()
    }
}

/// A disk that breaks by order: see shim.c.
pub(crate) struct Faults(tempfile::TempDir);

impl Faults {
    /// Nothing without a C compiler, and says so.
    pub(crate) fn new() -> Option<Self> {
        let this = Self(tempfile::tempdir().unwrap());
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/shim.c");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .arg(this.shim())
            .args([source, "-ldl"])
            .status();
        let Ok(built) = built else {
            println!("skipped: no cc here");
            return None;
        };
        assert!(built.success());
        Some(this)
    }

    fn shim(&self) -> PathBuf {
        self.0.path().join("shim.so")
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("fault")
    }

    /// From now on, until [`Faults::end`].
    pub(crate) fn begin(&self, word: &str) {
        // Whole or not at all: the shim must never read half a word.
        std::fs::write(self.0.path().join("next"), word).unwrap();
        std::fs::rename(self.0.path().join("next"), self.file()).unwrap();
    }

    pub(crate) fn end(&self) {
        std::fs::remove_file(self.file()).unwrap();
    }
}
