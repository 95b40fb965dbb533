//! WeChat's checks of texts and pictures.
//!
//! What WeChat does is from the official pages under `miniprogram/dev/server/API/sec-center` and, of the first
//! versions, `security.msgSecCheck-v1`, `security.imgSecCheck`, `security.mediaCheckAsync-v1`.

use crate::receiver::Receiver;
use crate::rig::{EXAMPLE, MINI, OFFICIAL, Rig, errcode, png, refused};
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

const MESSAGE: &str = "/wxa/msg_sec_check";
const IMAGE: &str = "/wxa/img_sec_check";
const MEDIA: &str = "/wxa/media_check_async";
/// The page's own texts for trying.
const OFFICIAL_RISKY: [&str; 2] =
    ["特3456书yuuo莞6543李zxcz蒜7782法fgnv级", "完2347全dfji试3726测asad感3847知qwez到"];

fn asked(openid: &str, content: &str) -> Value {
    json!({"version": 2, "openid": openid, "scene": 1, "content": content})
}

fn with(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}

#[tokio::test]
async fn a_text_that_is_fine() {
    let rig = Rig::start().await;
    let (openid, _) = rig.visitor(MINI).await;
    let mut body = rig.call(MINI, MESSAGE, asked(&openid, "hello world!")).await.json();
    let trace = body["trace_id"].take();
    let trace = trace.as_str().unwrap();
    // As 689aa529-4540935f-6c1f3496 of a captured answer: the form of a rid.
    assert!(wechat::errcode::rid(&format!("rid: {trace}")).is_some(), "{trace}");
    assert_eq!(
        body.to_string(),
        r#"{"errcode":0,"errmsg":"ok","detail":[{"strategy":"keyword","errcode":0},{"strategy":"content_model","errcode":0,"suggest":"pass","label":100,"prob":90}],"trace_id":null,"result":{"suggest":"pass","label":100}}"#
    );
    // A captured call wrote the version as a text.
    let text = with(asked(&openid, "hello"), "version", json!("2"));
    assert_eq!(rig.call(MINI, MESSAGE, text).await.json()["result"]["label"], 100);
}

#[tokio::test]
async fn texts_that_are_not() {
    let rig = Rig::start().await;
    let (openid, _) = rig.visitor(MINI).await;
    let verdict = async |body: Value| {
        let body = rig.call(MINI, MESSAGE, body).await.json();
        assert_eq!(body["errcode"], 0, "{body}");
        (body["result"]["suggest"].as_str().unwrap().to_owned(), body["result"]["label"].as_i64().unwrap())
    };
    for text in OFFICIAL_RISKY {
        assert_eq!(verdict(asked(&openid, &format!("a{text}b"))).await, ("risky".to_owned(), 20006));
    }
    assert_eq!(verdict(asked(&openid, "x sandbox-risky-20002 y")).await, ("risky".to_owned(), 20002));
    assert_eq!(verdict(asked(&openid, "sandbox-review-10001")).await, ("review".to_owned(), 10001));
    assert_eq!(verdict(asked(&openid, "sandbox-risky")).await, ("risky".to_owned(), 21000));
    for part in ["title", "nickname", "signature"] {
        let body = with(asked(&openid, "hello"), part, json!("sandbox-risky-20003"));
        assert_eq!(verdict(body).await, ("risky".to_owned(), 20003), "{part}");
    }
}

#[tokio::test]
async fn an_accounts_own_words_are_found_by_the_keyword_strategy() {
    let rig = Rig::start().await;
    let (openid, _) = rig.visitor(MINI).await;
    rig.control("words", json!({"appid": MINI, "word": "加微信", "label": 10001})).await;
    rig.control("words", json!({"appid": MINI, "word": "代购", "suggest": "review", "label": 10001})).await;
    let body = rig.call(MINI, MESSAGE, asked(&openid, "代购请加微信")).await.json();
    let word = |suggest: &str, word: &str| json!({"strategy": "keyword", "errcode": 0, "suggest": suggest, "label": 10001, "keyword": word});
    let model =
        json!({"strategy": "content_model", "errcode": 0, "suggest": "pass", "label": 100, "prob": 90});
    assert_eq!(body["detail"], json!([word("risky", "加微信"), word("review", "代购"), model]));
    assert_eq!(body["result"], json!({"suggest": "risky", "label": 10001}));
    // Said again it is something else.
    rig.control("words", json!({"appid": MINI, "word": "加微信", "suggest": "pass"})).await;
    let body = rig.call(MINI, MESSAGE, asked(&openid, "加微信")).await.json();
    assert_eq!(body["result"]["suggest"], "pass");
    for wrong in [
        json!({"appid": MINI, "word": ""}),
        json!({"appid": MINI, "word": "a", "label": 1}),
        json!({"appid": MINI, "word": "a", "label": 100}),
        json!({"appid": OFFICIAL, "word": "a"}),
    ] {
        assert_eq!(rig.post("/sandbox/words", wrong.clone()).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn what_the_second_version_refuses() {
    let rig = Rig::start().await;
    let (openid, _) = rig.visitor(MINI).await;
    let fine = asked(&openid, "hello");
    let without = |name: &str| {
        let mut body = fine.clone();
        body.as_object_mut().unwrap().remove(name);
        body
    };
    for (body, code) in [
        (with(fine.clone(), "access_token", json!("x")), 47001),
        (without("scene"), 47001),
        (without("openid"), 47001),
        (without("content"), 47001),
        (with(fine.clone(), "version", json!(3)), 47001),
        (with(fine.clone(), "scene", json!(0)), 40129),
        (with(fine.clone(), "scene", json!(5)), 40129),
        (with(fine.clone(), "content", json!("")), 44002),
        (with(fine.clone(), "content", json!("字".repeat(2501))), 45002),
        (with(fine.clone(), "openid", json!("oNobody")), 40003),
    ] {
        assert_eq!(refused(&rig.call(MINI, MESSAGE, body.clone()).await), code, "{body}");
    }
    assert_eq!(
        errcode(&rig.call(MINI, MESSAGE, with(fine.clone(), "content", json!("字".repeat(2500)))).await),
        0
    );
    assert_eq!(refused(&rig.call(OFFICIAL, MESSAGE, fine.clone()).await), 48001);
    let follower = rig.follower(EXAMPLE).await;
    let elsewhere = rig.call(MINI, MESSAGE, with(fine, "openid", json!(follower))).await;
    assert_eq!(refused(&elsewhere), 43104);
    let words = elsewhere.json()["errmsg"].as_str().unwrap().to_owned();
    assert!(words.starts_with("The openid does not match the appid rid: "), "{words}");
}

#[tokio::test]
async fn only_users_who_were_there_within_two_hours() {
    let rig = Rig::start().await;
    let openid = rig.user(MINI).await;
    let check = async || rig.call(MINI, MESSAGE, asked(&openid, "hello")).await;
    assert_eq!(refused(&check().await), 61010, "they never were");
    rig.log_in(MINI, &openid).await;
    assert_eq!(errcode(&check().await), 0);
    rig.advance(7199).await;
    assert_eq!(errcode(&check().await), 0);
    rig.advance(1).await;
    assert_eq!(refused(&check().await), 61010);
    rig.control("phone/code", json!({"appid": MINI, "openid": openid})).await;
    assert_eq!(errcode(&check().await), 0, "who shares a number is there");
    rig.advance(7200).await;
    let link = rig.call(MINI, "/wxa/generatescheme", json!({})).await.json()["openlink"].clone();
    rig.control("open", json!({"link": link, "openid": openid})).await;
    assert_eq!(errcode(&check().await), 0, "so is who opened a link");
}

#[tokio::test]
async fn the_first_version_says_yes_or_no() {
    let rig = Rig::start().await;
    let fine = rig.call(MINI, MESSAGE, json!({"content": "hello world!"})).await;
    assert_eq!(fine.json(), json!({"errcode": 0, "errmsg": "ok"}), "nobody need be named");
    let risky = rig.call(MINI, MESSAGE, json!({"content": OFFICIAL_RISKY[0]})).await;
    assert_eq!(refused(&risky), 87014);
    assert!(risky.json()["errmsg"].as_str().unwrap().starts_with("risky content rid: "));
    assert_eq!(errcode(&rig.call(MINI, MESSAGE, json!({"content": "sandbox-review"})).await), 0);
    assert_eq!(errcode(&rig.call(MINI, MESSAGE, json!({"content": "字".repeat(3000)})).await), 0);
    let long = json!({"content": "a".repeat((500 << 10) + 1)});
    assert_eq!(refused(&rig.call(MINI, MESSAGE, long).await), 45002);
}

#[tokio::test]
async fn escapes_are_taken_for_what_they_look_like() {
    // msg_sec_check passes a risky text that came in \u escapes: the quirk `u_escapes` of the sandbox.
    let rig = Rig::start().await;
    let (token, _) = rig.stable(MINI, false).await;
    let escaped: String = OFFICIAL_RISKY[0].encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    let body = format!("{{\"content\":\"{escaped}\"}}");
    let path = format!("{MESSAGE}?access_token={token}");
    let reply = rig.send(Method::POST, &path, &[], body).await.unwrap();
    assert_eq!(reply.json(), json!({"errcode": 0, "errmsg": "ok"}));
}

#[tokio::test]
async fn texts_have_limits_of_a_minute_and_of_a_day() {
    let rig = Rig::start().await;
    rig.control("quota", json!({"appid": MINI, "api": MESSAGE, "limit": 1})).await;
    let check = async || rig.call(MINI, MESSAGE, json!({"content": "a"})).await;
    assert_eq!(errcode(&check().await), 0);
    assert_eq!(refused(&check().await), 45009);
    let quota = rig.call(MINI, "/cgi-bin/openapi/quota/get", json!({"cgi_path": MESSAGE})).await.json();
    assert_eq!(quota["quota"]["daily_limit"], 1);
    assert_eq!(quota["rate_limit"]["call_count"], 4000);
    rig.advance(86_400).await;
    assert_eq!(errcode(&check().await), 0);
}

#[tokio::test]
async fn a_picture_is_a_file_called_media() {
    let rig = Rig::start().await;
    let check = async |name: &str, file: &[u8]| rig.upload(MINI, IMAGE, "media", name, file).await;
    let picture = png(750, 1334);
    assert_eq!(check("a.png", &picture).await.json(), json!({"errcode": 0, "errmsg": "ok"}));
    let gif = [b"GIF89a".as_slice(), &[10, 0, 20, 0, 0, 0, 0]].concat();
    assert_eq!(errcode(&check("a.gif", &gif).await), 0);
    assert_eq!(refused(&check("sandbox-risky.png", &picture).await), 87014, "by its name");
    let marked = [picture.as_slice(), b"sandbox-risky-20002"].concat();
    let reply = check("a.png", &marked).await;
    assert_eq!(refused(&reply), 87014, "by its bytes");
    assert!(reply.json()["errmsg"].as_str().unwrap().starts_with("risky content rid: "));

    assert_eq!(refused(&check("a.png", &png(751, 10)).await), 40009);
    assert_eq!(refused(&check("a.png", &png(10, 1335)).await), 40009);
    rig.control("quirks", json!({"img_check_pixels": "4000"})).await;
    assert_eq!(errcode(&check("a.png", &png(4000, 10)).await), 0);
    assert_eq!(refused(&check("a.png", &png(4001, 10)).await), 40009);
    assert_eq!(refused(&check("a.png", b"no picture").await), 40137);
    assert_eq!(refused(&check("a.png", b"").await), 44001);
    let long = [picture.as_slice(), &vec![0; 1 << 20]].concat();
    assert_eq!(refused(&check("a.png", &long).await), 40006);
    assert_eq!(refused(&rig.upload(MINI, IMAGE, "img", "a.png", &picture).await), 41005);
    assert_eq!(refused(&rig.upload(OFFICIAL, IMAGE, "media", "a.png", &picture).await), 48001);
    let (token, _) = rig.stable(MINI, false).await;
    let path = format!("{IMAGE}?access_token={token}");
    let send = async |content_type: &str| {
        refused(&rig.send(Method::POST, &path, &[("content-type", content_type)], "{}").await.unwrap())
    };
    assert_eq!(send("application/json").await, 47001, "as captured");
    assert_eq!(send("image/png").await, 41005);
}

#[tokio::test]
async fn a_control_call_says_what_a_picture_is() {
    let rig = Rig::start().await;
    let (one, other) = (png(10, 10), png(20, 10));
    let check = async |file: &[u8]| errcode(&rig.upload(MINI, IMAGE, "media", "a.png", file).await);
    let base64 = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, &one);
    rig.control("pictures", json!({"base64": base64, "suggest": "risky", "label": 20002})).await;
    assert_eq!((check(&one).await, check(&other).await), (87014, 0));
    rig.control("pictures", json!({"base64": base64, "suggest": "pass"})).await;
    assert_eq!(check(&one).await, 0);
    rig.control("pictures", json!({"suggest": "risky"})).await;
    assert_eq!(
        [check(&one).await, check(&other).await, check(&other).await],
        [0, 87014, 0],
        "the next unknown one"
    );
    for wrong in [
        json!({"url": "http://a/b", "sha256": "c"}),
        json!({"base64": "?"}),
        json!({"suggest": "pass", "label": 20002}),
        json!({"shows": {"passport": {}}}),
    ] {
        assert_eq!(rig.post("/sandbox/pictures", wrong.clone()).await.status, 400, "{wrong}");
    }
}

/// The one push that came, as JSON.
async fn pushed(receiver: &Receiver) -> Value {
    for _ in 0..100 {
        if let Some(got) = receiver.take().pop() {
            return serde_json::from_slice(&got.body).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no push came");
}

#[tokio::test]
async fn the_result_of_a_media_check_is_pushed() {
    let rig = Rig::start().await;
    let receiver = Receiver::start().await;
    rig.control("callback", json!({"appid": MINI, "url": receiver.url, "mode": "plain", "format": "json"}))
        .await;
    let (openid, _) = rig.visitor(MINI).await;
    let check = async |url: &str| {
        let body = json!({"media_url": url, "media_type": 2, "version": 2, "scene": 1, "openid": openid});
        let accepted = rig.call(MINI, MEDIA, body).await.json();
        assert_eq!((&accepted["errcode"], &accepted["errmsg"]), (&json!(0), &json!("ok")), "{accepted}");
        let message = pushed(&receiver).await;
        assert_eq!(message["trace_id"], accepted["trace_id"]);
        message
    };
    let message = check("https://a.example.com/sandbox-risky-20002.png").await;
    let part =
        json!({"strategy": "content_model", "errcode": 0, "suggest": "risky", "label": 20002, "prob": 90});
    let named = |name: &str| message[name].clone();
    assert_eq!((named("MsgType"), named("Event")), (json!("event"), json!("wxa_media_check")));
    assert_eq!((named("appid"), named("version"), named("errcode")), (json!(MINI), json!(2), json!(0)));
    assert_eq!(
        (named("detail"), named("result")),
        (json!([part]), json!({"suggest": "risky", "label": 20002}))
    );
    assert_ne!(message["FromUserName"], openid, "it is WeChat's own user");
    let fine = check("https://a.example.com/b.png").await;
    assert_eq!(fine["result"], json!({"suggest": "pass", "label": 100}));
    assert_eq!(fine["FromUserName"], message["FromUserName"], "the same every time");

    rig.control("pictures", json!({"url": "https://a.example.com/gone.png", "missing": true})).await;
    for address in ["https://a.example.com/gone.png", "wxfile://tmp_1.png"] {
        let message = check(address).await;
        // The words of a captured push.
        assert_eq!((&message["errcode"], &message["detail"]), (&json!(-1008), &json!([])), "{address}");
        assert!(message["errmsg"].as_str().unwrap().starts_with("下载错误,请检查媒体链接是否"));
    }
    let first = rig
        .call(MINI, MEDIA, json!({"media_url": "https://a.example.com/sandbox-risky", "media_type": 1}))
        .await;
    assert_eq!(errcode(&first), 0, "the first version names nobody");
    let message = pushed(&receiver).await;
    assert_eq!((&message["isrisky"], &message["status_code"]), (&json!(1), &json!(0)));
    assert_eq!((&message["extra_info_json"], message.get("result")), (&json!(""), None));
}

#[tokio::test]
async fn a_media_check_that_is_refused_pushes_nothing() {
    let rig = Rig::start().await;
    let receiver = Receiver::start().await;
    rig.control("callback", json!({"appid": MINI, "url": receiver.url, "mode": "plain", "format": "json"}))
        .await;
    let (openid, _) = rig.visitor(MINI).await;
    let stranger = rig.user(MINI).await;
    let fine =
        json!({"media_url": "https://a/b", "media_type": 2, "version": 2, "scene": 4, "openid": openid});
    for (body, code) in [
        (with(fine.clone(), "media_type", json!(3)), 40004),
        (with(fine.clone(), "media_url", json!("")), 47001),
        (with(fine.clone(), "scene", json!(9)), 40129),
        (with(fine.clone(), "openid", json!(stranger)), 61010),
        (with(fine.clone(), "openid", json!("oNobody")), 40003),
    ] {
        assert_eq!(refused(&rig.call(MINI, MEDIA, body.clone()).await), code, "{body}");
    }
    rig.control("quota", json!({"appid": MINI, "api": MEDIA, "limit": 0})).await;
    assert_eq!(refused(&rig.call(MINI, MEDIA, fine).await), 45009);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(receiver.take().is_empty());
}
