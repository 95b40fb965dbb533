//! The guarded client: which hosts it connects to, judged by what their names resolve to.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use wxgate::net::Resolver;
use wxgate::net::{Client, Unanswered, forbidden};
use wxgate::rules::egress::{Egress, Forbidden};
use wxgate::tls::Authorities;

const METADATA: &str = "169.254.169.254";

/// A backend that gives every connection one answer, and counts connections.
struct Backend {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Backend {
    async fn start(head: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections: Arc<AtomicUsize> = Arc::default();
        let counted = connections.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                        let answer = format!("HTTP/1.1 {head}\r\nContent-Length: 2\r\n\r\nok");
                        stream.write_all(answer.as_bytes()).await.unwrap();
                        if head.contains("close") {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn url(&self, host: &str) -> String {
        format!("http://{host}:{}/hook", self.address.port())
    }
}

/// The names there are.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<HashMap<String, Name>>>);

/// A name's successive answers (the last one stays), and how often it was asked for.
struct Name {
    answers: Vec<Vec<IpAddr>>,
    asked: usize,
}

impl Names {
    fn with(self, name: &str, answers: &[&[&str]]) -> Self {
        let parse = |ips: &&[&str]| ips.iter().map(|ip| ip.parse().unwrap()).collect();
        let answers = answers.iter().map(parse).collect();
        self.0.lock().unwrap().insert(name.to_owned(), Name { answers, asked: 0 });
        self
    }

    fn asked(&self, name: &str) -> usize {
        self.0.lock().unwrap()[name].asked
    }

    fn resolver(&self) -> Resolver {
        let names = self.clone();
        Resolver::Injected(Arc::new(move |host| {
            let mut names = names.0.lock().unwrap();
            let name = names.get_mut(host).ok_or_else(|| std::io::Error::other("no such name"))?;
            name.asked += 1;
            Ok(name.answers[name.asked.min(name.answers.len()) - 1].clone())
        }))
    }

    fn client(&self, loopback_allowed: bool) -> Client {
        guarded(Egress::new(Vec::new()), self.resolver(), loopback_allowed)
    }
}

fn guarded(egress: Egress, resolver: Resolver, loopback_allowed: bool) -> Client {
    let tls = Authorities::default().client_config().unwrap();
    Client::guarded(egress, resolver, loopback_allowed, tls, &Default::default())
}

async fn post(client: &Client, url: &str) -> Result<StatusCode, Unanswered> {
    let request = Request::post(url).body(Full::new(Bytes::from_static(b"{}"))).unwrap();
    let response = client.send(request).await?;
    let status = response.status();
    response.into_body().collect().await.unwrap();
    Ok(status)
}

/// The rule that refused the request.
async fn refused(client: &Client, url: &str) -> Forbidden {
    let error = post(client, url).await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    *forbidden(&error).unwrap_or_else(|| panic!("{url}: {error:?}"))
}

#[tokio::test]
async fn a_legal_target_is_reached_by_name_and_by_address() {
    let backend = Backend::start("200 OK").await;
    let names = Names::default().with("backend.example", &[&["127.0.0.1"]]);
    let client = names.client(true);
    for host in ["backend.example", "127.0.0.1", "[::ffff:127.0.0.1]", "backend.example"] {
        assert_eq!(post(&client, &backend.url(host)).await.unwrap(), 200, "{host}");
    }
    // Connections are kept by host: the name's serves the name only, and serves it twice.
    assert_eq!((backend.connections(), names.asked("backend.example")), (3, 1));
}

#[tokio::test]
async fn an_address_that_does_not_answer_gives_way_to_the_next() {
    let backend = Backend::start("200 OK").await;
    // Nobody listens at the first ones; the fifth is not tried.
    let names = Names::default()
        .with("fourth.example", &[&["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.1"]])
        .with("fifth.example", &[&["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.1"]]);
    let client = names.client(true);
    assert_eq!(post(&client, &backend.url("fourth.example")).await.unwrap(), 200);
    let error = post(&client, &backend.url("fifth.example")).await.unwrap_err();
    assert!(error.is_connect() && forbidden(&error).is_none(), "{error:?}");
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn a_name_that_resolves_to_metadata_is_refused() {
    let names = Names::default()
        .with("metadata.example", &[&[METADATA]])
        .with("mapped.example", &[&["::ffff:169.254.169.254"]])
        .with("alibaba.example", &[&["100.100.100.200"]])
        .with("aws.example", &[&["fd00:ec2::254"]])
        .with("zero.example", &[&["0.0.0.0"]]);
    let client = names.client(true);
    for (url, address) in [
        ("http://metadata.example/", "169.254.169.254:80"),
        ("https://metadata.example/", "169.254.169.254:443"),
        ("http://mapped.example/", "[::ffff:169.254.169.254]:80"),
        ("http://alibaba.example/", "100.100.100.200:80"),
        ("http://aws.example:8080/", "[fd00:ec2::254]:8080"),
        ("http://zero.example/", "0.0.0.0:80"),
        ("http://169.254.169.254/", "169.254.169.254:80"),
        ("https://[::ffff:169.254.169.254]/", "[::ffff:169.254.169.254]:443"),
        ("http://[fd00:ec2::254]/", "[fd00:ec2::254]:80"),
        // What a configuration's check would have refused is refused here too.
        ("http://user:password@169.254.169.254/", "169.254.169.254:80"),
    ] {
        assert_eq!(refused(&client, url).await.address(), address.parse().unwrap(), "{url}");
    }
    // A name nobody knows is no matter of the rules.
    let error = post(&client, "http://unknown.example/").await.unwrap_err();
    assert!(error.is_connect() && forbidden(&error).is_none(), "{error:?}");
}

#[tokio::test]
async fn a_name_with_one_forbidden_address_is_refused_whole() {
    let backend = Backend::start("200 OK").await;
    let names = Names::default()
        .with("a-aaaa.example", &[&["127.0.0.1", "fd00:ec2::254"]])
        .with("aaaa-a.example", &[&["fe80::1", "127.0.0.1"]])
        // Also where the forbidden one would not be tried.
        .with("late.example", &[&["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4", METADATA]])
        .with("legal.example", &[&["127.0.0.1"]]);
    let client = names.client(true);
    for host in ["a-aaaa.example", "aaaa-a.example", "late.example"] {
        refused(&client, &backend.url(host)).await;
        assert_eq!(names.asked(host), 1, "{host}");
    }
    // Connections are accepted in the order they were made: one on its way would be counted before this.
    assert_eq!(post(&client, &backend.url("legal.example")).await.unwrap(), 200);
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn every_connection_is_judged_anew_and_by_one_answer() {
    let backend = Backend::start("200 OK\r\nConnection: close").await;
    // A second look-up for the same connection would already be the forbidden one.
    let names = Names::default().with("flip.example", &[&["127.0.0.1"], &[METADATA]]);
    let client = names.client(true);
    assert_eq!(post(&client, &backend.url("flip.example")).await.unwrap(), 200);
    assert_eq!((backend.connections(), names.asked("flip.example")), (1, 1));
    let why = refused(&client, &backend.url("flip.example")).await;
    assert!(matches!(why, Forbidden::LinkLocal(_)), "{why}");
    assert_eq!((backend.connections(), names.asked("flip.example")), (1, 2));
}

#[tokio::test]
async fn own_listeners_are_refused_however_they_are_called() {
    let own = Backend::start("200 OK").await;
    let other = Backend::start("200 OK").await;
    let names = Names::default().with("gateway.example", &[&["127.0.0.1"]]);
    let client = guarded(Egress::new(vec![own.address]), names.resolver(), true);
    for host in ["gateway.example", "127.0.0.1", "[::ffff:127.0.0.1]"] {
        let why = refused(&client, &own.url(host)).await;
        assert!(matches!(why, Forbidden::Own(_)), "{host}: {why}");
        assert_eq!(post(&client, &other.url(host)).await.unwrap(), 200, "{host}");
    }
    assert_eq!(own.connections(), 0);
}

#[tokio::test]
async fn loopback_is_refused_where_it_is_not_allowed() {
    let backend = Backend::start("200 OK").await;
    let names = Names::default().with("local.example", &[&["127.0.0.1"]]);
    let client = names.client(false);
    for host in ["local.example", "127.0.0.1", "[::1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]"] {
        let why = refused(&client, &backend.url(host)).await;
        assert!(matches!(why, Forbidden::Loopback(_)), "{host}: {why}");
    }
    // And where the operating system is asked.
    let client = guarded(Egress::new(Vec::new()), Resolver::machine(), false);
    refused(&client, &backend.url("localhost")).await;
    assert_eq!(backend.connections(), 0);
}

#[tokio::test]
async fn a_redirect_is_an_answer_like_any_other() {
    let backend = Backend::start("302 Found\r\nLocation: http://metadata.example/latest").await;
    let names =
        Names::default().with("backend.example", &[&["127.0.0.1"]]).with("metadata.example", &[&[METADATA]]);
    assert_eq!(post(&names.client(true), &backend.url("backend.example")).await.unwrap(), 302);
    assert_eq!((backend.connections(), names.asked("metadata.example")), (1, 0));
}
