//! Without a key: what web pages and proxies bring along by themselves never counts as somebody's call.

use http::Method;
use serde_json::json;

use crate::app::{OFFICIAL, TestApp};
use crate::limits::held::OPEN;
use crate::proxy::refuses;
use crate::raw::Raw;

const DELETE: &str = "/cgi-bin/menu/delete";

async fn raw(app: &TestApp, head: &str) -> crate::app::Reply {
    let mut raw = Raw::to(&app.url()).await;
    raw.send(format!("{head}\r\n\r\n")).await;
    raw.answer().await
}

#[tokio::test]
async fn an_image_a_form_or_a_script_of_a_web_page_reaches_nobody() {
    let app = TestApp::configured(OPEN).await;
    // On plain HTTP in a LAN a browser says nothing of what it is.
    for (path, code) in [
        (format!("/wx/{OFFICIAL}{DELETE}"), 41001),
        (format!("{DELETE}?appid={OFFICIAL}"), 41001),
        (format!("{DELETE}?access_token={OFFICIAL}"), 42001),
        (DELETE.to_owned(), 41001),
        (format!("/wx/{OFFICIAL}/cgi-bin/token?grant_type=client_credential&secret=any"), 41001),
        (format!("/wx/{OFFICIAL}/sns/jscode2session?secret=any&js_code=demo-login"), 41001),
    ] {
        let refused = app.get(&path, &[]).await;
        assert_eq!(refused.json()["errcode"], code, "{path}: {:?}", refused.body);
        assert_eq!(refused.headers["x-wxgate-error"], "1", "{path}");
    }
    let named = ("x-wx-appid", OFFICIAL);
    for told in [
        ("referer", "http://evil.example.com/page"),
        ("sec-fetch-mode", "no-cors"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-site", "same-site"),
        ("origin", "null"),
    ] {
        let refused = app.get(DELETE, &[named, told]).await;
        refuses(&refused, 48001, "api unauthorized");
        let hint = refused.json()["errmsg"].as_str().unwrap().to_ascii_lowercase();
        assert!(hint.contains(told.0), "{hint}");
        app.call_with("code2session", &[told], json!({})).await.fails(3_584_011, false, 0);
        refuses(&app.get("/sns/userinfo?access_token=x&openid=o", &[told]).await, 48001, "api unauthorized");
        // A picture is for pages.
        let picture = app.get("/cgi-bin/showqrcode?ticket=x", &[told]).await;
        assert!(!picture.headers.contains_key("x-wxgate-error"), "{:?}", picture.body);
    }
    assert_eq!(app.calls(DELETE, None).await, 0);
    // A backend names its app; Node's own fetch says `cors`.
    app.get(DELETE, &[named, ("sec-fetch-mode", "cors")]).await;
    assert_eq!(app.calls(DELETE, None).await, 1);
}

#[tokio::test]
async fn a_proxy_with_its_defaults_opens_nothing() {
    let app = TestApp::configured(OPEN).await;
    let refused =
        raw(&app, &format!("GET {DELETE} HTTP/1.0\r\nHost: 127.0.0.1\r\nX-Wx-Appid: {OFFICIAL}")).await;
    assert_eq!(refused.json()["errcode"], 48001);
    let hint = refused.json()["errmsg"].as_str().unwrap().to_owned();
    assert!(hint.contains("HTTP/1.0") && hint.contains("proxy_http_version 1.1"), "{hint}");
    let body = json!({"source": "t", "appid": OFFICIAL, "code": "demo-oauth"}).to_string();
    let refused = raw(
        &app,
        &format!(
            "POST /v1/service/wx/getwxuserinfo HTTP/1.0\r\nHost: up\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    )
    .await;
    assert_eq!(refused.status, 403);
    refused.fails(3_584_011, false, 0);
    assert_eq!(app.calls(DELETE, None).await, 0);
    // The document and what WeChat and browsers need don't ask who calls.
    let document = raw(&app, "GET /v1/service/wx/openapi.json HTTP/1.0\r\nHost: up").await;
    assert_eq!(document.status, 200);
}

#[tokio::test]
async fn a_key_may_come_by_any_proxy_and_prefix() {
    let key = "key_shop_0123456789abcdefghij";
    let app = TestApp::configured(&format!(
        "[[callers]]\nname = \"shop\"\nkey = \"{key}\"\napps = [\"*\"]\napis = [\"*\"]"
    ))
    .await;
    for path in [format!("/wx/{OFFICIAL}/cgi-bin/user/get"), "/cgi-bin/user/get".to_owned()] {
        let head = format!("GET {path} HTTP/1.0\r\nHost: up\r\nX-Api-Key: {key}\r\nX-Wx-Appid: {OFFICIAL}");
        assert!(raw(&app, &head).await.json()["total"].is_number());
    }
    let url = format!("{}/wx/{OFFICIAL}/cgi-bin/token?grant_type=client_credential&secret={key}", app.url());
    let token = app.http.send(Method::GET, &url, &[], "").await.unwrap();
    assert!(token.json()["access_token"].is_string());
}
