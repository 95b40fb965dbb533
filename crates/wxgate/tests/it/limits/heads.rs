//! What is refused before it is a request: in the shape of whatever its path belongs to, and with an id.

use wxgate::limits::Limits;

use super::held::OPEN;
use crate::app::{Reply, TestApp};
use crate::raw::Raw;

const HEAD: usize = 8 << 10;

/// What is wrong with a head.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    /// A character of the URL should have been encoded.
    Url,
    /// A header's name has a blank.
    Header,
    /// The URL is too long.
    Long,
    /// The headers are.
    Large,
    /// The headers are too many.
    Many,
}

use Wrong::{Header, Large, Long, Many, Url};

/// A request of `path` whose head is wrong so; `size`: longer than is taken.
fn request(path: &str, wrong: Wrong, size: usize) -> String {
    let (query, headers) = match wrong {
        Url => ("a=\"b\"".to_owned(), String::new()),
        Header => (String::new(), "bad name: x\r\n".to_owned()),
        Long => (format!("a={}", "b".repeat(size)), String::new()),
        Large => (String::new(), format!("x: {}\r\n", "y".repeat(size))),
        Many => (String::new(), (0..101).map(|n| format!("x-{n}: y\r\n")).collect()),
    };
    format!("GET {path}?{query} HTTP/1.1\r\nHost: h\r\n{headers}\r\n")
}

async fn ask(url: &str, request: String) -> Reply {
    let mut raw = Raw::to(url).await;
    raw.send(request).await;
    let reply = raw.answer().await;
    assert!(reply.headers["x-request-id"].to_str().unwrap().starts_with("wxmsg_"), "{:?}", reply.headers);
    assert_eq!(reply.headers["connection"], "close");
    assert_eq!(raw.rest().await, b"");
    reply
}

/// A gateway with small heads, and one whose heads are longer than the longest URL.
async fn both() -> [(TestApp, usize); 2] {
    let with = async |head| TestApp::limited(OPEN, Limits { head, ..Limits::default() }).await;
    [(with(HEAD).await, HEAD), (with(256 << 10).await, 65_536)]
}

#[tokio::test]
async fn on_a_service_path() {
    let [small, roomy] = both().await;
    for (app, wrong, status) in [
        (&small, Url, 400),
        (&small, Header, 400),
        (&small, Long, 431),
        (&small, Large, 431),
        (&small, Many, 431),
        (&roomy, Long, 414),
    ] {
        let (app, size) = app;
        let reply = ask(&app.url(), request("/v1/service/wx/token", wrong, *size)).await;
        assert_eq!(reply.status.as_u16(), status, "{wrong:?}");
        reply.fails(3_584_002, false, 0);
    }
}

#[tokio::test]
async fn on_a_path_that_is_passed_on() {
    let [small, roomy] = both().await;
    for (app, wrong, status, errcode, words) in [
        (&small, Url, 200, 40066, "invalid url"),
        (&small, Header, 200, 40066, "invalid url"),
        (&small, Long, 200, 40035, "invalid parameter"),
        (&small, Large, 200, 40035, "invalid parameter"),
        (&small, Many, 200, 40035, "invalid parameter"),
        (&roomy, Long, 200, 40066, "invalid url"),
    ] {
        let (app, size) = app;
        let reply = ask(&app.url(), request("/cgi-bin/user/get", wrong, *size)).await;
        let json = reply.json();
        assert_eq!((reply.status.as_u16(), json["errcode"].as_i64()), (status, Some(errcode)), "{wrong:?}");
        assert_eq!(reply.headers["x-wxgate-error"], "1");
        let id = reply.headers["x-request-id"].to_str().unwrap();
        let errmsg = json["errmsg"].as_str().unwrap();
        assert!(errmsg.starts_with(&format!("{words} hint: [wxgate {id}] ")), "{errmsg}");
    }
}

#[tokio::test]
async fn on_the_operators_listener() {
    let [small, roomy] = both().await;
    for (app, wrong, status) in [
        (&small, Url, 400),
        (&small, Header, 400),
        (&small, Long, 431),
        (&small, Large, 431),
        (&small, Many, 431),
        (&roomy, Long, 414),
    ] {
        let (app, size) = app;
        let reply = ask(&app.admin_url(), request("/api/v1/events", wrong, *size)).await;
        assert_eq!(reply.status.as_u16(), status, "{wrong:?}");
        assert_eq!(reply.headers["content-type"], "application/problem+json");
        assert_eq!(reply.json()["status"], status, "{:?}", reply.body);
    }
}

#[tokio::test]
async fn on_the_internets_paths() {
    let [(app, size), _] = both().await;
    for (wrong, status) in [(Url, 400), (Header, 400), (Large, 431)] {
        let reply = ask(&app.url(), request("/v1/service/wx/wxmsg", wrong, size)).await;
        let id = reply.headers["x-request-id"].to_str().unwrap();
        assert_eq!((reply.status.as_u16(), &reply.body[..]), (403, format!("refused {id}\n").as_bytes()));
        let reply = ask(&app.url(), request("/v1/service/wx/oauth/start", wrong, size)).await;
        crate::oauth::page(&reply, status);
    }
}
