//! Sending a selection of deliveries once more: counted first, then as a job that can be watched and stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{ADMIN_TOKEN, EXAMPLE, Reply, TestApp};
use crate::backend::{Backend, says};
use crate::people::{Browser, PASSWORD, with_admin};
use crate::signed::{Maker, text};

async fn asks(app: &TestApp, path: &str, body: Value) -> Reply {
    let url = format!("{}/api/v1/{path}", app.admin_url());
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    app.http.send(Method::POST, &url, &[("authorization", &bearer)], body.to_string()).await.unwrap()
}

/// A gateway with a route `r` to a backend that refuses everything for as long as it is told to; nothing is tried twice.
async fn refusing() -> (TestApp, Backend, Arc<AtomicBool>) {
    let backend = Backend::start().await;
    let refuses = Arc::new(AtomicBool::new(true));
    let told = refuses.clone();
    backend.does(move |_| if told.load(Ordering::Relaxed) { says(502, "") } else { says(200, "") });
    let target = &backend.url;
    let app = TestApp::configured(&format!(
        "[auth]\nmode = \"off\"\n[[routes]]\nname = \"r\"\ntarget = \"{target}/r\"\nretry = []\n\
         [[routes]]\nname = \"gone\"\nevents = [\"message:image\"]\ntarget = \"{target}/g\"\nretry = []\n"
    ))
    .await;
    (app, backend, refuses)
}

async fn dead_letters(app: &TestApp, backend: &Backend, count: usize) {
    for n in 0..count {
        let callback = Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", &format!("m{n}")));
        assert_eq!(app.callback(None, &callback).await.body, "success");
    }
    // After a few failures one at a time is tried, each a minute after the one before.
    app.until("all are given up", async || {
        let dead = app.deliveries("status=dead").await.len();
        if dead == backend.count() && dead < count {
            app.advance(Duration::from_secs(20)).await;
        }
        dead == count
    })
    .await;
}

async fn job(app: &TestApp, id: &str) -> Value {
    app.api(&format!("jobs/{id}")).await
}

async fn until_ended(app: &TestApp, id: &str) -> Value {
    for _ in 0..1500 {
        let job = job(app, id).await;
        if job["status"] != "running" {
            return job;
        }
        app.advance(Duration::from_secs(5)).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never ends: {}", job(app, id).await);
}

fn id_of(reply: &Reply) -> String {
    assert_eq!(reply.status, StatusCode::ACCEPTED, "{:?}", reply.body);
    reply.json()["job_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_a_dry_run_counts_is_replayed_over_pages_and_nothing_of_it_again() {
    let (app, backend, refuses) = refusing().await;
    dead_letters(&app, &backend, 37).await;
    app.advance(Duration::from_secs(100)).await;
    let filter = json!({"route": "r", "error_status": 502});
    let dry = asks(&app, "replay", json!({"filter": filter, "dry_run": true})).await.json();
    assert_eq!((&dry["count"], &dry["skipped"]), (&json!(37), &json!(0)));
    let (oldest, newest) = (dry["oldest"].as_i64().unwrap(), dry["newest"].as_i64().unwrap());
    assert!(app.now() - 100 >= newest && newest >= oldest, "{dry}");
    let openid = app.events().await[0]["openid"].clone();
    for (filter, count) in [
        (json!({"error_status": 500}), 0),
        (json!({"error": "HTTP 502"}), 37),
        (json!({"to": oldest}), 0),
        (json!({"from": oldest, "to": newest + 1}), 37),
        (json!({"appid": EXAMPLE, "event": "TEXT", "openid": openid}), 37),
        (json!({"openid": "nobody"}), 0),
        (json!({"status": "delivered"}), 0),
    ] {
        let dry = asks(&app, "replay", json!({"filter": filter, "dry_run": true})).await.json();
        assert_eq!(dry["count"], count, "{filter}");
    }
    // The backend refuses still: they die once more, and the job doesn't chase them.
    let asked = asks(&app, "replay", json!({"filter": filter, "rate": 1000})).await;
    assert_eq!(asked.json()["total"], 37);
    let done = until_ended(&app, &id_of(&asked)).await;
    assert_eq!(
        (&done["status"], &done["total"], &done["delivered"], &done["failed"], &done["waiting"]),
        (&json!("done"), &json!(37), &json!(0), &json!(37), &json!(0)),
        "{done}"
    );
    assert_eq!(
        (backend.count(), &done["filter"]["route"], &done["actor"]),
        (74, &json!("r"), &json!("token"))
    );
    refuses.store(false, Ordering::Relaxed);
    app.advance(Duration::from_millis(1)).await;
    let id = id_of(&asks(&app, "replay", json!({"filter": {}, "rate": 1000})).await);
    let done = until_ended(&app, &id).await;
    assert_eq!((&done["delivered"], &done["failed"], backend.count()), (&json!(37), &json!(0), 111));
    assert!(done["ended_at"].is_i64() && done["kind"] == "replay", "{done}");
    let dry = asks(&app, "replay", json!({"filter": {"status": "delivered"}, "dry_run": true})).await.json();
    assert_eq!(dry["count"], 37);
    assert_eq!(app.api("jobs?limit=1").await["next"], id.as_str());
    let book = app.api("audit").await;
    assert_eq!(
        (&book["items"][0]["action"], &book["items"][0]["after"]["total"]),
        (&json!("replay"), &json!(37))
    );
}

#[tokio::test]
async fn deliveries_are_replayed_by_their_numbers() {
    let (app, backend, refuses) = refusing().await;
    dead_letters(&app, &backend, 5).await;
    refuses.store(false, Ordering::Relaxed);
    let ids: Vec<Value> = app.deliveries("").await.iter().map(|one| one["id"].clone()).take(2).collect();
    let id = id_of(&asks(&app, "replay", json!({"ids": ids})).await);
    let done = until_ended(&app, &id).await;
    assert_eq!((&done["delivered"], backend.count(), &done["filter"]), (&json!(2), 7, &json!({"ids": 2})));
    let mut delivered: Vec<Value> =
        app.deliveries("status=delivered").await.iter().map(|one| one["id"].clone()).collect();
    delivered.sort_by_key(Value::as_i64);
    let mut named = ids.clone();
    named.sort_by_key(Value::as_i64);
    assert_eq!(delivered, named);
}

#[tokio::test]
async fn a_replay_goes_at_its_rate_is_stopped_and_survives_a_restart() {
    let (mut app, backend, refuses) = refusing().await;
    dead_letters(&app, &backend, 40).await;
    refuses.store(false, Ordering::Relaxed);
    let id = id_of(&asks(&app, "replay", json!({"filter": {}, "rate": 20})).await);
    app.until("some went", async || backend.count() >= 45).await;
    app.restart().await;
    let shown = job(&app, &id).await;
    assert_eq!((&shown["status"], &shown["total"]), (&json!("running"), &json!(40)), "{shown}");
    app.until("more went", async || backend.count() >= 55).await;
    let stopped = asks(&app, &format!("jobs/{id}/stop"), json!({})).await.json();
    assert_eq!(stopped["status"], "stopped");
    tokio::time::sleep(Duration::from_millis(600)).await;
    let count = backend.count();
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(count < 80 && backend.count() == count, "{count}");
    app.until("what went counts", async || job(&app, &id).await["delivered"] == count - 40).await;
    assert_eq!(app.deliveries("status=dead").await.len(), 80 - count, "the others stay where they are");
    assert_eq!(app.deliveries("status=pending").await.len(), 0);
    let book = app.api("audit").await;
    assert_eq!(
        (&book["items"][0]["action"], &book["items"][0]["target"]),
        (&json!("stop"), &json!(format!("jobs/{id}")))
    );
    // Once more is nothing new.
    assert_eq!(asks(&app, &format!("jobs/{id}/stop"), json!({})).await.json()["status"], "stopped");
    assert_eq!(
        app.api("audit").await["items"].as_array().unwrap().len(),
        book["items"].as_array().unwrap().len()
    );
}

#[tokio::test]
async fn what_has_no_route_any_more_is_skipped_and_told() {
    let (mut app, backend, _) = refusing().await;
    dead_letters(&app, &backend, 3).await;
    let text = app.text().replace("name = \"r\"", "name = \"other\"");
    let config = app.config(&text).unwrap();
    app.gateway().reload(config).unwrap();
    let dry = asks(&app, "replay", json!({"filter": {}, "dry_run": true})).await.json();
    assert_eq!((&dry["count"], &dry["skipped"], &dry["oldest"]), (&json!(0), &json!(3), &Value::Null));
    let id = id_of(&asks(&app, "replay", json!({"filter": {}})).await);
    let done = until_ended(&app, &id).await;
    assert_eq!((&done["status"], &done["total"]), (&json!("done"), &json!(0)));
}

#[tokio::test]
async fn what_is_asked_wrong_is_refused_and_a_viewer_may_only_look() {
    let (app, backend, _) = refusing().await;
    dead_letters(&app, &backend, 1).await;
    for body in [
        json!({}),
        json!({"filter": {}, "ids": [1]}),
        json!({"filter": {"no_such": 1}}),
        json!({"filter": {"status": "pending"}}),
        json!({"filter": {"from": "soon"}}),
        json!({"filter": []}),
        json!({"ids": []}),
        json!({"ids": ["x"]}),
        json!({"filter": {}, "rate": 0}),
        json!({"filter": {}, "rate": 1001}),
        json!({"filter": {}, "dry_run": "yes"}),
        json!({"filter": {}, "route": "r"}),
    ] {
        assert_eq!(asks(&app, "replay", body.clone()).await.status, StatusCode::BAD_REQUEST, "{body}");
    }
    assert_eq!(asks(&app, "jobs/7/stop", json!({})).await.status, StatusCode::NOT_FOUND);
    let admin = with_admin(&app).await;
    let user = json!({"name": "vic", "role": "viewer", "password": PASSWORD});
    assert_eq!(admin.asks(Method::POST, "users", user).await.status, StatusCode::CREATED);
    let mut viewer = Browser::new(&app);
    assert_eq!(viewer.logs_in("vic", PASSWORD).await, StatusCode::OK);
    let refused = viewer.asks(Method::POST, "replay", json!({"filter": {}})).await;
    assert_eq!((refused.status, backend.count()), (StatusCode::FORBIDDEN, 1));
    let id = id_of(&asks(&app, "replay", json!({"filter": {}})).await);
    assert_eq!(viewer.get(&format!("jobs/{id}")).await.json()["total"], 1);
    assert_eq!(viewer.get("jobs").await.json()["items"].as_array().unwrap().len(), 1);
    let stop = viewer.asks(Method::POST, &format!("jobs/{id}/stop"), json!({})).await;
    assert_eq!(stop.status, StatusCode::FORBIDDEN);
}
