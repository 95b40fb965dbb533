//! Apps, callers and routes made at run time: they live at once, on every node, outlive a restart, and stand behind the file's.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{ADMIN_TOKEN, OFFICIAL, Reply, TestApp};
use crate::backend::{Backend, says};
use crate::database;
use crate::signed::{Maker, text};

const KEY: &str = "key_made_0123456789abcdefghijk";
const OTHER: &str = "key_othr_0123456789abcdefghijk";

async fn at(
    app: &TestApp,
    base: &str,
    method: Method,
    path: &str,
    more: &[(&str, &str)],
    body: Value,
) -> Reply {
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    let headers = [&[("authorization", &*bearer), ("content-type", "application/json")], more].concat();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    app.http.send(method, &format!("{base}/api/v1/{path}"), &headers, body).await.unwrap()
}

async fn ask(app: &TestApp, method: Method, path: &str, body: Value) -> Reply {
    at(app, &app.admin_url(), method, path, &[], body).await
}

fn shop() -> Value {
    json!({"name": "shop", "key": KEY, "apps": ["*"], "apis": ["*"]})
}

async fn calls(app: &TestApp, key: &str) -> u16 {
    let body = json!({"appid": OFFICIAL, "scene": "s", "source": "t"});
    app.call_with("getwxqrcode", &[("x-api-key", key)], body).await.status.as_u16()
}

#[tokio::test]
async fn a_caller_is_made_changed_and_ended_without_a_restart() {
    let mut app = TestApp::configured("").await;
    assert_eq!(calls(&app, KEY).await, 401);
    let made = ask(&app, Method::POST, "callers", shop()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{:?}", made.body);
    assert_eq!(
        (&made.json()["name"], &made.json()["key"]),
        (&json!("shop"), &json!(true)),
        "no key is shown"
    );
    assert_eq!(made.headers["location"], "/api/v1/callers/shop");
    assert_eq!(calls(&app, KEY).await, 200);
    app.restart().await;
    assert_eq!(calls(&app, KEY).await, 200, "it outlives a restart");

    // A new key, the old one for a while; the rest stays as it was.
    let changed = ask(&app, Method::PATCH, "callers/shop", json!({"key": OTHER, "previous_key": KEY})).await;
    assert_eq!(changed.status, 200, "{:?}", changed.body);
    assert_eq!((calls(&app, KEY).await, calls(&app, OTHER).await), (200, 200));
    ask(&app, Method::PATCH, "callers/shop", json!({"previous_key": null})).await;
    assert_eq!((calls(&app, KEY).await, calls(&app, OTHER).await), (401, 200));
    let listed = app.api("callers").await;
    let item =
        &listed["items"].as_array().unwrap().iter().find(|item| item["name"] == "shop").unwrap().clone();
    assert_eq!((&item["origin"], &item["apps"]), (&json!("store"), &json!(["*"])));
    assert!(item["calls"].is_object(), "{item}");

    assert_eq!(ask(&app, Method::DELETE, "callers/shop", Value::Null).await.status, 204);
    assert_eq!(calls(&app, OTHER).await, 401);
    assert_eq!(ask(&app, Method::GET, "callers/shop", Value::Null).await.status, 404);
    // Nothing that was said holds a key.
    let book = app.api("audit").await;
    let actions: Vec<&str> =
        book["items"].as_array().unwrap().iter().map(|line| line["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["delete", "update", "update", "create"]);
    assert_eq!(
        (&book["items"][3]["target"], &book["items"][3]["ip"]),
        (&json!("callers/shop"), &json!("127.0.0.1"))
    );
    assert!(!book.to_string().contains("key_") && !listed.to_string().contains("key_"), "{book}");
    app.stop().await;
}

#[tokio::test]
async fn an_account_and_a_route_of_its_messages() {
    let backend = Backend::start().await;
    backend.does(|_| says(200, ""));
    let app = TestApp::configured("[auth]\nmode = \"off\"\n[egress]\nallow_loopback = true").await;
    app.control("apps", json!({"appid": "wxmade", "secret": "e5".repeat(16), "kind": "official"})).await;
    let account = json!({"appid": "wxmade", "kind": "official", "secret": "e5".repeat(16), "original_id": "gh_made",
        "callback_token": "sandboxtoken"});
    let both = ask(&app, Method::POST, "apps", json!([account])).await;
    assert_eq!(both.status, StatusCode::CREATED, "{:?}", both.body);
    let route = json!({"name": "made", "apps": ["wxmade"], "target": backend.url, "events": ["text"]});
    assert_eq!(ask(&app, Method::POST, "routes", route).await.status, StatusCode::CREATED);
    assert!(app.qr_code("wxmade").await.ok()["ticket"].is_string());
    app.callback(Some("wxmade"), &Maker::new("wxmade", app.now()).plain(&text("gh_made", "hello"))).await;
    app.until("it arrives", async || backend.got().len() == 1).await;
}

#[tokio::test]
async fn what_is_wrong_is_said_and_changes_nothing() {
    let app = TestApp::configured(&format!(
        "[[callers]]\nname = \"file\"\nkey = \"{OTHER}\"\napps = [\"*\"]\napis = [\"*\"]"
    ))
    .await;
    let refused = async |method: Method, path: &str, body: Value, status: u16, says: &str| {
        let reply = ask(&app, method, path, body).await;
        assert_eq!(reply.status.as_u16(), status, "{path}: {:?}", reply.body);
        let detail = reply.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(says), "{detail}");
    };
    refused(
        Method::POST,
        "callers",
        json!({"name": "a", "key": "short", "apps": ["*"], "apis": ["*"]}),
        422,
        "key",
    )
    .await;
    refused(
        Method::POST,
        "apps",
        json!({"appid": "wx1", "kind": "official", "secret": "env:HOME"}),
        422,
        "secret",
    )
    .await;
    refused(Method::POST, "routes", json!({"name": "r", "target": "ftp://x/"}), 422, "target").await;
    refused(Method::POST, "callers", json!(["no"]), 400, "JSON").await;
    refused(Method::POST, "nothing", json!({}), 404, "没有这个接口").await;
    // The file wins, and is read-only here.
    for method in [Method::PATCH, Method::DELETE] {
        refused(method, "callers/file", json!({"rate": 1}), 409, "callers[0]").await;
    }
    refused(
        Method::POST,
        "callers",
        json!({"name": "file", "key": KEY, "apps": ["*"], "apis": ["*"]}),
        409,
        "file",
    )
    .await;
    refused(
        Method::POST,
        "callers",
        json!({"name": "b", "key": OTHER, "apps": ["*"], "apis": ["*"]}),
        409,
        "密钥",
    )
    .await;
    // Of several all are made or none.
    refused(Method::POST, "callers", json!([shop(), {"name": "c"}]), 422, "apps").await;
    assert_eq!(calls(&app, KEY).await, 401);
    // Whoever read it before somebody else changed it changes nothing.
    ask(&app, Method::POST, "callers", shop()).await;
    let tag = ask(&app, Method::GET, "callers/shop", Value::Null).await.headers["etag"]
        .to_str()
        .unwrap()
        .to_owned();
    let url = app.admin_url();
    let patch = async |rate: i64| {
        at(&app, &url, Method::PATCH, "callers/shop", &[("if-match", &tag)], json!({"rate": rate}))
            .await
            .status
    };
    assert_eq!((patch(1).await.as_u16(), patch(2).await.as_u16()), (200, 412));
    // And no web page of somebody else's does.
    let page = [("origin", "http://evil.example")];
    assert_eq!(at(&app, &url, Method::DELETE, "callers/shop", &page, Value::Null).await.status, 403);
    assert_eq!(calls(&app, KEY).await, 200);
}

#[tokio::test]
async fn a_reload_of_the_file_puts_a_stored_twin_aside_and_says_so() {
    let mut app = TestApp::configured("").await;
    ask(&app, Method::POST, "callers", shop()).await;
    let twin = format!(
        "{}\n[[callers]]\nname = \"shop\"\nkey = \"{OTHER}\"\napps = [\"*\"]\napis = [\"*\"]",
        app.text()
    );
    let config = app.config(&twin).unwrap();
    app.gateway().reload(config).unwrap();
    assert_eq!((calls(&app, KEY).await, calls(&app, OTHER).await), (401, 200));
    let items = app.api("callers").await["items"].as_array().unwrap().clone();
    let aside = items.iter().find(|item| item["origin"] == "store").unwrap();
    assert!(aside["unused"].as_str().unwrap().contains("以文件为准"), "{aside}");
    let text = app.text().to_owned();
    let config = app.config(&text).unwrap();
    app.gateway().reload(config).unwrap();
    assert_eq!((calls(&app, KEY).await, calls(&app, OTHER).await), (200, 401), "it is in use again");
}

#[tokio::test]
async fn what_one_node_is_told_all_know_within_two_seconds() {
    if database::server().is_none() {
        return;
    }
    let app = TestApp::configured("").await;
    let other = app.beside(app.text()).await;
    ask(&app, Method::POST, "callers", shop()).await;
    let body = json!({"appid": OFFICIAL, "scene": "s", "source": "t"}).to_string();
    let url = format!("{}/v1/service/wx/getwxqrcode", other.url());
    let there =
        async || app.http.send(Method::POST, &url, &[("x-api-key", KEY)], body.clone()).await.unwrap().status;
    let within = async |status: u16| {
        let began = std::time::Instant::now();
        while there().await.as_u16() != status {
            assert!(began.elapsed().as_secs() < 10, "it isn't {status} there");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    within(200).await;
    ask(&app, Method::DELETE, "callers/shop", Value::Null).await;
    within(401).await;
    other.stop().await;
}

#[tokio::test]
async fn a_list_is_searched_and_read_by_pages() {
    let app = TestApp::configured("[auth]\nmode = \"off\"").await;
    let names: Vec<String> = (0..7).map(|n| format!("caller{n}")).collect();
    let callers: Vec<Value> =
        names.iter().map(|name| json!({"name": name, "apps": ["*"], "apis": ["*"]})).collect();
    let url = format!("{}/api/v1/callers", app.admin_url());
    let bearer = [("authorization", &*format!("Bearer {ADMIN_TOKEN}"))];
    let made = app.http.send(Method::POST, &url, &bearer, json!(callers).to_string()).await.unwrap();
    assert_eq!(made.status, 201);
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.api(&format!("callers?limit=3&q=CALLER{cursor}")).await;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3);
        found.extend(items.iter().map(|item| item["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, names);
    assert_eq!(app.api("callers?q=nobody").await["items"], json!([]));
    assert_eq!(app.api(&format!("apps?q={OFFICIAL}&state=none")).await["items"][0]["appid"], OFFICIAL);
    app.qr_code(OFFICIAL).await.ok();
    assert_eq!(app.api(&format!("apps?q={OFFICIAL}&state=none")).await["items"], json!([]));
    assert_eq!(app.api("apps?state=ok").await["items"][0]["appid"], OFFICIAL);
    assert_eq!(app.api("apps?tag=nothing").await["items"], json!([]));
}
