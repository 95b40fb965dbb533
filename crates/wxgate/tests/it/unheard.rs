//! What no handler hears of, for it is no request that could be read: every surface says no in its own manner all the same,
//! and in the client's language.

use crate::app::{OFFICIAL, Reply, TestApp};
use crate::raw::Raw;

async fn sends(app: &TestApp, request: &str) -> Reply {
    let mut raw = Raw::to(&app.url()).await;
    raw.send(request).await;
    let reply = raw.answer().await;
    assert!(raw.rest().await.is_empty(), "the connection ends");
    assert!(reply.headers.contains_key("x-request-id"), "{reply:?}");
    reply
}

/// Requests for `path` that can't be read.
fn unreadable(path: &str, language: &str) -> Vec<(&'static str, String)> {
    let more = format!("Accept-Language: {language}\r\n");
    let get = |target: &str, headers: &str| format!("GET {target} HTTP/1.1\r\n{more}{headers}\r\n\r\n");
    vec![
        ("quotes", get(&format!("{path}?openid=\"a\""), "Host: h")),
        ("a space in the query", get(&format!("{path}?a=b c"), "Host: h")),
        ("a bad header", get(path, "Host: h\r\nX y: z")),
        ("a header without a colon", get(path, "Host: h\r\nnonsense")),
        ("a long head", get(path, &format!("Host: h\r\nX: {}", "x".repeat(100_000)))),
        ("a long URL", get(&format!("{path}?{}", "x".repeat(100_000)), "Host: h")),
    ]
}

fn is_chinese(text: &str) -> bool {
    text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

#[tokio::test]
async fn on_the_pass_through_it_is_200_with_an_errcode() {
    let app = TestApp::start().await;
    for language in ["zh-CN", "en"] {
        for (what, request) in unreadable("/cgi-bin/user/get", language) {
            let reply = sends(&app, &request).await;
            let json = reply.json();
            assert_eq!(reply.status.as_u16(), 200, "{what}: {json}");
            assert!([40066, 40035].contains(&json["errcode"].as_i64().unwrap()), "{what}: {json}");
            let errmsg = json["errmsg"].as_str().unwrap();
            if what == "a long URL" {
                // Its headers are lost: both languages.
                assert!(is_chinese(errmsg) && errmsg.contains(" / the request's "), "{errmsg}");
            } else {
                assert_eq!(is_chinese(errmsg), language == "zh-CN", "{what}: {errmsg}");
            }
        }
    }
    // What two readers could understand differently is an error to whatever stands in front.
    let two = "POST /cgi-bin/x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello";
    assert_eq!(sends(&app, two).await.status.as_u16(), 400);
    assert_eq!(
        sends(&app, "GET /cgi-bin/x HTTP/1.1\r\nX: y\r\n\r\n").await.status.as_u16(),
        400,
        "no Host, as HTTP wants it"
    );
}

#[tokio::test]
async fn for_a_callback_it_is_403_and_elsewhere_the_status_that_belongs_to_it() {
    let app = TestApp::start().await;
    let named = format!("/v1/service/wx/wxmsg/{OFFICIAL}");
    for path in [
        "/v1/service/wx/wxmsg".to_owned(),
        format!("/{named}"),
        named.replace("/service", "//service"),
        named,
    ] {
        for (what, request) in unreadable(&path, "zh") {
            let reply = sends(&app, &request).await;
            assert_eq!(reply.status.as_u16(), 403, "{what}: {reply:?}");
            assert!(reply.body.starts_with(b"refused wxmsg_"), "{what}: {reply:?}");
        }
    }
    for language in ["zh", "en"] {
        for (what, request) in unreadable("//v1/service/wx/jssdk", language) {
            let reply = sends(&app, &request).await;
            assert!([400, 414, 431].contains(&reply.status.as_u16()), "{what}: {reply:?}");
            let ret = reply.ret();
            assert_eq!(ret["code"], 3_584_002, "{what}: {ret}");
            assert!(
                what == "a long URL" || is_chinese(ret["msg"].as_str().unwrap()) == (language == "zh"),
                "{ret}"
            );
        }
    }
}

#[tokio::test]
async fn http_2_without_asking_is_told_what_is_spoken_here() {
    let app = TestApp::start().await;
    let reply = sends(&app, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    assert_eq!(reply.status.as_u16(), 400);
    assert!(String::from_utf8_lossy(&reply.body).contains("HTTP/1.1"), "{reply:?}");
}
