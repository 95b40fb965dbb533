//! What is passed on has a length: WeChat answers requests without one with 412.

use std::time::Duration;

use http::StatusCode;
use wxgate::limits::Limits;

use crate::app::{OFFICIAL, TestApp};
use crate::database;
use crate::limits::held::OPEN;
use crate::mirror::{Mirror, Seen, hash};
use crate::proxy::refuses;
use crate::raw::Raw;

const PATH: &str = "/cgi-bin/media/upload";

/// A gateway within `limits` whose WeChat mirrors.
async fn mirrored(limits: Limits) -> (TestApp, Mirror) {
    let mut app = TestApp::limited(OPEN, limits).await;
    let mirror = Mirror::start().await;
    let text = app.text().replace(&app.sandbox.url(), &mirror.url);
    app.restart_with(&text).await;
    (app, mirror)
}

/// Begins a request without a length.
async fn begin(app: &TestApp) -> Raw {
    let mut raw = Raw::to(&app.url()).await;
    let head = "HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    raw.send(format!("POST {PATH} {}", head.replace("Host", &format!("X-Wx-Appid: {OFFICIAL}\r\nHost"))))
        .await;
    raw
}

/// Sends `body` in pieces of `size`, with its end.
async fn chunks(raw: &mut Raw, body: &[u8], size: usize) {
    for piece in body.chunks(size) {
        raw.send([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()).await;
    }
    raw.send("0\r\n\r\n").await;
}

/// What WeChat got, and that it came with its length.
fn got(mirror: &Mirror, body: &[u8]) {
    let [Seen { headers, length, hash: got, .. }] = &mirror.take()[..] else { panic!("one request") };
    assert_eq!((*length, *got), (body.len(), hash(body)));
    assert_eq!(headers["content-length"], body.len().to_string());
    assert!(!headers.contains_key("transfer-encoding"));
}

#[tokio::test]
async fn a_body_without_its_length_gets_one() {
    let limits = Limits { kept: 10_000, collected: 3_000_000, ..Limits::default() };
    let (app, mirror) = mirrored(limits).await;
    // Nothing, in memory, just so, in a file, as long as may be.
    for length in [0, 1, 9_999, 10_000, 10_001, 3_000_000] {
        let body: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
        let mut raw = begin(&app).await;
        chunks(&mut raw, &body, 65_000).await;
        assert_eq!(raw.answer().await.status, StatusCode::OK, "{length}");
        got(&mirror, &body);
    }
    assert_eq!(files(&app), database::files());
    // One that has it keeps it, and streams.
    let body = vec![7; 100_000];
    let mut raw = Raw::to(&app.url()).await;
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Wx-Appid: {OFFICIAL}\r\nContent-Length: 100000\r\n\r\n"
    );
    raw.send(head).await;
    raw.send(&body).await;
    assert_eq!(raw.answer().await.status, StatusCode::OK);
    got(&mirror, &body);
}

fn files(app: &TestApp) -> Vec<String> {
    let names = std::fs::read_dir(app.dir.path()).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_body_in_a_file_is_sent_again_when_its_token_died() {
    let limits = Limits { kept: 100, ..Limits::default() };
    let app = TestApp::limited(OPEN, limits).await;
    let body = br#"{"button": [{"type": "click", "name": "a", "key": "k"}]}"#;
    let long = [&b" ".repeat(1000)[..], body].concat();
    let path = "/cgi-bin/menu/create";
    app.control("token/rotate", serde_json::json!({"appid": OFFICIAL, "hard": true})).await;
    let mut raw = Raw::to(&app.url()).await;
    raw.send(format!(
        "POST {path} HTTP/1.1\r\nX-Wx-Appid: {OFFICIAL}\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    ))
    .await;
    chunks(&mut raw, &long, 300).await;
    let answer = raw.answer().await;
    assert!(!answer.headers.contains_key("x-wxgate-error"), "{:?}", answer.body);
}

#[tokio::test]
async fn a_body_without_its_length_is_told_when_it_is_too_long() {
    let limits = Limits { kept: 10_000, collected: 50_000, ..Limits::default() };
    let (app, mirror) = mirrored(limits).await;
    let mut raw = begin(&app).await;
    chunks(&mut raw, &[1; 60_000], 9_000).await;
    let refused = raw.answer().await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(refused.json()["errcode"], 45001);
    assert!(refused.json()["errmsg"].as_str().unwrap().contains("Content-Length"));
    assert_eq!(mirror.take().len(), 0, "nothing was sent");
}

#[tokio::test]
async fn a_body_without_its_length_is_told_when_there_is_no_room() {
    let limits = Limits {
        kept: 10_000,
        spooled: 50_000,
        budget_time: Duration::from_millis(100),
        ..Limits::default()
    };
    let (app, mirror) = mirrored(limits).await;
    let mut raw = begin(&app).await;
    chunks(&mut raw, &[1; 60_000], 9_000).await;
    let refused = raw.answer().await;
    refuses(&refused, -1, "system error");
    assert_eq!(refused.headers["retry-after"], "1");
    // What it took is there for the next.
    let mut raw = begin(&app).await;
    chunks(&mut raw, &[1; 40_000], 9_000).await;
    assert_eq!(raw.answer().await.status, StatusCode::OK);
    got(&mirror, &[1; 40_000]);
}
