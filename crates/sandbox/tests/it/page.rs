//! `GET /`: the page with the phone for browsers, the facts as text for terminals; who may change what.

use crate::rig::{EXAMPLE, MINI, OFFICIAL, Reply, Rig, secret};
use http::Method;
use serde_json::json;

const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

async fn page(rig: &Rig, path: &str) -> Reply {
    rig.send(Method::GET, path, &[BROWSER], "").await.unwrap()
}

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.to_vec()).unwrap()
}

#[tokio::test]
async fn a_terminal_reads_the_facts_in_its_language_with_this_address() {
    let rig = Rig::start().await;
    let facts = async |language: &str| {
        let headers = [("accept-language", language), ("user-agent", "curl/8.5.0"), ("accept", "*/*")];
        let reply = rig.send(Method::GET, "/", &headers, "").await.unwrap();
        assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
        text(&reply)
    };
    assert!(facts("zh-CN").await.contains("微信模拟器"));
    let english = facts("en-GB,en;q=0.9").await;
    for expected in [
        "WeChat sandbox",
        MINI,
        &secret(EXAMPLE),
        "gh_0000000000a1",
        "sandboxtoken",
        "demo-oauth",
        "/sandbox/scan",
    ] {
        assert!(english.contains(expected), "{expected} in {english}");
    }
    assert!(english.contains("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"), "the key as it was given");
    assert!(
        english.contains(&format!("curl {}/sandbox/clock", rig.sandbox.url())),
        "its own port: {english}"
    );
}

#[tokio::test]
async fn a_browser_gets_a_page_that_asks_nobody_else_and_works_below_any_prefix() {
    let rig = Rig::start().await;
    for (path, root) in [("/", "./"), ("/q/abc", "../")] {
        let reply = page(&rig, path).await;
        let html = text(&reply);
        let policy = reply.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self';",
            "style-src 'self';",
            "frame-ancestors 'self'",
            "trusted-types vue",
        ] {
            assert!(policy.contains(part), "{part} in {policy}");
        }
        assert!(html.contains(&format!("data-root=\"{root}\"")), "{html}");
        let addresses: Vec<&str> = html.split(['"']).filter(|part| part.contains("/_/")).collect();
        assert!(addresses.len() > 4, "{html}");
        for address in addresses {
            let rest = address.strip_prefix(root).unwrap_or_else(|| panic!("relative: {address}"));
            let file = rig.get(&format!("/{rest}")).await;
            assert_eq!(file.status, 200, "{address}");
            assert!(file.header("cache-control").contains("immutable"));
            assert_eq!(file.header("x-content-type-options"), "nosniff");
        }
        assert!(!html.contains("src=\"http") && !html.contains("href=\"http"), "no outside asset: {html}");
    }
    for path in ["/_/0000000000000000/a/index.js", "/_/x/index.html"] {
        assert_eq!(rig.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn without_scripts_the_page_has_the_facts_in_it() {
    let rig = Rig::start().await;
    rig.control("apps", json!({"appid": "wx<b>", "secret": "s", "kind": "mini"})).await;
    for reply in [page(&rig, "/").await, rig.get("/").await] {
        let html = text(&reply);
        assert!(
            reply.header("content-type").starts_with("text/html") && html.contains("<noscript>"),
            "{html}"
        );
        for expected in ["微信模拟器", OFFICIAL, "/sandbox/scan", "wx&lt;b&gt;"] {
            assert!(html.contains(expected), "{expected} in {html}");
        }
    }
}

#[tokio::test]
async fn wechats_own_pages_wear_the_same_dress() {
    let rig = Rig::start().await;
    let authorize = |back: &str| {
        format!(
            "/connect/oauth2/authorize?appid={OFFICIAL}&redirect_uri={back}&response_type=code&scope=snsapi_userinfo&state=x"
        )
    };
    for (path, expected) in [
        (authorize("http%3A%2F%2F127.0.0.1%2Fback"), "Hui🐠"),
        (authorize("http%3A%2F%2Fevil.example.com%2F"), "错误码: 10003"),
    ] {
        let reply = page(&rig, &path).await;
        let html = text(&reply);
        assert!(html.contains(expected), "{expected} in {html}");
        assert!(reply.header("content-security-policy").starts_with("default-src 'none'"));
        assert!(!html.contains("<style") && !html.contains("style="), "nothing inline: {html}");
        let sheet = html.split('"').find(|part| part.ends_with("index.css")).unwrap();
        let sheet = sheet.strip_prefix("../../").unwrap_or_else(|| panic!("{sheet}"));
        assert_eq!(rig.get(&format!("/{sheet}")).await.header("content-type"), "text/css; charset=utf-8");
    }
}

#[tokio::test]
async fn only_its_own_pages_and_tools_change_the_sandbox() {
    let rig = Rig::start().await;
    let own = rig.sandbox.url();
    let other_port = "http://127.0.0.1:1".to_owned();
    let tries = [
        (None, 200),
        (Some(own.clone()), 200),
        (Some(other_port.clone()), 403),
        (Some(own.replace("127.0.0.1", "localhost")), 403),
        (Some("http://evil.example.com".to_owned()), 403),
        (Some("null".to_owned()), 403),
        (Some(format!("{own}.evil.example.com")), 403),
    ];
    for (origin, expected) in tries {
        let headers: Vec<(&str, &str)> = origin.iter().map(|origin| ("origin", origin.as_str())).collect();
        for (method, path, body) in [
            (Method::POST, "/sandbox/users", json!({"nickname": "made by a page"})),
            (Method::POST, "/sandbox/clock", json!({"advance_seconds": 1})),
            (Method::DELETE, "/sandbox/calls", json!({})),
        ] {
            let reply = rig.send(method, path, &headers, body.to_string()).await.unwrap();
            assert_eq!(reply.status, expected, "{path} from {origin:?}");
            assert!(reply.headers.get("access-control-allow-origin").is_none());
        }
    }
    let state = rig.state().await;
    assert_eq!(state["users"].as_array().unwrap().len(), 1 + 2, "who was refused changed nothing");
    assert_eq!(state["now"], json!(crate::rig::START + 2_000));
    // Reading is harmless: a browser shows the answer to nobody else.
    let reading = rig.send(Method::GET, "/sandbox/calls", &[("origin", &other_port)], "").await.unwrap();
    assert_eq!(reading.status, 200);
    assert!(reading.headers.get("access-control-allow-origin").is_none());
}

#[tokio::test]
async fn cookies_of_other_ports_reach_no_journal() {
    let rig = Rig::start().await;
    let cookie = "sandbox_user=u1; wxgate_36013=secret; __Host-wxgate_36013=secret; own=1";
    for sent in [cookie, "wxgate_36013=secret"] {
        rig.send(Method::GET, "/cgi-bin/x?a=1", &[("cookie", sent), ("x-other", "y")], "").await.unwrap();
    }
    let calls = rig.get("/sandbox/calls").await.json();
    let headers = |at: usize| calls["calls"][at]["headers"].to_string();
    assert!(headers(0).contains(" own=1") && headers(0).contains("x-other"), "{}", headers(0));
    assert!(!calls.to_string().contains("secret") && !headers(0).contains("sandbox_user"), "{calls}");
    assert!(!headers(1).contains("cookie"), "none is left");
}

#[tokio::test]
async fn the_journal_is_a_page_for_browsers_and_json_for_the_others() {
    let rig = Rig::start().await;
    let seen = page(&rig, "/sandbox/calls?path=/cgi-bin/token").await;
    assert_eq!((seen.status, seen.header("location")), (307, "../?view=journal"));
    assert!(rig.get("/sandbox/calls").await.json()["calls"].is_array());
}

#[tokio::test]
async fn the_tables_words_say_why() {
    let rig = Rig::start().await;
    let row = rig.get("/sandbox/errors/43004").await.json();
    assert_eq!(row["text"], "require subscribe");
    assert!(row["zh"].as_str().unwrap().contains("关注") && !row["en"].as_str().unwrap().is_empty());
    for unknown in ["123456789", "x"] {
        assert_eq!(rig.get(&format!("/sandbox/errors/{unknown}")).await.status, 400);
    }
}

#[tokio::test]
async fn no_redirect_without_an_address() {
    let rig = Rig::start().await;
    for back in [
        "http%3A%2F%2F127.0.0.1%2F%0a",
        "http%3A%2F%2F127.0.0.1%2F%00x",
        "http%3A%2F%2F127.0.0.1%2F%7f",
        "%20http%3A%2F%2F127.0.0.1%2F%09",
    ] {
        let link = format!(
            "/connect/oauth2/authorize?appid={OFFICIAL}&redirect_uri={back}&response_type=code&scope=snsapi_base&state=s"
        );
        let reply = rig.get(&link).await;
        let page = String::from_utf8(reply.body.to_vec()).unwrap();
        assert!(reply.status == 200 && page.contains("10003"), "{back}: {} {page}", reply.status);
    }
}
