//! Random schedules of three nodes, each on a thread of its own, on one database and one clock: one of them is killed, paused
//! or cut off from the database while tokens are refreshed. WXGATE_SEEDS says how many schedules, WXGATE_SEED where they
//! begin; each prints its seed if it fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use http::Method;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use wxgate::clock::{Clock, ManualClock};
use wxgate::config;
use wxgate::entries::Environment;
use wxgate::gateway::Listeners;

use crate::app::{Reply, TestApp};
use crate::database;
use crate::postgres::POSTGRES;
use crate::relay::Relay;

const SECRET: &str = "e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5";
const EXPORTER: &str = "key_exporter_0123456789abcdef";
/// Schedules at once.
const TOGETHER: usize = 4;
/// How much faster the manual clock runs than the machine's, once it runs.
const SPEED: u32 = 8;

enum Order {
    Kill,
    /// Nothing of it runs until the sender is dropped.
    Pause(std::sync::mpsc::Receiver<()>),
}

/// A gateway on a thread of its own.
struct Node {
    url: String,
    orders: mpsc::UnboundedSender<Order>,
    relay: Relay,
}

impl Node {
    async fn start(app: &TestApp, socket: &std::path::Path) -> Self {
        let relay = Relay::start(socket).await;
        let text = database::by(app.text(), &format!("127.0.0.1:{}", relay.port), "sslmode=disable");
        let (orders, received) = mpsc::unbounded_channel();
        let (told, url) = oneshot::channel();
        let clock = app.clock.clone();
        std::thread::spawn(move || run(&text, clock, received, told));
        Self { url: url.await.unwrap(), orders, relay }
    }
}

fn run(
    text: &str,
    clock: Arc<ManualClock>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    told: oneshot::Sender<String>,
) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let config = config::parse(text, "node.toml", folder.path(), &Environment::default()).unwrap();
        let listeners = Listeners::bind(&config.server).await.unwrap();
        let running = wxgate::gateway::start(config, Clock::Manual(clock), listeners).await.unwrap();
        let _ = told.send(format!("http://{}", running.address()));
        while let Some(Order::Pause(until)) = orders.recv().await {
            // It blocks the thread, and with it all of the node.
            let _ = until.recv();
        }
    });
    runtime.shutdown_background();
}

/// Lets the manual clock run until it is dropped.
struct Running(Arc<AtomicBool>);

impl Running {
    fn start(clock: &Arc<ManualClock>) -> Self {
        let (runs, clock) = (Arc::new(AtomicBool::new(true)), clock.clone());
        let this = Self(runs.clone());
        tokio::spawn(async move {
            let step = Duration::from_millis(10);
            while runs.load(Ordering::Relaxed) {
                tokio::time::sleep(step).await;
                clock.advance(step * SPEED);
            }
        });
        this
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

const APPS: [(&str, &str); 2] = [("wxs", "stable"), ("wxc", "classic")];

async fn world() -> TestApp {
    let mut more = format!(
        "[auth]\nmode = \"off\"\n[[callers]]\nname = \"exporter\"\nkey = \"{EXPORTER}\"\napps = [\"*\"]\napis = [\"*\"]\nexport_token = true\n"
    );
    for (appid, mode) in APPS {
        more.push_str(&format!(
            "[[apps]]\nappid = \"{appid}\"\nkind = \"official\"\nsecret = \"{SECRET}\"\ntoken_mode = \"{mode}\"\n"
        ));
    }
    let app = TestApp::configured(&more).await;
    for (appid, _) in APPS {
        app.control("apps", json!({"appid": appid, "secret": SECRET, "kind": "official"})).await;
    }
    app
}

async fn call(app: &TestApp, url: &str, appid: &str) -> Result<Reply, String> {
    let body = json!({"appid": appid, "scene": "s", "source": "t"}).to_string();
    let url = format!("{url}/v1/service/wx/getwxqrcode");
    let sent = app.http.send(Method::POST, &url, &[], body);
    tokio::time::timeout(Duration::from_secs(20), sent).await.unwrap_or_else(|_| Err("no answer".to_owned()))
}

async fn token(app: &TestApp, url: &str, appid: &str) -> Option<Value> {
    let url = format!("{url}/v1/service/wx/token?appid={appid}");
    let reply = app.http.send(Method::GET, &url, &[("x-api-key", EXPORTER)], "").await.ok()?;
    (reply.code() == 0).then(|| reply.json()["body"]["access_token"].clone())
}

/// What happens to a node in the middle.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Kill,
    Pause,
    Cut,
}

async fn schedule(seed: u64, socket: &std::path::Path) {
    let mut random = StdRng::seed_from_u64(seed);
    let app = world().await;
    let nodes = join_all((0..3).map(|_| Node::start(&app, socket))).await;
    let urls: Vec<&str> = nodes.iter().map(|node| node.url.as_str()).collect();
    for (n, (appid, _)) in (0..6).zip(APPS.iter().cycle()) {
        let reply = call(&app, urls[n % 3], appid).await.unwrap();
        assert_eq!(reply.code(), 0, "seed {seed}: {:?}", reply.ret());
    }
    let mut before = Vec::new();
    for (appid, _) in APPS {
        before.push(app.token_calls(Some(appid)).await);
    }
    assert_eq!(before, [1, 1], "seed {seed}: one fetch an app");
    // WeChat takes its time, so that the fault comes in the middle.
    let delay = random.random_range(0..300_u64);
    for path in ["/cgi-bin/stable_token", "/cgi-bin/token"] {
        app.fault(path, json!({"delay_ms": delay})).await;
    }
    let faulty = random.random_range(0..3_usize);
    let fault = [Fault::Kill, Fault::Pause, Fault::Cut][random.random_range(0..3)];
    let (at, lasts) = (random.random_range(0..400_u64), random.random_range(100..1_500_u64));
    // Near its end, where the background fetches, or past it, where callers wait.
    let to = [7_200 - 285, 7_200 - 80, 7_201][random.random_range(0..3)];
    let what = format!(
        "seed {seed}: {fault:?} of node {faulty} after {at} ms for {lasts} ms, at {to} s, WeChat takes {delay} ms"
    );
    let _runs = Running::start(&app.clock);
    app.clock.advance(Duration::from_secs(to));
    let harm = async {
        tokio::time::sleep(Duration::from_millis(at)).await;
        let node = &nodes[faulty];
        let last = Duration::from_millis(lasts);
        match fault {
            Fault::Kill => drop(node.orders.send(Order::Kill)),
            Fault::Pause => {
                let (held, until) = std::sync::mpsc::channel::<()>();
                let _ = node.orders.send(Order::Pause(until));
                tokio::time::sleep(last).await;
                drop(held);
            }
            Fault::Cut => {
                node.relay.cut();
                tokio::time::sleep(last).await;
                node.relay.mend();
            }
        }
    };
    let callers = (0..24_usize).map(|n| {
        let (app, url, wait) = (&app, urls[n % 3], random.random_range(0..1_500_u64));
        let appid = APPS[n / 3 % 2].0;
        async move {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            (n % 3, call(app, url, appid).await)
        }
    });
    let (replies, ()) = tokio::join!(join_all(callers), harm);
    for (node, reply) in replies {
        match reply {
            Ok(reply) => {
                let ret = reply.ret();
                let errcode = ret["wx_errcode"].as_i64().unwrap_or_default();
                assert!(![40001, 40014, 42001].contains(&errcode), "{what}: {ret}");
                assert!(ret["code"] == 0 || ret["retryable"] == true, "{what}: {ret}");
                assert!(node == faulty || ret["code"] == 0, "{what}: node {node}: {ret}");
            }
            Err(error) => assert!(node == faulty && fault == Fault::Kill, "{what}: node {node}: {error}"),
        }
    }
    for (appid, mode) in APPS {
        let fetched = app.token_calls(Some(appid)).await - 1;
        // A classic token that a stalled node fetched past its turn ended the one that stands: one more.
        let most = if mode == "classic" { 3 } else { 2 };
        assert!(fetched <= most, "{what}: {appid} was fetched {fetched} times");
    }
    agree(&app, &nodes, (fault == Fault::Kill).then_some(faulty), &what).await;
}

/// All nodes that live have one token within a second, which WeChat takes.
async fn agree(app: &TestApp, nodes: &[Node], dead: Option<usize>, what: &str) {
    let alive: Vec<&Node> =
        nodes.iter().enumerate().filter(|(n, _)| Some(*n) != dead).map(|(_, node)| node).collect();
    for (appid, _) in APPS {
        let began = Instant::now();
        loop {
            let tokens = join_all(alive.iter().map(|node| token(app, &node.url, appid))).await;
            let first = &tokens[0];
            if first.is_some() && tokens.iter().all(|token| token == first) {
                break;
            }
            let shown: Vec<_> =
                tokens.iter().map(|token| token.as_ref().map(|t| t.to_string().len())).collect();
            assert!(began.elapsed() < Duration::from_secs(10), "{what}: {appid}: {tokens:?} {shown:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for node in &alive {
            let reply = call(app, &node.url, appid).await.unwrap();
            assert_eq!(reply.code(), 0, "{what}: {:?}", reply.ret());
        }
    }
}

#[tokio::test]
async fn a_node_in_trouble_costs_no_token_and_no_caller() {
    let environment = config::environment();
    let Some(server) = environment.get(POSTGRES) else { return };
    let socket = database::socket(server);
    let number = |name: &str, default: u64| {
        environment.get(name).and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (first, count) = (number("WXGATE_SEED", 1), number("WXGATE_SEEDS", 12));
    let began = Instant::now();
    futures_util::stream::iter(first..first + count)
        .for_each_concurrent(TOGETHER, |seed| schedule(seed, &socket))
        .await;
    println!("{count} schedules from seed {first}: {:?}", began.elapsed());
}
