//! Sending again what was sent, or given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{ADMIN_TOKEN, EXAMPLE, Reply, TestApp};
use crate::backend::{Backend, says};
use crate::signed::{Maker, text};

async fn replay(app: &TestApp, id: &str, body: Value) -> Reply {
    let url = format!("{}/api/v1/events/{id}/replay", app.admin_url());
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    app.http.send(Method::POST, &url, &[("authorization", &bearer)], body.to_string()).await.unwrap()
}

#[tokio::test]
async fn a_dead_letter_goes_once_more_by_the_same_id() {
    let (crm, audit) = (Backend::start().await, Backend::start().await);
    let is_well = Arc::new(AtomicBool::new(false));
    let well = is_well.clone();
    crm.does(move |_| says(if well.load(Ordering::Relaxed) { 200 } else { 500 }, "success"));
    let app = TestApp::configured(&format!(
        "[auth]\nmode = \"off\"\n\
         [[routes]]\nname = \"crm\"\napps = [\"*\"]\ntarget = \"{}\"\nretry = []\n\
         [[routes]]\nname = \"audit\"\napps = [\"*\"]\ntarget = \"{}\"\n\
         [[routes]]\nname = \"later\"\napps = [\"wxnobody\"]\ntarget = \"{}\"\n",
        crm.url, audit.url, audit.url
    ))
    .await;
    let callback = Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", "hello"));
    app.callback(None, &callback).await;
    app.until("it is a dead letter", async || !app.deliveries("status=dead").await.is_empty()).await;
    app.until("the other has it", async || !app.deliveries("status=delivered").await.is_empty()).await;
    let id = app.events().await[0]["id"].to_string();

    assert_eq!(replay(&app, "999", json!({})).await.status, StatusCode::NOT_FOUND);
    assert_eq!(replay(&app, "nonsense", json!({})).await.status, StatusCode::NOT_FOUND);
    assert_eq!(replay(&app, &id, json!({"routes": ["later"]})).await.status, StatusCode::CONFLICT);
    for wrong in [json!({"routes": []}), json!({"routes": "crm"}), json!({"route": "crm"})] {
        assert_eq!(replay(&app, &id, wrong).await.status, StatusCode::BAD_REQUEST);
    }
    assert_eq!((crm.count(), audit.count()), (1, 1), "none of that sent anything");

    is_well.store(true, Ordering::Relaxed);
    let done = replay(&app, &id, json!({"routes": ["crm"]})).await;
    assert_eq!((done.status, done.json()), (StatusCode::ACCEPTED, json!({"queued": ["crm"], "waiting": []})));
    app.until("it is there", async || crm.count() == 2).await;
    app.all_delivered().await;
    let got = crm.got();
    assert_eq!(got[0].header("x-wxgate-event-id"), got[1].header("x-wxgate-event-id"));
    assert_eq!(got[0].message().content(), got[1].message().content());
    assert_eq!(audit.count(), 1, "only where it was asked for");
    assert!(app.deliveries("status=dead").await.is_empty());
    let line = app.api(&format!("audit?target=events/{id}")).await["items"][0].clone();
    assert_eq!((&line["action"], &line["after"]["routes"]), (&json!("replay"), &json!(["crm"])));

    // To everybody, though all of them have it.
    assert_eq!(replay(&app, &id, json!({})).await.json()["queued"].as_array().unwrap().len(), 2);
    app.until("both have it", async || (crm.count(), audit.count()) == (3, 2)).await;
}
