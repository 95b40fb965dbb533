//! One token for everybody: how it is fetched, shared, replaced, and left alone.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::app::{EXAMPLE, MINI, OFFICIAL, TEMPLATE, TestApp, tally};
use crate::database;

const QR: &str = "/cgi-bin/qrcode/create";
const PROBE: &str = "/cgi-bin/get_api_domain_ip";

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

async fn rotate(app: &TestApp, mode: &str, hard: bool) {
    app.control("token/rotate", json!({"appid": OFFICIAL, "mode": mode, "hard": hard})).await;
}

/// The events in `/readyz` about tokens.
async fn amiss(app: &TestApp) -> Vec<Value> {
    app.admin("/readyz").await.json()["checks"]["tokens"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_thousand_first_calls_make_one_fetch() {
    let app = TestApp::start().await;
    app.faults("/cgi-bin/stable_token", json!({"delay_ms": 300}), 1).await;
    let openid = app.state().await["users"][0]["openids"][OFFICIAL].clone();
    let message = json!({
        "appid": OFFICIAL, "openid": openid, "template_id": TEMPLATE, "data": {"thing1": {"value": "x"}},
    });
    for reply in join_all((0..1000).map(|_| app.call("sendwxtemplatemsg", message.clone()))).await {
        reply.ok();
    }
    assert_eq!(app.token_calls(None).await, 1);
    assert_eq!(app.state().await["messages"].as_array().unwrap().len(), 1000);
}

#[tokio::test]
async fn a_hundred_apps_make_a_hundred_fetches_and_a_restart_none() {
    let apps: Vec<String> = (0..100).map(|n| format!("wx{n:016x}")).collect();
    let entries: String = apps
        .iter()
        .map(|appid| {
            format!("[[apps]]\nappid = \"{appid}\"\nkind = \"official\"\nsecret = \"{}\"\n", "d4".repeat(16))
        })
        .collect();
    let mut app = TestApp::configured(&format!("[auth]\nmode = \"off\"\n{entries}")).await;
    for appid in &apps {
        app.control("apps", json!({"appid": appid, "secret": "d4".repeat(16), "kind": "official"})).await;
    }
    let calls = async |app: &TestApp| {
        for reply in join_all(apps.iter().chain(&apps).map(|appid| app.qr_code(appid))).await {
            reply.ok();
        }
    };
    calls(&app).await;
    assert_eq!(app.token_calls(None).await, 100);
    app.restart().await;
    calls(&app).await;
    assert_eq!(app.token_calls(None).await, 100);
}

#[tokio::test]
async fn a_token_in_use_is_refreshed_in_the_background_before_it_ends() {
    let app = TestApp::start().await;
    // The witness: its token is 220 s older, so that one look at the clock finds it due and the other not.
    app.qr_code(EXAMPLE).await.ok();
    app.advance(secs(220)).await;
    app.qr_code(OFFICIAL).await.ok();
    app.advance(secs(7200 - 300)).await;
    app.until("the older one's refresh", async || app.token_calls(Some(EXAMPLE)).await == 2).await;
    let calls = app.token_calls(Some(OFFICIAL)).await;
    assert_eq!(calls, 1, "before that WeChat would return the same one");
    app.advance(secs(220)).await;
    app.until("the refresh", async || app.token_calls(Some(OFFICIAL)).await == 2).await;
    app.qr_code(OFFICIAL).await.ok();
    assert_eq!(app.token_calls(None).await, 4);
    assert_eq!(app.token_calls(Some(MINI)).await, 0, "what nobody uses is not fetched");
}

#[tokio::test]
async fn the_old_token_serves_while_the_new_one_is_fetched() {
    let app = TestApp::start().await;
    app.qr_code(OFFICIAL).await.ok();
    app.fault("/cgi-bin/stable_token", json!({"status": 502})).await;
    app.advance(secs(7200 - 30)).await;
    app.until("a failed refresh", async || app.token_calls(None).await >= 2).await;
    app.qr_code(OFFICIAL).await.ok();
    let ready = app.admin("/readyz").await;
    assert_eq!((ready.status.as_u16(), &ready.json()["apps"]), (200, &json!({"total": 3, "down": 0})));
    app.advance(secs(40)).await;
    app.qr_code(OFFICIAL).await.fails(3_584_004, true, 0);
    assert_eq!(app.admin("/readyz").await.json()["apps"]["down"], 1);
    app.control("reset", json!({})).await;
    app.advance(secs(5)).await;
    app.until("recovery", async || app.token_calls(None).await >= 1).await;
    app.qr_code(OFFICIAL).await.ok();
    assert_eq!(amiss(&app).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_token_that_somebody_else_killed_costs_no_call_and_is_reported() {
    let app = TestApp::start().await;
    app.qr_code(OFFICIAL).await.ok();
    rotate(&app, "stable", true).await;
    let before = app.calls(QR, None).await;
    app.qr_code(OFFICIAL).await.ok();
    assert_eq!(app.calls(QR, None).await, before + 2, "one refused, one repeated");
    assert_eq!(app.token_calls(None).await, 2);
    assert_eq!(
        amiss(&app).await,
        [json!({"appid": OFFICIAL, "event": "superseded", "at": app.clock.now() / 1000})]
    );
}

#[tokio::test]
async fn a_thousand_refusals_of_one_token_make_one_fetch() {
    // Two hundred at once may take a slow machine a while.
    let app = TestApp::configured_with("[auth]\nmode = \"off\"", "timeout = \"30s\"").await;
    app.qr_code(OFFICIAL).await.ok();
    rotate(&app, "stable", true).await;
    for reply in join_all((0..200).map(|_| app.qr_code(OFFICIAL))).await {
        reply.ok();
    }
    assert_eq!(app.token_calls(None).await, 2);
}

#[tokio::test]
async fn an_expired_token_is_replaced_whatever_the_clock_says() {
    let app = TestApp::start().await;
    app.qr_code(OFFICIAL).await.ok();
    app.control("token/expire", json!({"appid": OFFICIAL})).await;
    app.qr_code(OFFICIAL).await.ok();
    assert_eq!(app.token_calls(None).await, 2);
}

#[tokio::test]
async fn an_api_that_refuses_every_token_costs_few_refreshes() {
    let app = TestApp::start().await;
    app.qr_code(OFFICIAL).await.ok();
    app.fault(QR, json!({"errcode": 40001})).await;
    let words = "invalid credential, access_token is invalid or not latest";
    let mut refreshes = Vec::new();
    for minute in 0..24 * 60 {
        let ret = app.qr_code(OFFICIAL).await.fails(3_584_004, false, 40001);
        assert!(ret["wx_errmsg"].as_str().unwrap().starts_with(words), "{ret}");
        app.advance(secs(60)).await;
        if minute % 60 == 0 {
            refreshes.push(app.token_calls(None).await);
        }
    }
    // 12 tokens a day by the clock; a normal-mode look for each call; at most 10 forced ones.
    assert!(app.token_calls(None).await <= 24 * 60 + 12 + 11, "{refreshes:?}");
    assert_eq!(amiss(&app).await, Vec::<Value>::new(), "nobody else refreshed anything");
}

#[tokio::test]
async fn one_broken_api_never_ends_a_token_that_lives() {
    for mode in ["stable", "classic"] {
        let app = with_account(TestApp::configured(&classic_or_not(mode)).await).await;
        app.qr_code("wxd").await.ok();
        app.fault("/cgi-bin/message/template/send", json!({"errcode": 40001})).await;
        let message = json!({"appid": "wxd", "openid": "o", "template_id": "t", "data": {"a": {}}});
        let exported = async |app: &TestApp| {
            app.get("/v1/service/wx/token?appid=wxd", &[("x-api-key", KEY)]).await.ok()["version"].clone()
        };
        let version = exported(&app).await;
        for _ in 0..60 {
            app.qr_code("wxd").await.ok();
            app.call("sendwxtemplatemsg", message.clone()).await.fails(3_584_004, false, 40001);
            app.advance(secs(20)).await;
        }
        assert_eq!(exported(&app).await, version, "{mode}");
    }
}

const KEY: &str = "key_exporter_0123456789abcdef";

fn classic_or_not(mode: &str) -> String {
    format!(
        "[auth]\nmode = \"off\"\n[[apps]]\nappid = \"wxd\"\nkind = \"official\"\nsecret = \"{}\"\ntoken_mode = \"{mode}\"\n\
         [[callers]]\nname = \"exporter\"\nkey = \"{KEY}\"\napps = [\"*\"]\napis = [\"*\"]\nexport_token = true\n",
        "e5".repeat(16)
    )
}

async fn with_account(app: TestApp) -> TestApp {
    app.control("apps", json!({"appid": "wxd", "secret": "e5".repeat(16), "kind": "official"})).await;
    app
}

#[tokio::test]
async fn a_broken_api_is_no_proof_that_a_token_lives() {
    for noise in [json!({"status": 502}), json!({"errcode": -1}), json!({"errcode": 43101})] {
        let app = with_account(TestApp::configured(&classic_or_not("classic")).await).await;
        app.qr_code("wxd").await.ok();
        app.fault("/cgi-bin/message/template/send", noise).await;
        app.control("token/rotate", json!({"appid": "wxd", "mode": "classic", "hard": true})).await;
        let message = json!({"appid": "wxd", "openid": "o", "template_id": "t", "data": {"a": {}}});
        for _ in 0..13 {
            app.advance(secs(5)).await;
            app.call("sendwxtemplatemsg", message.clone()).await;
        }
        app.qr_code("wxd").await.ok();
    }
}

#[tokio::test]
async fn nonsense_is_no_token() {
    let app = TestApp::start().await;
    for body in [
        json!({"access_token": "", "expires_in": 7200}),
        json!({"access_token": "中文", "expires_in": 7200}),
        json!({"access_token": "x".repeat(5000), "expires_in": 7200}),
        json!({"expires_in": 7200}),
        json!({}),
    ] {
        app.faults("/cgi-bin/stable_token", json!({"body": body.to_string()}), 1).await;
        app.qr_code(OFFICIAL).await.fails(3_584_004, true, 0);
        app.advance(secs(5)).await;
    }
    let endless = json!({"access_token": "10_".repeat(20), "expires_in": i64::MAX}).to_string();
    app.faults("/cgi-bin/stable_token", json!({"body": endless}), 1).await;
    app.qr_code(OFFICIAL).await.ok();
    assert_eq!(app.token_calls(None).await, 7, "it was refused, and a real one fetched");
}

#[tokio::test]
async fn a_caller_who_is_wrong_about_a_token_accuses_nobody() {
    let app = TestApp::configured(&classic_or_not("stable")).await;
    let key = [("x-api-key", KEY)];
    let token = app.get(&format!("/v1/service/wx/token?appid={OFFICIAL}"), &key).await.ok();
    app.advance(secs(120)).await;
    let report = json!({"appid": OFFICIAL, "current": token["access_token"]});
    let answer = app.call_with("token/refresh", &key, report).await.ok();
    assert_eq!(answer["version"], 1, "it lives, as the probe says");
    assert_eq!(app.calls(PROBE, None).await, 1);
    assert_eq!(amiss(&app).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_refresh_that_waits_for_a_callers_fetch_does_not_spin() {
    let app = TestApp::start().await;
    app.qr_code(OFFICIAL).await.ok();
    app.faults("/cgi-bin/stable_token", json!({"delay_ms": 400}), 1).await;
    // Past its end: a caller's fetch holds the slot while the background finds it due.
    app.clock.advance(secs(7300));
    let message = json!({"appid": OFFICIAL, "url": "https://a.example.com/"});
    let (reply, ()) = tokio::join!(app.call("jssdk", message), async {
        for _ in 0..40 {
            app.advance(Duration::from_millis(10)).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    reply.ok();
    assert_eq!(app.token_calls(None).await, 2);
}

#[tokio::test]
async fn a_wrong_secret_is_tried_rarely_and_a_mended_one_at_once() {
    let mut app = TestApp::start().await;
    app.qr_code(OFFICIAL).await.ok();
    let account = |secret: &str| json!({"appid": OFFICIAL, "secret": secret.repeat(16), "kind": "official"});
    app.control("apps", account("ff")).await;
    app.advance(secs(7200)).await;
    let before = app.token_calls(None).await;
    for _ in 0..360 {
        let ret = app.qr_code(OFFICIAL).await.fails(3_584_005, false, 40125);
        assert!(ret["msg"].as_str().unwrap().contains("AppSecret"));
        app.advance(secs(10)).await;
    }
    let calls = app.token_calls(None).await - before;
    assert!((1..=20).contains(&calls), "{calls} in an hour");
    let failing = &amiss(&app).await[0];
    assert_eq!((&failing["event"], &failing["wx_errcode"]), (&json!("failing"), &json!(40125)));

    let mended = app.text().replace("a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1", &"ff".repeat(16));
    let mended = app.config(&mended).unwrap();
    app.gateway().reload(mended).unwrap();
    app.qr_code(OFFICIAL).await.ok();
}

#[tokio::test]
async fn a_broken_wechat_is_not_hammered_and_its_return_is_noticed() {
    let app = TestApp::start().await;
    app.fault("/cgi-bin/stable_token", json!({"status": 502})).await;
    for _ in 0..600 {
        app.qr_code(OFFICIAL).await.fails(3_584_004, true, 0);
        app.advance(Duration::from_millis(100)).await;
    }
    let calls = app.token_calls(None).await;
    assert!((10..=30).contains(&calls), "{calls} in a minute");
    app.control("reset", json!({})).await;
    app.advance(secs(5)).await;
    app.qr_code(OFFICIAL).await.ok();
}

#[tokio::test]
async fn the_exported_token_and_its_compare_and_refresh() {
    let app = TestApp::configured(&classic_or_not("stable")).await;
    let key = [("authorization", "Bearer key_exporter_0123456789abcdef")];
    let token = app.get(&format!("/v1/service/wx/token?appid={OFFICIAL}"), &key).await.ok();
    assert_eq!(
        (&token["appid"], &token["expires_in"], &token["version"]),
        (&json!(OFFICIAL), &json!(7200), &json!(1))
    );
    let refresh = async |current: &Value| {
        app.call_with("token/refresh", &key, json!({"appid": OFFICIAL, "current": current})).await.ok()
    };
    rotate(&app, "stable", true).await;
    assert_eq!(refresh(&token["access_token"]).await["version"], 1, "younger than 30 s");
    app.advance(secs(31)).await;
    let replies = join_all((0..100).map(|_| refresh(&token["access_token"]))).await;
    assert!(
        replies.iter().all(|reply| reply["version"] == 2 && reply["access_token"] != token["access_token"])
    );
    assert_eq!(app.token_calls(None).await, 2);
    let counts = tally(replies.iter().map(|reply| reply["access_token"].to_string()));
    assert_eq!(counts.len(), 1);

    let without = app.get(&format!("/v1/service/wx/token?appid={OFFICIAL}"), &[]).await;
    assert_eq!((without.status.as_u16(), without.code()), (403, 3_584_011));
}

#[tokio::test]
async fn a_store_that_takes_no_writes_keeps_no_call_from_succeeding() {
    let mut app = TestApp::start().await;
    // Another connection holds the write lock: every commit of the gateway fails.
    let blocker = database::block(&app).await;
    app.qr_code(OFFICIAL).await.ok();
    let ready = app.admin("/readyz").await;
    assert_eq!((ready.status.as_u16(), &ready.json()["status"]), (200, &json!("degraded")));
    assert_eq!(app.admin("/readyz?for=callbacks").await.status.as_u16(), 503);
    blocker.release().await;
    assert_eq!(app.admin("/readyz").await.json()["status"], "ok");
    app.stop().await;
}

#[tokio::test]
async fn an_open_app_has_no_token() {
    let text = "[auth]\nmode = \"off\"\n[[apps]]\nappid = \"wxopen\"\nkind = \"open\"\nsecret = \"x\"";
    let app = TestApp::configured(text).await;
    app.qr_code("wxopen").await.fails(3_584_002, false, 0);
    assert_eq!(app.token_calls(None).await, 0);
}

#[tokio::test]
async fn a_host_that_cannot_be_reached_is_passed_over() {
    // Port 1 refuses connections: nothing was sent, so the next host may be tried.
    let app = TestApp::configured("[auth]\nmode = \"off\"").await;
    let text = app.text().replace(
        &format!("api_base = \"{}\"", app.sandbox.url()),
        &format!("api_base = \"http://127.0.0.1:1\"\nfallback_bases = [\"{}\"]", app.sandbox.url()),
    );
    let other = app.beside(&text).await;
    let url = format!("{}/v1/service/wx/code2session", other.url());
    let body = json!({"source": "t", "appid": MINI, "code": "demo-login"}).to_string();
    app.http.send(http::Method::POST, &url, &[], body).await.unwrap().ok();
    other.stop().await;
}
