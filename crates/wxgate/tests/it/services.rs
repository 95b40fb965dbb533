//! Every service of the contract: what it gives, and what it says when WeChat refuses.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{EXAMPLE, EXAMPLE_CODE, MINI, OFFICIAL, TEMPLATE, TestApp};

const USER_INFO: &str = "/sns/oauth2/access_token";
const SESSION: &str = "/sns/jscode2session";
const PHONE: &str = "/wxa/business/getuserphonenumber";

fn members(body: &Value) -> Vec<String> {
    let mut names: Vec<String> = body.as_object().unwrap().keys().cloned().collect();
    names.sort();
    names
}

#[tokio::test]
async fn the_missions_request_answers_the_missions_user_now_and_an_hour_later() {
    let app = TestApp::start().await;
    let request = format!(r#"{{"source" : "curl-test", "appid": "{EXAMPLE}", "code": "{EXAMPLE_CODE}"}}"#);
    for _ in 0..2 {
        let url = format!("{}/v1/service/wx/getwxuserinfo", app.url());
        let json = [("content-type", "application/json")];
        let body = app.http.send(Method::POST, &url, &json, request.clone()).await.unwrap().ok();
        assert_eq!(body["nickname"], "Hui🐠");
        assert_eq!(
            members(&body),
            [
                "access_token",
                "appid",
                "city",
                "country",
                "headimgurl",
                "is_snapshot_user",
                "nickname",
                "openid",
                "privilege",
                "province",
                "refresh_token",
                "sex",
                "unionid"
            ]
        );
        assert_eq!((&body["access_token"], &body["refresh_token"]), (&json!(""), &json!("")));
        app.advance(std::time::Duration::from_secs(3600)).await;
    }
}

#[tokio::test]
async fn a_base_scope_gives_the_openid_and_the_rest_empty() {
    let app = TestApp::start().await;
    let openid = app.user(OFFICIAL).await;
    let code =
        app.control("oauth/code", json!({"appid": OFFICIAL, "openid": openid, "scope": "snsapi_base"})).await;
    let body = app.call("getwxuserinfo", json!({"appid": OFFICIAL, "code": code["code"]})).await.ok();
    assert_eq!((&body["openid"], &body["nickname"]), (&json!(openid), &json!("")));
    assert_eq!(app.calls("/sns/userinfo", None).await, 0);
}

#[tokio::test]
async fn login_and_phone_number() {
    let app = TestApp::start().await;
    let openid = app.user(MINI).await;
    let code = app.code("login", MINI, &openid).await;
    let body = app.call("code2session", json!({"appid": MINI, "code": code})).await.ok();
    assert_eq!(body["openid"], openid.as_str());
    assert_eq!(BASE64_STANDARD.decode(body["session_key"].as_str().unwrap()).unwrap().len(), 16);
    let code = app.code("phone", MINI, &openid).await;
    for kind in ["string", "number"] {
        app.control("quirks", json!({"country_code": kind})).await;
        let body = app.call("getuserphone", json!({"app_id": MINI, "code": "demo-phone"})).await.ok();
        assert_eq!(members(&body), ["appid", "countryCode", "phoneNumber", "purePhoneNumber"]);
        assert_eq!(body["countryCode"], "86");
    }
    app.call("getuserphone", json!({"appid": MINI, "code": code, "openid": openid})).await.ok();
}

/// What a picture says when it is scanned.
fn scan(picture: &[u8]) -> String {
    let picture = image::load_from_memory(picture).unwrap().to_luma8();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
        picture.get_pixel(x as u32, y as u32).0[0]
    });
    prepared.detect_grids()[0].decode().unwrap().1
}

#[tokio::test]
async fn a_parametric_qr_code_can_be_scanned() {
    let app = TestApp::start().await;
    let request = json!({"appid": OFFICIAL, "scene": 123, "expire_seconds": "600", "flow_id": "f1"});
    let body = app.call("getwxqrcode", request).await.ok();
    assert_eq!(
        (&body["flow_id"], &body["scene"], &body["expire_seconds"]),
        (&json!("f1"), &json!("123"), &json!(600))
    );
    let picture = body["qr_buffer"].as_str().unwrap().strip_prefix("data:image/jpeg;base64,").unwrap();
    assert_eq!(scan(&BASE64_STANDARD.decode(picture).unwrap()), body["url"].as_str().unwrap());

    let random = app.call("getwxqrcode", json!({"appid": OFFICIAL, "scene": 0, "flow_id": null})).await.ok();
    assert!((1..=64).contains(&random["scene"].as_str().unwrap().len()));
    assert_eq!((&random["expire_seconds"], &random["flow_id"]), (&json!(2_592_000), &json!("")));
    let permanent =
        app.call("getwxqrcode", json!({"appid": OFFICIAL, "scene": "p", "permanent": true})).await.ok();
    assert_eq!(permanent["expire_seconds"], 0);

    let openid = app.user(OFFICIAL).await;
    let scanned = app.control("scan", json!({"ticket": body["ticket"], "openid": openid})).await;
    assert_eq!(scanned["pushes"], json!([]), "no callback is set");

    let picture = app
        .call_with("getwxqrcode", &[("accept", "image/*")], json!({"appid": OFFICIAL, "scene": "x"}))
        .await;
    assert_eq!(picture.headers["content-type"], "image/jpeg");
    assert!(scan(&picture.body).starts_with("http"));
}

#[tokio::test]
async fn a_mini_program_code_carries_its_true_type() {
    let app = TestApp::start().await;
    let request =
        json!({"appid": MINI, "scene": "a=1", "page": "pages/index/index", "width": 300, "line_color": []});
    let body = app.call("getunlimitedqrcode", request.clone()).await.ok();
    assert!(body["qr_buffer"].as_str().unwrap().starts_with("data:image/jpeg;base64,"));
    let mut hyaline = request;
    hyaline["is_hyaline"] = true.into();
    let body = app.call("getunlimitedqrcode", hyaline.clone()).await.ok();
    assert!(body["qr_buffer"].as_str().unwrap().starts_with("data:image/png;base64,"));
    let picture = app.call_with("getunlimitedqrcode", &[("accept", "image/png")], hyaline).await;
    assert_eq!(picture.headers["content-type"], "image/png");
    let missing = json!({"appid": MINI, "scene": "a", "page": "pages/none"});
    app.call("getunlimitedqrcode", missing.clone()).await.fails(3_584_007, false, 41030);
    let mut unchecked = missing;
    unchecked["check_path"] = false.into();
    app.call("getunlimitedqrcode", unchecked).await.ok();
}

async fn follower(app: &TestApp, appid: &str) -> String {
    let openid = app.user(appid).await;
    let code = app.call("getwxqrcode", json!({"appid": appid, "scene": "follow"})).await.ok();
    app.control("scan", json!({"ticket": code["ticket"], "openid": openid})).await;
    openid
}

#[tokio::test]
async fn template_messages_in_every_form_the_contract_takes() {
    let app = TestApp::start().await;
    let openid = follower(&app, OFFICIAL).await;
    let keywords = json!({"keyword1": {"value": "巧克力"}});
    let whole = json!({"touser": openid, "template_id": TEMPLATE, "data": keywords, "topcolor": "#FF0000"});
    let forms = [
        json!({"openid": openid, "template_id": TEMPLATE, "data": keywords}),
        json!({"touser": openid, "template_id": TEMPLATE, "data": keywords.to_string(), "url": "https://x"}),
        json!({"data": whole}),
        json!({"data": whole.to_string(), "openid": openid, "flow_id": 7}),
        json!({"openid": openid, "template_id": "ignored", "data": {"template_id": TEMPLATE, "data": keywords}}),
    ];
    let count = forms.len();
    for mut form in forms {
        form["appid"] = OFFICIAL.into();
        let body = app.call("sendwxtemplatemsg", form.clone()).await.ok();
        let msgid = body["msgid"].as_str().unwrap();
        assert!(msgid.parse::<u64>().is_ok(), "{form} gave {body}");
        let expected = if form.get("flow_id").is_some() { "7" } else { "" };
        assert_eq!(body["flow_id"], expected);
    }
    let state = app.state().await;
    let messages = state["messages"].as_array().unwrap();
    assert_eq!(messages.len(), count);
    assert!(messages.iter().all(|m| m["touser"] == openid.as_str() && m["template_id"] == TEMPLATE));
    assert!(messages.iter().all(|m| m["data"] == keywords), "{messages:?}");

    for (wrong, name) in [
        (json!({"template_id": TEMPLATE, "data": keywords}), "openid"),
        (json!({"openid": openid, "data": keywords}), "template_id"),
        (json!({"openid": openid, "template_id": TEMPLATE}), "data"),
        (json!({"openid": openid, "template_id": TEMPLATE, "data": "no json"}), "data"),
        (json!({"openid": "oOther", "data": whole}), "openid"),
        (json!({"openid": openid, "touser": "oOther", "data": whole}), "openid"),
    ] {
        let mut request = wrong;
        request["appid"] = OFFICIAL.into();
        let ret = app.call("sendwxtemplatemsg", request).await.fails(3_584_002, false, 0);
        assert!(ret["msg"].as_str().unwrap().contains(name), "{ret}");
    }
    let stranger = app.user(OFFICIAL).await;
    let request = json!({"appid": OFFICIAL, "openid": stranger, "template_id": TEMPLATE, "data": keywords});
    app.call("sendwxtemplatemsg", request).await.fails(3_584_009, false, 43004);
}

#[tokio::test]
async fn subscription_messages_go_where_the_kind_of_account_says() {
    let app = TestApp::start().await;
    for (appid, path) in
        [(OFFICIAL, "/cgi-bin/message/subscribe/bizsend"), (MINI, "/cgi-bin/message/subscribe/send")]
    {
        let openid = app.user(appid).await;
        let request = json!({
            "appid": appid, "openid": openid, "template_id": TEMPLATE, "data": {"thing1": {"value": "奶茶"}},
        });
        app.call("sendsubscribemsg", request.clone()).await.fails(3_584_009, false, 43101);
        let allow = json!({"appid": appid, "openid": openid, "template_id": TEMPLATE, "count": 1});
        app.control("subscribe", allow).await;
        let body = app.call("sendsubscribemsg", request.clone()).await.ok();
        assert_eq!(members(&body), ["flow_id", "msgid"]);
        app.call("sendsubscribemsg", request).await.fails(3_584_009, false, 43101);
        assert_eq!(app.calls(path, Some(appid)).await, 3);
    }
}

#[tokio::test]
async fn js_sdk_signatures_come_from_one_ticket() {
    let app = TestApp::start().await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let request = json!({"appid": OFFICIAL, "url": "https://a.example.com/?x=1#part"});
        let body = app.call("jssdk", request).await.ok();
        assert_eq!(members(&body), ["appId", "nonceStr", "signature", "timestamp"]);
        assert_eq!(body["timestamp"], app.clock.now() / 1000);
        assert_eq!(body["signature"].as_str().unwrap().len(), 40);
        seen.push(body["nonceStr"].clone());
    }
    assert!(seen[0] != seen[1] && seen[1] != seen[2]);
    assert_eq!(app.calls("/cgi-bin/ticket/getticket", None).await, 1);
    app.call("jssdk", json!({"appid": OFFICIAL, "url": "a.example.com"})).await.fails(3_584_002, false, 0);
}

/// Every row of the service API, with a request that succeeds.
async fn rows(app: &TestApp) -> Vec<(&'static str, &'static str, Value)> {
    let openid = follower(app, OFFICIAL).await;
    let mini = app.user(MINI).await;
    for appid_openid in [(OFFICIAL, &openid), (MINI, &mini)] {
        let (appid, openid) = appid_openid;
        app.control(
            "subscribe",
            json!({"appid": appid, "openid": openid, "template_id": TEMPLATE, "count": 99}),
        )
        .await;
    }
    let keywords = json!({"thing1": {"value": "x"}});
    vec![
        ("getwxuserinfo", USER_INFO, json!({"appid": OFFICIAL, "code": "demo-oauth"})),
        ("code2session", SESSION, json!({"appid": MINI, "code": "demo-login"})),
        ("getuserphone", PHONE, json!({"appid": MINI, "code": "demo-phone"})),
        ("getwxqrcode", "/cgi-bin/qrcode/create", json!({"appid": OFFICIAL, "scene": "s"})),
        ("getunlimitedqrcode", "/wxa/getwxacodeunlimit", json!({"appid": MINI, "scene": "s"})),
        (
            "sendwxtemplatemsg",
            "/cgi-bin/message/template/send",
            json!({"appid": OFFICIAL, "openid": openid, "template_id": TEMPLATE, "data": keywords}),
        ),
        (
            "sendsubscribemsg",
            "/cgi-bin/message/subscribe/send",
            json!({"appid": MINI, "openid": mini, "template_id": TEMPLATE, "data": keywords}),
        ),
        ("jssdk", "/cgi-bin/ticket/getticket", json!({"appid": OFFICIAL, "url": "https://a.example.com/"})),
    ]
}

/// Codes that are the endpoint's own, by name.
fn own_code(name: &str) -> u64 {
    match name {
        "getwxuserinfo" | "code2session" => 3_584_006,
        "getwxqrcode" | "getunlimitedqrcode" => 3_584_007,
        "getuserphone" => 3_584_008,
        "jssdk" => 3_584_004,
        _ => 3_584_009,
    }
}

#[tokio::test]
async fn every_row_says_what_is_wrong_when_wechat_fails() {
    let app = TestApp::configured_with("[auth]\nmode = \"off\"", "timeout = \"1s\"").await;
    let rows = rows(&app).await;
    // Tokens are at hand: what fails below is the call itself.
    for appid in [OFFICIAL, MINI] {
        app.call("getwxqrcode", json!({"appid": appid})).await;
    }
    for (name, path, request) in &rows {
        // What a failure costs depends on whether the call only reads.
        let reads = matches!(*name, "getunlimitedqrcode" | "jssdk");
        let html = json!({"body": "<html>bad gateway</html>", "content_type": "text/html"});
        let cases: Vec<(Value, u64, bool, i64)> = vec![
            (json!({"errcode": -1}), 3_584_013, reads, -1),
            (json!({"errcode": 45009}), 3_584_012, *name == "getunlimitedqrcode", 45009),
            (json!({"errcode": 45011}), 3_584_012, true, 45011),
            (json!({"errcode": 48001}), own_code(name), false, 48001),
            (json!({"errcode": 99998}), own_code(name), false, 99998),
            (json!({"errcode": 40164}), 3_584_005, false, 40164),
            (json!({"status": 500}), 3_584_013, reads, 0),
            (html, 3_584_013, reads, 0),
            (json!({"cut": "before"}), 3_584_013, reads, 0),
            (json!({"cut": "half"}), 3_584_013, reads, 0),
            (json!({"delay_ms": 1500}), 3_584_013, reads, 0),
        ];
        for (fault, code, retryable, wx_errcode) in cases {
            app.faults(path, fault.clone(), 1).await;
            let mut request = request.clone();
            // A caller of its own code each time: nothing is answered from an earlier success.
            if request.get("code").is_some() {
                request["code"] = format!("{}-{}", request["code"].as_str().unwrap(), fault).into();
            }
            let before = app.calls(path, None).await;
            let reply = app.call(name, request).await;
            let ret = reply.fails(code, retryable, wx_errcode);
            assert_eq!(reply.status, StatusCode::OK);
            assert_eq!(app.calls(path, None).await, before + 1, "{name} {fault}: never repeated; {ret}");
            // Tickets rest after a failure; the next case is another time.
            app.advance(std::time::Duration::from_secs(700)).await;
        }
    }
    for (name, _, request) in rows {
        app.call(name, request).await.ok();
    }
}

#[tokio::test]
async fn a_token_that_is_not_to_be_had_is_told_apart() {
    for (setup, code, retryable, wx) in [
        (json!({"errcode": 40125}), 3_584_005, false, 40125),
        (json!({"errcode": 40001}), 3_584_005, false, 40001),
        (json!({"errcode": 40164}), 3_584_005, false, 40164),
        (json!({"errcode": 89503}), 3_584_005, false, 89503),
        (json!({"errcode": 45009}), 3_584_004, true, 45009),
        (json!({"errcode": -1}), 3_584_004, true, -1),
        (json!({"status": 502}), 3_584_004, true, 0),
        (json!({"cut": "before"}), 3_584_004, true, 0),
    ] {
        let app = TestApp::start().await;
        app.fault("/cgi-bin/stable_token", setup).await;
        app.qr_code(OFFICIAL).await.fails(code, retryable, wx);
    }
}

#[tokio::test]
async fn an_address_that_is_not_listed_is_named() {
    let app = TestApp::start().await;
    let account = json!({
        "appid": OFFICIAL, "secret": "a1".repeat(16), "kind": "official", "ip_allow": ["8.8.8.8"],
    });
    app.control("apps", account).await;
    let ret = app.qr_code(OFFICIAL).await.fails(3_584_005, false, 40164);
    assert!(ret["msg"].as_str().unwrap().contains("127.0.0.1"), "{ret}");
    assert!(ret["msg"].as_str().unwrap().contains("IP白名单"), "{ret}");
}

#[tokio::test]
async fn wechats_own_words_stay_in_their_member() {
    let app = TestApp::start().await;
    let body = json!({"errcode": 99998, "errmsg": "bad openid oPLANTED rid: 65a33cd8-023106e1-2dc7e2f6"});
    app.faults("/cgi-bin/qrcode/create", json!({"body": body.to_string()}), 1).await;
    let ret = app.call("getwxqrcode", json!({"appid": OFFICIAL})).await.fails(3_584_007, false, 99998);
    assert!(!ret["msg"].as_str().unwrap().contains("oPLANTED"), "msg is logged: {ret}");
    assert!(ret["wx_errmsg"].as_str().unwrap().contains("oPLANTED"));
    assert_eq!(ret["wx_rid"], "65a33cd8-023106e1-2dc7e2f6");
}

#[tokio::test]
async fn a_refused_ticket_is_no_wrong_secret() {
    let app = TestApp::start().await;
    app.fault("/cgi-bin/ticket/getticket", json!({"errcode": 40001})).await;
    let request = json!({"appid": OFFICIAL, "url": "https://a.example.com/"});
    app.call("jssdk", request).await.fails(3_584_004, false, 40001);
}

#[tokio::test]
async fn codes_used_expired_and_of_another_app() {
    let key = |n: char| format!("key_{}", n.to_string().repeat(24));
    let callers: String = ['a', 'b']
        .map(|n| {
            format!("[[callers]]\nname = \"{n}\"\nkey = \"{}\"\napps = [\"*\"]\napis = [\"*\"]\n", key(n))
        })
        .concat();
    let app = TestApp::configured(&callers).await;
    let bearer = |n| format!("Bearer {}", key(n));
    let (first, second) = (bearer('a'), bearer('b'));
    for (name, kind, appid, other, refused) in [
        ("getwxuserinfo", "oauth", OFFICIAL, EXAMPLE, 3_584_004),
        ("code2session", "login", MINI, MINI, 3_584_006),
        ("getuserphone", "phone", MINI, MINI, 3_584_008),
    ] {
        let openid = app.user(appid).await;
        let as_caller = |who: &str| [("authorization", who.to_owned())];
        let call = async |who: &str, appid: &str, code: &str| {
            let headers = as_caller(who);
            let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
            app.call_with(name, &headers, json!({"appid": appid, "code": code})).await
        };
        let code = app.code(kind, appid, &openid).await;
        let answer = call(&first, appid, &code).await.ok();
        assert_eq!(call(&first, appid, &code).await.ok(), answer, "the same caller gets the same answer");
        let used = if kind == "phone" { 40029 } else { 40163 };
        call(&second, appid, &code).await.fails(refused, false, used);
        app.advance(std::time::Duration::from_secs(301)).await;
        call(&first, appid, &code).await.fails(refused, false, used);

        let late = app.code(kind, appid, &openid).await;
        app.control("clock", json!({"advance_seconds": 301})).await;
        let ret = call(&first, appid, &late).await.ret();
        assert_eq!(ret["code"], refused, "{ret}");
        if other != appid {
            let foreign = app.code(kind, appid, &openid).await;
            call(&first, other, &foreign).await.fails(refused, false, 40029);
        }
    }
}

#[tokio::test]
async fn one_code_at_the_same_moment_is_spent_once() {
    let app = TestApp::start().await;
    let openid = app.user(OFFICIAL).await;
    let code = app.code("oauth", OFFICIAL, &openid).await;
    app.faults(USER_INFO, json!({"delay_ms": 200}), 1).await;
    let request = || app.call("getwxuserinfo", json!({"appid": OFFICIAL, "code": code}));
    let (a, b, c) = tokio::join!(request(), request(), request());
    assert_eq!((a.ok(), b.ok()), (c.ok(), c.ok()));
    assert_eq!(app.calls(USER_INFO, None).await, 1);
}

#[tokio::test]
async fn a_code_whose_second_step_failed_is_not_lost() {
    let app = TestApp::start().await;
    let openid = app.user(OFFICIAL).await;
    let code = app.code("oauth", OFFICIAL, &openid).await;
    app.faults("/sns/userinfo", json!({"status": 500}), 1).await;
    let request = json!({"appid": OFFICIAL, "code": code});
    app.call("getwxuserinfo", request.clone()).await.fails(3_584_013, true, 0);
    assert_eq!(app.call("getwxuserinfo", request).await.ok()["openid"], openid.as_str());
    assert_eq!(app.calls(USER_INFO, None).await, 1);
}

#[tokio::test]
async fn kept_answers_survive_a_restart() {
    let mut app = TestApp::start().await;
    let openid = app.user(MINI).await;
    let code = app.code("login", MINI, &openid).await;
    let request = json!({"appid": MINI, "code": code});
    let answer = app.call("code2session", request.clone()).await.ok();
    app.restart().await;
    assert_eq!(app.call("code2session", request).await.ok(), answer);
}

#[tokio::test]
async fn parameters_are_read_as_the_contract_says() {
    let app = TestApp::start().await;
    let wrong = [
        ("getwxuserinfo", json!({"code": "c"}), "appid"),
        ("getwxuserinfo", json!({"appid": "", "app_id": null, "code": "c"}), "appid"),
        ("getwxuserinfo", json!({"appid": OFFICIAL, "app_id": MINI, "code": "c"}), "appid"),
        ("getwxuserinfo", json!({"appid": "wx1\nforged line", "code": "c"}), "appid"),
        ("getwxuserinfo", json!({"appid": "w".repeat(65), "code": "c"}), "appid"),
        ("getwxuserinfo", json!({"appid": OFFICIAL}), "code"),
        ("getwxuserinfo", json!({"appid": OFFICIAL, "code": ""}), "code"),
        ("getwxuserinfo", json!({"appid": OFFICIAL, "code": ["c"]}), "code"),
        ("getwxuserinfo", json!({"appid": OFFICIAL, "code": "c", "lang": "fr"}), "lang"),
        ("getwxuserinfo", json!({"appid": OFFICIAL, "code": "c", "source": ""}), "source"),
        ("getwxuserinfo", json!({"appid": OFFICIAL, "code": "c", "source": 7}), "source"),
        ("getwxqrcode", json!({"appid": OFFICIAL, "scene": "x".repeat(65)}), "scene"),
        ("getwxqrcode", json!({"appid": OFFICIAL, "expire_seconds": 2_592_001}), "expire_seconds"),
        ("getwxqrcode", json!({"appid": OFFICIAL, "expire_seconds": -1}), "expire_seconds"),
        ("getwxqrcode", json!({"appid": OFFICIAL, "expire_seconds": "soon"}), "expire_seconds"),
        ("getwxqrcode", json!({"appid": OFFICIAL, "permanent": "yes"}), "permanent"),
        ("getunlimitedqrcode", json!({"appid": MINI}), "scene"),
        ("getunlimitedqrcode", json!({"appid": MINI, "scene": "s", "line_color": "red"}), "line_color"),
        ("getunlimitedqrcode", json!({"appid": MINI, "scene": "s", "env_version": "beta"}), "env_version"),
    ];
    for (name, request, parameter) in wrong {
        let reply = app.call(name, request.clone()).await;
        assert_eq!(reply.status, StatusCode::OK);
        let ret = reply.fails(3_584_002, false, 0);
        assert!(ret["msg"].as_str().unwrap().contains(parameter), "{request}: {ret}");
    }
    assert_eq!(app.state().await["calls"], json!([]), "nothing reached WeChat");

    let fine = json!({"app_id": OFFICIAL, "appid": "", "scene": null, "expire_seconds": "60", "permanent": null, "more": {}});
    app.call("getwxqrcode", fine).await.ok();
    app.call("getunlimitedqrcode", json!({"appid": MINI, "scene": 0})).await.ok();
}

#[tokio::test]
async fn what_is_refused_before_wechat_is_asked() {
    let app = TestApp::start().await;
    let url = |name: &str| format!("{}/v1/service/wx/{name}", app.url());
    let send = async |method: Method, name: &str, body: &str| {
        app.http.send(method, &url(name), &[], body.to_owned()).await.unwrap()
    };
    for (method, name, body, status, code) in [
        (Method::POST, "nothing", "{}", 404, 3_584_016),
        (Method::POST, "", "{}", 404, 3_584_016),
        (Method::GET, "getwxuserinfo", "", 405, 3_584_016),
        (Method::POST, "token", "{}", 405, 3_584_016),
        (Method::POST, "getwxuserinfo", "{", 400, 3_584_003),
        (Method::POST, "getwxuserinfo", "[]", 400, 3_584_003),
        (Method::POST, "getwxuserinfo", "", 400, 3_584_003),
        (Method::POST, "getwxuserinfo", "{\"source\":\"\\ud83d\"}", 400, 3_584_003),
    ] {
        let reply = send(method, name, body).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (status, code), "{name} {body}");
    }
    let large = format!("{{\"source\":\"{}\"}}", "x".repeat(1 << 20));
    assert_eq!(send(Method::POST, "getwxuserinfo", &large).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let unknown = app.call("getwxuserinfo", json!({"appid": "wxunknown", "code": "c"})).await;
    assert_eq!(unknown.status, StatusCode::OK);
    unknown.fails(3_584_005, false, 0);
    let english = app
        .call_with(
            "getwxuserinfo",
            &[("accept-language", "en-US,en;q=0.9")],
            json!({"appid": "wxunknown", "code": "c"}),
        )
        .await;
    assert!(english.ret()["msg"].as_str().unwrap().is_ascii());
}

#[tokio::test]
async fn the_document_is_served_without_a_key() {
    let app = TestApp::configured("").await;
    let reply = app.get("/v1/service/wx/openapi.json", &[]).await;
    assert_eq!(reply.json()["openapi"], "3.1.0");
}

#[tokio::test]
async fn what_users_wrote_into_wechats_json_keeps_nobody_out() {
    let app = TestApp::start().await;
    let (openid, user) = (app.user(OFFICIAL).await, "/sns/userinfo");
    let body =
        json!({"openid": openid, "nickname": "MARK", "privilege": []}).to_string().replace("MARK", "\u{14}a");
    app.fault(user, json!({"body": body, "content_type": "text/plain"})).await;
    let code = app.code("oauth", OFFICIAL, &openid).await;
    let body = app.call("getwxuserinfo", json!({"appid": OFFICIAL, "code": code})).await.ok();
    assert_eq!(body["nickname"], "\u{14}a");
}

#[tokio::test]
async fn every_negative_code_is_wechats_own_trouble() {
    let app = TestApp::start().await;
    app.faults("/cgi-bin/ticket/getticket", json!({"errcode": -1000}), 1).await;
    let page = json!({"appid": OFFICIAL, "url": "https://a.example.com/"});
    let ret = app.call("jssdk", page.clone()).await.ret();
    assert_eq!((&ret["code"], &ret["retryable"]), (&json!(3_584_013), &json!(true)), "{ret}");
    app.advance(std::time::Duration::from_secs(5)).await;
    app.call("jssdk", page).await.ok();
}

#[tokio::test]
async fn numbers_reach_wechat_in_the_digits_they_were_written_in() {
    let app = TestApp::start().await;
    // The follower who is there from the start.
    let state = app.state().await;
    let openid = state["users"][0]["openids"][OFFICIAL].as_str().unwrap();
    let body = format!(
        "{{\"source\":\"t\",\"appid\":\"{OFFICIAL}\",\"openid\":\"{openid}\",\"template_id\":\"{TEMPLATE}\",\
         \"data\":{{\"amount\":{{\"value\":39.80}},\"no\":{{\"value\":20230101123456789012}}}}}}"
    );
    let url = format!("{}/v1/service/wx/sendwxtemplatemsg", app.url());
    app.http.send(Method::POST, &url, &[], body).await.unwrap().ok();
    let seen = app.state().await["messages"].to_string();
    assert!(seen.contains("39.80") && seen.contains("20230101123456789012"), "{seen}");
}
