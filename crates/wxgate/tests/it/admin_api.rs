//! The read side of the admin API: nothing that came in is unseen.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use wxgate::limits::Limits;

use crate::app::{ADMIN_TOKEN, EXAMPLE, OFFICIAL, Reply, TestApp};
use crate::backend::{Backend, says};
use crate::signed::{Maker, text};

async fn ask(app: &TestApp, path: &str, authorization: &str) -> Reply {
    let url = format!("{}/api/v1/{path}", app.admin_url());
    app.http.send(Method::GET, &url, &[("authorization", authorization)], "").await.unwrap()
}

#[tokio::test]
async fn only_the_admin_token_opens_it() {
    let limits = Limits { wrong_token_pause: Duration::from_millis(1), ..Limits::default() };
    let app = TestApp::limited("[auth]\nmode = \"off\"", limits).await;
    let good = format!("Bearer {ADMIN_TOKEN}");
    assert_eq!(ask(&app, "events", &good).await.status, StatusCode::OK);
    assert_eq!(ask(&app, "events", &good.replace("Bearer", "bearer")).await.status, StatusCode::OK);
    for wrong in
        ["", "Bearer ", "Bearer wrong", ADMIN_TOKEN, &format!("Basic {ADMIN_TOKEN}"), &format!("{good}x")]
    {
        for path in ["events", "events/1", "deliveries", "nothing"] {
            let reply = ask(&app, path, wrong).await;
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{wrong} {path}");
            assert_eq!(reply.headers["content-type"], "application/problem+json");
            assert_eq!(reply.headers["www-authenticate"], "Bearer");
            assert_eq!(reply.json()["status"], 401);
        }
    }
    // Without a token set nothing opens it, the empty one least of all.
    let other = app.beside(app.text()).await;
    let url = format!("{}/api/v1/events", other.admin_url());
    for headers in [vec![], vec![("authorization", "Bearer ")], vec![("authorization", good.as_str())]] {
        let reply = app.http.send(Method::GET, &url, &headers, "").await.unwrap();
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
        assert!(reply.json()["detail"].as_str().unwrap().contains("WXGATE_ADMIN_TOKEN"));
    }
    other.stop().await;
}

#[tokio::test]
async fn events_and_deliveries_by_every_filter() {
    let backend = Backend::start().await;
    backend.does(|got| if got.message().content() == "dies" { says(410, "") } else { says(200, "") });
    let app = TestApp::configured(&format!(
        "[auth]\nmode = \"off\"\n[[routes]]\nname = \"a\"\ntarget = \"{0}\"\n[[routes]]\nname = \"b\"\ntarget = \"{0}\"\n\
         events = [\"text\"]",
        backend.url
    ))
    .await;
    let began = app.now();
    app.callback(None, &Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", "dies"))).await;
    app.advance(Duration::from_secs(100)).await;
    let scan = "<xml><ToUserName>gh_0000000000a1</ToUserName><FromUserName>o2</FromUserName><CreateTime>1</CreateTime>\
        <MsgType>event</MsgType><Event>SCAN</Event><EventKey>k</EventKey></xml>";
    app.callback(None, &Maker::new(OFFICIAL, app.now()).safe(scan)).await;
    app.all_delivered().await;
    let ids = async |query: &str| -> Vec<i64> {
        let page = app.api(&format!("events?{query}")).await;
        page["items"].as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect()
    };
    for (query, expected) in [
        ("", vec![2, 1]),
        ("appid=wx00000000000000a1", vec![2]),
        ("openid=o1", vec![1]),
        ("openid=o1&appid=wx00000000000000a1", vec![]),
        ("event=scan", vec![2]),
        ("event=TEXT", vec![1]),
        ("limit=1", vec![2]),
        ("limit=1&cursor=2", vec![1]),
        (&format!("from={}", began + 50), vec![2]),
        (&format!("to={}", began + 50), vec![1]),
    ] {
        assert_eq!(ids(query).await, expected, "{query}");
    }
    assert_eq!(app.api("events?limit=1").await["next"], "2");
    assert_eq!(app.api("events?limit=1&cursor=1").await, json!({"items": [], "next": null}));
    let event = app.events().await.remove(1);
    assert_eq!(event["received_at"].as_i64().unwrap(), began);
    let routes: Vec<_> = event["deliveries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| (d["route"].clone(), d["status"].clone()))
        .collect();
    assert_eq!(routes, [(json!("a"), json!("dead")), (json!("b"), json!("dead"))]);
    let one = app.api("events/1").await;
    assert_eq!((&one["message"]["Content"], &one["deliveries"]), (&json!("dies"), &event["deliveries"]));

    assert_eq!(app.deliveries("status=dead").await.len(), 2);
    assert_eq!(app.deliveries("status=delivered&route=a").await.len(), 1);
    assert_eq!(app.deliveries("status=delivered&route=b").await.len(), 0);
    assert_eq!(app.deliveries("event_id=2").await.len(), 1);
    let delivery = app.deliveries("event_id=2").await.remove(0);
    assert_eq!(delivery["attempts"][0]["status"], 200);
    assert_eq!(delivery["attempts"][0]["error"], "");
    let keys: Vec<&String> = delivery.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["id", "event_id", "route", "status", "attempts", "next_at"]);
}

#[tokio::test]
async fn what_cannot_be_answered_is_said() {
    let app = TestApp::start().await;
    let good = format!("Bearer {ADMIN_TOKEN}");
    for (path, status, word) in [
        ("events?limit=0", 400, "limit"),
        ("events?limit=501", 400, "limit"),
        ("events?from=yesterday", 400, "from"),
        ("events?cursor=x", 400, "cursor"),
        ("events?colour=red", 400, "colour"),
        ("deliveries?status=lost", 400, "status"),
        ("deliveries?limit=-1", 400, "limit"),
        ("events/77", 404, "77"),
        ("events/x", 404, "x"),
        ("nothing", 404, "/openapi.json"),
    ] {
        let reply = ask(&app, path, &good).await;
        assert_eq!(reply.status.as_u16(), status, "{path}");
        assert_eq!(reply.headers["content-type"], "application/problem+json");
        let problem: Value = reply.json();
        assert!(problem["detail"].as_str().unwrap().contains(word), "{path}: {problem}");
    }
    let url = format!("{}/api/v1/events", app.admin_url());
    let reply = app.http.send(Method::DELETE, &url, &[("authorization", &good)], "").await.unwrap();
    assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
}
