//! Routes that keep order: each user's messages one by one, as they came, and nobody waits for another.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;

use crate::app::{EXAMPLE, TestApp};
use crate::backend::{Backend, says};
use crate::signed::{Maker, text};

async fn in_order(backend: &Backend, more: &str) -> TestApp {
    TestApp::configured(&format!(
        "[auth]\nmode = \"off\"\n[[routes]]\nname = \"r\"\nordered = true\ntarget = \"{}\"\n{more}",
        backend.url
    ))
    .await
}

async fn say(app: &TestApp, openid: &str, content: &str) {
    let message =
        text("gh_0000000000c3", content).replace("<![CDATA[o1]]>", &format!("<![CDATA[{openid}]]>"));
    let callback = Maker::new(EXAMPLE, app.now()).plain(&message);
    assert_eq!(app.callback(None, &callback).await.body, "success");
}

/// What the backend got of each user, in order.
fn got(backend: &Backend) -> HashMap<String, Vec<String>> {
    let mut by_user: HashMap<String, Vec<String>> = HashMap::new();
    for got in backend.got() {
        let message = got.message();
        by_user.entry(message.from_user().into_owned()).or_default().push(message.content().into_owned());
    }
    by_user
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_users_messages_arrive_in_order_though_some_fail() {
    const USERS: usize = 12;
    const EACH: usize = 25;
    let backend = Backend::start().await;
    let failed = Mutex::new(HashMap::<String, u32>::new());
    // Every seventh message fails at first.
    backend.does(move |got| {
        let id = got.header("x-wxgate-event-id").to_owned();
        let mut failed = failed.lock().unwrap();
        let n = failed.len() as u32;
        let times = failed.entry(id).or_insert(n);
        if std::mem::replace(times, 1).is_multiple_of(7) { says(500, "") } else { says(200, "") }
    });
    let app = in_order(&backend, "retry = [\"20ms\", \"20ms\", \"20ms\"]\n").await;
    for n in 0..EACH {
        for user in 0..USERS {
            say(&app, &format!("u{user}"), &format!("{n}")).await;
        }
    }
    app.until("all are delivered", async || {
        app.advance(Duration::from_millis(50)).await;
        app.deliveries("status=pending").await.is_empty()
    })
    .await;
    let by_user = got(&backend);
    assert_eq!(by_user.len(), USERS);
    assert!(backend.count() > USERS * EACH, "some failed at first");
    for (user, mut contents) in by_user {
        // A message that is tried again follows itself.
        contents.dedup();
        let expected: Vec<String> = (0..EACH).map(|n| n.to_string()).collect();
        assert_eq!(contents, expected, "{user}");
    }
}

#[tokio::test]
async fn one_that_fails_holds_up_its_own_user_alone_until_it_is_given_up() {
    let backend = Backend::start().await;
    backend.does(|got| if got.message().content() == "bad" { says(500, "") } else { says(200, "") });
    let app = in_order(&backend, "retry = [\"10s\", \"1h\"]\n").await;
    for (user, content) in [("a", "bad"), ("a", "after"), ("b", "one"), ("b", "two"), ("a", "last")] {
        say(&app, user, content).await;
    }
    app.until("the other's arrived", async || app.deliveries("status=delivered").await.len() == 2).await;
    let waiting = app.deliveries("status=pending").await;
    assert_eq!(waiting.iter().filter(|one| one["next_at"].is_null()).count(), 2, "in line: {waiting:?}");
    app.advance(Duration::from_secs(13)).await;
    // Written down, too: until then its next attempt has no time.
    let is_tried_twice = |one: &Value| one["attempts"].as_array().is_some_and(|all| all.len() == 2);
    let pending = async || app.deliveries("status=pending").await;
    app.until("it was tried again", async || pending().await.iter().any(is_tried_twice)).await;
    assert_eq!(got(&backend)["a"], ["bad", "bad"]);
    app.advance(Duration::from_secs(5000)).await;
    app.until("the rest goes", async || app.deliveries("status=delivered").await.len() == 4).await;
    assert_eq!(got(&backend)["a"], ["bad", "bad", "bad", "after", "last"]);
    assert_eq!(got(&backend)["b"], ["one", "two"]);
}

#[tokio::test]
async fn a_restart_and_a_change_of_mind_leave_nothing_in_line() {
    let backend = Backend::start().await;
    backend.does(|_| says(500, ""));
    let mut app = in_order(&backend, "retry = [\"1h\", \"1h\"]\n").await;
    for content in ["1", "2", "3"] {
        say(&app, "a", content).await;
    }
    app.until("the first was tried", async || backend.count() == 1).await;
    app.restart().await;
    backend.does(|_| says(200, ""));
    assert_eq!(app.deliveries("status=pending").await.len(), 3);
    // It needs no order any more: those in line go, the first when it is due.
    let text = app.text().replace("ordered = true", "ordered = false");
    app.restart_with(&text).await;
    app.until("two arrived", async || app.deliveries("status=delivered").await.len() == 2).await;
    app.advance(Duration::from_secs(2 * 3600)).await;
    app.all_delivered().await;
    assert_eq!(got(&backend)["a"].len(), 4);
}

#[tokio::test]
async fn a_reply_cant_wait_for_its_turn() {
    let app = TestApp::start().await;
    let wrong = "[[routes]]\nname = \"r\"\ntarget = \"http://10.0.0.1/\"\nordered = true\nreply = true\n";
    let mistakes = app.config(&format!("{}\n{wrong}", app.text())).unwrap_err().to_string();
    assert!(mistakes.contains("ordered") && mistakes.contains("reply"), "{mistakes}");
}
