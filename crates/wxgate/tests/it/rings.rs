//! What went wrong lately, for whoever looks for the mistake: callbacks that were refused, calls that failed, what became of tokens.

use http::Method;
use serde_json::{Value, json};

use crate::app::{ADMIN_TOKEN, EXAMPLE, OFFICIAL, Reply, TestApp};
use crate::signed::{Maker, text};

const KEY: &str = "key_shop_0123456789abcdefghijk";
const QR: &str = "/cgi-bin/qrcode/create";

async fn with_a_caller() -> TestApp {
    TestApp::configured(&format!(
        "[[callers]]\nname = \"shop\"\nkey = \"{KEY}\"\napps = [\"{OFFICIAL}\"]\napis = [\"*\"]"
    ))
    .await
}

async fn qr(app: &TestApp, appid: &str) -> Reply {
    app.call_with("getwxqrcode", &[("x-api-key", KEY)], json!({"appid": appid, "scene": "s"})).await
}

async fn items(app: &TestApp, path: &str) -> Vec<Value> {
    app.api(path).await["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_refused_callback_says_why_and_what_to_do() {
    let mut app = TestApp::start().await;
    let now = app.now();
    let maker = Maker::new(OFFICIAL, now);
    let message = text("gh_0000000000a1", "hello");
    let wrong_token = Maker { token: "another", ..maker };
    assert_eq!(app.callback(Some(OFFICIAL), &wrong_token.safe(&message)).await.status, 403);
    assert_eq!(app.callback(Some(OFFICIAL), &maker.plain(&message)).await.status, 403);
    assert_eq!(app.callback(Some("wxnobody"), &maker.compat(&message)).await.status, 403);
    let other_key = Maker { aes_key: "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefg", ..maker };
    let reply = app.callback(Some(OFFICIAL), &other_key.compat(&message)).await;
    assert_eq!(app.callback(Some(OFFICIAL), &maker.safe(&message)).await.status, 200);

    let refused = items(&app, "refused").await;
    let shown: Vec<(&Value, &Value)> = refused.iter().map(|one| (&one["appid"], &one["mode"])).collect();
    let of = json!(OFFICIAL);
    assert_eq!(
        shown,
        [
            (&of, &json!("compatible")),
            (&Value::Null, &Value::Null),
            (&of, &json!("plain")),
            (&of, &json!("safe"))
        ]
    );
    let cipher = &refused[0];
    assert_eq!((&cipher["ip"], &cipher["at"]), (&json!("127.0.0.1"), &json!(now)));
    assert_eq!(cipher["reason"], "用 aes_key 解不开");
    assert!(
        cipher["fix"].as_str().unwrap().starts_with("公众平台上的 EncodingAESKey 要与配置一致"),
        "{cipher}"
    );
    let id = cipher["request_id"].as_str().unwrap();
    assert!(id.starts_with("wxmsg_") && reply.headers["x-request-id"] == id, "{cipher}");
    assert!(refused.iter().all(|one| one["fix"].as_str().is_some_and(|fix| !fix.is_empty())), "{refused:?}");

    let url = format!("{}/api/v1/refused?appid={OFFICIAL}&limit=1", app.admin_url());
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    let english = [("authorization", bearer.as_str()), ("accept-language", "en")];
    let page = app.http.send(Method::GET, &url, &english, "").await.unwrap().json();
    assert_eq!(page["items"][0]["reason"], "aes_key doesn't decrypt it");
    let next = page["next"].as_str().unwrap();
    let older = items(&app, &format!("refused?appid={OFFICIAL}&limit=1&cursor={next}")).await;
    assert_eq!(older, [refused[2].clone()]);
    assert!(items(&app, "refused?ip=10.0.0.1").await.is_empty());
    app.restart().await;
    assert_eq!(items(&app, "refused").await, refused, "a restart forgets none");
}

#[tokio::test]
async fn a_failed_call_is_found_by_its_id_its_code_and_its_caller() {
    let mut app = with_a_caller().await;
    assert!(items(&app, "failures").await.is_empty());
    qr(&app, OFFICIAL).await.ok();
    app.fault(QR, json!({"errcode": 45009})).await;
    let failed = qr(&app, OFFICIAL).await;
    let rid = failed.ret()["wx_rid"].as_str().unwrap().to_owned();
    assert_eq!(qr(&app, EXAMPLE).await.status, 403, "no right to it");
    let (url, key) = (format!("{}{QR}", app.url()), format!("Bearer {KEY}"));
    let headers = [("authorization", key.as_str()), ("x-wx-appid", OFFICIAL)];
    let passed = app.http.send(Method::POST, &url, &headers, "{}").await.unwrap();
    assert_eq!(passed.json()["errcode"], 45009);

    let failures = items(&app, "failures").await;
    assert_eq!(failures.len(), 3, "{failures:?}");
    let first = &failures[2];
    assert_eq!(
        *first,
        json!({
            "id": first["id"], "at": app.now(), "request_id": failed.headers["x-request-id"].to_str().unwrap(),
            "caller": "shop", "appid": OFFICIAL, "api": "/v1/service/wx/getwxqrcode", "status": 200, "errcode": 45009, "rid": rid,
            "ms": first["ms"],
        })
    );
    assert_eq!((&failures[1]["errcode"], &failures[1]["status"]), (&json!(3_584_011), &json!(403)));
    assert_eq!((&failures[0]["api"], &failures[0]["status"]), (&json!(QR), &json!(200)));
    assert!(failures[0]["rid"].is_string(), "{failures:?}");
    let id = passed.headers["x-request-id"].to_str().unwrap();
    for (filter, count) in [
        (format!("request_id={id}"), 1),
        ("errcode=45009".to_owned(), 2),
        ("errcode=45009&caller=shop".to_owned(), 2),
        ("caller=crm".to_owned(), 0),
        (format!("appid={OFFICIAL}"), 2),
    ] {
        assert_eq!(items(&app, &format!("failures?{filter}")).await.len(), count, "{filter}");
    }
    // One kind of failure leaves twenty rows a minute.
    for _ in 0..25 {
        qr(&app, OFFICIAL).await;
    }
    assert_eq!(items(&app, "failures?errcode=45009&limit=100").await.len(), 21);
    app.restart().await;
    assert_eq!(items(&app, "failures?errcode=45009&limit=100").await.len(), 21);
}

#[tokio::test]
async fn what_became_of_a_token_is_told_in_order() {
    let app = TestApp::start().await;
    app.faults("/cgi-bin/stable_token", json!({"errcode": 40125}), 1).await;
    app.qr_code(OFFICIAL).await;
    app.advance(std::time::Duration::from_secs(60)).await;
    app.qr_code(OFFICIAL).await.ok();
    // Another program takes it away.
    app.control("token/rotate", json!({"appid": OFFICIAL, "hard": true})).await;
    app.qr_code(OFFICIAL).await.ok();
    let history = items(&app, &format!("apps/{OFFICIAL}/history")).await;
    let events: Vec<&str> = history.iter().map(|one| one["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["superseded", "healed", "fetched", "fetched", "failed"]);
    let failed = &history[4];
    assert_eq!(failed["errcode"], 40125);
    assert!(failed["ms"].is_i64() && failed["node"].is_i64() && failed["at"].is_i64(), "{failed}");
    assert_eq!((&history[1]["errcode"], &history[2]["errcode"]), (&json!(40001), &Value::Null));
    assert!(items(&app, &format!("apps/{EXAMPLE}/history")).await.is_empty());
}

#[tokio::test]
async fn help_with_a_code_says_where_it_was_met() {
    let app = with_a_caller().await;
    app.fault(QR, json!({"errcode": 45009})).await;
    qr(&app, OFFICIAL).await;
    qr(&app, OFFICIAL).await;
    app.control("reset", json!({})).await;
    app.fault(QR, json!({"errcode": 987_654, "errmsg": "novel"})).await;
    qr(&app, OFFICIAL).await;

    let all = items(&app, "errors").await;
    let of = |code: i64| all.iter().find(|item| item["code"] == code).unwrap().clone();
    assert_eq!((&of(45009)["seen"], &of(45009)["ours"]), (&json!(2), &json!(3_584_012)));
    assert_eq!((&of(40003)["seen"], &of(40003)["ours"]), (&json!(0), &Value::Null));
    assert_eq!((&of(-1)["retry"], &of(40003)["retry"]), (&json!(true), &json!(false)));
    assert!(of(987_654)["cause"].as_str().unwrap().contains("没有收录"), "{}", of(987_654));
    let found = items(&app, "errors?q=%E7%99%BD%E5%90%8D%E5%8D%95").await;
    assert!(found.iter().any(|item| item["code"] == 40164) && found.len() < all.len() / 4);

    let one = app.api("errors/45009").await;
    assert_eq!(one["samples"].as_array().unwrap().len(), 2);
    assert_eq!(one["samples"][0]["api"], "/v1/service/wx/getwxqrcode");
    assert_eq!(
        one["by"],
        json!({
            "apps": [{"key": OFFICIAL, "n": 2}], "callers": [{"key": "shop", "n": 2}],
            "apis": [{"key": "/v1/service/wx/getwxqrcode", "n": 2}],
        })
    );
    assert_eq!(app.api("errors/3584011").await["ours"], 3_584_011);
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    for code in ["12345", "nothing"] {
        let url = format!("{}/api/v1/errors/{code}", app.admin_url());
        let reply = app.http.send(Method::GET, &url, &[("authorization", &bearer)], "").await.unwrap();
        assert_eq!(reply.status, 404, "{code}");
    }
    app.advance(std::time::Duration::from_secs(25 * 3600)).await;
    assert_eq!(app.api("errors/45009").await["samples"], json!([]));
}
