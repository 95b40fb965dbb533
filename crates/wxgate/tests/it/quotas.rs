//! A caller's quotas and its end: never more than there is, whatever is restarted, reloaded, changed or added meanwhile.

use std::time::{Duration, UNIX_EPOCH};

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use wxgate::limits::Limits;

use crate::app::{ADMIN_TOKEN, MINI, OFFICIAL, Reply, TestApp};
use crate::database;

const KEY: &str = "key_shop_0123456789abcdefghijk";
const NEXT: &str = "key_next_0123456789abcdefghijk";
const CREATE: &str = "/cgi-bin/qrcode/create";

/// A caller with these lines besides what it needs.
fn shop(lines: &str) -> String {
    format!("[[callers]]\nname = \"shop\"\nkey = \"{KEY}\"\napps = [\"*\"]\napis = [\"*\"]\n{lines}\n")
}

async fn code_at(app: &TestApp, url: &str, key: &str) -> Reply {
    let body = json!({"appid": OFFICIAL, "scene": "s", "source": "test"}).to_string();
    let url = format!("{url}/v1/service/wx/getwxqrcode");
    app.http.send(Method::POST, &url, &[("x-api-key", key)], body).await.unwrap()
}

async fn code(app: &TestApp) -> Reply {
    code_at(app, &app.url(), KEY).await
}

/// The same by the pass-through.
async fn passed(app: &TestApp) -> Reply {
    let headers = [("x-api-key", KEY), ("x-wx-appid", OFFICIAL), ("content-type", "application/json")];
    let body = json!({"action_name": "QR_STR_SCENE", "action_info": {"scene": {"scene_str": "s"}}});
    app.http.send(Method::POST, &format!("{}{CREATE}", app.url()), &headers, body.to_string()).await.unwrap()
}

/// How many of so many calls at once, by the two surfaces of these gateways, were made.
async fn made(app: &TestApp, urls: &[String], key: &str, n: usize) -> usize {
    let replies = join_all((0..n).map(|n| code_at(app, &urls[n % urls.len()], key))).await;
    replies.iter().filter(|reply| reply.status == 200).count()
}

async fn used(app: &TestApp) -> Value {
    let callers = app.api("callers").await;
    let items = callers["items"].as_array().unwrap().clone();
    items.into_iter().find(|item| item["name"] == "shop").unwrap()["used"].clone()
}

/// To where a day in China begins.
async fn to_midnight(app: &TestApp) {
    const DAY: i64 = 86_400_000;
    let left = DAY - (app.clock.now() + 8 * 3_600_000).rem_euclid(DAY);
    app.advance(Duration::from_millis(u64::try_from(left).unwrap())).await;
}

#[tokio::test]
async fn a_days_quota_ends_the_calls_of_that_day_and_no_other() {
    let app = TestApp::configured(&shop("quotas = { \"/cgi-bin/qrcode/*\" = \"5/d\" }")).await;
    to_midnight(&app).await;
    assert_eq!(made(&app, &[app.url()], KEY, 20).await, 5);
    assert_eq!(app.calls(CREATE, None).await, 5);
    let refused = code(&app).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.headers["retry-after"]),
        (429, &http::HeaderValue::from(86_400))
    );
    let ret = refused.fails(3_584_012, false, 0);
    assert!(ret["msg"].as_str().unwrap().contains("5/d"), "{ret}");
    let refused = passed(&app).await;
    let json = refused.json();
    assert_eq!((refused.status.as_u16(), &json["errcode"]), (200, &json!(45009)));
    assert!(json["errmsg"].as_str().unwrap().starts_with("reach max api daily quota limit"), "{json}");
    assert_eq!(refused.headers["x-wxgate-error"], "1");
    // What no pattern means goes on, and the next day all does.
    let other = app.get(&format!("/wx/{OFFICIAL}/cgi-bin/get_api_domain_ip"), &[("x-api-key", KEY)]).await;
    assert!(other.json()["ip_list"].is_array());
    let shown = used(&app).await["/cgi-bin/qrcode/*"].clone();
    assert_eq!(
        (&shown["used"], &shown["limit"], &shown["resets_at"]),
        (&json!(5), &json!(5), &json!(app.now() + 86_400))
    );
    app.advance(Duration::from_secs(86_399)).await;
    assert_eq!(code(&app).await.headers["retry-after"], "1");
    app.advance(Duration::from_secs(1)).await;
    code(&app).await.ok();
    assert_eq!(used(&app).await["/cgi-bin/qrcode/*"]["used"], 1);
}

#[tokio::test]
async fn a_minutes_quota_may_be_tried_again_and_every_pattern_counts() {
    let quotas = "quotas = { \"*\" = \"3/m\", \"/cgi-bin/QRCODE/*\" = \"2/h\" }";
    let app = TestApp::configured(&shop(quotas)).await;
    to_midnight(&app).await;
    passed(&app).await;
    passed(&app).await;
    let refused = passed(&app).await;
    assert_eq!(
        (&refused.json()["errcode"], &refused.headers["retry-after"]),
        (&json!(45011), &http::HeaderValue::from(3_600))
    );
    // What the hour refused, the minute hasn't spent.
    let other =
        async || app.get(&format!("/wx/{OFFICIAL}/cgi-bin/get_api_domain_ip"), &[("x-api-key", KEY)]).await;
    assert!(other().await.json()["ip_list"].is_array());
    assert_eq!(other().await.headers["retry-after"], "60");
    app.advance(Duration::from_secs(60)).await;
    code(&app).await.fails(3_584_012, true, 0);
    assert!(other().await.json()["ip_list"].is_array());
}

#[tokio::test]
async fn neither_a_restart_nor_a_reload_nor_a_new_key_gives_more() {
    let quota = "quotas = { \"/cgi-bin/qrcode/*\" = \"1000/d\" }";
    let mut app = TestApp::configured(&shop(quota)).await;
    let urls = [app.url()];
    assert_eq!(made(&app, &urls, KEY, 3).await, 3);
    app.restart().await;
    assert_eq!(used(&app).await["/cgi-bin/qrcode/*"]["used"], 3, "what wasn't spent came back");
    // Another key, and a limit that what is reserved already is over.
    let text = app
        .text()
        .replace(&format!("key = \"{KEY}\""), &format!("key = \"{NEXT}\"\nprevious_key = \"{KEY}\""));
    assert_eq!(made(&app, &[app.url()], KEY, 1).await, 1);
    let config = app.config(&text.replace("1000/d", "6/d")).unwrap();
    app.gateway().reload(config).unwrap();
    let urls = [app.url()];
    assert_eq!(made(&app, &urls, KEY, 1).await + made(&app, &urls, NEXT, 9).await, 2, "4 were made");
    let config = app.config(&text.replace("1000/d", "7/d")).unwrap();
    app.gateway().reload(config).unwrap();
    assert_eq!(made(&app, &urls, NEXT, 9).await, 1);
    app.restart_with(&text.replace("1000/d", "8/d")).await;
    assert_eq!(made(&app, &[app.url()], NEXT, 9).await, 1);
    assert_eq!(app.calls(CREATE, None).await, 8);
}

#[tokio::test]
async fn two_gateways_share_what_there_is() {
    const ADDRESSES: &str = "/cgi-bin/get_api_domain_ip";
    if database::server().is_none() {
        return;
    }
    let app = TestApp::configured(&shop(&format!("quotas = {{ \"{ADDRESSES}\" = \"400/d\" }}"))).await;
    let other = app.beside(app.text()).await;
    let made = async |urls: &[String], n: usize| {
        let one = async |n: usize| {
            let url = format!("{}/wx/{OFFICIAL}{ADDRESSES}", urls[n % urls.len()]);
            app.http.send(Method::GET, &url, &[("x-api-key", KEY)], "").await.unwrap().json()["ip_list"]
                .is_array()
        };
        join_all((0..n).map(one)).await.into_iter().filter(|made| *made).count()
    };
    assert_eq!(made(&[app.url(), other.url()], 390).await, 390);
    // One ends in order: what it held is the other's.
    other.stop().await;
    assert_eq!(made(&[app.url()], 30).await, 10);
    let again = app.beside(app.text()).await;
    assert_eq!(made(&[app.url(), again.url()], 10).await, 0);
    assert_eq!(app.calls(ADDRESSES, None).await, 400);
    again.stop().await;
}

#[tokio::test]
async fn what_one_node_doesnt_use_another_gets() {
    if database::server().is_none() {
        return;
    }
    let app = TestApp::configured(&shop("quotas = { \"/cgi-bin/qrcode/*\" = \"1000/d\" }")).await;
    let other = app.beside(app.text()).await;
    assert_eq!(made(&app, &[other.url()], KEY, 1).await, 1);
    let reserved = used(&app).await["/cgi-bin/qrcode/*"]["used"].as_i64().unwrap();
    assert!((2..=10).contains(&reserved), "a block is there: {reserved}");
    for _ in 0..2 {
        app.advance(Duration::from_secs(11)).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    app.until("it is given back", async || used(&app).await["/cgi-bin/qrcode/*"]["used"] == 1).await;
    other.stop().await;
}

#[tokio::test]
async fn a_repeat_a_kept_answer_and_a_call_that_never_went_count_for_nothing() {
    let wrong = format!(
        "{}[[apps]]\nappid = \"wxbad\"\nkind = \"official\"\nsecret = \"no\"\n",
        shop("quotas = { \"*\" = \"9/d\" }")
    );
    let app = TestApp::configured(&wrong).await;
    let spent = async || used(&app).await["*"]["used"].as_i64().unwrap();
    passed(&app).await;
    app.control("token/expire", json!({"appid": OFFICIAL})).await;
    passed(&app).await;
    assert_eq!((app.calls(CREATE, None).await, spent().await), (3, 2), "the healing's repeat is none");
    // A login's code is used once, and its answer kept.
    let openid = app.user(MINI).await;
    let login = app.code("login", MINI, &openid).await;
    for _ in 0..2 {
        let body = json!({"appid": MINI, "code": login});
        app.call_with("code2session", &[("x-api-key", KEY)], body).await;
    }
    let sent = app.calls("/sns/jscode2session", None).await;
    assert_eq!((sent, spent().await), (1, 3));
    // No token, no call.
    let refused = app.get("/wx/wxbad/cgi-bin/get_api_domain_ip", &[("x-api-key", KEY)]).await;
    assert_eq!((&refused.json()["errcode"], spent().await), (&json!(48001), 3));
}

#[tokio::test]
async fn while_the_store_is_away_nothing_is_promised() {
    let limits = Limits { commit_time: Duration::from_secs(2), ..Limits::default() };
    let app = TestApp::limited(&shop("quotas = { \"/cgi-bin/qrcode/*\" = \"1000/d\" }"), limits).await;
    let blocker = database::block(&app).await;
    let (one, other) = tokio::join!(code(&app), passed(&app));
    one.fails(3_584_014, true, 0);
    assert_eq!(other.json()["errcode"], -1);
    assert_eq!(app.calls(CREATE, None).await, 0);
    blocker.release().await;
    app.until("it is there again", async || {
        app.advance(Duration::from_secs(1)).await;
        code(&app).await.status == 200
    })
    .await;
    // What is in memory needs no store.
    let blocker = database::block(&app).await;
    assert_eq!(passed(&app).await.json()["errcode"], Value::Null);
    blocker.release().await;
}

#[tokio::test]
async fn a_caller_that_has_ended_is_nobody_and_is_told_why() {
    let mut app = TestApp::configured("").await;
    to_midnight(&app).await;
    let in_china = UNIX_EPOCH + Duration::from_secs(u64::try_from(app.now()).unwrap() + 8 * 3_600);
    let day = humantime::format_rfc3339_seconds(in_china).to_string()[..10].to_owned();
    let text = format!("{}\n{}", app.text(), shop(&format!("expires_at = {day}")));
    let config = app.config(&text).unwrap();
    app.gateway().reload(config).unwrap();
    app.advance(Duration::from_secs(86_000)).await;
    let token = app
        .get(&format!("/cgi-bin/token?grant_type=client_credential&appid={OFFICIAL}&secret={KEY}"), &[])
        .await;
    let token = token.json()["access_token"].as_str().unwrap().to_owned();
    let by_token =
        async || app.get(&format!("/cgi-bin/get_api_domain_ip?access_token={token}"), &[]).await.json();
    app.advance(Duration::from_secs(399)).await;
    code(&app).await.ok();
    let items = app.api("callers").await;
    assert_eq!(items["items"][0]["expires_at"], app.now() + 1);
    app.advance(Duration::from_secs(1)).await;

    let refused = code(&app).await;
    assert_eq!(refused.status, 401);
    let ret = refused.fails(3_584_010, false, 0);
    assert!(ret["msg"].as_str().unwrap().contains("已到期"), "{ret}");
    for (reply, errcode) in [
        (passed(&app).await.json(), 48001),
        (by_token().await, 42001),
        (app.get(&format!("/cgi-bin/token?appid={OFFICIAL}&secret={KEY}"), &[]).await.json(), 40125),
    ] {
        assert_eq!(reply["errcode"], errcode, "{reply}");
        assert!(reply["errmsg"].as_str().unwrap().contains("已到期"), "{reply}");
    }
    // A keyless one is nobody as well, and through the API an end is Unix seconds.
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    let body = json!({"name": "near", "key": "", "networks": ["127.0.0.1"], "apps": ["*"], "apis": ["*"], "expires_at": app.now()});
    let url = format!("{}/api/v1/callers", app.admin_url());
    let made =
        app.http.send(Method::POST, &url, &[("authorization", &bearer)], body.to_string()).await.unwrap();
    assert_eq!((made.status.as_u16(), &made.json()["expires_at"]), (201, &json!(app.now())));
    let refused = app.call("getwxqrcode", json!({"appid": OFFICIAL, "scene": "s"})).await;
    assert!(refused.fails(3_584_010, false, 0)["msg"].as_str().unwrap().contains("near"));
}
