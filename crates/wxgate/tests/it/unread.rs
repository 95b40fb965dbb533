//! What is refused before its body was read: a client that isn't told that the connection ends sends its next request into
//! one that is being closed, and loses the answer.

use crate::app::{OFFICIAL, Reply, TestApp};
use crate::raw::Raw;

/// Two refused ways, and a call that needs its body.
const REFUSED: [&str; 3] = ["/cgi-bin/media/upload", "/v1/service/wx/jssdk", "/v1/service/wx/nothing"];

const KEY: &str = "wxk_unread_0123456789abcdefghijklmnop";

async fn app() -> TestApp {
    let caller = format!("[[callers]]\nname = \"a\"\nkey = \"{KEY}\"\napps = [\"*\"]\napis = [\"*\"]\n");
    TestApp::configured(&caller).await
}

fn closes(reply: &Reply) -> bool {
    reply.headers.get("connection").is_some_and(|value| value == "close")
}

fn head(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Wx-Appid: {OFFICIAL}\r\nContent-Length: {length}\r\n\r\n"
    )
}

#[tokio::test]
async fn a_refusal_before_the_body_came_says_that_the_connection_ends() {
    let app = app().await;
    for path in REFUSED {
        for length in [1, 1 << 20] {
            let mut raw = Raw::to(&app.url()).await;
            raw.send(head(path, length)).await;
            let reply = raw.answer().await;
            assert!(closes(&reply), "{path} {length}: {reply:?}");
        }
        let mut raw = Raw::to(&app.url()).await;
        raw.send(head(path, 7).replace("Content-Length: 7", "Transfer-Encoding: chunked")).await;
        assert!(closes(&raw.answer().await), "{path}");
    }
}

#[tokio::test]
async fn a_short_body_that_has_come_is_read_away_and_the_connection_goes_on() {
    let app = app().await;
    for path in REFUSED {
        let mut raw = Raw::to(&app.url()).await;
        let chunked = head(path, 7).replace("Content-Length: 7", "Transfer-Encoding: chunked");
        let requests = [head(path, 7) + "{\"a\":1}", chunked + "7\r\n{\"a\":1}\r\n0\r\n\r\n", head(path, 0)];
        for request in requests.iter().cycle().take(9) {
            raw.send(request).await;
            let reply = raw.answer().await;
            assert!(!closes(&reply), "{path}: {request:?}: {reply:?}");
            assert!(reply.headers.contains_key("x-request-id"), "{reply:?}");
        }
    }
}

#[tokio::test]
async fn a_body_that_breaks_ends_the_connection_and_says_so() {
    let app = app().await;
    let key = format!("Host: 127.0.0.1\r\nX-Api-Key: {KEY}");
    for path in REFUSED {
        let chunked = head(path, 7).replace("Content-Length: 7", "Transfer-Encoding: chunked");
        let mut raw = Raw::to(&app.url()).await;
        raw.send(chunked.replace("Host: 127.0.0.1", &key) + "zz\r\n{}\r\n").await;
        let reply = raw.answer().await;
        assert!(closes(&reply), "{path}: {reply:?}");
    }
}

#[tokio::test]
async fn a_body_that_was_read_leaves_the_connection() {
    let app = app().await;
    let mut raw = Raw::to(&app.url()).await;
    let key = format!("Host: 127.0.0.1\r\nX-Api-Key: {KEY}");
    for path in ["/v1/service/wx/nothing", "/v1/service/wx/jssdk", "/cgi-bin/stable_token"] {
        let request = head(path, 20_000).replace("Host: 127.0.0.1", &key) + &"x".repeat(20_000);
        raw.send(&request[..request.len() / 2]).await;
        tokio::task::yield_now().await;
        raw.send(&request[request.len() / 2..]).await;
        let reply = raw.answer().await;
        if path != "/v1/service/wx/nothing" {
            assert!(!closes(&reply), "{path}: {reply:?}");
        } else {
            assert!(closes(&reply), "nobody reads it: {reply:?}");
            raw = Raw::to(&app.url()).await;
        }
    }
}
