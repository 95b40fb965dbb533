//! `late_reply = "custom"`: what came too late to be the passive reply reaches the user all the same, once.

use std::time::Duration;

use serde_json::{Value, json};
use wxgate::limits::Limits;

use crate::app::{EXAMPLE, OFFICIAL, TestApp};
use crate::backend::{Backend, says};
use crate::signed::{Maker, text};

const CUSTOM: &str = "/cgi-bin/message/custom/send";
const REPLY: &str = r#"{"MsgType":"text","Content":"你好 & <hello>"}"#;

async fn replying(reply: &str, more: &str) -> (TestApp, Backend) {
    let backend = Backend::start().await;
    let app = TestApp::configured(&format!(
        "[auth]\nmode = \"off\"\n[[routes]]\nname = \"late\"\ntarget = \"{}\"\nreply = {reply}\nreply_wait = \"300ms\"\n{more}",
        backend.url
    ))
    .await;
    app.subscribe(EXAMPLE, "plain", "xml").await;
    (app, backend)
}

const LATE: &str = "late_reply = \"custom\"\n";

/// A new user writes, and WeChat's push is over.
async fn writes(app: &TestApp, content: &str) -> (String, Value) {
    let openid = app.user(EXAMPLE).await;
    let said = app.control("message", json!({"appid": EXAMPLE, "openid": openid, "text": content})).await;
    (openid, said["pushes"][0]["attempts"].clone())
}

/// Customer-service messages that the sandbox has: to whom, and what.
async fn customs(app: &TestApp) -> Vec<(String, Value)> {
    let state = app.state().await;
    let messages = state["messages"].as_array().unwrap().iter();
    messages
        .filter(|message| message["path"] == CUSTOM)
        .map(|message| (message["touser"].as_str().unwrap().to_owned(), message["data"].clone()))
        .collect()
}

#[tokio::test]
async fn a_late_answer_reaches_the_user_once_and_one_in_time_only_as_the_reply() {
    let (app, backend) = replying("true", LATE).await;
    backend.does(|got| {
        let wait = if got.message().content() == "late" { 800 } else { 0 };
        says(200, REPLY).after(Duration::from_millis(wait))
    });
    let (_, attempts) = writes(&app, "in time").await;
    assert!(attempts[0]["reply"].as_str().unwrap().contains("hello"), "{attempts}");
    let (ann, attempts) = writes(&app, "late").await;
    assert_eq!((&attempts[0]["body"], attempts.as_array().unwrap().len()), (&json!("success"), 1));
    app.until("it is there", async || !customs(&app).await.is_empty()).await;
    app.all_delivered().await;
    let expected = json!({"touser": ann, "msgtype": "text", "text": {"content": "你好 & <hello>"}});
    assert_eq!(customs(&app).await, [(ann, expected)]);
    assert_eq!((backend.count(), app.deliveries("status=delivered").await.len()), (2, 2));
}

#[tokio::test]
async fn a_duplicate_brings_no_second_one() {
    let (app, backend) = replying("true", LATE).await;
    backend.does(|_| says(200, REPLY).after(Duration::from_millis(900)));
    let openid = app.user(EXAMPLE).await;
    // That the user wrote is known to the sandbox: this one is answered before.
    app.control("message", json!({"appid": EXAMPLE, "openid": openid, "text": "before"})).await;
    app.until("the first is there", async || customs(&app).await.len() == 1).await;
    let message = text("gh_0000000000c3", "hi").replace("[CDATA[o1]]", &format!("[CDATA[{openid}]]"));
    let push = async || app.callback(None, &Maker::new(EXAMPLE, app.now()).plain(&message)).await.body;
    let (one, other) = tokio::join!(push(), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        push().await
    });
    assert_eq!((&one[..], &other[..]), (&b"success"[..], &b"success"[..]));
    app.until("it is there", async || customs(&app).await.len() == 2).await;
    app.all_delivered().await;
    assert_eq!(&push().await[..], b"success");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!((customs(&app).await.len(), backend.count()), (2, 2));
}

#[tokio::test]
async fn what_comes_after_wechats_last_attempt_is_late_too() {
    let backend = Backend::start().await;
    let limits = Limits {
        callback_time: Duration::from_millis(150),
        callback_left: Duration::from_millis(250),
        ..Limits::default()
    };
    let route = format!(
        "[auth]\nmode = \"off\"\n[[routes]]\nname = \"late\"\ntarget = \"{}\"\nreply = true\nreply_wait = \"14s\"\n{LATE}",
        backend.url
    );
    let app = TestApp::limited(&route, limits).await;
    backend.does(|_| says(200, REPLY).after(Duration::from_millis(700)));
    let openid = app.user(EXAMPLE).await;
    app.control("message", json!({"appid": EXAMPLE, "openid": openid, "text": "no callback is set"})).await;
    let message = |content: &str, ago: i64| {
        let made = text("gh_0000000000c3", content).replace("[CDATA[o1]]", &format!("[CDATA[{openid}]]"));
        Maker::new(EXAMPLE, app.now()).plain(&made.replace("1409735668", &(app.now() - ago).to_string()))
    };
    // WeChat makes no other attempt, and got `success` although the backend has some seconds left.
    let last = app.callback(None, &message("last", 9)).await;
    assert_eq!(&last.body[..], b"success");
    app.until("it is there", async || customs(&app).await.len() == 1).await;
    // One that is answered at a later attempt is no late one.
    let first = message("first", 0);
    let url = format!("{}/v1/service/wx/wxmsg?{}", app.url(), first.query);
    let left = app.http.send(http::Method::POST, &url, &[], first.body.clone()).await;
    assert!(left.is_err(), "it is left without an answer");
    app.all_delivered().await;
    assert!(app.callback(None, &first).await.body.starts_with(b"<xml>"));
    assert_eq!((customs(&app).await.len(), backend.count()), (1, 2));
}

#[tokio::test]
async fn what_is_no_reply_of_this_kind_is_not_sent() {
    let late = Duration::from_millis(700);
    for (reply, more, answer) in [
        ("true", "", REPLY),
        ("true", LATE, "success"),
        ("true", LATE, "<xml><MsgType>transfer_customer_service</MsgType></xml>"),
    ] {
        let (app, backend) = replying(reply, more).await;
        backend.does(move |_| says(200, answer).after(late));
        writes(&app, "hi").await;
        app.all_delivered().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(app.calls(CUSTOM, None).await, 0, "{more} {answer}");
    }
    // An event with an answer of its own; and a backend that fails.
    let (app, backend) = replying("true", LATE).await;
    backend.does(move |_| says(200, r#"{"ErrCode":0,"MsgType":"text","Content":"a"}"#).after(late));
    let event = "<xml><ToUserName>gh_0000000000a1</ToUserName><FromUserName>o1</FromUserName><CreateTime>1409735668</CreateTime>\
        <MsgType>event</MsgType><Event>xpay_goods_deliver_notify</Event></xml>";
    app.callback(Some(OFFICIAL), &Maker::new(OFFICIAL, app.now()).safe(event)).await;
    backend.does(move |_| says(500, REPLY).after(late));
    writes(&app, "hi").await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!((app.calls(CUSTOM, None).await, backend.count()), (0, 2));
}

#[tokio::test]
async fn one_that_wechat_refuses_or_says_nothing_of_is_not_repeated() {
    let (app, backend) = replying("true", LATE).await;
    backend.does(|_| says(200, REPLY).after(Duration::from_millis(600)));
    for fault in [json!({"errcode": 45015}), json!({"cut": "after"}), json!({"errcode": -1})] {
        app.faults(CUSTOM, fault, 1).await;
    }
    for n in 1..=3 {
        writes(&app, &format!("{n}")).await;
        app.until("it was tried", async || app.calls(CUSTOM, None).await == n).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    app.all_delivered().await;
    assert_eq!((app.calls(CUSTOM, None).await, backend.count()), (3, 3));
    // What failed is shown to operators.
    app.until("it is told", async || {
        let failures = app.api("failures").await;
        let told = failures["items"].as_array().unwrap().iter().filter(|one| one["api"] == CUSTOM);
        told.map(|one| one["errcode"].as_i64().unwrap()).collect::<Vec<_>>() == [-1, 45015]
    })
    .await;
}
