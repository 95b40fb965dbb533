//! What `wxgate import` writes serves the callers and backends of the original unchanged.

use http::Method;
use serde_json::json;
use wechat::message::Message;

use crate::app::{EXAMPLE, EXAMPLE_CODE, OFFICIAL, TestApp};
use crate::backend::{Backend, says};
use crate::signed::Maker;

const REPLY: &str = r#"{"MsgType":"text","Content":"from ENV"}"#;

fn event(openid: &str, event: &str, n: usize) -> String {
    format!(
        "<xml><ToUserName>gh_0000000000c3</ToUserName><FromUserName>{openid}</FromUserName><CreateTime>{n}</CreateTime>\
         <MsgType>event</MsgType><Event>{event}</Event><EventKey>k</EventKey></xml>"
    )
}

fn message(openid: &str, n: usize) -> String {
    format!(
        "<xml><ToUserName>gh_0000000000c3</ToUserName><FromUserName>{openid}</FromUserName><CreateTime>{n}</CreateTime>\
         <MsgType>text</MsgType><Content>hi</Content></xml>"
    )
}

#[tokio::test]
async fn an_imported_configuration_serves_the_originals_callers_and_backends() {
    let backend = Backend::start().await;
    backend.does(|got| says(200, REPLY.replace("ENV", got.path.trim_start_matches('/'))));
    let yaml = format!(
        "Host: 127.0.0.1\nPort: 36012\n\
         WxAppInfo:\n  - AppID: {OFFICIAL}\n    AppSecret: {}\n  - AppID: {EXAMPLE}\n    AppSecret: {}\n\
         WxMsgMgr:\n  AllowMsgEvent: [SCAN, subscribe, \"\"]\n  WxOpenIdList:\n\
         \x20   - {{EnvName: dev, AllowMsgEvent: [SCAN], HandleUrl: \"{url}/dev\", OpenIdList: [o-dev]}}\n\
         \x20   - {{EnvName: beta, AllowMsgEvent: [SCAN, \"\"], HandleUrl: \"{url}/beta\", OpenIdList: [o-beta]}}\n\
         \x20   - {{EnvName: prod, AllowMsgEvent: [SCAN, subscribe, CLICK], HandleUrl: \"{url}/prod\", OpenIdList: []}}\n",
        "a1".repeat(16),
        "c3".repeat(16),
        url = backend.url,
    );
    let mut app = TestApp::start().await;
    let file = app.dir.path().join("wx-proxy.yaml");
    std::fs::write(&file, yaml).unwrap();
    let output =
        std::process::Command::new(env!("CARGO_BIN_EXE_wxgate")).arg("import").arg(&file).output().unwrap();
    let remarks = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{remarks}");
    assert!(remarks.contains("callback_token"), "what it can't know is said: {remarks}");

    // What a person does with it: fill in the callback's Token, and here the sandbox and free ports.
    let text = String::from_utf8(output.stdout).unwrap();
    let sandbox = app.sandbox.url();
    let text: String = text
        .lines()
        .map(|line| {
            if line.trim_start_matches("# ").starts_with("callback_token") {
                "callback_token = \"sandboxtoken\""
            } else {
                line
            }
        })
        .map(|line| format!("{line}\n"))
        .collect::<String>()
        .replace("127.0.0.1:36012", "127.0.0.1:0")
        .replacen("[server]\n", "[server]\nadmin_listen = \"127.0.0.1:0\"\n", 1);
    let text = format!(
        "{text}\n[wechat]\napi_base = \"{sandbox}\"\nmp_base = \"{sandbox}\"\nopen_base = \"{sandbox}\"\n"
    );
    app.restart_with(&text).await;

    // Its callers have no keys.
    let info = app.call("getwxuserinfo", json!({"appid": EXAMPLE, "code": EXAMPLE_CODE})).await.ok();
    assert_eq!(info["nickname"], "Hui🐠");
    // Only what the original had is open to them.
    let url = format!("{}/cgi-bin/menu/get", app.url());
    let beyond = app.http.send(Method::GET, &url, &[], "").await.unwrap();
    assert_ne!(beyond.json()["errcode"], json!(0));

    // Its backends: who is listed goes there or nowhere, all others to the last.
    let cases = [
        (event("o-dev", "SCAN", 1), Some("dev")),
        (event("o-dev", "subscribe", 2), None),
        (message("o-dev", 3), None),
        (event("o-beta", "scan", 4), Some("beta")),
        (message("o-beta", 5), Some("beta")),
        (event("o-beta", "subscribe", 6), None),
        (event("o-any", "SCAN", 7), Some("prod")),
        (event("o-any", "subscribe", 8), Some("prod")),
        (event("o-any", "CLICK", 9), None),
        (message("o-any", 10), None),
    ];
    for (xml, expected) in cases {
        let before = backend.count();
        let reply = app.callback(Some(EXAMPLE), &Maker::new(EXAMPLE, app.now()).plain(&xml)).await;
        match expected {
            None => assert_eq!((&reply.body[..], backend.count()), (&b"success"[..], before), "{xml}"),
            Some(environment) => {
                let message =
                    Message::parse(&reply.body).unwrap_or_else(|_| panic!("{xml}: {reply:?}\n{text}"));
                assert_eq!(message.content(), format!("from {environment}"), "{xml}");
                assert_eq!(backend.count(), before + 1, "{xml}");
            }
        }
    }
}
