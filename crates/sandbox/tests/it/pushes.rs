//! Callbacks. What the sandbox seals with its own code is opened here with the `wechat` crate's: two
//! implementations, both held to the published vectors, must agree.

use crate::receiver::{Got, Receiver};
use crate::rig::{MINI, OFFICIAL, Rig, TEMPLATE};
use serde_json::{Value, json};
use std::time::Duration;
use wechat::crypt::AesKey;
use wechat::envelope::{Account, Keys, Push, Query, Stamp, seal_reply};
use wechat::message::{Format, Message};

const TOKEN: &str = "sandboxtoken";

fn key() -> AesKey {
    AesKey::parse("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG").unwrap()
}

/// Opened with the account's key, or without one.
fn open(appid: &str, got: &Got, sealed: bool) -> Message {
    let key = key();
    let account = Account { appid, tokens: vec![TOKEN], keys: if sealed { vec![&key] } else { vec![] } };
    let query = Query::parse(&got.query).unwrap();
    Push::read(&query, &got.body).open(&[account]).unwrap().message
}

async fn set(rig: &Rig, receiver: &Receiver, appid: &str, mode: &str, format: &str) {
    let callback = json!({"appid": appid, "url": receiver.url, "mode": mode, "format": format});
    rig.control("callback", callback).await;
}

async fn ticket(rig: &Rig, scene: &str) -> String {
    let body = json!({"action_name": "QR_STR_SCENE", "expire_seconds": 60, "action_info": {"scene": {"scene_str": scene}}});
    let code = rig.call(OFFICIAL, "/cgi-bin/qrcode/create", body).await.json();
    code["ticket"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_mode_and_format() {
    let rig = Rig::start().await;
    let receiver = Receiver::start().await;
    for appid in [OFFICIAL, MINI] {
        let openid = rig.user(appid).await;
        for mode in ["plain", "compat", "safe"] {
            for format in ["xml", "json"] {
                set(&rig, &receiver, appid, mode, format).await;
                let said = json!({"appid": appid, "openid": openid, "text": "你好 ]]> \"x\""});
                let pushes = rig.control("message", said).await["pushes"].clone();
                assert_eq!(pushes[0]["url"], receiver.url);
                let attempts = pushes[0]["attempts"].as_array().unwrap();
                assert_eq!(attempts.len(), 1);
                assert_eq!((&attempts[0]["status"], &attempts[0]["body"]), (&json!(200), &json!("success")));
                assert!(attempts[0]["ms"].is_u64());

                let got = receiver.take().pop().unwrap();
                assert_eq!(got.param("own"), "1", "the address keeps its own query");
                assert_eq!(got.param("openid"), openid);
                assert_eq!(got.content_type, if format == "xml" { "text/xml" } else { "application/json" });
                let message = open(appid, &got, mode != "plain");
                assert_eq!(message.content(), "你好 ]]> \"x\"");
                let text = String::from_utf8(got.body.to_vec()).unwrap();
                assert_eq!(text.contains("Encrypt"), mode != "plain", "{text}");
                assert_eq!(text.contains("你好"), mode != "safe", "{text}");
                if mode == "compat" {
                    // The readable half is well-formed on its own, too.
                    let message = Message::parse(&got.body).unwrap();
                    assert_eq!(message.content(), "你好 ]]> \"x\"");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_scan_follows_or_just_scans() {
    let rig = Rig::start().await;
    let openid = rig.user(OFFICIAL).await;
    let ticket = ticket(&rig, "login_1").await;
    let scan = async || rig.control("scan", json!({"ticket": ticket, "openid": openid})).await;
    assert_eq!(scan().await, json!({"pushes": []}), "no callback is set");
    rig.control("unfollow", json!({"appid": OFFICIAL, "openid": openid})).await;

    let receiver = Receiver::start().await;
    set(&rig, &receiver, OFFICIAL, "safe", "xml").await;
    scan().await;
    scan().await;
    let messages: Vec<Message> = receiver.take().iter().map(|got| open(OFFICIAL, got, true)).collect();
    let seen: Vec<String> = messages.iter().map(|m| format!("{} {}", m.event(), m.event_key())).collect();
    assert_eq!(seen, ["subscribe qrscene_login_1", "SCAN login_1"]);
    assert!(messages.iter().all(|m| m.text("Ticket") == ticket && m.text("FromUserName") == openid));
    assert!(messages.iter().all(|m| m.text("ToUserName") == "gh_0000000000a1"));
    rig.advance(61).await;
    let late = rig.post("/sandbox/scan", json!({"ticket": ticket, "openid": openid})).await;
    assert_eq!((late.status, late.json()["error"].as_str()), (400, Some("ticket: the code has expired")));

    rig.control("unfollow", json!({"appid": OFFICIAL, "openid": openid})).await;
    rig.control("event", json!({"appid": OFFICIAL, "openid": openid, "event": "CLICK", "key": "menu_1"}))
        .await;
    let messages: Vec<Message> = receiver.take().iter().map(|got| open(OFFICIAL, got, true)).collect();
    let seen: Vec<String> = messages.iter().map(|m| format!("{} {}", m.event(), m.event_key())).collect();
    assert_eq!(seen, ["unsubscribe ", "CLICK menu_1"]);
    assert_eq!(rig.state().await["pushes"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn three_attempts_and_whether_they_are_signed_anew() {
    let rig = Rig::start().await;
    let receiver = Receiver::start().await;
    set(&rig, &receiver, OFFICIAL, "safe", "xml").await;
    receiver.answers(|_, _| (500, "no".to_owned(), Duration::ZERO));
    let openid = rig.user(OFFICIAL).await;
    let said = json!({"appid": OFFICIAL, "openid": openid, "text": "x"});
    for quirk in ["same", "new"] {
        rig.control("quirks", json!({"retry_signature": quirk})).await;
        let pushes = rig.control("message", said.clone()).await["pushes"].clone();
        let attempts = pushes[0]["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), 3);
        assert!(attempts.iter().all(|a| a["status"] == 500 && a["body"] == "no"), "{attempts:?}");
        let got = receiver.take();
        assert_eq!(got.len(), 3);
        assert_eq!(got[0].query == got[1].query, quirk == "same");
        let ids: Vec<String> =
            got.iter().map(|got| open(OFFICIAL, got, true).text("MsgId").into_owned()).collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "the same message");
    }
    receiver.answers(|_, number| (if number < 2 { 503 } else { 200 }, String::new(), Duration::ZERO));
    let pushes = rig.control("message", said).await["pushes"].clone();
    let statuses: Vec<_> =
        pushes[0]["attempts"].as_array().unwrap().iter().map(|a| a["status"].clone()).collect();
    assert_eq!(statuses, [503, 200]);
}

#[tokio::test]
async fn five_seconds_to_answer() {
    let rig = Rig::start().await;
    let receiver = Receiver::start().await;
    set(&rig, &receiver, OFFICIAL, "plain", "xml").await;
    let slow = |_: &Got, number| {
        let delay = if number == 1 { Duration::from_secs(30) } else { Duration::ZERO };
        (200, "success".to_owned(), delay)
    };
    receiver.answers(slow);
    let openid = rig.user(OFFICIAL).await;
    let said = json!({"appid": OFFICIAL, "openid": openid, "text": "x"});
    let attempts = rig.control("message", said).await["pushes"][0]["attempts"].clone();
    assert_eq!((&attempts[0]["status"], &attempts[0]["error"]), (&json!(0), &json!("no answer within 5 s")));
    assert!((4900..7000).contains(&attempts[0]["ms"].as_u64().unwrap()), "{attempts}");
    assert_eq!(attempts[1]["status"], 200);
}

#[tokio::test]
async fn replies_are_opened_and_verified() {
    let rig = Rig::start().await;
    let receiver = Receiver::start().await;
    let openid = rig.user(OFFICIAL).await;
    let answer = "<xml><MsgType><![CDATA[text]]></MsgType><Content>hi</Content></xml>";
    let attempt = async || {
        let said = json!({"appid": OFFICIAL, "openid": openid, "text": "x"});
        rig.control("message", said).await["pushes"][0]["attempts"][0].clone()
    };
    let sealed = |appid: &str| {
        let key = key();
        let keys = Keys { appid, token: TOKEN, key: Some(&key) };
        let stamp = Stamp { timestamp: 1, nonce: "2", random: [3; 16] };
        String::from_utf8(seal_reply(&keys, Format::Xml, answer.as_bytes(), &stamp)).unwrap()
    };
    for (mode, text, reply, error) in [
        ("plain", answer.to_owned(), Some(answer), None),
        ("plain", "no".to_owned(), None, Some("no message")),
        ("plain", "{\"MsgType\":\"text\"}".to_owned(), None, Some("no message")),
        ("safe", "success".to_owned(), None, None),
        ("safe", answer.to_owned(), None, Some("not encrypted")),
        ("safe", sealed(OFFICIAL), Some(answer), None),
        ("safe", sealed(MINI), None, Some("another appid")),
        ("safe", sealed(OFFICIAL).replace("<TimeStamp>1", "<TimeStamp>2"), None, Some("MsgSignature")),
    ] {
        set(&rig, &receiver, OFFICIAL, mode, "xml").await;
        let body = text.clone();
        receiver.answers(move |_, _| (200, body.clone(), Duration::ZERO));
        let attempt = attempt().await;
        assert_eq!(attempt["reply"].as_str(), reply, "{mode} {text}");
        let found = attempt["error"].as_str();
        assert_eq!(found.is_some(), error.is_some(), "{mode} {text}: {found:?}");
        assert!(error.is_none_or(|word| found.unwrap().contains(word)), "{found:?}");
    }
}

#[tokio::test]
async fn an_address_is_verified_before_it_is_kept() {
    let rig = Rig::start().await;
    let dead = "http://127.0.0.1:1/wx";
    let reply = rig.post("/sandbox/callback", json!({"appid": OFFICIAL, "url": dead, "mode": "plain"})).await;
    assert_eq!(reply.status, 400);
    assert!(reply.json()["error"].as_str().unwrap().contains("verification failed"));
    let wrong = format!("{}/sandbox/state", rig.sandbox.url());
    let reply =
        rig.post("/sandbox/callback", json!({"appid": OFFICIAL, "url": wrong, "mode": "plain"})).await;
    assert!(reply.json()["error"].as_str().unwrap().contains("instead of the echostr"));
    assert_eq!(rig.state().await["apps"][0]["callback"], Value::Null);
}

#[tokio::test]
async fn a_template_message_is_reported_finished() {
    let rig = Rig::start().await;
    let receiver = Receiver::start().await;
    let openid = rig.follower(OFFICIAL).await;
    set(&rig, &receiver, OFFICIAL, "compat", "xml").await;
    let body = json!({"touser": openid, "template_id": TEMPLATE, "data": {"a": {"value": "b"}}});
    let reply = rig.call(OFFICIAL, "/cgi-bin/message/template/send", body).await.json();
    for _ in 0..100 {
        if let Some(got) = receiver.take().pop() {
            let message = open(OFFICIAL, &got, true);
            assert_eq!(message.event(), "TEMPLATESENDJOBFINISH");
            assert_eq!(message.text("MsgID"), reply["msgid"].to_string());
            assert_eq!(message.text("Status"), "success");
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no push");
}

#[tokio::test]
async fn any_message_with_any_field_can_be_pushed() {
    let rig = Rig::start().await;
    let receiver = Receiver::start().await;
    set(&rig, &receiver, OFFICIAL, "plain", "xml").await;
    let openid = rig.user(OFFICIAL).await;
    let message = json!({"MsgType": "event", "Event": "scancode_push", "EventKey": "k",
        "ScanCodeInfo": {"ScanType": "qrcode", "ScanResult": "1"}, "CreateTime": 5});
    let asked = json!({"appid": OFFICIAL, "openid": openid, "message": message});
    rig.control("push", asked).await;
    let got = String::from_utf8(receiver.take()[0].body.to_vec()).unwrap();
    assert!(got.contains("<ScanCodeInfo><ScanType><![CDATA[qrcode]]></ScanType>"), "{got}");
    assert_eq!(got.matches("<CreateTime>").count(), 1, "{got}");
    for wrong in [json!({}), json!({"MsgType": 1}), json!({"MsgType": "text", "a b": 1})] {
        let asked = json!({"appid": OFFICIAL, "openid": openid, "message": wrong});
        assert_eq!(rig.post("/sandbox/push", asked).await.status, 400, "{wrong}");
    }
}
