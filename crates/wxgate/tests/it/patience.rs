//! Replies that take longer than one attempt of WeChat's: its first ones are left without an answer.

use std::time::Duration;

use serde_json::{Value, json};
use wechat::message::Message;
use wxgate::limits::Limits;

use crate::app::{EXAMPLE, TestApp};
use crate::backend::{Backend, says};
use crate::signed::{Callback, Maker, text};

const REPLY: &str = r#"{"MsgType":"text","Content":"hello"}"#;

fn route(backend: &Backend, more: &str) -> String {
    format!(
        "[auth]\nmode = \"off\"\n[[routes]]\nname = \"slow\"\ntarget = \"{}\"\nreply = true\nreply_wait = \"14s\"\n{more}",
        backend.url
    )
}

async fn patient(more: &str) -> (TestApp, Backend) {
    let backend = Backend::start().await;
    (TestApp::configured(&route(&backend, more)).await, backend)
}

/// What a user of the sandbox gets, in how many attempts.
async fn said(app: &TestApp) -> (Vec<Value>, Option<String>) {
    app.subscribe(EXAMPLE, "plain", "xml").await;
    let openid = app.user(EXAMPLE).await;
    let said = app.control("message", json!({"appid": EXAMPLE, "openid": openid, "text": "hi"})).await;
    let attempts = said["pushes"][0]["attempts"].as_array().unwrap().clone();
    let reply = attempts.last().unwrap()["reply"].as_str();
    let content = reply.map(|reply| Message::parse(reply.as_bytes()).unwrap().content().into_owned());
    (attempts, content)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_reach_the_user_at_whichever_attempt_is_under_way() {
    let cases = [3, 8, 12].map(|seconds| async move {
        let (app, backend) = patient("").await;
        backend.does(move |_| says(200, REPLY).after(Duration::from_secs(seconds)));
        let (attempts, content) = said(&app).await;
        app.all_delivered().await;
        (attempts.len(), content, backend.count(), app.events().await.len())
    });
    let outcomes = futures_util::future::join_all(cases).await;
    let hello = || Some("hello".to_owned());
    assert_eq!(outcomes, [(1, hello(), 1, 1), (2, hello(), 1, 1), (3, hello(), 1, 1)]);
}

#[tokio::test]
async fn one_that_never_comes_costs_no_fourth_attempt() {
    let (app, backend) = patient("timeout = \"60s\"\n").await;
    backend.does(|_| says(200, REPLY).after(Duration::from_secs(60)));
    let (attempts, content) = said(&app).await;
    assert_eq!((attempts.len(), content, backend.count()), (3, None, 1));
    assert!(attempts[..2].iter().all(|attempt| attempt["status"] == 0));
    assert_eq!((&attempts[2]["status"], &attempts[2]["body"]), (&json!(200), &json!("success")));
}

/// A message made `ago` seconds ago.
fn made(app: &TestApp, ago: i64, content: &str) -> Callback {
    let message = text("gh_0000000000c3", content).replace("1409735668", &(app.now() - ago).to_string());
    Maker::new(EXAMPLE, app.now()).plain(&message)
}

/// Bounds whose attempts are over soon.
fn soon() -> Limits {
    Limits {
        callback_time: Duration::from_millis(150),
        callback_left: Duration::from_millis(250),
        ..Limits::default()
    }
}

/// What an attempt got: the body, or nothing at all.
async fn attempt(app: &TestApp, callback: &Callback) -> Option<String> {
    let url = format!("{}/v1/service/wx/wxmsg?{}", app.url(), callback.query);
    let sent = app.http.send(http::Method::POST, &url, &[], callback.body.clone()).await;
    sent.ok().map(|reply| String::from_utf8(reply.body.to_vec()).unwrap())
}

#[tokio::test]
async fn the_third_attempt_and_a_late_one_get_success() {
    let backend = Backend::start().await;
    let app = TestApp::limited(&route(&backend, ""), soon()).await;
    backend.does(|_| says(200, REPLY).after(Duration::from_secs(30)));
    let success = || Some("success".to_owned());
    let fresh = made(&app, 0, "fresh");
    let mut got = Vec::new();
    for _ in 0..3 {
        got.push(attempt(&app, &fresh).await);
    }
    assert_eq!(got, [None, None, success()]);
    assert_eq!(attempt(&app, &made(&app, 9, "made nine seconds ago")).await, success());
    assert_eq!(attempt(&app, &made(&app, 8, "made eight seconds ago")).await, None);
    assert_eq!((backend.count(), app.events().await.len()), (3, 3), "each once");
}

#[tokio::test]
async fn an_answer_between_two_attempts_is_kept_for_the_next() {
    let backend = Backend::start().await;
    let app = TestApp::limited(&route(&backend, ""), soon()).await;
    backend.does(|_| says(200, REPLY).after(Duration::from_millis(600)));
    let message = made(&app, 0, "a");
    assert_eq!(attempt(&app, &message).await, None);
    app.all_delivered().await;
    let reply = attempt(&app, &message).await.unwrap();
    assert_eq!(Message::parse(reply.as_bytes()).unwrap().content(), "hello");
    assert_eq!(attempt(&app, &message).await, Some(reply));
    assert_eq!(backend.count(), 1);
    // A backend that says nothing to the user, or fails, ends the waiting.
    for (content, status) in [("silent", 200), ("fails", 500)] {
        backend.does(move |_| says(status, "").after(Duration::from_millis(350)));
        let message = made(&app, 0, content);
        assert_eq!(attempt(&app, &message).await, None);
        app.until("it is recorded", async || {
            app.deliveries("").await[0]["attempts"].as_array().unwrap().len() == 1
        })
        .await;
        assert_eq!(attempt(&app, &message).await, Some("success".to_owned()), "{content}");
    }
}

#[tokio::test]
async fn without_room_it_is_success_at_once() {
    let backend = Backend::start().await;
    let app = TestApp::limited(&route(&backend, "concurrency = 1\n"), soon()).await;
    backend.does(|_| says(200, REPLY).after(Duration::from_secs(30)));
    assert_eq!(attempt(&app, &made(&app, 0, "takes the room")).await, None);
    assert_eq!(attempt(&app, &made(&app, 0, "has none")).await, Some("success".to_owned()));
    assert_eq!(backend.count(), 1);
}

#[tokio::test]
async fn such_waits_hold_a_quarter_of_the_places() {
    let backend = Backend::start().await;
    let limits = Limits { callbacks: 8, callback_left: Duration::from_secs(20), ..Limits::default() };
    let app = TestApp::limited(&route(&backend, ""), limits).await;
    backend.does(|_| says(200, REPLY).after(Duration::from_secs(2)));
    let messages: Vec<_> = (0..6).map(|n| made(&app, 0, &n.to_string())).collect();
    let mut got = futures_util::future::join_all(messages.iter().map(|message| attempt(&app, message))).await;
    got.sort();
    let replies = got.iter().filter(|got| got.as_ref().is_some_and(|body| body.contains("hello"))).count();
    let at_once = got.iter().filter(|got| got.as_deref() == Some("success")).count();
    assert_eq!((replies, at_once), (2, 4));
}

#[tokio::test]
async fn after_a_restart_and_while_draining_it_is_success_at_once() {
    let backend = Backend::start().await;
    let mut app = TestApp::limited(&route(&backend, ""), soon()).await;
    backend.does(|_| says(200, REPLY).after(Duration::from_secs(8)));
    let message = made(&app, 0, "a");
    assert_eq!(attempt(&app, &message).await, None);
    app.restart().await;
    assert_eq!(attempt(&app, &message).await, Some("success".to_owned()));
    assert_eq!(app.events().await.len(), 1);
    let mut app = TestApp::limited(
        &route(&backend, ""),
        Limits { callback_left: Duration::from_secs(20), ..Limits::default() },
    )
    .await;
    let message = made(&app, 0, "waits");
    let url = app.url();
    let http = crate::app::Http::new();
    let waiting = tokio::spawn(async move {
        let url = format!("{url}/v1/service/wx/wxmsg?{}", message.query);
        http.send(http::Method::POST, &url, &[], message.body).await.unwrap().body
    });
    let before = backend.count();
    app.until("it is asked", async || backend.count() > before).await;
    app.stop().await;
    assert_eq!(waiting.await.unwrap(), "success");
}
