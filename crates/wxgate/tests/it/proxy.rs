//! The pass-through: an SDK with another host and another secret, and nothing else changed.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::app::{MINI, OFFICIAL, Reply, TEMPLATE, TestApp};
use crate::mirror::{Mirror, Says, TOKEN, hash};

pub(crate) const SHOP: &str = "key_shop_0123456789abcdefghijk";
const OTHER: &str = "key_other_0123456789abcdefghij";
const SLOW: &str = "key_slow_0123456789abcdefghijk";

fn callers() -> String {
    format!(
        "[[callers]]\nname = \"shop\"\nkey = \"{SHOP}\"\napps = [\"*\"]\napis = [\"*\"]\n\
         [[callers]]\nname = \"other\"\nkey = \"{OTHER}\"\napps = [\"{OFFICIAL}\"]\napis = [\"/cgi-bin/*\", \"!/cgi-bin/menu/*\"]\n\
         [[callers]]\nname = \"slow\"\nkey = \"{SLOW}\"\napps = [\"*\"]\napis = [\"*\"]\nrate = 2\n"
    )
}

async fn token(app: &TestApp, appid: &str, secret: &str) -> Reply {
    app.get(&format!("/cgi-bin/token?grant_type=client_credential&appid={appid}&secret={secret}"), &[]).await
}

async fn good_token(app: &TestApp, appid: &str, secret: &str) -> String {
    let reply = token(app, appid, secret).await;
    reply.json()["access_token"].as_str().unwrap_or_else(|| panic!("{:?}", reply.body)).to_owned()
}

/// A refusal of wxgate's own, in WeChat's manner.
pub(crate) fn refuses(reply: &Reply, errcode: i64, words: &str) {
    let json = reply.json();
    assert_eq!((reply.status.as_u16(), &json["errcode"]), (200, &json!(errcode)), "{json}");
    assert_eq!(reply.headers["x-wxgate-error"], "1");
    let errmsg = json["errmsg"].as_str().unwrap();
    let id = reply.headers["x-request-id"].to_str().unwrap();
    assert!(errmsg.starts_with(&format!("{words} hint: [wxgate {id}] ")), "{errmsg}");
    assert!(errmsg.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{errmsg}");
}

/// A gateway whose WeChat is a mirror.
pub(crate) async fn mirrored() -> (TestApp, Mirror, String) {
    let mirror = Mirror::start().await;
    let mut app = TestApp::configured(&callers()).await;
    let text = app.text().replace(&app.sandbox.url(), &mirror.url);
    app.restart_with(&text).await;
    let token = good_token(&app, OFFICIAL, SHOP).await;
    (app, mirror, token)
}

#[tokio::test]
async fn token_calls_give_gateway_tokens_and_cost_nothing_upstream() {
    let app = TestApp::configured(&callers()).await;
    let first = token(&app, OFFICIAL, SHOP).await.json();
    assert_eq!(first["expires_in"], 7200);
    let gateway_token = first["access_token"].as_str().unwrap();
    assert!((64..=256).contains(&gateway_token.len()));
    let post = async |path: &str, body: String| {
        app.http.send(Method::POST, &format!("{}{path}", app.url()), &[], body).await.unwrap()
    };
    let members = json!({"grant_type": "client_credential", "appid": OFFICIAL, "secret": SHOP});
    for (path, body) in [
        ("/cgi-bin/stable_token", members.to_string()),
        (
            "/cgi-bin/stable_token",
            json!({"appid": OFFICIAL, "secret": SHOP, "force_refresh": true}).to_string(),
        ),
        ("//cgi-bin/token", members.to_string()),
        ("/cgi-bin/token", format!("grant_type=client_credential&appid={OFFICIAL}&secret={SHOP}")),
    ] {
        let answer = post(path, body).await.json();
        assert_eq!(answer["access_token"], first["access_token"], "within a minute the same: {path}");
        assert_eq!(answer["expires_in"], 7200);
    }
    app.advance(Duration::from_secs(61)).await;
    let later = token(&app, OFFICIAL, SHOP).await.json();
    assert_ne!(later["access_token"], first["access_token"]);
    assert_eq!(app.token_calls(None).await, 0, "whoever only asks for tokens asks nobody upstream");
    // All of them work, at once and for long.
    app.advance(Duration::from_secs(7700)).await;
    let menu = app.get(&format!("/cgi-bin/user/get?access_token={gateway_token}"), &[]).await;
    assert_ne!(menu.json()["errcode"], json!(42001), "{:?}", menu.body);
    app.advance(Duration::from_secs(101)).await;
    let late = app.get(&format!("/cgi-bin/user/get?access_token={gateway_token}"), &[]).await;
    refuses(&late, 42001, "access_token expired");

    refuses(&token(&app, "wx0000000000000000", SHOP).await, 40013, "invalid appid");
    refuses(&token(&app, OFFICIAL, "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1").await, 40125, "invalid appsecret");
    refuses(&token(&app, OFFICIAL, "").await, 41001, "access_token missing");
    refuses(&token(&app, MINI, OTHER).await, 48001, "api unauthorized");
    refuses(&token(&app, "", SHOP).await, 41002, "appid missing");
    let wrong = app.get(&format!("/cgi-bin/token?grant_type=x&appid={OFFICIAL}&secret={SHOP}"), &[]).await;
    refuses(&wrong, 40002, "invalid grant_type");
    // "other" has rights to this app: the token call needs no more than that.
    assert!(token(&app, OFFICIAL, OTHER).await.json()["access_token"].is_string());
}

#[tokio::test]
async fn an_sdk_calls_wechat_with_what_it_was_given() {
    let app = TestApp::configured(&callers()).await;
    let token = good_token(&app, OFFICIAL, SHOP).await;
    let openid = app.user(OFFICIAL).await;
    let post = async |path: &str, headers: &[(&str, &str)], body: Value| {
        let url = format!("{}{path}", app.url());
        app.http.send(Method::POST, &url, headers, body.to_string()).await.unwrap().json()
    };
    let message = json!({"touser": openid, "template_id": TEMPLATE, "data": {"thing1": {"value": "奶茶"}}});
    let code = json!({"action_name": "QR_STR_SCENE", "action_info": {"scene": {"scene_str": "s"}}});
    app.control("event", json!({"appid": OFFICIAL, "openid": openid, "event": "subscribe", "key": ""})).await;
    let sent = post(&format!("/cgi-bin/message/template/send?access_token={token}"), &[], message).await;
    assert_eq!(sent["errcode"], 0, "{sent}");
    let made = post(&format!("/cgi-bin/qrcode/create?access_token={token}"), &[], code.clone()).await;
    let ticket: String =
        url::form_urlencoded::byte_serialize(made["ticket"].as_str().unwrap().as_bytes()).collect();
    // By key and header, and by prefix.
    let bearer = format!("Bearer {SHOP}");
    let by_header = [("authorization", bearer.as_str()), ("x-wx-appid", OFFICIAL)];
    assert!(post("/cgi-bin/qrcode/create", &by_header, code.clone()).await["ticket"].is_string());
    let by_prefix = [("x-api-key", SHOP)];
    let path = format!("/wx/{OFFICIAL}//cgi-bin/qrcode/create");
    assert!(post(&path, &by_prefix, code).await["ticket"].is_string());
    // Pictures without any credential.
    let picture = app.get(&format!("/cgi-bin/showqrcode?ticket={ticket}"), &[]).await;
    assert_eq!(picture.headers["content-type"], "image/jpg");
    assert!(picture.body.starts_with(&[0xFF, 0xD8]));
    // The managed ticket.
    let ticket =
        app.get(&format!("/cgi-bin/ticket/getticket?type=jsapi&access_token={token}"), &[]).await.json();
    assert_eq!((&ticket["errcode"], &ticket["errmsg"]), (&json!(0), &json!("ok")));
    let again =
        app.get(&format!("/cgi-bin/ticket/getticket?access_token={token}&type=jsapi"), &[]).await.json();
    assert_eq!(again["ticket"], ticket["ticket"]);
    assert_eq!(app.calls("/cgi-bin/ticket/getticket", None).await, 1, "one ticket for everybody");
    assert_eq!(app.token_calls(Some(OFFICIAL)).await, 1);
}

#[tokio::test]
async fn login_calls_get_the_real_secret_and_codes_are_answered_again() {
    let app = TestApp::configured(&callers()).await;
    let openid = app.user(OFFICIAL).await;
    let code = app.code("oauth", OFFICIAL, &openid).await;
    let url = format!(
        "/sns/oauth2/access_token?appid={OFFICIAL}&secret={SHOP}&code={code}&grant_type=authorization_code"
    );
    let first = app.get(&url, &[]).await;
    let grant = first.json();
    assert_eq!(grant["openid"], json!(openid), "{grant}");
    let second = app.get(&url, &[]).await;
    assert_eq!(second.body, first.body, "not 40163");
    assert_eq!(second.headers["content-type"], first.headers["content-type"]);
    assert_eq!(app.calls("/sns/oauth2/access_token", None).await, 1);
    // Another caller's key asks WeChat itself.
    let slow = app.get(&url.replace(SHOP, SLOW), &[]).await.json();
    assert_eq!(slow["errcode"], 40163, "{slow}");
    // The user's own tokens pass as they are.
    let user_token = grant["access_token"].as_str().unwrap();
    let info = app
        .get(&format!("/sns/userinfo?access_token={user_token}&openid={openid}&lang=zh_CN"), &[])
        .await
        .json();
    assert_eq!(info["openid"], json!(openid), "{info}");
    let auth = app.get(&format!("/sns/auth?access_token={user_token}&openid={openid}"), &[]).await.json();
    assert_eq!(auth["errcode"], 0);
    let refresh = grant["refresh_token"].as_str().unwrap();
    let refreshed = app
        .get(
            &format!(
                "/sns/oauth2/refresh_token?appid={OFFICIAL}&grant_type=refresh_token&refresh_token={refresh}"
            ),
            &[],
        )
        .await;
    assert_eq!(refreshed.json()["openid"], json!(openid));
    // Mini programs; appid and secret may be left out beside a key.
    let user = app.user(MINI).await;
    let (one, two) = (app.code("login", MINI, &user).await, app.code("login", MINI, &user).await);
    let session =
        format!("/sns/jscode2session?appid={MINI}&secret={SHOP}&js_code={one}&grant_type=authorization_code");
    let (a, b) = tokio::join!(app.get(&session, &[]), app.get(&session, &[]));
    assert_eq!((a.json()["openid"].as_str(), &a.body), (Some(user.as_str()), &b.body));
    let bare = format!("/wx/{MINI}/sns/jscode2session?js_code={two}&grant_type=authorization_code");
    let bearer = format!("Bearer {SHOP}");
    assert_eq!(app.get(&bare, &[("authorization", &bearer)]).await.json()["openid"], json!(user));
    // Wrong secrets never reach WeChat.
    let calls = app.state().await["calls"].as_array().unwrap().len();
    refuses(
        &app.get(&session.replace(SHOP, "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2"), &[]).await,
        40125,
        "invalid appsecret",
    );
    refuses(&app.get(&session.replace(SHOP, ""), &[]).await, 41004, "appsecret missing");
    refuses(&app.get(&session.replace(MINI, "wx0000000000000000"), &[]).await, 40013, "invalid appid");
    refuses(&app.get(&session.replace(SHOP, OTHER), &[]).await, 48001, "api unauthorized");
    assert_eq!(app.state().await["calls"].as_array().unwrap().len(), calls);
}

#[tokio::test]
async fn rights_are_looked_up_on_every_call() {
    let mut app = TestApp::configured(&callers()).await;
    let shop = good_token(&app, OFFICIAL, SHOP).await;
    let other = good_token(&app, OFFICIAL, OTHER).await;
    let get = async |app: &TestApp, path: &str, token: &str, headers: &[(&str, &str)]| {
        let mark = if path.contains('?') { '&' } else { '?' };
        app.get(&format!("{path}{mark}access_token={token}"), headers).await
    };
    refuses(&app.get("/cgi-bin/user/get", &[]).await, 41001, "access_token missing");
    refuses(&app.get("/anything/else", &[]).await, 41001, "access_token missing");
    refuses(&get(&app, "/cgi-bin/user/get", "75_not-ours", &[]).await, 42001, "access_token expired");
    refuses(&get(&app, "/cgi-bin/menu/get", &other, &[]).await, 48001, "api unauthorized");
    refuses(&get(&app, "//cgi-bin/menu/get", &other, &[]).await, 48001, "api unauthorized");
    refuses(&get(&app, "/wxa/x", &other, &[]).await, 48001, "api unauthorized");
    for path in ["/cgi-bin/clear_quota", "/cgi-bin/clear_quota/v2", "/cgi-bin/openapi/rid/get"] {
        refuses(&get(&app, path, &shop, &[]).await, 48001, "api unauthorized");
    }
    let bearer = format!("Bearer {OTHER}");
    refuses(
        &get(&app, "/cgi-bin/user/get", &shop, &[("authorization", &bearer)]).await,
        48001,
        "api unauthorized",
    );
    refuses(
        &get(&app, "/cgi-bin/user/get", &shop, &[("authorization", "Bearer wrong")]).await,
        48001,
        "api unauthorized",
    );
    refuses(&get(&app, "/cgi-bin/user/get", &shop, &[("x-wx-appid", MINI)]).await, 48001, "api unauthorized");
    refuses(&get(&app, &format!("/wx/{MINI}/cgi-bin/user/get"), &shop, &[]).await, 48001, "api unauthorized");
    refuses(
        &app.get("/cgi-bin/user/get", &[("authorization", "Bearer wrong"), ("x-wx-appid", OFFICIAL)]).await,
        48001,
        "api unauthorized",
    );
    for path in [
        "/cgi-bin/%75ser/get",
        "/cgi-bin/../user/get",
        "/cgi-bin//user/get",
        "/cgi-bin/user/get/",
        "/cgi-bin/user;x/get",
        "/cgi-bin/user%2fget",
    ] {
        refuses(&get(&app, path, &shop, &[]).await, 40066, "invalid url");
    }
    for query in ["access_token=a&", "%61ccess_token=a&", "ACCESS_TOKEN=a&"] {
        refuses(
            &app.get(&format!("/cgi-bin/user/get?{query}access_token={shop}"), &[]).await,
            40035,
            "invalid parameter",
        );
    }
    let slow = good_token(&app, OFFICIAL, SLOW).await;
    assert_eq!(get(&app, "/cgi-bin/user/get", &slow, &[]).await.headers.get("x-wxgate-error"), None);
    refuses(
        &get(&app, "/cgi-bin/user/get", &slow, &[]).await,
        45011,
        "api minute-quota reach limit, must slower, retry next minute",
    );
    // A token dies with its key; and calls of mine count as mine.
    let seen = app.api("callers").await;
    let names: Vec<&str> =
        seen["items"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["other", "shop", "slow"]);
    assert_eq!(seen["items"][2]["calls"], json!({"/cgi-bin/token": 1, "/cgi-bin/user/get": 1}));
    assert_eq!(seen["items"][2]["last_used_at"], app.now());
    let text = app.text().replace(SHOP, "key_new_0123456789abcdefghijkl");
    let config = app.config(&text).unwrap();
    app.gateway().reload(config).unwrap();
    refuses(&get(&app, "/cgi-bin/user/get", &shop, &[]).await, 42001, "access_token expired");
}

#[tokio::test]
async fn without_keys_any_secret_will_do_and_no_web_page_may() {
    let app = TestApp::start().await;
    for secret in ["", "anything", "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"] {
        let token = good_token(&app, OFFICIAL, secret).await;
        let url = format!("/cgi-bin/user/get?access_token={token}");
        assert!(app.get(&url, &[]).await.headers.get("x-wxgate-error").is_none());
        let page = app.get(&url, &[("origin", "https://evil.example.com")]).await;
        refuses(&page, 48001, "api unauthorized");
    }
    let by_header = app.get("/cgi-bin/user/get", &[("x-wx-appid", OFFICIAL)]).await;
    assert!(by_header.headers.get("x-wxgate-error").is_none());
    refuses(&app.get("/cgi-bin/user/get", &[]).await, 41001, "access_token missing");
    let login =
        format!("/sns/jscode2session?appid={MINI}&secret=x&js_code=demo-login&grant_type=authorization_code");
    assert!(app.get(&login, &[]).await.json()["openid"].is_string());
}

#[tokio::test]
async fn what_needs_no_credential_is_open_to_known_networks_at_a_rate() {
    let far = callers().replace("apis =", "networks = [\"10.0.0.0/8\"]\napis =");
    let app = TestApp::configured(&far).await;
    refuses(&app.get("/sns/userinfo?access_token=x&openid=o", &[]).await, 48001, "api unauthorized");
    let app = TestApp::configured(&callers()).await;
    for _ in 0..20 {
        let answer = app.get("/sns/userinfo?access_token=x&openid=o", &[]).await;
        assert!(answer.headers.get("x-wxgate-error").is_none(), "{:?}", answer.body);
    }
    refuses(
        &app.get("/sns/auth?access_token=x&openid=o", &[]).await,
        45011,
        "api minute-quota reach limit, must slower, retry next minute",
    );
    app.advance(Duration::from_secs(1)).await;
    assert!(app.get("/sns/auth?access_token=x&openid=o", &[]).await.headers.get("x-wxgate-error").is_none());
}

#[tokio::test]
async fn a_token_that_somebody_else_refreshes_is_healed_unseen() {
    let app = TestApp::configured(&callers()).await;
    let token = good_token(&app, OFFICIAL, SHOP).await;
    let url = format!("/cgi-bin/user/get?access_token={token}");
    for _ in 0..5 {
        app.control("token/rotate", json!({"appid": OFFICIAL, "hard": true})).await;
        let before = app.token_calls(Some(OFFICIAL)).await;
        let answers = futures_util::future::join_all((0..20).map(|_| app.get(&url, &[]))).await;
        for answer in answers {
            assert!(answer.json()["total"].is_number(), "{:?}", answer.body);
        }
        assert!(app.token_calls(Some(OFFICIAL)).await <= before + 1, "one fetch a rotation");
    }
    // What a fresh token doesn't cure goes out as 48001, with WeChat's words.
    app.fault("/cgi-bin/user/get", json!({"errcode": 40001})).await;
    let before = app.calls("/cgi-bin/user/get", None).await;
    let answer = app.get(&url, &[]).await;
    refuses(&answer, 48001, "api unauthorized");
    assert!(answer.json()["errmsg"].as_str().unwrap().contains("40001"));
    assert!(app.calls("/cgi-bin/user/get", None).await - before <= 2, "repeated at most once");
}

#[tokio::test]
async fn wechat_down_busy_or_refusing_the_account() {
    let app = TestApp::configured(&callers()).await;
    let token = good_token(&app, OFFICIAL, SHOP).await;
    let url = format!("/cgi-bin/user/get?access_token={token}");
    app.fault("/cgi-bin/stable_token", json!({"errcode": 40164})).await;
    refuses(&app.get(&url, &[]).await, 48001, "api unauthorized");
    let ticket = app.get(&format!("/cgi-bin/ticket/getticket?type=jsapi&access_token={token}"), &[]).await;
    refuses(&ticket, 48001, "api unauthorized");
    app.control("reset", json!({})).await;
    app.advance(Duration::from_secs(700)).await;
    assert!(app.get(&url, &[]).await.json()["total"].is_number());
    // What WeChat says to the call itself passes as it is.
    for errcode in [-1, 45009, 40003, 48001] {
        app.faults("/cgi-bin/user/get", json!({"errcode": errcode}), 1).await;
        let answer = app.get(&url, &[]).await;
        assert_eq!(
            (&answer.json()["errcode"], answer.headers.get("x-wxgate-error")),
            (&json!(errcode), None)
        );
    }
    app.faults(
        "/cgi-bin/user/get",
        json!({"status": 502, "body": "<html>bad</html>", "content_type": "text/html"}),
        1,
    )
    .await;
    let edge = app.get(&url, &[]).await;
    assert_eq!((edge.status.as_u16(), &edge.body[..]), (502, &b"<html>bad</html>"[..]));
    app.faults("/cgi-bin/user/get", json!({"cut": "before"}), 1).await;
    refuses(&app.get(&url, &[]).await, -1, "system error");
    let calls = app.calls("/cgi-bin/user/get", None).await;
    app.faults("/cgi-bin/user/get", json!({"cut": "half"}), 1).await;
    let half = app.http.send(Method::GET, &format!("{}{url}", app.url()), &[], "").await;
    assert!(half.is_err() || half.unwrap().headers.contains_key("x-wxgate-error"), "never taken for whole");
    assert_eq!(app.calls("/cgi-bin/user/get", None).await, calls + 1, "nothing is sent twice");
}

#[tokio::test]
async fn a_code_whose_answer_was_lost_is_not_sent_again() {
    let app = TestApp::configured(&callers()).await;
    let user = app.user(MINI).await;
    let code = app.code("login", MINI, &user).await;
    let url = format!(
        "/sns/jscode2session?appid={MINI}&secret={SHOP}&js_code={code}&grant_type=authorization_code"
    );
    app.faults("/sns/jscode2session", json!({"cut": "after"}), 1).await;
    refuses(&app.get(&url, &[]).await, -1, "system error");
    assert_eq!(app.calls("/sns/jscode2session", None).await, 1);
}

#[tokio::test]
async fn a_host_that_cannot_be_reached_is_passed_over_also_for_uploads() {
    let mut app = TestApp::configured(&callers()).await;
    let good = app.sandbox.url();
    let text = app.text().replace(
        &format!("api_base = \"{good}\""),
        &format!("api_base = \"http://127.0.0.1:1\"\nfallback_bases = [\"{good}\"]"),
    );
    app.restart_with(&text).await;
    let user = app.user(MINI).await;
    let code = app.code("login", MINI, &user).await;
    let url = format!(
        "/sns/jscode2session?appid={MINI}&secret={SHOP}&js_code={code}&grant_type=authorization_code"
    );
    assert_eq!(app.get(&url, &[]).await.json()["openid"], json!(user));
    // One that streams: nothing of it was sent to the dead host.
    app.advance(Duration::from_secs(31)).await;
    let token = good_token(&app, OFFICIAL, SHOP).await;
    let (content_type, body) = multipart(3 << 20);
    let url = format!("{}/cgi-bin/media/upload?access_token={token}&type=image", app.url());
    let answer = app.http.send(Method::POST, &url, &[("content-type", &content_type)], body).await.unwrap();
    assert!(answer.json()["media_id"].is_string(), "{:?}", answer.body);
}

pub(crate) fn multipart(size: usize) -> (String, Vec<u8>) {
    let boundary = "----wxgate-test-boundary";
    let mut body = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"media\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n"
    )
    .into_bytes();
    body.extend([0xFF, 0xD8, 0xFF]);
    body.extend((0..size).map(|n| (n * 31 % 251) as u8));
    body.extend(format!("\r\n--{boundary}--\r\n").into_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

#[tokio::test]
async fn a_large_upload_is_not_kept_and_its_sdk_repeats_it() {
    let app = TestApp::configured(&callers()).await;
    let token = good_token(&app, OFFICIAL, SHOP).await;
    let (content_type, body) = multipart(2 << 20);
    let url = format!("{}/cgi-bin/media/upload?access_token={token}&type=image", app.url());
    let upload = async || {
        app.http.send(Method::POST, &url, &[("content-type", &content_type)], body.clone()).await.unwrap()
    };
    assert!(upload().await.json()["media_id"].is_string());
    app.control("token/rotate", json!({"appid": OFFICIAL, "hard": true})).await;
    refuses(&upload().await, 42001, "access_token expired");
    assert!(upload().await.json()["media_id"].is_string(), "the next one has the fresh token");
}

/// Requests as SDKs send them, and worse: method, path and query, content type, body.
fn recorded() -> Vec<(Method, String, &'static str, Vec<u8>)> {
    let (get, post) = (Method::GET, Method::POST);
    let mut set: Vec<(Method, String, &'static str, Vec<u8>)> = Vec::new();
    for query in [
        "access_token=GT",
        "access_token=GT&openid=o1&lang=zh_CN",
        "openid=o1&access_token=GT&lang=zh_CN",
        "lang=zh_CN&openid=o1&access_token=GT",
        "a=1&a=2&a=1&access_token=GT",
        "access_token=GT&next_openid=",
        "access_token=GT&next_openid",
        "&&access_token=GT&&",
        "access_token=GT&q=a+b%20c%2Bd",
        "access_token=GT&q=%E6%B1%89%e6%b1%89",
        "access_token=GT&u=https://example.com/?a=b",
        "access_token=GT&q=%00%ff%zz%",
        "access_token=GT&q=!$'()*,;:@/?~-._",
        "access_token=GT&type=image&debug=1#",
        "access_token=GT&ACCESS=1&Token=2",
        "access_token=GT&x=access_token%3Dy",
    ] {
        set.push((
            get.clone(),
            format!("/cgi-bin/user/info?{}", query.trim_end_matches('#')),
            "",
            Vec::new(),
        ));
    }
    let long = format!("access_token=GT&q={}", "x".repeat(6000));
    set.push((get.clone(), format!("/cgi-bin/user/info?{long}"), "", Vec::new()));
    let json_bodies: Vec<Vec<u8>> = vec![
        b"{}".to_vec(),
        "{\"touser\":\"o1\",\"data\":{\"a\":{\"value\":\"奶茶🐠\"}}}".into(),
        br#"{"a":"\u5976\u8336","b":1e308,"c":9007199254740993}"#.to_vec(),
        b"{ \"a\" : 1 ,\n\t\"a\" : 2 }\r\n".to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
        b"not json at all".to_vec(),
        b"\xff\xfe\x00\x01".to_vec(),
        vec![0; 70_000],
        vec![b'x'; (1 << 20) - 1],
        vec![b'x'; 1 << 20],
        vec![b'x'; (1 << 20) + 1],
    ];
    for body in json_bodies {
        for content_type in ["application/json", "application/json; charset=utf-8", ""] {
            set.push((
                post.clone(),
                "/cgi-bin/menu/create?access_token=GT".to_owned(),
                content_type,
                body.clone(),
            ));
        }
    }
    let forms: [&[u8]; 3] = [b"a=1&b=%E6%B1%89+x&a=2", b"", b"access_token=not-ours&a=1"];
    for form in forms {
        set.push((
            post.clone(),
            "/cgi-bin/x?access_token=GT".to_owned(),
            "application/x-www-form-urlencoded",
            form.to_vec(),
        ));
    }
    for size in [0, 100, 1 << 20, 10 << 20] {
        set.push((
            post.clone(),
            "/cgi-bin/media/upload?access_token=GT&type=image".to_owned(),
            "multipart/form-data; boundary=----wxgate-test-boundary",
            multipart(size).1,
        ));
    }
    for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS, Method::HEAD] {
        set.push((method.clone(), "/cgi-bin/x?access_token=GT".to_owned(), "", Vec::new()));
    }
    for path in [
        "/wxa/getwxacodeunlimit",
        "/shop/order/get",
        "/card/create",
        "/a@b:c,d+e=f!$'()*~-_.",
        "/datacube/getusersummary",
    ] {
        set.push((post.clone(), format!("{path}?access_token=GT"), "application/json", b"{}".to_vec()));
    }
    set
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_requests_reach_wechat_to_the_byte() {
    let (app, mirror, token) = mirrored().await;
    let set = recorded();
    assert!(set.len() >= 60, "{}", set.len());
    for (index, (method, line, content_type, body)) in set.into_iter().enumerate() {
        let url = format!("{}{}", app.url(), line.replacen("GT", &token, 1));
        let mark = format!("mark-{index}");
        let mut headers = vec![
            ("x-mark", mark.as_str()),
            ("user-agent", "an SDK/1.0"),
            ("accept-language", "zh-CN,zh;q=0.9"),
            ("cookie", "a=b; c=d"),
            ("connection", "x-gone"),
            ("x-gone", "1"),
            ("x-wxgate-own", "1"),
            ("accept-encoding", "gzip, br"),
        ];
        if !content_type.is_empty() {
            headers.push(("content-type", content_type));
        }
        let expected = (hash(&body), body.len());
        let reply = app.http.send(method.clone(), &url, &headers, body).await.unwrap();
        assert_eq!(reply.status.as_u16(), 200, "{method} {line}: {:?}", reply.body);
        let seen = mirror.take();
        assert_eq!(seen.len(), 1, "{line}");
        let seen = &seen[0];
        assert_eq!((&seen.method, &seen.target), (&method, &line.replacen("GT", TOKEN, 1)));
        assert_eq!((seen.hash, seen.length), expected, "{method} {line}");
        let header = |name: &str| seen.headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("x-mark"), Some(mark.as_str()));
        assert_eq!(header("user-agent"), Some("an SDK/1.0"));
        assert_eq!(header("accept-language"), Some("zh-CN,zh;q=0.9"));
        assert_eq!(header("content-type").unwrap_or_default(), content_type);
        assert_eq!(header("accept-encoding"), Some("identity"));
        for gone in [
            "cookie",
            "x-gone",
            "x-wxgate-own",
            "authorization",
            "x-api-key",
            "x-wx-appid",
            "x-forwarded-for",
            "traceparent",
        ] {
            assert_eq!(header(gone), None, "{gone}");
        }
        assert!(mirror.url.ends_with(header("host").unwrap()), "its own host");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_come_back_to_the_byte() {
    let (app, mirror, token) = mirrored().await;
    let noise = |size: usize| Bytes::from((0..size).map(|n| (n * 7919 % 256) as u8).collect::<Vec<_>>());
    let jpeg = Bytes::from([&[0xFF, 0xD8, 0xFF][..], &noise(60_000)].concat());
    let long_json = Bytes::from(format!("{{\"list\":\"{}\"}}", "汉".repeat(50_000)));
    let cases: Vec<(u16, &'static str, Bytes, Option<usize>)> = vec![
        (200, "application/json", Bytes::from_static(b"{\"errcode\":0,\"errmsg\":\"ok\"}"), None),
        (200, "text/plain", Bytes::from_static(b"{\"errcode\":40003,\"errmsg\":\"invalid openid\"}"), None),
        (
            200,
            "image/jpeg",
            Bytes::from_static(b"{\"errcode\":45009,\"errmsg\":\"reach max api daily quota limit\"}"),
            None,
        ),
        (200, "image/jpeg", jpeg.clone(), None),
        (200, "image/jpeg", jpeg, Some(1000)),
        (200, "application/json", long_json.clone(), None),
        (200, "application/json", long_json.clone(), Some(1)),
        (200, "application/json", long_json.slice(..4096), None),
        (200, "application/json", long_json.slice(..4097), Some(4096)),
        (200, "", Bytes::new(), None),
        (200, "video/mp4", noise(20 << 20), None),
        (200, "video/mp4", noise(20 << 20), Some(64 << 10)),
        (200, "application/json", Bytes::from_static(b" {\"errcode\":40001}"), None),
        (200, "text/html", Bytes::from_static(b"<html></html>"), None),
        (204, "", Bytes::new(), None),
        (302, "text/html", Bytes::from_static(b"moved"), None),
        (404, "text/html", Bytes::from_static(b"not found"), None),
        (500, "application/json", Bytes::from_static(b"{\"errcode\":40001,\"errmsg\":\"x\"}"), None),
        (200, "application/octet-stream", Bytes::from_static(b"\x00\x01"), Some(1)),
    ];
    for (index, (status, content_type, body, chunked)) in cases.into_iter().enumerate() {
        if status == 200 && body.starts_with(b"{\"list\"") && chunked == Some(1) && body.len() > 10_000 {
            mirror.says(Says { status, content_type, body: body.clone(), chunked: Some(7) });
        } else {
            mirror.says(Says { status, content_type, body: body.clone(), chunked });
        }
        let reply = app.get(&format!("/cgi-bin/x?access_token={token}"), &[]).await;
        assert_eq!(reply.status.as_u16(), status, "{index}");
        assert_eq!((hash(&reply.body), reply.body.len()), (hash(&body), body.len()), "{index}");
        let given = reply.headers.get("content-type").map_or("", |value| value.to_str().unwrap());
        assert_eq!(given, content_type, "{index}");
        assert_eq!(
            (&reply.headers["x-wx-own"], &reply.headers["set-cookie"]),
            (&"1".parse().unwrap(), &"a=b".parse().unwrap())
        );
        assert!(reply.headers["x-request-id"].to_str().unwrap().starts_with("wxmsg_"));
        assert_eq!(mirror.take().len(), 1, "{index}: nothing was repeated");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_downloads_of_20_mb_stream_through() {
    use http_body_util::BodyExt as _;
    let mirror = Mirror::start().await;
    let picture = Bytes::from(vec![7; 20 << 20]);
    mirror.says(Says { status: 200, content_type: "video/mp4", body: picture, chunked: None });
    let dir = tempfile::tempdir().unwrap();
    let (port, admin) = (crate::cli::free_port(), crate::cli::free_port());
    let config = crate::cli::served(&mirror.url, port, admin, "[auth]\nmode = \"off\"");
    std::fs::write(dir.path().join("wxgate.toml"), config).unwrap();
    let gateway = crate::cli::serve(dir.path(), admin).await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.0.id()));
    let Ok(status) = status else { return eprintln!("skipped: no /proc here") };
    let kib = |status: &str, name: &str| -> u64 {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let before = kib(&status, "VmRSS");
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build_http::<http_body_util::Full<Bytes>>();
    let download = || {
        let client = client.clone();
        let request = http::Request::get(format!("http://127.0.0.1:{port}/cgi-bin/media/get?media_id=1"))
            .header("x-wx-appid", OFFICIAL)
            .body(http_body_util::Full::default())
            .unwrap();
        async move {
            let mut body = client.request(request).await.unwrap().into_body();
            let mut length = 0;
            while let Some(frame) = body.frame().await {
                length += frame.unwrap().into_data().unwrap_or_default().len();
            }
            length
        }
    };
    let lengths = futures_util::future::join_all((0..50).map(|_| download())).await;
    assert!(lengths.iter().all(|length| *length == 20 << 20));
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.0.id())).unwrap();
    let grown = kib(&status, "VmHWM") - before;
    println!("50 downloads of 20 MB: {} KiB more at most", grown);
    assert!(grown < 64 << 10, "{grown} KiB more");
}

#[tokio::test]
async fn each_side_sees_its_own_secrets_only() {
    let (app, mirror, token) = mirrored().await;
    let secret = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1";
    let bearer = format!("Bearer {SHOP}");
    let by_header: &[(&str, &str)] =
        &[("authorization", &bearer), ("x-wx-appid", OFFICIAL), ("x-api-key", SHOP)];
    let calls: Vec<(String, &[(&str, &str)])> = vec![
        (format!("/cgi-bin/menu/get?access_token={token}"), &[]),
        (format!("/cgi-bin/menu/get?a=1&access_token={token}&b=2"), by_header),
        ("/cgi-bin/menu/get".to_owned(), by_header),
        (format!("/wx/{OFFICIAL}/cgi-bin/menu/get"), by_header),
        (
            format!(
                "/sns/jscode2session?appid={OFFICIAL}&secret={SHOP}&js_code=c&grant_type=authorization_code"
            ),
            &[],
        ),
        ("/sns/oauth2/access_token?code=c&grant_type=authorization_code".to_owned(), by_header),
        (format!("/cgi-bin/token?appid={OFFICIAL}&secret={SHOP}"), &[]),
        (format!("/cgi-bin/ticket/getticket?type=jsapi&access_token={token}"), &[]),
        (format!("/cgi-bin/menu/get?access_token={token}&access_token=x"), &[]),
        (format!("/cgi-bin/menu/get?access_token={token}x"), by_header),
    ];
    // WeChat's own texts may quote what it was asked.
    for body in [
        "{}",
        "{\"errcode\":40003,\"errmsg\":\"invalid openid\"}",
        "{\"errcode\":40001,\"errmsg\":\"invalid credential\"}",
    ] {
        mirror.says(Says { status: 200, content_type: "application/json", body: body.into(), chunked: None });
        for (path, headers) in &calls {
            let reply = app.get(path, headers).await;
            let given = format!("{:?} {}", reply.headers, String::from_utf8_lossy(&reply.body));
            for planted in [TOKEN, secret, SHOP] {
                assert!(!given.contains(planted), "{path} shows {planted}: {given}");
            }
        }
    }
    let seen = mirror.take();
    assert!(!seen.is_empty());
    for seen in seen {
        let text = format!("{} {:?}", seen.target, seen.headers);
        for planted in [SHOP, token.as_str(), "wxg_"] {
            assert!(!text.contains(planted), "WeChat sees {planted}: {text}");
        }
        let carries_secret = text.contains(secret);
        assert_eq!(carries_secret, seen.target.starts_with("/sns/"), "{text}");
    }
}

#[tokio::test]
async fn a_body_that_just_isnt_kept_waits_no_longer_than_others() {
    let app = TestApp::configured_with(&callers(), "timeout = \"500ms\"").await;
    let token = good_token(&app, OFFICIAL, SHOP).await;
    app.fault("/cgi-bin/menu/create", json!({"delay_ms": 30_000})).await;
    let url = format!("{}/cgi-bin/menu/create?access_token={token}", app.url());
    for size in [0, 1000, 1 << 20, (1 << 20) + 1, (1 << 20) + 5000, 3 << 20] {
        let sent = app.http.send(Method::POST, &url, &[], vec![b'x'; size]);
        let reply = tokio::time::timeout(Duration::from_secs(10), sent)
            .await
            .unwrap_or_else(|_| panic!("{size} hangs"));
        refuses(&reply.unwrap(), -1, "system error");
    }
}

#[tokio::test]
async fn those_who_show_nothing_keep_nobody_out() {
    use tokio::io::AsyncWriteExt as _;
    let app = TestApp::configured(&callers()).await;
    let address = app.url().replace("http://", "");
    let mut strangers = Vec::new();
    for _ in 0..400 {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        stream
            .write_all(b"POST /cgi-bin/token HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n")
            .await
            .unwrap();
        strangers.push(stream);
    }
    let token = good_token(&app, OFFICIAL, SHOP).await;
    let answer = app.get(&format!("/cgi-bin/user/get?access_token={token}"), &[]).await;
    assert!(answer.headers.get("x-wxgate-error").is_none(), "{:?}", answer.body);
}

#[tokio::test]
async fn keys_and_gateway_tokens_pass_nowhere_they_are_not_replaced() {
    let (app, mirror, token) = mirrored().await;
    let bearer = format!("Bearer {SHOP}");
    let by_header: &[(&str, &str)] = &[("authorization", &bearer), ("x-wx-appid", OFFICIAL)];
    for path in [
        format!("/cgi-bin/x?access_token={token}&secret={SHOP}"),
        format!("/cgi-bin/x?key={SHOP}&access_token={token}"),
        format!("/cgi-bin/x?access_token={token}&other={token}"),
        format!("/cgi-bin/showqrcode?ticket={SHOP}"),
        format!("/cgi-bin/showqrcode?ticket={token}"),
    ] {
        refuses(&app.get(&path, &[]).await, 40035, "invalid parameter");
    }
    for path in ["/sns/jscode2session", "/sns/oauth2/access_token", "/sns/userinfo", "/sns/auth"] {
        let form = format!("appid={OFFICIAL}&secret={SHOP}&code=c");
        let reply =
            app.http.send(Method::POST, &format!("{}{path}", app.url()), by_header, form).await.unwrap();
        refuses(&reply, 43001, "require GET method");
    }
    assert!(mirror.take().is_empty());
    // Some SDKs add their token to every call.
    app.get(&format!("/cgi-bin/showqrcode?access_token={token}&ticket=t"), &[]).await;
    assert_eq!(mirror.take()[0].target, "/cgi-bin/showqrcode?access_token=&ticket=t");
}

#[tokio::test]
async fn open_calls_need_no_listed_host_and_take_no_wrong_key() {
    let app = TestApp::configured(&callers()).await;
    let path = "/sns/auth?access_token=x&openid=o";
    let fine = app.get(path, &[("host", "wxgate:36012"), ("x-forwarded-for", "1.2.3.4")]).await;
    assert!(fine.headers.get("x-wxgate-error").is_none(), "{:?}", fine.body);
    let bearer = format!("Bearer {SHOP}");
    assert!(app.get(path, &[("authorization", &bearer)]).await.headers.get("x-wxgate-error").is_none());
    refuses(&app.get(path, &[("authorization", "Bearer wrong")]).await, 48001, "api unauthorized");
    refuses(&app.get(path, &[("origin", "https://evil.example.com")]).await, 48001, "api unauthorized");
    refuses(&app.get(path, &[("sec-fetch-site", "cross-site")]).await, 48001, "api unauthorized");
}

#[tokio::test]
async fn a_path_that_never_looks_at_the_token_proves_nothing() {
    let mut app = TestApp::configured(&callers()).await;
    let text = app.text().replacen("kind = \"official\"", "kind = \"official\"\ntoken_mode = \"classic\"", 1);
    app.restart_with(&text).await;
    let token = good_token(&app, OFFICIAL, SHOP).await;
    let user_get = format!("/cgi-bin/user/get?access_token={token}");
    assert!(app.get(&user_get, &[]).await.json()["total"].is_number());
    app.advance(Duration::from_secs(120)).await;
    app.control("token/rotate", json!({"appid": OFFICIAL, "mode": "classic", "hard": true})).await;
    // Answers 200 with JSON to anybody.
    let state = app.get(&format!("/sandbox/state?access_token={token}"), &[]).await;
    assert_eq!(state.status.as_u16(), 200);
    assert!(app.get(&user_get, &[]).await.json()["total"].is_number(), "healed all the same");
}

#[tokio::test]
async fn quotas_are_reset_by_secret_with_a_key_in_its_place() {
    const CLEAR: &str = "/cgi-bin/clear_quota/v2";
    let named = callers().replacen("apis = [\"*\"]", &format!("apis = [\"*\", \"{CLEAR}\"]"), 1);
    let app = TestApp::configured(&named).await;
    let url = app.url();
    let post = async |query: &str, body: String| {
        app.http.send(Method::POST, &format!("{url}{CLEAR}{query}"), &[], body).await.unwrap()
    };
    let done = json!({"errcode": 0, "errmsg": "ok"});
    let in_query = format!("?appid={OFFICIAL}&appsecret={SHOP}");
    assert_eq!(post(&in_query, String::new()).await.json(), done);
    let form = format!("appid={OFFICIAL}&appsecret={SHOP}");
    assert_eq!(post("", form).await.json(), done);
    assert_eq!(post("", json!({"appid": OFFICIAL, "appsecret": SHOP}).to_string()).await.json(), done);
    // A gateway token says who calls as well; what an SDK adds goes nowhere.
    let token = good_token(&app, OFFICIAL, SHOP).await;
    assert_eq!(post(&format!("?access_token={token}"), String::new()).await.json(), done);
    refuses(
        &post(&format!("?appid={OFFICIAL}&appsecret=wrong"), String::new()).await,
        40125,
        "invalid appsecret",
    );
    refuses(
        &post(&format!("?appid={MINI}&access_token={token}"), String::new()).await,
        48001,
        "api unauthorized",
    );
    // By name only: rights over everything don't hold it.
    refuses(
        &post(&format!("?appid={OFFICIAL}&appsecret={OTHER}"), String::new()).await,
        48001,
        "api unauthorized",
    );
    let seen = app.state().await["calls"].to_string();
    assert!(!seen.contains(SHOP) && !seen.contains(&token), "{seen}");
    assert_eq!(app.calls(CLEAR, None).await, 4);
    // A token beside the key that means another caller or account, or nothing.
    let (other, foreign) = (good_token(&app, OFFICIAL, OTHER).await, good_token(&app, MINI, SHOP).await);
    for token in [other.as_str(), foreign.as_str(), "junk"] {
        let url = format!("{}{CLEAR}?access_token={token}&appid={OFFICIAL}&appsecret={SHOP}", app.url());
        let refused = app.http.send(Method::POST, &url, &[], "").await.unwrap();
        assert_eq!(refused.json()["errcode"], 48001, "{token}");
    }
    assert_eq!(app.calls(CLEAR, None).await, 4);
}

#[tokio::test]
async fn what_is_for_wxgate_alone_does_not_reach_wechat() {
    let (app, mirror, token) = mirrored().await;
    let cookie = [("cookie", "wxgate_36013=S"), ("x-api-key", SHOP), ("x-wx-appid", OFFICIAL)];
    app.get("/cgi-bin/user/get", &cookie).await;
    let seen = mirror.take();
    let asked = seen.iter().find(|one| one.target.starts_with("/cgi-bin/user/get")).unwrap();
    assert!(!asked.headers.contains_key("cookie"));

    // What an SDK adds to every call means nothing here.
    let login = format!("/sns/jscode2session?access_token={token}&appid={MINI}&secret={SHOP}&js_code=c");
    app.get(&login, &[]).await;
    let target = mirror.take().remove(0).target;
    assert!(target.starts_with("/sns/jscode2session?access_token=&appid="), "{target}");
    assert!(!target.contains(&token) && !target.contains(SHOP), "{target}");

    // A key in the wrong place.
    let code = format!("/sns/jscode2session?appid={MINI}&secret={SHOP}&js_code={SHOP}");
    refuses(&app.get(&code, &[]).await, 40035, "invalid parameter");
    assert_eq!(mirror.take().len(), 0);
}
