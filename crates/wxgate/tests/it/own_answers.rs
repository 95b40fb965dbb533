//! Events whose protocol has an answer of its own, and routes whose backend answers what it likes.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use wechat::crypt::AesKey;
use wechat::envelope::{Account, Kind, open_reply};

use crate::app::{EXAMPLE, MINI, OFFICIAL, Reply, TestApp};
use crate::backend::{Backend, says};
use crate::signed::{AES_KEY, Callback, Maker, TOKEN, text};

const SUCCESS: &str = r#"{"ErrCode":0,"ErrMsg":"success"}"#;

async fn replying(more: &str) -> (TestApp, Backend) {
    let backend = Backend::start().await;
    let app = TestApp::configured(&format!(
        "[auth]\nmode = \"off\"\n[[routes]]\nname = \"pay\"\ntarget = \"{}\"\n{more}",
        backend.url
    ))
    .await;
    (app, backend)
}

fn json_event(event: &str, n: u32) -> String {
    json!({"ToUserName": "gh_x", "FromUserName": "o1", "CreateTime": 5, "MsgType": "event", "Event": event, "n": n})
        .to_string()
}

fn xml_event(event: &str, n: u32) -> String {
    format!(
        "<xml><ToUserName>gh_x</ToUserName><FromUserName>o1</FromUserName><CreateTime>5</CreateTime>\
         <MsgType>event</MsgType><Event>{event}</Event><n>{n}</n></xml>"
    )
}

/// What WeChat reads of an answer of `appid`'s.
pub(crate) fn opened(appid: &str, reply: &Reply) -> String {
    assert_eq!(reply.status, StatusCode::OK, "{:?}", reply.body);
    if appid == EXAMPLE {
        return String::from_utf8(reply.body.to_vec()).unwrap();
    }
    let key = AesKey::parse(AES_KEY).unwrap();
    let account = Account { appid, tokens: vec![TOKEN], keys: vec![&key] };
    let opened = open_reply(&reply.body, &account, Kind::Document).unwrap();
    assert!(opened.encrypted);
    String::from_utf8(opened.body).unwrap()
}

fn wants_again(reply: &Reply) {
    assert_eq!(reply.status, StatusCode::INTERNAL_SERVER_ERROR, "{:?}", reply.body);
}

/// As the account's messages come.
fn callback(app: &TestApp, appid: &str, message: &str) -> Callback {
    let maker = Maker::new(appid, app.now());
    if appid == EXAMPLE { maker.plain(message) } else { maker.safe(message) }
}

#[tokio::test]
async fn the_answer_goes_back_in_every_mode_and_format() {
    let (app, backend) = replying("reply = true\nreply_wait = \"14s\"\n").await;
    let xml = "<xml><ErrCode>0</ErrCode><ErrMsg><![CDATA[success]]></ErrMsg></xml>";
    let mut n = 0;
    for appid in [MINI, EXAMPLE, OFFICIAL] {
        for event in ["xpay_goods_deliver_notify", "minigame_deliver_goods", "debug_demo"] {
            for (is_json, said, expected) in [
                (true, SUCCESS, SUCCESS),
                (false, xml, xml),
                (false, SUCCESS, xml),
                (true, xml, SUCCESS),
                (true, "\u{feff}\n {\"demo_resp\":\"good luck\"}\n", r#"{"demo_resp":"good luck"}"#),
            ] {
                n += 1;
                backend.does(move |_| says(200, said));
                let message = if is_json { json_event(event, n) } else { xml_event(event, n) };
                let reply = app.callback(Some(appid), &callback(&app, appid, &message)).await;
                assert_eq!(opened(appid, &reply), expected, "{appid} {event} {is_json} {said}");
            }
        }
    }
    app.all_delivered().await;
    assert_eq!(backend.count(), n as usize);
}

#[tokio::test]
async fn a_repeat_asks_anew_until_the_answer_said_success() {
    let (app, backend) = replying("reply = true\n").await;
    let message = json_event("xpay_goods_deliver_notify", 1);
    let send = async || app.callback(Some(MINI), &callback(&app, MINI, &message)).await;
    let fails = r#"{"ErrCode":1,"ErrMsg":"later"}"#;
    backend.does(move |_| says(200, fails));
    for asked in 1..=2 {
        assert_eq!(opened(MINI, &send().await), fails);
        assert_eq!(backend.count(), asked);
    }
    backend.does(|_| says(200, r#"{"errcode":"0"}"#));
    for _ in 0..3 {
        assert_eq!(opened(MINI, &send().await), r#"{"errcode":"0"}"#);
        assert_eq!(backend.count(), 3, "asked no more");
    }
    app.all_delivered().await;
    let deliveries = app.deliveries("").await;
    assert_eq!((app.events().await.len(), deliveries.len()), (1, 1));
    let attempts = deliveries[0]["attempts"].as_array().unwrap();
    assert_eq!((attempts.len(), &deliveries[0]["status"]), (3, &json!("delivered")));
}

#[tokio::test]
async fn no_2xx_is_never_a_success_and_the_queue_answers_the_next_repeat() {
    let (app, backend) = replying("reply = true\nreply_wait = \"300ms\"\n").await;
    let message = xml_event("xpay_refund_notify", 1);
    let send = async || app.callback(Some(OFFICIAL), &callback(&app, OFFICIAL, &message)).await;
    backend.does(|_| says(503, SUCCESS));
    wants_again(&send().await);
    wants_again(&send().await);
    assert_eq!(backend.count(), 2, "a repeat asks at once");
    assert_eq!(app.events().await.len(), 1);
    // The queue goes on.
    backend.does(|_| says(200, SUCCESS));
    app.until("both attempts are recorded", async || {
        app.deliveries("").await[0]["attempts"].as_array().unwrap().len() == 2
    })
    .await;
    app.advance(Duration::from_secs(40)).await;
    app.all_delivered().await;
    backend.does(|_| says(500, "not asked again"));
    assert!(opened(OFFICIAL, &send().await).contains("<ErrCode>0</ErrCode>"));
    assert_eq!(backend.count(), 3);
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_for_the_next_repeat() {
    let (app, backend) = replying("reply = true\nreply_wait = \"200ms\"\n").await;
    let message = json_event("minigame_game_pay_goods_deliver_notify", 1);
    let send = async || app.callback(Some(MINI), &callback(&app, MINI, &message)).await;
    backend.does(|_| says(200, SUCCESS).after(Duration::from_millis(600)));
    wants_again(&send().await);
    // While the backend is at it, it isn't asked again.
    let (one, other) = tokio::join!(send(), send());
    wants_again(&one);
    wants_again(&other);
    app.all_delivered().await;
    assert_eq!(opened(MINI, &send().await), SUCCESS);
    assert_eq!(backend.count(), 1);
}

#[tokio::test]
async fn a_dead_letter_is_asked_again_and_a_restart_forgets_nothing() {
    let (mut app, backend) = replying("reply = true\nretry = []\n").await;
    let message = json_event("xpay_coin_pay_notify", 1);
    backend.does(|_| says(500, ""));
    wants_again(&app.callback(Some(MINI), &callback(&app, MINI, &message)).await);
    app.until("a dead letter", async || app.deliveries("status=dead").await.len() == 1).await;
    app.restart().await;
    backend.does(|_| says(200, SUCCESS));
    let reply = app.callback(Some(MINI), &callback(&app, MINI, &message)).await;
    assert_eq!(opened(MINI, &reply), SUCCESS);
    app.restart().await;
    backend.does(|_| says(500, ""));
    let again = app.callback(Some(MINI), &callback(&app, MINI, &message)).await;
    assert_eq!((again.body, backend.count()), (reply.body, 2), "the same to the byte");
}

#[tokio::test]
async fn without_a_route_that_replies_it_is_success() {
    let (app, backend) = replying("").await;
    let message = json_event("xpay_goods_deliver_notify", 1);
    for _ in 0..2 {
        let reply = app.callback(Some(MINI), &callback(&app, MINI, &message)).await;
        assert_eq!((reply.status, &reply.body[..]), (StatusCode::OK, &b"success"[..]));
    }
    app.all_delivered().await;
    assert_eq!(backend.count(), 1);
}

#[tokio::test]
async fn what_is_no_document_is_no_answer() {
    let (app, backend) = replying("reply = true\n").await;
    for (n, said) in ["success", "", "[]", "1", "<html></html>", "{"].into_iter().enumerate() {
        backend.does(move |_| says(200, said));
        let message = json_event("xpay_goods_deliver_notify", n as u32);
        let reply = app.callback(Some(MINI), &callback(&app, MINI, &message)).await;
        assert_eq!((reply.status, &reply.body[..]), (StatusCode::OK, &b"success"[..]), "{said}");
    }
    // An ordinary message takes no document without a MsgType.
    backend.does(|_| says(200, SUCCESS));
    let reply = app.callback(Some(MINI), &callback(&app, MINI, &text("gh_x", "a"))).await;
    assert_eq!(reply.body, "success");
}

#[tokio::test]
async fn raw_gives_back_whatever_document_it_is() {
    let (app, backend) = replying("reply = \"raw\"\n").await;
    for (n, said) in
        [SUCCESS, "{\"a\":[]}", "[1, 2]", "<xml><a>1</a></xml>", "<?xml version=\"1.0\"?><reply/>"]
            .into_iter()
            .enumerate()
    {
        backend.does(move |_| says(200, format!("\u{feff}\n{said}")));
        let message = text("gh_x", &n.to_string());
        let reply = app.callback(Some(EXAMPLE), &callback(&app, EXAMPLE, &message)).await;
        assert_eq!(opened(EXAMPLE, &reply), said, "as it is");
        let again = app.callback(Some(EXAMPLE), &callback(&app, EXAMPLE, &message)).await;
        assert_eq!((again.body, backend.count()), (reply.body, 1 + 2 * n), "asked once");
        let reply = app.callback(Some(MINI), &callback(&app, MINI, &json_event("any", n as u32))).await;
        assert!(reply.body.starts_with(b"{\"Encrypt\":"), "encrypted as the message was");
    }
    for (n, said) in ["success", "", "1", "{", "<a>", "a<b/>", "<a/><b/>"].into_iter().enumerate() {
        backend.does(move |_| says(200, said));
        let reply =
            app.callback(Some(EXAMPLE), &callback(&app, EXAMPLE, &text("gh_y", &n.to_string()))).await;
        assert_eq!(reply.body, "success", "{said}");
    }
}
