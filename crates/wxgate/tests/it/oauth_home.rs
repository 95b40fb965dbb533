//! Logins pass through one host: they are begun there, and what a browser keeps of them comes from there.

use http::StatusCode;
use serde_json::json;

use crate::app::OFFICIAL;
use crate::oauth::{begin_any, come_back, location, page, started};

const START: &str = "/v1/service/wx/oauth/start?appid=wx00000000000000a1&redirect_uri=https%3A%2F%2Fa.example.com%2F&scope=snsapi_base&state=s";

#[tokio::test]
async fn a_login_begun_elsewhere_is_sent_to_the_public_host_once() {
    let app = started().await;
    for path in [START, &START.replace("/v1/service/wx/oauth/start", "/connect/oauth2/authorize")] {
        for host in ["10.0.0.8:36012", "intranet", "wx.example.com:36012", "wx.example.com.evil.com"] {
            let reply = app.get(path, &[("host", host)]).await;
            assert_eq!(location(&reply), format!("https://wx.example.com{path}&wxr=1"), "{host}");
            assert!(reply.headers.get("set-cookie").is_none(), "{host}");
            // A proxy that hides the host: it goes on there.
            let marked = app.get(&format!("{path}&wxr=1"), &[("host", host)]).await;
            assert!(location(&marked).contains("/connect/oauth2/authorize?appid="), "{host}");
            assert!(marked.headers.contains_key("set-cookie"));
        }
        for host in ["wx.example.com", "WX.example.com", "wx.example.com:443"] {
            let reply = app.get(path, &[("host", host)]).await;
            assert!(reply.headers.contains_key("set-cookie"), "{host}");
        }
    }
    // What can't begin at all is said where it was asked.
    let wrong = app.get(&START.replace("snsapi_base", "x"), &[("host", "intranet")]).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_a_sibling_subdomain_plants_is_ignored() {
    let app = started().await;
    let openid = app.user(OFFICIAL).await;
    let code = app.code("oauth", OFFICIAL, &openid).await;
    let (theirs, own) = (begin_any(&app).await, begin_any(&app).await);
    let answer = |state: &str| format!("/v1/service/wx/oauth/callback?code={code}&state={state}");
    // The attacker's own login, under the name that any subdomain may set.
    let planted = theirs.cookie.strip_prefix("__Host-").unwrap();
    page(&come_back(&app, &answer(&theirs.state), planted).await, 403);
    let with_own = format!("{planted}; {}", own.cookie);
    page(&come_back(&app, &answer(&theirs.state), &with_own).await, 403);
    location(&come_back(&app, &answer(&own.state), &with_own).await);
}

#[tokio::test]
async fn several_logins_of_one_browser_wait_side_by_side_within_what_a_proxy_takes() {
    let app = started().await;
    let mut jar: Vec<(String, String)> = Vec::new();
    let mut states = Vec::new();
    for number in 0..30 {
        let cookie = jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        assert!(cookie.len() < 8 << 10, "a proxy's usual room for headers");
        app.advance(std::time::Duration::from_millis(1500)).await;
        let path = START.replace("state=s", &format!("state=login{number}"));
        let reply = app.get(&path, &[("host", "wx.example.com"), ("cookie", &cookie)]).await;
        let to = url::Url::parse(location(&reply)).unwrap();
        states.push(to.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned());
        for set in reply.headers.get_all("set-cookie") {
            let set = set.to_str().unwrap();
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            jar.retain(|(known, _)| known != name);
            if !set.contains("Max-Age=0") {
                jar.push((name.to_owned(), value.to_owned()));
            }
        }
    }
    assert!((4..=9).contains(&jar.len()), "{}", jar.len());
    let openid = app.user(OFFICIAL).await;
    let cookie = jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
    for (number, state) in states.iter().enumerate().skip(states.len() - 4) {
        let code = app.code("oauth", OFFICIAL, &openid).await;
        let path = format!("/v1/service/wx/oauth/callback?code={code}&state={state}");
        let back = come_back(&app, &path, &cookie).await;
        assert!(location(&back).ends_with(&format!("state=login{number}")), "{number}");
    }
}

#[tokio::test]
async fn the_page_names_account_and_host() {
    let mut app = started().await;
    let text = app.text().replace("tags = [\"prod\"]", "tags = [\"prod\"]\nname = \"服务号\"");
    app.restart_with(&text).await;
    let wrong = START.replace("snsapi_base", "x");
    let reply = app.get(&wrong, &[("host", "intranet:8080")]).await;
    let said = page(&reply, 400);
    assert!(said.contains("账号 服务号 (wx00000000000000a1) · 主机 intranet:8080"), "{said}");
    let reply = app.get(&wrong, &[("host", "intranet"), ("accept-language", "en")]).await;
    assert!(page(&reply, 400).contains("account 服务号 (wx00000000000000a1) · host intranet"));
    let odd = app.get(&wrong, &[("host", "a<b>.example.com")]).await;
    assert!(!String::from_utf8_lossy(&odd.body).contains("<b>"));
    app.control("reset", json!({})).await;
}
