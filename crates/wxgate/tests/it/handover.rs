//! Calls that one node may not make, because WeChat's allow-list lacks its address: another one makes them. Only on
//! PostgreSQL, where several nodes share a database. The first node calls WeChat from 127.0.0.2, by a proxy.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::app::{Beside, MINI, OFFICIAL, Reply, TestApp};
use crate::cli::free_port;
use crate::postgres::POSTGRES;
use crate::proxy::multipart;

const KEY: &str = "key_shop_0123456789abcdefghij";
const USERS: &str = "/cgi-bin/user/get";
const UNLISTED: &str = "127.0.0.2";

fn caller() -> String {
    format!(
        "[[callers]]\nname = \"shop\"\nkey = \"{KEY}\"\napps = [\"*\"]\napis = [\"*\"]\nexport_token = true\n"
    )
}

fn headers() -> [(&'static str, &'static str); 2] {
    [("x-api-key", KEY), ("x-wx-appid", OFFICIAL)]
}

/// A proxy whose connections come from [`UNLISTED`].
async fn from_unlisted() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut client = BufReader::new(stream);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    client.read_line(&mut head).await.unwrap();
                }
                let target = head.split(' ').nth(1).unwrap().parse().unwrap();
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind(format!("{UNLISTED}:0").parse().unwrap()).unwrap();
                let mut there = socket.connect(target).await.unwrap();
                there.set_nodelay(true).unwrap();
                client.get_ref().set_nodelay(true).unwrap();
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut there).await;
            });
        }
    });
    port
}

/// Two nodes or more: the first one isn't listed for the official account.
struct Nodes {
    first: TestApp,
    others: Vec<Beside>,
}

impl Nodes {
    /// One other node for each address that is advertised, "" being its own. `None`: SQLite.
    async fn start(advertised: &[&str]) -> Option<Self> {
        wxgate::config::environment().get(POSTGRES)?;
        let proxy = format!("proxy = \"http://127.0.0.1:{}\"\ntimeout = \"10s\"", from_unlisted().await);
        let first = TestApp::configured_with(&caller(), &proxy).await;
        let mut nodes = Self { first, others: Vec::new() };
        nodes.list(&["127.0.0.1"]).await;
        let text = nodes.first.text().replace(&proxy, "timeout = \"10s\"");
        for advertised in advertised {
            let port = free_port();
            let own = format!("http://127.0.0.1:{port}");
            let advertised = if advertised.is_empty() { &own } else { *advertised };
            let text =
                text.replacen("listen = \"127.0.0.1:0\"", &format!("listen = \"127.0.0.1:{port}\""), 1);
            let text = format!("{text}\n[cluster]\nadvertise = \"{advertised}\"\n");
            nodes.others.push(nodes.first.beside(&text).await);
        }
        // Until the first one has looked for the others.
        tokio::time::sleep(Duration::from_millis(1200)).await;
        Some(nodes)
    }

    /// WeChat's allow-list of the official account.
    async fn list(&self, addresses: &[&str]) {
        let app = json!({
            "appid": OFFICIAL, "secret": "a1".repeat(16), "kind": "official", "ip_allow": addresses,
        });
        self.first.control("apps", app).await;
    }

    async fn pass(&self) -> Reply {
        self.first.get(USERS, &headers()).await
    }

    async fn qr_code(&self) -> Reply {
        self.first.call_with("getwxqrcode", &headers()[..1], json!({"appid": OFFICIAL, "scene": "s"})).await
    }

    /// The same call, made directly at another node.
    async fn directly(&self, other: usize) -> Reply {
        let url = format!("{}{USERS}", self.others[other].url());
        self.first.http.send(Method::GET, &url, &headers(), "").await.unwrap()
    }

    /// The account's access_token itself.
    async fn token(&self, url: &str) -> Value {
        let url = format!("{url}/v1/service/wx/token?appid={OFFICIAL}");
        self.first.http.send(Method::GET, &url, &headers()[..1], "").await.unwrap().ok()
    }

    /// `checks.apps` of the first node.
    async fn ailing(&self) -> Vec<Value> {
        self.first.admin("/readyz").await.json()["checks"]["apps"].as_array().unwrap().clone()
    }

    async fn stop(mut self) {
        for other in self.others {
            other.stop().await;
        }
        self.first.stop().await;
    }
}

/// What it says besides its own name and time.
fn said(reply: &Reply) -> (u16, Vec<(String, String)>, Bytes) {
    let headers = reply.headers.iter().filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()));
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    (reply.status.as_u16(), headers.collect(), reply.body.clone())
}

#[tokio::test]
async fn calls_of_a_node_that_is_not_listed_go_by_another_and_are_answered_as_there() {
    let Some(mut nodes) = Nodes::start(&[""]).await else { return };
    // The first one is refused already when it asks for a token.
    let answer = nodes.pass().await;
    assert!(answer.json()["total"].is_number(), "{:?}", answer.body);
    assert_eq!(said(&answer), said(&nodes.directly(0).await));
    assert!(nodes.qr_code().await.ok()["ticket"].is_string());
    // A ticket is had by another as well.
    let ticket = nodes.first.get("/cgi-bin/ticket/getticket?type=jsapi", &headers()).await.json();
    assert!(ticket["ticket"].is_string(), "{ticket}");

    let ailing = nodes.ailing().await;
    assert_eq!((&ailing[0]["errcode"], &ailing[0]["ip"]), (&json!(40164), &json!(UNLISTED)), "{ailing:?}");
    let fix = ailing[0]["fix"].as_str().unwrap();
    assert!(fix.contains(UNLISTED) && fix.contains("交给另一个节点"), "{fix}");

    // And the token itself, though nobody here may ask for one.
    let token = nodes.token(&nodes.first.url()).await;
    assert!(token["access_token"].is_string(), "{token}");

    // The caller is counted where it called, and once.
    let count = |usages: Vec<(String, std::sync::Arc<wxgate::registry::usage::Usage>)>| {
        usages
            .iter()
            .flat_map(|(_, usage)| usage.used().calls.into_values())
            .map(|count| count.calls)
            .sum::<u64>()
    };
    let before = count(nodes.others[0].gateway().registry().usages().all());
    let own = count(nodes.first.gateway().registry().usages().all());
    for _ in 0..5 {
        assert_eq!(nodes.pass().await.status, 200);
    }
    assert_eq!(count(nodes.others[0].gateway().registry().usages().all()), before);
    assert_eq!(count(nodes.first.gateway().registry().usages().all()), own + 5);
    nodes.stop().await;
}

#[tokio::test]
async fn a_token_that_this_node_may_not_fetch_is_fetched_by_another() {
    let Some(nodes) = Nodes::start(&[""]).await else { return };
    let token = nodes.token(&nodes.first.url()).await;
    let there = nodes.token(&nodes.others[0].url()).await;
    assert_eq!(token["access_token"], there["access_token"]);
    nodes.stop().await;
}

#[tokio::test]
async fn a_call_that_shows_the_secret_goes_by_another_as_well() {
    let Some(nodes) = Nodes::start(&[""]).await else { return };
    let mini = json!({"appid": MINI, "secret": "b2".repeat(16), "kind": "mini", "ip_allow": ["127.0.0.1"]});
    nodes.first.control("apps", mini).await;
    let login = |code: &str| json!({"appid": MINI, "code": code});
    for _ in 0..2 {
        let user = nodes.first.user(MINI).await;
        let code = nodes.first.code("login", MINI, &user).await;
        let answer = nodes.first.call_with("code2session", &headers()[..1], login(&code)).await.ok();
        assert_eq!(answer["openid"], user);
        let code = nodes.first.code("login", MINI, &user).await;
        let path = format!("/sns/jscode2session?appid={MINI}&secret={KEY}&js_code={code}");
        let answer = nodes.first.get(&format!("{path}&grant_type=authorization_code"), &[]).await.json();
        assert_eq!(answer["openid"], user, "{answer}");
    }
    nodes.stop().await;
}

#[tokio::test]
async fn a_body_that_went_by_is_sent_again_by_its_sdk_and_then_goes_by_another() {
    let Some(nodes) = Nodes::start(&[""]).await else { return };
    // A token that another node fetched serves here, too.
    assert_eq!(nodes.directly(0).await.status, 200);
    tokio::time::sleep(Duration::from_millis(800)).await;
    let (content_type, body) = multipart(3 << 20);
    let url = format!("{}/cgi-bin/media/upload?type=image", nodes.first.url());
    let headers = [headers()[0], headers()[1], ("content-type", &*content_type)];
    let upload =
        async || nodes.first.http.send(Method::POST, &url, &headers, body.clone()).await.unwrap().json();
    let refused = upload().await;
    assert_eq!(refused["errcode"], -1, "{refused}");
    for _ in 0..3 {
        let answer = upload().await;
        assert!(answer["media_id"].is_string(), "{answer}");
    }
    // And what WeChat sends may be long as well.
    let media = upload().await["media_id"].as_str().unwrap().to_owned();
    let got = nodes.first.get(&format!("/cgi-bin/media/get?media_id={media}"), &headers[..2]).await;
    assert!(got.body.len() > 3 << 20 && got.body.starts_with(&[0xFF, 0xD8]), "{}", got.body.len());
    nodes.stop().await;
}

#[tokio::test]
async fn where_nobody_is_listed_callers_get_wechats_words_and_operators_the_address() {
    let Some(nodes) = Nodes::start(&[""]).await else { return };
    assert_eq!(nodes.directly(0).await.status, 200);
    nodes.list(&["10.9.9.9"]).await;
    let (began, refused) = (Instant::now(), nodes.pass().await.json());
    assert_eq!(refused["errcode"], 40164, "{refused}");
    let ailing = nodes.ailing().await;
    assert_eq!((&ailing[0]["appid"], &ailing[0]["ip"]), (&json!(OFFICIAL), &json!(UNLISTED)), "{ailing:?}");
    assert!(began.elapsed() < Duration::from_secs(2));
    // The other node said so of itself: then it is asked no more.
    let asked = async || nodes.first.calls(USERS, None).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let before = asked().await;
    let refused = nodes.pass().await.json();
    assert_eq!(refused["errcode"], 40164, "{refused}");
    assert!(refused["errmsg"].as_str().unwrap().contains(UNLISTED), "{refused}");
    assert_eq!(asked().await, before + 1);
    let ailing = nodes.ailing().await;
    assert!(!ailing[0]["fix"].as_str().unwrap().contains("另一个节点"), "nobody makes its calls: {ailing:?}");
    nodes.stop().await;
}

#[tokio::test]
async fn a_node_that_is_gone_is_passed_over() {
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let Some(nodes) = Nodes::start(&[&nowhere]).await else { return };
    // WeChat's own words, if there is no other.
    assert_eq!(nodes.directly(0).await.status, 200);
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(nodes.pass().await.json()["errcode"], 40164);
    nodes.stop().await;
    let Some(nodes) = Nodes::start(&[&nowhere, "", &nowhere]).await else { return };
    for _ in 0..10 {
        assert!(nodes.pass().await.json()["total"].is_number());
        assert!(nodes.qr_code().await.ok()["ticket"].is_string());
    }
    nodes.stop().await;
}

#[tokio::test]
async fn a_node_that_answers_nothing_may_have_made_the_call() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
        }
    });
    let Some(nodes) = Nodes::start(&[&address]).await else { return };
    let lost = nodes.pass().await.json();
    assert_eq!(lost["errcode"], -1, "{lost}");
    assert!(lost["errmsg"].as_str().unwrap().contains("可能已经生效"), "{lost}");
    nodes.stop().await;
}

#[tokio::test]
async fn what_is_listed_meanwhile_is_used_within_a_minute() {
    let Some(nodes) = Nodes::start(&[""]).await else { return };
    assert!(nodes.pass().await.json()["total"].is_number());
    nodes.list(&["127.0.0.1", UNLISTED]).await;
    assert_eq!(nodes.ailing().await.len(), 1, "nobody has tried");
    let asked = async || nodes.first.calls("/cgi-bin/get_api_domain_ip", None).await;
    nodes.first.advance(Duration::from_secs(59)).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(asked().await, 0);
    nodes.first.advance(Duration::from_secs(2)).await;
    nodes.first.until("it is tried", async || asked().await == 1).await;
    // The token call, which was refused, is tried when one is due.
    nodes.list(&[UNLISTED]).await;
    nodes.first.until("it goes from here", async || nodes.pass().await.json()["total"].is_number()).await;
    nodes.stop().await;
}

#[tokio::test]
async fn to_a_stranger_there_is_no_such_path() {
    let Some(nodes) = Nodes::start(&[""]).await else { return };
    let url = nodes.others[0].url();
    let line = "AQAAAAcAAAGjGcXEAAUFBQUFBQUFBQUFBQUFBQXRE0O3bL2hVfQeC3oKdQm9";
    for method in [Method::GET, Method::POST, Method::PUT] {
        for headers in [&[][..], &[("x-wxgate-node", line)], &[("x-wxgate-node", "garbage")]] {
            for body in ["", "garbage", &"long".repeat(100_000)] {
                let ask = async |path: &str| {
                    let url = format!("{url}{path}");
                    let body = if method == Method::GET { "" } else { body };
                    nodes.first.http.send(method.clone(), &url, headers, body.to_owned()).await.unwrap()
                };
                let (own, other) = (ask("/_node/call").await, ask("/_node/calm").await);
                let without_id = |reply: &Reply| {
                    let id = reply.headers["x-request-id"].to_str().unwrap();
                    String::from_utf8(reply.body.to_vec()).unwrap().replace(id, "")
                };
                assert_eq!(without_id(&own), without_id(&other), "{method} {headers:?}");
                assert_eq!(said(&own).0, said(&other).0);
                assert_eq!(said(&own).1.len(), said(&other).1.len());
            }
        }
    }
    nodes.stop().await;
}

/// What a node sent to `port`, and what it was answered, to the end of the first exchange.
async fn recorded(listener: &TcpListener, port: u16) -> Vec<u8> {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut there = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut sent, mut answered) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let length = stream.read(&mut sent).await.unwrap();
    there.write_all(&sent[..length]).await.unwrap();
    let count = there.read(&mut answered).await.unwrap();
    stream.write_all(&answered[..count]).await.unwrap();
    sent.truncate(length);
    sent
}

#[tokio::test]
async fn a_call_that_is_repeated_on_the_way_is_no_call() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let Some(nodes) = Nodes::start(&[&address]).await else { return };
    let port = nodes.others[0].url().rsplit(':').next().unwrap().parse().unwrap();
    let (answer, sent) = tokio::join!(nodes.pass(), recorded(&listener, port));
    assert!(answer.json()["total"].is_number(), "{:?}", answer.body);
    let text = String::from_utf8_lossy(&sent);
    assert!(text.starts_with("POST /_node/call HTTP/1.1\r\n"), "{text}");
    assert!(!text.contains("user/get") && !text.contains(OFFICIAL), "it is sealed");
    let calls = nodes.first.calls(USERS, None).await;
    let mut again = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    again.write_all(&sent).await.unwrap();
    let mut answer = vec![0; 4096];
    let length = again.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(answer.contains("\"errcode\":4"), "as any path: {answer}");
    assert_eq!(nodes.first.calls(USERS, None).await, calls);
    nodes.stop().await;
}

#[tokio::test]
async fn a_body_that_partly_went_to_somebody_else_is_never_sent_without_its_beginning() {
    // It reads a part, and answers as a path it doesn't know.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.read_exact(&mut vec![0; 200_000]).await;
                let answer =
                    "HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.read(&mut vec![0; 1 << 20]).await;
            });
        }
    });
    let Some(nodes) = Nodes::start(&[&address, ""]).await else { return };
    // It is known here that the first node isn't listed, and not who is.
    let mut is_known = false;
    for _ in 0..6 {
        is_known = is_known || nodes.pass().await.json()["total"].is_number();
    }
    assert!(is_known, "somebody makes it");
    let (content_type, body) = multipart(3 << 20);
    let url = format!("{}/cgi-bin/media/upload?type=image", nodes.first.url());
    let headers = [headers()[0], headers()[1], ("content-type", &*content_type)];
    let mut whole = 0;
    for _ in 0..12 {
        let answer = nodes.first.http.send(Method::POST, &url, &headers, body.clone()).await.unwrap().json();
        let Some(media) = answer["media_id"].as_str() else {
            assert_eq!(answer["errcode"], -1, "{answer}");
            continue;
        };
        let got = nodes.first.get(&format!("/cgi-bin/media/get?media_id={media}"), &headers[..2]).await;
        assert!(got.body.len() >= 3 << 20, "{}", got.body.len());
        whole += 1;
    }
    assert!(whole > 0, "the node that may took none");
    nodes.stop().await;
}

/// Passes one call on to `port`, and of the answer what comes before the first byte that `cut` counts out.
async fn cut_after(listener: &TcpListener, port: u16, cut: usize) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut there = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut sent = vec![0; 64 << 10];
    let length = stream.read(&mut sent).await.unwrap();
    there.write_all(&sent[..length]).await.unwrap();
    let mut answered = vec![0; cut];
    there.read_exact(&mut answered).await.unwrap();
    stream.write_all(&answered).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_is_cut_between_the_nodes_is_no_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let Some(nodes) = Nodes::start(&[&address]).await else { return };
    let port = nodes.others[0].url().rsplit(':').next().unwrap().parse().unwrap();
    // In the head of HTTP, in the first frame, and before the last one.
    for cut in [20, 150, 280] {
        let (answer, ()) = tokio::join!(nodes.pass(), cut_after(&listener, port, cut));
        let lost = answer.json();
        assert_eq!(lost["errcode"], -1, "after {cut}: {lost}");
        assert!(lost["errmsg"].as_str().unwrap().contains("可能已经生效"), "{lost}");
    }
    nodes.stop().await;
}

/// What handing over costs; run it by name, with `--ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn what_handing_over_costs() {
    let Some(nodes) = Nodes::start(&[""]).await else { return };
    let measured = async |url: String| {
        let url: std::sync::Arc<str> = url.into();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..64 {
            let (http, url) = (nodes.first.http.clone(), url.clone());
            tasks.spawn(async move {
                let mut times = Vec::new();
                for _ in 0..157 {
                    let began = Instant::now();
                    let reply = http.send(Method::GET, &url, &headers(), "").await.unwrap();
                    assert!(reply.json()["total"].is_number(), "{:?}", reply.body);
                    times.push(began.elapsed());
                }
                times
            });
        }
        let mut times = tasks.join_all().await.concat();
        times.sort_unstable();
        (times[times.len() / 2], times[times.len() * 99 / 100])
    };
    for _ in 0..3 {
        let direct = measured(format!("{}{USERS}", nodes.others[0].url())).await;
        let handed = measured(format!("{}{USERS}", nodes.first.url())).await;
        eprintln!("p50, p99: direct {direct:?}, handed over {handed:?}");
    }
    nodes.stop().await;
}
