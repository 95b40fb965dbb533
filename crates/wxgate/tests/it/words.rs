//! What a newcomer gets wrong is named, with how to mend it; and what WeChat gave is never lost.

use http::Method;
use serde_json::{Value, json};

use crate::app::{EXAMPLE, MINI, OFFICIAL, Reply, TEMPLATE, TestApp};

const KEY: &str = "key_shop_0123456789abcdefghij";

async fn post(app: &TestApp, name: &str, language: &str, body: impl Into<bytes::Bytes>) -> Reply {
    let url = format!("{}/v1/service/wx/{name}", app.url());
    app.http.send(Method::POST, &url, &[("accept-language", language)], body).await.unwrap()
}

fn msg(reply: &Reply) -> String {
    reply.ret()["msg"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_told_why() {
    let app = TestApp::start().await;
    let gbk = [&b"{\"source\":\"t\",\"appid\":\"wx1\",\"data\":\""[..], b"\xc4\xcc\xb2\xe8", b"\"}"].concat();
    for (body, zh, en) in [
        (gbk, "GBK", "GBK"),
        (b"source=t&appid=wx1&code=c".to_vec(), "表单", "form"),
        (b"{'source':'t','appid':'wx1'}".to_vec(), "双引号", "double quotes"),
        (b"{\"source\":\"t\",\"lang\":None}".to_vec(), "null", "null"),
        (b"{\"source\":\"t\",}".to_vec(), "逗号", "comma"),
        (b"{\"source\":\"t\"".to_vec(), "没有写完", "ends too early"),
        (b"[{\"source\":\"t\"}]".to_vec(), "数组", "array"),
        (b"\"{\\\"source\\\":\\\"t\\\"}\"".to_vec(), "编码了两次", "encoded twice"),
        (b"  ".to_vec(), "空的", "empty"),
    ] {
        for (language, words) in [("zh", zh), ("en", en)] {
            let reply = post(&app, "code2session", language, body.clone()).await;
            assert_eq!((reply.status.as_u16(), reply.code()), (400, 3_584_003), "{words}");
            assert!(msg(&reply).contains(words), "{words}: {}", msg(&reply));
        }
    }
    // A byte order mark is none of it.
    let marked = format!("\u{FEFF}{}", json!({"source": "t", "appid": MINI, "code": "demo-login"}));
    post(&app, "code2session", "zh", marked).await.ok();
}

#[tokio::test]
async fn what_nobody_sees_in_an_appid_is_named() {
    let app = TestApp::start().await;
    for (odd, zh, en) in [
        (" ", "空格", "a space"),
        ("\u{3000}", "全角空格", "full-width space"),
        ("\u{A0}", "不换行空格", "no-break space"),
        ("\u{200B}", "零宽", "zero-width"),
        ("\u{FEFF}", "BOM", "byte order mark"),
        ("\t", "制表符", "a tab"),
        ("\n", "换行", "line break"),
    ] {
        for appid in [format!("{MINI}{odd}"), format!("{odd}{MINI}")] {
            for (language, words) in [("zh", zh), ("en", en)] {
                let body = json!({"source": "t", "appid": appid, "code": "c"}).to_string();
                let reply = post(&app, "code2session", language, body).await;
                assert_eq!(reply.code(), 3_584_002);
                assert!(
                    msg(&reply).contains("appid") && msg(&reply).contains(words),
                    "{words}: {}",
                    msg(&reply)
                );
                let query: String = url::form_urlencoded::byte_serialize(appid.as_bytes()).collect();
                let path = format!("/cgi-bin/token?grant_type=client_credential&appid={query}&secret=any");
                let refused = app.get(&path, &[("accept-language", language)]).await.json();
                assert_eq!(refused["errcode"], 40013);
                assert!(refused["errmsg"].as_str().unwrap().contains(words), "{words}: {refused}");
            }
        }
    }
    let secret = "a1".repeat(16);
    let told = app.call("getwxqrcode", json!({"appid": secret})).await;
    told.fails(3_584_002, false, 0);
    assert!(msg(&told).contains("AppSecret") && !msg(&told).contains(&secret), "{}", msg(&told));
    let header = app.get("/cgi-bin/user/get", &[("x-wx-appid", "wx00000000000000a1\u{3000}")]).await.json();
    assert!(header["errmsg"].as_str().unwrap().contains("全角空格"), "{header}");
}

#[tokio::test]
async fn a_member_in_another_spelling_is_named() {
    let app = TestApp::start().await;
    for (body, member) in [
        (json!({"source": "t", "appId": MINI, "code": "c"}), "appid"),
        (json!({"source": "t", "AppID": MINI, "code": "c"}), "appid"),
        (json!({"source": "t", "appid ": MINI, "code": "c"}), "appid"),
        (json!({"source": "t", "appid": MINI, "Code": "c"}), "code"),
        (json!({"source": "t", "appid": MINI, " code": "c"}), "code"),
        (json!({"Source": "t", "appid": MINI, "code": "c"}), "source"),
    ] {
        let reply = post(&app, "code2session", "zh", body.to_string()).await;
        reply.fails(3_584_002, false, 0);
        assert!(msg(&reply).contains(&format!("写作 \"{member}\"")), "{body}: {}", msg(&reply));
    }
    let reply = post(&app, "code2session", "zh", json!({"source": "t", "appid": MINI}).to_string()).await;
    assert!(!msg(&reply).contains("写作"), "{}", msg(&reply));
}

#[tokio::test]
async fn a_keyword_without_its_value_is_named() {
    let app = TestApp::start().await;
    let openid = app.user(OFFICIAL).await;
    for (name, data, place) in [
        ("sendwxtemplatemsg", json!({"thing1": "奶茶"}), "data.thing1"),
        ("sendwxtemplatemsg", json!({"first": {"value": "a"}, "amount2": 39.80}), "data.amount2"),
        ("sendwxtemplatemsg", json!("{\"thing1\":\"x\"}"), "data.thing1"),
        ("sendwxtemplatemsg", json!({"template_id": TEMPLATE, "data": {"time3": ["x"]}}), "data.data.time3"),
        ("sendsubscribemsg", json!({"thing1": "奶茶"}), "data.thing1"),
        ("sendsubscribemsg", json!({"thing1": null}), "data.thing1"),
    ] {
        for (language, words) in [("zh", "应写作 {\"value\": …}"), ("en", "must be {\"value\": …}")] {
            let body = json!({"source": "t", "appid": OFFICIAL, "openid": openid, "template_id": TEMPLATE, "data": data});
            let reply = post(&app, name, language, body.to_string()).await;
            assert_eq!(reply.code(), 3_584_002, "{}", msg(&reply));
            assert!(msg(&reply).contains(&format!("{place} {words}")), "{place}: {}", msg(&reply));
        }
    }
    assert!(app.state().await["messages"].as_array().unwrap().is_empty());
    let data = json!({"thing1": {"value": "奶茶"}, "first": null});
    let body = json!({"appid": OFFICIAL, "openid": openid, "template_id": TEMPLATE, "data": data});
    assert_ne!(app.call("sendwxtemplatemsg", body).await.code(), 3_584_002);
}

#[tokio::test]
async fn a_scene_that_wechat_does_not_take_names_its_character() {
    let app = TestApp::start().await;
    app.fault("/wxa/getwxacodeunlimit", json!({"errcode": 40129})).await;
    for (scene, bad) in [("id=1%20", "'%'"), ("奶茶", "'奶'"), ("a b", "' '")] {
        let reply = app.call("getunlimitedqrcode", json!({"appid": MINI, "scene": scene})).await;
        reply.fails(3_584_007, false, 40129);
        assert!(msg(&reply).contains(bad), "{}", msg(&reply));
    }
}

#[tokio::test]
async fn a_key_without_an_account_is_told_that_the_key_is_right() {
    let caller =
        format!("[[callers]]\nname = \"shop\"\nkey = \"{KEY}\"\napps = [\"{MINI}\"]\napis = [\"*\"]");
    let app = TestApp::configured(&caller).await;
    for (language, words) in
        [("zh", "密钥没有问题，还要说明用哪个账号"), ("en", "the key is right, say which account")]
    {
        let headers = [("x-api-key", KEY), ("accept-language", language)];
        let refused = app.get("/cgi-bin/user/get", &headers).await.json();
        assert_eq!(refused["errcode"], 41001);
        let errmsg = refused["errmsg"].as_str().unwrap();
        assert!(errmsg.contains(words) && errmsg.contains(&format!("X-Wx-Appid: {MINI}")), "{errmsg}");
    }
    let none = app.get("/cgi-bin/user/get", &[]).await.json();
    assert!(none["errmsg"].as_str().unwrap().contains("没有凭据"), "{none}");
}

#[tokio::test]
async fn the_wrong_kind_of_account_is_told_before_wechat_is_asked() {
    let open = "[auth]\nmode = \"off\"\n[[apps]]\nappid = \"wxopen\"\nkind = \"open\"\nsecret = \"x\"";
    let app = TestApp::configured(open).await;
    let message = json!({"openid": "o", "template_id": "t", "data": {"a": {"value": "b"}}});
    let code = json!({"code": "c"});
    for (name, rest, wrong, right) in [
        ("getuserphone", code.clone(), OFFICIAL, MINI),
        ("getuserphone", code.clone(), "wxopen", MINI),
        ("code2session", code.clone(), OFFICIAL, "getwxuserinfo"),
        ("code2session", code.clone(), "wxopen", MINI),
        ("getunlimitedqrcode", json!({"scene": "s"}), OFFICIAL, "getwxqrcode"),
        ("getwxqrcode", json!({"scene": "s"}), MINI, "getunlimitedqrcode"),
        ("getwxqrcode", json!({"scene": "s"}), MINI, EXAMPLE),
        ("getwxqrcode", json!({"scene": "s"}), "wxopen", OFFICIAL),
        ("jssdk", json!({"url": "https://a.example.com/"}), MINI, OFFICIAL),
        ("sendwxtemplatemsg", message.clone(), MINI, "sendsubscribemsg"),
        ("sendsubscribemsg", message.clone(), "wxopen", OFFICIAL),
        ("getwxuserinfo", code.clone(), MINI, "code2session"),
        ("getwxuserinfo", code.clone(), MINI, "wxopen"),
    ] {
        let mut body = rest;
        body["appid"] = wrong.into();
        let reply = app.call(name, body).await;
        reply.fails(3_584_002, false, 0);
        let msg = msg(&reply);
        assert!(
            msg.contains("appid") && msg.contains(right) && msg.contains(name) && msg.contains("kind"),
            "{msg}"
        );
    }
    assert_eq!(app.state().await["calls"].as_array().unwrap().len(), 0, "WeChat was not asked");
}

#[tokio::test]
async fn only_accounts_that_the_caller_may_use_are_named() {
    let caller = format!(
        "[[callers]]\nname = \"shop\"\nkey = \"{KEY}\"\napps = [\"{MINI}\", \"{EXAMPLE}\"]\napis = [\"*\"]"
    );
    let app = TestApp::configured(&caller).await;
    let headers = [("x-api-key", KEY)];
    let qr = app.call_with("getwxqrcode", &headers, json!({"appid": MINI})).await;
    assert!(msg(&qr).contains(EXAMPLE) && !msg(&qr).contains(OFFICIAL), "{}", msg(&qr));
}

#[tokio::test]
async fn a_code_whose_picture_fails_keeps_its_ticket() {
    let app = TestApp::start().await;
    for fault in [
        json!({"status": 503}),
        json!({"cut": "before"}),
        json!({"cut": "half"}),
        json!({"errcode": -1}),
        json!({"body": "<html>", "content_type": "text/html"}),
    ] {
        app.fault("/cgi-bin/showqrcode", fault.clone()).await;
        for (headers, words) in [
            (&[("accept-language", "zh")][..], "不要重新创建"),
            (&[("accept-language", "en"), ("accept", "image/png")], "don't make the code again"),
        ] {
            let made = app.calls("/cgi-bin/qrcode/create", None).await;
            let body = json!({"appid": OFFICIAL, "scene": "s", "flow_id": "f"});
            let got = app.call_with("getwxqrcode", headers, body).await.ok();
            assert_eq!(
                (&got["qr_buffer"], &got["scene"], &got["flow_id"]),
                (&json!(""), &json!("s"), &json!("f"))
            );
            assert!(
                !got["ticket"].as_str().unwrap().is_empty()
                    && got["url"].as_str().unwrap().starts_with("http")
            );
            assert!(got["message"].as_str().unwrap().contains(words), "{fault}: {got}");
            assert_eq!(app.calls("/cgi-bin/qrcode/create", None).await, made + 1);
        }
        app.control("reset", json!({})).await;
        let fine = app.qr_code(OFFICIAL).await.ok();
        assert!(
            fine.get("message").is_none() && fine["qr_buffer"].as_str().unwrap().starts_with("data:image/")
        );
    }
}

#[tokio::test]
async fn a_near_name_of_an_endpoint_names_the_right_one() {
    let app = TestApp::start().await;
    for (name, meant) in [
        ("getUserPhone", "getuserphone"),
        ("get_user_phone", "getuserphone"),
        ("getuserphonenumber", "getuserphone"),
        ("getuserphne", "getuserphone"),
        ("Code2Session", "code2session"),
        ("jscode2session", "code2session"),
        ("JSSDK", "jssdk"),
        ("getWxQrCode", "getwxqrcode"),
        ("sendWxTemplateMsg", "sendwxtemplatemsg"),
        ("send-subscribe-msg", "sendsubscribemsg"),
        ("Token", "token"),
    ] {
        for (language, words) in
            [("zh", format!("是不是 {meant}？")), ("en", format!("did you mean {meant}?"))]
        {
            let reply = post(&app, name, language, "{}").await;
            assert_eq!((reply.status.as_u16(), reply.code()), (404, 3_584_016));
            assert!(msg(&reply).contains(&words), "{name}: {}", msg(&reply));
        }
    }
    for far in ["nothing-like-it", "x", "", &"a".repeat(5000)] {
        let reply = post(&app, far, "zh", "{}").await;
        assert!(!msg(&reply).contains("是不是"), "{far}: {}", msg(&reply));
    }
}

#[tokio::test]
async fn whoever_is_over_its_rate_is_told_when_to_come_back() {
    let caller =
        format!("[[callers]]\nname = \"shop\"\nkey = \"{KEY}\"\napps = [\"*\"]\napis = [\"*\"]\nrate = 1");
    let app = TestApp::configured(&caller).await;
    let headers = [("x-api-key", KEY), ("x-wx-appid", OFFICIAL)];
    let login = json!({"appid": MINI, "code": "demo-login"});
    app.call_with("code2session", &headers, login.clone()).await.ok();
    let refused = app.call_with("code2session", &headers, login).await;
    assert_eq!((refused.status.as_u16(), refused.headers["retry-after"].to_str().unwrap()), (429, "1"));
    let passed = app.get("/cgi-bin/user/get", &headers).await;
    assert_eq!(
        (&passed.json()["errcode"], passed.headers["retry-after"].to_str().unwrap()),
        (&json!(45011), "1")
    );
}

#[tokio::test]
async fn a_reset_appsecret_accuses_nobody() {
    let mut app = TestApp::start().await;
    app.qr_code(OFFICIAL).await.ok();
    // Reset at WeChat: the token dies with the secret, and the old one is refused.
    let account = json!({"appid": OFFICIAL, "secret": "ff".repeat(16), "kind": "official"});
    app.control("apps", account).await;
    app.control("token/rotate", json!({"appid": OFFICIAL, "hard": true})).await;
    app.qr_code(OFFICIAL).await.fails(3_584_005, false, 40125);
    let mended = app.text().replace(&"a1".repeat(16), &"ff".repeat(16));
    let mended = app.config(&mended).unwrap();
    app.gateway().reload(mended).unwrap();
    app.qr_code(OFFICIAL).await.ok();
    let tokens: Value = app.admin("/readyz").await.json()["checks"]["tokens"].clone();
    assert_eq!(tokens, json!([]));
}
