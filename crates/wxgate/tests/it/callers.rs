//! Who may call: keys, apps, paths, networks, rates, and no web page.

use http::Method;
use serde_json::json;

use crate::app::{MINI, OFFICIAL, Reply, TestApp};

fn key(name: &str) -> String {
    format!("key_{name}_0123456789abcdefghij")
}

fn caller(name: &str, more: &str) -> String {
    let fixed = format!("[[callers]]\nname = \"{name}\"\nkey = \"{}\"\n", key(name));
    let apps = if more.contains("apps =") { "" } else { "apps = [\"*\"]\n" };
    let apis = if more.contains("apis =") { "" } else { "apis = [\"*\"]\n" };
    format!("{fixed}{apps}{apis}{more}\n")
}

async fn session_by(app: &TestApp, headers: &[(&str, &str)]) -> Reply {
    app.call_with("code2session", headers, json!({"appid": MINI, "code": "demo-login"})).await
}

fn refused(reply: &Reply, status: u16, code: u64) {
    assert_eq!((reply.status.as_u16(), reply.code()), (status, code), "{}", reply.json());
}

#[tokio::test]
async fn a_key_opens_and_nothing_else_does() {
    let app = TestApp::configured(&caller("shop", &format!("previous_key = \"{}\"", key("old")))).await;
    for fine in [
        &[("authorization", format!("Bearer {}", key("shop")))][..],
        &[("x-api-key", key("shop"))],
        &[("authorization", format!("bearer {}", key("old")))],
        &[("x-api-key", key("shop")), ("origin", "https://evil.example.com".to_owned())],
    ] {
        let headers: Vec<(&str, &str)> = fine.iter().map(|(n, v)| (*n, v.as_str())).collect();
        session_by(&app, &headers).await.ok();
    }
    for wrong in [
        &[][..],
        &[("authorization", "Bearer nonsense")],
        &[("authorization", "Basic abc")],
        &[("x-api-key", "")],
        &[("authorization", "Bearer ")],
    ] {
        let reply = session_by(&app, wrong).await;
        refused(&reply, 401, 3_584_010);
        assert_eq!(reply.headers["www-authenticate"], "Bearer");
    }
}

#[tokio::test]
async fn apps_apis_networks_and_the_order_of_refusals() {
    let callers = [
        caller("mini", &format!("apps = [\"{MINI}\"]")),
        caller("tagged", "apps = [\"tag:prod\"]"),
        caller("reader", "apis = [\"/v1/service/wx/*\", \"!/v1/service/wx/code2session\"]"),
        caller("far", "networks = [\"10.0.0.0/8\"]"),
        caller("near", "networks = [\"127.0.0.0/8\"]"),
    ]
    .concat();
    let app = TestApp::configured(&callers).await;
    let as_caller = async |name: &str, api: &str, body: serde_json::Value| {
        app.call_with(api, &[("x-api-key", &key(name))], body).await
    };
    let session = json!({"appid": MINI, "code": "demo-login"});
    let qr = json!({"appid": OFFICIAL});
    as_caller("mini", "code2session", session.clone()).await.ok();
    refused(&as_caller("mini", "getwxqrcode", qr.clone()).await, 403, 3_584_011);
    as_caller("tagged", "getwxqrcode", qr.clone()).await.ok();
    refused(&as_caller("tagged", "code2session", session.clone()).await, 403, 3_584_011);
    as_caller("reader", "getwxqrcode", qr).await.ok();
    refused(&as_caller("reader", "code2session", session.clone()).await, 403, 3_584_011);
    as_caller("near", "code2session", session.clone()).await.ok();
    refused(&as_caller("far", "code2session", session).await, 403, 3_584_011);

    // 404, 401, 403 of network and API, 400, parameters, 403 of the app, unknown appid.
    refused(&as_caller("wrong", "nothing", json!({})).await, 404, 3_584_016);
    refused(&as_caller("wrong", "code2session", json!({})).await, 401, 3_584_010);
    refused(&as_caller("far", "code2session", json!({})).await, 403, 3_584_011);
    refused(&as_caller("mini", "code2session", json!({})).await, 200, 3_584_002);
    refused(&as_caller("mini", "code2session", json!({"appid": "wxnone"})).await, 200, 3_584_002);
    refused(
        &as_caller("mini", "code2session", json!({"appid": "wxnone", "code": "c"})).await,
        403,
        3_584_011,
    );
    refused(
        &as_caller("near", "code2session", json!({"appid": "wxnone", "code": "c"})).await,
        200,
        3_584_005,
    );
    for (api, members) in [
        ("sendwxtemplatemsg", json!({"appid": "wxnone", "data": {"k": {}}})),
        ("sendsubscribemsg", json!({"appid": "wxnone", "template_id": "t", "data": {"k": {}}})),
        ("jssdk", json!({"appid": "wxnone", "url": "nowhere"})),
    ] {
        refused(&as_caller("mini", api, members).await, 200, 3_584_002);
    }
    assert_eq!(app.calls("/sns/jscode2session", None).await, 2, "refused calls reached nobody");
}

#[tokio::test]
async fn a_rate_holds_each_second() {
    let app = TestApp::configured(&caller("slow", "rate = 5")).await;
    for _ in 0..3 {
        let mut passed = 0;
        for _ in 0..12 {
            let reply = session_by(&app, &[("x-api-key", &key("slow"))]).await;
            if reply.status.is_success() {
                passed += 1;
                reply.ok();
            } else {
                refused(&reply, 429, 3_584_012);
                assert_eq!(reply.ret()["retryable"], true);
            }
        }
        assert_eq!(passed, 5);
        app.advance(std::time::Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn without_a_key_only_from_its_network_and_never_through_a_stranger() {
    let keyless = |network: &str| {
        format!(
            "[[callers]]\nname = \"legacy\"\nkey = \"\"\nnetworks = [\"{network}\"]\napps = [\"*\"]\napis = [\"/v1/service/wx/*\"]"
        )
    };
    let app = TestApp::configured(&keyless("127.0.0.0/8")).await;
    session_by(&app, &[]).await.ok();
    for header in ["x-forwarded-for", "forwarded", "x-real-ip", "via"] {
        refused(&session_by(&app, &[(header, "127.0.0.1")]).await, 401, 3_584_010);
    }
    refused(&session_by(&app, &[("x-api-key", "wrong_key_0123456789abcdefgh")]).await, 401, 3_584_010);
    let app = TestApp::configured(&keyless("10.0.0.0/8")).await;
    refused(&session_by(&app, &[]).await, 401, 3_584_010);
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_client_counts() {
    let callers = "[[callers]]\nname = \"legacy\"\nkey = \"\"\nnetworks = [\"10.0.0.0/8\"]\napps = [\"*\"]\napis = [\"*\"]";
    let app = TestApp::configured(callers).await;
    let text = app.text().replace("[server]", "[server]\ntrusted_proxies = [\"127.0.0.0/8\"]");
    let other = app.beside(&text).await;
    let url = format!("{}/v1/service/wx/code2session", other.url());
    let body = json!({"source": "t", "appid": MINI, "code": "demo-login"}).to_string();
    for (forwarded, status) in
        [("10.1.2.3", 200), ("8.8.8.8", 401), ("10.1.2.3, 8.8.8.8", 401), ("junk", 401)]
    {
        let headers = [("x-forwarded-for", forwarded)];
        let reply = app.http.send(Method::POST, &url, &headers, body.clone()).await.unwrap();
        assert_eq!(reply.status.as_u16(), status, "{forwarded}");
    }
    other.stop().await;
}

#[tokio::test]
async fn no_web_page_may_use_an_open_gateway() {
    let app = TestApp::start().await;
    for attack in [
        &[("origin", "https://evil.example.com")][..],
        &[("origin", "null")],
        &[("origin", "http://127.0.0.1:1")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("host", "evil.example.com")],
        &[("host", "evil.example.com:36012")],
        &[("host", "localhost.evil.example.com")],
    ] {
        refused(&session_by(&app, attack).await, 403, 3_584_011);
    }
    let own = app.url();
    session_by(&app, &[("origin", &own), ("sec-fetch-site", "same-origin")]).await.ok();
    session_by(&app, &[("host", "localhost")]).await.ok();
    refused(&app.get(&format!("/v1/service/wx/token?appid={OFFICIAL}"), &[]).await, 403, 3_584_011);
    assert_eq!(app.calls("/sns/jscode2session", None).await, 1, "asked once; the second was kept");
}
