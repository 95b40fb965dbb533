//! How long is waited for what others send, or don't take.

use http::StatusCode;
use wxgate::limits::Limits;

use super::held::{Held, OPEN, SHORT, session, soon, users};
use crate::app::{EXAMPLE, OFFICIAL, TestApp};
use crate::backend::Backend;
use crate::database;
use crate::proxy::refuses;
use crate::raw::Raw;
use crate::signed::{Maker, text};

/// A request of `head` whose body begins and doesn't go on.
async fn stuck(app: &TestApp, head: &str) -> Raw {
    let mut raw = Raw::to(&app.url()).await;
    let named = format!("Host: 127.0.0.1\r\nX-Wx-Appid: {OFFICIAL}");
    raw.send(format!("{head} HTTP/1.1\r\n{named}\r\nContent-Length: 1000\r\n\r\n{{")).await;
    raw
}

/// A backend that takes messages, and never answers.
async fn with_reply(held: &Held, limits: Limits) -> TestApp {
    let route = format!("{OPEN}\n[[routes]]\nname = \"r\"\ntarget = \"{}\"\nreply = true", held.url);
    TestApp::limited(&route, limits).await
}

#[tokio::test]
async fn a_service_calls_body() {
    let app = TestApp::limited(OPEN, Limits { body_grace: SHORT, ..Limits::default() }).await;
    let refused = stuck(&app, "POST /v1/service/wx/code2session").await.answer().await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    refused.fails(3_584_003, false, 0);
}

#[tokio::test]
async fn a_body_that_is_kept() {
    let app = TestApp::limited(OPEN, Limits { body_grace: SHORT, ..Limits::default() }).await;
    refuses(&stuck(&app, "POST /cgi-bin/menu/create").await.answer().await, -1, "system error");
    assert_eq!(app.calls("/cgi-bin/menu/create", None).await, 0);
}

#[tokio::test]
async fn a_token_calls_body() {
    let app = TestApp::limited(OPEN, Limits { body_grace: SHORT, ..Limits::default() }).await;
    let mut stuck = stuck(&app, "POST /cgi-bin/token").await;
    refuses(&soon(stuck.answer()).await, -1, "system error");
}

#[tokio::test]
async fn a_callbacks_body() {
    let app = TestApp::limited(OPEN, Limits { callback_body_time: SHORT, ..Limits::default() }).await;
    let query = Maker::new(EXAMPLE, app.now()).plain("").query;
    let mut stuck = stuck(&app, &format!("POST /v1/service/wx/wxmsg?{query}")).await;
    let refused = soon(stuck.answer()).await;
    assert_eq!((refused.status.as_u16(), &refused.body[..]), (403, &b"refused"[..]));
}

#[tokio::test]
async fn a_callbacks_answer() {
    let held = Held::start().await;
    let app = with_reply(&held, Limits { callback_time: SHORT, ..Limits::default() }).await;
    let send = async |content: &str| {
        let callback = Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", content));
        soon(app.callback(None, &callback)).await
    };
    assert_eq!(send("a reply that takes its time").await.body, "success");
    assert_eq!(held.arrived(), 1);
    held.release(2);
    app.all_delivered().await;
    // Another connection holds the write lock: the commit takes its time.
    let blocker = database::block(&app).await;
    let late = send("a commit that takes its time").await;
    assert_eq!((late.status.as_u16(), &late.body[..]), (500, &b"not stored: send it again"[..]));
    blocker.release().await;
    app.until("it is delivered all the same", async || held.arrived() == 2).await;
}

#[tokio::test]
async fn silence_in_a_body_that_comes() {
    let app = TestApp::limited(OPEN, Limits { silence: SHORT, ..Limits::default() }).await;
    let refused = stuck(&app, "POST /v1/service/wx/code2session").await.answer().await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    refused.fails(3_584_003, false, 0);
    refuses(&stuck(&app, "POST /cgi-bin/menu/create").await.answer().await, -1, "system error");
}

#[tokio::test]
async fn silence_in_an_upload_that_goes_through() {
    let app = TestApp::limited(OPEN, Limits { silence: SHORT, kept: 0, ..Limits::default() }).await;
    refuses(&stuck(&app, "POST /cgi-bin/menu/create").await.answer().await, -1, "system error");
}

#[tokio::test]
async fn silence_in_an_answer() {
    let held = Held::start().await;
    let app = held.as_wechat(OPEN, Limits { silence: SHORT, look: 100, ..Limits::default() }).await;
    held.says("{\"openid\":", "\"o\"}");
    let refused = session(&app, &[], "one").await.fails(3_584_013, false, 0);
    assert!(refused["msg"].as_str().unwrap().contains("没有收全"), "{refused}");
    refuses(&users(&app, &[]).await, -1, "system error");
    // What has gone on to its caller breaks off there.
    held.says(format!("{{\"a\":\"{}", "x".repeat(100)), "\"}");
    let mut raw = Raw::to(&app.url()).await;
    raw.send(format!("GET /cgi-bin/x HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Wx-Appid: {OFFICIAL}\r\n\r\n")).await;
    let answer = String::from_utf8(raw.rest().await).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("xxx\r\n"),
        "no last chunk: {answer}"
    );
}

#[tokio::test]
async fn silence_of_a_client_that_reads_no_more() {
    const LENGTH: usize = 32 << 20;
    let held = Held::start().await;
    let app = held.as_wechat(OPEN, Limits { silence: SHORT, passed: 1, ..Limits::default() }).await;
    held.says("\0", vec![0; LENGTH]);
    held.release(1);
    let mut raw = Raw::to(&app.url()).await;
    raw.send(format!("GET /cgi-bin/x HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Wx-Appid: {OFFICIAL}\r\n\r\n")).await;
    app.until("the download has begun", async || held.arrived() == 1).await;
    refuses(&users(&app, &[]).await, -1, "system error");
    held.says("", "{}");
    held.release(1000);
    app.until("its place is free again", async || {
        !users(&app, &[]).await.headers.contains_key("x-wxgate-error")
    })
    .await;
    assert!(raw.rest().await.len() < LENGTH, "it was cut");
}

#[tokio::test]
async fn a_target_whose_name_server_is_silent() {
    let route = format!("{OPEN}\n[[routes]]\nname = \"r\"\ntarget = \"http://backend.example\"\nretry = []");
    let mut app = TestApp::limited(&route, Limits { resolve_time: SHORT, ..Limits::default() }).await;
    app.world.resolver = wxgate::net::Resolver::Silent;
    app.restart().await;
    let callback = Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", "a"));
    assert_eq!(app.callback(None, &callback).await.body, "success");
    soon(app.all_delivered()).await;
    let attempt = app.deliveries("status=dead").await[0]["attempts"][0].clone();
    assert!(attempt["error"].as_str().unwrap().contains("name took too long to be resolved"), "{attempt}");
}

#[tokio::test]
async fn a_target_whose_first_address_is_silent() {
    let backend = Backend::start().await;
    let port = backend.url.rsplit(':').next().unwrap().parse().unwrap();
    let _full = super::ways::full(("127.0.0.2", port)).await;
    let route = format!("{OPEN}\n[[routes]]\nname = \"r\"\ntarget = \"http://backend.example:{port}\"");
    let mut app = TestApp::limited(&route, Limits { dial_time: SHORT, ..Limits::default() }).await;
    app.world.resolver = wxgate::net::Resolver::Injected(std::sync::Arc::new(|_| {
        Ok(vec!["127.0.0.2".parse().unwrap(), "127.0.0.1".parse().unwrap()])
    }));
    app.restart().await;
    let callback = Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", "a"));
    assert_eq!(app.callback(None, &callback).await.body, "success");
    soon(app.all_delivered()).await;
    assert_eq!(app.deliveries("status=delivered").await.len(), 1);
}
