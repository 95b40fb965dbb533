//! What somebody tries who may come in, and wants more than he may: all of it was found by an attack.

use futures_util::future::{join, join_all};
use http::Method;
use serde_json::{Value, json};

use crate::app::{EXAMPLE, OFFICIAL, TestApp};
use crate::backend::{Backend, says};
use crate::people::{Browser, PASSWORD, with_admin};
use crate::raw::Raw;
use crate::signed::{Maker, text};

const OTHER: &str = "another long password";

async fn user(admin: &Browser<'_>, name: &str, role: &str) {
    let new = json!({"name": name, "role": role, "password": PASSWORD});
    assert_eq!(admin.asks(Method::POST, "users", new).await.status, 201);
}

async fn logged_in<'a>(app: &'a TestApp, name: &str) -> Browser<'a> {
    let mut browser = Browser::new(app);
    assert_eq!(browser.logs_in(name, PASSWORD).await, 200);
    browser
}

#[tokio::test]
async fn a_viewer_changes_no_route_whatever_its_name() {
    let app = TestApp::start().await;
    let admin = with_admin(&app).await;
    user(&admin, "vic", "viewer").await;
    let route = json!({"name": "test", "apps": ["*"], "target": "http://10.0.0.5/x?key=QUERYKEY", "openids": ["oAAAAAAAAAAAAAAAAAAAAAAAAAAA"]});
    assert_eq!(admin.asks(Method::POST, "routes", route).await.status, 201);
    let viewer = logged_in(&app, "vic").await;
    let evil = json!({"target": "http://10.6.6.6/evil"});
    assert_eq!(viewer.asks(Method::PATCH, "routes/test", evil).await.status, 403);
    assert_eq!(viewer.asks(Method::DELETE, "routes/test", Value::Null).await.status, 403);
    let trial = json!({"appid": OFFICIAL, "kind": "message", "msg_type": "text", "openid": "oAAAAAAAAAAAAAAAAAAAAAAAAAAA"});
    let tried = viewer.asks(Method::POST, "routes/test", trial).await;
    assert_eq!(tried.status, 200);
    // Nor does he see whose messages take it, or what may be secret in its address.
    for seen in [viewer.get("routes").await, viewer.get("routes/test").await, tried] {
        let seen = seen.json().to_string();
        assert!(!seen.contains("QUERYKEY") && !seen.contains("AAAAAAAAAAAA"), "{seen}");
    }
    assert!(admin.get("routes").await.json().to_string().contains("QUERYKEY"), "an admin does");
    let book = admin.get("audit").await.json().to_string();
    assert!(book.contains("10.0.0.5") && !book.contains("QUERYKEY"), "{book}");
}

#[tokio::test]
async fn one_admin_is_always_left() {
    let app = TestApp::start().await;
    let admin = with_admin(&app).await;
    user(&admin, "second", "admin").await;
    let second = logged_in(&app, "second").await;
    let viewer = json!({"role": "viewer"});
    let (one, other) = join(
        admin.asks(Method::PATCH, "users/second", viewer.clone()),
        second.asks(Method::PATCH, "users/admin", viewer),
    )
    .await;
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert!(statuses[0] == 200 && [403, 422].contains(&statuses[1]), "{statuses:?}");
    let users = app.api("users").await["items"].as_array().unwrap().clone();
    assert_eq!(users.iter().filter(|user| user["role"] == "admin").count(), 1, "{users:?}");
    let admin =
        users.iter().find(|user| user["role"] == "admin").unwrap()["name"].as_str().unwrap().to_owned();
    let admin = logged_in(&app, &admin).await;
    user(&admin, "third", "admin").await;
    let names = ["admin", "second", "third"];
    let ended = join_all(names.map(|name| {
        let path = format!("users/{name}");
        let admin = &admin;
        async move { admin.asks(Method::DELETE, &path, Value::Null).await.status.as_u16() }
    }))
    .await;
    let left = app.api("users").await["items"].as_array().unwrap().clone();
    assert!(left.iter().any(|user| user["role"] == "admin"), "{ended:?} {left:?}");
}

#[tokio::test]
async fn an_old_password_opens_nothing_that_outlives_its_change() {
    let app = TestApp::start().await;
    let admin = with_admin(&app).await;
    user(&admin, "leaver", "viewer").await;
    for round in 0..3 {
        let (old, new) = if round % 2 == 0 { (PASSWORD, OTHER) } else { (OTHER, PASSWORD) };
        let tries = (0..3).map(|_| async {
            let mut browser = Browser::new(&app);
            let status = browser.logs_in("leaver", old).await;
            (status, browser)
        });
        let change = admin.asks(Method::PATCH, "users/leaver", json!({"password": new}));
        let (tried, changed) = join(join_all(tries), change).await;
        assert_eq!(changed.status, 200);
        for (status, browser) in tried {
            if status == 200 {
                assert_eq!(browser.get("apps").await.status, 401, "its session has ended");
            }
        }
    }
    assert_eq!(admin.asks(Method::DELETE, "users/leaver", Value::Null).await.status, 204);
    let left = app.api("users").await["items"].to_string();
    assert!(!left.contains("leaver"), "{left}");
}

#[tokio::test]
async fn a_crowd_of_wrong_passwords_is_refused_at_once_and_keeps_no_program_out() {
    let app = TestApp::start().await;
    with_admin(&app).await;
    let tries = join_all((0..60).map(|_| async {
        let mut browser = Browser::new(&app);
        browser.logs_in("admin", "wrong password, wrong").await.as_u16()
    }));
    let wrong_token = [("authorization", "Bearer wrong")];
    let url = format!("{}/api/v1/apps", app.admin_url());
    let tokens = join_all((0..20).map(|_| app.http.send(Method::GET, &url, &wrong_token, "")));
    let right = async {
        for _ in 0..5 {
            assert!(
                app.api("callers").await["items"].is_array(),
                "the right token is good whatever else comes"
            );
        }
    };
    let ((tries, tokens), ()) = join(join(tries, tokens), right).await;
    assert!(tries.iter().all(|status| [401, 429].contains(status)), "{tries:?}");
    assert!(tries.iter().filter(|status| **status == 429).count() >= 40, "{tries:?}");
    assert!(tokens.iter().any(|reply| reply.as_ref().unwrap().status == 429));
}

#[tokio::test]
async fn viewers_see_nobody_in_what_explains_a_message() {
    let app = TestApp::configured("[auth]\nmode = \"off\"\n[[routes]]\nname = \"r\"\napps = [\"*\"]\nopenids = [\"oNobody*\"]\nscenes = [\"login_*\"]\ntarget = \"http://127.0.0.1:9/\"\n").await;
    let admin = with_admin(&app).await;
    user(&admin, "vic", "viewer").await;
    // One that stands in no other word by chance.
    let message = text("gh_0000000000c3", "13800138000").replace("[o1]", "[oSeenByNobodyElse]");
    let callback = Maker::new(EXAMPLE, app.now()).plain(&message);
    assert_eq!(app.callback(None, &callback).await.status, 200);
    let event = app.events().await[0].clone();
    let openid = event["openid"].as_str().unwrap();
    let viewer = logged_in(&app, "vic").await;
    let id = event["id"].as_i64().unwrap();
    let trial = json!({"event_id": id.to_string()});
    for seen in [
        viewer.get(&format!("events/{id}")).await,
        viewer.asks(Method::POST, "routes/test", trial).await,
        viewer.get("events").await,
    ] {
        assert_eq!(seen.status, 200);
        let seen = seen.json().to_string();
        assert!(!seen.contains(openid) && !seen.contains("13800138000"), "{seen}");
    }
}

#[tokio::test]
async fn names_are_short_plain_and_can_be_addressed() {
    let app = TestApp::start().await;
    let admin = with_admin(&app).await;
    let long = "n".repeat(65);
    for name in [long.as_str(), "..", ".", "a/b", "a\nb", "a\0b", "a\u{202e}b", ""] {
        let caller = json!({"name": name, "apps": ["*"], "apis": ["*"]});
        assert_eq!(admin.asks(Method::POST, "callers", caller).await.status, 422, "{name:?}");
        let route = json!({"name": name, "target": "http://10.0.0.5/"});
        assert_eq!(admin.asks(Method::POST, "routes", route).await.status, 422, "{name:?}");
    }
    for name in ["..", "wxgate", "token"] {
        let new = json!({"name": name, "role": "viewer", "password": PASSWORD});
        assert_eq!(admin.asks(Method::POST, "users", new).await.status, 422, "{name}");
    }
    let caller = json!({"name": "商城 后端.1", "apps": ["*"], "apis": ["*"]});
    assert_eq!(admin.asks(Method::POST, "callers", caller).await.status, 201);
    // What no database holds is found by nobody, on either store.
    for path in [
        "events?openid=%00",
        "audit?actor=%00",
        "deliveries?route=%00",
        "search?q=%00",
        "failures?caller=%00",
    ] {
        assert_eq!(admin.get(path).await.status, 200, "{path}");
    }
    assert_eq!(admin.asks(Method::POST, "alerts/%00/mute", json!({"seconds": 60})).await.status, 404);
}

#[tokio::test]
async fn of_callers_with_one_key_one_is_made() {
    let app = TestApp::start().await;
    let admin = with_admin(&app).await;
    let made = join_all((0..6).map(|n| {
        let caller = json!({"name": format!("c{n}"), "key": "key_0123456789abcdefghijklmn", "apps": ["*"], "apis": ["*"]});
        let admin = &admin;
        async move { admin.asks(Method::POST, "callers", caller).await.status.as_u16() }
    }))
    .await;
    assert_eq!(made.iter().filter(|status| **status == 201).count(), 1, "{made:?}");
    assert!(made.iter().all(|status| [201, 409].contains(status)), "{made:?}");
}

#[tokio::test]
async fn a_backend_that_is_probed_and_well_fails_no_more() {
    let backend = Backend::start().await;
    backend.does(|_| says(500, ""));
    let app = TestApp::configured(&format!(
        "[auth]\nmode = \"off\"\n[[routes]]\nname = \"crm\"\napps = [\"*\"]\ntarget = \"{}\"\nretry = []\n",
        backend.url
    ))
    .await;
    let callback = Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", "hello"));
    app.callback(None, &callback).await;
    let route = async || {
        let now = app.api("alerts").await["now"].as_array().unwrap().clone();
        now.iter().any(|problem| problem["kind"] == "route")
    };
    app.until("it fails", async || route().await).await;
    backend.does(|_| says(200, "success"));
    let admin = with_admin(&app).await;
    let probed = admin.asks(Method::POST, "routes/crm/probe", json!({})).await;
    assert_eq!(probed.json()["ok"], true);
    assert!(!route().await);
}

#[tokio::test]
async fn a_stream_ends_with_the_role_that_it_was_opened_by() {
    let app = TestApp::start().await;
    let admin = with_admin(&app).await;
    user(&admin, "second", "admin").await;
    let second = logged_in(&app, "second").await;
    let mut raw = Raw::to(&app.admin_url()).await;
    let cookie = &second.cookie;
    raw.send(format!(
        "GET /api/v1/live?topics=event,tick HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n"
    ))
    .await;
    raw.until("event: tick").await;
    assert_eq!(admin.asks(Method::PATCH, "users/second", json!({"role": "viewer"})).await.status, 200);
    let callback = Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", "hello"));
    app.callback(None, &callback).await;
    let rest = String::from_utf8_lossy(&raw.rest().await).into_owned();
    let event = app.events().await[0].clone();
    assert!(!rest.contains(event["openid"].as_str().unwrap()), "{rest}");
}
