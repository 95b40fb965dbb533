//! What calls itself WeChat and isn't quite: lives and tokens that can't be true.

use std::time::Duration;

use serde_json::{Value, json};

use crate::app::{OFFICIAL, TestApp};

const TOKEN: &str = "/cgi-bin/stable_token";
const TICKET: &str = "/cgi-bin/ticket/getticket";
const GOOD: &str = "66_a-token.that~lives";

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn granted(name: &str, expires_in: &Value) -> Value {
    let mut body = json!({"errcode": 0, "errmsg": "ok", name: GOOD});
    if !expires_in.is_null() {
        body["expires_in"] = expires_in.clone();
    }
    json!({"body": body})
}

/// What wxgate makes of each life.
fn lives() -> Vec<(Value, i64)> {
    vec![
        (json!(7200), 7200),
        (json!("7200"), 7200),
        (json!(7200.0), 7200),
        (json!("7200.5"), 7200),
        (json!(0), 60),
        (json!(-1), 60),
        (json!("soon"), 60),
        (json!(59), 60),
        (Value::Null, 60),
        (json!(i64::MAX), 86_400),
    ]
}

#[tokio::test]
async fn a_life_is_read_in_every_form_and_never_too_short() {
    const KEY: &str = "key_exporter_0123456789abcdef";
    let caller = format!(
        "[auth]\nmode = \"off\"\n[[callers]]\nname = \"exporter\"\nkey = \"{KEY}\"\napps = [\"*\"]\napis = [\"*\"]\nexport_token = true"
    );
    for (said, lives) in lives() {
        let app = TestApp::configured(&caller).await;
        app.fault(TOKEN, granted("access_token", &said)).await;
        let path = format!("/v1/service/wx/token?appid={OFFICIAL}");
        let token = app.get(&path, &[("x-api-key", KEY)]).await.ok();
        assert_eq!((&token["access_token"], &token["expires_in"]), (&json!(GOOD), &json!(lives)), "{said}");
    }
}

#[tokio::test]
async fn a_short_life_costs_no_fetch_a_second() {
    let app = TestApp::start().await;
    app.fault(TOKEN, granted("access_token", &json!(0))).await;
    app.fault(TICKET, granted("ticket", &json!(0))).await;
    for _ in 0..60 {
        app.call("jssdk", json!({"appid": OFFICIAL, "url": "https://a.example.com/"})).await.ok();
        app.advance(secs(10)).await;
    }
    // Each lives a minute, and is fetched with a quarter of it left.
    for path in [TOKEN, TICKET] {
        let calls = app.calls(path, None).await;
        assert!((9..=15).contains(&calls), "{path}: {calls} in ten minutes");
    }
}

#[tokio::test]
async fn what_no_url_takes_is_neither_token_nor_ticket() {
    for value in
        ["a&openid=evil", "a b", "a#b", "a%26b", "a=b", "a+b", "a/../b", "a?b", "令牌", "a\r\nb", "", "a\"b"]
    {
        let app = TestApp::start().await;
        app.fault(TICKET, json!({"body": {"errcode": 0, "ticket": value, "expires_in": 7200}})).await;
        let page = json!({"appid": OFFICIAL, "url": "https://a.example.com/"});
        app.call("jssdk", page).await.fails(3_584_013, true, 0);
        app.fault(TOKEN, json!({"body": {"access_token": value, "expires_in": 7200}})).await;
        app.advance(secs(7300)).await;
        app.qr_code(OFFICIAL).await.fails(3_584_004, true, 0);
        let passed = app.get("/cgi-bin/user/get", &[("x-wx-appid", OFFICIAL)]).await;
        assert_eq!(
            (passed.json()["errcode"].clone(), &passed.headers["x-wxgate-error"]),
            (json!(-1), &"1".parse().unwrap())
        );
        assert_eq!(app.calls("/cgi-bin/user/get", None).await, 0, "{value}");
    }
}
