//! Messages that are WeChat's but not well-formed: kept, acknowledged, and delivered as they came.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::StatusCode;
use serde_json::Value;

use crate::app::{EXAMPLE, MINI, OFFICIAL, TestApp};
use crate::backend::{Backend, says};
use crate::signed::{Callback, Maker, text};

const NESTED: &str = "<status><a><![CDATA[x]]></a></status>";

/// Routes that take everything, texts, events, one user's, scans, and the same as JSON.
async fn routed() -> (TestApp, Backend) {
    let backend = Backend::start().await;
    let route = |name: &str, more: &str| {
        format!("[[routes]]\nname = \"{name}\"\ntarget = \"{}/{name}\"\n{more}\n", backend.url)
    };
    let app = TestApp::configured(&format!(
        "[auth]\nmode = \"off\"\n{}{}{}{}{}{}",
        route("all", ""),
        route("texts", "events = [\"message:text\"]"),
        route("events", "events = [\"event:*\", \"SCAN\"]"),
        route("users", "openids = [\"o1\", \"!o2\"]"),
        route("scenes", "scenes = [\"*\"]"),
        route("json", "format = \"json\"\nsecret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\""),
    ))
    .await;
    (app, backend)
}

async fn taken(app: &TestApp, appid: Option<&str>, callback: &Callback) {
    let reply = app.callback(appid, callback).await;
    assert_eq!((reply.status, &reply.body[..]), (StatusCode::OK, &b"success"[..]));
    app.all_delivered().await;
}

fn paths(backend: &Backend, from: usize) -> Vec<String> {
    let mut paths: Vec<String> = backend.got()[from..].iter().map(|got| got.path.clone()).collect();
    paths.sort();
    paths
}

#[tokio::test]
async fn what_a_user_spoilt_is_delivered_as_it_came() {
    let (app, backend) = routed().await;
    let made = |content: &str| text("gh", content).replace("1409735668", &app.now().to_string());
    let (xml, json) = (made(NESTED), |content: &str| {
        format!(
            "{{\"ToUserName\":\"gh\",\"FromUserName\":\"o1\",\"CreateTime\":5,\"MsgType\":\"text\",\"Content\":\"{content}\"}}"
        )
    });
    let cases: [(&str, Vec<u8>); 7] = [
        (OFFICIAL, xml.clone().into_bytes()),
        (EXAMPLE, xml.into_bytes()),
        (OFFICIAL, made("a\0b").into_bytes()),
        (OFFICIAL, [made("\u{fffd}").into_bytes(), b"\xe6\xb1".to_vec()].concat()),
        (MINI, json("a\nb").into_bytes()),
        (MINI, json("\\ud83d").into_bytes()),
        (EXAMPLE, json("cut").trim_end_matches("\"}").as_bytes().to_vec()),
    ];
    for (appid, message) in cases {
        let before = backend.count();
        let maker = Maker::new(appid, app.now());
        let callback = if appid == EXAMPLE { maker.plain(&message) } else { maker.safe(&message) };
        taken(&app, Some(appid), &callback).await;
        assert_eq!(paths(&backend, before), ["/all", "/json", "/texts"], "{appid}");
        // A repeat is the same message.
        taken(&app, Some(appid), &callback).await;
        assert_eq!(backend.count(), before + 3);
        for got in &backend.got()[before..] {
            if got.path == "/json" {
                let sent: Value = serde_json::from_slice(&got.body).unwrap();
                let raw = BASE64_STANDARD.decode(sent["data"]["raw"].as_str().unwrap()).unwrap();
                assert_eq!((&sent["type"], raw), (&"wechat.message.text".into(), message.clone()));
                assert_eq!((&sent["data"]["openid"], &sent["data"]["scene"]), (&"o1".into(), &"".into()));
            } else {
                assert_eq!(got.body, message);
                assert!(got.query.contains("&openid=o1"), "{}", got.query);
            }
        }
    }
    assert_eq!(app.events().await.len(), 7);
}

#[tokio::test]
async fn what_names_no_type_is_unknown() {
    let (app, backend) = routed().await;
    for body in ["", "neither", "<xml><Content>", "{\"MsgType\"", "\0"] {
        let before = backend.count();
        taken(&app, None, &Maker::new(OFFICIAL, app.now()).safe(body)).await;
        assert_eq!(paths(&backend, before), ["/all", "/json"], "{body}");
        let got = backend.got();
        let json = got[before..].iter().find(|got| got.path == "/json").unwrap();
        let sent: Value = serde_json::from_slice(&json.body).unwrap();
        assert_eq!((&sent["type"], &sent["data"]["msg_type"]), (&"wechat.unknown".into(), &"".into()));
        assert_eq!(sent["data"]["raw"], BASE64_STANDARD.encode(body));
    }
    // What is well-formed has no raw.
    taken(&app, None, &Maker::new(OFFICIAL, app.now()).safe(&text("gh", "fine"))).await;
    let json = backend.got().into_iter().rfind(|got| got.path == "/json").unwrap();
    assert!(serde_json::from_slice::<Value>(&json.body).unwrap()["data"].get("raw").is_none());
}

#[tokio::test]
async fn a_scan_that_is_malformed_logs_nobody_in() {
    let (app, backend) = routed().await;
    let scan = "<xml><ToUserName>gh</ToUserName><FromUserName>o1</FromUserName><CreateTime>5</CreateTime>\
        <MsgType>event</MsgType><Event>SCAN</Event><EventKey>login_1</EventKey><Ticket>a\0</Ticket></xml>";
    taken(&app, None, &Maker::new(OFFICIAL, app.now()).safe(scan)).await;
    assert_eq!(paths(&backend, 0), ["/all", "/events", "/json"]);
}

#[tokio::test]
async fn in_plain_mode_only_the_path_says_whose_it_is() {
    let (app, _backend) = routed().await;
    let spoilt = text("gh_0000000000c3", NESTED);
    let maker = Maker::new(EXAMPLE, app.now());
    let reply = app.callback(None, &maker.plain(&spoilt)).await;
    assert_eq!((reply.status, app.events().await.len()), (StatusCode::FORBIDDEN, 0));
    // Signature, key and app are what refuses.
    for (appid, callback) in [
        (EXAMPLE, Maker { token: "other", ..maker }.plain(&spoilt)),
        (OFFICIAL, Maker::new(OFFICIAL, app.now()).plain(&spoilt)),
        (OFFICIAL, Maker::new(MINI, app.now()).safe(&spoilt)),
        (OFFICIAL, Maker { token: "other", ..Maker::new(OFFICIAL, app.now()) }.safe("")),
    ] {
        let reply = app.callback(Some(appid), &callback).await;
        assert_eq!((reply.status, &reply.body[..]), (StatusCode::FORBIDDEN, &b"refused"[..]));
    }
    assert_eq!(app.events().await.len(), 0);
    taken(&app, Some(EXAMPLE), &maker.plain(&spoilt)).await;
    assert_eq!(app.events().await.len(), 1);
}

#[tokio::test]
async fn it_is_answered_like_any_other() {
    let backend = Backend::start().await;
    backend.does(|_| says(200, "{\"MsgType\":\"text\",\"Content\":\"hello\"}"));
    let route = format!("[[routes]]\nname = \"r\"\ntarget = \"{}\"\nreply = true\n", backend.url);
    let app = TestApp::configured(&format!("[auth]\nmode = \"off\"\n{route}aes_key = \"app\"\n")).await;
    let callback = Maker::new(OFFICIAL, app.now()).compat(&text("gh_0000000000a1", NESTED));
    let first = app.callback(Some(OFFICIAL), &callback).await;
    assert!(first.body.starts_with(b"<xml><Encrypt>"), "{:?}", first.body);
    assert_eq!(app.callback(None, &callback).await.body, first.body);
    assert_eq!(backend.count(), 1);
    assert!(backend.got()[0].query.contains("&msg_signature="));
}
