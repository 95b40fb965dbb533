//! Who comes in: by the setup code, by name and password, by the admin token; what a viewer may, what another page may not.

use std::path::PathBuf;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{OFFICIAL, Reply, TestApp};

pub(crate) const PASSWORD: &str = "correct horse battery";

/// A browser at the console.
pub(crate) struct Browser<'a> {
    pub(crate) app: &'a TestApp,
    pub(crate) cookie: String,
    pub(crate) csrf: String,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(app: &'a TestApp) -> Self {
        Self { app, cookie: String::new(), csrf: String::new() }
    }

    fn origin(&self) -> String {
        self.app.admin_url()
    }

    async fn send(&self, method: Method, path: &str, more: &[(&str, &str)], body: Value) -> Reply {
        let base = [("cookie", &*self.cookie), ("accept-language", "en")];
        let headers: Vec<(&str, &str)> = base.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let headers = [&headers[..], more].concat();
        let url = format!("{}/api/v1/{path}", self.app.admin_url());
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.app.http.send(method, &url, &headers, body).await.unwrap()
    }

    /// As the console's own page does it.
    pub(crate) async fn asks(&self, method: Method, path: &str, body: Value) -> Reply {
        let origin = self.origin();
        self.send(method, path, &[("origin", &origin), ("x-wxgate-csrf", &self.csrf)], body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], Value::Null).await
    }

    /// Keeps what a login gave.
    pub(crate) fn takes(&mut self, reply: &Reply) {
        let cookie = reply.headers["set-cookie"].to_str().unwrap();
        let (pair, rest) = cookie.split_once(';').unwrap();
        for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
            assert!(rest.contains(part), "{cookie}");
        }
        let port = self.app.admin_url().rsplit_once(':').unwrap().1.to_owned();
        assert!(pair.starts_with(&format!("wxgate_{port}=")), "{cookie}");
        self.cookie = pair.to_owned();
        self.csrf = reply.json()["csrf"].as_str().unwrap().to_owned();
    }

    pub(crate) async fn logs_in(&mut self, name: &str, password: &str) -> StatusCode {
        let reply = self.asks(Method::POST, "session", json!({"name": name, "password": password})).await;
        if reply.status == 200 {
            self.takes(&reply);
        }
        reply.status
    }
}

/// Where the code is written.
fn file(app: &TestApp) -> PathBuf {
    app.config(app.text()).unwrap().store.run_dir().join("setup-code")
}

fn code(app: &TestApp) -> String {
    std::fs::read_to_string(file(app)).unwrap().trim().to_owned()
}

#[tokio::test]
async fn the_first_user_is_made_by_the_code_once() {
    let mut app = TestApp::configured("").await;
    {
        let mut browser = Browser::new(&app);
        assert_eq!(browser.get("setup").await.json(), json!({"needed": true}));
        assert_eq!(browser.get("apps").await.status, 401);
        let wrong = json!({"code": "AAAAAA-AAAAAA", "password": PASSWORD});
        assert_eq!(browser.asks(Method::POST, "setup", wrong).await.status, 403);
        let short = json!({"code": code(&app), "password": "short"});
        assert_eq!(browser.asks(Method::POST, "setup", short).await.status, 422);
        let right = json!({"code": code(&app), "password": PASSWORD});
        let made = browser.asks(Method::POST, "setup", right.clone()).await;
        assert_eq!((made.status, &made.json()["name"]), (StatusCode::CREATED, &json!("admin")));
        browser.takes(&made);
        assert_eq!(browser.get("apps").await.status, 200);
        assert!(!file(&app).exists(), "it is spent");
        assert_eq!(browser.get("setup").await.status, 404);
        assert_eq!(browser.asks(Method::POST, "setup", right).await.status, 404);
    }
    // A restart asks for no code, and the session goes on.
    let (cookie, csrf) = {
        let mut browser = Browser::new(&app);
        assert_eq!(browser.logs_in("admin", PASSWORD).await, 200);
        (browser.cookie, browser.csrf)
    };
    let before = app.admin_url();
    app.restart().await;
    assert!(!file(&app).exists());
    if app.admin_url() == before {
        let browser = Browser { app: &app, cookie, csrf };
        assert_eq!(browser.get("session").await.json()["name"], "admin");
    }
}

#[tokio::test]
async fn a_code_is_good_for_an_hour_and_the_same_over_a_restart() {
    let mut app = TestApp::configured("").await;
    let first = code(&app);
    app.restart().await;
    assert_eq!(code(&app), first);
    app.advance(Duration::from_secs(3600)).await;
    let late =
        Browser::new(&app).asks(Method::POST, "setup", json!({"code": first, "password": PASSWORD})).await;
    assert_eq!(late.status, 422, "{:?}", late.json());
    app.restart().await;
    assert_ne!(code(&app), first);
}

pub(crate) async fn with_admin(app: &TestApp) -> Browser<'_> {
    let mut browser = Browser::new(app);
    let body = json!({"code": code(app), "password": PASSWORD});
    let made = browser.asks(Method::POST, "setup", body).await;
    browser.takes(&made);
    browser
}

#[tokio::test]
async fn a_change_comes_from_the_consoles_own_page_alone() {
    let app = TestApp::configured("").await;
    let admin = with_admin(&app).await;
    let caller =
        json!({"name": "shop", "key": "key_made_0123456789abcdefghijk", "apps": ["*"], "apis": ["*"]});
    let origin = admin.origin();
    let other = origin.replace("127.0.0.1", "localhost");
    for headers in [
        vec![("origin", &*origin)],
        vec![("origin", &*origin), ("x-wxgate-csrf", "0000")],
        vec![("x-wxgate-csrf", &*admin.csrf)],
        vec![("origin", "http://127.0.0.1:1"), ("x-wxgate-csrf", &admin.csrf)],
        vec![("origin", &other), ("x-wxgate-csrf", &admin.csrf)],
        vec![("origin", "null"), ("x-wxgate-csrf", &admin.csrf)],
    ] {
        let refused = admin.send(Method::POST, "callers", &headers, caller.clone()).await;
        assert_eq!(refused.status, 403, "{headers:?}");
    }
    let foreign = [("origin", "http://127.0.0.1:1")];
    let login = json!({"name": "admin", "password": PASSWORD});
    assert_eq!(admin.send(Method::POST, "session", &foreign, login).await.status, 403);
    assert_eq!(app.api("callers").await["items"].as_array().unwrap().len(), 0, "none was made");
    assert_eq!(admin.asks(Method::POST, "callers", caller).await.status, 201);
    let book = app.api("audit").await;
    let line = &book["items"][0];
    assert_eq!(
        (&line["actor"], &line["role"], &line["action"]),
        (&json!("admin"), &json!("admin"), &json!("create"))
    );
    let actions: Vec<&str> =
        book["items"].as_array().unwrap().iter().map(|line| line["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["create", "login", "setup"]);
}

#[tokio::test]
async fn a_viewer_looks_and_changes_nothing() {
    let app = TestApp::configured("").await;
    let admin = with_admin(&app).await;
    let user = json!({"name": "li", "role": "viewer", "password": "a password of ten"});
    assert_eq!(admin.asks(Method::POST, "users", user.clone()).await.status, 201);
    assert_eq!(admin.asks(Method::POST, "users", user).await.status, 422, "once");
    let mut li = Browser::new(&app);
    assert_eq!(li.logs_in("li", "a password of tem").await, 401);
    assert_eq!(li.logs_in("li", "a password of ten").await, 200);
    for path in ["apps", "callers", "routes", "events", "deliveries", "audit", "session"] {
        assert_eq!(li.get(path).await.status, 200, "{path}");
    }
    for path in ["users", "channels"] {
        assert_eq!(li.get(path).await.status, 403, "{path}");
    }
    for (method, path) in [
        (Method::POST, "apps"),
        (Method::POST, "callers"),
        (Method::PATCH, "routes/x"),
        (Method::DELETE, "callers/demo"),
        (Method::POST, "users"),
        (Method::POST, "backup"),
        (Method::PATCH, "users/li"),
    ] {
        assert_eq!(li.asks(method, path, json!({})).await.status, 403, "{path}");
    }
    // The last admin stays; whoever gets another password is logged out.
    assert_eq!(admin.asks(Method::DELETE, "users/admin", Value::Null).await.status, 422);
    assert_eq!(admin.asks(Method::PATCH, "users/admin", json!({"role": "viewer"})).await.status, 422);
    let changed = admin.asks(Method::PATCH, "users/li", json!({"password": "another password"})).await;
    assert_eq!(changed.status, 200);
    assert_eq!(li.get("apps").await.status, 401);
    assert_eq!(li.logs_in("li", "another password").await, 200);
    let own = json!({"password": "a third password"});
    assert_eq!(admin.asks(Method::PATCH, "users/admin", own).await.status, 403, "the old one is asked for");
    let own = json!({"password": "a third password", "old_password": PASSWORD});
    assert_eq!(admin.asks(Method::PATCH, "users/admin", own).await.status, 200);
    assert_eq!(admin.get("apps").await.status, 200, "whoever changes his own stays");
    assert_eq!(admin.asks(Method::DELETE, "users/li", Value::Null).await.status, 204);
    assert_eq!(li.get("apps").await.status, 401);
}

#[tokio::test]
async fn a_session_ends_by_itself_and_when_it_is_told() {
    let app = TestApp::configured("").await;
    let mut admin = with_admin(&app).await;
    let mut second = Browser::new(&app);
    assert_eq!(second.logs_in("admin", PASSWORD).await, 200);
    let out = second.asks(Method::DELETE, "session", Value::Null).await;
    assert_eq!(out.status, 204);
    assert!(out.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(
        (second.get("apps").await.status, admin.get("apps").await.status),
        (401.try_into().unwrap(), 200.try_into().unwrap())
    );
    assert_eq!(second.logs_in("admin", PASSWORD).await, 200);
    assert_eq!(admin.asks(Method::DELETE, "session?all=true", Value::Null).await.status, 204);
    assert_eq!(second.get("apps").await.status, 401);
    assert_eq!(admin.logs_in("admin", PASSWORD).await, 200);
    app.advance(Duration::from_secs(12 * 3600)).await;
    assert_eq!(admin.get("apps").await.status, 401);
}

#[tokio::test]
async fn no_secret_of_a_session_is_shown_or_kept_in_clear() {
    let app = TestApp::configured("").await;
    let admin = with_admin(&app).await;
    let token = admin.cookie.split_once('=').unwrap().1.to_owned();
    let users = admin.get("users").await.json().to_string();
    let book = app.api("audit").await.to_string();
    for secret in [&*token, PASSWORD, "argon2"] {
        assert!(!users.contains(secret) && !book.contains(secret));
    }
}

#[tokio::test]
async fn the_console_is_served_to_browsers_under_a_strict_policy() {
    let app = TestApp::configured("").await;
    let page = [("accept", "text/html")];
    let get = async |path: &str, headers: &[(&str, &str)]| {
        app.http.send(Method::GET, &format!("{}{path}", app.admin_url()), headers, "").await.unwrap()
    };
    for path in ["/", "/apps", "/events/17", "/setup"] {
        let reply = get(path, &page).await;
        assert_eq!(
            (reply.status, &reply.headers["cache-control"]),
            (StatusCode::OK, &"no-cache".parse().unwrap())
        );
        let policy = reply.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    }
    assert_eq!(get("/apps", &[]).await.status, 404, "programs get no page");
    assert_eq!(get("/api/v1/none", &page).await.status, 401);
    let index = get("/", &page).await;
    let text = String::from_utf8(index.body.to_vec()).unwrap();
    let script = text.split('"').find(|part| part.ends_with("/index.js")).unwrap();
    let file = get(script, &[("accept-encoding", "gzip")]).await;
    assert_eq!((file.status, &file.headers["content-encoding"]), (StatusCode::OK, &"gzip".parse().unwrap()));
    assert!(file.headers["cache-control"].to_str().unwrap().contains("immutable"));
    let etag = index.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(get("/", &[page[0], ("if-none-match", &etag)]).await.status, 304);
    assert_eq!(get("/_/0000000000000000/a/index.js", &page).await.status, 404);
}

#[tokio::test]
async fn nodes_settings_search_and_a_copy_of_the_database() {
    let app = TestApp::configured("").await;
    let admin = with_admin(&app).await;
    let nodes = admin.get("nodes").await.json();
    assert_eq!((nodes["items"].as_array().unwrap().len(), &nodes["items"][0]["self"]), (1, &json!(true)));
    let settings = admin.get("settings").await.json();
    assert_eq!(settings["version"], env!("CARGO_PKG_VERSION"));
    let found = admin.get(&format!("search?q={}", OFFICIAL[2..9].to_uppercase())).await.json();
    assert!(
        found["items"].as_array().unwrap().iter().any(|item| item["link"] == format!("/apps/{OFFICIAL}")),
        "{found}"
    );
    assert_eq!(admin.get("search?q=40001").await.json()["items"][0]["link"], "/errors/40001");
    assert_eq!(admin.get("search?x=1").await.status, 400);
    let copy = admin.asks(Method::POST, "backup", Value::Null).await;
    if settings["store"]["kind"] == "sqlite" {
        assert_eq!((copy.status, &copy.body[..15]), (StatusCode::OK, &b"SQLite format 3"[..]));
        let book = app.api("audit").await;
        assert_eq!(
            (&book["items"][0]["action"], &book["items"][0]["actor"]),
            (&json!("backup"), &json!("admin"))
        );
    } else {
        assert_eq!(copy.status, 409);
    }
}
