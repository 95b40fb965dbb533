//! `wxgate listen`, the built binary: messages from a gateway to a local URL, in order, and its answers back.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use wechat::message::Message;

use crate::app::{EXAMPLE, TestApp};
use crate::backend::{Backend, says};
use crate::cli::{Running, text as read, wxgate};
use crate::signed::{Maker, text};

const KEY: &str = "key_dev__0123456789abcdefghijk";
const CALLERS: &str = "[[callers]]\nname = \"dev\"\nkey = \"key_dev__0123456789abcdefghijk\"\napps = [\"*\"]\napis = [\"*\"]\nmay_reply = true\n\
    [[callers]]\nname = \"mute\"\nkey = \"key_mute_0123456789abcdefghijk\"\napps = [\"*\"]\napis = [\"*\"]\n";

/// `wxgate listen` that is connected by now.
fn listen(gateway: &str, key: &str, args: &[&str]) -> Running {
    let mut running = start(gateway, key, args);
    let mut line = String::new();
    // What it says later is read as well, lest it waits.
    let mut told = BufReader::new(running.0.stderr.take().unwrap());
    told.read_line(&mut line).unwrap();
    assert!(line.contains("已连上"), "{line}");
    std::thread::spawn(move || told.read_to_end(&mut Vec::new()));
    running
}

fn start(gateway: &str, key: &str, args: &[&str]) -> Running {
    let child = wxgate()
        .args(["listen", "--gateway", gateway, "--key", key])
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    Running(child.unwrap())
}

/// What it showed, once it was asked to end.
fn shown(mut running: Running) -> String {
    running.signal("-INT");
    let status = running.wait(Duration::from_secs(5));
    assert_eq!(status.code(), Some(0), "Ctrl-C is no failure");
    output(&mut running.0)
}

fn output(child: &mut Child) -> String {
    let mut out = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
    read(&out)
}

async fn send(app: &TestApp, openid: &str, content: &str) -> Vec<u8> {
    let message = text("gh_0000000000c3", content).replace("[o1]", &format!("[{openid}]"));
    app.callback(None, &Maker::new(EXAMPLE, app.now()).plain(&message)).await.body.to_vec()
}

/// Waits until `holds`; what is tried again takes its time.
async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    for _ in 0..1500 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never: {what}");
}

fn contents(backend: &Backend) -> Vec<String> {
    backend.got().iter().map(|got| got.message().content().into_owned()).collect()
}

/// A way to the gateway that can be cut.
struct Way {
    url: String,
    open: watch::Sender<bool>,
}

impl Way {
    async fn to(url: &str) -> Self {
        let target = url.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (open, is_open) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (target, mut is_open) = (target.clone(), is_open.clone());
                tokio::spawn(async move {
                    if !*is_open.borrow_and_update() {
                        return;
                    }
                    let mut server = TcpStream::connect(target).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        _ = is_open.wait_for(|open| !open) => {}
                    }
                });
            }
        });
        Self { url, open }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_message_reaches_the_local_url_as_wechat_sends_it_and_is_shown() {
    let app = TestApp::configured(CALLERS).await;
    let local = Backend::start().await;
    let forward = format!("{}/wx?a=b", local.url);
    let listening = listen(&app.url(), KEY, &["--forward", &forward, "--token", "mine", "--event", "text"]);
    send(&app, "o1", "你好").await;
    until("it is there", async || local.count() == 1).await;
    let got = local.got().remove(0);
    assert_eq!((&*got.path, got.header("x-wxgate-appid")), ("/wx", EXAMPLE));
    assert_eq!(got.message().content(), "你好");
    let query: std::collections::HashMap<_, _> =
        url::form_urlencoded::parse(got.query.as_bytes()).into_owned().collect();
    assert_eq!((&*query["a"], &*query["openid"]), ("b", "o1"));
    let signed = wechat::crypt::signature(&["mine", &query["timestamp"], &query["nonce"]]);
    assert_eq!(query["signature"], signed);
    // It is shown once it is answered.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let shown = shown(listening);
    assert!(shown.contains("message.text") && shown.contains("你好") && shown.contains(" 200 "), "{shown}");
    assert!(shown.starts_with("时间"), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_json_it_is_what_a_route_sends() {
    let app = TestApp::configured(CALLERS).await;
    let local = Backend::start().await;
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let args = ["--forward", &local.url, "--format", "json", "--token", secret, "--lang", "en"];
    let mut listening = start(&app.url(), KEY, &args);
    let mut line = String::new();
    BufReader::new(listening.0.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("connected to "), "{line}");
    send(&app, "o1", "hello").await;
    until("it is there", async || local.count() == 1).await;
    let got = local.got().remove(0);
    let event: Value = serde_json::from_slice(&got.body).unwrap();
    let names: Vec<&String> = event.as_object().unwrap().keys().collect();
    assert_eq!(
        (names, &event["type"]),
        (
            ["type", "timestamp", "data"]
                .iter()
                .map(|name| name.to_string())
                .collect::<Vec<_>>()
                .iter()
                .collect(),
            &json!("wechat.message.text")
        )
    );
    assert!(got.header("webhook-signature").starts_with("v1,") && !got.header("webhook-id").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_failure_is_tried_again_and_nothing_overtakes_it() {
    let app = TestApp::configured(CALLERS).await;
    let local = Backend::start().await;
    let failures = Arc::new(AtomicUsize::new(0));
    let counted = failures.clone();
    local.does(move |got| match &*got.message().content() {
        "1" if counted.fetch_add(1, Ordering::Relaxed) < 2 => says(503, "not yet"),
        "2" => says(404, "never"),
        _ => says(200, "success"),
    });
    let listening = listen(&app.url(), KEY, &["--forward", &local.url]);
    for n in 0..4 {
        send(&app, "o1", &format!("{n}")).await;
    }
    until("all of it is there", async || local.count() == 6).await;
    assert_eq!(contents(&local), ["0", "1", "1", "1", "2", "3"]);
    let attempts: Vec<_> = local.got().iter().map(|got| got.header("x-wxgate-attempt").to_owned()).collect();
    assert_eq!(attempts, ["1", "1", "2", "3", "1", "1"]);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let shown = shown(listening);
    assert!(shown.contains(" 404 ") && !shown.contains(" 503 "), "what was refused is passed over: {shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_name_nothing_is_lost_or_twice_behind_a_network_that_breaks_and_a_lid_that_closes() {
    let app = TestApp::configured(CALLERS).await;
    let (local, way) = (Backend::start().await, Way::to(&app.url()).await);
    let args = ["--forward", &local.url, "--name", "laptop"];
    let listening = listen(&way.url, KEY, &args);
    let send_all = async |names: std::ops::Range<usize>| {
        for n in names {
            assert_eq!(send(&app, "o1", &format!("{n}")).await, b"success");
        }
    };
    send_all(0..50).await;
    until("it is there", async || local.count() == 50).await;
    way.open.send_replace(false);
    send_all(50..100).await;
    way.open.send_replace(true);
    until("what came meanwhile as well", async || local.count() >= 100).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    shown(listening);
    send_all(100..400).await;
    let listening = listen(&way.url, KEY, &args);
    until("and what came while it was closed", async || local.count() >= 400).await;
    send_all(400..401).await;
    until("and what comes now", async || local.count() >= 401).await;
    shown(listening);
    let expected: Vec<String> = (0..401).map(|n| n.to_string()).collect();
    assert_eq!(contents(&local), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_local_answer_is_the_passive_reply_where_the_caller_may() {
    let app = TestApp::configured(CALLERS).await;
    let local = Backend::start().await;
    local.does(|got| {
        let content = format!("you said {}", got.message().content());
        says(200, json!({"MsgType": "text", "Content": content}).to_string())
    });
    // The laptop judges by its own clock whether somebody still waits.
    let now = wxgate::clock::Clock::System.now() / 1000;
    let message = |openid: &str, content: &str| {
        let message = text("gh_0000000000c3", content).replace("[o1]", &format!("[{openid}]"));
        message.replace("1409735668", &now.to_string())
    };
    let send = async |openid: &str, content: &str| {
        app.callback(None, &Maker::new(EXAMPLE, app.now()).plain(&message(openid, content))).await.body
    };
    let listening = listen(&app.url(), KEY, &["--forward", &local.url, "--openid", "o5"]);
    let reply = send("o5", "hello").await;
    assert_eq!(Message::parse(&reply).unwrap().content(), "you said hello");
    assert_eq!(send("o6", "hello").await, "success", "it is asked about its own user only");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(shown(listening).contains("已回复"));

    // Whoever may not reply is told so once, and the messages come all the same.
    let mut mute =
        start(&app.url(), "key_mute_0123456789abcdefghijk", &["--forward", &local.url, "--openid", "o5"]);
    let mut told = BufReader::new(mute.0.stderr.take().unwrap());
    told.read_line(&mut String::new()).unwrap();
    assert_eq!(send("o5", "again").await, "success");
    assert_eq!(send("o5", "and again").await, "success");
    until("both are there", async || local.count() == 3).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    mute.signal("-INT");
    mute.wait(Duration::from_secs(5));
    let mut rest = String::new();
    told.read_to_string(&mut rest).unwrap();
    assert_eq!(rest.matches("may_reply = true").count(), 1, "{rest}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_told_and_ends_it() {
    let app = TestApp::configured(CALLERS).await;
    let mut wrong = start(&app.url(), "key_wrong_0123456789abcdefghij", &[]);
    assert_eq!(wrong.wait(Duration::from_secs(5)).code(), Some(1));
    let mut told = String::new();
    wrong.0.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert!(told.contains("HTTP 401") && told.contains("密钥"), "{told}");
    let mut odd =
        start(&app.url(), KEY, &["--format", "json", "--token", "mine", "--forward", "http://127.0.0.1:1/"]);
    assert_eq!(odd.wait(Duration::from_secs(5)).code(), Some(1));
    // Two of one name don't fight.
    let mut first = listen(&app.url(), KEY, &["--name", "laptop"]);
    let _second = listen(&app.url(), KEY, &["--name", "laptop"]);
    assert_eq!(first.wait(Duration::from_secs(5)).code(), Some(1));
}
