//! What happens, as it happens: a page that is open hears of messages, of what was refused and what failed, by its own rights.

use serde_json::{Value, json};

use crate::app::{ADMIN_TOKEN, OFFICIAL, TestApp};
use crate::raw::Raw;
use crate::signed::{Maker, text};

/// The next that is told under this name, skipping what else is.
async fn next(raw: &mut Raw, name: &str) -> Value {
    raw.until(&format!("event: {name}\ndata: ")).await;
    serde_json::from_str(raw.until("\n\n").await.trim_end()).unwrap()
}

async fn listens(app: &TestApp, query: &str) -> Raw {
    let mut raw = Raw::to(&app.admin_url()).await;
    let head = format!(
        "GET /api/v1/live?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\n\r\n"
    );
    raw.send(head).await;
    let head = raw.until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.to_lowercase().contains("x-accel-buffering: no"), "{head}");
    raw
}

#[tokio::test]
async fn messages_refusals_and_failures_are_told_as_they_come() {
    let callers = "[[callers]]\nname = \"shop\"\nkey = \"key_made_0123456789abcdefghijk\"\napps = [\"*\"]\napis = [\"*\"]";
    let app = TestApp::configured(callers).await;
    let mut raw = listens(&app, "topics=tick,event,refused,failure").await;
    let tick = next(&mut raw, "tick").await;
    assert_eq!((&tick["waiting"], &tick["dead"]), (&json!(0), &json!(0)), "{tick}");
    app.callback(Some(OFFICIAL), &Maker::new(OFFICIAL, app.now()).safe(&text("gh_x", "hello"))).await;
    let row = next(&mut raw, "row").await;
    assert_eq!((&row["topic"], &row["item"]["appid"]), (&json!("event"), &json!(OFFICIAL)), "{row}");
    assert_eq!(row["item"]["mode"], "safe");

    let url =
        format!("{}/v1/service/wx/wxmsg/{OFFICIAL}?signature=no&timestamp={}&nonce=1", app.url(), app.now());
    app.http.send(http::Method::POST, &url, &[], "<xml/>").await.unwrap();
    let row = next(&mut raw, "row").await;
    assert_eq!((&row["topic"], &row["item"]["appid"]), (&json!("refused"), &json!(OFFICIAL)), "{row}");
}

#[tokio::test]
async fn a_filter_keeps_the_rest_away() {
    let app = TestApp::configured("").await;
    let raw = listens(&app, "topics=event&appid=wxother").await;
    let mut all = listens(&app, "topics=event,tick").await;
    next(&mut all, "tick").await;
    app.callback(Some(OFFICIAL), &Maker::new(OFFICIAL, app.now()).safe(&text("gh_x", "hello"))).await;
    next(&mut all, "row").await;
    next(&mut all, "tick").await;
    assert!(raw.is_silent(), "nothing of it is for whoever asks for another account");
}
