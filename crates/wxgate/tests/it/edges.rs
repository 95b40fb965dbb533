//! Proxies and error pages between wxgate and WeChat quote what they were asked: no credential reaches a caller by that.

use http::Response;
use serde_json::json;
use wxgate::limits::Limits;

use crate::app::{OFFICIAL, Reply, TestApp};
use crate::edge::Edge;

const OPEN: &str = "[auth]\nmode = \"off\"";
const SECRET: &str = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1";
const OTHER: &str = "cafecafecafecafecafecafecafecafe";

/// The account's own access_token, as a request for `target` shows it.
fn shown(target: &str) -> Option<&str> {
    let (_, rest) = ["access_token=", "secret="].iter().find_map(|name| target.split_once(name))?;
    rest.split('&').next()
}

fn is_token_call(target: &str) -> bool {
    target.starts_with("/cgi-bin/stable_token")
}

/// Every character percent-encoded.
fn encoded(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02x}")).collect()
}

/// As a proxy may write it.
fn forms(secret: &str) -> Vec<String> {
    let one = secret.replacen(&secret[3..4], &encoded(&secret[3..4]).to_uppercase(), 1);
    vec![secret.to_owned(), secret.to_uppercase(), one, encoded(secret), encoded(&encoded(secret))]
}

/// Calls that carry a credential of ours.
const CALLS: [&str; 3] = [
    "/cgi-bin/user/get",
    "/sns/oauth2/access_token?code=c&grant_type=authorization_code",
    "/cgi-bin/unknown/path",
];

async fn behind(limits: Limits) -> (TestApp, Edge) {
    let mut app = TestApp::limited(OPEN, limits).await;
    let edge = Edge::before(&mut app).await;
    (app, edge)
}

async fn get(app: &TestApp, path: &str) -> Reply {
    app.get(path, &[("x-wx-appid", OFFICIAL)]).await
}

#[track_caller]
fn kept_back(reply: &Reply, what: &str) {
    let given = format!("{:?} {}", reply.headers, String::from_utf8_lossy(&reply.body));
    assert_eq!((reply.status.as_u16(), &reply.json()["errcode"]), (200, &json!(-1)), "{what}: {given}");
    assert_eq!(reply.headers["x-wxgate-error"], "1");
}

#[tokio::test]
async fn an_error_page_that_quotes_the_request_is_kept_back() {
    let (app, edge) = behind(Limits::default()).await;
    for status in [200, 203, 302, 400, 403, 404, 412, 500, 502, 503] {
        for at in 0..forms(SECRET).len() {
            edge.says(move |target| {
                let quoted = forms(shown(target).filter(|_| !is_token_call(target))?).remove(at);
                let page =
                    format!("<p>Could not fetch <a href=\"https://x/?access_token={quoted}\">it</a></p>");
                Response::builder()
                    .status(status)
                    .header("content-type", "Text/HTML; charset=utf-8")
                    .body(page)
                    .ok()
            });
            for path in CALLS {
                kept_back(&get(&app, path).await, &format!("{status} {path} form {at}"));
            }
        }
    }
}

#[tokio::test]
async fn a_header_that_quotes_the_request_is_kept_back() {
    let (app, edge) = behind(Limits::default()).await;
    for (status, name) in
        [(200, "link"), (200, "x-original-url"), (206, "via"), (302, "location"), (503, "warning")]
    {
        for at in 0..forms(SECRET).len() {
            edge.says(move |target| {
                let quoted = forms(shown(target).filter(|_| !is_token_call(target))?).remove(at);
                let value = format!("<https://x/?secret={quoted}&a=b>; rel=self");
                Response::builder().status(status).header(name, value).body("{\"a\":1}".into()).ok()
            });
            for path in CALLS {
                kept_back(&get(&app, path).await, &format!("{status} {name} {path} form {at}"));
            }
        }
    }
}

#[tokio::test]
async fn a_success_that_quotes_the_request_is_kept_back() {
    let (app, edge) = behind(Limits::default()).await;
    for (media_type, before) in [
        ("application/json", "{\"url\":\""),
        ("text/plain", "GET "),
        ("", "\n {\"a\":\""),
        ("application/xml", "<a>"),
    ] {
        for at in 0..forms(SECRET).len() {
            edge.says(move |target| {
                let quoted = forms(shown(target).filter(|_| !is_token_call(target))?).remove(at);
                let response = Response::builder().header("content-type", media_type);
                response.body(format!("{before}{quoted}\"}}")).ok()
            });
            for path in CALLS {
                kept_back(&get(&app, path).await, &format!("{media_type} {path} form {at}"));
            }
        }
    }
}

#[tokio::test]
async fn a_page_without_a_credential_passes_as_it_is() {
    let (app, edge) = behind(Limits::default()).await;
    for (status, media_type) in [(503, "text/html"), (200, "text/html"), (400, "application/json"), (204, "")]
    {
        edge.says(move |target| {
            let page = if status == 204 { String::new() } else { format!("<p>{OTHER} 100% down</p>") };
            let response =
                Response::builder().status(status).header("x-own", OTHER).header("content-type", media_type);
            response.body(page).ok().filter(|_| !is_token_call(target))
        });
        for path in CALLS {
            let reply = get(&app, path).await;
            assert_eq!(
                (reply.status.as_u16(), reply.headers["x-own"].to_str().unwrap()),
                (status, OTHER),
                "{path}"
            );
            assert!(status == 204 || reply.body.starts_with(b"<p>cafe"), "{path}: {:?}", reply.body);
        }
    }
}

#[tokio::test]
async fn what_cannot_be_searched_is_kept_back() {
    let (app, edge) = behind(Limits { page: 1000, ..Limits::default() }).await;
    let page = |length: usize, coding: &'static str| {
        move |target: &str| {
            let response = Response::builder().status(503).header("content-encoding", coding);
            response.body("x".repeat(length)).ok().filter(|_| !is_token_call(target))
        }
    };
    for path in CALLS {
        edge.says(page(1000, "identity"));
        assert_eq!(get(&app, path).await.body.len(), 1000, "{path}");
        edge.says(page(1001, "identity"));
        kept_back(&get(&app, path).await, path);
        edge.says(page(10, "gzip"));
        kept_back(&get(&app, path).await, path);
    }
    // What is no error and no page is as long as it likes.
    edge.says(|target| Some(Response::new("x".repeat(100_000))).filter(|_| !is_token_call(target)));
    assert_eq!(get(&app, CALLS[0]).await.body.len(), 100_000);
}

#[tokio::test]
async fn what_carries_no_credential_of_ours_passes_untouched() {
    let (app, edge) = behind(Limits { page: 10, ..Limits::default() }).await;
    edge.says(|target| {
        let theirs =
            Response::builder().status(503).header("x-url", target).header("content-type", "text/html");
        theirs.body(target.to_owned()).ok()
    });
    let path = "/sns/userinfo?access_token=a-users-own-token&openid=o";
    let reply = app.get(path, &[]).await;
    assert_eq!(
        (reply.status.as_u16(), &reply.body[..], reply.headers["x-url"].to_str().unwrap()),
        (503, path.as_bytes(), path)
    );
}

#[tokio::test]
async fn words_of_wechats_that_quote_a_credential_are_replaced() {
    let (app, edge) = behind(Limits::default()).await;
    let quoting = |errcode: i64, at: usize| {
        move |target: &str| {
            let quoted = shown(target).filter(|_| !is_token_call(target))?;
            let errmsg = format!("argument invalid! {} invalid", forms(quoted).remove(at));
            Some(Response::new(json!({"errcode": errcode, "errmsg": errmsg}).to_string()))
        }
    };
    let message =
        json!({"appid": OFFICIAL, "openid": "o", "template_id": "t", "data": {"a": {"value": "b"}}});
    let login = json!({"appid": OFFICIAL, "code": "c"});
    let page = json!({"appid": OFFICIAL, "url": "https://a.example.com/"});
    for at in 0..forms(SECRET).len() {
        for (name, body, errcode) in [
            ("sendwxtemplatemsg", &message, 47003),
            ("sendwxtemplatemsg", &message, 40001),
            ("getwxuserinfo", &login, 40029),
            ("jssdk", &page, 48001),
        ] {
            edge.says(quoting(errcode, at));
            let ret = app.call(name, body.clone()).await.ret();
            assert_eq!(ret["wx_errmsg"], wechat::errcode::text(errcode), "{name}: {ret}");
            assert!(!ret["msg"].as_str().unwrap().contains('['), "no field of it: {ret}");
            app.advance(std::time::Duration::from_secs(700)).await;
        }
        edge.says(quoting(40001, at));
        let refused = get(&app, CALLS[0]).await.json();
        assert_eq!(refused["errcode"], 48001, "{refused}");
        assert!(refused["errmsg"].as_str().unwrap().ends_with(wechat::errcode::text(40001)), "{refused}");
        app.advance(std::time::Duration::from_secs(700)).await;
    }
    // The token call itself.
    edge.says(|target| {
        let said = json!({"errcode": 40125, "errmsg": format!("invalid appsecret {}", encoded(SECRET))});
        Some(Response::new(said.to_string())).filter(|_| is_token_call(target))
    });
    app.advance(std::time::Duration::from_secs(7300)).await;
    let ret = app.qr_code(OFFICIAL).await.fails(3_584_005, false, 40125);
    assert_eq!(ret["wx_errmsg"], "invalid appsecret");
    let refused = get(&app, CALLS[0]).await.json();
    assert!(refused["errmsg"].as_str().unwrap().contains("40125 invalid appsecret；"), "{refused}");
}
