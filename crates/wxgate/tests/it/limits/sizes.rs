//! How much is read, kept and held back; what is longer is told so, or goes through as it comes.

use http::{Method, StatusCode};
use serde_json::json;
use wxgate::limits::Limits;

use super::held::{Held, OPEN};
use crate::app::{EXAMPLE, MINI, OFFICIAL, Reply, TestApp};
use crate::backend::{Backend, says};
use crate::proxy::refuses;
use crate::raw::Raw;
use crate::signed::{Maker, text};

const SOME: usize = 1000;

async fn post(app: &TestApp, path: &str, body: String) -> Reply {
    app.http.send(Method::POST, &format!("{}{path}", app.url()), &[], body).await.unwrap()
}

#[tokio::test]
async fn the_body_of_a_service_call_or_a_callback() {
    let app = TestApp::limited(OPEN, Limits { body: SOME, ..Limits::default() }).await;
    // `flow_id` comes back, so that a body may be as long as one likes.
    let call = async |length: usize| {
        let whole =
            |id: &str| json!({"source": "t", "appid": MINI, "code": "demo-login", "flow_id": id}).to_string();
        let id = "x".repeat(length - whole("").len());
        post(&app, "/v1/service/wx/code2session", whole(&id)).await
    };
    assert_ne!(call(SOME).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let refused = call(SOME + 1).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(refused.fails(3_584_002, false, 0)["msg"].as_str().unwrap().contains("1000"));

    let signed = async |length: usize| {
        let content = "x".repeat(length - text("gh_0000000000c3", "").len());
        app.callback(None, &Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", &content))).await
    };
    assert_eq!(signed(SOME).await.body, "success");
    let refused = signed(SOME + 1).await;
    assert_eq!((refused.status.as_u16(), &refused.body[..]), (413, &b"too large"[..]));
    assert_eq!(app.events().await.len(), 1);
}

#[tokio::test]
async fn the_body_of_a_stranger() {
    let app = TestApp::limited(OPEN, Limits { unsigned_body: SOME, ..Limits::default() }).await;
    let forged = async |length: usize| {
        let maker = Maker { token: "other", ..Maker::new(EXAMPLE, app.now()) };
        let content = "x".repeat(length - text("gh_0000000000c3", "").len());
        app.callback(None, &maker.plain(&text("gh_0000000000c3", &content))).await.status
    };
    assert_eq!(forged(SOME).await, StatusCode::FORBIDDEN);
    assert_eq!(forged(SOME + 1).await, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn the_body_of_a_token_call() {
    let app = TestApp::limited(OPEN, Limits { token_body: SOME, ..Limits::default() }).await;
    let token = async |length: usize| {
        let form = format!("grant_type=client_credential&appid={OFFICIAL}&secret=");
        let secret = "x".repeat(length - form.len());
        post(&app, "/cgi-bin/token", form + &secret).await
    };
    assert!(token(SOME).await.json()["access_token"].is_string());
    refuses(&token(SOME + 1).await, -1, "system error");
}

#[tokio::test]
async fn a_passed_on_body_that_can_be_sent_again() {
    let app = TestApp::limited(OPEN, Limits { kept: SOME, ..Limits::default() }).await;
    let url = format!("{}/cgi-bin/menu/create", app.url());
    let call = async |length: usize| {
        app.control("token/rotate", json!({"appid": OFFICIAL, "hard": true})).await;
        let body = json!({"button": []}).to_string();
        let named = [("x-wx-appid", OFFICIAL)];
        app.http.send(Method::POST, &url, &named, format!("{body:length$}")).await.unwrap()
    };
    let healed = call(SOME).await;
    assert!(!healed.headers.contains_key("x-wxgate-error"), "{:?}", healed.body);
    refuses(&call(SOME + 1).await, 42001, "access_token expired");
}

#[tokio::test]
async fn what_is_held_back_of_an_answer() {
    let held = Held::start().await;
    let app = held.as_wechat(OPEN, Limits { look: SOME, ..Limits::default() }).await;
    let begin = async |length: usize| {
        held.says(format!("{{\"a\":\"{}", "x".repeat(length - 6)), "\"}");
        let mut raw = Raw::to(&app.url()).await;
        raw.send(format!("GET /cgi-bin/x HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Wx-Appid: {OFFICIAL}\r\n\r\n"))
            .await;
        raw
    };
    // It may be a refusal of the token: nobody gets it before its end.
    let mut short = begin(SOME).await;
    app.until("WeChat has begun to answer", async || held.arrived() == 1).await;
    // What is longer goes through as it comes, though WeChat has not ended.
    let mut long = begin(SOME + 1).await;
    while !long.bytes(1).await.ends_with(b"{") {}
    assert!(short.is_silent());
    held.release(2);
    while !short.bytes(1).await.ends_with(b"}") {}
    while !long.bytes(1).await.ends_with(b"}") {}
}

#[tokio::test]
async fn wechats_answer_to_a_typed_call() {
    let app = TestApp::limited(OPEN, Limits { answer: SOME, ..Limits::default() }).await;
    let call = async |code: &str, length: usize| {
        let session = json!({"openid": "o", "session_key": "k"}).to_string();
        app.faults("/sns/jscode2session", json!({"body": format!("{session:length$}")}), 1).await;
        app.call("code2session", json!({"appid": MINI, "code": code})).await
    };
    call("one", SOME).await.ok();
    let refused = call("two", SOME + 1).await.fails(3_584_013, false, 0);
    assert!(refused["msg"].as_str().unwrap().contains("应答太大"), "{refused}");
}

#[tokio::test]
async fn a_backends_answer() {
    let backend = Backend::start().await;
    let route = format!("{OPEN}\n[[routes]]\nname = \"r\"\ntarget = \"{}\"\nreply = true", backend.url);
    let app = TestApp::limited(&route, Limits { reply: SOME, ..Limits::default() }).await;
    backend.does(|got| {
        let length: usize = got.message().content().parse().unwrap();
        let reply = json!({"MsgType": "text", "Content": "hello"}).to_string();
        says(200, format!("{reply:length$}"))
    });
    let said = async |length: usize| {
        let message = text("gh_0000000000c3", &length.to_string());
        app.callback(None, &Maker::new(EXAMPLE, app.now()).plain(&message)).await.body
    };
    assert!(said(SOME).await.starts_with(b"<xml>"));
    assert_eq!(said(SOME + 1).await, "success");
    app.all_delivered().await;
    assert_eq!(app.deliveries("status=delivered").await.len(), 2);
}
