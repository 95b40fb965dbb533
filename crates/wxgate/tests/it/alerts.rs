//! People are told what is amiss: in the manner of each robot, once for each condition, and when it is over.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::Mac as _;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{ADMIN_TOKEN, EXAMPLE, OFFICIAL, Reply, TestApp};
use crate::backend::{Backend, says};
use crate::database;
use crate::signed::{Maker, text};

const QR: &str = "/cgi-bin/qrcode/create";
const SETTINGS: &str = "[auth]\nmode = \"off\"\n[egress]\nallow_loopback = true";
const IP: &str = "ip:wx00000000000000a1";

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

async fn ask(app: &TestApp, method: Method, path: &str, body: Value) -> Reply {
    let url = format!("{}/api/v1/{path}", app.admin_url());
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    app.http.send(method, &url, &[("authorization", &bearer)], body).await.unwrap()
}

async fn channel(app: &TestApp, channel: Value) {
    let made = ask(app, Method::POST, "channels", channel).await;
    assert_eq!(made.status, StatusCode::CREATED, "{:?}", made.body);
}

/// WeChat refuses the address that calls come from.
async fn refuse_the_address(app: &TestApp) {
    let words = "invalid ip 47.1.2.3 ipv6 ::ffff:47.1.2.3, not in whitelist rid: 61b9947b-4eeffea7-4f08b7a6";
    app.faults(QR, json!({"body": {"errcode": 40164, "errmsg": words}}), 1).await;
    app.qr_code(OFFICIAL).await.fails(3_584_005, false, 40164);
}

async fn list_the_address(app: &TestApp) {
    app.qr_code(OFFICIAL).await.ok();
}

/// Lets time pass, a look at a time, until `holds`.
async fn in_time(app: &TestApp, what: &str, holds: impl AsyncFn() -> bool) {
    // On PostgreSQL ages are by the database's time, which passes by itself.
    let began = std::time::Instant::now();
    while began.elapsed() < Duration::from_secs(30) {
        if holds().await {
            return;
        }
        app.advance(secs(3)).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

/// Looks for so long by the gateway's clock.
async fn for_seconds(app: &TestApp, seconds: u64) {
    for _ in 0..seconds / 3 {
        app.advance(secs(3)).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn hmac(key: &[u8], text: &[u8]) -> String {
    let mut mac = <hmac::Hmac<sha2::Sha256> as hmac::KeyInit>::new_from_slice(key).unwrap();
    mac.update(text);
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

fn body(got: &crate::backend::Got) -> Value {
    serde_json::from_slice(&got.body).unwrap()
}

/// What a backend was told by a webhook: `began` and so on, and of what.
fn told(backend: &Backend) -> Vec<(String, Vec<String>)> {
    let one = |got: &crate::backend::Got| {
        let body = body(got);
        let kind = body["type"].as_str().unwrap().trim_start_matches("wxgate.alert.").to_owned();
        let problems = body["data"]["problems"].as_array().unwrap().iter();
        (kind, problems.map(|problem| problem["id"].as_str().unwrap().to_owned()).collect())
    };
    backend.got().iter().map(one).collect()
}

fn of(kind: &str, id: &str) -> (String, Vec<String>) {
    (kind.to_owned(), vec![id.to_owned()])
}

const FIX: &str = "到 微信开发者平台 → 我的业务 → 公众号/服务号 → 基础信息 → 开发信息（或开发密钥）→ API IP白名单 添加 47.1.2.3（也可写 CIDR 网段），几分钟后生效，再重试";

#[tokio::test]
async fn each_robot_is_told_in_its_own_manner() {
    let mut app = TestApp::configured(SETTINGS).await;
    let with_link = app.text().replace("[server]", "[server]\nadmin_url = \"http://console.example\"");
    app.restart_with(&with_link).await;
    let backend = Backend::start().await;
    let secret = "SEC0123456789";
    let hook = format!("whsec_{}", BASE64_STANDARD.encode([7_u8; 32]));
    for (kind, secret) in [
        ("wecom", None),
        ("dingtalk", Some(secret)),
        ("feishu", Some(secret)),
        ("bark", None),
        ("webhook", Some(&*hook)),
    ] {
        let url = format!("{}/{kind}?key=k", backend.url);
        channel(&app, json!({"name": kind, "kind": kind, "url": url, "secret": secret, "lang": "zh"})).await;
    }
    refuse_the_address(&app).await;
    in_time(&app, "all are told", async || backend.count() >= 5).await;
    let got = backend.got();
    let to = |kind: &str| got.iter().find(|one| one.path == format!("/{kind}")).unwrap();
    let since = body(to("webhook"))["data"]["problems"][0]["since"].as_i64().unwrap();
    let problem = app.api("alerts").await["now"][0].clone();
    assert_eq!(problem["since"], since);

    let title = "wxgate：微信不让从 47.1.2.3 调用 wx00000000000000a1：出口 IP 不在白名单（40164）";
    let link = format!("http://console.example/apps/{OFFICIAL}");
    let said = body(to("wecom"))["markdown"]["content"].as_str().unwrap().to_owned();
    let (_, at) = said.split_once("开始于：").unwrap();
    let (at, _) = at.split_once('\n').unwrap();
    assert!(at.ends_with("（北京时间）"), "{at}");
    let lines = [
        "影响：这个账号的调用会失败".to_owned(),
        format!("处理：{FIX}"),
        "要填的：`47.1.2.3`".to_owned(),
        format!("开始于：{at}"),
    ];
    let plain = lines.join("\n");
    let all = format!("{plain}\n[打开控制台]({link})");
    assert_eq!(
        body(to("wecom")),
        json!({"msgtype": "markdown", "markdown": {"content": format!("**{title}**\n{all}")}})
    );

    let dingtalk = to("dingtalk");
    let apart = all.replace('\n', "\n\n");
    assert_eq!(
        body(dingtalk),
        json!({"msgtype": "markdown", "markdown": {"title": title, "text": format!("**{title}**\n\n{apart}")}})
    );
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(dingtalk.query.as_bytes()).into_owned().collect();
    let at = query[1].1.clone();
    assert_eq!(query[0], ("key".to_owned(), "k".to_owned()));
    assert_eq!(query[1].0, "timestamp");
    assert_eq!(query[2], ("sign".to_owned(), hmac(secret.as_bytes(), format!("{at}\n{secret}").as_bytes())));

    let feishu = body(to("feishu"));
    let at = feishu["timestamp"].as_str().unwrap();
    assert_eq!(
        feishu,
        json!({
            "timestamp": at, "sign": hmac(format!("{at}\n{secret}").as_bytes(), b""), "msg_type": "interactive",
            "card": {
                "header": {"title": {"tag": "plain_text", "content": title}, "template": "red"},
                "elements": [{"tag": "markdown", "content": all}],
            },
        })
    );
    assert_eq!(
        body(to("bark")),
        json!({
            "title": title, "body": plain, "group": "wxgate", "level": "timeSensitive", "url": link, "copy": "47.1.2.3",
        })
    );

    let hooked = to("webhook");
    let sent = body(hooked);
    assert_eq!((&sent["type"], &sent["data"]["link"]), (&json!("wxgate.alert.began"), &json!(link)));
    let shown = &sent["data"]["problems"][0];
    for key in ["id", "kind", "severity", "object", "summary", "impact", "fix", "copy", "action", "link"] {
        assert_eq!(shown[key], problem[key], "{key}");
    }
    assert!(shown["fix_en"].as_str().unwrap().contains("47.1.2.3") && shown["fix_zh"] == FIX, "{shown}");
    let (id, at) = (hooked.header("webhook-id"), hooked.header("webhook-timestamp"));
    let signed = format!("{id}.{at}.{}", std::str::from_utf8(&hooked.body).unwrap());
    assert_eq!(hooked.header("webhook-signature"), format!("v1,{}", hmac(&[7; 32], signed.as_bytes())));
}

#[tokio::test]
async fn a_condition_is_told_once_and_again_when_it_is_over() {
    let mut app = TestApp::configured(SETTINGS).await;
    let backend = Backend::start().await;
    channel(&app, json!({"name": "hook", "kind": "webhook", "url": backend.url})).await;
    refuse_the_address(&app).await;
    let now = app.api("alerts").await;
    let problem = &now["now"][0];
    assert_eq!(
        (&problem["id"], &problem["kind"], &problem["severity"]),
        (&json!(IP), &json!("ip"), &json!("error"))
    );
    assert_eq!((&problem["copy"], &problem["ended_at"]), (&json!("47.1.2.3"), &Value::Null));
    assert_eq!(problem["action"]["call"], format!("apps/{OFFICIAL}/check"));
    assert_eq!(problem["object"], json!({"type": "app", "id": OFFICIAL, "name": OFFICIAL}));
    assert_eq!(backend.count(), 0, "it is young");
    in_time(&app, "it is told", async || backend.count() >= 1).await;
    // It goes and comes: that is the same.
    for _ in 0..3 {
        list_the_address(&app).await;
        for_seconds(&app, 30).await;
        refuse_the_address(&app).await;
        for_seconds(&app, 30).await;
    }
    // A restart tells nothing again.
    app.restart().await;
    refuse_the_address(&app).await;
    for_seconds(&app, 60).await;
    assert_eq!(told(&backend), [of("began", IP)]);
    list_the_address(&app).await;
    in_time(&app, "it is over", async || backend.count() >= 2).await;
    assert_eq!(told(&backend), [of("began", IP), of("over", IP)]);
    let past = app.api("alerts").await;
    assert_eq!(past["now"], json!([]));
    assert!(past["items"][0]["id"] == IP && past["items"][0]["ended_at"].is_i64(), "{past}");
    // What comes later is another.
    refuse_the_address(&app).await;
    in_time(&app, "it is told", async || backend.count() >= 3).await;
    assert_eq!(told(&backend)[2], of("began", IP));
}

#[tokio::test]
async fn silence_is_kept_for_a_while_and_a_blip_is_told_nobody() {
    // Minutes of the database's own time can't be let pass.
    if database::server().is_some() {
        return;
    }
    let app = TestApp::configured(SETTINGS).await;
    let backend = Backend::start().await;
    channel(&app, json!({"name": "hook", "kind": "webhook", "url": backend.url})).await;
    refuse_the_address(&app).await;
    let mute = async |id: &str, seconds: i64| {
        ask(&app, Method::POST, &format!("alerts/{id}/mute"), json!({"seconds": seconds})).await
    };
    assert_eq!(mute("ip:nobody", 60).await.status, 404);
    assert_eq!(mute(IP, -1).await.status, 400);
    assert_eq!(mute(IP, 600).await.status, StatusCode::NO_CONTENT);
    assert_eq!(app.api("alerts").await["now"][0]["muted_until"], app.now() + 600);
    for_seconds(&app, 300).await;
    assert_eq!(backend.count(), 0);
    mute(IP, 0).await;
    in_time(&app, "it is told", async || backend.count() >= 1).await;
    // Over within seconds: nobody hears of the second one.
    list_the_address(&app).await;
    in_time(&app, "it is over", async || backend.count() >= 2).await;
    refuse_the_address(&app).await;
    app.api("alerts").await;
    list_the_address(&app).await;
    for_seconds(&app, 300).await;
    assert_eq!(told(&backend), [of("began", IP), of("over", IP)]);
    let actions =
        app.api("audit?target=alerts/ip:wx00000000000000a1").await["items"].as_array().unwrap().len();
    assert_eq!(actions, 2, "who muted it is in the book");
}

#[tokio::test]
async fn a_robot_that_refuses_is_asked_again_and_the_others_get_theirs() {
    // Minutes of the database's own time can't be let pass.
    if database::server().is_some() {
        return;
    }
    let app = TestApp::configured(SETTINGS).await;
    let (good, bad) = (Backend::start().await, Backend::start().await);
    bad.does(|_| says(200, r#"{"errcode":93000,"errmsg":"invalid webhook url"}"#));
    channel(&app, json!({"name": "bad", "kind": "wecom", "url": bad.url})).await;
    let test = ask(&app, Method::POST, "channels/bad/test", Value::Null).await.json();
    assert_eq!(test, json!({"ok": false, "status": 200, "error": "机器人拒绝了：93000 invalid webhook url"}));
    refuse_the_address(&app).await;
    in_time(&app, "it is tried thrice", async || bad.count() >= 4).await;
    // Nobody took it: it is still to be told, and is once somebody takes it.
    channel(&app, json!({"name": "good", "kind": "webhook", "url": good.url})).await;
    in_time(&app, "it is told", async || good.count() >= 1).await;
    assert_eq!(told(&good), [of("began", IP)]);
    app.until("the failure is shown", async || {
        let items = app.api("channels").await["items"].clone();
        items[0]["last_error"] == "机器人拒绝了：93000 invalid webhook url"
            && items[1]["last_error"].is_null()
    })
    .await;
}

#[tokio::test]
async fn channels_are_made_changed_tried_and_ended() {
    let app = TestApp::configured("[auth]\nmode = \"off\"").await;
    let refused = async |body: Value, says: &str| {
        let reply = ask(&app, Method::POST, "channels", body).await;
        assert_eq!(reply.status, 422, "{:?}", reply.body);
        let detail = reply.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(says), "{detail}");
    };
    let url = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=planted";
    refused(json!({"name": "a b", "kind": "wecom", "url": url}), "name").await;
    refused(json!({"name": "a", "kind": "mail", "url": url}), "kind").await;
    refused(json!({"name": "a", "kind": "wecom", "url": "ftp://x"}), "").await;
    refused(json!({"name": "a", "kind": "wecom", "url": url, "secret": "s"}), "secret").await;
    refused(json!({"name": "a", "kind": "webhook", "url": url, "secret": "s"}), "whsec_").await;
    refused(json!({"name": "a", "kind": "wecom", "url": url, "lang": "fr"}), "lang").await;
    refused(json!({"name": "a", "kind": "wecom", "url": url, "to": "me"}), "to").await;
    channel(&app, json!({"name": "群", "kind": "wecom", "url": url})).await;
    let again = ask(&app, Method::POST, "channels", json!({"name": "群", "kind": "wecom", "url": url})).await;
    assert_eq!(again.status, 409);
    let path = "channels/%E7%BE%A4";
    let changed = ask(&app, Method::PATCH, path, json!({"kind": "dingtalk", "secret": "SECplanted"})).await;
    let item = changed.json();
    assert_eq!(
        (&item["kind"], &item["url"], &item["secret"]),
        (&json!("dingtalk"), &json!(true), &json!(true))
    );
    assert_eq!(ask(&app, Method::PATCH, path, json!({"name": "b"})).await.status, 422);
    // A run-time target is none of this machine's own.
    ask(&app, Method::PATCH, path, json!({"url": "http://127.0.0.1:9/", "secret": null})).await;
    let test = ask(&app, Method::POST, &format!("{path}/test"), Value::Null).await.json();
    assert_eq!((&test["ok"], &test["status"]), (&json!(false), &json!(0)));
    assert!(test["error"].as_str().unwrap().contains("本机回环地址"), "{test}");
    let book = app.api("audit").await.to_string();
    assert!(
        !book.contains("planted") && !app.api("channels").await.to_string().contains("planted"),
        "{book}"
    );
    assert_eq!(ask(&app, Method::DELETE, path, Value::Null).await.status, 204);
    assert_eq!(app.api("channels").await["items"], json!([]));
    assert_eq!(ask(&app, Method::POST, &format!("{path}/test"), Value::Null).await.status, 404);
}

#[tokio::test]
async fn two_nodes_tell_once() {
    if database::server().is_none() {
        return;
    }
    let app = TestApp::configured(SETTINGS).await;
    let other = app.beside(app.text()).await;
    let backend = Backend::start().await;
    channel(&app, json!({"name": "hook", "kind": "webhook", "url": backend.url})).await;
    let words = "invalid ip 47.1.2.3 ipv6 ::ffff:47.1.2.3, not in whitelist";
    app.faults(QR, json!({"body": {"errcode": 40164, "errmsg": words}}), 2).await;
    let there = format!("{}/v1/service/wx/getwxqrcode", other.url());
    let call = json!({"appid": OFFICIAL, "scene": "s", "source": "t"}).to_string();
    app.qr_code(OFFICIAL).await.fails(3_584_005, false, 40164);
    app.http.send(Method::POST, &there, &[], call.clone()).await.unwrap();
    in_time(&app, "it is told", async || backend.count() >= 1).await;
    for_seconds(&app, 60).await;
    assert_eq!(told(&backend), [of("began", IP)]);
}

/// The problems of this node: kind, severity and what they are about.
async fn problems(app: &TestApp) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let now = app.api("alerts").await["now"].as_array().unwrap().clone();
    for problem in &now {
        for key in ["summary", "impact", "fix", "link"] {
            assert!(!text(&problem[key]).is_empty(), "{key}: {problem}");
        }
    }
    let one = |problem: &Value| {
        (text(&problem["kind"]), text(&problem["severity"]), text(&problem["object"]["id"]))
    };
    now.iter().map(one).collect()
}

fn problem(kind: &str, severity: &str, id: &str) -> (String, String, String) {
    (kind.to_owned(), severity.to_owned(), id.to_owned())
}

#[tokio::test]
async fn what_is_amiss_has_a_name_and_a_cure() {
    let backend = Backend::start().await;
    backend.does(|_| says(502, ""));
    let app = TestApp::configured(&format!(
        "[auth]\nmode = \"off\"\n[[routes]]\nname = \"crm\"\napps = [\"*\"]\ntarget = \"{}\"\nretry = []",
        backend.url
    ))
    .await;
    assert_eq!(problems(&app).await, []);
    // A secret that is wrong, of an account without a token.
    app.fault("/cgi-bin/stable_token", json!({"errcode": 40125})).await;
    app.qr_code(OFFICIAL).await;
    app.fault("/cgi-bin/stable_token", json!({"errcode": -1})).await;
    app.qr_code(EXAMPLE).await;
    assert_eq!(
        problems(&app).await,
        [problem("refresh", "error", EXAMPLE), problem("secret", "error", OFFICIAL)]
    );
    app.control("reset", json!({})).await;
    app.advance(secs(700)).await;
    app.qr_code(OFFICIAL).await.ok();
    app.qr_code(EXAMPLE).await.ok();
    assert_eq!(problems(&app).await, []);
    // Another program ends the token.
    app.control("token/rotate", json!({"appid": OFFICIAL, "hard": true})).await;
    app.qr_code(OFFICIAL).await.ok();
    assert_eq!(problems(&app).await, [problem("superseded", "warn", OFFICIAL)]);
    app.advance(secs(25 * 3600)).await;
    assert_eq!(problems(&app).await, []);
    // Callbacks that don't open, several in a row; a good one ends it.
    let message = text("gh_0000000000a1", "hello");
    for _ in 0..3 {
        let wrong = Maker { token: "another", ..Maker::new(OFFICIAL, app.now()) };
        app.callback(Some(OFFICIAL), &wrong.safe(&message)).await;
    }
    assert_eq!(problems(&app).await, [problem("callbacks", "error", OFFICIAL)]);
    assert_eq!(
        app.callback(Some(OFFICIAL), &Maker::new(OFFICIAL, app.now()).safe(&message)).await.status,
        200
    );
    // And its delivery fails at once: the route, and its dead letter.
    app.until("it is a dead letter", async || !app.deliveries("status=dead").await.is_empty()).await;
    assert_eq!(problems(&app).await, [problem("dead", "error", "crm"), problem("route", "error", "crm")]);
}

#[tokio::test]
async fn a_quota_is_asked_for_and_told_before_it_is_used_up() {
    let app = TestApp::start().await;
    app.qr_code(OFFICIAL).await.ok();
    let asked = ask(&app, Method::POST, "quota/ask", json!({"appid": OFFICIAL, "api": QR})).await;
    let mut quota = asked.json();
    quota["callers"] = json!([]);
    assert_eq!(
        quota,
        json!({
            "appid": OFFICIAL, "api": QR, "limit": 100_000, "used": 1, "remain": 99_999, "rate": null,
            "asked_at": app.now(), "callers": [],
        })
    );
    assert_eq!(app.api("quota").await["items"][0]["used"], 1);
    let unknown =
        ask(&app, Method::POST, "quota/ask", json!({"appid": OFFICIAL, "api": "/cgi-bin/nothing"})).await;
    assert_eq!(unknown.status, 409);
    assert!(unknown.json()["detail"].as_str().unwrap().contains("76021"), "{:?}", unknown.body);
    for body in [json!({"appid": "wxnobody", "api": QR}), json!({"appid": OFFICIAL, "api": "qrcode"})] {
        assert_eq!(ask(&app, Method::POST, "quota/ask", body).await.status, 400);
    }

    const ASK: &str = "/cgi-bin/openapi/quota/get";
    let before = app.calls(ASK, None).await;
    let used = json!({"errcode": 0, "quota": {"daily_limit": 1000, "used": 800, "remain": 200}});
    app.fault(ASK, json!({"body": used})).await;
    // The background asks once an hour, and each ten minutes once half is used.
    app.advance(secs(3600)).await;
    app.qr_code(OFFICIAL).await.ok();
    in_time(&app, "it asks", async || app.calls(ASK, None).await > before).await;
    app.until("it is kept", async || app.api("quota").await["items"][0]["used"] == 800).await;
    assert_eq!(problems(&app).await, [problem("quota", "warn", OFFICIAL)]);
    let told = app.api("alerts").await["now"][0].clone();
    assert_eq!(told["id"], format!("quota:{OFFICIAL}:{QR}"));
    assert!(told["summary"].as_str().unwrap().contains("80%（800/1000）"), "{told}");
    let first = app.calls(ASK, None).await;
    app.qr_code(OFFICIAL).await.ok();
    for_seconds(&app, 300).await;
    assert_eq!(app.calls(ASK, None).await, first, "not within ten minutes");
    app.qr_code(OFFICIAL).await.ok();
    app.advance(secs(300)).await;
    app.qr_code(OFFICIAL).await.ok();
    in_time(&app, "it asks again", async || app.calls(ASK, None).await > first).await;
}
