//! An account that dies without its token dying: told in `/readyz` and in the log, with the cure, until it is over.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::app::{Http, MINI, OFFICIAL, TestApp};
use crate::cli::{free_port, sandbox, serve, served};

const QR: &str = "/cgi-bin/qrcode/create";
const USERS: &str = "/cgi-bin/user/get";
const TOKEN: &str = "/cgi-bin/stable_token";
const IP: &str = "invalid ip 47.1.2.3 ipv6 ::ffff:47.1.2.3, not in whitelist rid: 61b9947b-4eeffea7-4f08b7a6";

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// `checks.apps`, and how many apps are down.
async fn ailing(app: &TestApp) -> (Vec<Value>, u64) {
    let ready = app.admin("/readyz").await;
    assert_eq!(ready.status.as_u16(), 200, "no single app makes a node unready");
    let body = ready.json();
    (body["checks"]["apps"].as_array().unwrap().clone(), body["apps"]["down"].as_u64().unwrap())
}

fn refused(errcode: i64) -> Value {
    json!({"body": {"errcode": errcode, "errmsg": IP}})
}

async fn pass(app: &TestApp, path: &str) -> Value {
    app.get(path, &[("x-wx-appid", OFFICIAL)]).await.json()
}

#[tokio::test]
async fn a_call_from_an_address_that_is_not_listed_marks_its_app() {
    let app = TestApp::start().await;
    app.qr_code(OFFICIAL).await.ok();
    assert_eq!(ailing(&app).await, (vec![], 0));
    for code in [40164, 61004, 50007] {
        app.fault(QR, refused(code)).await;
        let since = app.now();
        app.qr_code(OFFICIAL).await.fails(3_584_005, false, code);
        app.advance(secs(30)).await;
        app.qr_code(OFFICIAL).await.fails(3_584_005, false, code);
        let (apps, down) = ailing(&app).await;
        let one = &apps[0];
        assert_eq!((apps.len(), down), (1, 1), "{apps:?}");
        assert_eq!(
            (&one["appid"], &one["errcode"], &one["since"]),
            (&json!(OFFICIAL), &json!(code), &json!(since))
        );
        assert_eq!(one["ip"], "47.1.2.3");
        let fix = one["fix"].as_str().unwrap();
        assert!(
            code == 50007 || (fix.contains("47.1.2.3") && fix.contains("我的业务") && fix.contains("CIDR")),
            "{fix}"
        );
        // Over with the next call whose token WeChat takes, whichever it is.
        assert!(pass(&app, USERS).await["total"].is_number());
        assert_eq!(ailing(&app).await, (vec![], 0));
        app.control("reset", json!({})).await;
        app.qr_code(OFFICIAL).await.ok();
    }
}

#[tokio::test]
async fn a_call_that_is_passed_on_marks_its_app_as_well() {
    let app = TestApp::start().await;
    app.fault(USERS, refused(61004)).await;
    assert_eq!(pass(&app, USERS).await["errcode"], 61004, "WeChat's own answer");
    assert_eq!(ailing(&app).await.0[0]["errcode"], 61004);
    app.qr_code(OFFICIAL).await.ok();
    assert_eq!(ailing(&app).await.1, 0);
    // A login shows the AppSecret: its own kind.
    app.fault("/sns/jscode2session", refused(40164)).await;
    let login =
        format!("/sns/jscode2session?appid={MINI}&secret=any&js_code=c&grant_type=authorization_code");
    assert_eq!(app.get(&login, &[]).await.json()["errcode"], 40164);
    assert_eq!(ailing(&app).await.0[0]["appid"], MINI);
    app.control("reset", json!({})).await;
    app.call("getunlimitedqrcode", json!({"appid": MINI, "scene": "s", "check_path": false})).await.ok();
    assert_eq!(ailing(&app).await.1, 1, "a call with the token says nothing about it");
    app.call("code2session", json!({"appid": MINI, "code": "demo-login"})).await.ok();
    assert_eq!(ailing(&app).await.1, 0);
}

#[tokio::test]
async fn a_token_call_from_there_marks_it_until_the_next_token_call() {
    let app = TestApp::start().await;
    app.qr_code(OFFICIAL).await.ok();
    app.fault(TOKEN, refused(40164)).await;
    app.advance(secs(7200 - 60)).await;
    app.until("a refused refresh", async || ailing(&app).await.1 == 1).await;
    app.qr_code(OFFICIAL).await.ok();
    let (apps, down) = ailing(&app).await;
    assert_eq!((&apps[0]["errcode"], apps.len(), down), (&json!(40164), 1, 1), "the old token still serves");
    app.control("reset", json!({})).await;
    app.advance(secs(30)).await;
    app.until("a token", async || ailing(&app).await.1 == 0).await;
}

#[tokio::test]
async fn an_api_that_was_taken_away_is_told_from_one_that_never_was() {
    let app = TestApp::start().await;
    let never = json!({"errcode": 48001});
    app.fault(QR, never.clone()).await;
    app.qr_code(OFFICIAL).await;
    assert_eq!(ailing(&app).await, (vec![], 0), "it never worked");
    app.control("reset", json!({})).await;
    // Also a path that nobody knows.
    for path in [USERS, "/cgi-bin/get_current_autoreply_info"] {
        app.faults(path, json!({"body": {"errcode": 0, "total": 0}}), 1).await;
        pass(&app, path).await;
        app.advance(secs(23 * 3600)).await;
        app.fault(path, never.clone()).await;
        assert_eq!(pass(&app, path).await["errcode"], 48001);
        let (apps, down) = ailing(&app).await;
        assert_eq!((apps.len(), down, &apps[0]["errcode"]), (1, 1, &json!(48001)), "{path}");
        app.qr_code(OFFICIAL).await.ok();
        assert_eq!(ailing(&app).await.1, 1, "another path says nothing");
        app.control("reset", json!({})).await;
        app.faults(path, json!({"body": {"errcode": 0, "total": 0}}), 1).await;
        pass(&app, path).await;
        assert_eq!(ailing(&app).await, (vec![], 0), "{path}");
        app.advance(secs(25 * 3600)).await;
        app.faults(path, never.clone(), 1).await;
        pass(&app, path).await;
        assert_eq!(ailing(&app).await, (vec![], 0), "{path} worked too long ago");
    }
}

#[tokio::test]
async fn the_cure_is_told_in_the_readers_language() {
    let app = TestApp::start().await;
    app.fault(TOKEN, refused(40164)).await;
    app.qr_code(OFFICIAL).await.fails(3_584_005, false, 40164);
    let url = format!("{}/readyz", app.admin_url());
    let english = app.http.send(Method::GET, &url, &[("accept-language", "en")], "").await.unwrap().json();
    let fix = english["checks"]["apps"][0]["fix"].as_str().unwrap();
    assert!(
        fix.starts_with("add 47.1.2.3 at ") && fix.contains("allow-list") && fix.contains("CIDR"),
        "{fix}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_says_so_once_and_when_it_is_over() {
    let sandbox = sandbox().await;
    let dir = tempfile::tempdir().unwrap();
    let (port, admin) = (free_port(), free_port());
    let text = served(&sandbox.url(), port, admin, "[auth]\nmode = \"off\"");
    let text = text.replace("0.0.0.0", "127.0.0.1");
    std::fs::write(dir.path().join("wxgate.toml"), text).unwrap();
    let _gateway = serve(dir.path(), admin).await;
    let http = Http::new();
    let call = async || {
        let url = format!("http://127.0.0.1:{port}/v1/service/wx/getwxqrcode");
        let body = json!({"source": "t", "appid": OFFICIAL, "scene": "s"}).to_string();
        http.send(Method::POST, &url, &[], body).await.unwrap().code()
    };
    let fault = json!({"path": QR, "times": 3, "body": {"errcode": 40164, "errmsg": IP}}).to_string();
    http.send(Method::POST, &format!("{}/sandbox/fault", sandbox.url()), &[], fault).await.unwrap();
    for code in [3_584_005, 3_584_005, 3_584_005, 0, 0] {
        assert_eq!(call().await, code);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
    let lines = |words: &str| log.lines().filter(|line| line.contains(words)).collect::<Vec<_>>();
    let (told, over) = (lines("checks.apps"), lines("账号恢复正常"));
    assert_eq!((told.len(), over.len()), (1, 1), "{log}");
    assert!(
        told[0].contains("WARN") && told[0].contains("47.1.2.3") && told[0].contains(OFFICIAL),
        "{told:?}"
    );
    assert!(over[0].contains("INFO") && over[0].contains("40164"), "{over:?}");
    sandbox.stop().await;
}
