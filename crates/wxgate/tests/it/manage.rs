//! What operators do through the admin API besides making entries: keys are made and changed, routes ordered, stopped and tried,
//! accounts tried.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{ADMIN_TOKEN, EXAMPLE, MINI, OFFICIAL, Reply, TestApp};
use crate::backend::{Backend, says};
use crate::signed::{Maker, text};

const IP: &str = "invalid ip 47.1.2.3 ipv6 ::ffff:47.1.2.3, not in whitelist rid: 61b9947b-4eeffea7-4f08b7a6";

async fn ask(app: &TestApp, method: Method, path: &str, body: Value) -> Reply {
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    let headers = [("authorization", &*bearer), ("content-type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    app.http.send(method, &format!("{}/api/v1/{path}", app.admin_url()), &headers, body).await.unwrap()
}

async fn post(app: &TestApp, path: &str, body: Value) -> Value {
    let reply = ask(app, Method::POST, path, body).await;
    assert!(reply.status.is_success(), "{path}: {:?}", reply.body);
    reply.json()
}

async fn one(app: &TestApp, path: &str) -> Value {
    ask(app, Method::GET, path, Value::Null).await.json()
}

async fn calls(app: &TestApp, key: &str) -> u16 {
    let body = json!({"appid": OFFICIAL, "scene": "s"});
    app.call_with("getwxqrcode", &[("x-api-key", key)], body).await.status.as_u16()
}

#[tokio::test]
async fn a_key_is_shown_once_and_changed_without_a_gap() {
    let mut app = TestApp::configured("").await;
    let reply =
        ask(&app, Method::POST, "callers", json!({"name": "shop", "apps": ["*"], "apis": ["*"]})).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{:?}", reply.body);
    assert_eq!(reply.headers["cache-control"], "no-store");
    let first = reply.json()["key"].as_str().unwrap().to_owned();
    assert!(first.starts_with("wxk_") && first.len() == 44, "{first}");
    assert_eq!(calls(&app, &first).await, 200);
    assert_eq!(one(&app, "callers/shop").await["key"], true, "never again");
    let made_at = app.now();
    app.advance(Duration::from_secs(60)).await;

    let second = post(&app, "callers/shop/rotate", Value::Null).await["key"].as_str().unwrap().to_owned();
    assert_eq!((calls(&app, &first).await, calls(&app, &second).await), (200, 200));
    app.advance(Duration::from_secs(60)).await;
    assert_eq!(calls(&app, &second).await, 200);
    let keys = json!([
        {"slot": "key", "hint": format!("…{}", &second[40..]), "created_at": made_at + 60, "last_used_at": made_at + 120},
        {"slot": "previous_key", "hint": format!("…{}", &first[40..]), "created_at": made_at, "last_used_at": made_at + 60},
    ]);
    assert_eq!(one(&app, "callers/shop").await["keys"], keys);
    app.restart().await;
    assert_eq!(one(&app, "callers/shop").await["keys"], keys, "it outlives a restart");

    // The old one is ended first, or on purpose.
    let refused = ask(&app, Method::POST, "callers/shop/rotate", Value::Null).await;
    assert_eq!((refused.status, calls(&app, &first).await), (StatusCode::CONFLICT, 200));
    let third =
        post(&app, "callers/shop/rotate", json!({"force": true})).await["key"].as_str().unwrap().to_owned();
    let all = (calls(&app, &first).await, calls(&app, &second).await, calls(&app, &third).await);
    assert_eq!(all, (401, 200, 200));
    ask(&app, Method::PATCH, "callers/shop", json!({"previous_key": null})).await;
    assert_eq!((calls(&app, &second).await, calls(&app, &third).await), (401, 200));
    // Nothing that is kept for people has a key in it, and no path is called as keys are kept.
    let (book, callers) = (app.api("audit").await, app.api("callers").await);
    let actions: Vec<&str> =
        book["items"].as_array().unwrap().iter().map(|line| line["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["update", "rotate", "rotate", "create"]);
    assert!(
        !format!("{book}{callers}").contains("wxk_") && !callers.to_string().contains("key:"),
        "{callers}"
    );
}

#[tokio::test]
async fn what_may_not_be_changed_says_where_it_stands() {
    let app = TestApp::configured(
        "[[callers]]\nname = \"file\"\nkey = \"key_0123456789abcdefghijklmn\"\napps = [\"*\"]\napis = [\"*\"]",
    )
    .await;
    let refused = async |path: &str, body: Value, status: u16, part: &str| {
        let reply = ask(&app, Method::POST, path, body).await;
        let detail = reply.json()["detail"].as_str().unwrap().to_owned();
        assert!(
            reply.status.as_u16() == status && detail.contains(part),
            "{path}: {} {detail}",
            reply.status
        );
    };
    refused("callers/file/rotate", Value::Null, 409, "callers[0]").await;
    refused("callers/nobody/rotate", Value::Null, 404, "nobody").await;
    refused("callers/file/rotate", json!({"forced": true}), 400, "forced").await;
    post(
        &app,
        "callers",
        json!({"name": "near", "key": "", "networks": ["127.0.0.1"], "apps": ["*"], "apis": ["*"]}),
    )
    .await;
    refused("callers/near/rotate", Value::Null, 409, "key = \"\"").await;
    let file = one(&app, "callers/file").await;
    assert_eq!(
        file["keys"],
        json!([{"slot": "key", "hint": "…klmn", "created_at": null, "last_used_at": null}])
    );
    // Acts are no entries, and entries may be named like acts.
    let wrong = ask(&app, Method::POST, "callers/file", json!({})).await;
    assert_eq!((wrong.status.as_u16(), wrong.headers.contains_key("allow")), (405, true));
    post(&app, "routes", json!({"name": "test", "target": "http://127.0.0.1:9/"})).await;
    assert_eq!(one(&app, "routes/test").await["name"], "test");
}

/// Routes made at run time to these paths of a backend.
async fn routed(more: &str, routes: &[Value]) -> (TestApp, Backend) {
    let backend = Backend::start().await;
    let app =
        TestApp::configured(&format!("[auth]\nmode = \"off\"\n[egress]\nallow_loopback = true\n{more}"))
            .await;
    for route in routes {
        let mut route = route.clone();
        route["target"] = format!("{}/{}", backend.url, route["name"].as_str().unwrap()).into();
        post(&app, "routes", route).await;
    }
    (app, backend)
}

async fn sent(app: &TestApp, content: &str) {
    let callback = Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", content));
    assert_eq!(app.callback(None, &callback).await.body, "success");
}

#[tokio::test]
async fn what_a_paused_route_takes_waits_and_nothing_is_lost() {
    let (mut app, backend) =
        routed("", &[json!({"name": "crm", "retry": ["5s"], "reply": true}), json!({"name": "audit"})]).await;
    let arrived = |path: &str| backend.got().iter().filter(|got| got.path == path).count();
    ask(&app, Method::PATCH, "routes/crm", json!({"paused": true})).await;
    for content in ["one", "two", "three"] {
        sent(&app, content).await;
    }
    app.until("the other has them", async || arrived("/audit") == 3).await;
    app.restart().await;
    app.advance(Duration::from_secs(3600)).await;
    sent(&app, "four").await;
    app.until("the other has it", async || arrived("/audit") == 4).await;
    assert_eq!((arrived("/crm"), app.deliveries("route=crm&status=pending").await.len()), (0, 4));
    assert_eq!(one(&app, "routes/crm").await["paused"], true);
    ask(&app, Method::PATCH, "routes/crm", json!({"paused": null})).await;
    app.all_delivered().await;
    assert_eq!((arrived("/crm"), arrived("/audit")), (4, 4));
    assert_eq!(one(&app, "routes/crm").await["paused"], false);
}

#[tokio::test]
async fn routes_are_put_in_order_all_at_once() {
    let file = "[[routes]]\nname = \"first\"\ntarget = \"http://10.0.0.1/\"\nevents = [\"SCAN\"]";
    let (app, backend) = routed(file, &["a", "b", "c"].map(|name| json!({"name": name, "stop": true}))).await;
    let names = async || {
        let items = app.api("routes").await["items"].as_array().unwrap().clone();
        items
            .iter()
            .map(|item| format!("{}{}", item["name"].as_str().unwrap(), item["position"]))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(names().await, "first0 a1 b2 c3");
    let put = async |names: Value| {
        ask(&app, Method::PUT, "routes/order", json!({"names": names})).await.status.as_u16()
    };
    assert_eq!(put(json!(["c", "a", "b"])).await, 200);
    assert_eq!(names().await, "first0 c1 a2 b3");
    sent(&app, "hi").await;
    app.all_delivered().await;
    assert_eq!(backend.got().iter().map(|got| got.path.clone()).collect::<Vec<_>>(), ["/c"]);
    for wrong in [
        json!(["c", "a"]),
        json!(["c", "a", "b", "b"]),
        json!(["first", "c", "a", "b"]),
        json!("c"),
        json!([1]),
    ] {
        assert_eq!(put(wrong.clone()).await, 422, "{wrong}");
    }
    let lines = app.api("audit?target=routes").await["items"].as_array().unwrap().len();
    assert_eq!(put(json!(["c", "a", "b"])).await, 200);
    assert_eq!(
        app.api("audit?target=routes").await["items"].as_array().unwrap().len(),
        lines,
        "nothing changed"
    );
}

#[tokio::test]
async fn a_message_is_tried_and_goes_nowhere() {
    let (app, backend) = routed(
        "",
        &[
            json!({"name": "logins", "apps": ["tag:prod"], "scenes": ["login_*"], "reply": true}),
            json!({"name": "scans", "events": ["SCAN"], "stop": true, "reply": true}),
            json!({"name": "pictures", "events": ["message:image", "message:location"], "paused": true}),
        ],
    )
    .await;
    let test = async |body: Value| {
        let answer = post(&app, "routes/test", body).await;
        let items = answer["items"].as_array().unwrap().clone();
        let line = items.iter().map(|item| {
            let missed = item["why"].as_array().unwrap().iter().find(|one| one["ok"] == false);
            let missed = missed.map_or("", |one| one["cond"].as_str().unwrap());
            format!(
                "{} {} {missed} {} {}",
                item["route"].as_str().unwrap(),
                item["matched"],
                item["stopped_by"],
                item["reply"]
            )
        });
        (line.collect::<Vec<_>>(), items)
    };
    let (lines, items) =
        test(json!({"appid": OFFICIAL, "event": "SCAN", "scene": "login_1", "openid": "o1"})).await;
    assert_eq!(
        lines,
        ["logins true  null true", "scans true  null false", "pictures false events \"scans\" false"]
    );
    assert_eq!(
        items[0]["why"],
        json!([
            {"cond": "apps", "ok": true, "given": format!("{OFFICIAL} tag:prod"), "wanted": ["tag:prod"]},
            {"cond": "events", "ok": true, "given": "event:SCAN", "wanted": []},
            {"cond": "openids", "ok": true, "given": "o1", "wanted": []},
            {"cond": "scenes", "ok": true, "given": "login_1", "wanted": ["login_*"]},
        ])
    );
    let (lines, items) = test(json!({"appid": MINI, "kind": "message", "msg_type": "image"})).await;
    assert_eq!(
        lines,
        ["logins false apps null false", "scans false events null false", "pictures true  null false"]
    );
    assert_eq!(items[2]["paused"], true);
    // One that came.
    sent(&app, "hi").await;
    let id = app.events().await[0]["id"].clone();
    assert_eq!(test(json!({"event_id": id})).await.0[2], "pictures false events null false");
    for (body, status) in [
        (json!({"appid": OFFICIAL, "kind": "event"}), 422),
        (json!({"appid": OFFICIAL, "msg_type": "music"}), 422),
        (json!({"appid": OFFICIAL, "event": "SCAN", "msg_type": "image"}), 422),
        (json!({"appid": "wx1"}), 404),
        (json!({"event_id": 99}), 404),
        (json!({"appid": OFFICIAL, "sceen": "x"}), 400),
    ] {
        assert_eq!(
            ask(&app, Method::POST, "routes/test", body.clone()).await.status.as_u16(),
            status,
            "{body}"
        );
    }
    assert_eq!(backend.count(), 0);
}

#[tokio::test]
async fn a_backend_is_probed_once() {
    let (app, backend) =
        routed("", &[json!({"name": "crm", "apps": [EXAMPLE]}), json!({"name": "none", "apps": ["wxnone"]})])
            .await;
    let probe = post(&app, "routes/crm/probe", Value::Null).await;
    assert_eq!((&probe["ok"], &probe["status"], &probe["error"]), (&json!(true), &json!(200), &Value::Null));
    let got = backend.got();
    assert!(
        got.len() == 1 && got[0].query.contains("signature=") && got[0].header("x-wxgate-appid") == EXAMPLE
    );
    backend.does(|_| says(502, ""));
    let probe = post(&app, "routes/crm/probe", json!({"appid": EXAMPLE})).await;
    assert_eq!(
        (&probe["ok"], &probe["status"], &probe["error"]),
        (&json!(false), &json!(502), &json!("HTTP 502"))
    );
    assert_eq!((backend.count(), app.events().await.len()), (2, 0), "it isn't kept, nor tried again");
    assert_eq!(ask(&app, Method::POST, "routes/none/probe", Value::Null).await.status, StatusCode::CONFLICT);
    assert_eq!(
        ask(&app, Method::POST, "routes/nobody/probe", Value::Null).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(app.api("audit?target=routes/crm").await["items"][0]["action"], "probe");
}

#[tokio::test]
async fn an_account_is_checked_without_disturbing_its_token() {
    let app = TestApp::exporting("classic").await;
    let token = app.exported().await["access_token"].clone();
    let checked = post(&app, "apps/wxd/check", Value::Null).await;
    assert_eq!(
        (&checked["ok"], &checked["errcode"], &checked["advice"]),
        (&json!(true), &json!(0), &Value::Null)
    );
    assert!(checked["ms"].is_u64());
    assert_eq!(app.exported().await["access_token"], token);
    assert_eq!(app.calls("/cgi-bin/token", Some("wxd")).await, 1, "in stable mode, whatever the app's is");
    // A refresh gives another.
    let renewed = post(&app, "apps/wxd/refresh", Value::Null).await;
    assert_eq!(renewed["ok"], true);
    assert_ne!(app.exported().await["access_token"], token);
    assert_eq!(ask(&app, Method::POST, "apps/wx1/check", Value::Null).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_check_ends_a_back_off_and_says_what_to_do() {
    let app = TestApp::start().await;
    app.fault("/cgi-bin/stable_token", json!({"appid": OFFICIAL, "body": {"errcode": 40164, "errmsg": IP}}))
        .await;
    app.qr_code(OFFICIAL).await.fails(3_584_005, false, 40164);
    let down = async || app.admin("/readyz").await.json()["apps"]["down"].as_u64().unwrap();
    assert_eq!(down().await, 1);
    for act in ["check", "refresh"] {
        let told = post(&app, &format!("apps/{OFFICIAL}/{act}"), Value::Null).await;
        assert_eq!(
            (&told["ok"], &told["errcode"], &told["ip"]),
            (&json!(false), &json!(40164), &json!("47.1.2.3")),
            "{act}"
        );
        assert!(told["advice"].as_str().unwrap().contains("47.1.2.3"), "{told}");
    }
    app.control("reset", json!({})).await;
    let told = post(&app, &format!("apps/{OFFICIAL}/check"), Value::Null).await;
    assert_eq!((&told["ok"], down().await), (&json!(true), 0), "{told}");
    app.qr_code(OFFICIAL).await.ok();
}

#[tokio::test]
async fn an_account_is_tried_before_it_is_made() {
    let app = TestApp::start().await;
    let right = json!({"appid": OFFICIAL, "secret": "a1".repeat(16)});
    assert_eq!(post(&app, "apps/check", right).await["ok"], true);
    let wrong =
        post(&app, "apps/check", json!({"appid": OFFICIAL, "secret": "b1".repeat(16), "kind": "official"}))
            .await;
    assert_eq!((&wrong["ok"], wrong["errcode"].as_i64().unwrap() != 0), (&json!(false), true));
    assert!(wrong["advice"].as_str().unwrap().contains("AppSecret"), "{wrong}");
    assert!(!format!("{wrong}{}", app.api("audit").await).contains("b1b1"));
    for (body, status) in [
        (json!({"appid": OFFICIAL}), 422),
        (json!({"appid": "wxopen", "secret": "x", "kind": "open"}), 409),
        (json!({"appid": OFFICIAL, "secret": "env:HOME"}), 422),
    ] {
        assert_eq!(
            ask(&app, Method::POST, "apps/check", body.clone()).await.status.as_u16(),
            status,
            "{body}"
        );
    }
}
