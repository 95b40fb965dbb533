//! Places at work: whoever finds none is told so at once, and a request that is done gives its own back.

use std::pin::pin;

use http::StatusCode;
use wxgate::limits::Limits;

use super::held::{Held, OPEN, session, users};
use crate::app::{EXAMPLE, Reply, TestApp};
use crate::oauth::{answer_path, begin_any, come_back, location, page, started};
use crate::proxy::refuses;
use crate::signed::{Maker, text};

const SHOP: [(&str, &str); 1] = [("x-api-key", "key_shop_0123456789abcdefghij")];
const OTHER: [(&str, &str); 1] = [("x-api-key", "key_other_0123456789abcdefghi")];

/// The service API's word for it.
#[track_caller]
fn overloaded(reply: &Reply) {
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    reply.fails(3_584_015, true, 0);
}

#[tokio::test]
async fn service_calls() {
    let held = Held::start().await;
    let app = held.as_wechat(OPEN, Limits { calls: 1, ..Limits::default() }).await;
    let mut first = pin!(session(&app, &[], "one"));
    held.gets(1, &mut first).await;
    overloaded(&session(&app, &[], "two").await);
    // Others have room of their own.
    let mut passed = pin!(users(&app, &[]));
    held.gets(2, &mut passed).await;
    held.release(3);
    first.await.ok();
    passed.await.json();
    session(&app, &[], "two").await.ok();
}

#[tokio::test]
async fn requests_passed_on() {
    let held = Held::start().await;
    let app = held.as_wechat(OPEN, Limits { passed: 1, ..Limits::default() }).await;
    let mut first = pin!(users(&app, &[]));
    held.gets(1, &mut first).await;
    refuses(&users(&app, &[]).await, -1, "system error");
    let mut service = pin!(session(&app, &[], "one"));
    held.gets(2, &mut service).await;
    held.release(3);
    assert_eq!(first.await.json()["openid"], "o");
    service.await.ok();
    assert_eq!(users(&app, &[]).await.json()["openid"], "o");
}

#[tokio::test]
async fn requests_of_strangers() {
    let held = Held::start().await;
    let app = held.as_wechat(OPEN, Limits { strangers: 1, ..Limits::default() }).await;
    let open = async || app.get("/sns/userinfo?access_token=x&openid=o", &[]).await;
    let mut first = pin!(open());
    held.gets(1, &mut first).await;
    refuses(&open().await, -1, "system error");
    let mut caller = pin!(users(&app, &[]));
    held.gets(2, &mut caller).await;
    held.release(3);
    assert_eq!(first.await.json()["openid"], "o");
    assert_eq!(caller.await.json()["openid"], "o", "those who show something have room of their own");
    assert_eq!(open().await.json()["openid"], "o");
}

#[tokio::test]
async fn callbacks() {
    let held = Held::start().await;
    let route = format!("{OPEN}\n[[routes]]\nname = \"r\"\ntarget = \"{}\"\nreply = true", held.url);
    let app = TestApp::limited(&route, Limits { callbacks: 1, ..Limits::default() }).await;
    let signed = |content| Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", content));
    let (one, two) = (signed("one"), signed("two"));
    let mut first = pin!(app.callback(None, &one));
    held.gets(1, &mut first).await;
    let refused = app.callback(None, &two).await;
    assert_eq!((refused.status.as_u16(), &refused.body[..]), (503, &b"overloaded: try again"[..]));
    // Checking a URL is work as well.
    let check = Maker::new(EXAMPLE, app.now()).check("echo");
    let check = format!("/v1/service/wx/wxmsg?{check}");
    assert_eq!(app.get(&check, &[]).await.status, StatusCode::SERVICE_UNAVAILABLE);
    held.release(2);
    assert_eq!(first.await.body, "success");
    assert_eq!(app.callback(None, &two).await.body, "success");
    assert_eq!(app.get(&check, &[]).await.body, "echo");
}

#[tokio::test]
async fn callbacks_that_nobody_signed() {
    let maker = |app: &TestApp| Maker::new(EXAMPLE, app.now());
    let forged = async |app: &TestApp| {
        let forged = Maker { token: "other", ..maker(app) }.plain(&text("gh_0000000000c3", "forged"));
        app.callback(None, &forged).await.status
    };
    let app = TestApp::limited(OPEN, Limits { unsigned: 0, ..Limits::default() }).await;
    assert_eq!(forged(&app).await, StatusCode::SERVICE_UNAVAILABLE);
    let signed = maker(&app).plain(&text("gh_0000000000c3", "signed"));
    assert_eq!(app.callback(None, &signed).await.body, "success", "WeChat has all of its own");
    let app = TestApp::limited(OPEN, Limits { unsigned: 1, ..Limits::default() }).await;
    for _ in 0..3 {
        assert_eq!(forged(&app).await, StatusCode::FORBIDDEN, "it is given back");
    }
}

#[tokio::test]
async fn logins_that_come_back() {
    let mut app = started().await;
    app.world.limits.logins = 1;
    app.restart().await;
    let (one, other) = (begin_any(&app).await, begin_any(&app).await);
    // Another connection holds the write lock: whoever has the place waits for its commit.
    let blocker = rusqlite::Connection::open(app.dir.path().join("wxgate.db")).unwrap();
    blocker.execute_batch("begin immediate").unwrap();
    let (one_path, other_path) = (answer_path("c", &one.state), answer_path("c", &other.state));
    let first = pin!(come_back(&app, &one_path, &one.cookie));
    let second = pin!(come_back(&app, &other_path, &other.cookie));
    let (told, waiting) = match futures_util::future::select(first, second).await {
        futures_util::future::Either::Left((told, waiting)) => (told, waiting),
        futures_util::future::Either::Right((told, waiting)) => (told, waiting),
    };
    assert!(page(&told, 503).contains("同时登录的人太多"));
    blocker.execute_batch("rollback").unwrap();
    location(&waiting.await);
    for (path, login) in [(&one_path, &one), (&other_path, &other)] {
        location(&come_back(&app, path, &login.cookie).await);
    }
}

#[tokio::test]
async fn states_that_are_remembered() {
    let mut app = started().await;
    app.world.limits.states = 1;
    app.restart().await;
    let (one, other) = (begin_any(&app).await, begin_any(&app).await);
    let (one_path, other_path) = (answer_path("c", &one.state), answer_path("c", &other.state));
    location(&come_back(&app, &one_path, &one.cookie).await);
    assert!(page(&come_back(&app, &other_path, &other.cookie).await, 503).contains("同时登录的人太多"));
    // The one that is remembered is as good as ever.
    location(&come_back(&app, &one_path, &one.cookie).await);
    app.advance(std::time::Duration::from_secs(600)).await;
    let later = begin_any(&app).await;
    location(&come_back(&app, &answer_path("c", &later.state), &later.cookie).await);
}

fn callers() -> String {
    let caller = |name: &str, key: &str, more: &str| {
        format!("[[callers]]\nname = \"{name}\"\nkey = \"{key}\"\napps = [\"*\"]\napis = [\"*\"]\n{more}\n")
    };
    [caller("shop", SHOP[0].1, "concurrency = 1"), caller("other", OTHER[0].1, "")].concat()
}

/// Of a caller with `concurrency = 1`, whose place is taken.
async fn has_none(app: &TestApp) {
    let refused = session(app, &SHOP, "none").await;
    overloaded(&refused);
    assert!(refused.ret()["msg"].as_str().unwrap().contains("concurrency"));
    let refused = users(app, &SHOP).await;
    refuses(&refused, -1, "system error");
    assert!(refused.json()["errmsg"].as_str().unwrap().contains("concurrency"));
}

#[tokio::test]
async fn one_callers_own_on_both_surfaces() {
    let held = Held::start().await;
    let app = held.as_wechat(&callers(), Limits::default()).await;
    // By a service call.
    let mut first = pin!(session(&app, &SHOP, "one"));
    held.gets(1, &mut first).await;
    has_none(&app).await;
    let mut others = pin!(session(&app, &OTHER, "one"));
    held.gets(2, &mut others).await;
    held.release(2);
    others.await.ok();
    first.await.ok();
    // By a request passed on, which has its place until its last byte is through.
    held.says("{\"total\":0", "}");
    let mut passed = pin!(users(&app, &SHOP));
    held.gets(3, &mut passed).await;
    has_none(&app).await;
    held.release(1);
    assert_eq!(passed.await.json()["total"], 0);
    assert_eq!(held.arrived(), 3, "what was refused reached nobody");
    held.says("", "{\"openid\":\"o\",\"session_key\":\"k\"}");
    held.release(1000);
    for n in 0..100 {
        session(&app, &SHOP, &format!("again {n}")).await.ok();
        assert_eq!(users(&app, &SHOP).await.json()["openid"], "o");
    }
}
