//! Connections: how many there may be, and how long they may take to become one.

use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use wxgate::limits::Limits;

use super::held::{OPEN, SHORT, session, soon};
use crate::app::TestApp;
use crate::network::{CERT, KEY};
use crate::raw::Raw;

const INDEX: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// A listener whose queue is full: whoever connects gets no answer at all.
pub(crate) async fn full(address: (&str, u16)) -> (TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{}:{}", address.0, address.1).parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = timeout(SHORT, TcpStream::connect(address)).await {
        waiting.push(stream.unwrap());
        assert!(waiting.len() < 100, "its queue has no end");
    }
    (listener, waiting)
}

/// A gateway whose WeChat is first at `base`, and then the sandbox.
async fn first_at(base: &str, limits: Limits) -> TestApp {
    let mut app = TestApp::limited(OPEN, limits).await;
    let sandbox = app.sandbox.url();
    let text = app.text().replace(
        &format!("api_base = \"{sandbox}\""),
        &format!("api_base = \"{base}\"\nfallback_bases = [\"{sandbox}\"]"),
    );
    app.restart_with(&text).await;
    app
}

#[tokio::test]
async fn connections_of_operators() {
    let app = TestApp::limited(OPEN, Limits { admin_connections: 2, ..Limits::default() }).await;
    let url = app.admin_url();
    let health = "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n";
    // Who is silent gives way, and callers have connections of their own.
    let mut silent = [Raw::to(&url).await, Raw::to(&url).await];
    let mut third = Raw::to(&url).await;
    third.send(health).await;
    assert_eq!(third.answer().await.status, 200);
    assert_eq!(silent[0].rest().await, b"");
    let mut caller = Raw::to(&app.url()).await;
    caller.send(INDEX).await;
    assert_eq!(caller.answer().await.status, 200);
}

#[tokio::test]
async fn the_time_of_a_head() {
    let app = TestApp::limited(OPEN, Limits { head_time: SHORT, ..Limits::default() }).await;
    let mut slow = Raw::to(&app.url()).await;
    slow.send("GET / HTTP/1.1\r\nHost:").await;
    assert_eq!(slow.rest().await, b"", "there was no request that could be answered");
    // Every later one as well: it begins with the answer before it.
    let mut kept = Raw::to(&app.url()).await;
    kept.send(INDEX).await;
    assert_eq!(kept.answer().await.status, 200);
    assert_eq!(kept.rest().await, b"");
}

#[tokio::test]
async fn the_time_of_a_handshake() {
    let mut app = TestApp::limited(OPEN, Limits { handshake_time: SHORT, ..Limits::default() }).await;
    for (name, text) in [("test.pem", CERT), ("test.key", KEY)] {
        std::fs::write(app.dir.path().join(name), text).unwrap();
    }
    let tls = "[server]\ntls_cert = \"test.pem\"\ntls_key = \"test.key\"";
    let text = app.text().replace("[server]", tls);
    app.restart_with(&text).await;
    // Silent from the beginning, and after the beginning of a greeting.
    for greeting in [&b""[..], b"\x16\x03\x01\x02\x00"] {
        let mut raw = Raw::to(&app.url()).await;
        raw.send(greeting).await;
        assert_eq!(soon(raw.rest()).await, b"");
    }
}

#[tokio::test]
async fn the_time_to_make_a_connection() {
    // It is connected by the kernel, and nobody there speaks TLS, or anything.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("https://{}", silent.local_addr().unwrap());
    let limits = Limits { connect_time: SHORT, ..Limits::default() };
    let mut app = first_at(&base, limits).await;
    soon(session(&app, &[], "demo-login")).await.ok();
    let text = app.text().replace(&format!("fallback_bases = [\"{}\"]\n", app.sandbox.url()), "");
    app.restart_with(&text).await;
    let failed = soon(session(&app, &[], "other")).await.fails(3_584_013, true, 0);
    assert!(failed["msg"].as_str().unwrap().contains("连不上"), "{failed}");
}

#[tokio::test]
async fn the_time_of_one_address() {
    let (full, _waiting) = full(("127.0.0.1", 0)).await;
    let base = format!("http://{}", full.local_addr().unwrap());
    // With `dial_time` alone it is in time for the next host.
    let limits = Limits { dial_time: SHORT, connect_time: Duration::from_secs(60), ..Limits::default() };
    let app = first_at(&base, limits).await;
    soon(session(&app, &[], "demo-login")).await.ok();
}
