//! A backend that is away is told of at once, and its backlog is shown.

use serde_json::json;

use crate::app::{EXAMPLE, TestApp};
use crate::backend::{Backend, says};
use crate::limits::held::OPEN;
use crate::signed::{Maker, text};

#[tokio::test]
async fn a_route_that_fails_is_shown_with_its_backlog_until_it_works_again() {
    let backend = Backend::start().await;
    backend.does(|_| says(503, "away"));
    let target = &backend.url;
    let route =
        format!("{OPEN}\n[[routes]]\nname = \"crm\"\ntarget = \"{target}\"\nretry = [\"5s\", \"5s\"]");
    let app = TestApp::configured(&route).await;
    let routes = async || app.admin("/readyz").await.json()["checks"]["routes"].clone();
    assert_eq!(routes().await, json!([]));
    for content in ["one", "two"] {
        let callback = Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", content));
        assert_eq!(app.callback(None, &callback).await.body, "success");
    }
    app.until("both attempts failed", async || routes().await[0]["waiting"] == 2).await;
    let shown = routes().await;
    assert_eq!(
        (&shown[0]["route"], &shown[0]["failing_since"]),
        (&json!("crm"), &json!(app.now())),
        "{shown}"
    );
    let ready = app.admin("/readyz").await;
    assert_eq!(ready.status, 200, "no backend makes a node unready");
    // A reload knows it still.
    backend.does(|_| says(200, "success"));
    app.advance(std::time::Duration::from_secs(10)).await;
    app.all_delivered().await;
    app.until("it is over", async || routes().await == json!([])).await;
}
