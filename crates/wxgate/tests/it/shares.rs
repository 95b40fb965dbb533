//! Nobody starves anybody: whoever takes all it can get leaves something for the others.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use wxgate::limits::Limits;

use crate::app::{MINI, OFFICIAL, Reply, TestApp};
use crate::limits::held::{Held, OPEN, SHORT, session, soon, users};
use crate::proxy::refuses;
use crate::raw::Raw;
use crate::signed::{Maker, text};

const SHOP: [(&str, &str); 1] = [("x-api-key", "key_shop_0123456789abcdefghij")];
const OTHER: [(&str, &str); 1] = [("x-api-key", "key_other_0123456789abcdefghi")];

fn callers() -> String {
    let caller = |name: &str, key: &str| {
        format!("[[callers]]\nname = \"{name}\"\nkey = \"{key}\"\napps = [\"*\"]\napis = [\"*\"]\n")
    };
    [caller("shop", SHOP[0].1), caller("other", OTHER[0].1)].concat()
}

/// A request for health from `from`.
async fn health(app: &TestApp, from: &str) -> Reply {
    let mut raw = Raw::between(from, &app.url()).await;
    raw.send("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").await;
    soon(raw.answer()).await
}

#[tokio::test]
async fn a_crowd_of_silent_connections_gives_way_to_whoever_comes() {
    let app = TestApp::limited(OPEN, Limits { connections: 60, ..Limits::default() }).await;
    // A caller is at work all the time, on a connection it keeps.
    session(&app, &[], "demo-login").await.ok();
    let mut crowd = Vec::new();
    for n in 0..200 {
        crowd.push(Raw::between(&format!("127.0.0.{}", 2 + n % 3), &app.url()).await);
    }
    for _ in 0..20 {
        assert_eq!(health(&app, "127.0.0.9").await.status, 200);
    }
    soon(session(&app, &[], "demo-login")).await.ok();
    let callback = Maker::new(crate::app::EXAMPLE, app.now()).plain(&text("gh_0000000000c3", "hello"));
    assert_eq!(soon(app.callback(None, &callback)).await.body, "success");
    let silent = crowd.iter().filter(|raw| raw.is_silent()).count();
    assert!(silent < 60, "{silent} of 200 are still there");
}

#[tokio::test]
async fn behind_a_proxy_a_crowd_counts_for_the_clients_it_is_of() {
    let mut app = TestApp::limited(OPEN, Limits { connections: 60, ..Limits::default() }).await;
    let trusting = "shutdown_grace = \"5s\"\ntrusted_proxies = [\"127.0.0.9\"]";
    let text = app.text().replace("shutdown_grace = \"5s\"", trusting);
    app.restart_with(&text).await;
    let begin = async |from: &str, length: usize| {
        let mut raw = Raw::between("127.0.0.9", &app.url()).await;
        raw.send(format!(
            "POST /cgi-bin/stable_token HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: {from}\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n"
        ))
        .await;
        raw
    };
    let mut crowd = Vec::new();
    for n in 0..200 {
        crowd.push(begin(&format!("6.6.6.{}", n % 3), 60_000).await);
    }
    let body = json!({"grant_type": "client_credential", "appid": OFFICIAL, "secret": "any"}).to_string();
    for _ in 0..20 {
        let mut user = begin("8.8.8.8", body.len()).await;
        user.send(&body).await;
        assert!(soon(user.answer()).await.json()["access_token"].is_string());
    }
}

#[tokio::test]
async fn slow_bodies_hold_no_place_and_no_more_than_their_share_of_the_budget() {
    let limits = Limits {
        calls: 2,
        passed: 2,
        strangers: 2,
        body_budget: 1 << 20,
        budget_time: SHORT,
        ..Limits::default()
    };
    let app = TestApp::limited(&callers(), limits).await;
    let slow = async |from: &str, path: &str, key: &str, length: usize| {
        let mut raw = Raw::between(from, &app.url()).await;
        raw.send(format!(
            "POST {path} HTTP/1.1\r\nHost: h\r\nX-Wx-Appid: {OFFICIAL}\r\n{key}Content-Length: {length}\r\n\r\nx"
        ))
        .await;
        raw
    };
    // Of strangers,
    let mut held = Vec::new();
    for _ in 0..50 {
        held.push(slow("127.0.0.2", "/cgi-bin/stable_token", "", 60_000).await);
    }
    // of one caller.
    let key = format!("X-Api-Key: {}\r\n", SHOP[0].1);
    for path in ["/v1/service/wx/jssdk", "/cgi-bin/menu/create"] {
        for _ in 0..20 {
            held.push(slow("127.0.0.3", path, &key, 50_000).await);
        }
    }
    for _ in 0..5 {
        soon(session(&app, &OTHER, "demo-login")).await.ok();
        let token = json!({"grant_type": "client_credential", "appid": OFFICIAL, "secret": OTHER[0].1});
        let url = format!("{}/cgi-bin/stable_token", app.url());
        let token = soon(app.http.send(http::Method::POST, &url, &[], token.to_string())).await.unwrap();
        assert!(token.json()["access_token"].is_string(), "{:?}", token.body);
        assert!(!soon(users(&app, &OTHER)).await.headers.contains_key("x-wxgate-error"));
    }
}

#[tokio::test]
async fn a_caller_whose_calls_hang_leaves_places_for_the_others() {
    let held = Held::start().await;
    let app = held.as_wechat(&callers(), Limits { calls: 40, passed: 40, ..Limits::default() }).await;
    let greedy: Vec<_> = (0..60)
        .map(|n| {
            let (app, code) = (&app, format!("c{n}"));
            async move { session(app, &SHOP, &code).await }
        })
        .collect();
    let greedy = join_all(greedy);
    let others = async {
        app.until("the greedy one has all it gets", async || held.arrived() >= 36).await;
        let mut others = std::pin::pin!(session(&app, &OTHER, "mine"));
        held.gets(held.arrived() + 1, &mut others).await;
        held.release(1000);
        others.await.ok();
    };
    let (answers, ()) = tokio::join!(greedy, others);
    let refused = answers.iter().filter(|reply| reply.status == 503).count();
    // Nine tenths are anybody's; what the app has left of the rest is not for who holds so much.
    assert_eq!(refused, 60 - 36);
    let refused = answers.iter().find(|reply| reply.status == 503).unwrap();
    refused.fails(3_584_015, true, 0);
    assert_eq!(refused.headers["retry-after"], "1");
}

#[tokio::test]
async fn a_place_is_taken_until_its_work_is_over_though_the_client_hung_up() {
    let held = Held::start().await;
    let app = held.as_wechat(OPEN, Limits { calls: 2, passed: 2, ..Limits::default() }).await;
    for n in 0..2 {
        let body = json!({"source": "t", "appid": MINI, "code": format!("c{n}")}).to_string();
        let mut raw = Raw::to(&app.url()).await;
        let head = "POST /v1/service/wx/code2session HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length";
        raw.send(format!("{head}: {}\r\n\r\n{body}", body.len())).await;
        app.until("it is asked for", async || held.arrived() == n + 1).await;
    }
    // Both hung up, and WeChat still works for them.
    session(&app, &[], "another").await.fails(3_584_015, true, 0);
    assert_eq!(held.arrived(), 2);
    for n in 0..2 {
        let path =
            format!("/sns/jscode2session?appid={MINI}&secret=any&js_code=p{n}&grant_type=authorization_code");
        let mut raw = Raw::to(&app.url()).await;
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")).await;
        app.until("it is asked for", async || held.arrived() == n + 3).await;
    }
    refuses(&users(&app, &[]).await, -1, "system error");
    held.release(1000);
    app.until("places are free", async || session(&app, &[], "later").await.status == 200).await;
}

#[tokio::test]
async fn a_body_waits_for_its_part_of_the_budget_and_is_told_when_there_is_none() {
    let limits = Limits { body_budget: 100_000, budget_time: SHORT, ..Limits::default() };
    let mut app = TestApp::limited(&callers(), limits).await;
    let hold = async |app: &TestApp| {
        let mut raw = Raw::to(&app.url()).await;
        let key = SHOP[0].1;
        raw.send(format!(
            "POST /v1/service/wx/jssdk HTTP/1.1\r\nHost: h\r\nX-Api-Key: {key}\r\nContent-Length: 60000\r\n\r\n{{"
        ))
        .await;
        raw
    };
    let call = async |app: &TestApp| {
        let body = json!({"source": "t", "appid": MINI, "code": "demo-login", "flow_id": "x".repeat(50_000)});
        app.call_with("code2session", &OTHER, body).await
    };
    let first = hold(&app).await;
    app.until("the first holds its part", async || call(&app).await.status == 503).await;
    let refused = call(&app).await;
    refused.fails(3_584_015, true, 0);
    assert_eq!(refused.headers["retry-after"], "1");
    // Callbacks and what is passed on are told in their own manner.
    let path = format!("{}/cgi-bin/menu/create", app.url());
    let headers = [OTHER[0], ("x-wx-appid", OFFICIAL)];
    let passed = app.http.send(http::Method::POST, &path, &headers, "x".repeat(50_000)).await.unwrap();
    refuses(&passed, -1, "system error");
    drop(first);
    app.until("it was given back", async || call(&app).await.status == 200).await;
    // Whoever may wait gets it.
    app.world.limits.budget_time = Duration::from_secs(20);
    app.restart().await;
    let first = hold(&app).await;
    let (answer, ()) = tokio::join!(call(&app), async {
        tokio::time::sleep(SHORT).await;
        drop(first);
    });
    answer.ok();
}
