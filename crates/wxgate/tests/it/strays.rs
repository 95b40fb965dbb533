//! Credentials of ours in places where nobody should put them: they reach nobody, and whoever did it is told.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{MINI, OFFICIAL, Reply};
use crate::mirror::Mirror;
use crate::proxy::{SHOP, mirrored, refuses};

/// Everything that WeChat got shows neither.
fn shows_none(mirror: &Mirror, token: &str) -> usize {
    let seen = mirror.take();
    for one in &seen {
        let all = format!("{} {:?}", one.target, one.headers);
        assert!(!all.contains(SHOP) && !all.contains(token), "{all}");
    }
    seen.len()
}

#[tokio::test]
async fn no_header_takes_a_credential_along() {
    let (app, mirror, token) = mirrored().await;
    let key = [("x-api-key", SHOP), ("x-wx-appid", OFFICIAL)];
    let encoded: String = SHOP.bytes().map(|byte| format!("%{byte:02x}")).collect();
    for value in [
        SHOP.to_owned(),
        token.clone(),
        format!("Bearer {SHOP}"),
        format!("https://a.example.com/x?secret={SHOP}&b=c"),
        format!("https://a.example.com/{token}/x"),
        encoded.clone(),
        encoded.replace('%', "%25"),
        format!("login_{SHOP}-1"),
        format!("x_y-{token}_z"),
    ] {
        for name in ["referer", "user-agent", "x-foo", "accept", "content-type"] {
            let refused = app.get("/cgi-bin/user/get", &[key[0], key[1], (name, &value)]).await;
            refuses(&refused, 40035, "invalid parameter");
            let errmsg = refused.json()["errmsg"].to_string();
            assert!(errmsg.contains(name) && !errmsg.contains(SHOP) && !errmsg.contains(&token), "{errmsg}");
        }
    }
    let open = app.get("/sns/userinfo?access_token=users&openid=o", &[key[0], ("x-foo", SHOP)]).await;
    refuses(&open, 40035, "invalid parameter");
    let login = format!("/sns/jscode2session?appid={MINI}&secret={SHOP}&js_code=c");
    refuses(&app.get(&login, &[("x-foo", SHOP)]).await, 40035, "invalid parameter");
    assert_eq!(shows_none(&mirror, &token), 0);
    // What is long and somebody else's passes.
    let theirs = "eyJhbGciOiJIUzI1NiJ9.a_long-word_of_somebody_else-0123456789.sig";
    assert_eq!(
        app.get("/cgi-bin/user/get", &[key[0], key[1], ("x-foo", theirs)]).await.status,
        StatusCode::OK
    );
    assert_eq!(shows_none(&mirror, &token), 1);
}

#[tokio::test]
async fn no_parameter_takes_one_along_among_other_words() {
    let (app, mirror, token) = mirrored().await;
    for target in [
        format!("/cgi-bin/user/get?access_token={token}&next=secret:{SHOP}"),
        format!("/cgi-bin/user/get?access_token={token}&next=https%3A%2F%2Fh%2F%3Ftoken%3D{token}"),
        format!("/cgi-bin/user/get?access_token={token}&{SHOP}"),
        format!("/cgi-bin/user/get?access_token={token}&a=%25{:x}{}", SHOP.as_bytes()[0], &SHOP[1..]),
        format!("/cgi-bin/{SHOP}.json?access_token={token}"),
        format!("/sns/jscode2session?appid={MINI}&secret={SHOP}&js_code={SHOP}"),
        format!("/sns/jscode2session?appid={MINI}&secret={SHOP}&js_code=x.{SHOP}"),
        format!("/sns/userinfo?access_token={SHOP}&openid=o"),
        format!("/sns/userinfo?access_token=%20{token}&openid=o"),
        format!("/sns/userinfo?access_token=Bearer+{token}&openid=o"),
        format!("/sns/unknown?access_token=x{token}&openid=o"),
        format!("/cgi-bin/x_{SHOP}?access_token={token}"),
    ] {
        refuses(&app.get(&target, &[]).await, 40035, "invalid parameter");
    }
    assert_eq!(shows_none(&mirror, &token), 0);
}

#[tokio::test]
async fn no_service_call_takes_one_along() {
    let (app, mirror, token) = mirrored().await;
    let message = |data: Value| json!({"touser": "o", "template_id": "t", "data": data});
    for secret in [SHOP.to_owned(), token.clone(), format!("a {SHOP}!"), format!("a_{SHOP}-b")] {
        for (name, appid, rest, member) in [
            ("getwxuserinfo", OFFICIAL, json!({"code": secret}), "code"),
            ("code2session", MINI, json!({"code": secret}), "code"),
            ("getuserphone", MINI, json!({"code": secret}), "code"),
            ("getwxqrcode", OFFICIAL, json!({"scene": format!("login_{SHOP}")}), "scene"),
            ("sendwxtemplatemsg", OFFICIAL, message(json!({"a": {"value": secret}})), "data"),
            ("sendwxtemplatemsg", OFFICIAL, message(json!({secret.as_str(): {"value": "b"}})), "data"),
            (
                "sendwxtemplatemsg",
                OFFICIAL,
                message(json!(format!("{{\"a\":{{\"value\":\"{secret}\"}}}}"))),
                "data",
            ),
        ] {
            let mut body = rest;
            body["appid"] = appid.into();
            let refused = app.call_with(name, &[("x-api-key", SHOP)], body).await;
            let msg = refused.fails(3_584_002, false, 0)["msg"].to_string();
            assert!(
                msg.contains(member) && msg.contains("去掉它") && !msg.contains(&secret),
                "{name}: {msg}"
            );
        }
    }
    let url =
        format!("{}/v1/service/wx/jssdk?appid={OFFICIAL}&url=https://a.example.com/?k={SHOP}", app.url());
    let page: Reply = app.http.send(Method::GET, &url, &[("x-api-key", SHOP)], "").await.unwrap();
    assert_ne!(page.code(), 0, "{:?}", page.body);
    assert_eq!(shows_none(&mirror, &token), 0);
}

#[tokio::test]
async fn a_key_in_the_place_of_a_token_and_one_with_a_space_are_told() {
    let (app, _mirror, _) = mirrored().await;
    let errmsg = async |target: String, language: &str| {
        let reply = app.get(&target, &[("accept-language", language)]).await.json();
        (reply["errcode"].as_i64().unwrap(), reply["errmsg"].as_str().unwrap().to_owned())
    };
    let key = format!("/cgi-bin/user/get?access_token={SHOP}");
    let (code, zh) = errmsg(key.clone(), "zh").await;
    assert!(code == 42001 && zh.contains("access_token 里填的是调用方密钥"), "{zh}");
    let (_, en) = errmsg(key, "en").await;
    assert!(en.contains("access_token holds a caller key"), "{en}");
    let space = format!("/cgi-bin/token?appid={OFFICIAL}&secret={SHOP}%20");
    let (code, zh) = errmsg(space.clone(), "zh").await;
    assert!(code == 40125 && zh.contains("secret 里有空格"), "{zh}");
    let (_, en) = errmsg(space, "en").await;
    assert!(en.contains("secret holds a space"), "{en}");
}

#[tokio::test]
async fn no_sns_call_takes_the_accounts_token() {
    let (app, mirror, token) = mirrored().await;
    for path in ["/sns/userinfo", "/sns/auth", "/sns/unknown/path"] {
        app.get(&format!("{path}?access_token={token}&openid=o"), &[]).await;
        let key = [("x-api-key", SHOP), ("x-wx-appid", OFFICIAL)];
        app.get(&format!("{path}?openid=o"), &key).await;
        let seen = mirror.take();
        assert_eq!(seen.len(), 2, "{path}");
        for one in seen {
            assert!(
                !one.target.contains(crate::mirror::TOKEN) && !one.target.contains(&token),
                "{}",
                one.target
            );
        }
    }
}

#[tokio::test]
async fn a_path_that_misses_ours_is_told_and_never_answered_as_wechat_would() {
    let (app, mirror, _) = mirrored().await;
    for path in [
        format!("/wx/v1/service/wx/wxmsg/{OFFICIAL}?signature=x&timestamp=1&nonce=2"),
        format!("/api/v1/service/wx/wxmsg/{OFFICIAL}"),
        format!("/V1/service/wx/wxmsg/{OFFICIAL}"),
        "/v1/service/getwxqrcode".to_owned(),
        "/v1/services/wx/getwxqrcode".to_owned(),
        format!("/wx/{OFFICIAL}/v1/service/wx/jssdk"),
    ] {
        let url = format!("{}{path}", app.url());
        let refused = app.http.send(Method::POST, &url, &[("x-api-key", SHOP)], "<xml></xml>").await.unwrap();
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{path}: {:?}", refused.body);
        assert!(refused.ret()["msg"].as_str().unwrap().contains("/v1/service/wx/"), "{path}");
    }
    assert_eq!(mirror.take().len(), 0);
}
