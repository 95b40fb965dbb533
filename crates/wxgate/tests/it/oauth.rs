//! Web OAuth through one authorised domain: `oauth/start`, `oauth/callback`, WeChat's `connect/…` paths.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;
use url::{Url, form_urlencoded};

use crate::app::{Http, MINI, OFFICIAL, Reply, TestApp};
use crate::cli::{free_port, sandbox, serve, served};

const PUBLIC: &str = "https://wx.example.com";
const HOST: &str = "wx.example.com";
const SITE: &str = "wxsite";
const MINUTE: Duration = Duration::from_secs(60);

/// A gateway at [`PUBLIC`], which is the only domain that WeChat knows.
pub(crate) async fn started() -> TestApp {
    let site = format!(
        "[auth]\nmode = \"off\"\n[[apps]]\nappid = \"{SITE}\"\nkind = \"open\"\nsecret = \"sitesecret\"\n\
         oauth_redirects = [\"https://*.example.com/\"]\n"
    );
    let mut app = TestApp::configured(&site).await;
    let redirects =
        "[\"https://*.example.com/\", \"https://shop.example.org:8443/app/\", \"http://intranet/\"]";
    let text = app
        .text()
        .replace("shutdown_grace", &format!("public_url = \"{PUBLIC}\"\nshutdown_grace"))
        .replace("tags = [\"prod\"]", &format!("tags = [\"prod\"]\noauth_redirects = {redirects}"));
    app.restart_with(&text).await;
    let known = json!({
        "appid": OFFICIAL, "secret": "a1".repeat(16), "kind": "official", "oauth_domains": ["wx.example.com"],
    });
    app.control("apps", known).await;
    let known =
        json!({"appid": SITE, "secret": "sitesecret", "kind": "open", "oauth_domains": ["wx.example.com"]});
    app.control("apps", known).await;
    app
}

fn query(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn start_path(appid: &str, back: &str, scope: &str, state: &str) -> String {
    let pairs = [("appid", appid), ("redirect_uri", back), ("scope", scope), ("state", state)];
    format!("/v1/service/wx/oauth/start?{}", query(&pairs))
}

pub(crate) fn location(reply: &Reply) -> &str {
    assert_eq!(reply.status, StatusCode::FOUND, "{:?}", reply.body);
    assert_eq!(reply.headers["cache-control"], "no-store");
    assert_eq!(reply.headers["referrer-policy"], "no-referrer");
    reply.headers["location"].to_str().unwrap()
}

/// A page for people, with this status.
pub(crate) fn page(reply: &Reply, status: u16) -> &str {
    let text = std::str::from_utf8(&reply.body).unwrap();
    assert_eq!(reply.status.as_u16(), status, "{text}");
    assert_eq!(reply.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(reply.headers["content-security-policy"], "default-src 'none'; style-src 'unsafe-inline'");
    assert_eq!(reply.headers["cache-control"], "no-store");
    assert_eq!(reply.headers["referrer-policy"], "no-referrer");
    assert!(reply.headers.get("location").is_none() && reply.headers.get("set-cookie").is_none());
    assert!(text.contains(reply.headers["x-request-id"].to_str().unwrap()));
    text
}

fn param(url: &str, name: &str) -> Option<String> {
    let url = Url::parse(url).unwrap();
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// A login that has begun: where WeChat is, and the browser's cookie.
pub(crate) struct Begun {
    wechat: String,
    pub(crate) cookie: String,
    pub(crate) state: String,
}

/// As a browser that came by the public address.
async fn browse(app: &TestApp, path: &str) -> Reply {
    app.get(path, &[("host", HOST)]).await
}

async fn begin(app: &TestApp, path: &str) -> Begun {
    let reply = browse(app, path).await;
    let wechat = location(&reply).to_owned();
    let cookie = reply.headers["set-cookie"].to_str().unwrap();
    let attributes = "; Path=/; Max-Age=900; HttpOnly; SameSite=Lax; Secure";
    assert!(cookie.ends_with(attributes) && cookie.starts_with("__Host-wxgate_login_"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let state = param(&wechat, "state").unwrap();
    assert!(state.len() == 32 && state.bytes().all(|b| b.is_ascii_alphanumeric()), "{state}");
    Begun { wechat, cookie, state }
}

/// Begins one as [`OFFICIAL`], for `https://a.example.com/`.
pub(crate) async fn begin_any(app: &TestApp) -> Begun {
    begin(app, &start_path(OFFICIAL, "https://a.example.com/", "snsapi_base", "s")).await
}

/// At WeChat: consents (or whatever `choice` says) and returns where WeChat sends the browser, which
/// is wxgate whoever asked.
async fn consent(app: &TestApp, begun: &Begun, choice: &str) -> String {
    let url = format!("{}&{choice}", begun.wechat.strip_suffix("#wechat_redirect").unwrap());
    let reply = app.http.send(Method::GET, &url, &[], "").await.unwrap();
    assert_eq!(reply.status, StatusCode::FOUND, "{:?}", reply.body);
    let back = reply.headers["location"].to_str().unwrap();
    back.strip_prefix(PUBLIC).expect("WeChat comes back to the one domain").to_owned()
}

pub(crate) async fn come_back(app: &TestApp, path: &str, cookie: &str) -> Reply {
    app.get(path, &[("cookie", cookie)]).await
}

pub(crate) fn answer_path(code: &str, state: &str) -> String {
    format!("/v1/service/wx/oauth/callback?{}", query(&[("code", code), ("state", state)]))
}

#[tokio::test]
async fn three_systems_log_in_through_one_domain() {
    let app = started().await;
    let systems = [
        ("https://a.example.com/login?x=1&code=old", "snsapi_userinfo", "state of a & co"),
        ("https://b.example.com", "snsapi_base", ""),
        ("https://shop.example.org:8443/app/登录", "snsapi_userinfo", "状态"),
    ];
    // All three at once, in tabs of one browser.
    let mut tabs = Vec::new();
    for (back, scope, state) in systems {
        let begun = begin(&app, &start_path(OFFICIAL, back, scope, state)).await;
        let expected = format!(
            "{}/connect/oauth2/authorize?appid={OFFICIAL}&redirect_uri=https%3A%2F%2Fwx.example.com%2Fv1%2Fservice%2Fwx%2F\
             oauth%2Fcallback&response_type=code&scope={scope}&state={}#wechat_redirect",
            app.sandbox.url(),
            begun.state
        );
        assert_eq!(begun.wechat, expected);
        tabs.push(begun);
    }
    let cookies: Vec<&str> = tabs.iter().map(|tab| tab.cookie.as_str()).collect();
    let cookies = format!("theirs=1; {}", cookies.join("; "));
    let mut codes = Vec::new();
    for (tab, (_, _, state)) in tabs.iter().zip(&systems).rev() {
        let back = consent(&app, tab, "sandbox_user=u1").await;
        let reply = come_back(&app, &back, &cookies).await;
        let to = location(&reply).to_owned();
        assert_eq!(param(&to, "state").as_deref(), Some(*state));
        codes.push((to.clone(), param(&to, "code").unwrap()));
    }
    codes.reverse();
    let sent: Vec<String> = codes.iter().map(|(to, code)| to.replace(code.as_str(), "CODE")).collect();
    assert_eq!(
        sent,
        [
            "https://a.example.com/login?x=1&code=CODE&state=state+of+a+%26+co",
            "https://b.example.com/?code=CODE&state=",
            "https://shop.example.org:8443/app/%E7%99%BB%E5%BD%95?code=CODE&state=%E7%8A%B6%E6%80%81",
        ]
    );
    for ((_, code), (_, scope, _)) in codes.iter().zip(&systems) {
        let user = app.call("getwxuserinfo", json!({"appid": OFFICIAL, "code": code})).await.ok();
        assert!(!user["openid"].as_str().unwrap().is_empty());
        assert_eq!(user["nickname"] != "", *scope == "snsapi_userinfo", "{user}");
    }
}

#[tokio::test]
async fn a_website_logs_in_by_a_picture() {
    let app = started().await;
    let begun = begin(&app, &start_path(SITE, "https://a.example.com/", "snsapi_login", "s")).await;
    assert!(begun.wechat.starts_with(&format!("{}/connect/qrconnect?appid={SITE}&", app.sandbox.url())));
    let back = consent(&app, &begun, "sandbox_user=u1").await;
    let reply = come_back(&app, &back, &begun.cookie).await;
    assert!(location(&reply).starts_with("https://a.example.com/?code="));
}

#[tokio::test]
async fn wechats_own_addresses_are_the_start_too() {
    let app = started().await;
    for (path, appid, scope) in [
        ("/connect/oauth2/authorize", OFFICIAL, "snsapi_userinfo"),
        ("/connect/qrconnect", SITE, "snsapi_login"),
    ] {
        let asked = query(&[
            ("appid", appid),
            ("redirect_uri", "https://a.example.com/"),
            ("response_type", "code"),
            ("scope", scope),
            ("state", "s"),
            ("connect_redirect", "1"),
        ]);
        let begun = begin(&app, &format!("{path}?{asked}")).await;
        assert!(begun.wechat.starts_with(&format!("{}{path}?", app.sandbox.url())), "{}", begun.wechat);
        let back = consent(&app, &begun, "sandbox_user=u1").await;
        let reply = come_back(&app, &back, &begun.cookie).await;
        assert_eq!(param(location(&reply), "state").as_deref(), Some("s"));
        let token = format!("{path}?{}", asked.replace("response_type=code", "response_type=token"));
        page(&app.get(&token, &[]).await, 400);
    }
}

#[tokio::test]
async fn a_user_who_says_no_comes_back_without_a_code() {
    let app = started().await;
    let path = start_path(OFFICIAL, "https://a.example.com/?x=1", "snsapi_userinfo", "s");
    let begun = begin(&app, &path).await;
    let back = consent(&app, &begun, "sandbox_consent=deny").await;
    let reply = come_back(&app, &back, &begun.cookie).await;
    assert_eq!(location(&reply), "https://a.example.com/?x=1&state=s");
    // And may change their mind.
    let back = consent(&app, &begun, "sandbox_user=u1").await;
    assert!(location(&come_back(&app, &back, &begun.cookie).await).contains("code="));
    app.advance(10 * MINUTE).await;
    let denied = format!("/v1/service/wx/oauth/callback?state={}", begun.state);
    page(&come_back(&app, &denied, &begun.cookie).await, 403);
}

#[tokio::test]
async fn nobody_is_sent_elsewhere() {
    let app = started().await;
    for back in [
        "",
        "https://example.com/",
        "https://evil.com/",
        "http://a.example.com/",
        "https://a.b.example.com/",
        "https://a.example.com.evil.com/",
        "https://a.example.com@evil.com/",
        "https://user:password@a.example.com/",
        "https://evil.com\\@a.example.com/",
        "https://evil.com\\.example.com/",
        "https://a.example.com#@evil.com/",
        "https://a.example.com/#x",
        "https://a.example.com:8443/",
        "https://a.example.com./",
        "https://a%2eexample.com/",
        "https://аррӏе.example.com/",
        "https://xn--80ak6aa92e.example.com/",
        "https://a.exam\tple.com/",
        "https://a.example.com/\r\nLocation: https://evil.com/",
        "https://a.example.com/\0",
        " https://a.example.com/",
        "//a.example.com/",
        "/\\a.example.com/",
        "https:a.example.com/",
        "https:///a.example.com/",
        "HTTPS://a.example.com/",
        "javascript://a.example.com/%0aalert(1)",
        "data:text/html,https://a.example.com/",
        "https://shop.example.org/app/",
        "https://shop.example.org:8443/",
        "https://shop.example.org:8443/application",
        "https://shop.example.org:8443/app/../admin",
        "https://shop.example.org:8443/app/%2e%2e/admin",
        "https://shop.example.org:8443/app%2f..%2f",
        "https://shop.example.org:8443/app/..%2fadmin",
        "https://intranet/",
        "http://intranet.evil.com/",
    ] {
        let reply = app.get(&start_path(OFFICIAL, back, "snsapi_base", "s"), &[]).await;
        let text = page(&reply, 400);
        assert!(
            text.contains("oauth_redirects") && (back.len() < 9 || !text.contains(back)),
            "{back}: {text}"
        );
    }
    // Nobody but the account it was allowed for.
    let reply = app.get(&start_path(SITE, "http://intranet/", "snsapi_login", "s"), &[]).await;
    page(&reply, 400);
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told() {
    let mut app = started().await;
    let fine = "https://a.example.com/";
    let script = "<script>alert(1)</script>";
    let long = |n: usize| format!("{fine}{}", "x".repeat(n - fine.len()));
    for (path, what) in [
        (start_path("wxnone", fine, "snsapi_base", "s"), "appid"),
        (start_path(script, fine, "snsapi_base", "s"), "appid"),
        (start_path("", fine, "snsapi_base", "s"), "appid"),
        (start_path(MINI, fine, "snsapi_base", "s"), "小程序"),
        (start_path(OFFICIAL, fine, "", "s"), "scope"),
        (start_path(OFFICIAL, fine, script, "s"), "scope"),
        (start_path(OFFICIAL, script, "snsapi_base", script), "redirect_uri"),
        (start_path(OFFICIAL, &long(2049), "snsapi_base", "s"), "redirect_uri"),
        (start_path(OFFICIAL, &format!("{fine}{}", "字".repeat(500)), "snsapi_base", "s"), "redirect_uri"),
        (start_path(OFFICIAL, fine, "snsapi_base", &"s".repeat(1025)), "state"),
        (start_path(OFFICIAL, &long(2048), "snsapi_base", &"s".repeat(1024)), "太长"),
        (format!("{}&appid=x", start_path(OFFICIAL, fine, "snsapi_base", "s")), "appid"),
        (format!("{}&redirect_uri=x", start_path(OFFICIAL, fine, "snsapi_base", "s")), "redirect_uri"),
        ("/v1/service/wx/oauth/start".to_owned(), "appid"),
        ("/connect/oauth2/authorize".to_owned(), "appid"),
    ] {
        let reply = browse(&app, &path).await;
        let text = page(&reply, 400);
        assert!(text.contains(what) && !text.contains("<script") && text.contains("登录没有完成"), "{text}");
    }
    let reply =
        app.get(&start_path("wxnone", fine, "snsapi_base", ""), &[("accept-language", "en-GB")]).await;
    let text = page(&reply, 400);
    assert!(text.contains("<html lang=\"en\">") && text.replace('·', "").is_ascii(), "{text}");
    assert!(text.contains("not configured"), "{text}");
    // As long as may be.
    begin(&app, &start_path(OFFICIAL, &long(2048), "snsapi_base", &"s".repeat(800))).await;
    begin(&app, &start_path(OFFICIAL, fine, "snsapi_privateinfo", &"s".repeat(1024))).await;

    let url = format!("{}/v1/service/wx/oauth/start", app.url());
    let reply = app.http.send(Method::POST, &url, &[], "").await.unwrap();
    assert_eq!(reply.headers["allow"], "GET");
    page(&reply, 405);
    assert_eq!(app.get("/v1/service/wx/oauth/other", &[]).await.status, StatusCode::NOT_FOUND);

    let text = app.text().replace(&format!("public_url = \"{PUBLIC}\""), "");
    app.restart_with(&text).await;
    for path in [start_path(OFFICIAL, fine, "snsapi_base", "s"), answer_path("c", &"s".repeat(32))] {
        assert!(page(&app.get(&path, &[]).await, 500).contains("server.public_url"));
    }
}

#[tokio::test]
async fn only_the_browser_that_began_a_login_ends_it() {
    let app = started().await;
    let (one, other) = (begin_any(&app).await, begin_any(&app).await);
    let back = answer_path("c1", &one.state);
    let (name, value) = one.cookie.split_once('=').unwrap();
    let other_name = other.cookie.split('=').next().unwrap();
    for cookie in [
        String::new(),
        other.cookie.clone(),
        format!("{name}={}", other.cookie.split_once('=').unwrap().1),
        format!("{other_name}={value}"),
        format!("{name}="),
        format!("{name}={}", &value[..value.len() - 4]),
        format!(
            "{name}={}",
            value.replacen(&value[40..41], if &value[40..41] == "A" { "B" } else { "A" }, 1)
        ),
    ] {
        let reply = come_back(&app, &back, &cookie).await;
        assert!(page(&reply, 403).contains("浏览器"), "{cookie}");
    }
    for state in ["", "x", "<script>", &"a".repeat(32), &one.state.to_lowercase(), &format!("{}a", one.state)]
    {
        page(&come_back(&app, &answer_path("c1", state), &one.cookie).await, 403);
    }
    let twice = format!("{back}&state={}", one.state);
    page(&come_back(&app, &twice, &one.cookie).await, 400);
    page(&come_back(&app, &answer_path(&"c".repeat(513), &one.state), &one.cookie).await, 400);
    // All of that spoiled nothing.
    assert_eq!(
        location(&come_back(&app, &back, &one.cookie).await),
        "https://a.example.com/?code=c1&state=s"
    );
}

#[tokio::test]
async fn a_state_is_good_for_ten_minutes_and_one_code() {
    let mut app = started().await;
    let (first, late) = (begin_any(&app).await, begin_any(&app).await);
    let expected = "https://a.example.com/?code=c1&state=s";
    app.advance(10 * MINUTE - Duration::from_millis(1)).await;
    let once = answer_path("c1", &first.state);
    assert_eq!(location(&come_back(&app, &once, &first.cookie).await), expected);
    app.advance(Duration::from_millis(1)).await;
    page(&come_back(&app, &answer_path("c1", &late.state), &late.cookie).await, 403);
    // WeChat on Android calls twice.
    assert_eq!(location(&come_back(&app, &once, &first.cookie).await), expected);
    page(&come_back(&app, &answer_path("c2", &first.state), &first.cookie).await, 403);
    app.restart().await;
    assert_eq!(location(&come_back(&app, &once, &first.cookie).await), expected);
    page(&come_back(&app, &answer_path("c2", &first.state), &first.cookie).await, 403);
    page(&app.get(&once, &[]).await, 403);
    app.advance(5 * MINUTE).await;
    page(&come_back(&app, &once, &first.cookie).await, 403);

    // Early in its life, a state that was used is used up as well.
    let early = begin_any(&app).await;
    let once = answer_path("c1", &early.state);
    location(&come_back(&app, &once, &early.cookie).await);
    app.advance(5 * MINUTE + MINUTE).await;
    page(&come_back(&app, &once, &early.cookie).await, 403);
    page(&come_back(&app, &answer_path("c2", &early.state), &early.cookie).await, 403);
    app.advance(4 * MINUTE).await;
    page(&come_back(&app, &answer_path("c2", &early.state), &early.cookie).await, 403);
}

#[tokio::test]
async fn two_answers_at_once_and_only_one_code_wins() {
    let app = started().await;
    for _ in 0..10 {
        let begun = begin_any(&app).await;
        let paths: Vec<String> = ["c1", "c2", "c1", "c2"].map(|code| answer_path(code, &begun.state)).into();
        let [a, b, c, d] = &paths[..] else { unreachable!() };
        let get = |path| come_back(&app, path, &begun.cookie);
        let replies = tokio::join!(get(a), get(b), get(c), get(d));
        let statuses =
            [replies.0.status, replies.1.status, replies.2.status, replies.3.status].map(|s| s.as_u16());
        assert!(statuses == [302, 403, 302, 403] || statuses == [403, 302, 403, 302], "{statuses:?}");
    }
}

#[tokio::test]
async fn what_a_reload_forbids_is_forbidden_to_logins_under_way() {
    let mut app = started().await;
    let begun = begin_any(&app).await;
    let config = app.config(&app.text().replace("\"https://*.example.com/\", ", "")).unwrap();
    app.gateway().reload(config).unwrap();
    page(&come_back(&app, &answer_path("c1", &begun.state), &begun.cookie).await, 400);
}

#[tokio::test]
async fn a_flood_of_starts_stores_nothing() {
    let app = started().await;
    let size = || -> u64 {
        std::fs::read_dir(app.dir.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum()
    };
    begin_any(&app).await;
    let before = size();
    let path = start_path(OFFICIAL, "https://a.example.com/", "snsapi_base", &"s".repeat(1000));
    for _ in 0..500 {
        begin(&app, &path).await;
    }
    for _ in 0..100 {
        page(&app.get(&answer_path("c", &"a".repeat(32)), &[]).await, 403);
    }
    assert_eq!(size(), before);
}

#[tokio::test]
async fn the_public_port_has_logins() {
    let mut app = started().await;
    let text = app.text().replace("public_url", "public_listen = \"127.0.0.1:0\"\npublic_url");
    app.restart_with(&text).await;
    let public = format!("http://{}", app.gateway().public_address().unwrap());
    let http = app.http.clone();
    let get = async |path: &str, cookie: &str| {
        let headers = [("cookie", cookie), ("host", HOST)];
        http.send(Method::GET, &format!("{public}{path}"), &headers, "").await.unwrap()
    };
    let start = start_path(OFFICIAL, "https://a.example.com/", "snsapi_base", "s");
    for path in [start.clone(), start.replace("/v1/service/wx/oauth/start", "/connect/oauth2/authorize")] {
        location(&get(&path, "").await);
    }
    let begun = begin(&app, &start).await;
    location(&get(&answer_path("c", &begun.state), &begun.cookie).await);
    page(&get(&answer_path("c", &begun.state), "").await, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_shows_no_code_no_state_and_no_query() {
    let sandbox = sandbox().await;
    let dir = tempfile::tempdir().unwrap();
    let (port, admin) = (free_port(), free_port());
    let config = served(&sandbox.url(), port, admin, "[log]\nlevel = \"trace\"\n")
        .replace("[store]", "public_url = \"http://127.0.0.1\"\n[store]")
        .replace(
            "kind = \"official\"",
            "kind = \"official\"\noauth_redirects = [\"https://*.example.com/\"]",
        );
    std::fs::write(dir.path().join("wxgate.toml"), config).unwrap();
    let mut gateway = serve(dir.path(), admin).await;
    let http = Http::new();
    let get = async |path: &str, cookie: &str| {
        let url = format!("http://127.0.0.1:{port}{path}");
        http.send(Method::GET, &url, &[("cookie", cookie)], "").await.unwrap()
    };
    let back = "https://a.example.com/?planted-query";
    let reply = get(&start_path(OFFICIAL, back, "snsapi_base", "planted-state"), "").await;
    let state = param(location(&reply), "state").unwrap();
    let cookie = reply.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    assert!(!reply.headers["set-cookie"].to_str().unwrap().contains("Secure"), "plain HTTP here");
    location(&get(&answer_path("planted-code", &state), &cookie).await);
    let refused = get(&answer_path("planted-other", &state), &cookie).await;
    page(&refused, 403);
    page(
        &get(&start_path(OFFICIAL, "https://evil.com/?planted-evil", "snsapi_base", "planted-x"), "").await,
        400,
    );
    page(&get(&start_path("planted-appid", back, "planted-scope", "planted-y"), "").await, 400);
    gateway.signal("-TERM");
    assert!(gateway.wait(Duration::from_secs(10)).success());
    let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
    let line = log.lines().find(|line| line.contains(refused.headers["x-request-id"].to_str().unwrap()));
    assert!(line.unwrap().contains("曾与另一个 code 一起来过"), "{log}");
    for secret in ["planted", state.as_str(), &cookie[cookie.len() - 20..]] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
    sandbox.stop().await;
}
