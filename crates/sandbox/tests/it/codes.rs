//! Codes: web OAuth, login, phone number.

use crate::rig::{EXAMPLE, MINI, OFFICIAL, Reply, Rig, errcode, refused, secret};
use http::Method;
use serde_json::{Value, json};

async fn exchange(rig: &Rig, appid: &str, code: &str) -> Reply {
    let secret = secret(appid);
    rig.get(&format!(
        "/sns/oauth2/access_token?appid={appid}&secret={secret}&code={code}&grant_type=authorization_code"
    ))
    .await
}

async fn login(rig: &Rig, appid: &str, code: &str) -> Reply {
    let secret = secret(appid);
    rig.get(&format!(
        "/sns/jscode2session?appid={appid}&secret={secret}&js_code={code}&grant_type=authorization_code"
    ))
    .await
}

async fn phone(rig: &Rig, appid: &str, code: &str) -> Reply {
    rig.call(appid, "/wxa/business/getuserphonenumber", json!({"code": code})).await
}

async fn code(rig: &Rig, kind: &str, appid: &str, openid: &str, scope: &str) -> String {
    let asked = json!({"appid": appid, "openid": openid, "scope": scope});
    let given = rig.control(&format!("{kind}/code"), asked).await;
    given["code"].as_str().unwrap().to_owned()
}

async fn userinfo(rig: &Rig, granted: &Value) -> Reply {
    rig.get(&format!(
        "/sns/userinfo?access_token={}&openid={}&lang=zh_CN",
        granted["access_token"].as_str().unwrap(),
        granted["openid"].as_str().unwrap()
    ))
    .await
}

#[tokio::test]
async fn the_examples_code_never_runs_out() {
    let rig = Rig::start().await;
    for _ in 0..2 {
        let reply = exchange(&rig, EXAMPLE, "031pdDGa1FvFCI0lWyIa1Y0nJC0pdDGt").await;
        assert_eq!(reply.header("content-type"), "text/plain");
        let granted = reply.json();
        assert_eq!(granted["scope"], "snsapi_userinfo");
        let user = userinfo(&rig, &granted).await.json();
        assert_eq!(user["nickname"], "Hui🐠");
        assert_eq!(user["unionid"], granted["unionid"]);
        assert_eq!(user["privilege"], json!([]));
        let openid = granted["openid"].as_str().unwrap();
        assert!(openid.len() == 28 && openid.starts_with('o'), "{openid}");
        assert_eq!(rig.state().await["users"][0]["openids"][EXAMPLE], openid);
        rig.advance(86_400).await;
    }
    assert_eq!(refused(&exchange(&rig, OFFICIAL, "031pdDGa1FvFCI0lWyIa1Y0nJC0pdDGt").await), 40029);
    assert_eq!(errcode(&exchange(&rig, OFFICIAL, "demo-oauth").await), 0);
    assert_eq!(errcode(&login(&rig, MINI, "demo-login").await), 0);
    assert_eq!(errcode(&phone(&rig, MINI, "demo-phone").await), 0);
}

#[tokio::test]
async fn a_code_is_for_one_account_once_for_five_minutes() {
    let rig = Rig::start().await;
    let openid = rig.user(OFFICIAL).await;
    let give = async || code(&rig, "oauth", OFFICIAL, &openid, "snsapi_userinfo").await;
    let once = give().await;
    assert_eq!(once.len(), 32);
    assert_eq!(refused(&exchange(&rig, EXAMPLE, &once).await), 40029);
    assert_eq!(exchange(&rig, OFFICIAL, &once).await.json()["openid"], openid);
    let again = exchange(&rig, OFFICIAL, &once).await;
    assert_eq!(refused(&again), 40163);
    assert!(again.json()["errmsg"].as_str().unwrap().starts_with("code been used, rid: "));
    assert_eq!(again.header("content-type"), "text/plain");

    let late = give().await;
    rig.advance(300).await;
    assert_eq!(refused(&exchange(&rig, OFFICIAL, &late).await), 40029);
    assert_eq!(refused(&login(&rig, OFFICIAL, &give().await).await), 40029, "of another kind");
    assert_eq!(refused(&exchange(&rig, OFFICIAL, "").await), 41008);
    assert_eq!(refused(&rig.get("/sns/oauth2/access_token").await), 41002);
}

#[tokio::test]
async fn the_base_scope_gives_an_openid_only() {
    let rig = Rig::start().await;
    let openid = rig.user(OFFICIAL).await;
    let given = code(&rig, "oauth", OFFICIAL, &openid, "snsapi_base").await;
    let granted = exchange(&rig, OFFICIAL, &given).await.json();
    assert_eq!((&granted["openid"], granted.get("unionid")), (&json!(openid), None));
    let reply = userinfo(&rig, &granted).await;
    assert_eq!(refused(&reply), 48001);
    assert!(reply.json()["errmsg"].as_str().unwrap().starts_with("api unauthorized, rid: "));
}

#[tokio::test]
async fn user_tokens_live_two_hours_and_are_renewed_for_thirty_days() {
    let rig = Rig::start().await;
    let granted = exchange(&rig, OFFICIAL, "demo-oauth").await.json();
    let auth = async |token: &Value, openid: &str| {
        let token = token.as_str().unwrap();
        errcode(&rig.get(&format!("/sns/auth?access_token={token}&openid={openid}")).await)
    };
    let renew = async || {
        let token = granted["refresh_token"].as_str().unwrap();
        rig.get(&format!(
            "/sns/oauth2/refresh_token?appid={OFFICIAL}&grant_type=refresh_token&refresh_token={token}"
        ))
        .await
    };
    let openid = granted["openid"].as_str().unwrap();
    assert_eq!(auth(&granted["access_token"], openid).await, 0);
    assert_eq!(auth(&granted["access_token"], "oOther").await, 40003);
    rig.advance(7000).await;
    assert_eq!(renew().await.json()["access_token"], granted["access_token"], "the same, renewed");
    rig.advance(7000).await;
    assert_eq!(auth(&granted["access_token"], openid).await, 0);
    rig.advance(200).await;
    assert_eq!(auth(&granted["access_token"], openid).await, 42001);
    let renewed = renew().await.json();
    assert_ne!(renewed["access_token"], granted["access_token"]);
    assert_eq!(auth(&renewed["access_token"], openid).await, 0);
    rig.advance(30 * 86_400).await;
    assert_eq!(refused(&renew().await), 42002);
}

#[tokio::test]
async fn login_gives_a_session_key_and_a_phone_code_a_number() {
    let rig = Rig::start().await;
    let openid = rig.user(MINI).await;
    let given = code(&rig, "login", MINI, &openid, "").await;
    let reply = login(&rig, MINI, &given).await;
    assert_eq!(reply.header("content-type"), "text/plain");
    let session = reply.json();
    assert_eq!(session["openid"], openid);
    assert_eq!(session["session_key"].as_str().unwrap().len(), 24);
    assert_eq!(refused(&login(&rig, MINI, &given).await), 40163);

    let given = code(&rig, "phone", MINI, &openid, "").await;
    assert_eq!(given.len(), 64);
    let first = phone(&rig, MINI, &given).await.json();
    let info = &first["phone_info"];
    assert_eq!((&info["countryCode"], &info["watermark"]["appid"]), (&json!("86"), &json!(MINI)));
    assert_eq!(info["phoneNumber"].as_str().unwrap().len(), 11);
    assert_eq!(refused(&phone(&rig, MINI, &given).await), 40029, "once");

    rig.control("quirks", json!({"country_code": "number"})).await;
    let given = code(&rig, "phone", MINI, &openid, "").await;
    let second = phone(&rig, MINI, &given).await.json();
    assert_eq!(second["phone_info"]["phoneNumber"], info["phoneNumber"], "a user keeps the number");
    assert_eq!(second["phone_info"]["countryCode"], 86);
    let late = code(&rig, "phone", MINI, &openid, "").await;
    rig.advance(301).await;
    assert_eq!(refused(&phone(&rig, MINI, &late).await), 40029);
}

/// An authorize link.
fn link(path: &str, appid: &str, back: &str, scope: &str) -> String {
    format!("{path}?appid={appid}&redirect_uri={back}&response_type=code&scope={scope}&state=s1")
}

#[tokio::test]
async fn a_browser_authorises() {
    let rig = Rig::start().await;
    let path = "/connect/oauth2/authorize";
    let back = "http%3A%2F%2Flocalhost%3A8080%2Fback%3Fx%3D1";
    let reply = rig.get(&link(path, OFFICIAL, back, "snsapi_base")).await;
    assert_eq!(reply.status, 302);
    let to = reply.header("location");
    let code = to.strip_prefix("http://localhost:8080/back?x=1&code=").unwrap();
    let code = code.strip_suffix("&state=s1").unwrap();
    assert_eq!(exchange(&rig, OFFICIAL, code).await.json()["scope"], "snsapi_base");

    rig.control("users", json!({"nickname": "<Ann>"})).await;
    let asked = link(path, OFFICIAL, back, "snsapi_userinfo");
    let page = rig.get(&asked).await;
    let html = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(page.status == 200 && html.contains("&lt;Ann&gt;") && html.contains("Hui🐠"), "{html}");
    let href = html.split("href=\"").find(|part| part.contains("sandbox_user=u2")).unwrap();
    let href = href.split('"').next().unwrap().replace("&amp;", "&");
    let reply = rig.get(&href).await;
    let cookie = reply.header("set-cookie").split(';').next().unwrap().to_owned();
    let code = reply.header("location").split("code=").nth(1).unwrap();
    let granted = exchange(&rig, OFFICIAL, code.split('&').next().unwrap()).await.json();
    assert_eq!(userinfo(&rig, &granted).await.json()["nickname"], "<Ann>");

    let silent = link(path, OFFICIAL, back, "snsapi_base");
    let reply = rig.send(Method::GET, &silent, &[("cookie", &cookie)], "").await.unwrap();
    let code = reply.header("location").split("code=").nth(1).unwrap();
    let again = exchange(&rig, OFFICIAL, code.split('&').next().unwrap()).await.json();
    assert_eq!(again["openid"], granted["openid"], "the cookie remembers who");

    let reply = rig.get(&format!("{asked}&sandbox_consent=deny")).await;
    assert_eq!(reply.header("location"), "http://localhost:8080/back?x=1&state=s1");
}

#[tokio::test]
async fn a_page_that_may_not_ask() {
    let rig = Rig::start().await;
    let path = "/connect/oauth2/authorize";
    let back = "https%3A%2F%2Fa.example.com%2F";
    let text = async |link: String| {
        let reply = rig.get(&link).await;
        assert_eq!(reply.status, 200);
        String::from_utf8(reply.body.to_vec()).unwrap()
    };
    assert!(text(link(path, OFFICIAL, back, "snsapi_base")).await.contains("10003"));
    assert!(text(link(path, OFFICIAL, "http%3A%2F%2Flocalhost", "snsapi_login")).await.contains("10005"));
    assert!(text(link(path, "wx1", back, "snsapi_base")).await.contains("40013"));
    let without = format!("{path}?appid={OFFICIAL}&redirect_uri={back}&scope=snsapi_base");
    assert!(text(without).await.contains("10002"));

    let app = json!({"appid": "wxsite", "secret": secret("wxsite"), "kind": "open", "oauth_domains": ["a.example.com"]});
    rig.control("apps", app).await;
    let reply = rig
        .get(&format!("{}&sandbox_user=u1", link("/connect/qrconnect", "wxsite", back, "snsapi_login")))
        .await;
    let code = reply.header("location").strip_prefix("https://a.example.com/?code=").unwrap();
    let granted = exchange(&rig, "wxsite", code.split('&').next().unwrap()).await.json();
    assert_eq!(userinfo(&rig, &granted).await.json()["nickname"], "Hui🐠");
}
