//! Ways to and from the gateway: TLS on its listener, a proxy to WeChat, answers that stall.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use crate::app::{MINI, TestApp};

pub(crate) const CERT: &str = include_str!("certs/test.pem");
pub(crate) const KEY: &str = include_str!("certs/test.key");

/// One request over TLS that trusts nothing but the test's certificate; the answer as text.
fn over_tls(port: u16, request: &str) -> String {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(CERT.as_bytes()).unwrap()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(wxgate::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut session = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut stream = rustls::Stream::new(&mut session, &mut socket);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn the_callers_listener_speaks_tls_when_it_has_a_certificate() {
    let mut app = TestApp::start().await;
    for (name, text) in [("test.pem", CERT), ("test.key", KEY)] {
        std::fs::write(app.dir.path().join(name), text).unwrap();
    }
    let tls = "[server]\ntls_cert = \"test.pem\"\ntls_key = \"test.key\"";
    let text = app.text().replace("[server]", tls);
    app.stop().await;
    let mut secure = app.beside_here(&text).await.unwrap();
    let port = secure.gateway().address().port();

    let body = json!({"source": "t", "appid": MINI, "code": "demo-login"}).to_string();
    let request = format!(
        "POST /v1/service/wx/code2session HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let ask = move || over_tls(port, &request);
    let answer = tokio::task::spawn_blocking(ask.clone()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"code\":0"), "{answer}");

    // Half a pair is refused and changes nothing.
    std::fs::write(app.dir.path().join("test.key"), "no key").unwrap();
    let problems = secure.config(&text).unwrap_err().to_string();
    assert!(problems.contains("server.tls_cert") && problems.contains("test.key"), "{problems}");
    std::fs::write(app.dir.path().join("test.key"), KEY).unwrap();
    let config = secure.config(&text).unwrap();
    assert_eq!(secure.gateway().reload(config).unwrap(), Vec::<&str>::new());
    assert!(tokio::task::spawn_blocking(ask).await.unwrap().contains("\"code\":0"));
    secure.stop().await;
}

/// A proxy that tunnels, and notes what it was asked.
pub(crate) async fn proxy() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = seen.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let noted = noted.clone();
            tokio::spawn(async move {
                let mut client = BufReader::new(stream);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    client.read_line(&mut head).await.unwrap();
                }
                let target = head.split(' ').nth(1).unwrap().to_owned();
                noted.lock().unwrap().push(head);
                let mut upstream = tokio::net::TcpStream::connect(target).await.unwrap();
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
            });
        }
    });
    (port, seen)
}

#[tokio::test]
async fn every_call_to_wechat_goes_through_the_configured_proxy() {
    let (port, seen) = proxy().await;
    let proxy = format!("proxy = \"http://user:p%40ss@127.0.0.1:{port}\"");
    let app = TestApp::configured_with("[auth]\nmode = \"off\"", &proxy).await;
    app.call("code2session", json!({"appid": MINI, "code": "demo-login"})).await.ok();
    let heads = seen.lock().unwrap().clone();
    assert_eq!(heads.len(), 1);
    assert!(heads[0].starts_with(&format!("CONNECT {} ", app.sandbox.addr())), "{heads:?}");
    // base64("user:p@ss")
    assert!(heads[0].to_lowercase().contains("proxy-authorization: basic "), "{heads:?}");
    assert!(heads[0].contains("dXNlcjpwQHNz"), "{heads:?}");
    assert!(!heads[0].contains("appid"), "the proxy sees no path");
}
