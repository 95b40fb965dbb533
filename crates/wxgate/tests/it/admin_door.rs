//! Who gets to the admin side, by which name, and how balancers learn of health on every listener.

use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::Value;
use wxgate::limits::Limits;

use crate::app::{ADMIN_TOKEN, Reply, TestApp};
use crate::database;
use crate::raw::Raw;

const OFF: &str = "[auth]\nmode = \"off\"";

/// With these lines in `[server]`.
async fn in_server(lines: &str) -> TestApp {
    let mut app = TestApp::configured(OFF).await;
    let text = app.text().replace("shutdown_grace", &format!("{lines}\nshutdown_grace"));
    app.restart_with(&text).await;
    app
}

async fn shows(app: &TestApp, token: &str) -> Reply {
    let url = format!("{}/api/v1/events", app.admin_url());
    let bearer = format!("Bearer {token}");
    app.http.send(Method::GET, &url, &[("authorization", &bearer)], "").await.unwrap()
}

#[tokio::test]
async fn wrong_tokens_are_slowed_down_by_address_and_logged() {
    let pause = Duration::from_millis(300);
    let limits = Limits { wrong_token_pause: pause, ..Limits::default() };
    let app = TestApp::limited(OFF, limits).await;
    for _ in 0..3 {
        assert_eq!(shows(&app, "a-wrong-token-of-24-chars").await.status, StatusCode::UNAUTHORIZED);
    }
    let began = Instant::now();
    assert_eq!(shows(&app, "a-wrong-token-of-24-chars").await.status, StatusCode::UNAUTHORIZED);
    assert!(began.elapsed() >= pause, "the fourth waits for its answer");
    // As many as may wait; hanging up sets none of them free.
    for _ in 0..4 {
        let wrong = shows(&app, "another-wrong-token-of-24");
        assert!(tokio::time::timeout(pause / 10, wrong).await.is_err(), "it waits");
    }
    let refused = shows(&app, "another-wrong-token-of-24").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "no more of them wait");
    assert_eq!(refused.headers["retry-after"], "1");
    let began = Instant::now();
    assert_eq!(shows(&app, ADMIN_TOKEN).await.status, StatusCode::OK, "the right one is never slowed down");
    assert!(began.elapsed() < 4 * pause);
}

#[tokio::test]
async fn an_admin_token_that_could_be_guessed_is_refused() {
    let app = TestApp::configured("").await;
    for (name, token) in [("WXGATE_ADMIN_TOKEN", "1"), ("WXGATE_ADMIN_TOKEN", "only-twenty-three-chars")] {
        let environment = [(name.to_owned(), token.to_owned())].into();
        let wrong = wxgate::config::parse(app.text(), "x", app.dir.path(), &environment).unwrap_err();
        assert_eq!(wrong.0.len(), 1);
        assert_eq!(wrong.0[0].key, name);
        assert!(!format!("{wrong}").contains(token) || token == "1", "{wrong}");
    }
}

#[tokio::test]
async fn the_admin_side_is_reached_by_its_own_names_only() {
    let app = in_server("admin_url = \"https://wx-admin.example.com\"\nhosts = [\"wx-proxy\"]").await;
    let ask = async |path: &str, host: &str| {
        let bearer = format!("Bearer {ADMIN_TOKEN}");
        let headers = [("host", host), ("authorization", bearer.as_str()), ("accept-language", "en")];
        app.http.send(Method::GET, &format!("{}{path}", app.admin_url()), &headers, "").await.unwrap()
    };
    for host in ["127.0.0.1", "[::1]:36013", "localhost:36013", "wx-admin.example.com", "WX-PROXY:1"] {
        assert_eq!(ask("/api/v1/events", host).await.status, StatusCode::OK, "{host}");
    }
    for path in ["/api/v1/events", "/openapi.json", "/", "/nothing"] {
        let refused = ask(path, "evil.example.com").await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
        assert!(refused.json()["detail"].as_str().unwrap().contains("server.hosts"));
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(ask(path, "evil.example.com").await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn balancers_learn_of_health_on_every_listener() {
    let mut app = in_server("public_listen = \"127.0.0.1:0\"").await;
    let public = app.gateway().public_address().map(|address| format!("http://{address}"));
    let listeners = [Some(app.url()), public];
    for base in listeners.iter().flatten() {
        for path in ["/healthz", "/readyz", "/readyz?for=callbacks"] {
            for method in [Method::GET, Method::HEAD] {
                let headers = [("host", "any.example.com"), ("x-forwarded-for", "1.2.3.4")];
                let reply =
                    app.http.send(method.clone(), &format!("{base}{path}"), &headers, "").await.unwrap();
                assert_eq!((reply.status, reply.body.len()), (StatusCode::OK, 0), "{method} {base}{path}");
            }
            let mut old = Raw::to(base).await;
            old.send(format!("GET {path} HTTP/1.0\r\n\r\n")).await;
            assert_eq!(old.answer().await.status, StatusCode::OK, "HTTP/1.0 {path}");
        }
        let other = app.http.send(Method::POST, &format!("{base}/healthz"), &[], "").await.unwrap();
        assert_eq!(other.status, StatusCode::METHOD_NOT_ALLOWED);
    }
}

#[tokio::test]
async fn without_a_store_callbacks_go_elsewhere_and_calls_do_not() {
    let app = TestApp::configured(OFF).await;
    database::take_away(&app).await;
    // The writer looks once a second, and what was found out is believed for as long.
    let until = Instant::now() + Duration::from_secs(10);
    while app.get("/readyz?for=callbacks", &[]).await.status == StatusCode::OK {
        assert!(Instant::now() < until, "nobody noticed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(app.get("/readyz", &[]).await.status, StatusCode::OK);
    assert_eq!(app.admin("/readyz").await.json()["status"], "degraded");
    assert_eq!(app.admin("/readyz?for=callbacks").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn the_admin_side_speaks_the_language_of_the_request() {
    let app = TestApp::configured(OFF).await;
    let detail = async |path: &str, language: &str, token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("accept-language", language)];
        let reply = app.http.send(Method::GET, &format!("{}{path}", app.admin_url()), &headers, "").await;
        let json: Value = reply.unwrap().json();
        json["detail"].as_str().unwrap().to_owned()
    };
    let is_chinese = |text: &str| text.contains(|c: char| ('\u{3400}'..='\u{9fff}').contains(&c));
    for (path, token) in [
        ("/nothing", ADMIN_TOKEN),
        ("/api/v1/nothing", ADMIN_TOKEN),
        ("/api/v1/events", "wrong"),
        ("/api/v1/events?x=1", ADMIN_TOKEN),
        ("/api/v1/events?from=x", ADMIN_TOKEN),
        ("/api/v1/events?limit=0", ADMIN_TOKEN),
        ("/api/v1/events?cursor=x", ADMIN_TOKEN),
        ("/api/v1/events/999", ADMIN_TOKEN),
        ("/api/v1/deliveries?status=x", ADMIN_TOKEN),
        ("/api/v1/deliveries?x=1", ADMIN_TOKEN),
    ] {
        let (zh, en) = (detail(path, "zh-CN", token).await, detail(path, "en-US,en;q=0.9", token).await);
        assert!(is_chinese(&zh) && !is_chinese(&en), "{path}: {zh} {en}");
        assert_eq!(detail(path, "fr", token).await, zh, "Chinese by default");
    }
}

#[tokio::test]
async fn each_side_has_a_document_of_its_own() {
    let app = TestApp::configured(OFF).await;
    assert_eq!(app.get("/v1/service/wx/openapi.json", &[]).await.json()["servers"][0]["url"], "/");
    let admin = app.admin("/openapi.json").await.json();
    assert!(admin["paths"]["/api/v1/callers/{name}"]["patch"].is_object(), "{admin}");
    let english = app.get("/v1/service/wx/openapi.json", &[("accept-language", "en")]).await.json();
    assert_eq!(english["info"]["title"], "wxgate service API");
}
