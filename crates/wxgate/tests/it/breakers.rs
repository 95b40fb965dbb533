//! A backend that fails again and again is left alone, tried by one message at a time, and loses nothing.

use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::app::{ADMIN_TOKEN, EXAMPLE, TestApp};
use crate::backend::{Backend, says};
use crate::signed::{Maker, text};

async fn to(backend: &Backend) -> TestApp {
    TestApp::configured(&format!(
        "[auth]\nmode = \"off\"\n[[routes]]\nname = \"r\"\nconcurrency = 4\ntarget = \"{}\"\nretry = [{}]",
        backend.url,
        ["\"1ms\""; 30].join(", ")
    ))
    .await
}

async fn say(app: &TestApp, content: &str) {
    let callback = Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", content));
    assert_eq!(app.callback(None, &callback).await.body, "success");
}

async fn breaker(app: &TestApp) -> String {
    let routes = app.api("routes").await;
    routes["items"][0]["breaker"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_dead_backend_is_tried_by_one_and_all_goes_when_it_is_back() {
    let backend = Backend::start().await;
    backend.does(|_| says(502, ""));
    let app = to(&backend).await;
    assert_eq!(breaker(&app).await, "closed");
    say(&app, "0").await;
    say(&app, "1").await;
    app.until("it is left alone", async || {
        app.advance(Duration::from_millis(2)).await;
        breaker(&app).await == "open"
    })
    .await;
    // What was on its way arrives.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let tried = backend.count();
    for n in 2..30 {
        say(&app, &format!("{n}")).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(backend.count(), tried, "nobody disturbs it");
    // One at a time tries it, after pauses that grow: 1, 2, 4 seconds.
    for (pause, more) in [(1, 1), (1, 1), (1, 2), (3, 2), (1, 3)] {
        app.advance(Duration::from_secs(pause)).await;
        let expected = tried + more;
        app.until(&format!("{more} tries"), async || backend.count() == expected).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(backend.count(), expected);
    }
    assert!(app.deliveries("status=delivered").await.is_empty());
    backend.does(|_| says(200, ""));
    app.advance(Duration::from_secs(8)).await;
    app.all_delivered().await;
    assert_eq!(breaker(&app).await, "closed");
    assert!(app.deliveries("status=dead").await.is_empty(), "to be left alone costs no attempt");
    let mut contents: Vec<String> =
        backend.got()[tried + 3..].iter().map(|got| got.message().content().into_owned()).collect();
    contents.sort();
    contents.dedup();
    assert_eq!(contents.len(), 30);
}

#[tokio::test]
async fn a_probe_that_works_ends_it() {
    let backend = Backend::start().await;
    backend.does(|_| says(500, ""));
    let app = to(&backend).await;
    for n in 0..7 {
        say(&app, &format!("{n}")).await;
    }
    app.until("it is left alone", async || {
        app.advance(Duration::from_millis(2)).await;
        breaker(&app).await == "open"
    })
    .await;
    backend.does(|_| says(200, ""));
    let routes = app.api("routes").await;
    assert!(routes["items"][0]["failing_since"].is_i64());
    let url = format!("{}/api/v1/routes/r/probe", app.admin_url());
    let token = [("authorization", &*format!("Bearer {ADMIN_TOKEN}"))];
    let probe =
        app.http.send(Method::POST, &url, &token, json!({"appid": EXAMPLE}).to_string()).await.unwrap();
    assert!(probe.status.is_success(), "{probe:?}");
    app.until("all arrived", async || {
        app.advance(Duration::from_millis(2)).await;
        app.deliveries("status=delivered").await.len() == 7
    })
    .await;
    assert_eq!(breaker(&app).await, "closed");
}

#[tokio::test]
async fn a_reply_is_asked_for_all_the_same() {
    let backend = Backend::start().await;
    backend.does(|_| says(500, ""));
    let app = TestApp::configured(&format!(
        "[auth]\nmode = \"off\"\n[[routes]]\nname = \"r\"\nreply = true\ntarget = \"{}\"\nretry = [\"1h\"]",
        backend.url
    ))
    .await;
    for n in 0..8 {
        say(&app, &format!("{n}")).await;
    }
    assert_eq!((breaker(&app).await.as_str(), backend.count()), ("open", 8));
    backend.does(|_| says(200, r#"{"MsgType":"text","Content":"here"}"#));
    let callback = Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", "9"));
    let reply = app.callback(None, &callback).await;
    assert!(String::from_utf8_lossy(&reply.body).contains("here"));
    assert_eq!(breaker(&app).await, "closed");
}
